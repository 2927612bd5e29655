package starrockssim

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func hasAggregate(st *sqlparse.Select) bool {
	return slices.ContainsFunc(st.Items, func(i sqlparse.SelectItem) bool {
		call, ok := i.Expr.(*sqlparse.Call)
		return ok && slices.Contains([]string{"count", "sum", "min", "max"}, call.Name)
	})
}

// selectAggregates answers count, sum, min, max over all rows.
func (s *session) selectAggregates(st *sqlparse.Select, src *source) (*mysqlwire.Result, error) {
	cols := make([]mysqlwire.Column, len(st.Items))
	states := make([]aggregateState, len(st.Items))
	for i, item := range st.Items {
		call, ok := item.Expr.(*sqlparse.Call)
		if !ok {
			return nil, analyzed("'%s' must be an aggregate expression or appear in GROUP BY clause", item.Text)
		}
		states[i].call = call
		cols[i] = mysqlwire.Column{Name: firstOf(item.Alias, strings.ToLower(item.Text)), Type: mysqlwire.LongLong, Length: 20}
	}
	for row := range src.rows {
		sc := src.scope(s, row)
		ok, err := sc.matches(st.Where)
		if err != nil {
			return nil, err
		}
		for i := range states {
			if ok {
				if err := states[i].add(sc); err != nil {
					return nil, err
				}
			}
		}
	}
	row := make([]mysqlwire.Value, len(states))
	for i := range states {
		row[i] = states[i].result()
	}
	return &mysqlwire.Result{Columns: cols, Rows: func(yield func([]mysqlwire.Value, error) bool) { yield(row, nil) }}, nil
}

type aggregateState struct {
	call  *sqlparse.Call
	count int64
	sum   big.Rat
	best  mysqlwire.Value
}

func (a *aggregateState) add(sc *scope) error {
	if a.call.Star {
		a.count++
		return nil
	}
	v, err := sc.eval(a.call.Args[0])
	if err != nil || !v.Valid {
		return err
	}
	a.count++
	if n, ok := new(big.Rat).SetString(v.Text); ok {
		a.sum.Add(&a.sum, n)
	}
	d := compareLoose(v.Text, a.best.Text)
	if !a.best.Valid || a.call.Name == "min" && d < 0 || a.call.Name == "max" && d > 0 {
		a.best = v
	}
	return nil
}

func (a *aggregateState) result() mysqlwire.Value {
	switch a.call.Name {
	case "count":
		return mysqlwire.Text(fmt.Sprint(a.count))
	case "sum":
		if a.count == 0 {
			return mysqlwire.Null
		}
		return mysqlwire.Text(strings.TrimSuffix(a.sum.RatString(), "/1"))
	}
	return a.best
}
