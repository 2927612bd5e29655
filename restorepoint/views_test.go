package restorepoint

import (
	"fmt"
	"testing"
)

func TestViewsComeAfterWhatTheyRead(t *testing.T) {
	for _, c := range []struct {
		name         string
		items        []Depends
		order, cycle string
	}{
		{"nothing", nil, "[]", "[]"},
		{"by name where nothing else counts", []Depends{{"d.b", nil}, {"d.a", []string{"d.t"}}}, "[d.a d.b]", "[]"},
		{"a chain across databases", []Depends{{"a.x", []string{"b.y", "d.t"}}, {"b.y", []string{"c.z", "c.z"}}, {"c.z", []string{"d.t"}}}, "[c.z b.y a.x]", "[]"},
		{"a circle, and who reads it", []Depends{{"d.a", []string{"d.b"}}, {"d.b", []string{"d.a"}}, {"d.c", []string{"d.b"}}, {"d.d", nil}}, "[d.d]", "[d.a d.b d.c]"},
		{"itself", []Depends{{"d.a", []string{"d.a"}}}, "[]", "[d.a]"},
	} {
		order, cycle := InOrder(c.items)
		if got, want := itemNames(c.items, order)+itemNames(c.items, cycle), c.order+c.cycle; got != want {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}
}

func itemNames(items []Depends, indexes []int) string {
	list := []string{}
	for _, i := range indexes {
		list = append(list, items[i].Name)
	}
	return fmt.Sprint(list)
}

func TestReadersAreFoundThroughOtherViews(t *testing.T) {
	items := []Depends{{"d.top", []string{"d.mid"}}, {"d.mid", []string{"d.low"}}, {"d.low", []string{"d.t", "d.u"}}, {"d.other", []string{"d.u"}}}
	readers, direct := Readers(items, map[string]bool{"d.t": true})
	if got, want := itemNames(items, readers), "[d.low d.mid d.top]"; got != want {
		t.Errorf("readers %s, want %s", got, want)
	}
	if !direct[2] || direct[0] || direct[1] {
		t.Errorf("direct %v, want d.low alone", direct)
	}
}

func TestViewsOfALaterBackupReplaceThoseCarriedOver(t *testing.T) {
	var m Manifest
	m.AddObjects("d", 1, Objects{Views: []View{{Name: "v", DDL: "old"}, {Name: "w", DDL: "kept"}}})
	m.AddObjects("d", 1, Objects{Views: []View{{Name: "v", DDL: "new"}}, Functions: []Function{{Signature: "f(INT)"}}})
	m.Sort()
	if got, want := fmt.Sprint(m.Databases[0].Views[0].DDL, m.Databases[0].Views[1].DDL, m.Databases[0].Names()), "newkept[v w f]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if c := m.count(); c.Views != 2 || c.Functions != 1 || c.Tables != 0 {
		t.Errorf("counts %+v", c)
	}
}
