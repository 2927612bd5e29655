package workflows

import (
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// keepVictims backs up what the plan is going to replace or overwrite, before anything else: the way back. Without it
// nothing is begun.
func (s *restore) keepVictims(ctx workflow.Context, plan activities.RestorePlan, out *spec.RestoreResult) error {
	if len(plan.Safety) == 0 {
		return nil
	}
	s.phase(ctx, spec.PhaseSnapshot)
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            spec.BackupID(s.cluster, "before-"+nameOf(id)),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation:   true,
		StaticSummary:         fmt.Sprintf("what %s replaces, as it was before", id),
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(s.cluster)),
	}
	in := spec.Backup{
		Cluster: s.cluster, Repository: s.in.Repository, Include: plan.Safety, OnBusy: s.in.OnBusy, Limits: s.in.Limits,
		Tags: map[string]string{spec.TagBeforeOverwrite: id},
	}
	var kept spec.BackupResult
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), spec.BackupWorkflow, in).Get(ctx, &kept)
	if temporal.IsCanceledError(err) || ctx.Err() != nil {
		out.CancelRequested = true
		s.phase(ctx, spec.PhaseFailed)
		return temporal.NewCanceledError(*out)
	}
	if err != nil {
		s.phase(ctx, spec.PhaseFailed)
		kind, message := typeOf(err)
		if kind == "" {
			kind = spec.ErrorPartialFailure
		}
		return activities.Error(kind, *out, "what would be replaced could not be backed up first (%s), nothing was changed: %s", options.WorkflowID, message)
	}
	out.Safety = &spec.SafetyPoint{Repository: s.in.Repository, Point: kept.Point, Include: plan.Safety}
	return nil
}

// nameOf is what a person gave a restore: restore/<cluster>/<name>.
func nameOf(id string) string {
	words := strings.SplitN(id, "/", 3)
	return words[len(words)-1]
}

// replacedAny tells whether the safety point is worth anything: something it holds was replaced, or may have been.
func replacedAny(outcomes []outcome) bool {
	for _, o := range outcomes {
		if len(o.result.Interrupted) > 0 {
			return true
		}
		for _, t := range o.result.Tables {
			if t.Action == spec.ActionReplace || t.Action == spec.ActionOverwrite {
				return true
			}
		}
		for _, f := range o.result.Failed {
			if o.result.Unproven > 0 && f.Table != "" {
				return true
			}
		}
	}
	return false
}

// putBack restores the safety point, as a restore of its own that goes on by itself: what is there now is kept by that
// one's own safety point, or beside by its swap.
func (w *undoWindow) putBack(ctx workflow.Context) {
	id := spec.RestoreID(w.Cluster, "undo-"+nameOf(w.Restore))
	options := workflow.ChildWorkflowOptions{
		WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         "put back what " + w.Restore + " replaced",
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(w.Cluster), attributePoint.ValueSet(w.Safety.Point)),
	}
	in := spec.Restore{Cluster: w.Cluster, Repository: w.Safety.Repository, Point: w.Safety.Point, Include: w.Safety.Include}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), spec.RestoreWorkflow, in)
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		_, message := activities.TypeOf(err)
		w.result.Warnings = append(w.result.Warnings, fmt.Sprintf("what was replaced is in restore point %s, and restoring it could not be started: %s", w.Safety.Point, message))
		return
	}
	w.result.Restore = id
}
