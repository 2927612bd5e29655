package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// heldHalf keeps the tablets of partition p2 from being moved, so that a job in COMMITTING has overwritten the rest.
func (s *stage) heldHalf() (release func()) {
	return s.Sim.HoldTasks(starrockssim.Fault{Type: "MOVE", Database: s.db, Partition: "p2"})
}

// half waits until all tablets but the held ones are moved.
func (s *stage) half() {
	s.Helper()
	s.until("half of the tablets to be moved", func() bool {
		row := s.row("RESTORE")
		return s.state("RESTORE") == "COMMITTING" && strings.Count(row[13], "=") == 2
	})
}

// TestABrokenCommitIsMended: whoever or whatever breaks a RESTORE over existing data off in COMMITTING, the same RESTORE is
// run again at once.
func TestABrokenCommitIsMended(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second, Patience: 20})
	b.StartWorker(t)
	for i, c := range []struct {
		name string
		do   func(s *stage) (run client.WorkflowRun)
		ends string
		sent string
	}{
		{"somebody cancels with half of the tablets moved", func(s *stage) client.WorkflowRun {
			release := s.heldHalf()
			run := s.startRestore(overwriting(s.db))
			s.half()
			s.Must(s.T, "CANCEL RESTORE FROM `"+s.db+"`")
			release()
			return run
		}, "completed", "RESTORE, RESTORE"},
		{"and a cancel was asked for", func(s *stage) client.WorkflowRun {
			release := s.heldHalf()
			run := s.startRestore(overwriting(s.db))
			s.half()
			cancelIt(s, run, nil)
			s.watched(refusedInCommit)
			s.Must(s.T, "CANCEL RESTORE FROM `"+s.db+"`")
			release()
			return run
		}, "completed, cancel requested", "RESTORE, RESTORE"},
		{"the answer of a primary key tablet's move is lost", func(s *stage) client.WorkflowRun {
			s.Sim.FailTasks(starrockssim.Fault{Type: "MOVE", Database: s.db, Table: "pk", DropAnswer: true})
			return s.startRestore(overwriting(s.db))
		}, "completed", "RESTORE, CANCEL RESTORE, RESTORE"},
		{"StarRocks' own timeout passes with half of the tablets moved", func(s *stage) client.WorkflowRun {
			release := s.heldHalf()
			run := s.startRestore(overwriting(s.db))
			s.half()
			s.Sim.ExpireJob(s.db)
			s.until("the timeout", func() bool {
				return strings.Contains(strings.Join(s.row("RESTORE"), " "), "TIMEOUT") || strings.Count(s.changes(), "RESTORE") == 2
			})
			release()
			return run
		}, "completed", "RESTORE, RESTORE"},
		{"a data file was away while it was to be downloaded", func(s *stage) client.WorkflowRun {
			return s.restoredWithout(".dat.", "No such file or directory")
		}, "completed", "RESTORE, CANCEL RESTORE, RESTORE"},
		{"a header was away while it was to be downloaded", func(s *stage) client.WorkflowRun {
			return s.restoredWithout(".hdr.", "fail to find header")
		}, "completed", "RESTORE, CANCEL RESTORE, RESTORE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, b, fmt.Sprintf("b%d", i))
			s.damaged()
			run := c.do(s)
			if got := s.end(run); got != c.ends {
				t.Errorf("the workflow ended %q, want %q", got, c.ends)
			}
			if got := s.changes(); got != c.sent {
				t.Errorf("starkeep sent %q, want %q", got, c.sent)
			}
			s.wholeAndLoadable()
			if left := leftBeside(t, b, s.db); len(left) > 0 {
				t.Errorf("temporary objects are left: %v", left)
			}
		})
	}
}

// restoredWithout overwrites, while one of the snapshot's objects is lost after all were seen to be there. StarRocks notices in
// COMMITTING. Then the object is put back, which does not help the job.
func (s *stage) restoredWithout(kind, words string) client.WorkflowRun {
	s.Helper()
	key := s.objectOf(kind)
	data, err := storage.ReadAll(s.Context(), s.Store, key, 1<<20)
	if err != nil {
		s.Fatal(err)
	}
	var once sync.Once
	s.Sim.OnState(func(db, job, state string) {
		if db != s.db || job != "RESTORE" || state != "SNAPSHOTING" {
			return
		}
		once.Do(func() {
			if err := s.Store.Delete(s.Context(), key); err != nil {
				s.Errorf("lose %s: %v", key, err)
			}
		})
	})
	run := s.startRestore(overwriting(s.db))
	s.until("StarRocks to miss "+key, func() bool {
		return s.state("RESTORE") == "COMMITTING" && strings.Contains(strings.Join(s.row("RESTORE"), " "), words)
	})
	if err := storage.WriteAll(s.Context(), s.Store, key, data, storage.Overwrite); err != nil {
		s.Fatal(err)
	}
	return run
}

// objectOf is an object of the stage's snapshot.
func (s *stage) objectOf(kind string) string {
	s.Helper()
	for o, err := range s.Store.List(s.Context(), "") {
		if err != nil {
			s.Fatal(err)
		}
		if strings.Contains(o.Key, "__ss_sk_"+s.db+"_") && strings.Contains(o.Key, kind) {
			return o.Key
		}
	}
	s.Fatalf("no %s in the snapshot of %s", kind, s.db)
	return ""
}

// leftBeside lists temporary objects of a database's restores.
func leftBeside(t *testing.T, b *testbed.Bed, db string) (left []string) {
	t.Helper()
	for o, err := range b.Store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.Key, "__ss_sk_beside_"+db+"_") {
			left = append(left, o.Key)
		}
	}
	return left
}

// TestACommitThatCannotBeMended: every attempt is broken off. The run says what the data is in, and the statement that it
// names mends it.
func TestACommitThatCannotBeMended(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second})
	b.StartWorker(t)
	s := newStage(t, b, "torn")
	s.damaged()
	release := s.heldHalf()
	run := s.startRestore(overwriting(s.db))
	for n := 1; n <= 4; n++ {
		s.until(fmt.Sprintf("attempt %d", n), func() bool {
			return strings.Count(s.changes(), "RESTORE") == n && s.state("RESTORE") == "COMMITTING"
		})
		s.half()
		s.Must(t, "CANCEL RESTORE FROM `"+s.db+"`")
	}
	err := run.Get(t.Context(), nil)
	release()
	if errorType(err) != spec.ErrorCommitInterrupted {
		t.Fatalf("ended with %v, want CommitInterrupted", err)
	}
	out := detailsOf[spec.RestoreResult](t, err)
	if len(out.Interrupted) != 1 {
		t.Fatalf("interrupted: %+v", out)
	}
	i := out.Interrupted[0]
	for _, says := range []string{"part old and part new", "by hand", "swap"} {
		if !strings.Contains(i.State, says) {
			t.Errorf("state %q does not say %q", i.State, says)
		}
	}
	if i.Database != s.db || !slices.Contains(i.Tables, "pk") || !slices.Contains(i.Tables, "orders/p1") || !strings.Contains(err.Error(), i.Statement) {
		t.Errorf("interrupted: %+v\n%v", i, err)
	}
	if got := s.changes(); got != "RESTORE, RESTORE, RESTORE, RESTORE" {
		t.Errorf("sent %q, want four RESTOREs", got)
	}
	s.Must(t, i.Statement)
	s.until("the statement's end", func() bool { return s.state("RESTORE") == "FINISHED" })
	if got := s.tables(); got != "as backed up" {
		t.Errorf("after the statement tables are %s", got)
	}
	s.loadable()

	if len(leftBeside(t, b, s.db)) == 0 || s.infos() != 2 {
		t.Errorf("the statement's own __info and __meta are gone: %q, %d __info in the snapshot", leftBeside(t, b, s.db), s.infos())
	}
	short := spec.Prune{Policy: spec.Retention{KeepLast: 1}, Grace: spec.Duration(time.Millisecond), DebrisAfter: spec.Duration(time.Millisecond)}
	for range 2 { // the first marks, the second deletes
		runPrune(t, b, short)
	}
	if left := leftBeside(t, b, s.db); len(left) > 0 || s.infos() != 1 {
		t.Errorf("after two prunes %q are left, and %d __info in the snapshot", left, s.infos())
	}
}

// infos counts the __info files of the stage's snapshot.
func (s *stage) infos() (n int) {
	s.Helper()
	for o, err := range s.Store.List(s.Context(), "") {
		if err != nil {
			s.Fatal(err)
		}
		if strings.Contains(o.Key, "__ss_sk_"+s.db+"_") && strings.Contains(o.Key, "/__info_") {
			n++
		}
	}
	return n
}

// TestLoadsAndOverwrite: a load that is committed and not visible is waited for, never restored over.
func TestLoadsAndOverwrite(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Heartbeat: time.Second, Patience: 4})
	b.StartWorker(t)
	commit := func(s *stage) (publish func()) {
		publish, err := s.Sim.CommitLoad(s.db, "pk", []string{"55", "5"}, []string{"56", "5"})
		if err != nil {
			s.Fatal(err)
		}
		return publish
	}
	t.Run("committed before", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, b, "l1")
		s.damaged()
		publish := commit(s)
		run := s.startRestore(overwriting(s.db))
		s.until("Submit to wait for the load", func() bool { return strings.Contains(s.pending(), "Submit") })
		publish()
		if got := s.end(run); got != "completed" {
			t.Errorf("ended %q", got)
		}
		if got := s.changes(); got != "RESTORE" {
			t.Errorf("changed %q", got)
		}
		s.wholeAndLoadable()
	})
	t.Run("committed between the submission and the first tick", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, b, "l2")
		s.damaged()
		release := b.Sim.HoldStates(s.db, "PENDING")
		defer release()
		run := s.startRestore(overwriting(s.db))
		s.reach("RESTORE", "PENDING")
		publish := commit(s)
		release()
		s.until("the CANCEL", func() bool { return strings.HasSuffix(s.changes(), "CANCEL RESTORE") })
		publish()
		if got := s.end(run); got != "completed" {
			t.Errorf("ended %q", got)
		}
		if got := s.changes(); got != "RESTORE, CANCEL RESTORE, RESTORE" {
			t.Errorf("changed %q", got)
		}
		s.wholeAndLoadable()
	})
	t.Run("never visible", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, b, "l3")
		s.damaged()
		publish := commit(s)
		before := s.Sim.Content(s.db, "pk")
		run := s.startRestore(overwriting(s.db))
		err := run.Get(t.Context(), nil)
		if errorType(err) != spec.ErrorPartialFailure || !strings.Contains(err.Error(), "committed and not visible") {
			t.Errorf("ended with %v, want PartialFailure that names the load", err)
		}
		out := detailsOf[spec.RestoreResult](t, err)
		if len(out.Failed) != 1 || out.Failed[0].Table != "pk" || !strings.Contains(out.Failed[0].Reason, "as it was") {
			t.Errorf("failed: %+v, want pk alone, as it was", out.Failed)
		}
		if s.Sim.Content(s.db, "pk") != before {
			t.Error("table pk was changed")
		}
		publish()
		s.loadable()
	})
	t.Run("committed between a broken COMMIT and its mending", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, b, "l4")
		s.damaged()
		var once sync.Once
		b.Sim.OnState(func(db, kind, state string) {
			if db == s.db && kind == "RESTORE" && state == "CANCELLED" {
				once.Do(func() { commit(s) })
			}
		})
		release := s.heldHalf()
		run := s.startRestore(overwriting(s.db))
		s.half()
		begun := b.Sim.HoldStates(s.db, "SNAPSHOTING")
		defer begun()
		s.Must(t, "CANCEL RESTORE FROM `"+s.db+"`")
		release()
		s.until("the mending RESTORE", func() bool { return strings.Count(s.changes(), "RESTORE") == 2 })
		s.watched("SNAPSHOTING")
		begun()
		err := run.Get(t.Context(), nil)
		if errorType(err) != spec.ErrorCommitInterrupted {
			t.Fatalf("ended with %v, want CommitInterrupted", err)
		}
		i := detailsOf[spec.RestoreResult](t, err).Interrupted
		if len(i) != 1 || len(i[0].Loads) != 1 || !strings.Contains(i[0].Loads[0], "into pk") || !strings.Contains(i[0].State, "restored as backed up, but") {
			t.Errorf("interrupted: %+v", i)
		}
		if got := s.tables(); got != "as backed up" {
			t.Errorf("tables are %s", got)
		}
	})
	t.Run("loads all the time", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, b, "l5")
		s.damaged()
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for n := 100; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
					_ = s.Sim.Load(s.db, "pk", []string{fmt.Sprint(n), "7"})
					_ = s.Sim.Load(s.db, "orders", []string{"2026-01-11", fmt.Sprint(n)}, []string{"2026-02-11", fmt.Sprint(n)})
				}
			}
		}()
		run := s.startRestore(overwriting(s.db))
		got := s.end(run)
		close(stop)
		<-ended
		if got != "completed" {
			t.Errorf("ended %q", got)
		}
		s.loadable()
	})
}

// wholeAndLoadable wants what was backed up, in tables that take loads.
func (s *stage) wholeAndLoadable() {
	s.Helper()
	if got := s.tables(); got != "as backed up" {
		s.Errorf("tables are %s", got)
	}
	s.loadable()
}

// pending names the DatabaseJob's activities under way.
func (s *stage) pending() string {
	d, err := s.Client.DescribeWorkflowExecution(s.Context(), spec.DatabaseJobID(testbed.ClusterName, s.db), "")
	if err != nil {
		return ""
	}
	var names []string
	for _, a := range d.GetPendingActivities() {
		names = append(names, a.GetActivityType().GetName())
	}
	return strings.Join(names, ", ")
}

// TestOverwriteKeepsAWayBack: what is overwritten or replaced is backed up first, and undo restores it.
func TestOverwriteKeepsAWayBack(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	s := newStage(t, b, "back")
	s.damaged()
	points := func() int {
		var out spec.InspectResult
		in := spec.Inspect{Read: spec.ReadPoints, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}
		if err := execute(t, b, spec.InspectWorkflow, unique(), in, &out); err != nil {
			t.Fatal(err)
		}
		return len(out.Points)
	}
	before := points()
	for name, in := range map[string]spec.Restore{
		"overwrite":  {OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true, Include: []string{"back"}},
		"partitions": {Include: []string{"back.orders/p1", "back.orders/p2"}},
	} {
		in.Point = "latest"
		s.Must(t, "INSERT INTO back.orders VALUES ('2026-01-28', 1), ('2026-02-27', 2)")
		live := s.Sim.Content("back", "orders")
		out, err := runRestore(t, b, in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if out.Point != s.point {
			t.Errorf("%s: restored from %s, want %s: latest is never the way back of another restore", name, out.Point, s.point)
		}
		if out.Safety == nil || out.Undo == "" || points() != before+1 {
			t.Fatalf("%s: safety %+v, undo %q, %d points", name, out.Safety, out.Undo, points())
		}
		if s.Sim.Content("back", "orders") == live {
			t.Errorf("%s changed nothing", name)
		}
		undone := decide(t, b, out.Undo, spec.UpdateUndo)
		if undone.Restore == "" {
			t.Fatalf("%s: undo: %+v", name, undone)
		}
		if err := b.Client.GetWorkflow(t.Context(), undone.Restore, "").Get(t.Context(), nil); err != nil {
			t.Fatalf("%s: undo: %v", name, err)
		}
		if s.Sim.Content("back", "orders") != live {
			t.Errorf("%s: after undo the table is not what it was before", name)
		}
		before = points()
	}
	if _, err := runRestore(t, b, spec.Restore{OnExisting: spec.OnExistingOverwrite, Include: []string{"back"}}); errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "confirmOverwrite") {
		t.Errorf("overwrite without consent: %v, want InvalidSpec", err)
	}
}
