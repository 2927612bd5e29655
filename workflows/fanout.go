package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// How long a run waits for a database that another job holds, before it looks again. Each look costs some ten events,
// and a history holds 51,200: eight databases can be waited for longer than StarRocks lets any job run.
const (
	firstWait = 15 * time.Second
	maxWait   = 10 * time.Minute
)

// run is what Backup and Restore have in common: one DatabaseJob per database, some at a time, and what people see and
// change meanwhile.
type run struct {
	title    string
	cluster  string
	onBusy   string
	control  control
	progress spec.Progress
	children map[string]bool // DatabaseJobs under way, by workflow id
	running  int             // databases worked on, or about to be
}

func newRun(ctx workflow.Context, title, cluster, onBusy string) (*run, error) {
	r := &run{title: title, cluster: cluster, onBusy: onBusy, children: map[string]bool{}}
	r.control.parallel = spec.DefaultParallelDatabases
	r.control.onChange = func(paused bool) { r.tellChildren(ctx, paused) }
	r.phase(ctx, spec.PhasePlan)
	return r, r.control.serve(ctx, func() (any, error) { return r.progress, nil })
}

func (r *run) phase(ctx workflow.Context, p spec.Phase) {
	r.progress.Phase = p
	r.show(ctx)
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePhase.ValueSet(string(p)))
}

func (r *run) show(ctx workflow.Context) {
	r.progress.Paused = r.control.paused
	workflow.SetCurrentDetails(ctx, renderRun(r.title, r.progress))
}

// outcome is one database's result, or why there is none.
type outcome struct {
	result DatabaseJobResult
	err    error
}

// databases runs one DatabaseJob per input and waits for all. Outcomes are in the order of the inputs.
func (r *run) databases(ctx workflow.Context, inputs []DatabaseJobInput) []outcome {
	outcomes := make([]outcome, len(inputs))
	all := workflow.NewWaitGroup(ctx)
	for _, in := range inputs {
		r.progress.Databases = append(r.progress.Databases, spec.DatabaseProgress{
			Database: in.Planned.Database, WorkflowID: spec.DatabaseJobID(r.cluster, in.Planned.Database), Phase: spec.PhaseWaiting,
			Units: len(in.Planned.Units), Tablets: in.Planned.Tablets, Bytes: in.Planned.Bytes,
		})
	}
	for i, in := range inputs {
		if err := workflow.Await(ctx, r.mayStart); err != nil {
			outcomes[i].err = err
			continue
		}
		r.running++
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { r.running--; all.Done() }()
			outcomes[i].result, outcomes[i].err = r.database(ctx, in, &r.progress.Databases[i])
			r.show(ctx)
		})
	}
	all.Wait(finishing(ctx))
	return outcomes
}

// mayStart tells whether work on a further database may begin.
func (r *run) mayStart() bool { return r.running < r.control.parallel && !r.control.paused }

// database runs one DatabaseJob. Its workflow id is the database's lock: while another one has it, it waits, or fails if
// the spec says so.
func (r *run) database(ctx workflow.Context, in DatabaseJobInput, p *spec.DatabaseProgress) (DatabaseJobResult, error) {
	for wait := firstWait; ; wait = min(2*wait, maxWait) {
		result, err := r.child(ctx, in, p)
		if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return result, err
		}
		if r.onBusy == spec.OnBusyFail {
			return DatabaseJobResult{}, activities.Error(spec.ErrorDatabaseBusy, nil,
				"database %s is held by another starkeep job (workflow %s); wait for it, or start with onBusy wait", in.Planned.Database, p.WorkflowID)
		}
		if err := r.wait(ctx, wait, p); err != nil {
			return DatabaseJobResult{}, err
		}
	}
}

// wait gives the place among the parallel databases away for a while: one that is free takes it.
func (r *run) wait(ctx workflow.Context, wait time.Duration, p *spec.DatabaseProgress) error {
	p.Phase = spec.PhaseWaiting
	r.running--
	r.show(ctx)
	timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "waiting for database " + p.Database})
	err := timer.Get(ctx, nil)
	if err == nil {
		err = workflow.Await(ctx, r.mayStart)
	}
	r.running++
	return err
}

func (r *run) child(ctx workflow.Context, in DatabaseJobInput, p *spec.DatabaseProgress) (DatabaseJobResult, error) {
	database := in.Planned.Database
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            p.WorkflowID,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WaitForCancellation:   true,
		StaticSummary:         fmt.Sprintf("%s of database %s", in.Statement, database),
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(r.cluster), attributeDatabase.ValueSet(database), attributePoint.ValueSet(r.progress.Point)),
	}
	in.Paused = r.control.paused
	future := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), spec.DatabaseJobWorkflow, in)
	if err := future.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return DatabaseJobResult{}, err
	}
	r.children[p.WorkflowID] = true
	if r.control.paused != in.Paused { // somebody spoke while the child was starting
		workflow.SignalExternalWorkflow(ctx, p.WorkflowID, "", signalPause, r.control.paused)
	}
	p.Phase = working(in.Statement)
	r.show(ctx)
	var result DatabaseJobResult
	err := future.Get(ctx, &result)
	delete(r.children, p.WorkflowID)
	p.Phase = spec.PhaseDone
	if err != nil || result.Summary.Stopped != "" {
		p.Phase = spec.PhaseFailed
	}
	p.UnitsDone, p.UnitsFailed = result.Summary.Units, result.Summary.UnitsFailed
	p.TabletsDone, p.BytesDone = result.Summary.Tablets, result.Summary.Bytes
	return result, err
}

// tellChildren passes pause and resume on. A child that has just ended is no loss.
func (r *run) tellChildren(ctx workflow.Context, paused bool) {
	for _, d := range r.progress.Databases {
		if r.children[d.WorkflowID] {
			workflow.SignalExternalWorkflow(ctx, d.WorkflowID, "", signalPause, paused)
		}
	}
	r.show(ctx)
}
