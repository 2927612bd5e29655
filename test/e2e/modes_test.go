package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// mode is a way to bring a restore point into tables that exist, or that do not.
type mode struct {
	name  string
	in    func(db string) spec.Restore
	ready func(s *stage) // after the backup; nil: the tables live on and differ
	done  string         // what the tables are when it went well
	sent  string         // what it sends when it goes well, beside what a cancel makes of it
}

// modes are the four of onExisting, and the replacement of partitions.
var modes = []mode{
	{"new tables", func(string) spec.Restore { return spec.Restore{OnExisting: spec.OnExistingFail} }, (*stage).dropped, "as backed up", "RESTORE"},
	{"rename", func(string) spec.Restore { return spec.Restore{OnExisting: spec.OnExistingRename} }, nil, "as before", "RESTORE"},
	{"swap", func(string) spec.Restore { return spec.Restore{} }, nil, "as backed up", "RESTORE, ALTER, ALTER, ALTER, ALTER"},
	{"overwrite", overwriting, nil, "as backed up", "RESTORE"},
	{"partitions", replacing, (*stage).partitionsOnly, "as backed up", "RESTORE, INSERT OVERWRITE, DROP"},
}

func overwriting(string) spec.Restore {
	return spec.Restore{OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true, NoSafetyPoint: true}
}

func replacing(db string) spec.Restore {
	return spec.Restore{Include: []string{db + ".orders/p1", db + ".orders/p2"}, NoSafetyPoint: true}
}

// partitionsOnly puts back what a restore of the partitions of orders would not.
func (s *stage) partitionsOnly() {
	s.Must(s.T, "DELETE FROM "+s.db+".pk WHERE k = 9")
	s.Must(s.T, "INSERT INTO "+s.db+".pk VALUES (1, 10)")
	s.live = s.now()
}

// damaged backs the database up and changes every table and partition.
func (s *stage) damaged() {
	s.Helper()
	s.backedUp()
	s.Must(s.T, "INSERT INTO "+s.db+".orders VALUES ('2026-01-09', 91), ('2026-01-10', 92), ('2026-02-09', 93), ('2026-02-10', 94)")
	s.live = s.now()
	s.mark = len(s.Sim.Statements())
}

// startRestore starts a Restore of the stage's database.
func (s *stage) startRestore(in spec.Restore) client.WorkflowRun {
	s.Helper()
	in.Cluster, in.Repository, in.Point = testbed.ClusterName, testbed.RepositoryName, s.point
	if len(in.Include) == 0 {
		in.Include = []string{s.db}
	}
	run, err := s.Client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: spec.RestoreID(in.Cluster, s.db+"-"+s.Name()[strings.LastIndexByte(s.Name(), '/')+1:]), TaskQueue: spec.TaskQueue}, spec.RestoreWorkflow, in)
	if err != nil {
		s.Fatal(err)
	}
	return run
}

// changes lists the statements on the stage's database that changed something.
func (s *stage) changes() string {
	var list []string
	for _, st := range s.Sim.Statements()[s.mark:] {
		for _, verb := range []string{"RESTORE", "CANCEL RESTORE", "ALTER", "DROP", "INSERT OVERWRITE"} {
			if st.Err == nil && strings.HasPrefix(st.SQL, verb+" ") && strings.Contains(st.SQL, "`"+s.db+"`") {
				list = append(list, verb)
			}
		}
	}
	return strings.Join(list, ", ")
}

// loadable fails where a table takes no loads any more, or has one that never becomes visible.
func (s *stage) loadable() {
	s.Helper()
	for _, sql := range []string{
		"INSERT INTO " + s.db + ".orders VALUES ('2026-01-20', 77), ('2026-01-21', 78), ('2026-02-20', 79), ('2026-02-21', 80)",
		"INSERT INTO " + s.db + ".pk VALUES (71, 1), (72, 1), (73, 1), (74, 1)",
	} {
		if err := s.Sim.Exec(sql); err != nil {
			s.Errorf("a load after the restore: %v", err)
		}
	}
	if left := s.uncommitted(); left != "" {
		s.Errorf("loads that never become visible: %s", left)
	}
}

// uncommitted lists loads that are committed and not visible.
func (s *stage) uncommitted() string {
	s.Helper()
	rows, err := s.Sim.Query("SHOW PROC '/dbs'")
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range rows {
		if r[1] != s.db {
			continue
		}
		running, err := s.Sim.Query("SHOW PROC '/transactions/" + r[0] + "/running'")
		if err != nil {
			s.Fatal(err)
		}
		if len(running) > 0 {
			return fmt.Sprint(running)
		}
	}
	return ""
}

// TestCancelOfEveryMode asks for a cancel while the FE's job stands in each state, for every mode: before COMMIT nothing
// has changed, in COMMIT all is brought to its end, and no table is ever part old and part new.
func TestCancelOfEveryMode(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: 3 * time.Second, Patience: 20})
	b.StartWorker(t)
	t.Run("states", func(t *testing.T) {
		for m, mode := range modes {
			for i, state := range []string{"SNAPSHOTING", "DOWNLOADING", "COMMIT", "COMMITTING"} {
				t.Run(mode.name+" in "+state, func(t *testing.T) {
					t.Parallel()
					s := newStage(t, b, fmt.Sprintf("m%d%d", m, i))
					s.damaged()
					if mode.ready != nil {
						mode.ready(s)
						s.mark = len(s.Sim.Statements())
					}
					inCommit := strings.HasPrefix(state, "COMMIT")
					release := b.Sim.HoldStates(s.db, state)
					defer release()
					run := s.startRestore(mode.in(s.db))
					s.reach("RESTORE", state)
					s.watched(state)
					cancelIt(s, run, nil)
					ends, sent, tables := "canceled", "RESTORE, CANCEL RESTORE", "as before"
					if mode.name == "new tables" {
						tables = "none"
					}
					if inCommit {
						s.watched(refusedInCommit)
						release()
						ends, sent, tables = "completed, cancel requested", mode.sent, mode.done
					}
					if got := s.end(run); got != ends {
						t.Errorf("the workflow ended %q, want %q", got, ends)
					}
					if got := s.changes(); got != sent {
						t.Errorf("changed %q, want %q", got, sent)
					}
					if got := s.tables(); got != tables {
						t.Errorf("tables are %s, want %s", got, tables)
					}
					if tables != "none" {
						s.loadable()
					}
				})
			}
		}
	})
}

// TestEveryModeOutlivesFailures holds a restore of each mode in each state, in a database of its own, and meanwhile the FE
// and a BE die and come back and the store is out of reach. All come to their end, and no table is mixed.
func TestEveryModeOutlivesFailures(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second, Patience: 20})
	b.StartWorker(t)
	states := []string{"SNAPSHOTING", "DOWNLOADING", "COMMITTING"}
	type cell struct {
		*stage
		mode
		state   string
		run     client.WorkflowRun
		release func()
	}
	var cells []*cell
	for m, mode := range modes {
		for i, state := range states {
			cells = append(cells, &cell{stage: newStage(t, b, fmt.Sprintf("f%d%d", m, i)), mode: mode, state: state})
		}
	}
	t.Run("held", func(t *testing.T) {
		for _, c := range cells {
			t.Run(c.mode.name+" in "+c.state, func(t *testing.T) {
				t.Parallel()
				c.stage.T = t
				c.damaged()
				if c.ready != nil {
					c.ready(c.stage)
				}
				c.release = b.Sim.HoldStates(c.db, c.state)
				c.run = c.startRestore(c.in(c.db))
				c.reach("RESTORE", c.state)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	if err := b.Sim.RestartFrontend(); err != nil {
		t.Fatal(err)
	}
	b.Sim.RestartBackend(0)
	b.Sim.BreakStore(1, fmt.Errorf("connection refused"))
	for _, c := range cells {
		c.release()
	}
	b.Sim.BreakStore(1, nil)
	for _, c := range cells {
		t.Run(c.mode.name+" in "+c.state, func(t *testing.T) {
			c.stage.T = t
			if got := c.end(c.run); got != "completed" {
				t.Errorf("the workflow ended %q", got)
			}
			if got := c.tables(); got != c.done {
				t.Errorf("tables are %s, want %s (changed: %s)", got, c.done, c.changes())
			}
			c.loadable()
		})
	}
}
