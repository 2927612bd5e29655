package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// target is what stands in the database that a restore goes into.
type target struct {
	database string
	tables   map[string]starrocks.Table
	loads    []starrocks.RoutineLoad
	views    []dependent // async materialized views of the whole cluster: they may read from anywhere
	ddl      func(table string) (string, error)
	parts    func(table string) ([]starrocks.Partition, error)
}

// dependent is a materialized view and what it reads, as text.
type dependent struct{ database, name, definition string }

func (p *restorePlanner) look(ctx context.Context, database string) (*target, error) {
	at := &target{database: database, tables: map[string]starrocks.Table{}}
	fe := p.cluster.FE
	at.ddl = func(table string) (string, error) { return fe.ShowCreateTable(ctx, database, table) }
	at.parts = func(table string) ([]starrocks.Partition, error) { return fe.TablePartitions(ctx, database, table) }
	databases, err := fe.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases of cluster %s: %w", p.cluster.Name, err)
	}
	if !slices.Contains(databases, database) {
		if starrocks.IsSystemDatabase(database) {
			return nil, invalid("database %q belongs to StarRocks; restore into another one", database)
		}
		return at, nil
	}
	tables, err := fe.Tables(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("list the tables of database %s: %w", database, err)
	}
	for _, t := range tables {
		at.tables[t.Name] = t
	}
	if at.loads, err = fe.RoutineLoads(ctx, database); err != nil && !errors.Is(err, starrocks.ErrUnsupported) {
		return nil, fmt.Errorf("list the routine loads of database %s: %w", database, err)
	}
	if err := p.readViews(ctx, databases); err != nil {
		return nil, err
	}
	at.views = p.views
	return at, nil
}

// readViews lists the async materialized views of the whole cluster, once: they may read from any database.
func (p *restorePlanner) readViews(ctx context.Context, databases []string) error {
	if p.viewsRead {
		return nil
	}
	for _, d := range databases {
		views, err := p.cluster.FE.MaterializedViews(ctx, d)
		if err != nil {
			return fmt.Errorf("list the materialized views of database %s: %w", d, err)
		}
		for _, v := range views {
			if v.RefreshType != "ROLLUP" && v.RefreshType != "SYNC" {
				p.views = append(p.views, dependent{d, v.Name, v.Definition})
			}
		}
	}
	p.viewsRead = true
	return nil
}

// decision says what happens to one table.
type decision struct {
	action  string
	target  string // name it ends with
	as      string // name RESTORE creates it under
	liveID  int64
	dynamic bool
	note    string
}

func refused(name, format string, args ...any) decision {
	return decision{action: spec.ActionRefuse, target: name, note: fmt.Sprintf(format, args...)}
}

// decide chooses the action for a table of the point under its target name. whole says that all its partitions are
// wanted.
func (p *restorePlanner) decide(at *target, t restorepoint.Table, name string, whole bool) decision {
	if err := starrocks.CheckName("table", name); err != nil {
		return refused(name, "%v", err)
	}
	if isList(t) && severalSnapshots(t) {
		return refused(name, "its LIST partitions lie in several native snapshots, and StarRocks cannot add LIST partitions one by one; restore it from a point that holds it in one (composing snapshots comes later)")
	}
	live, exists := at.tables[name]
	switch {
	case !exists:
		return decision{action: spec.ActionCreate, target: name, as: name}
	case live.Kind != starrocks.KindTable:
		return refused(name, "a %s of this name stands in the way; drop or rename it, or restore under another name (rename)", kindWord(live.Kind))
	case p.in.Spec.OnExisting == spec.OnExistingFail:
		return refused(name, "the table exists; restore with onExisting swap (exchanged, undoable) or rename, or drop it first")
	case p.in.Spec.OnExisting == spec.OnExistingRename:
		return p.renameTo(at, name)
	case !whole:
		return addPartitions(at, t, live)
	}
	return p.swap(at, live)
}

func severalSnapshots(t restorepoint.Table) bool {
	return slices.ContainsFunc(t.Partitions, func(part restorepoint.Partition) bool { return part.Snapshot != t.Partitions[0].Snapshot })
}

func (p *restorePlanner) renameTo(at *target, name string) decision {
	stamp, _, _ := strings.Cut(p.manifest.ID, "-")
	other := name + "__restored_" + stamp
	if _, taken := at.tables[other]; taken {
		return refused(other, "the table exists from an earlier restore; drop it, or give the new one a name of its own (rename)")
	}
	return decision{action: spec.ActionCreate, target: other, as: other, note: "beside " + name + ", which stays"}
}

// addPartitions adds missing RANGE partitions to a table that exists. Partitions that exist are not touched: that comes
// with restores into existing partitions.
func addPartitions(at *target, t restorepoint.Table, live starrocks.Table) decision {
	name := live.Name
	if isList(t) {
		return refused(name, "StarRocks cannot add LIST partitions to a table by RESTORE; restore the whole table (swap), or under another name")
	}
	if t.AutoIncrement {
		return refused(name, "RESTORE into it would set its AUTO_INCREMENT back; restore the whole table (swap), or under another name")
	}
	there, err := at.parts(name)
	if err != nil {
		return refused(name, "its partitions cannot be read: %v", err)
	}
	for _, part := range t.Partitions {
		if part.Name != starrocks.ShadowPartition && slices.ContainsFunc(there, func(x starrocks.Partition) bool { return x.Name == part.Name }) {
			return refused(name, "partition %s exists; restore the whole table (swap), or the partition into a table of another name (rename)", part.Name)
		}
	}
	ddl, err := at.ddl(name)
	if err != nil {
		return refused(name, "its definition cannot be read: %v", err)
	}
	if difference := differentDefinition(t.DDL, ddl); difference != "" {
		return refused(name, "the table's definition is not the one that was backed up: %s", difference)
	}
	return decision{action: spec.ActionAdd, target: name, as: name, liveID: live.ID}
}

// swap restores the table beside the live one. What would silently stop working by the exchange is refused by name.
func (p *restorePlanner) swap(at *target, live starrocks.Table) decision {
	name := live.Name
	for _, l := range at.loads {
		if l.Table == name {
			return refused(name, "routine load %s writes into it and would go on into the old table after a swap; stop it, or restore under another name (rename)", l.Name)
		}
	}
	for _, v := range at.views {
		if v.reads(at.database, name) {
			return refused(name, "materialized view %s.%s reads it and would turn inactive by a swap; drop it or restore under another name (rename)", v.database, v.name)
		}
	}
	as := restorepoint.BesideTable(name, p.in.Run)
	if _, taken := at.tables[as]; taken {
		return refused(name, "a table %s exists; drop it first", as)
	}
	return decision{action: spec.ActionSwap, target: name, as: as, liveID: live.ID, dynamic: live.Properties[dynamicEnable] == "true"}
}

// reads tells whether the view's text names the table. It errs on the side of yes: a view that breaks unseen is worse
// than a restore that asks.
func (v dependent) reads(database, table string) bool {
	if !word(v.definition, table) {
		return false
	}
	return v.database == database || word(v.definition, database)
}

func word(text, name string) bool {
	return regexp.MustCompile(`(?:^|[^\p{L}\p{N}_])` + regexp.QuoteMeta(name) + `(?:$|[^\p{L}\p{N}_])`).MatchString(text)
}

var (
	partitionList = regexp.MustCompile(`(?s)\nPARTITION BY .*?\n(DISTRIBUTED BY|ORDER BY|PROPERTIES)`)
	properties    = regexp.MustCompile(`(?s)\s*PROPERTIES \(.*$`)
)

// differentDefinition compares two SHOW CREATE TABLE but for name, partitions and properties: StarRocks itself does not
// notice another sort key, bitmap index or letter case (rule 17). It answers the first line that differs.
func differentDefinition(saved, live string) string {
	a, b := comparable(saved), comparable(live)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Sprintf("it has %q, which the restore point has not", b[i])
		case i >= len(b):
			return fmt.Sprintf("it lacks %q", a[i])
		case a[i] != b[i]:
			return fmt.Sprintf("%q, was %q", b[i], a[i])
		}
	}
	return ""
}

func comparable(ddl string) []string {
	ddl = properties.ReplaceAllString(partitionList.ReplaceAllString(ddl, "\n$1"), "")
	_, body, _ := strings.Cut(ddl, "(")
	lines := strings.Split(strings.TrimSpace(body), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(strings.TrimSpace(line), ",") // the last column has none
	}
	return lines
}
