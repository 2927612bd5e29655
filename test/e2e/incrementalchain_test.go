package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starkeep/restorepoint"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestEachPointOfAChainIsRestoredAlone: seven points, each an increment of the one before, with every kind of change in
// between. Each is restored by one RESTORE, composed of the native snapshots that hold its parts, while no other manifest
// is there.
func TestEachPointOfAChainIsRestoredAlone(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	for _, sql := range []string{
		"CREATE DATABASE c",
		"CREATE TABLE c.days (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-08') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(dt) BUCKETS 1" + once,
		"CREATE TABLE c.cities (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome'), PARTITION no VALUES IN ('Oslo')) DISTRIBUTED BY HASH(city) BUCKETS 1" + once,
		"CREATE TABLE c.keyed (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + once,
		"INSERT INTO c.days VALUES ('2026-01-01', 1), ('2026-01-02', 1), ('2026-01-03', 1), ('2026-01-04', 1), ('2026-01-05', 1), ('2026-01-06', 1), ('2026-01-07', 1)",
		"INSERT INTO c.cities VALUES ('Rome', 1), ('Oslo', 1)",
		"INSERT INTO c.keyed VALUES (1, 'a')",
	} {
		b.Must(t, sql)
	}
	tables := []string{"days", "cities", "keyed"}
	points, was := []string{}, []map[string]string{}
	for i, changes := range [][]string{
		nil,
		{"INSERT INTO c.days VALUES ('2026-01-01', 2)", "INSERT INTO c.cities VALUES ('Oslo', 2)"},
		{"TRUNCATE TABLE c.days PARTITION (p20260102)", "INSERT INTO c.keyed VALUES (1, 'b')"},
		{"ALTER TABLE c.days DROP PARTITION p20260103", "INSERT INTO c.days VALUES ('2026-01-04', 4)"},
		{"ALTER TABLE c.days ADD PARTITION p20260103 VALUES [('2026-01-03'), ('2026-01-04'))", "INSERT INTO c.days VALUES ('2026-01-03', 5)", "INSERT INTO c.cities VALUES ('Rome', 5)"},
		{"INSERT OVERWRITE c.days PARTITION(p20260105) SELECT * FROM c.days PARTITION(p20260105)"},
		{"INSERT INTO c.days VALUES ('2026-01-06', 7)", "DROP TABLE c.keyed", "CREATE TABLE c.keyed (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + once, "INSERT INTO c.keyed VALUES (1, 'c')"},
	} {
		for _, sql := range changes {
			b.Must(t, sql)
		}
		out, err := runBackup(t, b, spec.Backup{Incremental: true})
		if err != nil || i > 0 && (out.Base != points[i-1] || out.Carried == 0) {
			t.Fatalf("point %d: %+v, %v", i, out, err)
		}
		points, was = append(points, out.Point), append(was, contentsOf(b, "c", tables))
	}
	files := map[string][]byte{}
	for _, point := range points {
		key := restorepoint.ManifestKey(testbed.ClusterName, point)
		files[key] = depot{b, t}.read(key)
		depot{b, t}.remove(key)
	}
	for i, point := range points {
		key := restorepoint.ManifestKey(testbed.ClusterName, point)
		depot{b, t}.write(key, files[key])
		sent := len(b.Sim.Accepted("RESTORE SNAPSHOT"))
		name := fmt.Sprint("c", i)
		out, err := runRestore(t, b, spec.Restore{Point: point, Rename: map[string]string{"c": name}})
		if err != nil {
			t.Fatalf("point %d: %v", i, err)
		}
		same(t, contentsOf(b, name, tables), was[i])
		if statements := len(b.Sim.Accepted("RESTORE SNAPSHOT")) - sent; i >= 4 && statements != 1 {
			t.Errorf("point %d took %d statements: %+v", i, statements, out)
		}
		depot{b, t}.remove(key)
	}
}

// TestAPointOfNamedPartitionsLeavesTheOthers: the whole table is asked for, and of it there are two partitions.
func TestAPointOfNamedPartitionsLeavesTheOthers(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	partitioned(t, b)
	good := contentsOf(b, "parts", partitionedTables)
	ids := idsOf(t, b, "parts")
	point, err := runBackup(t, b, spec.Backup{Include: []string{"parts.ranges/p20260101", "parts.ranges/p20260103", "parts.lists/it", "parts.keyed"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-01', 666), ('2026-01-02', 42)",
		"ALTER TABLE parts.ranges DROP PARTITION p20260103 FORCE",
		"INSERT INTO parts.lists VALUES ('Rome', 666), ('Oslo', 42)",
		"INSERT INTO parts.keyed VALUES ('2026-01-01', 1, 'WRONG')",
	} {
		b.Must(t, sql)
	}
	damaged := contentsOf(b, "parts", partitionedTables)
	out, err := runRestore(t, b, spec.Restore{Point: point.Point})
	if err != nil {
		t.Fatal(err)
	}
	restored := func(line string) bool {
		partition, _, _ := strings.Cut(line, "/")
		return slices.Contains([]string{"p20260101", "p20260103", "it"}, partition)
	}
	want := map[string]string{"keyed": good["keyed"], "plain": damaged["plain"]}
	for _, table := range []string{"ranges", "lists"} {
		want[table] = merged(good[table], damaged[table], restored)
		if idsOf(t, b, "parts")[table] != ids[table] {
			t.Errorf("%s is another table", table)
		}
	}
	same(t, contentsOf(b, "parts", partitionedTables), want)
	if r := restoredTable(out, "keyed"); r.Action != spec.ActionSwap {
		t.Errorf("a table that was backed up whole: %+v", r)
	}
	undone := decide(t, b, out.Undo, spec.UpdateUndo)
	if err := b.Client.GetWorkflow(t.Context(), undone.Restore, "").Get(t.Context(), nil); err != nil {
		t.Fatalf("undo: %+v, %v", undone, err)
	}
	want = map[string]string{"keyed": damaged["keyed"], "lists": damaged["lists"], "ranges": merged(good["ranges"], damaged["ranges"], func(line string) bool { return strings.HasPrefix(line, "p20260103") })}
	same(t, contentsOf(b, "parts", partitionedTables), want) // what was added stays
}

// merged are lines of a table's content: those that take approves of from a, all others from b.
func merged(a, b string, take func(line string) bool) string {
	var lines []string
	for line := range strings.Lines(a) {
		if take(line) {
			lines = append(lines, line)
		}
	}
	for line := range strings.Lines(b) {
		if !take(line) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
