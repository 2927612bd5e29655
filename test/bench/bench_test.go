package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// repeats is how often the short measurements are made.
const repeats = 5

// BenchmarkA_OneSmallTable: what a Backup of one small table takes more than the bare statement, at StarRocks' own pace.
func BenchmarkA_OneSmallTable(b *testing.B) {
	bed := testbed.Start(b, testbed.Options{Tick: 3 * time.Second, Heartbeat: 10 * time.Second})
	bed.StartWorker(b)
	small(b, bed, "one")
	var statement, workflow sample
	for i := range repeats {
		statement = append(statement, timed(func() { bare(b, bed, "one", "t", fmt.Sprintf("bare_%d", i)) }))
		workflow = append(workflow, timed(func() { backup(b, bed, spec.Backup{}) }))
	}
	say("BACKUP by hand %s, Backup %s, ratio %.2f", statement, workflow, workflow.median().Seconds()/statement.median().Seconds())
	judge("(a) Backup over bare BACKUP", (workflow.median() - statement.median()).Seconds(), 3, "s more")
}

// BenchmarkB_EightDatabases: eight databases at once against the same statements one after another.
func BenchmarkB_EightDatabases(b *testing.B) {
	const databases = 8
	bed := testbed.Start(b, testbed.Options{Tick: 300 * time.Millisecond})
	bed.StartWorker(b)
	for i := range databases {
		small(b, bed, fmt.Sprintf("d%d", i))
	}
	var serial, workflow sample
	for i := range repeats {
		serial = append(serial, timed(func() {
			for d := range databases {
				bare(b, bed, fmt.Sprintf("d%d", d), "t", fmt.Sprintf("bare_%d_%d", d, i))
			}
		}))
		workflow = append(workflow, timed(func() { backup(b, bed, spec.Backup{}) }))
	}
	say("(b) 8 databases: one after another %s, Backup %s: %.1f times as fast", serial, workflow, serial.median().Seconds()/workflow.median().Seconds())
}

// BenchmarkC_ManyUnits: a database of a thousand units.
func BenchmarkC_ManyUnits(b *testing.B) {
	const units = 1000
	bed := testbed.Start(b, testbed.Options{Tick: 30 * time.Millisecond, Patience: 20})
	worker, temporal := startWorker(b, bed), server(b)
	var partitions []string
	for i := range units {
		partitions = append(partitions, fmt.Sprintf(`PARTITION p%04d VALUES LESS THAN ("%d")`, i, i+1))
	}
	bed.Must(b, "CREATE DATABASE many")
	bed.Must(b, "CREATE TABLE many.t (k BIGINT NOT NULL) DUPLICATE KEY(k) PARTITION BY RANGE(k) ("+strings.Join(partitions, ", ")+`) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES("replication_num"="1")`)
	var rows [][]string
	for i := range units {
		rows = append(rows, []string{fmt.Sprint(i)})
	}
	if err := bed.Sim.Load("many", "t", rows...); err != nil {
		b.Fatal(err)
	}
	before := temporal.cpu(b)
	var out spec.BackupResult
	took := timed(func() { out = backup(b, bed, spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 1}}) })
	used := temporal.cpu(b) - before
	if out.Databases[0].Units != units {
		b.Fatalf("%d units, want %d", out.Databases[0].Units, units)
	}
	longest, runs := longestHistory(b, bed, spec.DatabaseJobID(testbed.ClusterName, "many"))
	say("%d units in %.1f s (%.0f ms each, 180 ms of them six ticks), %d runs", units, took.Seconds(), 1000*took.Seconds()/units, runs)
	judge("(c) history events of the longest run", float64(longest), 10240, "events")
	say("(c) CPU of the Temporal server: %.1f ms per unit; of the worker: %.1f ms", 1000*used.Seconds()/units, 1000*worker.cpu(b).Seconds()/units)
	judge("(c) peak memory of the worker", worker.peak(b), 300, "MB")
}

// longestHistory reads the length of all runs of a workflow id.
func longestHistory(b *testing.B, bed *testbed.Bed, id string) (events int64, runs int) {
	b.Helper()
	until(b, time.Minute, func() bool { // visibility follows a little later
		answer, err := bed.Client.ListWorkflow(b.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowId = '%s'", id)})
		if err != nil {
			b.Fatal(err)
		}
		events, runs = 0, len(answer.Executions)
		for _, e := range answer.Executions {
			if e.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return false
			}
			described, err := bed.Client.DescribeWorkflowExecution(b.Context(), id, e.Execution.RunId)
			if err != nil {
				b.Fatal(err)
			}
			events = max(events, described.WorkflowExecutionInfo.HistoryLength)
		}
		return runs > 0
	})
	return events, runs
}

// BenchmarkD_PlanAMillionTablets: reading, packing and storing the plan of up to a million tablets.
func BenchmarkD_PlanAMillionTablets(b *testing.B) {
	for _, shape := range []struct{ tables, partitions, buckets int }{{1, 1000, 10}, {1, 10_000, 10}, {1, 100_000, 10}, {1000, 100, 10}} {
		b.Run(fmt.Sprintf("%d tables of %d partitions of %d tablets", shape.tables, shape.partitions, shape.buckets), func(b *testing.B) {
			bed := testbed.Start(b, testbed.Options{})
			for i := range shape.tables {
				if err := bed.Sim.AddBigTable("big", fmt.Sprintf("t%04d", i), shape.partitions, shape.buckets); err != nil {
					b.Fatal(err)
				}
			}
			worker := startWorker(b, bed)
			var took sample
			for range repeats {
				took = append(took, plan(b, bed))
			}
			say("(d) %d tablets planned in %s, load %s", shape.tables*shape.partitions*shape.buckets, took, load())
			judge("(d) planning", took.median().Seconds(), 60, "s")
			judge("(d) peak memory of the worker", worker.peak(b), 500, "MB")
		})
	}
}

// plan starts a Backup and terminates it when its plan stands.
func plan(b *testing.B, bed *testbed.Bed) time.Duration {
	b.Helper()
	id := fmt.Sprintf("bench/%d", time.Now().UnixNano())
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}
	if _, err := bed.Client.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.BackupWorkflow, in); err != nil {
		b.Fatal(err)
	}
	var began time.Time
	var took time.Duration
	history := bed.Client.GetWorkflowHistory(b.Context(), id, "", true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for took == 0 && history.HasNext() {
		event, err := history.Next()
		if err != nil {
			b.Fatal(err)
		}
		switch event.EventType {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			began = event.EventTime.AsTime()
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			took = event.EventTime.AsTime().Sub(began)
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
			b.Fatalf("planning failed: %v", event)
		}
	}
	for _, w := range []string{id, spec.DatabaseJobID(testbed.ClusterName, "big")} {
		_ = bed.Client.TerminateWorkflow(b.Context(), w, "", "planned") // the second may not have begun
	}
	return took
}

// BenchmarkE_SwapRestore: two hundred tables of one database, restored beside the live ones and exchanged.
func BenchmarkE_SwapRestore(b *testing.B) {
	const tables = 200
	bed := testbed.Start(b, testbed.Options{Patience: 20})
	bed.StartWorker(b)
	bed.Must(b, "CREATE DATABASE shop")
	for i := range tables {
		bed.Must(b, fmt.Sprintf(`CREATE TABLE shop.t%03d (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES("replication_num"="1")`, i))
		bed.Must(b, fmt.Sprintf("INSERT INTO shop.t%03d VALUES (%d)", i, i))
	}
	out := backup(b, bed, spec.Backup{})
	before := objects(b, bed)
	var took sample
	var statements, copied float64
	for range repeats {
		sent := len(bed.Sim.Accepted("RESTORE"))
		watcher := watchKeys(bed)
		var restored spec.RestoreResult
		took = append(took, timed(func() {
			in := spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: out.Point}
			run(b, bed, spec.RestoreWorkflow, in, &restored)
		}))
		if len(restored.Tables) != tables || restored.FailedCount != 0 {
			b.Fatalf("restored %d tables, %d failed", len(restored.Tables), restored.FailedCount)
		}
		units := 0
		for _, d := range restored.Databases {
			units += d.Units
		}
		statements = max(statements, float64(len(bed.Sim.Accepted("RESTORE"))-sent)/float64(units))
		copied = max(copied, float64(watcher()))
		undo(b, bed, restored.Undo)
	}
	judge("(e) RESTORE statements per unit", statements, 1, "")
	judge("(e) data files that came into being meanwhile", copied, 0, "objects")
	judge("(e) data files in the repository more than before", float64(objects(b, bed)-before), 0, "objects")
	say("(e) %d tables restored and swapped in %s, %.0f ms a table", tables, took, 1000*took.median().Seconds()/tables)
}

func undo(b *testing.B, bed *testbed.Bed, window string) {
	b.Helper()
	handle, err := bed.Client.UpdateWorkflow(b.Context(), client.UpdateWorkflowOptions{WorkflowID: window, UpdateName: spec.UpdateFinish, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = handle.Get(b.Context(), nil)
	}
	if err != nil {
		b.Fatal(err)
	}
}

const contentDir = "/__ss_content/"

// objects counts the data files of all native snapshots.
func objects(b *testing.B, bed *testbed.Bed) int {
	b.Helper()
	n := 0
	for o, err := range bed.Store.List(b.Context(), "__starrocks_repository_"+testbed.RepositoryName+"/") {
		if err != nil {
			b.Fatal(err)
		}
		if strings.Contains(o.Key, contentDir) {
			n++
		}
	}
	return n
}

// watchKeys lists the repository at each state of a RESTORE; the answer is how many data files were there at most that
// were not at first.
func watchKeys(bed *testbed.Bed) func() int {
	count := func() int {
		n := 0
		for o := range bed.Store.List(context.Background(), "__starrocks_repository_"+testbed.RepositoryName+"/") {
			if strings.Contains(o.Key, contentDir) {
				n++
			}
		}
		return n
	}
	var mu sync.Mutex
	first, most := count(), 0
	bed.Sim.OnState(func(_, kind, _ string) {
		if kind == "RESTORE" {
			n := count()
			mu.Lock()
			defer mu.Unlock()
			most = max(most, n-first)
		}
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return most
	}
}
