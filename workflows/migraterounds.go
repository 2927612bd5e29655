package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// keptRounds is how many rounds' numbers are kept.
const keptRounds = 50

// round backs up what has changed and brings it over. One that fails is tried again: the next attempt backs up what is
// missing, and brings over all that differs from what the target is known to hold.
func (m *migration) round(ctx workflow.Context, phase spec.Phase) error {
	m.phase(ctx, phase)
	m.state.Round++
	numbers := spec.MigrateRound{Number: m.state.Round}
	began := workflow.Now(ctx)
	for {
		numbers.Attempts++
		err := m.attempt(ctx, &numbers)
		if err == nil {
			break
		}
		kind, message := typeOf(err)
		if ctx.Err() != nil || numbers.Attempts == spec.MigrateAttempts || hopeless(kind) {
			return err
		}
		m.warn("round %d, attempt %d: %s", numbers.Number, numbers.Attempts, message)
		if err := workflow.Sleep(ctx, time.Duration(numbers.Attempts)*spec.DefaultMigrateRetryWait); err != nil {
			return err
		}
	}
	numbers.Seconds = int64(workflow.Now(ctx).Sub(began).Seconds())
	m.state.Rounds = append(m.state.Rounds, numbers)
	if more := len(m.state.Rounds) - keptRounds; more > 0 {
		m.state.Rounds = m.state.Rounds[more:]
	}
	m.show(ctx)
	return nil
}

// hopeless tells failures that another attempt meets again.
func hopeless(kind string) bool {
	switch kind {
	case spec.ErrorInvalidSpec, spec.ErrorVersionUnsupported, spec.ErrorAuthDenied, spec.ErrorCommitInterrupted, spec.ErrorProofFailed:
		return true
	}
	return false
}

func (m *migration) attempt(ctx workflow.Context, numbers *spec.MigrateRound) error {
	point, err := m.backUp(ctx, numbers)
	if err != nil {
		return err
	}
	plan, err := m.planCatchUp(ctx, m.state.Applied, point)
	if err != nil {
		return err
	}
	m.out.NotCrossed = plan.NotCovered
	if len(plan.Include) > 0 {
		if err := m.bring(ctx, numbers, point, plan.Include); err != nil {
			return err
		}
	}
	if err := m.drop(ctx, point, plan); err != nil {
		return err
	}
	numbers.Point, numbers.Tables = point, plan.Tables
	m.state.Applied = point
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePoint.ValueSet(point))
	return nil
}

func (m *migration) planCatchUp(ctx workflow.Context, applied, point string) (activities.CatchUpPlan, error) {
	var plan activities.CatchUpPlan
	in := activities.CatchUpInput{Cluster: m.in.From, Repository: m.in.Repository, Applied: applied, Point: point}
	err := workflow.ExecuteActivity(long(ctx, m.heartbeat(), "compare with what the target holds"), acts.PlanCatchUp, in).Get(ctx, &plan)
	return plan, err
}

// backUp makes the round's restore point, compared with the newest that the migration has made.
func (m *migration) backUp(ctx workflow.Context, numbers *spec.MigrateRound) (string, error) {
	in := m.backup()
	in.Tags = map[string]string{spec.TagMigrate: workflow.GetInfo(ctx).WorkflowExecution.ID}
	var out spec.BackupResult
	err := m.child(ctx, spec.BackupWorkflow, spec.BackupID(m.in.From, m.childName(ctx, numbers)), in, &out)
	if err != nil {
		detailsOf(err, &out)
	}
	if out.Point != "" {
		m.state.Base = out.Point // also a partial one: the next attempt takes what it lacks
	}
	numbers.BackedUp += out.Partitions
	numbers.BackupSize += out.Bytes
	return out.Point, err
}

// bring restores on the target. What is there from an earlier round is exchanged; before the first one nothing may be
// there, unless the operator has said so. Partitions that do not fit into the target's table, as its plan says before it
// touches anything, come with their whole table.
func (m *migration) bring(ctx workflow.Context, numbers *spec.MigrateRound, point string, include []string) error {
	out, err := m.restore(ctx, numbers, m.childName(ctx, numbers), point, include)
	if kind, _ := typeOf(err); kind != spec.ErrorInvalidSpec {
		return err
	}
	tables := m.wholeTables(include, out.Plan)
	if slices.Equal(tables, include) {
		return err
	}
	_, err = m.restore(ctx, numbers, m.childName(ctx, numbers)+"-whole", point, tables)
	return err
}

// wholeTables names tables instead of their partitions, where the plan refuses the partitions.
func (m *migration) wholeTables(include []string, plan []spec.PlannedTable) []string {
	var list []string
	whole := map[string]bool{}
	for _, row := range plan {
		single := slices.ContainsFunc(include, func(pattern string) bool { return strings.HasPrefix(pattern, row.From+"/") })
		if row.Action == spec.ActionRefuse && single && !whole[row.From] {
			whole[row.From] = true
			list = append(list, row.From)
			m.warn("%s is brought over whole: %s", row.From, row.Note)
		}
	}
	for _, pattern := range include {
		if table, _, _ := strings.Cut(pattern, "/"); !whole[table] {
			list = append(list, pattern)
		}
	}
	return list
}

func (m *migration) restore(ctx workflow.Context, numbers *spec.MigrateRound, name, point string, include []string) (spec.RestoreResult, error) {
	in := spec.Restore{
		Cluster: m.in.To, Repository: m.in.Repository, SourceCluster: m.in.From, Point: point, Include: include, Rename: m.in.Rename,
		OnExisting: spec.OnExistingSwap, NoSafetyPoint: true, AllowAutoIncrementReset: true, ReplicationNum: m.in.ReplicationNum, SkipGrants: m.in.SkipGrants,
		UndoWindow: spec.Duration(m.in.UndoWindow.Or(spec.DefaultMigrateUndo)), Limits: m.in.Limits,
	}
	if !m.state.Placed && m.in.OnExisting != spec.OnExistingSwap {
		in.OnExisting = spec.OnExistingFail
	}
	var out spec.RestoreResult
	err := m.child(ctx, spec.RestoreWorkflow, spec.RestoreID(m.in.To, name), in, &out)
	if err != nil {
		detailsOf(err, &out)
	}
	m.state.Placed = m.state.Placed || placed(out, err)
	numbers.Restored += out.Partitions
	numbers.Bytes += out.Bytes
	for _, w := range out.Warnings {
		if !strings.Contains(w, "noSafetyPoint") { // what is replaced are copies
			m.warn("%s", w)
		}
	}
	return out, err
}

// placed tells whether a restore has, or may have, made a table. One that was refused as a whole has not, nor one that was
// cancelled before its first statement.
func placed(out spec.RestoreResult, err error) bool {
	kind, _ := typeOf(err)
	nothing := len(out.Databases) == 0 && out.FailedCount == 0
	return kind != spec.ErrorInvalidSpec && !(nothing && temporal.IsCanceledError(err))
}

// drop deals with what the source has dropped: it is named, and dropped on the target if the operator has said so.
func (m *migration) drop(ctx workflow.Context, point string, plan activities.CatchUpPlan) error {
	if len(plan.Gone) == 0 {
		return nil
	}
	m.state.RemovedCount += max(plan.GoneCount, len(plan.Gone))
	m.state.Removed = append(m.state.Removed, plan.Gone...)
	m.state.Removed = m.state.Removed[:min(len(m.state.Removed), spec.MaxListed)]
	if !m.in.DropRemoved {
		m.warn("dropped at the source, and still on the target (dropRemoved): %s", firstOf(plan.Gone[0], max(plan.GoneCount, len(plan.Gone))))
		return nil
	}
	ref := activities.MigrationRef{Spec: m.in, Applied: m.state.Applied, Point: point}
	var dropped []string
	err := workflow.ExecuteActivity(short(ctx, m.heartbeat(), "drop what the source has dropped"), acts.DropRemoved, ref).Get(ctx, &dropped)
	m.state.Dropped = append(m.state.Dropped, dropped...)
	m.state.Dropped = m.state.Dropped[:min(len(m.state.Dropped), spec.MaxListed)]
	return err
}

func firstOf(name string, count int) string {
	if count == 1 {
		return name
	}
	return fmt.Sprintf("%s and %d more", name, count-1)
}

// views creates views and functions on the target. One that does not come back is named, and fails nothing.
func (m *migration) views(ctx workflow.Context) error {
	plan, err := m.planCatchUp(ctx, m.state.Applied, m.state.Applied)
	if err != nil || len(plan.Objects) == 0 {
		return err
	}
	m.phase(ctx, spec.PhaseViews)
	in := spec.Restore{
		Cluster: m.in.To, Repository: m.in.Repository, SourceCluster: m.in.From, Point: m.state.Applied, Include: plan.Objects, Rename: m.in.Rename,
		ReplicationNum: m.in.ReplicationNum, UndoWindow: spec.Duration(m.in.UndoWindow.Or(spec.DefaultMigrateUndo)), SkipGrants: m.in.SkipGrants,
	}
	var out spec.RestoreResult
	err = m.child(ctx, spec.RestoreWorkflow, spec.RestoreID(m.in.To, childPrefix(ctx)+"-views"), in, &out)
	if err != nil {
		detailsOf(err, &out)
	}
	m.out.Views = out.Views
	for _, v := range out.Views {
		if !v.OK() {
			m.out.NotCrossed = append(m.out.NotCrossed, spec.NotCrossed{Kind: v.Kind, Name: v.Database + "." + v.Name, Reason: viewWarning(v)})
		}
	}
	if err != nil && ctx.Err() == nil {
		_, message := typeOf(err)
		m.warn("views and functions: %s", message)
		return nil
	}
	return err
}

// child runs a Backup or Restore under an id that each attempt has to itself.
func (m *migration) child(ctx workflow.Context, name, id string, in, out any) error {
	m.progress.Current = id
	m.show(ctx)
	options := workflow.ChildWorkflowOptions{
		WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL, WaitForCancellation: true,
		StaticSummary:         fmt.Sprintf("round %d of %s", m.state.Round, workflow.GetInfo(ctx).WorkflowExecution.ID),
		TypedSearchAttributes: temporal.NewSearchAttributes(attributeCluster.ValueSet(m.in.From)),
	}
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), name, in).Get(ctx, out)
	m.progress.Current = ""
	return err
}

func (m *migration) childName(ctx workflow.Context, r *spec.MigrateRound) string {
	return fmt.Sprintf("%s-r%d-a%d", childPrefix(ctx), r.Number, r.Attempts)
}

// childPrefix begins the names of a migration's children.
func childPrefix(ctx workflow.Context) string {
	return "migrate-" + nameOf(workflow.GetInfo(ctx).WorkflowExecution.ID)
}
