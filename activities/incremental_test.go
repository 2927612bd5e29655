package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// make makes a restore point of a spec; between is done when it is planned.
func (b *bed) make(in spec.Backup, between func()) (activities.BackupPlan, activities.Published) {
	b.Helper()
	b.seed++
	in.Cluster, in.Repository = "prod", "repo"
	var plan activities.BackupPlan
	b.must(&plan, b.acts.PlanBackup, activities.PlanBackupInput{Spec: in, Point: b.point()})
	if between != nil {
		between()
	}
	publish := activities.PublishInput{Spec: in, Point: b.point(), Run: b.runSeed(), Created: time.Now()}
	for _, p := range plan.Databases {
		outcome := activities.DatabaseOutcome{Database: p.Database, Plan: p.Plan}
		if len(p.Units) > 0 {
			u := b.backupUnit(p)
			b.must(nil, b.acts.Submit, u)
			b.must(nil, b.acts.Await, u)
			b.must(nil, b.acts.Record, u)
			outcome.Completed = []activities.Attempt{{Unit: u.Unit.Number, Attempt: u.Unit.Attempt}}
		}
		publish.Databases = append(publish.Databases, outcome)
	}
	var out activities.Published
	b.must(&out, b.acts.PublishManifest, publish)
	return plan, out
}

func TestAnIncrementalPointIsCompleteInItself(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	first := b.backUp()
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)", "ALTER TABLE d.pk COMMENT = 'new'")
	plan, out := b.make(spec.Backup{Incremental: true}, nil)
	if plan.Base != first || plan.Unchanged != 1 || len(plan.Tables) != 1 || plan.Tables[0].BackedUp != 1 || plan.Tables[0].Carried != 2 {
		t.Fatalf("plan %+v", plan)
	}
	m := b.manifest(out.Point)
	if !out.Complete || out.Carried != 3 || m.Parent != first || len(m.Snapshots) != 2 || m.Counts.Partitions != 4 {
		t.Errorf("published %+v, manifest %+v", out, m.Counts)
	}
	if pk := m.Find("d", "pk"); pk == nil || !strings.Contains(pk.DDL, "new") {
		t.Errorf("a carried table has the definition of today: %+v", pk)
	}
	if t1 := m.Find("d", "t"); len(t1.Indexes) != 1 || t1.Indexes[0].Hash == 0 || t1.Partitions[0].Physical[0].VisibleAt == 0 {
		t.Errorf("what the next one compares is missing: %+v", t1)
	}
}

func TestTheBaseIsTheNewestPointOfABackup(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d.t")
	newest := b.backUp()
	b.make(spec.Backup{Tags: map[string]string{spec.TagBeforeOverwrite: "restore/prod/x"}}, nil)
	if plan, _ := b.make(spec.Backup{Incremental: true}, nil); plan.Base != newest || plan.Unchanged != 2 {
		t.Errorf("base %s, want %s: %+v", plan.Base, newest, plan)
	}
}

// Backups of different things, by turns, do not make each other full.
func TestTheBaseIsAPointThatHoldsWhatIsSelected(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	all := b.backUp()
	b.backUp("d.t/p1")
	if plan, _ := b.make(spec.Backup{Incremental: true, Include: []string{"d.pk"}}, nil); plan.Base != all || plan.Unchanged != 1 {
		t.Errorf("base %s, want %s: %+v", plan.Base, all, plan)
	}
	_, pk := b.make(spec.Backup{Incremental: true, Include: []string{"d.pk"}}, nil)
	_, tables := b.make(spec.Backup{Incremental: true, Include: []string{"d.t"}}, nil)
	if plan, _ := b.make(spec.Backup{Incremental: true, Include: []string{"d.pk"}}, nil); plan.Base != pk.Point || plan.Unchanged != 1 {
		t.Errorf("base %s, want %s: %+v", plan.Base, pk.Point, plan)
	}
	b.sql("CREATE DATABASE e", "CREATE TABLE e.new (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	for _, point := range []string{all, pk.Point} {
		b.delete(restorepoint.ManifestKey("prod", point))
	}
	plan, _ := b.make(spec.Backup{Incremental: true, Include: []string{"d.pk", "d.t"}}, nil)
	if plan.Base == tables.Point || plan.Base == "" || plan.Unchanged != 1 {
		t.Errorf("none holds both, so it is the newest: base %s, %+v", plan.Base, plan)
	}
}

func TestWhatWasNotNamedIsNotGone(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	base := b.backUp()
	plan, out := b.make(spec.Backup{Incremental: true, Include: []string{"d.t/p1"}}, nil)
	if len(plan.Gone) > 0 || out.Carried != 1 {
		t.Errorf("gone %q, carried %d", plan.Gone, out.Carried)
	}
	b.sql("ALTER TABLE d.t DROP PARTITION p2", "DROP TABLE d.pk")
	if plan, _ := b.make(spec.Backup{Incremental: true, Base: base}, nil); !slices.Equal(plan.Gone, []string{"d.t/p2", "d.pk"}) {
		t.Errorf("gone %q", plan.Gone)
	}
}

// A pattern of what was dropped since the base was made stops nothing; one that is wrong from the beginning does.
func TestAPatternOfWhatWasDroppedIsAWarning(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	base := b.backUp()
	b.sql("DROP TABLE d.pk")
	plan, _ := b.make(spec.Backup{Incremental: true, Base: base, Include: []string{"d.t", "d.pk"}}, nil)
	if !says(plan.Warnings, "\"d.pk\" matches nothing") || !slices.Equal(plan.Gone, []string{"d.pk"}) {
		t.Errorf("warnings %q, gone %q", plan.Warnings, plan.Gone)
	}
	b.seed++
	err := b.run(b.acts.PlanBackup, activities.PlanBackupInput{Spec: spec.Backup{Cluster: "prod", Repository: "repo", Incremental: true, Include: []string{"d.t", "d.pk"}}, Point: b.point()}).err
	if err == nil || !strings.Contains(err.Error(), "matches nothing") {
		t.Errorf("%v", err)
	}
}

// Without OPERATE the schema versions cannot be read: the tables are backed up in full, and the result says why. A look
// of a migration goes by versions alone.
func TestWithoutTheSchemaVersionsAnIncrementalBackupIsFull(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	base := b.backUp()
	b.sql("CREATE USER keeper", "GRANT REPOSITORY, NODE ON SYSTEM TO USER keeper", "GRANT SELECT, EXPORT ON ALL TABLES IN DATABASE d TO USER keeper")
	b.acts = b.newWorker(options{user: "keeper"})
	b.seed++
	in := spec.Backup{Cluster: "prod", Repository: "repo", Incremental: true}
	var plan activities.BackupPlan
	b.must(&plan, b.acts.PlanBackup, activities.PlanBackupInput{Spec: in, Point: b.point()})
	if plan.Base != base || len(plan.Tables) != 2 || !plan.Tables[0].Full || !strings.Contains(plan.Tables[0].Why, "cannot be read: SHOW PROC needs the privilege OPERATE") {
		t.Errorf("%+v", plan)
	}
	in.Base = base
	var look spec.MigrateLook
	b.must(&look, b.acts.LookAtSource, in)
	if !look.Same() {
		t.Errorf("nothing has changed: %+v", look)
	}
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)")
	b.must(&look, b.acts.LookAtSource, in)
	if look.Partitions != 1 || len(look.Tables) != 1 || look.Tables[0].Why != "1 loaded since" {
		t.Errorf("a load: %+v", look)
	}
}

func TestALostSnapshotIsTakenAgain(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	first := b.manifest(b.backUp("d.t"))
	second := b.manifest(func() string {
		_, out := b.make(spec.Backup{Incremental: true}, nil)
		return out.Point
	}())
	if len(second.Snapshots) != 2 {
		t.Fatalf("snapshots %+v", second.Snapshots)
	}
	b.delete(first.Snapshots[0].InfoKey)
	plan, out := b.make(spec.Backup{Incremental: true}, nil)
	if !out.Complete || out.Carried != 1 || len(plan.Tables) != 1 || !strings.Contains(plan.Tables[0].Why, "gone from the repository") {
		t.Errorf("plan %+v, published %+v", plan.Tables, out)
	}

	t.Run("also while the backup runs", func(t *testing.T) {
		m := b.manifest(out.Point)
		gone := m.Find("d", "pk").Partitions[0].Snapshot
		_, late := b.make(spec.Backup{Incremental: true}, func() {
			for _, s := range m.Snapshots {
				if s.Label == gone {
					b.delete(s.InfoKey)
				}
			}
		})
		if late.Complete || late.FailedCount != 1 || !strings.Contains(late.Failed[0].Reason, "has gone from the repository") {
			t.Fatalf("published %+v", late)
		}
		if _, whole := b.make(spec.Backup{Resume: late.Point}, nil); !whole.Complete {
			t.Errorf("resume: %+v", whole)
		}
	})
}

func (b *bed) delete(key string) {
	b.Helper()
	if err := b.store.Delete(b.Context(), key); err != nil {
		b.Fatal(err)
	}
}

func TestATableAlteredAfterThePlanLosesWhatWasToBeCarried(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)")
	_, out := b.make(spec.Backup{Incremental: true}, func() { b.sql("ALTER TABLE d.t ADD COLUMN w INT") })
	if out.Complete || out.FailedCount != 2 || !strings.Contains(out.Failed[0].Reason, "changed during the backup") {
		t.Fatalf("published %+v", out)
	}
	_, whole := b.make(spec.Backup{Resume: out.Point}, nil)
	m := b.manifest(whole.Point)
	if !whole.Complete || len(m.Find("d", "t").Partitions) != 3 {
		t.Errorf("resume: %+v", whole)
	}
	content := b.sim.Content("d", "t")
	b.sql("DROP TABLE d.t FORCE")
	p := b.planRestore(spec.Restore{Point: whole.Point, Include: []string{"d.t"}})
	b.must(nil, b.acts.EnsureDatabase, "prod", "d")
	for _, unit := range p.Units {
		u := b.prepare(activities.UnitRef{Statement: activities.Restore, Cluster: "prod", Repository: "repo", Database: "d", Plan: p.Plan, Unit: unit})
		b.must(nil, b.acts.Submit, u)
		b.must(nil, b.acts.Await, u)
	}
	if got := b.sim.Content("d", "t"); got != content {
		t.Errorf("content differs:\n%s\nwant\n%s", got, content)
	}
}

// A table that changes between two units of a backup is given up, with what the first of them has made of it: only what was
// taken over by reference was carried.
func TestWhatABackupMadeItselfIsNotCarried(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	b.sql("INSERT INTO d.t VALUES ('2026-01-07', 7), ('2026-02-07', 8)")
	b.seed++
	in := spec.Backup{Cluster: "prod", Repository: "repo", Incremental: true, Limits: spec.Limits{MaxPartitionsPerUnit: 1}}
	var plan activities.BackupPlan
	b.must(&plan, b.acts.PlanBackup, activities.PlanBackupInput{Spec: in, Point: b.point()})
	d := plan.Databases[0]
	if len(d.Units) != 2 {
		t.Fatalf("%d units, want one for each of the two loaded partitions", len(d.Units))
	}
	outcome := activities.DatabaseOutcome{Database: d.Database, Plan: d.Plan}
	for _, unit := range d.Units {
		one := d
		one.Units = []restorepoint.Unit{unit}
		u := b.backupUnit(one)
		b.must(nil, b.acts.Submit, u)
		b.must(nil, b.acts.Await, u)
		b.must(nil, b.acts.Record, u)
		outcome.Completed = append(outcome.Completed, activities.Attempt{Unit: unit.Number, Attempt: unit.Attempt})
		if len(outcome.Completed) == 1 {
			b.sql("ALTER TABLE d.t ADD COLUMN w INT")
		}
	}
	publish := activities.PublishInput{Spec: in, Point: b.point(), Run: b.runSeed(), Created: time.Now(), Databases: []activities.DatabaseOutcome{outcome}}
	for _, attempt := range []string{"the first", "a later"} {
		var out activities.Published
		b.must(&out, b.acts.PublishManifest, publish)
		if out.Complete || out.FailedCount != 2 || out.Carried != 1 {
			t.Errorf("%s attempt at publishing: %+v, want table pk carried, and two partitions of t given up", attempt, out)
		}
	}
}
