package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
)

// seed tells this run apart from every other of the cluster, also after continue-as-new and reset: labels and names of
// beside tables come from it.
func seed(ctx workflow.Context) string {
	info := workflow.GetInfo(ctx)
	return info.WorkflowExecution.ID + "\n" + info.FirstRunID
}

func typeOf(err error) (string, string) {
	if err == nil {
		return "", ""
	}
	return activities.TypeOf(err)
}
