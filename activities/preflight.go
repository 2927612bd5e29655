package activities

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"starkeep/workflows/spec"
)

// clusterIDs remembers which profile a ClusterId was met under: two profiles of one cluster would each let a statement
// through at the same time.
type clusterIDs struct {
	mu sync.Mutex
	by map[int64]string
}

// checkCluster refuses what starkeep cannot work with: shared-data clusters, StarRocks before 2.5, a second profile of
// a cluster.
func (a *Activities) checkCluster(ctx context.Context, c *Cluster) error {
	leader, err := c.FE.Leader(ctx)
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w", c.Name, err)
	}
	if other := a.ids.claim(leader.ClusterID, c.Name); other != c.Name {
		return invalid("cluster profiles %q and %q lead to the same StarRocks cluster (ClusterId %d); use one of them", other, c.Name, leader.ClusterID)
	}
	version, err := c.FE.Version(ctx)
	if err != nil {
		return fmt.Errorf("read the version of cluster %s: %w", c.Name, err)
	}
	if !version.RestoresPrimaryKey() {
		return fail(spec.ErrorVersionUnsupported, "cluster %s runs StarRocks %s; starkeep needs 2.5 or later", c.Name, version)
	}
	mode, err := c.FE.RunMode(ctx)
	if err == nil && mode == "shared_data" {
		return fail(spec.ErrorVersionUnsupported, "cluster %s is a shared-data cluster: StarRocks has no BACKUP and RESTORE of its tables", c.Name)
	}
	return nil
}

func (ids *clusterIDs) claim(id int64, profile string) string {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.by == nil {
		ids.by = map[int64]string{}
	}
	if _, known := ids.by[id]; !known {
		ids.by[id] = profile
	}
	return ids.by[id]
}

// checkRepository compares the profile with what the FE knows under the repository's name.
func checkRepository(ctx context.Context, c *Cluster, r *Repository, write bool) error {
	found, err := lookUp(ctx, c, r)
	switch {
	case err != nil:
		return err
	case found == nil:
		return fail(spec.ErrorRepositoryMissing, "cluster %s has no repository %q (profile %s); create it with `starkeep repo create %s --cluster %s`, or correct nativeName", c.Name, r.Native, r.Name, r.Name, c.Name)
	case write && found.ReadOnly:
		return fail(spec.ErrorRepositoryMissing, "repository %q of cluster %s was created READ ONLY; back up into another one", r.Native, c.Name)
	}
	return nil
}

// sameLocation compares locations as people write them: s3, s3a and s3n are one scheme, a final slash means nothing.
func sameLocation(a, b string) bool { return normalLocation(a) == normalLocation(b) }

func normalLocation(l string) string {
	scheme, rest, found := strings.Cut(l, "://")
	if !found {
		return l
	}
	if scheme == "s3a" || scheme == "s3n" {
		scheme = "s3"
	}
	return scheme + "://" + strings.TrimRight(rest, "/")
}
