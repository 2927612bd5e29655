// Package e2e runs starkeep as a user does: workflows through a real Temporal server, objects in a real S3 server, and
// a simulated StarRocks.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// runBackup runs the workflow Backup and gives its result and error.
func runBackup(t *testing.T, b *testbed.Bed, in spec.Backup) (spec.BackupResult, error) {
	t.Helper()
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	var out spec.BackupResult
	err := execute(t, b, spec.BackupWorkflow, spec.BackupID(in.Cluster, unique()), in, &out)
	return out, err
}

func runRestore(t *testing.T, b *testbed.Bed, in spec.Restore) (spec.RestoreResult, error) {
	t.Helper()
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	var out spec.RestoreResult
	err := execute(t, b, spec.RestoreWorkflow, spec.RestoreID(in.Cluster, unique()), in, &out)
	return out, err
}

func execute(t *testing.T, b *testbed.Bed, workflow, id string, in, out any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	run, err := b.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in)
	if err != nil {
		t.Fatalf("start %s: %v", workflow, err)
	}
	err = run.Get(ctx, out)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s %s is still running: %v", workflow, id, err)
	}
	return err
}

// errorType is the type of the failure that a workflow ended with.
func errorType(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type()
	}
	return ""
}

var counter atomic.Int64

// unique is a name that no other workflow of the test's server has.
func unique() string { return fmt.Sprintf("test-%d", counter.Add(1)) }

// sales makes two databases with tables of every key model.
func sales(t *testing.T, b *testbed.Bed) {
	t.Helper()
	for _, sql := range []string{
		"CREATE DATABASE sales", "CREATE DATABASE web",
		"CREATE TABLE sales.orders (dt DATE NOT NULL, id BIGINT NOT NULL, city VARCHAR(20), amount BIGINT) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), PARTITION p3 VALUES LESS THAN ('2026-04-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE sales.customers (id BIGINT NOT NULL, name VARCHAR(50)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE web.hits (day DATE NOT NULL, page VARCHAR(20) NOT NULL, n BIGINT SUM) AGGREGATE KEY(day, page) DISTRIBUTED BY HASH(day) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"INSERT INTO sales.orders VALUES ('2026-01-05', 1, 'Rome', 10), ('2026-02-05', 2, 'Oslo', 20), ('2026-03-05', 3, 'Bern', 30)",
		"INSERT INTO sales.orders VALUES ('2026-01-07', 4, 'Riga', 40)",
		"INSERT INTO sales.customers VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cid')",
		"INSERT INTO web.hits VALUES ('2026-01-01', 'home', 5), ('2026-01-02', 'home', 7)",
	} {
		b.Must(t, sql)
	}
}

func contents(b *testbed.Bed, tables ...[2]string) map[string]string {
	all := map[string]string{}
	for _, t := range tables {
		all[t[0]+"."+t[1]] = b.Sim.Content(t[0], t[1])
	}
	return all
}

var salesTables = [][2]string{{"sales", "orders"}, {"sales", "customers"}, {"web", "hits"}}

func TestDroppedDatabasesComeBackEqual(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	before := contents(b, salesTables...)

	backup, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatalf("backup: %v", err)
	}
	if !backup.Complete || backup.Point == "" || len(backup.Databases) != 2 || backup.Tablets != 11 {
		t.Errorf("backup result: %+v", backup)
	}

	b.Must(t, "DROP DATABASE sales FORCE")
	b.Must(t, "DROP TABLE web.hits FORCE")
	restore, err := runRestore(t, b, spec.Restore{})
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	if len(restore.Tables) != 3 || restore.FailedCount != 0 {
		t.Errorf("restore result: %+v", restore)
	}
	for name, want := range before {
		if got := contents(b, salesTables...)[name]; got != want {
			t.Errorf("%s: content differs after the restore:\n%s\nwant\n%s", name, got, want)
		}
	}
}
