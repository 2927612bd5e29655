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
	limited  bool              // somebody set parallel: the plan's value no longer counts
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
		c.parallel, c.limited = l.ParallelDatabases, true
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

// planned takes the plan's number of databases at once, unless somebody has set another meanwhile.
func (c *control) planned(parallel int) {
	if !c.limited {
		c.parallel = max(parallel, 1)
	}
}

func (c *control) set(paused bool) {
	c.paused = paused
	if c.onChange != nil {
		c.onChange(paused)
	}
}

// signalPause tells a DatabaseJob that its parent was paused or resumed.
const signalPause = "parentPaused"

// listen takes the parent's word while the job waits for something. It only looks: a receiver that waits would be given
// the signal, and heard would not find it.
func (c *control) listen(ctx workflow.Context) {
	said := workflow.GetSignalChannel(ctx, signalPause)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for workflow.Await(ctx, func() bool { return said.Len() > 0 }) == nil {
			c.heard(ctx)
		}
	})
}

// heard takes what the parent has said in this very workflow task: listen runs after the one who asks. A signal that
// is not taken before continue-as-new is lost.
func (c *control) heard(ctx workflow.Context) {
	for workflow.GetSignalChannel(ctx, signalPause).ReceiveAsync(&c.paused) {
	}
}
