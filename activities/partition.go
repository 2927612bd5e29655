package activities

import (
	"slices"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// table plans a table, in one or two shares.
func (p *restorePlanner) table(plan *Plan, at *target, t restorepoint.Table, name string, whole bool) {
	whole = whole && p.keepOthers(plan, at, t, name)
	for _, share := range p.shares(at, t, name, whole) {
		p.share(plan, at, share, name, whole)
	}
}

// shares divides what is wanted of a table into what is decided apart: of single partitions, those that the live table
// has are replaced, those that it lacks are added.
func (p *restorePlanner) shares(at *target, t restorepoint.Table, name string, whole bool) []restorepoint.Table {
	live, exists := at.tables[name]
	switch {
	case !exists || live.Kind != starrocks.KindTable:
		return []restorepoint.Table{t}
	case p.in.Spec.OnExisting == spec.OnExistingOverwrite:
		return []restorepoint.Table{overLive(t, at.partitions[name], name)}
	case whole || p.in.Spec.OnExisting != "" && p.in.Spec.OnExisting != spec.OnExistingSwap:
		return []restorepoint.Table{t}
	}
	there, missing := t, t
	there.Partitions, missing.Partitions = nil, nil
	for _, part := range t.Partitions {
		switch {
		case part.Name == starrocks.ShadowPartition: // the live table has its own, and adding finds out
		case liveOf(at.partitions[name], t, part, name) != nil:
			there.Partitions = append(there.Partitions, part)
		default:
			missing.Partitions = append(missing.Partitions, part)
		}
	}
	return slices.DeleteFunc([]restorepoint.Table{there, missing}, func(share restorepoint.Table) bool { return len(share.Partitions) == 0 })
}

// liveOf finds the live partition that a partition of the point would take the place of. The one partition of a table
// without partitions has the table's name.
func liveOf(live []starrocks.Partition, t restorepoint.Table, part restorepoint.Partition, name string) *starrocks.Partition {
	wanted := part.Name
	if wanted == t.Name {
		wanted = name
	}
	i := slices.IndexFunc(live, func(x starrocks.Partition) bool { return x.Name == wanted && !x.Temporary })
	if i < 0 {
		return nil
	}
	return &live[i]
}

// replacePartitions restores partitions that exist beside the live table; INSERT OVERWRITE then puts them in their places
// in one step. Views, grants, routine loads and the other partitions of the live table do not notice.
func (p *restorePlanner) replacePartitions(at *target, t restorepoint.Table, live starrocks.Table) decision {
	name := live.Name
	as := restorepoint.BesideTable(name, p.in.Run)
	if _, taken := at.tables[as]; taken {
		return refused(name, "a table %s exists; drop it first", as)
	}
	if d := busy(at, live); d != nil {
		return *d
	}
	if t.DDL == "" {
		return refused(name, "the restore point does not know its definition, so that nothing can be compared; restore the whole table (swap), or under another name (rename)")
	}
	ddl, err := at.ddl(name)
	if err != nil {
		return refused(name, "its definition cannot be read: %v", err)
	}
	if d := compareDefinitions(t.DDL, ddl); d.first != "" {
		out := refused(name, "the table's definition is not the one that was backed up: %s; restore the whole table (swap), or under another name (rename)", d.first)
		out.diff = d.diff
		return out
	}
	for _, part := range t.Partitions {
		there := liveOf(at.partitions[name], t, part, name)
		if there != nil && part.Value != "" && there.Value != "" && part.Value != there.Value {
			return refused(name, "partition %s holds %s there and %s in the restore point; restore the whole table (swap), or under another name", part.Name, there.Value, part.Value)
		}
	}
	columns := starrocks.WritableColumns(ddl)
	if len(columns) == 0 {
		return refused(name, "its columns cannot be read from its definition")
	}
	return decision{action: spec.ActionReplace, target: name, as: as, liveID: live.ID, columns: columns,
		note: "restored beside, then exchanged by INSERT OVERWRITE; loads into these partitions meanwhile are lost"}
}
