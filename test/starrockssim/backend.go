package starrockssim

import (
	"fmt"
	"time"
)

// backend is one BE: its tablets, its snapshot directories, the tasks it has been sent. mu of the cluster guards it.
type backend struct {
	c       *Cluster
	id      int64
	host    string
	started time.Time

	down    bool      // process is gone
	hanging bool      // process is there but does nothing
	since   time.Time // of down or hanging
	epoch   int       // raised by every stop: tasks of an earlier epoch are lost

	tablets      map[int64]*beTablet
	snapshots    map[string]*snapshotDir
	running      map[taskKey]bool
	slots        map[string]chan struct{} // workers of a pool
	sequence     int64                    // of snapshot directories and rowsets
	storeErr     error                    // BreakStore
	avail, total int64                    // bytes of its disks, as SHOW BACKENDS shows them
}

// beTablet is a replica's data.
type beTablet struct {
	id      int64
	hash    int64
	primary bool
	rowsets []rowset
}

func (t *beTablet) version() int64 {
	if len(t.rowsets) == 0 {
		return 1
	}
	return max(1, t.rowsets[len(t.rowsets)-1].to)
}

// rowset is what one load, or a compaction of several, left in a tablet. Its segment is immutable and shared.
type rowset struct {
	id       string // 48 hex digits
	from, to int64
	segment  *segment // nil: no rows
}

// snapshotDir is <root>/snapshot/<time>.<seq>.<timeout>/<tablet>/<schema hash>.
type snapshotDir struct {
	path    string
	tablet  int64
	hash    int64
	files   map[string][]byte
	version int64
}

func newBackend(c *Cluster, i int) *backend {
	be := &backend{c: c, id: int64(10001 + i), host: fmt.Sprintf("127.0.0.%d", i+1), started: time.Now(),
		avail: 67272 << 30 / 1000, total: 251972 << 30 / 1000,
		tablets: map[int64]*beTablet{}, snapshots: map[string]*snapshotDir{}, running: map[taskKey]bool{}, slots: map[string]chan struct{}{}}
	for pool, workers := range map[string]int{taskSnapshot: 5, taskUpload: 2, taskDownload: 2, taskMove: 2, taskCreate: 3} {
		be.slots[pool] = make(chan struct{}, workers)
	}
	c.lastID = max(c.lastID, be.id)
	return be
}

func (c *Cluster) backend(id int64) *backend {
	for _, be := range c.backends {
		if be.id == id {
			return be
		}
	}
	return nil
}

// working says whether the process answers now.
func (be *backend) working() bool { return !be.down && !be.hanging }

// aliveNow is what SHOW BACKENDS says: a dead BE counts as alive for 6 ticks, a hanging one for 8.
func (be *backend) aliveNow() bool {
	if be.working() {
		return true
	}
	grace := 6
	if be.hanging {
		grace = 8
	}
	return time.Since(be.since) < be.c.ticks(grace, 1)
}

// lastHeartbeat is what SHOW BACKENDS shows.
func (be *backend) lastHeartbeat() time.Time {
	if be.working() {
		return time.Now()
	}
	return be.since
}

func (be *backend) createTablet(id, hash int64, primary bool, version int64) {
	be.tablets[id] = &beTablet{id: id, hash: hash, primary: primary,
		rowsets: []rowset{{id: be.rowsetID(), from: 0, to: version}}}
}

// rowsetID is unique: "02", a counter of this BE, and its random-looking rest.
func (be *backend) rowsetID() string {
	be.sequence++
	return fmt.Sprintf("02%014x%s", be.sequence, md5hex([]byte(fmt.Sprint(be.id, be.sequence, be.started.UnixNano()))))
}

// apply adds a load's rows as version v. A version that exists already is taken for done and its rows are dropped, as
// a BE does; one that leaves a gap cannot be published.
func (be *backend) apply(id, v int64, seg *segment) bool {
	t := be.tablets[id]
	if t == nil || !be.working() {
		return false
	}
	if t.version() >= v {
		return true
	}
	if t.version() != v-1 {
		return false
	}
	t.rowsets = append(t.rowsets, rowset{id: be.rowsetID(), from: v, to: v, segment: seg})
	return true
}

// StopBackend kills the process of backend i (from 0): its tasks are lost, its data is kept.
func (c *Cluster) StopBackend(i int) { c.setBackend(i, true, false) }

// HangBackend makes backend i stand still: it keeps its tasks and data and answers nothing until StartBackend.
func (c *Cluster) HangBackend(i int) { c.setBackend(i, false, true) }

// StartBackend brings backend i back.
func (c *Cluster) StartBackend(i int) { c.setBackend(i, false, false) }

// RestartBackend kills backend i and starts it at once: the tasks it had are lost.
func (c *Cluster) RestartBackend(i int) {
	c.StopBackend(i)
	c.StartBackend(i)
}

func (c *Cluster) setBackend(i int, down, hanging bool) {
	c.mu.Lock()
	defer c.unlock()
	be := c.backends[i]
	if be.working() && (down || hanging) {
		be.since = time.Now()
	}
	if down {
		be.epoch++
		be.running = map[taskKey]bool{}
	}
	if be.down && !down {
		be.started = time.Now()
	}
	be.down, be.hanging = down, hanging
}

// BackendIDs lists the ids of the backends, in order.
func (c *Cluster) BackendIDs() []int64 {
	var ids []int64
	for _, be := range c.backends {
		ids = append(ids, be.id)
	}
	return ids
}

// SetCapacity makes SHOW BACKENDS say that backend i (from 0) has so many bytes available, of a total.
func (c *Cluster) SetCapacity(i int, available, total int64) {
	c.mu.Lock()
	defer c.unlock()
	c.backends[i].avail, c.backends[i].total = available, total
}

// bytes is the size of all data the backend holds.
func (be *backend) bytes() (n int64) {
	for _, t := range be.tablets {
		for _, rs := range t.rowsets {
			if rs.segment != nil {
				n += int64(len(rs.segment.bytes))
			}
		}
	}
	return n
}

// capacityText is how the FE prints bytes: 67.272 GB.
func capacityText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB", "PB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%.3f %s", f, unit)
}

func percent(part, all int64) string {
	if all <= 0 {
		return "0.00 %"
	}
	return fmt.Sprintf("%.2f %%", float64(part)*100/float64(all))
}
