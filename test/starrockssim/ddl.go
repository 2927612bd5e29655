package starrockssim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/sqlparse"
)

// The FE's rules for names.
var (
	databaseName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9\-_]{0,255}$`)
	partitionName = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
)

var systemDatabases = []string{"information_schema", "sys", "_statistics_"}

func (c *Cluster) createDatabase(s *session, st *sqlparse.CreateDatabase) error {
	if !databaseName.MatchString(st.Name) {
		return analyzing(1102, "42000", "", "Incorrect database name '%s'", st.Name)
	}
	if err := s.mayCreateDatabase(); err != nil {
		return err
	}
	if c.dbs[st.Name] != nil || slices.Contains(systemDatabases, st.Name) {
		if st.IfNotExists {
			return nil
		}
		return &sqlError{1007, "HY000", fmt.Sprintf("Can't create database '%s'; database exists", st.Name)}
	}
	c.newDatabase(st.Name)
	return nil
}

// dropDatabase also ends the database's job: its row disappears from SHOW.
func (c *Cluster) dropDatabase(s *session, st *sqlparse.DropDatabase) error {
	db := c.dbs[st.Name]
	if db == nil && st.IfExists {
		return nil
	}
	if db == nil {
		return &sqlError{1008, "HY000", fmt.Sprintf("Can't drop database '%s'; database doesn't exist", st.Name)}
	}
	if err := s.may("DROP", "DATABASE", db, nil); err != nil {
		return err
	}
	delete(c.dbs, st.Name)
	c.bin[st.Name] = db
	if st.Force {
		delete(c.bin, st.Name)
		for _, t := range db.tables {
			c.dropTablets(t.partitions)
		}
	}
	return nil
}

func (c *Cluster) recoverDatabase(st *sqlparse.RecoverDatabase) error {
	db := c.bin[st.Name]
	if db == nil {
		return unknownDatabase(st.Name)
	}
	if c.dbs[st.Name] != nil {
		return plainError("Database '%s' already exists", st.Name)
	}
	delete(c.bin, st.Name)
	c.dbs[st.Name] = db
	return nil
}

func (c *Cluster) renameDatabase(s *session, st *sqlparse.RenameDatabase) error {
	db := c.dbs[st.Name]
	if db == nil {
		return unknownDatabase(st.Name)
	}
	if err := s.may("ALTER", "DATABASE", db, nil); err != nil {
		return err
	}
	if c.dbs[st.To] != nil {
		return plainError("Database name[%s] is already used", st.To)
	}
	delete(c.dbs, db.name)
	db.name = st.To
	c.dbs[db.name] = db
	return nil
}

// findTable looks a table up; errors are those of the analyzer. mu must be held.
func (c *Cluster) findTable(db, name string) (*table, error) {
	d := c.dbs[db]
	if d == nil {
		return nil, unknownDatabase(db)
	}
	t := d.tables[name]
	if t == nil {
		return nil, tableNotFound(name)
	}
	return t, nil
}

func (c *Cluster) createTable(s *session, st *sqlparse.CreateTable) error {
	db, err := s.database(st.Name.Database)
	if err != nil {
		return err
	}
	if err := s.may("CREATE TABLE", "DATABASE", db, nil); err != nil {
		return err
	}
	if db.tables[st.Name.Name] != nil {
		if st.IfNotExists {
			return nil
		}
		return analyzing(1050, "42S01", "", "Table '%s' already exists", st.Name.Name)
	}
	t := &table{name: st.Name.Name, kind: kindTable, created: time.Now().UTC(), comment: st.Comment, state: stateNormal, sortKey: st.OrderBy}
	if err := t.define(st); err != nil {
		return err
	}
	defs, err := t.partitionDefs(st.PartitionBy)
	if err != nil {
		return err
	}
	for _, def := range st.Rollups {
		r, err := t.defineRollup(def.Name, def.Columns)
		if err != nil {
			return err
		}
		t.rollups = append(t.rollups, r)
	}
	if err := c.createPartitions(t, defs); err != nil {
		return err
	}
	if group := t.props["colocate_with"]; group != "" {
		if err := c.joinGroup(db, t, group); err != nil {
			c.dropTablets(t.partitions)
			return err
		}
	}
	db.tables[t.name] = t
	c.followName(db, t)
	return nil
}

// createPartitions draws ids in the FE's order: partitions, table, index, then the tablets.
func (c *Cluster) createPartitions(t *table, defs []*partition) error {
	for _, p := range defs {
		p.id = c.nextID()
	}
	t.id, t.indexID = c.nextID(), c.nextID()
	for _, r := range t.rollups {
		r.id = c.nextID()
	}
	for _, p := range defs {
		if err := c.fillPartition(t, p); err != nil {
			return plainError("Unexpected exception: %v", err)
		}
		p.epoch = c.versionEpoch()
	}
	t.partitions = defs
	return nil
}

// define fills in columns, keys, distribution and properties.
func (t *table) define(st *sqlparse.CreateTable) error {
	t.keys = map[sqlparse.KeysModel]string{sqlparse.NoKeys: duplicateKeys, sqlparse.DuplicateKeys: duplicateKeys,
		sqlparse.AggregateKeys: aggregateKeys, sqlparse.UniqueKeys: uniqueKeys, sqlparse.PrimaryKeys: primaryKeys}[st.Keys]
	keys := st.KeyColumns
	if len(keys) == 0 {
		keys = defaultKeys(st.Columns, t.keys)
	}
	for i, col := range st.Columns {
		t.columns = append(t.columns, defineColumn(col, i, slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, col.Name) }), t.keys))
	}
	for i, col := range t.columns {
		t.columns[i].gen = t.quoteColumns(col.gen)
	}
	for _, ix := range st.Indexes {
		t.indexes = append(t.indexes, tableIndex{ix.Name, ix.Comment, ix.Columns})
	}
	t.dist = distribution{random: true, buckets: 3}
	if d := st.Distribution; d != nil {
		t.dist = distribution{random: d.Random, columns: t.exactNames(d.Columns), buckets: d.Buckets}
	} else if t.keys != duplicateKeys {
		t.dist = distribution{columns: keys}
	}
	if t.dist.buckets == 0 || st.Distribution == nil {
		t.dist.buckets, t.dist.auto = 3, true
	}
	if err := t.defineProperties(st.Properties); err != nil {
		return err
	}
	t.schemaHash = t.hashSchema()
	return nil
}

// exactNames gives columns the letter case they were defined with.
func (t *table) exactNames(names []string) []string {
	out := slices.Clone(names)
	for i, name := range names {
		if n := t.columnIndex(name); n >= 0 {
			out[i] = t.columns[n].name
		}
	}
	return out
}

// defaultKeys: the first columns, up to three, of a duplicate table; those without aggregation of an aggregate one.
func defaultKeys(columns []sqlparse.Column, model string) []string {
	var keys []string
	for _, col := range columns {
		if col.Aggregate != "" || model == duplicateKeys && len(keys) == 3 {
			break
		}
		keys = append(keys, col.Name)
	}
	return keys
}

func defineColumn(col sqlparse.Column, uid int, key bool, model string) column {
	out := column{name: col.Name, typ: strings.ToLower(col.Type), key: key, nullable: col.Nullable && !(key && model == primaryKeys),
		autoInc: col.AutoIncrement, hasDef: col.HasDefault && col.DefaultExpr == "", def: col.Default, gen: col.As, comment: col.Comment, uid: uid}
	if col.AutoIncrement {
		out.nullable = false
	}
	switch {
	case key:
	case col.Aggregate != "":
		out.agg = strings.ToUpper(col.Aggregate)
	case model == uniqueKeys || model == primaryKeys:
		out.agg = "REPLACE"
	default:
		out.agg = "NONE"
	}
	return out
}

func (t *table) defineProperties(list []sqlparse.Property) error {
	t.props = map[string]string{"compression": "LZ4", "fast_schema_evolution": "true", "replicated_storage": "true"}
	if t.primary() {
		t.props["enable_persistent_index"] = "true"
	}
	if t.dist.random {
		t.props["bucket_size"] = "4294967296"
	}
	t.replicas = 3
	for _, p := range list {
		if p.Key != "replication_num" {
			t.props[p.Key] = p.Value
			continue
		}
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 1 {
			return analyzed("Invalid replication number: %s", p.Value)
		}
		t.replicas = n
	}
	return nil
}

// hashSchema depends on what makes two tables' files exchangeable.
func (t *table) hashSchema() int64 {
	var b strings.Builder
	for _, col := range t.columns {
		fmt.Fprintf(&b, "%s|%s|%t|%s;", col.name, col.typ, col.key, col.agg)
	}
	return int64(hash32(t.keys + b.String()))
}
