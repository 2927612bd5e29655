package starrockssim_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// sessions are connections by user and FE; each lives as long as its FE. They are not for concurrent use.
type sessions struct {
	address func(fe string) string
	conns   map[string]*sql.Conn
	pools   []*sql.DB
}

func newSessions(address func(fe string) string) *sessions {
	return &sessions{address: address, conns: map[string]*sql.Conn{}}
}

func (s *sessions) close() {
	for _, c := range s.conns {
		c.Close()
	}
	for _, db := range s.pools {
		db.Close()
	}
	s.conns, s.pools = map[string]*sql.Conn{}, nil
}

func (s *sessions) conn(user, fe string) (*sql.Conn, error) {
	if user == "" {
		user = "root"
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Timeout = user, "tcp", s.address(fe), patience
	cfg.Logger = quiet{}
	key := user + "@" + cfg.Addr
	if c := s.conns[key]; c != nil {
		return c, nil
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	s.pools = append(s.pools, db)
	c, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	s.conns[key] = c
	return c, nil
}

type quiet struct{}

func (quiet) Print(...any) {}

// result is the answer to one statement.
type result struct {
	columns []recordedColumn
	rows    [][]*string
}

func (r *result) names() []string {
	var out []string
	for _, c := range r.columns {
		out = append(out, c.Name)
	}
	return out
}

// run runs a statement; a connection that the FE's end has closed is opened again once.
func (s *sessions) run(user, fe, text string) (*result, error) {
	r, err := s.runOnce(user, fe, text)
	if !errors.Is(err, driver.ErrBadConn) && !errors.Is(err, mysql.ErrInvalidConn) {
		return r, err
	}
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = map[string]*sql.Conn{}
	return s.runOnce(user, fe, text)
}

func (s *sessions) runOnce(user, fe, text string) (*result, error) {
	c, err := s.conn(user, fe)
	if err != nil {
		return nil, err
	}
	rows, err := c.QueryContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	r := &result{}
	for _, t := range types {
		r.columns = append(r.columns, recordedColumn{t.Name(), t.DatabaseTypeName()})
	}
	for rows.Next() {
		row := make([]*string, len(types))
		into := make([]any, len(types))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r.rows = append(r.rows, row)
	}
	return r, rows.Err()
}
