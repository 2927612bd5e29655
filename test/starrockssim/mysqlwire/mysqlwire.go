// Package mysqlwire is a MySQL protocol server with the standard library alone: as much of the protocol as StarRocks'
// frontends speak and go-sql-driver/mysql and the mariadb command line client use.
//
// It knows nothing of SQL: a Handler answers texts.
package mysqlwire

import (
	"context"
	"errors"
	"iter"
	"net"
	"sync"
	"sync/atomic"
)

// Error is an answer with a code and SQLSTATE. Any error with Code() uint16 and SQLState() string methods does as well;
// others are sent as 1105, HY000.
type Error struct {
	Number  uint16
	State   string // five letters
	Message string
}

func (e *Error) Error() string    { return e.Message }
func (e *Error) Code() uint16     { return e.Number }
func (e *Error) SQLState() string { return e.State }

// Type is a column's type on the wire. Values are always given as text.
type Type byte

// The column types.
const (
	VarString Type = 0xfd
	Char      Type = 0xfe
	LongLong  Type = 0x08
	Long      Type = 0x03
	Double    Type = 0x05
	DateTime  Type = 0x0c
	Date      Type = 0x0a
)

// Column describes one column; the zero Type is VarString, the zero Length 90.
type Column struct {
	Name   string
	Type   Type
	Length uint32
}

// Value is one value of a row; the zero Value is NULL.
type Value struct {
	Text  string
	Valid bool
}

// Text is a value that is not NULL.
func Text(s string) Value { return Value{s, true} }

// Null is NULL.
var Null Value

// Result answers one statement: rows if it has columns, else OK with the number of affected rows.
// Rows are sent as they come; an error in the middle ends the result.
type Result struct {
	Columns  []Column
	Rows     iter.Seq2[[]Value, error] // nil: no rows
	Affected uint64
}

// Session is one connection after login. Commands of a session come one at a time.
type Session struct {
	ID       uint32
	User     string
	Host     string // the client's address
	Database string // current database, "" none
	Data     any    // the handler's own
}

// Handler answers. ctx ends with the connection's server.
type Handler interface {
	// Open is called after login and after COM_RESET_CONNECTION.
	Open(ctx context.Context, s *Session) error
	// UseDatabase checks a database named at login or by COM_INIT_DB; the server sets s.Database when it is nil.
	UseDatabase(ctx context.Context, s *Session, name string) error
	// Query runs a text of one or several statements and hands the answer of each to send, in order; more says that
	// another follows. Its error is the answer of the statement that failed. An error of send ends the connection:
	// return it. A text without any statement sends nothing, which is OK.
	Query(ctx context.Context, s *Session, sql string, send func(r *Result, more bool) error) error
	// Prepare checks a text for COM_STMT_PREPARE. Statements with parameters cannot be prepared.
	Prepare(ctx context.Context, s *Session, sql string) error
	// Close is called once for every session that was opened.
	Close(s *Session)
}

// Config is what a server needs.
type Config struct {
	Handler Handler
	// Version is told in the handshake; default "8.0.33", which is what StarRocks tells.
	Version string
	// Password returns the password of a user, and whether there is such a user. "" is no password.
	Password func(user string) (string, bool)
}

// Server accepts connections until Close.
type Server struct {
	cfg      Config
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

var sessionIDs atomic.Uint32

// Serve starts a server on l, which it owns from now on.
func Serve(l net.Listener, cfg Config) *Server {
	if cfg.Version == "" {
		cfg.Version = "8.0.33"
	}
	s := &Server{cfg: cfg, listener: l, conns: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Add(1)
	go s.accept()
	return s
}

// Addr is the address it listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Kill stops listening and ends all connections, as when the process dies. When it returns the address is free again;
// handlers may still be on their way out: Close waits for them.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cancel()
	err := s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close is Kill, and waits until all handlers have returned.
func (s *Server) Close() error {
	err := s.Kill()
	s.wg.Wait()
	return err
}

func (s *Server) accept() {
	defer s.wg.Done()
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.track(nc) {
			nc.Close()
			return
		}
		go func() {
			defer s.wg.Done()
			defer s.untrack(nc)
			newConn(s, nc).serve()
		}()
	}
}

func (s *Server) track(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[nc] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) untrack(nc net.Conn) {
	nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}
