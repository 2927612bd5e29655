package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// migration is one under way between the bed's cluster and a further one.
type migration struct {
	*testing.T
	b     *testbed.Bed
	other *starrockssim.Cluster
	run   client.WorkflowRun
}

func startMigration(t *testing.T, b *testbed.Bed, other *starrockssim.Cluster, in spec.Migrate) *migration {
	t.Helper()
	in.From, in.To, in.Repository = testbed.ClusterName, otherCluster, testbed.RepositoryName
	id := spec.MigrateID(in.From, unique())
	run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.MigrateWorkflow, in)
	if err != nil {
		t.Fatal(err)
	}
	return &migration{T: t, b: b, other: other, run: run}
}

func (m *migration) progress() (p spec.MigrateProgress) {
	answer, err := m.b.Client.QueryWorkflow(m.Context(), m.run.GetID(), "", spec.QueryProgress)
	if err != nil || answer.Get(&p) != nil {
		return spec.MigrateProgress{}
	}
	return p
}

// until waits for a progress, or fails with the run's own error.
func (m *migration) until(what string, met func(spec.MigrateProgress) bool) {
	m.Helper()
	eventually(m.T, what, func() bool { return met(m.progress()) })
}

func (m *migration) send(update string) {
	m.Helper()
	handle, err := m.b.Client.UpdateWorkflow(m.Context(), client.UpdateWorkflowOptions{WorkflowID: m.run.GetID(), UpdateName: update, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		m.Fatal(err)
	}
	var answer spec.MigrateAnswer
	if err := handle.Get(m.Context(), &answer); err != nil || answer.Note == "" {
		m.Fatalf("%s: %+v, %v", update, answer, err)
	}
}

func (m *migration) ended() (spec.MigrateResult, error) {
	m.Helper()
	var out spec.MigrateResult
	err := m.run.Get(m.Context(), &out)
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &app) && app.HasDetails():
		_ = app.Details(&out)
	case errors.As(err, &canceled) && canceled.HasDetails():
		_ = canceled.Details(&out)
	}
	return out, err
}

// sameOnBoth compares tables of both clusters.
func (m *migration) sameOnBoth(tables ...[2]string) {
	m.Helper()
	for _, t := range tables {
		if got, want := m.other.Content(t[0], t[1]), m.b.Sim.Content(t[0], t[1]); got != want {
			m.Errorf("%v on the target:\n%s\nwant\n%s", t, got, want)
		}
	}
}

// onlyRead fails the test if the source was sent anything else than BACKUP and questions.
func (m *migration) onlyRead(from int) {
	m.Helper()
	for _, s := range m.b.Sim.Statements()[from:] {
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(s.SQL)), " ")
		if !slices.Contains([]string{"SHOW", "SELECT", "SET", "BACKUP", "ADMIN"}, verb) || strings.HasPrefix(s.SQL, "ADMIN SET") {
			m.Errorf("the source was sent %s", s.SQL)
		}
	}
}

func TestAMigrationCatchesUpWithLoadsAndSwitches(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	other := b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	partitioned(t, b)
	b.Must(t, "CREATE VIEW sales.totals AS SELECT city, SUM(amount) AS amount FROM sales.orders GROUP BY city")
	b.Must(t, "CREATE TABLE sales.gone (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	b.Must(t, "CREATE RESOURCE GROUP etl TO (db='sales') WITH ('cpu_weight'='2', 'mem_limit'='20%')")
	b.Must(t, "CREATE STORAGE VOLUME cold TYPE = S3 LOCATIONS = ('s3://cold/x')")
	sent := len(b.Sim.Statements())

	// Loads go on through the bulk and the first rounds; each round's BACKUP sets one off.
	var loads atomic.Int64
	b.Sim.OnState(func(_, kind, state string) {
		n := loads.Load()
		if kind != "BACKUP" || state != "UPLOADING" || n >= 6 {
			return
		}
		loads.Add(1)
		for _, sql := range []string{
			fmt.Sprintf("INSERT INTO sales.orders VALUES ('2026-02-%02d', %d, 'Kiel', 1)", 10+n, 100+n),
			fmt.Sprintf("INSERT INTO sales.customers VALUES (2, 'Bob %d')", n),
			fmt.Sprintf("INSERT INTO parts.automatic VALUES ('2026-02-%02d 12:00:00', %d)", 10+n, n),
			fmt.Sprintf("INSERT INTO parts.lists VALUES ('Oslo', %d)", n),
			fmt.Sprintf("INSERT INTO parts.ranges (dt, `select`) VALUES ('2026-01-03', %d)", n),
		} {
			if err := b.Sim.Exec(sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	m := startMigration(t, b, other, spec.Migrate{SmallPartitions: 1, SmallBytes: 1, Settle: spec.Duration(10 * time.Millisecond), Interval: spec.Duration(time.Hour), DropRemoved: true})
	m.until("the difference to be small", func(p spec.MigrateProgress) bool { return p.Ready })
	p := m.progress()
	if len(p.Rounds) < 2 || p.Rounds[1].BackedUp == 0 || p.Rounds[1].BackedUp >= p.Rounds[0].BackedUp || p.Rounds[1].Bytes >= p.Rounds[0].Bytes {
		t.Errorf("rounds: %+v", p.Rounds)
	}
	// While it waits: what a table can go through.
	for _, sql := range []string{
		"INSERT INTO web.hits VALUES ('2026-01-09', 'late', 5)",
		"DROP TABLE sales.gone",
		"ALTER TABLE parts.ranges DROP PARTITION p20260105",
		"TRUNCATE TABLE parts.keyed PARTITION(p20260102)",
		"CREATE TABLE sales.fresh (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')",
		"INSERT INTO sales.fresh VALUES (1)",
		"DROP TABLE parts.plain",
		"CREATE TABLE parts.plain (k BIGINT, w INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')",
		"INSERT INTO parts.plain VALUES (9, 9)",
		"ALTER TABLE parts.sums DROP PARTITION p20260101", // another one takes its range
		"ALTER TABLE parts.sums ADD PARTITION january VALUES [('2026-01-01'), ('2026-01-02'))",
		"INSERT INTO parts.sums VALUES ('2026-01-01', 3)",
	} {
		b.Must(t, sql)
	}
	m.send(spec.UpdateSwitch)
	out, err := m.ended()
	if err != nil || !out.Switched || out.Late != nil || out.Report == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	if out.Proof == nil || out.Proof.DifferCount != 0 || out.Proof.NotCompared != 0 || out.Proof.Compared < 25 {
		t.Errorf("proof: %+v", out.Proof)
	}
	tables := append(slices.Clone(salesTables), [2]string{"sales", "fresh"})
	for _, name := range partitionedTables {
		tables = append(tables, [2]string{"parts", name})
	}
	m.sameOnBoth(tables...)
	if !slices.Contains(out.Removed, "sales.gone") || !slices.Contains(out.Removed, "parts.ranges/p20260105") || len(out.Dropped) != 3 {
		t.Errorf("removed %q, dropped %q", out.Removed, out.Dropped)
	}
	if !strings.Contains(strings.Join(out.Warnings, "\n"), "parts.sums is brought over whole: the range of partition january overlaps that of p20260101") {
		t.Errorf("warnings: %q", out.Warnings)
	}
	if rows, err := other.Query("SELECT * FROM sales.totals"); err != nil || len(rows) == 0 {
		t.Errorf("the view on the target: %v, %v", rows, err)
	}
	for _, want := range [][2]string{{"resource group", "etl"}, {"storage volume", "cold"}} {
		if !slices.ContainsFunc(out.NotCrossed, func(n spec.NotCrossed) bool { return n.Kind == want[0] && n.Name == want[1] }) {
			t.Errorf("%s %s is not on the list of what does not cross: %+v", want[0], want[1], out.NotCrossed)
		}
	}
	m.onlyRead(sent)
	if got := repositoriesOf(t, other); !strings.Contains(got, "repo readOnly=true") {
		t.Errorf("repositories of the target: %s", got)
	}
}

// A load that comes after the switch's last round is named, and the run does not end well.
func TestALoadAfterTheLastRoundIsNamed(t *testing.T) {
	t.Parallel()
	b, other := testbed.Start(t, testbed.Options{}), (*starrockssim.Cluster)(nil)
	other = b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	m := startMigration(t, b, other, spec.Migrate{Include: []string{"sales"}, Settle: spec.Duration(10 * time.Millisecond), Interval: spec.Duration(time.Hour)})
	m.until("the switch to be possible", func(p spec.MigrateProgress) bool { return p.Ready })
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-20', 7, 'Lyon', 70)")
	var once atomic.Bool
	other.OnState(func(_, kind, state string) { // the last round is on its way: its snapshots are taken
		if kind == "RESTORE" && state == "DOWNLOADING" && !once.Swap(true) {
			if err := b.Sim.Exec("INSERT INTO sales.customers VALUES (4, 'Late')"); err != nil {
				t.Error(err)
			}
		}
	})
	m.send(spec.UpdateSwitch)
	out, err := m.ended()
	if errorType(err) != spec.ErrorPartialFailure || !out.Switched || out.Late == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if len(out.Late.Tables) != 1 || out.Late.Tables[0].Table != "customers" || !strings.Contains(err.Error(), "sales.customers") {
		t.Errorf("late: %+v; %v", out.Late, err)
	}
	if out.Proof.DifferCount != 0 {
		t.Errorf("what was brought over is whole: %+v", out.Proof)
	}
	m.sameOnBoth([2]string{"sales", "orders"})
}

func runPrune(t *testing.T, b *testbed.Bed, in spec.Prune) (out spec.PruneResult) {
	t.Helper()
	in.Cluster, in.Where = testbed.ClusterName, testbed.RepositoryName
	if err := execute(t, b, spec.PruneWorkflow, spec.PruneID(in.Cluster, in.Where), in, &out); err != nil {
		t.Fatalf("prune: %v", err)
	}
	return out
}

// A prune by schedule knows of a migration that waits: the restore point that its next round goes on from stays, whatever the
// policy says, and goes when the migration is over.
func TestAPruneLeavesAMigrationWhatItGoesOnFrom(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	other := b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	m := startMigration(t, b, other, spec.Migrate{Interval: spec.Duration(time.Hour), Settle: spec.Duration(10 * time.Millisecond)})
	m.until("the switch to be possible", func(p spec.MigrateProgress) bool { return p.Ready })
	base := m.progress().Applied
	newest := ""
	for range 2 {
		out, err := runBackup(t, b, spec.Backup{})
		if err != nil {
			t.Fatal(err)
		}
		newest = out.Point
	}
	prune := func() (stay []string) {
		for _, p := range runPrune(t, b, spec.Prune{Policy: spec.Retention{KeepLast: 1}}).Points {
			if !p.Go {
				stay = append(stay, p.ID)
			}
		}
		return stay
	}
	if got := prune(); !slices.Equal(got, []string{newest, base}) {
		t.Errorf("beside the migration %q stay, want the newest point and the migration's, %q", got, []string{newest, base})
	}
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-20', 7, 'Lyon', 70)")
	m.send(spec.UpdateSwitch)
	out, err := m.ended()
	if err != nil || !out.Switched || out.Rounds[1].BackedUp != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	m.sameOnBoth(salesTables...)
	if got := prune(); !slices.Equal(got, []string{out.Point}) {
		t.Errorf("after the migration %q stay, want the newest point %s", got, out.Point)
	}
}

// Before 3.1 nothing tells the schema of what was backed up: each round is full, and what is loaded meanwhile is seen all the same.
func TestAMigrationFromAnOldVersion(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Version: "2.5.22-a1b2c3d"})
	other := b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	m := startMigration(t, b, other, spec.Migrate{Include: []string{"sales"}, Settle: spec.Duration(10 * time.Millisecond), Interval: spec.Duration(time.Hour)})
	m.until("the switch to be possible", func(p spec.MigrateProgress) bool { return p.Ready })
	if p := m.progress(); len(p.Rounds) != 1 || !p.Look.Same() {
		t.Errorf("nothing was loaded: %+v", p)
	}
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-20', 7, 'Lyon', 70)")
	m.send(spec.UpdateSwitch)
	out, err := m.ended()
	if err != nil || !out.Switched || out.Late != nil || out.Proof.DifferCount != 0 || out.Rounds[1].BackedUp != out.Rounds[0].BackedUp {
		t.Fatalf("%+v, %v", out, err)
	}
	m.sameOnBoth([2]string{"sales", "orders"}, [2]string{"sales", "customers"})
	if !strings.Contains(strings.Join(out.Warnings, "\n"), "each round is a full backup") {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func TestAnAbortedMigrationLeavesTheSourceAsItIs(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	other := b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	before, sent := contents(b, salesTables...), len(b.Sim.Statements())
	m := startMigration(t, b, other, spec.Migrate{Interval: spec.Duration(time.Hour)})
	m.until("the bulk", func(p spec.MigrateProgress) bool { return p.Ready })
	m.send(spec.UpdateAbort)
	out, err := m.ended()
	if err != nil || !out.Aborted || out.Switched || !strings.Contains(out.OnTarget, "holds restore point "+out.Point) {
		t.Fatalf("%+v, %v", out, err)
	}
	for name, want := range before {
		if contents(b, salesTables...)[name] != want {
			t.Errorf("%s has changed at the source", name)
		}
	}
	m.onlyRead(sent)

	t.Run("tables that are there are refused", func(t *testing.T) {
		m := startMigration(t, b, other, spec.Migrate{})
		out, err := m.ended()
		if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "the table exists") || !strings.Contains(out.OnTarget, "nothing was made") {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
