package restorepoint

import (
	"slices"
	"strings"

	"starkeep/starrocks"
)

// CatchUp is what a restore has to bring to a target that holds an earlier point.
type CatchUp struct {
	Include    []string // patterns of tables, and of partitions where that is enough
	Tables     int
	Partitions int
	Bytes      int64
	Gone       []string // "db", "db.table" or "db.table/partition": in the earlier point, and not in this one
	Unnamed    []string // tables that no pattern can name, and nothing brings
	Objects    []string // views and functions, "db.name"
}

// maxNamed is how many partitions of a table are named, and maxPatterns of all tables; of more, tables are brought as a
// whole: patterns are an input of Restore, which histories hold.
const (
	maxNamed    = 200
	maxPatterns = 5000
)

// CatchUpTo compares two complete restore points of one cluster; applied is nil where the target holds nothing. A
// partition is the same if it lies in the same native snapshot: what was backed up since is brought again.
func CatchUpTo(applied *Manifest, to Manifest) CatchUp {
	var c CatchUp
	was := map[TableName]*Table{}
	if applied != nil {
		for i, d := range applied.Databases {
			for j, t := range d.Tables {
				was[TableName{Database: d.Name, Table: t.Name}] = &applied.Databases[i].Tables[j]
			}
		}
	}
	for _, d := range to.Databases {
		for _, t := range d.Tables {
			name := TableName{Database: d.Name, Table: t.Name}
			c.table(d.Name, was[name], t)
			delete(was, name)
		}
		for _, name := range d.Objects.Names() {
			if !strings.ContainsAny(name, "*/") {
				c.Objects = append(c.Objects, Pattern{Database: d.Name, Table: name}.String())
			} else {
				c.Unnamed = append(c.Unnamed, d.Name+"."+name)
			}
		}
	}
	for name := range was {
		c.Gone = append(c.Gone, name.Database+"."+name.Table)
	}
	slices.Sort(c.Gone)
	return c
}

func (c *CatchUp) table(database string, was *Table, t Table) {
	changed := t.Partitions
	whole := was == nil || was.ID != t.ID || was.Schema != t.Schema || !sameDefinition(was.DDL, t.DDL)
	if !whole {
		changed, whole = changedPartitions(*was, t)
		for _, name := range gone(*was, t.Partitions) {
			if !whole && name != starrocks.ShadowPartition {
				c.Gone = append(c.Gone, database+"."+t.Name+"/"+name)
			}
		}
	}
	if len(changed) == 0 {
		return
	}
	if strings.ContainsAny(t.Name, "*/") {
		c.Unnamed = append(c.Unnamed, database+"."+t.Name)
		return
	}
	if whole || len(changed) > maxNamed || len(c.Include) >= maxPatterns || len(changed) == len(t.Partitions) {
		changed = t.Partitions
		c.Include = append(c.Include, Pattern{Database: database, Table: t.Name}.String())
	} else {
		for _, p := range changed {
			c.Include = append(c.Include, Pattern{Database: database, Table: t.Name, Partition: p.Name}.String())
		}
	}
	c.Tables++
	c.Partitions += len(changed)
	for _, p := range changed {
		c.Bytes += p.Bytes
	}
}

// changedPartitions lists the partitions that are not the ones the target has. whole says that the table must be brought
// as one: LIST partitions cannot be added to a table (rule 16), and one that has other values is not replaced.
func changedPartitions(was, t Table) (changed []Partition, whole bool) {
	old := map[string]Partition{}
	for _, p := range was.Partitions {
		old[p.Name] = p
	}
	for _, p := range t.Partitions {
		have, known := old[p.Name]
		if p.Name == starrocks.ShadowPartition || known && have.Snapshot == p.Snapshot && have.Value == p.Value {
			continue
		}
		list := strings.HasPrefix(p.Value, "[[")
		whole = whole || !known && list || known && have.Value != p.Value
		changed = append(changed, p)
	}
	return changed, whole
}
