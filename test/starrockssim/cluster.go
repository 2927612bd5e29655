// Package starrockssim is a StarRocks cluster for tests and the demo: frontends that speak the MySQL protocol and
// backends that write and read real objects in a real store, in StarRocks' layout.
//
// It follows a recorded FE (starrocks-measured.md, golden/): states, ticks, texts, what is left after a cancel. One
// driver runs all jobs, so a poisoned or slow job stops the others, as in StarRocks. Tables hold real rows; a tablet's
// files are bytes derived from them, so comparing data after a restore compares something real. It imports nothing of
// the product but the Store interface.
package starrockssim

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"starkeep/storage"
)

// Options says what cluster to start. The zero value is one FE on a free port of 127.0.0.1 and three BEs, with
// StarRocks' own clocks.
type Options struct {
	Name      string // told in logs only
	Listen    string // address of the first FE; further FEs take free ports of the same host. Default "127.0.0.1:0"
	Frontends int    // default 1
	Backends  int    // default 3; each counts as a host of its own
	// Tick is the pause between two cycles of the job driver, 3 s in StarRocks. Every other clock scales with it:
	// resending of tasks (10/3 ticks), time until a dead BE is noticed (6), creation timeout of a tablet (10/3).
	Tick time.Duration
	// OpenStore opens a repository's location. Default: the function OpenStore, with the properties that StarRocks knows:
	// aws.s3.*, fs.s3a.* (GCS through HMAC keys), username (HDFS).
	OpenStore func(location string, properties map[string]string) (storage.Store, error)
	// Listener opens the address of an FE. Default: TCP.
	Listener  func(address string) (net.Listener, error)
	Users     map[string]string // user -> password, each with all privileges; default root without a password
	ClusterID int64             // default derived from Name
	// Version is what the FEs and BEs say they are, and how they behave: default "3.5.0-37c7c51", which was measured. 2.5,
	// 3.1, 3.3 and 4.1 differ from it by source, not measured (version.go).
	Version string
	Log     io.Writer // default: nothing is logged
}

// Cluster is a running cluster. All methods are safe for concurrent use.
type Cluster struct {
	opt    Options
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	change *sync.Cond // on mu: any change of jobs, tasks, faults, frontends
	events []event    // OnState calls due when mu is released

	lastID int64
	lastMS int64 // of the last millisecond-unique timestamp
	dbs    map[string]*database
	bin    map[string]*database   // dropped databases, for RECOVER DATABASE
	repos  map[string]*repository // by name; shown holds all rows of SHOW REPOSITORIES
	shown  []*repository
	users  map[string]*user
	roles  map[string]*role
	grants []grant
	config map[string]string

	backends  []*backend
	frontends []*frontend
	leader    int // index into frontends; -1 while there is none
	term      int // raised whenever the FE process that leads is another one

	jobs           map[int64]*job // by database id: the last job of each database
	globals        []*function    // global functions
	resourceGroups []*resourceGroup
	volumes        []string // storage volumes
	queue          map[taskKey]*agentTask
	faults         faults
	// afterRestart: the only FE has been started again and its RPC server does not listen yet; the first creation of
	// replicas fails (starrocks-measured, part B 25)
	afterRestart bool
	lag          time.Duration // FollowerLag
	routineLoads []routineLoad
	transactions map[int64][]*transaction // by database id, in the order of the commits
	txns         int64                    // id of the last transaction
	groups       []*colocation
	scheduled    time.Time     // last run of the dynamic partition scheduler
	submit       chan struct{} // the global submission lock
	history      []Statement
	logMu        sync.Mutex
}

type event struct{ db, kind, state string }

// Start starts a cluster; Close ends it.
func Start(opt Options) (*Cluster, error) {
	opt = opt.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cluster{
		opt: opt, ctx: ctx, cancel: cancel, lastID: 10000,
		dbs: map[string]*database{}, bin: map[string]*database{}, repos: map[string]*repository{},
		users: map[string]*user{}, roles: map[string]*role{}, config: defaultConfig(),
		jobs: map[int64]*job{}, queue: map[taskKey]*agentTask{}, submit: make(chan struct{}, 1),
		transactions: map[int64][]*transaction{},
	}
	c.change = sync.NewCond(&c.mu)
	for name, password := range opt.Users {
		c.users[name] = &user{name: name, host: "%", password: password, admin: true}
	}
	for i := range opt.Backends {
		c.backends = append(c.backends, newBackend(c, i))
	}
	if err := c.startFrontends(); err != nil {
		c.Close()
		return nil, err
	}
	c.goDo(c.drive)
	c.goDo(c.pingLoop)
	for _, be := range c.backends {
		c.goDo(be.reportLoop)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "sim"
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Frontends == 0 {
		o.Frontends = 1
	}
	if o.Backends == 0 {
		o.Backends = 3
	}
	if o.Tick == 0 {
		o.Tick = 3 * time.Second
	}
	if o.OpenStore == nil {
		o.OpenStore = OpenStore
	}
	if o.Listener == nil {
		o.Listener = listen
	}
	if o.Users == nil {
		o.Users = map[string]string{"root": ""}
	}
	if o.Version == "" {
		o.Version = "3.5.0-37c7c51"
	}
	if o.ClusterID == 0 {
		o.ClusterID = int64(hash32("cluster " + o.Name))
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// Close stops everything and waits until no goroutine of the cluster is left. Connections are closed.
func (c *Cluster) Close() {
	c.mu.Lock()
	c.cancel()
	for _, fe := range c.frontends {
		fe.stop()
	}
	c.change.Broadcast()
	c.mu.Unlock()
	c.wg.Wait()
	for _, r := range c.shown {
		r.store.Close()
	}
}

// goDo runs f in a goroutine that Close waits for.
func (c *Cluster) goDo(f func()) {
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f()
	}()
}

func (c *Cluster) closed() bool { return c.ctx.Err() != nil }

// unlock releases mu, then tells the OnState observers what changed under it.
func (c *Cluster) unlock() {
	events, observers := c.events, c.faults.observers
	c.events = nil
	c.change.Broadcast()
	c.mu.Unlock()
	for _, e := range events {
		for _, f := range observers {
			f(e.db, e.kind, e.state)
		}
	}
}

// sleep waits for d, or until the cluster closes or stop says so. mu must be held; it is released meanwhile.
func (c *Cluster) sleep(d time.Duration, stop func() bool) {
	deadline := time.Now().Add(d)
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		c.change.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	for time.Now().Before(deadline) && !c.closed() && !stop() {
		c.change.Wait()
	}
}

// ticks is n/d of a tick.
func (c *Cluster) ticks(n, d int) time.Duration {
	return c.opt.Tick * time.Duration(n) / time.Duration(d)
}

// nextID draws from the one counter that all objects, jobs and tasks share. mu must be held.
func (c *Cluster) nextID() int64 {
	c.lastID++
	return c.lastID
}

// stamp is the present time, in milliseconds that no two jobs share.
func (c *Cluster) stamp() time.Time {
	ms := max(time.Now().UnixMilli(), c.lastMS+1)
	c.lastMS = ms
	return time.UnixMilli(ms).UTC()
}

func (c *Cluster) logf(format string, args ...any) {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	fmt.Fprintf(c.opt.Log, "%s %s: %s\n", time.Now().UTC().Format("15:04:05.000"), c.opt.Name, fmt.Sprintf(format, args...))
}
