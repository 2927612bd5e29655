package restorepoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// spread makes parts of one RANGE table, each in a native snapshot of its own.
func spread(table string, n int, bytes int64) []Part {
	var parts []Part
	for i := range n {
		parts = append(parts, Part{Table: table, Partition: fmt.Sprintf("p%03d", i), Snapshot: fmt.Sprintf("%s_%03d", table, i), Bytes: bytes, Tablets: 2, Replication: 1})
	}
	return parts
}

// drawn shows units as their parts, and marks those whose parts lie in several snapshots.
func drawn(parts []Part, units []Unit) []string {
	var list []string
	for _, u := range units {
		text := fmt.Sprint(u.Indexes())
		if Scattered(u.Of(parts)) {
			text += " composed"
		}
		list = append(list, text)
	}
	return list
}

func TestARangeTableOfHundredsOfSnapshotsTakesOneStatementPerUnit(t *testing.T) {
	parts := spread("t", 300, 1<<20)
	for _, c := range []struct {
		limits Limits
		units  int
	}{{Limits{}, 1}, {Limits{Partitions: 100}, 3}, {Limits{Bytes: 64 << 20}, 5}} {
		units := Pack(parts, c.limits)
		if len(units) != c.units {
			t.Errorf("limits %+v: %d units, want %d", c.limits, len(units), c.units)
		}
		seen := 0
		for _, u := range units {
			seen += u.Size()
			if !Scattered(u.Of(parts)) {
				t.Errorf("limits %+v: unit %d is of one snapshot", c.limits, u.Number)
			}
		}
		if seen != len(parts) {
			t.Errorf("limits %+v: %d parts of %d", c.limits, seen, len(parts))
		}
	}
}

func TestWhatIsComposed(t *testing.T) {
	list := []Part{
		{Table: "l", Partition: "a", Snapshot: "s1", Whole: true, Replication: 1},
		{Table: "l", Partition: "b", Snapshot: "s2", Whole: true, Replication: 1},
	}
	big := spread("t", 7, 1<<20)
	big[2].Bytes, big[5].Tablets = 5<<30, 5000
	lanes := spread("t", 6, 1)
	for i := range lanes {
		lanes[i].Lane = []string{"", "overwrite"}[i/3]
	}
	replicas := spread("t", 6, 1)
	for i := range replicas {
		replicas[i].Replication = 1 + i/3
	}
	limits := Limits{Bytes: 60 << 30, Tablets: 20_000}
	for name, c := range map[string]struct {
		parts []Part
		want  []string
	}{
		"a LIST table in two snapshots":               {list, []string{"[0 1] composed"}},
		"a LIST table beside a table of one of them":  {append(slices.Clone(list), Part{Table: "t", Partition: "t", Snapshot: "s1", Replication: 1}), []string{"[0 1] composed", "[2]"}},
		"four small snapshots are not worth it":       {spread("t", 4, 1), []string{"[0]", "[1]", "[2]", "[3]"}},
		"five are":                                    {spread("t", 5, 1), []string{"[0 1 2 3 4] composed"}},
		"big snapshots keep a statement of their own": {big, []string{"[0 1 3 4 6] composed", "[2]", "[5]"}},
		"one replication number in each":              {replicas, []string{"[0 1 2] composed", "[3 4 5] composed"}},
		"one lane in each":                            {lanes, []string{"[0 1 2] composed", "[3 4 5] composed"}},
		"tables of several snapshots":                 {slices.Concat(spread("a", 2, 1), spread("b", 2, 1), spread("c", 1, 1)), []string{"[0 1 2 3 4] composed"}},
		"a backup has no snapshots yet":               {[]Part{{Table: "t", Partition: "a", Whole: true}, {Table: "t", Partition: "b", Whole: true}}, []string{"[0 1]"}},
	} {
		if got := drawn(c.parts, Pack(c.parts, limits)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSnapshotsThatCannotBeComposedStayApart(t *testing.T) {
	parts := spread("t", 6, 1)
	for _, line := range drawn(parts, PackApart(parts, Limits{})) {
		if strings.Contains(line, "composed") {
			t.Errorf("unit %s", line)
		}
	}
}

func TestLabelsOfComposedSnapshots(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)
	seen := map[string]bool{}
	for _, database := range []string{"d", "other", "ä b/c", strings.Repeat("x", 200)} {
		for _, seed := range []string{"run1", "run2"} {
			for _, unit := range []int{1, 2, 1_000_000} {
				label := ComposedLabel(database, seed, unit)
				if !form.MatchString(label) || seen[label] || !IsComposed(label) || label != ComposedLabel(database, seed, unit) {
					t.Errorf("label %q of %q, %s, %d", label, database, seed, unit)
				}
				seen[label] = true
				if backup := Label(database, seed, unit, 1); IsComposed(backup) {
					t.Errorf("label %q of a backup counts as composed", backup)
				}
			}
		}
	}
}

func TestTallyKnowsADirectoryInAnyOrder(t *testing.T) {
	type file struct {
		name string
		size int64
	}
	sum := func(files ...file) Tally {
		var tally Tally
		for _, f := range files {
			tally.Add(f.name, f.size)
		}
		return tally
	}
	a, b := file{"1.hdr.0a", 7}, file{"2.dat.0b", 9}
	if sum(a, b) != sum(b, a) {
		t.Error("the order matters")
	}
	for name, other := range map[string]Tally{
		"less": sum(a), "more": sum(a, b, file{"3.dat.0c", 0}), "another MD5": sum(a, file{"2.dat.0c", 9}),
		"sizes exchanged": sum(file{a.name, b.size}, file{b.name, a.size}),
	} {
		if sum(a, b) == other {
			t.Errorf("%s: not noticed", name)
		}
	}
}
