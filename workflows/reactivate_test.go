package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// onViews makes the activities on views answer with rows, or fail with an error of this type.
func (w *world) onViews(created, activated, refreshed []spec.RestoredView, kind string) {
	var a *activities.Activities
	answer := func(what string, rows []spec.RestoredView) func(context.Context, activities.ViewsRef) (activities.ViewRows, error) {
		return func(_ context.Context, ref activities.ViewsRef) (activities.ViewRows, error) {
			w.note("%s %s", what, ref.Plan.Key)
			if kind != "" {
				return activities.ViewRows{}, failure(kind, "StarRocks said no")
			}
			return activities.ViewRows{Rows: rows, Total: len(rows)}, nil
		}
	}
	w.OnActivity(a.CreateViews, anything, anything).Return(answer("create-views", created)).Maybe().After(time.Second)
	w.OnActivity(a.ActivateViews, anything, anything).Return(answer("activate-views", activated)).Maybe().After(time.Second)
	w.OnActivity(a.RefreshViews, anything, anything).Return(answer("refresh-views", refreshed)).Maybe().After(time.Second)
	w.OnActivity(a.UndoViews, anything, anything).Return(answer("undo-views", created)).Maybe().After(time.Second)
}

var plannedViews = activities.PlannedViews{Plan: activities.PlanRef{Key: "views", SHA256: "ab"}, Objects: 2, Replaces: 1}

func view(name, done string) spec.RestoredView {
	return spec.RestoredView{Database: "sales", Name: name, Kind: spec.KindMaterializedView, Done: done}
}

func TestViewsComeAfterAllTables(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.restorePlan.Views = &plannedViews
	refreshed := view("m", spec.ViewActive)
	refreshed.Refresh = "success"
	inactive := view("n", spec.ViewInactive)
	inactive.Reason, inactive.Statement = "Unknown table 'x'", "ALTER MATERIALIZED VIEW n ACTIVE"
	w.onViews([]spec.RestoredView{view("m", spec.ViewCreated)}, []spec.RestoredView{view("m", spec.ViewActive), inactive}, []spec.RestoredView{refreshed}, "")
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	steps := w.steps()
	if got := strings.Join(steps[len(steps)-4:], ", "); got != "swap t0, create-views views, activate-views views, refresh-views views" {
		t.Errorf("the last steps are %s", got)
	}
	if len(out.Views) != 2 || out.Views[0].Done != spec.ViewCreated || out.Views[0].Refresh != "success" {
		t.Errorf("views: %+v; want m once, created and refreshed", out.Views)
	}
	if text := strings.Join(out.Warnings, "\n"); !strings.Contains(text, "sales.n: inactive: Unknown table 'x'; run by hand: ALTER MATERIALIZED VIEW n ACTIVE") {
		t.Errorf("warnings %q do not say that n is inactive", out.Warnings)
	}
	if len(w.windows) != 1 || w.windows[0].Views == nil || w.windows[0].Views.Key != "views" {
		t.Errorf("the undo window does not know the views: %+v", w.windows)
	}
}

func TestAViewThatWasAskedForByNameFailsTheRestore(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1)
	w.restorePlan.Views = &plannedViews
	row := view("m", spec.ViewNotCreated)
	row.Asked, row.Reason = true, "Unknown table 'x'"
	w.onViews([]spec.RestoredView{row}, nil, nil, "")
	out, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	if out.FailedCount != 1 || len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Reason, "Unknown table 'x'") {
		t.Errorf("failed: %+v", out.Failed)
	}
}

func TestTablesStayRestoredWhenViewsCannotBeLookedAt(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.restorePlan.Views = &plannedViews
	w.onViews(nil, nil, nil, spec.ErrorAuthDenied)
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	if len(out.Tables) != 1 || len(out.Warnings) != 3 {
		t.Errorf("%d tables, warnings %q; want the table, and each step's error", len(out.Tables), out.Warnings)
	}
}

func TestAnUndoPutsViewsBackAndRefreshesAfterItsAnswer(t *testing.T) {
	w := newWorld(t)
	refreshed := view("m", spec.ViewActive)
	refreshed.Refresh = "success"
	w.onViews([]spec.RestoredView{view("v", spec.ViewUndone)}, []spec.RestoredView{view("m", spec.ViewActive)}, []spec.RestoredView{refreshed}, "")
	in := swapped("a")
	in.Views = &spec.ReplacedViews{Repository: "repo", Key: "views", SHA256: "ab"}
	answer := w.update(time.Hour, spec.UpdateUndo)
	out := w.undoWindow(in)
	w.wantSteps("swap back a\nundo-views views\nactivate-views views\nrefresh-views views")
	if got, ok := answer.value.(spec.UndoResult); !ok || len(got.Views) != 2 || got.Views[1].Refresh != "" {
		t.Errorf("the answer %+v does not come before the refresh", answer.value)
	}
	if len(out.Views) != 2 || out.Views[1].Refresh != "success" {
		t.Errorf("result %+v", out)
	}
}

func TestFinishActivatesWithoutARefresh(t *testing.T) {
	w := newWorld(t)
	w.onViews(nil, nil, nil, "")
	in := swapped("a")
	in.Views = &spec.ReplacedViews{Repository: "repo", Key: "views", SHA256: "ab"}
	w.update(time.Hour, spec.UpdateFinish)
	w.undoWindow(in)
	w.wantSteps("drop old a\nactivate-views views")
}
