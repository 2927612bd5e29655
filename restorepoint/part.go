package restorepoint

// Part is one partition of one table, the smallest thing that is backed up or restored by itself. A database's plan
// is a list of them, sorted so that the parts of one table are adjacent; units refer to them by index.
type Part struct {
	Table       string `json:"table"`
	Partition   string `json:"partition"`
	PartitionID int64  `json:"partitionId,omitempty"` // as the catalog (backup) or the manifest (restore) says
	Version     int64  `json:"version,omitempty"`     // visible version when planned
	Tablets     int    `json:"tablets,omitempty"`     // over all indexes
	Replication int    `json:"replication,omitempty"` // replicas of each tablet
	Bytes       int64  `json:"bytes,omitempty"`       // of one replica
	Rows        int64  `json:"rows,omitempty"`        // as the catalog says: may lag behind
	Value       string `json:"value,omitempty"`       // its range or list, as the catalog writes it
	// Whole says that the parts of this table must stay in one unit: partitions of a LIST table cannot be added by a
	// later RESTORE (design §6 rule 16).
	Whole    bool   `json:"whole,omitempty"`
	Snapshot string `json:"snapshot,omitempty"` // restore: label of the native snapshot that holds it
	// Lane tells apart, in a restore, what must not share a RESTORE statement: what is brought into existing tables, and
	// how, from what makes new ones. A table may have parts in several lanes.
	Lane string `json:"lane,omitempty"`
}

// Range is a half-open range of indexes into a database's parts.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
	// Whole marks a range that is never divided: all selected parts of a Part.Whole table.
	Whole bool `json:"whole,omitempty"`
}

// Unit is one BACKUP or RESTORE statement's share of a database.
type Unit struct {
	Number  int     `json:"number"`  // unique in the database's job; pieces of a failed unit get new numbers
	Parts   []Range `json:"parts"`   // disjoint, ascending
	Attempt int     `json:"attempt"` // from 1; together with Number it makes the label
	// Composed is, of a piece, the unit that it is a piece of, if a native snapshot was composed for that: the piece is
	// restored from it too.
	Composed *ComposedUnit `json:"composed,omitempty"`
}

// ComposedUnit is a unit for which a native snapshot was composed.
type ComposedUnit struct {
	Number int     `json:"number"`
	Parts  []Range `json:"parts"`
}

// ComposedFor is the number of the unit whose composed native snapshot this one is restored from, if it needs one: its own,
// or that of the unit that it is a piece of.
func (u Unit) ComposedFor() int {
	if u.Composed != nil {
		return u.Composed.Number
	}
	return u.Number
}

// Size is the number of parts in the unit.
func (u Unit) Size() int { return size(u.Parts) }

// Indexes lists the unit's parts one by one, ascending.
func (u Unit) Indexes() []int {
	list := make([]int, 0, u.Size())
	for _, r := range u.Parts {
		for i := r.From; i < r.To; i++ {
			list = append(list, i)
		}
	}
	return list
}

// Of picks the unit's parts out of its database's.
func (u Unit) Of(parts []Part) []Part {
	list := make([]Part, 0, u.Size())
	for _, r := range u.Parts {
		list = append(list, parts[r.From:r.To]...)
	}
	return list
}

// Limits bound one unit. Zero means no limit.
type Limits struct {
	Bytes      int64 `json:"bytes,omitempty"`
	Tablets    int   `json:"tablets,omitempty"`
	Partitions int   `json:"partitions,omitempty"`
	// Separate keeps the parts of different native snapshots apart where snapshots cannot be composed.
	Separate bool `json:"separate,omitempty"`
}

func size(ranges []Range) int {
	n := 0
	for _, r := range ranges {
		n += r.To - r.From
	}
	return n
}
