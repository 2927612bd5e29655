package activities

import (
	"context"

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
