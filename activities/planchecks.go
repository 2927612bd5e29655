package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// lookAtBackends counts the hosts that can take replicas, and warns of BEs that will hold the restore up.
func (p *restorePlanner) lookAtBackends(ctx context.Context) (err error) {
	if p.backends, err = p.cluster.FE.Backends(ctx); err != nil {
		return fmt.Errorf("list the BEs of cluster %s: %w", p.cluster.Name, err)
	}
	alive := map[string]bool{}
	for _, b := range p.backends {
		switch {
		case !b.Alive:
			p.warn("BE %d (%s) is not alive", b.ID, b.Host)
			continue
		case b.HeartbeatAge > p.cluster.Timing.HeartbeatAge:
			p.warn("BE %d (%s) counts as alive, but has not answered for %s: a restore waits until StarRocks has decided", b.ID, b.Host, b.HeartbeatAge.Round(time.Second))
		}
		alive[b.Host] = true
	}
	p.hosts = len(alive)
	if n := p.in.Spec.ReplicationNum; n > p.hosts && p.hosts > 0 {
		return invalid(`field "replicationNum" is %d, but cluster %s has %d BEs alive, and each replica needs one of its own; give at most %d`, n, p.cluster.Name, p.hosts, p.hosts)
	}
	if p.hosts == 0 {
		return fail(spec.ErrorSchemaMismatch, "cluster %s has no BE alive; start them before restoring", p.cluster.Name)
	}
	return nil
}

// checkVersion warns where the target is older than the cluster that made the point. That StarRocks takes, or refuses,
// what a newer version wrote is nowhere promised (facts §10.2; by source, not measured).
func (p *restorePlanner) checkVersion(ctx context.Context) error {
	to, err := p.cluster.FE.Version(ctx)
	if err != nil {
		return fmt.Errorf("read the version of cluster %s: %w", p.cluster.Name, err)
	}
	from, err := starrocks.ParseVersion(p.manifest.Cluster.Version)
	if err != nil || to.Compare(starrocks.Version{Major: from.Major, Minor: from.Minor, Main: from.Main}) >= 0 {
		return nil
	}
	p.warn("restore point %s was made by StarRocks %s, and cluster %s runs the older %s: restores into an older version are not promised to work", p.manifest.ID, from, p.cluster.Name, to)
	if from.AtLeast(3, 4) && !to.AtLeast(3, 4) {
		p.warn("StarRocks before 3.4 may not find the tablets in what 3.4 and later write, and fail: try one small table first")
	}
	return nil
}

// native reads what a native snapshot says of its tables.
func (p *restorePlanner) native(ctx context.Context, label string) (*native, error) {
	if n := p.natives[label]; n != nil {
		return n, nil
	}
	record, _, err := readRecord(ctx, p.from.Store, p.manifest.Cluster.Name, label)
	if err != nil {
		return nil, err
	}
	n := &native{tables: map[string]restorepoint.Table{}, indexes: map[string]int{}}
	for _, t := range record.Tables {
		n.tables[t.Name] = t
	}
	raw, err := readChecked(ctx, p.from.Store, record.MetaKey)
	if err != nil {
		return nil, err
	}
	meta, err := starrocks.ParseMeta(raw)
	if err != nil && !errors.Is(err, starrocks.ErrMetaNotJSON) {
		return nil, err
	}
	if err == nil {
		for name, t := range meta.Tables {
			n.indexes[name] = len(t.Schemas)
		}
	}
	p.natives[label] = n
	return n, nil
}

// checkObjects looks, before anything else, whether all that the plan needs is in the repository (rule 13).
func (p *restorePlanner) checkObjects(ctx context.Context) error {
	needed := map[string]map[int64]bool{} // snapshot → physical partitions
	var tables []restorepoint.Table
	for _, plan := range p.plans {
		for _, t := range plan.Tables {
			tables = append(tables, t.Table)
			for _, part := range t.Table.Partitions {
				if needed[part.Snapshot] == nil {
					needed[part.Snapshot] = map[int64]bool{}
				}
				for _, ph := range part.Physical {
					needed[part.Snapshot][ph.ID] = true
				}
			}
		}
	}
	places := restorepoint.PlacesOf(tables)
	digests := map[string]string{}
	for _, s := range p.manifest.Snapshots {
		digests[s.Label] = s.SHA256
	}
	for _, label := range slices.Sorted(maps.Keys(needed)) {
		if err := checkSnapshotPresent(ctx, p.from, p.manifest.Cluster.Name, label, digests[label], needed[label], places); err != nil {
			return err
		}
	}
	return nil
}
