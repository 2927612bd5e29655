package activities_test

import (
	"slices"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestPlansOfOverwrites: what is overwritten, what stays, what is backed up first, and what is refused.
func TestPlansOfOverwrites(t *testing.T) {
	const added = "ALTER TABLE d.t ADD PARTITION p4 VALUES LESS THAN ('2026-05-01') (\"replication_num\" = \"2\")"
	over := spec.Restore{OnExisting: spec.OnExistingOverwrite}
	for _, c := range []struct {
		name   string
		before []string // the backup
		after  []string
		in     spec.Restore
		action string
		note   string
		safety []string
		units  int
	}{
		{"a whole table", nil, nil, over, spec.ActionOverwrite, "stop all loads", []string{"d.pk", "d.t"}, 1},
		{"partitions that the point has not stay", nil, []string{added}, over, spec.ActionOverwrite, "stay as they are: p4", []string{"d.pk", "d.t"}, 1},
		{"one statement for each number of replicas, whatever is asked", []string{added}, nil, over, spec.ActionOverwrite, "", []string{"d.pk", "d.t"}, 2},
		{"missing partitions are added by the same statement", nil, []string{"ALTER TABLE d.t DROP PARTITION p1 FORCE"}, spec.Restore{OnExisting: spec.OnExistingOverwrite, Include: []string{"d.t/p1", "d.t/p2"}},
			spec.ActionOverwrite, "", []string{"d.t/p2"}, 1},
		{"existing partitions under swap", nil, nil, spec.Restore{Include: []string{"d.t/p1", "d.t/p2"}}, spec.ActionReplace, "INSERT OVERWRITE", []string{"d.t/p1", "d.t/p2"}, 1},
		{"no way back", nil, nil, spec.Restore{OnExisting: spec.OnExistingOverwrite, NoSafetyPoint: true}, spec.ActionOverwrite, "", nil, 1},
		{"another definition", nil, []string{"ALTER TABLE d.t ADD COLUMN extra INT"}, over, spec.ActionRefuse, "extra", []string{"d.pk"}, 0},
		{"another definition, partitions", nil, []string{"ALTER TABLE d.t ADD COLUMN extra INT"}, spec.Restore{Include: []string{"d.t/p1"}}, spec.ActionRefuse, "extra", nil, 0},
		{"another range", nil, []string{"ALTER TABLE d.t DROP PARTITION p3 FORCE", "ALTER TABLE d.t ADD PARTITION p3 VALUES LESS THAN ('2026-03-20')"}, spec.Restore{Include: []string{"d.t/p3"}}, spec.ActionRefuse, "2026-03-20", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.onTables = c.before
			b.tables()
			b.backUp()
			b.sql(c.after...)
			plan := b.plan(c.in)
			if row := rowOf(plan, "t"); row.Action != c.action || !strings.Contains(row.Note, c.note) {
				t.Errorf("%+v", row)
			}
			slices.Sort(plan.Safety)
			if !slices.Equal(plan.Safety, c.safety) {
				t.Errorf("backed up first: %q, want %q", plan.Safety, c.safety)
			}
			if c.units > 0 && len(plan.Databases[0].Units) != c.units {
				t.Errorf("units: %+v, want %d", plan.Databases[0].Units, c.units)
			}
		})
	}
}

// TestOverwritesThatAreNotSafe are refused, or need a word more.
func TestOverwritesThatAreNotSafe(t *testing.T) {
	over := spec.Restore{OnExisting: spec.OnExistingOverwrite}
	t.Run("loads cannot be seen", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		b.backUp()
		b.sql("CREATE USER keeper", "GRANT REPOSITORY, NODE ON SYSTEM TO USER keeper", "GRANT SELECT, INSERT, ALTER, EXPORT ON ALL TABLES IN DATABASE d TO USER keeper", "GRANT CREATE TABLE ON DATABASE d TO USER keeper")
		b.acts = b.newWorker(options{user: "keeper"})
		if row := rowOf(b.plan(over), "t"); row.Action != spec.ActionRefuse || !strings.Contains(row.Note, "OPERATE") {
			t.Errorf("%+v", row)
		}
	})
	t.Run("a routine load writes into it", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		b.backUp()
		if err := b.sim.AddRoutineLoad("d", "stream", "t", "RUNNING"); err != nil {
			t.Fatal(err)
		}
		plan := b.plan(over)
		if row := rowOf(plan, "t"); row.Action != spec.ActionRefuse || !strings.Contains(row.Note, "routine load stream") {
			t.Errorf("%+v", row)
		}
		if row := rowOf(b.plan(spec.Restore{Include: []string{"d.t/p1"}}), "t"); row.Action != spec.ActionReplace {
			t.Errorf("partitions: %+v", row)
		}
	})
	t.Run("AUTO_INCREMENT", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.onTables = []string{"CREATE TABLE d.numbered (id BIGINT NOT NULL AUTO_INCREMENT, v INT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1 PROPERTIES('replication_num'='1')", "INSERT INTO d.numbered (v) VALUES (1)"}
		b.tables()
		b.backUp()
		if row := rowOf(b.plan(over), "numbered"); row.Action != spec.ActionRefuse || !strings.Contains(row.Note, "AUTO_INCREMENT") {
			t.Errorf("%+v", row)
		}
		if row := rowOf(b.plan(spec.Restore{OnExisting: spec.OnExistingOverwrite, AllowAutoIncrementReset: true}), "numbered"); row.Action != spec.ActionOverwrite {
			t.Errorf("with consent: %+v", row)
		}
	})
	t.Run("the repository is READ ONLY", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		b.backUp()
		b.sql("DROP REPOSITORY r", `CREATE READ ONLY REPOSITORY r WITH BROKER ON LOCATION "`+b.location+`"`)
		in := activities.PlanRestoreInput{Spec: over, Run: b.runSeed(), ID: b.runSeed()}
		in.Spec.Cluster, in.Spec.Repository, in.Spec.DryRun = "prod", "repo", true
		e := b.run(b.acts.PlanRestore, in)
		if kind, message := activities.TypeOf(e.err); kind != spec.ErrorInvalidSpec || !strings.Contains(message, "READ ONLY") || !strings.Contains(message, "noSafetyPoint") {
			t.Errorf("%s: %s", kind, message)
		}
		if row := rowOf(b.plan(spec.Restore{OnExisting: spec.OnExistingOverwrite, NoSafetyPoint: true}), "t"); row.Action != spec.ActionOverwrite {
			t.Errorf("%+v", row)
		}
	})
}
