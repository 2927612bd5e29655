package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// PlanBackupInput asks for the plan of a backup. Point and Run are fixed by the workflow.
type PlanBackupInput struct {
	Spec  spec.Backup `json:"spec"`
	Point string      `json:"point"`
}

// BackupPlan is a plan as a history holds it.
type BackupPlan struct {
	Databases         []PlannedDatabase `json:"databases"`
	ParallelDatabases int               `json:"parallelDatabases"`
	Heartbeat         spec.Duration     `json:"heartbeat"` // timeout of long activities
	Warnings          []string          `json:"warnings,omitempty"`

	// Of an incremental backup; lists hold at most MaxListed.
	Base      string             `json:"base,omitempty"`      // the restore point that it was compared with
	Tables    []spec.TableChange `json:"tables,omitempty"`    // those of which something is backed up
	Unchanged int                `json:"unchanged,omitempty"` // tables of which nothing is
	Gone      []string           `json:"gone,omitempty"`      // in the base, and dropped since
}

// PlannedDatabase is one database of a plan, with its units by index range.
type PlannedDatabase struct {
	Database   string              `json:"database"`
	Plan       PlanRef             `json:"plan"`
	Units      []restorepoint.Unit `json:"units"`
	Partitions int64               `json:"partitions"`
	Tablets    int64               `json:"tablets"`
	Bytes      int64               `json:"bytes"`
	Tables     int                 `json:"tables,omitempty"`   // restore: tables to finish after the units
	Composes   bool                `json:"composes,omitempty"` // restore: some of its units need a composed native snapshot
}

// PlanBackup reads the catalog, decides what is backed up in which units, and stores the plan of each database in the
// repository. It changes nothing in StarRocks. It fails with InvalidSpec for a pattern that matches nothing,
// RepositoryMissing, VersionUnsupported for a shared-data cluster, NothingToDo.
func (a *Activities) PlanBackup(ctx context.Context, in PlanBackupInput) (BackupPlan, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Spec.Cluster, in.Spec.Repository)
	if err != nil {
		return BackupPlan{}, failure(ctx, err)
	}
	if err := a.checkMirrors(in.Spec); err != nil {
		return BackupPlan{}, failure(ctx, err)
	}
	p := &backupPlanner{in: in, cluster: c, repository: r}
	plan, err := p.plan(ctx, a)
	return plan, failure(ctx, err)
}

type backupPlanner struct {
	in         PlanBackupInput
	cluster    *Cluster
	repository *Repository
	selection  restorepoint.Selection
	unmatched  []restorepoint.Pattern
	resumed    *restorepoint.Manifest
	base       *backupBase // of an incremental backup
	packed     []packedPlan
	out        BackupPlan

	look        bool             // it stores no plan
	marks       []spec.TableMark // of a look
	globalsRead bool             // global functions were listed
}

func (p *backupPlanner) plan(ctx context.Context, a *Activities) (BackupPlan, error) {
	if err := a.checkCluster(ctx, p.cluster); err != nil {
		return BackupPlan{}, err
	}
	if err := checkRepository(ctx, p.cluster, p.repository, true); err != nil {
		return BackupPlan{}, err
	}
	if err := p.choose(ctx); err != nil {
		return BackupPlan{}, err
	}
	databases, err := p.cluster.FE.Databases(ctx)
	if err != nil {
		return BackupPlan{}, fmt.Errorf("list the databases of cluster %s: %w", p.cluster.Name, err)
	}
	for _, database := range databases {
		if !p.selection.Database(database) || p.isScratch(database) {
			continue
		}
		if err := p.database(ctx, database); err != nil {
			return BackupPlan{}, fmt.Errorf("plan database %s: %w", database, err)
		}
	}
	p.goneDatabases(databases)
	if p.resumed != nil {
		p.warnGone()
	} else if p.in.Spec.Base != "" {
		p.warnUnmatched()
	} else if len(p.unmatched) > 0 {
		return BackupPlan{}, invalid(`field "include": %q matches nothing in cluster %s; names are case-sensitive, and a pattern is "db", "db.table" or "db.table/partition"`, p.unmatched[0].String(), p.cluster.Name)
	}
	if len(p.out.Databases) == 0 && p.resumed == nil && !p.look {
		return BackupPlan{}, fail(spec.ErrorNothingToDo, "nothing to back up: cluster %s has no table that the selection names", p.cluster.Name)
	}
	if p.look {
		return p.out, nil
	}
	if err := writePlans(ctx, p.repository.Store, p.packed); err != nil {
		return BackupPlan{}, err
	}
	p.out.ParallelDatabases = first(p.in.Spec.Limits.ParallelDatabases, p.cluster.Limits.ParallelDatabases, spec.DefaultParallelDatabases)
	p.out.Heartbeat = spec.Duration(p.cluster.Timing.Heartbeat)
	return p.out, nil
}

// isScratch tells databases that checks of repositories, and drills, make and drop: a selection means them only by their full name.
func (p *backupPlanner) isScratch(database string) bool {
	return (restorepoint.IsScratch(database) || restorepoint.IsDrill(database)) &&
		!slices.ContainsFunc(p.selection.Include, func(x restorepoint.Pattern) bool { return x.Database == database })
}

// choose makes the selection: from the spec, or from what a partial point lacks.
func (p *backupPlanner) choose(ctx context.Context) (err error) {
	if p.in.Spec.Resume != "" {
		return p.resume(ctx)
	}
	if p.selection, err = restorepoint.NewSelection(p.in.Spec.Include, p.in.Spec.Exclude); err != nil {
		return invalid("%v", err)
	}
	if len(p.in.Spec.Include) > 0 {
		p.unmatched = slices.Clone(p.selection.Include)
	}
	if p.in.Spec.Incremental {
		return p.readBase(ctx)
	}
	return nil
}

// resume reads the partial point and selects what it lacks.
func (p *backupPlanner) resume(ctx context.Context) error {
	m, err := readManifest(ctx, p.repository.Store, p.cluster.Name, p.in.Spec.Resume)
	if err != nil {
		return err
	}
	if m.Complete {
		return fail(spec.ErrorNothingToDo, `restore point %s is complete: there is nothing to resume`, m.ID)
	}
	p.resumed = &m
	for _, f := range m.Failed {
		p.selection.Include = append(p.selection.Include, restorepoint.Pattern{Database: f.Database, Table: f.Table, Partition: f.Partition})
	}
	p.unmatched = slices.Clone(p.selection.Include)
	return nil
}

// warnGone names what the partial point lacked and nobody can back up any more: it is in no restore point.
func (p *backupPlanner) warnGone() {
	var gone []string
	for _, pattern := range p.unmatched {
		gone = append(gone, pattern.String())
	}
	if len(gone) > 0 {
		p.out.Warnings = append(p.out.Warnings, "dropped since restore point "+p.resumed.ID+", and in no restore point: "+first3(gone))
	}
}

// warnUnmatched names patterns that match nothing: what they meant when the base was made is gone.
func (p *backupPlanner) warnUnmatched() {
	for _, pattern := range p.unmatched {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%q matches nothing in cluster %s (any more)", pattern.String(), p.cluster.Name))
	}
}

// carried tells whether the resumed point has the partition already.
func (p *backupPlanner) carried(database, table, partition string) bool {
	if p.resumed == nil {
		return false
	}
	for _, d := range p.resumed.Databases {
		for _, t := range d.Tables {
			if d.Name == database && t.Name == table {
				return slices.ContainsFunc(t.Partitions, func(x restorepoint.Partition) bool { return x.Name == partition })
			}
		}
	}
	return false
}

// database plans one database: parts, tables, units.
func (p *backupPlanner) database(ctx context.Context, name string) error {
	plan := &Plan{Statement: starrocks.BackupKind, Cluster: p.cluster.Name, Repository: p.repository.Name, Database: name, Point: p.in.Point, Fingerprint: p.in.Spec.Fingerprint}
	tables, err := p.tables(ctx, plan)
	if err != nil {
		return err
	}
	if err := p.parts(ctx, plan, tables); err != nil {
		return err
	}
	if err := p.describe(ctx, plan, tables); err != nil {
		return err
	}
	if err := p.increment(ctx, plan); err != nil {
		return fmt.Errorf("compare with restore point %s: %w", p.base.manifest.ID, err)
	}
	if len(plan.Parts) == 0 && len(plan.Carried) == 0 && len(plan.Refused) == 0 && len(plan.NotCovered) == 0 && plan.Objects.Empty() {
		return nil
	}
	units := restorepoint.Pack(plan.Parts, unitLimits(p.in.Spec.Limits, p.cluster.Limits))
	packed, err := plan.pack(restorepoint.PlanKey(p.cluster.Name, p.in.Point, name))
	if err != nil {
		return err
	}
	p.packed = append(p.packed, packed)
	planned := PlannedDatabase{Database: name, Plan: packed.ref, Units: units, Partitions: int64(len(plan.Parts))}
	for _, part := range plan.Parts {
		planned.Tablets += int64(part.Tablets)
		planned.Bytes += part.Bytes
	}
	p.out.Databases = append(p.out.Databases, planned)
	return nil
}

// tables lists what the selection names, and puts aside what cannot be backed up.
func (p *backupPlanner) tables(ctx context.Context, plan *Plan) (map[string]starrocks.Table, error) {
	all, err := p.cluster.FE.Tables(ctx, plan.Database)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables := map[string]starrocks.Table{}
	for _, t := range all {
		if p.selection.Table(plan.Database, t.Name) == restorepoint.None || restorepoint.IsBeside(t.Name) || isView(t) {
			continue
		}
		p.matched(plan.Database, t.Name, "")
		if reason := notCovered(t); reason != "" {
			plan.NotCovered = append(plan.NotCovered, restorepoint.NotCovered{Database: plan.Database, Name: t.Name, Kind: kindWord(t.Kind), Reason: reason})
			continue
		}
		if err := starrocks.CheckName("table", t.Name); err != nil {
			plan.refuse(t.Name, "", err.Error())
			continue
		}
		tables[t.Name] = t
	}
	if err := p.objects(ctx, plan, all); err != nil {
		return nil, err
	}
	return tables, nil
}

func notCovered(t starrocks.Table) string {
	if t.Kind == starrocks.KindTable {
		return ""
	}
	return "StarRocks cannot back up tables of engine " + t.Engine
}

func kindWord(k starrocks.TableKind) string {
	if k == starrocks.KindOther {
		return "table"
	}
	return strings.ToLower(strings.ReplaceAll(string(k), "_", " "))
}

// parts streams the partitions of the database into the plan, sorted by table and name.
func (p *backupPlanner) parts(ctx context.Context, plan *Plan, tables map[string]starrocks.Table) error {
	temporary := map[string]bool{}
	partial := map[string]bool{} // tables of which some partition is selected by name
	var shadows []restorepoint.Part
	for row, err := range p.cluster.FE.Partitions(ctx, plan.Database) {
		if err != nil {
			return fmt.Errorf("list partitions: %w", err)
		}
		t, wanted := tables[row.Table]
		if !wanted {
			continue
		}
		if row.Temporary {
			temporary[row.Table] = true
			continue
		}
		part := partOf(t, row)
		p.base.note(plan.Database, row)
		if row.Name == starrocks.ShadowPartition {
			shadows = append(shadows, part)
			continue
		}
		if !p.selection.Partition(plan.Database, row.Table, row.Name) {
			continue
		}
		p.matched(plan.Database, row.Table, row.Name)
		partial[row.Table] = true
		plan.Parts = append(plan.Parts, part)
	}
	for _, s := range shadows {
		// An automatically partitioned table that is restored without its shadow partition breaks dynamic overwrites
		// (starrocks-measured C 41): it goes along with any partition, and when the table has no other.
		wanted := partial[s.Table] || p.selection.Table(plan.Database, s.Table) == restorepoint.Whole || p.selection.Partition(plan.Database, s.Table, s.Partition)
		if wanted && !p.carried(plan.Database, s.Table, s.Partition) {
			p.matched(plan.Database, s.Table, s.Partition)
			plan.Parts = append(plan.Parts, s)
		}
	}
	plan.Parts = slices.DeleteFunc(plan.Parts, func(part restorepoint.Part) bool { return temporary[part.Table] })
	for table := range temporary {
		plan.refuse(table, "", "StarRocks does not back up a table with temporary partitions; drop or exchange them, then resume")
	}
	plan.Parts = mergePhysical(plan.Parts)
	return p.refuseLists(ctx, plan)
}

// partOf makes a part of a partition row. Tables whose partitions cannot be added one by one later stay whole.
func partOf(t starrocks.Table, row starrocks.Partition) restorepoint.Part {
	return restorepoint.Part{
		Table: row.Table, Partition: row.Name, PartitionID: row.ID, Version: row.VisibleVersion,
		Tablets: row.Buckets, Replication: row.Replication, Bytes: row.Bytes, Rows: row.Rows, Whole: isListValue(row.Value), Value: row.Value,
	}
}

// isListValue tells LIST partitions by their values: [["a"],["b"]] is a list, [types: [DATE]; keys: … a range.
func isListValue(value string) bool { return strings.HasPrefix(value, "[[") }

// mergePhysical sorts the parts and makes one of the physical partitions of a randomly distributed table's partition.
func mergePhysical(parts []restorepoint.Part) []restorepoint.Part {
	slices.SortFunc(parts, func(a, b restorepoint.Part) int {
		if c := strings.Compare(a.Table, b.Table); c != 0 {
			return c
		}
		if c := strings.Compare(a.Partition, b.Partition); c != 0 {
			return c
		}
		return int(a.PartitionID - b.PartitionID)
	})
	merged := parts[:0]
	for _, part := range parts {
		last := len(merged) - 1
		if last >= 0 && merged[last].Table == part.Table && merged[last].Partition == part.Partition {
			merged[last].Tablets += part.Tablets
			merged[last].Bytes += part.Bytes
			merged[last].Rows += part.Rows
			continue
		}
		merged = append(merged, part)
	}
	return merged
}

// describe keeps of each planned table what a restore needs to compare or to carry over.
func (p *backupPlanner) describe(ctx context.Context, plan *Plan, tables map[string]starrocks.Table) error {
	grants, err := p.cluster.FE.TableGrants(ctx, plan.Database)
	if err != nil {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("grants on tables of database %s cannot be read and are not in the restore point: %v", plan.Database, err))
	}
	gone := map[string]bool{} // dropped while the backup was planned
	for i, part := range plan.Parts {
		if i > 0 && plan.Parts[i-1].Table == part.Table {
			continue
		}
		t := tables[part.Table]
		ddl, err := p.cluster.FE.ShowCreateTable(ctx, plan.Database, t.Name)
		if errors.Is(err, starrocks.ErrUnknownTable) {
			gone[t.Name] = true
			continue
		}
		if err != nil {
			return fmt.Errorf("read the definition of table %s: %w", t.Name, err)
		}
		plan.Tables = append(plan.Tables, PlanTable{Table: restorepoint.Table{
			Name: t.Name, ID: t.ID, Kind: "table", Keys: t.Keys, DDL: ddl, PartitionScheme: t.PartitionKey,
			Replication: part.Replication, AutoIncrement: strings.Contains(strings.ToUpper(ddl), "AUTO_INCREMENT"), Properties: t.Properties, Grants: grantsOn(grants, t.Name),
		}})
	}
	plan.Parts = slices.DeleteFunc(plan.Parts, func(part restorepoint.Part) bool { return gone[part.Table] || plan.isRefused(part.Table) })
	return nil
}

func grantsOn(grants []starrocks.Grant, table string) []restorepoint.Grant {
	var list []restorepoint.Grant
	for _, g := range grants {
		if g.Table == table {
			list = append(list, restorepoint.Grant{Grantee: g.Grantee, IsRole: g.IsRole, Privilege: g.Privilege, Grantable: g.Grantable})
		}
	}
	return list
}

// matched strikes the patterns off that this object satisfies.
func (p *backupPlanner) matched(database, table, partition string) {
	if len(p.unmatched) == 0 {
		return
	}
	left := restorepoint.Selection{Include: p.unmatched}.Unmatched(one(database, table, partition))
	p.unmatched = left
}

func one(database, table, partition string) func(func(string, string, string) bool) {
	return func(yield func(string, string, string) bool) { yield(database, table, partition) }
}

func unitLimits(asked spec.Limits, profile Limits) restorepoint.Limits {
	target := asked.UnitDuration.Or(profile.UnitDuration)
	return restorepoint.Limits{
		Bytes:      int64(target.Seconds() * float64(profile.BytesPerSecond)),
		Tablets:    first(asked.MaxTabletsPerUnit, profile.MaxTablets, spec.DefaultMaxTabletsPerUnit),
		Partitions: first(asked.MaxPartitionsPerUnit, profile.MaxPartitions),
	}
}

// first is the first value that is not zero.
func first(values ...int) int {
	for _, v := range values {
		if v != 0 {
			return v
		}
	}
	return 0
}
