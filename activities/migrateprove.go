package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// MigrationRef names a migration's clusters and the restore point that the target is to hold.
type MigrationRef struct {
	Spec  spec.Migrate `json:"spec"`
	Point string       `json:"point"`
	// Applied is the point that the target held before; DropRemoved drops what it holds and Point does not.
	Applied string `json:"applied,omitempty"`
	// Gone names what the source has dropped since it was brought over, at most MaxListed; GoneMore says that it is not all.
	Gone     []string `json:"gone,omitempty"`
	GoneMore bool     `json:"goneMore,omitempty"`
}

// ProveMigration compares the target with the source, partition by partition: each of the restore point is there, none is
// there besides, and its rows, counted now, are as many as at the source at the version that was saved. Where the source
// has gone on, the count of the backup stands in, if it had one; else the rows are not compared. Partitions besides are not
// judged where too many were dropped at the source to be named.
func (a *Activities) ProveMigration(ctx context.Context, ref MigrationRef) (spec.MigrateProof, error) {
	defer keepAlive(ctx)()
	from, r, err := a.both(ref.Spec.From, ref.Spec.Repository)
	if err != nil {
		return spec.MigrateProof{}, failure(ctx, err)
	}
	to, err := a.cluster(ref.Spec.To)
	if err != nil {
		return spec.MigrateProof{}, failure(ctx, err)
	}
	m, err := readManifest(ctx, r.Store, ref.Spec.From, ref.Point)
	if err != nil {
		return spec.MigrateProof{}, failure(ctx, err)
	}
	p := &migrationProver{from: from, to: to, gone: ref.Gone, goneMore: ref.GoneMore}
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			if strings.ContainsAny(t.Name, "*/") {
				continue // named as not crossed
			}
			if err := p.table(ctx, d.Name, t, ref.Spec.Rename); err != nil {
				return p.out, failure(ctx, fmt.Errorf("compare table %s.%s: %w", d.Name, t.Name, err))
			}
		}
	}
	return p.out, nil
}

type migrationProver struct {
	from, to *Cluster
	gone     []string // dropped at the source, and may still be on the target
	goneMore bool     // and others
	out      spec.MigrateProof
}

func (p *migrationProver) differs(database, table, partition, format string, args ...any) {
	p.out.DifferCount++
	if len(p.out.Differs) < spec.MaxListed {
		p.out.Differs = append(p.out.Differs, spec.FailedPart{Database: database, Table: table, Partition: partition, Reason: fmt.Sprintf(format, args...)})
	}
}

func (p *migrationProver) table(ctx context.Context, source string, t restorepoint.Table, rename map[string]string) error {
	database, name := renamedBy(rename, source, t.Name)
	p.out.Tables++
	there, err := versionsOf(ctx, p.to.FE, database, name)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		p.differs(database, name, "", "the table is not there")
		return nil
	}
	live, err := versionsOf(ctx, p.from.FE, source, t.Name)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, part := range t.Partitions {
		target := part.Name
		if target == t.Name {
			target = name
		}
		known[target] = true
		p.out.Partitions++
		if _, ok := there[target]; !ok {
			if part.Name != starrocks.ShadowPartition {
				p.differs(database, name, target, "the partition is not there")
			}
			continue
		}
		if part.Name == starrocks.ShadowPartition {
			continue
		}
		want, exact, err := p.wanted(ctx, source, t, part, live[part.Name])
		if err != nil {
			return err
		}
		got, err := p.to.FE.CountRows(ctx, database, name, target)
		if err != nil {
			return err
		}
		switch {
		case !exact:
			p.out.NotCompared++
		case got != want:
			p.differs(database, name, target, "it has %d rows, and %d at the source at the version that was brought", got, want)
		default:
			p.out.Compared++
			p.out.Rows += got
		}
		activity.RecordHeartbeat(ctx, database+"."+name+"/"+target)
	}
	for target := range there {
		if !known[target] && !p.goneMore && !slices.Contains(p.gone, source+"."+t.Name+"/"+target) && target != starrocks.ShadowPartition {
			p.differs(database, name, target, "the restore point has no such partition")
		}
	}
	return nil
}

// wanted counts the rows at the source, if the partition is at the saved version before and after.
func (p *migrationProver) wanted(ctx context.Context, source string, t restorepoint.Table, part restorepoint.Partition, live []restorepoint.Physical) (rows int64, exact bool, err error) {
	if sameVersions(part, live) {
		rows, err = p.from.FE.CountRows(ctx, source, t.Name, part.Name)
		if err == nil {
			var after map[string][]restorepoint.Physical
			if after, err = versionsOf(ctx, p.from.FE, source, t.Name); err == nil && sameVersions(part, after[part.Name]) {
				return rows, true, nil
			}
		}
		if err != nil && !errors.Is(err, starrocks.ErrUnknownTable) && !saidNo(err) {
			return 0, false, err
		}
	}
	return part.Rows, part.RowsExact, nil
}

func sameVersions(part restorepoint.Partition, live []restorepoint.Physical) bool {
	return len(live) == len(part.Physical) && !slices.ContainsFunc(part.Physical, func(x restorepoint.Physical) bool {
		return !slices.ContainsFunc(live, func(y restorepoint.Physical) bool { return x.ID == y.ID && x.Version == y.Version })
	})
}

// versionsOf reads a table's partitions by name; none where there is no such table or database.
func versionsOf(ctx context.Context, fe *starrocks.Client, database, table string) (map[string][]restorepoint.Physical, error) {
	list := map[string][]restorepoint.Physical{}
	for row, err := range fe.PartitionsOf(ctx, database, table) {
		switch {
		case errors.Is(err, starrocks.ErrUnknownTable), errors.Is(err, starrocks.ErrUnknownDatabase):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("list the partitions of %s.%s: %w", database, table, err)
		case !row.Temporary:
			list[row.Name] = append(list[row.Name], restorepoint.Physical{ID: row.ID, Version: row.VisibleVersion})
		}
	}
	return list, nil
}

// renamedBy applies a rename map: a table's own entry before its database's.
func renamedBy(rename map[string]string, database, table string) (string, string) {
	if to, ok := rename[database+"."+table]; ok {
		if db, name, found := strings.Cut(to, "."); found {
			return db, name
		}
	}
	if to, ok := rename[database]; ok {
		return to, table
	}
	return database, table
}

// DropRemoved drops on the target what the source has dropped since it was brought over: tables and partitions, never
// FORCE, so that RECOVER brings them back for a while. A database of which nothing is left stays. Doing it again does no
// harm. It names what is not there any more, at most MaxListed.
func (a *Activities) DropRemoved(ctx context.Context, ref MigrationRef) ([]string, error) {
	defer keepAlive(ctx)()
	to, err := a.cluster(ref.Spec.To)
	if err != nil {
		return nil, failure(ctx, err)
	}
	gone := ref.Gone
	if ref.Applied != "" {
		c, _, err := a.catchUp(ctx, CatchUpInput{Cluster: ref.Spec.From, Repository: ref.Spec.Repository, Applied: ref.Applied, Point: ref.Point})
		if err != nil {
			return nil, failure(ctx, err)
		}
		gone = c.Gone
	}
	var dropped []string
	for _, name := range gone {
		pattern, err := restorepoint.ParsePattern(name)
		if err != nil || pattern.Table == "" {
			continue
		}
		database, table := renamedBy(ref.Spec.Rename, pattern.Database, pattern.Table)
		what := database + "." + table
		if pattern.Partition == "" {
			err = to.FE.DropTable(ctx, database, table)
		} else {
			what += "/" + pattern.Partition
			err = dropPartition(ctx, to.FE, database, table, pattern.Partition)
		}
		if err != nil && !errors.Is(err, starrocks.ErrUnknownTable) && !errors.Is(err, starrocks.ErrUnknownDatabase) {
			return dropped, failure(ctx, fmt.Errorf("drop %s on cluster %s: %w", what, to.Name, err))
		}
		if len(dropped) < spec.MaxListed {
			dropped = append(dropped, what)
		}
	}
	return dropped, nil
}

func dropPartition(ctx context.Context, fe *starrocks.Client, database, table, partition string) error {
	there, err := versionsOf(ctx, fe, database, table)
	if err != nil || there[partition] == nil {
		return err
	}
	return fe.DropPartition(ctx, database, table, partition)
}
