package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// maxOffered bounds the snapshots that wait: what is dropped is found again by the plan of its point.
const maxOffered = 1000

// serve answers the queries progress and share and the update setLimit.
func (c *copying) serve(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return c.answer(), nil }); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, activities.QueryShare, func() (int64, error) { return c.share(c.running), nil }); err != nil {
		return err
	}
	limit := func(ctx workflow.Context, l spec.CopyLimits) (spec.CopyLimits, error) {
		if l.ParallelBatches == 0 {
			l.ParallelBatches = c.Limits.ParallelBatches
		}
		c.Limits = l
		c.show(ctx)
		return l, nil
	}
	check := func(_ workflow.Context, l spec.CopyLimits) error { return l.Validate() }
	return workflow.SetUpdateHandlerWithOptions(ctx, spec.UpdateSetLimit, limit, workflow.UpdateHandlerOptions{Validator: check})
}

// hear takes what backups have offered.
func (c *copying) hear(ctx workflow.Context) {
	said := workflow.GetSignalChannel(ctx, spec.SignalOffer)
	for {
		var offer spec.CopyOffer
		if !said.ReceiveAsync(&offer) {
			return
		}
		if offer.Point != "" && !slices.Contains(c.Offered, offer.Point) {
			c.Offered = append(c.Offered, offer.Point)
		}
		waits := slices.ContainsFunc(c.Snapshots, func(s activities.SnapshotToCopy) bool { return s.Label == offer.Snapshot })
		if offer.Snapshot != "" && !waits && len(c.Snapshots) < maxOffered {
			c.Snapshots = append(c.Snapshots, activities.SnapshotToCopy{Label: offer.Snapshot})
		}
	}
}

// continueAsNew starts the next run with all that is known. No batch runs then.
func (c *copying) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(finishing(ctx), func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	c.hear(ctx) // a signal that is not taken by now is lost
	return workflow.NewContinueAsNewError(ctx, Copy, c.in, &c.CopyState)
}

func (c *copying) answer() spec.Progress {
	return spec.Progress{Phase: c.Progress.Phase, Point: c.Point, Databases: []spec.DatabaseProgress{c.Progress}, Warnings: c.Result.Warnings}
}

// show puts the progress where people look: the details in the web UI.
func (c *copying) show(ctx workflow.Context) {
	waiting := len(c.Points) + len(c.Offered)
	if c.Point != "" {
		waiting++
	}
	details := fmt.Sprintf("### Copy from `%s` to `%s`: %s\n\n| | done | of |\n|---|---:|---:|\n| native snapshots | %d | %d |\n| bytes | %s | %s |\n\n%d restore points copied, %d waiting, %d failed. Limits: %s (update `setLimit`).\n",
		c.in.From, c.in.To, c.Progress.Phase, c.Progress.UnitsDone, c.Progress.Units, spec.Bytes(c.Progress.BytesDone), spec.Bytes(c.Progress.Bytes),
		c.Result.PointCount, waiting, c.Result.FailedCount, c.Limits)
	if c.Progress.Current != "" {
		details += "\nNow: " + c.Progress.Current + ".\n"
	}
	workflow.SetCurrentDetails(ctx, details)
}
