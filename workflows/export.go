package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Export makes one plain native snapshot of a restore point, or of a part of it, and keeps it. What a failed or cancelled
// one has copied is removed.
func Export(ctx workflow.Context, in spec.Export) (spec.ExportResult, error) {
	if err := in.Validate(); err != nil {
		return spec.ExportResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	progress := spec.Progress{Phase: spec.PhasePlan}
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return progress, nil }); err != nil {
		return spec.ExportResult{}, err
	}
	info := workflow.GetInfo(ctx)
	var plan activities.ExportPlan
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "plan"), acts.PlanExport, activities.PlanExportInput{Spec: in, ID: info.FirstRunID}).Get(ctx, &plan)
	if err != nil {
		return spec.ExportResult{}, err
	}
	progress = spec.Progress{Phase: spec.PhaseDownload, Point: plan.Point, Warnings: plan.Warnings, Databases: []spec.DatabaseProgress{{
		Database: plan.Unit.Database, WorkflowID: info.WorkflowExecution.ID, Phase: spec.PhaseDownload, Units: 1, Tablets: plan.Tablets, Bytes: plan.Bytes,
	}}}
	heartbeat := plan.Heartbeat.Or(planHeartbeat)
	var made activities.Composed
	err = workflow.ExecuteActivity(long(ctx, heartbeat, "compose snapshot "+in.Label), acts.Compose, plan.Unit).Get(ctx, &made)
	if err != nil {
		progress.Phase = spec.PhaseFailed
		free := finishing(ctx)
		if left := workflow.ExecuteActivity(long(free, heartbeat, "remove snapshot "+in.Label), acts.DropComposed, plan.Unit).Get(free, nil); left != nil {
			workflow.GetLogger(ctx).Warn("an unfinished export stays in the repository", "label", in.Label, "error", left)
		}
		return spec.ExportResult{}, err
	}
	progress.Phase, progress.Databases[0].Phase = spec.PhaseDone, spec.PhaseDone
	return spec.ExportResult{
		Point: plan.Point, Repository: plan.Unit.Repository, Label: made.Label, BackupTimestamp: made.Timestamp, Statement: made.Statement,
		Database: plan.Unit.Database, Tables: plan.Tables, Partitions: plan.Partitions, Tablets: made.Tablets, Objects: made.Objects, Bytes: made.Bytes,
		Snapshots: made.Snapshots, Warnings: plan.Warnings,
	}, nil
}
