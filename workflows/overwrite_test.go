package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// broken is how Await ends when a RESTORE over existing data was broken off in COMMITTING.
func broken(u activities.UnitRef) error {
	return activities.Error(spec.ErrorJobFailed, activities.UnitFailure{Transient: true, Reason: "user cancelled", State: "COMMITTING",
		Interrupted: &spec.InterruptedCommit{Database: "sales", Tables: []string{"orders"}, Label: u.Label, Timestamp: u.Timestamp, Statement: "RESTORE at " + u.Timestamp, State: "user cancelled"},
	}, "broken off")
}

// TestABrokenCommitIsRunAgainAtOnce: before anything else, whatever was asked meanwhile, and until it ends well; then the
// files of all attempts go.
func TestABrokenCommitIsRunAgainAtOnce(t *testing.T) {
	overwritten := func(activities.TableRef) (activities.Proven, error) { return proven(0, spec.ActionOverwrite), nil }
	t.Run("the second one ends well", func(t *testing.T) {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 2, 1))
		w.prove = overwritten
		w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
			if u.Unit.Number == 1 && !u.Mend {
				return activities.JobEnd{}, broken(u)
			}
			return activities.JobEnd{}, nil
		}
		_, err := w.restore(comeBack)
		wantType(t, err, "")
		w.wantSteps(`
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			tidy sales u1 a1
			tidy sales u1 a1
			prepare sales u2 a1
			RESTORE sales u2 a1
			await sales u2 a1
			tidy sales u2 a1
			prove t0`, "plan", "ensure")
	})
	t.Run("a cancel does not stop it", func(t *testing.T) {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 2, 1))
		w.prove = overwritten
		w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
			if !u.Mend {
				return activities.JobEnd{}, broken(u)
			}
			return activities.JobEnd{}, nil
		}
		w.at(90*time.Second, w.CancelWorkflow)
		out, err := w.restore(comeBack)
		wantType(t, err, "")
		if !out.CancelRequested || w.count("RESTORE sales u1 a1") != 2 || w.count("RESTORE sales u2 a1") != 0 {
			t.Errorf("%+v: %v", out, w.steps())
		}
	})
	t.Run("none ends well", func(t *testing.T) {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 2, 1))
		w.prove = func(activities.TableRef) (activities.Proven, error) {
			return unproven(0, spec.ActionOverwrite, "2 of its partitions were not restored"), nil
		}
		var last string
		w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
			last = u.Timestamp
			return activities.JobEnd{}, broken(u)
		}
		out, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorCommitInterrupted)
		if !strings.Contains(err.Error(), "RESTORE at "+last) || !strings.Contains(err.Error(), "orders") {
			t.Errorf("%v does not name table and statement", err)
		}
		_ = out
		if n := w.count("RESTORE sales u1 a1"); n != 4 {
			t.Errorf("%d RESTOREs, want the first and three more", n)
		}
		if n := w.count("tidy sales u1 a1"); n != 3 {
			t.Errorf("%d attempts were tidied up, want all but the last, whose statement is named", n)
		}
		if w.count("RESTORE sales u2 a1") != 0 {
			t.Error("another unit was begun")
		}
	})
	t.Run("a load was committed in between", func(t *testing.T) {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 1, 1))
		w.prove = overwritten
		w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
			if !u.Mend {
				return activities.JobEnd{}, broken(u)
			}
			return activities.JobEnd{Loads: []string{"load l1 into orders is committed and not visible yet"}}, nil
		}
		_, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorCommitInterrupted)
		if !strings.Contains(err.Error(), "load l1") || !strings.Contains(err.Error(), "swap") {
			t.Errorf("%v does not name the load, and the way out", err)
		}
	})
}

// TestARestoreOverLoads: one that ended well, over loads that were seen too late, is not run again. It is reported, with the way
// out.
func TestARestoreOverLoads(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.prove = func(activities.TableRef) (activities.Proven, error) { return proven(0, spec.ActionOverwrite), nil }
	w.await = func(activities.UnitRef) (activities.JobEnd, error) {
		over := spec.InterruptedCommit{Database: "sales", Tables: []string{"orders"}, Loads: []string{"load l1 into orders is committed and not visible yet"}}
		return activities.JobEnd{Loads: over.Loads, Over: &over}, nil
	}
	_, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorCommitInterrupted)
	if !strings.Contains(err.Error(), "restored as backed up, but load l1") || !strings.Contains(err.Error(), "swap") {
		t.Errorf("%v does not name the load, and the way out", err)
	}
	if n := w.count("RESTORE sales u1 a1"); n != 1 {
		t.Errorf("%d RESTOREs", n)
	}
}

// TestPartitionsAreReplaced: proven beside, then exchanged behind a fence, then the copy goes; a cancel before COMMIT
// leaves the live table alone.
func TestPartitionsAreReplaced(t *testing.T) {
	replacing := func(t *testing.T) *world {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 1, 1))
		w.prove = func(activities.TableRef) (activities.Proven, error) {
			p := proven(0, spec.ActionReplace)
			p.Beside = "t0__restore_x"
			return p, nil
		}
		return w
	}
	t.Run("all goes well", func(t *testing.T) {
		w := replacing(t)
		w.partitions(activities.Replaced{TableID: 7, Partitions: 2, Rows: 3, RowsProven: true}, nil)
		out, err := w.restore(comeBack)
		wantType(t, err, "")
		w.wantSteps("prove t0\nfence t0\nreplace t0 above 99\ndrop-beside t0", "plan", "ensure", "prepare", "RESTORE", "await", "tidy")
		if len(out.Tables) != 1 || out.Tables[0].TableID != 7 || out.Tables[0].Rows != 3 || !out.Tables[0].RowsProven {
			t.Errorf("%+v", out.Tables)
		}
	})
	t.Run("StarRocks refuses", func(t *testing.T) {
		w := replacing(t)
		w.partitions(activities.Replaced{}, activities.Error(spec.ErrorJobFailed, nil, "INSERT OVERWRITE failed, and the partitions are as they were"))
		_, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorPartialFailure)
		if !strings.Contains(err.Error(), "as they were") || w.count("drop-beside t0") != 0 {
			t.Errorf("%v: %v", err, w.steps())
		}
	})
	t.Run("other rows than were restored", func(t *testing.T) {
		w := replacing(t)
		w.partitions(activities.Replaced{Differs: "replaced, but partition p1 has 2 rows, 3 were restored"}, nil)
		_, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorProofFailed)
	})
	t.Run("cancelled before COMMIT", func(t *testing.T) {
		w := replacing(t)
		w.restoreOf(1, database("sales", 2, 1))
		w.partitions(activities.Replaced{}, nil)
		w.at(90*time.Second, w.CancelWorkflow)
		_, err := w.restore(comeBack)
		wantType(t, err, "Canceled")
		if w.count("fence t0") != 0 || w.count("drop-beside t0") != 1 {
			t.Errorf("%v", w.steps())
		}
	})
}

// partitions says how the replacement of partitions goes.
func (w *world) partitions(r activities.Replaced, err error) {
	a := activities.New(nil, nil)
	w.OnActivity(a.FencePartitions, anything, anything).Return(func(_ context.Context, ref activities.TableRef) (activities.Fence, error) {
		w.note("fence t%d", ref.Table)
		return activities.Fence{Highest: 99}, nil
	}).Maybe()
	w.OnActivity(a.ReplacePartitions, anything, anything, anything).Return(func(_ context.Context, ref activities.TableRef, f activities.Fence) (activities.Replaced, error) {
		w.note("replace t%d above %d", ref.Table, f.Highest)
		return r, err
	}).Maybe()
}

// TestWhatIsReplacedIsBackedUpFirst: no way back, no restore.
func TestWhatIsReplacedIsBackedUpFirst(t *testing.T) {
	safe := func(t *testing.T) *world {
		w := newWorld(t)
		w.restoreOf(1, database("sales", 1, 1))
		w.restorePlan.Safety = []string{"sales.orders"}
		w.backupPlan.Databases = []activities.PlannedDatabase{database("sales", 1, 1)}
		w.prove = func(activities.TableRef) (activities.Proven, error) { return proven(0, spec.ActionOverwrite), nil }
		return w
	}
	t.Run("undo restores it", func(t *testing.T) {
		w := safe(t)
		out, err := w.restore(comeBack)
		wantType(t, err, "")
		w.wantSteps(`
			plan
			plan
			BACKUP sales u1 a1
			await sales u1 a1
			record sales u1 a1
			publish
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			tidy sales u1 a1
			prove t0`)
		if out.Safety == nil || out.Safety.Point == "" || out.Undo == "" || len(w.windows) != 1 || w.windows[0].Safety == nil {
			t.Errorf("%+v, windows %+v", out, w.windows)
		}
		if got := w.published.Spec.Tags[spec.TagBeforeOverwrite]; !strings.HasPrefix(got, "restore/") {
			t.Errorf("the point's tag is %q", got)
		}
	})
	t.Run("it cannot be backed up", func(t *testing.T) {
		w := safe(t)
		w.submit = func(u activities.UnitRef) error {
			if u.Statement == activities.Backup {
				return activities.Error(spec.ErrorJobFailed, activities.UnitFailure{Reason: "broken"}, "broken")
			}
			return nil
		}
		_, err := w.restore(comeBack)
		wantType(t, err, spec.ErrorPartialFailure)
		if !strings.Contains(err.Error(), "nothing was changed") || w.count("RESTORE sales u1 a1") != 0 {
			t.Errorf("%v: %v", err, w.steps())
		}
	})
}
