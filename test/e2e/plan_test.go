package e2e

import (
	"strings"
	"testing"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestARunStopsWhereTheWorldIsNotThatOfItsPlan: the digest of a plan is what a run confirms.
func TestARunStopsWhereTheWorldIsNotThatOfItsPlan(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	plan, err := runRestore(t, b, spec.Restore{DryRun: true})
	if err != nil || plan.PlanDigest == "" || plan.Space == nil || plan.Estimate == nil {
		t.Fatalf("%+v, %v; want a plan with digest, room and time", plan, err)
	}
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-09', 77, 'new', 1)") // a load changes nothing of the plan
	b.Must(t, "ALTER TABLE sales.customers ADD COLUMN extra INT")
	held := contents(b, salesTables...)
	_, err = runRestore(t, b, spec.Restore{PlanDigest: plan.PlanDigest})
	if errorType(err) != spec.ErrorPlanChanged || !strings.Contains(err.Error(), "definition") || !strings.Contains(err.Error(), "nothing was touched") {
		t.Fatalf("after an ALTER TABLE: %v, want PlanChanged that names the definition", err)
	}
	equal(t, b, held)
	now := detailsOf[spec.RestoreResult](t, err)
	for _, row := range now.Plan {
		if row.Table == "customers" && !strings.Contains(strings.Join(row.Diff, "\n"), "-`extra` int(11)") {
			t.Errorf("the new plan does not show the difference: %+v", row)
		}
	}
	if _, err := runRestore(t, b, spec.Restore{PlanDigest: now.PlanDigest}); err != nil {
		t.Errorf("with the new plan's digest: %v", err)
	}
}

// TestARestoreThatFindsNoRoomDoesNotBegin: with numbers, and nothing touched.
func TestARestoreThatFindsNoRoomDoesNotBegin(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	b.Sim.SetCapacity(0, 17, 1000)
	held := contents(b, salesTables...)
	_, err := runRestore(t, b, spec.Restore{})
	if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "17 B free") {
		t.Fatalf("%v, want InvalidSpec that says how much is free", err)
	}
	equal(t, b, held)
}
