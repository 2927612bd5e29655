package activities

import (
	"context"
	"fmt"

	"starkeep/workflows/spec"
)

// UndoSwap gives the old table its name back. The restored one is kept under the beside name: what was loaded since the
// swap is in it. A table that changed hands meanwhile is left alone, which the answer says.
func (a *Activities) UndoSwap(ctx context.Context, cluster string, t spec.SwappedTable) (spec.UndoneTable, error) {
	defer keepAlive(ctx)()
	c, err := a.cluster(cluster)
	if err != nil {
		return spec.UndoneTable{}, failure(ctx, err)
	}
	x := exchange{fe: c.FE, SwappedTable: t}
	out := spec.UndoneTable{Database: t.Database, Table: t.Table}
	loaded, err := x.versionSum(ctx, t.NewID)
	if err != nil {
		return out, failure(ctx, fmt.Errorf("undo the swap of %s.%s: %w", t.Database, t.Table, err))
	}
	if err := x.put(ctx, t.OldID, t.Before, t.NewID, t.Beside); err != nil {
		return out, failure(ctx, fmt.Errorf("undo the swap of %s.%s: %w", t.Database, t.Table, err))
	}
	out.Done, out.Kept = "swapped back", t.Beside
	if n := loaded - t.NewVersion; n > 0 {
		out.Done = fmt.Sprintf("swapped back; %d loads since the swap are in the table kept", n)
	}
	out.Done += dynamicOn(ctx, c.FE, t)
	return out, nil
}

// FinishSwap drops the old table: the one with the id that the swap saw, never FORCE, so that RECOVER TABLE still
// brings it back for a while. Loads that came into it after the swap are named.
func (a *Activities) FinishSwap(ctx context.Context, cluster string, t spec.SwappedTable) (spec.UndoneTable, error) {
	defer keepAlive(ctx)()
	c, err := a.cluster(cluster)
	if err != nil {
		return spec.UndoneTable{}, failure(ctx, err)
	}
	out := spec.UndoneTable{Database: t.Database, Table: t.Table}
	ids, err := tableIDs(ctx, c.FE, t.Database)
	if err != nil {
		return out, failure(ctx, fmt.Errorf("finish the swap of %s.%s: %w", t.Database, t.Table, err))
	}
	if ids[t.Before] != t.OldID {
		out.Done = fmt.Sprintf("left alone: %s has id %d, the old table had %d", t.Before, ids[t.Before], t.OldID)
		if ids[t.Before] == 0 {
			out.Done = "dropped" // an earlier attempt, or somebody by hand
		}
		return out, nil
	}
	x := exchange{fe: c.FE, SwappedTable: t}
	version, err := x.versionSum(ctx, t.OldID)
	if err != nil {
		return out, failure(ctx, err)
	}
	if version > t.OldVersion {
		out.Done = fmt.Sprintf("left alone: %d loads ended in the old table after the swap; look at them, then DROP TABLE `%s`.`%s`", version-t.OldVersion, t.Database, t.Before)
		out.Kept = t.Before
		return out, nil
	}
	if err := c.FE.DropTable(ctx, t.Database, t.Before); err != nil {
		return out, failure(ctx, fmt.Errorf("drop the old table %s.%s: %w", t.Database, t.Before, err))
	}
	out.Done = "dropped" + dynamicOn(ctx, c.FE, t)
	return out, nil
}
