package activities

import (
	"context"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// DropRepository is the activity without Temporal, which tells it what starkeep itself has under way.
func DropRepository(ctx context.Context, a *Activities, ref RepositoryRef, open ...string) (spec.DropRepositoryResult, error) {
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return spec.DropRepositoryResult{}, err
	}
	out, err := dropRepository(ctx, c, r, func(context.Context, string, string) ([]string, error) { return open, nil })
	return out, failure(ctx, err)
}

// Planner plans prunes without Temporal, which tells what starkeep itself has under way.
type Planner struct {
	A    *Activities
	Runs []OpenRun
	Open map[string]bool // workflows that are under way, by id
}

// PlanPruneWith is PlanPrune.
func (p Planner) PlanPruneWith(ctx context.Context, in PlanPruneInput) (PrunePlan, error) {
	plan, err := p.A.planPrune(ctx, in, func(context.Context) ([]OpenRun, error) { return p.Runs, nil },
		func(_ context.Context, id string) (bool, error) { return p.Open[id], nil })
	return plan, failure(ctx, err)
}

// CommitManifest encodes a manifest and commits it.
func CommitManifest(ctx context.Context, store storage.Store, cluster string, m restorepoint.Manifest) error {
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		return err
	}
	return commitManifest(ctx, store, cluster, m, data)
}

// Copier copies batches without Temporal, which would be asked for their share of the bandwidth.
type Copier struct{ A *Activities }

// CopyBatchWith is CopyBatch.
func (c Copier) CopyBatchWith(ctx context.Context, in CopyBatchInput) (CopiedBatch, error) {
	e, err := c.A.ends(in.Spec)
	if err != nil {
		return CopiedBatch{}, failure(ctx, err)
	}
	out, err := (&batchCopy{copyEnds: e, in: in}).copy(ctx)
	return out, failure(ctx, err)
}
