package mysqlwire_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/mysqlwire/mysqlwiretest"
)

// echo answers: statements are separated by semicolons; the first word says what to do.
type echo struct {
	ran    chan string
	opened chan *mysqlwire.Session
	closed chan *mysqlwire.Session
	hang   chan struct{} // closed when a hanging statement has begun
}

func newEcho() *echo {
	return &echo{make(chan string, 100), make(chan *mysqlwire.Session, 10), make(chan *mysqlwire.Session, 10), make(chan struct{})}
}

func (e *echo) Open(_ context.Context, s *mysqlwire.Session) error {
	e.opened <- s
	return nil
}

func (e *echo) Close(s *mysqlwire.Session) { e.closed <- s }

func (e *echo) UseDatabase(_ context.Context, _ *mysqlwire.Session, name string) error {
	if name == "missing" {
		return &mysqlwire.Error{Number: 5501, State: "3F000", Message: "Unknown database 'missing'"}
	}
	return nil
}

func (e *echo) Prepare(_ context.Context, _ *mysqlwire.Session, sql string) error {
	if strings.Contains(sql, "?") {
		return &mysqlwire.Error{Number: 1064, State: "HY000", Message: "Unexpected input '?'"}
	}
	return nil
}

func (e *echo) Query(ctx context.Context, s *mysqlwire.Session, text string, send func(*mysqlwire.Result, bool) error) error {
	statements := strings.Split(text, ";")
	for i, one := range statements {
		e.ran <- one
		r, err := e.run(ctx, s, strings.TrimSpace(one))
		if err != nil {
			return err
		}
		if err := send(r, i < len(statements)-1); err != nil {
			return err
		}
	}
	return nil
}

func (e *echo) run(ctx context.Context, s *mysqlwire.Session, one string) (*mysqlwire.Result, error) {
	word, rest, _ := strings.Cut(one, " ")
	switch word {
	case "ok":
		return &mysqlwire.Result{Affected: 7}, nil
	case "fail":
		return nil, &mysqlwire.Error{Number: 5064, State: "42000", Message: rest}
	case "plain":
		return nil, errors.New(rest)
	case "db":
		return column(s.Database), nil
	case "big":
		return column(strings.Repeat("x", 40<<20)), nil
	case "hang":
		close(e.hang)
		<-ctx.Done()
		return nil, ctx.Err()
	case "broken":
		r := column("")
		r.Rows = func(yield func([]mysqlwire.Value, error) bool) {
			_ = yield([]mysqlwire.Value{mysqlwire.Text("one")}, nil) && yield(nil, errors.New("backend gone"))
		}
		return r, nil
	case "types":
		return &mysqlwire.Result{
			Columns: []mysqlwire.Column{{Name: "s"}, {Name: "n", Type: mysqlwire.LongLong, Length: 20}, {Name: "f", Type: mysqlwire.Double}, {Name: "t", Type: mysqlwire.DateTime}, {Name: "null"}},
			Rows: func(yield func([]mysqlwire.Value, error) bool) {
				yield([]mysqlwire.Value{mysqlwire.Text("ü"), mysqlwire.Text("-5"), mysqlwire.Text("1.5"), mysqlwire.Text("2026-11-22 16:04:08"), mysqlwire.Null}, nil)
			},
		}, nil
	case "rows":
		r := column("")
		r.Rows = func(yield func([]mysqlwire.Value, error) bool) {
			for i := range 100_000 {
				if !yield([]mysqlwire.Value{mysqlwire.Text(fmt.Sprint(i))}, nil) {
					return
				}
			}
		}
		return r, nil
	}
	return column(one), nil
}

func column(s string) *mysqlwire.Result {
	return &mysqlwire.Result{
		Columns: []mysqlwire.Column{{Name: "c", Length: 60}},
		Rows: func(yield func([]mysqlwire.Value, error) bool) {
			yield([]mysqlwire.Value{mysqlwire.Text(s)}, nil)
		},
	}
}

func start(t *testing.T) (*echo, *mysqlwire.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := newEcho()
	users := map[string]string{"root": "", "bob": "secret"}
	s := mysqlwire.Serve(l, mysqlwire.Config{Handler: e, Password: func(u string) (string, bool) {
		p, ok := users[u]
		return p, ok
	}})
	t.Cleanup(func() { s.Close() })
	return e, s
}

func open(t *testing.T, s *mysqlwire.Server, change func(*mysql.Config)) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", s.Addr().String()
	cfg.InterpolateParams = true
	if change != nil {
		change(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func number(err error) string {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%d %s %s", e.Number, e.SQLState[:], e.Message)
}

func TestLogin(t *testing.T) {
	_, s := start(t)
	for name, c := range map[string]struct {
		user, password, database, want string
	}{
		"no password":      {"root", "", "", "<nil>"},
		"password":         {"bob", "secret", "d", "<nil>"},
		"wrong password":   {"bob", "Secret", "", "1045 28000 Access denied for user 'bob' (using password: YES)"},
		"missing password": {"bob", "", "", "1045 28000 Access denied for user 'bob' (using password: NO)"},
		"unknown user":     {"eve", "", "", "1045 28000 Access denied for user 'eve' (using password: NO)"},
		"unknown database": {"root", "", "missing", "5501 3F000 Unknown database 'missing'"},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, s, func(c2 *mysql.Config) { c2.User, c2.Passwd, c2.DBName = c.user, c.password, c.database })
			if got := number(db.Ping()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAnswersReachTheDriver(t *testing.T) {
	_, s := start(t)
	db := open(t, s, func(c *mysql.Config) { c.DBName = "d1" })
	r, err := db.Exec("ok")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := r.RowsAffected(); n != 7 {
		t.Error("affected", n)
	}
	for text, want := range map[string]string{
		"fail Repository r does not exist": "5064 42000 Repository r does not exist",
		"plain words":                      "1105 HY000 words",
	} {
		if _, err := db.Exec(text); number(err) != want {
			t.Errorf("%s: got %s", text, number(err))
		}
	}
	var got string
	if err := db.QueryRow("db").Scan(&got); err != nil || got != "d1" {
		t.Error(got, err)
	}
	if err := db.QueryRow("echo ?", "it's").Scan(&got); err != nil || got != `echo 'it\'s'` {
		t.Error(got, err)
	}
}

func TestTypesInBothProtocols(t *testing.T) {
	_, s := start(t)
	db := open(t, s, nil)
	stmt, err := db.Prepare("types")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	for name, query := range map[string]func() *sql.Row{
		"text":     func() *sql.Row { return db.QueryRow("types") },
		"prepared": func() *sql.Row { return stmt.QueryRow() },
	} {
		var text, when string
		var n int64
		var f float64
		var null sql.NullString
		if err := query().Scan(&text, &n, &f, &when, &null); err != nil {
			t.Fatal(name, err)
		}
		if text != "ü" || n != -5 || f != 1.5 || when != "2026-11-22 16:04:08" || null.Valid {
			t.Error(name, text, n, f, when, null)
		}
	}
	if _, err := db.Prepare("SHOW ?"); number(err) != "1064 HY000 Unexpected input '?'" {
		t.Error(err)
	}
}

func TestLargeResults(t *testing.T) {
	_, s := start(t)
	db := open(t, s, nil)
	var big string
	if err := db.QueryRow("big").Scan(&big); err != nil || len(big) != 40<<20 {
		t.Error(len(big), err)
	}
	rows, err := db.Query("rows")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if n != 100_000 || rows.Err() != nil {
		t.Error(n, rows.Err())
	}
	if err := db.QueryRow("echo " + strings.Repeat("y", 20<<20)).Scan(&big); err != nil || len(big) != 5+20<<20 {
		t.Error(len(big), err)
	}
}

func TestRowsThatBreakInTheMiddle(t *testing.T) {
	_, s := start(t)
	db := open(t, s, nil)
	rows, err := db.Query("broken")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	if number(rows.Err()) != "1105 HY000 backend gone" {
		t.Error(rows.Err())
	}
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
}

func TestSeveralStatementsInOneText(t *testing.T) {
	for name, c := range map[string]struct {
		multi bool
		text  string
		want  []string
		ran   int
	}{
		"asked for: all answers":              {true, "a;b;c", []string{"a", "b", "c"}, 3},
		"not asked for: all run, the last":    {false, "a;b;c", []string{"c"}, 3},
		"asked for: stops at the error":       {true, "a;fail x;c", []string{"a", "5064 42000 x"}, 2},
		"not asked for: stops, only an error": {false, "a;fail x;c", []string{"5064 42000 x"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			e, s := start(t)
			db := open(t, s, func(cfg *mysql.Config) { cfg.MultiStatements = c.multi })
			if diff := cmp.Diff(c.want, allAnswers(db, c.text)); diff != "" {
				t.Error(diff)
			}
			if len(e.ran) != c.ran {
				t.Errorf("%d statements ran, want %d", len(e.ran), c.ran)
			}
		})
	}
}

// allAnswers returns the only value of each answer, and the error that ended them.
func allAnswers(db *sql.DB, text string) []string {
	rows, err := db.Query(text)
	if err != nil {
		return []string{number(err)}
	}
	defer rows.Close()
	var out []string
	for {
		for rows.Next() {
			var v string
			if err := rows.Scan(&v); err != nil {
				return append(out, err.Error())
			}
			out = append(out, v)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if rows.Err() != nil {
		out = append(out, number(rows.Err()))
	}
	return out
}

func TestCloseEndsConnectionsAndWaits(t *testing.T) {
	e, s := start(t)
	db := open(t, s, nil)
	failed := make(chan error, 1)
	go func() {
		_, err := db.Exec("hang")
		failed <- err
	}()
	<-e.hang
	s.Close()
	if len(e.closed) != len(e.opened) {
		t.Errorf("%d sessions opened, %d closed", len(e.opened), len(e.closed))
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("statement succeeded")
		}
	case <-time.After(10 * time.Second):
		t.Error("the client still waits")
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("still listens")
	}
	s.Close() // twice does no harm
}

func TestMalformedClientsAreDropped(t *testing.T) {
	_, s := start(t)
	for _, p := range [][]byte{{1, 0, 0, 1, 0}, {0, 0, 0, 1}, append([]byte{40, 0, 0, 1, 0, 2, 0, 0}, make([]byte, 36)...), {255, 255, 255, 1}} {
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.Write(p)
		nc.(*net.TCPConn).CloseWrite()
		nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 1<<10)
		for {
			if _, err := nc.Read(buf); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%x: connection stays open", p)
				}
				break
			}
		}
		nc.Close()
	}
}

func TestMariadbCommandLine(t *testing.T) {
	client := mysqlwiretest.CommandLine(t)
	_, s := start(t)
	host, port, _ := net.SplitHostPort(s.Addr().String())
	run := func(args ...string) string {
		args = append([]string{"--no-defaults", "-h", host, "-P", port, "--batch"}, args...)
		out, err := exec.Command(client, args...).CombinedOutput()
		return strings.TrimSpace(fmt.Sprintf("%s %v", out, err))
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-u", "root", "-e", "hello"}, "c\nhello\n <nil>"},
		{[]string{"-u", "bob", "-psecret", "-e", "types"}, "s\tn\tf\tt\tnull\nü\t-5\t1.5\t2026-11-22 16:04:08\tNULL\n <nil>"},
		{[]string{"-u", "bob", "-pwrong", "-e", "x"}, "ERROR 1045 (28000): Access denied for user 'bob' (using password: YES)\n exit status 1"},
		{[]string{"-u", "root", "-e", "fail Repository r does not exist"}, "--------------\nfail Repository r does not exist\n--------------\n\nERROR 5064 (42000) at line 1: Repository r does not exist\n exit status 1"},
		{[]string{"-u", "root", "d2", "-e", "db"}, "c\nd2\n <nil>"},
		{[]string{"-u", "root", "-e", "use missing"}, "ERROR 5501 (3F000) at line 1: Unknown database 'missing'\n exit status 1"},
	} {
		if got := run(c.args...); got != strings.TrimSpace(c.want) {
			t.Errorf("%q:\n%q, want\n%q", c.args, got, c.want)
		}
	}
}
