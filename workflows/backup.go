package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// Backup makes a restore point: plan, one DatabaseJob per database, publish the manifest. What cannot be backed up is
// named in the point, and the run ends as PartialFailure. A cancel publishes what is done, as a partial point that
// resume completes.
func Backup(ctx workflow.Context, in spec.Backup) (spec.BackupResult, error) {
	if err := in.Validate(); err != nil {
		return spec.BackupResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	r, err := newRun(ctx, "Backup of "+in.Cluster, in.Cluster, in.OnBusy)
	if err != nil {
		return spec.BackupResult{}, err
	}
	b := &backup{run: r, in: in, seed: seed(ctx), created: workflow.Now(ctx)}
	b.progress.Point = restorepoint.NewPointID(due(ctx, b.created), b.seed)
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster), attributePoint.ValueSet(b.progress.Point))
	plan, err := b.plan(ctx)
	if err != nil {
		return spec.BackupResult{}, err
	}
	b.phase(ctx, spec.PhaseSnapshot)
	outcomes := b.databases(ctx, b.inputs(plan))
	published, err := b.publish(finishing(ctx), plan, outcomes)
	if err != nil {
		return spec.BackupResult{}, err
	}
	b.mirror(ctx, plan, published)
	return b.result(ctx, published, outcomes)
}

type backup struct {
	*run
	in      spec.Backup
	seed    string
	created time.Time
	planned activities.BackupPlan
	mirrors []spec.MirrorState
}

func (b *backup) plan(ctx workflow.Context) (activities.BackupPlan, error) {
	var plan activities.BackupPlan
	in := activities.PlanBackupInput{Spec: b.in, Point: b.progress.Point}
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "plan"), acts.PlanBackup, in).Get(ctx, &plan)
	b.control.planned(plan.ParallelDatabases)
	b.progress.Warnings = plan.Warnings
	b.planned = plan
	return plan, err
}

func (b *backup) inputs(plan activities.BackupPlan) []DatabaseJobInput {
	var list []DatabaseJobInput
	for _, d := range plan.Databases {
		if len(d.Units) > 0 {
			list = append(list, DatabaseJobInput{Statement: activities.Backup, Cluster: b.in.Cluster, Repository: b.in.Repository, Run: b.seed, Planned: d, Heartbeat: plan.Heartbeat, FailBusy: b.in.OnBusy == spec.OnBusyFail, Mirrors: b.in.Mirrors})
		}
	}
	return list
}

// publish hands everything that is known to the one activity that makes the restore point.
func (b *backup) publish(ctx workflow.Context, plan activities.BackupPlan, outcomes []outcome) (activities.Published, error) {
	b.phase(ctx, spec.PhaseCommit)
	in := activities.PublishInput{Spec: b.in, Point: b.progress.Point, Run: b.seed, Created: b.created}
	i := 0
	for _, d := range plan.Databases {
		o := activities.DatabaseOutcome{Database: d.Database, Plan: d.Plan}
		if len(d.Units) > 0 {
			o.Completed, o.Failures = outcomes[i].result.Completed, outcomes[i].result.Failures
			if err := outcomes[i].err; err != nil {
				o.Failures = []restorepoint.FailedSet{{Parts: []restorepoint.Range{{To: int(d.Partitions)}}, Reason: reasonOf(err), Left: true}}
			}
			i++
		}
		in.Databases = append(in.Databases, o)
	}
	var published activities.Published
	err := workflow.ExecuteActivity(long(ctx, plan.Heartbeat.Or(planHeartbeat), "publish restore point "+b.progress.Point), acts.PublishManifest, in).Get(ctx, &published)
	return published, err
}

// result says how the run ends: complete, PartialFailure, or cancelled.
func (b *backup) result(ctx workflow.Context, p activities.Published, outcomes []outcome) (spec.BackupResult, error) {
	out := spec.BackupResult{
		Point: p.Point, Complete: p.Complete, Carried: p.Carried, Failed: p.Failed, FailedCount: p.FailedCount, NotCovered: p.NotCovered,
		Base: b.planned.Base, Tables: b.planned.Tables, Unchanged: b.planned.Unchanged, Gone: b.planned.Gone,
		Mirrors: b.mirrors, Warnings: append(slices.Clone(b.progress.Warnings), b.behind()...), CancelRequested: ctx.Err() != nil,
	}
	busy := 0
	for _, o := range outcomes {
		if kind, _ := typeOf(o.err); kind == spec.ErrorDatabaseBusy {
			busy++
		}
		if o.err != nil {
			continue
		}
		out.Databases = append(out.Databases, o.result.Summary)
		out.Partitions += o.result.Summary.Partitions
		out.Tablets += o.result.Summary.Tablets
		out.Bytes += o.result.Summary.Bytes
		out.Objects += o.result.Objects
		out.Warnings = append(out.Warnings, o.result.Warnings...)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeBytes.ValueSet(out.Bytes))
	b.progress.Warnings = out.Warnings
	switch {
	case ctx.Err() != nil && !p.Complete: // one that came when all was done changes nothing
		b.phase(ctx, spec.PhaseFailed)
		return out, temporal.NewCanceledError(out)
	case busy > 0 && p.Point == "":
		b.phase(ctx, spec.PhaseFailed)
		return out, activities.Error(spec.ErrorDatabaseBusy, out, "%d databases are held by other starkeep jobs, nothing was backed up", busy)
	case !p.Complete:
		b.phase(ctx, spec.PhaseFailed)
		return out, partial(out)
	}
	b.phase(ctx, spec.PhaseDone)
	return out, nil
}

func partial(out spec.BackupResult) error {
	if out.Point == "" {
		return activities.Error(spec.ErrorPartialFailure, out, "nothing could be backed up (%d failed): %s", out.FailedCount, firstReason(out.Failed))
	}
	return activities.Error(spec.ErrorPartialFailure, out, "restore point %s lacks %d partitions or tables: %s; resume %s backs up what is missing",
		out.Point, out.FailedCount, firstReason(out.Failed), out.Point)
}

func firstReason(failed []spec.FailedPart) string {
	if len(failed) == 0 {
		return "see the databases' own workflows"
	}
	f := failed[0]
	name := f.Database
	if f.Table != "" {
		name += "." + f.Table
	}
	if f.Partition != "" {
		name += "/" + f.Partition
	}
	return name + ": " + f.Reason
}
