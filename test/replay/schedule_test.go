package replay

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// scheduled records what schedules start: a backup that is made up for, whose point is named by the time that it was due, and
// a prune and a copy, which hand over to the one run of their stores.
func (r *recorder) scheduled() {
	r.save("Backup/v2-scheduled", r.due("recorded", spec.BackupWorkflow, spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{"web"}}))
	r.save("Prune/v2-scheduled", r.due("prunes", spec.PruneWorkflow, spec.Prune{Cluster: testbed.ClusterName, Where: testbed.RepositoryName, Policy: spec.Retention{KeepLast: 1}}))
	r.save("Copy/v2-scheduled", r.due("copies", spec.CopyWorkflow, spec.Copy{Cluster: testbed.ClusterName, From: testbed.RepositoryName, To: "mirror"}))
}

// due has a schedule catch up with one run, and waits for its end.
func (r *recorder) due(name, workflow string, in any) execution {
	w, _ := spec.ScheduledBy(workflow)
	handle, err := r.Client.ScheduleClient().Create(r.t.Context(), client.ScheduleOptions{
		ID: name, Spec: client.ScheduleSpec{CronExpressions: []string{"0 0 1 1 *"}}, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		Action: &client.ScheduleWorkflowAction{ID: w.Key + "/" + testbed.ClusterName + "/" + name, Workflow: workflow, TaskQueue: spec.TaskQueue, Args: []any{in}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	err = handle.Backfill(r.t.Context(), client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{Start: at.Add(-time.Minute), End: at.Add(time.Minute)}}})
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
	return run
}
