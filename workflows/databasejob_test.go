package workflows_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

func backupJob(n, size int) workflows.DatabaseJobInput {
	return workflows.DatabaseJobInput{Statement: activities.Backup, Cluster: "prod", Repository: "repo", Run: "seed", Planned: database("sales", n, size), Heartbeat: spec.Duration(30 * time.Second)}
}

func (w *world) databaseJob(in workflows.DatabaseJobInput) workflows.DatabaseJobResult {
	w.t.Helper()
	w.ExecuteWorkflow(spec.DatabaseJobWorkflow, in)
	if err := w.ended(); err != nil {
		w.t.Fatalf("a database job reports failures in its result, it does not fail: %v", err)
	}
	var out workflows.DatabaseJobResult
	if err := w.GetWorkflowResult(&out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// failedParts lists what was not done, as "part: reason".
func failedParts(r workflows.DatabaseJobResult) []string {
	var list []string
	for _, f := range r.Failures {
		for _, i := range (restorepoint.Unit{Parts: f.Parts}).Indexes() {
			list = append(list, fmt.Sprintf("%d: %s", i, f.Reason))
		}
	}
	slices.Sort(list)
	return list
}

// failing makes units that hold a part fail in a way.
func failing(part int, f activities.UnitFailure) func(activities.UnitRef) (activities.JobEnd, error) {
	return func(u activities.UnitRef) (activities.JobEnd, error) {
		if has(u.Unit, part) {
			return activities.JobEnd{}, jobFailed(f)
		}
		return activities.JobEnd{}, nil
	}
}

func TestATransientFailureIsTriedAgainUnderANewLabel(t *testing.T) {
	w := newWorld(t)
	labels := map[string]bool{}
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		labels[u.Label] = true
		if u.Unit.Attempt < 3 {
			return activities.JobEnd{}, jobFailed(activities.UnitFailure{Transient: true, Reason: "BE 1 is dead"})
		}
		return activities.JobEnd{}, nil
	}
	out := w.databaseJob(backupJob(1, 2))
	w.wantSteps(`
		BACKUP sales u1 a1
		await sales u1 a1
		BACKUP sales u1 a2
		await sales u1 a2
		BACKUP sales u1 a3
		await sales u1 a3
		record sales u1 a3`)
	if len(labels) != 3 {
		t.Errorf("labels %v: each attempt needs its own", labels)
	}
	if out.Summary.Attempts != 3 || len(out.Completed) != 1 || out.Completed[0].Attempt != 3 {
		t.Errorf("result: %+v", out)
	}
}

func TestCulpritsAreIsolatedAndTheRestIsDone(t *testing.T) {
	w := newWorld(t)
	w.await = failing(2, activities.UnitFailure{Culprits: []int{2}, Reason: "tablet 7 is broken"})
	out := w.databaseJob(backupJob(1, 4))
	w.wantSteps(`
		BACKUP sales u1 a1
		await sales u1 a1
		BACKUP sales u2 a1
		await sales u2 a1
		record sales u2 a1
		BACKUP sales u3 a1
		await sales u3 a1
		BACKUP sales u3 a2
		await sales u3 a2`)
	if got := failedParts(out); !slices.Equal(got, []string{"2: tablet 7 is broken"}) {
		t.Errorf("failed %q", got)
	}
	if out.Summary.Partitions != 3 || out.Summary.UnitsFailed != 1 || out.Summary.Stopped != "" {
		t.Errorf("summary: %+v", out.Summary)
	}
}

func TestAFailureThatNamesNothingSplitsTheUnit(t *testing.T) {
	w := newWorld(t)
	w.await = failing(3, activities.UnitFailure{Reason: "something"})
	out := w.databaseJob(backupJob(1, 4))
	if got := failedParts(out); !slices.Equal(got, []string{"3: something"}) {
		t.Errorf("failed %q, want the one part found", got)
	}
	if out.Summary.Partitions != 3 {
		t.Errorf("%d partitions done, want 3", out.Summary.Partitions)
	}
}

func TestThreeUnitsFailingAlikeStopTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{}, jobFailed(activities.UnitFailure{Reason: fmt.Sprintf("no space left on disk, job %d", 1000+u.Unit.Number)})
	}
	out := w.databaseJob(backupJob(6, 1))
	if n := w.count("BACKUP sales u4 a1"); n != 0 {
		t.Error("a fourth unit was tried: the world is broken, not the data")
	}
	if !strings.Contains(out.Summary.Stopped, "no space left on disk") || len(failedParts(out)) != 6 {
		t.Errorf("stopped %q, failed %q", out.Summary.Stopped, failedParts(out))
	}
}

func TestWhatNoRetryCanHelpStopsTheDatabase(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"denied":                 {failure(spec.ErrorAuthDenied, "access denied"), "access denied"},
		"the repository is gone": {failure(spec.ErrorRepositoryMissing, "no repository"), "no repository"},
		"the job is lost":        {failure(spec.ErrorJobLost, "no row; grant EXPORT"), "grant EXPORT"},
		"somebody cancelled it in StarRocks": {jobFailed(activities.UnitFailure{Stop: true, Reason: "cancelled in StarRocks by somebody else"}),
			"cancelled in StarRocks by somebody else"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.await = func(activities.UnitRef) (activities.JobEnd, error) { return activities.JobEnd{}, test.err }
			out := w.databaseJob(backupJob(3, 2))
			w.wantSteps("BACKUP sales u1 a1\nawait sales u1 a1")
			if !strings.Contains(out.Summary.Stopped, test.want) || len(failedParts(out)) != 6 {
				t.Errorf("stopped %q, failed %q", out.Summary.Stopped, failedParts(out))
			}
		})
	}
}

func TestASnapshotThatIsNotWholeFailsTheUnit(t *testing.T) {
	w := newWorld(t)
	w.record = func(u activities.UnitRef) error {
		if has(u.Unit, 1) {
			return jobFailed(activities.UnitFailure{Culprits: []int{1}, Reason: "tablet 11 lacks its header"})
		}
		return nil
	}
	out := w.databaseJob(backupJob(1, 3))
	if got := failedParts(out); !slices.Equal(got, []string{"1: tablet 11 lacks its header"}) {
		t.Errorf("failed %q", got)
	}
}

func TestUnitsLeftOverForOneReasonAreOneEntry(t *testing.T) {
	w := newWorld(t)
	w.submit = func(activities.UnitRef) error { return failure(spec.ErrorAuthDenied, "denied") }
	out := w.databaseJob(backupJob(500, 1))
	if len(out.Failures) > 2 || len(failedParts(out)) != 500 {
		t.Errorf("%d entries for %d parts: each activity of each table gets this list", len(out.Failures), len(failedParts(out)))
	}
}

// continued runs a job through as many runs as it takes, each of n units, and gives the last one's result.
func continued(t *testing.T, in workflows.DatabaseJobInput, perRun int, each func(w *world, run int)) (workflows.DatabaseJobResult, int) {
	t.Helper()
	for run := 1; ; run++ {
		w := newWorld(t)
		done := 0
		w.record = func(activities.UnitRef) error {
			if done++; done == perRun {
				w.SetContinueAsNewSuggested(true)
			}
			return nil
		}
		each(w, run)
		w.ExecuteWorkflow(spec.DatabaseJobWorkflow, in)
		err := w.ended()
		var again *workflow.ContinueAsNewError
		if !errors.As(err, &again) {
			var out workflows.DatabaseJobResult
			if err != nil || w.GetWorkflowResult(&out) != nil {
				t.Fatalf("run %d: %v", run, err)
			}
			return out, run
		}
		in = nextRun(t, err)
		if len(in.Planned.Units) != 0 {
			t.Errorf("run %d hands %d planned units on: the queue has them", run, len(in.Planned.Units))
		}
	}
}

// nextRun gives the input of the run that continues one which ended with err.
func nextRun(t *testing.T, err error) workflows.DatabaseJobInput {
	t.Helper()
	var again *workflow.ContinueAsNewError
	if !errors.As(err, &again) {
		t.Fatalf("ended with %v, want continue-as-new", err)
	}
	var in workflows.DatabaseJobInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestALongJobContinuesAsNewBetweenUnits(t *testing.T) {
	var steps []string
	out, runs := continued(t, backupJob(7, 1), 2, func(w *world, run int) {
		t.Cleanup(func() { steps = append(steps, w.steps()...) })
		if run == 2 {
			w.await = failing(3, activities.UnitFailure{Transient: true, Reason: "BE 2 is dead"}) // of both attempts in this run
		}
		w.at(time.Second, func() {
			value, err := w.QueryWorkflow(spec.QueryProgress)
			var p spec.DatabaseProgress
			if err != nil || value.Get(&p) != nil {
				t.Errorf("query: %v", err)
			}
			if run == 2 && (p.Units != 7 || p.UnitsDone != 2 || p.TabletsDone != 4 || p.BytesDone != 200 || p.Tablets != 14) {
				t.Errorf("progress at the start of run 2: %+v", p)
			}
		})
	})
	if runs != 3 { // 1 2 | 3 5, and 4 failing | 6 7
		t.Errorf("%d runs, want a new one after every second unit", runs)
	}
	if out.Summary.Units+out.Summary.UnitsFailed != 7 || out.Summary.Partitions != int64(out.Summary.Units) || out.Summary.Seconds < 7*60 {
		t.Errorf("summary over all runs: %+v", out.Summary)
	}
	seen := map[int]bool{}
	for _, a := range out.Completed {
		if seen[a.Unit] {
			t.Errorf("unit %d is in the result twice", a.Unit)
		}
		seen[a.Unit] = true
	}
}

func TestContinueAsNewWaitsForTheUnitUnderWay(t *testing.T) {
	w := newWorld(t)
	w.at(30*time.Second, func() { w.SetContinueAsNewSuggested(true) })
	w.ExecuteWorkflow(spec.DatabaseJobWorkflow, backupJob(2, 1))
	err := w.ended()
	var again *workflow.ContinueAsNewError
	if !errors.As(err, &again) {
		t.Fatalf("ended with %v, want continue-as-new", err)
	}
	w.wantSteps("BACKUP sales u1 a1\nawait sales u1 a1\nrecord sales u1 a1")
}

func TestAPauseIsNotLostByContinueAsNew(t *testing.T) {
	w := newWorld(t)
	w.record = func(activities.UnitRef) error {
		w.SetContinueAsNewSuggested(true)
		// In the very task that ends the run.
		w.SignalWorkflowSkippingWorkflowTask("parentPaused", true)
		return nil
	}
	w.at(10*time.Minute, func() { w.SignalWorkflow("parentPaused", true) })
	w.ExecuteWorkflow(spec.DatabaseJobWorkflow, backupJob(2, 1))
	var again *workflow.ContinueAsNewError
	if err := w.ended(); errors.As(err, &again) {
		var in workflows.DatabaseJobInput
		if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
			t.Fatal(err)
		}
		if !in.Paused {
			t.Error("the next run does not know that it is paused")
		}
	}
	if n := w.count("BACKUP sales u2 a1"); n != 0 {
		t.Error("a unit was started though the job is paused")
	}
}

func TestAJobIsPausedByItselfToo(t *testing.T) {
	w := newWorld(t)
	w.update(10*time.Second, spec.UpdatePause, spec.Pause{})
	var during []string
	w.at(time.Hour, func() { during = w.steps() })
	w.update(2*time.Hour, spec.UpdateResume)
	w.databaseJob(backupJob(2, 1))
	if len(during) != 3 || w.count("record sales u2 a1") != 1 {
		t.Errorf("while paused: %q; in the end: %q", during, w.steps())
	}
}

func TestACancelWhileTheStatementIsSubmittedIsFollowedUp(t *testing.T) {
	w := newWorld(t)
	w.at(500*time.Millisecond, w.CancelWorkflow)
	out := w.databaseJob(backupJob(2, 1))
	w.wantSteps("BACKUP sales u1 a1\nawait sales u1 a1 (cancel)") // it may have got through
	if out.Cancelled != "before COMMIT" {
		t.Errorf("cancelled %q", out.Cancelled)
	}
}

func TestACancelInCommitIsAwaitedAndLeavesTheRestOut(t *testing.T) {
	w := newWorld(t)
	w.at(30*time.Second, w.CancelWorkflow)
	w.await = func(activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{CancelRefused: true, Warnings: []string{"finished nevertheless"}}, nil
	}
	out := w.databaseJob(backupJob(3, 1))
	w.wantSteps("BACKUP sales u1 a1\nawait sales u1 a1\nawait sales u1 a1 (cancel)\nrecord sales u1 a1")
	if out.Cancelled != "in COMMIT" || len(out.Completed) != 1 || len(failedParts(out)) != 2 {
		t.Errorf("result: %+v", out)
	}
	if !slices.Contains(out.Warnings, "sales: finished nevertheless") {
		t.Errorf("warnings %q", out.Warnings)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.await = func(u activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{Warnings: []string{"slow: " + name(u)}}, nil
	}
	if out := w.databaseJob(backupJob(80, 1)); len(out.Warnings) != 50 {
		t.Errorf("%d warnings", len(out.Warnings))
	}
}
