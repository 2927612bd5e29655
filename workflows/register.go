package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"starkeep/workflows/spec"
)

// Register gives a worker all workflows under their fixed names.
func Register(r worker.WorkflowRegistry) {
	for name, w := range map[string]any{
		spec.BackupWorkflow:      Backup,
		spec.RestoreWorkflow:     Restore,
		spec.DatabaseJobWorkflow: DatabaseJob,
		spec.UndoWindowWorkflow:  UndoWindow,
		spec.InspectWorkflow:     Inspect,
		spec.AdoptWorkflow:       Adopt,
		spec.DrillWorkflow:       Drill,
		spec.VerifyWorkflow:      Verify,
		spec.ExportWorkflow:      Export,
		spec.PruneWorkflow:       Prune,
		spec.PinWorkflow:         Pin,
		spec.CopyWorkflow:        Copy,
		spec.MigrateWorkflow:     Migrate,

		spec.CreateRepositoryWorkflow: CreateRepository,
		spec.CheckRepositoryWorkflow:  CheckRepository,
		spec.DropRepositoryWorkflow:   DropRepository,
	} {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
}
