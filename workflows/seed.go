package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
)

// seed tells this run apart from every other of the cluster, also after continue-as-new and reset: labels and names of
// beside tables come from it.
func seed(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	return info.WorkflowExecution.ID + "\n" + info.FirstRunID
}

// reasonOf says in a result why a database has none of its own.
func reasonOf(err error) string {
	if temporal.IsCanceledError(err) {
		return "not begun: the run was cancelled"
	}
	_, message := activities.TypeOf(err)
	return message
}

func typeOf(err error) (string, string) {
	if err == nil {
		return "", ""
	}
	return activities.TypeOf(err)
}
