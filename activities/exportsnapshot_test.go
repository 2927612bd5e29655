package activities_test

import (
	"path/filepath"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

func TestAnExportIsRestoredByItsStatement(t *testing.T) {
	for name, c := range map[string]struct {
		in        spec.Export
		database  string
		tables    map[string]string // where what is restored
		elsewhere bool
	}{
		"all tables":                   {spec.Export{}, "d", map[string]string{"t": "t", "l": "l", "pk": "pk"}, false},
		"one of a single snapshot":     {spec.Export{Include: []string{"d.pk"}}, "d", map[string]string{"pk": "pk"}, false},
		"renamed, of another database": {spec.Export{Rename: map[string]string{"d.t": "n.t2", "d.l": "n.l2", "d.pk": "n.pk2"}}, "n", map[string]string{"t": "t2", "l": "l2", "pk": "pk2"}, false},
		"into another repository":      {spec.Export{To: "other", Include: []string{"d.t", "d.l"}}, "d", map[string]string{"t": "t", "l": "l"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			c.in.Point = scattered(b)
			want := map[string]string{}
			for table := range c.tables {
				want[table] = b.sim.Content("d", table)
			}
			if c.elsewhere {
				b.otherRepository()
			}
			b.sql("DROP DATABASE d FORCE", "CREATE DATABASE "+c.database)
			made := b.export(c.in, "kept_1")
			b.sql(made.Statement)
			b.until("the RESTORE by hand has finished", func() bool { return b.state("RESTORE", c.database) == "FINISHED" })
			for table, as := range c.tables {
				if got := b.sim.Content(c.database, as); got != want[table] {
					t.Errorf("%s: %s has\n%s\nwant\n%s", made.Statement, as, got, want[table])
				}
			}
		})
	}
}

// otherRepository gives the worker and StarRocks a second repository at another place, under another name.
func (b *bed) otherRepository() {
	b.Helper()
	location := "file://" + filepath.ToSlash(b.TempDir())
	store, err := storage.Open(b.Context(), storage.Config{Location: location})
	if err != nil {
		b.Fatal(err)
	}
	b.sql(`CREATE REPOSITORY r2 WITH BROKER ON LOCATION "` + location + `"`)
	b.others = append(b.others, &activities.Repository{Name: "other", Native: "r2", Location: location, Store: store})
	b.acts = b.newWorker(options{})
}

func (b *bed) planExport(in spec.Export, label string) ended {
	b.Helper()
	b.seed++
	in.Cluster, in.Repository, in.Label = "prod", "repo", label
	return b.run(b.acts.PlanExport, activities.PlanExportInput{Spec: in, ID: b.runSeed()})
}

func (b *bed) export(in spec.Export, label string) activities.Composed {
	b.Helper()
	e := b.planExport(in, label)
	if e.err != nil {
		b.Fatal(e.err)
	}
	var plan activities.ExportPlan
	if err := e.value.Get(&plan); err != nil {
		b.Fatal(err)
	}
	var made activities.Composed
	b.must(&made, b.acts.Compose, plan.Unit)
	return made
}

func TestExportRefusals(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	point := scattered(b)
	b.sql("CREATE DATABASE d9", "CREATE TABLE d9.x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	several := b.join(point, b.backUp("d9"))
	b.export(spec.Export{Point: point, Include: []string{"d.pk"}}, "taken")
	for name, c := range map[string]struct {
		in    spec.Export
		label string
		kind  string
		says  string
	}{
		"a label that is taken":         {spec.Export{Point: point}, "taken", spec.ErrorInvalidSpec, "taken"},
		"tables of two databases":       {spec.Export{Point: several}, "l", spec.ErrorInvalidSpec, "d, d9"},
		"nothing selected":              {spec.Export{Point: point, Include: []string{"nope"}}, "l", spec.ErrorInvalidSpec, "matches nothing"},
		"no such point":                 {spec.Export{Point: "20260101T000000Z-000000"}, "l", spec.ErrorSnapshotMissing, "no restore point"},
		"no such repository":            {spec.Export{Point: point, To: "nope"}, "l", spec.ErrorInvalidSpec, "nope"},
		"a name that the point has not": {spec.Export{Point: point, Rename: map[string]string{"d.zz": "d.y"}}, "l", spec.ErrorInvalidSpec, "d.zz"},
	} {
		if e := b.planExport(c.in, c.label); e.kind != c.kind || !strings.Contains(e.message, c.says) {
			t.Errorf("%s: %v, want %s that says %q", name, e.err, c.kind, c.says)
		}
	}
}
