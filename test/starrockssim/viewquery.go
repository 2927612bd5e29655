package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// query is the text of a view's query as the FE stores it: columns with their table in front, in views that with its
// database.
func (b *viewBody) print(q *sqlparse.Select, items []string, prefix string, base *table) string {
	text := "SELECT " + strings.Join(items, ", ")
	if q.From == nil {
		return text
	}
	text += "\nFROM " + prefix
	if q.Where != nil {
		text += "\nWHERE " + qualified(q.Where, prefix, base)
	}
	if len(q.GroupBy) > 0 {
		var by []string
		for _, e := range q.GroupBy {
			by = append(by, qualified(e, prefix, base))
		}
		text += "\nGROUP BY " + strings.Join(by, ", ")
	}
	return text
}

// qualified prints an expression with the base's name in front of its columns.
func qualified(e sqlparse.Expr, prefix string, base *table) string {
	switch e := e.(type) {
	case *sqlparse.ColumnRef:
		name := e.Parts[len(e.Parts)-1]
		if base != nil {
			if i := base.columnIndex(name); i >= 0 {
				name = base.columns[i].name
			}
		}
		return prefix + ".`" + name + "`"
	case *sqlparse.Call:
		if e.Star {
			return e.Name + "(*)"
		}
		var args []string
		for _, a := range e.Args {
			args = append(args, qualified(a, prefix, base))
		}
		return e.Name + "(" + strings.Join(args, ", ") + ")"
	case *sqlparse.Literal:
		if e.Kind == sqlparse.StringLiteral {
			return "'" + e.Value + "'"
		}
		return e.Value
	case *sqlparse.Binary:
		return qualified(e.Left, prefix, base) + " " + e.Op + " " + qualified(e.Right, prefix, base)
	}
	return "NULL"
}

// viewSource computes the rows of a view; mu is held. A base that is gone is an error of the query, not of the view.
func (s *session) viewSource(t *table) (*source, error) {
	list, err := sqlparse.Parse(t.view.query)
	if err != nil || len(list) != 1 {
		return nil, plainError("The simulator cannot compute %s", t.view.query)
	}
	st, ok := list[0].(*sqlparse.Select)
	if !ok {
		return nil, plainError("The simulator cannot compute %s", t.view.query)
	}
	base := &source{rows: slices.Values([][]mysqlwire.Value{{}})}
	if st.From != nil {
		if base, err = s.tableSource(&sqlparse.Select{From: st.From, Limit: -1}); err != nil {
			return nil, err
		}
	}
	rows, err := s.computed(st, base)
	if err != nil {
		return nil, err
	}
	src := &source{rows: slices.Values(rows)}
	for _, col := range t.columns {
		src.columns = append(src.columns, wireColumn(col))
	}
	return src, nil
}

// computed evaluates a query with WHERE and GROUP BY.
func (s *session) computed(st *sqlparse.Select, base *source) ([][]mysqlwire.Value, error) {
	grouped := len(st.GroupBy) > 0 || hasAggregate(st)
	groups := map[string]*viewGroup{}
	var order []*viewGroup
	for row := range base.rows {
		sc := base.scope(s, row)
		if ok, err := sc.matches(st.Where); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		key := fmt.Sprint(len(order)) // each row for itself
		if grouped {
			var err error
			if key, err = groupKey(sc, st.GroupBy); err != nil {
				return nil, err
			}
		}
		g := groups[key]
		if g == nil {
			g = newViewGroup(st, sc)
			groups[key] = g
			order = append(order, g)
		}
		if err := g.add(sc); err != nil {
			return nil, err
		}
	}
	var rows [][]mysqlwire.Value
	for _, g := range order {
		row, err := g.row()
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func groupKey(sc *scope, by []sqlparse.Expr) (string, error) {
	var key strings.Builder
	for _, e := range by {
		v, err := sc.eval(e)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&key, "%t:%d:%s;", v.Valid, len(v.Text), v.Text)
	}
	return key.String(), nil
}

// viewGroup is one row of a view in the making.
type viewGroup struct {
	items  []sqlparse.SelectItem
	first  *scope
	states []*aggregateState // nil for items that are no aggregates
}

func newViewGroup(st *sqlparse.Select, first *scope) *viewGroup {
	g := &viewGroup{items: st.Items, first: first, states: make([]*aggregateState, len(st.Items))}
	for i := range st.Items {
		one := &sqlparse.Select{Items: st.Items[i : i+1]}
		if hasAggregate(one) {
			g.states[i] = &aggregateState{call: st.Items[i].Expr.(*sqlparse.Call)}
		}
	}
	return g
}

func (g *viewGroup) add(sc *scope) error {
	for _, state := range g.states {
		if state == nil {
			continue
		}
		if err := state.add(sc); err != nil {
			return err
		}
	}
	return nil
}

func (g *viewGroup) row() ([]mysqlwire.Value, error) {
	row := make([]mysqlwire.Value, len(g.items))
	for i, item := range g.items {
		if g.states[i] != nil {
			row[i] = g.states[i].result()
			continue
		}
		v, err := g.first.eval(item.Expr)
		if err != nil {
			return nil, err
		}
		row[i] = v
	}
	return row, nil
}
