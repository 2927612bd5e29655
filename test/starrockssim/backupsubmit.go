package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/sqlparse"
)

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
		return ddlError("failed to list remote path: %s. msg: %s", repo.path(repo.root+"__ss_*"), said(err))
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
		for _, kind := range c.coveredKinds() {
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
		if err := c.checkVersion(t); err != nil {
			return err
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
