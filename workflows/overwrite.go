package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// mends is how often a RESTORE that was broken off in COMMITTING over existing data is run again at once.
const mends = 3

// brokenOff reads out of a failure that a RESTORE was broken off in COMMITTING over existing data; nil for others.
func brokenOff(err error) *spec.InterruptedCommit {
	f, _ := activities.FailureOf(err)
	return f.Interrupted
}

// mend runs a RESTORE that was broken off in COMMITTING again, at once and whatever is asked meanwhile: until it ends well
// its tables are part old and part new, and a load that commits in between may block them for good (design §7). fresh is
// the attempt before anything was prepared. Each attempt's own __info stays until one ended well, so that the last
// statement can be sent by hand.
func (j *databaseJob) mend(ctx workflow.Context, fresh, broken activities.UnitRef, why error) error {
	free := finishing(ctx)
	left := []activities.UnitRef{broken}
	last := brokenOff(why)
	var loads []string
	for n := 1; n <= mends && why != nil; n++ {
		j.warn("the RESTORE of %s was broken off in COMMITTING (%s): it is run again at once", strings.Join(last.Tables, ", "), last.State)
		u := fresh
		u.Beside += fmt.Sprintf("_m%d", n)
		u.Timestamp, u.Mend = activities.Timestamp(workflow.Now(ctx)), true
		var met []string
		met, why = j.mendOnce(free, &u)
		left, loads = append(left, u), append(loads, met...)
		if again := brokenOff(why); again != nil {
			last = again
		}
	}
	if ctx.Err() != nil {
		j.Cancelled = cancelledInCommit
	}
	slices.Sort(loads)
	last.Loads = slices.Compact(loads)
	return j.mended(free, left, last, why)
}

func (j *databaseJob) mendOnce(ctx workflow.Context, u *activities.UnitRef) (loads []string, err error) {
	var prepared activities.Prepared
	err = workflow.ExecuteActivity(long(ctx, j.heartbeat(), "prepare "+u.Beside), acts.Prepare, *u).Get(ctx, &prepared)
	if err != nil {
		return nil, err
	}
	u.Label, u.Replication = prepared.Label, prepared.Replication
	j.Result.Summary.Attempts++
	before := len(j.loads)
	err = j.statement(ctx, *u)
	return j.loads[before:], err
}

// mended cleans up, and reports what cannot be made good here.
func (j *databaseJob) mended(ctx workflow.Context, left []activities.UnitRef, last *spec.InterruptedCommit, why error) error {
	for _, u := range left {
		if why == nil || u.Timestamp != last.Timestamp {
			j.tidy(ctx, u)
		}
	}
	names := strings.Join(last.Tables, ", ")
	switch {
	case why == nil && len(last.Loads) == 0:
		return nil
	case why == nil:
		j.overLoads(*last)
		return nil
	}
	_, message := activities.TypeOf(why)
	last.State = "part old and part new: StarRocks broke the RESTORE off in COMMITTING, and running it again failed " +
		fmt.Sprintf("%d times, the last time: %s; ", len(left)-1, message) +
		"stop loading into these tables and send the statement by hand, or restore them once more with onExisting swap, which makes new ones"
	j.Result.Interrupted = append(j.Result.Interrupted, *last)
	return activities.Error(spec.ErrorCommitInterrupted, nil, "%s: %s", names, last.State)
}

// overLoads reports a RESTORE that ended well over loads which were committed and not visible.
func (j *databaseJob) overLoads(i spec.InterruptedCommit) {
	i.State = "restored as backed up, but " + strings.Join(i.Loads, "; ") +
		": it comes back on top of the restored data once later loads have raised the version to its own, or blocks every later load into the table; " +
		"stop loading and restore these tables once more with onExisting swap, which makes new ones, then drop the old ones"
	j.Result.Interrupted = append(j.Result.Interrupted, i)
}

// tidy removes what Prepare wrote for an attempt. What stays is no loss but space, and named.
func (j *databaseJob) tidy(ctx workflow.Context, u activities.UnitRef) {
	if err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "tidy up "+u.Beside), acts.Tidy, u).Get(ctx, nil); err != nil {
		_, message := activities.TypeOf(err)
		j.warn("%s", message)
	}
}

// replace puts restored partitions into the places of the live table's, in one step, and drops the copy.
func (j *databaseJob) replace(ctx workflow.Context, ref activities.TableRef, proven activities.Proven) {
	t := proven.Table
	j.phase(ctx, spec.PhaseSwap)
	var fence activities.Fence
	err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "look at the partitions of "+t.Table), acts.FencePartitions, ref).Get(ctx, &fence)
	var replaced activities.Replaced
	if err == nil {
		err = workflow.ExecuteActivity(long(ctx, j.heartbeat(), "replace partitions of "+t.Table), acts.ReplacePartitions, ref, fence).Get(ctx, &replaced)
	}
	if err == nil && replaced.Differs != "" {
		j.Result.Unproven++
		err = errors.New(replaced.Differs)
	}
	if err != nil {
		j.failed(t, err)
		last := &j.Result.Failed[len(j.Result.Failed)-1]
		last.Reason += fmt.Sprintf("; what was restored is proven and stays in %s: look at it, then DROP TABLE", proven.Beside)
		return
	}
	if err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "drop the copy of "+t.Table), acts.DropBeside, ref).Get(ctx, nil); err != nil {
		_, message := activities.TypeOf(err)
		j.warn("%s", message)
	}
	t.TableID, t.Partitions, t.Rows, t.RowsProven, t.Note = replaced.TableID, replaced.Partitions, replaced.Rows, replaced.RowsProven, replaced.Note
	if len(j.Result.Tables) < spec.MaxListed {
		j.Result.Tables = append(j.Result.Tables, t)
	}
}

// interrupted makes the end of a restore that left tables as a broken COMMIT leaves them.
func interrupted(out spec.RestoreResult) error {
	i := out.Interrupted[0]
	return activities.Error(spec.ErrorCommitInterrupted, out, "database %s, tables %s, snapshot %s at %s: %s; the statement: %s",
		i.Database, strings.Join(i.Tables, ", "), i.Label, i.Timestamp, i.State, i.Statement)
}
