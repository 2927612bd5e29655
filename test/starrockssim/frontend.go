package starrockssim

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
)

// frontend is one FE with a listener of its own.
type frontend struct {
	c       *Cluster
	index   int
	id      int64
	addr    string // host:port, the same after a restart
	server  *mysqlwire.Server
	started time.Time
	alive   bool
	led     bool // has been leader: only then its directory for temporary files exists
}

func (fe *frontend) host() string {
	host, _, _ := net.SplitHostPort(fe.addr)
	return host
}

func (fe *frontend) port() string {
	_, port, _ := net.SplitHostPort(fe.addr)
	return port
}

func (fe *frontend) name() string {
	return fmt.Sprintf("%s_%d_1795363088%03d", fe.host(), 9010, fe.index)
}

func (fe *frontend) tmpDir() string { return fmt.Sprintf("/opt/starrocks/fe%d/temp_dir", fe.index+1) }

// journaledStates are those a follower, and a FE after its restart, know of.
var journaledStates = map[string][]string{
	kindBackup:  {statePending, stateUpload, stateSaveMeta, stateUploadInfo, stateFinished, stateCancelled},
	kindRestore: {statePending, stateDownload, stateCommit, stateFinished, stateCancelled},
}

// journaled is a job as one journal entry has it.
type journaled struct {
	written                                               time.Time
	state, status                                         string
	id                                                    int64
	created, metaReady, snapshotDone, transferDone, ended time.Time
}

func (c *Cluster) journalJob(j *job) {
	j.journal = append(j.journal, journaled{time.Now(), j.state, j.status, j.id, j.created, j.metaReady, j.snapshotDone, j.transferDone, j.ended})
}

// startFrontends opens the listeners; the first FE leads.
func (c *Cluster) startFrontends() error {
	for i := range c.opt.Frontends {
		fe := &frontend{c: c, index: i, id: int64(i + 1), addr: c.opt.Listen}
		if i > 0 {
			fe.addr = net.JoinHostPort(c.frontends[0].host(), "0")
		}
		c.frontends = append(c.frontends, fe)
		if err := c.open(fe); err != nil {
			return err
		}
	}
	c.leader, c.frontends[0].led = 0, true
	return nil
}

// open starts a FE's listener.
func (c *Cluster) open(fe *frontend) error {
	l, err := c.opt.Listener(fe.addr)
	if err != nil {
		return err
	}
	fe.addr, fe.started, fe.alive = l.Addr().String(), time.Now(), true
	fe.server = mysqlwire.Serve(l, mysqlwire.Config{Handler: &handler{c, fe}, Password: c.password})
	return nil
}

// listen waits a little for an address that is still taken: while a FE was down a connection of this host may have got
// its port.
func listen(addr string) (net.Listener, error) {
	end := time.Now().Add(5 * time.Second)
	for {
		l, err := net.Listen("tcp", addr)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			return l, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stop closes the listener and all connections without waiting for them; Close waits.
func (fe *frontend) stop() {
	server := fe.server
	fe.alive, fe.server = false, nil
	if server != nil {
		server.Kill()
		fe.c.goDo(func() { server.Close() })
	}
}

// Address is the MySQL address of the leader, or of the first FE while there is none.
func (c *Cluster) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frontends[max(0, c.leader)].addr
}

// Addresses lists the MySQL addresses of all FEs, in order; they do not change.
func (c *Cluster) Addresses() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, fe := range c.frontends {
		list = append(list, fe.addr)
	}
	return list
}

// Leader is the index of the leading FE, -1 while there is none.
func (c *Cluster) Leader() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// StopFrontend kills FE i with -9. If it led, another FE takes over after a tick, if there is one.
func (c *Cluster) StopFrontend(i int) {
	c.mu.Lock()
	defer c.unlock()
	fe := c.frontends[i]
	if !fe.alive {
		return
	}
	fe.stop()
	if c.leader != i {
		return
	}
	c.leader = -1
	if slices.ContainsFunc(c.frontends, func(o *frontend) bool { return o.alive }) {
		c.goDo(c.elect)
	}
}

// elect makes another FE the leader after a tick.
func (c *Cluster) elect() {
	c.mu.Lock()
	defer c.unlock()
	c.sleep(c.opt.Tick, func() bool { return c.leader >= 0 })
	for i, fe := range c.frontends {
		if c.leader < 0 && fe.alive && !c.closed() {
			c.lead(i)
			c.logf("FE %d leads", i)
		}
	}
}

// lead makes FE i the leader: jobs go on from what the journal has.
func (c *Cluster) lead(i int) {
	alone := len(c.frontends) == 1
	c.failOver()
	c.leader, c.frontends[i].led = i, true
	c.afterRestart = alone
	for _, db := range c.dbs {
		for name, t := range db.tables {
			if t.isView() && t.view.replaced != nil {
				db.tables[name] = t.view.replaced // a replaced view was in the leader's memory only
			}
		}
	}
}

// StartFrontend starts FE i again, on its old address: as leader if no other FE is alive, else as follower.
func (c *Cluster) StartFrontend(i int) error {
	c.mu.Lock()
	defer c.unlock()
	fe := c.frontends[i]
	if fe.alive || c.closed() {
		return nil
	}
	others := slices.ContainsFunc(c.frontends, func(o *frontend) bool { return o.alive })
	if err := c.open(fe); err != nil {
		return err
	}
	if c.leader < 0 && !others {
		c.lead(i)
	}
	return nil
}

// KillLeader kills the leading FE with -9 and returns at once; another takes over after a tick. Until then statements
// that a follower forwards fail as StarRocks' do.
func (c *Cluster) KillLeader() { c.StopFrontend(max(0, c.Leader())) }

// RestartFrontend kills the leading FE with -9 and starts it again after two ticks. It returns when it answers.
func (c *Cluster) RestartFrontend() error {
	i := max(0, c.Leader())
	c.StopFrontend(i)
	c.mu.Lock()
	c.sleep(2*c.opt.Tick, func() bool { return false })
	c.mu.Unlock()
	return c.StartFrontend(i)
}

// FollowerLag makes followers know of what the leader has journaled only after d.
func (c *Cluster) FollowerLag(d time.Duration) {
	c.mu.Lock()
	defer c.unlock()
	c.lag = d
}

// failOver leaves of every job what its last journal entry has (starrocks-facts 4.4).
func (c *Cluster) failOver() {
	c.term++
	c.queue = map[taskKey]*agentTask{}
	keep := map[*table]bool{}
	for _, j := range c.sortedJobs() {
		if len(j.journal) == 0 {
			continue
		}
		last := j.journal[len(j.journal)-1]
		if j.finished() && (last.state == stateFinished || last.state == stateCancelled) {
			j.unfinished = nil
			continue
		}
		j.resume(c, last)
		if j.kind == kindRestore && j.state != statePending {
			j.keepTables(keep)
		}
	}
	for _, db := range c.dbs {
		for _, t := range db.tables {
			if t.state == stateRestore && !keep[t] {
				t.state = stateNormal
			}
		}
	}
}

func (j *job) resume(c *Cluster, last journaled) {
	live := j.state
	j.state, j.status, j.id = last.state, last.status, last.id
	j.metaReady, j.snapshotDone, j.transferDone, j.ended = last.metaReady, last.snapshotDone, last.transferDone, last.ended
	j.unfinished, j.progress, j.taskErrs, j.busy = nil, nil, map[int64]string{}, false
	c.logf("%s %s of %s: was %s, goes on as %s", j.kind, j.label, j.dbName, live, j.state)
	if j.kind == kindBackup {
		j.poisoned = j.state == statePending // a status that is compared by identity
		return
	}
	w := j.restore
	w.lostMV = w.hasMV || w.mentionsMV()
	if j.state == statePending {
		j.poisoned, j.abort = w.lostMV, w.lostMV
		c.forget(j)
	}
}

// forget undoes what a RESTORE registered before its first journal entry after PENDING.
func (c *Cluster) forget(j *job) {
	w := j.restore
	for _, f := range w.fresh {
		if j.db.tables[f.table.name] == f.table {
			delete(j.db.tables, f.table.name)
		}
		c.dropTablets(f.table.partitions)
		c.leaveGroup(f.table)
	}
	for _, a := range w.added {
		a.table.partitions = without(a.table.partitions, a.part)
		c.dropTablets([]*partition{a.part})
	}
	w.reset()
}

func (j *job) keepTables(keep map[*table]bool) {
	for _, f := range j.restore.fresh {
		keep[f.table] = true
	}
	for _, t := range j.restore.existing {
		keep[t] = true
	}
}

func (w *restoreWork) mentionsMV() bool {
	if w.meta == nil {
		return false
	}
	for name := range w.info.Objects {
		if m := w.meta.Tables[name]; m != nil && m.Clazz == "MaterializedView" {
			return true
		}
	}
	return false
}

// seen is the job as FE fe knows it: live at the leader, by the journal elsewhere.
func (j *job) seen(fe *frontend) (journaled, bool) {
	c := fe.c
	if c.leader == fe.index {
		return journaled{state: j.state, status: j.status, id: j.id, created: j.created, metaReady: j.metaReady,
			snapshotDone: j.snapshotDone, transferDone: j.transferDone, ended: j.ended}, true
	}
	for i := len(j.journal) - 1; i >= 0; i-- {
		if time.Since(j.journal[i].written) >= c.lag {
			return j.journal[i], true
		}
	}
	return journaled{}, false
}

// frontendRows is SHOW FRONTENDS.
func (c *Cluster) frontendRows(s *session) [][]any {
	var rows [][]any
	for i, fe := range c.frontends {
		role := "FOLLOWER"
		if i == c.leader {
			role = "LEADER"
		}
		var beat, errMsg any = s.time(time.Now()), ""
		if !fe.alive {
			beat, errMsg = s.time(fe.started), "got exception: org.apache.thrift.transport.TTransportException: java.net.ConnectException: Connection refused"
		}
		rows = append(rows, []any{fe.id, fe.name(), fe.host(), "9010", "8030", fe.port(), "9020", role, c.opt.ClusterID, "true",
			strconv.FormatBool(fe.alive), fmt.Sprint(2000 + c.lastID%100000), beat, "true", errMsg, s.time(fe.started), c.opt.Version})
	}
	return rows
}
