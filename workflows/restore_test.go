package workflows_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

var comeBack = spec.Restore{Cluster: "prod", Repository: "repo"}

const point = "20261122T150405Z-abcdef"

func (w *world) restore(in spec.Restore) (spec.RestoreResult, error) {
	w.t.Helper()
	w.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "restore/prod/test", TaskQueue: spec.TaskQueue})
	w.ExecuteWorkflow(spec.RestoreWorkflow, in)
	return w.restoreEnded()
}

func (w *world) restoreEnded() (spec.RestoreResult, error) {
	w.t.Helper()
	err := w.ended()
	var out spec.RestoreResult
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		if err := w.GetWorkflowResult(&out); err != nil {
			w.t.Fatal(err)
		}
	case errors.As(err, &app) && app.HasDetails():
		if err := app.Details(&out); err != nil {
			w.t.Fatalf("the failure's details are no RestoreResult: %v", err)
		}
	case errors.As(err, &canceled) && canceled.HasDetails():
		if err := canceled.Details(&out); err != nil {
			w.t.Fatalf("the cancel's details are no RestoreResult: %v", err)
		}
	}
	return out, err
}

// restoreOf plans units of one partition each and tables that exist, for each database.
func (w *world) restoreOf(tables int, databases ...activities.PlannedDatabase) {
	for i := range databases {
		databases[i].Tables = tables
	}
	w.restorePlan = activities.RestorePlan{
		Point: point, Databases: databases, ParallelDatabases: 8, Heartbeat: spec.Duration(30 * time.Second),
		Tables: []spec.PlannedTable{{Database: "sales", Table: "t0", From: "sales.t0", Action: spec.ActionSwap, Partitions: 2}},
	}
	// The undo window stays open; what it does is tested by itself.
	w.OnWorkflow(spec.UndoWindowWorkflow, anything, anything).Return(func(_ workflow.Context, in spec.UndoWindow) (spec.UndoResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.windows = append(w.windows, in)
		return spec.UndoResult{}, nil
	}).Maybe()
}

func TestARestoreProvesCarriesGrantsAndSwapsTableByTable(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(2, database("sales", 2, 1))
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	w.wantSteps(`
		plan
		ensure sales
		prepare sales u1 a1
		RESTORE sales u1 a1
		await sales u1 a1
		tidy sales u1 a1
		prepare sales u2 a1
		RESTORE sales u2 a1
		await sales u2 a1
		tidy sales u2 a1
		prove t0
		properties t0
		grants t0
		swap t0
		prove t1
		properties t1
		grants t1
		swap t1`)
	if out.Point != point || len(out.Tables) != 2 || out.FailedCount != 0 || out.Bytes != 200 || out.Tablets != 4 || out.Partitions != 2 || out.Plan != nil {
		t.Errorf("result: %+v", out)
	}
	if got := out.Tables[0]; got.Before != "t0__before_0a1b2c3d" || got.Grants != 2 || !got.RowsProven {
		t.Errorf("table: %+v", got)
	}
}

func TestTheUndoWindowGetsAllSwappedTablesAndOutlivesTheRestore(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(2, database("sales", 1, 1), database("web", 1, 1))
	in := comeBack
	in.UndoWindow = spec.Duration(24 * time.Hour)
	out, err := w.restore(in)
	wantType(t, err, "")
	if out.Undo != "undo/prod/test" || len(w.windows) != 1 {
		t.Fatalf("undo %q, windows %+v", out.Undo, w.windows)
	}
	window := w.windows[0]
	if window.Cluster != "prod" || window.Restore != "restore/prod/test" || window.Keep != in.UndoWindow || len(window.Tables) != 4 {
		t.Errorf("window: %+v", window)
	}
	if window.Tables[0].OldID == 0 || window.Tables[0].NewID == 0 {
		t.Errorf("ids decide later, they must be there: %+v", window.Tables[0])
	}
}

func TestTheUndoWindowIsOpenFor72HoursByDefault(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	if _, err := w.restore(comeBack); err != nil {
		t.Fatal(err)
	}
	if keep := time.Duration(w.windows[0].Keep); keep != 72*time.Hour {
		t.Errorf("kept %s", keep)
	}
}

func TestNoUndoWindowWithoutASwap(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		return proven(ref.Table, spec.ActionCreate), nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	if out.Undo != "" || len(w.windows) != 0 || w.count("swap t0") != 0 || w.count("grants t0") != 1 {
		t.Errorf("undo %q; done %q", out.Undo, w.steps())
	}
}

func TestASecondRestoreOfOneIDGetsAWindowOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.beside("undo/under-test", 100*time.Hour, spec.RestoreWorkflow, comeBack)
	out, err := w.restoreEnded()
	wantType(t, err, "")
	if !strings.HasPrefix(out.Undo, "undo/under-test/") || len(w.windows) != 1 {
		t.Errorf("undo %q, windows %+v: the tables are swapped, somebody has to keep the old ones", out.Undo, w.windows)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(2, database("sales", 2, 1))
	w.restorePlan.Warnings = []string{"no BE 3"}
	in := comeBack
	in.DryRun = true
	out, err := w.restore(in)
	wantType(t, err, "")
	w.wantSteps("plan")
	if !out.DryRun || len(out.Plan) != 1 || out.Point != point || len(out.Warnings) != 1 {
		t.Errorf("result: %+v", out)
	}
}

func TestAPlanWithRefusedTablesChangesNothing(t *testing.T) {
	refuse := func(w *world) {
		w.restoreOf(1, database("sales", 1, 1))
		w.restorePlan.Refused = 1
		w.restorePlan.Tables = []spec.PlannedTable{{Database: "sales", Table: "orders", Action: spec.ActionRefuse, Note: "a routine load writes into it"}}
	}
	t.Run("a restore", func(t *testing.T) {
		w := newWorld(t)
		refuse(w)
		out, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorInvalidSpec)
		w.wantSteps("plan")
		if !strings.Contains(err.Error(), "sales.orders: a routine load writes into it") || len(out.Plan) != 1 {
			t.Errorf("%v, %+v", err, out)
		}
	})
	t.Run("a dry run shows it", func(t *testing.T) {
		w := newWorld(t)
		refuse(w)
		in := comeBack
		in.DryRun = true
		out, err := w.restore(in)
		wantType(t, err, "")
		if len(out.Plan) != 1 || out.Plan[0].Action != spec.ActionRefuse {
			t.Errorf("plan: %+v", out.Plan)
		}
	})
}

func TestAnInvalidRestoreDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.ExecuteWorkflow(spec.RestoreWorkflow, map[string]any{"cluster": "c", "repository": "r", "onExisting": "overwrite"})
	wantType(t, w.ended(), spec.ErrorInvalidSpec)
	w.wantSteps("")
}

func TestATableThatIsNotProvenIsNotSwappedAndReported(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(2, database("sales", 1, 1))
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		if ref.Table == 0 {
			return unproven(0, spec.ActionSwap, "StarRocks says FINISHED, but partition p1 has version 3, want 4"), nil
		}
		return proven(ref.Table, spec.ActionSwap), nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	w.wantSteps("prove t0\nprove t1\nproperties t1\ngrants t1\nswap t1", "plan", "ensure", "prepare", "RESTORE", "await", "tidy")
	if len(out.Failed) != 1 || out.Failed[0].Table != "t0" || out.FailedCount != 1 {
		t.Fatalf("failed: %+v", out.Failed)
	}
	for _, want := range []string{"partition p1 has version 3", "live table is untouched", "t0__restore_0a1b2c3d"} {
		if !strings.Contains(out.Failed[0].Reason, want) {
			t.Errorf("reason %q, want it to say %q", out.Failed[0].Reason, want)
		}
	}
	if out.Undo == "" || len(w.windows[0].Tables) != 1 {
		t.Errorf("the table that was swapped keeps its way back: %q, %+v", out.Undo, w.windows)
	}
}

func TestATableThatIsNotWhatWasBackedUpEndsTheRestoreAsProofFailed(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(2, database("sales", 1, 1))
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		if ref.Table == 0 {
			p := unproven(0, spec.ActionCreate, "StarRocks says FINISHED, but partition p1 has version 3, want 4")
			p.Differs = true
			return p, nil
		}
		return proven(ref.Table, spec.ActionSwap), nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorProofFailed)
	if out.FailedCount != 1 || len(out.Tables) != 1 || w.count("swap t0") != 0 || w.count("swap t1") != 1 {
		t.Errorf("result %+v, done %q", out, w.steps())
	}
}

func TestAStepThatFailsLeavesItsTableAloneAndGoesOnWithTheOthers(t *testing.T) {
	denied := failure(spec.ErrorAuthDenied, "GRANT on table is denied")
	only := func(err error) func(activities.TableRef) error {
		return func(ref activities.TableRef) error {
			if ref.Table == 0 {
				return err
			}
			return nil
		}
	}
	for name, test := range map[string]struct {
		set  func(*world)
		want string
	}{
		"proof": {func(w *world) {
			w.prove = func(ref activities.TableRef) (activities.Proven, error) {
				if ref.Table == 0 {
					return activities.Proven{}, failure(spec.ErrorAuthDenied, "prove table sales.t0: SELECT is denied")
				}
				return proven(ref.Table, spec.ActionSwap), nil
			}
		}, "SELECT is denied"},
		"grants": {func(w *world) { w.carry = only(denied) }, "GRANT on table is denied; what was restored is proven and stays in t0__restore_0a1b2c3d"},
		"swap":   {func(w *world) { w.swap = only(failure(spec.ErrorSchemaMismatch, "somebody renamed it")) }, "somebody renamed it; what was restored is proven and stays in t0__restore_0a1b2c3d"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.restoreOf(2, database("sales", 1, 1))
			test.set(w)
			out, err := w.restore(comeBack)
			wantType(t, err, spec.ErrorPartialFailure)
			if len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Reason, test.want) || len(out.Tables) != 1 || out.Tables[0].Table != "t1" {
				t.Errorf("failed %+v, tables %+v", out.Failed, out.Tables)
			}
		})
	}
}

func TestAUnitThatFailsIsKnownToTheProof(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 2, 1))
	w.await = failing(1, activities.UnitFailure{Reason: "tablet 9 cannot be loaded"})
	var failures int
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		failures = len(ref.Failures)
		return unproven(0, spec.ActionSwap, "1 of its partitions was not restored"), nil
	}
	_, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	if failures != 1 {
		t.Errorf("the proof was told of %d failures, want 1", failures)
	}
	if w.count("tidy sales u2 a1") != 1 || w.count("tidy sales u2 a2") != 1 {
		t.Errorf("what Prepare wrote must go after each attempt: %q", w.steps())
	}
}

func TestADamagedRepositoryIsRefusedBeforeARestoreIsSubmitted(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.prepare = func(activities.UnitRef) error {
		return failure(spec.ErrorChecksumMismatch, "snapshot sk_a is damaged: sales.t0/p1: tablet 7 lacks an object")
	}
	w.prove = func(activities.TableRef) (activities.Proven, error) {
		return unproven(0, spec.ActionSwap, "none of its partitions was restored"), nil
	}
	_, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	for _, s := range w.steps() {
		if strings.HasPrefix(s, "RESTORE") {
			t.Errorf("submitted: %s", s)
		}
	}
}

func TestADatabaseThatCannotBeCreatedIsReported(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 2, 1))
	w.ensured = func() error { return failure(spec.ErrorAuthDenied, "CREATE DATABASE is denied") }
	w.prove = func(activities.TableRef) (activities.Proven, error) {
		return unproven(0, spec.ActionCreate, "none of its partitions was restored"), nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	if got := out.Databases[0].Stopped; got != "CREATE DATABASE is denied" {
		t.Errorf("stopped %q", got)
	}
}

func TestARestoreOfHeldDatabasesFailsIfAsked(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	in := comeBack
	in.OnBusy = spec.OnBusyFail
	w.beside(spec.DatabaseJobID("prod", "sales"), time.Hour, spec.RestoreWorkflow, in)
	out, err := w.restoreEnded()
	wantType(t, err, spec.ErrorDatabaseBusy)
	if out.FailedCount != 1 || !strings.Contains(out.Failed[0].Reason, "starkeep/prod/db/sales") {
		t.Errorf("result: %+v", out)
	}
}

func TestARestoreContinuesAsNewBetweenTables(t *testing.T) {
	in := workflows.DatabaseJobInput{Statement: activities.Restore, Cluster: "prod", Repository: "repo", Run: "seed", Planned: database("sales", 1, 1)}
	in.Planned.Tables = 3
	w := newWorld(t)
	w.swap = func(ref activities.TableRef) error {
		w.SetContinueAsNewSuggested(true)
		return nil
	}
	w.ExecuteWorkflow(spec.DatabaseJobWorkflow, in)
	next := nextRun(t, w.ended())
	if next.NextTable != 1 || len(next.Result.Swapped) != 1 || len(next.Result.Tables) != 1 {
		t.Fatalf("the next run gets %+v", next)
	}
	again := newWorld(t)
	out := again.databaseJob(next)
	again.wantSteps("prove t1\nproperties t1\ngrants t1\nswap t1\nprove t2\nproperties t2\ngrants t2\nswap t2")
	if len(out.Swapped) != 3 || len(out.Tables) != 3 || out.Summary.Units != 1 {
		t.Errorf("result: %+v", out)
	}
}

func TestListsInTheResultAreBounded(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(450, database("sales", 1, 1))
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		if ref.Table%2 == 0 {
			return unproven(ref.Table, spec.ActionCreate, "differs"), nil
		}
		return proven(ref.Table, spec.ActionCreate), nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorPartialFailure)
	if out.FailedCount != 225 || len(out.Tables) != spec.MaxListed {
		t.Errorf("%d failed, %d tables", out.FailedCount, len(out.Tables))
	}
	if len(out.Failed) > spec.MaxListed {
		t.Errorf("%d rows", len(out.Failed))
	}
}
