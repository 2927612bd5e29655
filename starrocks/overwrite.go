package starrocks

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// OverwriteStatement is INSERT OVERWRITE of a table by the partitions of the same names of another one in its database.
type OverwriteStatement struct {
	Database, Table, From string
	Partitions            []string // none: all there is, for tables without partitions
	Columns               []string // all that can be written: no generated ones, the AUTO_INCREMENT one too
}

// SQL is the statement's text; ErrInvalidName or ErrInvalidStatement if it must not be sent. The columns are always
// listed: without a list StarRocks goes by their order and would draw new AUTO_INCREMENT values where one is missing.
func (s OverwriteStatement) SQL() (string, error) {
	if len(s.Columns) == 0 {
		return "", fmt.Errorf("INSERT OVERWRITE without columns: %w", ErrInvalidStatement)
	}
	to, err := qualified(s.Database, "table", s.Table)
	if err != nil {
		return "", err
	}
	from, err := qualified(s.Database, "table", s.From)
	if err != nil {
		return "", err
	}
	columns, err := identifiers("column", s.Columns)
	if err != nil {
		return "", err
	}
	if len(s.Partitions) > 0 {
		list, err := identifiers("partition", s.Partitions)
		if err != nil {
			return "", err
		}
		to += " PARTITION (" + list + ")"
		from += " PARTITION (" + list + ")"
	}
	return "INSERT OVERWRITE " + to + " (" + columns + ") SELECT " + columns + " FROM " + from, nil
}

// maxInsertTimeout is the longest that StarRocks lets a query or an INSERT run: three days.
const maxInsertTimeout = 259200 * time.Second

// InsertOverwrite carries the statement out: StarRocks writes partitions of its own and exchanges all of them in the end,
// in one step, so what is there is all old or all new whatever becomes of it. It may take hours, and ends with an answer,
// with ctx, or with ErrConnectionLost: then it may have been carried out, or still be under way.
func (c *Client) InsertOverwrite(ctx context.Context, s OverwriteStatement) error {
	text, err := s.SQL()
	if err != nil {
		return err
	}
	q := call{op: "INSERT OVERWRITE", target: s.Database + "." + s.Table, sql: text, timeout: maxInsertTimeout}
	return c.onLeader(ctx, q, func(ctx context.Context, db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return &notSent{err}
		}
		defer func() { // the session's time limits are nobody else's
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			_ = conn.Close()
		}()
		if err := letItTakeTime(ctx, conn); err != nil {
			return &notSent{err}
		}
		_, err = conn.ExecContext(ctx, q.sql)
		if errors.Is(err, driver.ErrBadConn) {
			return &notSent{err}
		}
		return err
	}, notSentOnly)
}

// letItTakeTime raises the session's limits: query_timeout holds for INSERT too before 3.4, insert_timeout after.
func letItTakeTime(ctx context.Context, conn *sql.Conn) error {
	seconds := strconv.Itoa(int(maxInsertTimeout / time.Second))
	for _, variable := range []string{"query_timeout", "insert_timeout"} {
		_, err := conn.ExecContext(ctx, "SET "+variable+" = "+seconds)
		if err != nil && !strings.Contains(strings.ToLower(err.Error()), "unknown system variable") {
			return err
		}
	}
	return nil
}

var (
	quotedText      = regexp.MustCompile(`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'`)
	generatedColumn = regexp.MustCompile(` AS `)
)

// WritableColumns lists the columns of a SHOW CREATE TABLE that an INSERT may name: all but the generated ones, which
// have "AS <expression>" (measured C 46).
func WritableColumns(ddl string) []string {
	_, body, _ := strings.Cut(ddl, "(\n")
	var columns []string
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, ")") {
			break
		}
		name, rest, found := strings.Cut(strings.TrimPrefix(line, "`"), "`")
		if !strings.HasPrefix(line, "`") || !found || generatedColumn.MatchString(quotedText.ReplaceAllString(rest, "")) {
			continue
		}
		columns = append(columns, name)
	}
	return columns
}
