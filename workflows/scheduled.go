package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// scheduledStart is what Temporal sets on the runs that a schedule starts: the time on its table, before jitter and however
// late the run begins.
var scheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// versionScheduledPoint marks runs of schedules whose restore point is named by the time they were due. Those before were
// named by the time they began.
const versionScheduledPoint = "point named by its schedule"

// due is the time that a run's restore point is named by: the one that a schedule had for it, else now. A run that catches up
// is then told from the next one, and the name says which run is missing.
func due(ctx workflow.Context, now time.Time) time.Time {
	scheduled, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledStart)
	if !ok || workflow.GetVersion(ctx, versionScheduledPoint, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return now
	}
	return scheduled
}
