package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"starkeep/workflows/spec"
)

// control is what people can change while a run is under way.
type control struct {
	paused   bool
	parallel int               // databases at once; 0 in a DatabaseJob
	onChange func(paused bool) // tells children
}

// serve answers the updates pause and resume (and setLimit where parallel is set) and the query progress.
func (c *control) serve(ctx workflow.Context, progress func() (any, error)) error {
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, progress); err != nil {
		return err
	}
	pause := func(workflow.Context, spec.Pause) (spec.PauseResult, error) {
		c.set(true)
		return spec.PauseResult{Paused: true, Note: "no further unit is started; a BACKUP or RESTORE under way goes on, StarRocks cannot pause it"}, nil
	}
	if err := workflow.SetUpdateHandler(ctx, spec.UpdatePause, pause); err != nil {
		return err
	}
	resume := func(workflow.Context) (spec.PauseResult, error) {
		c.set(false)
		return spec.PauseResult{Note: "units are started again"}, nil
	}
	if err := workflow.SetUpdateHandler(ctx, spec.UpdateResume, resume); err != nil {
		return err
	}
	if c.parallel == 0 {
		return nil
	}
	limit := func(_ workflow.Context, l spec.Limits) (spec.Limits, error) {
		c.parallel = l.ParallelDatabases
		return l, nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, spec.UpdateSetLimit, limit, workflow.UpdateHandlerOptions{Validator: checkLimit})
}

func checkLimit(_ workflow.Context, l spec.Limits) error {
	if l != (spec.Limits{ParallelDatabases: l.ParallelDatabases}) {
		return fmt.Errorf("only parallelDatabases can change while a run is under way: its units are planned already")
	}
	if l.ParallelDatabases < 1 {
		return fmt.Errorf("parallelDatabases is %d; give 1 or more (use pause to stop)", l.ParallelDatabases)
	}
	return nil
}

func (c *control) set(paused bool) {
	c.paused = paused
	if c.onChange != nil {
		c.onChange(paused)
	}
}

// signalPause tells a DatabaseJob that its parent was paused or resumed.
const signalPause = "parentPaused"

// listen takes the parent's word.
func (c *control) listen(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var paused bool
			if !workflow.GetSignalChannel(ctx, signalPause).Receive(ctx, &paused) || ctx.Err() != nil {
				return
			}
			c.paused = paused
		}
	})
}
