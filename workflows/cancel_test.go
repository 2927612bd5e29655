package workflows

import (
	"testing"

	"go.temporal.io/sdk/temporal"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestWhetherSomebodyLookedAtStarRocks: after a cancel, the way an activity ended tells whether a second Await has to
// be told to cancel.
func TestWhetherSomebodyLookedAtStarRocks(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"the job ended well":                  {nil, true},
		"the activity carried the cancel out": {temporal.NewCanceledError("BACKUP of sales cancelled"), true},
		"the job failed":                      {temporal.NewNonRetryableApplicationError("", spec.ErrorJobFailed, nil, activities.UnitFailure{Reason: "no space"}), true},
		"Temporal answered the cancel: no worker had the activity": {temporal.NewCanceledError("ACTIVITY_ID_NOT_STARTED"), false},
		"the cancel came without a word":                           {temporal.NewCanceledError(), false},
		"the FE's row was hidden":                                  {temporal.NewNonRetryableApplicationError("", spec.ErrorJobLost, nil), false},
	} {
		if got := settled(test.err); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
