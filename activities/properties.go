package activities

import (
	"context"
	"fmt"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// Properties that RESTORE loses, or that would harm what it brought.
const (
	dynamicEnable = "dynamic_partition.enable"
	colocateWith  = "colocate_with"
)

// Kept says what CarryProperties did.
type Kept struct {
	Dynamic bool     `json:"dynamic,omitempty"` // dynamic partitioning is off for now, to be turned on when the swap is finished
	Notes   []string `json:"notes,omitempty"`
}

// CarryProperties puts a restored table back into its colocation group, which RESTORE takes it out of, and turns dynamic
// partitioning off: the scheduler would drop restored partitions that are older than its window within 10 minutes, past
// recovery (starrocks-measured C 41c). Before a swap it is turned off on the live table too, so that the old data stays
// whole for an undo.
func (a *Activities) CarryProperties(ctx context.Context, ref TableRef) (Kept, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Kept{}, failure(ctx, err)
	}
	kept, err := w.carryProperties(ctx)
	if err != nil {
		err = fmt.Errorf("carry properties over to table %s: %w", w.name(), err)
	}
	return kept, failure(ctx, err)
}

func (w *tableWork) carryProperties(ctx context.Context) (Kept, error) {
	tables, err := w.cluster.FE.Tables(ctx, w.plan.Database)
	if err != nil {
		return Kept{}, err
	}
	now := map[string]starrocks.Table{}
	for _, t := range tables {
		now[t.Name] = t
	}
	var kept Kept
	wanted := w.table.Table.Properties
	stop := []string{w.table.As}
	if w.table.Action == spec.ActionSwap {
		wanted = now[w.table.Target].Properties
		stop = append(stop, w.table.Target)
	}
	// Asked of the restore point and of the live table as the plan saw it, so that a second attempt answers the same.
	kept.Dynamic = w.table.Table.Properties[dynamicEnable] == "true" || w.table.Dynamic
	for _, name := range stop {
		if now[name].Properties[dynamicEnable] != "true" {
			continue
		}
		if err := w.cluster.FE.SetTableProperty(ctx, w.plan.Database, name, dynamicEnable, "false"); err != nil {
			return kept, err
		}
	}
	if kept.Dynamic && w.table.Action == spec.ActionCreate {
		kept.Notes = append(kept.Notes, fmt.Sprintf("dynamic partitioning of %s is off, or it would drop restored partitions that are older than its window; turn it on with ALTER TABLE `%s`.`%s` SET (\"%s\" = \"true\")",
			w.table.As, w.plan.Database, w.table.As, dynamicEnable))
	}
	if group := wanted[colocateWith]; group != "" && now[w.table.As].Properties[colocateWith] != group {
		if err := w.cluster.FE.SetTableProperty(ctx, w.plan.Database, w.table.As, colocateWith, group); err != nil {
			kept.Notes = append(kept.Notes, fmt.Sprintf("%s could not join its colocation group %s: %v", w.table.As, group, err))
		}
	}
	return kept, nil
}

// dynamicOn turns dynamic partitioning of a table on again after a swap was finished or undone. A failure is told, not
// fatal: the tables stand where they should.
func dynamicOn(ctx context.Context, fe *starrocks.Client, t spec.SwappedTable) string {
	if !t.Dynamic {
		return ""
	}
	if err := fe.SetTableProperty(ctx, t.Database, t.Table, dynamicEnable, "true"); err != nil {
		return fmt.Sprintf("; turn dynamic partitioning on by hand: %v", err)
	}
	return "; dynamic partitioning is on again"
}
