package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// CopyState is how far a Copy has come; its next run begins with it.
type CopyState struct {
	Planned   bool                        `json:"planned,omitempty"`   // what the input asks for is in Points, or was
	Points    []string                    `json:"points,omitempty"`    // still to be copied, in order
	Offered   []string                    `json:"offered,omitempty"`   // points that backups have published since the last plan
	Point     string                      `json:"point,omitempty"`     // under way
	Left      int                         `json:"left,omitempty"`      // snapshots that it lacked at the last look
	Snapshots []activities.SnapshotToCopy `json:"snapshots,omitempty"` // of the point under way, and what backups offered; the first is under way
	After     string                      `json:"after,omitempty"`     // key of that one up to which everything is copied
	Broken    map[string]string           `json:"broken,omitempty"`    // snapshots that cannot be copied, by label, and why
	Limits    spec.CopyLimits             `json:"limits"`
	Progress  spec.DatabaseProgress       `json:"progress"`
	Result    spec.CopyResult             `json:"result"`
	Heartbeat spec.Duration               `json:"heartbeat,omitzero"`
}

// Copy brings restore points to a further store: for each the native snapshots that the target lacks, in batches of tablets
// side by side, then their records, and last the manifest. A point whose objects are gone or damaged at the source is
// reported, and does not stop the others. While it runs, backups may offer it more. There is one run at a time from one store
// to another: any other hands over to spec.CopyID. Only continued runs have a state.
func Copy(ctx workflow.Context, in spec.Copy, state *CopyState) (spec.CopyResult, error) {
	if err := in.Validate(); err != nil {
		return spec.CopyResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	if state == nil {
		if out, handed, err := handOver[spec.CopyResult](ctx, spec.CopyID(in.Cluster, in.From, in.To), spec.CopyWorkflow, spec.PhaseCopy, in); handed {
			return out, err
		}
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster), attributePhase.ValueSet(string(spec.PhaseCopy)))
	c := newCopying(ctx, in, state)
	if err := c.serve(ctx); err != nil {
		return spec.CopyResult{}, err
	}
	for c.hear(ctx); c.more(); c.hear(ctx) {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return spec.CopyResult{}, c.continueAsNew(ctx)
		}
		if err := c.step(ctx); err != nil {
			return c.end(ctx, err)
		}
		c.show(ctx)
	}
	return c.end(ctx, nil)
}

// copying is one run of Copy.
type copying struct {
	CopyState
	in      spec.Copy
	run     string // names its plan files
	running int    // batches
}

func newCopying(ctx workflow.Context, in spec.Copy, state *CopyState) *copying {
	info := workflow.GetInfo(ctx)
	c := &copying{in: in, run: info.FirstRunID}
	if state != nil {
		c.CopyState = *state
	} else {
		c.Limits = in.Limits
		c.Result = spec.CopyResult{From: in.From, To: in.To, Points: []string{}}
		c.Progress = spec.DatabaseProgress{Database: in.From + " to " + in.To, WorkflowID: info.WorkflowExecution.ID, Phase: spec.PhaseCopy}
	}
	if c.Limits.ParallelBatches == 0 {
		c.Limits.ParallelBatches = spec.DefaultParallelBatches
	}
	if c.Broken == nil {
		c.Broken = map[string]string{}
	}
	return c
}

// more tells whether anything is left to do.
func (c *copying) more() bool {
	return !c.Planned || c.Point != "" || len(c.Points)+len(c.Offered)+len(c.Snapshots) > 0
}

// step does the next thing, from the inside out: the snapshot under way, the point under way, the next point, a plan.
func (c *copying) step(ctx workflow.Context) error {
	switch {
	case len(c.Snapshots) > 0:
		return c.copySnapshot(ctx, c.Snapshots[0])
	case c.Point != "":
		return c.copyPoint(ctx)
	case len(c.Points) > 0:
		c.Point, c.Left, c.Points = c.Points[0], 0, c.Points[1:]
		return nil
	}
	return c.plan(ctx)
}

// plan asks which points are to be copied.
func (c *copying) plan(ctx workflow.Context) error {
	in := activities.PlanCopyInput{Spec: c.in, Offered: c.Offered}
	if c.Planned { // the input's own points are through
		in.Spec.Point, in.Spec.Behind = "", true
	}
	var plan activities.CopyPlan
	err := workflow.ExecuteActivity(long(ctx, c.heartbeat(), "plan"), acts.PlanCopy, in).Get(ctx, &plan)
	if err != nil {
		return err
	}
	if plan.More > 0 {
		c.Result.Warnings = append(c.Result.Warnings, fmt.Sprintf("%d further restore points are left for the next copy", plan.More))
	}
	c.Planned, c.Offered, c.Points, c.Heartbeat = true, nil, plan.Points, plan.Heartbeat
	c.Result.Held += plan.Held
	return nil
}

// copyPoint looks what the point under way lacks, and publishes it when that is nothing.
func (c *copying) copyPoint(ctx workflow.Context) error {
	var plan activities.PointCopy
	in := activities.PointCopyInput{Spec: c.in, Point: c.Point}
	err := workflow.ExecuteActivity(long(ctx, c.heartbeat(), "plan restore point "+c.Point), acts.PlanPointCopy, in).Get(ctx, &plan)
	switch {
	case err != nil:
		return c.pointFailed(err)
	case plan.Count == 0:
		return c.publish(ctx)
	}
	for _, s := range plan.Snapshots {
		if why, broken := c.Broken[s.Label]; broken {
			return c.giveUp(fmt.Sprintf("native snapshot %s: %s", s.Label, why))
		}
	}
	if c.Left > 0 && plan.Count >= c.Left {
		return c.giveUp(fmt.Sprintf("%d native snapshots went away in %s while they were copied there; copy again", plan.Count, c.in.To))
	}
	if c.Left == 0 {
		c.Progress.Units += plan.Count
		c.Progress.Bytes += plan.Bytes
	}
	c.Left = plan.Count
	c.Snapshots = append(c.Snapshots, plan.Snapshots...)
	return nil
}

func (c *copying) publish(ctx workflow.Context) error {
	in := activities.PointCopyInput{Spec: c.in, Point: c.Point}
	err := workflow.ExecuteActivity(long(ctx, c.heartbeat(), "publish restore point "+c.Point), acts.PublishCopy, in).Get(ctx, nil)
	if err != nil {
		return c.pointFailed(err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePoint.ValueSet(c.Point), attributeBytes.ValueSet(c.Result.Bytes))
	c.Result.PointCount++
	c.Result.Points = append(c.Result.Points, c.Point)
	c.Result.Points = c.Result.Points[max(0, len(c.Result.Points)-spec.MaxListed):]
	c.Point = ""
	return nil
}

// pointFailed gives the point up if the others may well be copied.
func (c *copying) pointFailed(err error) error {
	if !ofOnePoint(err) {
		return err
	}
	_, message := activities.TypeOf(err)
	return c.giveUp(message)
}

func (c *copying) giveUp(reason string) error {
	c.Result.FailedCount++
	if len(c.Result.Failed) < spec.MaxListed {
		c.Result.Failed = append(c.Result.Failed, spec.FailedCopy{Point: c.Point, Reason: reason})
	}
	c.Point = ""
	return nil
}

// ofOnePoint tells errors of what is copied from those of stores and profiles, which would meet every other point too.
func ofOnePoint(err error) bool {
	kind, _ := typeOf(err)
	return slices.Contains([]string{spec.ErrorSnapshotMissing, spec.ErrorChecksumMismatch, spec.ErrorJobFailed}, kind)
}

// copySnapshot copies as much of a native snapshot as one plan names, and makes it whole when that was all.
func (c *copying) copySnapshot(ctx workflow.Context, s activities.SnapshotToCopy) error {
	c.Progress.Current = "native snapshot " + s.Label
	c.show(ctx)
	var plan activities.SnapshotCopy
	in := activities.SnapshotCopyInput{Spec: c.in, Label: s.Label, Run: c.run, After: c.After}
	err := workflow.ExecuteActivity(long(ctx, c.heartbeat(), "plan snapshot "+s.Label), acts.PlanSnapshotCopy, in).Get(ctx, &plan)
	if err == nil {
		c.count(plan.Present, plan.Bytes)
		err = c.batches(ctx, s.Label, plan)
	}
	if err == nil && plan.Next != "" {
		c.After = plan.Next
		return nil
	}
	if err == nil {
		record := activities.CopyRecordInput{Spec: c.in, Run: c.run, Snapshot: s}
		err = workflow.ExecuteActivity(long(ctx, c.heartbeat(), "finish snapshot "+s.Label), acts.CopyRecord, record).Get(ctx, nil)
	}
	c.After, c.Snapshots, c.Progress.Current = "", c.Snapshots[1:], ""
	switch {
	case err == nil:
		c.Result.Snapshots++
		c.Progress.UnitsDone++
		return nil
	case !ofOnePoint(err):
		return err
	}
	_, c.Broken[s.Label] = activities.TypeOf(err)
	c.Progress.UnitsFailed++
	return nil
}

// batches copies the batches of a plan, some at a time; each is retried alone.
func (c *copying) batches(ctx workflow.Context, label string, plan activities.SnapshotCopy) error {
	var failed error
	all := workflow.NewWaitGroup(ctx)
	for i, batch := range plan.Batches {
		err := workflow.Await(ctx, func() bool { return c.running < c.Limits.ParallelBatches })
		if failed == nil {
			failed = err
		}
		if failed != nil {
			break
		}
		in := activities.CopyBatchInput{Spec: c.in, Label: label, Plan: plan.Plan, Batch: batch, BytesPerSecond: c.share(min(c.Limits.ParallelBatches, len(plan.Batches)))}
		summary := fmt.Sprintf("batch %d of %d: %d objects, %s", i+1, len(plan.Batches), batch.Objects, spec.Bytes(batch.Bytes))
		c.running++
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { c.running--; all.Done() }()
			var copied activities.CopiedBatch
			if err := workflow.ExecuteActivity(long(ctx, c.heartbeat(), summary), acts.CopyBatch, in).Get(ctx, &copied); err != nil {
				failed = err
				return
			}
			c.count(copied.Present, copied.Bytes)
			c.Result.Objects += copied.Copied
			c.Result.Moved += copied.Moved
			c.Progress.TabletsDone += int64(batch.Tablets)
			c.show(ctx)
		})
	}
	all.Wait(finishing(ctx))
	return failed
}

func (c *copying) count(present, bytes int64) {
	c.Result.Present += present
	c.Result.Bytes += bytes
	c.Progress.BytesDone += bytes
}

// share is what each of n batches may move per second; 0 is no limit.
func (c *copying) share(n int) int64 {
	if c.Limits.BytesPerSecond == 0 {
		return 0
	}
	return max(c.Limits.BytesPerSecond/int64(max(n, 1)), 1)
}

func (c *copying) heartbeat() time.Duration { return c.Heartbeat.Or(planHeartbeat) }

// end says how the run ends.
func (c *copying) end(ctx workflow.Context, err error) (spec.CopyResult, error) {
	c.Progress.Phase = spec.PhaseFailed
	defer c.show(ctx)
	switch kind, message := typeOf(err); {
	case ctx.Err() != nil || temporal.IsCanceledError(err):
		return c.Result, temporal.NewCanceledError(c.Result)
	case err != nil && kind == "":
		return c.Result, activities.Error(spec.ErrorStorageUnavailable, c.Result, "%s", message)
	case err != nil:
		return c.Result, activities.Error(kind, c.Result, "%s", message)
	case c.Result.FailedCount > 0:
		f := c.Result.Failed[0]
		return c.Result, activities.Error(spec.ErrorPartialFailure, c.Result, "%d restore points could not be copied to %s, the first is %s: %s", c.Result.FailedCount, c.in.To, f.Point, f.Reason)
	}
	c.Progress.Phase = spec.PhaseDone
	return c.Result, nil
}
