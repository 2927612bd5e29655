package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

func (c *Cluster) dropTable(s *session, n sqlparse.TableName, ifExists, force bool, kind string) error {
	db, t, err := s.table(n)
	if err != nil && ifExists && db != nil {
		return nil
	}
	if db == nil {
		return err
	}
	if t == nil {
		return &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table '%s'.", n.Name)}
	}
	if t.kind != kind {
		return plainError("'%s.%s' is not %s", db.name, t.name, kind)
	}
	if err := s.may("DROP", t.kind, db, t); err != nil {
		return err
	}
	delete(db.tables, t.name)
	c.inactivate(t, "base-table dropped: "+t.name)
	if !force { // another table of that name may be in the recycle bin already: FORCE leaves it there
		db.bin[t.name] = t
		return nil
	}
	c.dropTablets(t.partitions)
	return nil
}

func (c *Cluster) recoverTable(s *session, st *sqlparse.RecoverTable) error {
	db, err := s.database(st.Name.Database)
	if err != nil {
		return err
	}
	if db.tables[st.Name.Name] != nil {
		return &sqlError{1050, "42S01", fmt.Sprintf("Table '%s' already exists", st.Name.Name)}
	}
	t := db.bin[st.Name.Name]
	if t == nil {
		return &sqlError{5502, "42602", fmt.Sprintf("Unknown table '%s'", st.Name.Name)}
	}
	delete(db.bin, t.name)
	db.tables[t.name] = t
	return nil
}

func (c *Cluster) alterTable(s *session, st *sqlparse.AlterTable) error {
	db, t, err := s.table(st.Name)
	if err != nil {
		return err
	}
	if err := s.may("ALTER", "TABLE", db, t); err != nil {
		return err
	}
	if t.state == stateRestore {
		return underRestore(t.name)
	}
	switch cl := st.Clause.(type) {
	case *sqlparse.SwapWith:
		return c.swap(s, db, t, cl.Name)
	case *sqlparse.RenameTo:
		return c.renameTable(s, db, t, cl.Name)
	case *sqlparse.SetProperties:
		return c.setProperties(db, t, cl.Properties)
	case *sqlparse.SetComment:
		t.comment = cl.Comment
		return nil
	case *sqlparse.AddPartition:
		return c.addPartition(t, cl)
	case *sqlparse.DropPartition:
		return c.dropPartition(t, cl)
	case *sqlparse.RenamePartition:
		return t.renamePartition(cl)
	case *sqlparse.ReplacePartition:
		return c.replacePartition(t, cl)
	case *sqlparse.AddColumn:
		return t.addColumn(cl)
	case *sqlparse.ModifyColumn:
		return c.modifyColumn(t, cl.Column)
	case *sqlparse.AddRollup:
		return c.addRollup(t, cl.Rollup, "")
	case *sqlparse.DropRollup:
		return c.dropRollup(t, cl.Name)
	case *sqlparse.DropColumn:
		return c.dropColumn(t, cl.Name)
	}
	return plainError("The simulator does not know this ALTER TABLE")
}

// swap exchanges two tables' names. Grants follow the ids; views follow the names; async views turn inactive.
func (c *Cluster) swap(s *session, db *database, t *table, with string) error {
	other := db.tables[with]
	if other == nil {
		return &sqlError{5502, "42602", fmt.Sprintf("Unknown table '%s.%s'", db.name, with)}
	}
	if err := s.may("ALTER", "TABLE", db, other); err != nil {
		return err
	}
	if other.kind != kindTable || t.kind != kindTable {
		return plainError("Table %s is not an OLAP table", with)
	}
	for _, x := range []*table{t, other} {
		if x.state == stateRestore {
			return underRestore(x.name)
		}
		if x.state != stateNormal {
			return plainError("Table[%s]'s state is not NORMAL", x.name)
		}
	}
	name := t.name
	t.rename(with)
	other.rename(name)
	db.tables[t.name], db.tables[other.name] = t, other
	c.followName(db, t, other)
	c.inactivate(t, "base-table swapped: "+name)
	c.inactivate(other, "base-table swapped: "+with)
	return nil
}

func (c *Cluster) renameTable(s *session, db *database, t *table, to string) error {
	if err := s.may("CREATE TABLE", "DATABASE", db, nil); err != nil {
		return err
	}
	if db.tables[to] != nil {
		return plainError("Table name[%s] is already used", to)
	}
	if t.state != stateNormal {
		return plainError("Table[%s] is under %s", t.name, t.state)
	}
	old := t.name
	delete(db.tables, old)
	t.rename(to)
	db.tables[to] = t
	c.followName(db, t)
	c.inactivate(t, "base-table renamed: "+old)
	return nil
}

// inactivate turns the materialized views on a table inactive.
func (c *Cluster) inactivate(t *table, reason string) {
	for _, db := range c.dbs {
		for _, mv := range db.tables {
			if mv.isMV() && mv.view.active && slices.ContainsFunc(mv.view.bases, func(b baseTable) bool { return b.id == t.id }) {
				mv.view.active, mv.view.reason = false, reason
				c.inactivate(mv, "base-mv inactive: "+mv.name)
			}
		}
	}
}

func (c *Cluster) setProperties(db *database, t *table, list []sqlparse.Property) error {
	for _, p := range list {
		switch key := strings.TrimPrefix(p.Key, "default."); {
		case key == "replication_num":
			fmt.Sscan(p.Value, &t.replicas)
			if p.Key == key {
				for _, part := range t.partitions {
					part.replicas = t.replicas
				}
			}
		case key == "storage_medium":
			return analyzedDDL("Unknown properties: {storage_medium=%s}", p.Value)
		case key == "colocate_with":
			if err := c.joinGroup(db, t, p.Value); err != nil {
				return err
			}
		default:
			t.props[key] = p.Value
			if strings.HasPrefix(key, dynamicPrefix) {
				t.dynamicAt = time.Now().UTC()
			}
		}
	}
	return nil
}

func (c *Cluster) addPartition(t *table, cl *sqlparse.AddPartition) error {
	if t.part.kind == unpartitioned {
		return plainError("Only support adding partition to range/list partitioned table")
	}
	if cl.Step != nil {
		defs, err := t.steps(*cl.Step)
		if err != nil {
			return err
		}
		return c.attach(t, defs, false)
	}
	def := cl.Partition
	def.Properties = append(slices.Clone(def.Properties), cl.Properties...)
	existing := t.partitions
	if cl.Temporary {
		existing = t.temp
	}
	if def.IfNotExists && t.findPartition(def.Name) != nil {
		return nil
	}
	p, err := t.partitionOf(def, existing)
	if err != nil {
		return err
	}
	if cl.Distribution != nil && cl.Distribution.Buckets > 0 {
		p.buckets = cl.Distribution.Buckets
	}
	return c.attach(t, []*partition{p}, cl.Temporary)
}

func (c *Cluster) attach(t *table, defs []*partition, temporary bool) error {
	for _, p := range defs {
		if !temporary && t.findPartition(p.name) != nil {
			return plainError("Duplicate partition name %s", p.name)
		}
		p.id, p.epoch = c.nextID(), c.versionEpoch()
		if err := c.fillPartition(t, p); err != nil {
			return plainError("%v", err)
		}
		if temporary {
			t.temp = append(t.temp, p)
		} else {
			t.partitions = append(t.partitions, p)
		}
	}
	return nil
}

func (c *Cluster) dropPartition(t *table, cl *sqlparse.DropPartition) error {
	if cl.Temporary {
		t.temp = slices.DeleteFunc(t.temp, func(p *partition) bool { return strings.EqualFold(p.name, cl.Name) })
		return nil
	}
	p := t.findPartition(cl.Name)
	if p == nil {
		if cl.IfExists {
			return nil
		}
		return plainError("Error in list of partitions to %s", "DROP")
	}
	t.partitions = without(t.partitions, p)
	return nil
}

func (t *table) renamePartition(cl *sqlparse.RenamePartition) error {
	p := t.findPartition(cl.Name)
	if p == nil {
		return plainError("Partition[%s] does not exists", cl.Name)
	}
	if t.findPartition(cl.To) != nil {
		return plainError("Partition name[%s] is already used", cl.To)
	}
	p.name = cl.To
	return nil
}

// replacePartition gives the temporary partition the place and name of the other.
func (c *Cluster) replacePartition(t *table, cl *sqlparse.ReplacePartition) error {
	if len(cl.Names) != 1 || len(cl.With) != 1 {
		return plainError("The simulator replaces one partition at a time")
	}
	p := t.findPartition(cl.Names[0])
	i := slices.IndexFunc(t.temp, func(x *partition) bool { return strings.EqualFold(x.name, cl.With[0]) })
	if p == nil || i < 0 {
		return plainError("Partition does not exist")
	}
	temp := t.temp[i]
	t.temp = slices.Delete(t.temp, i, i+1)
	temp.name = p.name
	t.partitions[slices.Index(t.partitions, p)] = temp
	return nil
}

// addColumn is a fast schema change: it is there at once, no partition's version moves. Older rows show the default.
func (t *table) addColumn(cl *sqlparse.AddColumn) error {
	if t.columnIndex(cl.Column.Name) >= 0 {
		return plainError("Can not add column which already exists in base table: %s", cl.Column.Name)
	}
	if cl.First || cl.After != "" || cl.Column.Key {
		return plainError("The simulator adds columns at the end only, and no keys")
	}
	t.columns = append(t.columns, defineColumn(cl.Column, len(t.columns), false, t.keys))
	t.changedSchema()
	return nil
}

func (t *table) changedSchema() {
	t.schemaVer++
	t.schemaHash = t.hashSchema() + int64(t.schemaVer)
}

func (c *Cluster) dropColumn(t *table, name string) error {
	i := t.columnIndex(name)
	if i < 0 || t.columns[i].key {
		return plainError("Column[%s] does not exists or is a key", name)
	}
	if i < len(t.columns)-1 {
		return plainError("The simulator drops the last column only")
	}
	t.columns = slices.Delete(t.columns, i, i+1)
	t.changedSchema()
	return nil
}
