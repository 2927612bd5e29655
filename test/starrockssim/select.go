package starrockssim

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// source is what a SELECT reads: typed columns and rows.
type source struct {
	columns []mysqlwire.Column
	rows    iter.Seq[[]mysqlwire.Value]
	sorted  bool // rows come by database, table, partition: names and ids alike
}

// inOrder says whether rows need no sorting for an ORDER BY.
func (src *source) inOrder(by []sqlparse.OrderItem) bool {
	if len(by) == 0 {
		return true
	}
	var names []string
	for _, o := range by {
		ref, ok := o.Expr.(*sqlparse.ColumnRef)
		if !ok || o.Desc {
			return false
		}
		names = append(names, strings.ToUpper(ref.Parts[len(ref.Parts)-1]))
	}
	switch strings.TrimPrefix(strings.Join(names, " "), "DB_NAME ") {
	case "TABLE_NAME", "TABLE_NAME PARTITION_NAME", "TABLE_NAME PARTITION_ID":
		return src.sorted
	}
	return false
}

func (src *source) index(name string) int {
	return slices.IndexFunc(src.columns, func(c mysqlwire.Column) bool { return strings.EqualFold(c.Name, name) })
}

func (src *source) scope(s *session, row []mysqlwire.Value) *scope {
	return &scope{s: s, row: func(name string) (mysqlwire.Value, bool) {
		i := src.index(name)
		if i < 0 {
			return mysqlwire.Null, false
		}
		return row[i], true
	}}
}

// selectStatement answers a query over one table, or over none.
func (s *session) selectStatement(st *sqlparse.Select) (*mysqlwire.Result, error) {
	if st.From == nil {
		return s.selectValues(st)
	}
	if len(st.Joined) > 0 || len(st.GroupBy) > 0 || st.Having != nil || st.Distinct {
		return nil, plainError("The simulator answers queries over one table without GROUP BY, DISTINCT and joins")
	}
	src, err := s.source(st)
	if err != nil {
		return nil, err
	}
	if hasAggregate(st) {
		return s.selectAggregates(st, src)
	}
	cols, exprs, err := projection(st, src)
	if err != nil {
		return nil, err
	}
	rows := func(yield func([]mysqlwire.Value, error) bool) {
		for row := range src.rows {
			ok, err := src.scope(s, row).matches(st.Where)
			if err == nil && !ok {
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
	var found iter.Seq2[[]mysqlwire.Value, error] = rows
	if !src.inOrder(st.OrderBy) {
		if found, err = s.ordered(st, src, rows); err != nil {
			return nil, err
		}
	}
	result := &mysqlwire.Result{Columns: cols, Rows: func(yield func([]mysqlwire.Value, error) bool) {
		for row, err := range found {
			if err != nil {
				yield(nil, err)
				return
			}
			out, err := s.project(src, row, exprs)
			if !yield(out, err) || err != nil {
				return
			}
		}
	}}
	if st.Limit >= 0 {
		result = limited(result, st.Limit, st.Offset)
	}
	return result, nil
}

func (s *session) project(src *source, row []mysqlwire.Value, exprs []sqlparse.Expr) ([]mysqlwire.Value, error) {
	out := make([]mysqlwire.Value, len(exprs))
	for i, e := range exprs {
		v, err := src.scope(s, row).eval(e)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// projection names and types the columns of a result. Unknown columns are told before the first row.
func projection(st *sqlparse.Select, src *source) (cols []mysqlwire.Column, exprs []sqlparse.Expr, err error) {
	for _, item := range st.Items {
		if item.Star {
			for _, c := range src.columns {
				cols = append(cols, c)
				exprs = append(exprs, &sqlparse.ColumnRef{Parts: []string{c.Name}})
			}
			continue
		}
		c := mysqlwire.Column{Name: firstOf(item.Alias, strings.Trim(item.Text, "`"))}
		if ref, ok := item.Expr.(*sqlparse.ColumnRef); ok {
			name := ref.Parts[len(ref.Parts)-1]
			i := src.index(name)
			if i < 0 {
				return nil, nil, analyzed("Column '%s' cannot be resolved", strings.Join(ref.Parts, "."))
			}
			c = src.columns[i]
			c.Name = firstOf(item.Alias, c.Name)
		}
		cols = append(cols, c)
		exprs = append(exprs, item.Expr)
	}
	return cols, exprs, nil
}

// ordered collects and sorts; NULL comes first.
func (s *session) ordered(st *sqlparse.Select, src *source, rows iter.Seq2[[]mysqlwire.Value, error]) (iter.Seq2[[]mysqlwire.Value, error], error) {
	type keyed struct{ row, key []mysqlwire.Value }
	var list []keyed
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		k := keyed{row: row}
		for _, o := range st.OrderBy {
			v, err := src.scope(s, row).eval(o.Expr)
			if err != nil {
				return nil, err
			}
			k.key = append(k.key, v)
		}
		list = append(list, k)
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		for i, o := range st.OrderBy {
			d := compareNullable(a.key[i], b.key[i])
			if o.Desc {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
	return func(yield func([]mysqlwire.Value, error) bool) {
		for _, k := range list {
			if !yield(k.row, nil) {
				return
			}
		}
	}, nil
}

func compareNullable(a, b mysqlwire.Value) int {
	if a.Valid && b.Valid {
		return compareLoose(a.Text, b.Text)
	}
	if a.Valid {
		return 1
	}
	if b.Valid {
		return -1
	}
	return 0
}

// selectValues is a SELECT without FROM.
func (s *session) selectValues(st *sqlparse.Select) (*mysqlwire.Result, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	var cols []mysqlwire.Column
	var row []mysqlwire.Value
	for _, item := range st.Items {
		if item.Star {
			return nil, analyzed("No tables used")
		}
		v, err := (&scope{s: s}).eval(item.Expr)
		if err != nil {
			return nil, err
		}
		cols = append(cols, mysqlwire.Column{Name: firstOf(item.Alias, item.Text), Length: 192})
		row = append(row, v)
	}
	return &mysqlwire.Result{Columns: cols, Rows: func(yield func([]mysqlwire.Value, error) bool) { yield(row, nil) }}, nil
}

// source opens what a SELECT reads. Rows of the catalog and of tables are taken at once, under the lock; those of big
// tables are made while they are read.
func (s *session) source(st *sqlparse.Select) (*source, error) {
	db := firstOf(st.From.Database, s.db)
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if err := s.c.hasSystemTable(db, st.From.Name); err != nil {
		return nil, err
	}
	switch {
	case strings.EqualFold(db, "information_schema"):
		if src := s.bigPartitions(st.Where); src != nil && strings.EqualFold(st.From.Name, "partitions_meta") {
			return src, nil
		}
		return s.informationSchema(strings.ToLower(st.From.Name), st.Where)
	case strings.EqualFold(db, "sys"):
		return s.sysSchema(strings.ToLower(st.From.Name))
	}
	return s.tableSource(st)
}

// wireColumn is a table's column in an answer: whole numbers have a type of their own (int as measured in 42, bigint as in
// information_schema), all else is text here.
func wireColumn(col column) mysqlwire.Column {
	switch displayType(col.typ) {
	case "int(11)":
		return mysqlwire.Column{Name: col.name, Type: mysqlwire.Long, Length: 11}
	case "bigint(20)":
		return mysqlwire.Column{Name: col.name, Type: mysqlwire.LongLong, Length: 20}
	}
	return mysqlwire.Column{Name: col.name}
}

func (s *session) tableSource(st *sqlparse.Select) (*source, error) {
	db, t, err := s.table(*st.From)
	if db == nil {
		return nil, err
	}
	if err != nil {
		return nil, &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table '%s.%s'.", db.name, st.From.Name)}
	}
	if err := s.may("SELECT", t.kind, db, t); err != nil {
		return nil, err
	}
	if t.state == stateRestore && s.restoring(t) {
		return nil, analyzing(5014, "HY000", "", "Table state is not NORMAL: 'RESTORING'")
	}
	if t.isView() {
		return s.viewSource(t)
	}
	src := &source{}
	for _, col := range t.columns {
		src.columns = append(src.columns, wireColumn(col))
	}
	var rows [][]mysqlwire.Value
	for _, p := range t.partitions {
		if p.shadow() || st.Partitions != nil && !containsFold(st.Partitions.Names, p.name) {
			continue
		}
		for _, tab := range p.tablets {
			list, err := s.c.read(t, p, tab)
			if err != nil {
				return nil, err
			}
			for _, row := range list {
				rows = append(rows, slices.Collect(mapped(row, cell)))
			}
		}
	}
	if st.Partitions != nil {
		for _, name := range st.Partitions.Names {
			if t.findPartition(name) == nil {
				return nil, analyzed("Unknown partition '%s' in table '%s'", name, t.name)
			}
		}
	}
	src.rows = slices.Values(rows)
	return src, nil
}

// restoring: a follower learns of a table's state with DOWNLOAD.
func (s *session) restoring(t *table) bool {
	if s.fe.index == s.c.leader {
		return true
	}
	for _, j := range s.c.jobs {
		if j.kind == kindRestore && !j.finished() && slices.Contains(j.restore.existing, t) {
			seen, _ := j.seen(s.fe)
			return seen.state != statePending && seen.state != ""
		}
	}
	return true
}

// queryRows runs the SELECT of an INSERT.
func (c *Cluster) queryRows(s *session, q *sqlparse.Select) ([][]string, error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	r, err := s.selectStatement(q)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for row, err := range r.Rows {
		if err != nil {
			return nil, err
		}
		text := make([]string, len(row))
		for i, v := range row {
			text[i] = v.Text
			if !v.Valid {
				text[i] = null
			}
		}
		rows = append(rows, text)
	}
	return rows, nil
}
