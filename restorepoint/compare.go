package restorepoint

import (
	"fmt"
	"slices"
)

// Restored is a table as the catalog shows it after a RESTORE.
type Restored struct {
	ID         int64
	Partitions []RestoredPartition
	// Live says that users reach the table, so that loads may have come since: a newer version is then no difference.
	Live bool
}

// RestoredPartition is one partition of a restored table.
type RestoredPartition struct {
	Name      string
	Versions  []int64 // visible version of each physical partition
	Tablets   int     // over all indexes; -1 if not known
	Rows      int64
	RowsExact bool // Rows was counted, at these versions
}

// Difference is one thing in which a restored table is not what the manifest says.
type Difference struct {
	Partition string `json:"partition,omitempty"`
	What      string `json:"what"` // "table id", "partition", "version", "tablets", "rows"
	Want      string `json:"want"`
	Got       string `json:"got"`
}

// String says it in a sentence.
func (d Difference) String() string {
	where := "table"
	if d.Partition != "" {
		where = fmt.Sprintf("partition %q", d.Partition)
	}
	return fmt.Sprintf("%s: %s is %s, want %s", where, d.What, d.Got, d.Want)
}

// Proof is the outcome of comparing a restored table with the manifest.
type Proof struct {
	Table       string       `json:"table"`
	Partitions  int          `json:"partitions"` // compared
	Tablets     int          `json:"tablets"`
	Rows        int64        `json:"rows"`                  // counted, and equal to those counted at backup
	Differences []Difference `json:"differences,omitempty"` // none: proven
	NotCompared []string     `json:"notCompared,omitempty"` // what could not be compared, and why
}

// Proven tells whether nothing differs.
func (p Proof) Proven() bool { return len(p.Differences) == 0 }

// Prove compares what was restored with the manifest's table, which holds only the partitions that were to be restored
// (design §8, "Proof after a restore"). oldID is the id of the table that had the name before, 0 if none had: a RESTORE
// that restored nothing leaves it. others says that the table may hold more partitions than those restored.
func Prove(want Table, got Restored, oldID int64, others bool) Proof {
	p := Proof{Table: want.Name}
	if got.ID == 0 || oldID != 0 && got.ID == oldID {
		p.differ("", "table id", "a new one", fmt.Sprint(got.ID))
	}
	have := make(map[string]RestoredPartition, len(got.Partitions))
	for _, g := range got.Partitions {
		have[g.Name] = g
	}
	for _, w := range want.Partitions {
		g, ok := have[w.Name]
		if !ok {
			p.differ(w.Name, "partition", "present", "missing")
			continue
		}
		delete(have, w.Name)
		p.partition(w, g, got.Live)
	}
	if others || got.Live {
		return p
	}
	for _, name := range sortedKeys(have) {
		p.differ(name, "partition", "absent", "present")
	}
	return p
}

func (p *Proof) partition(want Partition, got RestoredPartition, live bool) {
	p.Partitions++
	p.Tablets += max(got.Tablets, 0)
	versions := make([]int64, 0, len(want.Physical))
	for _, ph := range want.Physical {
		versions = append(versions, ph.Version)
	}
	slices.Sort(versions)
	found := slices.Sorted(slices.Values(got.Versions))
	same := slices.Equal(versions, found)
	switch {
	case same:
	case live && newer(versions, found):
		p.skip(want.Name, "version and rows", "loaded since it was restored")
	default:
		p.differ(want.Name, "version", fmt.Sprint(versions), fmt.Sprint(found))
	}
	if got.Tablets >= 0 && got.Tablets != want.Tablets {
		p.differ(want.Name, "tablets", fmt.Sprint(want.Tablets), fmt.Sprint(got.Tablets))
	}
	if same {
		p.rows(want, got)
	}
}

func (p *Proof) rows(want Partition, got RestoredPartition) {
	switch {
	case !want.RowsExact:
		p.skip(want.Name, "rows", "not counted at backup, or loaded meanwhile")
	case !got.RowsExact:
		p.skip(want.Name, "rows", "not counted after the restore, or loaded meanwhile")
	case want.Rows != got.Rows:
		p.differ(want.Name, "rows", fmt.Sprint(want.Rows), fmt.Sprint(got.Rows))
	default:
		p.Rows += got.Rows
	}
}

func (p *Proof) differ(partition, what, want, got string) {
	p.Differences = append(p.Differences, Difference{Partition: partition, What: what, Want: want, Got: got})
}

func (p *Proof) skip(partition, what, why string) {
	p.NotCompared = append(p.NotCompared, fmt.Sprintf("partition %q: %s: %s", partition, what, why))
}

// newer tells whether versions moved forward only. Both are sorted.
func newer(old, now []int64) bool {
	if len(now) < len(old) {
		return false // physical partitions may be added, they do not go
	}
	tail := now[len(now)-len(old):]
	for i := range old {
		if tail[i] < old[i] {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
