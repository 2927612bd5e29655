package restorepoint

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// table gives n parts of a table with one tablet and one byte each.
func table(name string, n int, set func(*Part)) []Part {
	list := make([]Part, n)
	for i := range list {
		list[i] = Part{Table: name, Partition: fmt.Sprintf("p%d", i), Tablets: 1, Bytes: 1, Replication: 3}
		if set != nil {
			set(&list[i])
		}
	}
	return list
}

func together(tables ...[]Part) []Part {
	var all []Part
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

func whole(p *Part) { p.Whole = true }

func TestPack(t *testing.T) {
	r := func(from, to int) Range { return Range{From: from, To: to} }
	w := func(from, to int) Range { return Range{From: from, To: to, Whole: true} }
	in := func(label string, replication int) func(*Part) {
		return func(p *Part) { p.Snapshot, p.Replication = label, replication }
	}
	ten := Limits{Partitions: 10}
	for name, test := range map[string]struct {
		parts  []Part
		limits Limits
		want   [][]Range
	}{
		"nothing":                        {nil, ten, nil},
		"a small database is one unit":   {together(table("a", 3, nil), table("b", 4, nil)), Limits{}, [][]Range{{r(0, 7)}}},
		"a big table is divided":         {table("a", 25, nil), ten, [][]Range{{r(0, 10)}, {r(10, 20)}, {r(20, 25)}}},
		"a table that fits stays whole":  {together(table("a", 6, nil), table("b", 6, nil)), ten, [][]Range{{r(0, 6)}, {r(6, 12)}}},
		"the last unit takes what fits":  {together(table("a", 12, nil), table("b", 8, nil)), ten, [][]Range{{r(0, 10)}, {r(10, 20)}}},
		"LIST tables are never divided":  {together(table("a", 2, nil), table("l", 30, whole), table("b", 2, nil)), ten, [][]Range{{r(0, 2)}, {w(2, 32)}, {r(32, 34)}}},
		"a LIST table shares a unit":     {together(table("a", 2, nil), table("l", 3, whole), table("b", 2, nil)), ten, [][]Range{{r(0, 2), w(2, 5), r(5, 7)}}},
		"LIST tables stay apart":         {together(table("l", 2, whole), table("m", 2, whole)), ten, [][]Range{{w(0, 2), w(2, 4)}}},
		"bytes":                          {table("a", 5, nil), Limits{Bytes: 2}, [][]Range{{r(0, 2)}, {r(2, 4)}, {r(4, 5)}}},
		"tablets":                        {table("a", 5, func(p *Part) { p.Tablets = 4 }), Limits{Tablets: 8}, [][]Range{{r(0, 2)}, {r(2, 4)}, {r(4, 5)}}},
		"a part above the limit":         {table("a", 2, func(p *Part) { p.Bytes = 9 }), Limits{Bytes: 2}, [][]Range{{r(0, 1)}, {r(1, 2)}}},
		"replication does not matter":    {together(table("a", 1, nil), table("b", 1, func(p *Part) { p.Replication = 1 })), ten, [][]Range{{r(0, 2)}}},
		"a unit has one native snapshot": {together(table("a", 2, in("s", 3)), table("b", 2, in("t", 3)), table("c", 2, in("s", 3))), ten, [][]Range{{r(0, 2), r(4, 6)}, {r(2, 4)}}},
		"a unit has one replication":     {together(table("a", 2, in("s", 3)), table("b", 2, in("s", 1))), ten, [][]Range{{r(0, 2)}, {r(2, 4)}}},
	} {
		t.Run(name, func(t *testing.T) {
			units := Pack(test.parts, test.limits)
			var got [][]Range
			for i, u := range units {
				got = append(got, u.Parts)
				if u.Number != i+1 || u.Attempt != 1 {
					t.Errorf("unit %d: %+v", i, u)
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v\nwant %v", got, test.want)
			}
		})
	}
}

func TestPackKeepsItsPromises(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		parts := randomParts(r)
		limits := Limits{Bytes: r.Int64N(30), Tablets: r.IntN(30), Partitions: r.IntN(12)}
		if problem := packProblem(parts, limits, Pack(parts, limits)); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
}

// randomParts gives up to 8 tables of up to 20 parts.
func randomParts(r *rand.Rand) []Part {
	var parts []Part
	restore := r.IntN(2) == 0
	for i := range r.IntN(8) {
		list := r.IntN(4) == 0
		label := fmt.Sprint(r.IntN(3))
		parts = append(parts, table(fmt.Sprint("t", i), 1+r.IntN(20), func(p *Part) {
			p.Whole, p.Bytes, p.Tablets = list, r.Int64N(10), r.IntN(10)
			if restore {
				p.Snapshot, p.Replication = label, 1+r.IntN(2)
			}
			if list {
				p.Replication = 1
			}
		})...)
	}
	return parts
}

func packProblem(parts []Part, limits Limits, units []Unit) string {
	unitOf := make([]int, len(parts))
	for _, u := range units {
		p := packer{limits: limits, composed: composed(parts, limits)}
		chosen := u.Of(parts)
		if len(chosen) == 0 {
			return "an empty unit"
		}
		tables := map[string]bool{}
		for i, part := range chosen {
			tables[part.Table] = true
			if p.keyOf(part) != p.keyOf(chosen[0]) {
				return fmt.Sprintf("unit %d mixes %+v and %+v", u.Number, chosen[0], part)
			}
			if index := u.Indexes()[i]; unitOf[index] != 0 {
				return fmt.Sprintf("part %d is in units %d and %d", index, unitOf[index], u.Number)
			}
			unitOf[u.Indexes()[i]] = u.Number
		}
		indivisible := len(chosen) == 1 || len(tables) == 1 && chosen[0].Whole
		if !p.fits(Limits{}, loadOf(chosen)) && !indivisible {
			return fmt.Sprintf("unit %d breaks the limits %+v: %+v", u.Number, limits, loadOf(chosen))
		}
	}
	for i, part := range parts {
		if unitOf[i] == 0 {
			return fmt.Sprintf("part %d is in no unit", i)
		}
		if i > 0 && part.Whole && part.Table == parts[i-1].Table && unitOf[i] != unitOf[i-1] {
			return fmt.Sprintf("the table of part %d is divided", i)
		}
	}
	return ""
}

func TestPackingAMillionPartsIsFast(t *testing.T) {
	parts := together(table("a", 500_000, nil), table("b", 500_000, nil))
	if got := len(Pack(parts, Limits{Partitions: 500})); got != 2000 {
		t.Errorf("%d units", got)
	}
}
