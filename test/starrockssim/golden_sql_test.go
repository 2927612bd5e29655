package starrockssim_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

var (
	submitRE = regexp.MustCompile("(?i)^(BACKUP|RESTORE) (?:SNAPSHOT|DATABASE)")
	jobRE    = regexp.MustCompile("(?i)^SHOW (BACKUP|RESTORE)(?: (?:FROM|IN) `?([^` ;]+)`?)?")
	createRE = regexp.MustCompile("(?i)^CREATE\\s+(?:READ ONLY )?(?:REPOSITORY|DATABASE)\\s+(?:IF NOT EXISTS )?`?([^` ]+)`?")
	renameRE = regexp.MustCompile(`(?i)^ALTER DATABASE (\S+) RENAME (\S+)`)
	targetRE = regexp.MustCompile("(?i)^(?:BACKUP|RESTORE) SNAPSHOT `?([^`.]+)`?\\.`?([^` ]+)`?")
	procDBRE = regexp.MustCompile(`^SHOW PROC '/(?:dbs|transactions)/(\d+)`)
	stampRE2 = regexp.MustCompile("backup_timestamp['\"] *= *['\"](2026-11-22-[0-9-]+)['\"]")
	cancelRE = regexp.MustCompile("(?i)^CANCEL (BACKUP|RESTORE) (?:FROM|IN) `?([^` ]+)`?")
	procRE   = regexp.MustCompile("(?i)^SHOW (PROC|TABLET) ")
)

func (p *player) sql(s *step) error {
	if g := procDBRE.FindStringSubmatch(s.SQL); g != nil {
		p.bindDatabase(g[1])
	}
	if g := stampRE2.FindStringSubmatch(s.SQL); g != nil && s.Error == nil {
		p.bindStamp(s.SQL, g[1])
	}
	text := p.match.replace(s.SQL, procRE.MatchString(s.SQL))
	if g := createRE.FindStringSubmatch(text); g != nil {
		p.own[g[1]] = true
	}
	if g := renameRE.FindStringSubmatch(text); g != nil {
		p.own[g[2]] = true
	}
	if submitRE.MatchString(text) {
		p.beforeSubmission(text)
	}
	if g := jobRE.FindStringSubmatch(text); g != nil {
		p.lastDB = cmp.Or(g[2], p.lastDB)
		if g[2] != "" && s.Columns != nil {
			p.reach(s, text)
		}
	}
	if cancelRE.MatchString(text) && s.Error == nil {
		p.beforeCancel(s)
	}
	got, err := p.run(s.User, s.FE, text)
	if s.Error != nil {
		return p.sameError(s.Error, err)
	}
	if err != nil {
		return fmt.Errorf("error: %w", err)
	}
	if s.Columns == nil {
		return nil
	}
	return p.sameResult(s, got)
}

// bindDatabase finds which database an id of the recording is: the recording asked for the id without a step.
func (p *player) bindDatabase(recorded string) {
	if p.match.known[recorded] != "" || p.lastDB == "" {
		return
	}
	for _, row := range p.must("SHOW PROC '/dbs'").rows {
		if *row[1] == p.lastDB {
			p.match.bind(recorded, *row[0])
		}
	}
}

var snapshotRE = regexp.MustCompile("(?i)SNAPSHOT (?:`?[^`.]+`?\\.)?`?([^` .]+)`? FROM `?([^` ]+)`?")

// bindStamp finds the timestamp of a snapshot that the recording read from the repository without a step.
func (p *player) bindStamp(text, recorded string) {
	g := snapshotRE.FindStringSubmatch(text)
	if p.match.known[recorded] != "" || g == nil {
		return
	}
	r, err := p.run("", "", fmt.Sprintf("SHOW SNAPSHOT ON `%s` WHERE SNAPSHOT = '%s'", g[2], g[1]))
	if err == nil && len(r.rows) == 1 && r.rows[0][1] != nil && stampOnly.MatchString(*r.rows[0][1]) {
		p.match.bind(recorded, *r.rows[0][1])
	}
}

func (p *player) sameError(want *recordedError, err error) error {
	if err == nil {
		return fmt.Errorf("no error, want %d %s", want.Code, want.Message)
	}
	var got *mysql.MySQLError
	if !errors.As(err, &got) {
		return fmt.Errorf("error: %w", err)
	}
	if got.Number != want.Code {
		return fmt.Errorf("got %d %s\n\twant %d %s", got.Number, got.Message, want.Code, want.Message)
	}
	if want.SQLState != "" && string(got.SQLState[:]) != want.SQLState {
		return fmt.Errorf("SQLSTATE %s, want %s", got.SQLState, want.SQLState)
	}
	return p.match.text(want.Message, got.Message)
}

// driverTypes are go-sql-driver's names of the types.
var driverTypes = map[string]string{
	"VAR_STRING": "VARCHAR", "LONGLONG": "BIGINT", "LONG": "INT", "DOUBLE": "DOUBLE", "DATETIME": "DATETIME", "CHAR": "CHAR",
}

func (p *player) sameResult(s *step, got *result) error {
	var columns []recordedColumn
	if err := json.Unmarshal(s.Columns, &columns); err != nil {
		return err
	}
	var rows [][]*string
	if err := json.Unmarshal(s.Rows, &rows); err != nil {
		return err
	}
	want := &result{columns, rows}
	if !slices.Equal(want.names(), got.names()) {
		return fmt.Errorf("columns %q\n\twant %q", got.names(), want.names())
	}
	for i, c := range columns {
		if t := driverTypes[c.Type]; t != got.columns[i].Type {
			return fmt.Errorf("column %s is a %s, want %s", c.Name, got.columns[i].Type, c.Type)
		}
	}
	for i, c := range columns {
		if c.Type == "DOUBLE" {
			likeDriver(want.rows, i)
		}
	}
	p.leaveForeign(s.SQL, want)
	p.leaveForeign(s.SQL, got)
	return p.match.rows(want.names(), want.rows, got.rows)
}

// likeDriver writes floating point values as go-sql-driver does, which reads them as such: 0.0 is 0.
func likeDriver(rows [][]*string, column int) {
	for _, row := range rows {
		if row[column] == nil {
			continue
		}
		if f, err := strconv.ParseFloat(*row[column], 64); err == nil {
			text := strconv.FormatFloat(f, 'g', -1, 64)
			row[column] = &text
		}
	}
}

var everyDatabaseRE = regexp.MustCompile(`(?i)^SHOW (BACKUP|RESTORE|DATABASES|REPOSITORIES|PROC '/dbs')( LIKE '[^']*')?$`)

// leaveForeign drops rows about databases and repositories that other recordings of the same FE made, and sorts the
// rest: the order is that of a hash table.
func (p *player) leaveForeign(text string, r *result) {
	if strings.Contains(text, "/colocation_group") {
		slices.SortFunc(r.rows, func(a, b []*string) int {
			return cmp.Or(strings.Compare(*a[3], *b[3]), cmp.Compare(len(*a[2]), len(*b[2])), strings.Compare(*a[2], *b[2]))
		})
	}
	if !everyDatabaseRE.MatchString(strings.TrimSpace(text)) {
		return
	}
	r.rows = slices.DeleteFunc(r.rows, func(row []*string) bool {
		return !slices.ContainsFunc(row, func(v *string) bool { return v != nil && p.own[*v] })
	})
	slices.SortStableFunc(r.rows, func(a, b []*string) int { return strings.Compare(p.ownName(a), p.ownName(b)) })
}

func (p *player) ownName(row []*string) string {
	for _, v := range row {
		if v != nil && p.own[*v] {
			return *v
		}
	}
	return ""
}

// beforeSubmission keeps what the tables of a BACKUP hold, for comparisons after a RESTORE.
func (p *player) beforeSubmission(text string) {
	g := targetRE.FindStringSubmatch(text)
	if g == nil || !strings.EqualFold(text[:6], "BACKUP") {
		return
	}
	p.keepContent(g[1], g[2])
}

func (p *player) keepContent(db, label string) {
	tables, err := p.run("", "", "SHOW TABLES FROM `"+db+"`")
	if err != nil {
		return
	}
	kept := map[string]string{}
	for _, row := range tables.rows {
		kept[*row[0]] = p.c.Content(db, *row[0])
	}
	p.content[label] = kept
	p.lastBkp[db] = label
}
