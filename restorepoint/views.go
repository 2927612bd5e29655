package restorepoint

import (
	"cmp"
	"slices"
	"strings"
)

// View is a logical view as it was when backed up: text, never data.
type View struct {
	Name     string   `json:"name"`
	DDL      string   `json:"ddl"`             // SHOW CREATE VIEW
	Reads    []string `json:"reads,omitempty"` // "db.table", or "catalog.db.table" for what lies outside StarRocks
	Comment  string   `json:"comment,omitempty"`
	Security string   `json:"security,omitempty"`
	Grants   []Grant  `json:"grants,omitempty"`
}

// MaterializedView is an asynchronous materialized view as it was when backed up. Its data is not kept: a refresh makes
// it again. Synchronous ones (rollups) are part of their table.
type MaterializedView struct {
	Name            string            `json:"name"`
	DDL             string            `json:"ddl"`             // SHOW CREATE MATERIALIZED VIEW
	Reads           []string          `json:"reads,omitempty"` // its bases
	Active          bool              `json:"active"`
	InactiveReason  string            `json:"inactiveReason,omitempty"`
	Refresh         string            `json:"refresh,omitempty"` // "ASYNC EVERY(INTERVAL 1 DAY)"
	PartitionScheme string            `json:"partitionScheme,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	Grants          []Grant           `json:"grants,omitempty"`
}

// Function is a database's own function as it was when backed up. The file it is in is not kept.
type Function struct {
	Signature  string            `json:"signature"` // "plus1(INT)"
	Returns    string            `json:"returns"`
	Type       string            `json:"type"` // "Scalar", "Aggregate", "Table"
	Properties map[string]string `json:"properties,omitempty"`
	Statement  string            `json:"statement"` // CREATE FUNCTION, made of the above
}

// Objects are the views and functions of one database.
type Objects struct {
	Views             []View             `json:"views,omitempty"`
	MaterializedViews []MaterializedView `json:"materializedViews,omitempty"`
	Functions         []Function         `json:"functions,omitempty"`
}

// Empty tells whether there is nothing.
func (o Objects) Empty() bool {
	return len(o.Views) == 0 && len(o.MaterializedViews) == 0 && len(o.Functions) == 0
}

// Names lists views, materialized views, and functions by the name without arguments.
func (o Objects) Names() []string {
	var names []string
	for _, v := range o.Views {
		names = append(names, v.Name)
	}
	for _, v := range o.MaterializedViews {
		names = append(names, v.Name)
	}
	for _, f := range o.Functions {
		names = append(names, f.Name())
	}
	return names
}

// Name is the signature without the arguments.
func (f Function) Name() string {
	name, _, _ := strings.Cut(f.Signature, "(")
	return name
}

// AddObjects puts the views and functions of a database in; one that is there already is replaced.
func (m *Manifest) AddObjects(database string, id int64, o Objects) {
	if o.Empty() {
		return
	}
	at := slices.IndexFunc(m.Databases, func(d Database) bool { return d.Name == database })
	if at < 0 {
		m.Databases = append(m.Databases, Database{Name: database, ID: id, Tables: []Table{}})
		at = len(m.Databases) - 1
	}
	d := &m.Databases[at]
	d.Views = replaceNamed(d.Views, o.Views, func(v View) string { return v.Name })
	d.MaterializedViews = replaceNamed(d.MaterializedViews, o.MaterializedViews, func(v MaterializedView) string { return v.Name })
	d.Functions = replaceNamed(d.Functions, o.Functions, func(f Function) string { return f.Signature })
}

// replaceNamed is old without what fresh has too, and fresh.
func replaceNamed[T any](old, fresh []T, name func(T) string) []T {
	kept := slices.DeleteFunc(slices.Clone(old), func(a T) bool {
		return slices.ContainsFunc(fresh, func(b T) bool { return name(a) == name(b) })
	})
	return append(kept, fresh...)
}

func (o Objects) sort() {
	slices.SortFunc(o.Views, func(a, b View) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(o.MaterializedViews, func(a, b MaterializedView) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(o.Functions, func(a, b Function) int { return cmp.Compare(a.Signature, b.Signature) })
}

// Depends is something and the names of what it reads.
type Depends struct {
	Name  string
	Reads []string
}

// InOrder gives the indexes of the items so that each comes after those of the items that it reads, and otherwise in the
// order of their names. Items that read each other in a circle, or read one that does, are in cycle.
func InOrder(items []Depends) (order, cycle []int) {
	places := make(map[string]int, len(items))
	for i, item := range items {
		places[item.Name] = i
	}
	byName := make([]int, len(items))
	for i := range byName {
		byName[i] = i
	}
	slices.SortFunc(byName, func(a, b int) int { return cmp.Compare(items[a].Name, items[b].Name) })
	waits := make([]int, len(items)) // for how many items
	readers := make([][]int, len(items))
	for _, i := range byName {
		seen := map[int]bool{}
		for _, name := range items[i].Reads {
			if j, ok := places[name]; ok && !seen[j] {
				seen[j] = true
				waits[i]++
				readers[j] = append(readers[j], i)
			}
		}
	}
	for _, i := range byName {
		if waits[i] == 0 {
			order = append(order, i)
		}
	}
	for at := 0; at < len(order); at++ {
		for _, reader := range readers[order[at]] {
			if waits[reader]--; waits[reader] == 0 {
				order = append(order, reader)
			}
		}
	}
	for _, i := range byName {
		if waits[i] > 0 {
			cycle = append(cycle, i)
		}
	}
	return order, cycle
}

// Readers gives the items that read one of the names, also through other items, in the order of InOrder. direct tells
// those that name one of them themselves.
func Readers(items []Depends, names map[string]bool) (readers []int, direct map[int]bool) {
	order, cycle := InOrder(items)
	direct = map[int]bool{}
	touched := map[string]bool{}
	for _, i := range append(order, cycle...) {
		reads := false
		for _, name := range items[i].Reads {
			if names[name] {
				direct[i] = true
			}
			reads = reads || names[name] || touched[name]
		}
		if reads {
			touched[items[i].Name] = true
			readers = append(readers, i)
		}
	}
	return readers, direct
}
