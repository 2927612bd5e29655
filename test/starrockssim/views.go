package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

func (c *Cluster) createView(s *session, st *sqlparse.CreateView) error {
	db, err := s.database(st.Name.Database)
	if err != nil {
		return err
	}
	if err := s.may("CREATE VIEW", "DATABASE", db, nil); err != nil {
		return err
	}
	if old := db.tables[st.Name.Name]; old != nil {
		if st.IfNotExists {
			return nil
		}
		if !st.OrReplace || !old.isView() {
			return analyzing(1050, "42S01", "", "Table '%s' already exists", st.Name.Name)
		}
	}
	t := &table{id: c.nextID(), name: st.Name.Name, kind: kindView, created: time.Now().UTC(), comment: st.Comment, state: stateNormal}
	if t.view, t.columns, err = s.viewBody(st.Query, st.Columns); err != nil {
		return err
	}
	db.tables[t.name] = t
	return nil
}

func (c *Cluster) alterView(s *session, st *sqlparse.AlterView) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return err
	}
	if err := s.may("ALTER", "VIEW", db, t); err != nil {
		return err
	}
	body, cols, err := s.viewBody(st.Query, nil)
	if err != nil {
		return err
	}
	t.view, t.columns = body, cols
	return nil
}

// viewBody resolves a view's query: names become database and table, as the FE stores them.
func (s *session) viewBody(q *sqlparse.Select, names []sqlparse.ViewColumn) (*viewBody, []column, error) {
	body := &viewBody{original: q.Text(), active: true}
	var base *table
	var prefix string
	if q.From != nil {
		db, t, err := s.table(*q.From)
		if err != nil {
			return nil, nil, &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table '%s.%s'.", firstOf(q.From.Database, s.db), q.From.Name)}
		}
		if t.state == stateRestore {
			return nil, nil, analyzing(5014, "HY000", "", "Table state is not NORMAL: 'RESTORING'")
		}
		body.bases = append(body.bases, baseTable{db.name, t.name, db.id, t.id})
		base, prefix = t, fmt.Sprintf("`%s`.`%s`", db.name, t.name)
	}
	var cols []column
	var items []string
	for _, item := range q.Items {
		if item.Star && base != nil {
			for _, col := range base.columns {
				cols = append(cols, viewColumnOf(col.name, col.typ))
				items = append(items, prefix+".`"+col.name+"`")
			}
			continue
		}
		name, text := item.Alias, item.Text
		if ref, ok := item.Expr.(*sqlparse.ColumnRef); ok && base != nil {
			last := ref.Parts[len(ref.Parts)-1]
			i := base.columnIndex(last)
			if i < 0 {
				return nil, nil, analyzed("Column '%s' cannot be resolved", last)
			}
			text = prefix + ".`" + base.columns[i].name + "`"
			if name != "" && name != last {
				text += " AS `" + name + "`"
			}
			cols = append(cols, viewColumnOf(firstOf(name, last), base.columns[i].typ))
		} else {
			name = firstOf(name, text)
			cols = append(cols, viewColumnOf(name, "bigint"))
			text = qualified(item.Expr, prefix, base) + " AS `" + name + "`"
		}
		items = append(items, text)
	}
	body.query = body.print(q, items, prefix, base)
	for i := range cols {
		vc := viewColumn{name: cols[i].name}
		if i < len(names) {
			vc = viewColumn{names[i].Name, names[i].Comment}
			cols[i].name = vc.name
		}
		body.columns = append(body.columns, vc)
	}
	return body, cols, nil
}

func viewColumnOf(name, typ string) column {
	return column{name: name, typ: typ, nullable: true, uid: -1}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// partitionMV makes a view partitioned by a column of its base: its partitions are the base's, and come with a refresh.
func (c *Cluster) partitionMV(t *table, by []sqlparse.Expr) error {
	ref, ok := by[0].(*sqlparse.ColumnRef)
	base := c.baseOf(t)
	if !ok || len(by) > 1 || base == nil {
		return plainError("The simulator partitions materialized views by one column of a table")
	}
	name := ref.Parts[len(ref.Parts)-1]
	t.part = partitioning{kind: base.part.kind, columns: []string{name}}
	if t.part.kind == byExprRange {
		t.part.kind = byRange
	}
	t.view.part = "PARTITION BY (`" + name + "`)\n"
	return nil
}

// createMV creates an asynchronous materialized view.
func (c *Cluster) createMV(s *session, st *sqlparse.CreateMaterializedView) error {
	if !st.Async {
		return c.createSyncMV(s, st)
	}
	db, err := s.database(st.Name.Database)
	if err != nil {
		return err
	}
	if err := s.may("CREATE MATERIALIZED VIEW", "DATABASE", db, nil); err != nil {
		return err
	}
	if db.tables[st.Name.Name] != nil {
		if st.IfNotExists {
			return nil
		}
		return analyzing(1050, "42S01", "", "Table '%s' already exists", st.Name.Name)
	}
	t := &table{name: st.Name.Name, kind: kindMV, created: time.Now().UTC(), comment: st.Comment, state: stateNormal, keys: duplicateKeys, replicas: 3, props: map[string]string{"replicated_storage": "true", "storage_medium": "HDD"}}
	if t.view, t.columns, err = s.viewBody(st.Query, st.Columns); err != nil {
		return err
	}
	t.view.home = db.name
	for _, b := range t.view.bases { // columns are qualified by table alone
		t.view.query = strings.ReplaceAll(t.view.query, fmt.Sprintf("`%s`.`%s`.`", b.db, b.table), "`"+b.table+"`.`")
	}
	t.view.refresh = firstOf(st.Refresh, "ASYNC")
	if len(t.columns) > 0 {
		t.columns[0].key = true
	}
	t.dist = distribution{random: true, buckets: 1}
	if d := st.Distribution; d != nil {
		t.dist = distribution{random: d.Random, columns: t.exactNames(d.Columns), buckets: max(1, d.Buckets)}
	}
	for _, p := range st.Properties {
		if p.Key == "replication_num" {
			fmt.Sscan(p.Value, &t.replicas)
		} else {
			t.props[p.Key] = p.Value
		}
	}
	t.schemaHash = t.hashSchema()
	t.part.kind = unpartitioned
	partitions := []*partition{t.blank(t.name)}
	if len(st.PartitionBy) > 0 {
		if partitions, err = nil, c.partitionMV(t, st.PartitionBy); err != nil {
			return err
		}
	}
	if err := c.createPartitions(t, partitions); err != nil {
		return err
	}
	db.tables[t.name] = t
	return nil
}

func (c *Cluster) alterMV(s *session, st *sqlparse.AlterMaterializedView) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return err
	}
	if !t.isMV() {
		return tableNotFound(st.Name.Name)
	}
	if err := s.may("ALTER", kindMV, db, t); err != nil {
		return err
	}
	switch st.Action {
	case "INACTIVE":
		t.view.active, t.view.reason = false, "user use alter materialized view set status to inactive"
	case "ACTIVE":
		return c.activateMV(db, t)
	case "RENAME":
		if db.tables[st.To] != nil {
			return plainError("Table name[%s] is already used", st.To)
		}
		delete(db.tables, t.name)
		t.rename(st.To)
		db.tables[t.name] = t
	}
	return nil
}

// activateMV resolves the bases again, by name.
func (c *Cluster) activateMV(db *database, t *table) error {
	bases := slices.Clone(t.view.bases)
	for i, b := range bases {
		home := c.dbs[b.db]
		if home == nil {
			return analyzed("Can not active materialized view [%s] because analyze materialized view define sql: \n\n%s. Cause an error: Unknown database '%s'", t.name, t.view.query, b.db)
		}
		if home.tables[b.table] == nil {
			return analyzed("Can not active materialized view [%s] because analyze materialized view define sql: \n\n%s. Cause an error: Unknown table '%s'", t.name, t.view.query, b.table)
		}
		bases[i] = baseTable{home.name, b.table, home.id, home.tables[b.table].id}
	}
	t.view.bases, t.view.active, t.view.reason, t.view.doubts = bases, true, "", nil
	return nil
}
