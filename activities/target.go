package activities

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// decision says what happens to one table.
type decision struct {
	action  string
	target  string // name it ends with
	as      string // name RESTORE creates it under
	liveID  int64
	dynamic bool
	columns []string // of the live table, that an INSERT names
	note    string
	diff    []string // how its definition differs from the live table's
}

func refused(name, format string, args ...any) decision {
	return decision{action: spec.ActionRefuse, target: name, note: fmt.Sprintf(format, args...)}
}

// decide chooses the action for a table of the point under its target name. whole says that all its partitions are
// wanted.
func (p *restorePlanner) decide(at *target, t restorepoint.Table, name string, whole bool) decision {
	live, exists := at.tables[name]
	switch {
	case !exists:
		return decision{action: spec.ActionCreate, target: name, as: name}
	case live.Kind != starrocks.KindTable:
		return inTheWay(at, live)
	case p.in.Spec.OnExisting == spec.OnExistingFail:
		return refused(name, "the table exists; restore with onExisting swap (exchanged, undoable) or rename, or drop it first")
	case p.in.Spec.OnExisting == spec.OnExistingRename:
		return p.renameTo(at, name)
	case p.in.Spec.OnExisting == spec.OnExistingOverwrite:
		return p.overwrite(at, t, live)
	case !whole && liveOf(at.partitions[name], t, t.Partitions[0], name) != nil:
		return p.replacePartitions(at, t, live)
	case !whole:
		return p.addPartitions(at, t, live)
	}
	return p.swap(at, t, live)
}

func (p *restorePlanner) renameTo(at *target, name string) decision {
	stamp, _, _ := strings.Cut(p.manifest.ID, "-")
	other := name + "__restored_" + stamp
	if _, taken := at.tables[other]; taken {
		return refused(other, "the table exists from an earlier restore; drop it, or give the new one a name of its own (rename)")
	}
	return decision{action: spec.ActionCreate, target: other, as: other, note: "beside " + name + ", which stays"}
}

// addPartitions adds missing RANGE partitions to a table that exists. Partitions that exist are not touched.
func (p *restorePlanner) addPartitions(at *target, t restorepoint.Table, live starrocks.Table) decision {
	name := live.Name
	if isList(t) {
		return refused(name, "StarRocks cannot add LIST partitions to a table by RESTORE; restore the whole table (swap), or under another name")
	}
	for _, part := range t.Partitions {
		if part.Name != starrocks.ShadowPartition && slices.ContainsFunc(at.partitions[name], func(x starrocks.Partition) bool { return x.Name == part.Name && !x.Temporary }) {
			return refused(name, "partition %s exists; restore the whole table (swap), or the partition into a table of another name (rename)", part.Name)
		}
	}
	if d := p.inPlace(at, t, live); d != nil {
		return *d
	}
	return decision{action: spec.ActionAdd, target: name, as: name, liveID: live.ID}
}

// swap restores the table beside the live one. What would silently stop working by the exchange is refused by name.
func (p *restorePlanner) swap(at *target, t restorepoint.Table, live starrocks.Table) decision {
	name := live.Name
	for _, l := range at.loads {
		if l.Table == name {
			return refused(name, "routine load %s writes into it and would go on into the old table after a swap; stop it, or restore under another name (rename)", l.Name)
		}
	}
	as := restorepoint.BesideTable(name, p.in.Run)
	if _, taken := at.tables[as]; taken {
		return refused(name, "a table %s exists; drop it first", as)
	}
	if d := p.swappable(at, live); d != nil {
		return *d
	}
	note, diff := p.aboutSwap(at, t, live)
	return decision{action: spec.ActionSwap, target: name, as: as, liveID: live.ID, dynamic: live.Properties[dynamicEnable] == "true", note: note, diff: diff}
}
