package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

var nightly = spec.Backup{Cluster: "prod", Repository: "repo"}

func (w *world) backup(in spec.Backup) (spec.BackupResult, error) {
	w.t.Helper()
	w.ExecuteWorkflow(spec.BackupWorkflow, in)
	return w.backupEnded()
}

// backupEnded gives the result of a Backup: its own, or the one in the details of its failure or cancel.
func (w *world) backupEnded() (spec.BackupResult, error) {
	w.t.Helper()
	err := w.ended()
	var out spec.BackupResult
	if err == nil {
		if err := w.GetWorkflowResult(&out); err != nil {
			w.t.Fatal(err)
		}
		return out, nil
	}
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &app) && app.HasDetails():
		if err := app.Details(&out); err != nil {
			w.t.Fatalf("the failure's details are no BackupResult: %v", err)
		}
	case errors.As(err, &canceled) && canceled.HasDetails():
		if err := canceled.Details(&out); err != nil {
			w.t.Fatalf("the cancel's details are no BackupResult: %v", err)
		}
	}
	return out, err
}

// wantType fails unless err is of the type; "" wants success.
func wantType(t *testing.T, err error, kind string) {
	t.Helper()
	var app *temporal.ApplicationError
	switch {
	case kind == "" && err == nil:
	case kind == "Canceled" && temporal.IsCanceledError(err):
	case errors.As(err, &app) && app.Type() == kind:
	default:
		t.Errorf("the run ended with %v, want %q", err, kind)
	}
}

func TestABackupPlansRunsTheUnitsAndPublishes(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("sales", 2, 3))
	w.backupPlan.Warnings = []string{"functions of database sales cannot be listed"}
	out, err := w.backup(nightly)
	wantType(t, err, "")
	w.wantSteps(`
		plan
		BACKUP sales u1 a1
		await sales u1 a1
		record sales u1 a1
		BACKUP sales u2 a1
		await sales u2 a1
		record sales u2 a1
		publish`)
	if !out.Complete || out.Point == "" || out.Partitions != 6 || out.Tablets != 12 || out.Bytes != 600 || out.Objects != 18 || out.FailedCount != 0 {
		t.Errorf("result: %+v", out)
	}
	if len(out.Databases) != 1 || out.Databases[0].Units != 2 || out.Databases[0].Attempts != 2 || out.Databases[0].Seconds < 120 {
		t.Errorf("databases: %+v", out.Databases)
	}
	if len(out.Warnings) != 1 {
		t.Errorf("the plan's warning is lost: %q", out.Warnings)
	}
	want := []activities.Attempt{{Unit: 1, Attempt: 1}, {Unit: 2, Attempt: 1}}
	if got := w.published.Databases[0].Completed; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("published %v, want %v", got, want)
	}
}

func TestAnInvalidBackupDoesNothing(t *testing.T) {
	for name, input := range map[string]any{
		"no cluster":    map[string]any{"repository": "r"},
		"unknown field": map[string]any{"cluster": "c", "repository": "r", "differential": true},
		"not an object": "prod",
		"a secret":      map[string]any{"cluster": "c", "repository": "r", "password": "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ExecuteWorkflow(spec.BackupWorkflow, input)
			err := w.ended()
			wantType(t, err, spec.ErrorInvalidSpec)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the secret: %v", err)
			}
			w.wantSteps("")
		})
	}
}

func TestAPlanThatFailsEndsTheBackup(t *testing.T) {
	w := newWorld(t)
	w.planned = func() error { return failure(spec.ErrorRepositoryMissing, "no such repository") }
	_, err := w.backup(nightly)
	wantType(t, err, spec.ErrorRepositoryMissing)
	w.wantSteps("plan")
}

func TestDatabasesRunInParallelUpToTheLimit(t *testing.T) {
	for parallel, want := range map[int]int{1: 1, 2: 2, 8: 3} {
		t.Run(fmt.Sprint(parallel), func(t *testing.T) {
			w := newWorld(t)
			w.backupOf(parallel, database("a", 2, 1), database("b", 2, 1), database("c", 2, 1))
			out, err := w.backup(nightly)
			wantType(t, err, "")
			if w.most != want {
				t.Errorf("%d statements ran at once, want %d", w.most, want)
			}
			for i, d := range []string{"a", "b", "c"} {
				if out.Databases[i].Database != d || out.Databases[i].Units != 2 {
					t.Errorf("databases are not all there in the plan's order: %+v", out.Databases)
				}
			}
		})
	}
}

func TestTheLimitChangesWhileTheRunIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.backupOf(1, database("a", 1, 1), database("b", 1, 1), database("c", 1, 1))
	answer := w.update(10*time.Second, spec.UpdateSetLimit, spec.Limits{ParallelDatabases: 3})
	_, err := w.backup(nightly)
	wantType(t, err, "")
	if w.most != 3 || answer.err != nil {
		t.Errorf("%d statements ran at once, want 3; answer %+v", w.most, answer)
	}
}

func TestALimitSetDuringThePlanStands(t *testing.T) {
	w := newWorld(t)
	w.backupOf(3, database("a", 1, 1), database("b", 1, 1), database("c", 1, 1))
	w.update(500*time.Millisecond, spec.UpdateSetLimit, spec.Limits{ParallelDatabases: 1})
	_, err := w.backup(nightly)
	wantType(t, err, "")
	if w.most != 1 {
		t.Errorf("%d statements ran at once, want 1: the plan must not overrule what somebody has set", w.most)
	}
}

func TestLimitsThatCannotChangeAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		limits spec.Limits
		want   string
	}{
		"zero":     {spec.Limits{}, "give 1 or more (use pause to stop)"},
		"negative": {spec.Limits{ParallelDatabases: -1}, "give 1 or more"},
		"tablets":  {spec.Limits{ParallelDatabases: 2, MaxTabletsPerUnit: 5}, "only parallelDatabases can change"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.backupOf(1, database("a", 1, 1))
			answer := w.update(10*time.Second, spec.UpdateSetLimit, test.limits)
			_, err := w.backup(nightly)
			wantType(t, err, "")
			if answer.rejected == nil || !strings.Contains(answer.rejected.Error(), test.want) {
				t.Errorf("got %v, want a refusal with %q", answer.rejected, test.want)
			}
		})
	}
}

func TestPauseStartsNoFurtherUnitAndResumeGoesOn(t *testing.T) {
	w := newWorld(t)
	w.backupOf(1, database("a", 3, 1), database("b", 1, 1))
	pause := w.update(20*time.Second, spec.UpdatePause, spec.Pause{Reason: "upgrade"})
	var during []string
	var progress spec.Progress
	w.at(24*time.Hour, func() {
		during = w.steps()
		value, err := w.QueryWorkflow(spec.QueryProgress)
		if err != nil || value.Get(&progress) != nil {
			t.Errorf("query: %v", err)
		}
	})
	resume := w.update(25*time.Hour, spec.UpdateResume)
	_, err := w.backup(nightly)
	wantType(t, err, "")
	if want := []string{"plan", "BACKUP a u1 a1", "await a u1 a1", "record a u1 a1"}; fmt.Sprint(during) != fmt.Sprint(want) {
		t.Errorf("done while paused: %q, want the unit under way only: %q", during, want)
	}
	if !progress.Paused || progress.Databases[1].Phase != spec.PhaseWaiting {
		t.Errorf("progress while paused: %+v", progress)
	}
	if got, ok := pause.value.(spec.PauseResult); !ok || !got.Paused || !strings.Contains(got.Note, "goes on") {
		t.Errorf("pause answers %+v: it must say what goes on nevertheless", pause.value)
	}
	if got, ok := resume.value.(spec.PauseResult); !ok || got.Paused {
		t.Errorf("resume answers %+v", resume.value)
	}
	if n := w.count("BACKUP a u3 a1"); n != 1 {
		t.Errorf("the last unit ran %d times after the resume", n)
	}
}

func TestADatabaseHeldByAnotherJobIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 1, 1), database("b", 1, 1))
	var progress spec.Progress
	w.at(10*time.Minute, func() {
		value, err := w.QueryWorkflowByID("under-test", spec.QueryProgress)
		if err != nil || value.Get(&progress) != nil {
			t.Errorf("query: %v", err)
		}
	})
	w.beside(spec.DatabaseJobID("prod", "a"), time.Hour, spec.BackupWorkflow, nightly)
	out, err := w.backupEnded()
	wantType(t, err, "")
	if !out.Complete || w.count("BACKUP a u1 a1") != 1 {
		t.Errorf("result: %+v", out)
	}
	if progress.Databases[0].Phase != spec.PhaseWaiting || progress.Databases[1].Phase != spec.PhaseDone {
		t.Errorf("progress meanwhile: %+v", progress)
	}
}

func TestAHeldDatabaseDoesNotKeepFreeOnesWaiting(t *testing.T) {
	w := newWorld(t)
	w.backupOf(1, database("a", 1, 1), database("b", 1, 1), database("c", 1, 1))
	var meanwhile []string
	w.at(50*time.Minute, func() { meanwhile = w.steps("plan", "await", "BACKUP") })
	w.beside(spec.DatabaseJobID("prod", "a"), time.Hour, spec.BackupWorkflow, nightly)
	_, err := w.backupEnded()
	wantType(t, err, "")
	if fmt.Sprint(meanwhile) != "[record b u1 a1 record c u1 a1]" || w.most != 1 {
		t.Errorf("done while a was held: %q; %d at once", meanwhile, w.most)
	}
}

func TestOnBusyFailReportsTheHolder(t *testing.T) {
	in := nightly
	in.OnBusy = spec.OnBusyFail
	t.Run("nothing else to back up", func(t *testing.T) {
		w := newWorld(t)
		w.backupOf(8, database("a", 1, 1))
		w.beside(spec.DatabaseJobID("prod", "a"), time.Hour, spec.BackupWorkflow, in)
		out, err := w.backupEnded()
		wantType(t, err, spec.ErrorDatabaseBusy)
		if out.Point != "" || !strings.Contains(out.Failed[0].Reason, "starkeep/prod/db/a") {
			t.Errorf("the result must name the holder: %+v", out)
		}
	})
	t.Run("the other databases are backed up", func(t *testing.T) {
		w := newWorld(t)
		w.backupOf(8, database("a", 1, 2), database("b", 1, 1))
		w.beside(spec.DatabaseJobID("prod", "a"), time.Hour, spec.BackupWorkflow, in)
		out, err := w.backupEnded()
		wantType(t, err, spec.ErrorPartialFailure)
		if out.Point == "" || out.FailedCount != 2 || len(out.Databases) != 1 || out.Databases[0].Database != "b" {
			t.Errorf("result: %+v", out)
		}
	})
}

func TestWhatCannotBeBackedUpMakesAPartialFailureWithAPublishedPoint(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 2, 4))
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		if has(u.Unit, 5) {
			return activities.JobEnd{}, jobFailed(activities.UnitFailure{Culprits: []int{5}, Reason: "tablet 10005 has no replica"})
		}
		return activities.JobEnd{}, nil
	}
	out, err := w.backup(nightly)
	wantType(t, err, spec.ErrorPartialFailure)
	if out.Point == "" || out.Complete || out.FailedCount != 1 || out.Partitions != 7 {
		t.Errorf("result: %+v", out)
	}
	want := spec.FailedPart{Database: "a", Table: "t", Partition: "p5", Reason: "tablet 10005 has no replica"}
	if len(out.Failed) != 1 || out.Failed[0] != want {
		t.Errorf("failed %+v, want %+v, in StarRocks' own words", out.Failed, want)
	}
	if text := err.Error(); !strings.Contains(text, "a.t/p5") || !strings.Contains(text, "resume "+out.Point) {
		t.Errorf("%q must name the partition and the way on", text)
	}
}

func TestADatabaseWhoseWorkflowFailsDoesNotTakeTheOthersAlong(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 1, 2), database("b", 1, 1))
	w.submit = func(u activities.UnitRef) error {
		if u.Database == "a" {
			return failure(spec.ErrorAuthDenied, "BACKUP on table a.t is denied")
		}
		return nil
	}
	out, err := w.backup(nightly)
	wantType(t, err, spec.ErrorPartialFailure)
	if out.Point == "" || out.FailedCount != 2 || out.Databases[0].Stopped == "" || out.Databases[1].Units != 1 {
		t.Errorf("result: %+v", out)
	}
}

func TestWhenNothingCouldBeBackedUpNoPointIsNamed(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 1, 1))
	w.submit = func(activities.UnitRef) error { return failure(spec.ErrorAuthDenied, "denied") }
	out, err := w.backup(nightly)
	wantType(t, err, spec.ErrorPartialFailure)
	if out.Point != "" || !strings.Contains(err.Error(), "nothing could be backed up") {
		t.Errorf("%v, %+v", err, out)
	}
}

func TestADatabaseWithNothingToRunIsPublishedNevertheless(t *testing.T) {
	w := newWorld(t)
	views := activities.PlannedDatabase{Database: "views", Plan: activities.PlanRef{Key: "plans/views"}}
	w.backupOf(8, views, database("b", 1, 1))
	out, err := w.backup(nightly)
	wantType(t, err, "")
	if len(w.published.Databases) != 2 || len(w.published.Databases[0].Completed) != 0 || len(w.published.Databases[1].Completed) != 1 || len(out.Databases) != 1 {
		t.Errorf("published %+v", w.published.Databases)
	}
}

func TestAPublishThatFailsFailsTheBackup(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 1, 1))
	w.publishes = func() error { return failure(spec.ErrorChecksumMismatch, "another manifest lies there") }
	_, err := w.backup(nightly)
	wantType(t, err, spec.ErrorChecksumMismatch)
}
