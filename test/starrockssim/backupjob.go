package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// backupWork is what a BACKUP carries from state to state.
type backupWork struct {
	wanted  []wantedObject
	objects []backupObject
	info    *infoFile
	meta    *metaFile
	paths   map[int64]snapshotPlace // by tablet
	files   map[int64][]string      // by tablet: what was uploaded, as name.md5
	merged  bool
	saved   bool // __meta and __info are in the job's directory
	savedAt int  // index of the FE on whose disk they are
	dir     string
}

type snapshotPlace struct {
	backend int64
	path    string
}

// wantedObject is one object of the statement, by name.
type wantedObject struct {
	table      string
	partitions []string // nil: all
}

// backupObject is a table with the partitions that are backed up.
type backupObject struct {
	table *table
	parts []*partition
}

// stepBackup is the work of one tick.
func (c *Cluster) stepBackup(j *job) {
	switch j.state {
	case statePending:
		c.backupPending(j)
	case stateSnapshot:
		c.backupSnapshoting(j)
	case stateUpload:
		c.backupUpload(j)
	case stateUploading:
		if len(j.unfinished) > 0 {
			return
		}
		j.transferDone = time.Now().UTC()
		c.enter(j, stateSaveMeta)
	case stateSaveMeta:
		c.releaseBackup(j)
		j.backup.saved, j.backup.savedAt = true, c.leader
		j.backup.dir = fmt.Sprintf("%s/backup/%s__%s", c.frontends[c.leader].tmpDir(), j.label, md5hex([]byte(j.created.String()))[:8])
		c.enter(j, stateUploadInfo)
	case stateUploadInfo:
		c.backupUploadInfo(j)
	}
}

// backupPending fixes versions and metadata and sends MAKE_SNAPSHOT to one replica of every tablet.
func (c *Cluster) backupPending(j *job) {
	j.id = c.nextID()
	var objects []backupObject
	for _, w := range j.backup.wanted {
		t := j.db.tables[w.table]
		if t == nil {
			c.cancelJob(j, "NOT_FOUND", fmt.Sprintf("table %s does not exist", w.table))
			return
		}
		o := backupObject{table: t, parts: t.partitions}
		if w.partitions != nil {
			var gone string
			if o.parts, gone = t.namedPartitions(w.partitions); gone != "" {
				c.cancelJob(j, "NOT_FOUND", fmt.Sprintf("partition %s does not exist  in table%s", gone, t.name))
				return
			}
		}
		o.parts = slices.Clone(o.parts)
		objects = append(objects, o)
	}
	tasks, bad := c.snapshotTasks(j, objects)
	if bad != nil {
		c.fail(j, "failed to choose replica to make snapshot for tablet %d. visible version: %d", bad.tablet, bad.version)
		return
	}
	j.backup.objects = objects
	j.backup.info = c.snapshotInfo(j.db, j.label, j.created.UnixMilli(), objects)
	j.backup.meta = c.snapshotMeta(j.db, objects)
	j.taskErrs = map[int64]string{}
	c.dispatch(j, tasks, func(t *agentTask) int64 { return t.key.backend })
	c.enter(j, stateSnapshot)
}

// namedPartitions picks partitions by name, whatever its letter case; gone is one that is not there.
func (t *table) namedPartitions(names []string) (parts []*partition, gone string) {
	wanted := map[string]string{}
	for _, name := range names {
		wanted[strings.ToLower(name)] = name
	}
	for _, p := range t.partitions {
		if _, ok := wanted[strings.ToLower(p.name)]; ok {
			parts = append(parts, p)
			delete(wanted, strings.ToLower(p.name))
		}
	}
	for _, name := range wanted {
		return parts, name
	}
	return parts, ""
}

// snapshotTasks sends MAKE_SNAPSHOT to one replica of every tablet.
func (c *Cluster) snapshotTasks(j *job, objects []backupObject) ([]*agentTask, *agentTask) {
	var tasks []*agentTask
	for _, o := range objects {
		for _, p := range o.parts {
			for _, tab := range p.all() {
				t := &agentTask{job: j, tablet: tab.id, place: tabletPlace{j.dbName, o.table.name, p.name}, version: p.visible, timeout: j.timeout}
				i := c.chooseReplica(tab, p.visible)
				if i < 0 {
					return nil, t
				}
				t.key = taskKey{tab.replicas[i].backend, taskSnapshot, tab.id}
				tasks = append(tasks, t)
			}
		}
	}
	return tasks, nil
}

// dispatch makes the job wait for tasks and sends them.
func (c *Cluster) dispatch(j *job, tasks []*agentTask, shown func(*agentTask) int64) {
	list := make(map[int64]int64, len(tasks))
	for _, t := range tasks {
		list[t.key.signature] = shown(t)
	}
	j.expect(list)
	for _, t := range tasks {
		c.send(t)
	}
}

func (c *Cluster) backupSnapshoting(j *job) {
	if j.backup.merged {
		c.cancelJob(j, "OLAP_VERSION_ALREADY_MERGED", "make snapshot failed, version already merged")
		return
	}
	if len(j.unfinished) > 0 {
		return
	}
	j.snapshotDone = time.Now().UTC()
	c.enter(j, stateUpload)
}

// backupUpload sends one UPLOAD per tablet.
func (c *Cluster) backupUpload(j *job) {
	j.taskErrs = map[int64]string{}
	var tasks []*agentTask
	for _, o := range j.backup.objects {
		for _, p := range o.parts {
			ip := j.backup.info.Objects[o.table.name].Partitions[p.name]
			for _, index := range ip.indexes(o.table.name) {
				physical, idx, _ := ip.place(index)
				for _, tab := range idx.tablets() {
					at := j.backup.paths[tab]
					tasks = append(tasks, &agentTask{job: j, tablet: tab, place: tabletPlace{j.dbName, o.table.name, p.name}, path: at.path, repo: j.repo,
						key:    taskKey{at.backend, taskUpload, c.nextID()},
						remote: j.repo.tabletDir(j.label, j.backup.info.ID, j.backup.info.Objects[o.table.name].ID, physical, idx.ID, tab)})
				}
			}
		}
	}
	c.dispatch(j, tasks, func(t *agentTask) int64 { return t.key.backend })
	c.enter(j, stateUploading)
}

// backupUploadInfo writes __meta, then __info: the commit. An error is shown and tried again at every tick.
func (c *Cluster) backupUploadInfo(j *job) {
	if j.backup.savedAt != c.leader {
		j.status = fmt.Sprintf("[COMMON_ERROR, msg: file is invalid: %s/__meta]", j.backup.dir)
		return
	}
	dir, term := j.repo.snapshotDir(j.label), c.term
	c.oldInfo(j.backup.info, j.backup.fileNames)
	meta, info := c.encodeMeta(j.backup.meta), j.backup.info.encode()
	j.busy = true
	c.mu.Unlock()
	err := j.repo.uploadMeta(c.ctx, dir, "__meta", meta)
	if err == nil {
		err = j.repo.uploadMeta(c.ctx, dir, "__info_"+j.timestamp(), info)
	}
	c.mu.Lock()
	j.busy = false
	if c.closed() || c.term != term {
		return
	}
	if err != nil {
		j.status = fmt.Sprintf("[COMMON_ERROR, msg: %v]", err)
		return
	}
	j.status, j.ended = "", time.Now().UTC()
	c.enter(j, stateFinished)
}

// timestamp is the job's creation in the form of __info_<timestamp>, in the FE's zone (UTC).
func (j *job) timestamp() string {
	return strings.Replace(j.created.UTC().Format("2006-01-02-15-04-05.000"), ".", "-", 1)
}

// releaseBackup is RELEASE_SNAPSHOT of everything the backends have reported.
func (c *Cluster) releaseBackup(j *job) {
	for _, at := range j.backup.paths {
		if be := c.backend(at.backend); be != nil {
			delete(be.snapshots, at.path)
		}
	}
	j.backup.paths = map[int64]snapshotPlace{}
}

// uploaded keeps the names of a tablet's files.
func (b *backupWork) uploaded(tablet int64, files []string) {
	if b.files == nil {
		b.files = map[int64][]string{}
	}
	b.files[tablet] = files
}

func (b *backupWork) fileNames(tablet int64) []string { return b.files[tablet] }
