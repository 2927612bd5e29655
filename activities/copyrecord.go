package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxCopiedList bounds a stored object list in memory.
const maxCopiedList = 64 << 20

// CopyRecordInput is a native snapshot whose objects are copied.
type CopyRecordInput struct {
	Spec     spec.Copy      `json:"spec"`
	Run      string         `json:"run"`
	Snapshot SnapshotToCopy `json:"snapshot"`
}

// CopyRecord makes a snapshot whole at the target: its __info, the object lists, and last the record. Then the plan files
// go. Done again it does no harm.
func (a *Activities) CopyRecord(ctx context.Context, in CopyRecordInput) error {
	defer keepAlive(ctx)()
	e, err := a.ends(in.Spec)
	if err != nil {
		return failure(ctx, err)
	}
	if err = e.copyRecord(ctx, in); err != nil {
		err = fmt.Errorf("copy the record of snapshot %s %s: %w", in.Snapshot.Label, e.way(), err)
	}
	return failure(ctx, err)
}

func (e copyEnds) copyRecord(ctx context.Context, in CopyRecordInput) error {
	key := restorepoint.SnapshotKey(e.cluster, in.Snapshot.Label)
	data, err := storage.ReadAll(ctx, e.from.Store, key, maxManifestBytes)
	if err != nil {
		return err
	}
	if sum := restorepoint.Digest(data); in.Snapshot.SHA256 != "" && sum != in.Snapshot.SHA256 {
		return fail(spec.ErrorChecksumMismatch, "the record %s in %s %s is not the one that the restore point refers to", key, e.from.word(), e.from.Name)
	}
	record, err := restorepoint.DecodeSnapshotRecord(data)
	if err != nil {
		return err
	}
	if err := e.allThere(ctx, record); err != nil {
		return err
	}
	info, err := readChecked(ctx, e.from.Store, record.InfoKey)
	if err != nil {
		return err
	}
	if err := storage.WriteAll(ctx, e.to.Store, record.InfoKey, info, storage.Overwrite); err != nil {
		return err
	}
	for _, list := range record.Lists {
		packed, err := storage.ReadAll(ctx, e.from.Store, list.Key, maxCopiedList)
		if err != nil {
			return err
		}
		if restorepoint.Digest(packed) != list.SHA256 {
			return fail(spec.ErrorChecksumMismatch, "the object list %s in %s %s is not the one that was written", list.Key, e.from.word(), e.from.Name)
		}
		if err := storage.WriteAll(ctx, e.to.Store, list.Key, packed, storage.Overwrite); err != nil {
			return err
		}
	}
	if err := storage.WriteAll(ctx, e.to.Store, key, data, storage.Overwrite); err != nil {
		return err
	}
	return e.dropPlans(ctx, in)
}

// allThere compares the target's listing with what was recorded: what a prune took for debris meanwhile is missing again.
func (e copyEnds) allThere(ctx context.Context, record restorepoint.SnapshotRecord) error {
	info, err := starrocks.ParseKey(record.InfoKey)
	if err != nil {
		return err
	}
	there := newListed(e.to.Store.List(ctx, starrocks.Snapshot{Repository: info.Repository, Label: info.Label}.Prefix()))
	defer there.stop()
	for o, err := range recorded(ctx, e.from.Store, record) {
		if err != nil {
			return err
		}
		if o.Key == record.InfoKey {
			continue
		}
		have, ok, err := there.find(o.Key)
		if err != nil {
			return err
		}
		if !ok || have.Size != o.Size {
			return fail(spec.ErrorSnapshotMissing, "%s is missing in %s %s although it was copied, or has another size; copy again", o.Key, e.to.word(), e.to.Name)
		}
	}
	return nil
}

// dropPlans removes the plan files of a snapshot.
func (e copyEnds) dropPlans(ctx context.Context, in CopyRecordInput) error {
	var keys []string
	for o, err := range e.to.Store.List(ctx, restorepoint.PlanPrefix(e.cluster, copyRun(in.Run))) {
		if err != nil {
			return err
		}
		if k, err := restorepoint.ParseKey(o.Key); err == nil && strings.HasPrefix(k.Database, in.Snapshot.Label+".") {
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	err := e.to.Store.Delete(ctx, keys...)
	if errors.Is(err, storage.ErrDenied) { // a copy needs no right to delete: prune, which has it, takes them away
		return nil
	}
	return err
}

// PublishCopy commits a restore point at the target: when all its snapshots are whole there, the repository's own file
// __repo_info, where it is missing, and last the manifest, if absent.
func (a *Activities) PublishCopy(ctx context.Context, in PointCopyInput) error {
	defer keepAlive(ctx)()
	e, err := a.ends(in.Spec)
	if err != nil {
		return failure(ctx, err)
	}
	if err = e.publish(ctx, in.Point); err != nil {
		err = fmt.Errorf("copy restore point %s %s: %w", in.Point, e.way(), err)
	}
	return failure(ctx, err)
}

func (e copyEnds) publish(ctx context.Context, point string) error {
	manifest, err := readManifestBytes(ctx, e.from.Store, e.cluster, point)
	if err != nil {
		return err
	}
	head, err := restorepoint.ReadHead(bytes.NewReader(manifest))
	if err != nil {
		return err
	}
	for s, err := range e.lacking(ctx, head.Snapshots) {
		if err != nil {
			return err
		}
		return fail(spec.ErrorSnapshotMissing, "snapshot %s went away in %s %s while the point was copied; copy again", s.Label, e.to.word(), e.to.Name)
	}
	if err := e.copyRepoInfo(ctx, head.Snapshots); err != nil {
		return err
	}
	err = commitManifest(ctx, e.to.Store, e.cluster, restorepoint.Manifest{ID: point, Snapshots: head.Snapshots}, manifest)
	if !errors.Is(err, storage.ErrExists) {
		return err
	}
	key := restorepoint.ManifestKey(e.cluster, point)
	there, err := storage.ReadAll(ctx, e.to.Store, key, maxManifestBytes)
	if err == nil && !bytes.Equal(there, manifest) {
		err = fail(spec.ErrorChecksumMismatch, "%s %s holds another restore point of this id (%s); starkeep backup verify tells which of the two is damaged", e.to.word(), e.to.Name, key)
	}
	return err
}

// copyRepoInfo copies the file that lets StarRocks attach to the repository. One that is there stays: it is that of a
// repository that is in use.
func (e copyEnds) copyRepoInfo(ctx context.Context, snapshots []restorepoint.SnapshotRef) error {
	done := map[string]bool{}
	for _, s := range snapshots {
		k, err := starrocks.ParseKey(s.InfoKey)
		if err != nil {
			return err
		}
		if done[k.Repository] {
			continue
		}
		done[k.Repository] = true
		info, err := storage.ReadAll(ctx, e.from.Store, starrocks.RepoInfoKey(k.Repository), maxRepoInfo)
		if errors.Is(err, storage.ErrNotFound) { // StarRocks needs it; a restore by way of another repository does not
			continue
		}
		if err == nil {
			err = storage.WriteAll(ctx, e.to.Store, starrocks.RepoInfoKey(k.Repository), info, storage.IfAbsent)
		}
		if err != nil && !errors.Is(err, storage.ErrExists) {
			return err
		}
	}
	return nil
}
