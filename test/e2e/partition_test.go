package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// kinds makes one table of each way to be partitioned and keyed, in the database kinds, and answers their names.
func kinds(t *testing.T, b *testbed.Bed) []string {
	t.Helper()
	const one = ` PROPERTIES("replication_num"="1")`
	for _, sql := range []string{
		"CREATE DATABASE kinds",
		"CREATE TABLE kinds.ranges (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-09') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(dt) BUCKETS 2" + one,
		"CREATE TABLE kinds.lists (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome', 'Turin'), PARTITION no VALUES IN ('Oslo'), PARTITION de VALUES IN ('Bonn'), PARTITION fr VALUES IN ('Nice'), PARTITION es VALUES IN ('Vigo')) DISTRIBUTED BY HASH(city) BUCKETS 1" + one,
		"CREATE TABLE kinds.automatic (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(v) BUCKETS 1" + one,
		"CREATE TABLE kinds.plain (k BIGINT, v VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3" + one,
		"CREATE TABLE kinds.keyed (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + one,
		"CREATE TABLE kinds.numbered (id BIGINT NOT NULL AUTO_INCREMENT, v VARCHAR(20)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1" + one,
		"CREATE TABLE kinds.`odd name, ünï` (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + one,
		"CREATE TABLE kinds.never_loaded (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + one,
		"INSERT INTO kinds.lists VALUES ('Rome', 1), ('Oslo', 2), ('Bonn', 3)",
		"INSERT INTO kinds.plain VALUES (1, 'a'), (2, 'b')",
		"INSERT INTO kinds.plain VALUES (3, 'c')",
		"INSERT INTO kinds.keyed VALUES (1, 'a'), (2, 'b')",
		"INSERT INTO kinds.keyed VALUES (2, 'B'), (3, 'c')",
		"INSERT INTO kinds.numbered (v) VALUES ('x'), ('y')",
		"INSERT INTO kinds.`odd name, ünï` VALUES (7)",
	} {
		b.Must(t, sql)
	}
	for i := range 8 {
		b.Must(t, fmt.Sprintf("INSERT INTO kinds.ranges VALUES ('2026-01-0%d', %d)", i+1, i))
		b.Must(t, fmt.Sprintf("INSERT INTO kinds.automatic VALUES ('2026-01-0%d 12:00:00', %d)", i+1, i))
	}
	return []string{"ranges", "lists", "automatic", "plain", "keyed", "numbered", "odd name, ünï", "never_loaded"}
}

func contentsOf(b *testbed.Bed, database string, tables []string) map[string]string {
	all := map[string]string{}
	for _, name := range tables {
		all[name] = b.Sim.Content(database, name)
	}
	return all
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: content differs:\n%s\nwant\n%s", name, got[name], want[name])
		}
	}
}

// TestEveryKindOfTableComesBack: new and by swap, in one unit and in many (several native snapshots per table).
func TestEveryKindOfTableComesBack(t *testing.T) {
	t.Parallel()
	for _, limits := range []spec.Limits{{}, {MaxPartitionsPerUnit: 3}} {
		t.Run(fmt.Sprintf("units of at most %d partitions", limits.MaxPartitionsPerUnit), func(t *testing.T) {
			b := testbed.Start(t, testbed.Options{})
			b.StartWorker(t)
			tables := kinds(t, b)
			before := contentsOf(b, "kinds", tables)
			backup, err := runBackup(t, b, spec.Backup{Limits: limits})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d units", backup.Databases[0].Units)

			b.Must(t, "TRUNCATE TABLE kinds.ranges")
			b.Must(t, "ALTER TABLE kinds.lists DROP PARTITION no")
			b.Must(t, "INSERT INTO kinds.keyed VALUES (1, 'WRONG')")
			b.Must(t, "INSERT INTO kinds.numbered (v) VALUES ('WRONG')")
			b.Must(t, "INSERT INTO kinds.automatic VALUES ('2026-02-01 12:00:00', 666)")
			swapped, err := runRestore(t, b, spec.Restore{Limits: limits})
			if err != nil {
				t.Fatalf("swap: %v", err)
			}
			if len(swapped.Tables) != len(tables) {
				t.Errorf("restored %d tables, want %d: %+v", len(swapped.Tables), len(tables), swapped)
			}
			same(t, contentsOf(b, "kinds", tables), before)
			// The tables that came back are used: loads, new partitions, a further backup.
			b.Must(t, "INSERT INTO kinds.automatic VALUES ('2026-03-01 12:00:00', 1)")
			b.Must(t, "INSERT INTO kinds.numbered (v) VALUES ('z')")
			b.Must(t, "INSERT INTO kinds.ranges VALUES ('2026-01-03', 33)")
			if _, err := runBackup(t, b, spec.Backup{Include: []string{"kinds"}}); err != nil {
				t.Errorf("a backup of the restored tables: %v", err)
			}

			b.Must(t, "DROP DATABASE kinds FORCE")
			if _, err := runRestore(t, b, spec.Restore{Point: backup.Point}); err != nil {
				t.Fatalf("new: %v", err)
			}
			same(t, contentsOf(b, "kinds", tables), before)
		})
	}
}

func TestMissingRangePartitionsAreAddedToALiveTable(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	kinds(t, b)
	before := b.Sim.Content("kinds", "ranges")
	if _, err := runBackup(t, b, spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 3}}); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "ALTER TABLE kinds.ranges DROP PARTITION p20260102")
	b.Must(t, "ALTER TABLE kinds.ranges DROP PARTITION p20260107")
	out, err := runRestore(t, b, spec.Restore{Include: []string{"kinds.ranges/p20260102", "kinds.ranges/p20260107"}})
	if err != nil {
		t.Fatal(err)
	}
	if r := restoredTable(out, "ranges"); r.Action != spec.ActionAdd || r.Partitions != 2 || out.Undo != "" {
		t.Errorf("%+v", out)
	}
	if got := b.Sim.Content("kinds", "ranges"); got != before {
		t.Errorf("content differs:\n%s\nwant\n%s", got, before)
	}

	b.Must(t, "ALTER TABLE kinds.lists DROP PARTITION no")
	for include, says := range map[string]string{
		"kinds.lists/no":              "StarRocks cannot add LIST partitions",
		"kinds.plain/plain":           "",
		"kinds.numbered/numbered":     "",
		"kinds.odd name, ünï/odd*":    "",
		"kinds.ranges/p2026010[12]":   "matches nothing",
		"kinds.never_loaded/nonsense": "matches nothing",
	} {
		_, err := runRestore(t, b, spec.Restore{Include: []string{include}, DryRun: says == "" || says == "matches nothing"})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", include, err, says)
		}
	}
	b.Must(t, "ALTER TABLE kinds.ranges DROP PARTITION p20260105")
	b.Must(t, "ALTER TABLE kinds.ranges ADD COLUMN extra INT")
	_, err = runRestore(t, b, spec.Restore{Include: []string{"kinds.ranges/p20260105"}})
	if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "extra") {
		t.Errorf("into a table that was altered: %v, want InvalidSpec that names the column", err)
	}
}

func TestReplicationOfRestoredTables(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	b.Must(t, "CREATE DATABASE rep")
	b.Must(t, "CREATE TABLE rep.three (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES(\"replication_num\"=\"3\")")
	b.Must(t, "CREATE TABLE rep.one (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")")
	b.Must(t, "INSERT INTO rep.three VALUES (1), (2)")
	b.Must(t, "INSERT INTO rep.one VALUES (3)")
	before := contentsOf(b, "rep", []string{"three", "one"})
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	replicas := func(table string) string {
		rows, err := b.Sim.Query("SELECT REPLICATION_NUM FROM information_schema.partitions_meta WHERE DB_NAME = 'rep' AND TABLE_NAME = '" + table + "'")
		if err != nil || len(rows) != 1 {
			t.Fatalf("%v %v", rows, err)
		}
		return rows[0][0]
	}
	for _, c := range []struct {
		asked      int
		three, one string
	}{{0, "3", "1"}, {2, "2", "2"}, {1, "1", "1"}} {
		out, err := runRestore(t, b, spec.Restore{ReplicationNum: c.asked})
		if err != nil {
			t.Fatal(err)
		}
		if three, one := replicas("three"), replicas("one"); three != c.three || one != c.one {
			t.Errorf("replicationNum %d: replicas %s and %s, want %s and %s", c.asked, three, one, c.three, c.one)
		}
		same(t, contentsOf(b, "rep", []string{"three", "one"}), before)
		decide(t, b, out.Undo, spec.UpdateFinish)
	}
	if _, err := runRestore(t, b, spec.Restore{ReplicationNum: 7}); errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "replicationNum") {
		t.Errorf("replicationNum 7 on 3 BEs: %v, want InvalidSpec before anything is sent", err)
	}
}

func TestRestoreOfAPartialPoint(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	tables := kinds(t, b)
	b.Sim.FailTasks(starrockssim.Fault{Type: "UPLOAD", Table: "ranges", Partition: "p20260104", Times: -1})
	b.Sim.FailTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT", Table: "plain", Times: -1})
	_, err := runBackup(t, b, spec.Backup{})
	failed := detailsOf[spec.BackupResult](t, err)
	if failed.FailedCount != 2 {
		t.Fatalf("failed: %+v", failed.Failed)
	}
	before := contentsOf(b, "kinds", tables)
	if _, err := runRestore(t, b, spec.Restore{}); errorType(err) != spec.ErrorSnapshotMissing || !strings.Contains(err.Error(), "complete") {
		t.Errorf("latest: %v, want SnapshotMissing: there is no complete point", err)
	}
	_, err = runRestore(t, b, spec.Restore{Point: failed.Point, Include: []string{"kinds.ranges"}})
	if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "p20260104") {
		t.Errorf("a swap that would lose partition p20260104: %v, want InvalidSpec that names it", err)
	}
	b.Must(t, "DROP TABLE kinds.ranges FORCE")
	b.Must(t, "DROP TABLE kinds.plain FORCE")
	out, err := runRestore(t, b, spec.Restore{Point: failed.Point})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(out.Warnings, func(w string) bool { return strings.Contains(w, "p20260104") }) || !slices.ContainsFunc(out.Warnings, func(w string) bool { return strings.Contains(w, "plain") }) {
		t.Errorf("warnings %q do not name what the point lacks", out.Warnings)
	}
	now := contentsOf(b, "kinds", tables)
	if !strings.Contains(strings.Join(tablesOf(t, b, "kinds"), " "), "ranges") || strings.Contains(now["ranges"], "p20260104") {
		t.Errorf("ranges: %s", now["ranges"])
	}
	for _, name := range []string{"lists", "automatic", "keyed", "numbered"} {
		if now[name] != before[name] {
			t.Errorf("%s: content differs", name)
		}
	}
}
