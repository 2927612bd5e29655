package workflows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// pruning answers the activities of a Prune. What they are asked is noted; held is what each batch of snapshots could not
// delete, fails the error of the marks.
type pruning struct {
	*world
	held  []spec.HeldBack
	fails error
}

func newPruning(t *testing.T) *pruning {
	p := &pruning{world: newWorld(t)}
	p.called(spec.PruneID("prod", "repo"))
	var a *activities.Activities
	const any = anything
	plan := activities.PrunePlan{Ref: activities.PrunePlanRef{Where: "repo"}, Points: []int{100, 150}, Marks: []int{7}, Snapshots: []int{2, 3}, Files: []int{1},
		Result: spec.PruneResult{Where: "repo", PlanDigest: "d", Go: 150, Stay: 5, Marked: 7, Due: 3, Files: 1, Warnings: []string{"planned"}}}
	p.OnActivity(a.PlanPrune, any, any).Return(func(_ context.Context, in activities.PlanPruneInput) (activities.PrunePlan, error) {
		p.note("plan of %s", in.ID)
		plan.Result.DryRun = in.Spec.DryRun
		return plan, nil
	}).Maybe()
	batch := func(what string, more func() (activities.Pruned, error)) func(context.Context, activities.PruneBatch) (activities.Pruned, error) {
		return func(_ context.Context, b activities.PruneBatch) (activities.Pruned, error) {
			p.note("%s %d-%d", what, b.From, b.To)
			out, err := more()
			out.Done = b.To - b.From
			return out, err
		}
	}
	nothing := func() (activities.Pruned, error) { return activities.Pruned{}, nil }
	p.OnActivity(a.DropPoints, any, any).Return(batch("points", nothing)).Maybe().After(time.Second)
	p.OnActivity(a.MarkSnapshots, any, any).Return(batch("marks", func() (activities.Pruned, error) { return activities.Pruned{}, p.fails })).Maybe().After(time.Second)
	p.OnActivity(a.DeleteSnapshots, any, any).Return(batch("snapshots", func() (activities.Pruned, error) {
		return activities.Pruned{Objects: 10, Bytes: 100, Held: p.held, HeldAll: len(p.held), Warnings: []string{"done"}}, nil
	})).Maybe().After(time.Second)
	p.OnActivity(a.SweepFiles, any, any).Return(batch("files", nothing)).Maybe().After(time.Second)
	return p
}

func (p *pruning) prune(in spec.Prune) (spec.PruneResult, error) {
	p.ExecuteWorkflow(spec.PruneWorkflow, in)
	var out spec.PruneResult
	err := p.GetWorkflowError()
	var app *temporal.ApplicationError
	switch {
	case err == nil:
		err = p.GetWorkflowResult(&out)
	case errors.As(err, &app) && app.HasDetails():
		_ = app.Details(&out)
	}
	return out, err
}

func policy() spec.Prune {
	return spec.Prune{Cluster: "prod", Where: "repo", Policy: spec.Retention{Daily: 7}}
}

func TestAPruneDeletesInAnOrderThatACrashMayCut(t *testing.T) {
	p := newPruning(t)
	out, err := p.prune(policy())
	wantType(t, err, "")
	want := []string{"points 0-100", "points 100-150", "marks 0-7", "snapshots 0-2", "snapshots 2-3", "files 0-1"}
	if got := p.steps("plan"); !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
	if out.Deleted != 150 || out.Snapshots != 3 || out.FreedObjects != 20 || out.FreedBytes != 200 || out.Marked != 7 || !slices.Equal(out.Warnings, []string{"planned", "done", "done"}) {
		t.Errorf("result %+v", out)
	}
}

func TestADryRunOnlyPlans(t *testing.T) {
	p := newPruning(t)
	in := policy()
	in.DryRun = true
	out, err := p.prune(in)
	wantType(t, err, "")
	if got := p.steps("plan"); len(got) > 0 || !out.DryRun || out.Go != 150 || out.Deleted != 0 {
		t.Errorf("steps %q, result %+v", got, out)
	}
}

func TestWhatAStoreHoldsBackDoesNotEndAPrune(t *testing.T) {
	for name, c := range map[string]struct {
		locked bool
		kind   string
	}{
		"locked for a time":  {true, ""},
		"for want of rights": {false, spec.ErrorPartialFailure},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPruning(t)
			p.held = []spec.HeldBack{{Name: "sk_x", Locked: c.locked, Reason: "the store's words"}}
			out, err := p.prune(policy())
			wantType(t, err, c.kind)
			if out.HeldCount != 2 || len(out.Held) != 2 || p.count("files 0-1") != 1 {
				t.Errorf("result %+v, steps %q", out, p.steps())
			}
			if err != nil && !strings.Contains(err.Error(), "the store's words") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAPruneThatFailsSaysHowFarItCame(t *testing.T) {
	p := newPruning(t)
	p.fails = activities.Error(spec.ErrorAuthDenied, nil, "no right to write")
	out, err := p.prune(policy())
	wantType(t, err, spec.ErrorAuthDenied)
	if out.Deleted != 150 || out.Snapshots != 0 || p.count("snapshots 0-2") != 0 || !strings.Contains(err.Error(), "the next run") {
		t.Errorf("result %+v, error %v", out, err)
	}
}

func TestAPruneWithoutAPolicyIsRefused(t *testing.T) {
	p := newPruning(t)
	_, err := p.prune(spec.Prune{Cluster: "prod", Where: "repo"})
	wantType(t, err, spec.ErrorInvalidSpec)
	if len(p.steps()) > 0 {
		t.Errorf("steps %q", p.steps())
	}
}
