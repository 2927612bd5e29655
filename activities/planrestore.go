package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
	// Blocked says what stops the restore as a whole: room, rights.
	Blocked  []string           `json:"blocked,omitempty"`
	Digest   string             `json:"digest,omitempty"` // of what the plan rests on
	Space    *spec.PlanSpace    `json:"space,omitempty"`
	Estimate *spec.PlanEstimate `json:"estimate,omitempty"`
	// Safety are the patterns of what is replaced or overwritten: it is backed up before anything else.
	Safety []string `json:"safety,omitempty"`
	// Ensure says that the cluster does not know the repository: it is created before anything else.
	Ensure *EnsureRepositoryInput `json:"ensure,omitempty"`
	// Views is there if there are views or functions to create, or tables whose data is exchanged: views may read them.
	Views *PlannedViews `json:"views,omitempty"`
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
	from := r
	if in.Spec.From != "" {
		if from, err = a.storeOf("from", in.Spec.From); err != nil {
			return RestorePlan{}, failure(ctx, err)
		}
	}
	p := &restorePlanner{in: in, cluster: c, repository: r, from: from, plans: map[string]*Plan{}, wanted: map[string]map[string]bool{},
		targets: map[string]*target{}, named: map[string][]string{}, natives: map[string]*native{}, facts: map[string]restorepoint.PlanFact{}}
	plan, err := p.plan(ctx, a)
	return plan, failure(ctx, err)
}

type restorePlanner struct {
	in         PlanRestoreInput
	cluster    *Cluster
	repository *Repository // that StarRocks restores from
	from       *Repository // where the restore point lies: there, or in another store
	manifest   restorepoint.Manifest

	backedUp      restorepoint.Selection // of the point's backup
	backedUpKnown bool
	named         map[string][]string // "db.table" of the point that single partitions are taken of though all was asked for: the live partitions that stay

	backends  []starrocks.Backend
	hosts     int                        // BEs alive on different hosts
	plans     map[string]*Plan           // by target database
	wanted    map[string]map[string]bool // by target database: names that tables of the point have there
	targets   map[string]*target         // by target database
	natives   map[string]*native         // by label
	views     []dependent                // async materialized views of the cluster
	logical   []dependent                // logical views of the cluster
	viewsRead bool
	needed    int64                            // bytes of all replicas that are restored
	facts     map[string]restorepoint.PlanFact // of the live tables, by "db.table"
	viewPlan  *ViewPlan
	rows      []spec.PlannedTable
	victims   []string // patterns of what is replaced or overwritten
	out       RestorePlan
}

func (p *restorePlanner) warn(format string, args ...any) {
	p.out.Warnings = append(p.out.Warnings, fmt.Sprintf(format, args...))
}

// block stops the restore as a whole; a dry run shows it.
func (p *restorePlanner) block(format string, args ...any) {
	p.out.Blocked = append(p.out.Blocked, fmt.Sprintf(format, args...))
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
	if err := p.lookAtBackends(ctx); err != nil {
		return RestorePlan{}, err
	}
	if err := p.checkVersion(ctx); err != nil {
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
	if err := p.planViews(ctx, selection); err != nil {
		return RestorePlan{}, fmt.Errorf("plan views and functions: %w", err)
	}
	if len(p.rows) == 0 {
		return RestorePlan{}, fail(spec.ErrorNothingToDo, "restore point %s holds nothing that the selection names", p.manifest.ID)
	}
	if err := p.checkObjects(ctx); err != nil {
		return RestorePlan{}, err
	}
	if err := p.keepVictims(ctx); err != nil {
		return RestorePlan{}, err
	}
	if err := p.checkRights(ctx); err != nil {
		return RestorePlan{}, err
	}
	p.checkSpace()
	return p.finish(ctx)
}

// finish packs and stores the plans, and sums up.
func (p *restorePlanner) finish(ctx context.Context) (RestorePlan, error) {
	var plans []packedPlan
	limits := unitLimits(p.in.Spec.Limits, p.cluster.Limits)
	limits.Separate = binaryMeta(p.manifest.Cluster.Version)
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
		planned := PlannedDatabase{Database: database, Plan: packed.ref, Units: plan.units(limits), Partitions: int64(len(plan.Parts)), Tables: len(plan.Tables)}
		for _, part := range plan.Parts {
			planned.Tablets += int64(part.Tablets)
			planned.Bytes += part.Bytes
		}
		planned.Composes = plan.composes(planned.Units)
		p.out.Databases = append(p.out.Databases, planned)
	}
	plans, err := p.packViews(plans)
	if err != nil {
		return RestorePlan{}, err
	}
	p.out.Digest = p.digest()
	p.out.ParallelDatabases = first(p.in.Spec.Limits.ParallelDatabases, p.cluster.Limits.ParallelDatabases, spec.DefaultParallelDatabases)
	p.estimate(ctx)
	if !p.in.Spec.DryRun && p.out.Refused == 0 && len(p.out.Blocked) == 0 && p.confirmed() {
		if err := writePlans(ctx, p.repository.Store, plans); err != nil {
			return RestorePlan{}, err
		}
	}
	slices.SortStableFunc(p.rows, func(a, b spec.PlannedTable) int { return rank(a) - rank(b) })
	p.out.Tables = withoutLongDiffs(p.rows[:min(len(p.rows), spec.MaxListed)])
	p.out.Point = p.manifest.ID
	p.out.Heartbeat = spec.Duration(p.cluster.Timing.Heartbeat)
	return p.out, nil
}

func rank(t spec.PlannedTable) int {
	if t.Action == spec.ActionRefuse {
		return 0
	}
	return 1
}
