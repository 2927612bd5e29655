package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// runUnit carries out one attempt of a unit and tells the queue how it went.
func (j *databaseJob) runUnit(ctx workflow.Context, unit restorepoint.Unit) {
	u := j.attempt(ctx, unit)
	j.progress.Current = fmt.Sprintf("unit %d, attempt %d: %d partitions", unit.Number, unit.Attempt, unit.Size())
	j.show(ctx)
	var err error
	if j.Statement == activities.Backup {
		err = j.backupUnit(ctx, u)
	} else {
		err = j.restoreUnit(ctx, u)
	}
	j.Result.Summary.Attempts++
	j.settle(ctx, u, err)
	j.dropComposed(ctx, u, unit, err)
	j.progress.Current = ""
	j.show(ctx)
}

// attempt fixes everything that makes the attempt recognisable, before anything is sent.
func (j *databaseJob) attempt(ctx workflow.Context, unit restorepoint.Unit) activities.UnitRef {
	u := activities.UnitRef{
		Statement: j.Statement, Cluster: j.Cluster, Repository: j.Repository, Database: j.Planned.Database,
		Plan: j.Planned.Plan, Unit: unit, FailBusy: j.FailBusy, Label: restorepoint.Label(j.Planned.Database, j.Run, unit.Number, unit.Attempt),
	}
	if j.Statement == activities.Restore {
		u.Beside = activities.BesidePrefix + strings.TrimPrefix(u.Label, "sk_")
		u.Label = "" // of the snapshot that the plan names for these parts: Prepare tells
		u.Timestamp = activities.Timestamp(workflow.Now(ctx))
		if j.Planned.Composes {
			u.Composed = restorepoint.ComposedLabel(j.Planned.Database, j.Run, unit.ComposedFor())
		}
	}
	return u
}

// backupUnit: submit BACKUP, await it, write down what it left.
func (j *databaseJob) backupUnit(ctx workflow.Context, u activities.UnitRef) error {
	if err := j.statement(ctx, u); err != nil {
		return err
	}
	var recorded activities.Recorded
	free := finishing(ctx)
	err := workflow.ExecuteActivity(long(free, j.heartbeat(), "record snapshot "+u.Label), acts.Record, u).Get(free, &recorded)
	if err != nil {
		return err
	}
	for _, w := range recorded.Warnings {
		j.warn("%s", w)
	}
	j.count(recorded.Partitions, recorded.Tablets, recorded.Bytes)
	j.Result.Objects += recorded.Objects
	j.offer(free, u.Label)
	return nil
}

// restoreUnit: make the attempt recognisable, submit RESTORE, await it, tidy up.
func (j *databaseJob) restoreUnit(ctx workflow.Context, u activities.UnitRef) error {
	fresh := u
	if err := j.download(ctx, u); err != nil {
		return err
	}
	var prepared activities.Prepared
	err := workflow.ExecuteActivity(long(ctx, j.heartbeat(), "prepare "+u.Beside), acts.Prepare, u).Get(ctx, &prepared)
	if err == nil {
		u.Label, u.Replication = prepared.Label, prepared.Replication
		j.submitted = true
		err = j.statement(ctx, u)
	}
	if brokenOff(err) != nil {
		err = j.mend(ctx, fresh, u, err)
	} else {
		j.tidy(finishing(ctx), u)
	}
	if err == nil {
		j.count(int64(u.Unit.Size()), prepared.Tablets, prepared.Bytes)
	}
	return err
}

// statement submits the unit's statement and follows it to its end. However a cancel arrives, it ends with somebody
// having looked at the FE: Temporal may answer it itself while no worker runs the activity, and a statement whose
// submission was interrupted may have got through.
func (j *databaseJob) statement(ctx workflow.Context, u activities.UnitRef) error {
	if ctx.Err() != nil {
		return ctx.Err() // nothing was sent
	}
	err := workflow.ExecuteActivity(short(ctx, j.heartbeat(), string(u.Statement)+" "+u.Label), acts.Submit, u).Get(ctx, nil)
	if err == nil {
		err = j.await(ctx, u)
	}
	if ctx.Err() != nil && !settled(err) {
		u.Cancel = true
		err = j.await(finishing(ctx), u)
	}
	if ctx.Err() != nil && err == nil {
		j.Cancelled = cancelledInCommit
	}
	return err
}

func (j *databaseJob) await(ctx workflow.Context, u activities.UnitRef) error {
	var end activities.JobEnd
	summary := fmt.Sprintf("await %s %s", u.Statement, u.Label)
	if u.Cancel {
		summary += " (cancel)"
	}
	err := workflow.ExecuteActivity(watching(ctx, j.heartbeat(), summary), acts.Await, u).Get(ctx, &end)
	for _, w := range end.Warnings {
		j.warn("%s", w)
	}
	j.loads = append(j.loads, end.Loads...)
	if end.Over != nil {
		j.overLoads(*end.Over)
	}
	if end.Cancelled {
		return temporal.NewCanceledError("cancelled in StarRocks")
	}
	return err
}

// notStarted is the detail with which Temporal's server cancels an activity that no worker has at that moment.
const notStarted = "ACTIVITY_ID_NOT_STARTED"

// settled tells the ends that an activity saw in StarRocks: success, a failed or refused statement, a CANCEL carried out.
func settled(err error) bool {
	if err == nil {
		return true
	}
	if _, failed := activities.FailureOf(err); failed {
		return true
	}
	var canceled *temporal.CanceledError
	if !errors.As(err, &canceled) || !canceled.HasDetails() {
		return false
	}
	var text string
	return canceled.Details(&text) != nil || text != notStarted
}

// settle tells the queue what came of the attempt. A job that somebody cancelled in StarRocks after a cancel was asked
// for here was cancelled by us: the one who did it may have died before he could tell.
func (j *databaseJob) settle(ctx workflow.Context, u activities.UnitRef, err error) {
	unit, waiting := u.Unit, slices.Clone(j.Queue.Waiting)
	defer func() {
		if j.Queue.Stopped != "" {
			j.abandoned = waiting
		}
	}()
	if err == nil {
		j.Queue.Done(unit)
		return
	}
	f, known := activities.FailureOf(err)
	if temporal.IsCanceledError(err) || known && f.Stop && ctx.Err() != nil {
		j.Cancelled = cancelledEarly
		return
	}
	kind, message := activities.TypeOf(err)
	switch {
	case known && f.Stop, !known && kind != spec.ErrorChecksumMismatch:
		j.Queue.Failed(unit, restorepoint.Failure{Reason: message})
		j.Queue.Stop(message)
	case known:
		j.Queue.Failed(unit, restorepoint.Failure{Transient: f.Transient, Culprits: f.Culprits, Reason: f.Reason, Composed: j.composed(ctx, u)})
	default:
		j.Queue.Failed(unit, restorepoint.Failure{Reason: message})
	}
}

func (j *databaseJob) count(partitions, tablets, bytes int64) {
	s := &j.Result.Summary
	s.Partitions += partitions
	s.Tablets += tablets
	s.Bytes += bytes
	j.progress.TabletsDone += tablets
	j.progress.BytesDone += bytes
}

// maxWarnings bounds the warnings of one database.
const maxWarnings = 50

func (j *databaseJob) warn(format string, args ...any) {
	if len(j.Result.Warnings) < maxWarnings {
		j.Result.Warnings = append(j.Result.Warnings, j.Planned.Database+": "+fmt.Sprintf(format, args...))
	}
}
