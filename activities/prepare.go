package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// EnsureDatabase creates the target database where it is missing. RESTORE would create it too, and leave it behind when
// it refuses, even under names that CREATE DATABASE does not take (rule 21).
func (a *Activities) EnsureDatabase(ctx context.Context, cluster, database string) error {
	defer keepAlive(ctx)()
	c, err := a.cluster(cluster)
	if err != nil {
		return failure(ctx, err)
	}
	if err := c.FE.CreateDatabase(ctx, database); err != nil {
		return failure(ctx, fmt.Errorf("create database %s: %w", database, err))
	}
	return nil
}

// Prepare makes one attempt at a RESTORE recognisable and renames its tables without copying a byte: it writes an
// __info of the attempt's own timestamp beside the snapshot's, whose inner name leads to an edited __meta
// (starrocks-measured D). It looks first whether every object of the unit is present, because StarRocks notices a missing
// one only in COMMITTING. Writing the same twice does no harm.
func (a *Activities) Prepare(ctx context.Context, u UnitRef) (Prepared, error) {
	defer keepAlive(ctx)()
	w, err := a.resolve(ctx, u)
	if err != nil {
		return Prepared{}, failure(ctx, err)
	}
	if err := w.prepare(ctx); err != nil {
		return Prepared{}, failure(ctx, fmt.Errorf("prepare RESTORE of snapshot %s into database %s: %w", w.Label, w.Database, err))
	}
	p := Prepared{Label: w.Label, Replication: w.Replication}
	for _, part := range w.parts {
		p.Tablets += int64(part.Tablets)
		p.Bytes += part.Bytes
	}
	return p, nil
}

// Prepared says which snapshot a unit is restored from, and how.
type Prepared struct {
	Label       string `json:"label"`
	Replication int    `json:"replication"`
	Tablets     int64  `json:"tablets"`
	Bytes       int64  `json:"bytes"`
}

func (w *work) prepare(ctx context.Context) error {
	files := w.nativeFiles
	if w.composes() {
		files = w.composedFiles
	}
	info, meta, err := files(ctx)
	if err != nil {
		return err
	}
	beside := starrocks.Snapshot{Repository: w.repository.Native, Label: w.Beside}
	if err := storage.WriteAll(ctx, w.repository.Store, beside.MetaKey(meta), meta, storage.Overwrite); err != nil {
		return err
	}
	key := w.snapshot().InfoKey(w.Timestamp, info)
	if err := w.timestampFree(ctx, key); err != nil {
		return err
	}
	return storage.WriteAll(ctx, w.repository.Store, key, info, storage.Overwrite)
}

// nativeFiles are the __info and __meta of the attempt, made of those of the one native snapshot that holds the unit.
func (w *work) nativeFiles(ctx context.Context) (info, meta []byte, err error) {
	if err := w.checkPresent(ctx); err != nil {
		return nil, nil, err
	}
	record, err := w.record(ctx)
	if err != nil {
		return nil, nil, err
	}
	if info, err = readChecked(ctx, w.repository.Store, record.InfoKey); err != nil {
		return nil, nil, err
	}
	if meta, err = readChecked(ctx, w.repository.Store, record.MetaKey); err != nil {
		return nil, nil, err
	}
	info, meta, err = starrocks.RenameTables(info, meta, w.Beside, w.renames())
	if !errors.Is(err, starrocks.ErrMetaNotJSON) {
		return info, meta, err
	}
	if !binaryMeta(w.plan.SourceVersion) {
		return nil, nil, fail(spec.ErrorVersionUnsupported, "the snapshot's __meta has the binary form of StarRocks before 3.1, which starkeep cannot edit, though the restore point says that StarRocks %s made it; restore it by hand with RESTORE … AS, one table at a time", w.plan.SourceVersion)
	}
	raw, err := readChecked(ctx, w.repository.Store, record.InfoKey)
	if err != nil {
		return nil, nil, err
	}
	if meta, err = readChecked(ctx, w.repository.Store, record.MetaKey); err != nil { // as it is: the statement renames, with AS
		return nil, nil, err
	}
	info, err = starrocks.NameInfo(raw, w.Beside)
	return info, meta, err
}

// composedFiles are those of the attempt at a unit that Compose has put together. The tables have their names already.
func (w *work) composedFiles(ctx context.Context) (info, meta []byte, err error) {
	c, err := w.composition(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := c.check(ctx); err != nil {
		return nil, nil, err
	}
	if info, meta, err = starrocks.RenameTables(c.info, c.meta, w.Beside, nil); err != nil {
		return nil, nil, err
	}
	return info, meta, c.disagreement(starrocks.CheckAgreement(w.Beside, info, meta))
}

// timestampFree refuses a timestamp that another __info has: StarRocks wants exactly one.
func (w *work) timestampFree(ctx context.Context, own string) error {
	for o, err := range w.repository.Store.List(ctx, w.snapshot().InfoPrefix(w.Timestamp)) {
		if err != nil {
			return err
		}
		if o.Key != own {
			return jobFailed(UnitFailure{Transient: true, Reason: "timestamp taken"}, "another __info has the timestamp %s: %s", w.Timestamp, o.Key)
		}
	}
	return nil
}

// renames maps the unit's tables to the names they are restored under.
func (w *work) renames() map[string]string {
	names := map[string]string{}
	w.eachPart(func(_ int, p restorepoint.Part, t PlanTable) {
		if t.As != "" && t.As != p.Table {
			names[p.Table] = t.As
		}
	})
	return names
}

// record reads what was written down of the snapshot that the unit restores. Labels hold the digest of their cluster's
// run, so the record is looked for under the cluster that made the point.
func (w *work) record(ctx context.Context) (restorepoint.SnapshotRecord, error) {
	record, _, err := readRecord(ctx, w.repository.Store, w.plan.SourceCluster, w.Label)
	return record, err
}

// checkPresent compares the objects of the unit's partitions with their record.
func (w *work) checkPresent(ctx context.Context) error {
	physical := map[int64]bool{}
	var tables []restorepoint.Table
	for _, t := range w.plan.Tables {
		wanted := t.Table
		wanted.Partitions = nil
		for _, p := range t.Table.Partitions {
			if p.Snapshot != w.Label {
				continue
			}
			wanted.Partitions = append(wanted.Partitions, p)
			for _, ph := range p.Physical {
				physical[ph.ID] = true
			}
		}
		tables = append(tables, wanted)
	}
	return checkSnapshotPresent(ctx, w.repository, w.plan.SourceCluster, w.Label, "", physical, restorepoint.PlacesOf(tables))
}

// Tidy removes what Prepare wrote, after the attempt has ended. The snapshot itself is not touched.
func (a *Activities) Tidy(ctx context.Context, u UnitRef) error {
	defer keepAlive(ctx)()
	w, err := a.resolve(ctx, u)
	if err != nil {
		return failure(ctx, err)
	}
	if err := w.tidy(ctx); err != nil {
		return failure(ctx, fmt.Errorf("remove the temporary __info and __meta of %s: %w", w.Beside, err))
	}
	return nil
}

func (w *work) tidy(ctx context.Context) error {
	if !strings.HasPrefix(w.Beside, BesidePrefix) {
		return fmt.Errorf("%q is not a name of ours", w.Beside)
	}
	var keys []string
	for o, err := range w.repository.Store.List(ctx, w.snapshot().InfoPrefix(w.Timestamp)) {
		if err != nil {
			return err
		}
		ours, err := w.isOurs(ctx, o.Key)
		if err != nil {
			return err
		}
		if ours {
			keys = append(keys, o.Key)
		}
	}
	beside := starrocks.Snapshot{Repository: w.repository.Native, Label: w.Beside}
	for o, err := range w.repository.Store.List(ctx, beside.Prefix()) {
		if err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	if len(keys) == 0 {
		return nil
	}
	return w.repository.Store.Delete(ctx, keys...)
}

// backends remembers which BEs were alive, and since when that has not changed.
type backends struct {
	mu    sync.Mutex
	alive []int64
	since time.Time
}

// settled tells whether no BE came or went for a while, as far as this worker has seen.
func (b *backends) settled(alive []int64, now time.Time, wait time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alive != nil && !slices.Equal(b.alive, alive) {
		b.since = now
	}
	b.alive = alive
	return b.since.IsZero() || now.Sub(b.since) >= wait
}

// backendsSettled refuses a RESTORE while a BE may be dying: one that is dead but still counts as alive freezes every
// job of the cluster for 10 s per tablet (rule 12).
func (w *work) backendsSettled(ctx context.Context) error {
	list, err := w.cluster.FE.Backends(ctx)
	if err != nil {
		return err
	}
	alive := []int64{}
	for _, b := range list {
		if !b.Alive {
			continue
		}
		if b.HeartbeatAge > w.cluster.Timing.HeartbeatAge {
			return fail(spec.ErrorThrottled, "BE %d (%s) counts as alive but has not answered for %s; waiting until StarRocks has decided", b.ID, b.Host, b.HeartbeatAge.Round(time.Second))
		}
		alive = append(alive, b.ID)
	}
	slices.Sort(alive)
	if !w.cluster.backends.settled(alive, time.Now(), w.cluster.Timing.Settle) {
		return fail(spec.ErrorThrottled, "BEs of cluster %s came or went less than %s ago; waiting", w.Cluster, w.cluster.Timing.Settle)
	}
	return nil
}
