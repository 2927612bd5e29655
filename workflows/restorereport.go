package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// adoptSnapshot makes the restore point where the restore names a native snapshot instead of one.
func (s *restore) adoptSnapshot(ctx workflow.Context) error {
	if s.in.Snapshot == nil {
		return nil
	}
	in := spec.Adopt{Cluster: s.in.Cluster, Repository: s.in.Repository, Label: s.in.Snapshot.Label, Timestamp: s.in.Snapshot.Timestamp}
	if s.in.SourceCluster != "" {
		in.Cluster = s.in.SourceCluster
	}
	adopted, err := adopt(ctx, in)
	s.in.Point, s.in.Snapshot = adopted.Point, nil
	return err
}

// versionReport: runs that were planned before proofs were stored go on without.
const versionReport = "restore stores its proof"

// report stores the proof of all tables beside the restore point. The tables are in their places by now: where it cannot
// be stored, that is a warning.
func (s *restore) report(ctx workflow.Context, plan activities.RestorePlan, out *spec.RestoreResult) {
	if len(plan.Databases) == 0 || workflow.GetVersion(ctx, versionReport, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return // views alone have no proof
	}
	info := workflow.GetInfo(ctx)
	in := activities.ReportInput{Spec: s.in, Restore: info.WorkflowExecution.ID, RunID: info.FirstRunID, Began: info.WorkflowStartTime, Ended: workflow.Now(ctx), Failed: out.Failed}
	for _, d := range plan.Databases {
		d.Units = nil
		in.Databases = append(in.Databases, d)
	}
	var reported activities.Reported
	err := workflow.ExecuteActivity(brief(ctx, plan.Heartbeat.Or(planHeartbeat), "store the proof"), acts.ReportRestore, in).Get(ctx, &reported)
	if err != nil {
		_, message := activities.TypeOf(err)
		out.Warnings = append(out.Warnings, "the proof is not stored beside the restore point: "+message)
		return
	}
	out.Report = reported.Address
}
