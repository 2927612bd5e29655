package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// download puts the native snapshot of a unit together whose parts lie in several, or in another repository. Plans of runs
// that began before there was such a thing have no such units.
func (j *databaseJob) download(ctx workflow.Context, u activities.UnitRef) error {
	if u.Composed == "" {
		return nil
	}
	j.submitted = false
	j.phase(ctx, spec.PhaseDownload)
	var composed activities.Composed
	err := workflow.ExecuteActivity(long(ctx, j.heartbeat(), "compose snapshot "+u.Composed), acts.Compose, u).Get(ctx, &composed)
	j.phase(ctx, working(j.Statement))
	return err
}

// dropComposed removes what download has put together when the unit is through, also after a cancel. A snapshot that
// StarRocks may still be reading stays, and is named.
func (j *databaseJob) dropComposed(ctx workflow.Context, u activities.UnitRef, unit restorepoint.Unit, err error) {
	if u.Composed == "" || j.tryAgain(unit) {
		return
	}
	if j.submitted && !settled(err) {
		j.warn("the snapshot %s stays in the repository, because StarRocks may still be reading it; remove it when no RESTORE runs", u.Composed)
		return
	}
	free := finishing(ctx)
	if err := workflow.ExecuteActivity(long(free, j.heartbeat(), "remove snapshot "+u.Composed), acts.DropComposed, u).Get(free, nil); err != nil {
		_, message := activities.TypeOf(err)
		j.warn("%s", message)
	}
}

// dropLeft removes what was put together for a unit whose next attempt does not come any more.
func (j *databaseJob) dropLeft(ctx workflow.Context) {
	if !j.Planned.Composes {
		return
	}
	for _, w := range j.Queue.Waiting {
		if w.Attempt > 1 {
			j.submitted = false
			j.dropComposed(ctx, j.attempt(ctx, w.Unit), restorepoint.Unit{}, nil)
		}
	}
}

// tryAgain tells whether the queue holds another attempt at the unit, which will find what this one has put together.
func (j *databaseJob) tryAgain(unit restorepoint.Unit) bool {
	for _, w := range j.Queue.Waiting {
		if w.Number == unit.Number {
			return j.Cancelled == ""
		}
	}
	return false
}
