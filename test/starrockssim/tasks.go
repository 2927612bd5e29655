package starrockssim

import (
	"slices"
	"time"
)

// The types of agent tasks.
const (
	taskSnapshot = "MAKE_SNAPSHOT"
	taskUpload   = "UPLOAD"
	taskDownload = "DOWNLOAD"
	taskMove     = "MOVE"
	taskAlter    = "ALTER" // only to be held
	taskCreate   = "CREATE"
)

// taskKey is how FE and BE name a task.
type taskKey struct {
	backend   int64
	kind      string
	signature int64
}

// agentTask is a task in the FE's queue until its backend has answered. One task works on one tablet, as by default.
type agentTask struct {
	key    taskKey
	job    *job
	tablet int64
	place  tabletPlace // for the selectors of faults

	restore bool   // MAKE_SNAPSHOT of a RESTORE: an empty directory
	version int64  // MAKE_SNAPSHOT
	timeout int64  // MAKE_SNAPSHOT: part of the directory's name
	path    string // local directory: UPLOAD, DOWNLOAD, MOVE
	remote  string // key of the tablet's directory in the repository: UPLOAD, DOWNLOAD
	repo    *repository
}

type tabletPlace struct{ db, table, partition string }

// taskResult is what a backend answers.
type taskResult struct {
	path  string
	files []string // UPLOAD: name.md5; MAKE_SNAPSHOT: names
}

type taskFailure struct {
	messages []string
	merged   bool // status 45: the version is gone for good
}

// send puts a task into the queue and to its backend. mu must be held.
func (c *Cluster) send(t *agentTask) {
	c.queue[t.key] = t
	c.deliver(t)
}

// deliver hands a task to its backend, which refuses what it has already.
func (c *Cluster) deliver(t *agentTask) {
	be := c.backend(t.key.backend)
	if be == nil || be.down || be.running[t.key] || c.closed() {
		return
	}
	be.running[t.key] = true
	epoch := be.epoch
	c.goDo(func() { be.work(t, epoch) })
}

// work runs one task: fault holds, a worker of the pool, the work itself, the answer.
func (be *backend) work(t *agentTask, epoch int) {
	c := be.c
	if !be.await(t, epoch) {
		return
	}
	slot := be.slots[t.key.kind]
	select {
	case slot <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	c.mu.Lock()
	fault := c.faults.take(t)
	c.mu.Unlock()
	result, failure := be.run(t, epoch, fault)
	<-slot
	be.answer(t, epoch, fault, result, failure)
}

// await waits while a fault holds the task or the backend stands still; false: the task is lost.
func (be *backend) await(t *agentTask, epoch int) bool {
	c := be.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed() && be.epoch == epoch && (be.hanging || c.faults.holds(t)) {
		c.change.Wait()
	}
	return !c.closed() && be.epoch == epoch
}

func (be *backend) run(t *agentTask, epoch int, fault *Fault) (taskResult, *taskFailure) {
	c := be.c
	if fault != nil && fault.AfterFiles == 0 && !fault.DropAnswer && !fault.StaysReported {
		return taskResult{}, fault.failure()
	}
	switch t.key.kind {
	case taskSnapshot:
		return be.runSnapshot(t)
	case taskUpload:
		return be.upload(t, epoch, fault)
	case taskDownload:
		return be.download(t, epoch, fault)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return taskResult{}, be.move(t.path, t.tablet)
	}
}

func (be *backend) runSnapshot(t *agentTask) (taskResult, *taskFailure) {
	c := be.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !t.restore {
		dir, failure := be.makeSnapshot(t.tablet, t.version, t.timeout)
		if failure != nil {
			return taskResult{}, failure
		}
		return taskResult{path: dir.path, files: dir.names()}, nil
	}
	local := be.tablets[t.tablet]
	if local == nil {
		return taskResult{}, failTask("make_snapshot failed. status: Runtime error: tablet not found")
	}
	return taskResult{path: be.snapshotDir(t.tablet, local.hash, t.timeout).path}, nil
}

// answer tells the FE, three times at most if there is none; an answer to a task that the FE does not know is refused.
func (be *backend) answer(t *agentTask, epoch int, fault *Fault, result taskResult, failure *taskFailure) {
	c := be.c
	c.mu.Lock()
	defer c.unlock()
	for !c.closed() && be.epoch == epoch && be.hanging {
		c.change.Wait()
	}
	if c.closed() || be.epoch != epoch {
		return
	}
	for try := 0; c.leader < 0 && try < 3; try++ {
		c.sleep(c.ticks(1, 3), func() bool { return c.leader >= 0 })
	}
	if fault != nil && fault.StaysReported {
		return
	}
	delete(be.running, t.key)
	if fault != nil && fault.DropAnswer {
		return
	}
	if c.leader < 0 || c.queue[t.key] != t {
		return
	}
	t.job.taskDone(c, t, result, failure)
}

// reportLoop makes the FE send again, every 10/3 ticks, the tasks that the backend does not have.
func (be *backend) reportLoop() {
	c := be.c
	every := c.ticks(10, 3)
	timer := time.NewTimer(every * time.Duration(be.id-10000) / time.Duration(len(c.backends)+1))
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(every)
		c.mu.Lock()
		if be.working() && c.leader >= 0 {
			for _, t := range c.queued(be.id) {
				c.deliver(t)
			}
		}
		c.unlock()
	}
}

// queued lists the tasks the FE has for a backend, by signature.
func (c *Cluster) queued(backend int64) []*agentTask {
	var list []*agentTask
	for key, t := range c.queue {
		if key.backend == backend && !c.backend(backend).running[key] {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *agentTask) int { return int(a.key.signature - b.key.signature) })
	return list
}

// dequeue removes all tasks of a job from the FE's queue.
func (c *Cluster) dequeue(j *job) {
	for key, t := range c.queue {
		if t.job == j {
			delete(c.queue, key)
		}
	}
}
