package starrockssim

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// session is one connection.
type session struct {
	c    *Cluster
	fe   *frontend
	user *user
	id   uint32
	db   string
	zone *time.Location
	vars map[string]string
}

// handler answers for one FE.
type handler struct {
	c  *Cluster
	fe *frontend
}

func (h *handler) Open(_ context.Context, s *mysqlwire.Session) error {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	u := h.c.users[s.User]
	if u == nil {
		return &sqlError{1045, "28000", fmt.Sprintf("Access denied for user '%s' (using password: NO)", s.User)}
	}
	s.Data = &session{c: h.c, fe: h.fe, user: u, id: s.ID, zone: time.UTC, vars: map[string]string{}}
	return nil
}

func (h *handler) Close(*mysqlwire.Session) {}

func (h *handler) UseDatabase(_ context.Context, s *mysqlwire.Session, name string) error {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	return h.c.use(name)
}

func (c *Cluster) use(name string) error {
	if c.dbs[name] == nil && !isSystem(name) {
		return &sqlError{5501, "3F000", fmt.Sprintf("Unknown database '%s'", name)}
	}
	return nil
}

func isSystem(name string) bool {
	for _, s := range systemDatabases {
		if strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

func (h *handler) Prepare(_ context.Context, _ *mysqlwire.Session, sql string) error {
	if _, err := sqlparse.Parse(sql); err != nil {
		return err
	}
	return nil
}

func (h *handler) Query(_ context.Context, ws *mysqlwire.Session, sql string, send func(*mysqlwire.Result, bool) error) error {
	s := ws.Data.(*session)
	s.db = ws.Database
	defer func() { ws.Database = s.db }()
	statements, err := sqlparse.Parse(sql)
	if err != nil {
		h.c.record(s, sql, time.Now(), err)
		return err
	}
	for i, st := range statements {
		at := time.Now()
		result, err := s.run(st)
		h.c.record(s, st.Text(), at, err)
		if err != nil {
			return err
		}
		if err := send(result, i < len(statements)-1); err != nil {
			return err
		}
	}
	return nil
}

// Statement is one statement that a FE was sent.
type Statement struct {
	At   time.Time // when it arrived
	FE   int       // index of the FE
	User string
	DB   string // current database
	SQL  string
	Err  error // nil: it was accepted
}

func (c *Cluster) record(s *session, sql string, at time.Time, err error) {
	c.logMu.Lock()
	c.history = append(c.history, Statement{at, s.fe.index, s.user.name, s.db, sql, err})
	c.logMu.Unlock()
	if _, quiet := c.opt.Log.(interface{ discards() }); quiet || c.opt.Log == io.Discard {
		return
	}
	if words := strings.Fields(strings.ToUpper(sql)); len(words) > 0 && words[0] != "SHOW" && words[0] != "SELECT" && words[0] != "SET" && !strings.Contains(strings.ToUpper(sql), "REPOSITORY") {
		c.logf("FE %d, %s: %s: %v", s.fe.index, s.user.name, sql, err)
	}
}

// Statements lists everything the FEs were sent over the wire, in order of completion.
func (c *Cluster) Statements() []Statement {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	return append([]Statement(nil), c.history...)
}

// Accepted lists the statements that begin with prefix, whatever its letter case, and did not fail.
func (c *Cluster) Accepted(prefix string) []Statement {
	var list []Statement
	for _, st := range c.Statements() {
		if st.Err == nil && len(st.SQL) >= len(prefix) && strings.EqualFold(st.SQL[:len(prefix)], prefix) {
			list = append(list, st)
		}
	}
	return list
}

// Exec runs statements as an administrator at the leader, without the wire and without a record: for set-up.
func (c *Cluster) Exec(sql string) error {
	_, err := c.Query(sql)
	return err
}

// Query is Exec with the rows of the last statement; NULL is "NULL".
func (c *Cluster) Query(sql string) ([][]string, error) {
	statements, err := sqlparse.Parse(sql)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	s := &session{c: c, fe: c.frontends[max(0, c.leader)], user: &user{name: "root", host: "%", admin: true}, zone: time.UTC, vars: map[string]string{}}
	c.mu.Unlock()
	var rows [][]string
	for _, st := range statements {
		rows = nil
		result, err := s.run(st)
		if err != nil {
			return nil, err
		}
		if result.Rows == nil {
			continue
		}
		for row, err := range result.Rows {
			if err != nil {
				return nil, err
			}
			text := make([]string, len(row))
			for i, v := range row {
				text[i] = v.Text
				if !v.Valid {
					text[i] = "NULL"
				}
			}
			rows = append(rows, text)
		}
	}
	return rows, nil
}

// time shows an instant in the session's zone, in seconds; nil if it has not been reached.
func (s *session) time(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(s.zone).Format(time.DateTime)
}

// database finds the database of a statement, or the session's.
func (s *session) database(name string) (*database, error) {
	if name == "" {
		name = s.db
	}
	if name == "" {
		return nil, analyzed("No database selected")
	}
	db := s.c.dbs[name]
	if db == nil {
		return nil, unknownDatabase(name)
	}
	return db, nil
}

// table finds a statement's table.
func (s *session) table(n sqlparse.TableName) (*database, *table, error) {
	db, err := s.database(n.Database)
	if err != nil {
		return nil, nil, err
	}
	t := db.tables[n.Name]
	if t == nil || s.hidden(t) {
		return db, nil, tableNotFound(n.Name)
	}
	return db, t, nil
}

// hidden: a follower knows a table that a RESTORE creates only from state DOWNLOAD on.
func (s *session) hidden(t *table) bool {
	if s.fe.index == s.c.leader || t.state != stateRestore {
		return false
	}
	for _, j := range s.c.jobs {
		if j.kind != kindRestore || j.finished() {
			continue
		}
		for _, f := range j.restore.fresh {
			if f.table == t {
				seen, _ := j.seen(s.fe)
				return seen.state == statePending || seen.state == ""
			}
		}
	}
	return false
}
