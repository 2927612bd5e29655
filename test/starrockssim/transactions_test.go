package starrockssim_test

import (
	"fmt"
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

const oneReplica = " PROPERTIES('replication_num'='1')"

// A load that is committed waits for PUBLISH_VERSION; RESTORE does not see it, and it comes back at its old version
// when other loads have filled the gap (recording 24).
func TestACommittedLoadComesBackOnTopOfARestore(t *testing.T) {
	c := start(t, sim.Options{})
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2"+oneReplica, "INSERT INTO d.t VALUES (1, 1)")
	want := c.Content("d", "t")
	ts := backup(t, c, "d", "s", "ON (t)")
	must(t, c, "INSERT INTO d.t VALUES (2, 2)")
	publish, err := c.CommitLoad("d", "t", []string{"3", "3"})
	if err != nil {
		t.Fatal(err)
	}
	running := func() [][]string {
		rows, err := c.Query("SHOW PROC '/transactions/" + databaseID(t, c, "d") + "/running'")
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := running(); len(rows) != 1 || rows[0][3] != "COMMITTED" {
		t.Fatalf("running: %v", rows)
	}
	must(t, c, restoreSQL("d", "s", "ON (t)", ts, 1))
	reach(t, c, "RESTORE", "d", "FINISHED")
	publish()
	if rows := running(); len(rows) != 1 || !strings.Contains(rows[0][13], "wait for publishing partition") || c.Content("d", "t") != want {
		t.Fatalf("after RESTORE: %v\n%s", rows, c.Content("d", "t"))
	}
	must(t, c, "INSERT INTO d.t VALUES (9, 9)") // version 3: the one before the committed load's
	eventually(t, func() bool { return len(running()) == 0 }, func() string { return fmt.Sprintf("running: %v", running()) })
	rows, err := c.Query("SELECT COUNT(*) FROM d.t")
	if err != nil || rows[0][0] != "3" {
		t.Errorf("%v %v, want the restored row, the new one, and the committed one", rows, err)
	}
	rows, _ = c.Query("SHOW PROC '/transactions/" + databaseID(t, c, "d") + "/finished'")
	if len(rows) != 4 || rows[0][3] != "VISIBLE" {
		t.Errorf("finished: %v", rows)
	}
}

func databaseID(t *testing.T, c *sim.Cluster, name string) string {
	t.Helper()
	rows, err := c.Query("SHOW PROC '/dbs'")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r[1] == name {
			return r[0]
		}
	}
	t.Fatalf("no database %s in %v", name, rows)
	return ""
}

// Loads wait in line behind one that is not visible, and SHOW PROC needs OPERATE.
func TestLoadsWaitBehindACommittedOne(t *testing.T) {
	c := start(t, sim.Options{})
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1"+oneReplica, "CREATE USER u1")
	publish, err := c.CommitLoad("d", "t", []string{"1"})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c, "INSERT INTO d.t VALUES (2)", "Publish timeout. The data will be visible after a while, wait for publishing partition")
	publish()
	eventually(t, func() bool {
		rows, err := c.Query("SELECT COUNT(*) FROM d.t")
		return err == nil && rows[0][0] == "2"
	}, func() string { return "want both rows in\n" + c.Content("d", "t") })
	if err := asUser(t, c.Address(), "u1", "SHOW PROC '/transactions'"); err == nil || !strings.Contains(err.Error(), "OPERATE") {
		t.Errorf("as a user without OPERATE: %v", err)
	}
}

// INSERT OVERWRITE is all or nothing, takes columns and a partition of another table.
func TestInsertOverwriteFromAnotherTable(t *testing.T) {
	c := start(t, sim.Options{})
	table := "CREATE TABLE d.%s (dt DATE NOT NULL, k INT, v INT DEFAULT '7') DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-01-01'), PARTITION p2 VALUES LESS THAN ('2026-02-01')) DISTRIBUTED BY HASH(k) BUCKETS 2" + oneReplica
	must(t, c, "CREATE DATABASE d", fmt.Sprintf(table, "t"), fmt.Sprintf(table, "u"),
		"INSERT INTO d.u VALUES ('2025-05-05', 1, 1), ('2026-01-05', 2, 2), ('2026-01-06', 3, 3)", "INSERT INTO d.t VALUES ('2025-05-05', 9, 9), ('2026-01-07', 8, 8)")
	ids := func() string {
		rows, _ := c.Query("SELECT PARTITION_ID FROM information_schema.partitions_meta WHERE TABLE_NAME = 't' ORDER BY PARTITION_NAME")
		return fmt.Sprint(rows)
	}
	count := func(want string) {
		t.Helper()
		rows, err := c.Query("SELECT dt, k, v FROM d.t ORDER BY k")
		if err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%v %v, want %s", rows, err, want)
		}
	}
	before := ids()
	must(t, c, "INSERT OVERWRITE d.t PARTITION (p2) (dt, k) SELECT dt, k FROM d.u PARTITION (p2)")
	count("[[2026-01-05 2 7] [2026-01-06 3 7] [2025-05-05 9 9]]")
	if ids() == before {
		t.Error("the partition has its old id")
	}
	before = ids()
	refused(t, c, "INSERT OVERWRITE d.t PARTITION (p2) SELECT * FROM d.u", "out of partition ranges")
	refused(t, c, "INSERT OVERWRITE d.t PARTITION (nope) SELECT * FROM d.u", "nope")
	if ids() != before {
		t.Error("a failed INSERT OVERWRITE changed partitions")
	}
	must(t, c, "INSERT OVERWRITE d.t SELECT * FROM d.u")
	count("[[2025-05-05 1 1] [2026-01-05 2 2] [2026-01-06 3 3]]")
}

func TestColocationGroupsAndDynamicPartitions(t *testing.T) {
	c := start(t, sim.Options{})
	table := "CREATE TABLE %s (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS %d PROPERTIES('replication_num'='1', 'colocate_with'='g1')"
	must(t, c, "CREATE DATABASE d", "CREATE DATABASE e", fmt.Sprintf(table, "d.a", 3), fmt.Sprintf(table, "d.b", 3), "INSERT INTO d.a VALUES (1, 1)")
	refused(t, c, fmt.Sprintf(table, "e.x", 5), "Colocate tables must have same bucket num: 3, with group ")
	ts := backup(t, c, "d", "s", "ON (a)")
	must(t, c, restoreSQL("e", "s", "ON (a)", ts, 1))
	reach(t, c, "RESTORE", "e", "FINISHED")
	groups := func(want string) {
		t.Helper()
		rows, err := c.Query("SHOW PROC '/colocation_group'")
		got := ""
		for _, r := range rows {
			got += r[3] + ";"
		}
		if err != nil || got != want {
			t.Errorf("groups %s %v, want %s", got, err, want)
		}
	}
	groups("a, b;")
	must(t, c, "ALTER TABLE e.a SET ('colocate_with'='g1')", "ALTER TABLE d.b SET ('colocate_with'='')", "DROP TABLE d.a")
	groups("a;[deleted];")

	must(t, c, "CREATE TABLE d.w (dt DATE NOT NULL) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION old VALUES LESS THAN ('2020-01-01')) DISTRIBUTED BY HASH(dt) BUCKETS 1 PROPERTIES('replication_num'='1', 'dynamic_partition.enable'='true', 'dynamic_partition.time_unit'='DAY', 'dynamic_partition.start'='-3', 'dynamic_partition.end'='2', 'dynamic_partition.prefix'='p')")
	rows, err := c.Query("SHOW DYNAMIC PARTITION TABLES FROM d")
	if err != nil || len(rows) != 1 || strings.Join(rows[0][:6], " ") != "w true DAY -3 2 p" {
		t.Errorf("%v %v", rows, err)
	}
	if err := c.RunDynamicPartitions(); err != nil {
		t.Fatal(err)
	}
	if rows, _ := c.Query("SHOW PARTITIONS FROM d.w"); len(rows) != 3 || strings.Contains(fmt.Sprint(rows), "old") {
		t.Errorf("after the scheduler: %v, want today and two days", rows)
	}
}

func TestCapacityOfBackends(t *testing.T) {
	c := start(t, sim.Options{})
	c.SetCapacity(1, 5<<30, 100<<30)
	rows, err := c.Query("SHOW BACKENDS")
	if err != nil || rows[0][13] != "67.272 GB" || rows[1][13] != "5.000 GB" || rows[1][14] != "100.000 GB" || rows[1][15] != "95.00 %" {
		t.Errorf("%v %v", rows, err)
	}
}

// A rollup has tablets of its own, which are backed up, restored and loaded with those of its table.
func TestRollupsGoAlongWithTheirTable(t *testing.T) {
	c := start(t, sim.Options{})
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (k INT, s VARCHAR(9), v BIGINT SUM) AGGREGATE KEY(k, s) DISTRIBUTED BY HASH(k) BUCKETS 2 ROLLUP (r1 (k, v))"+oneReplica,
		"INSERT INTO d.t VALUES (1, 'a', 1), (2, 'b', 2)", "CREATE MATERIALIZED VIEW d.r2 AS SELECT s, v FROM d.t")
	eventually(t, func() bool {
		rows, _ := c.Query("SHOW ALTER TABLE ROLLUP FROM d")
		return len(rows) == 1 && rows[0][8] == "FINISHED"
	}, func() string { return "the rollup does not end" })
	want := c.Content("d", "t")
	ts := backup(t, c, "d", "s", "ON (t)")
	must(t, c, restoreSQL("d2", "s", "ON (t)", ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	if got := c.Content("d2", "t"); got != want {
		t.Errorf("restored\n%s\nwant\n%s", got, want)
	}
	tablets, _ := c.Query("SHOW TABLET FROM d2.t")
	views, _ := c.Query("SELECT TABLE_NAME, REFRESH_TYPE FROM information_schema.materialized_views WHERE TABLE_SCHEMA = 'd2'")
	if len(tablets) != 6 || fmt.Sprint(views) != "[[r1 ROLLUP] [r2 ROLLUP]]" {
		t.Errorf("%d tablets, views %v", len(tablets), views)
	}
	must(t, c, "INSERT INTO d2.t VALUES (1, 'a', 5)")
	must(t, c, restoreSQL("d", "s", "ON (t)", ts, 1))
	reach(t, c, "RESTORE", "d", "FINISHED")
}
