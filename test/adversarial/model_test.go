package adversarial

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// The model says what tables hold, in plain Go. It knows nothing of starkeep: what a restore must lead to is written down
// here a second time, from the documentation.

// row is a row of any table here: what the partition goes by, a key, a value that no other load has.
type row struct {
	at   string
	k, v int64
}

// contents are the rows of each partition; a table without partitions has the partition "-".
type contents map[string][]row

func (c contents) clone() contents {
	out := contents{}
	for p, rows := range c {
		out[p] = slices.Clone(rows)
	}
	return out
}

// table is what one table is and holds.
type table struct {
	kind       *kind
	definition string // SHOW CREATE TABLE without name, partitions and properties
	parts      contents
}

func (t *table) clone() *table {
	if t == nil {
		return nil
	}
	return &table{t.kind, t.definition, t.parts.clone()}
}

// load is what the FE does with a load that it accepts. Automatic tables get the partitions that it needs.
func (t *table) load(rows []row) {
	for _, r := range rows {
		p := t.kind.partition(r.at)
		t.parts[p] = t.kind.merge(t.parts[p], r)
	}
}

// only is the table with some of its partitions.
func (t *table) only(wanted []string) *table {
	out := t.clone()
	maps.DeleteFunc(out.parts, func(p string, _ []row) bool { return !slices.Contains(wanted, p) })
	return out
}

func (t *table) partitions() []string { return slices.Sorted(maps.Keys(t.parts)) }

// state is what there is, by "database.table".
type state map[string]*table

func (s state) clone() state {
	out := state{}
	for name, t := range s {
		out[name] = t.clone()
	}
	return out
}

func (s state) names() []string { return slices.Sorted(maps.Keys(s)) }

func (s state) databases() []string {
	var list []string
	for _, name := range s.names() {
		list = append(list, databaseOf(name))
	}
	return slices.Compact(list)
}

func databaseOf(name string) string { return name[:strings.IndexByte(name, '.')] }
func tableOf(name string) string    { return name[strings.IndexByte(name, '.')+1:] }

// merge adds a row as the key model does.
func (k *kind) merge(rows []row, r row) []row {
	rows = slices.Clone(rows)
	i := slices.IndexFunc(rows, func(x row) bool { return x.at == r.at && x.k == r.k })
	switch {
	case i < 0 || k.model == "DUPLICATE":
		rows = append(rows, r)
	case k.model == "AGGREGATE":
		rows[i].v += r.v
	default:
		rows[i].v = r.v
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.k, b.k), cmp.Compare(a.v, b.v))
}

// differ says in what two tables differ; "" if they are equal. nil is no table.
func differ(have, want *table) string {
	switch {
	case have == nil && want == nil:
		return ""
	case have == nil:
		return "the table is gone"
	case want == nil:
		return "the table is there"
	case have.definition != want.definition:
		return fmt.Sprintf("definition\n%s\nwant\n%s", have.definition, want.definition)
	}
	return differParts(have.parts, want.parts)
}

func differParts(have, want contents) string {
	if h, w := slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want)); !slices.Equal(h, w) {
		return fmt.Sprintf("partitions %v, want %v", h, w)
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(have[p], want[p]) {
			return fmt.Sprintf("partition %s holds %v, want %v", p, have[p], want[p])
		}
	}
	return ""
}

// pattern is one of the selection grammar.
type pattern struct{ database, table, partition string }

func (p pattern) String() string {
	switch {
	case p.partition != "":
		return p.database + "." + p.table + "/" + p.partition
	case p.table != "":
		return p.database + "." + p.table
	}
	return p.database
}

func texts(list []pattern) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

func like(glob, name string) bool {
	yes, err := path.Match(glob, name)
	return glob == "" || err == nil && yes
}

func (p pattern) touches(name string) bool {
	return like(p.database, databaseOf(name)) && like(p.table, tableOf(name))
}

// selection is include and exclude.
type selection struct{ include, exclude []pattern }

// of gives the partitions of a table that are selected, and whether the table is as a whole: also what it may have got
// since.
func (s selection) of(name string, t *table) (parts []string, whole bool) {
	include := s.include
	if len(include) == 0 {
		include = []pattern{{database: "*"}}
	}
	in := func(list []pattern, p string) bool {
		if p == "-" {
			p = tableOf(name)
		}
		return slices.ContainsFunc(list, func(x pattern) bool { return x.touches(name) && like(x.partition, p) })
	}
	for _, p := range t.partitions() {
		if in(include, p) && !in(s.exclude, p) {
			parts = append(parts, p)
		}
	}
	cut := slices.ContainsFunc(s.exclude, func(x pattern) bool { return x.touches(name) })
	whole = !cut && slices.ContainsFunc(include, func(x pattern) bool { return x.touches(name) && (x.partition == "" || x.partition == "*") })
	return parts, whole
}
