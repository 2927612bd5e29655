package e2e

import (
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestARepositoryWithPrintedPolicies creates a repository whose two users may do what `repo policy` prints and nothing
// else, backs up into it, restores from it, and drops it when nobody uses it any more.
func TestARepositoryWithPrintedPolicies(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	worker, starrocks := server.User(t, "worker", ""), server.User(t, "starrocks", "")
	r := testbed.NewRepository("least", worker.Config("deep/least"))
	r.StarRocksKeys(starrocks.AccessKey, starrocks.SecretKey)
	r.Store = server.Config("deep/least")
	b := testbed.Start(t, testbed.Options{Repositories: []testbed.Repository{r}, Patience: 20})
	b.StartWorker(t)
	for user, purposes := range map[storagetest.IAMUser][]string{worker: {spec.PolicyBackup, spec.PolicyRestore}, starrocks: {spec.PolicyStarRocks}} {
		var read spec.InspectResult
		run(t, b, spec.InspectWorkflow, "inspect/"+unique(), spec.Inspect{Read: spec.ReadPolicy, Repository: r.Name, For: purposes}, &read)
		user.SetPolicy(t, string(read.Policy.Document))
	}
	id := spec.RepositoryID(testbed.ClusterName, r.Name)
	create := spec.CreateRepository{Cluster: testbed.ClusterName, Repository: r.Name}
	drop := spec.DropRepository{Cluster: testbed.ClusterName, Repository: r.Name}

	var created, again spec.CreateRepositoryResult
	run(t, b, spec.CreateRepositoryWorkflow, id, create, &created)
	run(t, b, spec.CreateRepositoryWorkflow, id, create, &again)
	if !created.Created || created.Adopted || again.Created || created.Location != "s3a://"+server.Bucket+"/deep/least" {
		t.Errorf("created: %+v, then %+v", created, again)
	}

	sales(t, b)
	before := contents(b, [2]string{"sales", "orders"})
	release := b.Sim.HoldStates("sales", "UPLOADING")
	backup, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: spec.BackupID(testbed.ClusterName, "least"), TaskQueue: spec.TaskQueue},
		spec.BackupWorkflow, spec.Backup{Cluster: testbed.ClusterName, Repository: r.Name, Include: []string{"sales"}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the backup to upload", func() bool {
		rows, err := b.Sim.Query("SHOW BACKUP FROM sales")
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), "|UPLOADING|")
	})
	var dropped spec.DropRepositoryResult
	eventually(t, "Temporal to list the backup", func() bool { // its lists lag behind; StarRocks' own refusal does not
		err = execute(t, b, spec.DropRepositoryWorkflow, id, drop, &dropped)
		return err == nil || strings.Contains(err.Error(), "it is used by "+backup.GetID())
	})
	if errorType(err) != spec.ErrorDatabaseBusy || dropped.Dropped {
		t.Errorf("while a backup runs: %+v, %v", dropped, err)
	}
	release()
	var point spec.BackupResult
	if err := backup.Get(t.Context(), &point); err != nil || !point.Complete {
		t.Fatalf("backup: %+v, %v", point, err)
	}

	b.Must(t, "DROP TABLE sales.orders FORCE")
	var restored spec.RestoreResult
	run(t, b, spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, "least"),
		spec.Restore{Cluster: testbed.ClusterName, Repository: r.Name, Point: point.Point, Include: []string{"sales.orders"}}, &restored)
	if after := contents(b, [2]string{"sales", "orders"}); after["sales.orders"] != before["sales.orders"] {
		t.Errorf("restored:\n%s\nwant\n%s", after["sales.orders"], before["sales.orders"])
	}

	run(t, b, spec.DropRepositoryWorkflow, id, drop, &dropped)
	if !dropped.Dropped {
		t.Errorf("dropped: %+v", dropped)
	}
	run(t, b, spec.CreateRepositoryWorkflow, id, spec.CreateRepository{Cluster: testbed.ClusterName, Repository: r.Name, ReadOnly: true}, &created)
	if !created.Created || !created.Adopted || !created.ReadOnly {
		t.Errorf("created again: %+v", created)
	}
	checked, err := check(t, b, spec.CheckRepository{Cluster: testbed.ClusterName, Repository: r.Name, Scratch: true})
	if errorType(err) != spec.ErrorAuthDenied || checked.Scratch { // these policies let nobody delete anywhere, and a check does
		t.Errorf("a check with the least policies: %v\n%s", err, rowsText(checked))
	}
}

// run runs a workflow that must succeed.
func run(t *testing.T, b *testbed.Bed, workflow, id string, in, out any) {
	t.Helper()
	if err := execute(t, b, workflow, id, in, out); err != nil {
		t.Fatalf("%s: %v", workflow, err)
	}
}
