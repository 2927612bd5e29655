package starrockssim

import (
	"slices"
	"strings"
	"time"
)

const shadowPartition = "$shadow_automatic_partition"

// The kinds of tables.
const (
	kindTable = "TABLE"
	kindView  = "VIEW"
	kindMV    = "MATERIALIZED VIEW"
)

// The partition types, as the FE names them in __meta.
const (
	unpartitioned     = "UNPARTITIONED"
	byRange           = "RANGE"
	byList            = "LIST"
	byExprRange       = "EXPR_RANGE"
	stateNormal       = "NORMAL"
	stateRestore      = "RESTORE"
	stateRollup       = "ROLLUP"
	stateSchemaChange = "SCHEMA_CHANGE"
	stateAltering     = "SCHEMA_CHANGE"
	primaryKeys       = "PRIMARY_KEYS"
	uniqueKeys        = "UNIQUE_KEYS"
	aggregateKeys     = "AGG_KEYS"
	duplicateKeys     = "DUP_KEYS"
	defaultCatalog    = "default_catalog"
)

type database struct {
	id     int64
	name   string
	tables map[string]*table
	bin    map[string]*table // dropped tables, for RECOVER TABLE

	functions []*function // by signature
}

type column struct {
	name     string
	typ      string // as in CREATE TABLE, lower case: "varchar(20)", "int"
	key      bool
	agg      string // SUM, REPLACE, NONE …; "" for keys
	nullable bool
	autoInc  bool
	hasDef   bool
	def      string
	gen      string // expression of a generated column
	comment  string
	uid      int
}

// table is a table, a materialized view or a logical view.
type table struct {
	id      int64
	name    string
	kind    string
	created time.Time
	comment string

	keys       string
	columns    []column
	state      string
	indexID    int64
	schemaHash int64
	schemaVer  int
	change     *schemaChange // the last one
	sortKey    []string
	indexes    []tableIndex
	part       partitioning
	dist       distribution
	rollups    []*rollup
	partitions []*partition
	temp       []*partition
	props      map[string]string // without replication_num
	replicas   int               // the table's replication_num
	nextAuto   int64             // next AUTO_INCREMENT block of the FE, as __info shows it; 0: none drawn yet
	autoUsed   int64             // last AUTO_INCREMENT value given out
	roundRobin int               // RANDOM distribution: rows go round
	dynamicAt  time.Time         // of the last change of its dynamic partitioning

	view *viewBody // views and materialized views
	big  *bigTable // metadata only, made while it is read
}

type tableIndex struct {
	name, comment string
	columns       []string
}

type partitioning struct {
	kind    string // unpartitioned, byRange, byList, byExprRange
	columns []string
	unit    string // of date_trunc in byExprRange
	auto    bool
}

type distribution struct {
	random  bool
	columns []string
	buckets int
	auto    bool // CREATE TABLE gave no number of buckets
}

type viewBody struct {
	query    string // as SHOW CREATE prints it
	original string
	columns  []viewColumn
	bases    []baseTable
	// of materialized views
	home     string // database it was made in
	active   bool
	reason   string
	refresh  string
	last     *viewRefresh
	computed map[string]int64 // versions of the base that the view's data stands for
	part     string           // PARTITION BY, as SHOW CREATE prints it
	doubts   map[int]string   // why some FEs, by index, call the view inactive
	// replaced is the definition that a restart of the FE brings back (starrocks-measured, part C 42)
	replaced *table
}

type viewColumn struct{ name, comment string }

type baseTable struct {
	db, table string
	dbID, id  int64
}

type partition struct {
	id       int64 // logical
	physical int64
	name     string
	lower    []string // range: closed
	upper    []string // range: open
	values   [][]string
	fixed    bool // written as [a, b), not as LESS THAN
	replicas int
	buckets  int
	tablets  []*tablet   // of the base index, by bucket
	rolled   [][]*tablet // of each rollup of the table
	// versions
	visible int64
	next    int64
	at      time.Time
	data    int64
	epoch   int64
}

type tablet struct {
	id       int64
	replicas []*replica
}

// replica is what the FE believes of a tablet's copy; the copy itself is in the backend.
type replica struct {
	id      int64
	backend int64
	version int64
}

func (p *partition) shadow() bool { return p.name == shadowPartition }

func (t *table) findPartition(name string) *partition {
	for _, p := range t.partitions {
		if strings.EqualFold(p.name, name) {
			return p
		}
	}
	return nil
}

func (t *table) columnIndex(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
}

func (t *table) keyColumns() []string {
	var names []string
	for _, c := range t.columns {
		if c.key {
			names = append(names, c.name)
		}
	}
	return names
}

func (t *table) primary() bool { return t.keys == primaryKeys }
func (t *table) isMV() bool    { return t.kind == kindMV }
func (t *table) isView() bool  { return t.kind == kindView }

// autoColumn is the index of the AUTO_INCREMENT column, or -1.
func (t *table) autoColumn() int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.autoInc })
}

func (c *Cluster) newDatabase(name string) *database {
	db := &database{id: c.nextID(), name: name, tables: map[string]*table{}, bin: map[string]*table{}}
	c.dbs[name] = db
	return db
}

func (c *Cluster) databaseByID(id int64) *database {
	for _, db := range c.dbs {
		if db.id == id {
			return db
		}
	}
	return nil
}

// sortedTables lists a database's tables by name.
func (db *database) sortedTables() []*table {
	list := make([]*table, 0, len(db.tables))
	for _, t := range db.tables {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *table) int { return strings.Compare(a.name, b.name) })
	return list
}

func (c *Cluster) sortedDatabases() []*database {
	list := make([]*database, 0, len(c.dbs))
	for _, db := range c.dbs {
		list = append(list, db)
	}
	slices.SortFunc(list, func(a, b *database) int { return strings.Compare(a.name, b.name) })
	return list
}

// versionEpoch is as unique and as large as the FE's.
func (c *Cluster) versionEpoch() int64 { return 456186445938294784 + c.nextID()*2048 }

// fillPartition gives p its physical id, tablets and replicas at version 1.
func (c *Cluster) fillPartition(t *table, p *partition) error {
	p.physical = c.physicalID(p)
	p.tablets, p.rolled = nil, nil
	var err error
	if p.tablets, err = c.newTablets(t, p, t.schemaHash); err != nil {
		return err
	}
	for _, r := range t.rollups {
		tablets, err := c.newTablets(t, p, r.hash)
		if err != nil {
			return err
		}
		p.rolled = append(p.rolled, tablets)
	}
	return nil
}

// newTablets makes the empty tablets of one index of a partition.
func (c *Cluster) newTablets(t *table, p *partition, hash int64) ([]*tablet, error) {
	var list []*tablet
	for range p.buckets {
		tab := &tablet{id: c.nextID()}
		hosts, err := c.chooseBackends(t.name, p.replicas)
		if err != nil {
			return nil, err
		}
		for _, be := range hosts {
			tab.replicas = append(tab.replicas, &replica{id: c.nextID(), backend: be.id, version: p.visible})
			be.createTablet(tab.id, hash, t.primary(), 1)
		}
		list = append(list, tab)
	}
	return list, nil
}

// chooseBackends picks n different alive hosts, going round.
func (c *Cluster) chooseBackends(table string, n int) ([]*backend, error) {
	var alive []*backend
	for _, be := range c.backends {
		if be.aliveNow() {
			alive = append(alive, be)
		}
	}
	if len(alive) < n {
		return nil, failedHosts(n, table)
	}
	start := int(c.lastID % int64(len(alive)))
	picked := make([]*backend, n)
	for i := range n {
		picked[i] = alive[(start+i)%len(alive)]
	}
	return picked, nil
}

// eachTablet calls f for every tablet of the partitions.
func eachTablet(parts []*partition, f func(*partition, *tablet)) {
	for _, p := range parts {
		for _, tab := range p.all() {
			f(p, tab)
		}
	}
}

// dropTablets removes the replicas from the backends, as their next report would.
func (c *Cluster) dropTablets(parts []*partition) {
	eachTablet(parts, func(_ *partition, tab *tablet) {
		for _, r := range tab.replicas {
			if be := c.backend(r.backend); be != nil {
				delete(be.tablets, tab.id)
			}
		}
	})
}
