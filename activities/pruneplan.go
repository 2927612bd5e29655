package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// PlanPruneInput asks for the plan of a prune. Run tells its plan file apart.
type PlanPruneInput struct {
	Spec spec.Prune `json:"spec"`
	Run  string     `json:"run"`
	ID   string     `json:"id"` // of the workflow
	At   time.Time  `json:"at"` // when it began: ages are counted from here
}

// PrunePlan is the plan of a prune as a history holds it.
type PrunePlan struct {
	Ref       PrunePlanRef     `json:"ref"`
	Result    spec.PruneResult `json:"result"`    // as a dry run gives it
	Points    []int            `json:"points"`    // where each batch ends, among the points that go
	Marks     []int            `json:"marks"`     // among the marks that are set or taken back
	Snapshots []int            `json:"snapshots"` // among the native snapshots whose grace is over
	Files     []int            `json:"files"`     // among what else goes
}

// PrunePlanRef names a plan in its store.
type PrunePlanRef struct {
	Where string  `json:"where"`
	Plan  PlanRef `json:"plan"`
}

// prunePlan is the plan's file.
type prunePlan struct {
	Format    int             `json:"format"`
	Cluster   string          `json:"cluster"`
	ID        string          `json:"id"` // of the workflow
	At        time.Time       `json:"at"`
	Grace     time.Duration   `json:"grace"`
	Force     bool            `json:"force,omitempty"`
	Known     []string        `json:"known"`     // restore points that were there, sorted
	Points    []string        `json:"points"`    // that go
	Marks     []pruneSnapshot `json:"marks"`     // to be marked; Unmark: no longer
	Snapshots []pruneSnapshot `json:"snapshots"` // to be deleted
	Files     []string        `json:"files"`     // keys, and prefixes, which end in '/'
}

// pruneSnapshot is a native snapshot of a plan.
type pruneSnapshot struct {
	Label   string `json:"label"`
	Native  string `json:"native,omitempty"` // "": its objects stay
	Objects int64  `json:"objects,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Debris  bool   `json:"debris,omitempty"`
	Unmark  bool   `json:"unmark,omitempty"`
}

// Batches of a prune. There are some hundred at most: larger plans have larger batches.
const (
	prunePoints     = 100
	pruneMarks      = 1000
	pruneObjects    = 50_000
	pruneLabels     = 200
	pruneFiles      = 200
	maxPruneBatches = 200
)

// PlanPrune decides which restore points go, finds the native snapshots that no other point needs and what failed runs have
// left, and stores all that as a plan. It deletes nothing. ChecksumMismatch if a restore point cannot be read: nobody knows
// what it needs.
func (a *Activities) PlanPrune(ctx context.Context, in PlanPruneInput) (PrunePlan, error) {
	defer keepAlive(ctx)()
	plan, err := a.planPrune(ctx, in, snapshotRuns, openByID)
	if err != nil {
		err = fmt.Errorf("plan the prune of %s: %w", in.Spec.Where, err)
	}
	return plan, failure(ctx, err)
}

func (a *Activities) planPrune(ctx context.Context, in PlanPruneInput, runs func(context.Context) ([]OpenRun, error), open func(ctx context.Context, id string) (bool, error)) (PrunePlan, error) {
	where, err := a.storeOf("where", in.Spec.Where)
	if err != nil {
		return PrunePlan{}, err
	}
	p := &pruner{in: in, where: where, index: map[string]int{}, grace: in.Spec.Grace.Or(spec.DefaultGrace)}
	p.out = spec.PruneResult{Where: in.Spec.Where, DryRun: in.Spec.DryRun, Points: []spec.PrunedPoint{}}
	if p.runs, err = runs(ctx); err != nil {
		return PrunePlan{}, err
	}
	if p.files, err = clusterFilesIn(ctx, where.Store, in.Spec.Cluster); err != nil {
		return PrunePlan{}, err
	}
	if err := p.readPoints(ctx); err != nil {
		return PrunePlan{}, err
	}
	if err := p.readable(); err != nil {
		return PrunePlan{}, err
	}
	if err := p.findMigrations(ctx, open); err != nil {
		return PrunePlan{}, err
	}
	verdicts, err := p.decide()
	if err != nil {
		return PrunePlan{}, err
	}
	p.count(verdicts)
	p.fence()
	if err := p.snapshots(ctx); err != nil {
		return PrunePlan{}, err
	}
	if err := p.leftFiles(ctx); err != nil {
		return PrunePlan{}, err
	}
	return p.store(ctx, verdicts)
}

// pruner makes the plan of a prune.
type pruner struct {
	in     PlanPruneInput
	where  *Repository
	grace  time.Duration
	runs   []OpenRun
	files  *clusterFiles
	points []*prunedPoint // newest first
	groups []string       // of the points
	labels []labelled
	index  map[string]int // of labels

	migrating map[string]string // points that open migrations may go on from: workflow ids

	oldest       time.Time // when the oldest open run began; now, if there is none
	debrisBefore time.Time // what was written before, and nobody needs, is debris

	plan prunePlan
	out  spec.PruneResult
}

// readable refuses to go on while nobody knows what a point needs, unless that point itself is to go.
func (p *pruner) readable() error {
	for _, point := range p.points {
		id := point.head.ID
		if point.unread == nil || p.in.Spec.Force && slices.Contains(p.in.Spec.Points, id) {
			continue
		}
		return fail(spec.ErrorChecksumMismatch, "restore point %s cannot be read, so that nobody knows what it needs, and nothing is deleted: %v; use a newer starkeep, bring %s back as it was, or give the point up with --point %s --force",
			id, point.unread, restorepoint.ManifestKey(p.in.Spec.Cluster, id), id)
	}
	return nil
}

// fence finds out how old things must be at least to be left over: a run that is open may come back to whatever it began
// with, however long ago that is.
func (p *pruner) fence() {
	p.oldest = p.in.At
	by := ""
	for _, run := range p.runs {
		if run.Started.Before(p.oldest) {
			p.oldest, by = run.Started, run.ID
		}
	}
	p.debrisBefore = p.in.At.Add(-p.in.Spec.DebrisAfter.Or(spec.DefaultDebrisAfter))
	if p.oldest.Before(p.debrisBefore) {
		p.debrisBefore = p.oldest
	}
	if p.in.At.Sub(p.oldest) > p.grace {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%s runs since %s: what was marked later, or left by others since, waits for its end", by, p.oldest.UTC().Format(time.RFC3339)))
	}
	if p.grace < time.Hour {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("a grace of %s does not protect runs of other installations that work on the same store", p.grace))
	}
}

// store writes the plan's file.
func (p *pruner) store(ctx context.Context, verdicts []restorepoint.Verdict) (PrunePlan, error) {
	rows := p.rows(verdicts)
	for _, row := range rows {
		if row.Go {
			p.plan.Points = append(p.plan.Points, row.ID)
			p.out.Go++
		} else {
			p.out.Stay++
		}
		p.plan.Known = append(p.plan.Known, row.ID)
	}
	slices.Sort(p.plan.Points)
	slices.Sort(p.plan.Known)
	p.out.Points = rows[:min(len(rows), spec.MaxListed)]
	p.out.PlanDigest = restorepoint.Digest([]byte(strings.Join(p.plan.Points, "\n")))[:16]
	p.plan.Format, p.plan.Cluster, p.plan.ID, p.plan.At, p.plan.Grace, p.plan.Force = planFormat, p.in.Spec.Cluster, p.in.ID, p.in.At, p.grace, p.in.Spec.Force
	p.out.Files = len(p.plan.Files)
	out := PrunePlan{Result: p.out, Points: ends(len(p.plan.Points), prunePoints), Marks: ends(len(p.plan.Marks), pruneMarks), Files: ends(len(p.plan.Files), pruneFiles)}
	out.Snapshots = p.plan.batches()
	if d := p.in.Spec.PlanDigest; d != "" && d != p.out.PlanDigest {
		f := fail(spec.ErrorPlanChanged, "other restore points would go by now than in the plan that was confirmed; nothing was deleted; look at the new plan")
		f.Details = p.out
		return out, f
	}
	packed, err := packPlan(restorepoint.PlanKey(p.in.Spec.Cluster, "prune-"+p.in.Run, "prune"), "prune", p.plan)
	if err != nil {
		return out, err
	}
	out.Ref = PrunePlanRef{Where: p.where.Name, Plan: packed.ref}
	if p.in.Spec.DryRun {
		return out, nil
	}
	return out, writePlans(ctx, p.where.Store, []packedPlan{packed})
}

// ends cuts n things into batches of some size, or larger ones: where each ends.
func ends(n, batch int) []int {
	batch = max(batch, (n+maxPruneBatches-1)/maxPruneBatches)
	list := []int{}
	for at := batch; at < n; at += batch {
		list = append(list, at)
	}
	if n > 0 {
		list = append(list, n)
	}
	return list
}

// batches cuts the native snapshots so that a batch deletes about the same number of objects.
func (p *prunePlan) batches() []int {
	var all int64
	for _, s := range p.Snapshots {
		all += s.Objects
	}
	objects := max(pruneObjects, all/maxPruneBatches)
	labels := max(pruneLabels, len(p.Snapshots)/maxPruneBatches)
	list := []int{}
	var held int64
	from := 0
	for i, s := range p.Snapshots {
		held += s.Objects
		if held >= objects || i+1-from >= labels || i+1 == len(p.Snapshots) {
			list = append(list, i+1)
			held, from = 0, i+1
		}
	}
	return list
}

func (a *Activities) prunePlan(ctx context.Context, ref PrunePlanRef) (*prunePlan, *Repository, error) {
	where, err := a.storeOf("where", ref.Where)
	if err != nil {
		return nil, nil, err
	}
	var plan prunePlan
	if err := unpackPlan(ctx, where.Store, ref.Plan, &plan); err != nil {
		return nil, nil, err
	}
	return &plan, where, planFormatKnown(ref.Plan, plan.Format, planFormat)
}
