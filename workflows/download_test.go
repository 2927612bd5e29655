package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// composing plans a restore whose units need composed snapshots, and notes what becomes of them.
func (w *world) composing(units int, compose func(activities.UnitRef) error) {
	d := database("sales", units, 2)
	d.Composes = true
	w.restoreOf(0, d)
	a := activities.New(nil, nil)
	w.OnActivity(a.Compose, anything, anything).Return(func(_ context.Context, u activities.UnitRef) (activities.Composed, error) {
		w.note("compose %s", strings.TrimPrefix(u.Composed, restorepoint.ComposedPrefix))
		if compose != nil {
			if err := compose(u); err != nil {
				return activities.Composed{}, err
			}
		}
		return activities.Composed{Label: u.Composed}, nil
	}).Maybe().After(time.Second)
	w.OnActivity(a.DropComposed, anything, anything).Return(func(_ context.Context, u activities.UnitRef) error {
		w.note("drop %s", strings.TrimPrefix(u.Composed, restorepoint.ComposedPrefix))
		return nil
	}).Maybe().After(time.Second)
}

// composedSteps are the steps with the digests of labels left out.
func (w *world) composedSteps(want string) {
	w.t.Helper()
	w.mu.Lock()
	for i, step := range w.did {
		verb, label, _ := strings.Cut(step, " ")
		if verb == "compose" || verb == "drop" {
			w.did[i] = verb + " u" + label[strings.LastIndexByte(label, 'u')+1:]
		}
	}
	w.mu.Unlock()
	w.wantSteps(want, "plan", "ensure")
}

func TestAUnitIsComposedOnceForAllItsAttempts(t *testing.T) {
	w := newWorld(t)
	labels := map[string]bool{}
	w.composing(1, func(u activities.UnitRef) error {
		labels[u.Composed] = true
		return nil
	})
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		if u.Unit.Attempt < 2 {
			return activities.JobEnd{}, jobFailed(activities.UnitFailure{Transient: true, Reason: "BE 1 is dead"})
		}
		return activities.JobEnd{}, nil
	}
	_, err := w.restore(comeBack)
	wantType(t, err, "")
	w.composedSteps(`
		compose u1
		prepare sales u1 a1
		RESTORE sales u1 a1
		await sales u1 a1
		tidy sales u1 a1
		compose u1
		prepare sales u1 a2
		RESTORE sales u1 a2
		await sales u1 a2
		tidy sales u1 a2
		drop u1`)
	if len(labels) != 1 {
		t.Errorf("labels %v: what one attempt has copied the next must find", labels)
	}
}

// A RESTORE that failed leaves its composed snapshot to the pieces of its unit; the last of them removes it.
func TestPiecesOfAUnitShareItsComposedSnapshot(t *testing.T) {
	w := newWorld(t)
	labels := map[string]bool{}
	w.composing(1, func(u activities.UnitRef) error {
		labels[u.Composed] = true
		if c := u.Unit.Composed; (u.Unit.Number > 1) != (c != nil) || c != nil && (c.Number != 1 || len(c.Parts) != 1) {
			t.Errorf("unit %+v is composed for %+v", u.Unit, c)
		}
		return nil
	})
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		if u.Unit.Size() > 1 {
			return activities.JobEnd{}, jobFailed(activities.UnitFailure{Reason: "no"})
		}
		return activities.JobEnd{}, nil
	}
	_, err := w.restore(comeBack)
	wantType(t, err, "")
	w.composedSteps(`
		compose u1
		prepare sales u1 a1
		RESTORE sales u1 a1
		await sales u1 a1
		tidy sales u1 a1
		compose u1
		prepare sales u2 a1
		RESTORE sales u2 a1
		await sales u2 a1
		tidy sales u2 a1
		compose u1
		prepare sales u3 a1
		RESTORE sales u3 a1
		await sales u3 a1
		tidy sales u3 a1
		drop u1`)
	if len(labels) != 1 {
		t.Errorf("labels %v", labels)
	}
}

// What pieces were to share goes when they do not come any more.
func TestASharedSnapshotGoesWithTheLastOfItsPieces(t *testing.T) {
	w := newWorld(t)
	w.composing(4, nil)
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{}, jobFailed(activities.UnitFailure{Reason: "the world is broken"})
	}
	_, _ = w.restore(comeBack)
	drops := map[string]int{}
	for _, step := range w.steps() {
		if verb, label, _ := strings.Cut(step, " "); verb == "drop" {
			drops[label]++
		}
	}
	if len(drops) != 3 {
		t.Errorf("three units were composed, and dropped are %v", drops)
	}
	for label, n := range drops {
		if n != 1 {
			t.Errorf("%s was dropped %d times", label, n)
		}
	}
}

// A piece whose RESTORE nobody saw end leaves the snapshot that StarRocks may still be reading, although other pieces that
// were to share it do not come any more.
func TestASharedSnapshotStaysWhileStarRocksMayReadIt(t *testing.T) {
	w := newWorld(t)
	w.composing(1, nil)
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		if u.Unit.Size() > 1 {
			return activities.JobEnd{}, jobFailed(activities.UnitFailure{Reason: "no"})
		}
		return activities.JobEnd{}, activities.Error(spec.ErrorAuthDenied, nil, "SHOW RESTORE is refused by now")
	}
	out, _ := w.restore(comeBack)
	for _, step := range w.steps() {
		if strings.HasPrefix(step, "drop ") {
			t.Errorf("%s: StarRocks may still be reading it", step)
		}
	}
	if !strings.Contains(strings.Join(out.Warnings, "; "), "stays in the repository") {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func TestPiecesOfAUnitAreComposedAnew(t *testing.T) {
	w := newWorld(t)
	w.composing(1, func(u activities.UnitRef) error {
		if u.Unit.Size() > 1 {
			return jobFailed(activities.UnitFailure{Reason: "an object is gone", Culprits: []int{1}})
		}
		return nil
	})
	_, err := w.restore(comeBack)
	wantType(t, err, "")
	w.composedSteps(`
		compose u1
		drop u1
		compose u2
		prepare sales u2 a1
		RESTORE sales u2 a1
		await sales u2 a1
		tidy sales u2 a1
		drop u2
		compose u3
		prepare sales u3 a1
		RESTORE sales u3 a1
		await sales u3 a1
		tidy sales u3 a1
		drop u3`)
}

func TestACancelTakesTheComposedSnapshotAlong(t *testing.T) {
	w := newWorld(t)
	w.composing(2, func(activities.UnitRef) error { return temporal.NewCanceledError() })
	w.at(2500*time.Millisecond, w.CancelWorkflow)
	_, err := w.restore(comeBack)
	if !temporal.IsCanceledError(err) {
		t.Errorf("ended with %v", err)
	}
	if steps := strings.Join(w.steps(), "\n"); !strings.Contains(steps, "drop ") || strings.Contains(steps, "RESTORE") {
		t.Errorf("done:\n%s", steps)
	}
}

// A job that nobody has seen end may still read what was composed.
func TestAComposedSnapshotStaysWhileStarRocksMayReadIt(t *testing.T) {
	w := newWorld(t)
	w.composing(1, nil)
	w.await = func(activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{}, failure(spec.ErrorAuthDenied, "the password was changed")
	}
	out, _ := w.restore(comeBack)
	if steps := strings.Join(w.steps(), "\n"); strings.Contains(steps, "drop ") {
		t.Errorf("done:\n%s", steps)
	}
	if text := strings.Join(out.Warnings, "\n"); !strings.Contains(text, restorepoint.ComposedPrefix+"sales") {
		t.Errorf("warnings %q do not name what stays", out.Warnings)
	}
}

func TestAnExport(t *testing.T) {
	in := spec.Export{Cluster: "prod", Repository: "repo", Point: point, Label: "kept"}
	for name, c := range map[string]struct {
		compose error
		kind    string
		steps   string
	}{
		"is kept":                          {nil, "", "plan\ncompose"},
		"that fails leaves nothing behind": {failure(spec.ErrorSnapshotMissing, "an object is gone"), spec.ErrorSnapshotMissing, "plan\ncompose\ndrop"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := activities.New(nil, nil)
			w.OnActivity(a.PlanExport, anything, anything).Return(func(context.Context, activities.PlanExportInput) (activities.ExportPlan, error) {
				w.note("plan")
				return activities.ExportPlan{Point: point, Unit: activities.UnitRef{Repository: "repo", Database: "sales", Composed: "kept"}, Tables: []string{"orders"}, Partitions: 3}, nil
			})
			w.OnActivity(a.Compose, anything, anything).Return(func(context.Context, activities.UnitRef) (activities.Composed, error) {
				w.note("compose")
				return activities.Composed{Label: "kept", Timestamp: "2026-11-22-00-00-00-000", Statement: "RESTORE …", Tablets: 6}, c.compose
			})
			w.OnActivity(a.DropComposed, anything, anything).Return(func(context.Context, activities.UnitRef) error {
				w.note("drop")
				return nil
			}).Maybe()
			w.ExecuteWorkflow(spec.ExportWorkflow, in)
			err := w.ended()
			wantType(t, err, c.kind)
			w.wantSteps(c.steps)
			if err != nil {
				return
			}
			var out spec.ExportResult
			if err := w.GetWorkflowResult(&out); err != nil {
				t.Fatal(err)
			}
			if out.Label != "kept" || out.Statement != "RESTORE …" || out.Tablets != 6 || out.Partitions != 3 || out.Point != point {
				t.Errorf("result: %+v", out)
			}
		})
	}
	t.Run("of a bad label does nothing", func(t *testing.T) {
		w := newWorld(t)
		w.ExecuteWorkflow(spec.ExportWorkflow, map[string]any{"cluster": "c", "repository": "r", "label": "a:b"})
		wantType(t, w.ended(), spec.ErrorInvalidSpec)
		w.wantSteps("")
	})
}
