package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// acts only gives activities their names.
var acts *activities.Activities

// patient retries as long as an FE upgrade or a store's bad day takes; what cannot get better is marked by the activity
// itself.
var patient = &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}

// short is for activities of seconds: a statement, a few objects.
func short(ctx workflow.Context, heartbeat time.Duration, summary string) workflow.Context {
	return withOptions(ctx, 10*time.Minute, 24*time.Hour, heartbeat, summary)
}

// brief is for what a person waits for: an FE or store that does not answer for a minute is reported.
func brief(ctx workflow.Context, heartbeat time.Duration, summary string) workflow.Context {
	return workflow.WithRetryPolicy(withOptions(ctx, 5*time.Minute, 10*time.Minute, heartbeat, summary),
		temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second, MaximumAttempts: 8})
}

// long is for activities that handle many objects or statements.
func long(ctx workflow.Context, heartbeat time.Duration, summary string) workflow.Context {
	return withOptions(ctx, 24*time.Hour, 48*time.Hour, heartbeat, summary)
}

// watching is for Await: StarRocks' own limit of a job, and a day for what may come between.
func watching(ctx workflow.Context, heartbeat time.Duration, summary string) workflow.Context {
	return withOptions(ctx, 31*24*time.Hour, 32*24*time.Hour, heartbeat, summary)
}

func withOptions(ctx workflow.Context, one, all, heartbeat time.Duration, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: one, ScheduleToCloseTimeout: all, HeartbeatTimeout: heartbeat,
		WaitForCancellation: true, RetryPolicy: patient, Summary: summary,
	})
}

// planHeartbeat is the heartbeat timeout of the activities that do not know the profile's own yet.
const planHeartbeat = 15 * time.Second

// finishing is a context for what must follow although a cancel was asked for.
func finishing(ctx workflow.Context) workflow.Context {
	free, _ := workflow.NewDisconnectedContext(ctx)
	return free
}

// Search attribute keys.
var (
	attributeCluster  = temporal.NewSearchAttributeKeyKeyword(spec.AttributeCluster)
	attributeDatabase = temporal.NewSearchAttributeKeyKeyword(spec.AttributeDatabase)
	attributePhase    = temporal.NewSearchAttributeKeyKeyword(spec.AttributePhase)
	attributePoint    = temporal.NewSearchAttributeKeyKeyword(spec.AttributePoint)
	attributeBytes    = temporal.NewSearchAttributeKeyInt64(spec.AttributeBytes)
)
