package restorepoint

import (
	"cmp"
	"slices"
	"time"
)

// PointUse is what one restore point takes. Native snapshots are the measure, because one goes only as a whole: bytes are
// those of all objects of the snapshots that a point needs.
type PointUse struct {
	PointSummary
	Snapshots int
	Bytes     int64
	Added     int64 // of snapshots that no older point needs
	Unique    int64 // of snapshots that no other point needs: what pruning this one alone frees
	Shared    int64
}

// TableUse is what one table takes.
type TableUse struct {
	TableName
	Holds int64 // bytes of it in one point
	Bytes int64 // in all native snapshots
}

// AgeUse is what native snapshots of an age take.
type AgeUse struct {
	Younger   time.Duration // than this; 0: older than all before
	Snapshots int64
	Bytes     int64
}

// ages are the bounds of AgeUse.
var ages = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour, 365 * 24 * time.Hour, 0}

// Usage adds up what the restore points of a cluster take in a repository: AddPoint for each of them, oldest first, then
// AddSnapshot for each native snapshot on record. Its memory follows the numbers of points, snapshots and tables, not those
// of partitions and tablets.
type Usage struct {
	Points    []PointUse // in the order they came; Unique and Shared are right after the last AddPoint
	Ages      []AgeUse
	Snapshots int64
	Bytes     int64 // of the snapshots on record
	Unneeded  int64 // of those that no point needs

	now    time.Time
	needed map[string]*neededSnapshot
	tables map[TableName]*TableUse
}

// neededSnapshot is a native snapshot that a point needs.
type neededSnapshot struct {
	only   int // index of the one point; -1 when there are more
	listed bool
}

// NewUsage begins; now is what ages are counted from.
func NewUsage(now time.Time) *Usage {
	u := &Usage{now: now, needed: map[string]*neededSnapshot{}, tables: map[TableName]*TableUse{}}
	for _, age := range ages {
		u.Ages = append(u.Ages, AgeUse{Younger: age})
	}
	return u
}

// AddPoint counts a point by the snapshots that it needs. No older point may follow.
func (u *Usage) AddPoint(head PointHead) {
	at := len(u.Points)
	p := PointUse{PointSummary: head.PointSummary, Snapshots: len(head.Snapshots)}
	for _, s := range head.Snapshots {
		p.Bytes += s.Bytes
		need := u.needed[s.Label]
		switch {
		case need == nil:
			u.needed[s.Label] = &neededSnapshot{only: at}
			p.Added += s.Bytes
			p.Unique += s.Bytes
			continue
		case need.only >= 0:
			first := &u.Points[need.only]
			first.Unique -= s.Bytes
			first.Shared += s.Bytes
			need.only = -1
		}
		p.Shared += s.Bytes
	}
	u.Points = append(u.Points, p)
}

// AddSnapshot counts a native snapshot on record.
func (u *Usage) AddSnapshot(r SnapshotRecord) {
	bytes := r.ref("").Bytes
	u.Snapshots++
	u.Bytes += bytes
	if need := u.needed[r.Label]; need != nil {
		need.listed = true
	} else {
		u.Unneeded += bytes
	}
	age := u.now.Sub(r.ConsistentAt)
	at := slices.IndexFunc(ages, func(bound time.Duration) bool { return bound == 0 || age < bound })
	u.Ages[at].Snapshots++
	u.Ages[at].Bytes += bytes
	for _, t := range r.Tables {
		u.table(r.Database, t.Name).Bytes += tableBytes(t)
	}
}

// AddTable counts what the newest point holds of a table.
func (u *Usage) AddTable(t PlacedTable) { u.table(t.Database, t.Name).Holds += tableBytes(t.Table) }

func (u *Usage) table(database, name string) *TableUse {
	key := TableName{Database: database, Table: name}
	if u.tables[key] == nil {
		u.tables[key] = &TableUse{TableName: key}
	}
	return u.tables[key]
}

func tableBytes(t Table) (sum int64) {
	for _, p := range t.Partitions {
		sum += p.Bytes
	}
	return sum
}

// Tables lists what each table takes, the largest first.
func (u *Usage) Tables() []TableUse {
	list := make([]TableUse, 0, len(u.tables))
	for _, t := range u.tables {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b TableUse) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Holds, a.Holds), cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table))
	})
	return list
}

// Unrecorded counts the native snapshots that points need and that have no record: the points are damaged.
func (u *Usage) Unrecorded() (n int) {
	for _, need := range u.needed {
		if !need.listed {
			n++
		}
	}
	return n
}
