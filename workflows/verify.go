package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// VerifySoFar is what a run of Verify hands on to its next one.
type VerifySoFar struct {
	Plan     activities.VerifyPlan `json:"plan"`
	At       time.Time             `json:"at"`
	Next     int                   `json:"next"`  // group
	Files    []string              `json:"files"` // of findings
	Mended   []string              `json:"mended,omitempty"`
	Warnings []string              `json:"warnings,omitempty"`
	Progress spec.DatabaseProgress `json:"progress"`
}

// Verify looks at restore points in a store: manifests, records and object lists by digest, presence and size of every
// object by one listing of each native snapshot, the contents of all or a sample. What is wrong is repaired where the input
// names a store that has it right. The result is written down on each point.
func Verify(ctx workflow.Context, in spec.Verify, so VerifySoFar) (spec.VerifyResult, error) {
	if err := in.Validate(); err != nil {
		return spec.VerifyResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	v := &verification{VerifySoFar: so, in: in, parallel: in.Parallel, phase: spec.PhaseVerify}
	if v.parallel == 0 {
		v.parallel = spec.DefaultVerifyParallel
	}
	if err := workflow.SetQueryHandler(ctx, spec.QueryProgress, v.progress); err != nil {
		return spec.VerifyResult{}, err
	}
	if so.At.IsZero() {
		if err := v.plan(ctx); err != nil {
			return spec.VerifyResult{}, err
		}
	}
	if err := v.groups(ctx); err != nil {
		return spec.VerifyResult{}, err
	}
	if v.Next < v.Plan.Groups {
		return spec.VerifyResult{}, workflow.NewContinueAsNewError(ctx, Verify, in, v.VerifySoFar)
	}
	return v.result(ctx)
}

type verification struct {
	VerifySoFar
	in       spec.Verify
	parallel int
	phase    spec.Phase
	reading  workflow.Semaphore // batches at once
}

func (v *verification) progress() (spec.Progress, error) {
	p := v.Progress
	p.Phase = v.phase
	return spec.Progress{Phase: v.phase, Databases: []spec.DatabaseProgress{p}, Warnings: v.Warnings}, nil
}

// run tells the files of this verification apart; it is the same for all runs of continue-as-new.
func (v *verification) run(ctx workflow.Context) activities.PlanVerifyInput {
	return activities.PlanVerifyInput{Spec: v.in, Run: "verify-" + workflow.GetInfo(ctx).FirstRunID, At: v.At}
}

func (v *verification) heartbeat() time.Duration { return v.Plan.Heartbeat.Or(planHeartbeat) }

// plan finds out what is to be looked at. Manifests that cannot be read are repaired first.
func (v *verification) plan(ctx workflow.Context) error {
	v.At, v.phase = workflow.Now(ctx), spec.PhasePlan
	v.Progress.Database = v.in.Where
	plan := func() error {
		v.Plan = activities.VerifyPlan{}
		return workflow.ExecuteActivity(long(ctx, planHeartbeat, "plan"), acts.PlanVerify, v.run(ctx)).Get(ctx, &v.Plan)
	}
	if err := plan(); err != nil {
		return err
	}
	if v.in.RepairFrom != "" && len(v.Plan.Unreadable) > 0 {
		err := workflow.ExecuteActivity(long(ctx, v.heartbeat(), "repair manifests"), acts.RepairManifests,
			activities.RepairInput{PlanVerifyInput: v.run(ctx)}, v.Plan.Unreadable).Get(ctx, &v.Mended)
		if err := v.unrepaired(ctx, err); err != nil {
			return err
		}
		if err := plan(); err != nil {
			return err
		}
	}
	v.Progress.Units, v.phase = v.Plan.Groups, spec.PhaseVerify
	if v.Plan.Found == 0 {
		return nil
	}
	v.Files = append(v.Files, activities.PlanFindings)
	return v.repair(ctx, activities.PlanFindings)
}

// unrepaired makes a repair that failed a warning: what was found is reported all the same.
func (v *verification) unrepaired(ctx workflow.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if len(v.Warnings) < spec.MaxListed {
		_, message := activities.TypeOf(err)
		v.Warnings = append(v.Warnings, "not everything could be repaired: "+message)
	}
	return nil
}

// groups looks at groups of native snapshots, some at a time, until all are through or the history is long.
func (v *verification) groups(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	v.reading = workflow.NewSemaphore(ctx, int64(v.parallel))
	var failed error
	running := 0
	for v.Next < v.Plan.Groups && failed == nil && !workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		running++
		n := v.Next
		v.Next++
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { running-- }()
			if err := v.group(ctx, n); err != nil && failed == nil {
				failed = err
				cancel()
			}
			v.Progress.UnitsDone++
		})
		if err := workflow.Await(ctx, func() bool { return running < v.parallel || failed != nil }); err != nil {
			break
		}
	}
	_ = workflow.Await(finishing(ctx), func() bool { return running == 0 })
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// group looks at one group; what starkeep's own damaged files hid is looked at once they are repaired.
func (v *verification) group(ctx workflow.Context, n int) error {
	file := fmt.Sprint("g", n)
	checked, err := v.check(ctx, n, file, "")
	if err != nil {
		return err
	}
	if err := v.read(ctx, checked, file); err != nil || checked.Blocked == 0 || v.in.RepairFrom == "" {
		return err
	}
	again := file + "again"
	if checked, err = v.check(ctx, n, again, file); err != nil {
		return err
	}
	return v.read(ctx, checked, again)
}

// check compares what is there with what was written down, and repairs.
func (v *verification) check(ctx workflow.Context, n int, file, again string) (out activities.CheckedObjects, err error) {
	in := activities.CheckObjectsInput{PlanVerifyInput: v.run(ctx), Plan: v.Plan, Group: n, File: file, Again: again}
	summary := fmt.Sprintf("look at group %d of %d", n+1, v.Plan.Groups)
	if err = workflow.ExecuteActivity(long(ctx, v.heartbeat(), summary), acts.CheckObjects, in).Get(ctx, &out); err != nil {
		return out, err
	}
	v.Files = append(v.Files, file)
	for _, b := range out.Batches {
		v.Progress.Bytes += b.Bytes
	}
	if out.Found == 0 {
		return out, nil
	}
	return out, v.repair(ctx, file)
}

// read reads the contents of batches, some at a time.
func (v *verification) read(ctx workflow.Context, checked activities.CheckedObjects, look string) error {
	var failed error
	all := workflow.NewWaitGroup(ctx)
	for i, b := range checked.Batches {
		all.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer all.Done()
			if err := v.batch(ctx, b, look, fmt.Sprint(look, "b", i)); err != nil && failed == nil {
				failed = err
			}
		})
	}
	all.Wait(finishing(ctx))
	return failed
}

func (v *verification) batch(ctx workflow.Context, b activities.ObjectBatch, look, file string) error {
	if err := v.reading.Acquire(ctx, 1); err != nil {
		return err
	}
	defer v.reading.Release(1)
	in := activities.ReadObjectsInput{PlanVerifyInput: v.run(ctx), Plan: v.Plan, Batch: b, Look: look, File: file}
	var out activities.ObjectsRead
	summary := fmt.Sprintf("read %d objects, %s", b.Objects, spec.Bytes(b.Bytes))
	if err := workflow.ExecuteActivity(long(ctx, v.heartbeat(), summary), acts.ReadObjects, in).Get(ctx, &out); err != nil {
		return err
	}
	v.Progress.BytesDone += b.Bytes
	if out.Found == 0 {
		return nil
	}
	v.Files = append(v.Files, file)
	return v.repair(ctx, file)
}

func (v *verification) repair(ctx workflow.Context, file string) error {
	if v.in.RepairFrom == "" {
		return nil
	}
	err := workflow.ExecuteActivity(long(ctx, v.heartbeat(), "repair from "+v.in.RepairFrom), acts.RepairObjects,
		activities.RepairInput{PlanVerifyInput: v.run(ctx), File: file}).Get(ctx, nil)
	return v.unrepaired(ctx, err)
}

// result writes the verification down and ends the run: with ChecksumMismatch where something is damaged.
func (v *verification) result(ctx workflow.Context) (spec.VerifyResult, error) {
	v.phase = spec.PhaseCommit
	in := activities.RecordVerificationInput{PlanVerifyInput: v.run(ctx), Plan: v.Plan, Verify: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Ended: workflow.Now(ctx), Files: v.Files, Mended: v.Mended}
	var out spec.VerifyResult
	if err := workflow.ExecuteActivity(long(ctx, v.heartbeat(), "write the result down"), acts.RecordVerification, in).Get(ctx, &out); err != nil {
		return out, err
	}
	out.Warnings = append(out.Warnings, v.Warnings...)
	v.phase = spec.PhaseDone
	if out.Result == spec.VerifyOK {
		return out, nil
	}
	v.phase = spec.PhaseFailed
	return out, activities.Error(spec.ErrorChecksumMismatch, out, "%s is damaged: %d problems, %d of them repaired; %d of %d restore points are concerned%s",
		v.in.Where, out.Found, out.Repaired, out.Damaged, out.Verified, firstProblem(out.Problems))
}

// firstProblem names the first problem that is left.
func firstProblem(problems []spec.VerifyProblem) string {
	for _, p := range problems {
		if !p.Repaired {
			return fmt.Sprintf("; the first: %s %s", p.Key, p.Detail)
		}
	}
	return ""
}
