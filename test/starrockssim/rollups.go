package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/sqlparse"
)

// rollup is a further index of a table: some of its columns, in tablets of their own. A synchronous materialized view is
// one too.
type rollup struct {
	id      int64
	name    string
	columns []column
	hash    int64
	query   string // as SHOW MATERIALIZED VIEWS tells it
}

// all lists a partition's tablets: those of the base index, then those of each rollup.
func (p *partition) all() []*tablet {
	list := slices.Clone(p.tablets)
	for _, tablets := range p.rolled {
		list = append(list, tablets...)
	}
	return list
}

// indexOf says which rollup the i-th tablet of all belongs to; nil is the base index.
func (t *table) indexOf(p *partition, i int) *rollup {
	if i < len(p.tablets) || len(p.tablets) == 0 {
		return nil
	}
	return t.rollups[i/len(p.tablets)-1]
}

// tabletHash is the schema hash of the i-th tablet of all.
func (t *table) tabletHash(p *partition, i int) int64 {
	if r := t.indexOf(p, i); r != nil {
		return r.hash
	}
	return t.schemaHash
}

// rolled cuts rows down to a rollup's columns.
func (r *rollup) rows(t *table, rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		for _, col := range r.columns {
			out[i] = append(out[i], row[t.columnIndex(col.name)])
		}
	}
	return out
}

// defineRollup makes a rollup of columns; of a duplicate table the first three are its keys.
func (t *table) defineRollup(name string, columns []string) (*rollup, error) {
	r := &rollup{name: name}
	if name == t.name || slices.ContainsFunc(t.rollups, func(o *rollup) bool { return o.name == name }) {
		return nil, plainError("Duplicate rollup index name: %s", name)
	}
	for _, c := range columns {
		i := t.columnIndex(c)
		if i < 0 {
			return nil, plainError("Column[%s] does not exist", c)
		}
		col := t.columns[i]
		if t.keys == duplicateKeys {
			col.key, col.agg = len(r.columns) < 3, "NONE"
			if col.key {
				col.agg = ""
			}
		}
		r.columns = append(r.columns, col)
	}
	r.hash = int64(hash32(fmt.Sprint(t.schemaHash, " ", columns)))
	r.query = "create materialized view " + name + " as select " + r.selected() + " from " + t.name + " group by " + r.grouped()
	return r, nil
}

func (r *rollup) selected() string {
	var list []string
	for _, col := range r.columns {
		if col.agg != "" && col.agg != "NONE" {
			list = append(list, col.agg+"("+col.name+")")
			continue
		}
		list = append(list, col.name)
	}
	return strings.Join(list, ",")
}

func (r *rollup) grouped() string {
	var list []string
	for _, col := range r.columns {
		if col.key {
			list = append(list, col.name)
		}
	}
	return strings.Join(list, ",")
}

// addRollup keeps the table busy for some ticks; then the rollup is there, with what the base index holds.
func (c *Cluster) addRollup(t *table, def sqlparse.Rollup, query string) error {
	if t.state != stateNormal {
		return plainError("Table[%s]'s state is not NORMAL. Do not allow doing ALTER ops", t.name)
	}
	r, err := t.defineRollup(def.Name, def.Columns)
	if err != nil {
		return err
	}
	if query != "" {
		r.query = query
	}
	c.beginChange(t, stateRollup, func() { c.build(t, r) })
	t.change.rollupName, r.id = r.name, t.change.index
	return nil
}

// build fills a rollup from the base index.
func (c *Cluster) build(t *table, r *rollup) {
	t.rollups = append(t.rollups, r)
	for _, p := range t.partitions {
		var tablets []*tablet
		for _, base := range p.tablets {
			rows, err := c.read(t, p, base)
			if err != nil {
				c.logf("rollup %s of %s: %v", r.name, t.name, err)
			}
			tab := &tablet{id: c.nextID()}
			for _, br := range base.replicas {
				be := c.backend(br.backend)
				tab.replicas = append(tab.replicas, &replica{id: c.nextID(), backend: be.id, version: p.visible})
				be.createTablet(tab.id, r.hash, t.primary(), p.visible)
				be.tablets[tab.id].rowsets[0].segment = newSegment(r.rows(t, rows))
			}
			tablets = append(tablets, tab)
		}
		p.rolled = append(p.rolled, tablets)
	}
}

// dropRollup removes a rollup with its tablets.
func (c *Cluster) dropRollup(t *table, name string) error {
	i := slices.IndexFunc(t.rollups, func(r *rollup) bool { return r.name == name })
	if i < 0 {
		return plainError("Materialized view [%s] does not exist in table [%s]", name, t.name)
	}
	t.rollups = slices.Delete(slices.Clone(t.rollups), i, i+1)
	for _, p := range t.partitions {
		c.dropTablets([]*partition{{tablets: p.rolled[i]}})
		p.rolled = slices.Delete(slices.Clone(p.rolled), i, i+1)
	}
	return nil
}

// createSyncMV is CREATE MATERIALIZED VIEW without a refresh: a rollup of its only base table. It is looked for in the
// session's database first.
func (c *Cluster) createSyncMV(s *session, st *sqlparse.CreateMaterializedView) error {
	if st.Query.From == nil {
		return analyzed("Materialized view query statement only supports a single query block")
	}
	db, t, err := s.table(*st.Query.From)
	if err != nil {
		return err
	}
	if err := s.may("CREATE MATERIALIZED VIEW", "DATABASE", db, nil); err != nil {
		return err
	}
	def := sqlparse.Rollup{Name: st.Name.Name}
	for _, item := range st.Query.Items {
		ref, ok := item.Expr.(*sqlparse.ColumnRef)
		if !ok {
			return plainError("The simulator's synchronous materialized views have plain columns only")
		}
		def.Columns = append(def.Columns, ref.Parts[len(ref.Parts)-1])
	}
	return c.addRollup(t, def, st.Text())
}

// rollupRows are a table's rows of information_schema.materialized_views.
func rollupRows(db *database, t *table) [][]any {
	var rows [][]any
	for _, r := range t.rollups {
		rows = append(rows, []any{r.id, db.name, r.name, "ROLLUP", "true", "", t.part.kind, 0, "", nil, nil, nil, "null", "false",
			"", "", "", "", "", "", 0, r.query, "", "", "", nil, ""})
	}
	return rows
}
