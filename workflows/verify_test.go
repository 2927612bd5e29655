package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// verifyWorld stands for the store that is verified.
type verifyWorld struct {
	*testsuite.TestWorkflowEnvironment
	t *testing.T

	plan    activities.VerifyPlan
	check   func(activities.CheckObjectsInput) (activities.CheckedObjects, error)
	read    func(activities.ReadObjectsInput) (activities.ObjectsRead, error)
	repair  func(activities.RepairInput) error
	outcome spec.VerifyResult

	mu       sync.Mutex
	did      []string
	recorded activities.RecordVerificationInput
}

func newVerifyWorld(t *testing.T, groups int) *verifyWorld {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	w := &verifyWorld{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	w.SetTestTimeout(20 * time.Second)
	workflows.Register(w)
	a := activities.New(nil, nil)
	w.RegisterActivity(a)
	w.plan = activities.VerifyPlan{Points: 1, Groups: groups, Snapshots: int64(groups)}
	w.outcome = spec.VerifyResult{Where: "repo", Result: spec.VerifyOK, Verified: 1}
	const any = anything
	w.OnActivity(a.PlanVerify, any, any).Return(func(context.Context, activities.PlanVerifyInput) (activities.VerifyPlan, error) {
		w.note("plan")
		return w.plan, nil
	}).Maybe()
	w.OnActivity(a.CheckObjects, any, any).Return(w.onCheck).Maybe().After(time.Minute)
	w.OnActivity(a.ReadObjects, any, any).Return(w.onRead).Maybe().After(time.Minute)
	w.OnActivity(a.RepairObjects, any, any).Return(w.onRepair).Maybe().After(time.Second)
	w.OnActivity(a.RepairManifests, any, any, any).Return(func(_ context.Context, _ activities.RepairInput, points []string) ([]string, error) {
		w.note("repair manifests %v", points)
		return points, nil
	}).Maybe()
	w.OnActivity(a.RecordVerification, any, any).Return(func(_ context.Context, in activities.RecordVerificationInput) (spec.VerifyResult, error) {
		w.note("record")
		w.recorded = in
		return w.outcome, nil
	}).Maybe()
	return w
}

func (w *verifyWorld) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did = append(w.did, fmt.Sprintf(format, args...))
}

func (w *verifyWorld) onCheck(_ context.Context, in activities.CheckObjectsInput) (activities.CheckedObjects, error) {
	w.note("check %s", strings.TrimSpace(in.File+" "+in.Again))
	if w.check != nil {
		return w.check(in)
	}
	return activities.CheckedObjects{Snapshots: 1, Batches: []activities.ObjectBatch{{Objects: 1, Bytes: 10}, {Objects: 1, Bytes: 10}}}, nil
}

func (w *verifyWorld) onRead(_ context.Context, in activities.ReadObjectsInput) (activities.ObjectsRead, error) {
	w.note("read %s after %s", in.File, in.Look)
	if w.read != nil {
		return w.read(in)
	}
	return activities.ObjectsRead{Objects: in.Batch.Objects}, nil
}

func (w *verifyWorld) onRepair(_ context.Context, in activities.RepairInput) (activities.RepairedObjects, error) {
	w.note("repair %s", in.File)
	if w.repair != nil {
		return activities.RepairedObjects{}, w.repair(in)
	}
	return activities.RepairedObjects{Repaired: 1}, nil
}

func (w *verifyWorld) run(in spec.Verify) (out spec.VerifyResult, err error) {
	w.t.Helper()
	in.Cluster, in.Where = "prod", "repo"
	w.ExecuteWorkflow(spec.VerifyWorkflow, in)
	if !w.IsWorkflowCompleted() {
		w.t.Fatalf("the workflow did not end; done so far: %q", w.did)
	}
	if err = w.GetWorkflowError(); err == nil {
		err = w.GetWorkflowResult(&out)
	}
	return out, err
}

func TestAVerificationLooksReadsAndWritesDown(t *testing.T) {
	w := newVerifyWorld(t, 2)
	out, err := w.run(spec.Verify{Content: spec.ContentAll, Parallel: 1})
	wantType(t, err, "")
	want := []string{"plan", "check g0", "read g0b0 after g0", "read g0b1 after g0", "check g1", "read g1b0 after g1", "read g1b1 after g1", "record"}
	if !slices.Equal(w.did, want) || out.Result != spec.VerifyOK {
		t.Errorf("did %q\nwant %q\n%+v", w.did, want, out)
	}
	if !slices.Equal(w.recorded.Files, []string{"g0", "g1"}) {
		t.Errorf("files %q", w.recorded.Files)
	}
}

func TestFindingsAreRepairedWhereTheyAreFound(t *testing.T) {
	w := newVerifyWorld(t, 1)
	w.plan.Unreadable, w.plan.Found = []string{"p1"}, 1
	w.check = func(in activities.CheckObjectsInput) (activities.CheckedObjects, error) {
		out := activities.CheckedObjects{Found: 2, Blocked: 1}
		if in.Again != "" {
			out = activities.CheckedObjects{Batches: []activities.ObjectBatch{{Objects: 1}}}
		}
		return out, nil
	}
	w.read = func(activities.ReadObjectsInput) (activities.ObjectsRead, error) {
		return activities.ObjectsRead{Found: 1}, nil
	}
	w.repair = func(in activities.RepairInput) error {
		if in.File == "g0againb0" {
			return failure(spec.ErrorAuthDenied, "no right to put")
		}
		return nil
	}
	out, err := w.run(spec.Verify{RepairFrom: "dr"})
	wantType(t, err, "")
	want := []string{"plan", "repair manifests [p1]", "plan", "repair p", "check g0", "repair g0", "check g0again g0", "read g0againb0 after g0again", "repair g0againb0", "record"}
	if !slices.Equal(w.did, want) {
		t.Errorf("did %q\nwant %q", w.did, want)
	}
	if !slices.Equal(w.recorded.Files, []string{"p", "g0", "g0again", "g0againb0"}) || !slices.Equal(w.recorded.Mended, []string{"p1"}) {
		t.Errorf("%+v", w.recorded)
	}
	if !strings.Contains(strings.Join(out.Warnings, ""), "no right to put") {
		t.Errorf("warnings %q", out.Warnings)
	}
}

func TestDamageEndsAVerificationWithItsResult(t *testing.T) {
	w := newVerifyWorld(t, 1)
	w.outcome = spec.VerifyResult{Where: "repo", Result: spec.VerifyDamaged, Found: 3, Repaired: 1, Damaged: 1, Verified: 2, Problems: []spec.VerifyProblem{
		{Key: "a", Repaired: true}, {Key: "b", Detail: "is missing (7 bytes)"}}}
	_, err := w.run(spec.Verify{})
	wantType(t, err, spec.ErrorChecksumMismatch)
	var app *temporal.ApplicationError
	var out spec.VerifyResult
	if !errors.As(err, &app) || app.Details(&out) != nil || out.Found != 3 {
		t.Errorf("%+v", out)
	}
	if !strings.Contains(err.Error(), "3 problems, 1 of them repaired; 1 of 2 restore points are concerned; the first: b is missing") {
		t.Error(err)
	}
}

func TestAStoreThatCannotBeReadEndsAVerification(t *testing.T) {
	w := newVerifyWorld(t, 9)
	w.check = func(in activities.CheckObjectsInput) (activities.CheckedObjects, error) {
		return activities.CheckedObjects{}, failure(spec.ErrorAuthDenied, "no right to list")
	}
	_, err := w.run(spec.Verify{})
	wantType(t, err, spec.ErrorAuthDenied)
	if slices.Contains(w.did, "record") || len(w.did) > 1+spec.DefaultVerifyParallel {
		t.Errorf("did %q", w.did)
	}
}

func TestACancelledVerificationWritesNothingDown(t *testing.T) {
	w := newVerifyWorld(t, 9)
	w.RegisterDelayedCallback(w.CancelWorkflow, 90*time.Second)
	_, err := w.run(spec.Verify{Content: spec.ContentAll})
	if !temporal.IsCanceledError(err) || slices.Contains(w.did, "record") {
		t.Errorf("%v, did %q", err, w.did)
	}
}

// A long verification goes on in another run with all that is known, and looks at nothing twice.
func TestALongVerificationIsContinuedAsNew(t *testing.T) {
	in := spec.Verify{Cluster: "prod", Where: "repo", Parallel: 2}
	var so workflows.VerifySoFar
	var checked []string
	for runs := 1; ; runs++ {
		w := newVerifyWorld(t, 5)
		w.SetContinueAsNewSuggested(false)
		w.check = func(in activities.CheckObjectsInput) (activities.CheckedObjects, error) {
			checked = append(checked, in.File)
			if len(checked)%2 == 0 {
				w.SetContinueAsNewSuggested(true)
			}
			return activities.CheckedObjects{}, nil
		}
		if runs == 1 {
			w.ExecuteWorkflow(spec.VerifyWorkflow, in)
		} else {
			w.ExecuteWorkflow(spec.VerifyWorkflow, in, so)
		}
		err := w.GetWorkflowError()
		var next *workflow.ContinueAsNewError
		if !errors.As(err, &next) {
			wantType(t, err, "")
			if runs < 2 || slices.Contains(w.did, "plan") || !slices.Equal(w.recorded.Files, checked) {
				t.Errorf("%d runs, did %q, files %q", runs, w.did, w.recorded.Files)
			}
			break
		}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in, &so); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(checked)
	if !slices.Equal(checked, []string{"g0", "g1", "g2", "g3", "g4"}) {
		t.Errorf("looked at %q", checked)
	}
}
