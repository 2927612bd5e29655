package activities_test

import (
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

// TestPlansOfOverwritesFindWhatStarRocksTellsLateOrNever: what counts only where partitions exist on both sides.
func TestPlansOfOverwritesFindWhatStarRocksTellsLateOrNever(t *testing.T) {
	const (
		list   = "CREATE TABLE d.lst (k INT, c VARCHAR(10) NOT NULL) DUPLICATE KEY(k) PARTITION BY LIST(c) (PARTITION pa VALUES IN ('a'), PARTITION pb VALUES IN ('b')) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')"
		counts = "CREATE TABLE d.num (id BIGINT NOT NULL AUTO_INCREMENT, v INT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES('replication_num'='1')"
	)
	b := newBed(t, options{})
	b.sql("CREATE DATABASE d", createBase(baseColumns, baseKeys, basePartitions, baseHash, one), list, counts,
		"INSERT INTO d.base VALUES ('2024-12-31', 1, 'a', 1), ('2025-01-31', 2, 'b', 2)", "INSERT INTO d.lst VALUES (1, 'a'), (2, 'b')", "INSERT INTO d.num (v) VALUES (1)")
	b.backUp()
	snapshot := b.onlySnapshot()
	for _, c := range []struct {
		name, table string
		live        []string // makes the table anew; none: it stays
		in          spec.Restore
		says        string
		on, native  string // the statement by hand, and StarRocks' own words
	}{
		{"no difference", "base", liveBase(), spec.Restore{}, "", "base", "FINISHED"},
		{"range of a restored partition", "base", liveBase("p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES LESS THAN ('2025-02-01')", "p1 VALUES [('2024-01-01'), ('2025-01-01')), PARTITION p2 VALUES [('2025-01-01'), ('2025-02-01'))"),
			spec.Restore{}, "partition p1 has the range", "base PARTITION (p1)", "different range"},
		{"replication that is asked for", "base", liveBase("'1'", "'2'"), spec.Restore{ReplicationNum: 1}, "partition p1 has 2 replicas there", "base PARTITION (p1)", "different replication num '2'"},
		{"replication that is left to the target", "base", liveBase("'1'", "'2'"), spec.Restore{}, "", "", ""},
		{"values of a LIST partition", "lst", []string{strings.Replace(strings.Replace(list, "('a')", "('zzz')", 1), "('b')", "('a')", 1)}, spec.Restore{}, "StarRocks would not notice", "lst", "FINISHED"},
		{"a LIST partition that is missing", "lst", []string{strings.Replace(list, ", PARTITION pb VALUES IN ('b')", "", 1)}, spec.Restore{}, "cannot add LIST partitions", "lst", "No partition exist in single partitioned table"},
		{"a rollup more", "base", append(liveBase(), "ALTER TABLE d.base ADD ROLLUP r1 (k)"), spec.Restore{}, "rollups", "base", "different schema"},
		{"AUTO_INCREMENT", "num", nil, spec.Restore{}, "AUTO_INCREMENT back", "", ""},
		{"AUTO_INCREMENT, with consent", "num", nil, spec.Restore{AllowAutoIncrementReset: true}, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.T = t
			if c.live != nil {
				b.sql("DROP TABLE d." + c.table + " FORCE")
				b.sql(c.live...)
			}
			c.in.Include, c.in.OnExisting = []string{"d." + c.table}, spec.OnExistingOverwrite
			b.until("ALTER TABLE", func() bool { return !strings.Contains(rowOf(b.plan(c.in), c.table).Note, "its state is") })
			row := rowOf(b.plan(c.in), c.table)
			if c.says == "" && row.Action != spec.ActionOverwrite || c.says != "" && (row.Action != spec.ActionRefuse || !strings.Contains(row.Note, c.says)) {
				t.Errorf("planned %q: %s; want %q", row.Action, row.Note, c.says)
			}
			if c.on == "" {
				return
			}
			if got := b.restoreNatively(snapshot, c.on); !strings.Contains(got, c.native) {
				t.Errorf("StarRocks says %s, want %s", got, c.native)
			}
		})
	}
}

// TestPlansAskForWholeDatabases: the number of statements is that of databases, but for the definitions of tables that are
// there and in the point.
func TestPlansAskForWholeDatabases(t *testing.T) {
	b := newBed(t, options{})
	b.tables()
	asked := func() (definitions, others int) {
		from := b.sentSoFar()
		b.plan(spec.Restore{})
		for _, s := range b.sim.Statements()[from:] {
			if strings.HasPrefix(s.SQL, "SHOW CREATE TABLE") {
				definitions++
			} else {
				others++
			}
		}
		return definitions, others
	}
	b.backUp()
	_, before := asked()
	for _, name := range []string{"a", "b", "c", "e", "f", "g"} {
		b.sql("CREATE TABLE d." + name + " (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	}
	b.backUp()
	if definitions, after := asked(); definitions != 8 || after != before {
		t.Errorf("8 tables: %d definitions and %d others, want 8 and %d as with two tables", definitions, after, before)
	}
}
