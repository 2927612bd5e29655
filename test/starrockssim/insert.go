package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// truncateTable gives partitions new ids and tablets at version 1.
func (c *Cluster) truncateTable(s *session, st *sqlparse.TruncateTable) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return err
	}
	if err := s.may("DELETE", "TABLE", db, t); err != nil {
		return err
	}
	if t.state == stateRestore {
		return underRestore(t.name)
	}
	return c.renew(t, st.Partitions)
}

// renew replaces partitions (all but the shadow one, if list is nil) by empty ones.
func (c *Cluster) renew(t *table, list *sqlparse.PartitionList) error {
	fresh, err := c.renewed(t, list)
	if err != nil {
		return err
	}
	c.dropTablets(added(t.partitions, fresh))
	t.partitions = fresh
	return nil
}

// renewed is the table's partitions with empty ones in the place of some.
func (c *Cluster) renewed(t *table, list *sqlparse.PartitionList) ([]*partition, error) {
	out := slices.Clone(t.partitions)
	for i, p := range out {
		if list == nil && p.shadow() || list != nil && !containsFold(list.Names, p.name) {
			continue
		}
		fresh := *p
		fresh.id, fresh.visible, fresh.next, fresh.data, fresh.at, fresh.epoch = c.nextID(), 1, 2, 1, time.Now().UTC(), c.versionEpoch()
		if err := c.fillPartition(t, &fresh); err != nil {
			return nil, plainError("%v", err)
		}
		out[i] = &fresh
	}
	return out, nil
}

func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}

// insert is INSERT INTO|OVERWRITE … VALUES, or from another table with SELECT *.
func (c *Cluster) insert(s *session, st *sqlparse.Insert) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table '%s'.", st.Name.Name)}
	}
	if err := s.may("INSERT", "TABLE", db, t); err != nil {
		return err
	}
	if st.Overwrite && t.state == stateRestore {
		return plainError("table state is RESTORE, please wait to insert overwrite until table state is normal")
	}
	rows, err := c.insertRows(s, t, st)
	if err != nil {
		return err
	}
	var only []string
	if st.Partitions != nil {
		only = st.Partitions.Names
	}
	if !st.Overwrite {
		return c.load(db.id, t, rows, only)
	}
	if isTrue(s.vars["dynamic_overwrite"]) && t.part.auto && !slices.ContainsFunc(t.partitions, (*partition).shadow) {
		return plainError(`Cannot invoke "com.starrocks.catalog.Partition.getId()" because the return value of "com.starrocks.catalog.OlapTable.getPartition(String)" is null`)
	}
	return c.overwrite(db, t, rows, st.Partitions)
}

// overwrite puts new partitions (all but the shadow one, if list is nil) with the rows into the place of the old ones:
// all or nothing.
func (c *Cluster) overwrite(db *database, t *table, rows [][]string, list *sqlparse.PartitionList) error {
	var only []string
	if list != nil {
		only = list.Names
		for _, name := range only {
			if t.findPartition(name) == nil {
				return analyzed("Unknown partition '%s' in table '%s'", name, t.name)
			}
		}
	}
	if t.state == stateRestore {
		return plainError("table state is RESTORE, please wait to insert overwrite until table state is normal")
	}
	old := t.partitions
	fresh, err := c.renewed(t, list)
	if err != nil {
		return err
	}
	t.partitions = fresh
	loads, err := c.distribute(t, rows, only)
	if err != nil {
		c.dropTablets(added(t.partitions, old))
		t.partitions = old
		return err
	}
	for _, p := range fresh { // the insert commits to every partition it opened
		opened := !slices.Contains(old, p) && !slices.ContainsFunc(loads, func(pl *partitionLoad) bool { return pl.part == p })
		if opened {
			loads = append(loads, &partitionLoad{p, make([][][]string, len(p.tablets))})
		}
	}
	tx := c.committed(db.id, t, loads)
	if !c.publish(tx) {
		c.dropTablets(added(t.partitions, old))
		t.partitions, tx.visible, tx.parts = old, true, nil
		return plainError("insert overwrite failed: %s", tx.message)
	}
	c.dropTablets(added(old, t.partitions))
	return nil
}

// added lists what is in list and not in before.
func added(list, before []*partition) []*partition {
	return slices.DeleteFunc(slices.Clone(list), func(p *partition) bool { return slices.Contains(before, p) })
}

func isTrue(v string) bool {
	return v == "1" || strings.EqualFold(v, "true") || strings.EqualFold(v, "on")
}

func (c *Cluster) insertRows(s *session, t *table, st *sqlparse.Insert) ([][]string, error) {
	places, err := t.insertPlaces(st.Columns)
	if err != nil {
		return nil, err
	}
	if st.Query != nil {
		return c.insertQuery(s, t, st, places)
	}
	var rows [][]string
	for _, exprs := range st.Rows {
		if len(exprs) != len(places) {
			return nil, analyzed("Column count doesn't match value count")
		}
		row := make([]string, len(t.columns))
		given := make([]bool, len(t.columns))
		for i, e := range exprs {
			at := places[i]
			if ref, ok := e.(*sqlparse.ColumnRef); ok && strings.EqualFold(ref.Parts[0], "DEFAULT") {
				continue
			}
			v, err := (&scope{s: s}).eval(e)
			if err != nil {
				return nil, err
			}
			row[at], given[at] = v.Text, true
			if !v.Valid {
				row[at] = null
			}
		}
		t.fillIn(row, given)
		rows = append(rows, row)
	}
	return rows, nil
}

// insertPlaces are the indexes of the columns that an INSERT gives: those it names, else all but the generated ones.
func (t *table) insertPlaces(names []string) ([]int, error) {
	var places []int
	for i, col := range t.columns {
		if len(names) == 0 && col.gen == "" {
			places = append(places, i)
		}
	}
	for _, name := range names {
		i := t.columnIndex(name)
		if i < 0 {
			return nil, analyzed("Unknown column '%s' in '%s'", name, t.name)
		}
		if t.columns[i].gen != "" {
			return nil, analyzed("generated column '%s' can not be specified", name)
		}
		places = append(places, i)
	}
	return places, nil
}

// fillIn gives the columns that were not given their defaults.
func (t *table) fillIn(row []string, given []bool) {
	for i, col := range t.columns {
		if given[i] {
			continue
		}
		row[i] = null
		if col.hasDef {
			row[i] = col.def
		}
	}
}

// insertQuery is the rows of INSERT … SELECT, column by column in the order of the statement.
func (c *Cluster) insertQuery(s *session, t *table, st *sqlparse.Insert, places []int) ([][]string, error) {
	found, err := c.queryRows(s, st.Query)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, values := range found {
		if len(values) == len(t.columns) && len(st.Columns) == 0 {
			rows = append(rows, values) // SELECT * of a table with the same generated columns
			continue
		}
		if len(values) != len(places) {
			return nil, analyzed("Inserted target column count: %d doesn't match select/value column count: %d", len(places), len(values))
		}
		row, given := make([]string, len(t.columns)), make([]bool, len(t.columns))
		for i, v := range values {
			row[places[i]], given[places[i]] = v, true
		}
		t.fillIn(row, given)
		rows = append(rows, row)
	}
	return rows, nil
}

// deleteRows is DELETE … WHERE: the rows are gone, the versions of the partitions it touches rise.
func (c *Cluster) deleteRows(s *session, st *sqlparse.Delete) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return err
	}
	if err := s.may("DELETE", "TABLE", db, t); err != nil {
		return err
	}
	if t.state == stateRestore {
		if t.primary() {
			return analyzing(5014, "HY000", "", "Table state is not NORMAL: 'RESTORING'")
		}
		return plainError("Table's state is not normal: %s", t.name)
	}
	for _, p := range t.partitions {
		if p.shadow() || st.Partitions != nil && !containsFold(st.Partitions.Names, p.name) {
			continue
		}
		if err := c.deleteIn(s, t, p, st.Where); err != nil {
			return err
		}
	}
	return nil
}

// deleteIn rewrites a partition without the rows, as one rowset at the next version.
func (c *Cluster) deleteIn(s *session, t *table, p *partition, where sqlparse.Expr) error {
	kept := make([]*segment, len(p.all()))
	for i, tab := range p.tablets {
		rows, err := c.read(t, p, tab)
		if err != nil {
			return err
		}
		var left [][]string
		for _, row := range rows {
			match, err := (&scope{s: s, row: tableRow(t, row)}).matches(where)
			if err != nil {
				return err
			}
			if !match {
				left = append(left, row)
			}
		}
		kept[i] = newSegment(left)
		for n, r := range t.rollups {
			kept[(n+1)*len(p.tablets)+i] = newSegment(r.rows(t, left))
		}
	}
	p.visible, p.next, p.data, p.at = p.next, p.next+1, p.data+1, time.Now().UTC()
	for i, tab := range p.all() {
		for _, r := range tab.replicas {
			be := c.backend(r.backend)
			if bt := be.tablets[tab.id]; bt != nil {
				bt.rowsets = []rowset{{id: be.rowsetID(), from: 0, to: p.visible, segment: kept[i]}}
				r.version = p.visible
			}
		}
	}
	return nil
}
