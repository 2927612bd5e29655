package restorepoint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// PlanFacts are what the plan of a restore rests on. A run that was confirmed with their digest stops where they are
// others.
type PlanFacts struct {
	Point     string   // id of the restore point
	Snapshots []string // its native snapshots, with the digests of their records
	Tables    []PlanFact
}

// PlanFact is what the plan says of one table, and of the live table of its name.
type PlanFact struct {
	Target, From, Action string
	Kind                 string   // of what stands there; "" for nothing
	LiveID               int64    // of the live table
	Definition           []string // of the live table
	Partitions           int
	Tablets, Bytes       int64
}

// aspects of a plan, in the order of the digest's groups, as PlanChanges names them.
var aspects = []string{
	"the restore point",
	"what is done to which tables",
	"which tables are there",
	"the definition of a table that is there",
	"how much is restored",
}

// Digest is one group of hex digits for each aspect: what differs between two plans can be told by their digests alone.
func (f PlanFacts) Digest() string {
	tables := slices.SortedFunc(slices.Values(f.Tables), func(a, b PlanFact) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Action, b.Action), cmp.Compare(a.From, b.From))
	})
	parts := make([][]string, len(aspects))
	parts[0] = append([]string{f.Point}, slices.Sorted(slices.Values(f.Snapshots))...)
	for _, t := range tables {
		parts[1] = append(parts[1], t.Target, t.From, t.Action)
		parts[2] = append(parts[2], t.Target, t.Kind, fmt.Sprint(t.LiveID))
		parts[3] = append(parts[3], t.Target, fmt.Sprint(len(t.Definition)))
		parts[3] = append(parts[3], t.Definition...)
		parts[4] = append(parts[4], fmt.Sprint(t.Partitions), fmt.Sprint(t.Tablets), fmt.Sprint(t.Bytes))
	}
	groups := make([]string, len(parts))
	for i, list := range parts {
		groups[i] = digest(8, list...)
	}
	return strings.Join(groups, "-")
}

// PlanChanges says in words what differs between two plans; "" if nothing does.
func PlanChanges(confirmed, now string) string {
	a, b := strings.Split(confirmed, "-"), strings.Split(now, "-")
	if len(a) != len(aspects) || len(b) != len(aspects) {
		return "the plan"
	}
	var changed []string
	for i, aspect := range aspects {
		if a[i] != b[i] {
			changed = append(changed, aspect)
		}
	}
	return strings.Join(changed, ", ")
}
