package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// called has the run under test an id.
func (w *world) called(id string) {
	w.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue})
}

// nightly1 is the id of a schedule's run: Temporal adds the time that it was due.
const nightly1 = "prune/prod/nightly-2026-11-22T02:00:00Z"

// Whoever starts it, a prune of a store is the one run that is called after the store, with its result or its failure.
func TestAScheduledPruneIsDoneByTheOneRunOfItsStore(t *testing.T) {
	t.Run("with its result", func(t *testing.T) {
		p := newPruning(t)
		p.called(nightly1)
		out, err := p.prune(policy())
		wantType(t, err, "")
		if p.count("plan of prune/prod/repo") != 1 || p.count("plan of "+nightly1) != 0 || out.Deleted != 150 || out.Snapshots != 3 {
			t.Errorf("result %+v, steps %q", out, p.steps())
		}
	})
	t.Run("with its failure", func(t *testing.T) {
		p := newPruning(t)
		p.called(nightly1)
		p.fails = activities.Error(spec.ErrorAuthDenied, nil, "no right to write")
		out, err := p.prune(policy())
		wantType(t, err, spec.ErrorAuthDenied)
		if out.Deleted != 150 || !strings.Contains(err.Error(), "no right to write") || p.count("plan of prune/prod/repo") != 1 {
			t.Errorf("result %+v, error %v, steps %q", out, err, p.steps())
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		p := newPruning(t)
		p.called(nightly1)
		p.at(1500*time.Millisecond, p.CancelWorkflow)
		_, err := p.prune(policy())
		wantType(t, err, "Canceled")
		var canceled *temporal.CanceledError
		var out spec.PruneResult
		if !errors.As(err, &canceled) || canceled.Details(&out) != nil || out.Deleted == 0 || p.count("files 0-1") != 0 {
			t.Errorf("error %v, result %+v, steps %q", err, out, p.steps())
		}
	})
}

// One that meets another run on its store begins when that one has ended.
func TestAScheduledRunWaitsForTheOneThatIsOpen(t *testing.T) {
	t.Run("a prune", func(t *testing.T) {
		p := newPruning(t)
		waiting := ""
		p.at(20*time.Minute, func() {
			answer, err := p.QueryWorkflowByID("under-test", spec.QueryProgress)
			var progress spec.Progress
			if err != nil || answer.Get(&progress) != nil {
				t.Errorf("no progress: %v", err)
				return
			}
			waiting = string(progress.Phase) + " " + strings.Join(progress.Warnings, "")
			if len(p.steps()) > 0 {
				t.Errorf("it has begun beside the other one: %q", p.steps())
			}
		})
		p.called("both")
		p.beside(spec.PruneID("prod", "repo"), time.Hour, spec.PruneWorkflow, policy())
		wantType(t, p.ended(), "")
		if p.count("snapshots 2-3") != 1 || !strings.HasPrefix(waiting, "waiting prune/prod/repo ") {
			t.Errorf("steps %q; waiting: %q", p.steps(), waiting)
		}
	})
	t.Run("a copy", func(t *testing.T) {
		d := newDepot(t)
		d.points, d.needs = []string{"p1"}, map[string][]string{"p1": {"s1"}}
		d.at(20*time.Minute, func() {
			if len(d.steps()) > 0 {
				t.Errorf("it has begun beside the other one: %q", d.steps())
			}
		})
		d.called("both")
		d.beside(spec.CopyID("prod", "repo", "dr"), time.Hour, spec.CopyWorkflow, copySpec)
		wantType(t, d.ended(), "")
		if !slices.Contains(d.steps(), "publish p1") {
			t.Errorf("steps %q", d.steps())
		}
	})
	t.Run("until it is cancelled", func(t *testing.T) {
		p := newPruning(t)
		p.at(20*time.Minute, p.CancelWorkflow)
		p.called("both")
		p.beside(spec.PruneID("prod", "repo"), time.Hour, spec.PruneWorkflow, policy())
		wantType(t, p.ended(), "Canceled")
		if len(p.steps()) > 0 {
			t.Errorf("steps %q", p.steps())
		}
	})
}
