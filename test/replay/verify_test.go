package replay

import (
	"testing"

	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// recordVerifications has a point that is whole, one that is damaged, and one that is repaired from another store.
func recordVerifications(t *testing.T) {
	here, copies := storage.Config{Location: "file://" + t.TempDir()}, storage.Config{Location: "file://" + t.TempDir()}
	r := newRecorder(t, testbed.Options{Repositories: []testbed.Repository{testbed.NewRepository("here", here), testbed.NewRepository("copies", copies)}})
	made := testbed.MadePoint{Cluster: testbed.ClusterName, Native: "here", Snapshots: 2, Tablets: 2, Size: 100}
	for _, config := range []storage.Config{here, copies} {
		made.Write(t, openStore(t, config))
	}
	run := r.verify("ok", spec.Verify{Content: spec.ContentAll})
	r.wait(run, "")
	r.save("Verify/v1-ok", run)

	store := openStore(t, here)
	var data []string
	for o, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, o.Key)
	}
	for _, key := range data { // a manifest and records that cannot be read, and objects
		content, err := storage.ReadAll(t.Context(), store, key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.WriteAll(t.Context(), store, key, content[:len(content)/2], storage.Overwrite); err != nil {
			t.Fatal(err)
		}
	}
	run = r.verify("damaged", spec.Verify{Points: []string{spec.AllPoints}, Sample: "1/7"})
	r.wait(run, spec.ErrorChecksumMismatch)
	r.save("Verify/v1-damaged", run)
	run = r.verify("repaired", spec.Verify{Points: []string{spec.AllPoints}, Content: spec.ContentAll, RepairFrom: "copies"})
	r.wait(run, "")
	r.save("Verify/v1-repaired", run)
}

// recordLongVerification is continued as new.
func recordLongVerification(t *testing.T) {
	here := storage.Config{Location: "file://" + t.TempDir()}
	r := newRecorder(t, testbed.Options{Temporal: hastyServer(t), Repositories: []testbed.Repository{testbed.NewRepository("here", here)}})
	testbed.MadePoint{Cluster: testbed.ClusterName, Native: "here", Snapshots: 750, Tablets: 1, Size: 10}.Write(t, openStore(t, here))
	run := r.verify("long", spec.Verify{Content: spec.ContentAll, Parallel: 2})
	r.wait(run, "")
	events := r.history(run).Events
	next := events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	if next == "" {
		t.Fatal("the verification was not continued as new")
	}
	r.save("Verify/v1-continued-1", run)
	r.save("Verify/v1-continued-2", execution{run.id, next})
}

func (r *recorder) verify(name string, in spec.Verify) execution {
	in.Cluster, in.Where = testbed.ClusterName, "here"
	return r.start(spec.VerifyWorkflow, spec.VerifyID(in.Cluster, name), in)
}

func openStore(t *testing.T, config storage.Config) storage.Store {
	t.Helper()
	store, err := storage.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}
