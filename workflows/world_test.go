package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// jobTime is how long StarRocks takes for a BACKUP or RESTORE here.
const jobTime = time.Minute

// anything matches each argument of a mock.
const anything = "mock.Anything"

// world stands for all that activities would reach. What they are told to do is written down; how it ends is set by
// each test, and goes well otherwise. Time is skipped.
type world struct {
	*testsuite.TestWorkflowEnvironment
	t *testing.T

	backupPlan  activities.BackupPlan
	restorePlan activities.RestorePlan

	report    func(activities.ReportInput) error // how storing the proof goes
	reported  activities.ReportInput             //
	drill     activities.DrillPlan               //
	drilled   activities.DrillOutcome            //
	planned   func() error                       // how planning goes
	replan    func(activities.PlanRestoreInput, activities.RestorePlan) activities.RestorePlan
	ensured   func() error                                         // how EnsureDatabase goes
	created   func() (activities.EnsuredRepository, error)         // how EnsureRepository goes
	prepare   func(activities.UnitRef) error                       //
	submit    func(activities.UnitRef) error                       //
	await     func(activities.UnitRef) (activities.JobEnd, error)  //
	record    func(activities.UnitRef) error                       //
	prove     func(activities.TableRef) (activities.Proven, error) //
	carry     func(activities.TableRef) error                      //
	swap      func(activities.TableRef) error                      //
	publishes func() error                                         //
	undo      func(name string, t spec.SwappedTable) error         //

	mu        sync.Mutex
	did       []string
	published activities.PublishInput
	windows   []spec.UndoWindow
	running   int // BACKUPs and RESTOREs at this moment
	most      int // at most, so far
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	w := &world{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	w.SetTestTimeout(20 * time.Second)
	workflows.Register(w)
	w.RegisterWorkflow(holder)
	w.RegisterWorkflow(both)
	a := activities.New(nil, nil)
	w.RegisterActivity(a)
	const any = anything
	w.OnActivity(a.PlanBackup, any, any).Return(w.onPlanBackup).Maybe().After(time.Second)
	w.OnActivity(a.PlanRestore, any, any).Return(w.onPlanRestore).Maybe().After(time.Second)
	w.OnActivity(a.EnsureDatabase, any, any, any).Return(w.onEnsureDatabase).Maybe().After(time.Second)
	w.OnActivity(a.EnsureRepository, any, any).Return(w.onEnsureRepository).Maybe().After(time.Second)
	w.OnActivity(a.Prepare, any, any).Return(w.onPrepare).Maybe().After(time.Second)
	w.OnActivity(a.Submit, any, any).Return(w.onSubmit).Maybe().After(time.Second)
	w.OnActivity(a.Await, any, any).Return(w.onAwait).Maybe().After(jobTime)
	w.OnActivity(a.Record, any, any).Return(w.onRecord).Maybe().After(time.Second)
	w.OnActivity(a.Tidy, any, any).Return(w.onTidy).Maybe().After(time.Second)
	w.OnActivity(a.PublishManifest, any, any).Return(w.onPublish).Maybe().After(time.Second)
	w.OnActivity(a.Prove, any, any).Return(w.onProve).Maybe().After(time.Second)
	w.OnActivity(a.ReportRestore, any, any).Return(w.onReport).Maybe().After(time.Second)
	w.OnActivity(a.AdoptSnapshot, any, any).Return(w.onAdopt).Maybe().After(time.Second)
	w.OnActivity(a.PlanDrill, any, any).Return(w.onPlanDrill).Maybe().After(time.Second)
	w.OnActivity(a.DropDrill, any, any).Return(w.onDropDrill).Maybe().After(time.Second)
	w.OnActivity(a.RecordDrill, any, any).Return(w.onRecordDrill).Maybe().After(time.Second)
	w.OnActivity(a.CarryProperties, any, any).Return(w.onCarryProperties).Maybe().After(time.Second)
	w.OnActivity(a.CarryGrants, any, any).Return(w.onCarryGrants).Maybe().After(time.Second)
	w.OnActivity(a.Swap, any, any, any, any, any).Return(w.onSwap).Maybe().After(time.Second)
	w.OnActivity(a.DropBeside, any, any).Return(w.onDropBeside).Maybe().After(time.Second)
	w.OnActivity(a.UndoSwap, any, any, any).Return(w.onUndo("swap back")).Maybe().After(time.Second)
	w.OnActivity(a.FinishSwap, any, any, any).Return(w.onUndo("drop old")).Maybe().After(time.Second)
	return w
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did = append(w.did, fmt.Sprintf(format, args...))
}

// steps are what activities were told to do, but for those that begin with one of the words left out.
func (w *world) steps(leftOut ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, s := range w.did {
		if !slices.Contains(leftOut, strings.Fields(s)[0]) {
			list = append(list, s)
		}
	}
	return list
}

func (w *world) count(step string) int {
	n := 0
	for _, s := range w.steps() {
		if s == step {
			n++
		}
	}
	return n
}

// wantSteps compares what was done with a list of lines.
func (w *world) wantSteps(want string, leftOut ...string) {
	w.t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if got := w.steps(leftOut...); !slices.Equal(got, lines) {
		w.t.Errorf("done:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func (w *world) onPlanBackup(_ context.Context, in activities.PlanBackupInput) (activities.BackupPlan, error) {
	w.note("plan")
	if w.planned != nil {
		return w.backupPlan, w.planned()
	}
	return w.backupPlan, nil
}

func (w *world) onPlanRestore(_ context.Context, in activities.PlanRestoreInput) (activities.RestorePlan, error) {
	w.note("plan")
	if w.replan != nil {
		return w.replan(in, w.restorePlan), nil
	}
	if w.planned != nil {
		return w.restorePlan, w.planned()
	}
	return w.restorePlan, nil
}

func (w *world) onEnsureDatabase(_ context.Context, _, database string) error {
	w.note("ensure %s", database)
	if w.ensured != nil {
		return w.ensured()
	}
	return nil
}

func (w *world) onEnsureRepository(_ context.Context, in activities.EnsureRepositoryInput) (activities.EnsuredRepository, error) {
	w.note("create %s on %s, read only %t", in.Repository, in.Cluster, in.ReadOnly)
	if w.created != nil {
		return w.created()
	}
	return activities.EnsuredRepository{Created: true, ReadOnly: in.ReadOnly}, nil
}

func name(u activities.UnitRef) string {
	return fmt.Sprintf("%s u%d a%d", u.Database, u.Unit.Number, u.Unit.Attempt)
}

func (w *world) onPrepare(_ context.Context, u activities.UnitRef) (activities.Prepared, error) {
	w.note("prepare %s", name(u))
	if w.prepare != nil {
		if err := w.prepare(u); err != nil {
			return activities.Prepared{}, err
		}
	}
	return activities.Prepared{Label: "sk_snapshot", Replication: 1, Tablets: 2, Bytes: 100}, nil
}

func (w *world) onSubmit(_ context.Context, u activities.UnitRef) (activities.Submission, error) {
	w.note("%s %s", u.Statement, name(u))
	if w.submit != nil {
		if err := w.submit(u); err != nil {
			return activities.Submission{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	w.most = max(w.most, w.running)
	return activities.Submission{}, nil
}

func (w *world) onAwait(_ context.Context, u activities.UnitRef) (activities.JobEnd, error) {
	step := "await " + name(u)
	if u.Cancel {
		step += " (cancel)"
	}
	w.note("%s", step)
	w.mu.Lock()
	w.running--
	w.mu.Unlock()
	if w.await != nil {
		return w.await(u)
	}
	if u.Cancel {
		return activities.JobEnd{Cancelled: true}, nil
	}
	return activities.JobEnd{Seconds: 60}, nil
}

func (w *world) onRecord(_ context.Context, u activities.UnitRef) (activities.Recorded, error) {
	w.note("record %s", name(u))
	if w.record != nil {
		if err := w.record(u); err != nil {
			return activities.Recorded{}, err
		}
	}
	n := int64(u.Unit.Size())
	return activities.Recorded{Label: u.Label, Objects: 3 * n, Bytes: 100 * n, Tablets: 2 * n, Partitions: n}, nil
}

func (w *world) onTidy(_ context.Context, u activities.UnitRef) error {
	w.note("tidy %s", name(u))
	return nil
}

func (w *world) onPublish(_ context.Context, in activities.PublishInput) (activities.Published, error) {
	w.note("publish")
	if w.publishes != nil {
		return activities.Published{}, w.publishes()
	}
	w.mu.Lock()
	w.published = in
	w.mu.Unlock()
	out := activities.Published{Complete: true}
	for _, d := range in.Databases {
		if len(d.Completed) > 0 {
			out.Point = in.Point
		}
		for _, f := range d.Failures {
			for _, i := range (restorepoint.Unit{Parts: f.Parts}).Indexes() {
				out.Complete = false
				out.FailedCount++
				out.Failed = append(out.Failed, spec.FailedPart{Database: d.Database, Table: "t", Partition: fmt.Sprintf("p%d", i), Reason: f.Reason})
			}
		}
	}
	return out, nil
}

func (w *world) onProve(_ context.Context, ref activities.TableRef) (activities.Proven, error) {
	w.note("prove t%d", ref.Table)
	if w.prove != nil {
		return w.prove(ref)
	}
	return proven(ref.Table, spec.ActionSwap), nil
}

// proven is the proof of a table that is whole.
func proven(table int, action string) activities.Proven {
	p := activities.Proven{Complete: true, Table: spec.RestoredTable{
		Database: "sales", Table: fmt.Sprintf("t%d", table), Action: action, TableID: int64(100 + table), Partitions: 2, Tablets: 4, Rows: 10, RowsProven: true,
	}}
	if action == spec.ActionSwap {
		p.Beside = fmt.Sprintf("t%d__restore_0a1b2c3d", table)
	}
	return p
}

// unproven is the proof of a table that is not.
func unproven(table int, action, why string) activities.Proven {
	p := proven(table, action)
	p.Complete, p.Failed = false, why
	return p
}

func (w *world) onCarryProperties(_ context.Context, ref activities.TableRef) (activities.Kept, error) {
	w.note("properties t%d", ref.Table)
	return activities.Kept{}, nil
}

func (w *world) onCarryGrants(_ context.Context, ref activities.TableRef) (activities.Carried, error) {
	w.note("grants t%d", ref.Table)
	if w.carry != nil {
		if err := w.carry(ref); err != nil {
			return activities.Carried{}, err
		}
	}
	return activities.Carried{Grants: 2}, nil
}

func (w *world) onSwap(_ context.Context, ref activities.TableRef, _ string, newID int64, _ bool) (activities.Swapped, error) {
	w.note("swap t%d", ref.Table)
	if w.swap != nil {
		if err := w.swap(ref); err != nil {
			return activities.Swapped{}, err
		}
	}
	return activities.Swapped{Table: spec.SwappedTable{
		Database: "sales", Table: fmt.Sprintf("t%d", ref.Table), Before: fmt.Sprintf("t%d__before_0a1b2c3d", ref.Table), NewID: newID, OldID: newID - 90,
	}}, nil
}

func (w *world) onDropBeside(_ context.Context, ref activities.TableRef) error {
	w.note("drop-beside t%d", ref.Table)
	return nil
}

func (w *world) onUndo(what string) func(context.Context, string, spec.SwappedTable) (spec.UndoneTable, error) {
	return func(_ context.Context, _ string, t spec.SwappedTable) (spec.UndoneTable, error) {
		w.note("%s %s", what, t.Table)
		if w.undo != nil {
			if err := w.undo(what, t); err != nil {
				return spec.UndoneTable{}, err
			}
		}
		return spec.UndoneTable{Database: t.Database, Table: t.Table, Done: what}, nil
	}
}

// at does something at a time after the start.
func (w *world) at(d time.Duration, do func()) { w.RegisterDelayedCallback(do, d) }

// update sends an update and gives, once the run has ended, its answer and error.
func (w *world) update(d time.Duration, name string, args ...any) *answer {
	a := &answer{}
	w.at(d, func() {
		w.UpdateWorkflow(name, fmt.Sprintf("%s-%s", name, d), &testsuite.TestUpdateCallback{
			OnReject:   func(err error) { a.rejected = err },
			OnAccept:   func() { a.accepted = true },
			OnComplete: func(v any, err error) { a.value, a.err = v, err },
		}, args...)
	})
	return a
}

type answer struct {
	accepted bool
	rejected error
	value    any
	err      error
}

// ended fails the test unless the run has ended, and gives its error.
func (w *world) ended() error {
	w.t.Helper()
	if !w.IsWorkflowCompleted() {
		w.t.Fatalf("the workflow did not end; done so far: %q", w.steps())
	}
	return w.GetWorkflowError()
}

// beside runs a workflow while another one, of the given id, is open for a while.
func (w *world) beside(id string, open time.Duration, name string, in any) {
	raw, err := converter.GetDefaultDataConverter().ToPayload(in)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ExecuteWorkflow(both, id, open, name, converter.NewRawValue(raw))
}

func holder(ctx workflow.Context, open time.Duration) error { return workflow.Sleep(ctx, open) }

func both(ctx workflow.Context, id string, open time.Duration, name string, in converter.RawValue) (converter.RawValue, error) {
	options := workflow.ChildWorkflowOptions{WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON}
	held := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), holder, open)
	if err := held.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return converter.RawValue{}, err
	}
	var out converter.RawValue
	options = workflow.ChildWorkflowOptions{WorkflowID: "under-test", WaitForCancellation: true}
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), name, in).Get(ctx, &out)
	return out, err
}

// units makes n units of size partitions each.
func units(n, size int) []restorepoint.Unit {
	var list []restorepoint.Unit
	for i := range n {
		list = append(list, restorepoint.Unit{Number: i + 1, Parts: []restorepoint.Range{{From: i * size, To: (i + 1) * size}}})
	}
	return list
}

// database plans n units of size partitions.
func database(name string, n, size int) activities.PlannedDatabase {
	parts := int64(n * size)
	return activities.PlannedDatabase{Database: name, Plan: activities.PlanRef{Key: "plans/" + name}, Units: units(n, size), Partitions: parts, Tablets: 2 * parts, Bytes: 100 * parts}
}

func (w *world) backupOf(parallel int, databases ...activities.PlannedDatabase) {
	w.backupPlan = activities.BackupPlan{Databases: databases, ParallelDatabases: parallel, Heartbeat: spec.Duration(30 * time.Second)}
}

// jobFailed is how Await, Submit and Record tell that a statement failed.
func jobFailed(f activities.UnitFailure) error {
	return temporal.NewNonRetryableApplicationError("StarRocks cancelled the job: "+f.Reason, spec.ErrorJobFailed, nil, f)
}

func failure(kind, message string) error {
	return temporal.NewNonRetryableApplicationError(message, kind, nil)
}

// has tells whether a unit holds a part of its database.
func has(u restorepoint.Unit, part int) bool { return slices.Contains(u.Indexes(), part) }

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
