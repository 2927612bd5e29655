package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// DatabaseJobInput is the input of DatabaseJob; its own next run gets it too, with what is done so far.
type DatabaseJobInput struct {
	Statement  activities.Statement       `json:"statement"`
	Cluster    string                     `json:"cluster"`
	Repository string                     `json:"repository"`
	Run        string                     `json:"run"` // seed of labels and of the names of beside tables
	Planned    activities.PlannedDatabase `json:"planned"`
	Heartbeat  spec.Duration              `json:"heartbeat"`
	SkipGrants bool                       `json:"skipGrants,omitempty"`
	FailBusy   bool                       `json:"failBusy,omitempty"` // onBusy fail
	Mirrors    []string                   `json:"mirrors,omitempty"`  // backup: profiles that get each unit's objects meanwhile

	// What continue-as-new carries over.
	Queue     *restorepoint.Queue `json:"queue,omitempty"`
	NextTable int                 `json:"nextTable,omitempty"`
	Paused    bool                `json:"paused,omitempty"`
	Result    DatabaseJobResult   `json:"result,omitzero"`
	Cancelled string              `json:"cancelled,omitempty"`
}

// DatabaseJobResult is what became of one database.
type DatabaseJobResult struct {
	Summary   spec.DatabaseResult      `json:"summary"`
	Completed []activities.Attempt     `json:"completed,omitempty"`
	Failures  []restorepoint.FailedSet `json:"failures,omitempty"`
	Objects   int64                    `json:"objects,omitempty"`
	Tables    []spec.RestoredTable     `json:"tables,omitempty"`
	Failed    []spec.FailedPart        `json:"failed,omitempty"`   // tables that were not proven or exchanged
	Unproven  int                      `json:"unproven,omitempty"` // of Failed: restored, said StarRocks, but not what was backed up
	Swapped   []spec.SwappedTable      `json:"swapped,omitempty"`
	// Interrupted are RESTOREs over existing data that were broken off in COMMITTING and could not be made good.
	Interrupted []spec.InterruptedCommit `json:"interrupted,omitempty"`
	Warnings    []string                 `json:"warnings,omitempty"`
	Cancelled   string                   `json:"cancelled,omitempty"` // cancelledEarly or cancelledInCommit
}

// How a cancel request met a DatabaseJob.
const (
	cancelledEarly    = "before COMMIT" // the running statement was cancelled, or none ran
	cancelledInCommit = "in COMMIT"     // the running statement was awaited
)

// databaseJob is one run of DatabaseJob.
type databaseJob struct {
	DatabaseJobInput
	control  *control
	progress spec.DatabaseProgress
	began    time.Time

	submitted bool                   // the attempt's statement may have got through to StarRocks
	loads     []string               // that RESTOREs over existing data went on over
	abandoned []restorepoint.Waiting // when the queue stopped
	kept      []int                  // units whose composed snapshots stay
}

// DatabaseJob holds the lock of one database and carries out its units one after another; then, for a restore, it proves
// each table, carries grants over and swaps. It ends with a result also when units failed or a cancel was asked for:
// what that means is its parent's decision.
func DatabaseJob(ctx workflow.Context, in DatabaseJobInput) (DatabaseJobResult, error) {
	j := newDatabaseJob(ctx, in)
	if err := j.control.serve(ctx, j.answer); err != nil {
		return DatabaseJobResult{}, err
	}
	j.control.listen(ctx)
	j.ensureDatabase(ctx)
	for {
		unit, more := j.Queue.Next()
		if !more || !j.mayGoOn(ctx) {
			break
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return DatabaseJobResult{}, j.continueAsNew(ctx)
		}
		j.runUnit(ctx, unit)
	}
	j.dropLeft(ctx)
	if j.Cancelled != "" {
		j.Queue.Stop("cancelled " + j.Cancelled)
	}
	for j.Statement == activities.Restore && j.NextTable < j.Planned.Tables {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return DatabaseJobResult{}, j.continueAsNew(ctx)
		}
		j.finishTable(finishing(ctx), j.NextTable)
		j.NextTable++
	}
	return j.finish(ctx), nil
}

func newDatabaseJob(ctx workflow.Context, in DatabaseJobInput) *databaseJob {
	j := &databaseJob{DatabaseJobInput: in, began: workflow.Now(ctx), control: &control{paused: in.Paused}}
	if j.Queue == nil {
		queue := restorepoint.NewQueue(in.Planned.Units)
		j.Queue = &queue
	}
	j.Planned.Units = nil // the queue has them from now on
	j.progress = spec.DatabaseProgress{
		Database: in.Planned.Database, WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Phase: working(in.Statement),
		Tablets: in.Planned.Tablets, TabletsDone: in.Result.Summary.Tablets, Bytes: in.Planned.Bytes, BytesDone: in.Result.Summary.Bytes,
	}
	j.show(ctx)
	return j
}

// mayGoOn waits while paused, and tells whether a further unit may start.
func (j *databaseJob) mayGoOn(ctx workflow.Context) bool {
	j.control.heard(ctx)
	if j.control.paused {
		j.show(ctx)
	}
	_ = workflow.Await(ctx, func() bool { return !j.control.paused })
	if ctx.Err() == nil && j.Cancelled == "" {
		return true
	}
	if j.Cancelled == "" {
		j.Cancelled = cancelledEarly
	}
	return false
}

// ensureDatabase creates a restore's target database. Without it nothing can be done.
func (j *databaseJob) ensureDatabase(ctx workflow.Context) {
	if j.Statement != activities.Restore || len(j.Queue.Completed) > 0 {
		return
	}
	err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), "create database "+j.Planned.Database+" if missing"),
		acts.EnsureDatabase, j.Cluster, j.Planned.Database).Get(ctx, nil)
	if err != nil && ctx.Err() == nil {
		_, message := activities.TypeOf(err)
		j.Queue.Stop(message)
	}
}

// continueAsNew starts the next run with all that is known. It happens between units only: never with a statement under
// way, so the lock holds and nothing is watched by nobody.
func (j *databaseJob) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(finishing(ctx), func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	j.control.heard(ctx)
	next := j.DatabaseJobInput
	next.Paused = j.control.paused
	next.Result.Summary.Seconds += int64(workflow.Now(ctx).Sub(j.began).Seconds())
	return workflow.NewContinueAsNewError(ctx, DatabaseJob, next)
}

func (j *databaseJob) finish(ctx workflow.Context) DatabaseJobResult {
	r := j.Result
	r.Cancelled = j.Cancelled
	r.Failures = j.failures()
	for _, u := range j.Queue.Completed {
		r.Completed = append(r.Completed, activities.Attempt{Unit: u.Number, Attempt: u.Attempt})
	}
	r.Summary.Database = j.Planned.Database
	r.Summary.Units = len(j.Queue.Completed)
	r.Summary.UnitsFailed = len(j.Queue.Failures)
	r.Summary.Stopped = j.Queue.Stopped
	r.Summary.Seconds += int64(workflow.Now(ctx).Sub(j.began).Seconds())
	j.progress.Phase = spec.PhaseDone
	j.show(ctx)
	return r
}

// failures lists what was not done. What was left over for one reason is one entry, however many units it had: the
// activities of each table get the list.
func (j *databaseJob) failures() []restorepoint.FailedSet {
	var list []restorepoint.FailedSet
	for _, f := range j.Queue.Failures {
		last := len(list) - 1
		if last >= 0 && f.Left && list[last].Left && f.Reason == list[last].Reason {
			list[last].Parts = append(slices.Clip(list[last].Parts), f.Parts...)
			continue
		}
		list = append(list, f)
	}
	return list
}

// working is the phase of a job's units.
func working(s activities.Statement) spec.Phase {
	if s == activities.Restore {
		return spec.PhaseLoad
	}
	return spec.PhaseSnapshot
}

func (j *databaseJob) heartbeat() time.Duration { return j.Heartbeat.Or(30 * time.Second) }
