package workflows

import (
	"context"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// reactivate brings views and functions back, after the tables of all databases: what the restore point holds is created,
// then the materialized views that read what was restored are activated and refreshed. The tables are whole by now: a
// view that does not come back is told with what to do, and fails the restore only if it was asked for by name.
// A restore that was cancelled creates nothing more, but what it exchanged it does not leave inactive.
func (s *restore) reactivate(ctx workflow.Context, plan activities.RestorePlan, out *spec.RestoreResult) {
	if plan.Views == nil {
		return
	}
	s.phase(ctx, spec.PhaseViews)
	free := finishing(ctx)
	v := &viewSteps{heartbeat: plan.Heartbeat, ref: activities.ViewsRef{Cluster: s.in.Cluster, Repository: s.in.Repository, Plan: plan.Views.Plan}}
	switch {
	case plan.Views.Objects > 0 && ctx.Err() != nil:
		v.warnings = append(v.warnings, "views and functions were not created because of the cancel")
	case plan.Views.Objects > 0:
		v.run(free, "create views and functions", acts.CreateViews)
	}
	v.run(free, "activate materialized views", acts.ActivateViews)
	v.run(free, "refresh materialized views", acts.RefreshViews)
	out.Views = v.rows[:min(len(v.rows), spec.MaxListed)]
	out.Warnings = append(out.Warnings, v.warnings...)
	for _, row := range v.rows {
		if row.OK() {
			continue
		}
		if row.Asked {
			out.Failed = append(out.Failed, spec.FailedPart{Database: row.Database, Table: row.Name, Reason: row.Done + ": " + row.Reason})
			out.FailedCount++
			continue
		}
		out.Warnings = append(out.Warnings, viewWarning(row))
	}
	s.progress.Warnings = out.Warnings
}

func viewWarning(row spec.RestoredView) string {
	text := fmt.Sprintf("%s %s.%s: %s", row.Kind, row.Database, row.Name, row.Done)
	if row.Refresh != "" && row.Refresh != "success" && row.Refresh != "skipped" {
		text += ", refresh " + row.Refresh
	}
	if row.Reason != "" {
		text += ": " + row.Reason
	}
	if row.Statement != "" {
		text += "; run by hand: " + row.Statement
	}
	return text
}

// viewSteps is a run of activities on views, and what they told, one row for each view.
type viewSteps struct {
	ref       activities.ViewsRef
	heartbeat spec.Duration
	rows      []spec.RestoredView
	warnings  []string
}

func (v *viewSteps) run(ctx workflow.Context, what string, activity func(context.Context, activities.ViewsRef) (activities.ViewRows, error)) {
	var told activities.ViewRows
	err := workflow.ExecuteActivity(long(ctx, v.heartbeat.Or(planHeartbeat), what), activity, v.ref).Get(ctx, &told)
	if err != nil {
		_, message := activities.TypeOf(err)
		v.warnings = append(v.warnings, fmt.Sprintf("%s: %s", what, message))
		return
	}
	for _, row := range told.Rows {
		v.add(row)
	}
	if more := told.Total - len(told.Rows); more > 0 {
		v.warnings = append(v.warnings, fmt.Sprintf("%s: %d more are not listed", what, more))
	}
}

// add joins what two activities tell of one view: the later one knows better whether it works.
func (v *viewSteps) add(row spec.RestoredView) {
	for i, have := range v.rows {
		if have.Database != row.Database || have.Name != row.Name || have.Kind != row.Kind {
			continue
		}
		if row.Done == spec.ViewActive && (have.Done == spec.ViewCreated || have.Done == spec.ViewReplaced) {
			row.Done = have.Done
		}
		if row.Reason == "" {
			row.Reason = have.Reason
		}
		row.Asked = row.Asked || have.Asked
		v.rows[i] = row
		return
	}
	v.rows = append(v.rows, row)
}

// views gives replaced views their old definitions after an undo, and activates the materialized views that read tables
// which changed places, or whose old one is gone.
func (w *undoWindow) views(ctx workflow.Context, name string) {
	if w.Views == nil {
		return
	}
	v := w.viewSteps()
	if name == spec.UpdateUndo {
		v.run(ctx, "put views back", acts.UndoViews)
	}
	v.run(ctx, "activate materialized views", acts.ActivateViews)
	w.tell(v)
}

// refresh follows an undo, when it has been answered: materialized views hold what the restored tables held.
func (w *undoWindow) refresh(ctx workflow.Context) {
	if w.Views == nil || w.decision != spec.UpdateUndo {
		return
	}
	v := w.viewSteps()
	v.rows = slices.Clone(w.result.Views)
	v.run(ctx, "refresh materialized views", acts.RefreshViews)
	w.tell(v)
}

func (w *undoWindow) viewSteps() *viewSteps {
	return &viewSteps{ref: activities.ViewsRef{Cluster: w.Cluster, Repository: w.Views.Repository, Plan: activities.PlanRef{Key: w.Views.Key, SHA256: w.Views.SHA256}}}
}

func (w *undoWindow) tell(v *viewSteps) {
	w.result.Views = v.rows
	w.result.Warnings = append(w.result.Warnings, v.warnings...)
}
