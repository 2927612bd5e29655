package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
)

// RepairInput names what is to be repaired: the findings of one file.
type RepairInput struct {
	PlanVerifyInput
	File string `json:"file"`
}

// RepairedObjects sums up a repair.
type RepairedObjects struct {
	Repaired int64 `json:"repaired"`
}

// RepairObjects copies back what was found missing or damaged, from the store that the verification names for it. An object
// is left alone if it is right by now; its copy is stored only if that is right, and read back afterwards. Nothing is
// deleted: doubled and foreign objects are never touched. What cannot be repaired says why. Doing it again does the rest.
func (a *Activities) RepairObjects(ctx context.Context, in RepairInput) (RepairedObjects, error) {
	defer keepAlive(ctx)()
	out, err := a.repairObjects(ctx, in)
	if err != nil {
		err = fmt.Errorf("repair %s from %s: %w", in.Spec.Where, in.Spec.RepairFrom, err)
	}
	return out, failure(ctx, err)
}

func (a *Activities) repairObjects(ctx context.Context, in RepairInput) (RepairedObjects, error) {
	r, err := a.repairer(in)
	if err != nil {
		return RepairedObjects{}, err
	}
	key := verifyKey(in.PlanVerifyInput, in.File)
	f, err := readFindings(ctx, r.where.Store, key)
	if err != nil {
		return RepairedObjects{}, err
	}
	var out RepairedObjects
	for i := range f.Found {
		if err := r.repair(ctx, &f.Found[i]); err != nil {
			return out, errors.Join(err, f.write(context.WithoutCancel(ctx), r.where.Store, key))
		}
		if f.Found[i].Repaired {
			out.Repaired++
		}
		activity.RecordHeartbeat(ctx, f.Found[i].Key)
	}
	return out, f.write(ctx, r.where.Store, key)
}

// repairer copies from one store to the other.
type repairer struct {
	cluster     string
	where, from *Repository
}

func (a *Activities) repairer(in RepairInput) (*repairer, error) {
	where, err := a.storeOf("where", in.Spec.Where)
	if err != nil {
		return nil, err
	}
	from, err := a.storeOf("repairFrom", in.Spec.RepairFrom)
	return &repairer{cluster: in.Spec.Cluster, where: where, from: from}, err
}

// repair mends one problem if it can, and says so in it. The error is a store's.
func (r *repairer) repair(ctx context.Context, p *found) error {
	mendable := p.Kind == restorepoint.ProblemMissing || p.Kind == restorepoint.ProblemSize || p.Kind == restorepoint.ProblemContent
	if p.Repaired || !mendable {
		return nil
	}
	key, notNative := starrocks.ParseKey(p.Key)
	var right bool
	var err error
	switch {
	case p.SHA256 != "":
		right, err = r.file(ctx, p.Key, func(data []byte) bool { return restorepoint.Digest(data) == p.SHA256 })
	case notNative == nil && key.Kind == starrocks.KeyRepoInfo:
		right, err = r.file(ctx, p.Key, func(data []byte) bool { return len(data) > 0 })
	case notNative == nil && key.MD5 != "":
		right, err = r.object(ctx, p.Key, key.MD5)
	default:
		return nil
	}
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && !right:
		p.Detail += fmt.Sprintf("; %s has no right copy of it", r.from.Name)
	case err != nil:
		return err
	default:
		p.Repaired = true
	}
	return nil
}

// object brings an object whose name tells its MD5.
func (r *repairer) object(ctx context.Context, key, sum string) (right bool, err error) {
	source, err := r.from.Store.Stat(ctx, key)
	if err != nil {
		if errors.Is(err, storage.ErrNotFound) { // nothing to repair with, but perhaps nothing to repair either
			there, err := storage.ReadContent(ctx, r.where.Store, key, 0, nil)
			return !there.Missing && there.MD5 == sum, err
		}
		return false, err
	}
	is := func() (bool, error) {
		there, err := storage.ReadContent(ctx, r.where.Store, key, source.Size, nil)
		return !there.Missing && there.Size == source.Size && there.MD5 == sum, err
	}
	if right, err = is(); right || err != nil {
		return right, err
	}
	source.Key = key
	one := func(yield func(storage.Object, error) bool) { yield(source, nil) }
	_, err = storage.Transfer(ctx, r.from.Store, r.where.Store, one, storage.TransferOptions{MD5: func(storage.Object) string { return sum }})
	if isDamage(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return is()
}

// file brings one of starkeep's own files, or of a repository's.
func (r *repairer) file(ctx context.Context, key string, isRight func([]byte) bool) (right bool, err error) {
	there, err := storage.ReadAll(ctx, r.where.Store, key, maxManifestBytes)
	if err == nil && isRight(there) {
		return true, nil
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return false, err
	}
	data, err := storage.ReadAll(ctx, r.from.Store, key, maxManifestBytes)
	if err != nil || !isRight(data) {
		return false, err
	}
	if err := storage.WriteAll(ctx, r.where.Store, key, data, storage.Overwrite); err != nil {
		return false, err
	}
	there, err = storage.ReadAll(ctx, r.where.Store, key, maxManifestBytes)
	return err == nil && isRight(there), err
}

// RepairManifests brings back manifests that cannot be read, where the other store has one of that point that can. It tells
// which points have a readable one now. A manifest that is missing makes no point, and is not brought back.
func (a *Activities) RepairManifests(ctx context.Context, in RepairInput, points []string) ([]string, error) {
	defer keepAlive(ctx)()
	mended, err := a.repairManifests(ctx, in, points)
	if err != nil {
		err = fmt.Errorf("repair manifests in %s from %s: %w", in.Spec.Where, in.Spec.RepairFrom, err)
	}
	return mended, failure(ctx, err)
}

func (a *Activities) repairManifests(ctx context.Context, in RepairInput, points []string) (mended []string, err error) {
	r, err := a.repairer(in)
	if err != nil {
		return nil, err
	}
	for _, id := range points {
		key := restorepoint.ManifestKey(in.Spec.Cluster, id)
		if _, err := r.where.Store.Stat(ctx, key); errors.Is(err, storage.ErrNotFound) {
			continue // pruned meanwhile
		}
		right, err := r.file(ctx, key, func(data []byte) bool {
			_, problem := manifestOf(data, in.Spec.Cluster, id)
			return problem == ""
		})
		switch {
		case err != nil && !errors.Is(err, storage.ErrNotFound):
			return mended, err
		case right:
			mended = append(mended, id)
		}
	}
	return mended, nil
}
