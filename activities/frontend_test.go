package activities_test

import (
	"fmt"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// feCase is a row about an FE that ends with kill -9 while a job stands in a state.
type feCase struct {
	kind, table, state string
	outcome            string // of Await; a transient failure is followed by a second attempt, which must finish
	sent               string // by the first attempt
	words              string // in the failure
}

// TestRestartOfTheOnlyFE follows starrocks-measured part B 25.
func TestRestartOfTheOnlyFE(t *testing.T) {
	const hung, replicas, moved = "started over again and again", "Failed to create replicas for restore", "snapshot path does not exist"
	for _, c := range []feCase{
		{"BACKUP", "t", "PENDING", "failed, transient", "CANCEL BACKUP", hung},
		{"BACKUP", "t", "SNAPSHOTING", "failed, transient", "CANCEL BACKUP", hung},
		{"BACKUP", "t", "UPLOAD_SNAPSHOT", "finished", "", ""},
		{"BACKUP", "t", "UPLOADING", "finished", "", ""},
		{"BACKUP", "t", "SAVE_META", "finished", "", ""},
		{"BACKUP", "t", "UPLOAD_INFO", "finished", "", ""},
		{"BACKUP", "t", "FINISHED", "finished", "", ""},
		{"RESTORE", "t", "PENDING", "failed, transient", "", replicas},
		{"RESTORE", "t", "SNAPSHOTING", "failed, transient", "", replicas},
		{"RESTORE", "t", "DOWNLOAD", "finished", "", ""},
		{"RESTORE", "t", "DOWNLOADING", "finished", "", ""},
		{"RESTORE", "t", "COMMIT", "finished", "", ""},
		{"RESTORE", "t", "COMMITTING", "finished", "", ""},
		{"RESTORE", "pk", "COMMIT", "finished", "", ""},
		{"RESTORE", "pk", "COMMITTING", "failed, transient", "CANCEL RESTORE", moved},
		{"RESTORE", "t", "FINISHED", "finished", "", ""},
	} {
		t.Run(fmt.Sprint(c.kind, " of ", c.table, " in ", c.state), func(t *testing.T) { killFE(t, c, 1) })
	}
}

// TestLeaderChange follows starrocks-measured part B 26: another FE takes over from what is journaled.
func TestLeaderChange(t *testing.T) {
	const hung, elsewhere, moved = "started over again and again", "file is invalid: ", "snapshot path does not exist"
	for _, c := range []feCase{
		{"BACKUP", "t", "PENDING", "failed, transient", "CANCEL BACKUP", hung},
		{"BACKUP", "t", "SNAPSHOTING", "failed, transient", "CANCEL BACKUP", hung},
		{"BACKUP", "t", "UPLOAD_SNAPSHOT", "finished", "", ""},
		{"BACKUP", "t", "UPLOADING", "finished", "", ""},
		{"BACKUP", "t", "SAVE_META", "finished", "", ""},
		{"BACKUP", "t", "UPLOAD_INFO", "failed, transient", "CANCEL BACKUP", elsewhere},
		{"BACKUP", "t", "FINISHED", "finished", "", ""},
		{"RESTORE", "t", "PENDING", "finished", "", ""},
		{"RESTORE", "t", "SNAPSHOTING", "finished", "", ""},
		{"RESTORE", "t", "DOWNLOAD", "finished", "", ""},
		{"RESTORE", "t", "DOWNLOADING", "finished", "", ""},
		{"RESTORE", "t", "COMMIT", "finished", "", ""},
		{"RESTORE", "t", "COMMITTING", "finished", "", ""},
		{"RESTORE", "pk", "COMMITTING", "failed, transient", "CANCEL RESTORE", moved},
		{"RESTORE", "t", "FINISHED", "finished", "", ""},
	} {
		t.Run(fmt.Sprint(c.kind, " of ", c.table, " in ", c.state), func(t *testing.T) { killFE(t, c, 3) })
	}
}

func killFE(t *testing.T, c feCase, frontends int) {
	b := newBed(t, options{frontends: frontends})
	b.tables()
	content, db := b.sim.Content("d", c.table), "d"
	var u activities.UnitRef
	if c.kind == "BACKUP" {
		u = b.unit("d." + c.table)
	} else {
		db = "d2"
		u = b.restoreUnit(b.planRestore(spec.Restore{Point: b.backUp("d." + c.table), Rename: map[string]string{"d": "d2"}}))
		b.must(nil, b.acts.EnsureDatabase, "prod", "d2")
	}
	release := b.sim.HoldStates(db, c.state)
	b.must(nil, b.acts.Submit, u)
	b.reach(c.kind, db, c.state)
	if c.state == "COMMITTING" {
		b.until("the MOVEs", func() bool { return b.job(c.kind, db)["Unfinished"] == "" })
	}
	mark := b.sentSoFar()
	_, done := b.start(b.acts.Await, u)
	if c.state != "FINISHED" {
		b.looks(2)
	}
	i := b.sim.Leader()
	b.sim.StopFrontend(i)
	release()
	if frontends == 1 {
		if err := b.sim.StartFrontend(i); err != nil {
			t.Fatal(err)
		}
	}
	e := b.wait(done)
	if got := saying(e); got != c.outcome {
		t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
	}
	if got := b.sent(mark); got != c.sent {
		t.Errorf("sent %q, want %q", got, c.sent)
	}
	if c.words != "" && !contains(e.failure.Reason, c.words) {
		t.Errorf("reason %q, want %q", e.failure.Reason, c.words)
	}
	if e.failure.Transient {
		u = b.again(u)
		b.must(nil, b.acts.Submit, u)
		b.must(nil, b.acts.Await, u)
	}
	b.finished(u, c.table, content)
}

// finished checks that what a unit should have made is there.
func (b *bed) finished(u activities.UnitRef, table, content string) {
	b.Helper()
	if u.Statement == activities.Backup {
		b.must(nil, b.acts.Record, u)
		return
	}
	if got := b.sim.Content(u.Database, table); got != content {
		b.Errorf("restored:\n%s\nwant\n%s", got, content)
	}
}

// TestForeignJobThatStopsTheCluster: it is named with its owner's way out, and not touched; ours goes on when it is gone.
func TestForeignJobThatStopsTheCluster(t *testing.T) {
	for _, kind := range []string{"BACKUP", "RESTORE"} {
		t.Run(kind, func(t *testing.T) {
			b := newBed(t, options{})
			b.sql("CREATE DATABASE a_other")
			b.tables()
			point := b.backUp("d.t")
			snapshot := b.job("BACKUP", "d")["Label"]
			rows, err := b.sim.Query("SHOW SNAPSHOT ON r WHERE SNAPSHOT = '" + snapshot + "'")
			if err != nil {
				t.Fatal(err)
			}
			u, db := activities.UnitRef{}, "d"
			if kind == "BACKUP" {
				u = b.unit("d.pk")
			} else {
				db = "d2"
				u = b.restoreUnit(b.planRestore(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}}))
				b.must(nil, b.acts.EnsureDatabase, "prod", "d2")
			}
			b.sql(fmt.Sprintf(`RESTORE SNAPSHOT a_other.%s FROM r ON (t) PROPERTIES("backup_timestamp"="%s","replication_num"="0")`, snapshot, rows[0][1]))
			mark := b.sentSoFar()
			b.must(nil, b.acts.Submit, u)
			_, done := b.start(b.acts.Await, u)
			b.looks(40)
			if got := b.job(kind, db)["JobId"]; got != "-1" {
				t.Fatalf("our job has begun (%s): the foreign one does not stop the cluster", got)
			}
			if got, want := b.sent(mark), kind; got != want {
				t.Errorf("sent %q, want %q only", got, want)
			}
			b.sql("CANCEL RESTORE FROM a_other")
			e := b.wait(done)
			if saying(e) != "finished" {
				t.Fatalf("outcome %s: %v", saying(e), e.err)
			}
			var end activities.JobEnd
			if err := e.value.Get(&end); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(end.Warnings, "\n")
			for _, want := range []string{"RESTORE with label " + snapshot, "of database a_other", "CANCEL RESTORE FROM `a_other`"} {
				if !strings.Contains(text, want) {
					t.Errorf("warnings %q do not say %q", text, want)
				}
			}
		})
	}
}
