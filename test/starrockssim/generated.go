package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// withGenerated puts places for the generated columns into a row that has none.
func (t *table) withGenerated(row []string) []string {
	generated := 0
	for _, col := range t.columns {
		if col.gen != "" {
			generated++
		}
	}
	missing := len(t.columns) - len(row)
	if generated == 0 || missing != generated && (missing != generated+1 || t.autoColumn() < 0) {
		return row
	}
	auto := -1
	if missing > generated {
		auto = t.autoColumn()
	}
	full := slices.Clone(row)
	for i, col := range t.columns {
		if i == auto || col.gen != "" {
			full = slices.Insert(full, i, null)
		}
	}
	return full
}

// generate computes a row's generated columns.
func (t *table) generate(row []string) error {
	for i, col := range t.columns {
		if col.gen == "" {
			continue
		}
		statements, err := sqlparse.Parse("SELECT " + col.gen)
		if err != nil {
			return plainError("generated column %s: %v", col.name, err)
		}
		v, err := (&scope{row: tableRow(t, row)}).eval(statements[0].(*sqlparse.Select).Items[0].Expr)
		if err != nil {
			return err
		}
		row[i] = null
		if v.Valid {
			row[i] = v.Text
		}
	}
	return nil
}

// dateTrunc is date_trunc('unit', expression).
func (sc *scope) dateTrunc(e *sqlparse.Call) (mysqlwire.Value, error) {
	if len(e.Args) != 2 {
		return mysqlwire.Null, analyzed("No matching function with signature: date_trunc")
	}
	unit, err := sc.eval(e.Args[0])
	if err != nil {
		return unit, err
	}
	v, err := sc.eval(e.Args[1])
	if err != nil || !v.Valid {
		return v, err
	}
	at, ok := parseTime(v.Text)
	if !ok {
		return mysqlwire.Null, nil
	}
	start, _ := truncTime(unit.Text, at)
	typ := "datetime"
	if len(v.Text) == len(time.DateOnly) {
		typ = "date"
	}
	return mysqlwire.Text(formatTime(typ, start)), nil
}

// quoteColumns writes the columns of an expression in backquotes, as the FE stores it.
func (t *table) quoteColumns(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		n := strings.IndexFunc(text, func(r rune) bool { return !wordRune(r) })
		if n < 0 {
			n = len(text)
		}
		if word := text[:n]; n > 0 && t.columnIndex(word) >= 0 {
			fmt.Fprintf(&out, "`%s`", word)
		} else {
			out.WriteString(word)
		}
		text = text[n:]
		for len(text) > 0 && !wordRune(rune(text[0])) {
			quote := text[0]
			if end := strings.IndexByte(text[1:], quote); (quote == '\'' || quote == '`' || quote == '"') && end >= 0 {
				out.WriteString(text[:end+2])
				text = text[end+2:]
				continue
			}
			out.WriteByte(text[0])
			text = text[1:]
		}
	}
	return out.String()
}

func wordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80
}

// generatedPartition is the hidden column by whose value a table is partitioned where PARTITION BY names more than a
// single date_trunc.
func (t *table) generatedPartition(e *sqlparse.Call, n int) (string, error) {
	unit, ok := e.Args[0].(*sqlparse.Literal)
	if e.Name != "date_trunc" || len(e.Args) != 2 || !ok {
		return "", analyzed("Unsupported partition expression in the simulator: %s", e.Name)
	}
	ref, ok := e.Args[1].(*sqlparse.ColumnRef)
	if !ok {
		return "", analyzed("Unsupported expression in date_trunc")
	}
	source := t.columnIndex(ref.Parts[len(ref.Parts)-1])
	if source < 0 {
		return "", analyzed("Column '%s' cannot be resolved", ref.Parts[len(ref.Parts)-1])
	}
	col := column{name: fmt.Sprintf("__generated_partition_column_%d", n), typ: t.columns[source].typ, nullable: true, uid: len(t.columns), agg: "NONE",
		gen: fmt.Sprintf("date_trunc('%s', `%s`)", unit.Value, t.columns[source].name)}
	t.columns = append(t.columns, col)
	t.schemaHash = t.hashSchema()
	return col.name, nil
}
