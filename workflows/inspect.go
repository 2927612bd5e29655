package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Inspect reads something for the CLI, which holds no credentials. It changes nothing.
func Inspect(ctx workflow.Context, in spec.Inspect) (spec.InspectResult, error) {
	if err := in.Validate(); err != nil {
		return spec.InspectResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	one, all := 5*time.Minute, 10*time.Minute
	if in.Read == spec.ReadUsage {
		one, all = spec.UsageTimeout, spec.UsageTimeout
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: one, ScheduleToCloseTimeout: all, HeartbeatTimeout: planHeartbeat,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}, Summary: "read " + in.Read,
	})
	var out spec.InspectResult
	err := workflow.ExecuteActivity(ctx, acts.Inspect, in).Get(ctx, &out)
	return out, err
}
