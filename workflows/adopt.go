package workflows

import (
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Adopt makes a restore point of a native snapshot that starkeep did not make.
func Adopt(ctx workflow.Context, in spec.Adopt) (spec.AdoptResult, error) {
	if err := in.Validate(); err != nil {
		return spec.AdoptResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	out, err := adopt(ctx, in)
	if err == nil {
		_ = workflow.UpsertTypedSearchAttributes(ctx, attributePoint.ValueSet(out.Point))
	}
	return out, err
}

func adopt(ctx workflow.Context, in spec.Adopt) (out spec.AdoptResult, err error) {
	err = workflow.ExecuteActivity(long(ctx, planHeartbeat, "adopt snapshot "+in.Label), acts.AdoptSnapshot, in).Get(ctx, &out)
	return out, err
}
