package starrockssim

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Fault selects agent tasks and says what becomes of them. Empty fields select everything.
type Fault struct {
	Type      string // MAKE_SNAPSHOT, UPLOAD, DOWNLOAD, MOVE, CREATE
	Database  string
	Table     string
	Partition string
	Tablet    int64
	Backend   int64 // id, not index

	Times         int    // how many tasks; 0 means 1, -1 all until cleared
	Error         string // the message; a default if empty. {request} in it is another one each time
	AfterFiles    int    // UPLOAD, DOWNLOAD: fail after so many files
	DropAnswer    bool   // the work is done, the answer is lost
	StaysReported bool   // as DropAnswer, but the backend goes on reporting the task: it is never sent again
}

type faults struct {
	active    []*activeFault
	held      []*Fault
	states    []*heldState
	observers []func(db, kind, state string)
}

type activeFault struct {
	Fault
	left int // -1: any number
}

type heldState struct{ db, state string }

func (f *Fault) matches(t *agentTask) bool {
	return (f.Type == "" || f.Type == t.key.kind) && (f.Tablet == 0 || f.Tablet == t.tablet) &&
		(f.Backend == 0 || f.Backend == t.key.backend) && (f.Database == "" || f.Database == t.place.db) &&
		(f.Table == "" || f.Table == t.place.table) && (f.Partition == "" || f.Partition == t.place.partition)
}

func (f *Fault) failure() *taskFailure {
	if f.Error == "" {
		return failTask("injected %s error", f.Type)
	}
	return failTask("%s", strings.ReplaceAll(f.Error, "{request}", strconv.FormatUint(rand.Uint64(), 36)))
}

func (f *faults) holds(t *agentTask) bool {
	return slices.ContainsFunc(f.held, func(h *Fault) bool { return h.matches(t) })
}

// take returns the fault that befalls a task now, and counts it.
func (f *faults) take(t *agentTask) *Fault {
	for _, a := range f.active {
		if a.left == 0 || !a.matches(t) {
			continue
		}
		if a.left > 0 {
			a.left--
		}
		return &a.Fault
	}
	return nil
}

func (f *faults) holdsState(db, state string) bool {
	return slices.ContainsFunc(f.states, func(h *heldState) bool {
		return (h.db == "" || h.db == db) && (h.state == "" || h.state == state)
	})
}

// FailTasks makes tasks fail; clear ends it.
func (c *Cluster) FailTasks(f Fault) (clear func()) {
	left := f.Times
	if left == 0 {
		left = 1
	}
	a := &activeFault{Fault: f, left: left}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.active = append(c.faults.active, a)
	return func() { c.change1(func() { c.faults.active = without(c.faults.active, a) }) }
}

// HoldTasks keeps tasks from starting at their backends until release.
func (c *Cluster) HoldTasks(f Fault) (release func()) {
	h := &f
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.held = append(c.faults.held, h)
	return func() { c.change1(func() { c.faults.held = without(c.faults.held, h) }) }
}

// HoldStates keeps the job of a database (any, if "") from leaving a state until release: its turn in the tick is
// skipped, timeouts and CANCEL work. Other jobs go on.
func (c *Cluster) HoldStates(db, state string) (release func()) {
	h := &heldState{db, state}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.states = append(c.faults.states, h)
	return func() { c.change1(func() { c.faults.states = without(c.faults.states, h) }) }
}

// ExpireJob makes the timeout of a database's job pass: the FE notices with its next tick, whatever state the job is in.
func (c *Cluster) ExpireJob(db string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.dbs[db]; d != nil && c.jobs[d.id] != nil {
		c.jobs[d.id].late = true
	}
}

// OnState calls f after every change of a job's state, with no lock held; kind is BACKUP or RESTORE. The job does not
// go on before f returns.
func (c *Cluster) OnState(f func(db, kind, state string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.observers = append(c.faults.observers, f)
}

func (c *Cluster) change1(f func()) {
	c.mu.Lock()
	f()
	c.change.Broadcast()
	c.mu.Unlock()
}

func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return y == x })
}
