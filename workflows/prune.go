package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Prune deletes the restore points that a policy lets go, and the native snapshots that none needs any more when their grace
// is over. A run that is broken off anywhere leaves nothing that looks restorable and is not: the next one goes on. A cluster's
// points in a store are pruned by one run at a time: any other hands over to spec.PruneID.
func Prune(ctx workflow.Context, in spec.Prune) (spec.PruneResult, error) {
	if err := in.Validate(); err != nil {
		return spec.PruneResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	if out, handed, err := handOver[spec.PruneResult](ctx, spec.PruneID(in.Cluster, in.Where), spec.PruneWorkflow, spec.PhasePrune, in); handed {
		return out, err
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	p := &prune{progress: spec.Progress{Phase: spec.PhasePlan}}
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return p.progress, nil }); err != nil {
		return spec.PruneResult{}, err
	}
	info := workflow.GetInfo(ctx)
	input := activities.PlanPruneInput{Spec: in, Run: info.FirstRunID, ID: info.WorkflowExecution.ID, At: workflow.Now(ctx).UTC()}
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "decide what goes"), acts.PlanPrune, input).Get(ctx, &p.plan)
	if err != nil {
		return spec.PruneResult{}, err
	}
	p.out = p.plan.Result
	p.progress.Warnings = p.out.Warnings
	if !in.DryRun {
		err = p.carryOut(ctx)
	}
	p.phase(spec.PhaseDone)
	return p.end(err)
}

type prune struct {
	plan     activities.PrunePlan
	out      spec.PruneResult
	progress spec.Progress
}

// carryOut works the plan off in the order that a crash may cut anywhere: points, marks, objects, the rest.
func (p *prune) carryOut(ctx workflow.Context) error {
	for _, step := range []struct {
		what     string
		ends     []int
		activity any
		done     func(activities.Pruned)
	}{
		{"restore points", p.plan.Points, acts.DropPoints, func(d activities.Pruned) { p.out.Deleted += d.Done }},
		{"marks", p.plan.Marks, acts.MarkSnapshots, func(activities.Pruned) {}},
		{"native snapshots", p.plan.Snapshots, acts.DeleteSnapshots, func(d activities.Pruned) {
			p.out.Snapshots += d.Done
			p.out.FreedObjects += d.Objects
			p.out.FreedBytes += d.Bytes
		}},
		{"files", p.plan.Files, acts.SweepFiles, func(activities.Pruned) {}},
	} {
		from := 0
		for _, to := range step.ends {
			p.phase(spec.PhasePrune)
			batch := activities.PruneBatch{PrunePlanRef: p.plan.Ref, From: from, To: to}
			summary := fmt.Sprintf("%s %d to %d of %d", step.what, from+1, to, step.ends[len(step.ends)-1])
			workflow.SetCurrentDetails(ctx, summary)
			var done activities.Pruned
			if err := workflow.ExecuteActivity(long(ctx, planHeartbeat, summary), step.activity, batch).Get(ctx, &done); err != nil {
				return err
			}
			step.done(done)
			p.take(done)
			from = to
		}
	}
	return nil
}

func (p *prune) phase(phase spec.Phase) { p.progress.Phase = phase }

// take adds what a batch could not do.
func (p *prune) take(d activities.Pruned) {
	p.out.HeldCount += d.HeldAll
	p.out.Held = append(p.out.Held, d.Held[:min(len(d.Held), spec.MaxListed-len(p.out.Held))]...)
	p.out.Warnings = append(p.out.Warnings, d.Warnings[:min(len(d.Warnings), max(0, spec.MaxListed-len(p.out.Warnings)))]...)
	p.progress.Warnings = p.out.Warnings
}

// end gives the result, also to what failed or was cancelled. What a store locks is no failure: it goes when the time is over.
func (p *prune) end(err error) (spec.PruneResult, error) {
	if temporal.IsCanceledError(err) {
		return p.out, temporal.NewCanceledError(p.out)
	}
	if err != nil {
		kind, message := activities.TypeOf(err)
		if kind == "" {
			kind = spec.ErrorJobFailed
		}
		return p.out, activities.Error(kind, p.out, "%s; what was begun is finished by the next run", message)
	}
	var denied []string
	for _, h := range p.out.Held {
		if !h.Locked {
			denied = append(denied, h.Name+": "+h.Reason)
		}
	}
	if len(denied) > 0 {
		return p.out, activities.Error(spec.ErrorPartialFailure, p.out, "the store of %s did not let everything go: %s", p.out.Where, strings.Join(denied[:min(len(denied), 3)], "; "))
	}
	return p.out, nil
}

// Pin protects a restore point from being pruned, or takes that back.
func Pin(ctx workflow.Context, in spec.Pin) (spec.PinResult, error) {
	if err := in.Validate(); err != nil {
		return spec.PinResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	var out spec.PinResult
	err := workflow.ExecuteActivity(brief(ctx, planHeartbeat, "pin "+in.Point), acts.PinPoint, activities.PinInput{Spec: in, At: workflow.Now(ctx)}).Get(ctx, &out)
	return out, err
}
