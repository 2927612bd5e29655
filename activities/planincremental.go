package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// backupBase is the restore point that an incremental backup is compared with.
type backupBase struct {
	manifest restorepoint.Manifest
	tables   map[restorepoint.TableName]*restorepoint.Table
	lost     map[string]bool // labels of native snapshots that are gone from the repository
	none     string          // why there is no base, and all is backed up
	physical map[restorepoint.Place][]restorepoint.Physical
	database string // the one that physical is of
}

// readBase finds the base of an incremental backup: see newestPoint, unless the spec names one.
func (p *backupPlanner) readBase(ctx context.Context) error {
	p.base = &backupBase{tables: map[restorepoint.TableName]*restorepoint.Table{}, lost: map[string]bool{}}
	id := p.in.Spec.Base
	if id == "" {
		newest, err := newestPoint(ctx, p.repository.Store, p.cluster.Name, p.selection)
		if err != nil {
			return err
		}
		id = newest
	}
	if id == "" {
		p.base.none = "there is no earlier restore point"
		return nil
	}
	m, err := readManifest(ctx, p.repository.Store, p.cluster.Name, id)
	if err != nil {
		return err
	}
	leader, err := p.cluster.FE.Leader(ctx)
	if err != nil {
		return fmt.Errorf("look for the leader of cluster %s: %w", p.cluster.Name, err)
	}
	switch {
	case m.Cluster.ID != leader.ClusterID:
		p.base.none = fmt.Sprintf("restore point %s is of another cluster: its ClusterId is %d, and this one's %d", id, m.Cluster.ID, leader.ClusterID)
	case m.Repository.NativeName != p.repository.Native:
		p.base.none = fmt.Sprintf("restore point %s was made in repository %q", id, m.Repository.NativeName)
	case !p.look && (binaryMeta(leader.Version) || binaryMeta(m.Cluster.Version)):
		p.base.none = "StarRocks before 3.1 does not tell the schema of what it backs up"
	default:
		return p.useBase(ctx, m)
	}
	return nil
}

func (p *backupPlanner) useBase(ctx context.Context, m restorepoint.Manifest) error {
	p.base.manifest, p.out.Base = m, m.ID
	for _, d := range m.Databases {
		for i := range d.Tables {
			p.base.tables[restorepoint.TableName{Database: d.Name, Table: d.Tables[i].Name}] = &d.Tables[i]
		}
	}
	for _, s := range m.Snapshots {
		there, err := snapshotThere(ctx, p.repository.Store, s)
		if err != nil {
			return err
		}
		p.base.lost[s.Label] = !there
	}
	return nil
}

// maxBases bounds the restore points of which newestPoint reads the selection.
const maxBases = 100

// newestPoint is the newest restore point, complete or not, of a backup that selected all that is selected now: backups of
// different databases, by turns, do not make each other full. If there is none, the newest that a backup made. Never what
// a restore saved before it overwrote, nor an adopted point. "" if there is none.
func newestPoint(ctx context.Context, store storage.Store, cluster string, selected restorepoint.Selection) (string, error) {
	files, err := pointFiles(ctx, store, cluster)
	if err != nil {
		return "", err
	}
	newest, looked := "", 0
	for summary, err := range newestFirst(ctx, store, cluster, files.ids) {
		if err != nil {
			return "", err
		}
		if summary.Tags[spec.TagBeforeOverwrite] != "" || summary.Origin == restorepoint.OriginAdopted {
			continue
		}
		held, known, err := pointSelection(ctx, store, cluster, summary.ID)
		switch {
		case err != nil:
			return "", err
		case known && held.Covers(selected):
			return summary.ID, nil
		}
		newest = cmp.Or(newest, summary.ID)
		if looked++; looked == maxBases {
			break
		}
	}
	return newest, nil
}

// snapshotThere looks whether a native snapshot can still be referred to: it is there, and not going to be deleted.
func snapshotThere(ctx context.Context, store storage.Store, s restorepoint.SnapshotRef) (bool, error) {
	for _, key := range []string{s.Record, s.InfoKey, s.MetaKey} {
		_, err := store.Stat(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for %s: %w", key, err)
		}
	}
	k, err := restorepoint.ParseKey(s.Record)
	if err != nil {
		return false, err
	}
	marked, err := isMarked(ctx, store, k.Cluster, s.Label)
	return !marked, err
}

// note keeps the physical partitions of a catalog row, for the comparison.
func (b *backupBase) note(database string, row starrocks.Partition) {
	if b == nil {
		return
	}
	if b.database != database {
		b.database, b.physical = database, map[restorepoint.Place][]restorepoint.Physical{}
	}
	place := restorepoint.Place{Table: row.Table, Partition: row.Name}
	ph := restorepoint.Physical{ID: row.ID, Version: row.VisibleVersion}
	if !row.VisibleAt.IsZero() {
		ph.VisibleAt = row.VisibleAt.Unix()
	}
	b.physical[place] = append(b.physical[place], ph)
}

// increment compares the planned tables of a database with the base, and leaves what has not changed to be carried over.
func (p *backupPlanner) increment(ctx context.Context, plan *Plan) error {
	if p.base == nil {
		return nil
	}
	plan.Base = p.base.manifest.ID
	parts := map[string][]restorepoint.Partition{}
	for _, part := range plan.Parts {
		place := restorepoint.Place{Table: part.Table, Partition: part.Partition}
		parts[part.Table] = append(parts[part.Table], restorepoint.Partition{Name: part.Partition, Physical: p.base.physical[place]})
	}
	schemas := &schemaReader{fe: p.cluster.FE, database: plan.Database}
	carried := map[restorepoint.Place]bool{}
	for _, t := range plan.Tables {
		live := restorepoint.Live{Table: t.Table, Look: p.look}
		live.Partitions = parts[t.Table.Name]
		delta, err := p.compare(ctx, schemas, plan.Database, live)
		if err != nil {
			return err
		}
		for _, name := range delta.Carried {
			carried[restorepoint.Place{Table: t.Table.Name, Partition: name}] = true
		}
		if len(delta.Carried) > 0 {
			plan.Carried = append(plan.Carried, CarriedTable{Table: t.Table.Name, Partitions: delta.Carried})
		}
		if p.look && len(delta.Changed) > 0 && len(p.marks) < spec.MaxListed {
			p.marks = append(p.marks, spec.TableMark{Table: plan.Database + "." + t.Table.Name, Mark: tableMark(live)})
		}
		p.tell(plan.Database, t.Table.Name, delta)
	}
	p.tellGone(plan)
	plan.Parts = slices.DeleteFunc(plan.Parts, func(part restorepoint.Part) bool {
		return carried[restorepoint.Place{Table: part.Table, Partition: part.Partition}]
	})
	return nil
}

func (p *backupPlanner) compare(ctx context.Context, schemas *schemaReader, database string, live restorepoint.Live) (restorepoint.Delta, error) {
	base := p.base.tables[restorepoint.TableName{Database: database, Table: live.Name}]
	if base != nil && base.ID == live.ID {
		if err := schemas.read(ctx, &live); err != nil {
			return restorepoint.Delta{}, err
		}
	}
	delta := restorepoint.Compare(p.base.manifest.ID, base, live, func(label string) bool { return p.base.lost[label] })
	if p.base.none != "" {
		delta.Why = p.base.none
	}
	return delta, nil
}

// tell adds a table's row to the plan.
func (p *backupPlanner) tell(database, table string, d restorepoint.Delta) {
	if len(d.Changed) == 0 {
		p.out.Unchanged++
	} else if len(p.out.Tables) < spec.MaxListed {
		p.out.Tables = append(p.out.Tables, spec.TableChange{Database: database, Table: table, BackedUp: len(d.Changed), Carried: len(d.Carried), Full: d.Full, Why: d.Why})
	}
	for _, name := range d.Gone {
		if name != starrocks.ShadowPartition && p.selection.Partition(database, table, name) {
			p.gone(database + "." + table + "/" + name)
		}
	}
}

func (p *backupPlanner) gone(name string) {
	if len(p.out.Gone) < spec.MaxListed {
		p.out.Gone = append(p.out.Gone, name)
	}
}

// tellGone names the tables that the base holds, and the database no more.
func (p *backupPlanner) tellGone(plan *Plan) {
	there := map[string]bool{}
	for _, t := range plan.Tables {
		there[t.Table.Name] = true
	}
	for _, d := range p.base.manifest.Databases {
		for _, t := range d.Tables {
			if d.Name == plan.Database && !there[t.Name] && !plan.isRefused(t.Name) && p.selection.Table(d.Name, t.Name) != restorepoint.None {
				p.gone(d.Name + "." + t.Name)
			}
		}
	}
}

// goneDatabases names the databases that the base holds, and the cluster no more.
func (p *backupPlanner) goneDatabases(there []string) {
	if p.base == nil {
		return
	}
	for _, d := range p.base.manifest.Databases {
		if !slices.Contains(there, d.Name) && p.selection.Database(d.Name) {
			p.gone(d.Name)
		}
	}
}

// tableMark is a digest of a table's partitions, ids and versions.
func tableMark(t restorepoint.Live) string {
	var text strings.Builder
	parts := slices.Clone(t.Partitions)
	slices.SortFunc(parts, func(a, b restorepoint.Partition) int { return strings.Compare(a.Name, b.Name) })
	fmt.Fprint(&text, t.ID)
	for _, p := range parts {
		fmt.Fprintln(&text, p.Name)
		for _, ph := range p.Physical {
			fmt.Fprintln(&text, ph.ID, ph.Version)
		}
	}
	return restorepoint.Digest([]byte(text.String()))[:16]
}

// schemaReader reads the schema versions of a database's tables.
type schemaReader struct {
	fe       *starrocks.Client
	database string
	id       int64
	denied   string // why they cannot be read
}

// read fills in the schema versions of a table, or why they are not known.
func (s *schemaReader) read(ctx context.Context, live *restorepoint.Live) error {
	err := s.look(ctx)
	var list []starrocks.IndexSchema
	if err == nil && s.denied == "" {
		list, err = s.fe.IndexSchemas(ctx, s.id, live.ID)
	}
	switch {
	case err != nil && !saidNo(err):
		return fmt.Errorf("read the schema version of table %s: %w", live.Name, err)
	case err != nil:
		live.NoIndexes = err.Error()
	case s.denied != "":
		live.NoIndexes = s.denied
	case len(list) == 0:
		live.NoIndexes = "SHOW PROC tells none"
	}
	live.Indexes = restorepoint.LiveIndexes(live.Name, list)
	return nil
}

func (s *schemaReader) look(ctx context.Context) (err error) {
	if s.id != 0 || s.denied != "" {
		return nil
	}
	s.id, err = s.fe.DatabaseID(ctx, s.database)
	if errors.Is(err, starrocks.ErrDenied) {
		s.denied, err = "SHOW PROC needs the privilege OPERATE", nil
	}
	return err
}
