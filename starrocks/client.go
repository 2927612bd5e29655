package starrocks

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Config says how to reach a cluster.
type Config struct {
	Addresses      []string // host:port of FEs' MySQL ports (9030); any of them, all if possible
	User, Password string
	// Reach maps what SHOW FRONTENDS says ("ip:queryPort") to the address to dial, where the FEs' own addresses cannot be
	// reached from here.
	Reach   map[string]string
	Timeout time.Duration // per statement; 0 = 60 s
}

// String hides the password.
func (c Config) String() string { return fmt.Sprintf("%s at %v", c.User, c.Addresses) }

// GoString hides the password.
func (c Config) GoString() string { return c.String() }

const (
	defaultTimeout = 60 * time.Second
	dialTimeout    = 10 * time.Second
	// leaderTrust is how long the leader found is believed in. SHOW RESTORE is not forwarded, so a statement that reaches a
	// former leader gets a stale answer, not an error (facts §1.6).
	leaderTrust = 2 * time.Second
	maxConns    = 4
)

// Client sends statements to a cluster's FE leader. It is safe for concurrent use.
type Client struct {
	config Config
	now    func() time.Time

	mu      sync.Mutex
	pools   map[string]*sql.DB // by address
	leader  string             // address; empty = not known
	checked time.Time
	known   []string // addresses of all FEs seen
	finding sync.Mutex
}

// Open makes a client. Nothing is dialed: errors are those of the configuration.
func Open(config Config) (*Client, error) {
	if len(config.Addresses) == 0 {
		return nil, errors.New("starrocks: no FE address given")
	}
	for _, address := range config.Addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("starrocks: FE address %q is not host:port", address)
		}
	}
	if config.User == "" {
		return nil, errors.New("starrocks: no user given")
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	return &Client{config: config, now: time.Now, pools: map[string]*sql.DB{}}, nil
}

// Close ends all connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, pool := range c.pools {
		errs = append(errs, pool.Close())
	}
	clear(c.pools)
	return errors.Join(errs...)
}

// pool gives the connections to one FE. Times come in UTC because the session's zone is, parameters are never used
// (quote.go), and several statements in one text are not asked for.
func (c *Client) pool(address string) (*sql.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pool := c.pools[address]; pool != nil {
		return pool, nil
	}
	dsn := mysql.NewConfig()
	dsn.Net, dsn.Addr = "tcp", address
	dsn.User, dsn.Passwd = c.config.User, c.config.Password
	dsn.InterpolateParams = true
	dsn.MultiStatements = false
	dsn.Timeout = min(dialTimeout, c.config.Timeout)
	dsn.Params = map[string]string{"time_zone": "'+00:00'"}
	dsn.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		return nil, c.failed(call{op: "connect", target: address}, err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(maxConns)
	pool.SetConnMaxIdleTime(30 * time.Second)
	pool.SetConnMaxLifetime(10 * time.Minute)
	c.pools[address] = pool
	return pool, nil
}

// call is one statement and how to speak of it.
type call struct {
	op, target string
	sql        string
	secrets    []string      // values in the text that no error may repeat
	timeout    time.Duration // 0: the client's
}

// limit is how long the FE may take to answer.
func (c *Client) limit(q call) time.Duration {
	if q.timeout > 0 {
		return q.timeout
	}
	return c.config.Timeout
}

// exec sends a statement that changes something. It is sent once: after ErrConnectionLost it may have been carried out.
func (c *Client) exec(ctx context.Context, q call) error {
	return c.onLeader(ctx, q, func(ctx context.Context, db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return &notSent{err}
		}
		defer conn.Close()
		_, err = conn.ExecContext(ctx, q.sql)
		if errors.Is(err, driver.ErrBadConn) { // the driver's promise: nothing was written
			return &notSent{err}
		}
		return err
	}, notSentOnly)
}

// query reads a whole answer.
func (c *Client) query(ctx context.Context, q call) (*table, error) {
	var t *table
	err := c.onLeader(ctx, q, func(ctx context.Context, db *sql.DB) error {
		t = &table{}
		return readRows(ctx, db, q.sql, t.header, t.add)
	}, always)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// stream reads an answer row by row. It starts again on another FE only as long as no row was seen.
func (c *Client) stream(ctx context.Context, q call, each func(row) error) error {
	begun := false
	return c.onLeader(ctx, q, func(ctx context.Context, db *sql.DB) error {
		var columns columnIndex
		header := func(names []string) { columns = indexColumns(names) }
		return readRows(ctx, db, q.sql, header, func(values []sql.NullString) error {
			begun = true
			return each(row{columns, values})
		})
	}, func(error) bool { return !begun })
}

// notSent wraps errors from before the statement was sent.
type notSent struct{ error }

func (e *notSent) Unwrap() error { return e.error }

func always(error) bool { return true }

func notSentOnly(err error) bool {
	var e *notSent
	return errors.As(err, &e)
}

// onLeader runs do on the leader's connections; if the way there is broken and again says so, once more on the leader
// looked up anew.
func (c *Client) onLeader(ctx context.Context, q call, do func(context.Context, *sql.DB) error, again func(error) bool) error {
	for attempt := 1; ; attempt++ {
		db, err := c.leaderPool(ctx)
		if err != nil {
			return c.relabel(q, err)
		}
		limited, cancel := context.WithTimeoutCause(ctx, c.limit(q), errNoAnswer)
		err = do(limited, db)
		retry := err != nil && again(err)
		if err != nil {
			err = c.failedWithin(limited, q, err)
		}
		cancel()
		if err == nil {
			return nil
		}
		lost := errors.Is(err, ErrConnectionLost) || errors.Is(err, ErrNoLeader)
		if lost {
			c.forgetLeader()
		}
		if !lost || !retry || attempt == 2 || ctx.Err() != nil {
			return err
		}
	}
}

var errNoAnswer = errors.New("no answer in time")
