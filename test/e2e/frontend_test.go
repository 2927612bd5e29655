package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"starkeep/test/testbed"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// feRow is a kill -9 of the leading FE while a job stands in a state. Every run completes, and the data is right.
type feRow struct {
	kind, state string
	sent        string
}

// TestOnlyFERestarts in the middle of a run: the same Backup or Restore completes by itself.
func TestOnlyFERestarts(t *testing.T) {
	t.Parallel()
	killLeader(t, 1, []feRow{
		{"BACKUP", "SNAPSHOTING", "BACKUP, CANCEL BACKUP, BACKUP"},
		{"BACKUP", "UPLOADING", "BACKUP"},
		{"RESTORE", "SNAPSHOTING", "RESTORE, RESTORE"},
		{"swap", "DOWNLOADING", "RESTORE, ALTER, ALTER, ALTER, ALTER"},
		{"swap", "COMMITTING", "RESTORE, CANCEL RESTORE, RESTORE, ALTER, ALTER, ALTER, ALTER"},
	})
}

// TestLeaderChanges in the middle of a run of three FEs.
func TestLeaderChanges(t *testing.T) {
	t.Parallel()
	killLeader(t, 3, []feRow{
		{"BACKUP", "PENDING", "BACKUP, CANCEL BACKUP, BACKUP"},
		{"BACKUP", "UPLOAD_INFO", "BACKUP, CANCEL BACKUP, BACKUP"},
		{"swap", "SNAPSHOTING", "RESTORE, ALTER, ALTER, ALTER, ALTER"},
		{"swap", "COMMITTING", "RESTORE, CANCEL RESTORE, RESTORE, ALTER, ALTER, ALTER, ALTER"},
	})
}

func killLeader(t *testing.T, frontends int, rows []feRow) {
	b := testbed.Start(t, testbed.Options{Frontends: frontends, Heartbeat: time.Second})
	b.StartWorker(t)
	for i, c := range rows {
		t.Run(c.kind+" in "+c.state, func(t *testing.T) {
			s := newStage(t, b, fmt.Sprintf("f%d", i))
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
			if c.state == "COMMITTING" {
				s.until("the MOVEs", func() bool { return s.row("RESTORE")[13] == "" })
			}
			s.watched(c.state)
			leader := b.Sim.Leader()
			b.Sim.StopFrontend(leader)
			release()
			if frontends > 1 {
				s.until("a new leader", func() bool { return b.Sim.Leader() >= 0 })
			}
			if err := b.Sim.StartFrontend(leader); err != nil {
				t.Fatal(err)
			}
			if got := s.end(run); got != "completed" {
				t.Errorf("the workflow ended %q", got)
			}
			if got := s.sent(); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
			if got := s.tables(); got != "as backed up" {
				t.Errorf("tables are %s", got)
			}
			if c.kind != "BACKUP" {
				return
			}
			// What the Backup made restores: the tables are swapped for equal ones.
			if got := s.end(s.start("RESTORE")); got != "completed" || s.tables() != "as backed up" {
				t.Errorf("its restore ended %q; tables are %s", got, s.tables())
			}
		})
	}
}
