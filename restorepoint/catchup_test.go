package restorepoint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhatATargetMustCatchUpWith(t *testing.T) {
	point := func(tables ...Table) Manifest { return Manifest{Databases: []Database{{Name: "d", Tables: tables}}} }
	table := func(change func(*Table)) Table {
		t := Table{Name: "t", ID: 1, Schema: "s", DDL: eventsDDL, Partitions: []Partition{
			{Name: "p1", Snapshot: "s1", Bytes: 10, Value: "a"}, {Name: "p2", Snapshot: "s1", Bytes: 20, Value: "b"}, {Name: "p3", Snapshot: "s1", Bytes: 40, Value: "c"}}}
		change(&t)
		return t
	}
	same := func(*Table) {}
	for name, c := range map[string]struct {
		applied *Manifest
		to      Manifest
		include string
		gone    string
		bytes   int64
	}{
		"nothing is there":             {to: point(table(same)), include: "d.t", bytes: 70},
		"nothing has changed":          {applied: &Manifest{Databases: point(table(same)).Databases}, to: point(table(same))},
		"a partition was backed up":    {applied: ptr(point(table(same))), to: point(table(func(t *Table) { t.Partitions[1].Snapshot = "s2" })), include: "d.t/p2", bytes: 20},
		"a partition is new":           {applied: ptr(point(table(func(t *Table) { t.Partitions = t.Partitions[:2] }))), to: point(table(same)), include: "d.t/p3", bytes: 40},
		"a LIST partition is new":      {applied: ptr(point(table(func(t *Table) { t.Partitions = t.Partitions[:2] }))), to: point(table(func(t *Table) { t.Partitions[2].Value = `[["x"]]` })), include: "d.t", bytes: 70},
		"a partition has other values": {applied: ptr(point(table(same))), to: point(table(func(t *Table) { t.Partitions[0].Value, t.Partitions[0].Snapshot = "z", "s2" })), include: "d.t", bytes: 70},
		"a partition was dropped":      {applied: ptr(point(table(same))), to: point(table(func(t *Table) { t.Partitions = t.Partitions[:2] })), gone: "d.t/p3"},
		"all partitions changed": {applied: ptr(point(table(same))), to: point(table(func(t *Table) {
			for i := range t.Partitions {
				t.Partitions[i].Snapshot = "s2"
			}
		})), include: "d.t", bytes: 70},
		"another table of that name": {applied: ptr(point(table(same))), to: point(table(func(t *Table) { t.ID = 2 })), include: "d.t", bytes: 70},
		"another schema":             {applied: ptr(point(table(same))), to: point(table(func(t *Table) { t.Schema = "u" })), include: "d.t", bytes: 70},
		"a table was dropped":        {applied: ptr(point(table(same), table(func(t *Table) { t.Name, t.ID = "u", 9 }))), to: point(table(same)), gone: "d.u"},
	} {
		t.Run(name, func(t *testing.T) {
			got := CatchUpTo(c.applied, c.to)
			if !slices.Equal(got.Include, strings.Fields(c.include)) && len(got.Include)+len(c.include) > 0 || got.Bytes != c.bytes {
				t.Errorf("brings %q, %d bytes; want %q, %d bytes", got.Include, got.Bytes, c.include, c.bytes)
			}
			if !slices.Equal(got.Gone, strings.Fields(c.gone)) && len(got.Gone)+len(c.gone) > 0 {
				t.Errorf("gone %q, want %q", got.Gone, c.gone)
			}
		})
	}
}

// Patterns are an input, which histories hold: there are not many of them.
func TestManyChangesAreNamedByTheirTables(t *testing.T) {
	var was, is Manifest
	was.Databases, is.Databases = []Database{{Name: "d"}}, []Database{{Name: "d"}}
	for i := range 100 {
		name := fmt.Sprintf("t%03d", i)
		table := func(snapshot string) Table {
			t := Table{Name: name, ID: 1, Schema: "s", DDL: eventsDDL}
			for n := range 300 {
				p := Partition{Name: fmt.Sprint("p", n), Snapshot: "s1"}
				if n < 150 {
					p.Snapshot = snapshot
				}
				t.Partitions = append(t.Partitions, p)
			}
			return t
		}
		was.Databases[0].Tables = append(was.Databases[0].Tables, table("s1"))
		is.Databases[0].Tables = append(is.Databases[0].Tables, table("s2"))
	}
	c := CatchUpTo(&was, is)
	if len(c.Include) > maxPatterns+300 || c.Tables != 100 || c.Include[0] != "d.t000/p0" || c.Include[len(c.Include)-1] != "d.t099" {
		t.Errorf("%d patterns of %d tables, the last is %s", len(c.Include), c.Tables, c.Include[len(c.Include)-1])
	}
}

func ptr(m Manifest) *Manifest { return &m }
