package e2e

import (
	"fmt"
	"strings"
	"testing"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// partitioned makes tables of each kind of partitions and keys, with what INSERT OVERWRITE has to keep apart: generated
// columns, AUTO_INCREMENT, odd names.
func partitioned(t *testing.T, b *testbed.Bed) {
	t.Helper()
	const one = ` PROPERTIES("replication_num"="1")`
	for _, sql := range []string{
		"CREATE DATABASE parts",
		"CREATE TABLE parts.ranges (dt DATE NOT NULL, `select` BIGINT, v BIGINT AS (`select` + 1)) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-06') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(dt) BUCKETS 2" + one,
		"CREATE TABLE parts.lists (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome', 'Turin'), PARTITION no VALUES IN ('Oslo'), PARTITION de VALUES IN ('Bonn')) DISTRIBUTED BY HASH(city) BUCKETS 1" + one,
		"CREATE TABLE parts.automatic (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(v) BUCKETS 1" + one,
		"CREATE TABLE parts.keyed (dt DATE NOT NULL, k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(dt, k) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-04') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(k) BUCKETS 2" + one,
		"CREATE TABLE parts.numbered (dt DATE NOT NULL, id BIGINT NOT NULL AUTO_INCREMENT, v VARCHAR(20)) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-03') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(dt) BUCKETS 1" + one,
		"CREATE TABLE parts.sums (dt DATE NOT NULL, n BIGINT SUM) AGGREGATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-03') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(dt) BUCKETS 1" + one,
		"CREATE TABLE parts.plain (k BIGINT, v VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + one,
		"INSERT INTO parts.lists VALUES ('Rome', 1), ('Turin', 2), ('Oslo', 3), ('Bonn', 4)",
		"INSERT INTO parts.keyed VALUES ('2026-01-01', 1, 'a'), ('2026-01-01', 2, 'b'), ('2026-01-02', 3, 'c'), ('2026-01-03', 4, 'd')",
		"INSERT INTO parts.keyed VALUES ('2026-01-01', 2, 'B')",
		"INSERT INTO parts.numbered (dt, v) VALUES ('2026-01-01', 'x'), ('2026-01-01', 'y'), ('2026-01-02', 'z')",
		"INSERT INTO parts.sums VALUES ('2026-01-01', 5), ('2026-01-02', 7)",
		"INSERT INTO parts.sums VALUES ('2026-01-01', 5)",
		"INSERT INTO parts.plain VALUES (1, 'a'), (2, 'b'), (3, NULL)",
	} {
		b.Must(t, sql)
	}
	for i := range 5 {
		b.Must(t, fmt.Sprintf("INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-0%d', %d), ('2026-01-0%d', NULL)", i+1, i, i+1))
		b.Must(t, fmt.Sprintf("INSERT INTO parts.automatic VALUES ('2026-01-0%d 12:00:00', %d)", i+1, i))
	}
}

// idsOf reads the ids of a database's tables by their names.
func idsOf(t *testing.T, b *testbed.Bed, database string) map[string]string {
	t.Helper()
	rows, err := b.Sim.Query("SELECT TABLE_NAME, TABLE_ID FROM information_schema.tables_config WHERE TABLE_SCHEMA = '" + database + "'")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, r := range rows {
		ids[r[0]] = r[1]
	}
	return ids
}

var partitionedTables = []string{"ranges", "lists", "automatic", "keyed", "numbered", "sums", "plain"}

// TestExistingPartitionsAreReplaced: of every kind of table, mixed with partitions that are missing; what was not named
// stays, and the table goes on as before.
func TestExistingPartitionsAreReplaced(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	partitioned(t, b)
	good := contentsOf(b, "parts", partitionedTables)
	ids := idsOf(t, b, "parts")
	if _, err := runBackup(t, b, spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 4}}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-01', 666), ('2026-01-02', 666)",
		"ALTER TABLE parts.ranges DROP PARTITION p20260103 FORCE",
		"DELETE FROM parts.lists WHERE city = 'Rome'",
		"INSERT INTO parts.lists VALUES ('Oslo', 666)",
		"TRUNCATE TABLE parts.automatic PARTITION (p20260102)",
		"INSERT INTO parts.keyed VALUES ('2026-01-01', 1, 'WRONG'), ('2026-01-02', 9, 'WRONG')",
		"INSERT INTO parts.numbered (dt, v) VALUES ('2026-01-01', 'WRONG')",
		"INSERT INTO parts.sums VALUES ('2026-01-01', 666)",
		"INSERT INTO parts.plain VALUES (666, 'WRONG')",
	} {
		b.Must(t, sql)
	}
	out, err := runRestore(t, b, spec.Restore{Include: []string{
		"parts.ranges/p20260101", "parts.ranges/p20260102", "parts.ranges/p20260103",
		"parts.lists/it", "parts.lists/no", "parts.automatic/p20260102", "parts.keyed/p20260101", "parts.keyed/p20260102",
		"parts.numbered/p20260101", "parts.sums/p20260101", "parts.plain/plain",
	}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, contentsOf(b, "parts", partitionedTables), good)
	actions := map[string]int{}
	for _, r := range out.Tables {
		actions[r.Table+": "+r.Action] = r.Partitions
		if r.Action == spec.ActionReplace && (!r.RowsProven || fmt.Sprint(r.TableID) != ids[r.Table]) {
			t.Errorf("%+v: want its rows proven, and the live table's id %s", r, ids[r.Table])
		}
	}
	if actions["ranges: "+spec.ActionReplace] != 2 || actions["ranges: "+spec.ActionAdd] != 1 || actions["lists: "+spec.ActionReplace] != 2 || actions["plain: "+spec.ActionReplace] != 1 {
		t.Errorf("tables: %+v", out.Tables)
	}
	if len(b.Sim.Accepted("INSERT OVERWRITE")) != len(partitionedTables) {
		t.Errorf("INSERT OVERWRITE was sent %d times, want one for each table", len(b.Sim.Accepted("INSERT OVERWRITE")))
	}
	for _, name := range tablesOf(t, b, "parts") {
		if strings.Contains(name, "__restore_") {
			t.Errorf("copy %s was left", name)
		}
	}
	if now := idsOf(t, b, "parts"); fmt.Sprint(now) != fmt.Sprint(ids) {
		t.Errorf("tables are others: %v, were %v", now, ids)
	}
	for _, sql := range []string{ // the tables go on as before
		"INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-01', 1), ('2026-01-03', 1)", "INSERT INTO parts.lists VALUES ('Rome', 9)",
		"INSERT INTO parts.automatic VALUES ('2026-01-02 13:00:00', 1), ('2026-03-01 00:00:00', 1)", "INSERT INTO parts.keyed VALUES ('2026-01-01', 1, 'new')",
		"INSERT INTO parts.numbered (dt, v) VALUES ('2026-01-01', 'new')",
	} {
		b.Must(t, sql)
	}
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Errorf("a backup of the table with replaced partitions: %v", err)
	}
}

// TestAReplacementThatFailsChangesNothing: StarRocks refuses INSERT OVERWRITE; the live partitions are as they were, the
// result says so, and where what was restored stands.
func TestAReplacementThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	partitioned(t, b)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-01', 666)")
	live := b.Sim.Content("parts", "ranges")
	b.Sim.OnState(func(db, kind, state string) {
		if db == "parts" && kind == "RESTORE" && state == "FINISHED" {
			if err := b.Sim.Exec("ALTER TABLE parts.ranges DROP PARTITION p20260102 FORCE"); err != nil {
				t.Error(err)
			}
		}
	})
	_, err := runRestore(t, b, spec.Restore{Include: []string{"parts.ranges/p20260101", "parts.ranges/p20260102"}, NoSafetyPoint: true})
	if errorType(err) != spec.ErrorPartialFailure {
		t.Fatalf("ended with %v, want PartialFailure", err)
	}
	out := detailsOf[spec.RestoreResult](t, err)
	if len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Reason, "nothing was replaced") && !strings.Contains(out.Failed[0].Reason, "nothing of it was changed") || !strings.Contains(out.Failed[0].Reason, "__restore_") {
		t.Errorf("failed: %+v", out.Failed)
	}
	for line := range strings.Lines(b.Sim.Content("parts", "ranges")) {
		if strings.HasPrefix(line, "p20260101") && !strings.Contains(live, line) {
			t.Errorf("partition p20260101 was changed: %s, was\n%s", line, live)
		}
	}
}
