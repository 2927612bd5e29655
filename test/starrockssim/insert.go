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
	for i, p := range t.partitions {
		if list == nil && p.shadow() || list != nil && !containsFold(list.Names, p.name) {
			continue
		}
		fresh := *p
		fresh.id, fresh.visible, fresh.next, fresh.data, fresh.at, fresh.epoch = c.nextID(), 1, 2, 1, time.Now().UTC(), c.versionEpoch()
		if err := c.fillPartition(t, &fresh); err != nil {
			return plainError("%v", err)
		}
		c.dropTablets([]*partition{p})
		t.partitions[i] = &fresh
	}
	return nil
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
		return c.load(t, rows, only)
	}
	if isTrue(s.vars["dynamic_overwrite"]) && t.part.auto && !slices.ContainsFunc(t.partitions, (*partition).shadow) {
		return plainError(`Cannot invoke "com.starrocks.catalog.Partition.getId()" because the return value of "com.starrocks.catalog.OlapTable.getPartition(String)" is null`)
	}
	if err := c.renew(t, st.Partitions); err != nil {
		return err
	}
	renewed := slices.Clone(t.partitions)
	if err := c.load(t, rows, only); err != nil {
		return err
	}
	for _, p := range renewed { // the insert commits to every partition it opened
		if p.visible == 1 && !p.shadow() && (st.Partitions == nil || containsFold(only, p.name)) {
			c.publish(&partitionLoad{p, make([][][]string, len(p.tablets))})
		}
	}
	return nil
}

func isTrue(v string) bool {
	return v == "1" || strings.EqualFold(v, "true") || strings.EqualFold(v, "on")
}

func (c *Cluster) insertRows(s *session, t *table, st *sqlparse.Insert) ([][]string, error) {
	if st.Query != nil {
		return c.queryRows(s, st.Query)
	}
	var rows [][]string
	for _, exprs := range st.Rows {
		row := make([]string, len(t.columns))
		given := make([]bool, len(t.columns))
		for i, e := range exprs {
			at := i
			if len(st.Columns) > 0 {
				if i >= len(st.Columns) {
					return nil, analyzed("Column count doesn't match value count")
				}
				at = t.columnIndex(st.Columns[i])
			}
			if at < 0 || at >= len(row) {
				return nil, analyzed("Column count doesn't match value count")
			}
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
		if len(st.Columns) == 0 && len(exprs) != len(t.columns) {
			return nil, analyzed("Column count doesn't match value count")
		}
		for i, col := range t.columns {
			if !given[i] {
				row[i] = null
				if col.hasDef {
					row[i] = col.def
				}
			}
		}
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
	kept := make([]*segment, len(p.tablets))
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
	}
	p.visible, p.next, p.data, p.at = p.next, p.next+1, p.data+1, time.Now().UTC()
	for i, tab := range p.tablets {
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
