package e2e

import (
	"fmt"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// interruption is a row: what happens while the FE's job stands in a state.
type interruption struct {
	name   string
	kind   string // BACKUP, RESTORE of new tables, or swap
	state  string
	do     func(s *stage, run client.WorkflowRun, w *workers)
	tell   string // wait until Await has told Temporal this before the FE's job goes on; "" if it is not to go on by itself
	ends   string
	sent   string
	job    string // the FE's job at the end
	tables string
}

func cancelIt(s *stage, run client.WorkflowRun, _ *workers) {
	if err := s.Client.CancelWorkflow(s.Context(), run.GetID(), ""); err != nil {
		s.Fatal(err)
	}
}

func terminate(id func(s *stage, run client.WorkflowRun) string) func(*stage, client.WorkflowRun, *workers) {
	return func(s *stage, run client.WorkflowRun, _ *workers) {
		if err := s.Client.TerminateWorkflow(s.Context(), id(s, run), "", "a test"); err != nil {
			s.Fatal(err)
		}
	}
}

func parent(_ *stage, run client.WorkflowRun) string { return run.GetID() }

func child(s *stage, _ client.WorkflowRun) string {
	return spec.DatabaseJobID(testbed.ClusterName, s.db)
}

// anotherWorker stops the worker in the middle of Await and starts another.
func anotherWorker(s *stage, _ client.WorkflowRun, w *workers) {
	w.stop()
	w.start()
}

// cancelWithoutWorker asks for a cancel while no worker runs.
func cancelWithoutWorker(s *stage, run client.WorkflowRun, w *workers) {
	w.stop()
	cancelIt(s, run, w)
	w.start()
}

const refusedInCommit = "a cancel was asked for in COMMIT"

// TestInterruptions goes through real Temporal: cancel by state, terminate of the parent and of the DatabaseJob, workers
// that come and go.
func TestInterruptions(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second, Patience: 20})
	w := &workers{T: t, bed: b}
	w.start()
	for i, c := range []interruption{
		{"cancel", "BACKUP", "SNAPSHOTING", cancelIt, "", "canceled", "BACKUP, CANCEL BACKUP", "CANCELLED", "as backed up"},
		{"cancel", "BACKUP", "UPLOAD_INFO", cancelIt, "", "canceled", "BACKUP, CANCEL BACKUP", "CANCELLED", "as backed up"},
		{"cancel", "RESTORE", "DOWNLOADING", cancelIt, "", "canceled", "RESTORE, CANCEL RESTORE", "CANCELLED", "none"},
		{"cancel", "RESTORE", "COMMITTING", cancelIt, refusedInCommit, "completed, cancel requested", "RESTORE", "FINISHED", "as backed up"},
		{"cancel", "swap", "SNAPSHOTING", cancelIt, "", "canceled", "RESTORE, CANCEL RESTORE", "CANCELLED", "as before"},
		{"cancel", "swap", "COMMIT", cancelIt, refusedInCommit, "completed, cancel requested", "RESTORE, ALTER, ALTER, ALTER, ALTER", "FINISHED", "as backed up"},
		{"cancel while no worker runs", "BACKUP", "UPLOADING", cancelWithoutWorker, "", "canceled", "BACKUP, CANCEL BACKUP", "CANCELLED", "as backed up"},
		{"cancel while no worker runs", "swap", "COMMITTING", cancelWithoutWorker, refusedInCommit, "completed, cancel requested", "RESTORE, ALTER, ALTER, ALTER, ALTER", "FINISHED", "as backed up"},
		{"terminate the Backup", "BACKUP", "UPLOADING", terminate(parent), "", "terminated", "BACKUP, CANCEL BACKUP", "CANCELLED", "as backed up"},
		{"terminate the Restore", "swap", "DOWNLOADING", terminate(parent), "", "terminated", "RESTORE, CANCEL RESTORE", "CANCELLED", "as before"},
		{"terminate the DatabaseJob", "BACKUP", "UPLOADING", terminate(child), "-", spec.ErrorPartialFailure, "BACKUP", "FINISHED", "as backed up"},
		{"another worker", "BACKUP", "UPLOADING", anotherWorker, "UPLOADING", "completed", "BACKUP", "FINISHED", "as backed up"},
		{"another worker", "swap", "COMMITTING", anotherWorker, "COMMITTING", "completed", "RESTORE, ALTER, ALTER, ALTER, ALTER", "FINISHED", "as backed up"},
	} {
		t.Run(fmt.Sprintf("%s, %s in %s", c.name, c.kind, c.state), func(t *testing.T) {
			s := newStage(t, b, fmt.Sprintf("c%d", i))
			statement := c.kind
			if c.kind != "BACKUP" {
				statement = "RESTORE"
				s.backedUp()
			}
			if c.kind == "RESTORE" {
				s.dropped()
			}
			release := b.Sim.HoldStates(s.db, c.state)
			defer release()
			run := s.start(statement)
			s.reach(statement, c.state)
			s.watched(c.state)
			c.do(s, run, w)
			if c.tell != "" {
				if c.tell != "-" {
					s.watched(c.tell)
				}
				release()
			}
			if got := s.end(run); got != c.ends {
				t.Errorf("the workflow ended %q, want %q", got, c.ends)
			}
			s.until("the FE's job "+c.job, func() bool { return s.state(statement) == c.job })
			if got := s.sent(); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
			s.until("the DatabaseJob's end", func() bool { return !s.running() })
			if got := s.tables(); got != c.tables {
				t.Errorf("tables are %s, want %s", got, c.tables)
			}
		})
	}
}

// running tells whether a DatabaseJob has the database.
func (s *stage) running() bool {
	d, err := s.Client.DescribeWorkflowExecution(s.Context(), spec.DatabaseJobID(testbed.ClusterName, s.db), "")
	return err != nil || d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// TestPause lets the running unit finish and starts no other until resume.
func TestPause(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second, Patience: 20})
	b.StartWorker(t)
	s := newStage(t, b, "p")
	release := b.Sim.HoldStates(s.db, "UPLOADING")
	run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: spec.BackupID(testbed.ClusterName, unique()), TaskQueue: spec.TaskQueue}, spec.BackupWorkflow,
		spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{s.db}, Limits: spec.Limits{MaxPartitionsPerUnit: 1}})
	if err != nil {
		t.Fatal(err)
	}
	s.reach("BACKUP", "UPLOADING")
	s.update(run, spec.UpdatePause, spec.Pause{Reason: "a test"})
	s.until("the DatabaseJob to hear of it", s.signalled)
	release()
	s.until("the first unit's end", func() bool { return s.progress().UnitsDone == 1 && s.progress().Current == "" })
	if got := s.sent(); got != "BACKUP" {
		t.Errorf("sent %q while paused", got)
	}
	s.update(run, spec.UpdateResume)
	if got := s.end(run); got != "completed" {
		t.Errorf("ended %q", got)
	}
	if got := s.sent(); got != "BACKUP, BACKUP, BACKUP" {
		t.Errorf("sent %q, want one BACKUP for each of 3 units", got)
	}
}

func (s *stage) update(run client.WorkflowRun, name string, args ...any) {
	s.Helper()
	h, err := s.Client.UpdateWorkflow(s.Context(), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = h.Get(s.Context(), nil)
	}
	if err != nil {
		s.Fatalf("%s: %v", name, err)
	}
}

// signalled tells whether the DatabaseJob was sent a signal: its parent's pause.
func (s *stage) signalled() bool {
	events := s.Client.GetWorkflowHistory(s.Context(), spec.DatabaseJobID(testbed.ClusterName, s.db), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			s.Fatal(err)
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			return true
		}
	}
	return false
}

func (s *stage) progress() (p spec.DatabaseProgress) {
	value, err := s.Client.QueryWorkflow(s.Context(), spec.DatabaseJobID(testbed.ClusterName, s.db), "", spec.QueryProgress)
	if err == nil {
		_ = value.Get(&p)
	}
	return p
}
