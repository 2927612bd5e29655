package starrockssim_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sim "starkeep/test/starrockssim"
)

const tick = 20 * time.Millisecond

// start starts a cluster with fast ticks and a repository r in a directory. The test runs beside others: it waits for
// ticks most of its time.
func start(t *testing.T, opt sim.Options) *sim.Cluster {
	t.Helper()
	c, _ := startIn(t, opt)
	return c
}

// startIn is start with a repository the test can look into: root is its directory …/__starrocks_repository_r.
func startIn(t *testing.T, opt sim.Options) (c *sim.Cluster, root string) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir() // before the cluster, so that it is removed after it
	opt.Tick = tick
	c, err := sim.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	must(t, c, fmt.Sprintf(`CREATE REPOSITORY r WITH BROKER ON LOCATION "file://%s"`, filepath.ToSlash(dir)))
	return c, filepath.Join(dir, "__starrocks_repository_r")
}

func must(t *testing.T, c *sim.Cluster, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if err := c.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// refused expects an error that contains text.
func refused(t *testing.T, c *sim.Cluster, sql, text string) {
	t.Helper()
	err := c.Exec(sql)
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("%s: got %v, want %q", sql, err, text)
	}
}

// row is the single row of SHOW BACKUP or SHOW RESTORE of a database; nil if there is none.
func row(t *testing.T, c *sim.Cluster, kind, db string) []string {
	t.Helper()
	rows, err := c.Query("SHOW " + kind + " FROM `" + db + "`")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return nil
	}
	return rows[0]
}

func state(t *testing.T, c *sim.Cluster, kind, db string) string {
	t.Helper()
	r := row(t, c, kind, db)
	if r == nil {
		return ""
	}
	if kind == "BACKUP" {
		return r[3]
	}
	return r[4]
}

func status(t *testing.T, c *sim.Cluster, kind, db string) string {
	t.Helper()
	r := row(t, c, kind, db)
	if kind == "BACKUP" {
		return r[12]
	}
	return r[16]
}

// eventually polls until ok, or fails with what say tells.
func eventually(t *testing.T, ok func() bool, say func() string) {
	t.Helper()
	poll := time.NewTicker(tick / 4)
	defer poll.Stop()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("gave up waiting: ", say())
		}
		<-poll.C
	}
}

// reach waits until a job is in a state.
func reach(t *testing.T, c *sim.Cluster, kind, db, want string) {
	t.Helper()
	eventually(t, func() bool {
		got := state(t, c, kind, db)
		if got == "CANCELLED" && want != "CANCELLED" || got == "FINISHED" && want != "FINISHED" {
			t.Fatalf("%s of %s is %s, not %s: %v", kind, db, got, want, row(t, c, kind, db))
		}
		return got == want
	}, func() string { return fmt.Sprint(want, " not reached: ", row(t, c, kind, db)) })
}

// sales makes database d with tables of several kinds and data.
func sales(t *testing.T, c *sim.Cluster) {
	t.Helper()
	must(t, c, "CREATE DATABASE d",
		`CREATE TABLE d.t (dt DATE NOT NULL COMMENT 'day', id BIGINT NOT NULL, city VARCHAR(20) DEFAULT 'x', amount DECIMAL(10,2) NULL)
		 DUPLICATE KEY(dt, id) COMMENT 'the orders' PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES LESS THAN ('2025-02-01'), PARTITION p3 VALUES LESS THAN ('2025-03-01'))
		 DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='3')`,
		`CREATE TABLE d.pk (k INT NOT NULL, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')`,
		`CREATE TABLE d.agg (k INT, s BIGINT SUM) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')`,
		`CREATE TABLE d.l (k INT, c VARCHAR(8) NOT NULL) DUPLICATE KEY(k) PARTITION BY LIST(c) (PARTITION pa VALUES IN ('a'), PARTITION pb VALUES IN ('b')) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')`,
		`CREATE TABLE d.auto (k INT, d DATETIME) DUPLICATE KEY(k) PARTITION BY date_trunc('day', d) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')`,
		`INSERT INTO d.t VALUES ('2024-12-31', 1, 'rome', 1.50), ('2025-01-15', 2, 'paris', NULL), ('2025-01-16', 3, 'oslo', 7)`,
		`INSERT INTO d.pk VALUES (1, 10), (2, 20), (3, 30)`, `INSERT INTO d.pk VALUES (2, 21)`,
		`INSERT INTO d.agg VALUES (1, 10), (2, 20), (1, 5)`,
		`INSERT INTO d.l VALUES (1, 'a'), (2, 'b')`,
		`INSERT INTO d.auto VALUES (1, '2025-03-01 10:00:00'), (2, '2025-03-02 00:00:00')`)
}

const salesOn = "ON (t, pk, agg, l, auto)"

var salesTables = []string{"t", "pk", "agg", "l", "auto"}

func contents(c *sim.Cluster, db string) map[string]string {
	m := map[string]string{}
	for _, name := range salesTables {
		m[name] = c.Content(db, name)
	}
	return m
}

// timestamp finds the one timestamp of a label.
func timestamp(t *testing.T, c *sim.Cluster, label string) string {
	t.Helper()
	rows, err := c.Query("SHOW SNAPSHOT ON r WHERE SNAPSHOT = '" + label + "'")
	if err != nil || len(rows) != 1 || rows[0][2] != "OK" {
		t.Fatalf("snapshot %s: %v %v", label, rows, err)
	}
	return rows[0][1]
}

func backup(t *testing.T, c *sim.Cluster, db, label, on string) string {
	t.Helper()
	must(t, c, fmt.Sprintf("BACKUP SNAPSHOT %s.%s TO r %s", db, label, on))
	reach(t, c, "BACKUP", db, "FINISHED")
	return timestamp(t, c, label)
}

func restoreSQL(db, label, on, ts string, replication int) string {
	return fmt.Sprintf(`RESTORE SNAPSHOT %s.%s FROM r %s PROPERTIES("backup_timestamp"="%s","replication_num"="%d")`, db, label, on, ts, replication)
}

func TestBackupAndRestoreIntoAnotherDatabaseBringsEveryRowBack(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	before := contents(c, "d")
	ts := backup(t, c, "d", "s1", salesOn)
	must(t, c, restoreSQL("d2", "s1", salesOn, ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	for name, want := range before {
		if got := c.Content("d2", name); got != want {
			t.Errorf("table %s:\n%s\nwant\n%s", name, got, want)
		}
	}
	rows, err := c.Query("SELECT COUNT(*) FROM d2.pk")
	if err != nil || rows[0][0] != "3" {
		t.Fatalf("count: %v %v", rows, err)
	}
	must(t, c, "INSERT INTO d2.t VALUES ('2025-01-15', 9, 'bonn', 1)", "INSERT INTO d2.auto VALUES (3, '2025-03-09 00:00:00')")
}
