package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// PlanRestoreInput asks for the plan of a restore. Run is the seed of the names of beside tables.
type PlanRestoreInput struct {
	Spec spec.Restore `json:"spec"`
	Run  string       `json:"run"`
	ID   string       `json:"id"` // of the plan files
}

// RestorePlan is a plan as a history holds it.
type RestorePlan struct {
	Point             string              `json:"point"`
	Databases         []PlannedDatabase   `json:"databases"`
	Tables            []spec.PlannedTable `json:"tables,omitempty"` // at most MaxListed; refused ones first
	Refused           int                 `json:"refused,omitempty"`
	ParallelDatabases int                 `json:"parallelDatabases"`
	Heartbeat         spec.Duration       `json:"heartbeat"`
	Warnings          []string            `json:"warnings,omitempty"`
	// Ensure says that the cluster does not know the repository: it is created before anything else.
	Ensure *EnsureRepositoryInput `json:"ensure,omitempty"`
}

// PlanRestore reads the restore point and the target's catalog, decides what happens to each table, checks that every
// object it needs is present with its size, and stores the plan of each database, unless it is a dry run or something is
// refused. It changes nothing in StarRocks.
// What cannot be done is a row of the plan with the reason: a run stops at the first such row, a dry run shows it.
func (a *Activities) PlanRestore(ctx context.Context, in PlanRestoreInput) (RestorePlan, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Spec.Cluster, in.Spec.Repository)
	if err != nil {
		return RestorePlan{}, failure(ctx, err)
	}
	p := &restorePlanner{in: in, cluster: c, repository: r, plans: map[string]*Plan{}}
	plan, err := p.plan(ctx, a)
	return plan, failure(ctx, err)
}

type restorePlanner struct {
	in         PlanRestoreInput
	cluster    *Cluster
	repository *Repository
	manifest   restorepoint.Manifest
	hosts      int              // BEs alive on different hosts
	plans      map[string]*Plan // by target database
	views      []dependent      // async materialized views of the cluster
	viewsRead  bool
	rows       []spec.PlannedTable
	out        RestorePlan
}

func (p *restorePlanner) plan(ctx context.Context, a *Activities) (RestorePlan, error) {
	if err := a.checkCluster(ctx, p.cluster); err != nil {
		return RestorePlan{}, err
	}
	if err := p.lookForRepository(ctx); err != nil {
		return RestorePlan{}, err
	}
	if err := p.readPoint(ctx); err != nil {
		return RestorePlan{}, err
	}
	if err := p.countHosts(ctx); err != nil {
		return RestorePlan{}, err
	}
	selection, err := p.selection()
	if err != nil {
		return RestorePlan{}, err
	}
	if err := p.checkRename(); err != nil {
		return RestorePlan{}, err
	}
	p.warnLacking(selection)
	for _, d := range p.manifest.Databases {
		if err := p.database(ctx, d, selection); err != nil {
			return RestorePlan{}, fmt.Errorf("plan database %s: %w", d.Name, err)
		}
	}
	if len(p.rows) == 0 {
		return RestorePlan{}, fail(spec.ErrorNothingToDo, "restore point %s holds nothing that the selection names", p.manifest.ID)
	}
	if err := p.checkObjects(ctx); err != nil {
		return RestorePlan{}, err
	}
	return p.finish(ctx)
}

// lookForRepository plans to create the repository where the cluster does not know it: StarRocks restores only from one
// of the point's repository's name at its location. Nothing may be backed up into it there by mistake, so on a cluster
// that is not the point's own it is created READ ONLY.
func (p *restorePlanner) lookForRepository(ctx context.Context) error {
	c, r := p.cluster, p.repository
	found, err := lookUp(ctx, c, r)
	if err != nil || found != nil {
		return err
	}
	if _, err := checkRepoInfo(ctx, r); err != nil {
		return err
	}
	p.out.Ensure = &EnsureRepositoryInput{Cluster: c.Name, Repository: r.Name, ReadOnly: p.source() != c.Name}
	p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("cluster %s does not know repository %s: it is created there%s, at %s, and stays",
		c.Name, r.Native, readOnlyWord(p.out.Ensure.ReadOnly), r.Location))
	return nil
}

// source is the cluster whose restore points are meant.
func (p *restorePlanner) source() string {
	if p.in.Spec.SourceCluster != "" {
		return p.in.Spec.SourceCluster
	}
	return p.in.Spec.Cluster
}

// readPoint finds the restore point; "latest" is the newest complete one.
func (p *restorePlanner) readPoint(ctx context.Context) (err error) {
	source := p.source()
	id := p.in.Spec.Point
	if id == "" || id == spec.LatestPoint {
		if id, err = latestPoint(ctx, p.repository.Store, source); err != nil {
			return err
		}
	}
	p.manifest, err = readManifest(ctx, p.repository.Store, source, id)
	if err == nil && p.manifest.Repository.NativeName != p.repository.Native {
		return invalid("restore point %s was made in repository %q; StarRocks restores from a repository of that name only, profile %s is %q",
			id, p.manifest.Repository.NativeName, p.repository.Name, p.repository.Native)
	}
	return err
}

func (p *restorePlanner) countHosts(ctx context.Context) error {
	backends, err := p.cluster.FE.Backends(ctx)
	if err != nil {
		return fmt.Errorf("list the BEs of cluster %s: %w", p.cluster.Name, err)
	}
	alive := map[string]bool{}
	for _, b := range backends {
		if b.Alive {
			alive[b.Host] = true
			continue
		}
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("BE %d (%s) is not alive", b.ID, b.Host))
	}
	p.hosts = len(alive)
	if n := p.in.Spec.ReplicationNum; n > p.hosts && p.hosts > 0 {
		return invalid(`field "replicationNum" is %d, but cluster %s has %d BEs alive, and each replica needs one of its own; give at most %d`, n, p.cluster.Name, p.hosts, p.hosts)
	}
	if p.hosts == 0 {
		return fail(spec.ErrorSchemaMismatch, "cluster %s has no BE alive; start them before restoring", p.cluster.Name)
	}
	return nil
}

func (p *restorePlanner) selection() (restorepoint.Selection, error) {
	s, err := restorepoint.NewSelection(p.in.Spec.Include, p.in.Spec.Exclude)
	if err != nil {
		return s, invalid("%v", err)
	}
	if len(p.in.Spec.Include) == 0 {
		return s, nil
	}
	left := s.Unmatched(func(yield func(string, string, string) bool) {
		for _, d := range p.manifest.Databases {
			for _, t := range d.Tables {
				for _, part := range t.Partitions {
					if !yield(d.Name, t.Name, part.Name) {
						return
					}
				}
			}
		}
	})
	if len(left) > 0 {
		return s, invalid(`field "include": %q matches nothing in restore point %s; "starkeep backup show %s" lists what it holds`, left[0].String(), p.manifest.ID, p.manifest.ID)
	}
	return s, nil
}

// database plans what the point holds of one source database, table by table.
func (p *restorePlanner) database(ctx context.Context, d restorepoint.Database, selection restorepoint.Selection) error {
	views := map[string]*target{}
	for _, t := range d.Tables {
		if selection.Table(d.Name, t.Name) == restorepoint.None {
			continue
		}
		t.Partitions = slices.DeleteFunc(slices.Clone(t.Partitions), func(part restorepoint.Partition) bool {
			return !selection.Partition(d.Name, t.Name, part.Name) && part.Name != starrocks.ShadowPartition
		})
		if len(t.Partitions) == 0 {
			continue
		}
		database, name := p.renamed(d.Name, t.Name)
		plan, err := p.planOf(database, d.Name)
		if err != nil {
			return err
		}
		if views[database] == nil {
			if views[database], err = p.look(ctx, database); err != nil {
				return err
			}
		}
		p.table(plan, views[database], t, name, selection.Table(d.Name, t.Name) == restorepoint.Whole)
	}
	return nil
}

// warnLacking names what is selected and missing in a partial restore point.
func (p *restorePlanner) warnLacking(selection restorepoint.Selection) {
	var lacking []string
	for _, f := range p.manifest.Failed {
		selected := f.Table == "" && selection.Database(f.Database) || f.Table != "" && f.Partition == "" && selection.Table(f.Database, f.Table) != restorepoint.None ||
			f.Partition != "" && selection.Partition(f.Database, f.Table, f.Partition)
		if selected {
			lacking = append(lacking, restorepoint.Pattern{Database: f.Database, Table: f.Table, Partition: f.Partition}.String())
		}
	}
	if len(lacking) > 0 {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("restore point %s is partial, it lacks %s", p.manifest.ID, first3(lacking)))
	}
}

// lacking lists the partitions of a table that a partial restore point has not.
func (p *restorePlanner) lacking(database, table string) []string {
	var names []string
	for _, f := range p.manifest.Failed {
		if f.Database == database && f.Table == table && f.Partition != "" {
			names = append(names, f.Partition)
		}
	}
	return names
}

// checkRename refuses names that the restore point does not hold: what was meant would be restored under its old name.
func (p *restorePlanner) checkRename() error {
	held := map[string]bool{}
	for _, d := range p.manifest.Databases {
		held[d.Name] = true
		for _, t := range d.Tables {
			held[d.Name+"."+t.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.in.Spec.Rename)) {
		if !held[name] {
			return invalid(`field "rename": %q is no database and no table of restore point %s; "starkeep backup show %s" lists what it holds`, name, p.manifest.ID, p.manifest.ID)
		}
	}
	return nil
}

// renamed applies the rename map: a table's own entry before its database's.
func (p *restorePlanner) renamed(database, table string) (string, string) {
	if to, ok := p.in.Spec.Rename[database+"."+table]; ok {
		if db, name, found := strings.Cut(to, "."); found {
			return db, name
		}
	}
	if to, ok := p.in.Spec.Rename[database]; ok {
		return to, table
	}
	return database, table
}

func (p *restorePlanner) planOf(database, source string) (*Plan, error) {
	plan := p.plans[database]
	if plan == nil {
		plan = &Plan{Statement: starrocks.RestoreKind, Cluster: p.cluster.Name, Repository: p.repository.Name, Database: database, Source: source, SourceCluster: p.manifest.Cluster.Name, Point: p.manifest.ID}
		p.plans[database] = plan
	}
	if plan.Source != source {
		return nil, invalid(`field "rename": tables of %q and of %q would both go into database %q; restore them one after the other`, plan.Source, source, database)
	}
	return plan, nil
}

// table adds one table with its parts to the plan, or a row that says why not.
func (p *restorePlanner) table(plan *Plan, at *target, t restorepoint.Table, name string, whole bool) {
	d := p.decide(at, t, name, whole)
	if lost := p.lacking(plan.Source, t.Name); d.action == spec.ActionSwap && len(lost) > 0 {
		d = refused(name, "the restore point is partial and lacks its partition %s: a swap would take it out of the live table; restore another point, or under another name (rename)", first3(lost))
	}
	row := spec.PlannedTable{Database: plan.Database, Table: d.target, From: plan.Source + "." + t.Name, Action: d.action, Partitions: len(t.Partitions), Note: d.note}
	parts := make([]restorepoint.Part, 0, len(t.Partitions))
	for _, part := range t.Partitions {
		row.Tablets += int64(part.Tablets)
		row.Bytes += part.Bytes
		parts = append(parts, p.part(t, part))
	}
	p.rows = append(p.rows, row)
	if d.action == spec.ActionRefuse {
		p.out.Refused++
		return
	}
	slices.SortFunc(parts, func(a, b restorepoint.Part) int {
		if c := strings.Compare(a.Snapshot, b.Snapshot); c != 0 {
			return c
		}
		if a.Replication != b.Replication {
			return a.Replication - b.Replication
		}
		return strings.Compare(a.Partition, b.Partition)
	})
	plan.Parts = append(plan.Parts, parts...)
	plan.Tables = append(plan.Tables, PlanTable{Table: t, Target: d.target, As: d.as, Action: d.action, LiveID: d.liveID, Dynamic: d.dynamic})
}

func (p *restorePlanner) part(t restorepoint.Table, part restorepoint.Partition) restorepoint.Part {
	replication := p.in.Spec.ReplicationNum
	if replication == 0 {
		replication = max(1, min(part.Replication, p.hosts))
	}
	out := restorepoint.Part{
		Table: t.Name, Partition: part.Name, Tablets: part.Tablets, Replication: replication,
		Bytes: part.Bytes, Rows: part.Rows, Whole: isList(t), Snapshot: part.Snapshot,
	}
	if len(part.Physical) > 0 {
		out.PartitionID, out.Version = part.Physical[0].ID, part.Physical[0].Version
	}
	return out
}

// isList tells LIST tables by their partitions' values; their partitions cannot be added one by one (rule 16).
func isList(t restorepoint.Table) bool {
	return slices.ContainsFunc(t.Partitions, func(p restorepoint.Partition) bool { return isListValue(p.Value) })
}

// finish packs and stores the plans, and sums up.
func (p *restorePlanner) finish(ctx context.Context) (RestorePlan, error) {
	var plans []packedPlan
	limits := unitLimits(p.in.Spec.Limits, p.cluster.Limits)
	for _, database := range slices.Sorted(maps.Keys(p.plans)) {
		plan := p.plans[database]
		if len(plan.Parts) == 0 {
			continue
		}
		packed, err := plan.pack(restorepoint.PlanKey(p.cluster.Name, "restore-"+p.in.ID, database))
		if err != nil {
			return RestorePlan{}, err
		}
		plans = append(plans, packed)
		planned := PlannedDatabase{Database: database, Plan: packed.ref, Units: restorepoint.Pack(plan.Parts, limits), Partitions: int64(len(plan.Parts)), Tables: len(plan.Tables)}
		for _, part := range plan.Parts {
			planned.Tablets += int64(part.Tablets)
			planned.Bytes += part.Bytes
		}
		p.out.Databases = append(p.out.Databases, planned)
	}
	if !p.in.Spec.DryRun && p.out.Refused == 0 {
		if err := writePlans(ctx, p.repository.Store, plans); err != nil {
			return RestorePlan{}, err
		}
	}
	slices.SortStableFunc(p.rows, func(a, b spec.PlannedTable) int { return rank(a) - rank(b) })
	p.out.Tables = p.rows[:min(len(p.rows), spec.MaxListed)]
	p.out.Point = p.manifest.ID
	p.out.ParallelDatabases = first(p.in.Spec.Limits.ParallelDatabases, p.cluster.Limits.ParallelDatabases, spec.DefaultParallelDatabases)
	p.out.Heartbeat = spec.Duration(p.cluster.Timing.Heartbeat)
	return p.out, nil
}

func rank(t spec.PlannedTable) int {
	if t.Action == spec.ActionRefuse {
		return 0
	}
	return 1
}

// checkObjects looks, before anything else, whether all that the plan needs is in the repository (rule 13).
func (p *restorePlanner) checkObjects(ctx context.Context) error {
	needed := map[string]map[int64]bool{} // snapshot → physical partitions
	var tables []restorepoint.Table
	for _, plan := range p.plans {
		for _, t := range plan.Tables {
			tables = append(tables, t.Table)
			for _, part := range t.Table.Partitions {
				if needed[part.Snapshot] == nil {
					needed[part.Snapshot] = map[int64]bool{}
				}
				for _, ph := range part.Physical {
					needed[part.Snapshot][ph.ID] = true
				}
			}
		}
	}
	places := restorepoint.PlacesOf(tables)
	digests := map[string]string{}
	for _, s := range p.manifest.Snapshots {
		digests[s.Label] = s.SHA256
	}
	for _, label := range slices.Sorted(maps.Keys(needed)) {
		if err := checkSnapshotPresent(ctx, p.repository, p.manifest.Cluster.Name, label, digests[label], needed[label], places); err != nil {
			return err
		}
	}
	return nil
}
