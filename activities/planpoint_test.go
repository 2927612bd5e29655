package activities_test

import (
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// A backup of single partitions does not hold the table: a swap would take the others out of the live one.
func TestPlansWarnWhereABackupNamedSomePartitions(t *testing.T) {
	for _, test := range []struct {
		backup, restore string
		warns           bool
	}{
		{"d.t/p1", "d.t", true},
		{"d.t/p1", "d.t/p1", false}, // replaces that partition
		{"d.t", "d.t", false},
	} {
		b := newBed(t, options{})
		b.tables()
		b.backUp(test.backup)
		b.seed++
		var plan activities.RestorePlan
		b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: spec.Restore{Cluster: "prod", Repository: "repo", Include: []string{test.restore}}, Run: b.runSeed(), ID: b.runSeed()})
		text := strings.Join(plan.Warnings, "\n")
		if got := strings.Contains(text, "only the partitions that its backup named of d.t"); got != test.warns {
			t.Errorf("backup of %s, restore of %s: warns %v, want %v:\n%s", test.backup, test.restore, got, test.warns, text)
		}
	}
}
