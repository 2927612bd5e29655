package e2e

import (
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestAPruneWaitsForAVerificationThatRepairs: what such a run copies back comes from native snapshots, and goes into
// them; a verification that only reads holds nothing up.
func TestAPruneWaitsForAVerificationThatRepairs(t *testing.T) {
	t.Parallel()
	here := storage.Config{Location: "file://" + t.TempDir()}
	b := testbed.Start(t, testbed.Options{Repositories: []testbed.Repository{testbed.NewRepository("here", here)}})
	b.StartWorker(t)
	store, err := storage.Open(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	made := testbed.MadePoint{Cluster: testbed.ClusterName, Native: "here", Snapshots: 2, Tablets: 2, Size: 100}
	made.WriteLater(t, store, made.Write(t, store))

	verification := func(id, repairFrom string) client.WorkflowRun {
		in := spec.Verify{Cluster: made.Cluster, Where: "here", RepairFrom: repairFrom}
		run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: spec.VerifyID(in.Cluster, id), TaskQueue: "nobody"}, spec.VerifyWorkflow, in)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	verification("reads", "")
	repairs := verification("repairs", testbed.RepositoryName)
	eventually(t, "Temporal lists both verifications", func() bool {
		found, err := b.Client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowType = 'Verify' AND ExecutionStatus = 'Running'"})
		if err != nil {
			t.Fatal(err)
		}
		return found.Count == 2
	})
	prune := func() (out spec.PruneResult) {
		in := spec.Prune{Cluster: made.Cluster, Where: "here", Policy: spec.Retention{KeepLast: 1}, Grace: spec.Duration(time.Millisecond)}
		run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: spec.PruneID(in.Cluster, in.Where), TaskQueue: spec.TaskQueue}, spec.PruneWorkflow, in)
		if err == nil {
			err = run.Get(t.Context(), &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := prune(); out.Deleted != 1 || out.Marked == 0 {
		t.Fatalf("the older point goes: %+v", out)
	}
	if out := prune(); out.Waiting == 0 || out.Snapshots != 0 {
		t.Errorf("beside a verification that repairs: %+v", out)
	}
	if err := b.Client.TerminateWorkflow(t.Context(), repairs.GetID(), "", "over"); err != nil {
		t.Fatal(err)
	}
	if out := prune(); out.Waiting != 0 || out.Snapshots == 0 {
		t.Errorf("beside a verification that only reads: %+v", out)
	}
}
