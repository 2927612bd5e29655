package activities_test

import (
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestLoadsThatNobodySawInTime: a load is committed between the submission of a RESTORE over existing tables and its first
// tick, and the worker looks at the job only later. It is too late to stop: the answer names the load, or the tables.
func TestLoadsThatNobodySawInTime(t *testing.T) {
	for _, c := range []struct {
		name, first string // state in which the job is seen first
		load        bool
		over        string // the load that is named
		warning     string
	}{
		{"in time", "DOWNLOADING", false, "", ""},
		{"in COMMIT", "COMMIT", true, "into pk is committed", "came to COMMIT before loads could be looked at: one into pk, t that"},
		{"in COMMITTING", "COMMITTING", true, "into pk is committed", "came to COMMITTING before loads could be looked at"},
		{"in COMMITTING, and there is none", "COMMITTING", false, "", "came to COMMITTING before loads could be looked at"},
		{"at its end", "FINISHED", true, "", "came to FINISHED before loads could be looked at: one into pk, t that"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, options{})
			b.tables()
			u := b.restoreUnit(b.planRestore(spec.Restore{Point: b.backUp("d"), OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true, NoSafetyPoint: true}))
			begin, goOn := b.sim.HoldStates("d", "PENDING"), b.sim.HoldStates("d", c.first)
			b.must(nil, b.acts.Submit, u)
			if c.load {
				if _, err := b.sim.CommitLoad("d", "pk", []string{"7", "70"}); err != nil {
					t.Fatal(err)
				}
			}
			begin()
			b.reach("RESTORE", "d", c.first)
			_, done := b.start(b.acts.Await, u)
			if c.first != "FINISHED" {
				b.looks(3)
			}
			goOn()
			e := b.wait(done)
			var end activities.JobEnd
			if e.err != nil || e.value.Get(&end) != nil {
				t.Fatalf("await: %v", e.err)
			}
			over := ""
			if end.Over != nil {
				over = strings.Join(end.Over.Loads, "; ")
			}
			if !contains(over, c.over) || c.over == "" && over != "" {
				t.Errorf("it went on over %q, want %q", over, c.over)
			}
			if said := strings.Join(end.Warnings, "; "); !contains(said, c.warning) || c.warning == "" && said != "" {
				t.Errorf("warned %q, want %q", said, c.warning)
			}
		})
	}
}
