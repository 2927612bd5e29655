package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// readsAtOnce bounds how many heads of manifests, or records of native snapshots, are read and held in memory at once.
const readsAtOnce = 32

// usage tells what the restore points of a cluster take. It reads the head of every manifest, all of the newest one, and the
// record of every native snapshot, each once.
func (a *Activities) usage(ctx context.Context, in spec.Inspect) (*spec.Usage, error) {
	r, err := a.repository(in.Repository)
	if err != nil {
		return nil, err
	}
	u := &usageReader{cluster: in.Cluster, store: r.Store, sum: restorepoint.NewUsage(time.Now()), out: &spec.Usage{Unreadable: []string{}}}
	for _, read := range []func(context.Context) error{u.points, u.newest, u.snapshots} {
		if err := read(ctx); err != nil {
			return nil, fmt.Errorf("what restore points of cluster %s take in %s: %w", in.Cluster, in.Repository, err)
		}
	}
	return u.result(), nil
}

type usageReader struct {
	cluster string
	store   storage.Store
	sum     *restorepoint.Usage
	out     *spec.Usage
}

func (u *usageReader) points(ctx context.Context) error {
	files, err := pointFiles(ctx, u.store, u.cluster)
	if err != nil {
		return err
	}
	for ids := range slices.Chunk(files.ids, readsAtOnce) {
		if err := u.pointsOf(ctx, ids); err != nil {
			return err
		}
	}
	return nil
}

// pointsOf reads some heads side by side, and adds them in their order.
func (u *usageReader) pointsOf(ctx context.Context, ids []string) error {
	heads, failed := make([]restorepoint.PointHead, len(ids)), make([]error, len(ids))
	var reading sync.WaitGroup
	for i, id := range ids {
		reading.Go(func() { heads[i], failed[i] = readHead(ctx, u.store, u.cluster, id) })
	}
	reading.Wait()
	for i, id := range ids {
		if failed[i] != nil {
			if err := u.unreadable("restore point "+id, failed[i]); err != nil {
				return err
			}
			continue
		}
		u.sum.AddPoint(heads[i])
		if newest(heads[i].PointSummary) {
			u.out.Newest = id
		}
	}
	return nil
}

// newest adds what the newest complete point holds of each table.
func (u *usageReader) newest(ctx context.Context) error {
	if u.out.Newest == "" {
		return nil
	}
	body, err := u.store.Get(ctx, restorepoint.ManifestKey(u.cluster, u.out.Newest), 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	for t, err := range restorepoint.ReadTables(body) {
		if err != nil {
			return u.unreadable("restore point "+u.out.Newest, err)
		}
		u.sum.AddTable(t)
	}
	return nil
}

func (u *usageReader) snapshots(ctx context.Context) error {
	files, err := filesOfSnapshots(ctx, u.store, u.cluster)
	if err != nil {
		return err
	}
	var one sync.Mutex
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for label, known := range files {
		if !known.recorded {
			continue
		}
		group.Go(func() error {
			record, _, err := readRecord(each, u.store, u.cluster, label)
			one.Lock()
			defer one.Unlock()
			if err != nil {
				return u.unreadable("native snapshot "+label, err)
			}
			u.sum.AddSnapshot(record)
			return nil
		})
	}
	return group.Wait()
}

// unreadable notes what is damaged, or went meanwhile; any other error ends the reading.
func (u *usageReader) unreadable(what string, err error) error {
	if !errors.Is(err, restorepoint.ErrFormat) && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if len(u.out.Unreadable) < spec.MaxListed {
		u.out.Unreadable = append(u.out.Unreadable, what+": "+err.Error())
	}
	return nil
}

func (u *usageReader) result() *spec.Usage {
	out := u.out
	out.Points, out.PointCount = []spec.PointUsage{}, len(u.sum.Points)
	for _, p := range slices.Backward(u.sum.Points) {
		if len(out.Points) == spec.MaxListed {
			break
		}
		out.Points = append(out.Points, spec.PointUsage{ID: p.ID, CreatedAt: p.CreatedAt.UTC().Format(time.RFC3339), Complete: p.Complete,
			Snapshots: p.Snapshots, Bytes: p.Bytes, Added: p.Added, Unique: p.Unique, Shared: p.Shared})
	}
	tables := u.sum.Tables()
	out.TableCount, out.Tables = len(tables), []spec.TableUsage{}
	for _, t := range tables[:min(len(tables), spec.MaxListed)] {
		out.Tables = append(out.Tables, spec.TableUsage{Database: t.Database, Table: t.Table, Holds: t.Holds, Bytes: t.Bytes})
	}
	out.Databases = databaseUsage(tables)
	out.Ages = []spec.AgeUsage{}
	for _, age := range u.sum.Ages {
		row := spec.AgeUsage{Snapshots: age.Snapshots, Bytes: age.Bytes}
		if age.Younger > 0 {
			row.Younger = age.Younger.String()
		}
		out.Ages = append(out.Ages, row)
	}
	out.Snapshots, out.Bytes, out.Unneeded = u.sum.Snapshots, u.sum.Bytes, u.sum.Unneeded
	return out
}

// databaseUsage sums tables up, the largest database first.
func databaseUsage(tables []restorepoint.TableUse) []spec.DatabaseUsage {
	at := map[string]int{}
	list := []spec.DatabaseUsage{}
	for _, t := range tables {
		i, known := at[t.Database]
		if !known {
			i = len(list)
			at[t.Database] = i
			list = append(list, spec.DatabaseUsage{Database: t.Database})
		}
		list[i].Tables++
		list[i].Holds += t.Holds
		list[i].Bytes += t.Bytes
	}
	slices.SortFunc(list, func(a, b spec.DatabaseUsage) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Database, b.Database))
	})
	return list[:min(len(list), spec.MaxListed)]
}
