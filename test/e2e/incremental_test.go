package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// uploaded is what BACKUP has written below the repository of StarRocks since known was listed, in bytes of data files.
func uploaded(t *testing.T, b *testbed.Bed, known map[string]bool) (bytes int64) {
	t.Helper()
	for o, err := range b.Store.List(t.Context(), "__starrocks_repository_") {
		if err != nil {
			t.Fatal(err)
		}
		if !known[o.Key] && strings.Contains(o.Key, ".dat.") {
			bytes += o.Size
		}
		known[o.Key] = true
	}
	return bytes
}

// changes are the tables that an incremental backup took something of, by name: "3+7 full: why".
func changes(out spec.BackupResult) map[string]string {
	list := map[string]string{}
	for _, c := range out.Tables {
		text := fmt.Sprintf("%d+%d", c.BackedUp, c.Carried)
		if c.Full {
			text += " full"
		}
		list[c.Database+"."+c.Table] = text + ": " + c.Why
	}
	return list
}

func TestAnIncrementalBackupMovesWhatHasChanged(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	wide(t, b, 100)
	sales(t, b)
	known := map[string]bool{}
	first, err := runBackup(t, b, spec.Backup{Incremental: true})
	if err != nil {
		t.Fatal(err)
	}
	all := uploaded(t, b, known)
	if first.Base != "" || first.Carried != 0 || !strings.Contains(changes(first)["iso.wide"], "100+0 full: there is no earlier restore point") {
		t.Errorf("the first one has nothing to compare with: %+v", first)
	}
	if err := b.Sim.Load("iso", "wide", []string{day(42), "7", noise(7)}); err != nil {
		t.Fatal(err)
	}
	nextSecond(t)
	second, err := runBackup(t, b, spec.Backup{Incremental: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := changes(second); second.Base != first.Point || second.Partitions != 1 || second.Carried != 104 || second.Unchanged != 3 || len(got) != 1 || got["iso.wide"] != "1+99: 1 loaded since" {
		t.Errorf("second: %+v", second)
	}
	if moved := uploaded(t, b, known); moved == 0 || moved*50 > all {
		t.Errorf("%d bytes were moved of %d, want some 1 %%", moved, all)
	}
	content := b.Sim.Content("iso", "wide")
	before := contents(b, salesTables...)
	nextSecond(t)
	third, err := runBackup(t, b, spec.Backup{Incremental: true})
	if err != nil || third.Partitions != 0 || third.Carried != 105 || third.Unchanged != 4 || third.Base != second.Point {
		t.Errorf("nothing changed: %+v, %v", third, err)
	}
	for _, d := range []string{"iso", "sales", "web"} {
		b.Must(t, "DROP DATABASE "+d+" FORCE")
	}
	restored, err := runRestore(t, b, spec.Restore{Point: third.Point})
	if err != nil || restored.FailedCount != 0 {
		t.Fatalf("restore: %+v, %v", restored, err)
	}
	if b.Sim.Content("iso", "wide") != content {
		t.Error("content differs after the restore")
	}
	for name, want := range before {
		if got := contents(b, salesTables...)[name]; got != want {
			t.Errorf("%s differs after the restore", name)
		}
	}
	nextSecond(t)
	fourth, err := runBackup(t, b, spec.Backup{Incremental: true})
	if err != nil || fourth.Carried != 0 || fourth.Base != third.Point || !strings.Contains(changes(fourth)["iso.wide"], "created anew, restored or exchanged") {
		t.Errorf("restored tables are other tables: %+v, %v", fourth, err)
	}
}

// What looks unchanged by name and version and is not, and what looks changed: each in a table of its own.
func TestAnIncrementalBackupSeesThroughDisguises(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	const ddl = " (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(dt) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\")"
	b.Must(t, "CREATE DATABASE g")
	tables := []string{"same", "truncated", "readded", "recreated", "swapped", "other", "columned", "replaced", "overwritten", "recovered", "rolled", "widened", "renamed", "dropped"}
	for _, name := range tables {
		b.Must(t, "CREATE TABLE g."+name+ddl)
		b.Must(t, "INSERT INTO g."+name+" VALUES ('2026-01-05', 1), ('2026-02-05', 2)")
	}
	first, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	// The same rows again, or the same numbers under other data.
	b.Must(t, "TRUNCATE TABLE g.truncated PARTITION(p1)")
	b.Must(t, "ALTER TABLE g.readded DROP PARTITION p2")
	b.Must(t, "ALTER TABLE g.readded ADD PARTITION p2 VALUES LESS THAN ('2026-03-01')")
	b.Must(t, "INSERT INTO g.readded VALUES ('2026-02-05', 3)")
	b.Must(t, "DROP TABLE g.recreated")
	b.Must(t, "CREATE TABLE g.recreated"+ddl)
	b.Must(t, "INSERT INTO g.recreated VALUES ('2026-01-05', 1), ('2026-02-05', 2)")
	b.Must(t, "ALTER TABLE g.swapped SWAP WITH other")
	b.Must(t, "ALTER TABLE g.columned ADD COLUMN w BIGINT")
	b.Must(t, "ALTER TABLE g.columned DROP COLUMN w")
	b.Must(t, "INSERT OVERWRITE g.replaced PARTITION(p2) SELECT * FROM g.same PARTITION(p2)")
	b.Must(t, "DROP TABLE g.recovered")
	b.Must(t, "RECOVER TABLE g.recovered") // the very same table
	b.Must(t, "ALTER TABLE g.rolled ADD ROLLUP r (v)")
	b.Must(t, "ALTER TABLE g.widened MODIFY COLUMN v LARGEINT")
	b.Must(t, "ALTER TABLE g.renamed RENAME new_name")
	b.Must(t, "DROP TABLE g.dropped")
	eventually(t, "ALTER TABLE", func() bool {
		rolled, _ := b.Sim.Query("SHOW ALTER TABLE ROLLUP FROM g")
		widened, _ := b.Sim.Query("SHOW ALTER TABLE COLUMN FROM g")
		return strings.Contains(fmt.Sprint(rolled), "FINISHED") && strings.Contains(fmt.Sprint(widened), "FINISHED")
	})
	// A restore in place takes the version back, and a load gives it to other rows.
	b.Must(t, "INSERT INTO g.overwritten VALUES ('2026-01-06', 8)")
	second, err := runBackup(t, b, spec.Backup{Include: []string{"g.overwritten"}})
	if err != nil {
		t.Fatal(err)
	}
	nextSecond(t) // times of versions are whole seconds; StarRocks takes 16 for a backup
	if _, err := runRestore(t, b, spec.Restore{Point: first.Point, Include: []string{"g.overwritten"}, OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true, NoSafetyPoint: true}); err != nil {
		t.Fatal(err)
	}
	nextSecond(t)
	b.Must(t, "INSERT INTO g.overwritten VALUES ('2026-01-06', 9)")

	over, err := runBackup(t, b, spec.Backup{Include: []string{"g.overwritten"}, Incremental: true, Base: second.Point})
	if err != nil || !strings.Contains(changes(over)["g.overwritten"], "2+0 full: partition p1 has version 3 as before, but got it at another time") {
		t.Errorf("a version that was used again: %+v, %v", changes(over), err)
	}
	out, err := runBackup(t, b, spec.Backup{Incremental: true, Base: first.Point})
	if err != nil {
		t.Fatal(err)
	}
	got := changes(out)
	for name, want := range map[string]string{
		"truncated": "1+1: 1 created anew", "readded": "1+1: 1 created anew", "recreated": "2+0 full: it was created anew",
		"swapped": "2+0 full: it was created anew", "other": "2+0 full: it was created anew", "columned": "2+0 full: its schema has changed",
		"replaced": "1+1: 1 created anew", "overwritten": "2+0 full: partition p2",
		"rolled": "2+0 full: its schema has changed: rollup r is new", "widened": "2+0 full: its definition has changed", "new_name": "2+0 full: restore point " + first.Point + " does not hold it",
	} {
		if !strings.HasPrefix(got["g."+name], want) {
			t.Errorf("%s: %q, want %q", name, got["g."+name], want)
		}
	}
	if out.Unchanged != 2 || !slices.Equal(out.Gone, []string{"g.dropped", "g.renamed"}) || len(got) != 11 {
		t.Errorf("unchanged %d, gone %q, changed %q", out.Unchanged, out.Gone, got)
	}
	want := map[string]string{}
	for _, name := range append(tables[:len(tables)-2], "new_name") {
		want[name] = b.Sim.Content("g", name)
	}
	if _, err := runRestore(t, b, spec.Restore{Point: out.Point, Rename: map[string]string{"g": "h"}}); err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		if b.Sim.Content("h", name) != content {
			t.Errorf("%s differs after a restore:\n%s\nwant\n%s", name, b.Sim.Content("h", name), content)
		}
	}
}
