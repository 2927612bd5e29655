// Package replay holds the workflows to their past: recorded histories must replay, whatever changes in the code. A
// history is added with every workflow.GetVersion and never deleted.
//
//	go test ./test/replay -record    # records histories that are missing, from a real run; delete a file to record it anew
package replay

import (
	"compress/gzip"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"starkeep/workflows"
	"starkeep/workflows/spec"
)

var record = flag.Bool("record", false, "record the histories that testdata lacks")

// recorded are the cases that there must be: testdata/<workflow>/<version>-<case>.json.gz.
var recorded = []string{
	"Backup/v1-complete", "Backup/v1-partial", "Backup/v1-cancelled", "Backup/v1-paused", "Backup/v1-refused", "Backup/v1-waited",
	"Restore/v1-swap", "Restore/v1-create", "Restore/v1-dry-run", "Restore/v1-cancelled", "Restore/v1-cancelled-in-commit",
	"Restore/v2-other-cluster", // creates the repository first
	"DatabaseJob/v1-backup-complete", "DatabaseJob/v1-backup-partial", "DatabaseJob/v1-backup-cancelled", "DatabaseJob/v1-backup-paused",
	"DatabaseJob/v1-continued-1", "DatabaseJob/v1-continued-2",
	"DatabaseJob/v1-restore-swap", "DatabaseJob/v1-restore-cancelled", "DatabaseJob/v1-restore-cancelled-in-commit",
	"UndoWindow/v1-undo", "UndoWindow/v1-finish", "UndoWindow/v1-expired",
	"Restore/v3-proof-stored", "Restore/v3-native-snapshot",
	"Adopt/v1-adopted",
	"Drill/v1-ok", "Drill/v1-cancelled",
	"Backup/v2-scheduled",                     // named by the time that it was due
	"Prune/v2-scheduled", "Copy/v2-scheduled", // hand over to the one run of their stores
	"Restore/v2-composed", "DatabaseJob/v2-restore-composed", "Export/v1-exported",
	"DatabaseJob/v6-restore-pieces", // of a composed unit
	"Inspect/v1-points",
	"CreateRepository/v1-created", "DropRepository/v1-dropped",
	"CheckRepository/v1-without-scratch", "CheckRepository/v1-ok", "CheckRepository/v1-missing", "CheckRepository/v1-cancelled",
	"Verify/v1-ok", "Verify/v1-damaged", "Verify/v1-repaired", "Verify/v1-continued-1", "Verify/v1-continued-2",
	"Pin/v1-pinned", "Prune/v1-dry-run", "Prune/v1-points", "Prune/v1-snapshots", "Prune/v1-files",
	"Restore/v4-views", "UndoWindow/v4-undo-views",
}

func TestRecordedHistoriesReplay(t *testing.T) {
	if *record {
		recordMissing(t)
	}
	for _, name := range recorded {
		if _, err := os.Stat(path(name)); err != nil {
			t.Errorf("history %s is missing: go test ./test/replay -record", name)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded histories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.ToSlash(strings.TrimPrefix(file, "testdata"+string(filepath.Separator))), ".json.gz"), func(t *testing.T) {
			if err := replay(read(t, file), workflows.Register); err != nil {
				t.Errorf("%s does not replay: runs under way would get stuck. Put the change behind workflow.GetVersion: %v", file, err)
			}
		})
	}
}

func path(name string) string { return filepath.Join("testdata", filepath.FromSlash(name)+".json.gz") }

func replay(h *historypb.History, register func(worker.WorkflowRegistry)) error {
	r := worker.NewWorkflowReplayer()
	register(r)
	started := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
	return r.ReplayWorkflowHistoryWithOptions(silent, h, worker.ReplayWorkflowHistoryOptions{
		// Ids of children come from the run's own.
		OriginalExecution: workflow.Execution{ID: started.WorkflowId, RunID: started.OriginalExecutionRunId},
	})
}

func read(t *testing.T, file string) *historypb.History {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	h, err := client.HistoryFromJSON(unpacked, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return h
}

// TestABrokenDeterminismIsFound shows that the test above can fail.
func TestABrokenDeterminismIsFound(t *testing.T) {
	t.Run("another activity in the history", func(t *testing.T) {
		h := read(t, path("DatabaseJob/v1-backup-complete"))
		changed := false
		for _, event := range h.Events {
			if a := event.GetActivityTaskScheduledEventAttributes(); a != nil && a.ActivityType.Name == "Record" {
				a.ActivityType = &commonpb.ActivityType{Name: "Verify"}
				changed = true
			}
		}
		if !changed {
			t.Fatal("the history has no activity to change")
		}
		wantBroken(t, replay(h, workflows.Register))
	})
	t.Run("a workflow with a further step", func(t *testing.T) {
		later := func(ctx workflow.Context, in workflows.DatabaseJobInput) (workflows.DatabaseJobResult, error) {
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return workflows.DatabaseJobResult{}, err
			}
			return workflows.DatabaseJob(ctx, in)
		}
		wantBroken(t, replay(read(t, path("DatabaseJob/v1-backup-complete")), func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(later, workflow.RegisterOptions{Name: spec.DatabaseJobWorkflow})
		}))
	})
	t.Run("a workflow that lacks a step", func(t *testing.T) {
		less := func(ctx workflow.Context, in spec.Backup) (spec.BackupResult, error) { return spec.BackupResult{}, nil }
		wantBroken(t, replay(read(t, path("Backup/v1-complete")), func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(less, workflow.RegisterOptions{Name: spec.BackupWorkflow})
		}))
	})
}

func wantBroken(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("the history replays: a broken determinism goes unseen")
	}
}
