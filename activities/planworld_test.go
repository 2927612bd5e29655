package activities_test

import (
	"slices"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

var holdAlter = starrockssim.Fault{Type: "ALTER"}

// says tells whether one of the texts holds part.
func says(texts []string, part string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, part) })
}

// TestPlansCountRoomAndTime: all replicas, on each BE.
func TestPlansCountRoomAndTime(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	plan := b.plan(spec.Restore{})
	var bytes int64
	for _, row := range plan.Tables {
		bytes += row.Bytes
	}
	if plan.Space == nil || plan.Space.Needed != bytes || plan.Space.Available < 1<<30 || len(plan.Space.Backends) != 3 || len(plan.Blocked) > 0 {
		t.Fatalf("%+v, blocked %q; want the %d bytes of the tables", plan.Space, plan.Blocked, bytes)
	}
	if again := b.plan(spec.Restore{ReplicationNum: 3}); again.Space.Needed != 3*bytes {
		t.Errorf("three replicas need %d, want %d", again.Space.Needed, 3*bytes)
	}
	if e := plan.Estimate; e == nil || e.Statements != 1 || e.BytesPerSecond != 1<<30 || !strings.Contains(e.Basis, "bytesPerSecond") {
		t.Errorf("%+v", e)
	}
	b.sim.SetCapacity(1, 10, 100)
	plan = b.plan(spec.Restore{})
	if !says(plan.Blocked, "10 B free") || !says(plan.Blocked, "127.0.0.2") {
		t.Errorf("blocked: %q", plan.Blocked)
	}
	b.sim.SetCapacity(1, 1<<40, 1<<41)
	if plan = b.plan(spec.Restore{}); len(plan.Blocked) > 0 {
		t.Errorf("blocked: %q", plan.Blocked)
	}
}

// TestPlansNameMissingPrivileges: of the profile's own user, who may see its own grants alone.
func TestPlansNameMissingPrivileges(t *testing.T) {
	const system = "GRANT REPOSITORY, OPERATE ON SYSTEM TO USER keeper"
	all := []string{system, "GRANT EXPORT, SELECT, INSERT, ALTER, DROP ON ALL TABLES IN ALL DATABASES TO USER keeper", "GRANT CREATE TABLE ON ALL DATABASES TO USER keeper",
		"GRANT CREATE DATABASE ON CATALOG default_catalog TO USER keeper"}
	without := func(part string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.Contains(s, part) })
	}
	for _, c := range []struct {
		name   string
		grants []string
		in     spec.Restore
		lacks  string
	}{
		{"all that is needed", all, spec.Restore{}, ""},
		{"no CREATE TABLE", without("CREATE TABLE"), spec.Restore{}, "CREATE TABLE ON DATABASE d"},
		{"no CREATE DATABASE", without("CREATE DATABASE"), spec.Restore{Rename: map[string]string{"d": "e"}}, "CREATE DATABASE ON CATALOG"},
		{"CREATE DATABASE is not needed", without("CREATE DATABASE"), spec.Restore{}, ""},
		{"sees nothing new", append(without("ALL TABLES"), "GRANT SELECT, ALTER ON TABLE d.t TO USER keeper", "GRANT SELECT, ALTER ON TABLE d.pk TO USER keeper"), spec.Restore{}, "SELECT ON ALL TABLES IN DATABASE d"},
		{"no ALTER", append(without("ALL TABLES"), "GRANT SELECT ON ALL TABLES IN DATABASE d TO USER keeper"), spec.Restore{}, "ALTER ON TABLE d.t"},
		{"by a role", []string{system, "CREATE ROLE r", "GRANT SELECT, ALTER ON ALL TABLES IN DATABASE d TO ROLE r", "GRANT CREATE TABLE ON DATABASE d TO ROLE r", "GRANT r TO USER keeper"}, spec.Restore{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			b.backUp()
			b.sql("CREATE USER keeper")
			b.sql(c.grants...)
			b.acts = b.newWorker(options{user: "keeper"})
			c.in.SkipGrants = true
			plan := b.plan(c.in)
			if c.lacks == "" && len(plan.Blocked) > 0 || c.lacks != "" && !says(plan.Blocked, c.lacks) {
				t.Errorf("blocked: %q; want %q", plan.Blocked, c.lacks)
			}
		})
	}
}

// TestPlansStopWhereGrantsWouldBeLost: unreadable grants, and the consent.
func TestPlansStopWhereGrantsWouldBeLost(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	b.sql("CREATE USER keeper", "GRANT REPOSITORY, OPERATE ON SYSTEM TO USER keeper", "GRANT SELECT, ALTER ON ALL TABLES IN DATABASE d TO USER keeper", "GRANT CREATE TABLE ON DATABASE d TO USER keeper")
	b.acts = b.newWorker(options{user: "keeper"})
	if row := rowOf(b.plan(spec.Restore{}), "t"); row.Action != spec.ActionRefuse || !strings.Contains(row.Note, "user_admin") {
		t.Errorf("%+v", row)
	}
	if row := rowOf(b.plan(spec.Restore{SkipGrants: true}), "t"); row.Action != spec.ActionSwap {
		t.Errorf("with skipGrants: %+v", row)
	}
}

// TestPlansShowWhatHangsOnATable: views in any database, grants, colocation.
func TestPlansShowWhatHangsOnATable(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	b.sql("CREATE DATABASE e", "CREATE VIEW e.seen AS SELECT dt FROM d.t", "CREATE VIEW e.other AS SELECT k FROM d.pk",
		"CREATE USER ann", "GRANT SELECT, INSERT ON TABLE d.t TO USER ann")
	plan := b.plan(spec.Restore{})
	got := rowOf(plan, "t").Dependents
	if got == nil || !slices.Equal(got.Views, []string{"e.seen"}) || got.Grants != 2 {
		t.Errorf("t: %+v", got)
	}
	if got := rowOf(plan, "pk").Dependents; got == nil || !slices.Equal(got.Views, []string{"e.other"}) || got.Grants != 0 {
		t.Errorf("pk: %+v", got)
	}
}

// TestPlansWarnOfBackends that will hold the restore up.
func TestPlansWarnOfBackends(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{timing: func(x *activities.Timing) { x.HeartbeatAge = -1 }})
	b.tables()
	b.backUp()
	if plan := b.plan(spec.Restore{}); !says(plan.Warnings, "has not answered for") {
		t.Errorf("an old heartbeat: %q", plan.Warnings)
	}
	b.sim.StopBackend(2)
	b.until("the dead BE", func() bool { return says(b.plan(spec.Restore{}).Warnings, "is not alive") })
}

// TestPlansSayWhereReplicasAreFewer than at the backup: the target has fewer hosts.
func TestPlansSayWhereReplicasAreFewer(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.sql("CREATE DATABASE d", "CREATE TABLE d.three (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='3')")
	b.backUp()
	if row := rowOf(b.plan(spec.Restore{}), "three"); strings.Contains(row.Note, "replicas") {
		t.Errorf("on three hosts: %s", row.Note)
	}
	b.sim.StopBackend(2)
	b.until("the dead BE", func() bool {
		return strings.Contains(rowOf(b.plan(spec.Restore{}), "three").Note, "with 2 replicas, it had 3")
	})
	if row := rowOf(b.plan(spec.Restore{ReplicationNum: 1}), "three"); strings.Contains(row.Note, "it had") {
		t.Errorf("asked for one: %s", row.Note)
	}
}

// TestThePlanDigest changes with what matters, and with nothing else.
func TestThePlanDigest(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	digest := func(in spec.Restore) string { return b.plan(in).Digest }
	before := digest(spec.Restore{})
	if again := digest(spec.Restore{}); again != before || before == "" {
		t.Fatalf("the same plan: %s, then %s", before, again)
	}
	b.sql("INSERT INTO d.t VALUES ('2026-01-07', 77)")
	if after := digest(spec.Restore{}); after != before {
		t.Errorf("a load changes the plan: %s, then %s", before, after)
	}
	for _, c := range []struct {
		name string
		sql  []string
		in   spec.Restore
		says string
	}{
		{"other options", nil, spec.Restore{OnExisting: spec.OnExistingRename}, "what is done to which tables"},
		{"another selection", nil, spec.Restore{Include: []string{"d.t"}}, "what is done to which tables"},
		{"a column more", []string{"ALTER TABLE d.pk ADD COLUMN x INT"}, spec.Restore{}, "definition"},
		{"another table of the name", []string{"CREATE TABLE d.t2 (dt DATE NOT NULL, id BIGINT NOT NULL) DUPLICATE KEY(dt, id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='1')", "ALTER TABLE d.t SWAP WITH t2"},
			spec.Restore{}, "which tables are there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.T = t
			before := digest(spec.Restore{})
			b.sql(c.sql...)
			after := digest(c.in)
			if got := restorepoint.PlanChanges(before, after); !strings.Contains(got, c.says) {
				t.Errorf("%s, then %s: %q, want %q", before, after, got, c.says)
			}
		})
	}
	b.T = t
	other := b.backUp()
	if got := restorepoint.PlanChanges(before, b.plan(spec.Restore{Point: other}).Digest); !strings.Contains(got, "the restore point") {
		t.Errorf("another point: %q", got)
	}
}

// TestPlansWarnOfOlderTargets: what a newer StarRocks wrote, an older one may not read (facts §10.2).
func TestPlansWarnOfOlderTargets(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	for _, c := range []struct{ version, says string }{
		{"3.3.5-6d81f75", "before 3.4 may not find the tablets"},
		{"3.4.2-37c7c51", "runs the older 3.4.2"},
		{"3.5.7-37c7c51", ""},
		{"4.1.0-37c7c51", ""},
	} {
		t.Run(c.version, func(t *testing.T) {
			sim, err := starrockssim.Start(starrockssim.Options{Tick: tick, ClusterID: 4712, Version: c.version})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(sim.Close)
			fe, err := starrocks.Open(starrocks.Config{Addresses: sim.Addresses(), User: "root"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fe.Close() })
			b.T = t
			b.acts = activities.New([]*activities.Cluster{{Name: "dr", FE: fe, Timing: b.timing, Limits: activities.Limits{BytesPerSecond: 1 << 30}}},
				[]*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Kind: activities.KindFile, Store: b.store}})
			var plan activities.RestorePlan
			b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: spec.Restore{Cluster: "dr", SourceCluster: "prod", Repository: "repo", DryRun: true}, Run: "x", ID: "x"})
			if c.says == "" && says(plan.Warnings, "older") || c.says != "" && !says(plan.Warnings, c.says) {
				t.Errorf("warnings: %q; want %q", plan.Warnings, c.says)
			}
		})
	}
}
