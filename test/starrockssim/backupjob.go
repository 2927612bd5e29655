package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// backupWork is what a BACKUP carries from state to state.
type backupWork struct {
	wanted  []wantedObject
	objects []backupObject
	info    *infoFile
	meta    *metaFile
	paths   map[int64]snapshotPlace // by tablet
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

// backupStatement is BACKUP: checks in the FE's order, then a job in state PENDING.
func (c *Cluster) backupStatement(s *session, st *sqlparse.Backup) error {
	c.mu.Lock()
	db, wanted, err := c.analyzeBackup(s, st)
	var timeout int64
	if err == nil {
		timeout, err = backupProperties(st)
	}
	if err == nil {
		err = s.mayBackup(db, wanted)
	}
	repo := c.repos[st.Repository]
	c.mu.Unlock()
	if err != nil {
		return err
	}
	release, err := c.takeSlot()
	if err != nil {
		return err
	}
	defer release()
	c.mu.Lock()
	err = c.checkBackup(db, repo, wanted)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	used, err := repo.has(c.ctx, repo.snapshotDir(st.Label))
	if err != nil {
		return ddlError("failed to list remote path: %s. msg: %v", repo.path(repo.root+"__ss_*"), err)
	}
	if used {
		if strings.EqualFold(propertyMap(st.Properties)["type"], "incremental") {
			return ddlError("Currently does not support incremental backup")
		}
		return ddlError("Snapshot with name '%s' already exist in repository", st.Label)
	}
	c.mu.Lock()
	defer c.unlock()
	j := &job{kind: kindBackup, id: -1, label: st.Label, db: db, dbName: db.name, repo: repo, created: c.stamp(), timeout: c.orDefault(timeout), term: c.term,
		taskErrs: map[int64]string{}, objects: backupObjs(db.name, wanted), backup: &backupWork{wanted: wanted, paths: map[int64]snapshotPlace{}}}
	c.jobs[db.id] = j
	c.enter(j, statePending)
	return nil
}

func backupObjs(db string, wanted []wantedObject) string {
	var items []string
	for _, w := range wanted {
		parts := ""
		if w.partitions != nil {
			parts = "PARTITIONS (" + strings.Join(w.partitions, ", ") + ")"
		}
		items = append(items, fmt.Sprintf("[%s.%s%s]", db, w.table, parts))
	}
	return strings.Join(items, ", ")
}

// analyzeBackup expands the statement's objects.
func (c *Cluster) analyzeBackup(s *session, st *sqlparse.Backup) (*database, []wantedObject, error) {
	if st.AllCatalogs || len(st.Catalogs) > 0 {
		return nil, nil, analyzedDDL("No external catalog can be backed up")
	}
	if st.Database == "" && s.db != "" {
		return nil, nil, plainError(`Cannot read field "dbName" because "jobInfo" is null`)
	}
	db := c.dbs[st.Database]
	if db == nil {
		return nil, nil, unknownDatabase(st.Database)
	}
	if st.Label == "" {
		return nil, nil, analyzing(5082, "42000", "", "Incorrect label name ''")
	}
	if st.Repository == "" {
		return nil, nil, analyzedDDL("Repository is empty")
	}
	if c.repos[st.Repository] == nil {
		return nil, nil, analyzedDDL("Repository [%s] does not exist", st.Repository)
	}
	wanted, err := c.wantedObjects(db, st)
	if err != nil {
		return nil, nil, err
	}
	if len(wanted) == 0 {
		return nil, nil, analyzed("Database: %s is empty", db.name)
	}
	return db, wanted, nil
}

func (c *Cluster) wantedObjects(db *database, st *sqlparse.Backup) ([]wantedObject, error) {
	var list []wantedObject
	add := func(kind string) {
		for _, t := range db.sortedTables() {
			listed := slices.ContainsFunc(list, func(w wantedObject) bool { return w.table == t.name })
			if t.kind == kind && !listed && (kind != kindMV || c.config["enable_backup_materialized_view"] == "true") {
				list = append(list, wantedObject{table: t.name})
			}
		}
	}
	if !st.On {
		for _, kind := range []string{kindTable, kindMV, kindView} {
			add(kind)
		}
		return list, nil
	}
	for _, o := range st.Objects {
		if o.All {
			add(string(o.Kind))
			continue
		}
		if o.Kind == sqlparse.FunctionObject {
			return nil, analyzedDDL("Invalid backup function(s), function name: %s.%s", db.name, o.Name.Name)
		}
		if slices.ContainsFunc(list, func(w wantedObject) bool { return w.table == o.Name.Name }) {
			return nil, analyzing(1064, "HY000", o.Range.String(), "Duplicated table: %s", o.Name.Name)
		}
		w, err := c.wantedTable(db, o)
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	slices.SortStableFunc(list, func(a, b wantedObject) int { return strings.Compare(a.table, b.table) })
	return list, nil
}

func (c *Cluster) wantedTable(db *database, o sqlparse.Object) (wantedObject, error) {
	w := wantedObject{table: o.Name.Name}
	t := db.tables[w.table]
	if t == nil {
		return w, analyzed("Incorrect table name '%s'", w.table)
	}
	if t.isMV() {
		for _, b := range t.view.bases {
			base := c.dbs[b.db]
			if base == nil || base.tables[b.table] == nil {
				return w, analyzed("Base table %s doest not existed in materialized view %s when backup/restore", b.table, t.name)
			}
		}
	}
	if o.Partitions == nil {
		return w, nil
	}
	if t.isView() {
		return w, analyzing(1104, "42000", "", "Incorrect table name '%s'", w.table)
	}
	if _, gone := t.namedPartitions(o.Partitions.Names); gone != "" {
		return w, analyzing(1064, "HY000", o.Range.String(), "partition[%s] does not exist  in table%s", gone, t.name)
	}
	if o.Partitions.Temporary {
		return w, ddlError("Do not support backing up temp partitions")
	}
	w.partitions = o.Partitions.Names
	return w, nil
}

func backupProperties(st *sqlparse.Backup) (int64, error) {
	m := propertyMap(st.Properties)
	value, given := m["timeout"]
	timeout, err := jobTimeout(value, given)
	if err != nil {
		return 0, err
	}
	delete(m, "timeout")
	if v, ok := m["type"]; ok && !strings.EqualFold(v, "full") && !strings.EqualFold(v, "incremental") {
		return 0, analyzedDDL("Invalid backup job type: %s", v)
	}
	delete(m, "type")
	if len(m) > 0 {
		return 0, unknownProperties("backup", m)
	}
	return timeout, nil
}

func (c *Cluster) checkBackup(db *database, repo *repository, wanted []wantedObject) error {
	if repo == nil || c.repos[repo.name] != repo {
		return ddlError("Repository does not exist")
	}
	if err := c.slotFree(db); err != nil {
		return err
	}
	if repo.readOnly {
		return ddlError("Repository %s is read only", repo.name)
	}
	for _, w := range wanted {
		t := db.tables[w.table]
		if t == nil {
			return &sqlError{5502, "42602", fmt.Sprintf("Unknown table '%s'", w.table)}
		}
		if t.big != nil {
			return ddlError("Table: %s can not support backup restore, type: simulated metadata only", t.name)
		}
		if len(t.temp) > 0 {
			return ddlError("Do not support backing up table with temp partitions")
		}
	}
	return nil
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

// snapshotTasks chooses the first replica that has the version; whether its backend lives is not looked at.
func (c *Cluster) snapshotTasks(j *job, objects []backupObject) ([]*agentTask, *agentTask) {
	var tasks []*agentTask
	for _, o := range objects {
		for _, p := range o.parts {
			for _, tab := range p.tablets {
				t := &agentTask{job: j, tablet: tab.id, place: tabletPlace{j.dbName, o.table.name, p.name}, version: p.visible, timeout: j.timeout}
				i := slices.IndexFunc(tab.replicas, func(r *replica) bool { return r.version >= p.visible })
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
			for _, tab := range j.backup.tablets(o.table.name, p.name) {
				physical, idx, _ := ip.place(o.table.name)
				at := j.backup.paths[tab]
				tasks = append(tasks, &agentTask{job: j, tablet: tab, place: tabletPlace{j.dbName, o.table.name, p.name}, path: at.path, repo: j.repo,
					key:    taskKey{at.backend, taskUpload, c.nextID()},
					remote: j.repo.tabletDir(j.label, j.backup.info.ID, j.backup.info.Objects[o.table.name].ID, physical, idx.ID, tab)})
			}
		}
	}
	c.dispatch(j, tasks, func(t *agentTask) int64 { return t.key.backend })
	c.enter(j, stateUploading)
}

// tablets lists a partition's tablets as they were in PENDING.
func (b *backupWork) tablets(table, part string) []int64 {
	_, idx, _ := b.info.Objects[table].Partitions[part].place(table)
	list := make([]int64, len(idx.Order))
	for i, id := range idx.Order {
		fmt.Sscan(id, &list[i])
	}
	return list
}

// backupUploadInfo writes __meta, then __info: the commit. An error is shown and tried again at every tick.
func (c *Cluster) backupUploadInfo(j *job) {
	if j.backup.savedAt != c.leader {
		j.status = fmt.Sprintf("[COMMON_ERROR, msg: file is invalid: %s/__meta]", j.backup.dir)
		return
	}
	dir, term := j.repo.snapshotDir(j.label), c.term
	meta, info := j.backup.meta.encode(), j.backup.info.encode()
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
