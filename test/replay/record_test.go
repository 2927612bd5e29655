package replay

import (
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// recordMissing runs the real thing once more and keeps the histories that testdata lacks.
func recordMissing(t *testing.T) {
	t.Run("ordinary runs", func(t *testing.T) {
		r := newRecorder(t, testbed.Options{})
		r.complete()
		r.partial()
		r.cancelled()
		r.paused()
		r.refused()
		r.waited()
		r.restores()
		r.cancelledRestores()
		r.created()
	})
	t.Run("over existing data", func(t *testing.T) { newRecorder(t, testbed.Options{}).overwrites() })
	t.Run("proofs", func(t *testing.T) { newRecorder(t, testbed.Options{}).proofs() })
	t.Run("views", func(t *testing.T) { newRecorder(t, testbed.Options{}).views() })
	t.Run("another cluster", func(t *testing.T) {
		r := newRecorder(t, testbed.Options{}, "dr")
		r.wait(r.backup("all", spec.Backup{}), "")
		in := spec.Restore{Cluster: "dr", Repository: testbed.RepositoryName, SourceCluster: testbed.ClusterName, Include: []string{"web"}}
		run := r.start(spec.RestoreWorkflow, spec.RestoreID(in.Cluster, "other-cluster"), in)
		r.wait(run, "")
		r.save("Restore/v2-other-cluster", run)
	})
	t.Run("repositories", func(t *testing.T) {
		newRecorder(t, testbed.Options{
			Repositories: []testbed.Repository{testbed.NewRepository("own", storage.Config{Location: "file://" + t.TempDir()})}, Patience: 6,
		}).repositories()
	})
	t.Run("incremental and migration", func(t *testing.T) { newRecorder(t, testbed.Options{}, "dr").migrations() })
	t.Run("scheduled", func(t *testing.T) {
		newRecorder(t, testbed.Options{Mirrors: []testbed.Repository{{Name: "mirror", YAML: "location: file://" + t.TempDir()}}}).scheduled()
	})
	t.Run("composed", func(t *testing.T) { newRecorder(t, testbed.Options{}).composed() })
	t.Run("pieces", func(t *testing.T) { newRecorder(t, testbed.Options{}).pieces() })
	t.Run("verifications", recordVerifications)
	t.Run("a long verification", recordLongVerification)
	t.Run("prunes", recordPrunes)
	t.Run("mirrors", func(t *testing.T) {
		newRecorder(t, testbed.Options{Mirrors: []testbed.Repository{{Name: "mirror", YAML: "location: file://" + t.TempDir()}}}).mirrors()
	})
	t.Run("continued as new", func(t *testing.T) {
		r := newRecorder(t, testbed.Options{Temporal: hastyServer(t)})
		run := r.backup("continued", spec.Backup{Include: []string{"sales"}, Limits: spec.Limits{MaxPartitionsPerUnit: 1}})
		r.wait(run, "")
		jobs := r.jobs(run)
		if len(jobs) < 3 {
			t.Fatalf("%d runs of the job, want it continued twice", len(jobs))
		}
		r.save("DatabaseJob/v1-continued-1", jobs[0])
		r.save("DatabaseJob/v1-continued-2", jobs[1])
	})
}

// hastyServer suggests continue-as-new after 30 events.
func hastyServer(t *testing.T) string {
	t.Helper()
	s, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath:  testbed.Binary(t, "STARKEEP_TEMPORAL", "temporal"),
		ClientOptions: &client.Options{Logger: silent},
		LogLevel:      "error",
		ExtraArgs:     []string{"--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=30"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s.FrontendHostPort()
}

type recorder struct {
	*testbed.Bed
	t *testing.T
}

// execution names one run of a workflow.
type execution struct{ id, run string }

func newRecorder(t *testing.T, o testbed.Options, further ...string) *recorder {
	b := testbed.Start(t, o)
	for _, cluster := range further {
		b.AddCluster(t, cluster, o)
	}
	b.StartWorker(t)
	r := &recorder{b, t}
	for _, sql := range []string{
		"CREATE DATABASE sales", "CREATE DATABASE web",
		`CREATE TABLE sales.orders (dt DATE NOT NULL, id BIGINT NOT NULL, amount BIGINT) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), PARTITION p3 VALUES LESS THAN ('2026-04-01'), PARTITION p4 VALUES LESS THAN ('2026-05-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num"="1")`,
		`CREATE TABLE sales.customers (id BIGINT NOT NULL, name VARCHAR(50)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3 PROPERTIES("replication_num"="1")`,
		`CREATE TABLE web.hits (day DATE NOT NULL, n BIGINT SUM) AGGREGATE KEY(day) DISTRIBUTED BY HASH(day) BUCKETS 2 PROPERTIES("replication_num"="1")`,
		"INSERT INTO sales.orders VALUES ('2026-01-05', 1, 10), ('2026-02-05', 2, 20), ('2026-03-05', 3, 30), ('2026-04-05', 4, 40)",
		"INSERT INTO sales.customers VALUES (1, 'Ada'), (2, 'Bob')",
		"INSERT INTO web.hits VALUES ('2026-01-01', 5)",
	} {
		r.Must(t, sql)
	}
	return r
}

func (r *recorder) complete() {
	run := r.backup("complete", spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 2}})
	r.wait(run, "")
	r.save("Backup/v1-complete", run)
	r.save("DatabaseJob/v1-backup-complete", r.jobs(run)[0])
	run = r.start(spec.InspectWorkflow, "inspect", spec.Inspect{Read: spec.ReadPoints, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName})
	r.wait(run, "")
	r.save("Inspect/v1-points", run)
}

func (r *recorder) partial() {
	clear := r.Sim.FailTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT", Database: "sales", Partition: "p2", Times: -1, Error: "tablet is broken"})
	run := r.backup("partial", spec.Backup{})
	r.wait(run, spec.ErrorPartialFailure)
	clear()
	r.save("Backup/v1-partial", run)
	for _, j := range r.jobs(run) {
		if strings.HasSuffix(j.id, "/sales") {
			r.save("DatabaseJob/v1-backup-partial", j)
		}
	}
}

func (r *recorder) cancelled() {
	run := r.during("BACKUP", "UPLOADING", func() execution {
		return r.backup("cancelled", spec.Backup{Include: []string{"sales"}})
	}, r.cancelEarly)
	r.save("Backup/v1-cancelled", run)
	r.save("DatabaseJob/v1-backup-cancelled", r.jobs(run)[0])
}

func (r *recorder) paused() {
	run := r.during("BACKUP", "UPLOADING", func() execution {
		return r.backup("paused", spec.Backup{Include: []string{"sales"}, Limits: spec.Limits{MaxPartitionsPerUnit: 2}})
	}, func(run execution) {
		r.update(run.id, spec.UpdatePause, spec.Pause{Reason: "recording"})
	})
	r.update(run.id, spec.UpdateSetLimit, spec.Limits{ParallelDatabases: 2})
	r.until("one unit is done", func() bool {
		value, err := r.Client.QueryWorkflow(r.t.Context(), spec.DatabaseJobID(testbed.ClusterName, "sales"), "", spec.QueryProgress)
		var p spec.DatabaseProgress
		return err == nil && value.Get(&p) == nil && p.Paused && p.UnitsDone == 1 && p.Current == ""
	})
	r.update(run.id, spec.UpdateResume)
	r.wait(run, "")
	r.save("Backup/v1-paused", run)
	r.save("DatabaseJob/v1-backup-paused", r.jobs(run)[0])
}

func (r *recorder) refused() {
	run := r.start(spec.BackupWorkflow, "backup/prod/refused", map[string]any{"cluster": testbed.ClusterName, "repo": "x"})
	r.wait(run, spec.ErrorInvalidSpec)
	r.save("Backup/v1-refused", run)
}

// waited has two backups of one database at once: the second one waits 15 s before it looks again.
func (r *recorder) waited() {
	var second execution
	first := r.during("BACKUP", "UPLOADING", func() execution {
		return r.backup("first", spec.Backup{Include: []string{"sales"}})
	}, func(execution) {
		second = r.backup("waited", spec.Backup{Include: []string{"sales"}})
		r.until("the second one waits", func() bool {
			return r.has(second, func(e *historypb.HistoryEvent) bool { return e.GetTimerStartedEventAttributes() != nil })
		})
	})
	r.wait(first, "")
	r.wait(second, "")
	r.save("Backup/v1-waited", second)
}

func (r *recorder) restores() {
	r.wait(r.backup("all", spec.Backup{}), "")
	dry := r.restore("dry-run", spec.Restore{DryRun: true})
	r.wait(dry, "")
	r.save("Restore/v1-dry-run", dry)

	run := r.restore("swap", spec.Restore{})
	r.wait(run, "")
	r.save("Restore/v1-swap", run)
	for _, j := range r.jobs(run) {
		if strings.HasSuffix(j.id, "/sales") {
			r.save("DatabaseJob/v1-restore-swap", j)
		}
	}
	r.decide("undo/"+strings.TrimPrefix(run.id, "restore/"), spec.UpdateUndo)
	r.dropCopies()

	run = r.restore("finish", spec.Restore{Include: []string{"web"}})
	r.wait(run, "")
	r.decide("undo/"+strings.TrimPrefix(run.id, "restore/"), spec.UpdateFinish)

	run = r.restore("expired", spec.Restore{Include: []string{"web"}, UndoWindow: spec.Duration(time.Second)})
	r.wait(run, "")
	window := execution{id: "undo/" + strings.TrimPrefix(run.id, "restore/")}
	r.wait(window, "")
	r.save("UndoWindow/v1-expired", window)
}

// decide sends undo or finish to a window and keeps its history.
func (r *recorder) decide(window, update string) {
	r.update(window, update)
	run := execution{id: window}
	r.wait(run, "")
	r.save("UndoWindow/v1-"+update, run)
}

// dropCopies removes what an undo has kept beside the live tables.
func (r *recorder) dropCopies() {
	for _, database := range []string{"sales", "web"} {
		rows, err := r.Sim.Query("SHOW TABLES FROM " + database)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, row := range rows {
			if strings.Contains(row[0], "__restore_") {
				r.Must(r.t, "DROP TABLE `"+database+"`.`"+row[0]+"` FORCE")
			}
		}
	}
}

func (r *recorder) cancelledRestores() {
	run := r.during("RESTORE", "DOWNLOADING", func() execution {
		return r.restore("cancelled", spec.Restore{Include: []string{"sales"}})
	}, r.cancelEarly)
	r.save("Restore/v1-cancelled", run)
	r.save("DatabaseJob/v1-restore-cancelled", r.jobs(run)[0])

	run = r.during("RESTORE", "COMMITTING", func() execution {
		return r.restore("cancelled-in-commit", spec.Restore{Include: []string{"sales"}, Limits: spec.Limits{MaxPartitionsPerUnit: 2}})
	}, r.cancel)
	r.wait(run, "")
	r.save("Restore/v1-cancelled-in-commit", run)
	r.save("DatabaseJob/v1-restore-cancelled-in-commit", r.jobs(run)[0])
}

// created restores a database that is gone, so that its tables are created, not swapped.
func (r *recorder) created() {
	r.Must(r.t, "DROP DATABASE web FORCE")
	run := r.restore("create", spec.Restore{Include: []string{"web"}})
	r.wait(run, "")
	r.save("Restore/v1-create", run)
}

// composed restores, and exports, what lies in a native snapshot for each partition.
func (r *recorder) composed() {
	r.wait(r.backup("scattered", spec.Backup{Include: []string{"sales"}, Limits: spec.Limits{MaxPartitionsPerUnit: 1}}), "")
	run := r.restore("composed", spec.Restore{Rename: map[string]string{"sales": "sales2"}})
	r.wait(run, "")
	r.save("Restore/v2-composed", run)
	r.save("DatabaseJob/v2-restore-composed", r.jobs(run)[0])

	in := spec.Export{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{"sales"}, Label: "by_hand"}
	run = r.start(spec.ExportWorkflow, spec.ExportID(in.Cluster, in.Label), in)
	r.wait(run, "")
	r.save("Export/v1-exported", run)
}

// pieces restores a unit that fails as a whole because of one partition: what was composed for it serves its pieces.
func (r *recorder) pieces() {
	r.wait(r.backup("scattered", spec.Backup{Include: []string{"sales"}, Limits: spec.Limits{MaxPartitionsPerUnit: 1}}), "")
	heal := r.Sim.FailTasks(starrockssim.Fault{Type: "DOWNLOAD", Database: "sales3", Table: "orders", Partition: "p2", Times: -1, Error: "disk is broken"})
	r.Sim.OnState(func(database, kind, state string) {
		if database == "sales3" && kind == "RESTORE" && state == "CANCELLED" {
			heal()
		}
	})
	run := r.restore("pieces", spec.Restore{Rename: map[string]string{"sales": "sales3"}})
	r.wait(run, "")
	if n := len(r.Sim.Accepted("RESTORE")); n != 3 {
		r.t.Fatalf("%d RESTORE statements, want one of the whole and one of each piece", n)
	}
	r.save("DatabaseJob/v6-restore-pieces", r.jobs(run)[0])
}

// repositories creates, checks and drops one. A check that finds something missing, and a cancelled one, clean up too.
func (r *recorder) repositories() {
	at := spec.CheckRepository{Cluster: testbed.ClusterName, Repository: "own"}
	id, database := spec.RepositoryID(at.Cluster, at.Repository), restorepoint.ScratchDatabase(at.Cluster, at.Repository)
	run := r.start(spec.CreateRepositoryWorkflow, id, spec.CreateRepository{Cluster: at.Cluster, Repository: at.Repository})
	r.wait(run, "")
	r.save("CreateRepository/v1-created", run)

	run = r.start(spec.CheckRepositoryWorkflow, id, at)
	r.wait(run, "")
	r.save("CheckRepository/v1-without-scratch", run)

	at.Scratch = true
	run = r.start(spec.CheckRepositoryWorkflow, id, at)
	r.wait(run, "")
	r.save("CheckRepository/v1-ok", run)

	r.Sim.BreakStore(0, errors.New("connection refused"))
	run = r.start(spec.CheckRepositoryWorkflow, id, at)
	r.wait(run, spec.ErrorStorageUnavailable)
	r.Sim.BreakStore(0, nil)
	r.save("CheckRepository/v1-missing", run)

	release := r.Sim.HoldStates(database, "UPLOADING")
	run = r.start(spec.CheckRepositoryWorkflow, id, at)
	r.until("the scratch table is uploading", func() bool {
		rows, err := r.Sim.Query("SHOW BACKUP FROM " + database)
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), "|UPLOADING|")
	})
	if err := r.Client.CancelWorkflow(r.t.Context(), run.id, run.run); err != nil {
		r.t.Fatal(err)
	}
	r.wait(run, "Canceled")
	release()
	r.save("CheckRepository/v1-cancelled", run)

	run = r.start(spec.DropRepositoryWorkflow, id, spec.DropRepository{Cluster: at.Cluster, Repository: at.Repository})
	r.wait(run, "")
	r.save("DropRepository/v1-dropped", run)
}

func (r *recorder) backup(name string, in spec.Backup) execution {
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	return r.start(spec.BackupWorkflow, spec.BackupID(in.Cluster, name), in)
}

func (r *recorder) restore(name string, in spec.Restore) execution {
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	return r.start(spec.RestoreWorkflow, spec.RestoreID(in.Cluster, name), in)
}

func (r *recorder) start(workflow, id string, in any) execution {
	r.t.Helper()
	run, err := r.Client.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in)
	if err != nil {
		r.t.Fatalf("start %s: %v", id, err)
	}
	return execution{id, run.GetRunID()}
}

// during holds the job of database sales in a state of the FE, does something, and lets the job go.
func (r *recorder) during(kind, state string, start func() execution, do func(execution)) execution {
	r.t.Helper()
	release := r.Sim.HoldStates("sales", state)
	run := start()
	r.until(kind+" is "+state, func() bool {
		rows, err := r.Sim.Query("SHOW " + kind + " FROM sales")
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), "|"+state+"|")
	})
	do(run)
	release()
	return run
}

// cancelEarly cancels a run whose job StarRocks can cancel, and waits for its end.
func (r *recorder) cancelEarly(run execution) {
	r.t.Helper()
	r.cancel(run)
	r.wait(run, "Canceled")
}

func (r *recorder) cancel(run execution) {
	r.t.Helper()
	if err := r.Client.CancelWorkflow(r.t.Context(), run.id, run.run); err != nil {
		r.t.Fatal(err)
	}
	r.until("the cancel is with the activity", func() bool {
		for _, j := range r.jobs(run) {
			if r.has(j, func(e *historypb.HistoryEvent) bool { return e.GetActivityTaskCancelRequestedEventAttributes() != nil }) {
				return true
			}
		}
		return false
	})
}

func (r *recorder) update(id, name string, args ...any) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	handle, err := r.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if err != nil {
		r.t.Fatalf("update %s of %s: %v", name, id, err)
	}
}

// wait waits for the end and checks how it was: an error type, "Canceled", or "" for success.
func (r *recorder) wait(run execution, want string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	err := r.Client.GetWorkflow(ctx, run.id, run.run).Get(ctx, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		r.t.Fatalf("%s does not end", run.id)
	}
	if (err == nil) != (want == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
		r.t.Fatalf("%s ended with %v, want %q", run.id, err, want)
	}
}

// until polls a condition.
func (r *recorder) until(what string, met func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			r.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// jobs lists the runs of the DatabaseJobs that a run has started, each followed through continue-as-new.
func (r *recorder) jobs(parent execution) []execution {
	var list []execution
	for _, event := range r.history(parent).Events {
		started := event.GetChildWorkflowExecutionStartedEventAttributes()
		if started == nil || started.WorkflowType.Name != spec.DatabaseJobWorkflow {
			continue
		}
		next := execution{started.WorkflowExecution.WorkflowId, started.WorkflowExecution.RunId}
		for next.run != "" {
			list = append(list, next)
			events := r.history(next).Events
			next.run = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
		}
	}
	return list
}

func (r *recorder) history(run execution) *historypb.History {
	r.t.Helper()
	h := &historypb.History{}
	for events := r.Client.GetWorkflowHistory(r.t.Context(), run.id, run.run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			r.t.Fatal(err)
		}
		h.Events = append(h.Events, event)
	}
	return h
}

func (r *recorder) has(run execution, is func(*historypb.HistoryEvent) bool) bool {
	for _, event := range r.history(run).Events {
		if is(event) {
			return true
		}
	}
	return false
}

// save keeps a history, unless there is one of that name: those are never replaced.
func (r *recorder) save(name string, run execution) {
	r.t.Helper()
	file := path(name)
	if _, err := os.Stat(file); err == nil {
		return
	}
	data, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(r.history(run))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		r.t.Fatal(err)
	}
	out, err := os.Create(file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := packed.Write(data); err != nil {
		r.t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Logf("recorded %s", file)
}
