package workflows_test

import (
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestWhereACancelMeetsABackup: what is backed up is published, as a partial point that resume completes; what StarRocks
// has finished counts.
func TestWhereACancelMeetsABackup(t *testing.T) {
	tests := []struct {
		name      string
		cancel    time.Duration
		await     func(activities.UnitRef) (activities.JobEnd, error)
		want      string // how the run ends
		steps     string
		published bool
		reason    string
	}{
		{"while planning", 500 * time.Millisecond, nil, "Canceled", "", false, ""},
		{"while the first unit is awaited", 30 * time.Second, nil, "Canceled", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			await a u1 a1 (cancel)
			publish`, false, "cancelled before COMMIT"},
		{"while the second unit is awaited", 90 * time.Second, nil, "Canceled", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			record a u1 a1
			BACKUP a u2 a1
			await a u2 a1
			await a u2 a1 (cancel)
			publish`, true, "cancelled before COMMIT"},
		{"while recording", 62*time.Second + 500*time.Millisecond, nil, "Canceled", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			record a u1 a1
			publish`, true, "cancelled before COMMIT"},
		{"too late for StarRocks: the unit counts", 30 * time.Second,
			func(activities.UnitRef) (activities.JobEnd, error) {
				return activities.JobEnd{CancelRefused: true}, nil
			}, "Canceled", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			await a u1 a1 (cancel)
			record a u1 a1
			publish`, true, "cancelled in COMMIT"},
		{"too late, in the last unit: the backup is whole", 90 * time.Second,
			func(activities.UnitRef) (activities.JobEnd, error) { return activities.JobEnd{}, nil }, "", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			record a u1 a1
			BACKUP a u2 a1
			await a u2 a1
			await a u2 a1 (cancel)
			record a u2 a1
			publish`, true, ""},
		{"while publishing: the backup is whole", 125 * time.Second, nil, "", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			record a u1 a1
			BACKUP a u2 a1
			await a u2 a1
			record a u2 a1
			publish`, true, ""},
		{"the job was cancelled by a worker that died before it told", 30 * time.Second,
			func(u activities.UnitRef) (activities.JobEnd, error) {
				return activities.JobEnd{}, jobFailed(activities.UnitFailure{Stop: true, Reason: "cancelled in StarRocks by somebody else"})
			}, "Canceled", `
			plan
			BACKUP a u1 a1
			await a u1 a1
			await a u1 a1 (cancel)
			publish`, false, "cancelled before COMMIT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.backupOf(8, database("a", 2, 1))
			w.await = test.await
			w.at(test.cancel, w.CancelWorkflow)
			out, err := w.backup(nightly)
			wantType(t, err, test.want)
			w.wantSteps(test.steps)
			if (out.Point != "") != test.published {
				t.Errorf("published %q, want one: %v", out.Point, test.published)
			}
			if test.want == "" && (!out.CancelRequested || !out.Complete) {
				t.Errorf("the result must say that a cancel was asked for, and that all is there: %+v", out)
			}
			if test.reason != "" && (len(out.Failed) == 0 || !strings.Contains(out.Failed[0].Reason, test.reason)) {
				t.Errorf("failed %+v, want the reason %q", out.Failed, test.reason)
			}
		})
	}
}

func TestACancelLeavesWaitingDatabasesOut(t *testing.T) {
	w := newWorld(t)
	w.backupOf(1, database("a", 1, 1), database("b", 1, 1), database("c", 1, 1))
	w.at(90*time.Second, w.CancelWorkflow) // b is under way
	out, err := w.backup(nightly)
	wantType(t, err, "Canceled")
	w.wantSteps(`
		plan
		BACKUP a u1 a1
		await a u1 a1
		record a u1 a1
		BACKUP b u1 a1
		await b u1 a1
		await b u1 a1 (cancel)
		publish`)
	if out.Point == "" || out.FailedCount != 2 || !strings.Contains(out.Failed[1].Reason, "not begun: the run was cancelled") {
		t.Errorf("result: %+v", out)
	}
}

func TestACancelEndsTheWaitingForAHeldDatabase(t *testing.T) {
	w := newWorld(t)
	w.backupOf(8, database("a", 1, 1))
	w.at(20*time.Minute, w.CancelWorkflow)
	w.beside(spec.DatabaseJobID("prod", "a"), 48*time.Hour, spec.BackupWorkflow, nightly)
	out, err := w.backupEnded()
	wantType(t, err, "Canceled")
	w.wantSteps("plan\npublish")
	if out.Point != "" || out.FailedCount != 1 {
		t.Errorf("result: %+v", out)
	}
}

func TestACancelEndsAPause(t *testing.T) {
	w := newWorld(t)
	w.backupOf(1, database("a", 2, 1))
	w.update(10*time.Second, spec.UpdatePause, spec.Pause{})
	w.at(time.Hour, w.CancelWorkflow)
	out, err := w.backup(nightly)
	wantType(t, err, "Canceled")
	if out.Point == "" || out.FailedCount != 1 {
		t.Errorf("what was backed up before is published: %+v", out)
	}
}
