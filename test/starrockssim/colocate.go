package starrockssim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Colocation groups. Tables of one group name must agree in buckets, replicas and types of the distribution columns,
// across all databases (starrocks-measured, part C 45b); each database has a row of its own in SHOW PROC.

var colocationColumns = words("GroupId GroupName TableIds TableNames BucketsNum ReplicationNum DistCols IsStable")

// colocation is a group in one database.
type colocation struct {
	db     int64
	number int64 // shared by all databases' groups of the name
	name   string
	tables []int64 // in the order they joined; also of dropped tables in the recycle bin
	buckets,
	replicas int
	types string
}

// joinGroup makes a table a member, or says why not; name "" takes it out.
func (c *Cluster) joinGroup(db *database, t *table, name string) error {
	c.leaveGroup(t)
	if name == "" {
		delete(t.props, "colocate_with")
		return nil
	}
	if text := c.groupConflict(t, name); text != "" {
		if old := t.props["colocate_with"]; old != "" && old != name {
			c.enroll(db, t, old)
		}
		return &sqlError{5063, "HY000", text}
	}
	t.props["colocate_with"] = name
	c.enroll(db, t, name)
	return nil
}

// enroll adds the table to its database's group without looking whether it fits.
func (c *Cluster) enroll(db *database, t *table, name string) {
	g := &colocation{db: db.id, name: name, buckets: t.dist.buckets, replicas: t.replicas, types: t.groupTypes()}
	for _, have := range c.groups {
		if have.name == name {
			g.number = have.number
		}
	}
	if i := slices.IndexFunc(c.groups, func(x *colocation) bool { return x.name == name && x.db == db.id }); i >= 0 {
		g = c.groups[i]
	} else {
		c.groups = append(c.groups, g)
	}
	if g.number == 0 {
		g.number = c.nextID()
	}
	g.tables = append(g.tables, t.id)
}

// leaveGroup takes a table out of whatever group it is in; a group without tables is gone.
func (c *Cluster) leaveGroup(t *table) {
	for _, g := range c.groups {
		g.tables = without(g.tables, t.id)
	}
	c.groups = slices.DeleteFunc(c.groups, func(g *colocation) bool { return len(g.tables) == 0 })
}

// groupConflict says, in the FE's words, why a table cannot be in a group.
func (c *Cluster) groupConflict(t *table, name string) string {
	var g *colocation // the newest of the name: the FE names that one
	for _, have := range c.groups {
		if have.name == name {
			g = have
		}
	}
	if g == nil {
		return ""
	}
	id := fmt.Sprintf("%d.%d", g.db, g.number)
	switch {
	case t.dist.random:
		return "Random distribution table does not support colocate"
	case g.buckets != t.dist.buckets:
		return fmt.Sprintf("Colocate tables must have same bucket num: %d, with group %s, current info type: HASH; distribution columns: [%s,]; bucket num: %d; ",
			g.buckets, id, strings.Join(t.dist.columns, ","), t.dist.buckets)
	case g.types != t.groupTypes():
		return fmt.Sprintf("Colocate tables distribution columns must have the same data type with group %s, current col: %s, should be: %s", id, t.groupTypes(), g.types)
	case g.replicas != t.replicas:
		var parts strings.Builder
		for _, p := range t.partitions {
			fmt.Fprintf(&parts, "; %d is HDD: true data_property: Storage medium[HDD]. cool down[9999-12-31 15:59:59]. replica number: %d in memory: false", p.id, t.replicas)
		}
		return fmt.Sprintf("Colocate tables must have same replication num: %d, with group %s, partition info type: %s%s", g.replicas, id, t.part.kind, parts.String())
	}
	return ""
}

func (t *table) groupTypes() string {
	var types []string
	for _, name := range t.dist.columns {
		if i := t.columnIndex(name); i >= 0 {
			types = append(types, displayType(t.columns[i].typ))
		}
	}
	return strings.Join(types, ", ")
}

// colocationRows is SHOW PROC '/colocation_group', the newest group first.
func (c *Cluster) colocationRows() [][]any {
	names := map[int64]string{}
	for _, db := range c.dbs {
		for _, t := range db.tables {
			names[t.id] = t.name
		}
	}
	var rows [][]any
	for _, g := range slices.Backward(c.groups) {
		var ids, shown []string
		for _, id := range g.tables {
			if name, there := names[id]; there {
				ids, shown = append(ids, fmt.Sprint(id)), append(shown, name)
				continue
			}
			ids, shown = append(ids, fmt.Sprint(id)+"*"), append(shown, "[deleted]")
		}
		rows = append(rows, []any{fmt.Sprintf("%d.%d", g.db, g.number), fmt.Sprintf("%d_%s", g.db, g.name), strings.Join(ids, ", "), strings.Join(shown, ", "),
			g.buckets, g.replicas, g.types, "true"})
	}
	return rows
}

// restoreGroup puts a restored table into its group if the FE is told so, else takes it out.
func (c *Cluster) restoreGroup(j *job, t *table) *statusError {
	name := t.props["colocate_with"]
	if name == "" {
		return nil
	}
	if c.config["enable_colocate_restore"] != "true" {
		delete(t.props, "colocate_with")
		return nil
	}
	if text := c.groupConflict(t, name); text != "" {
		return commonError("check colocate restore failed, errmsg: %s, you can disable colocate restore by turn off Config.enable_colocate_restore", text)
	}
	c.enroll(j.db, t, name)
	return nil
}

// The dynamic partition scheduler.

var dynamicColumns = words("TableName Enable TimeUnit Start End Prefix Buckets ReplicationNum StartOf LastUpdateTime LastSchedulerTime State LastCreatePartitionMsg LastDropPartitionMsg InScheduler")

// dynamicZone is the zone in which the FE prints the scheduler's times, whatever its own.
var dynamicZone = time.FixedZone("", 8*3600)

const dynamicPrefix = "dynamic_partition."

func (t *table) dynamic(key string) string { return t.props[dynamicPrefix+key] }

// dynamicRows is SHOW DYNAMIC PARTITION TABLES.
func (c *Cluster) dynamicRows(db *database) [][]any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.In(dynamicZone).Format(time.DateTime)
	}
	var rows [][]any
	for _, t := range db.sortedTables() {
		if t.kind != kindTable || t.dynamic("enable") == "" {
			continue
		}
		enabled := t.dynamic("enable") == "true"
		rows = append(rows, []any{t.name, fmt.Sprint(enabled), t.dynamic("time_unit"), firstOf(t.dynamic("start"), "-2147483648"), t.dynamic("end"), t.dynamic("prefix"),
			firstOf(t.dynamic("buckets"), fmt.Sprint(t.dist.buckets)), t.replicas, nil, at(firstTime(t.dynamicAt, t.created)), at(c.scheduled), stateNormal, nil, nil, fmt.Sprint(enabled)})
	}
	return rows
}

func firstTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// RunDynamicPartitions is one run of the scheduler, which StarRocks makes every 10 minutes: in each table with dynamic
// partitions that are on, RANGE partitions before its window are dropped, past recovery, and those of the window are
// created.
func (c *Cluster) RunDynamicPartitions() error {
	c.mu.Lock()
	defer c.unlock()
	c.scheduled = time.Now().UTC()
	for _, db := range c.dbs {
		for _, t := range db.tables {
			if t.kind != kindTable || t.dynamic("enable") != "true" || t.part.kind != byRange || t.state != stateNormal {
				continue
			}
			if err := c.slide(t); err != nil {
				return fmt.Errorf("dynamic partitions of %s.%s: %w", db.name, t.name, err)
			}
		}
	}
	return nil
}

// slide moves a table's window to today.
func (c *Cluster) slide(t *table) error {
	unit := strings.ToUpper(t.dynamic("time_unit"))
	typ := t.columns[t.columnIndex(t.part.columns[0])].typ
	today, _ := truncTime(strings.ToLower(unit), time.Now().UTC())
	var start, end int
	if _, err := fmt.Sscan(t.dynamic("end"), &end); err != nil {
		return err
	}
	if _, err := fmt.Sscan(t.dynamic("start"), &start); err == nil && start > -100000 {
		first := formatTime(typ, addTime(unit, today, start))
		t.partitions = slices.DeleteFunc(t.partitions, func(p *partition) bool {
			return !p.shadow() && compareValues(typ, p.upper[0], first) <= 0
		})
	}
	for n := 0; n <= end; n++ {
		at := addTime(unit, today, n)
		p := t.blank(t.dynamic("prefix") + strings.TrimPrefix(automaticName(unit, at), "p"))
		p.lower, p.upper, p.fixed = []string{formatTime(typ, at)}, []string{formatTime(typ, addTime(unit, at, 1))}, true
		if slices.ContainsFunc(t.partitions, func(o *partition) bool { return !o.shadow() && t.overlap(p, o) }) {
			continue
		}
		if b := t.dynamic("buckets"); b != "" {
			fmt.Sscan(b, &p.buckets)
		}
		if err := c.attach(t, []*partition{p}, false); err != nil {
			return err
		}
	}
	return nil
}
