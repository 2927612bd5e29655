package activities_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/starrocks"
	"starkeep/test/starrockssim"
)

// culprits names the parts of a unit's failure as table/partition.
func (b *bed) culprits(u activities.UnitRef, e ended) string {
	b.Helper()
	var names []string
	for _, i := range e.failure.Culprits {
		names = append(names, b.partNames(u)[i])
	}
	return strings.Join(names, " ")
}

// partNames are the parts that the tables of these tests are planned in: by table and name.
func (b *bed) partNames(u activities.UnitRef) []string {
	return []string{"pk/pk", "t/p1", "t/p2", "t/p3"}
}

// TestTaskErrors: StarRocks sends a failing task again for ever. One that heals is waited for; one that does not is
// isolated, or tried anew where the data is not to blame.
func TestTaskErrors(t *testing.T) {
	const sick = "disk is sick"
	for _, c := range []struct {
		name, kind string
		fault      starrockssim.Fault
		outcome    string
		culprits   string
		sent       string
	}{
		{"heals", "BACKUP", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Partition: "p2", Times: 2, Error: sick}, "finished", "", ""},
		{"heals", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Partition: "p2", Times: 2, Error: sick}, "finished", "", ""},
		{"heals", "RESTORE", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Partition: "p2", Times: 2, Error: sick}, "finished", "", ""},
		{"heals", "RESTORE", starrockssim.Fault{Type: "DOWNLOAD", Partition: "p2", Times: 2, Error: sick}, "finished", "", ""},
		{"heals", "RESTORE", starrockssim.Fault{Type: "MOVE", Partition: "p2", Times: 2, Error: sick}, "finished", "", ""},
		{"answer lost", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Partition: "p2", DropAnswer: true}, "finished", "", ""},
		{"stays", "BACKUP", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Partition: "p2", Times: -1, Error: sick}, "failed", "t/p2", "CANCEL BACKUP"},
		{"stays", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Partition: "p2", Times: -1, Error: sick}, "failed", "t/p2", "CANCEL BACKUP"},
		{"stays", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Table: "pk", Times: -1, AfterFiles: 1, Error: sick}, "failed", "pk/pk", "CANCEL BACKUP"},
		{"stays", "RESTORE", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Partition: "p2", Times: -1, Error: sick}, "failed", "t/p2", "CANCEL RESTORE"},
		{"stays", "RESTORE", starrockssim.Fault{Type: "DOWNLOAD", Partition: "p2", Times: -1, Error: sick}, "failed", "", "CANCEL RESTORE"},
		{"stays, in other words each time", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Partition: "p2", Times: -1, Error: "S3Exception: Access Denied. (Service: S3, Status Code: 403, Request ID: {request})"}, "failed", "t/p2", "CANCEL BACKUP"},
		{"is of the version", "BACKUP", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Table: "pk", Times: -1, Error: "make_snapshot failed. status: Not found: get_applied_rowsets(version 2) failed tablet:10489 #version:1 [1 3]"}, "failed, transient", "", "CANCEL BACKUP"},
		{"is of a snapshot that was swept", "BACKUP", starrockssim.Fault{Type: "UPLOAD", Table: "pk", Times: -1, Error: "snapshot path is not directory: /data/snapshot/20261122.1.86400"}, "failed, transient", "", "CANCEL BACKUP"},
		{"is of a moved primary key", "RESTORE", starrockssim.Fault{Type: "MOVE", Table: "pk", DropAnswer: true}, "failed, transient", "", "CANCEL RESTORE"},
	} {
		t.Run(fmt.Sprintf("%s %s of %s%s %s", c.kind, c.fault.Type, c.fault.Table, c.fault.Partition, c.name), func(t *testing.T) {
			b := newBed(t, options{})
			u := b.unitOfAll(c.kind)
			b.sim.FailTasks(c.fault)
			b.must(nil, b.acts.Submit, u)
			mark, began := b.sentSoFar(), time.Now()
			e := b.run(b.acts.Await, u)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s to notice", took)
			}
			if got := b.culprits(u, e); got != c.culprits {
				t.Errorf("culprits %q, want %q", got, c.culprits)
			}
			if got := b.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
			if e.err != nil && c.fault.Error != "" && !contains(e.failure.Reason, strings.TrimSuffix(c.fault.Error, "{request})")) {
				t.Errorf("reason %q does not hold StarRocks' words", e.failure.Reason)
			}
		})
	}
}

// unitOfAll is BACKUP of d, or RESTORE of it into d2.
func (b *bed) unitOfAll(kind string) activities.UnitRef {
	b.Helper()
	if kind == "BACKUP" {
		b.tables()
		return b.unit("d")
	}
	return newRestore(b, "new tables").u
}

// TestErrorOfATaskThatIsDone: the row of an upload that failed once keeps its error. The other tasks, slow but healthy,
// are not given up for it.
func TestErrorOfATaskThatIsDone(t *testing.T) {
	b := newBed(t, options{})
	u := b.unitOfAll("BACKUP")
	b.sim.FailTasks(starrockssim.Fault{Type: "UPLOAD", Partition: "p2", Times: 1, Error: "disk is sick"})
	release := b.sim.HoldTasks(starrockssim.Fault{Type: "UPLOAD", Table: "pk"})
	b.must(nil, b.acts.Submit, u)
	mark := b.sentSoFar()
	_, done := b.start(b.acts.Await, u)
	b.until("only the held uploads", func() bool {
		row := b.job("BACKUP", "d")
		return row["State"] == "UPLOADING" && strings.Count(row["Unfinished"], "=") == 2 && row["TaskErrMsg"] != ""
	})
	b.looks(60)
	release()
	if e := b.wait(done); saying(e) != "finished" {
		t.Errorf("outcome %q: %v", saying(e), e.err)
	}
	if got := b.sent(mark); got != "" {
		t.Errorf("sent %q", got)
	}
}

// TestDeadBackend: its job waits, is warned of with the BE's name, and goes on when the BE is back.
func TestDeadBackend(t *testing.T) {
	for _, c := range []struct{ kind, state, fault string }{
		{"BACKUP", "SNAPSHOTING", ""},
		{"BACKUP", "UPLOADING", ""},
		{"BACKUP", "UPLOADING", "UPLOAD"},
		{"RESTORE", "DOWNLOADING", ""},
		{"RESTORE", "DOWNLOADING", "DOWNLOAD"},
	} {
		t.Run(fmt.Sprintf("%s %s %s", c.kind, c.state, c.fault), func(t *testing.T) {
			b := newBed(t, options{timing: func(t *activities.Timing) { t.StallWarn, t.ErrorStall = 10*tick, 200*tick }})
			u := b.unitOfAll(c.kind)
			before := map[string]string{"SNAPSHOTING": "PENDING", "UPLOADING": "UPLOAD_SNAPSHOT", "DOWNLOADING": "DOWNLOAD"}[c.state]
			release := b.sim.HoldStates(u.Database, before)
			heal := func() {}
			if c.fault != "" {
				heal = b.sim.FailTasks(starrockssim.Fault{Type: c.fault, Backend: b.sim.BackendIDs()[0], Times: -1, Error: "connection reset"})
			}
			b.must(nil, b.acts.Submit, u)
			b.reach(c.kind, u.Database, before)
			if c.fault == "" {
				b.sim.StopBackend(0)
			}
			release()
			mark := b.sentSoFar()
			_, done := b.start(b.acts.Await, u)
			b.reach(c.kind, u.Database, c.state)
			if c.fault != "" {
				b.until("an error", func() bool { return b.job(c.kind, u.Database)["TaskErrMsg"] != "" })
				b.sim.StopBackend(0)
				heal()
			}
			b.looks(750)
			if got := b.state(c.kind, u.Database); got != c.state {
				t.Fatalf("the job is %s", got)
			}
			resend := b.sim.HoldTasks(starrockssim.Fault{Backend: b.sim.BackendIDs()[0]})
			b.sim.StartBackend(0)
			b.looks(100)
			resend()
			e := b.wait(done)
			if saying(e) != "finished" {
				t.Fatalf("outcome %q: %v", saying(e), e.err)
			}
			var end activities.JobEnd
			if err := e.value.Get(&end); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("BE %d (not alive)", b.sim.BackendIDs()[0]); !contains(strings.Join(end.Warnings, "\n"), want) {
				t.Errorf("warnings %q do not say %q", end.Warnings, want)
			}
			if got := b.sent(mark); got != "" {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// TestTaskThatSaysNothing: a BE that reports a task as running for ever without an error is warned of, then isolated;
// in COMMITTING nothing is cancelled for it.
func TestTaskThatSaysNothing(t *testing.T) {
	for _, c := range []struct{ kind, task, outcome, culprits, sent string }{
		{"BACKUP", "MAKE_SNAPSHOT", "failed", "t/p2", "CANCEL BACKUP"},
		{"BACKUP", "UPLOAD", "failed", "t/p2", "CANCEL BACKUP"},
		{"RESTORE", "MAKE_SNAPSHOT", "failed", "t/p2", "CANCEL RESTORE"},
		{"RESTORE", "DOWNLOAD", "failed", "", "CANCEL RESTORE"},
		{"RESTORE", "MOVE", "finished", "", ""},
	} {
		t.Run(c.kind+" "+c.task, func(t *testing.T) {
			b := newBed(t, options{timing: func(t *activities.Timing) { t.StallWarn, t.StallCancel = 10*tick, 40*tick }})
			u := b.unitOfAll(c.kind)
			release := b.sim.HoldTasks(starrockssim.Fault{Type: c.task, Partition: "p2"})
			b.must(nil, b.acts.Submit, u)
			mark := b.sentSoFar()
			_, done := b.start(b.acts.Await, u)
			if c.task == "MOVE" {
				b.reach(c.kind, u.Database, "COMMITTING")
				b.looks(120)
				release()
			}
			e := b.wait(done)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if got := b.culprits(u, e); got != c.culprits {
				t.Errorf("culprits %q, want %q", got, c.culprits)
			}
			if got := b.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

// TestObjectThatVanishesDuringARestore: after all was checked. In DOWNLOADING the partition is named by the path in the
// BE's words; in COMMITTING the job is left alone until the object is back, and then done again.
func TestObjectThatVanishesDuringARestore(t *testing.T) {
	for _, c := range []struct{ name, files, outcome, culprits, words string }{
		{"a whole tablet directory", "*", "failed", "t/p2", "get nothing from remote path"},
		{"a data file", "*.dat.*", "failed, transient", "", "No such file or directory"},
		{"a header", "*.hdr.*", "failed, transient", "", "fail to find header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, options{})
			u := b.unitOfAll("RESTORE")
			dir := b.tabletDir(u, 2)
			gone := t.TempDir()
			files, err := filepath.Glob(filepath.Join(dir, c.files))
			if err != nil || len(files) == 0 {
				t.Fatalf("no %s in %s: %v", c.files, dir, err)
			}
			for _, f := range files {
				if err := os.Rename(f, filepath.Join(gone, filepath.Base(f))); err != nil {
					t.Fatal(err)
				}
			}
			b.must(nil, b.acts.Submit, u)
			_, done := b.start(b.acts.Await, u)
			if c.culprits == "" {
				b.until(c.words, func() bool { return contains(b.job("RESTORE", "d2")["TaskErrMsg"], c.words) })
				b.looks(60)
				if got := b.state("RESTORE", "d2"); got != "COMMITTING" {
					t.Fatalf("the job is %s: it was cancelled while the object was away", got)
				}
				for _, f := range files {
					if err := os.Rename(filepath.Join(gone, filepath.Base(f)), f); err != nil {
						t.Fatal(err)
					}
				}
			}
			e := b.wait(done)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if got := b.culprits(u, e); got != c.culprits {
				t.Errorf("culprits %q, want %q", got, c.culprits)
			}
			if !contains(e.failure.Reason, c.words) {
				t.Errorf("reason %q, want %q", e.failure.Reason, c.words)
			}
			if e.failure.Transient {
				u = b.again(u)
				b.must(nil, b.acts.Submit, u)
				b.must(nil, b.acts.Await, u)
				if b.sim.Content("d2", "t") != b.sim.Content("d", "t") {
					t.Error("data differ after the second attempt")
				}
			}
		})
	}
}

// tabletDir is the directory of the first tablet of the unit's n-th part, in its snapshot.
func (b *bed) tabletDir(u activities.UnitRef, part int) string {
	b.Helper()
	dirs := map[int64][]string{}
	var partitions []int64
	for o, err := range b.store.List(b.Context(), starrocks.Snapshot{Repository: "r", Label: u.Label}.Content()) {
		if err != nil {
			b.Fatal(err)
		}
		k, err := starrocks.ParseKey(o.Key)
		if err != nil || k.Kind != starrocks.KeyTabletFile || !strings.Contains(k.File, ".dat") {
			continue
		}
		if !slices.Contains(partitions, k.Tablet.Partition) {
			partitions = append(partitions, k.Tablet.Partition)
		}
		dirs[k.Tablet.Partition] = append(dirs[k.Tablet.Partition], filepath.Join(b.dir, filepath.FromSlash(filepath.Dir(o.Key))))
	}
	slices.Sort(partitions) // p1, p2, p3 of t, then pk: in the order of creation
	order := map[int]int{1: 0, 2: 1, 3: 2, 0: 3}
	return dirs[partitions[order[part]]][0]
}

// TestTableDroppedBeforeTheFirstTick: StarRocks cancels the job itself and names the culprits.
func TestTableDroppedBeforeTheFirstTick(t *testing.T) {
	for _, c := range []struct {
		name, outcome, culprits, words string
		do                             func(b *bed)
	}{
		{"table dropped meanwhile", "failed", "t/p1 t/p2 t/p3", "does not exist", func(b *bed) { b.sql("DROP TABLE d.t FORCE") }},
		{"partition dropped meanwhile", "failed", "t/p2", "does not exist", func(b *bed) { b.sql("ALTER TABLE d.t DROP PARTITION p2 FORCE") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, options{})
			u := b.unitOfAll("BACKUP")
			release := b.sim.HoldStates("d", "PENDING")
			b.must(nil, b.acts.Submit, u)
			c.do(b)
			release()
			e := b.run(b.acts.Await, u)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if got := b.culprits(u, e); got != c.culprits {
				t.Errorf("culprits %q, want %q", got, c.culprits)
			}
			if !contains(e.message, c.words) {
				t.Errorf("%q does not say %q", e.message, c.words)
			}
		})
	}
}
