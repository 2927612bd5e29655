package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// moving is a world with two clusters: how far the source is ahead is told by each look.
type moving struct {
	*world
	ahead func(look int) spec.MigrateLook // default: nothing
	plan  func(in activities.CatchUpInput) activities.CatchUpPlan
	proof spec.MigrateProof
	gone  []string // what is dropped at the source, and then on the target if that is asked for
	looks int
	notes activities.MigrationReport

	compared activities.MigrationRef
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	m := &moving{world: newWorld(t), proof: spec.MigrateProof{Tables: 1, Partitions: 2, Compared: 2}}
	m.backupOf(1, database("sales", 1, 2))
	m.restoreOf(1, database("sales", 1, 2))
	m.prove = func(ref activities.TableRef) (activities.Proven, error) {
		return proven(ref.Table, spec.ActionCreate), nil
	}
	a := activities.New(nil, nil)
	const any = anything
	m.OnActivity(a.CheckMigration, any, any).Return(func(context.Context, spec.Migrate) (spec.MigrateCheck, error) {
		m.note("check")
		return spec.MigrateCheck{FromVersion: "3.5.0", ToVersion: "3.5.0", Ensure: true, NotCrossed: []spec.NotCrossed{{Kind: "user", Name: "ann"}}, Heartbeat: spec.Duration(30 * time.Second)}, nil
	}).Maybe()
	m.OnActivity(a.LookAtSource, any, any).Return(func(_ context.Context, in spec.Backup) (spec.MigrateLook, error) {
		m.mu.Lock()
		m.looks++
		n := m.looks
		m.mu.Unlock()
		m.note("look")
		if m.ahead == nil {
			return spec.MigrateLook{}, nil
		}
		return m.ahead(n), nil
	}).Maybe()
	m.OnActivity(a.PlanCatchUp, any, any).Return(func(_ context.Context, in activities.CatchUpInput) (activities.CatchUpPlan, error) {
		if m.plan != nil {
			return m.plan(in), nil
		}
		return activities.CatchUpPlan{CatchUp: restorepoint.CatchUp{Include: []string{"sales.t0"}, Tables: 1}}, nil
	}).Maybe()
	m.OnActivity(a.ProveMigration, any, any).Return(func(_ context.Context, ref activities.MigrationRef) (spec.MigrateProof, error) {
		m.note("compare")
		m.mu.Lock()
		m.compared = ref
		m.mu.Unlock()
		return m.proof, nil
	}).Maybe()
	m.OnActivity(a.DropRemoved, any, any).Return(func(_ context.Context, ref activities.MigrationRef) ([]string, error) {
		m.note("drop what %s has and %s has not", ref.Applied, ref.Point)
		return m.gone, nil
	}).Maybe()
	m.OnActivity(a.ReportMigration, any, any).Return(func(_ context.Context, in activities.MigrationReport) (string, error) {
		m.mu.Lock()
		m.notes = in
		m.mu.Unlock()
		return "s3://b/migration.json", nil
	}).Maybe()
	return m
}

// much is a difference that is not small.
var much = spec.MigrateLook{Partitions: 1000, Bytes: 1 << 40, Tables: []spec.TableChange{{Database: "sales", Table: "t0", Why: "1000 loaded since"}}, Marks: []spec.TableMark{{Table: "sales.t0", Mark: "x"}}}

func (m *moving) migrate(in spec.Migrate) (spec.MigrateResult, error) {
	m.t.Helper()
	in.From, in.To, in.Repository = "prod", "dr", "repo"
	m.SetTestTimeout(time.Minute)
	m.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "migrate/prod/test", TaskQueue: spec.TaskQueue})
	m.ExecuteWorkflow(spec.MigrateWorkflow, in)
	err := m.ended()
	var out spec.MigrateResult
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		if err := m.GetWorkflowResult(&out); err != nil {
			m.t.Fatal(err)
		}
	case errors.As(err, &app) && app.HasDetails():
		_ = app.Details(&out)
	case errors.As(err, &canceled) && canceled.HasDetails():
		_ = canceled.Details(&out)
	}
	return out, err
}

// rounds are the submissions of both sides, in order.
func (m *moving) rounds() string {
	var list []string
	for _, s := range m.steps() {
		if strings.HasPrefix(s, "BACKUP ") || strings.HasPrefix(s, "RESTORE ") {
			list = append(list, strings.Fields(s)[0])
		}
	}
	return strings.Join(list, " ")
}

func TestAMigrationWaitsForItsSwitch(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(look int) spec.MigrateLook {
		if look == 1 {
			return much
		}
		return spec.MigrateLook{}
	}
	answered := m.update(2*time.Hour, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{Interval: spec.Duration(6 * time.Hour)})
	wantType(t, err, "")
	if got := m.rounds(); got != "BACKUP RESTORE BACKUP RESTORE BACKUP RESTORE" {
		t.Errorf("bulk, one catch-up round, and the last: %s", got)
	}
	if !answered.accepted || !out.Switched || out.RoundCount != 3 || out.Late != nil || out.Report == "" || len(out.NotCrossed) != 1 || out.NotCrossed[0].Name != "ann" {
		t.Errorf("%+v", out)
	}
	if m.count("create repo on dr, read only true") != 1 || m.count("compare") != 1 {
		t.Errorf("done: %q", m.steps())
	}
	if m.notes.Result.Point != out.Point || m.notes.Spec.From != "prod" {
		t.Errorf("written down: %+v", m.notes)
	}
}

func TestASwitchThatComesEarlySkipsTheWaiting(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(look int) spec.MigrateLook {
		if look < 3 { // the two looks of the switch
			return much
		}
		return spec.MigrateLook{}
	}
	m.update(10*time.Second, spec.UpdateSwitch) // in the bulk
	out, err := m.migrate(spec.Migrate{})
	wantType(t, err, "")
	if got := m.rounds(); got != "BACKUP RESTORE BACKUP RESTORE" || !out.Switched || len(out.Moving) != 0 {
		t.Errorf("%s, %+v", got, out)
	}
}

func TestADifferenceThatDoesNotGetSmallIsSaid(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(int) spec.MigrateLook { return much }
	m.update(24*time.Hour, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{MaxRounds: 3, Interval: spec.Duration(48 * time.Hour)})
	wantType(t, err, spec.ErrorPartialFailure) // and the last look says that it is not all
	if out.RoundCount != 5 || out.Late == nil || !strings.Contains(strings.Join(out.Warnings, "; "), "did not get small in 3 rounds") {
		t.Errorf("%+v", out)
	}
	if !strings.Contains(err.Error(), "sales.t0: 1000 loaded since") {
		t.Errorf("the late table is not named: %v", err)
	}
}

func TestAMigrationCatchesUpWhileItWaits(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(look int) spec.MigrateLook {
		if look == 3 { // an hour later
			return much
		}
		return spec.MigrateLook{}
	}
	m.update(5*time.Hour+time.Minute, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{Interval: spec.Duration(time.Hour)})
	wantType(t, err, "")
	if out.RoundCount != 3 {
		t.Errorf("%d rounds, want the bulk, one in between, and the last", out.RoundCount)
	}
}

func TestLoadsThatGoOnAtTheSwitchAreNamed(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(look int) spec.MigrateLook {
		l := much
		l.Partitions = 1
		l.Marks = []spec.TableMark{{Table: "sales.t0", Mark: fmt.Sprint(look)}, {Table: "sales.still", Mark: "x"}}
		return l
	}
	m.update(10*time.Second, spec.UpdateSwitch)
	out, _ := m.migrate(spec.Migrate{})
	if !slices.Equal(out.Moving, []string{"sales.t0"}) || !strings.Contains(strings.Join(out.Warnings, "; "), "still being loaded") {
		t.Errorf("moving %q, warnings %q", out.Moving, out.Warnings)
	}
}

func TestARoundThatFailsIsTriedAgain(t *testing.T) {
	m := newMoving(t)
	failures := 0
	m.prove = func(ref activities.TableRef) (activities.Proven, error) {
		if failures++; failures <= 2 {
			return unproven(ref.Table, spec.ActionCreate, "no space left"), nil
		}
		return proven(ref.Table, spec.ActionCreate), nil
	}
	m.update(24*time.Hour, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{Interval: spec.Duration(48 * time.Hour)})
	wantType(t, err, "")
	if out.Rounds[0].Attempts != 3 || !out.Switched || !strings.Contains(strings.Join(out.Warnings, "; "), "no space left") {
		t.Errorf("%+v", out)
	}
}

func TestAMigrationThatCannotGoOnSaysWhatIsOnTheTarget(t *testing.T) {
	m := newMoving(t)
	m.prove = func(ref activities.TableRef) (activities.Proven, error) {
		return unproven(ref.Table, spec.ActionCreate, "no space left"), nil
	}
	out, err := m.migrate(spec.Migrate{})
	wantType(t, err, spec.ErrorPartialFailure)
	if out.Switched || !strings.Contains(err.Error(), "on cluster dr a part of the tables") || m.count("compare") != 0 {
		t.Errorf("%v, %+v", err, out)
	}
}

func TestATargetThatDiffersFailsTheMigration(t *testing.T) {
	m := newMoving(t)
	m.proof = spec.MigrateProof{DifferCount: 1, Differs: []spec.FailedPart{{Database: "sales", Table: "t0", Partition: "p1", Reason: "it has 3 rows, and 4 at the source"}}}
	m.update(10*time.Second, spec.UpdateSwitch)
	_, err := m.migrate(spec.Migrate{})
	wantType(t, err, spec.ErrorProofFailed)
	if !strings.Contains(err.Error(), "sales.t0/p1: it has 3 rows") {
		t.Error(err)
	}
}

func TestWhatTheSourceDropsIsDroppedOnlyWhenAsked(t *testing.T) {
	for drop, want := range map[bool]int{false: 0, true: 1} {
		m := newMoving(t)
		m.plan = func(in activities.CatchUpInput) activities.CatchUpPlan {
			c := restorepoint.CatchUp{Include: []string{"sales.t0"}}
			if in.Applied != "" && in.Applied != in.Point {
				c.Gone = []string{"sales.old"}
			}
			return activities.CatchUpPlan{CatchUp: c, GoneCount: len(c.Gone)}
		}
		m.gone = []string{"sales.old"}
		m.update(10*time.Second, spec.UpdateSwitch)
		out, err := m.migrate(spec.Migrate{DropRemoved: drop})
		wantType(t, err, "")
		asked := slices.DeleteFunc(m.steps(), func(s string) bool { return !strings.HasPrefix(s, "drop what ") })
		if len(asked) != want || len(out.Dropped) != want || !slices.Equal(out.Removed, []string{"sales.old"}) || out.RemovedCount != 1 {
			t.Errorf("dropRemoved %t: %+v, done %q", drop, out, m.steps())
		}
		if drop && !strings.HasSuffix(asked[0], " has and "+out.Point+" has not") {
			t.Errorf("%s; want what the last point, %s, has not", asked[0], out.Point)
		}
	}
}

// However much the source drops, a history and a run's state hold the first names and how many there are.
func TestOfMuchThatIsDroppedTheFirstAreNamed(t *testing.T) {
	m := newMoving(t)
	m.plan = func(in activities.CatchUpInput) activities.CatchUpPlan {
		plan := activities.CatchUpPlan{CatchUp: restorepoint.CatchUp{Include: []string{"sales.t0"}}}
		if in.Applied != "" && in.Applied != in.Point {
			plan.GoneCount = 100_000
			for i := range spec.MaxListed {
				plan.Gone = append(plan.Gone, fmt.Sprint("sales.t/p", i))
			}
		}
		return plan
	}
	m.update(10*time.Second, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{})
	wantType(t, err, "")
	if len(out.Removed) != spec.MaxListed || out.RemovedCount != 100_000 || !m.compared.GoneMore || len(m.compared.Gone) != spec.MaxListed {
		t.Errorf("%d names of %d; compared with %d names, more %t", len(out.Removed), out.RemovedCount, len(m.compared.Gone), m.compared.GoneMore)
	}
	all := strings.Join(out.Warnings, "; ")
	if !strings.Contains(all, "sales.t/p0 and 99999 more") || !strings.Contains(all, "are not judged") {
		t.Errorf("warnings: %s", all)
	}
}

func TestAbortAndCancelStopAMigration(t *testing.T) {
	t.Run("abort in the bulk's backup", func(t *testing.T) {
		m := newMoving(t)
		answer := m.update(20*time.Second, spec.UpdateAbort)
		out, err := m.migrate(spec.Migrate{})
		wantType(t, err, "")
		if !answer.accepted || !out.Aborted || !strings.Contains(out.OnTarget, "nothing was made on cluster dr") || strings.Contains(m.rounds(), "RESTORE") {
			t.Errorf("%+v, done %q", out, m.steps())
		}
	})
	t.Run("abort while it waits", func(t *testing.T) {
		m := newMoving(t)
		m.update(5*time.Hour, spec.UpdateAbort)
		out, err := m.migrate(spec.Migrate{Interval: spec.Duration(24 * time.Hour)})
		wantType(t, err, "")
		if !out.Aborted || out.Point == "" || !strings.Contains(out.OnTarget, "holds restore point") {
			t.Errorf("%+v", out)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		m := newMoving(t)
		m.at(5*time.Hour, m.CancelWorkflow)
		out, err := m.migrate(spec.Migrate{Interval: spec.Duration(24 * time.Hour)})
		if !temporal.IsCanceledError(err) || !out.CancelRequested || out.Point == "" || out.Report == "" {
			t.Errorf("%v, %+v", err, out)
		}
	})
}

func TestALongMigrationGoesOnInARunOfItsOwn(t *testing.T) {
	m := newMoving(t)
	m.ahead = func(int) spec.MigrateLook { return much }
	m.SetContinueAsNewSuggested(true)
	_, err := m.migrate(spec.Migrate{})
	var next *workflow.ContinueAsNewError
	if !errors.As(err, &next) {
		t.Fatalf("ended with %v", err)
	}
	var in spec.Migrate
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
		t.Fatal(err)
	}
	if in.State == nil || in.State.Round != 1 || in.State.Applied == "" || len(in.State.Rounds) != 1 || in.From != "prod" {
		t.Fatalf("handed over: %+v", in.State)
	}
	again := newMoving(t)
	again.update(time.Minute, spec.UpdateSwitch)
	state := *in.State
	out, err := again.migrate(spec.Migrate{State: &state})
	wantType(t, err, "")
	if out.RoundCount != 3 || again.count("check") != 0 || out.FromVersion != "3.5.0" {
		t.Errorf("%+v, done %q", out, again.steps())
	}
}

func TestAMigrationThatWaitsForMonthsGoesOnInARunOfItsOwn(t *testing.T) {
	m := newMoving(t)
	m.at(5*time.Hour, func() { m.SetContinueAsNewSuggested(true) })
	_, err := m.migrate(spec.Migrate{Interval: spec.Duration(2 * time.Hour)})
	var next *workflow.ContinueAsNewError
	if !errors.As(err, &next) {
		t.Fatalf("ended with %v", err)
	}
	var in spec.Migrate
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil || in.State == nil || !in.State.Ready || in.State.Round != 1 {
		t.Errorf("handed over: %+v, %v", in.State, err)
	}
}

// Partitions that cannot be restored into the target's table, whatever the reason, come with their whole table.
func TestAPartitionThatDoesNotFitBringsItsTable(t *testing.T) {
	m := newMoving(t)
	m.plan = func(in activities.CatchUpInput) activities.CatchUpPlan {
		if in.Applied == "" || in.Applied == in.Point {
			return activities.CatchUpPlan{CatchUp: restorepoint.CatchUp{Include: []string{"sales.t0"}}}
		}
		return activities.CatchUpPlan{CatchUp: restorepoint.CatchUp{Include: []string{"sales.t0/p1", "sales.t0/p2", "sales.t1/p1"}}}
	}
	var asked []string
	m.replan = func(in activities.PlanRestoreInput, plan activities.RestorePlan) activities.RestorePlan {
		asked = append(asked, strings.Join(in.Spec.Include, " "))
		if slices.Contains(in.Spec.Include, "sales.t0/p1") {
			plan.Refused, plan.Tables = 1, []spec.PlannedTable{{Database: "sales", Table: "t0", From: "sales.t0", Action: spec.ActionRefuse, Note: "the range of partition p1 overlaps"}}
		}
		return plan
	}
	m.update(10*time.Second, spec.UpdateSwitch)
	out, err := m.migrate(spec.Migrate{})
	wantType(t, err, "")
	if want := []string{"sales.t0", "sales.t0/p1 sales.t0/p2 sales.t1/p1", "sales.t0 sales.t1/p1"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if !strings.Contains(strings.Join(out.Warnings, "; "), "sales.t0 is brought over whole: the range of partition p1 overlaps") || out.Rounds[1].Attempts != 1 {
		t.Errorf("%+v", out)
	}
}

func TestAMigrationRefusesWhatItCannotMean(t *testing.T) {
	for _, in := range []spec.Migrate{
		{Include: []string{"sales.t/p1"}},
		{DropRemoved: true, OnExisting: spec.OnExistingSwap},
		{OnExisting: spec.OnExistingOverwrite},
		{MaxRounds: -1},
	} {
		m := newMoving(t)
		_, err := m.migrate(in)
		wantType(t, err, spec.ErrorInvalidSpec)
		if len(m.steps()) > 0 {
			t.Errorf("%+v: done %q", in, m.steps())
		}
	}
}
