package starrockssim

import (
	"cmp"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// scope is what an expression is evaluated in: a session and one row.
type scope struct {
	s   *session
	row func(column string) (mysqlwire.Value, bool)
}

func tableRow(t *table, row []string) func(string) (mysqlwire.Value, bool) {
	return func(name string) (mysqlwire.Value, bool) {
		i := t.columnIndex(name)
		if i < 0 {
			return mysqlwire.Null, false
		}
		return cell(row[i]), true
	}
}

func cell(v string) mysqlwire.Value {
	if v == null {
		return mysqlwire.Null
	}
	return mysqlwire.Text(v)
}

// matches evaluates a condition; nil is true.
func (sc *scope) matches(e sqlparse.Expr) (bool, error) {
	if e == nil {
		return true, nil
	}
	v, err := sc.eval(e)
	return v.Valid && v.Text != "0" && v.Text != "", err
}

func (sc *scope) eval(e sqlparse.Expr) (mysqlwire.Value, error) {
	switch e := e.(type) {
	case *sqlparse.Literal:
		if e.Kind == sqlparse.NullLiteral {
			return mysqlwire.Null, nil
		}
		if e.Kind == sqlparse.BoolLiteral {
			return boolean(strings.EqualFold(e.Value, "true")), nil
		}
		return mysqlwire.Text(e.Value), nil
	case *sqlparse.ColumnRef:
		name := e.Parts[len(e.Parts)-1]
		if sc.row != nil {
			if v, ok := sc.row(name); ok {
				return v, nil
			}
		}
		return mysqlwire.Null, analyzed("Column '%s' cannot be resolved", strings.Join(e.Parts, "."))
	case *sqlparse.Variable:
		return mysqlwire.Text(sc.s.variable(e.Name)), nil
	case *sqlparse.Unary:
		v, err := sc.eval(e.Expr)
		if err != nil || !v.Valid {
			return v, err
		}
		if e.Op == "-" {
			return mysqlwire.Text(strings.TrimPrefix("-"+v.Text, "--")), nil
		}
		return boolean(v.Text == "0"), nil
	case *sqlparse.Binary:
		return sc.binary(e)
	case *sqlparse.In:
		return sc.in(e)
	case *sqlparse.IsNull:
		v, err := sc.eval(e.Expr)
		return boolean(v.Valid == e.Not), err
	case *sqlparse.Between:
		return sc.between(e)
	case *sqlparse.Cast:
		return sc.eval(e.Expr)
	case *sqlparse.Call:
		return sc.call(e)
	}
	return mysqlwire.Null, analyzed("The simulator does not evaluate this expression")
}

func boolean(b bool) mysqlwire.Value {
	if b {
		return mysqlwire.Text("1")
	}
	return mysqlwire.Text("0")
}

func (sc *scope) binary(e *sqlparse.Binary) (mysqlwire.Value, error) {
	l, err := sc.eval(e.Left)
	if err != nil {
		return l, err
	}
	if e.Op == "AND" && l.Valid && l.Text == "0" {
		return boolean(false), nil
	}
	if e.Op == "OR" && l.Valid && l.Text != "0" {
		return boolean(true), nil
	}
	r, err := sc.eval(e.Right)
	if err != nil {
		return r, err
	}
	if e.Op == "<=>" {
		return boolean(l == r || l.Valid && r.Valid && compareLoose(l.Text, r.Text) == 0), nil
	}
	if !l.Valid || !r.Valid {
		return mysqlwire.Null, nil
	}
	return operate(e.Op, l.Text, r.Text)
}

func operate(op, l, r string) (mysqlwire.Value, error) {
	d := compareLoose(l, r)
	switch op {
	case "AND", "OR":
		return boolean(r != "0" && r != ""), nil
	case "=":
		return boolean(d == 0), nil
	case "!=":
		return boolean(d != 0), nil
	case "<":
		return boolean(d < 0), nil
	case "<=":
		return boolean(d <= 0), nil
	case ">":
		return boolean(d > 0), nil
	case ">=":
		return boolean(d >= 0), nil
	case "LIKE":
		return boolean(like(r, l)), nil
	case "NOT LIKE":
		return boolean(!like(r, l)), nil
	}
	x, ok1 := new(big.Rat).SetString(l)
	y, ok2 := new(big.Rat).SetString(r)
	if !ok1 || !ok2 {
		return mysqlwire.Null, analyzed("No matching function with signature: %s", op)
	}
	switch op {
	case "+":
		x.Add(x, y)
	case "-":
		x.Sub(x, y)
	case "*":
		x.Mul(x, y)
	case "%":
		if !x.IsInt() || !y.IsInt() || y.Sign() == 0 {
			return mysqlwire.Null, nil
		}
		x.SetInt(new(big.Int).Rem(x.Num(), y.Num()))
	default:
		return mysqlwire.Null, analyzed("The simulator does not know the operator %s", op)
	}
	return mysqlwire.Text(strings.TrimSuffix(x.RatString(), "/1")), nil
}

// compareLoose compares numbers as numbers and everything else as text.
func compareLoose(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil && len(a) < 16 && len(b) < 16 {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// like matches a LIKE pattern.
func like(pattern, s string) bool {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; {
		case ch == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case ch == '%':
			b.WriteString(".*")
		case ch == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(ch)))
		}
	}
	re, err := regexp.Compile("(?is)^" + b.String() + "$")
	return err == nil && re.MatchString(s)
}

func (sc *scope) in(e *sqlparse.In) (mysqlwire.Value, error) {
	v, err := sc.eval(e.Expr)
	if err != nil || !v.Valid {
		return v, err
	}
	for _, x := range e.List {
		w, err := sc.eval(x)
		if err != nil {
			return w, err
		}
		if w.Valid && compareLoose(v.Text, w.Text) == 0 {
			return boolean(!e.Not), nil
		}
	}
	return boolean(e.Not), nil
}

func (sc *scope) between(e *sqlparse.Between) (mysqlwire.Value, error) {
	v, err := sc.eval(e.Expr)
	if err != nil || !v.Valid {
		return v, err
	}
	lo, err := sc.eval(e.Lo)
	if err != nil {
		return lo, err
	}
	hi, err := sc.eval(e.Hi)
	return boolean((compareLoose(v.Text, lo.Text) >= 0 && compareLoose(v.Text, hi.Text) <= 0) != e.Not), err
}

func (sc *scope) call(e *sqlparse.Call) (mysqlwire.Value, error) {
	s := sc.s
	switch e.Name {
	case "date_trunc":
		return sc.dateTrunc(e)
	case "current_version":
		return mysqlwire.Text(s.c.opt.Version), nil
	case "version":
		return mysqlwire.Text("8.0.33"), nil
	case "database", "schema":
		if s.db == "" {
			return mysqlwire.Null, nil
		}
		return mysqlwire.Text(s.db), nil
	case "current_user", "user", "session_user":
		return mysqlwire.Text(s.user.identity()), nil
	case "current_role":
		return mysqlwire.Text(strings.Join(s.user.roles, ", ")), nil
	case "connection_id":
		return mysqlwire.Text(strconv.FormatUint(uint64(s.id), 10)), nil
	case "now", "current_timestamp":
		return mysqlwire.Text(time.Now().In(s.zone).Format(time.DateTime)), nil
	case "last_query_id":
		return mysqlwire.Null, nil
	case "sleep":
		return mysqlwire.Text("1"), nil
	}
	var args []mysqlwire.Value
	for _, a := range e.Args {
		v, err := sc.eval(a)
		if err != nil {
			return v, err
		}
		args = append(args, v)
	}
	switch {
	case e.Name == "lower" && len(args) == 1:
		return mysqlwire.Value{Text: strings.ToLower(args[0].Text), Valid: args[0].Valid}, nil
	case e.Name == "upper" && len(args) == 1:
		return mysqlwire.Value{Text: strings.ToUpper(args[0].Text), Valid: args[0].Valid}, nil
	case e.Name == "concat":
		out := ""
		for _, a := range args {
			if !a.Valid {
				return mysqlwire.Null, nil
			}
			out += a.Text
		}
		return mysqlwire.Text(out), nil
	case e.Name == "murmur_hash3_32" && len(args) > 0:
		return murmurHash(args), nil
	case e.Name == "concat_ws" && len(args) > 1:
		return concatWS(args), nil
	case (e.Name == "ifnull" || e.Name == "coalesce") && len(args) == 2:
		if args[0].Valid {
			return args[0], nil
		}
		return args[1], nil
	}
	return mysqlwire.Null, analyzed("No matching function with signature: %s()", e.Name)
}

// concatWS is CONCAT_WS(separator, text, …), which leaves NULL out.
func concatWS(args []mysqlwire.Value) mysqlwire.Value {
	if !args[0].Valid {
		return mysqlwire.Null
	}
	var texts []string
	for _, a := range args[1:] {
		if a.Valid {
			texts = append(texts, a.Text)
		}
	}
	return mysqlwire.Text(strings.Join(texts, args[0].Text))
}
