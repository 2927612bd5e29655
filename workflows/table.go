package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// finishTable proves one restored table and, where all is well, gives it its grants and its place. It runs shielded from
// a cancel: what RESTORE has committed is brought to its end, and what it has not is cleaned away.
func (j *databaseJob) finishTable(ctx workflow.Context, table int) {
	ref := activities.TableRef{Cluster: j.Cluster, Repository: j.Repository, Plan: j.Planned.Plan, Table: table, Failures: j.failures(), SkipGrants: j.SkipGrants}
	var proven activities.Proven
	j.phase(ctx, spec.PhaseVerify)
	err := workflow.ExecuteActivity(long(ctx, j.heartbeat(), fmt.Sprintf("prove table %d", table)), acts.Prove, ref).Get(ctx, &proven)
	if err != nil {
		j.failed(proven.Table, err)
		return
	}
	if !proven.Complete {
		j.incomplete(ctx, ref, proven)
		return
	}
	if j.Cancelled == cancelledEarly && besides(proven.Table.Action) {
		proven.Failed = "restored, but not exchanged because of the cancel"
		j.incomplete(ctx, ref, proven)
		return
	}
	if proven.Table.Action == spec.ActionReplace {
		j.replace(ctx, ref, proven)
		return
	}
	if err := j.place(ctx, ref, &proven.Table); err != nil {
		j.failed(proven.Table, err)
		if proven.Beside != "" {
			last := &j.Result.Failed[len(j.Result.Failed)-1]
			last.Reason += fmt.Sprintf("; what was restored is proven and stays in %s: look at both tables before dropping one", proven.Beside)
		}
		return
	}
	if len(j.Result.Tables) < spec.MaxListed {
		j.Result.Tables = append(j.Result.Tables, proven.Table)
	}
}

// place carries properties and grants over and swaps.
func (j *databaseJob) place(ctx workflow.Context, ref activities.TableRef, t *spec.RestoredTable) error {
	if t.Action == spec.ActionAdd || t.Action == spec.ActionOverwrite {
		return nil
	}
	j.phase(ctx, spec.PhaseSwap)
	var kept activities.Kept
	err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "properties of "+t.Table), acts.CarryProperties, ref).Get(ctx, &kept)
	if err != nil {
		return err
	}
	for _, note := range kept.Notes {
		j.warn("%s", note)
	}
	var carried activities.Carried
	err = workflow.ExecuteActivity(short(ctx, j.heartbeat(), "grants of "+t.Table), acts.CarryGrants, ref).Get(ctx, &carried)
	if err != nil {
		return err
	}
	t.Grants = carried.Grants
	if carried.Note != "" {
		j.warn("%s: %s", t.Table, carried.Note)
	}
	if t.Action != spec.ActionSwap {
		return nil
	}
	var swapped activities.Swapped
	err = workflow.ExecuteActivity(short(ctx, j.heartbeat(), "swap "+t.Table), acts.Swap, ref, j.Run, t.TableID, kept.Dynamic).Get(ctx, &swapped)
	if err != nil {
		return err
	}
	t.Before = swapped.Table.Before
	j.Result.Swapped = append(j.Result.Swapped, swapped.Table)
	for _, w := range swapped.Warnings {
		j.warn("%s", w)
	}
	return nil
}

// incomplete reports a table that is not whole. After a cancel its copy goes; after a failure it stays beside the live
// table, named, because restoring it may have taken long.
func (j *databaseJob) incomplete(ctx workflow.Context, ref activities.TableRef, proven activities.Proven) {
	t := proven.Table
	reason := proven.Failed
	if proven.Differs {
		j.Result.Unproven++
	}
	if besides(t.Action) && j.Cancelled != "" {
		err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "drop the copy of "+t.Table), acts.DropBeside, ref).Get(ctx, nil)
		if err != nil {
			_, message := activities.TypeOf(err)
			reason += "; " + message
		}
	} else if besides(t.Action) && proven.Beside != "" {
		reason += fmt.Sprintf("; the live table is untouched, what was restored stays in %s: look at it, then DROP TABLE", proven.Beside)
	} else if t.Action == spec.ActionOverwrite && !proven.Differs && len(j.Result.Interrupted) == 0 {
		reason += "; what was not overwritten is as it was"
	}
	j.Result.Failed = append(j.Result.Failed, spec.FailedPart{Database: t.Database, Table: t.Table, Reason: reason})
}

// besides tells actions that restore next to the live table first.
func besides(action string) bool { return action == spec.ActionSwap || action == spec.ActionReplace }

func (j *databaseJob) failed(t spec.RestoredTable, err error) {
	_, message := activities.TypeOf(err)
	j.Result.Failed = append(j.Result.Failed, spec.FailedPart{Database: j.Planned.Database, Table: t.Table, Reason: message})
}
