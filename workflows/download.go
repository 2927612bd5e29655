package workflows

import (
	"slices"

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
		j.kept = append(j.kept, unit.ComposedFor())
		j.warn("the snapshot %s stays in the repository, because StarRocks may still be reading it; remove it when no RESTORE runs", u.Composed)
		return
	}
	free := finishing(ctx)
	if err := workflow.ExecuteActivity(long(free, j.heartbeat(), "remove snapshot "+u.Composed), acts.DropComposed, u).Get(free, nil); err != nil {
		_, message := activities.TypeOf(err)
		j.warn("%s", message)
	}
}

// versionPieces: in runs that began before 1, each piece of a unit is composed anew; before 2, what pieces share was removed
// at the end also where StarRocks might still be reading it.
const versionPieces = "pieces of a unit share its composed snapshot"

// composed tells whether a failed attempt had its native snapshot composed and ready, so that pieces of the unit can be
// restored from it.
func (j *databaseJob) composed(ctx workflow.Context, u activities.UnitRef) bool {
	return u.Composed != "" && j.submitted && workflow.GetVersion(ctx, versionPieces, workflow.DefaultVersion, 2) >= 1
}

// stays tells whether a composed snapshot was left to StarRocks, or to a statement that is to be sent by hand.
func (j *databaseJob) stays(ctx workflow.Context, unit int) bool {
	return slices.Contains(j.kept, unit) && workflow.GetVersion(ctx, versionPieces, workflow.DefaultVersion, 2) == 2
}

// dropLeft removes what was put together for a unit whose next attempt, or whose pieces, do not come any more.
func (j *databaseJob) dropLeft(ctx workflow.Context) {
	if !j.Planned.Composes {
		return
	}
	left := slices.DeleteFunc(slices.Clone(j.Queue.Waiting), func(w restorepoint.Waiting) bool { return w.Attempt == 1 && w.Composed == nil })
	for _, w := range j.abandoned {
		if w.Composed != nil {
			left = append(left, w)
		}
	}
	dropped := map[int]bool{}
	for _, w := range left {
		if !dropped[w.ComposedFor()] && !j.stays(ctx, w.ComposedFor()) {
			dropped[w.ComposedFor()] = true
			j.submitted = false
			j.dropComposed(ctx, j.attempt(ctx, w.Unit), restorepoint.Unit{}, nil)
		}
	}
}

// tryAgain tells whether the queue holds another attempt at the unit, or another piece of the same one, which will find what
// was put together.
func (j *databaseJob) tryAgain(unit restorepoint.Unit) bool {
	for _, w := range j.Queue.Waiting {
		if w.ComposedFor() == unit.ComposedFor() {
			return j.Cancelled == ""
		}
	}
	return false
}
