package restorepoint_test

import (
	"regexp"
	"slices"
	"testing"

	"starkeep/restorepoint"
)

// TestPlanDigests tell what differs, and do not depend on the order in which things were found.
func TestPlanDigests(t *testing.T) {
	facts := func() restorepoint.PlanFacts {
		return restorepoint.PlanFacts{Point: "p1", Snapshots: []string{"a 1", "b 2"}, Tables: []restorepoint.PlanFact{
			{Target: "d.t", From: "d.t", Action: "swap", Kind: "TABLE", LiveID: 7, Definition: []string{"`k` int(11)"}, Partitions: 3, Tablets: 6, Bytes: 100},
			{Target: "d.u", From: "d.u", Action: "create", Partitions: 1, Tablets: 2, Bytes: 10},
		}}
	}
	plain := facts().Digest()
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{8}){4}$`).MatchString(plain) {
		t.Errorf("digest %s is not of five groups", plain)
	}
	for _, c := range []struct {
		name   string
		change func(*restorepoint.PlanFacts)
		want   string
	}{
		{"nothing", func(*restorepoint.PlanFacts) {}, ""},
		{"order", func(f *restorepoint.PlanFacts) { slices.Reverse(f.Tables); slices.Reverse(f.Snapshots) }, ""},
		{"point", func(f *restorepoint.PlanFacts) { f.Point = "p2" }, "the restore point"},
		{"snapshot", func(f *restorepoint.PlanFacts) { f.Snapshots[1] = "b 3" }, "the restore point"},
		{"action", func(f *restorepoint.PlanFacts) { f.Tables[0].Action = "refuse" }, "what is done to which tables"},
		{"table gone", func(f *restorepoint.PlanFacts) { f.Tables[0].LiveID, f.Tables[0].Kind = 0, "" }, "which tables are there"},
		{"definition", func(f *restorepoint.PlanFacts) { f.Tables[0].Definition = []string{"`k` bigint(20)"} }, "the definition of a table that is there"},
		{"size", func(f *restorepoint.PlanFacts) { f.Tables[1].Bytes++ }, "how much is restored"},
		{"two", func(f *restorepoint.PlanFacts) { f.Point = "p2"; f.Tables[1].Bytes++ }, "the restore point, how much is restored"},
	} {
		f := facts()
		c.change(&f)
		if got := restorepoint.PlanChanges(plain, f.Digest()); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := restorepoint.PlanChanges("nonsense", plain); got != "the plan" {
		t.Errorf("another form: %q", got)
	}
}
