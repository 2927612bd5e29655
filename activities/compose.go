package activities

import (
	"context"
	"fmt"
	"sync"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Composed sums up a native snapshot that was composed.
type Composed struct {
	Label     string `json:"label,omitempty"` // "": the unit's parts lie in one native snapshot, nothing was composed
	Timestamp string `json:"timestamp,omitempty"`
	Snapshots int    `json:"snapshots,omitempty"` // that it was made of
	Tablets   int64  `json:"tablets,omitempty"`
	Objects   int64  `json:"objects,omitempty"`
	Bytes     int64  `json:"bytes,omitempty"`
	Present   int64  `json:"present,omitempty"`   // of Objects: left by an earlier attempt
	Statement string `json:"statement,omitempty"` // of an export: the RESTORE that takes all of it
}

// Compose is the download: where the unit's parts lie in several native snapshots, or in another repository, it puts their
// tablets together under the label UnitRef.Composed, by copies within the store where source and target are one, and
// writes __meta and, last, __info. It asserts all that must agree (starrocks-measured C §2) before a byte is copied, and lists
// and compares everything afterwards. Done again it copies what is missing only. JobFailed for parts that do not fit
// together and, naming the parts, for objects that are gone or damaged.
func (a *Activities) Compose(ctx context.Context, u UnitRef) (Composed, error) {
	w, err := a.resolve(ctx, u)
	if err != nil {
		return Composed{}, failure(ctx, err)
	}
	if !w.composes() {
		return Composed{}, nil
	}
	out, err := w.composeAll(ctx)
	if err != nil {
		err = fmt.Errorf("compose snapshot %s for database %s: %w", w.Composed, w.Database, err)
	}
	return out, failure(ctx, err)
}

func (w *work) composeAll(ctx context.Context) (Composed, error) {
	p := w.downloading(ctx)
	defer p.end()
	c, err := w.composition(ctx)
	if err != nil {
		return Composed{}, err
	}
	result, err := c.copy(ctx, func(r storage.TransferResult) { p.at(int(c.tablets.Load()), r.Bytes) })
	if err != nil {
		return Composed{}, err
	}
	if err := c.finish(ctx); err != nil {
		return Composed{}, err
	}
	if err := c.check(ctx); err != nil {
		return Composed{}, err
	}
	out := Composed{Label: w.Composed, Timestamp: c.timestamp, Snapshots: len(c.records), Tablets: c.tablets.Load(),
		Objects: result.Copied + result.Present, Bytes: result.Bytes, Present: result.Present}
	if w.plan.Export != "" {
		out.Statement, err = w.exportStatement(c.timestamp)
	}
	return out, err
}

// download is the heartbeat of Compose: how far it is.
type download struct {
	ctx  context.Context
	stop func()

	mu       sync.Mutex
	bytes    int64 // of all
	progress spec.JobProgress
}

// downloading begins to heartbeat.
func (w *work) downloading(ctx context.Context) *download {
	d := &download{ctx: ctx, progress: spec.JobProgress{Statement: string(w.Statement), Database: w.Database, Label: w.Composed, State: "COPYING", Phase: spec.PhaseDownload}}
	for _, p := range w.whole().parts {
		d.progress.Total += p.Tablets
		d.bytes += p.Bytes
	}
	d.stop = beating(ctx, func() []any { return []any{d.now()} })
	return d
}

func (d *download) now() spec.JobProgress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.progress
}

// at tells how many tablets have been begun, and the bytes of the objects that are there.
func (d *download) at(tablets int, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.progress.Done = min(tablets, d.progress.Total)
	d.progress.Message = fmt.Sprintf("%s of %s copied", spec.Bytes(bytes), spec.Bytes(d.bytes))
	activity.RecordHeartbeat(d.ctx, d.progress)
}

func (d *download) end() { d.stop() }

// DropComposed removes the native snapshot that was composed for a unit, after the last attempt at it, or for an export that
// came to nothing. It may be done again.
func (a *Activities) DropComposed(ctx context.Context, u UnitRef) error {
	defer keepAlive(ctx)()
	w, err := a.resolve(ctx, u)
	if err != nil {
		return failure(ctx, err)
	}
	if !restorepoint.IsComposed(u.Composed) && u.Composed != w.plan.Export {
		return failure(ctx, fail(spec.ErrorJobFailed, "%q is not a label of a composed snapshot, please report this as a bug of starkeep", u.Composed))
	}
	if err := dropSnapshot(ctx, w.repository, u.Composed); err != nil {
		return failure(ctx, fmt.Errorf("remove the composed snapshot %s: %w", u.Composed, err))
	}
	return nil
}

// deleteBatch is how many keys are held at a time.
const deleteBatch = 10_000

func dropSnapshot(ctx context.Context, r *Repository, label string) error {
	prefix := starrocks.Snapshot{Repository: r.Native, Label: label}.Prefix()
	for {
		var keys []string
		for o, err := range r.Store.List(ctx, prefix) { // __info comes first: without it there is no snapshot any more
			if err != nil {
				return err
			}
			if keys = append(keys, o.Key); len(keys) == deleteBatch {
				break
			}
		}
		if len(keys) == 0 {
			return nil
		}
		if err := r.Store.Delete(ctx, keys...); err != nil {
			return err
		}
	}
}
