package restorepoint

import (
	"crypto/md5"
	"fmt"
	"strings"
)

// Statements cost some 17 s each, however little they restore (starrocks-measured, 28). What is copied within the store in
// less time is put together instead: a native snapshot of which a restore needs no more than a unit's bytes / smallBytes and
// a unit's tablets / smallTablets, as soon as there are composeFrom of them in a database.
const (
	smallBytes   = 32
	smallTablets = 8
	composeFrom  = 5
)

// composed tells which parts of a restore share units with those of other native snapshots, for which starkeep composes one
// snapshot: the tables that must not be divided and lie in several, and all parts in snapshots too small for a statement of
// their own.
func composed(parts []Part, limits Limits) func(Part) bool {
	if limits.Separate {
		return func(Part) bool { return false }
	}
	type table struct{ name, lane string }
	first, tables := map[table]string{}, map[table]bool{}
	for _, p := range parts {
		t := table{p.Table, p.Lane}
		if s, seen := first[t]; p.Whole && seen && s != p.Snapshot {
			tables[t] = true
		}
		first[t] = p.Snapshot
	}
	loads := map[string]Limits{}
	for _, p := range parts {
		if p.Snapshot != "" && !tables[table{p.Table, p.Lane}] {
			loads[p.Snapshot] = sum(loads[p.Snapshot], loadOf([]Part{p}))
		}
	}
	small := map[string]bool{}
	for label, load := range loads {
		if (limits.Bytes <= 0 || load.Bytes*smallBytes <= limits.Bytes) && (limits.Tablets <= 0 || load.Tablets*smallTablets <= limits.Tablets) {
			small[label] = true
		}
	}
	if len(small) < composeFrom {
		small = nil
	}
	return func(p Part) bool { return tables[table{p.Table, p.Lane}] || small[p.Snapshot] }
}

// Scattered tells whether parts lie in more than one native snapshot: one RESTORE takes them only when they are composed.
func Scattered(parts []Part) bool {
	for _, p := range parts {
		if p.Snapshot != parts[0].Snapshot {
			return true
		}
	}
	return false
}

// ComposedPrefix begins the label of every native snapshot that a restore has composed for itself. They are temporary: what
// is left of one when no restore is under way is debris.
const ComposedPrefix = "sk_composed_"

// ComposedLabel names the native snapshot that is composed for one unit of a restore: sk_composed_<database>_<12 hex of seed
// and database>_u<unit>, with the characters and the length of Label. All attempts at the unit have the same one.
func ComposedLabel(database, seed string, unit int) string {
	tail := fmt.Sprintf("_%s_u%d", digest(12, seed, database), unit)
	name := sanitize(database)
	return ComposedPrefix + name[:min(len(name), maxLabelDatabase, maxLabel-len(ComposedPrefix)-len(tail))] + tail
}

// IsComposed tells whether a label is one of ComposedLabel.
func IsComposed(label string) bool { return strings.HasPrefix(label, ComposedPrefix) }

// Tally sums up the objects of one tablet's directory, in whatever order they come: two directories are equal if and only
// if their tallies are.
type Tally struct {
	Objects int
	Bytes   int64
	sum     [md5.Size]byte
}

// Add counts an object: file is its name in the directory, which ends in the MD5 of its content.
func (t *Tally) Add(file string, size int64) {
	t.Objects++
	t.Bytes += size
	for i, b := range md5.Sum(fmt.Appendf(nil, "%d %s", size, file)) {
		t.sum[i] ^= b
	}
}
