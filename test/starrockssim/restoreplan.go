package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// planObject decides what becomes of one object of the snapshot. poison: the FE throws here, at every tick.
func (c *Cluster) planObject(j *job, name string) (poison bool, failure *statusError) {
	w := j.restore
	remote, err := w.meta.Tables[name].tableOf()
	if err != nil {
		return true, nil
	}
	local := j.db.tables[w.target(name)]
	switch {
	case remote.isView():
		return false, c.planView(j, remote, local)
	case local == nil:
		return false, c.planNew(j, name, remote)
	case local.isView():
		return true, nil // ClassCastException
	case local.isMV() && local.view.active:
		w.skipped = append(w.skipped, local)
		return false, nil
	default:
		return false, c.planExisting(j, name, remote, local)
	}
}

func (c *Cluster) planView(j *job, remote, local *table) *statusError {
	w := j.restore
	original := remote.name
	if local != nil && !local.isView() {
		return &statusError{"BAD_REPLACE", fmt.Sprintf("Table: %s has existed and it is not a View", local.name)}
	}
	remote.id, remote.name = c.nextID(), w.target(original)
	w.views = append(w.views, remote)
	return nil
}

// planNew creates a table with the selected partitions under new ids.
func (c *Cluster) planNew(j *job, name string, remote *table) *statusError {
	w := j.restore
	it := w.info.Objects[name]
	t := remote
	t.id, t.indexID = c.nextID(), c.nextID()
	for _, r := range t.rollups {
		r.id = c.nextID()
	}
	t.replicas, t.state = w.replication, stateRestore
	if t.isMV() {
		w.hasMV = true
		t.view.home = j.db.name
	}
	var parts []*partition
	for _, p := range t.partitions {
		ip, ok := it.Partitions[p.name]
		if !ok {
			continue
		}
		if err := c.newIDs(t, p); err != nil {
			return commonError("%v", err)
		}
		parts = append(parts, p)
		w.targets = append(w.targets, restoreTarget{table: t, part: p, remote: w.remote(j, name, t, it.ID, ip)})
	}
	t.partitions = parts
	if failure := c.restoreGroup(j, t); failure != nil {
		return failure
	}
	if it.Auto > 0 {
		t.nextAuto, t.autoUsed = it.Auto, it.Auto-1
	}
	w.fresh = append(w.fresh, freshTable{name, t})
	return nil
}

// newIDs gives a partition of the snapshot local ids and replicas; its versions stay.
func (c *Cluster) newIDs(t *table, p *partition) error {
	p.id = c.nextID()
	p.physical, p.replicas = c.physicalID(p), t.replicas
	for _, tab := range p.all() {
		tab.id = c.nextID()
		hosts, err := c.chooseBackends(t.name, t.replicas)
		if err != nil {
			return err
		}
		for _, be := range hosts {
			tab.replicas = append(tab.replicas, &replica{id: c.nextID(), backend: be.id, version: p.visible})
		}
	}
	return nil
}

// remote tells the directory of the i-th of all tablets of a partition: rollups come in the order of t.
func (w *restoreWork) remote(j *job, name string, t *table, table int64, ip infoPartition) func(int) string {
	var dirs []string
	names := []string{name}
	for _, r := range t.rollups {
		names = append(names, r.name)
	}
	for _, index := range names {
		physical, idx, _ := ip.place(index)
		for _, tablet := range idx.tablets() {
			dirs = append(dirs, j.repo.tabletDir(j.label, w.info.ID, table, physical, idx.ID, tablet))
		}
	}
	return func(i int) string {
		if i < len(dirs) {
			return dirs[i]
		}
		physical, idx, _ := ip.place(name)
		return j.repo.tabletDir(j.label, w.info.ID, table, physical, idx.ID, 0)
	}
}

func (c *Cluster) planExisting(j *job, name string, remote, local *table) *statusError {
	w := j.restore
	it := w.info.Objects[name]
	if local.autoColumn() >= 0 && it.Auto > 0 {
		local.nextAuto, local.autoUsed = it.Auto, it.Auto-1 // before all checks, and not rolled back
	}
	if text := compareTables(remote, local); text != "" {
		return commonError("%s", text)
	}
	for _, pname := range sortedKeys(it.Partitions) {
		rp := remote.findPartition(pname)
		if rp == nil {
			continue
		}
		ip := it.Partitions[pname]
		lp := local.findPartition(pname)
		if local.part.kind == unpartitioned {
			lp = local.partitions[0]
		}
		if lp != nil {
			if text := overwritable(local, lp, rp, ip.ID, w.replication); text != "" {
				return commonError("%s", text)
			}
			w.targets = append(w.targets, restoreTarget{table: local, part: lp, remote: w.remote(j, name, local, it.ID, ip), version: ip.Version})
			continue
		}
		if failure := c.planAdded(j, name, remote, local, rp, ip); failure != nil {
			return failure
		}
	}
	return nil
}

func (c *Cluster) planAdded(j *job, name string, remote, local *table, rp *partition, ip infoPartition) *statusError {
	w := j.restore
	if local.part.kind != byRange && local.part.kind != byExprRange {
		return commonError("No partition exist in single partitioned table %s", local.name)
	}
	if ip.ID != rp.id { // a NullPointerException, and at the next tick this
		return commonError("Table %s's state is not NORMAL: RESTORE", local.name)
	}
	for _, p := range local.partitions {
		if !p.shadow() && !rp.shadow() && local.overlap(p, rp) {
			return commonError("Partition %s in table %s has conflict range with existing ranges", rp.name, local.name)
		}
	}
	replicas := local.replicas
	local.replicas = w.replication
	err := c.newIDs(local, rp)
	local.replicas = replicas
	if err != nil {
		return commonError("%v", err)
	}
	rp.at = time.UnixMilli(rp.at.UnixMilli()).UTC()
	w.added = append(w.added, addedPartition{local, rp})
	w.targets = append(w.targets, restoreTarget{table: local, part: rp, remote: w.remote(j, name, local, w.meta.Tables[name].ID, ip)})
	return nil
}

// overwritable says why a local partition cannot be overwritten. The FE looks the range of the snapshot's up by the id that
// __info has; one that __meta does not know has none (starrocks-measured C §2).
func overwritable(t *table, lp, rp *partition, id int64, replication int) string {
	if (t.part.kind == byRange || t.part.kind == byExprRange) && (id != rp.id || !slices.Equal(lp.lower, rp.lower) || !slices.Equal(lp.upper, rp.upper)) {
		return fmt.Sprintf("Partition %s in table %s has different range with partition in repository", lp.name, t.name)
	}
	if lp.replicas != replication {
		return fmt.Sprintf("Partition %s in table %s has different replication num '%d' with partition in repository, which is %d", lp.name, t.name, lp.replicas, replication)
	}
	return ""
}

// compareTables says, in the FE's words, why the snapshot's table does not fit the local one; "" if it does.
func compareTables(remote, local *table) string {
	if remote.part.kind != local.part.kind {
		return "Table's partition type is different"
	}
	if step, differ := signature(remote, local); differ {
		return fmt.Sprintf("Table %s already exist but with different schema, errMsg: %s", local.name, step)
	}
	if remote.keys != local.keys {
		return fmt.Sprintf("Table %s already exist but with different key type", local.name)
	}
	for i, lc := range local.columns {
		if rc := remote.columns[i]; !sameColumn(rc, lc) {
			return fmt.Sprintf("Table %s already exist but with different schema, column: %s in existed table is different from the column in backup snapshot, column: %s", local.name, lc.name, rc.name)
		}
	}
	return ""
}

// signature compares what goes into the FE's checksum, step by step; some differences have no name.
func signature(remote, local *table) (step string, differ bool) {
	switch {
	case remote.name != local.name:
		return "Table name is inconsistent", true
	case remote.kind != local.kind:
		return "Table type is inconsistent", true
	case shortKeys(remote) != shortKeys(local):
		return "short key column count is inconsistent", true
	case len(remote.columns) != len(local.columns), !slices.Equal(bloomColumns(remote), bloomColumns(local)), !slices.Equal(rollupNames(remote), rollupNames(local)):
		return "", true
	case local.part.kind == byRange && !sameColumnTypes(remote, local, remote.part.columns, local.part.columns):
		return "partition columns is inconsistent", true
	case remote.dist.random != local.dist.random:
		return "", true
	}
	for _, rp := range remote.partitions {
		lp := local.findPartition(rp.name)
		if lp == nil || lp.name != rp.name {
			continue
		}
		if !sameColumnTypes(remote, local, remote.dist.columns, local.dist.columns) {
			return "partition distribution col hash is inconsistent", true
		}
		if len(rp.tablets) != len(lp.tablets) {
			return "bucket num is inconsistent", true
		}
	}
	return "", false
}

func rollupNames(t *table) []string {
	var names []string
	for _, r := range t.rollups {
		names = append(names, r.name)
	}
	slices.Sort(names)
	return names
}

func sameColumnTypes(a, b *table, as, bs []string) bool {
	return slices.EqualFunc(as, bs, func(x, y string) bool {
		i, k := a.columnIndex(x), b.columnIndex(y)
		return strings.EqualFold(x, y) && i >= 0 && k >= 0 && metaTypeOf(a.columns[i].typ) == metaTypeOf(b.columns[k].typ)
	})
}

func sameColumn(a, b column) bool {
	return strings.EqualFold(a.name, b.name) && metaTypeOf(a.typ) == metaTypeOf(b.typ) && a.key == b.key && a.agg == b.agg &&
		a.nullable == b.nullable && a.autoInc == b.autoInc && a.hasDef == b.hasDef && a.def == b.def && a.gen == b.gen && a.comment == b.comment
}

// activateRestored makes restored materialized views active whose base tables are there: in the same database, or
// where their definition says.
func (c *Cluster) activateRestored(j *job) {
	if j.restore.lostMV {
		return // after a take-over the views' context is gone: they stay as they are
	}
	var mvs []*table
	for _, f := range j.restore.fresh {
		if f.table.isMV() {
			mvs = append(mvs, f.table)
		}
	}
	for _, t := range j.restore.existing {
		if t.isMV() && !slices.Contains(j.restore.skipped, t) {
			mvs = append(mvs, t)
		}
	}
	for _, mv := range mvs {
		c.rebase(j.db, mv)
	}
}

func (c *Cluster) rebase(db *database, mv *table) {
	mv.view.bases = slices.Clone(mv.view.bases)
	for i, b := range mv.view.bases {
		home := db
		if db.tables[b.table] == nil {
			home = c.dbs[b.db]
		}
		if home == nil || home.tables[b.table] == nil {
			mv.view.active = false
			mv.view.reason = fmt.Sprintf("Cannot active the materialized view %s after restore, please check whether its base table has already been backup or restore:%s.%d.%d", mv.name, defaultCatalog, b.dbID, b.id)
			return
		}
		mv.view.bases[i] = baseTable{home.name, b.table, home.id, home.tables[b.table].id}
	}
	mv.view.active, mv.view.reason = true, ""
}
