package chaos

import (
	"fmt"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// twoPoints puts two restore points, which share a native snapshot, into the lane's own directory.
func twoPoints(c *trial) {
	emptyDirectory(c)
	c.Cleanup(func() { emptyDirectory(c) })
	store := c.ownStore()
	made := testbed.MadePoint{Cluster: testbed.ClusterName, Native: c.lane.repository, Snapshots: 2, Tablets: 2, Size: 100}
	made.WriteLater(c, store, made.Write(c, store))
}

func (c *trial) ownStore() storage.Store {
	store, err := storage.Open(c.Context(), storage.Config{Location: "file://" + c.lane.directory})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = store.Close() })
	return store
}

// runPrune pins the older point and frees it again, lets it go, then the native snapshot that only it needed, and then that
// one's mark.
func runPrune(c *trial) (any, error) {
	pin := spec.Pin{Cluster: testbed.ClusterName, Where: c.lane.repository, Point: "latest~1", Reason: "chaos"}
	var results []any
	for _, remove := range []bool{false, true} {
		var out spec.PinResult
		pin.Remove = remove
		if err := c.execute(spec.PinWorkflow, spec.PinID(pin.Cluster, pin.Where, pin.Point), pin, &out); err != nil {
			return nil, err
		}
		results = append(results, out)
	}
	in := spec.Prune{Cluster: testbed.ClusterName, Where: c.lane.repository, Policy: spec.Retention{KeepLast: 1}, Grace: spec.Duration(time.Millisecond)}
	for range 3 {
		var out spec.PruneResult
		if err := c.execute(spec.PruneWorkflow, spec.PruneID(in.Cluster, in.Where), in, &out); err != nil {
			return nil, err
		}
		out.Where = ""
		results = append(results, out)
	}
	left := map[string]int{}
	for _, o := range keys(c.T, c.ownStore(), "") {
		if k, err := restorepoint.ParseKey(o.Key); err == nil {
			left[string(k.Kind)]++
		} else if k, err := starrocks.ParseKey(o.Key); err == nil {
			left[fmt.Sprint("native ", k.Kind)]++
		}
	}
	return append(results, left), nil
}
