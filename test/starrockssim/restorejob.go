package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stepRestore is the work of one tick.
func (c *Cluster) stepRestore(j *job) error {
	if j.state != statePending {
		if gone := c.missing(j); gone != "" {
			c.cancelJob(j, "NOT_FOUND", gone)
			return nil
		}
	}
	switch j.state {
	case statePending:
		return c.restorePending(j)
	case stateSnapshot:
		if len(j.unfinished) == 0 {
			j.snapshotDone = time.Now().UTC()
			c.enter(j, stateDownload)
		}
	case stateDownload:
		c.restoreDownload(j)
	case stateDownloding:
		if len(j.unfinished) == 0 {
			j.transferDone = time.Now().UTC()
			c.enter(j, stateCommit)
		}
	case stateCommit:
		c.restoreCommit(j)
	case stateCommitting:
		if len(j.unfinished) == 0 {
			c.finishRestore(j)
		}
	}
	return nil
}

// missing names what the job works on and is no longer there.
func (c *Cluster) missing(j *job) string {
	if c.dbs[j.db.name] != j.db {
		return fmt.Sprintf("database %d has been dropped", j.db.id)
	}
	there := map[*table]map[*partition]bool{}
	for _, target := range j.restore.targets {
		t := target.table
		if j.db.tables[t.name] != t {
			return fmt.Sprintf("table %d has been dropped", t.id)
		}
		if there[t] == nil {
			there[t] = map[*partition]bool{}
			for _, p := range t.partitions {
				there[t][p] = true
			}
		}
		if !there[t][target.part] {
			return fmt.Sprintf("partition %d has been dropped", target.part.id)
		}
	}
	return ""
}

// restorePending does everything up to MAKE_SNAPSHOT in one tick.
func (c *Cluster) restorePending(j *job) error {
	j.id = c.nextID()
	w := j.restore
	w.reset()
	if w.meta == nil {
		c.fail(j, "Failed to read backup meta from file")
		return nil
	}
	if w.replication < 1 {
		j.poisoned, j.abort = true, true
		return errPoison
	}
	names := javaOrder(w.info.Objects)
	for _, name := range names {
		t := j.db.tables[w.target(name)]
		if t == nil || t.isView() {
			continue
		}
		if t.state != stateNormal {
			c.unmark(j)
			c.fail(j, "Table %s's state is not NORMAL: %s", t.name, t.state)
			return nil
		}
		if len(t.temp) > 0 {
			c.unmark(j)
			c.fail(j, "Do not support restoring table with temp partitions")
			return nil
		}
		t.state = stateRestore
		w.existing = append(w.existing, t)
	}
	for _, name := range names {
		poison, err := c.planObject(j, name)
		if poison {
			j.poisoned, j.abort = true, true
			c.unmark(j)
			w.reset()
			return errPoison
		}
		if err != nil {
			c.cancelJob(j, err.code, err.text)
			return nil
		}
	}
	w.applyNames()
	if !c.createReplicas(j) {
		return nil
	}
	c.register(j)
	c.prepareRestore(j)
	return nil
}

func (w *restoreWork) reset() {
	w.fresh, w.added, w.targets, w.existing, w.skipped, w.views, w.moves = nil, nil, nil, nil, nil, nil, nil
	w.named, w.hasMV, w.paths = false, false, map[replicaKey]string{}
}

// target is the local name of an object.
func (w *restoreWork) target(name string) string {
	if alias, ok := w.aliases[name]; ok {
		return alias
	}
	return name
}

// applyNames gives new tables their aliases.
func (w *restoreWork) applyNames() {
	for _, f := range w.fresh {
		f.table.rename(w.target(f.original))
	}
	w.named = true
}

// rename also renames the base index and the partition of an unpartitioned table.
func (t *table) rename(name string) {
	if t.part.kind == unpartitioned && len(t.partitions) == 1 {
		t.partitions[0].name = name
	}
	t.name = name
}

// statusError ends a job with a status code.
type statusError struct{ code, text string }

func commonError(format string, args ...any) *statusError {
	return &statusError{"COMMON_ERROR", fmt.Sprintf(format, args...)}
}

// createReplicas sends CREATE and waits for it: the driver stands still meanwhile. A backend that is dead and still
// counts as alive costs 10/3 ticks per tablet. It returns false if the job is over.
func (c *Cluster) createReplicas(j *job) bool {
	var stuck []string
	total := 0
	for _, target := range j.restore.targets {
		if target.version > 0 {
			continue
		}
		for i, tab := range target.part.all() {
			total++
			for _, r := range tab.replicas {
				if !c.createReplica(j, target, i, tab.id, r) {
					stuck = append(stuck, fmt.Sprintf("%d=%d", r.backend, tab.id))
				}
			}
		}
	}
	if total == 0 || len(stuck) == 0 && !c.afterRestart {
		return true
	}
	if c.afterRestart {
		stuck = nil
		for _, target := range j.restore.targets {
			for _, tab := range target.part.all() {
				stuck = append(stuck, fmt.Sprintf("%d=%d", tab.replicas[0].backend, tab.id))
			}
		}
		c.afterRestart = false
	}
	term := c.term
	c.sleep(min(c.ticks(600, 3), c.ticks(10, 3)*time.Duration(total)), func() bool { return j.finished() || c.term != term })
	if c.closed() || c.term != term || j.finished() {
		return false
	}
	c.fail(j, "Failed to create replicas for restore. unfinished marks: %s", strings.Join(stuck[:min(10, len(stuck))], ", "))
	return false
}

// createReplica creates one replica; an error answer of the backend is not noticed, a missing answer is.
func (c *Cluster) createReplica(j *job, target restoreTarget, i int, tablet int64, r *replica) bool {
	be := c.backend(r.backend)
	t := &agentTask{key: taskKey{r.backend, taskCreate, tablet}, tablet: tablet, place: tabletPlace{j.dbName, target.table.name, target.part.name}}
	if !be.working() {
		return false
	}
	if fault := c.faults.take(t); fault != nil && !fault.DropAnswer {
		return true
	} else if fault != nil {
		return false
	}
	be.createTablet(tablet, target.table.tabletHash(target.part, i), target.table.primary(), target.part.visible)
	return true
}

// register makes new tables and partitions part of the catalog and replaces views.
func (c *Cluster) register(j *job) {
	w := j.restore
	for _, f := range w.fresh {
		f.table.state = stateRestore
		j.db.tables[f.table.name] = f.table
		c.followName(j.db, f.table)
	}
	for _, a := range w.added {
		a.table.partitions = append(a.table.partitions, a.part)
	}
	for _, v := range w.views {
		if old := j.db.tables[v.name]; old != nil {
			v.view.replaced = old
		}
		j.db.tables[v.name] = v
	}
}

// prepareRestore sends MAKE_SNAPSHOT, which makes an empty directory, to every replica.
func (c *Cluster) prepareRestore(j *job) {
	j.metaReady = time.Now().UTC()
	j.taskErrs = map[int64]string{}
	c.dispatch(j, c.replicaTasks(j, taskSnapshot, func(t *agentTask, _ restoreTarget, _ int) {
		t.restore, t.timeout = true, j.timeout
	}), func(t *agentTask) int64 { return t.tablet })
	c.enter(j, stateSnapshot)
}

// replicaTasks makes one task of a kind per replica, with fresh signatures.
func (c *Cluster) replicaTasks(j *job, kind string, fill func(t *agentTask, target restoreTarget, i int)) []*agentTask {
	var tasks []*agentTask
	for _, target := range j.restore.targets {
		for i, tab := range target.part.all() {
			for _, r := range tab.replicas {
				t := &agentTask{key: taskKey{r.backend, kind, c.nextID()}, job: j, tablet: tab.id, repo: j.repo,
					place: tabletPlace{j.dbName, target.table.name, target.part.name}, path: j.restore.paths[replicaKey{tab.id, r.backend}]}
				fill(t, target, i)
				tasks = append(tasks, t)
			}
		}
	}
	return tasks
}

func (c *Cluster) restoreDownload(j *job) {
	tasks := c.replicaTasks(j, taskDownload, func(t *agentTask, target restoreTarget, i int) { t.remote = target.remote(i) })
	c.dispatch(j, tasks, func(t *agentTask) int64 { return t.key.backend })
	c.enter(j, stateDownloding)
}

// restoreCommit sends MOVE: from here on overwritten partitions change.
func (c *Cluster) restoreCommit(j *job) {
	tasks := c.replicaTasks(j, taskMove, func(*agentTask, restoreTarget, int) {})
	c.dispatch(j, tasks, func(t *agentTask) int64 { return t.tablet })
	c.enter(j, stateCommitting)
}

func (c *Cluster) finishRestore(j *job) {
	w := j.restore
	now := time.Now().UTC()
	for _, target := range w.targets {
		target.table.state = stateNormal
		p := target.part
		if target.version > 0 {
			p.visible, p.next, p.at = target.version, target.version+1, now
			p.data = c.restoredData(p, target.version)
		}
		for _, tab := range p.all() {
			for _, r := range tab.replicas {
				r.version = p.visible
			}
		}
	}
	for _, f := range w.fresh {
		f.table.state = stateNormal
	}
	for _, t := range w.existing {
		t.state = stateNormal
	}
	c.releaseRestore(j)
	j.ended = now
	c.enter(j, stateFinished)
	c.activateRestored(j)
}

func (c *Cluster) releaseRestore(j *job) {
	for key, path := range j.restore.paths {
		if be := c.backend(key.backend); be != nil {
			delete(be.snapshots, path)
		}
	}
	j.restore.paths = map[replicaKey]string{}
}

// unmark takes state RESTORE from the existing tables, but not from skipped materialized views.
func (c *Cluster) unmark(j *job) {
	for _, t := range j.restore.existing {
		if !slices.Contains(j.restore.skipped, t) && j.db.tables[t.name] == t { // a dropped one keeps its state, and has it again when it is recovered
			t.state = stateNormal
		}
	}
	j.restore.existing = nil
}

// rollBack is what a cancelled or failed RESTORE leaves: new tables and partitions are dropped, without recycle bin.
// As long as the aliases are not in force, tables go by their original name: a local table of that name is lost.
func (c *Cluster) rollBack(j *job) {
	w := j.restore
	c.unmark(j)
	for _, f := range w.fresh {
		name := f.original
		if w.named {
			name = f.table.name
		}
		if t := j.db.tables[name]; t != nil && (!w.named || t == f.table) {
			delete(j.db.tables, name)
		}
		c.dropTablets(f.table.partitions)
		c.leaveGroup(f.table)
	}
	for _, a := range w.added {
		a.table.partitions = without(a.table.partitions, a.part)
		c.dropTablets([]*partition{a.part})
	}
	for _, v := range w.views {
		delete(j.db.tables, v.name)
	}
	c.releaseRestore(j)
}
