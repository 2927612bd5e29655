package starrockssim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// The kinds of jobs.
const (
	kindBackup  = "BACKUP"
	kindRestore = "RESTORE"
)

// The states of jobs.
const (
	statePending    = "PENDING"
	stateSnapshot   = "SNAPSHOTING"
	stateUpload     = "UPLOAD_SNAPSHOT"
	stateUploading  = "UPLOADING"
	stateSaveMeta   = "SAVE_META"
	stateUploadInfo = "UPLOAD_INFO"
	stateDownload   = "DOWNLOAD"
	stateDownloding = "DOWNLOADING"
	stateCommit     = "COMMIT"
	stateCommitting = "COMMITTING"
	stateFinished   = "FINISHED"
	stateCancelled  = "CANCELLED"
)

// job is the last BACKUP or RESTORE of a database.
type job struct {
	kind   string
	id     int64 // -1 before the first tick
	label  string
	db     *database
	dbName string // as of the submission
	repo   *repository
	state  string
	status string // of SHOW, "" is [OK]

	created, metaReady, snapshotDone, transferDone, ended time.Time
	timeout                                               int64 // seconds, as given

	unfinished map[int64]int64 // what SHOW lists: signature = backend or tablet
	progress   map[int64]string
	taskErrs   map[int64]string
	objects    string // BackupObjs or RestoreObjs

	busy bool // the driver is in a step of this job with mu released
	term int  // of the last tick; a job that has not ticked since a take-over is told apart

	backup  *backupWork
	restore *restoreWork
	// poisoned: the step of PENDING throws at every tick, with a new JobId; abort says that it ends the whole cycle.
	poisoned, abort bool
	late            bool // ExpireJob
	journal         []journaled
}

func (j *job) finished() bool { return j.state == stateFinished || j.state == stateCancelled }

// errPoison is an unchecked exception in a job's step.
var errPoison = errors.New("exception in the driver")

// drive is the one thread that runs all jobs.
func (c *Cluster) drive() {
	timer := time.NewTimer(c.opt.Tick)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-timer.C:
		}
		c.cycle()
		timer.Reset(c.opt.Tick)
	}
}

// cycle runs every job once, one after the other; an exception in one ends the cycle.
func (c *Cluster) cycle() {
	c.mu.Lock()
	c.publishAll()
	term := c.term
	jobs := c.sortedJobs()
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.afterRestart = c.afterRestart && c.term != term
		c.mu.Unlock()
	}()
	for _, j := range jobs {
		c.mu.Lock()
		if c.closed() || c.leader < 0 || c.term != term {
			c.mu.Unlock()
			return
		}
		var err error
		if c.jobs[j.db.id] == j && !j.finished() {
			err = c.step(j)
		}
		c.unlock()
		if err != nil {
			c.logf("daemon thread got exception. name: backupHandler, job %s of %s", j.label, j.dbName)
			return
		}
	}
}

func (c *Cluster) sortedJobs() []*job {
	list := make([]*job, 0, len(c.jobs))
	for _, j := range c.jobs {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *job) int { return cmp.Compare(a.db.id, b.db.id) })
	return list
}

// step is one run() of a job.
func (c *Cluster) step(j *job) error {
	j.term = c.term
	if c.expired(j) {
		return nil
	}
	if c.faults.holdsState(j.dbName, j.state) {
		return nil
	}
	if j.poisoned {
		j.id = c.nextID()
		if j.abort {
			return errPoison
		}
		return nil
	}
	if j.kind == kindBackup {
		c.stepBackup(j)
		return nil
	}
	return c.stepRestore(j)
}

// expired applies the job's timeout, which counts from its creation. Timeouts scale with the tick.
func (c *Cluster) expired(j *job) bool {
	limit := time.Duration(min(j.timeout, 1<<30)) * time.Second
	if c.opt.Tick < 3*time.Second {
		limit = limit / 3000 * time.Duration(c.opt.Tick/time.Millisecond)
	}
	if !j.late && time.Since(j.created) <= limit {
		return false
	}
	text := ""
	if j.kind == kindRestore {
		text = fmt.Sprintf("restore job with label: %s  timeout.", j.label)
	}
	c.cancelJob(j, "TIMEOUT", text)
	return true
}

// enter changes a job's state.
func (c *Cluster) enter(j *job, state string) {
	j.state = state
	c.events = append(c.events, event{j.dbName, j.kind, state})
	c.logf("%s %s of %s: %s", j.kind, j.label, j.dbName, state)
	if slices.Contains(journaledStates[j.kind], state) {
		c.journalJob(j)
	}
}

// cancelJob ends a job with a status; what is left behind depends on the state.
func (c *Cluster) cancelJob(j *job, code, text string) {
	j.status = fmt.Sprintf("[%s, msg: %s]", code, text)
	c.dequeue(j)
	if j.kind == kindBackup {
		c.releaseBackup(j)
	} else {
		c.rollBack(j)
	}
	j.ended = time.Now().UTC()
	c.enter(j, stateCancelled)
}

func (c *Cluster) fail(j *job, format string, args ...any) {
	c.cancelJob(j, "COMMON_ERROR", fmt.Sprintf(format, args...))
}

// expect makes the job wait for tasks: list is what SHOW shows per signature.
func (j *job) expect(list map[int64]int64) {
	j.unfinished, j.progress = list, map[int64]string{}
}

// taskDone is finishTask of the FE.
func (j *job) taskDone(c *Cluster, t *agentTask, result taskResult, failure *taskFailure) {
	if failure != nil {
		j.taskErrs[t.key.signature] = failure.text()
		if failure.merged && j.kind == kindBackup {
			j.status = "[OLAP_VERSION_ALREADY_MERGED, msg: make snapshot failed, version already merged]"
			j.backup.merged = true
		}
		return
	}
	delete(c.queue, t.key)
	delete(j.unfinished, t.key.signature)
	delete(j.progress, t.key.signature)
	if t.key.kind != taskUpload {
		delete(j.taskErrs, t.key.signature) // uploads keep theirs: the FE removes by a wrong key
	}
	switch {
	case t.key.kind == taskSnapshot:
		j.snapshotTaken(t, result.path)
	case t.key.kind == taskUpload && j.kind == kindBackup:
		j.backup.uploaded(t.tablet, result.files)
	}
}

func (j *job) snapshotTaken(t *agentTask, path string) {
	if j.kind == kindBackup {
		j.backup.paths[t.tablet] = snapshotPlace{t.key.backend, path}
		return
	}
	j.restore.paths[replicaKey{t.tablet, t.key.backend}] = path
}

// takeSlot does what BACKUP and RESTORE submissions share: the global lock, waited for 10/3 ticks.
func (c *Cluster) takeSlot() (release func(), err error) {
	timer := time.NewTimer(c.ticks(10, 3))
	defer timer.Stop()
	select {
	case c.submit <- struct{}{}:
		return func() { <-c.submit }, nil
	case <-timer.C:
	case <-c.ctx.Done():
	}
	return nil, ddlError("Another backup or restore job is being submitted. Please wait and try again")
}

func (c *Cluster) slotFree(db *database) error {
	if j := c.jobs[db.id]; j != nil && !j.finished() {
		return ddlError("Can only run one backup or restore job of a database at same time")
	}
	return nil
}

// cancelStatement is CANCEL BACKUP|RESTORE FROM db.
func (c *Cluster) cancelStatement(s *session, st *sqlparse.Cancel) error {
	kind, none := kindBackup, "No backup job is currently running"
	if st.Restore {
		kind, none = kindRestore, "No restore is currently running"
	}
	if st.ExternalCatalog {
		return ddlError("%s", none)
	}
	db := c.dbs[st.Database]
	if db == nil {
		return unknownDatabase(st.Database)
	}
	if err := s.mayRepository(); err != nil {
		return err
	}
	j := c.jobs[db.id]
	if j == nil || j.kind != kind {
		return ddlError("%s", none)
	}
	for j.busy && !c.closed() {
		c.change.Wait() // CANCEL and the step of a job exclude each other
	}
	if j.finished() {
		return ddlError("Failed to cancel job: Job with label %s can not be cancelled. state: %s", j.label, j.state)
	}
	text := "user cancelled"
	if kind == kindRestore {
		text += ", current state: " + j.state
	}
	lost := kind == kindBackup && j.term != c.term
	c.cancelJob(j, "COMMON_ERROR", text)
	if lost {
		j.journal = j.journal[:len(j.journal)-1] // in memory only: the next restart knows nothing of it
		return plainError(`Cannot invoke "com.starrocks.server.GlobalStateMgr.getEditLog()" because "this.globalStateMgr" is null`)
	}
	return nil
}

// jobTimeout reads the timeout property; 0 if it is not given.
func jobTimeout(value string, given bool) (int64, error) {
	if !given {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, analyzedDDL("Invalid timeout format: %s", value)
	}
	if n < 600 {
		return 0, analyzedDDL("timeout must be at least 10 min")
	}
	return n, nil
}

// orDefault is a job's timeout, or what backup_job_default_timeout_ms says at this moment.
func (c *Cluster) orDefault(timeout int64) int64 {
	if timeout > 0 {
		return timeout
	}
	ms, err := strconv.ParseInt(c.config["backup_job_default_timeout_ms"], 10, 64)
	if err != nil {
		return 86400
	}
	return ms / 1000
}

// unknownProperties names what is left of m in the order of a Java set of short words.
func unknownProperties(kind string, m map[string]string) error {
	return analyzedDDL("Unknown %s job properties: [%s]", kind, strings.Join(sortedKeys(m), ", "))
}

// pairs renders UnfinishedTasks.
func pairs(m map[int64]int64) string {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d=%d", k, m[k])
	}
	return b.String()
}

// bracketed renders TaskErrMsg and Progress: [id: text], ….
func bracketed(m map[int64]string) string {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	items := make([]string, len(keys))
	for i, k := range keys {
		items[i] = fmt.Sprintf("[%d: %s]", k, m[k])
	}
	return strings.Join(items, ", ")
}

func (j *job) statusText() string {
	if j.status == "" {
		return "[OK]"
	}
	return j.status
}
