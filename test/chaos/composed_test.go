package chaos

import (
	"fmt"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// backUpWide makes the lane's wide database and backs it up, one partition in each native snapshot.
func backUpWide(c *trial) {
	c.Helper()
	c.lane.wide = "wide" + c.lane.source[len("src"):]
	for _, sql := range []string{
		"CREATE DATABASE %[1]s",
		"CREATE TABLE %[1]s.days (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-06') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(v) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE %[1]s.keyed (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"INSERT INTO %[1]s.days VALUES ('2026-01-01', 1), ('2026-01-02', 2), ('2026-01-03', 3), ('2026-01-04', 4), ('2026-01-05', 5)",
		"INSERT INTO %[1]s.keyed VALUES (1, 'a'), (2, 'b')",
	} {
		c.lane.bed.Must(c.T, fmt.Sprintf(sql, c.lane.wide))
	}
	var out spec.BackupResult
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{c.lane.wide}, Limits: spec.Limits{MaxPartitionsPerUnit: 1}}
	if err := c.execute(spec.BackupWorkflow, spec.BackupID(in.Cluster, c.lane.wide), in, &out); err != nil {
		c.Fatalf("back up %s: %v", c.lane.wide, err)
	}
	c.lane.widePoint = out.Point
}

// runComposed restores the wide database into another: one RESTORE of a snapshot that is composed of all.
func runComposed(c *trial) (any, error) {
	var out spec.RestoreResult
	in := spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: c.lane.widePoint,
		Include: []string{c.lane.wide}, Rename: map[string]string{c.lane.wide: c.database}}
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(in.Cluster, c.database), in, &out)
	return out, err
}

// runExport makes a plain native snapshot of it.
func runExport(c *trial) (any, error) {
	var out spec.ExportResult
	in := spec.Export{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: c.lane.widePoint, Include: []string{c.lane.wide}, Label: "kept_" + c.database}
	err := c.execute(spec.ExportWorkflow, spec.ExportID(in.Cluster, in.Label), in, &out)
	return out, err
}
