package chaos

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// handMade makes tables and backs them up without starkeep.
func handMade(c *trial) {
	live(c)
	c.lane.bed.Must(c.T, fmt.Sprintf("BACKUP SNAPSHOT %[1]s.hand_%[1]s TO %[2]s", c.database, testbed.RepositoryName))
	err := poll(c.Context(), 10*time.Millisecond, func() (bool, error) {
		rows, err := c.lane.bed.Sim.Query("SHOW BACKUP FROM " + c.database)
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), "|FINISHED|"), nil
	})
	if err != nil {
		c.Fatal(err)
	}
}

// runAdopt adopts the snapshot. A second attempt finds the point there: that is all that may differ.
func runAdopt(c *trial) (any, error) {
	in := spec.Adopt{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Label: "hand_" + c.database}
	var out spec.AdoptResult
	if err := c.execute(spec.AdoptWorkflow, spec.AdoptID(in.Cluster, in.Repository, in.Label), in, &out); err != nil {
		return nil, err
	}
	c.point = out.Point
	record, err := storage.ReadAll(c.Context(), c.lane.bed.Store, restorepoint.SnapshotKey(in.Cluster, in.Label), 1<<20)
	out.Existing = false
	return []any{out, json.RawMessage(record)}, err
}

// runDrill drills the tables of the lane's source. Whatever happens, nothing of it is left.
func runDrill(c *trial) (any, error) {
	in := spec.Drill{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: c.lane.point, Include: []string{c.lane.source}, Sample: "1/1"}
	var out spec.DrillResult
	if err := c.execute(spec.DrillWorkflow, spec.DrillID(in.Cluster, c.database), in, &out); err != nil {
		return nil, err
	}
	for _, database := range out.Databases {
		rows, err := c.lane.bed.Sim.Query("SHOW DATABASES LIKE '" + database + "'")
		if err != nil || len(rows) > 0 {
			return nil, fmt.Errorf("%s is left: %v, %v", database, rows, err)
		}
	}
	at := strings.Index(out.Recorded, restorepoint.Root)
	record, err := storage.ReadAll(c.Context(), c.lane.bed.Store, out.Recorded[at:], 1<<20)
	return []any{out, json.RawMessage(record)}, err
}
