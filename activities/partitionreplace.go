package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// Fence tells old partitions of a live table from those that INSERT OVERWRITE puts in their places: ids only grow.
type Fence struct {
	Highest  int64    `json:"highest"` // id of the table's newest partition
	Warnings []string `json:"warnings,omitempty"`
}

// FencePartitions looks at the live table right before partitions of it are replaced: that it is still the one planned
// for, and which partitions it has. It turns dynamic partitioning of the copy off, which would drop old partitions of it.
func (a *Activities) FencePartitions(ctx context.Context, ref TableRef) (Fence, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Fence{}, failure(ctx, err)
	}
	f, err := w.fence(ctx)
	if err != nil {
		err = fmt.Errorf("look at table %s.%s before its partitions are replaced, nothing of it was changed: %w", w.plan.Database, w.table.Target, err)
	}
	return f, failure(ctx, err)
}

func (w *tableWork) fence(ctx context.Context) (Fence, error) {
	fe, database := w.cluster.FE, w.plan.Database
	if w.table.Table.Properties[dynamicEnable] == "true" {
		if err := fe.SetTableProperty(ctx, database, w.table.As, dynamicEnable, "false"); err != nil {
			return Fence{}, err
		}
	}
	id, err := tableID(ctx, fe, database, w.table.Target)
	if err != nil {
		return Fence{}, err
	}
	if id != w.table.LiveID {
		return Fence{}, fail(spec.ErrorSchemaMismatch, "it has id %d, and had %d when the restore was planned: somebody dropped, renamed or swapped it meanwhile", id, w.table.LiveID)
	}
	ddl, err := fe.ShowCreateTable(ctx, database, w.table.Target)
	if err != nil {
		return Fence{}, err
	}
	if now := starrocks.WritableColumns(ddl); !slices.Equal(now, w.table.Columns) {
		return Fence{}, fail(spec.ErrorSchemaMismatch, "its columns are %q, and were %q when the restore was planned", now, w.table.Columns)
	}
	live, err := w.livePartitions(ctx)
	if err != nil {
		return Fence{}, err
	}
	var f Fence
	for _, p := range live {
		f.Highest = max(f.Highest, p.ID)
	}
	_, err = w.pairs(live)
	return f, err
}

// Replaced says what became of the partitions of a live table.
type Replaced struct {
	TableID    int64    `json:"tableId"` // of the live table
	Partitions int      `json:"partitions"`
	Rows       int64    `json:"rows"`
	RowsProven bool     `json:"rowsProven"`
	Note       string   `json:"note,omitempty"`
	Differs    string   `json:"differs,omitempty"` // replaced, and not what was restored beside
	Warnings   []string `json:"warnings,omitempty"`
}

// replaceAttempts is how often INSERT OVERWRITE is tried when StarRocks says that it failed: each may take hours.
const replaceAttempts = 3

// ReplacePartitions puts the restored partitions into the places of the live table's by one INSERT OVERWRITE, which
// exchanges all of them in one step, then counts the rows on both sides. Partitions that are newer than the fence were
// put there by an earlier attempt: they are not replaced again, because loads may have come since.
func (a *Activities) ReplacePartitions(ctx context.Context, ref TableRef, f Fence) (Replaced, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Replaced{}, failure(ctx, err)
	}
	r, err := w.replace(ctx, f)
	if err != nil {
		err = fmt.Errorf("replace partitions of table %s.%s: %w", w.plan.Database, w.table.Target, err)
	}
	return r, failure(ctx, err)
}

func (w *tableWork) replace(ctx context.Context, f Fence) (Replaced, error) {
	live, err := w.livePartitions(ctx)
	if err != nil {
		return Replaced{}, err
	}
	pairs, err := w.pairs(live)
	if err != nil {
		return Replaced{}, err
	}
	if !newerThan(f, pairs) {
		if pairs, err = w.exchange(ctx, f, pairs); err != nil {
			return Replaced{}, err
		}
	}
	return w.proveReplaced(ctx, pairs)
}

// pair is a live partition and the restored one of its name.
type pair struct {
	live   starrocks.Partition
	beside string
	name   string // live's, to be named in a statement; "" in a table without partitions
}

// pairs finds the live partitions that are replaced.
func (w *tableWork) pairs(live []starrocks.Partition) ([]pair, error) {
	var list []pair
	for _, part := range w.table.Table.Partitions {
		there := liveOf(live, w.table.Table, part, w.table.Target)
		if there == nil {
			return nil, fail(spec.ErrorSchemaMismatch, "its partition %s, which was to be replaced, is gone: somebody dropped or renamed it; nothing was replaced", part.Name)
		}
		p := pair{live: *there, beside: part.Name, name: there.Name}
		if part.Name == w.table.Table.Name {
			p.beside, p.name = w.table.As, ""
		}
		list = append(list, p)
	}
	return list, nil
}

func newerThan(f Fence, pairs []pair) bool {
	return !slices.ContainsFunc(pairs, func(p pair) bool { return p.live.ID <= f.Highest })
}

func (w *tableWork) livePartitions(ctx context.Context) ([]starrocks.Partition, error) {
	var list []starrocks.Partition
	for p, err := range w.cluster.FE.PartitionsOf(ctx, w.plan.Database, w.table.Target) {
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// exchange carries INSERT OVERWRITE out. Whatever it answers, the partitions' ids say what it did: all of it, or nothing.
func (w *tableWork) exchange(ctx context.Context, f Fence, pairs []pair) ([]pair, error) {
	s := starrocks.OverwriteStatement{Database: w.plan.Database, Table: w.table.Target, From: w.table.As, Columns: w.table.Columns}
	for _, p := range pairs {
		if p.name != "" {
			s.Partitions = append(s.Partitions, p.name)
		}
	}
	said := w.cluster.FE.InsertOverwrite(ctx, s)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	live, err := w.livePartitions(ctx)
	if err != nil {
		return nil, err
	}
	now, err := w.pairs(live)
	switch {
	case err != nil:
		return nil, err
	case newerThan(f, now):
		return now, nil
	case said == nil:
		return nil, fail(spec.ErrorProofFailed, "StarRocks says that INSERT OVERWRITE was carried out, but the partitions are the old ones")
	case errors.Is(said, starrocks.ErrConnectionLost), errors.Is(said, starrocks.ErrNoLeader), errors.Is(said, starrocks.ErrTableState):
		return nil, said
	case attempt(ctx) < replaceAttempts && !errors.Is(said, starrocks.ErrDenied):
		return nil, said
	}
	return nil, jobFailed(UnitFailure{Reason: text(said), State: "INSERT OVERWRITE"}, "INSERT OVERWRITE failed, and the partitions are as they were: %v", said)
}

// loadedVersion is that of a partition which INSERT OVERWRITE has just put in place: created at 1, loaded once.
const loadedVersion = 2

// proveReplaced counts the rows of the replaced partitions and of the copy's.
func (w *tableWork) proveReplaced(ctx context.Context, pairs []pair) (Replaced, error) {
	out := Replaced{TableID: w.table.LiveID, Partitions: len(pairs), RowsProven: true}
	var skipped, differing []string
	for _, p := range pairs {
		want, err := w.cluster.FE.CountRows(ctx, w.plan.Database, w.table.As, p.beside)
		var got int64
		if err == nil {
			got, err = w.cluster.FE.CountRows(ctx, w.plan.Database, w.table.Target, p.live.Name)
		}
		activity.RecordHeartbeat(ctx, p.live.Name)
		if errors.Is(err, starrocks.ErrConnectionLost) || errors.Is(err, starrocks.ErrNoLeader) || ctx.Err() != nil {
			return out, err
		}
		if err == nil && got == want {
			out.Rows += got
			continue
		}
		out.RowsProven = false
		if err != nil { // what StarRocks refuses to count is not compared
			skipped = append(skipped, fmt.Sprintf("partition %q: rows: %v", p.live.Name, err))
			continue
		}
		loaded, err := w.loadedSince(ctx, p)
		switch {
		case err != nil:
			return out, err
		case loaded:
			skipped = append(skipped, fmt.Sprintf("partition %q: rows: loaded since it was replaced", p.live.Name))
		default:
			differing = append(differing, fmt.Sprintf("partition %q has %d rows, %d were restored", p.live.Name, got, want))
		}
	}
	if len(skipped) > 0 {
		out.Note = "not compared: " + first3(skipped)
	}
	if len(differing) > 0 {
		out.Differs = "replaced, but " + first3(differing)
	}
	return out, nil
}

// loadedSince tells whether a replaced partition was loaded into, now.
func (w *tableWork) loadedSince(ctx context.Context, p pair) (bool, error) {
	live, err := w.livePartitions(ctx)
	if err != nil {
		return false, err
	}
	there := liveOf(live, w.table.Table, restorepoint.Partition{Name: p.live.Name}, w.table.Target)
	return there == nil || there.ID != p.live.ID || there.VisibleVersion > loadedVersion, nil
}
