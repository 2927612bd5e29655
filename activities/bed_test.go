package activities_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

// tick is the FE's tick in these tests: 3 s in StarRocks. All clocks scale with it.
const tick = 10 * time.Millisecond

// bed is a simulated cluster, a repository in a directory and the activities of one worker.
type bed struct {
	*testing.T
	sim    *starrockssim.Cluster
	store  storage.Store
	dir    string // of the repository
	timing activities.Timing
	acts   *activities.Activities
	seed   int             // of labels
	open   map[string]bool // workflows that a prune is to find under way, by id

	location string
	onTables []string // statements once there are tables

	others  []*activities.Repository // further repository profiles
	mirrors []*activities.Mirror
	current string // prefix of the snapshot that a test looks at

	backupPlan  activities.PlanRef // of the last restore point made, and its units
	backupUnits []restorepoint.Unit
}

// options of a bed. Zero values are defaults.
type options struct {
	frontends, backends int
	through             func(t *testing.T, fe string) (address string) // a proxy before each FE
	timing              func(*activities.Timing)
	user                string // default root
}

func newBed(t *testing.T, o options) *bed {
	t.Helper()
	dir := t.TempDir() // before the simulator: it goes when that has ended
	sim, err := starrockssim.Start(starrockssim.Options{Tick: tick, Frontends: o.frontends, Backends: o.backends})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	b := &bed{T: t, sim: sim, dir: dir}
	b.timing = activities.Timing{
		Poll: tick / 2, Heartbeat: time.Second, Tick: tick, ErrorStall: 15 * tick, StallWarn: time.Minute, StallCancel: time.Minute,
		HungJob: 15 * tick, Settle: tick, HeartbeatAge: 10 * time.Second, LostJob: 20 * tick, SubmitRetry: tick,
	}
	if o.timing != nil {
		o.timing(&b.timing)
	}
	location := "file://" + filepath.ToSlash(b.dir)
	if b.store, err = storage.Open(t.Context(), storage.Config{Location: location}); err != nil {
		t.Fatal(err)
	}
	b.sql(fmt.Sprintf(`CREATE REPOSITORY r WITH BROKER ON LOCATION "%s"`, location))
	b.location = location
	b.acts = b.newWorker(o)
	return b
}

// newWorker makes the activities that a worker of its own would have.
func (b *bed) newWorker(o options) *activities.Activities {
	b.Helper()
	if o.user == "" {
		o.user = "root"
	}
	config := starrocks.Config{User: o.user, Timeout: 5 * time.Second, Reach: map[string]string{}}
	for _, address := range b.sim.Addresses() {
		to := address
		if o.through != nil {
			to = o.through(b.T, address)
		}
		config.Addresses = append(config.Addresses, to)
		config.Reach[address] = to
	}
	fe, err := starrocks.Open(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fe.Close() })
	return activities.New(
		[]*activities.Cluster{{Name: "prod", FE: fe, Timing: b.timing, Limits: activities.Limits{UnitDuration: time.Minute, BytesPerSecond: 1 << 30}}},
		append([]*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Store: b.store}}, b.others...),
		b.mirrors...)
}

func (b *bed) sql(statements ...string) {
	b.Helper()
	for _, s := range statements {
		if err := b.sim.Exec(s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// tables makes database d: t has three RANGE partitions of two tablets, pk a primary key and two tablets.
func (b *bed) tables() {
	b.Helper()
	b.sql("CREATE DATABASE d",
		"CREATE TABLE d.t (dt DATE NOT NULL, id BIGINT NOT NULL) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), PARTITION p3 VALUES LESS THAN ('2026-04-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"CREATE TABLE d.pk (k INT NOT NULL, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"INSERT INTO d.t VALUES ('2026-01-05', 1), ('2026-01-06', 2), ('2026-02-05', 3), ('2026-02-06', 4), ('2026-03-05', 5), ('2026-03-06', 6)",
		"INSERT INTO d.pk VALUES (1, 10), (2, 20), (3, 30), (4, 40)")
	b.sql(b.onTables...)
}

// planBackup plans databases; each comes with one unit.
func (b *bed) planBackup(include ...string) activities.BackupPlan {
	b.Helper()
	b.seed++
	var plan activities.BackupPlan
	b.must(&plan, b.acts.PlanBackup, activities.PlanBackupInput{
		Spec: spec.Backup{Cluster: "prod", Repository: "repo", Include: include}, Point: b.point(),
	})
	return plan
}

func (b *bed) point() string {
	return restorepoint.NewPointID(time.Date(2026, 11, 22, 0, 0, b.seed, 0, time.UTC), fmt.Sprint(b.Name(), b.seed))
}

func (b *bed) runSeed() string { return fmt.Sprint(strings.ReplaceAll(b.Name(), "/", "-"), b.seed) }

// backupUnit is the first attempt at the only unit of a planned database.
func (b *bed) backupUnit(p activities.PlannedDatabase) activities.UnitRef {
	b.Helper()
	if len(p.Units) != 1 {
		b.Fatalf("%d units planned, want 1", len(p.Units))
	}
	unit := p.Units[0]
	return activities.UnitRef{
		Statement: activities.Backup, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan, Unit: unit,
		Label: restorepoint.Label(p.Database, b.runSeed(), unit.Number, unit.Attempt),
	}
}

// unit plans a backup and gives its unit of database d.
func (b *bed) unit(include ...string) activities.UnitRef {
	b.Helper()
	return b.backupUnit(b.planBackup(include...).Databases[0])
}

// again is the next attempt at a unit: another label or timestamp, prepared.
func (b *bed) again(u activities.UnitRef) activities.UnitRef {
	b.Helper()
	u.Unit.Attempt++
	if u.Statement == activities.Backup {
		u.Label = restorepoint.Label(u.Database, b.runSeed(), u.Unit.Number, u.Unit.Attempt)
		return u
	}
	return b.prepare(u)
}

// backUp makes a restore point of what is selected.
func (b *bed) backUp(include ...string) (point string) {
	b.Helper()
	return b.backUpAs(spec.Backup{Include: include})
}

// backUpAs makes a restore point of what a spec selects.
func (b *bed) backUpAs(as spec.Backup) (point string) {
	b.Helper()
	as.Cluster, as.Repository = "prod", "repo"
	plan := b.planBackup(as.Include...)
	in := activities.PublishInput{Spec: as, Point: b.point(), Run: b.runSeed(), Created: time.Now()}
	for _, p := range plan.Databases {
		b.backupPlan, b.backupUnits = p.Plan, p.Units
		u := b.backupUnit(p)
		b.must(nil, b.acts.Submit, u)
		b.must(nil, b.acts.Await, u)
		b.must(nil, b.acts.Record, u)
		in.Databases = append(in.Databases, activities.DatabaseOutcome{
			Database: p.Database, Plan: p.Plan, Completed: []activities.Attempt{{Unit: u.Unit.Number, Attempt: u.Unit.Attempt}},
		})
	}
	var out activities.Published
	b.must(&out, b.acts.PublishManifest, in)
	if !out.Complete {
		b.Fatalf("restore point is not complete: %+v", out)
	}
	return out.Point
}

// planRestore plans a restore into one database, with one unit.
func (b *bed) planRestore(in spec.Restore) activities.PlannedDatabase {
	b.Helper()
	b.seed++
	in.Cluster, in.Repository = "prod", "repo"
	var plan activities.RestorePlan
	b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: in, Run: b.runSeed(), ID: fmt.Sprint("run", b.seed)})
	if len(plan.Databases) != 1 || plan.Refused > 0 {
		b.Fatalf("restore plan: %+v", plan)
	}
	return plan.Databases[0]
}

// restoreUnit prepares the first attempt at the unit of a planned restore.
func (b *bed) restoreUnit(p activities.PlannedDatabase) activities.UnitRef {
	b.Helper()
	if len(p.Units) != 1 {
		b.Fatalf("%d units planned, want 1", len(p.Units))
	}
	return b.prepare(activities.UnitRef{
		Statement: activities.Restore, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan, Unit: p.Units[0],
	})
}

// stamps counts the timestamps that were made: no two attempts share one.
var stamps atomic.Int64

var firstStamp = time.Now()

func (b *bed) prepare(u activities.UnitRef) activities.UnitRef {
	b.Helper()
	u.Timestamp = activities.Timestamp(firstStamp.Add(time.Duration(stamps.Add(1)) * time.Millisecond))
	u.Beside = activities.BesidePrefix + strings.TrimPrefix(restorepoint.Label(u.Database, b.runSeed(), u.Unit.Number, u.Unit.Attempt), "sk_")
	u.Label = ""
	var p activities.Prepared
	b.must(&p, b.acts.Prepare, u)
	u.Label, u.Replication = p.Label, p.Replication
	return u
}

// job is the row of SHOW BACKUP or SHOW RESTORE by column; nil if there is none.
func (b *bed) job(kind, db string) map[string]string {
	b.Helper()
	columns := map[string][]string{
		"BACKUP":  {"JobId", "Label", "DbName", "State", "", "", "", "", "", "Unfinished", "", "TaskErrMsg", "Status"},
		"RESTORE": {"JobId", "Label", "Timestamp", "DbName", "State", "", "", "", "", "", "", "", "", "Unfinished", "", "TaskErrMsg", "Status"},
	}[kind]
	rows, err := b.sim.Query("SHOW " + kind + " FROM `" + db + "`")
	if err != nil || len(rows) == 0 {
		return nil
	}
	row := map[string]string{}
	for i, name := range columns {
		row[name] = rows[0][i]
	}
	return row
}

func (b *bed) state(kind, db string) string { return b.job(kind, db)["State"] }

// until polls for a condition.
func (b *bed) until(what string, ok func() bool) {
	b.Helper()
	poll := time.NewTicker(tick / 4)
	defer poll.Stop()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			b.Fatalf("gave up waiting for %s; the jobs are %v %v", what, b.job("BACKUP", "d"), b.job("RESTORE", "d"))
		}
		<-poll.C
	}
}

func (b *bed) reach(kind, db, state string) {
	b.Helper()
	b.until(kind+" of "+db+" in "+state, func() bool { return b.state(kind, db) == state })
}

// changing are the statements that matter in a column "statements sent".
var changing = []string{"BACKUP", "RESTORE", "CANCEL BACKUP", "CANCEL RESTORE", "ALTER", "DROP", "GRANT", "REVOKE", "CREATE", "TRUNCATE", "INSERT"}

// sent lists, from the n-th statement on, what the FEs were sent that could change something: its verb, and "!" if it
// was refused.
func (b *bed) sent(from int) string {
	var list []string
	for _, s := range b.sim.Statements()[from:] {
		for _, verb := range changing {
			if !strings.HasPrefix(s.SQL, verb+" ") {
				continue
			}
			if s.Err != nil {
				verb += "!"
			}
			list = append(list, verb)
		}
	}
	return strings.Join(list, ", ")
}

func (b *bed) sentSoFar() int { return len(b.sim.Statements()) }

// left says what lies in the repository under a label.
func (b *bed) left(label string) string {
	b.Helper()
	prefix := starrocks.Snapshot{Repository: "r", Label: label}.Prefix()
	kinds := map[starrocks.KeyKind]bool{}
	for o, err := range b.store.List(b.Context(), prefix) {
		if err != nil {
			b.Fatal(err)
		}
		k, err := starrocks.ParseKey(o.Key)
		if err != nil {
			b.Fatal(err)
		}
		kinds[k.Kind] = true
	}
	switch {
	case kinds[starrocks.KeyInfo]:
		return "whole"
	case len(kinds) > 0:
		return "tablets"
	}
	return "nothing"
}

// tableNames lists the tables of a database.
func (b *bed) tableNames(db string) []string {
	rows, err := b.sim.Query("SHOW TABLES FROM `" + db + "`")
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	slices.Sort(names)
	return names
}

func contains(text, part string) bool { return strings.Contains(text, part) }
