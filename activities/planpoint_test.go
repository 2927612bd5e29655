package activities_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

// actionsOf is what a restore would do to d.t: "action partitions, …", and its notes.
func actionsOf(b *bed, in spec.Restore) (actions, notes string) {
	b.Helper()
	var list []string
	for _, row := range b.plan(in).Tables {
		if row.From == "d.t" {
			list = append(list, fmt.Sprintf("%s %d", row.Action, row.Partitions))
			notes += row.Note + "\n"
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", "), notes
}

// A backup of single partitions does not hold the table: a swap would take the others out of the live one.
func TestAPointOfNamedPartitionsReplacesOnlyThem(t *testing.T) {
	for _, c := range []struct {
		name            string
		backup, restore []string
		exclude         []string // of the backup
		live            string   // a statement in between
		onExisting      string
		rows            string // actions of d.t, sorted
		note            string
		warns           bool
	}{
		{name: "one partition", backup: []string{"d.t/p1"}, restore: []string{"d.t"}, rows: "replace partitions 1", note: "the others stay as they are: p2; p3"},
		{name: "asked for by its name", backup: []string{"d.t/p1"}, restore: []string{"d.t/p1"}, rows: "replace partitions 1"},
		{name: "the whole database", backup: []string{"d.t/p1", "d.t/p2"}, restore: []string{"d"}, rows: "replace partitions 2", note: "the others stay as they are: p3"},
		{name: "all but one", backup: []string{"d.t"}, exclude: []string{"d.*/p3"}, restore: []string{"d.t"}, rows: "replace partitions 2", note: "p3"},
		{name: "one is missing", backup: []string{"d.t/p1", "d.t/p2"}, live: "ALTER TABLE d.t DROP PARTITION p1", rows: "add partitions 1, replace partitions 1", note: "p3"},
		{name: "the live table has no others", backup: []string{"d.t/p1"}, live: "ALTER TABLE d.t DROP PARTITION p2", restore: []string{"d.t"}, rows: "replace partitions 1", note: "p3"},
		{name: "every partition by its name", backup: []string{"d.t/p1", "d.t/p2", "d.t/p3"}, restore: []string{"d.t"}, rows: "swap 3"},
		{name: "the table is gone", backup: []string{"d.t/p1"}, live: "DROP TABLE d.t", restore: []string{"d.t"}, rows: "create 1"},
		{name: "beside", backup: []string{"d.t/p1"}, restore: []string{"d.t"}, onExisting: spec.OnExistingRename, rows: "create 1"},
		{name: "it does not fit any more", backup: []string{"d.t/p1"}, restore: []string{"d.t"}, live: "ALTER TABLE d.t ADD COLUMN w INT", rows: "refuse 1", note: "a swap is no choice here"},
		{name: "the whole table", backup: []string{"d.t"}, live: "ALTER TABLE d.t ADD PARTITION p4 VALUES LESS THAN ('2026-05-01')", restore: []string{"d.t"}, rows: "swap 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			b.make(spec.Backup{Include: c.backup, Exclude: c.exclude}, nil)
			if c.live != "" {
				b.sql(c.live)
			}
			if got, note := actionsOf(b, spec.Restore{Include: c.restore, OnExisting: c.onExisting}); got != c.rows || !strings.Contains(note, c.note) {
				t.Errorf("planned %q (%s), want %q (%s)", got, note, c.rows, c.note)
			}
		})
	}
}

// A resumed point selected what its parent did.
func TestWhatAResumedPointSelectedIsAskedOfItsParent(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	const other = "CREATE TABLE d.u (k INT NOT NULL) DUPLICATE KEY(k) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('10')) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')"
	b.sql(other, "ALTER TABLE d.u ADD TEMPORARY PARTITION tp VALUES [('20'), ('30'))") // which no BACKUP takes
	_, partial := b.make(spec.Backup{Include: []string{"d.t/p1", "d.u"}}, nil)
	b.sql("DROP TABLE d.u FORCE", other)
	_, resumed := b.make(spec.Backup{Resume: partial.Point}, nil)
	if got, note := actionsOf(b, spec.Restore{Point: resumed.Point, Include: []string{"d.t"}}); got != "replace partitions 1" {
		t.Errorf("planned %q (%s)", got, note)
	}
}

// Nobody knows what the BACKUP named that an adopted point is made of: the table is exchanged, with a warning.
func TestAnAdoptedPointIsSwappedWithAWarning(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d.t/p1")
	var adopted spec.AdoptResult
	b.must(&adopted, b.acts.AdoptSnapshot, spec.Adopt{Cluster: "prod", Repository: "repo", Label: b.onlySnapshot()[0]})
	in := spec.Restore{Point: adopted.Point}
	const warning = "it is not known which partitions of d.t the backup of restore point "
	if plan := b.plan(in); rowOf(plan, "t").Action != spec.ActionSwap || !says(plan.Warnings, warning+adopted.Point) || !says(plan.Warnings, "p2; p3") {
		t.Errorf("%+v, warnings %q", plan.Tables, plan.Warnings)
	}
	b.sql("ALTER TABLE d.t DROP PARTITION p2", "ALTER TABLE d.t DROP PARTITION p3")
	if plan := b.plan(in); says(plan.Warnings, warning) {
		t.Errorf("nothing is taken out: warnings %q", plan.Warnings)
	}
}
