package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// DeleteSnapshots deletes native snapshots of a plan whose grace is over: StarRocks' own objects first, then what starkeep
// knows of them. The mark stays, with the time, until another grace is over. It looks again before each whether it is
// still marked and no restore point has come that needs it. What the store does not let go is reported, and tried again by
// the next prune.
func (a *Activities) DeleteSnapshots(ctx context.Context, b PruneBatch) (Pruned, error) {
	defer keepAlive(ctx)()
	plan, where, err := a.prunePlan(ctx, b.PrunePlanRef)
	if err != nil {
		return Pruned{}, failure(ctx, err)
	}
	d := &snapshotDeleter{plan: plan, store: where.Store}
	if d.needed, err = plan.needed(ctx, where.Store); err != nil {
		return Pruned{}, failure(ctx, err)
	}
	for _, s := range plan.Snapshots[b.From:b.To] {
		if err := held(&d.out, s.Label, d.snapshot(ctx, s)); err != nil {
			return d.out, failure(ctx, fmt.Errorf("delete native snapshot %s: %w", s.Label, err))
		}
	}
	if d.kept > 0 {
		d.out.warn("the bucket of %s keeps older versions: %s that were deleted take their space until those expire; give the bucket a lifecycle rule for noncurrent versions", where.Name, spec.Bytes(d.kept))
	}
	return d.out, nil
}

type snapshotDeleter struct {
	plan   *prunePlan
	store  storage.Store
	needed map[string]bool
	out    Pruned

	versions bool  // the bucket keeps what is deleted
	kept     int64 // bytes of it
}

func (d *snapshotDeleter) snapshot(ctx context.Context, s pruneSnapshot) error {
	m, ok, err := d.mayGo(ctx, s)
	if err != nil || !ok {
		return err
	}
	if m.Native != "" {
		if err := d.objects(ctx, s, m); err != nil {
			return err
		}
	}
	if err := d.records(ctx, s.Label); err != nil {
		return err
	}
	m.DeletedAt = time.Now().UTC()
	data, err := restorepoint.EncodeMark(m)
	if err != nil {
		return err
	}
	if err := storage.WriteAll(ctx, d.store, restorepoint.MarkKey(d.plan.Cluster, s.Label), data, storage.Overwrite); err != nil {
		return err
	}
	d.count(ctx, s)
	return nil
}

// count adds a snapshot that is deleted. Where the bucket keeps older versions its bytes are not free.
func (d *snapshotDeleter) count(ctx context.Context, s pruneSnapshot) {
	if !d.versions {
		_, err := d.store.Stat(ctx, restorepoint.SnapshotKey(d.plan.Cluster, s.Label))
		d.versions = errors.Is(err, storage.ErrHidden)
	}
	d.out.Done++
	if d.versions {
		d.kept += s.Bytes
		return
	}
	d.out.Objects += s.Objects
	d.out.Bytes += s.Bytes
}

// mayGo looks once more. Of debris nothing may have been written since it was marked.
func (d *snapshotDeleter) mayGo(ctx context.Context, s pruneSnapshot) (restorepoint.DeletionMark, bool, error) {
	m, marked, err := readMark(ctx, d.store, d.plan.Cluster, s.Label)
	switch {
	case err != nil || !marked || d.needed[s.Label]:
		return m, false, err
	case m.DeletedAt.After(d.plan.At): // by an earlier attempt at this batch
		d.count(ctx, s)
		return m, false, nil
	case d.plan.At.Sub(m.MarkedAt) < d.plan.Grace:
		return m, false, nil
	case !m.Debris || m.Native == "":
		return m, true, nil
	}
	alone, err := d.leftAlone(ctx, s.Label, m)
	if err == nil && !alone {
		d.out.warn("native snapshot %s was written to since it was marked, and stays", s.Label)
		err = d.store.Delete(ctx, restorepoint.MarkKey(d.plan.Cluster, s.Label))
	}
	return m, alone, err
}

// leftAlone tells whether neither a record nor a file that makes the snapshot restorable has come since it was marked.
func (d *snapshotDeleter) leftAlone(ctx context.Context, label string, m restorepoint.DeletionMark) (bool, error) {
	if !m.DeletedAt.IsZero() { // what came after that is of a BE that was late
		return true, nil
	}
	o, err := d.store.Stat(ctx, restorepoint.SnapshotKey(d.plan.Cluster, label))
	if err == nil && o.Modified.After(m.MarkedAt) {
		return false, nil
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return false, err
	}
	for o, err := range d.store.List(ctx, starrocks.Snapshot{Repository: m.Native, Label: label}.InfoPrefix("")) {
		if err != nil {
			return false, err
		}
		if o.Modified.After(m.MarkedAt) || !restorepoint.IsOwnLabel(label) {
			return false, nil
		}
	}
	return true, nil
}

// objects deletes StarRocks' own, __info first: without it there is no snapshot any more. The mark is looked at again and again: while
// it is there nobody can have begun to use the label anew.
func (d *snapshotDeleter) objects(ctx context.Context, s pruneSnapshot, m restorepoint.DeletionMark) error {
	prefix := starrocks.Snapshot{Repository: m.Native, Label: s.Label}.Prefix()
	var keys []string
	drop := func() error {
		if marked, err := isMarked(ctx, d.store, d.plan.Cluster, s.Label); err != nil || !marked {
			return errors.Join(err, notMarked(marked, s.Label))
		}
		err := d.store.Delete(ctx, keys...)
		activity.RecordHeartbeat(ctx, s.Label)
		keys = keys[:0]
		return err
	}
	for o, err := range d.store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if keys = append(keys, o.Key); len(keys) < deleteBatch {
			continue
		}
		if err := drop(); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return drop()
}

// notMarked ends a deletion whose mark somebody took away.
func notMarked(marked bool, label string) error {
	if marked {
		return nil
	}
	return fail(spec.ErrorPlanChanged, "the mark of native snapshot %s was taken away while it was being deleted; what is left of it stays; verify the restore points that need it", label)
}

// records deletes what starkeep knows of a snapshot: the lists, then the record; not the mark.
func (d *snapshotDeleter) records(ctx context.Context, label string) error {
	var lists []string
	for o, err := range d.store.List(ctx, restorepoint.SnapshotPrefix(d.plan.Cluster, label)) {
		if err != nil {
			return err
		}
		if k, err := restorepoint.ParseKey(o.Key); err == nil && k.Kind == restorepoint.KeyObjects {
			lists = append(lists, o.Key)
		}
	}
	if len(lists) > 0 {
		if err := d.store.Delete(ctx, lists...); err != nil {
			return err
		}
	}
	return d.store.Delete(ctx, restorepoint.SnapshotKey(d.plan.Cluster, label))
}
