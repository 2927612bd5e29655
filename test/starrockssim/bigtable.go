package starrockssim

import (
	"fmt"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// bigTable is a table of which only metadata can be asked: partitions, versions, sizes. Nothing is stored of it.
type bigTable struct {
	db, name            string
	partitions, buckets int
	first               int64 // id of the first partition
	at                  time.Time
	t                   *table
}

// AddBigTable adds a table of days partitions with buckets tablets each, replication 1, whose rows of SHOW PARTITIONS
// and information_schema.partitions_meta are made while they are sent: millions of tablets cost nothing. It can be
// planned for, not backed up. The database is created if it is missing.
func (c *Cluster) AddBigTable(db, name string, partitions, buckets int) error {
	c.mu.Lock()
	defer c.unlock()
	d := c.dbs[db]
	if d == nil {
		d = c.newDatabase(db)
	}
	if d.tables[name] != nil {
		return analyzing(1050, "42S01", "", "Table '%s' already exists", name)
	}
	t := &table{name: name, kind: kindTable, created: time.Now().UTC(), state: stateNormal, keys: duplicateKeys, replicas: 1,
		columns: []column{{name: "dt", typ: "date", key: true}, {name: "k", typ: "bigint", key: true, uid: 1}, {name: "v", typ: "varchar(20)", agg: "NONE", nullable: true, uid: 2}},
		props:   map[string]string{"compression": "LZ4", "fast_schema_evolution": "true", "replicated_storage": "true"}}
	t.part = partitioning{kind: byRange, columns: []string{"dt"}}
	t.dist = distribution{columns: []string{"k"}, buckets: buckets}
	t.schemaHash = t.hashSchema()
	t.id, t.indexID = c.nextID(), c.nextID()
	t.big = &bigTable{db: db, name: name, partitions: partitions, buckets: buckets, first: c.lastID + 1, at: t.created, t: t}
	c.lastID += int64(partitions) * int64(2+2*buckets)
	d.tables[name] = t
	return nil
}

// partition makes the i-th partition, without its tablets.
func (b *bigTable) partition(i int) *partition {
	start := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)
	id := b.first + int64(i)*int64(2+2*b.buckets)
	return &partition{id: id, physical: id + 1, name: fmt.Sprintf("p%s_%d", start.Format("20060102"), i), replicas: 1, buckets: b.buckets,
		lower: []string{start.Format(time.DateOnly)}, upper: []string{start.AddDate(0, 0, 1).Format(time.DateOnly)},
		visible: 2, next: 3, data: 2, at: b.at, epoch: 456186445938294784 + id}
}

// rows makes the rows of partitions_meta.
func (b *bigTable) rows(yield func([]mysqlwire.Value) bool) bool {
	key := b.t.partitionKeyText()
	at := b.at.Format(time.DateTime)
	for i := range b.partitions {
		p := b.partition(i)
		row := values([]any{b.db, b.name, p.name, p.physical, nil, p.visible, at, p.next, p.data, p.epoch, "TXN_NORMAL", key, b.t.rangeText(p), "k",
			p.buckets, 1, "HDD", "9999-12-31 15:59:59", nil, "0", "0", "64MB", 1000, nil, nil, nil, nil, nil, 64 << 20, nil})
		if !yield(row) {
			return false
		}
	}
	return true
}

// bigPartitions is information_schema.partitions_meta where a condition leaves big tables of one database only; else
// nil. Its rows are in order, so that none of them has to be kept.
func (s *session) bigPartitions(where sqlparse.Expr) *source {
	var bigs []*bigTable
	only := true
	s.eachTable(where, func(_ *database, t *table) []any {
		if t.big == nil || len(bigs) > 0 && bigs[0].db != t.big.db {
			only = false
			return nil
		}
		bigs = append(bigs, t.big)
		return nil
	})
	if !only || len(bigs) == 0 {
		return nil
	}
	return &source{columns: partitionsColumns, sorted: true, rows: func(yield func([]mysqlwire.Value) bool) {
		for _, b := range bigs {
			if !b.rows(yield) {
				return
			}
		}
	}}
}
