package starrocks

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
)

// Answers are read by column name: StarRocks adds columns with every version (rule 25).

// columnIndex finds a column by its name in lower case.
type columnIndex map[string]int

func indexColumns(names []string) columnIndex {
	index := make(columnIndex, len(names))
	for i, name := range names {
		index[strings.ToLower(name)] = i
	}
	return index
}

// row is one row of an answer.
type row struct {
	columns columnIndex
	values  []sql.NullString
}

// has says whether the answer has the column at all.
func (r row) has(column string) bool {
	_, ok := r.columns[strings.ToLower(column)]
	return ok
}

// text is a value; empty if it is NULL or there is no such column. The Java side's "\N" is NULL too (facts §3).
func (r row) text(column string) string {
	i, ok := r.columns[strings.ToLower(column)]
	if !ok || i >= len(r.values) || !r.values[i].Valid || r.values[i].String == `\N` {
		return ""
	}
	return r.values[i].String
}

// first is the text of the first of the columns that there is.
func (r row) first(columns ...string) string {
	for _, column := range columns {
		if r.has(column) {
			return r.text(column)
		}
	}
	return ""
}

// number is a value; 0 if it is no number.
func (r row) number(column string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(r.text(column)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// yes says whether a value is "true" or "1".
func (r row) yes(column string) bool {
	text := r.text(column)
	return strings.EqualFold(text, "true") || text == "1"
}

// time is a value in the session's zone, which is UTC; zero if it is NULL or no time.
func (r row) time(column string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, r.text(column), time.UTC)
	if err != nil {
		return time.Time{}
	}
	return t
}

// table is a whole answer.
type table struct {
	columns columnIndex
	rows    []row
}

func (t *table) header(names []string) {
	t.columns, t.rows = indexColumns(names), nil
}

func (t *table) add(values []sql.NullString) error {
	t.rows = append(t.rows, row{t.columns, values})
	return nil
}

// has says whether the answer has the column, also when it has no rows.
func (t *table) has(column string) bool {
	_, ok := t.columns[strings.ToLower(column)]
	return ok
}

// readRows runs a query and hands over each row's values, which the receiver may keep.
func readRows(ctx context.Context, db *sql.DB, query string, header func([]string), each func([]sql.NullString) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	header(names)
	for rows.Next() {
		values := make([]sql.NullString, len(names))
		to := make([]any, len(names))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if err := each(values); err != nil {
			return &stopped{err}
		}
	}
	return rows.Err()
}

// stopped wraps an error of the receiver of rows: it is not StarRocks'.
type stopped struct{ error }

func (e *stopped) Unwrap() error { return e.error }

// parseSize reads "1.2GB": a number with a 1024-based unit, rounded to one digit (facts §8.1). 0 if it is none.
func parseSize(text string) int64 {
	text = strings.ToUpper(strings.TrimSpace(text))
	unit := strings.TrimLeft(text, "0123456789.")
	number, err := strconv.ParseFloat(strings.TrimSuffix(text, unit), 64)
	if err != nil {
		return 0
	}
	for _, u := range []struct {
		name string
		size float64
	}{{"", 1}, {"B", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}, {"PB", 1 << 50}} {
		if strings.TrimSpace(unit) == u.name {
			return int64(number * u.size)
		}
	}
	return 0
}
