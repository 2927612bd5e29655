package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// stage is a database of its own on a bed, with a table of each kind, for one row of a table of interruptions.
type stage struct {
	*testing.T
	*testbed.Bed
	db      string
	content string // of its tables, as backed up
	live    string // of its tables now
	mark    int    // statements before the row began
	point   string // that the database is backed up in
}

// workers runs one worker at a time, for as long as the test of all rows lasts.
type workers struct {
	*testing.T
	bed  *testbed.Bed
	stop func()
}

func (w *workers) start() { w.stop = w.bed.StartWorker(w.T) }

func newStage(t *testing.T, b *testbed.Bed, db string) *stage {
	t.Helper()
	s := &stage{T: t, Bed: b, db: db}
	for _, sql := range []string{
		"CREATE DATABASE " + db,
		"CREATE TABLE " + db + ".orders (dt DATE NOT NULL, id BIGINT NOT NULL) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"CREATE TABLE " + db + ".pk (k INT NOT NULL, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"INSERT INTO " + db + ".orders VALUES ('2026-01-05', 1), ('2026-01-06', 2), ('2026-02-05', 3), ('2026-02-06', 4)",
		"INSERT INTO " + db + ".pk VALUES (1, 10), (2, 20), (3, 30)",
	} {
		b.Must(t, sql)
	}
	s.content = s.now()
	s.live = s.content
	s.mark = len(b.Sim.Statements())
	return s
}

// now is the content of the live tables.
func (s *stage) now() string { return s.Sim.Content(s.db, "orders") + s.Sim.Content(s.db, "pk") }

// backedUp backs the database up; what follows is compared with that moment.
func (s *stage) backedUp() {
	s.Helper()
	out, err := runBackup(s.T, s.Bed, spec.Backup{Include: []string{s.db}})
	if err != nil {
		s.Fatal(err)
	}
	s.point = out.Point
	s.Must(s.T, "INSERT INTO "+s.db+".pk VALUES (1, 99), (9, 9)")
	s.live = s.now()
	s.mark = len(s.Sim.Statements())
}

// dropped makes the tables new to a restore.
func (s *stage) dropped() {
	s.Helper()
	s.Must(s.T, "DROP TABLE "+s.db+".orders FORCE")
	s.Must(s.T, "DROP TABLE "+s.db+".pk FORCE")
}

// start starts Backup or Restore of the stage's database.
func (s *stage) start(kind string) client.WorkflowRun {
	s.Helper()
	workflow, id, in := spec.BackupWorkflow, spec.BackupID(testbed.ClusterName, unique()), any(spec.Backup{
		Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{s.db},
	})
	if kind == "RESTORE" {
		workflow, id, in = spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, unique()), spec.Restore{
			Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{s.db},
		}
	}
	run, err := s.Client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in)
	if err != nil {
		s.Fatal(err)
	}
	return run
}

// end says how a workflow ended: "completed", "completed, cancel requested", "canceled", "terminated", or its error's type.
func (s *stage) end(run client.WorkflowRun) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	var out struct{ CancelRequested bool }
	err := run.Get(ctx, &out)
	var terminated *temporal.TerminatedError
	switch {
	case ctx.Err() != nil:
		s.Fatalf("the workflow does not end; the jobs are %v %v", s.row("BACKUP"), s.row("RESTORE"))
		return ""
	case err == nil && out.CancelRequested:
		return "completed, cancel requested"
	case err == nil:
		return "completed"
	case asError(err, &terminated):
		return "terminated"
	case temporal.IsCanceledError(err):
		return "canceled"
	case errorType(err) == "":
		return err.Error()
	}
	return errorType(err)
}

func (s *stage) row(kind string) []string {
	s.Helper()
	rows, err := s.Sim.Query("SHOW " + kind + " FROM " + s.db)
	if err != nil || len(rows) == 0 {
		return nil
	}
	return rows[0]
}

func (s *stage) state(kind string) string {
	row := s.row(kind)
	switch {
	case row == nil:
		return ""
	case kind == "BACKUP":
		return row[3]
	}
	return row[4]
}

// until polls for a condition.
func (s *stage) until(what string, ok func() bool) {
	s.Helper()
	if !poll(ok) {
		s.Fatalf("gave up waiting for %s; the jobs are %v %v", what, s.row("BACKUP"), s.row("RESTORE"))
	}
}

// reach waits for the FE's state of this row's job, not of one before it.
func (s *stage) reach(kind, state string) {
	s.Helper()
	s.until(kind+" in "+state, func() bool {
		return contains(s.sent(), kind) && s.state(kind) == state
	})
}

// watched waits until Await has told Temporal of a state, or of what it does.
func (s *stage) watched(words string) {
	s.Helper()
	s.until("Await to say "+words, func() bool { return contains(s.heartbeat(), words) })
}

// heartbeat is the last one of the DatabaseJob's activity.
func (s *stage) heartbeat() string {
	d, err := s.Client.DescribeWorkflowExecution(s.Context(), spec.DatabaseJobID(testbed.ClusterName, s.db), "")
	if err != nil {
		return ""
	}
	for _, a := range d.GetPendingActivities() {
		for _, p := range a.GetHeartbeatDetails().GetPayloads() {
			return string(p.GetData())
		}
	}
	return ""
}

// sent lists the statements on the stage's database that could change something, "!" where the FE refused one.
func (s *stage) sent() string {
	var list []string
	for _, st := range s.Sim.Statements()[s.mark:] {
		for _, verb := range []string{"BACKUP", "RESTORE", "CANCEL BACKUP", "CANCEL RESTORE", "ALTER", "DROP"} {
			if !strings.HasPrefix(st.SQL, verb+" ") || !strings.Contains(st.SQL, "`"+s.db+"`") {
				continue
			}
			if st.Err != nil {
				verb += "!"
			}
			list = append(list, verb)
		}
	}
	return strings.Join(list, ", ")
}

// tables says what the database holds: which tables, and whether they are as backed up or as they were live.
func (s *stage) tables() string {
	s.Helper()
	rows, err := s.Sim.Query("SHOW TABLES FROM " + s.db)
	if err != nil {
		s.Fatal(err)
	}
	live, copies := 0, 0
	for _, r := range rows {
		switch {
		case r[0] == "orders" || r[0] == "pk":
			live++
		case strings.Contains(r[0], "__restore_"):
			copies++
		}
	}
	said := "none"
	switch {
	case live == 2 && s.now() == s.content:
		said = "as backed up"
	case live == 2 && s.now() == s.live:
		said = "as before"
	case live > 0:
		said = "mixed"
	}
	if copies > 0 {
		said += fmt.Sprintf(", %d copies", copies)
	}
	return said
}
