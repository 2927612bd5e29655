package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// lacking yields the snapshots of which the target has no record, or another one. One that is being deleted there stands
// in the way: neither can it be relied on, nor is it gone.
func (e copyEnds) lacking(ctx context.Context, wanted []restorepoint.SnapshotRef) iter.Seq2[restorepoint.SnapshotRef, error] {
	return func(yield func(restorepoint.SnapshotRef, error) bool) {
		there, err := filesOfSnapshots(ctx, e.to.Store, e.cluster)
		if err != nil {
			yield(restorepoint.SnapshotRef{}, err)
			return
		}
		for _, s := range wanted {
			held := false
			if f := there[s.Label]; f.marked {
				err = e.marked(s.Label)
			} else if f.recorded {
				held, err = e.hasRecord(ctx, s)
			}
			if err != nil {
				yield(restorepoint.SnapshotRef{}, err)
				return
			}
			if !held && !yield(s, nil) {
				return
			}
		}
	}
}

func (e copyEnds) marked(label string) error {
	return fail(spec.ErrorJobFailed, "snapshot %s is being deleted from %s %s: no restore point there needed it any more; let prune finish there (starkeep backup prune), then copy again",
		label, e.to.word(), e.to.Name)
}

func (e copyEnds) hasRecord(ctx context.Context, s restorepoint.SnapshotRef) (bool, error) {
	data, err := storage.ReadAll(ctx, e.to.Store, restorepoint.SnapshotKey(e.cluster, s.Label), maxManifestBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil && restorepoint.Digest(data) == s.SHA256, err
}

// sameName refuses a target in which StarRocks would not find the snapshots: their keys hold the repository's name.
func (e copyEnds) sameName(wanted []restorepoint.SnapshotRef) error {
	for _, s := range wanted {
		k, err := starrocks.ParseKey(s.InfoKey)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", s.Label, err)
		}
		if !e.to.mirror && k.Repository != e.to.Native {
			return fail(spec.ErrorJobFailed, "the point was made in a repository that is called %q in StarRocks, and %s is called %q there: StarRocks finds no snapshot under another name; copy to a mirror, or restore from %s into %s (restore run --from)",
				k.Repository, e.to.Name, e.to.Native, e.from.Name, e.to.Name)
		}
	}
	return nil
}
