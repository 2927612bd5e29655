package starrockssim

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"starkeep/test/starrockssim/sqlparse"
)

// restoreWork is what a RESTORE carries from state to state.
type restoreWork struct {
	timestamp   string
	allowLoad   bool
	replication int
	info        *infoFile // cut down to what is restored
	meta        *metaFile // nil: it could not be read
	aliases     map[string]string

	named    bool // aliases are in force: from then on, rollback goes by the new names
	fresh    []freshTable
	added    []addedPartition
	targets  []restoreTarget
	existing []*table // in state RESTORE
	skipped  []*table // active MVs
	views    []*table
	paths    map[replicaKey]string
	moves    []*agentTask
	hasMV    bool
	lostMV   bool // the context of its materialized views did not survive a restart
}

type replicaKey struct{ tablet, backend int64 }

// freshTable is a table this job creates: original is its name in the snapshot.
type freshTable struct {
	original string
	table    *table
}

type addedPartition struct {
	table *table
	part  *partition
}

// restoreTarget is a local partition and where its tablets' files are.
type restoreTarget struct {
	table   *table
	part    *partition
	remote  func(i int) string // directory of the i-th tablet
	version int64              // >0: the partition is overwritten and gets this version
}

// restoreStatement is RESTORE: checks in the FE's order, then a job in state PENDING.
func (c *Cluster) restoreStatement(s *session, st *sqlparse.Restore) error {
	work, timeout, err := analyzeRestore(st)
	if err != nil {
		return err
	}
	c.mu.Lock()
	repo := c.repos[st.Repository]
	err = s.mayRestore(st)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if repo == nil {
		return ddlError("Repository %s does not exist", st.Repository)
	}
	if err := c.readInfo(repo, st, work); err != nil {
		return err
	}
	target := st.TargetDatabase()
	if target == "" {
		target = work.info.Database
	}
	c.mu.Lock()
	if c.dbs[target] == nil && c.older(3, 4) {
		c.unlock()
		return unknownDatabase(target)
	}
	if c.dbs[target] == nil {
		c.newDatabase(target) // not rolled back, whatever comes next; the name is not checked
	}
	db := c.dbs[target]
	c.unlock()
	release, err := c.takeSlot()
	if err != nil {
		return err
	}
	defer release()
	c.mu.Lock()
	err = c.slotFree(db)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	work.meta = c.readMeta(repo, work.info.Name)
	if st.Source != "" && st.Source != work.info.Database {
		return ddlError("target database: %s is not existed in snapshot", st.Source)
	}
	if err := cutInfo(work, st); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.unlock()
	j := &job{kind: kindRestore, id: -1, label: st.Label, db: db, dbName: db.name, repo: repo, created: c.stamp(), timeout: c.orDefault(timeout), term: c.term,
		taskErrs: map[int64]string{}, objects: restoreObjs(work.info), restore: work}
	c.jobs[db.id] = j
	c.enter(j, statePending)
	return nil
}

// analyzeRestore checks what needs no catalog.
func analyzeRestore(st *sqlparse.Restore) (*restoreWork, int64, error) {
	work := &restoreWork{replication: 3, aliases: map[string]string{}, paths: map[replicaKey]string{}}
	if err := checkAliases(st.Objects, work.aliases); err != nil {
		return nil, 0, err
	}
	m := propertyMap(st.Properties)
	if v, ok := m["allow_load"]; ok {
		if v != "true" && v != "false" {
			return nil, 0, analyzedDDL("Invalid allow load value: %s", v)
		}
		work.allowLoad = v == "true"
	}
	for _, key := range []string{"replication_num", "meta_version", "starrocks_meta_version"} {
		v, ok := m[key]
		if !ok {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, 0, analyzedDDL("Invalid meta version format: %s", v)
		}
		if key == "replication_num" {
			work.replication = n
		}
	}
	ts, ok := m["backup_timestamp"]
	if !ok {
		return nil, 0, analyzedDDL("Missing backup_timestamp property")
	}
	work.timestamp = ts
	value, given := m["timeout"]
	timeout, err := jobTimeout(value, given)
	if err != nil {
		return nil, 0, err
	}
	for _, key := range []string{"allow_load", "replication_num", "meta_version", "starrocks_meta_version", "backup_timestamp", "timeout"} {
		delete(m, key)
	}
	if len(m) > 0 {
		return nil, 0, unknownProperties("restore", m)
	}
	return work, timeout, nil
}

func checkAliases(objects []sqlparse.Object, aliases map[string]string) error {
	seen := map[string]bool{}
	for _, o := range objects {
		if o.All || o.Kind == sqlparse.FunctionObject {
			continue
		}
		if seen[o.Name.Name] {
			return analyzing(1064, "HY000", o.Range.String(), "Duplicated table: %s", o.Name.Name)
		}
		seen[o.Name.Name] = true
	}
	used := map[string]bool{}
	for _, o := range objects {
		if !o.HasAlias {
			continue
		}
		if seen[o.Alias] || used[o.Alias] {
			return analyzing(1064, "HY000", o.Range.String(), "Duplicated alias name: %s", o.Alias)
		}
		used[o.Alias] = true
		aliases[o.Name.Name] = o.Alias
	}
	return nil
}

// readInfo downloads __info_<timestamp> of the label.
func (c *Cluster) readInfo(repo *repository, st *sqlparse.Restore, work *restoreWork) error {
	text, err := repo.download(c, repo.snapshotDir(st.Label), "__info_"+work.timestamp)
	if err != nil {
		return ddlError("Failed to get info of snapshot '%s' because: %v. Maybe specified wrong backup timestamp", st.Label, err)
	}
	info, err := parseInfo(text)
	if err != nil {
		return plainError("%v", err)
	}
	if info.Database == "" {
		return ddlError("Can not specify database for external catalog snapshot")
	}
	if st.AllCatalogs || len(st.Catalogs) > 0 {
		return ddlError("This is not a snapshot for external catalog restore, snapshot: %s", st.Label)
	}
	work.info = info
	return nil
}

// readMeta downloads __meta of the snapshot that __info names. A failure is not told here: the job dies in PENDING.
func (c *Cluster) readMeta(repo *repository, label string) *metaFile {
	body, err := repo.download(c, repo.snapshotDir(label), "__meta")
	if err != nil {
		return nil
	}
	meta, err := parseMeta(body)
	if err != nil {
		return nil
	}
	return meta
}

// cutInfo leaves in __info what ON names.
func cutInfo(work *restoreWork, st *sqlparse.Restore) error {
	all := work.info.Objects
	if st.On {
		work.info.Objects = map[string]infoTable{}
		kinds := map[sqlparse.ObjectKind]bool{}
		for _, o := range st.Objects {
			if o.All {
				kinds[o.Kind] = true
				continue
			}
			if o.Kind == sqlparse.FunctionObject {
				return ddlError("Can not find restore function: %s", o.Name.Name)
			}
			it, err := cutTable(all, o, st.Label)
			if err != nil {
				return err
			}
			work.info.Objects[o.Name.Name] = it
		}
		for name, it := range all {
			if _, have := work.info.Objects[name]; !have && work.meta != nil && kinds[metaKind(work.meta.Tables[name])] {
				work.info.Objects[name] = it
			}
		}
	}
	for name := range work.info.Objects {
		if work.meta != nil && work.meta.Tables[name] == nil {
			return plainError(`Cannot invoke "com.starrocks.catalog.Table.isSupportBackupRestore()" because "remoteTbl" is null`)
		}
	}
	return nil
}

func cutTable(all map[string]infoTable, o sqlparse.Object, label string) (infoTable, error) {
	name := o.Name.Name
	it, ok := all[name]
	if !ok {
		return it, ddlError("Table %s does not exist in snapshot %s", name, label)
	}
	if o.Partitions == nil {
		return it, nil
	}
	if o.Partitions.Temporary {
		return it, ddlError("Do not support restoring temporary partitions")
	}
	cut := infoTable{ID: it.ID, Auto: it.Auto, Partitions: map[string]infoPartition{}}
	for _, p := range o.Partitions.Names {
		ip, ok := it.Partitions[p]
		if !ok {
			return it, ddlError("Partition %s of table %s does not exist in snapshot %s", p, name, label)
		}
		cut.Partitions[p] = ip
	}
	return cut, nil
}

func metaKind(m *metaTable) sqlparse.ObjectKind {
	if m == nil {
		return sqlparse.AnyObject
	}
	switch m.Clazz {
	case "View":
		return sqlparse.ViewObject
	case "MaterializedView":
		return sqlparse.MaterializedViewObject
	}
	return sqlparse.TableObject
}

// restoreObjs is the RestoreObjs column.
func restoreObjs(info *infoFile) string {
	var items []string
	for _, name := range javaOrder(info.Objects) {
		parts := slices.DeleteFunc(sortedKeys(info.Objects[name].Partitions), func(p string) bool { return p == name })
		sort.Strings(parts)
		if len(parts) > 0 {
			name += fmt.Sprintf(" PARTITIONS [%s]", strings.Join(parts, ", "))
		}
		items = append(items, name)
	}
	return strings.Join(items, ", ")
}
