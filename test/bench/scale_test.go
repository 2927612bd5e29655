package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

const (
	// scaleMemory is the most that a worker may hold, in MB.
	scaleMemory = 500
	// scaleGrowth is how much more CPU time per tablet the largest point may take than the one of a tenth of its size.
	scaleGrowth = 1.5
)

// BenchmarkH_Scale: restore points of ten thousand, a hundred thousand and a million tablets published, listed, verified by
// listing, and pruned by the product's own workflows, each by a worker process of its own. Only StarRocks' objects are not
// real, see scaleStore; planning is BenchmarkD's.
func BenchmarkH_Scale(b *testing.B) {
	bed := testbed.Start(b, testbed.Options{})
	stop := bed.StartWorker(b) // it makes the search attributes
	var answer spec.InspectResult
	run(b, bed, spec.InspectWorkflow, spec.Inspect{Read: spec.ReadConfig}, &answer)
	stop()
	sizes := []scaleShape{{1, 1000, 10}, {10, 1000, 10}, {100, 1000, 10}, {1, 100_000, 10}, {1, 1_000_000, 1}}
	used := map[scaleShape]map[string]time.Duration{}
	for _, shape := range sizes[:number(b, "STARKEEP_BENCH_SCALES", len(sizes))] {
		used[shape] = scale(b, bed, shape)
	}
	for _, step := range []string{"publish", "list", "verify", "prune"} {
		small, large := used[sizes[1]][step], used[sizes[2]][step]
		if large > 0 {
			judge("(h) "+step+": CPU per tablet, of a million to of 100,000", large.Seconds()/small.Seconds()/10, scaleGrowth, "")
		}
	}
}

// scale measures one point and says how much CPU each step took: other programs do not disturb that much.
func scale(b *testing.B, bed *testbed.Bed, shape scaleShape) map[string]time.Duration {
	job := scaleJob{Dir: b.TempDir(), Temporal: bed.Temporal, Namespace: bed.Namespace, FE: bed.Sim.Addresses(), Shape: shape}
	store, err := openScaleStore(b.Context(), job.Dir, shape)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	publish := scaleInput(b, store)
	for unit := range shape.snapshots() {
		if err := store.record(b.Context(), unit); err != nil {
			b.Fatal(err)
		}
	}
	if err := storage.WriteAll(b.Context(), store.Store, starrocks.RepoInfoKey(testbed.RepositoryName), []byte("{}"), storage.Overwrite); err != nil {
		b.Fatal(err)
	}
	used := map[string]time.Duration{}
	step := func(name string, left int, work ...func()) {
		child := startScaleWorker(b, job)
		var wall time.Duration
		for _, do := range work {
			wall += timed(do)
		}
		used[name] = process(child.command.Process.Pid).cpu(b)
		most := child.stop(b, left)
		say("(h) %d tablets in %d tables of %d partitions, %s: %.2f s, %.2f s of CPU, load %s", shape.tablets(), shape.Tables, shape.Partitions, name, wall.Seconds(), used[name].Seconds(), load())
		judge("(h)   peak memory of the worker", most, scaleMemory, "MB")
	}
	all := shape.tablets()*objectsPerTablet + 2*shape.snapshots()
	step("publish", all, func() {
		var out activities.Published
		run(b, bed, publishWorkflow, publish, &out)
		if out.Point == "" || !out.Complete {
			b.Fatalf("published %+v", out)
		}
	})
	step("list", all, func() {
		var out spec.InspectResult
		run(b, bed, spec.InspectWorkflow, spec.Inspect{Read: spec.ReadPoints, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}, &out)
		if len(out.Points) != 1 || out.Points[0].Tablets != int64(shape.tablets()) {
			b.Fatalf("listed %+v", out.Points)
		}
	}, func() {
		var out spec.InspectResult
		run(b, bed, spec.InspectWorkflow, spec.Inspect{Read: spec.ReadPoint, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: spec.LatestPoint}, &out)
		if len(out.Point.Tables) != min(shape.Tables, 1000) {
			b.Fatalf("showed %d tables", len(out.Point.Tables))
		}
	})
	step("verify", all, func() {
		var out spec.VerifyResult
		run(b, bed, spec.VerifyWorkflow, spec.Verify{Cluster: testbed.ClusterName, Where: testbed.RepositoryName}, &out)
		if out.Result != spec.VerifyOK || out.Objects != int64(all) {
			b.Fatalf("verified %+v", out)
		}
	})
	in := spec.Prune{Cluster: testbed.ClusterName, Where: testbed.RepositoryName, Points: []string{publish.Point}, Force: true, Grace: spec.Duration(time.Millisecond)}
	prune := func(points, snapshots int) func() {
		return func() {
			var out spec.PruneResult
			run(b, bed, spec.PruneWorkflow, in, &out)
			if out.Deleted != points || out.Snapshots != snapshots {
				b.Fatalf("pruned %d points and %d native snapshots, %+v", out.Deleted, out.Snapshots, out)
			}
			in.Points, in.Policy = nil, spec.Retention{KeepLast: 1}
		}
	}
	step("prune", 0, prune(1, 0), prune(0, shape.snapshots()))
	return used
}

// scaleInput writes the plan of the backup and gives what publishing is told.
func scaleInput(b *testing.B, store *scaleStore) activities.PublishInput {
	shape := store.shape
	point := restorepoint.NewPointID(scaleTime, scaleRun)
	plan := activities.Plan{Format: 1, Statement: activities.Backup, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Database: scaleDatabase, Point: point}
	for n := range shape.Tables * shape.Partitions {
		if n%shape.Partitions == 0 {
			plan.Tables = append(plan.Tables, activities.PlanTable{Table: shape.table(n)})
		}
		plan.Parts = append(plan.Parts, restorepoint.Part{Table: shape.table(n).Name, Partition: partitionName(n), PartitionID: firstPartition + int64(n), Version: 7,
			Tablets: shape.Buckets, Replication: 3, Bytes: int64(shape.Buckets) * (scaleHeaderSize + scaleDataSize), Rows: 1000, Value: partitionValue(n)})
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		b.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err == nil {
		_, err = z.Write(raw)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		b.Fatal(err)
	}
	key := restorepoint.PlanKey(testbed.ClusterName, scaleRun, scaleDatabase)
	if err := storage.WriteAll(b.Context(), store.Store, key, packed.Bytes(), storage.Overwrite); err != nil {
		b.Fatal(err)
	}
	outcome := activities.DatabaseOutcome{Database: scaleDatabase, Plan: activities.PlanRef{Key: key, SHA256: restorepoint.Digest(packed.Bytes())}}
	for unit := range shape.snapshots() {
		outcome.Completed = append(outcome.Completed, activities.Attempt{Unit: unit, Attempt: 1})
	}
	return activities.PublishInput{Spec: spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}, Point: point, Run: scaleRun, Created: scaleTime,
		Databases: []activities.DatabaseOutcome{outcome}}
}

// scaleVariable tells a process of this binary that it is such a worker.
const scaleVariable = "STARKEEP_BENCH_SCALE"

type scaleJob struct {
	Dir, Temporal, Namespace string
	FE                       []string
	Shape                    scaleShape
}

type scaleWorker struct {
	command *exec.Cmd
	log     string
}

// startScaleWorker starts one and waits until it polls.
func startScaleWorker(b *testing.B, job scaleJob) scaleWorker {
	b.Helper()
	binary, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	text, _ := json.Marshal(job)
	w := scaleWorker{command: exec.Command(binary), log: filepath.Join(b.TempDir(), "worker.log")}
	w.command.Env = append(w.command.Environ(), scaleVariable+"="+string(text))
	log, err := os.Create(w.log)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	w.command.Stdout, w.command.Stderr = log, log
	if err := w.command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.command.Process.Kill() }) // one that has ended is not there any more
	until(b, time.Minute, func() bool {
		said, _ := os.ReadFile(w.log)
		return bytes.Contains(said, []byte("serving"))
	})
	return w
}

// stop ends the worker, whose store must have that many of StarRocks' objects left, and gives the most memory that it held, in MB.
func (w scaleWorker) stop(b *testing.B, left int) float64 {
	b.Helper()
	most := process(w.command.Process.Pid).peak(b)
	_ = w.command.Process.Signal(os.Interrupt)
	err := w.command.Wait()
	said, _ := os.ReadFile(w.log)
	if err != nil || !strings.Contains(string(said), fmt.Sprintf("\nleft %d\n", left)) {
		b.Fatalf("want %d objects left: %v\n%s", left, err, said)
	}
	return most
}

// publishWorkflow is the last step of a Backup alone: what comes before is real statements.
const publishWorkflow = "bench-publish"

func publishAlone(ctx workflow.Context, in activities.PublishInput) (out activities.Published, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Minute,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	var acts *activities.Activities
	err = workflow.ExecuteActivity(ctx, acts.PublishManifest, in).Get(ctx, &out)
	return out, err
}

// serveScale is a worker that knows one cluster, and one repository on a scaleStore.
func serveScale(text string) error {
	var job scaleJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	store, err := openScaleStore(context.Background(), job.Dir, job.Shape)
	if err != nil {
		return err
	}
	fe, err := starrocks.Open(starrocks.Config{Addresses: job.FE, User: "starkeep"})
	if err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: job.Temporal, Namespace: job.Namespace})
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, spec.TaskQueue, worker.Options{})
	workflows.Register(w)
	w.RegisterWorkflowWithOptions(publishAlone, workflow.RegisterOptions{Name: publishWorkflow})
	w.RegisterActivityWithOptions(activities.New(
		[]*activities.Cluster{{Name: testbed.ClusterName, FE: fe, Timing: activities.Timing{Heartbeat: 15 * time.Second}}},
		[]*activities.Repository{{Name: testbed.RepositoryName, Native: testbed.RepositoryName, Location: "s3://scale", Store: store}},
	), activity.RegisterOptions{})
	if err := w.Start(); err != nil {
		return err
	}
	fmt.Println("serving")
	<-worker.InterruptCh()
	w.Stop()
	fmt.Println("left", store.left())
	return nil
}
