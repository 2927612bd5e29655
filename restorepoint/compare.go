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
	DDL  string // SHOW CREATE TABLE; "" if it could not be read
	// OtherVersion says that another minor version of StarRocks prints it than the one that was backed up.
	OtherVersion bool
	// Kept says that the table was there before and keeps its definition: partitions were added to it, or overwritten.
	Kept bool
}

// RestoredPartition is one partition of a restored table.
type RestoredPartition struct {
	Name      string
	Versions  []int64 // visible version of each physical partition
	Tablets   int     // over all indexes; -1 if not known
	Rows      int64
	RowsExact bool // Rows was counted, at these versions
	// Fingerprint of its rows, at these versions, with the columns and of the kind that the backup used; nil if there is none.
	Fingerprint *Fingerprint
}

// Difference is one thing in which a restored table is not what the manifest says.
type Difference struct {
	Partition string `json:"partition,omitempty"`
	What      string `json:"what"` // "table id", "partition", "version", "tablets", "rows", "fingerprint", "definition"
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
	RowsSkipped int          `json:"rowsSkipped,omitempty"` // partitions whose rows were not compared
	DDL         DDL          `json:"ddl"`
	Checked     []Checked    `json:"checked"` // partition by partition
}

// Checked is one partition of a proof.
type Checked struct {
	Partition   string   `json:"partition"`
	Result      string   `json:"result"` // "equal", "differs", "missing", "unexpected"
	Want        Facts    `json:"want,omitzero"`
	Got         Facts    `json:"got,omitzero"`
	NotCompared []string `json:"notCompared,omitempty"`
}

// Facts are what is compared of a partition.
type Facts struct {
	Versions    []int64      `json:"versions,omitempty"` // of its physical partitions, ascending
	Tablets     int          `json:"tablets,omitempty"`  // -1: not known
	Rows        *int64       `json:"rows,omitempty"`     // where they were counted
	Fingerprint *Fingerprint `json:"fingerprint,omitempty"`
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
			p.Checked = append(p.Checked, Checked{Partition: w.Name, Result: "missing", Want: wanted(w)})
			p.differ(w.Name, "partition", "present", "missing")
			continue
		}
		delete(have, w.Name)
		p.partition(w, g, got.Live)
	}
	if got.ID != 0 {
		p.definition(want, got)
	}
	if others || got.Live {
		return p
	}
	for _, name := range sortedKeys(have) {
		p.Checked = append(p.Checked, Checked{Partition: name, Result: "unexpected", Got: Facts{Versions: have[name].Versions, Tablets: have[name].Tablets}})
		p.differ(name, "partition", "absent", "present")
	}
	return p
}

// definition compares the tables' SHOW CREATE TABLE as far as the restored partitions go.
func (p *Proof) definition(want Table, got Restored) {
	var names []string
	for _, w := range want.Partitions {
		names = append(names, w.Name)
	}
	p.DDL = CompareDDL(want.DDL, got.DDL, names, got.OtherVersion)
	if got.Kept {
		p.DDL.noteBuckets()
	}
	for _, l := range p.DDL.Differences {
		p.differ("", "definition", orNothing(l.Want), orNothing(l.Got))
	}
}

func orNothing(line string) string {
	if line == "" {
		return "without this line"
	}
	return line
}

func wanted(w Partition) Facts {
	f := Facts{Tablets: w.Tablets, Fingerprint: w.Fingerprint}
	for _, ph := range w.Physical {
		f.Versions = append(f.Versions, ph.Version)
	}
	slices.Sort(f.Versions)
	if w.RowsExact {
		f.Rows = &w.Rows
	}
	return f
}

func found(g RestoredPartition) Facts {
	f := Facts{Versions: slices.Sorted(slices.Values(g.Versions)), Tablets: g.Tablets, Fingerprint: g.Fingerprint}
	if g.RowsExact {
		f.Rows = &g.Rows
	}
	return f
}

// partition compares one partition and writes down how it went.
func (p *Proof) partition(want Partition, got RestoredPartition, live bool) {
	differences, skipped := len(p.Differences), len(p.NotCompared)
	p.facts(want, got, live)
	c := Checked{Partition: want.Name, Result: "equal", Want: wanted(want), Got: found(got), NotCompared: slices.Clone(p.NotCompared[skipped:])}
	if len(p.Differences) > differences {
		c.Result = "differs"
	}
	p.Checked = append(p.Checked, c)
}

func (p *Proof) facts(want Partition, got RestoredPartition, live bool) {
	p.Partitions++
	p.Tablets += max(got.Tablets, 0)
	versions := make([]int64, 0, len(want.Physical))
	for _, ph := range want.Physical {
		versions = append(versions, ph.Version)
	}
	slices.Sort(versions)
	now := slices.Sorted(slices.Values(got.Versions))
	same := slices.Equal(versions, now)
	switch {
	case same:
	case live && newer(versions, now):
		p.RowsSkipped++
		p.skip(want.Name, "version and rows", "loaded since it was restored")
	default:
		p.differ(want.Name, "version", fmt.Sprint(versions), fmt.Sprint(now))
	}
	if got.Tablets >= 0 && got.Tablets != want.Tablets {
		p.differ(want.Name, "tablets", fmt.Sprint(want.Tablets), fmt.Sprint(got.Tablets))
	}
	if same {
		p.rows(want, got)
		p.fingerprint(want.Name, want.Fingerprint, got.Fingerprint)
	}
}

// fingerprint compares the rows' fingerprints, where the backup made one.
func (p *Proof) fingerprint(partition string, want, got *Fingerprint) {
	switch {
	case want == nil:
	case want.Algorithm != FingerprintAlgorithm:
		p.skip(partition, "fingerprint", "another starkeep computed it in another way ("+want.Algorithm+")")
	case got == nil:
		p.skip(partition, "fingerprint", "not computed after the restore, or loaded meanwhile")
	case *want != *got:
		p.differ(partition, "fingerprint", want.String(), got.String())
	}
}

func (p *Proof) rows(want Partition, got RestoredPartition) {
	switch {
	case !want.RowsExact:
		p.RowsSkipped++
		p.skip(want.Name, "rows", "not counted at backup, or loaded meanwhile")
	case !got.RowsExact:
		p.RowsSkipped++
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
