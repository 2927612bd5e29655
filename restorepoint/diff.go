package restorepoint

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// Change says what became of a table between two restore points.
type Change string

// What became of a table. The first that fits is told.
const (
	Unchanged Change = ""
	Created   Change = "created"
	Dropped   Change = "dropped"
	Recreated Change = "re-created" // the same name with another id: dropped and made again, or swapped
	Altered   Change = "schema"     // its columns, keys or indexes
	Rewritten Change = "data"       // its partitions only
)

// TableDifference is what changed of one table between two restore points.
type TableDifference struct {
	Database, Table string
	Change          Change

	Same     int      // partitions that are the same: one id, one version
	Added    []string // partitions by name
	Dropped  []string
	Replaced []string // the same name with another id: truncated, swapped, dropped and made again
	Changed  []string // the same id with another version: loaded, or restored in place

	RowsFrom, RowsTo   int64
	BytesFrom, BytesTo int64
}

// Diff compares two restore points of one cluster, each given as ReadTables gives it, table by table: also those that are
// the same. Tables and partitions are told apart by their ids, and their content by its versions, never by clock or size. An
// error of either is yielded once, as the last element.
func Diff(from, to iter.Seq2[PlacedTable, error]) iter.Seq2[TableDifference, error] {
	return func(yield func(TableDifference, error) bool) {
		before, stopBefore := tablesOf(from)
		defer stopBefore()
		after, stopAfter := tablesOf(to)
		defer stopAfter()
		for {
			a, errBefore := before.peek()
			b, errAfter := after.peek()
			if err := cmp.Or(errBefore, errAfter); err != nil {
				yield(TableDifference{}, err)
				return
			}
			if a == nil && b == nil {
				return
			}
			if a != nil && b != nil {
				switch {
				case a.before(*b):
					b = nil
				case b.before(*a):
					a = nil
				}
			}
			if a != nil {
				before.take()
			}
			if b != nil {
				after.take()
			}
			if !yield(compareTables(a, b), nil) {
				return
			}
		}
	}
}

// pulled is a sequence of tables that can be looked at before one is taken.
type pulled struct {
	next func() (PlacedTable, error, bool)
	head *PlacedTable
	err  error
	over bool
}

func tablesOf(seq iter.Seq2[PlacedTable, error]) (*pulled, func()) {
	next, stop := iter.Pull2(seq)
	return &pulled{next: next}, stop
}

// peek gives the next table; nil after the last.
func (p *pulled) peek() (*PlacedTable, error) {
	if p.head == nil && !p.over {
		t, err, ok := p.next()
		p.err, p.over = err, !ok || err != nil
		if !p.over {
			p.head = &t
		}
	}
	return p.head, p.err
}

func (p *pulled) take() { p.head = nil }

// compareTables compares a table with what became of it; one of them may be nil.
func compareTables(a, b *PlacedTable) TableDifference {
	var none PlacedTable
	d := TableDifference{}
	switch {
	case a == nil:
		d.Change, a = Created, &none
	case b == nil:
		d.Change, b = Dropped, &none
	case a.ID != b.ID:
		d.Change = Recreated
	case a.Schema != b.Schema && a.Schema != "" && b.Schema != "":
		d.Change = Altered
	}
	d.Database, d.Table = cmp.Or(b.Database, a.Database), cmp.Or(b.Name, a.Name)
	d.partitions(a.Partitions, b.Partitions)
	if d.Change == Unchanged && len(d.Added)+len(d.Dropped)+len(d.Replaced)+len(d.Changed) > 0 {
		d.Change = Rewritten
	}
	return d
}

func (d *TableDifference) partitions(from, to []Partition) {
	before := make(map[string]Partition, len(from))
	for _, p := range from {
		before[p.Name] = p
		d.RowsFrom += p.Rows
		d.BytesFrom += p.Bytes
	}
	for _, p := range to {
		d.RowsTo += p.Rows
		d.BytesTo += p.Bytes
		was, there := before[p.Name]
		delete(before, p.Name)
		switch {
		case !there:
			d.Added = append(d.Added, p.Name)
		case was.ID != p.ID || !slices.EqualFunc(was.Physical, p.Physical, func(a, b Physical) bool { return a.ID == b.ID }):
			d.Replaced = append(d.Replaced, p.Name)
		case !slices.EqualFunc(was.Physical, p.Physical, sameContent):
			d.Changed = append(d.Changed, p.Name)
		default:
			d.Same++
		}
	}
	d.Dropped = slices.Sorted(maps.Keys(before))
}

// sameContent compares what was saved of a physical partition. A RESTORE in place can bring a version number back, at another
// time; older points do not know the time.
func sameContent(a, b Physical) bool {
	return a.Version == b.Version && (a.VisibleAt == b.VisibleAt || a.VisibleAt == 0 || b.VisibleAt == 0)
}
