package restorepoint

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// needs is a point that needs snapshots, each of a hundred bytes times its number.
func needs(id string, snapshots ...int) PointHead {
	head := PointHead{PointSummary: PointSummary{ID: id}}
	for _, n := range snapshots {
		head.Snapshots = append(head.Snapshots, SnapshotRef{Label: fmt.Sprint("s", n), Bytes: int64(100 * n)})
	}
	return head
}

func onRecord(n int, at time.Time, tables ...Table) SnapshotRecord {
	return SnapshotRecord{Label: fmt.Sprint("s", n), Database: "sales", ConsistentAt: at, Lists: []ObjectList{{Bytes: int64(100 * n)}}, Tables: tables}
}

func TestUsageTellsUniqueFromShared(t *testing.T) {
	now := at(0)
	u := NewUsage(now)
	u.AddPoint(needs("full", 1, 2))
	u.AddPoint(needs("hour 1", 1, 3))
	u.AddPoint(needs("hour 2", 1, 3, 4))
	table := func(name string, bytes int64) Table {
		return Table{Name: name, Partitions: []Partition{{Bytes: bytes}, {Bytes: 1}}}
	}
	for _, r := range []SnapshotRecord{
		onRecord(1, now.Add(-10*24*time.Hour), table("orders", 60), table("lines", 38)), onRecord(2, now.Add(-10*24*time.Hour), table("orders", 199)),
		onRecord(3, now.Add(-time.Hour), table("orders", 299)), onRecord(7, now.Add(-500*24*time.Hour), table("gone", 699)),
	} {
		u.AddSnapshot(r)
	}
	u.AddTable(PlacedTable{"sales", table("orders", 359)})
	want := []PointUse{
		{PointSummary: PointSummary{ID: "full"}, Snapshots: 2, Bytes: 300, Added: 300, Unique: 200, Shared: 100},
		{PointSummary: PointSummary{ID: "hour 1"}, Snapshots: 2, Bytes: 400, Added: 300, Unique: 0, Shared: 400},
		{PointSummary: PointSummary{ID: "hour 2"}, Snapshots: 3, Bytes: 800, Added: 400, Unique: 400, Shared: 400},
	}
	if diff := cmp.Diff(want, u.Points); diff != "" {
		t.Error(diff)
	}
	if u.Snapshots != 4 || u.Bytes != 1300 || u.Unneeded != 700 || u.Unrecorded() != 1 {
		t.Errorf("%d snapshots of %d bytes, %d unneeded, %d without a record", u.Snapshots, u.Bytes, u.Unneeded, u.Unrecorded())
	}
	tables := []TableUse{{TableName{"sales", "gone"}, 0, 700}, {TableName{"sales", "orders"}, 360, 561}, {TableName{"sales", "lines"}, 0, 39}}
	if diff := cmp.Diff(tables, u.Tables()); diff != "" {
		t.Error(diff)
	}
	ages := []AgeUse{{24 * time.Hour, 1, 300}, {7 * 24 * time.Hour, 0, 0}, {30 * 24 * time.Hour, 2, 300}, {90 * 24 * time.Hour, 0, 0}, {365 * 24 * time.Hour, 0, 0}, {0, 1, 700}}
	if diff := cmp.Diff(ages, u.Ages); diff != "" {
		t.Error(diff)
	}
}

// Whatever points share: unique is exactly what goes with a point, and what is added sums up to what is needed.
func TestUsageOfRandomPoints(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		u := NewUsage(at(0))
		var points [][]int
		for p := range 1 + r.IntN(8) {
			list := r.Perm(12)[:r.IntN(10)]
			points = append(points, list)
			u.AddPoint(needs(fmt.Sprint(p), list...))
		}
		all := map[int]bool{}
		var added, total int64
		for i, list := range points {
			var unique int64
			for _, n := range list {
				users := 0
				for _, other := range points {
					for _, m := range other {
						if m == n {
							users++
						}
					}
				}
				if users == 1 {
					unique += int64(100 * n)
				}
				all[n] = true
			}
			got := u.Points[i]
			added += got.Added
			if got.Unique != unique || got.Unique+got.Shared != got.Bytes {
				t.Errorf("seed %d: point %d of %v: %+v, want %d unique", seed, i, points, got, unique)
			}
		}
		for n := range all {
			total += int64(100 * n)
		}
		if added != total {
			t.Errorf("seed %d: %v: %d added, %d needed", seed, points, added, total)
		}
	}
}
