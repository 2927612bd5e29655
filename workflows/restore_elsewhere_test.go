package workflows_test

import (
	"slices"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// elsewhere plans a restore into a cluster that does not know the repository.
func (w *world) elsewhere() {
	w.restoreOf(1, database("sales", 1, 1))
	w.restorePlan.Ensure = &activities.EnsureRepositoryInput{Cluster: "prod", Repository: "repo", ReadOnly: true}
	w.restorePlan.Warnings = []string{"cluster prod does not know repository r: it is created there"}
}

func TestAMissingRepositoryIsCreatedBeforeAnyDatabase(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	w.wantSteps(`
		plan
		create repo on prod, read only true
		ensure sales
		prepare sales u1 a1
		RESTORE sales u1 a1
		await sales u1 a1
		tidy sales u1 a1
		prove t0
		properties t0
		grants t0
		swap t0`)
	if !slices.Equal(out.Warnings, w.restorePlan.Warnings) {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func TestADryRunCreatesNoRepository(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	in := comeBack
	in.DryRun = true
	out, err := w.restore(in)
	wantType(t, err, "")
	w.wantSteps("plan")
	if !slices.Equal(out.Warnings, w.restorePlan.Warnings) {
		t.Errorf("warnings: %q, want the plan's", out.Warnings)
	}
}

func TestARefusedTableLeavesTheRepositoryUncreated(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	w.restorePlan.Refused = 1
	_, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorInvalidSpec)
	w.wantSteps("plan")
}

func TestARepositoryThatCannotBeCreatedEndsTheRestore(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	w.created = func() (activities.EnsuredRepository, error) {
		return activities.EnsuredRepository{}, failure(spec.ErrorAuthDenied, "Access denied; you need REPOSITORY")
	}
	_, err := w.restore(comeBack)
	wantType(t, err, spec.ErrorAuthDenied)
	w.wantSteps(`
		plan
		create repo on prod, read only true`)
}

func TestARepositoryThatSomebodyCreatedWritableMeanwhileIsTold(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	w.created = func() (activities.EnsuredRepository, error) {
		return activities.EnsuredRepository{Message: "it can write"}, nil
	}
	out, err := w.restore(comeBack)
	wantType(t, err, "")
	if !slices.Contains(out.Warnings, "it can write") {
		t.Errorf("warnings: %q", out.Warnings)
	}
}

func TestACancelWhileTheRepositoryIsCreatedRestoresNothing(t *testing.T) {
	w := newWorld(t)
	w.elsewhere()
	w.at(1500*time.Millisecond, w.CancelWorkflow) // planning takes a second, creating another
	_, err := w.restore(comeBack)
	if err == nil {
		t.Fatal("the cancelled restore succeeded")
	}
	if slices.Contains(w.steps(), "RESTORE sales u1 a1") {
		t.Errorf("done: %q", w.steps())
	}
}
