package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"starkeep/workflows/spec"
)

// swapped is the window that a restore of these tables leaves.
func swapped(tables ...string) spec.UndoWindow {
	in := spec.UndoWindow{Cluster: "prod", Restore: "restore/prod/a", Keep: spec.Duration(72 * time.Hour)}
	for i, name := range tables {
		in.Tables = append(in.Tables, spec.SwappedTable{Database: "sales", Table: name, Before: name + "__before_0a1b2c3d", Beside: name + "__restore_0a1b2c3d", OldID: int64(10 + i), NewID: int64(100 + i)})
	}
	return in
}

func (w *world) undoWindow(in spec.UndoWindow) spec.UndoResult {
	w.t.Helper()
	w.ExecuteWorkflow(spec.UndoWindowWorkflow, in)
	if err := w.ended(); err != nil {
		w.t.Fatal(err)
	}
	var out spec.UndoResult
	if err := w.GetWorkflowResult(&out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestTheUndoWindowIsDecidedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		update string
		want   []string
	}{
		"undo":   {spec.UpdateUndo, []string{"swap back a", "swap back b"}},
		"finish": {spec.UpdateFinish, []string{"drop old a", "drop old b"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answer := w.update(time.Hour, test.update)
			late := w.update(time.Hour+time.Millisecond, spec.UpdateUndo)
			out := w.undoWindow(swapped("a", "b"))
			if got := w.steps(); !slices.Equal(got, test.want) {
				t.Errorf("done %q, want %q", got, test.want)
			}
			got, ok := answer.value.(spec.UndoResult)
			if !ok || len(got.Tables) != 2 || len(out.Tables) != 2 || len(out.Warnings) != 0 {
				t.Errorf("answer %+v, result %+v", answer, out)
			}
			if late.rejected == nil || !strings.Contains(late.rejected.Error(), "the undo window is closed: "+test.update) {
				t.Errorf("a second decision is met with %v", late.rejected)
			}
		})
	}
}

func TestAnUndoWindowThatNobodyUsesFinishesInTheEnd(t *testing.T) {
	w := newWorld(t)
	var before []string
	w.at(71*time.Hour, func() { before = w.steps() })
	out := w.undoWindow(swapped("a"))
	if len(before) != 0 {
		t.Errorf("done before the end: %q", before)
	}
	if got := w.steps(); !slices.Equal(got, []string{"drop old a"}) || out.Tables[0].Done != "drop old" {
		t.Errorf("done %q, result %+v", got, out)
	}
}

func TestOneTableThatCannotBeUndoneDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	w.undo = func(_ string, table spec.SwappedTable) error {
		if table.Table == "b" {
			return failure(spec.ErrorSchemaMismatch, "sales.b has id 7: somebody dropped it")
		}
		return nil
	}
	answer := w.update(time.Hour, spec.UpdateUndo)
	out := w.undoWindow(swapped("a", "b", "c"))
	if got := w.steps(); !slices.Equal(got, []string{"swap back a", "swap back b", "swap back c"}) {
		t.Errorf("done %q", got)
	}
	if out.Tables[1].Done != "left alone: sales.b has id 7: somebody dropped it" || len(out.Warnings) != 1 || out.Tables[2].Done != "swap back" {
		t.Errorf("result %+v", out)
	}
	if answer.err != nil {
		t.Errorf("the update failed: %v", answer.err)
	}
}

func TestACancelledUndoWindowLeavesBothTables(t *testing.T) {
	w := newWorld(t)
	w.at(time.Hour, w.CancelWorkflow)
	w.ExecuteWorkflow(spec.UndoWindowWorkflow, swapped("a"))
	if err := w.ended(); !temporal.IsCanceledError(err) {
		t.Errorf("ended with %v", err)
	}
	w.wantSteps("")
}

func TestAnUndoWindowStartedByHandIsRefused(t *testing.T) {
	w := newWorld(t)
	w.ExecuteWorkflow(spec.UndoWindowWorkflow, map[string]any{"cluster": "prod", "keep": 72})
	wantType(t, w.ended(), spec.ErrorInvalidSpec)
}
