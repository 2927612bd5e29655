package activities_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// An exchange of a base turns views on it inactive, and those that read them; FEs may disagree about it.
func TestViewsAreActivatedOnEveryFrontend(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{frontends: 2})
	b.tables()
	b.sql("CREATE MATERIALIZED VIEW d.z DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES('replication_num'='1') AS SELECT k, v FROM d.pk",
		"CREATE MATERIALIZED VIEW d.a DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES('replication_num'='1') AS SELECT k FROM d.z",
		"CREATE MATERIALIZED VIEW d.off DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES('replication_num'='1') AS SELECT k FROM d.pk")
	b.backUp("d.pk")
	b.seed++
	var plan activities.RestorePlan
	b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: spec.Restore{Cluster: "prod", Repository: "repo"}, Run: b.runSeed(), ID: b.runSeed()})
	if plan.Views == nil {
		t.Fatalf("the plan of a swap has no views to look after: %+v", plan)
	}
	b.sql("CREATE TABLE d.other (k INT NOT NULL, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"INSERT INTO d.other VALUES (7, 70)", "ALTER MATERIALIZED VIEW d.off INACTIVE", "ALTER TABLE d.pk SWAP WITH other")
	if err := b.sim.DoubtView(1, "d", "z", "base-table swapped: pk"); err != nil {
		t.Fatal(err)
	}
	ref := activities.ViewsRef{Cluster: "prod", Repository: "repo", Plan: plan.Views.Plan}
	var activated, refreshed activities.ViewRows
	b.must(&activated, b.acts.ActivateViews, ref)
	b.must(&refreshed, b.acts.RefreshViews, ref)
	done := map[string]string{}
	for _, row := range activated.Rows {
		done[row.Name] = row.Done
	}
	if done["z"] != spec.ViewActive || done["a"] != spec.ViewActive || done["off"] != spec.ViewLeft || activated.Troubled != 0 {
		t.Errorf("activated: %+v", activated.Rows)
	}
	if len(refreshed.Rows) != 2 || refreshed.Troubled != 0 {
		t.Errorf("refreshed: %+v; want z and a", refreshed.Rows)
	}
	if got := b.sim.Content("d", "a"); !strings.Contains(got, "1 rows") {
		t.Errorf("a does not hold what the new base has:\n%s", got)
	}
}

// Databases that others drop meanwhile have no views to look after, and stop neither a plan nor an activation.
func TestViewsAreFoundWhileDatabasesGo(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.sql("CREATE MATERIALIZED VIEW d.z DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES('replication_num'='1') AS SELECT k, v FROM d.pk")
	b.backUp("d.pk")
	b.seed++
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for i := range 4 {
		others.Go(func() {
			for ctx.Err() == nil {
				_ = b.sim.Exec(fmt.Sprintf("CREATE DATABASE passing%d", i))
				_ = b.sim.Exec(fmt.Sprintf("DROP DATABASE passing%d FORCE", i))
			}
		})
	}
	defer others.Wait()
	defer stop()
	for range 20 {
		var plan activities.RestorePlan
		b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: spec.Restore{Cluster: "prod", Repository: "repo"}, Run: b.runSeed(), ID: b.runSeed()})
		var activated activities.ViewRows
		b.must(&activated, b.acts.ActivateViews, activities.ViewsRef{Cluster: "prod", Repository: "repo", Plan: plan.Views.Plan})
	}
}
