package restorepoint

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/starrocks"
)

// Live is a table as the catalog shows it when an incremental backup is planned. Of the table, ID, Name, DDL, Indexes and
// Partitions count; of the partitions, Name and Physical.
type Live struct {
	Table
	// NoIndexes says why the schema versions are not known; "" if they are.
	NoIndexes string
	// Look is for seeing what was loaded, not for backing up: what cannot be told counts as unchanged.
	Look bool
}

// Delta says what an incremental backup does to a table.
type Delta struct {
	// Full: every partition is backed up, for the reason in Why. Else Changed are backed up, and Carried are taken over from
	// the base by reference.
	Full    bool
	Why     string
	Changed []string
	Carried []string
	Gone    []string // in the base, and not in the table any more
}

// Compare tells what of a table has changed since the restore point that holds base: exactly, by the ids of physical
// partitions and their visible versions as they were saved (design §5, rule 20). Whatever leaves room for doubt makes the
// table full:
//
//   - Another table id: it was dropped and created again, exchanged, or restored.
//   - Another definition, or other schema versions: the parts of a table must have one schema, and fast schema changes raise
//     no partition's version (measured C §2, 46b).
//   - A version that went back, or that is the saved one and became visible at another time: a RESTORE over the partition
//     sets it back to the snapshot's, and later loads give the same numbers to other data. Such a RESTORE moves the time
//     (measured A 7.3), so the same id, version and time are the same data. The time also moves when an FE replays that
//     RESTORE: then a table is taken that need not be.
//
// lost tells native snapshots that are gone from the repository.
func Compare(point string, base *Table, live Live, lost func(label string) bool) Delta {
	var d Delta
	full := func(format string, args ...any) Delta {
		return Delta{Full: true, Why: fmt.Sprintf(format, args...), Changed: namesOf(live.Partitions), Gone: d.Gone}
	}
	if base == nil {
		return full("restore point %s does not hold it", point)
	}
	d.Gone = gone(*base, live.Partitions)
	switch {
	case base.ID != live.ID:
		return full("it was created anew, restored or exchanged: its id was %d and is %d", base.ID, live.ID)
	case !sameDefinition(base.DDL, live.DDL):
		return full("its definition has changed")
	case live.Look && (len(base.Indexes) == 0 || live.NoIndexes != ""):
	case base.Schema == "" || len(base.Indexes) == 0:
		return full("restore point %s does not know the versions of its schema", point)
	case live.NoIndexes != "":
		return full("the versions of its schema cannot be read: %s", live.NoIndexes)
	case !slices.Equal(base.Indexes, live.Indexes):
		return full("its schema has changed: %s", indexChange(base.Indexes, live.Indexes))
	}
	saved := map[string]Partition{}
	for _, p := range base.Partitions {
		saved[p.Name] = p
	}
	changes := map[string]int{}
	for _, p := range live.Partitions {
		old, known := saved[p.Name]
		change, doubt := changeNew, ""
		if known {
			change, doubt = comparePartition(old, p, live.Look)
		}
		switch {
		case doubt != "":
			return full("%s", doubt)
		case change == "" && lost(old.Snapshot):
			change = "in a native snapshot that is gone from the repository"
		case change == "":
			d.Carried = append(d.Carried, p.Name)
			continue
		}
		d.Changed = append(d.Changed, p.Name)
		changes[change]++
	}
	d.Full = len(d.Carried) == 0
	d.Why = changesText(changes)
	return d
}

// How a partition has changed, in words.
const (
	changeNew     = "new"
	changeLoaded  = "loaded since"
	changeCreated = "created anew" // dropped and added, truncated, or exchanged
)

// comparePartition says how a partition has changed since it was saved: "" if not at all. doubt says why that cannot be
// told; a look has none about times that are not known.
func comparePartition(saved, p Partition, look bool) (change, doubt string) {
	was := map[int64]Physical{}
	for _, ph := range saved.Physical {
		was[ph.ID] = ph
	}
	if len(was) != len(p.Physical) {
		change = changeCreated
	}
	for _, ph := range p.Physical {
		old, known := was[ph.ID]
		switch {
		case !known:
			change = changeCreated
		case ph.Version < old.Version:
			return "", fmt.Sprintf("partition %s went back from version %d to %d: it was restored in place", p.Name, old.Version, ph.Version)
		case ph.Version > old.Version && change == "":
			change = changeLoaded
		case ph.Version > old.Version:
		case look && (old.VisibleAt == 0 || ph.VisibleAt == 0):
		case old.VisibleAt == 0 || ph.VisibleAt == 0:
			return "", fmt.Sprintf("it is not known when partition %s got its version %d", p.Name, ph.Version)
		case ph.VisibleAt != old.VisibleAt:
			return "", fmt.Sprintf("partition %s has version %d as before, but got it at another time: it was restored in place", p.Name, ph.Version)
		}
	}
	return change, ""
}

// sameDefinition compares all of two SHOW CREATE TABLE that says how data is stored: not the table's name, its comment,
// partitions and properties.
func sameDefinition(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	return slices.Equal(definitionLines(a), definitionLines(b))
}

func definitionLines(ddl string) []string {
	d := starrocks.ParseDefinition(ddl)
	lines := slices.DeleteFunc(d.Lines, func(line string) bool { return strings.HasPrefix(line, `COMMENT "`) })
	return append(lines, d.Properties["bloom_filter_columns"])
}

func indexChange(was, is []Index) string {
	for _, x := range is {
		i := slices.IndexFunc(was, func(y Index) bool { return y.Name == x.Name })
		switch {
		case i < 0:
			return "rollup " + x.Name + " is new"
		case was[i] != x:
			return fmt.Sprintf("it was version %d and is %d", was[i].Version, x.Version)
		}
	}
	return "a rollup was dropped"
}

func gone(base Table, live []Partition) []string {
	there := map[string]bool{}
	for _, p := range live {
		there[p.Name] = true
	}
	var names []string
	for _, p := range base.Partitions {
		if !there[p.Name] {
			names = append(names, p.Name)
		}
	}
	return names
}

func namesOf(partitions []Partition) []string {
	names := make([]string, len(partitions))
	for i, p := range partitions {
		names[i] = p.Name
	}
	return names
}

func changesText(changes map[string]int) string {
	var parts []string
	for _, change := range []string{changeLoaded, changeNew, changeCreated} {
		if n := changes[change]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, change))
		}
		delete(changes, change)
	}
	for change, n := range changes {
		parts = append(parts, fmt.Sprintf("%d %s", n, change))
	}
	return strings.Join(parts, ", ")
}
