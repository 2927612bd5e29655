package workflows

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// versionHandOver marks runs that hand their work over. Those before did it themselves, under whatever id they had.
const versionHandOver = "one run at a time"

// handOver lets the run that is called id do the work, and waits for its result: a schedule's runs, whose ids end in a time,
// and any other under an id of its own. So a store has one run at a time, whoever starts it. While an earlier one has the
// id, it waits. handed is false where the run does its work itself: it is called id, or began before there was this rule.
func handOver[Result any](ctx workflow.Context, id, name string, phase spec.Phase, in any) (out Result, handed bool, err error) {
	own := workflow.GetInfo(ctx).WorkflowExecution.ID
	if own == id || workflow.GetVersion(ctx, versionHandOver, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return out, false, nil
	}
	progress := spec.Progress{Phase: spec.PhaseWaiting, Warnings: []string{id + " does this, one run at a time: look there, and set limits there"}}
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return progress, nil }); err != nil {
		return out, true, err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("`%s` does this: there is one such run at a time.\n", id))
	options := workflow.ChildWorkflowOptions{
		WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL, WaitForCancellation: true, StaticSummary: "for " + own,
	}
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), name, in)
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if err == nil {
			progress.Phase = phase
			err = child.Get(ctx, &out)
			return out, true, passedOn(err, &out)
		}
		if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			err = workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "waiting for the end of " + id}).Get(ctx, nil)
		}
		if err != nil {
			return out, true, passedOn(err, &out)
		}
	}
}

// passedOn ends a run as the one ended that did its work.
func passedOn[Result any](err error, out *Result) error {
	if err == nil {
		return nil
	}
	detailsOf(err, out)
	if temporal.IsCanceledError(err) {
		return temporal.NewCanceledError(*out)
	}
	kind, message := typeOf(err)
	if kind == "" {
		kind = spec.ErrorJobFailed
	}
	return activities.Error(kind, *out, "%s", message)
}
