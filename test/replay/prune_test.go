package replay

import (
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// recordPrunes looks, pins, deletes points, and then what they needed.
func recordPrunes(t *testing.T) {
	here := storage.Config{Location: "file://" + t.TempDir()}
	r := newRecorder(t, testbed.Options{Repositories: []testbed.Repository{testbed.NewRepository("here", here)}})
	made := testbed.MadePoint{Cluster: testbed.ClusterName, Native: "here", Snapshots: 2, Tablets: 2, Size: 100}
	store := openStore(t, here)
	first := made.Write(t, store)
	made.WriteLater(t, store, first)

	pin := spec.Pin{Cluster: made.Cluster, Where: "here", Point: "latest", Reason: "recording"}
	run := r.start(spec.PinWorkflow, spec.PinID(pin.Cluster, pin.Where, pin.Point), pin)
	r.wait(run, "")
	r.save("Pin/v1-pinned", run)

	in := spec.Prune{Cluster: made.Cluster, Where: "here", Policy: spec.Retention{KeepLast: 1}, Grace: spec.Duration(time.Millisecond), DryRun: true}
	prune := func(name string) {
		run := r.start(spec.PruneWorkflow, spec.PruneID(in.Cluster, in.Where), in)
		r.wait(run, "")
		r.save("Prune/v1-"+name, run)
	}
	prune("dry-run")
	in.DryRun = false
	prune("points")
	prune("snapshots")
	prune("files")
}
