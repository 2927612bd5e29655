package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// depot stands for the two stores of a copy: what the target lacks, and how copying goes.
type depot struct {
	*world
	points   []string                                  // that the target lacks
	needs    map[string][]string                       // native snapshots by point
	there    map[string]bool                           // snapshots that the target has
	rounds   map[string]int                            // plans that a snapshot takes; 1 if not set
	batches  int                                       // of each plan
	copied   func(in activities.CopyBatchInput) error  // how a batch goes
	finished func(in activities.CopyRecordInput) error //
	offered  []string                                  // what PlanCopy was told
	shares   []int64                                   // of batches
}

func newDepot(t *testing.T) *depot {
	d := &depot{world: newWorld(t), needs: map[string][]string{}, there: map[string]bool{}, rounds: map[string]int{}, batches: 3}
	d.called(spec.CopyID("prod", "repo", "dr"))
	a := activities.New(nil, nil)
	d.OnActivity(a.PlanCopy, anything, anything).Return(d.onPlan).Maybe().After(time.Second)
	d.OnActivity(a.PlanPointCopy, anything, anything).Return(d.onPlanPoint).Maybe().After(time.Second)
	d.OnActivity(a.PlanSnapshotCopy, anything, anything).Return(d.onPlanSnapshot).Maybe().After(time.Second)
	d.OnActivity(a.CopyBatch, anything, anything).Return(d.onBatch).Maybe().After(time.Minute)
	d.OnActivity(a.CopyRecord, anything, anything).Return(d.onRecordCopy).Maybe().After(time.Second)
	d.OnActivity(a.PublishCopy, anything, anything).Return(d.onPublishCopy).Maybe().After(time.Second)
	return d
}

func (d *depot) onPlan(_ context.Context, in activities.PlanCopyInput) (activities.CopyPlan, error) {
	d.note("plan behind=%t offered=%v", in.Spec.Behind, in.Offered)
	d.offered = append(d.offered, in.Offered...)
	plan := activities.CopyPlan{Held: 1}
	for _, p := range d.points {
		if !d.there[p] && (!in.Spec.Behind || slices.Contains(in.Offered, p)) {
			plan.Points = append(plan.Points, p)
		}
	}
	return plan, nil
}

func (d *depot) onPlanPoint(_ context.Context, in activities.PointCopyInput) (activities.PointCopy, error) {
	d.note("look %s", in.Point)
	var plan activities.PointCopy
	for _, label := range d.needs[in.Point] {
		if !d.there[label] {
			plan.Count++
			plan.Snapshots = append(plan.Snapshots, activities.SnapshotToCopy{Label: label, Bytes: 30})
		}
	}
	return plan, nil
}

func (d *depot) onPlanSnapshot(_ context.Context, in activities.SnapshotCopyInput) (activities.SnapshotCopy, error) {
	d.note("plan %s after %q", in.Label, in.After)
	plan := activities.SnapshotCopy{Plan: "plan", Present: 1, Bytes: 5}
	for range d.batches {
		plan.Batches = append(plan.Batches, activities.CopyBatch{Objects: 2, Bytes: 10, Tablets: 1})
	}
	if d.rounds[in.Label]--; d.rounds[in.Label] > 0 {
		plan.Next = fmt.Sprint("key", d.rounds[in.Label])
	}
	return plan, nil
}

func (d *depot) onBatch(_ context.Context, in activities.CopyBatchInput) (activities.CopiedBatch, error) {
	d.note("batch of %s", in.Label)
	d.mu.Lock()
	d.shares = append(d.shares, in.BytesPerSecond)
	d.mu.Unlock()
	if d.copied != nil {
		if err := d.copied(in); err != nil {
			return activities.CopiedBatch{}, err
		}
	}
	return activities.CopiedBatch{Copied: 2, Bytes: 10, Moved: 10}, nil
}

func (d *depot) onRecordCopy(_ context.Context, in activities.CopyRecordInput) error {
	d.note("finish %s", in.Snapshot.Label)
	if d.finished != nil {
		if err := d.finished(in); err != nil {
			return err
		}
	}
	d.there[in.Snapshot.Label] = true
	return nil
}

func (d *depot) onPublishCopy(_ context.Context, in activities.PointCopyInput) error {
	d.note("publish %s", in.Point)
	d.there[in.Point] = true
	return nil
}

var copySpec = spec.Copy{Cluster: "prod", From: "repo", To: "dr"}

func (d *depot) run(in spec.Copy) (spec.CopyResult, error) {
	d.t.Helper()
	d.ExecuteWorkflow(spec.CopyWorkflow, in)
	var out spec.CopyResult
	err := d.GetWorkflowError()
	if err == nil {
		err = d.GetWorkflowResult(&out)
	} else {
		var app *temporal.ApplicationError
		if errors.As(err, &app) {
			_ = app.Details(&out)
		}
	}
	return out, err
}

func TestCopyBringsPointsInOrder(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1", "p2"}, map[string][]string{"p1": {"s1"}, "p2": {"s1", "s2"}}
	d.rounds["s2"] = 2
	d.batches = 1
	out, err := d.run(copySpec)
	if err != nil {
		t.Fatal(err)
	}
	d.wantSteps(`
		plan behind=false offered=[]
		look p1
		plan s1 after ""
		batch of s1
		finish s1
		look p1
		publish p1
		look p2
		plan s2 after ""
		batch of s2
		plan s2 after "key1"
		batch of s2
		finish s2
		look p2
		publish p2
	`)
	if out.PointCount != 2 || !slices.Equal(out.Points, d.points) || out.Held != 1 || out.Snapshots != 2 || out.Objects != 6 || out.Present != 3 || out.Bytes != 45 || out.Moved != 30 {
		t.Errorf("%+v", out)
	}
}

// What is damaged at the source keeps its points from being copied, and no others.
func TestCopyLeavesDamagedPointsOut(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1", "p2", "p3"}, map[string][]string{"p1": {"s1"}, "p2": {"s1", "s2"}, "p3": {"s3"}}
	d.copied = func(in activities.CopyBatchInput) error {
		if in.Label == "s1" {
			return activities.Error(spec.ErrorChecksumMismatch, nil, "s1 is damaged")
		}
		return nil
	}
	out, err := d.run(copySpec)
	kind, message := activities.TypeOf(err)
	if kind != spec.ErrorPartialFailure || !strings.Contains(message, "p1: native snapshot s1: s1 is damaged") {
		t.Errorf("ended with %s: %s", kind, message)
	}
	if out.FailedCount != 2 || len(out.Failed) != 2 || !slices.Equal(out.Points, []string{"p3"}) {
		t.Errorf("%+v", out)
	}
	if n := d.count(`plan s1 after ""`); n != 1 {
		t.Errorf("s1 was tried %d times", n)
	}
}

// Trouble with a store would meet every point.
func TestCopyEndsWhenTheStoreIsDenied(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1", "p2"}, map[string][]string{"p1": {"s1"}, "p2": {"s2"}}
	d.copied = func(activities.CopyBatchInput) error { return activities.Error(spec.ErrorAuthDenied, nil, "no right") }
	out, err := d.run(copySpec)
	if kind, _ := activities.TypeOf(err); kind != spec.ErrorAuthDenied || out.PointCount != 0 || d.count("look p2") != 0 {
		t.Errorf("ended with %v, %+v", err, out)
	}
}

// A record that never suits the manifest does not keep a copy busy for ever.
func TestCopyGivesUpWhatGoesAwayAgain(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1"}, map[string][]string{"p1": {"s1"}}
	d.finished = func(in activities.CopyRecordInput) error {
		d.needs["p1"] = append(d.needs["p1"], in.Snapshot.Label+"+")
		return nil
	}
	out, err := d.run(copySpec)
	if kind, _ := activities.TypeOf(err); kind != spec.ErrorPartialFailure || !strings.Contains(out.Failed[0].Reason, "went away") {
		t.Errorf("ended with %v, %+v", err, out)
	}
}

// Backups offer snapshots and points while the copy runs.
func TestCopyTakesWhatIsOffered(t *testing.T) {
	d := newDepot(t)
	d.batches = 1
	in := copySpec
	in.Behind = true
	d.needs = map[string][]string{"p1": {"s1", "s2"}}
	offer := func(after time.Duration, o spec.CopyOffer) {
		d.RegisterDelayedCallback(func() { d.SignalWorkflow(spec.SignalOffer, o) }, after)
	}
	offer(0, spec.CopyOffer{Snapshot: "s1"})
	offer(30*time.Second, spec.CopyOffer{Snapshot: "s2"})
	d.RegisterDelayedCallback(func() {
		d.points = []string{"p1"}
		d.SignalWorkflow(spec.SignalOffer, spec.CopyOffer{Point: "p1"})
	}, 40*time.Second)
	out, err := d.run(in)
	if err != nil || !slices.Equal(out.Points, []string{"p1"}) || out.Snapshots != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	if !slices.Equal(d.offered, []string{"p1"}) {
		t.Errorf("planned with %q", d.offered)
	}
}

func TestCopyLimits(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1"}, map[string][]string{"p1": {"s1"}}
	d.batches = 6
	in := copySpec
	in.Limits = spec.CopyLimits{BytesPerSecond: 600, ParallelBatches: 2}
	atOnce, most := 0, 0
	d.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name == "CopyBatch" {
			atOnce++
			most = max(most, atOnce)
		}
	})
	d.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == "CopyBatch" {
			atOnce--
		}
	})
	share := func() (n int64) {
		value, err := d.QueryWorkflow(activities.QueryShare)
		if err != nil || value.Get(&n) != nil {
			t.Error(err)
		}
		return n
	}
	d.RegisterDelayedCallback(func() {
		if got := share(); got != 300 {
			t.Errorf("share %d, want 300", got)
		}
	}, 30*time.Second)
	changed := d.update(40*time.Second, spec.UpdateSetLimit, spec.CopyLimits{ParallelBatches: 3})
	refused := d.update(41*time.Second, spec.UpdateSetLimit, spec.CopyLimits{BytesPerSecond: -1})
	d.at(50*time.Second, func() {
		if got := share(); got != 0 {
			t.Errorf("share %d, want none", got)
		}
	})
	if _, err := d.run(in); err != nil {
		t.Fatal(err)
	}
	if changed.value != (spec.CopyLimits{ParallelBatches: 3}) || refused.rejected == nil {
		t.Errorf("answers: %+v, %+v", changed, refused)
	}
	if most != 3 {
		t.Errorf("%d batches at once, want 3 after the change", most)
	}
	if d.shares[0] != 300 || d.shares[len(d.shares)-1] != 0 {
		t.Errorf("shares: %v", d.shares)
	}
}

func TestCopyIsContinued(t *testing.T) {
	d := newDepot(t)
	d.points, d.needs = []string{"p1"}, map[string][]string{"p1": {"s1"}}
	d.rounds["s1"] = 3
	d.RegisterDelayedCallback(func() { d.SetContinueAsNewSuggested(true) }, 30*time.Second)
	d.RegisterDelayedCallback(func() { d.SignalWorkflow(spec.SignalOffer, spec.CopyOffer{Snapshot: "s9"}) }, 40*time.Second)
	_, err := d.run(copySpec)
	var next *workflow.ContinueAsNewError
	if !errors.As(err, &next) {
		t.Fatalf("ended with %v", err)
	}
	var in spec.Copy
	var state workflows.CopyState
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in, &state); err != nil {
		t.Fatal(err)
	}
	if state.After != "key2" || state.Point != "p1" || len(state.Snapshots) != 2 || state.Snapshots[1].Label != "s9" || state.Result.Objects != 6 {
		t.Errorf("continued with %+v", state)
	}
	again := newDepot(t)
	again.points, again.needs = d.points, map[string][]string{"p1": {"s1"}}
	again.rounds["s1"] = 2
	again.ExecuteWorkflow(workflows.Copy, in, &state)
	var out spec.CopyResult
	if err := again.GetWorkflowResult(&out); err != nil || out.PointCount != 1 || out.Objects != 6+3*6 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestCopyRefusesWrongInput(t *testing.T) {
	d := newDepot(t)
	_, err := d.run(spec.Copy{Cluster: "prod", From: "dr", To: "dr"})
	if kind, message := activities.TypeOf(err); kind != spec.ErrorInvalidSpec || !strings.Contains(message, "from one store to another") {
		t.Errorf("ended with %v", err)
	}
}

// A mirror that is behind, or that cannot even be told, fails no backup.
func TestMirrorsFailNoBackup(t *testing.T) {
	for name, test := range map[string]struct {
		offers error
		states []spec.MirrorState
		want   string
	}{
		"whole":          {nil, []spec.MirrorState{{Mirror: "dr", Copied: true}}, ""},
		"behind":         {nil, []spec.MirrorState{{Mirror: "dr", Copy: "copy/prod/repo/dr", Reason: "not copied yet"}}, "mirror dr is behind (not copied yet): copy/prod/repo/dr goes on with it"},
		"cannot be told": {activities.Error(spec.ErrorJobFailed, nil, "no way"), nil, "mirror dr is behind (not known: no way)"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.backupOf(1, database("sales", 2, 1))
			a := activities.New(nil, nil)
			var offers []spec.CopyOffer
			w.OnActivity(a.OfferCopy, anything, anything).Return(func(_ context.Context, in activities.OfferInput) error {
				offers = append(offers, in.Offer)
				return test.offers
			})
			w.OnActivity(a.AwaitMirrors, anything, anything).Return(func(context.Context, activities.MirrorsInput) ([]spec.MirrorState, error) {
				return test.states, nil
			}).Maybe()
			w.ExecuteWorkflow(spec.BackupWorkflow, spec.Backup{Cluster: "prod", Repository: "repo", Mirrors: []string{"dr"}})
			var out spec.BackupResult
			if err := w.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			if err := w.GetWorkflowResult(&out); err != nil || !out.Complete || out.Point == "" {
				t.Fatalf("%+v, %v", out, err)
			}
			if len(offers) != 3 || offers[0].Snapshot == "" || offers[2].Point != out.Point {
				t.Errorf("offered %+v", offers)
			}
			if len(out.Mirrors) != 1 || test.want == "" && len(out.Warnings) > 0 || !strings.Contains(fmt.Sprint(out.Warnings), test.want) {
				t.Errorf("mirrors %+v, warnings %q", out.Mirrors, out.Warnings)
			}
		})
	}
}
