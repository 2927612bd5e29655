package chaos

import (
	"fmt"
	"testing"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// elsewhere is a lane's second cluster: it knows one repository by name.
type elsewhere struct {
	name    string
	cluster *starrockssim.Cluster
}

func openElsewhere(t *testing.T, b *testbed.Bed, o testbed.Options, name string) *elsewhere {
	t.Helper()
	e := &elsewhere{name: name}
	e.cluster = b.AddCluster(t, e.name, o)
	if err := e.cluster.Exec(peopleOfBed); err != nil {
		t.Fatal(err)
	}
	return e
}

// unknown has a trial take place on the second cluster, without the repository.
func unknown(c *trial) {
	e := c.lane.elsewhere
	c.sim = e.cluster
	_ = e.cluster.Exec("DROP REPOSITORY " + testbed.RepositoryName) // an earlier trial's
	c.created = len(e.cluster.Accepted(createReadOnly))
}

const createReadOnly = "CREATE READ ONLY REPOSITORY"

// runElsewhere restores on the cluster that does not know the repository.
func runElsewhere(c *trial) (any, error) {
	var out spec.RestoreResult
	in := c.restoreSpec()
	in.Cluster, in.SourceCluster = c.lane.elsewhere.name, testbed.ClusterName
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(in.Cluster, c.database), in, &out)
	return out, err
}

// repositories says what the second cluster knows, and how often it was told to create one.
func (c *trial) repositories() string {
	if c.sim == c.lane.bed.Sim {
		return ""
	}
	rows, err := c.sim.Query("SHOW REPOSITORIES")
	if err != nil {
		c.Errorf("SHOW REPOSITORIES: %v", err)
	}
	text := fmt.Sprintf("created %d times", len(c.sim.Accepted(createReadOnly))-c.created)
	for _, r := range rows {
		text += fmt.Sprintf("\n%s readOnly=%s at %s", r[1], r[3], r[4])
	}
	return text
}
