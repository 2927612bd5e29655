package workflows

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// Drill restores a sample of a restore point's tables into databases of its own, proves them, drops them, and writes the
// result down on the point. What it made goes also after a failure or a cancel.
func Drill(ctx workflow.Context, in spec.Drill) (spec.DrillResult, error) {
	if err := in.Validate(); err != nil {
		return spec.DrillResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	d := &drill{in: in, run: seed(ctx), at: workflow.Now(ctx)}
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "choose tables"), acts.PlanDrill, activities.PlanDrillInput{Spec: in, Run: d.run}).Get(ctx, &d.plan)
	if err != nil {
		return spec.DrillResult{Result: spec.DrillNotRun}, err
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePoint.ValueSet(d.plan.Point))
	restored, failed := d.restore(ctx)
	free := finishing(ctx)
	d.sum(restored, failed)
	d.clear(free, restored)
	d.record(free, failed)
	return d.result(ctx, failed)
}

type drill struct {
	in   spec.Drill
	run  string
	at   time.Time
	plan activities.DrillPlan
	out  spec.DrillResult
}

// restore brings the sample into the drill's databases, as any Restore does.
func (d *drill) restore(ctx workflow.Context) (spec.RestoreResult, error) {
	in := spec.Restore{
		Cluster: d.in.Cluster, Repository: d.in.Repository, Point: d.plan.Point, SourceCluster: d.plan.SourceCluster, Rename: d.plan.Databases,
		OnExisting: spec.OnExistingFail, ReplicationNum: max(d.in.ReplicationNum, 1), SkipGrants: true, Limits: d.in.Limits,
	}
	for _, t := range d.plan.Tables {
		in.Include = append(in.Include, restorepoint.Pattern{Database: t.Database, Table: t.Table}.String())
	}
	id := spec.RestoreID(d.in.Cluster, "drill-"+strings.TrimPrefix(restorepoint.DrillDatabase(d.run, ""), restorepoint.DrillDatabasePrefix))
	d.out.Restore = id
	options := workflow.ChildWorkflowOptions{
		WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL, WaitForCancellation: true,
		StaticSummary:         "drill of restore point " + d.plan.Point,
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(d.in.Cluster), attributePoint.ValueSet(d.plan.Point)),
	}
	var restored spec.RestoreResult
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), spec.RestoreWorkflow, in).Get(ctx, &restored)
	if err != nil {
		detailsOf(err, &restored)
	}
	return restored, err
}

// detailsOf reads the result that a failed or cancelled run carries.
func detailsOf(err error, into any) {
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &app) && app.HasDetails():
		_ = app.Details(into)
	case errors.As(err, &canceled) && canceled.HasDetails():
		_ = canceled.Details(into)
	}
}

// sum says how the drill went.
func (d *drill) sum(restored spec.RestoreResult, failed error) {
	d.out.Point, d.out.Sampled, d.out.Of = d.plan.Point, len(d.plan.Tables), d.plan.Of
	d.out.Tables, d.out.Failed, d.out.Report = restored.Tables, restored.Failed, restored.Report
	d.out.Warnings = append(slices.Clone(d.plan.Warnings), restored.Warnings...)
	for _, source := range slices.Sorted(maps.Keys(d.plan.Databases)) {
		d.out.Databases = append(d.out.Databases, d.plan.Databases[source])
	}
	kind, _ := typeOf(failed)
	switch {
	case failed == nil && restored.FailedCount == 0:
		d.out.Result = spec.DrillOK
	case temporal.IsCanceledError(failed):
		d.out.Result = spec.DrillCancelled
	case kind == spec.ErrorProofFailed || kind == spec.ErrorChecksumMismatch:
		d.out.Result = spec.DrillMismatch
	default:
		d.out.Result = spec.DrillFailed
	}
}

// clear drops what was restored. What cannot be dropped is a warning: the drill's result stands.
func (d *drill) clear(ctx workflow.Context, restored spec.RestoreResult) {
	ref := activities.DrillRef{Cluster: d.in.Cluster, Plan: d.plan, IDs: map[string]int64{}}
	for _, t := range restored.Tables {
		for source, database := range d.plan.Databases {
			if t.Database == database {
				ref.IDs[source+"."+t.Table] = t.TableID
			}
		}
	}
	var warnings []string
	err := workflow.ExecuteActivity(long(ctx, d.heartbeat(), "drop what was restored"), acts.DropDrill, ref).Get(ctx, &warnings)
	if err != nil {
		_, message := activities.TypeOf(err)
		warnings = append(warnings, message)
	}
	d.out.Warnings = append(d.out.Warnings, warnings...)
}

// record writes the drill down on its restore point.
func (d *drill) record(ctx workflow.Context, failed error) {
	record := restorepoint.DrillRecord{
		Point: d.plan.Point, Cluster: d.in.Cluster, At: d.at.UTC(), Drill: workflow.GetInfo(ctx).WorkflowExecution.ID, Restore: d.out.Restore,
		Report: d.out.Report, Seed: d.plan.Seed, Result: d.out.Result, Of: d.plan.Of,
	}
	if failed != nil {
		record.Reason = reasonOf(failed)
	}
	for _, t := range d.plan.Tables {
		record.Tables = append(record.Tables, d.table(t))
	}
	in := activities.DrillOutcome{Repository: d.in.Repository, SourceCluster: d.plan.SourceCluster, Run: d.run, Record: record}
	err := workflow.ExecuteActivity(short(ctx, d.heartbeat(), "write the result down"), acts.RecordDrill, in).Get(ctx, &d.out.Recorded)
	if err != nil {
		_, message := activities.TypeOf(err)
		d.out.Warnings = append(d.out.Warnings, "the drill is not written down on the restore point: "+message)
	}
}

func (d *drill) table(name restorepoint.TableName) restorepoint.DrilledTable {
	out := restorepoint.DrilledTable{Database: name.Database, Table: name.Table, Proven: d.out.Result == spec.DrillOK}
	database := d.plan.Databases[name.Database]
	for _, t := range d.out.Tables {
		if t.Database == database && t.Table == name.Table {
			out.Proven, out.Partitions, out.Rows = true, t.Partitions, t.Rows
		}
	}
	for _, f := range d.out.Failed {
		if f.Database == database && (f.Table == name.Table || f.Table == "") {
			out.Proven, out.Reason = false, f.Reason
		}
	}
	return out
}

// result ends the drill as its restore ended.
func (d *drill) result(ctx workflow.Context, failed error) (spec.DrillResult, error) {
	switch d.out.Result {
	case spec.DrillOK:
		return d.out, nil
	case spec.DrillCancelled:
		return d.out, temporal.NewCanceledError(d.out)
	}
	kind, message := typeOf(failed)
	if failed == nil {
		kind, message = spec.ErrorPartialFailure, firstReason(d.out.Failed)
	}
	if kind == "" {
		kind = spec.ErrorJobFailed
	}
	return d.out, activities.Error(kind, d.out, "the drill of restore point %s failed: %s", d.plan.Point, message)
}

func (d *drill) heartbeat() time.Duration { return d.plan.Heartbeat.Or(planHeartbeat) }
