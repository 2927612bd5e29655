package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// CreateRepository creates a repository on a cluster, or says that it is there.
func CreateRepository(ctx workflow.Context, in spec.CreateRepository) (spec.CreateRepositoryResult, error) {
	if err := in.Validate(); err != nil {
		return spec.CreateRepositoryResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	var made activities.EnsuredRepository
	err := workflow.ExecuteActivity(brief(ctx, planHeartbeat, "create repository "+in.Repository), acts.EnsureRepository,
		activities.EnsureRepositoryInput{Cluster: in.Cluster, Repository: in.Repository, ReadOnly: in.ReadOnly}).Get(ctx, &made)
	return spec.CreateRepositoryResult{
		Cluster: in.Cluster, Repository: in.Repository, Location: made.Location,
		Created: made.Created, Adopted: made.Adopted, ReadOnly: made.ReadOnly, Message: made.Message,
	}, err
}

// DropRepository makes a cluster forget a repository that nobody uses. Its objects stay.
func DropRepository(ctx workflow.Context, in spec.DropRepository) (spec.DropRepositoryResult, error) {
	if err := in.Validate(); err != nil {
		return spec.DropRepositoryResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	var out spec.DropRepositoryResult
	err := workflow.ExecuteActivity(brief(ctx, planHeartbeat, "drop repository "+in.Repository), acts.DropRepository,
		activities.RepositoryRef{Cluster: in.Cluster, Repository: in.Repository}).Get(ctx, &out)
	return out, err
}
