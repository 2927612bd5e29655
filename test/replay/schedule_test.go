package replay

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// scheduled records a backup that a schedule makes up for: its point is named by the time that it was due.
func (r *recorder) scheduled() {
	handle, err := r.Client.ScheduleClient().Create(r.t.Context(), client.ScheduleOptions{
		ID: "recorded", Spec: client.ScheduleSpec{CronExpressions: []string{"0 0 1 1 *"}}, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		Action: &client.ScheduleWorkflowAction{ID: spec.BackupID(testbed.ClusterName, "recorded"), Workflow: spec.BackupWorkflow, TaskQueue: spec.TaskQueue,
			Args: []any{spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{"web"}}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	due := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	err = handle.Backfill(r.t.Context(), client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{Start: due.Add(-time.Minute), End: due.Add(time.Minute)}}})
	if err != nil {
		r.t.Fatal(err)
	}
	var run execution
	r.until("the schedule starts its run", func() bool {
		found, err := handle.Describe(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, action := range found.Info.RecentActions {
			run = execution{action.StartWorkflowResult.WorkflowID, action.StartWorkflowResult.FirstExecutionRunID}
		}
		return run.id != ""
	})
	r.wait(run, "")
	r.save("Backup/v2-scheduled", run)
}
