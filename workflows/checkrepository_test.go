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

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// checkWorld stands for what a check reaches. Time is skipped; all goes well unless a test says otherwise.
type checkWorld struct {
	*testsuite.TestWorkflowEnvironment
	worker  []spec.RightRow // in place of five that are ok
	probed  func(*activities.Probed)
	failing map[string]error // by step
	during  map[string]func()

	mu  sync.Mutex
	did []string
}

func newCheckWorld(t *testing.T, job time.Duration) *checkWorld {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	w := &checkWorld{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), failing: map[string]error{}, during: map[string]func(){}}
	w.SetTestTimeout(20 * time.Second)
	workflows.Register(w)
	a := activities.New(nil, nil)
	w.RegisterActivity(a)
	const any = anything
	w.OnActivity(a.ProbeStore, any, any).Return(func(context.Context, activities.RepositoryRef) ([]spec.RightRow, error) {
		return w.rows(), w.step("probe store")
	}).Maybe()
	w.OnActivity(a.ProbeCluster, any, any).Return(func(context.Context, activities.RepositoryRef) (activities.Probed, error) {
		p := activities.Probed{Usable: true, Backends: []int64{1, 2}, Place: activities.Place{Cluster: "prod", Repository: "r", Native: "r", Location: "s3a://b/p"},
			Rows: []spec.RightRow{{Side: spec.SideFE, Right: spec.RightRepository, OK: true}, {Side: spec.SideFE, Right: spec.RightList, OK: true}}}
		if w.probed != nil {
			w.probed(&p)
		}
		return p, w.step("probe cluster")
	}).Maybe()
	w.OnActivity(a.MakeScratch, any, any).Return(func(_ context.Context, ref activities.RepositoryRef) (activities.Scratch, error) {
		return activities.Scratch{Database: restorepoint.ScratchDatabase(ref.Cluster, ref.Repository), Backends: []int64{1, 2}}, w.step("make")
	}).Maybe()
	w.OnActivity(a.PlanBackup, any, any).Return(func(_ context.Context, in activities.PlanBackupInput) (activities.BackupPlan, error) {
		return activities.BackupPlan{Databases: []activities.PlannedDatabase{{Database: in.Point, Units: oneUnit}}}, w.step("plan " + strings.Join(in.Spec.Include, " "))
	}).Maybe()
	w.OnActivity(a.Submit, any, any).Return(func(_ context.Context, u activities.UnitRef) (activities.Submission, error) {
		if !u.Scratch {
			t.Errorf("%s is not submitted as a check's", u.Statement)
		}
		return activities.Submission{}, w.step("submit " + string(u.Statement))
	}).Maybe()
	w.OnActivity(a.Await, any, any).Return(func(_ context.Context, u activities.UnitRef) (activities.JobEnd, error) {
		if u.Cancel {
			return activities.JobEnd{Cancelled: true}, w.step("cancel " + string(u.Statement))
		}
		return activities.JobEnd{}, w.step("await " + string(u.Statement))
	}).Maybe().After(job)
	w.OnActivity(a.Record, any, any).Return(func(context.Context, activities.UnitRef) (activities.Recorded, error) {
		return activities.Recorded{}, w.step("record")
	}).Maybe()
	w.OnActivity(a.PlanScratchRestore, any, any, any).Return(func(_ context.Context, _ activities.RepositoryRef, label string) (activities.PlannedDatabase, error) {
		return activities.PlannedDatabase{Database: "x", Units: oneUnit}, w.step("plan restore")
	}).Maybe()
	w.OnActivity(a.Prepare, any, any).Return(func(context.Context, activities.UnitRef) (activities.Prepared, error) {
		return activities.Prepared{Label: "l", Replication: 1}, w.step("prepare")
	}).Maybe()
	w.OnActivity(a.Tidy, any, any).Return(func(context.Context, activities.UnitRef) error { return w.step("tidy") }).Maybe()
	w.OnActivity(a.Prove, any, any).Return(func(context.Context, activities.TableRef) (activities.Proven, error) {
		err := w.step("prove")
		return activities.Proven{Complete: err == nil, Failed: fmt.Sprint(err)}, nil
	}).Maybe()
	w.OnActivity(a.ClearScratch, any, any).Return(func(context.Context, activities.RepositoryRef) (activities.Cleared, error) {
		return activities.Cleared{Warnings: []string{"cleared"}}, w.step("clear")
	}).Maybe()
	return w
}

var oneUnit = []restorepoint.Unit{{Number: 1, Attempt: 1, Parts: []restorepoint.Range{{To: 1}}}}

func (w *checkWorld) rows() []spec.RightRow {
	if w.worker != nil {
		return w.worker
	}
	var rows []spec.RightRow
	for _, right := range []string{spec.RightList, spec.RightWrite, spec.RightRead, spec.RightCopy, spec.RightDelete} {
		rows = append(rows, spec.RightRow{Side: spec.SideWorker, Right: right, OK: true})
	}
	return rows
}

func (w *checkWorld) step(name string) error {
	w.mu.Lock()
	w.did = append(w.did, name)
	w.mu.Unlock()
	if do := w.during[name]; do != nil {
		do()
	}
	return w.failing[name]
}

// check runs one and gives its result, also of a failed one, its error type, and what was done.
func (w *checkWorld) check(t *testing.T, scratch bool) (spec.CheckRepositoryResult, string, []string) {
	t.Helper()
	w.ExecuteWorkflow(spec.CheckRepositoryWorkflow, spec.CheckRepository{Cluster: "prod", Repository: "r", Scratch: scratch})
	if !w.IsWorkflowCompleted() {
		t.Fatal("the check does not end")
	}
	var out spec.CheckRepositoryResult
	err := w.GetWorkflowError()
	var app *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case err == nil:
		if err := w.GetWorkflowResult(&out); err != nil {
			t.Fatal(err)
		}
		return out, "", w.did
	case errors.As(err, &cancelled):
		_ = cancelled.Details(&out)
		return out, "Canceled", w.did
	case errors.As(err, &app):
		if app.HasDetails() {
			_ = app.Details(&out)
		}
		return out, app.Type(), w.did
	}
	t.Fatal(err)
	return out, "", nil
}

var wholeCheck = []string{"probe store", "probe cluster", "clear", "make", "plan " + restorepoint.ScratchDatabase("prod", "r"), "submit BACKUP", "await BACKUP", "record",
	"plan restore", "prepare", "submit RESTORE", "await RESTORE", "tidy", "prove", "clear"}

func failedJob(state string, backends ...activities.BackendTrouble) error {
	return activities.Error(spec.ErrorJobFailed, activities.UnitFailure{State: state, Reason: "Access Denied", Backends: backends}, "cancelled: Access Denied")
}

func TestChecks(t *testing.T) {
	upTo := func(step string) []string {
		return append(slices.Clone(wholeCheck[:slices.Index(wholeCheck, step)+1]), "clear")
	}
	tests := []struct {
		name    string
		set     func(w *checkWorld)
		looking bool     // without consent
		ends    string   // error type
		did     []string //
		missing []string // rows
		untried []string // rows among those that were not tried
	}{
		{name: "all is well", did: wholeCheck},
		{name: "without consent nothing is made", looking: true, did: wholeCheck[:2], untried: []string{"FE write", "FE delete", "BE 1 write", "BE 2 read"}},
		{name: "a worker without rights could not clean up", set: func(w *checkWorld) {
			w.worker = []spec.RightRow{{Side: spec.SideWorker, Right: spec.RightDelete, Type: spec.ErrorAuthDenied}}
		}, ends: spec.ErrorAuthDenied, did: wholeCheck[:2], missing: []string{"worker delete"}, untried: []string{"FE write"}},
		{name: "a repository that cannot be used", set: func(w *checkWorld) {
			w.probed = func(p *activities.Probed) {
				p.Usable, p.Rows = false, []spec.RightRow{{Side: spec.SideFE, Right: spec.RightRepository, Type: spec.ErrorRepositoryMissing}}
			}
		}, ends: spec.ErrorRepositoryMissing, did: wholeCheck[:2], missing: []string{"FE repository"}, untried: []string{"FE list", "BE 1 write"}},
		{name: "a repository that is READ ONLY", set: func(w *checkWorld) { w.probed = func(p *activities.Probed) { p.ReadOnly = true } },
			did: wholeCheck[:2], untried: []string{"FE write"}},
		{name: "leftovers that do not go", set: func(w *checkWorld) {
			w.failing["clear"] = activities.Error(spec.ErrorInvalidSpec, nil, "database holds sales, which no check has made")
		}, ends: spec.ErrorInvalidSpec, did: wholeCheck[:3], missing: []string{"worker clean up"}},
		{name: "a missing privilege", set: func(w *checkWorld) {
			w.failing["make"] = activities.Error(spec.ErrorAuthDenied, nil, "Access denied; you need (at least one of) the CREATE DATABASE privilege(s) on CATALOG default_catalog")
		}, ends: spec.ErrorAuthDenied, did: upTo("make"), missing: []string{"FE scratch"}, untried: []string{"FE write"}},
		{name: "a BE that cannot write", set: func(w *checkWorld) {
			w.failing["await BACKUP"] = failedJob("UPLOADING", activities.BackendTrouble{Backend: 2, Text: "Access Denied"})
		}, ends: spec.ErrorAuthDenied, did: upTo("await BACKUP"), missing: []string{"BE 2 write"}, untried: []string{"FE write", "BE 1 read"}},
		{name: "an FE that cannot write", set: func(w *checkWorld) { w.failing["await BACKUP"] = failedJob("UPLOAD_INFO") },
			ends: spec.ErrorAuthDenied, did: upTo("await BACKUP"), missing: []string{"FE write"}, untried: []string{"FE delete", "BE 2 read"}},
		{name: "a BE that cannot read", set: func(w *checkWorld) {
			w.failing["await RESTORE"] = failedJob("DOWNLOADING", activities.BackendTrouble{Backend: 1, Text: "connection refused"})
		}, ends: spec.ErrorStorageUnavailable, did: upTo("await RESTORE"), missing: []string{"BE 1 read"}, untried: []string{"FE roundtrip"}},
		{name: "a worker that may not write beside a snapshot", set: func(w *checkWorld) {
			w.failing["prepare"] = activities.Error(spec.ErrorAuthDenied, nil, `put "__starrocks_repository_r/x": access denied by the store`)
		}, ends: spec.ErrorAuthDenied, did: upTo("prepare"), missing: []string{"worker write"}, untried: []string{"FE read"}},
		{name: "a table that came back another", set: func(w *checkWorld) { w.failing["prove"] = errors.New("2 rows less") },
			ends: spec.ErrorProofFailed, did: wholeCheck, missing: []string{"FE roundtrip"}},
		{name: "a cancel in BACKUP", set: func(w *checkWorld) {
			w.during["submit BACKUP"] = func() { w.RegisterDelayedCallback(w.CancelWorkflow, time.Second) }
			w.failing["await BACKUP"] = temporal.NewCanceledError("cancelled in StarRocks")
		}, ends: "Canceled", did: append(upTo("await BACKUP")[:7], "cancel BACKUP", "clear"), untried: []string{"FE write"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newCheckWorld(t, jobTime)
			if tt.set != nil {
				tt.set(w)
			}
			out, ends, did := w.check(t, !tt.looking)
			if ends != tt.ends || out.OK != (tt.ends == "") {
				t.Errorf("ended as %q, ok %t; want %q", ends, out.OK, tt.ends)
			}
			if !slices.Equal(did, tt.did) {
				t.Errorf("done:\n%q\nwant\n%q", did, tt.did)
			}
			missing, untried := named(out.Rights)
			if !slices.Equal(missing, tt.missing) {
				t.Errorf("missing: %q, want %q", missing, tt.missing)
			}
			for _, name := range tt.untried {
				if !slices.Contains(untried, name) {
					t.Errorf("%s is not among the untried %q", name, untried)
				}
			}
			if tt.ends == "" && !tt.looking && len(tt.untried) == 0 && len(untried) > 0 {
				t.Errorf("all is well, but not tried are %q", untried)
			}
		})
	}
}

// A StarRocks that neither finishes nor fails is waited for no longer than a person would.
func TestACheckIsGivenUp(t *testing.T) {
	w := newCheckWorld(t, time.Hour)
	out, ends, did := w.check(t, true)
	if ends != spec.ErrorJobFailed || out.OK || !slices.ContainsFunc(out.Warnings, func(s string) bool { return strings.Contains(s, "given up after") }) {
		t.Errorf("ended as %q with %+v", ends, out)
	}
	if want := append(slices.Clone(wholeCheck[:slices.Index(wholeCheck, "await BACKUP")+1]), "cancel BACKUP", "clear"); !slices.Equal(did, want) {
		t.Errorf("done: %q, want %q", did, want)
	}
}

// named lists rows as "BE 10001 write".
func named(rows []spec.RightRow) (missing, untried []string) {
	for _, row := range rows {
		name := row.Side + " " + row.Right
		if row.Backend != 0 {
			name = fmt.Sprintf("%s %d %s", row.Side, row.Backend, row.Right)
		}
		switch {
		case row.NotTried:
			untried = append(untried, name)
		case !row.OK:
			missing = append(missing, name)
		}
	}
	return missing, untried
}

func TestRepositoriesAreCreatedAndDropped(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	for _, tt := range []struct {
		workflow string
		in       any
		want     string
	}{
		{spec.CreateRepositoryWorkflow, map[string]any{"cluster": "prod", "repository": "r", "readOnly": true}, "created READ ONLY"},
		{spec.DropRepositoryWorkflow, map[string]any{"cluster": "prod", "repository": "r"}, "dropped"},
		{spec.CreateRepositoryWorkflow, map[string]any{"cluster": "prod", "repository": "r", "location": "s3://x"}, `field "location" does not exist`},
		{spec.DropRepositoryWorkflow, map[string]any{"cluster": "prod"}, `field "repository" is missing`},
		{spec.CheckRepositoryWorkflow, map[string]any{"cluster": "prod", "repository": "r", "force": true}, `field "force" does not exist`},
	} {
		env := suite.NewTestWorkflowEnvironment()
		workflows.Register(env)
		a := activities.New(nil, nil)
		env.RegisterActivity(a)
		env.OnActivity(a.EnsureRepository, anything, activities.EnsureRepositoryInput{Cluster: "prod", Repository: "r", ReadOnly: true}).
			Return(activities.EnsuredRepository{Created: true, ReadOnly: true, Message: "created READ ONLY"}, nil).Maybe()
		env.OnActivity(a.DropRepository, anything, activities.RepositoryRef{Cluster: "prod", Repository: "r"}).
			Return(spec.DropRepositoryResult{Dropped: true, Message: "dropped"}, nil).Maybe()
		env.ExecuteWorkflow(tt.workflow, tt.in)
		var out struct{ Message string }
		err := env.GetWorkflowError()
		if err == nil {
			err = env.GetWorkflowResult(&out)
		}
		kind, text := out.Message, out.Message
		if err != nil {
			kind, text = activities.TypeOf(err)
		}
		if !strings.Contains(text, tt.want) || err != nil && kind != spec.ErrorInvalidSpec {
			t.Errorf("%s of %v: %s %q, want %q", tt.workflow, tt.in, kind, text, tt.want)
		}
	}
}
