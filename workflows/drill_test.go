package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

func (w *world) onReport(_ context.Context, in activities.ReportInput) (activities.Reported, error) {
	w.mu.Lock()
	w.reported = in
	w.mu.Unlock()
	if w.report != nil {
		if err := w.report(in); err != nil {
			return activities.Reported{}, err
		}
	}
	return activities.Reported{Address: "s3://b/report.json", Result: "proven"}, nil
}

func (w *world) onAdopt(_ context.Context, in spec.Adopt) (spec.AdoptResult, error) {
	w.note("adopt %s of %s", in.Label, in.Cluster)
	return spec.AdoptResult{Point: point, Label: in.Label}, nil
}

func (w *world) onPlanDrill(context.Context, activities.PlanDrillInput) (activities.DrillPlan, error) {
	w.note("choose")
	return w.drill, nil
}

func (w *world) onDropDrill(_ context.Context, ref activities.DrillRef) ([]string, error) {
	w.note("drop %s", ref.Plan.Databases["sales"])
	return nil, nil
}

func (w *world) onRecordDrill(_ context.Context, in activities.DrillOutcome) (string, error) {
	w.note("write down %s", in.Record.Result)
	w.mu.Lock()
	w.drilled = in
	w.mu.Unlock()
	return "s3://b/drill.json", nil
}

func TestARestoreStoresItsProofAndSaysWhere(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 2, 1))
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	if out.Report != "s3://b/report.json" || w.reported.Restore != "restore/prod/test" || len(w.reported.Databases) != 1 || w.reported.Databases[0].Units != nil {
		t.Errorf("report %q of %+v", out.Report, w.reported)
	}
}

func TestAProofThatCannotBeStoredIsAWarning(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	w.report = func(activities.ReportInput) error { return failure(spec.ErrorAuthDenied, "no right to put") }
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	if out.Report != "" || !strings.Contains(strings.Join(out.Warnings, "; "), "no right to put") || len(out.Tables) != 1 {
		t.Errorf("%+v", out)
	}
}

func TestANativeSnapshotIsAdoptedBeforeThePlan(t *testing.T) {
	w := newWorld(t)
	w.restoreOf(1, database("sales", 1, 1))
	in := comeBack
	in.SourceCluster, in.Snapshot, in.DryRun = "other", &spec.NativeSnapshot{Label: "by_hand"}, true
	_, err := w.restore(in)
	wantType(t, err, "")
	w.wantSteps("adopt by_hand of other\nplan")
}

// drillOf plans a drill of one table.
func (w *world) drillOf() {
	w.restoreOf(1, database("starkeep_drill_0a1b2c3d", 1, 1))
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		p := proven(ref.Table, spec.ActionCreate)
		p.Table.Database = "starkeep_drill_0a1b2c3d"
		return p, nil
	}
	w.drill = activities.DrillPlan{Point: point, SourceCluster: "prod", Seed: "s", Of: 40, Heartbeat: spec.Duration(30 * time.Second),
		Tables: []restorepoint.TableName{{Database: "sales", Table: "t0"}}, Databases: map[string]string{"sales": "starkeep_drill_0a1b2c3d"}}
}

func (w *world) drillEnded() (spec.DrillResult, error) {
	w.t.Helper()
	w.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "drill/prod/test", TaskQueue: spec.TaskQueue})
	w.ExecuteWorkflow(spec.DrillWorkflow, spec.Drill{Cluster: "prod", Repository: "repo"})
	err := w.ended()
	var out spec.DrillResult
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		if err := w.GetWorkflowResult(&out); err != nil {
			w.t.Fatal(err)
		}
	case errors.As(err, &app):
		if err := app.Details(&out); err != nil {
			w.t.Fatal(err)
		}
	case errors.As(err, &canceled):
		if err := canceled.Details(&out); err != nil {
			w.t.Fatal(err)
		}
	}
	return out, err
}

func TestADrillRestoresProvesDropsAndWritesDown(t *testing.T) {
	w := newWorld(t)
	w.drillOf()
	out, err := w.drillEnded()
	wantType(t, err, "")
	w.wantSteps("choose\nplan\nprove t0\ndrop starkeep_drill_0a1b2c3d\nwrite down ok", "ensure", "prepare", "RESTORE", "await", "tidy", "properties", "grants")
	if out.Result != spec.DrillOK || out.Sampled != 1 || out.Of != 40 || out.Recorded == "" || out.Report == "" || len(out.Tables) != 1 {
		t.Errorf("%+v", out)
	}
	r := w.drilled.Record
	if len(r.Tables) != 1 || !r.Tables[0].Proven || r.Tables[0].Rows != 10 || r.Point != point || r.Drill != "drill/prod/test" {
		t.Errorf("written down: %+v", r)
	}
}

func TestADrillThatFindsADifferenceSaysSoAndClearsUp(t *testing.T) {
	w := newWorld(t)
	w.drillOf()
	w.prove = func(ref activities.TableRef) (activities.Proven, error) {
		p := unproven(ref.Table, spec.ActionCreate, "StarRocks says FINISHED, but rows differ")
		p.Table.Database, p.Differs = "starkeep_drill_0a1b2c3d", true
		return p, nil
	}
	out, err := w.drillEnded()
	wantType(t, err, spec.ErrorProofFailed)
	w.wantSteps("drop starkeep_drill_0a1b2c3d\nwrite down mismatch", "choose", "plan", "prove", "ensure", "prepare", "RESTORE", "await", "tidy", "properties", "grants")
	if r := w.drilled.Record.Tables[0]; r.Proven || !strings.Contains(r.Reason, "rows differ") || out.Result != spec.DrillMismatch {
		t.Errorf("written down %+v, %+v", r, out)
	}
}

func TestACancelledDrillClearsUpToo(t *testing.T) {
	w := newWorld(t)
	w.drillOf()
	w.at(10*time.Second, w.CancelWorkflow)
	out, err := w.drillEnded()
	if !temporal.IsCanceledError(err) || out.Result != spec.DrillCancelled {
		t.Errorf("%v, %+v", err, out)
	}
	if w.count("drop starkeep_drill_0a1b2c3d") != 1 || w.count("write down cancelled") != 1 {
		t.Errorf("done %q", w.steps())
	}
}
