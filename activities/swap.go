package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// swapTimeout bounds one ALTER TABLE, well below the activity's own time: a statement that outlives its attempt would
// undo the swap of the next one.
const swapTimeout = 20 * time.Second

// Carried says how many grants a restored table got.
type Carried struct {
	Grants int    `json:"grants"`
	Note   string `json:"note,omitempty"`
}

// CarryGrants gives a restored table the grants it should have, by name: those of the live table before a swap, because
// grants stay with the id (starrocks-measured D), or those of the restore point for a table that did not exist. It never
// revokes anything.
func (a *Activities) CarryGrants(ctx context.Context, ref TableRef) (Carried, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Carried{}, failure(ctx, err)
	}
	c, err := w.carryGrants(ctx)
	if err != nil {
		err = fmt.Errorf("carry grants over to table %s: %w", w.name(), err)
	}
	return c, failure(ctx, err)
}

func (w *tableWork) carryGrants(ctx context.Context) (Carried, error) {
	all, err := w.cluster.FE.TableGrants(ctx, w.plan.Database)
	if err != nil {
		if w.SkipGrants {
			return Carried{Note: "grants were not carried over: " + err.Error()}, nil
		}
		return Carried{}, err
	}
	want := w.table.Table.Grants
	if w.table.Action == spec.ActionSwap {
		want = grantsOn(all, w.table.Target)
	}
	have := map[restorepoint.Grant]bool{}
	for _, g := range grantsOn(all, w.table.As) {
		have[g] = true
	}
	out := Carried{}
	for _, g := range want {
		if have[g] {
			out.Grants++
			continue
		}
		err := w.cluster.FE.GrantTable(ctx, starrocks.Grant{
			Grantee: g.Grantee, IsRole: g.IsRole, Database: w.plan.Database, Table: w.table.As, Privilege: g.Privilege, Grantable: g.Grantable,
		})
		switch {
		case err == nil:
			out.Grants++
		case w.SkipGrants || w.table.Action == spec.ActionCreate && !errors.Is(err, starrocks.ErrConnectionLost) && !errors.Is(err, starrocks.ErrNoLeader):
			out.Note = fmt.Sprintf("%s for %s was not granted: %v", g.Privilege, g.Grantee, err)
		default:
			return out, err
		}
	}
	return out, nil
}

// Swapped says what an exchange did.
type Swapped struct {
	Table    spec.SwappedTable `json:"table"`
	Warnings []string          `json:"warnings,omitempty"`
}

// Swap exchanges the restored table with the live one and gives the old one its __before_ name. It is a compare-and-set
// on the table ids in the plan: whatever an earlier attempt got done is recognised, and a swap is never repeated.
func (a *Activities) Swap(ctx context.Context, ref TableRef, run string, newID int64, dynamic bool) (Swapped, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Swapped{}, failure(ctx, err)
	}
	x := exchange{fe: w.cluster.FE, SwappedTable: spec.SwappedTable{
		Database: w.plan.Database, Table: w.table.Target, Beside: w.table.As, Before: restorepoint.BeforeTable(w.table.Target, run),
		OldID: w.table.LiveID, NewID: newID, Dynamic: dynamic,
	}}
	s, err := x.swap(ctx)
	if err != nil {
		err = fmt.Errorf("swap table %s.%s with the restored one: %w", x.Database, x.Table, err)
	}
	return s, failure(ctx, err)
}

// exchange is two tables that change places.
type exchange struct {
	spec.SwappedTable
	fe *starrocks.Client
}

func (x *exchange) swap(ctx context.Context) (Swapped, error) {
	before, err := x.versionSum(ctx, x.OldID)
	if err != nil {
		return Swapped{}, err
	}
	if err := x.put(ctx, x.NewID, x.Beside, x.OldID, x.Before); err != nil {
		return Swapped{}, err
	}
	out := Swapped{Table: x.SwappedTable}
	if out.Table.OldVersion, err = x.versionSum(ctx, x.OldID); err != nil {
		return Swapped{}, err
	}
	if out.Table.NewVersion, err = x.versionSum(ctx, x.NewID); err != nil {
		return Swapped{}, err
	}
	if late := out.Table.OldVersion - before; late > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d loads into %s.%s ended during the swap and are in the old table, now %s", late, x.Database, x.Table, x.Before))
	}
	return out, nil
}

// put makes the table with id up the one called x.Table; the one with id down, which had that name, ends as downName.
// upName is where up stands before the exchange. Each step is taken only if the ids say that it is due.
func (x *exchange) put(ctx context.Context, up int64, upName string, down int64, downName string) error {
	for range 4 {
		ids, err := tableIDs(ctx, x.fe, x.Database)
		if err != nil {
			return err
		}
		switch {
		case ids[x.Table] == up && ids[downName] == down:
			return nil
		case ids[x.Table] == up && ids[upName] == down:
			err = x.alter(ctx, func(ctx context.Context) error { return x.fe.RenameTable(ctx, x.Database, upName, downName) })
		case ids[x.Table] == down && ids[upName] == up:
			err = x.alter(ctx, func(ctx context.Context) error { return x.fe.SwapTables(ctx, x.Database, x.Table, upName) })
		default:
			return fail(spec.ErrorSchemaMismatch, "%s.%s has id %d and %s id %d, expected %d and %d: somebody dropped, renamed or swapped them meanwhile; nothing was exchanged, both tables are there",
				x.Database, x.Table, ids[x.Table], upName, ids[upName], down, up)
		}
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil && !errors.Is(err, starrocks.ErrConnectionLost) && !errors.Is(err, starrocks.ErrNoLeader) {
			return err
		}
	}
	return fmt.Errorf("the exchange did not come about: %w", starrocks.ErrConnectionLost)
}

func (x *exchange) alter(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, swapTimeout)
	defer cancel()
	return do(ctx)
}

// versionSum adds up the visible versions of the table with this id, under whatever name: a load raises it.
func (x *exchange) versionSum(ctx context.Context, id int64) (int64, error) {
	ids, err := tableIDs(ctx, x.fe, x.Database)
	if err != nil {
		return 0, err
	}
	for name, have := range ids {
		if have != id {
			continue
		}
		all, err := versions(ctx, x.fe, x.Database, name)
		if err != nil {
			return 0, err
		}
		var sum int64
		for _, list := range all {
			for _, v := range list {
				sum += v
			}
		}
		return sum, nil
	}
	return 0, fail(spec.ErrorSchemaMismatch, "the table with id %d is gone from database %s", id, x.Database)
}

// DropBeside drops the copy that a restore made next to the live table, under a name that only this restore gives, when
// it was cancelled or the copy has served its purpose. It never drops the table that was live when the plan was made, and never FORCE.
func (a *Activities) DropBeside(ctx context.Context, ref TableRef) error {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return failure(ctx, err)
	}
	id, err := tableID(ctx, w.cluster.FE, w.plan.Database, w.table.As)
	if err == nil && id != 0 && id != w.table.LiveID && w.beside() {
		err = w.cluster.FE.DropTable(ctx, w.plan.Database, w.table.As)
	}
	if err != nil {
		return failure(ctx, fmt.Errorf("drop the restored copy %s: %w", w.name(), err))
	}
	return nil
}
