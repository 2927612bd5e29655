package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// PruneBatch is a part of a prune's plan: From to To of the list that the activity works on.
type PruneBatch struct {
	PrunePlanRef
	From int `json:"from"`
	To   int `json:"to"`
}

// Pruned says what a batch came to.
type Pruned struct {
	Done     int             `json:"done"`
	Objects  int64           `json:"objects,omitempty"`
	Bytes    int64           `json:"bytes,omitempty"`
	Held     []spec.HeldBack `json:"held,omitempty"` // at most MaxListed
	HeldAll  int             `json:"heldAll,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
}

func (p *Pruned) hold(name string, err error) {
	p.HeldAll++
	if len(p.Held) < spec.MaxListed {
		p.Held = append(p.Held, spec.HeldBack{Name: name, Locked: isLocked(err), Reason: shortened(err.Error())})
	}
}

func (p *Pruned) warn(format string, args ...any) {
	if len(p.Warnings) < spec.MaxListed {
		p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
	}
}

// lockWords are what stores say when a retention period or a hold forbids to delete. The servers' codes and messages have
// no more in common.
var lockWords = []string{"retention", "object lock", "objectlocked", "worm", "legal hold", "hold", "compliance"}

func isLocked(err error) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(lockWords, func(word string) bool { return strings.Contains(text, word) })
}

// heldBack tells whether a store will not delete however often it is asked: it lacks the right, or keeps a promise.
func heldBack(err error) bool {
	var each *storage.DeleteError
	if !errors.As(err, &each) {
		return errors.Is(err, storage.ErrDenied)
	}
	for _, one := range each.Failed {
		if !errors.Is(one, storage.ErrDenied) && !isLocked(one) {
			return false
		}
	}
	return true
}

// DropPoints deletes restore points of a plan. The manifest goes first: from then on the point is none, and whoever comes
// later takes the rest away. A point that was pinned meanwhile stays. Doing it again does no harm.
func (a *Activities) DropPoints(ctx context.Context, b PruneBatch) (Pruned, error) {
	defer keepAlive(ctx)()
	plan, where, err := a.prunePlan(ctx, b.PrunePlanRef)
	if err != nil {
		return Pruned{}, failure(ctx, err)
	}
	var out Pruned
	for _, id := range plan.Points[b.From:b.To] {
		if err := plan.dropPoint(ctx, where.Store, id, &out); err != nil {
			return out, failure(ctx, fmt.Errorf("delete restore point %s: %w", id, err))
		}
		activity.RecordHeartbeat(ctx, id)
	}
	return out, nil
}

// dropPoint says that it deletes before it looks for a pin, and pinPoint pins before it looks whether somebody deletes: the later
// of the two sees the other.
func (p *prunePlan) dropPoint(ctx context.Context, store storage.Store, id string, out *Pruned) error {
	going := restorepoint.PointMarkKey(p.Cluster, id)
	data, err := restorepoint.EncodeMark(restorepoint.DeletionMark{MarkedAt: time.Now().UTC(), Run: p.ID})
	if err != nil {
		return err
	}
	if err = storage.WriteAll(ctx, store, going, data, storage.Overwrite); err != nil {
		return held(out, id, err)
	}
	_, err = store.Stat(ctx, restorepoint.PinKey(p.Cluster, id))
	if err == nil {
		out.warn("restore point %s was pinned meanwhile and stays", id)
		return held(out, id, store.Delete(ctx, going))
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if err = store.Delete(ctx, restorepoint.ManifestKey(p.Cluster, id)); err != nil {
		if heldBack(err) {
			_ = store.Delete(ctx, going)
		}
		return held(out, id, err)
	}
	if _, err = dropFiles(ctx, store, restorepoint.PointPrefix(p.Cluster)+id+"/"); err == nil {
		out.Done++
	}
	return held(out, id, err)
}

// held reports what a store will not do however often it is asked, and gives any other error back.
func held(out *Pruned, name string, err error) error {
	if err == nil || !heldBack(err) {
		return err
	}
	out.hold(name, err)
	return nil
}

// dropFiles deletes what is below a prefix of starkeep's own. What is no file of starkeep's stays.
func dropFiles(ctx context.Context, store storage.Store, prefix string) (n int, err error) {
	var keys []string
	for o, err := range store.List(ctx, prefix) {
		if err != nil {
			return 0, err
		}
		if _, err := restorepoint.ParseKey(o.Key); err == nil {
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	return len(keys), store.Delete(ctx, keys...)
}

// MarkSnapshots marks the native snapshots of a plan that no restore point needs, and frees those of their mark that one needs
// again. A mark that is there stands: its grace has begun.
func (a *Activities) MarkSnapshots(ctx context.Context, b PruneBatch) (Pruned, error) {
	defer keepAlive(ctx)()
	plan, where, err := a.prunePlan(ctx, b.PrunePlanRef)
	if err != nil {
		return Pruned{}, failure(ctx, err)
	}
	needed, err := plan.needed(ctx, where.Store)
	if err != nil {
		return Pruned{}, failure(ctx, err)
	}
	var out Pruned
	for _, s := range plan.Marks[b.From:b.To] {
		if needed[s.Label] && !s.Unmark {
			continue
		}
		if err := plan.markOne(ctx, where.Store, s, &out); err != nil {
			return out, failure(ctx, fmt.Errorf("mark native snapshot %s: %w", s.Label, err))
		}
		activity.RecordHeartbeat(ctx, s.Label)
	}
	return out, nil
}

func (p *prunePlan) markOne(ctx context.Context, store storage.Store, s pruneSnapshot, out *Pruned) error {
	key := restorepoint.MarkKey(p.Cluster, s.Label)
	if s.Unmark {
		return held(out, s.Label, store.Delete(ctx, key))
	}
	now := time.Now().UTC()
	data, err := restorepoint.EncodeMark(restorepoint.DeletionMark{MarkedAt: now, DeleteAfter: now.Add(p.Grace), Run: p.ID, Native: s.Native, Objects: s.Objects, Bytes: s.Bytes, Debris: s.Debris})
	if err != nil {
		return err
	}
	err = storage.WriteAll(ctx, store, key, data, storage.IfAbsent)
	if err != nil && !errors.Is(err, storage.ErrExists) {
		return err
	}
	out.Done++
	return nil
}

// needed lists the native snapshots that restore points refer to which have come since the plan was made: those that
// were there then, and stay, need none that the plan deletes.
func (p *prunePlan) needed(ctx context.Context, store storage.Store) (map[string]bool, error) {
	needed := map[string]bool{}
	files, err := pointFiles(ctx, store, p.Cluster)
	if err != nil {
		return nil, fmt.Errorf("look for new restore points: %w", err)
	}
	for _, id := range files.ids {
		if _, known := slices.BinarySearch(p.Known, id); known && !p.goes(id) {
			continue
		}
		head, err := readHead(ctx, store, p.Cluster, id)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil && p.goes(id) && p.Force {
			continue // it is given up because it cannot be read
		}
		if err != nil {
			return nil, fmt.Errorf("restore point %s: %w", id, err)
		}
		for _, s := range head.Snapshots {
			needed[s.Label] = true
		}
	}
	return needed, nil
}

// goes tells whether the plan deletes a point. One that is there all the same was held back by its store or a pin.
func (p *prunePlan) goes(id string) bool {
	_, found := slices.BinarySearch(p.Points, id)
	return found
}

// SweepFiles deletes what else a plan names: files of starkeep's own that nobody needs any more.
func (a *Activities) SweepFiles(ctx context.Context, b PruneBatch) (Pruned, error) {
	defer keepAlive(ctx)()
	plan, where, err := a.prunePlan(ctx, b.PrunePlanRef)
	if err != nil {
		return Pruned{}, failure(ctx, err)
	}
	var out Pruned
	for _, at := range plan.Files[b.From:b.To] {
		err := plan.sweep(ctx, where.Store, at)
		switch {
		case err == nil:
			out.Done++
		case heldBack(err):
			out.hold(at, err)
		default:
			return out, failure(ctx, fmt.Errorf("delete %s: %w", at, err))
		}
		activity.RecordHeartbeat(ctx, at)
	}
	return out, nil
}

func (p *prunePlan) sweep(ctx context.Context, store storage.Store, at string) error {
	if !strings.HasSuffix(at, "/") {
		return store.Delete(ctx, at)
	}
	id, isPoint := strings.CutPrefix(strings.TrimSuffix(at, "/"), restorepoint.PointPrefix(p.Cluster))
	if isPoint {
		_, err := store.Stat(ctx, restorepoint.ManifestKey(p.Cluster, id))
		if err == nil || !errors.Is(err, storage.ErrNotFound) {
			return err // it has come back: a mirror was given the point again
		}
	}
	_, err := dropFiles(ctx, store, at)
	return err
}
