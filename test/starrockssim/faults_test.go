package starrockssim_test

import (
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestAFailingTaskIsSentAgainUntilItSucceeds(t *testing.T) {
	for _, tc := range []struct {
		name, kind string
		fault      sim.Fault
		kept       bool // the message stays on the FINISHED row
	}{
		{"snapshot", "BACKUP", sim.Fault{Type: "MAKE_SNAPSHOT", Table: "t", Partition: "p2", Times: -1, Error: "disk is sick"}, false},
		{"upload", "BACKUP", sim.Fault{Type: "UPLOAD", Table: "t", Times: -1, Error: "disk is sick"}, true},
		{"upload after a file", "BACKUP", sim.Fault{Type: "UPLOAD", Table: "pk", AfterFiles: 1, Times: -1, Error: "disk is sick"}, true},
		{"upload answer lost", "BACKUP", sim.Fault{Type: "UPLOAD", Table: "t", DropAnswer: true}, false},
		{"snapshot of restore", "RESTORE", sim.Fault{Type: "MAKE_SNAPSHOT", Table: "t", Times: -1, Error: "disk is sick"}, false},
		{"download", "RESTORE", sim.Fault{Type: "DOWNLOAD", Table: "t", Times: -1, Error: "disk is sick"}, false},
		{"move", "RESTORE", sim.Fault{Type: "MOVE", Table: "t", Times: -1, Error: "disk is sick"}, false},
		{"move answer lost, duplicate key", "RESTORE", sim.Fault{Type: "MOVE", Table: "t", DropAnswer: true}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			want := contents(c, "d")
			db, statement := "d", "BACKUP SNAPSHOT d.s1 TO r "+salesOn
			if tc.kind == "RESTORE" {
				db, statement = "d2", restoreSQL("d2", "s1", salesOn, backup(t, c, "d", "s1", salesOn), 1)
			}
			heal := c.FailTasks(tc.fault)
			must(t, c, statement)
			column := map[string]int{"BACKUP": 11, "RESTORE": 15}[tc.kind]
			look := func() string { return strings.Join(row(t, c, tc.kind, db), "|") }
			if tc.fault.Error != "" {
				eventually(t, func() bool { return contains(row(t, c, tc.kind, db)[column], ": disk is sick]") }, look)
				heal()
			}
			eventually(t, func() bool { return state(t, c, tc.kind, db) == "FINISHED" }, look)
			if got := row(t, c, tc.kind, db)[column]; (got != "") != tc.kept {
				t.Errorf("TaskErrMsg of the FINISHED row: %q", got)
			}
			if db == "d2" && c.Content("d2", "t") != want["t"] {
				t.Error("data differ")
			}
		})
	}
}

func TestALostAnswerOfAPrimaryKeyMoveHangsUntilTheSameRestoreRunsAgain(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	want := c.Content("d", "pk")
	ts := backup(t, c, "d", "s1", "ON (pk)")
	c.FailTasks(sim.Fault{Type: "MOVE", DropAnswer: true})
	must(t, c, restoreSQL("d2", "s1", "ON (pk)", ts, 1))
	eventually(t, func() bool { return contains(row(t, c, "RESTORE", "d2")[15], "snapshot path does not exist: ") }, func() string { return "no hang" })
	must(t, c, "CANCEL RESTORE FROM d2", restoreSQL("d2", "s1", "ON (pk)", ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	if got := c.Content("d2", "pk"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestACompactedVersionCancelsABackupOfDuplicateKeysAndHangsOneOfPrimaryKeys(t *testing.T) {
	for table, merged := range map[string]bool{"l": true, "pk": false} {
		t.Run(table, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			held := c.HoldTasks(sim.Fault{Type: "MAKE_SNAPSHOT"})
			must(t, c, "BACKUP SNAPSHOT d.s1 TO r ON ("+table+")")
			reach(t, c, "BACKUP", "d", "SNAPSHOTING")
			if table == "l" {
				must(t, c, "INSERT INTO d.l VALUES (7, 'a'), (8, 'a'), (9, 'b'), (10, 'b')")
			} else {
				must(t, c, "INSERT INTO d.pk VALUES (7, 7), (8, 8)")
			}
			if err := c.Compact("d", table); err != nil {
				t.Fatal(err)
			}
			held()
			if !merged {
				eventually(t, func() bool { return contains(row(t, c, "BACKUP", "d")[11], "Not found: get_applied_rowsets(version ") }, func() string { return "no message" })
				must(t, c, "CANCEL BACKUP FROM d")
			}
			reach(t, c, "BACKUP", "d", "CANCELLED")
			if got := status(t, c, "BACKUP", "d"); merged && got != "[OLAP_VERSION_ALREADY_MERGED, msg: make snapshot failed, version already merged]" {
				t.Error(got)
			}
			backup(t, c, "d", "s1", "ON ("+table+")")
		})
	}
}

func TestAJobWaitsForADeadBackendAndGoesOnWhenItIsBack(t *testing.T) {
	stops := map[string]func(*sim.Cluster){"stopped": func(c *sim.Cluster) { c.StopBackend(0) }, "hanging": func(c *sim.Cluster) { c.HangBackend(0) }}
	for name, stop := range stops {
		for _, st := range []string{"SNAPSHOTING", "UPLOADING"} {
			t.Run(name+" in "+st, func(t *testing.T) {
				c := start(t, sim.Options{})
				sales(t, c)
				release := c.HoldStates("d", map[string]string{"SNAPSHOTING": "PENDING", "UPLOADING": "UPLOAD_SNAPSHOT"}[st])
				must(t, c, "BACKUP SNAPSHOT d.s1 TO r "+salesOn)
				if st == "UPLOADING" {
					reach(t, c, "BACKUP", "d", "UPLOAD_SNAPSHOT")
				}
				stop(c)
				release()
				eventually(t, func() bool {
					u := row(t, c, "BACKUP", "d")[9]
					return state(t, c, "BACKUP", "d") == st && u != "" && !contains(u, "=10002") && !contains(u, "=10003")
				}, func() string { return strings.Join(row(t, c, "BACKUP", "d"), "|") })
				eventually(t, func() bool {
					rows, _ := c.Query("SHOW BACKENDS")
					return rows[0][8] == "false"
				}, func() string { return "the BE still counts as alive" })
				if msg := row(t, c, "BACKUP", "d")[11]; msg != "" {
					t.Errorf("TaskErrMsg %q", msg)
				}
				c.StartBackend(0)
				reach(t, c, "BACKUP", "d", "FINISHED")
			})
		}
	}
}

func TestADeadBackendThatCountsAsAliveFreezesEveryJobThenCancelsTheRestore(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s1", "ON (t)")
	must(t, c, "CREATE DATABASE zz", "CREATE TABLE zz.x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	c.StopBackend(1)
	must(t, c, restoreSQL("d2", "s1", "ON (t)", ts, 3), "BACKUP SNAPSHOT zz.b TO r ON (x)")
	eventually(t, func() bool { return row(t, c, "RESTORE", "d2")[0] != "-1" }, func() string { return "PENDING" })
	for state(t, c, "RESTORE", "d2") == "PENDING" {
		if got := state(t, c, "BACKUP", "zz"); got != "PENDING" && got != "SNAPSHOTING" && state(t, c, "RESTORE", "d2") == "PENDING" {
			t.Fatalf("another job moved to %s", got)
		}
	}
	if got := status(t, c, "RESTORE", "d2"); !contains(got, "Failed to create replicas for restore. unfinished marks: 10002=") {
		t.Error(got)
	}
}

func TestReplicationThatTheHostsCannotHoldIsRefused(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s1", "ON (t, pk)")
	must(t, c, restoreSQL("d2", "s1", "ON (t)", ts, 4))
	reach(t, c, "RESTORE", "d2", "CANCELLED")
	if got := status(t, c, "RESTORE", "d2"); got != "[COMMON_ERROR, msg: failed to find 4 different hosts to create table: t]" {
		t.Error(got)
	}
	must(t, c, restoreSQL("d", "s1", "ON (pk)", ts, 3))
	reach(t, c, "RESTORE", "d", "CANCELLED")
	if got := status(t, c, "RESTORE", "d"); got != "[COMMON_ERROR, msg: Partition pk in table pk has different replication num '1' with partition in repository, which is 3]" {
		t.Error(got)
	}
}
