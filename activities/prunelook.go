package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// sideBySide is how many small files are read at a time.
const sideBySide = 8

// filed is what lies in one directory of a cluster's own.
type filed struct {
	newest   time.Time // of its files
	manifest bool      // points
	pinned   bool      //
	verified string    // points: key of the last verification
	recorded bool      // snapshots
	marked   bool      //
}

func (f *filed) note(o storage.Object) {
	if o.Modified.After(f.newest) {
		f.newest = o.Modified
	}
}

// clusterFiles is what starkeep keeps of a cluster in a store.
type clusterFiles struct {
	points    map[string]*filed // by id
	snapshots map[string]*filed // by label
	runs      map[string]*filed // by prefix: plans, proofs and probes of a run
}

// clusterFilesIn lists a cluster's directory. Its size follows the numbers of points and native snapshots, not that of tablets.
func clusterFilesIn(ctx context.Context, store storage.Store, cluster string) (*clusterFiles, error) {
	c := &clusterFiles{points: map[string]*filed{}, snapshots: map[string]*filed{}, runs: map[string]*filed{}}
	n := 0
	for o, err := range store.List(ctx, restorepoint.ClusterPrefix(cluster)) {
		if err != nil {
			return nil, fmt.Errorf("list what starkeep keeps of cluster %s: %w", cluster, err)
		}
		if k, err := restorepoint.ParseKey(o.Key); err == nil {
			c.note(k, o)
		}
		if n++; n%10000 == 0 {
			activity.RecordHeartbeat(ctx, fmt.Sprintf("%d files listed", n))
		}
	}
	return c, nil
}

func (c *clusterFiles) note(k restorepoint.Key, o storage.Object) {
	in := func(m map[string]*filed, name string) *filed {
		if m[name] == nil {
			m[name] = &filed{}
		}
		m[name].note(o)
		return m[name]
	}
	switch k.Kind {
	case restorepoint.KeySnapshot:
		in(c.snapshots, k.Label).recorded = true
	case restorepoint.KeyMark:
		in(c.snapshots, k.Label).marked = true
	case restorepoint.KeyObjects:
		in(c.snapshots, k.Label)
	case restorepoint.KeyPlan, restorepoint.KeyProof, restorepoint.KeyProbe:
		in(c.runs, o.Key[:strings.LastIndexByte(o.Key, '/')+1])
	case restorepoint.KeyManifest:
		in(c.points, k.Point).manifest = true
	case restorepoint.KeyPin:
		in(c.points, k.Point).pinned = true
	case restorepoint.KeyVerification:
		in(c.points, k.Point).verified = o.Key
	default:
		in(c.points, k.Point)
	}
}

// prunedPoint is a restore point with what decides over it.
type prunedPoint struct {
	head      restorepoint.PointHead
	labels    []int // of the native snapshots it refers to: indexes
	databases []string
	damaged   bool
	unread    error // why its manifest cannot be read
}

// labelled is a native snapshot that points refer to.
type labelled struct {
	label   string
	native  string
	infoKey string
	objects int64
	bytes   int64
	kept    int // points that refer to it and stay
	gone    int // that refer to it and go
}

// points reads the manifests' heads. Each snapshot is kept once: thousands of points refer to the same ones.
func (p *pruner) readPoints(ctx context.Context) error {
	var ids []string
	for id, f := range p.files.points {
		if f.manifest {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	read := make([]*prunedPoint, len(ids))
	var mu sync.Mutex
	work, all := errgroup.WithContext(ctx)
	work.SetLimit(sideBySide)
	for i, id := range ids {
		work.Go(func() error {
			point, refs, err := p.readPoint(all, id)
			if err != nil || point == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			p.refer(point, refs)
			read[i] = point
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	p.points = slices.DeleteFunc(read, func(x *prunedPoint) bool { return x == nil })
	return nil
}

// readPoint reads one; nil if it is gone by now.
func (p *pruner) readPoint(ctx context.Context, id string) (*prunedPoint, []restorepoint.SnapshotRef, error) {
	body, err := p.where.Store.Get(ctx, restorepoint.ManifestKey(p.in.Spec.Cluster, id), 0, -1)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read restore point %s: %w", id, err)
	}
	defer body.Close()
	point := &prunedPoint{}
	point.head, err = restorepoint.ReadHead(body)
	if errors.Is(err, restorepoint.ErrFormat) {
		point.head.ID, point.unread = id, err
		return point, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read restore point %s: %w", id, err)
	}
	refs := point.head.Snapshots
	point.head.Snapshots = nil
	if key := p.files.points[id].verified; key != "" {
		point.damaged, err = foundDamaged(ctx, p.where.Store, key)
	}
	return point, refs, err
}

func foundDamaged(ctx context.Context, store storage.Store, key string) (bool, error) {
	v, err := readVerification(ctx, store, key)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, restorepoint.ErrFormat) { // deleted, or of a newer starkeep
		return false, nil
	}
	return v.Result == restorepoint.VerifiedDamaged, err
}

// refer notes the native snapshots of a point.
func (p *pruner) refer(point *prunedPoint, refs []restorepoint.SnapshotRef) {
	for _, s := range refs {
		i, known := p.index[s.Label]
		if !known {
			i = len(p.labels)
			p.index[s.Label] = i
			at := labelled{label: s.Label, infoKey: s.InfoKey, objects: s.Objects, bytes: s.Bytes}
			if k, err := starrocks.ParseKey(s.InfoKey); err == nil {
				at.native = k.Repository
			}
			p.labels = append(p.labels, at)
		}
		point.labels = append(point.labels, i)
		if !slices.Contains(point.databases, s.Database) {
			point.databases = append(point.databases, s.Database)
		}
	}
}

// size is what lies below a prefix.
type size struct {
	objects, bytes int64
}

// sizeOf lists a prefix, no further than to an object that is not older than before: that one is not left alone.
func sizeOf(ctx context.Context, store storage.Store, prefix string, before time.Time) (size, bool, error) {
	var s size
	for o, err := range store.List(ctx, prefix) {
		if err != nil {
			return s, false, err
		}
		if !o.Modified.Before(before) {
			return s, false, nil
		}
		s.objects++
		s.bytes += o.Size
		if s.objects%10000 == 0 {
			activity.RecordHeartbeat(ctx, fmt.Sprintf("%d objects below %s", s.objects, prefix))
		}
	}
	return s, s.objects > 0, nil
}
