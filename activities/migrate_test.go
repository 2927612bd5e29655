package activities_test

import (
	"slices"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// A table of which the source drops hundreds of partitions: what a history holds stays small, and all of them are found.
func TestWhatIsDroppedInGreatNumbersIsFoundByThePoints(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.sql("CREATE TABLE d.many (dt DATE NOT NULL, k INT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-09-01') EVERY (INTERVAL 1 DAY)) " +
		"DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	in := spec.Migrate{From: "prod", To: "prod", Repository: "repo"}
	applied := b.manifest(b.backUp("d.many"))
	all := len(applied.Find("d", "many").Partitions)
	point := applied
	point.ID = b.nextPoint()
	few := *applied.Find("d", "many")
	few.Partitions = few.Partitions[:3]
	point.Databases = []restorepoint.Database{{Name: "d", ID: applied.Databases[0].ID, Tables: []restorepoint.Table{few}}}
	b.rewrite(point)

	var plan activities.CatchUpPlan
	b.must(&plan, b.acts.PlanCatchUp, activities.CatchUpInput{Cluster: "prod", Repository: "repo", Applied: applied.ID, Point: point.ID})
	if all < 240 || plan.GoneCount != all-3 || len(plan.Gone) != spec.MaxListed || len(plan.Include) != 0 {
		t.Fatalf("of %d partitions %d are gone, %d of them named; brings %q", all, plan.GoneCount, len(plan.Gone), plan.Include)
	}
	for more, differ := range map[bool]int64{true: 0, false: int64(all - 3 - spec.MaxListed)} {
		var proof spec.MigrateProof
		b.must(&proof, b.acts.ProveMigration, activities.MigrationRef{Spec: in, Point: point.ID, Gone: plan.Gone, GoneMore: more})
		if proof.DifferCount != differ || proof.Compared != 3 {
			t.Errorf("names left out %t: %d partitions differ, want %d: %+v", more, proof.DifferCount, differ, proof)
		}
	}
	var dropped []string
	b.must(&dropped, b.acts.DropRemoved, activities.MigrationRef{Spec: in, Applied: applied.ID, Point: point.ID})
	if len(dropped) != spec.MaxListed || !strings.HasPrefix(dropped[0], "d.many/p2026") {
		t.Errorf("%d are named, the first %q", len(dropped), dropped[:1])
	}
	rows, err := b.sim.Query("SHOW PARTITIONS FROM d.many")
	if err != nil || len(rows) != 3 {
		t.Errorf("%d partitions are left, want 3: %v", len(rows), err)
	}
}

// What belongs to the cluster is named, but for what every cluster has.
func TestWhatAMigrationCannotBringIsNamed(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.sql("CREATE USER ann", "CREATE ROLE readers",
		"CREATE RESOURCE GROUP etl TO (user='ann'), (db='d') WITH ('cpu_weight'='2', 'mem_limit'='20%')",
		"CREATE STORAGE VOLUME cold TYPE = S3 LOCATIONS = ('s3://cold/x')")
	check := func() (list []string) {
		t.Helper()
		var out spec.MigrateCheck
		b.must(&out, b.acts.CheckMigration, spec.Migrate{From: "prod", To: "prod", Repository: "repo"})
		for _, n := range out.NotCrossed {
			list = append(list, n.Kind+" "+n.Name)
			if !strings.Contains(n.Reason, "belongs to the cluster") {
				t.Errorf("%+v", n)
			}
		}
		return list
	}
	if got, want := check(), []string{"user 'ann'@'%'", "role readers", "resource group etl", "storage volume cold"}; !slices.Equal(got, want) {
		t.Errorf("named: %q, want %q", got, want)
	}
	b.sql("DROP RESOURCE GROUP etl", "DROP STORAGE VOLUME cold", "DROP USER ann", "DROP ROLE readers")
	if got := check(); len(got) > 0 {
		t.Errorf("with nothing of its own: %q", got)
	}
}
