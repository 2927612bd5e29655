package starrockssim

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Load commits rows into a table; they are visible when it returns. A row has one string per column, or per column
// but the AUTO_INCREMENT one; "\N" is NULL. Rows go to partitions by the table's scheme, automatic ones are created.
func (c *Cluster) Load(db, table string, rows ...[]string) error {
	c.mu.Lock()
	defer c.unlock()
	t, err := c.findTable(db, table)
	if err != nil {
		return err
	}
	return c.load(c.dbs[db].id, t, rows, nil)
}

// load commits full rows; only, if set, names the partitions they may go to. A load that cannot be published stays
// COMMITTED: its rows may appear later.
func (c *Cluster) load(db int64, t *table, rows [][]string, only []string) error {
	tx, err := c.commit(db, t, rows, only)
	if err != nil {
		return err
	}
	if !c.publish(tx) { // those that wait behind it have their turn in the next tick
		return plainError("Publish timeout. The data will be visible after a while, %s", tx.message)
	}
	return nil
}

func (c *Cluster) loadable(t *table) error {
	if t.state == stateRestore {
		return plainError("fail to execute commit task: Cannot write RESTORE state table %q", t.name)
	}
	return nil
}

// partitionLoad is what one load brings into one partition.
type partitionLoad struct {
	part    *partition
	buckets [][][]string
}

// distribute sorts rows into partitions and buckets. All of a table's common columns are filled in before.
func (c *Cluster) distribute(t *table, rows [][]string, only []string) ([]*partitionLoad, error) {
	var list []*partitionLoad
	places := map[*partition]*partitionLoad{}
	way := newRouter(t)
	for _, row := range rows {
		full, err := t.fullRow(row)
		if err != nil {
			return nil, err
		}
		p, err := c.route(way, full)
		if err != nil {
			return nil, err
		}
		if only != nil && !slices.ContainsFunc(only, func(n string) bool { return strings.EqualFold(n, p.name) }) {
			return nil, plainError("Insert has filtered data, the row is out of partition ranges. txn_id = %d", c.nextID())
		}
		pl := places[p]
		if pl == nil {
			pl = &partitionLoad{p, make([][][]string, len(p.tablets))}
			places[p], list = pl, append(list, pl)
		}
		b := t.bucket(full, len(p.tablets))
		pl.buckets[b] = append(pl.buckets[b], full)
	}
	return list, nil
}

// fullRow completes and normalises one row.
func (t *table) fullRow(row []string) ([]string, error) {
	auto := t.autoColumn()
	row = t.withGenerated(row)
	if auto >= 0 && len(row) == len(t.columns)-1 {
		row = slices.Insert(slices.Clone(row), auto, null)
	}
	if len(row) != len(t.columns) {
		return nil, plainError("Getting analyzing error. Detail message: Column count doesn't match value count.")
	}
	full := slices.Clone(row)
	if err := t.generate(full); err != nil {
		return nil, err
	}
	for i, col := range t.columns {
		if i == auto && full[i] == null {
			full[i] = t.drawAuto()
		}
		if full[i] == null && !col.nullable {
			return nil, plainError("Insert has filtered data. The value of column %s is NULL, and the column is not nullable", col.name)
		}
		if full[i] != null && isTime(col.typ) {
			full[i] = normalTime(col.typ, full[i])
		}
	}
	return full, nil
}

// drawAuto draws an AUTO_INCREMENT value. The FE hands out blocks of 100,000 to the backends; here every load begins
// where the last one ended, and nextAuto is the block after it, as __info shows it.
func (t *table) drawAuto() string {
	t.autoUsed++
	if t.autoUsed >= t.nextAuto {
		t.nextAuto = t.autoUsed/100000*100000 + 100001
	}
	return strconv.FormatInt(t.autoUsed, 10)
}

func (t *table) bucket(row []string, buckets int) int {
	if buckets == 1 {
		return 0
	}
	if t.dist.random {
		t.roundRobin++
		return t.roundRobin % buckets
	}
	var key strings.Builder
	for _, name := range t.dist.columns {
		key.WriteString(row[t.columnIndex(name)])
		key.WriteByte(0)
	}
	return int(hash32(key.String()) % uint32(buckets))
}

// router finds partitions fast: ranges by search, list values by a map.
type router struct {
	t      *table
	ranges []*partition // by lower bound
	values map[string]*partition
}

func newRouter(t *table) *router {
	r := &router{t: t, values: map[string]*partition{}}
	for _, p := range t.partitions {
		if !p.shadow() {
			r.add(p)
		}
	}
	if t.part.kind == byRange || t.part.kind == byExprRange {
		slices.SortFunc(r.ranges, func(a, b *partition) int { return t.compareKeys(a.lower, b.lower) })
	}
	return r
}

func (r *router) add(p *partition) {
	r.ranges = append(r.ranges, p)
	for _, v := range p.values {
		r.values[strings.Join(v, "\x00")] = p
	}
}

func (r *router) find(values []string) *partition {
	if r.t.part.kind == byList {
		return r.values[strings.Join(values, "\x00")]
	}
	i := sort.Search(len(r.ranges), func(i int) bool { return r.t.compareKeys(values, r.ranges[i].lower) < 0 }) - 1
	if i < 0 || r.t.compareKeys(values, r.ranges[i].upper) >= 0 {
		return nil
	}
	return r.ranges[i]
}

// insert keeps a new partition in order.
func (r *router) insert(p *partition) {
	r.add(p)
	if r.t.part.kind == byList {
		return
	}
	for i := len(r.ranges) - 1; i > 0 && r.t.compareKeys(r.ranges[i].lower, r.ranges[i-1].lower) < 0; i-- {
		r.ranges[i], r.ranges[i-1] = r.ranges[i-1], r.ranges[i]
	}
}

// route finds a row's partition, or creates it in an automatic table.
func (c *Cluster) route(way *router, row []string) (*partition, error) {
	t := way.t
	if t.part.kind == unpartitioned {
		return t.partitions[0], nil
	}
	values := make([]string, len(t.part.columns))
	for i, name := range t.part.columns {
		values[i] = row[t.columnIndex(name)]
	}
	if p := way.find(values); p != nil {
		return p, nil
	}
	if !t.part.auto {
		return nil, plainError("Insert has filtered data, the row is out of partition ranges. txn_id = %d", c.nextID())
	}
	p, err := c.automaticPartition(t, values)
	if err == nil {
		way.insert(p)
	}
	return p, err
}

// compareKeys orders partition keys; a shorter bound counts as lowest in what is missing.
func (t *table) compareKeys(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if d := compareValues(t.columns[t.columnIndex(t.part.columns[i])].typ, a[i], b[i]); d != 0 {
			return d
		}
	}
	return 0
}

func (c *Cluster) automaticPartition(t *table, values []string) (*partition, error) {
	p := &partition{id: c.nextID(), replicas: t.replicas, buckets: t.dist.buckets, visible: 1, next: 2, data: 1, at: time.Now().UTC(), epoch: c.versionEpoch()}
	if t.part.kind == byList {
		p.name = "p" + strings.Join(slices.Collect(mapped(values, partitionWord)), "_")
		p.values = [][]string{values}
	} else {
		typ := t.columns[t.columnIndex(t.part.columns[0])].typ
		at, ok := parseTime(values[0])
		if !ok {
			return nil, plainError("date_trunc of %q", values[0])
		}
		start, next := truncTime(t.part.unit, at)
		p.name = automaticName(t.part.unit, start)
		p.lower, p.upper = []string{formatTime(typ, start)}, []string{formatTime(typ, next)}
	}
	if err := c.fillPartition(t, p); err != nil {
		return nil, plainError("%v", err)
	}
	t.partitions = append(t.partitions, p)
	return p, nil
}

// partitionWord makes a value usable in a partition's name.
func partitionWord(v string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, v)
}

func mapped[T, U any](list []T, f func(T) U) func(func(U) bool) {
	return func(yield func(U) bool) {
		for _, x := range list {
			if !yield(f(x)) {
				return
			}
		}
	}
}
