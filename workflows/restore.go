package workflows

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Restore brings a restore point, or a part of it, into a cluster: plan with all its checks, one DatabaseJob per target
// database, then the undo window for what was swapped. A dry run ends after the plan.
func Restore(ctx workflow.Context, in spec.Restore) (spec.RestoreResult, error) {
	if err := in.Validate(); err != nil {
		return spec.RestoreResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	r, err := newRun(ctx, "Restore into "+in.Cluster, in.Cluster, in.OnBusy)
	if err != nil {
		return spec.RestoreResult{}, err
	}
	s := &restore{run: r, in: in, seed: seed(ctx)}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	if err := s.adoptSnapshot(ctx); err != nil {
		return spec.RestoreResult{}, err
	}
	plan, err := s.plan(ctx)
	if err != nil {
		return spec.RestoreResult{}, err
	}
	out := planned(in, plan)
	if in.DryRun {
		for _, d := range plan.Databases {
			out.Partitions += d.Partitions
			out.Tablets += d.Tablets
			out.Bytes += d.Bytes
		}
		s.phase(ctx, spec.PhaseDone)
		return out, nil
	}
	if err := s.stops(plan, out); err != nil {
		return out, err
	}
	if err := s.ensureRepository(ctx, plan, &out); err != nil {
		return out, err
	}
	if err := s.keepVictims(ctx, plan, &out); err != nil {
		return out, err
	}
	s.phase(ctx, spec.PhaseLoad)
	outcomes := s.databases(ctx, s.inputs(plan))
	free := finishing(ctx)
	s.sum(&out, plan, outcomes)
	s.openUndoWindow(free, &out, outcomes, plan.Views)
	s.report(free, plan, &out)
	s.reactivate(ctx, plan, &out)
	return s.result(ctx, out, outcomes)
}

type restore struct {
	*run
	in   spec.Restore
	seed string
}

func (s *restore) plan(ctx workflow.Context) (activities.RestorePlan, error) {
	var plan activities.RestorePlan
	in := activities.PlanRestoreInput{Spec: s.in, Run: s.seed, ID: workflow.GetInfo(ctx).FirstRunID}
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "plan"), acts.PlanRestore, in).Get(ctx, &plan)
	s.control.planned(plan.ParallelDatabases)
	s.progress.Warnings, s.progress.Point = plan.Warnings, plan.Point
	return plan, err
}

// versionEnsureRepository: runs that were planned before repositories were created go on without.
const versionEnsureRepository = "restore creates a missing repository"

// ensureRepository creates the repository where the plan says that the cluster does not know it.
func (s *restore) ensureRepository(ctx workflow.Context, plan activities.RestorePlan, out *spec.RestoreResult) error {
	if plan.Ensure == nil || workflow.GetVersion(ctx, versionEnsureRepository, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	var ensured activities.EnsuredRepository
	err := workflow.ExecuteActivity(short(ctx, plan.Heartbeat.Or(planHeartbeat), "create repository "+s.in.Repository), acts.EnsureRepository, *plan.Ensure).Get(ctx, &ensured)
	if err == nil && plan.Ensure.ReadOnly && !ensured.ReadOnly { // somebody was faster
		out.Warnings = append(out.Warnings, ensured.Message)
	}
	return err
}

func refused(plan activities.RestorePlan) error {
	t := plan.Tables[0]
	return activities.Error(spec.ErrorInvalidSpec, spec.RestoreResult{Point: plan.Point, Plan: plan.Tables},
		"%d tables cannot be restored as asked, nothing was changed; the first is %s.%s: %s", plan.Refused, t.Database, t.Table, t.Note)
}

func (s *restore) inputs(plan activities.RestorePlan) []DatabaseJobInput {
	var list []DatabaseJobInput
	for _, d := range plan.Databases {
		list = append(list, DatabaseJobInput{Statement: activities.Restore, Cluster: s.in.Cluster, Repository: s.in.Repository, Run: s.seed,
			Planned: d, Heartbeat: plan.Heartbeat, SkipGrants: s.in.SkipGrants, FailBusy: s.in.OnBusy == spec.OnBusyFail})
	}
	return list
}

// sum adds the databases' results up.
func (s *restore) sum(out *spec.RestoreResult, plan activities.RestorePlan, outcomes []outcome) {
	out.Plan = nil
	for i, o := range outcomes {
		if o.err != nil {
			out.Failed = append(out.Failed, spec.FailedPart{Database: plan.Databases[i].Database, Reason: reasonOf(o.err)})
			out.FailedCount++
			continue
		}
		r := o.result
		out.Databases = append(out.Databases, r.Summary)
		out.Partitions += r.Summary.Partitions
		out.Tablets += r.Summary.Tablets
		out.Bytes += r.Summary.Bytes
		out.Tables = append(out.Tables, r.Tables...)
		out.Interrupted = append(out.Interrupted, r.Interrupted...)
		out.Failed = append(out.Failed, r.Failed...)
		out.FailedCount += int64(len(r.Failed))
		out.Warnings = append(out.Warnings, r.Warnings...)
	}
	out.Tables = out.Tables[:min(len(out.Tables), spec.MaxListed)]
	out.Failed = out.Failed[:min(len(out.Failed), spec.MaxListed)]
	s.progress.Warnings = out.Warnings
}

// openUndoWindow leaves a workflow behind that keeps the old tables for a while. The tables are exchanged by now: where
// it cannot be had, that is a warning.
func (s *restore) openUndoWindow(ctx workflow.Context, out *spec.RestoreResult, outcomes []outcome, views *activities.PlannedViews) {
	window := spec.UndoWindow{Cluster: s.in.Cluster, Restore: workflow.GetInfo(ctx).WorkflowExecution.ID, Keep: spec.Duration(s.in.UndoWindow.Or(spec.DefaultUndoWindow))}
	for _, o := range outcomes {
		window.Tables = append(window.Tables, o.result.Swapped...)
	}
	if out.Safety != nil && replacedAny(outcomes) {
		window.Safety = out.Safety
	}
	if len(window.Tables) == 0 && window.Safety == nil && (views == nil || views.Replaces == 0) {
		return
	}
	if views != nil {
		window.Views = &spec.ReplacedViews{Repository: s.in.Repository, Key: views.Plan.Key, SHA256: views.Plan.SHA256}
	}
	id := spec.UndoWindowID(window.Restore)
	err := s.startUndoWindow(ctx, id, window, out.Point)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		// An earlier restore of this very id left one that is still open: it has tables of its own to keep.
		id += "/" + workflow.GetInfo(ctx).FirstRunID
		err = s.startUndoWindow(ctx, id, window, out.Point)
	}
	if err != nil {
		_, message := activities.TypeOf(err)
		out.Warnings = append(out.Warnings, fmt.Sprintf("no undo window: the old tables of this restore stay until they are dropped by hand: %s", message))
		return
	}
	out.Undo = id
}

func (s *restore) startUndoWindow(ctx workflow.Context, id string, window spec.UndoWindow, point string) error {
	options := workflow.ChildWorkflowOptions{
		WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         fmt.Sprintf("old tables of %d swaps, kept %s", len(window.Tables), window.Keep.Or(0)),
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(s.cluster), attributePoint.ValueSet(point)),
	}
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), spec.UndoWindowWorkflow, window)
	return child.GetChildWorkflowExecution().Get(ctx, nil)
}

// result says how the run ends. A cancel that came in COMMIT is answered with the truth: what was restored.
func (s *restore) result(ctx workflow.Context, out spec.RestoreResult, outcomes []outcome) (spec.RestoreResult, error) {
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeBytes.ValueSet(out.Bytes))
	inCommit, leftOut, busy, unproven := false, false, 0, 0
	for _, o := range outcomes {
		inCommit = inCommit || o.result.Cancelled == cancelledInCommit
		unproven += o.result.Unproven
		leftOut = leftOut || o.err != nil || o.result.Cancelled == cancelledEarly
		if kind, _ := typeOf(o.err); kind == spec.ErrorDatabaseBusy {
			busy++
		}
	}
	out.CancelRequested = ctx.Err() != nil
	switch {
	case len(out.Interrupted) > 0:
		s.phase(ctx, spec.PhaseFailed)
		return out, interrupted(out)
	case ctx.Err() != nil && leftOut && !inCommit:
		s.phase(ctx, spec.PhaseFailed)
		return out, temporal.NewCanceledError(out)
	case busy > 0 && busy == len(outcomes):
		s.phase(ctx, spec.PhaseFailed)
		return out, activities.Error(spec.ErrorDatabaseBusy, out, "%d databases are held by other starkeep jobs, nothing was restored", busy)
	case unproven > 0:
		s.phase(ctx, spec.PhaseFailed)
		return out, activities.Error(spec.ErrorProofFailed, out, "StarRocks said FINISHED, but %d tables are not what was backed up: %s", unproven, firstReason(out.Failed))
	case out.FailedCount > 0 && !inCommit:
		s.phase(ctx, spec.PhaseFailed)
		return out, activities.Error(spec.ErrorPartialFailure, out, "%d tables or databases were not restored: %s", out.FailedCount, firstReason(out.Failed))
	}
	s.phase(ctx, spec.PhaseDone)
	return out, nil
}
