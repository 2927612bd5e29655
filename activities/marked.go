package activities

import (
	"context"
	"errors"
	"fmt"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxMarkBytes bounds a mark and a pin.
const maxMarkBytes = 64 << 10

// readMark reads the mark of a native snapshot; false if it has none.
func readMark(ctx context.Context, store storage.Store, cluster, label string) (restorepoint.DeletionMark, bool, error) {
	data, err := storage.ReadAll(ctx, store, restorepoint.MarkKey(cluster, label), maxMarkBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return restorepoint.DeletionMark{}, false, nil
	}
	if err != nil {
		return restorepoint.DeletionMark{}, false, fmt.Errorf("read the mark of snapshot %s: %w", label, err)
	}
	m, err := restorepoint.DecodeMark(data)
	return m, err == nil, err
}

// isMarked tells whether a native snapshot is going to be deleted, so that nothing may refer to it any more.
func isMarked(ctx context.Context, store storage.Store, cluster, label string) (bool, error) {
	_, err := store.Stat(ctx, restorepoint.MarkKey(cluster, label))
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// snapshotFiles is what lies of a native snapshot in a cluster's directory.
type snapshotFiles struct{ recorded, marked bool }

// filesOfSnapshots lists them all, by label.
func filesOfSnapshots(ctx context.Context, store storage.Store, cluster string) (map[string]snapshotFiles, error) {
	found := map[string]snapshotFiles{}
	for o, err := range store.List(ctx, restorepoint.SnapshotsPrefix(cluster)) {
		if err != nil {
			return nil, fmt.Errorf("list what is known of native snapshots: %w", err)
		}
		k, err := restorepoint.ParseKey(o.Key)
		if err != nil {
			continue
		}
		f := found[k.Label]
		f.recorded = f.recorded || k.Kind == restorepoint.KeySnapshot
		f.marked = f.marked || k.Kind == restorepoint.KeyMark
		found[k.Label] = f
	}
	return found, nil
}

// referable refuses to refer to native snapshots that are gone, or are going to be deleted.
func referable(ctx context.Context, store storage.Store, cluster string, refs []restorepoint.SnapshotRef) error {
	there, err := filesOfSnapshots(ctx, store, cluster)
	if err != nil {
		return err
	}
	for _, s := range refs {
		switch f := there[s.Label]; {
		case f.marked:
			return fail(spec.ErrorSnapshotMissing, "native snapshot %s, which the restore point needs, was marked for deletion meanwhile (starkeep backup prune); run it again", s.Label)
		case !f.recorded:
			return deletedMeanwhile(s.Label)
		}
	}
	return nil
}

func deletedMeanwhile(label string) error {
	return fail(spec.ErrorSnapshotMissing, "native snapshot %s, which the restore point needs, was deleted meanwhile (starkeep backup prune); run it again", label)
}

// commitManifest makes a restore point of an encoded manifest, in a store whose native snapshots may be pruned at any time.
// ErrExists if the point is there already.
//
// It looks for marks before it writes, and for the snapshots themselves afterwards. A mark that comes in between is taken back
// by who would delete the snapshot: he reads the manifests again when its grace is over. So the snapshot is gone only for a
// writer that stood still for all of the grace; he takes his manifest back.
func commitManifest(ctx context.Context, store storage.Store, cluster string, m restorepoint.Manifest, data []byte) error {
	key := restorepoint.ManifestKey(cluster, m.ID)
	_, err := store.Stat(ctx, key)
	switch {
	case err == nil:
		return storage.ErrExists
	case !errors.Is(err, storage.ErrNotFound):
		return err
	}
	if err := referable(ctx, store, cluster, m.Snapshots); err != nil {
		return err
	}
	if err := storage.WriteAll(ctx, store, key, data, storage.IfAbsent); err != nil {
		return err
	}
	return holds(ctx, store, cluster, m)
}

// holds takes the manifest of a restore point back if a native snapshot that it refers to is gone.
func holds(ctx context.Context, store storage.Store, cluster string, m restorepoint.Manifest) error {
	there, err := filesOfSnapshots(ctx, store, cluster)
	if err != nil {
		return err
	}
	for _, s := range m.Snapshots {
		if there[s.Label].recorded {
			continue
		}
		if err := store.Delete(ctx, restorepoint.ManifestKey(cluster, m.ID)); err != nil {
			return fmt.Errorf("take the manifest of restore point %s back, whose native snapshot %s was deleted meanwhile: %w", m.ID, s.Label, err)
		}
		return deletedMeanwhile(s.Label)
	}
	return nil
}
