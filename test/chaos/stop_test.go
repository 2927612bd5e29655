package chaos

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflow/v1"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// stopped tells a worker that watches a job in a state to stop. It hands over at once: the other one goes on because of
// the hand-over, not because a heartbeat was missed, and StarRocks notices nothing.
func (s *site) stopped(t *testing.T, b *baseline, state string) {
	c := s.trial(t, b.scenario)
	release := s.bed.Sim.HoldStates(c.database, state)
	defer release()
	first := c.workers.start(point{})
	ended := c.begin(b.scenario)
	c.awaiting(func(a *workflow.PendingActivityInfo) bool {
		return strings.Contains(a.GetHeartbeatDetails().String(), state)
	})
	second := c.workers.start(point{})
	began := time.Now()
	c.stop(first)
	var handed *workflow.PendingActivityInfo
	c.awaiting(func(a *workflow.PendingActivityInfo) bool {
		handed = a
		return a.GetAttempt() >= 2 && a.GetLastStartedTime().AsTime().After(began)
	})
	t.Logf("handed over %.2f s after SIGTERM", handed.GetLastStartedTime().AsTime().Sub(began).Seconds())
	if kind := handed.GetLastFailure().GetApplicationFailureInfo().GetType(); kind != spec.ErrorHandOver {
		t.Errorf("the first watch ended with %q (%s), want %s", kind, handed.GetLastFailure().GetMessage(), spec.ErrorHandOver)
	}
	if handed.GetAttempt() != 2 {
		t.Errorf("the job is watched in attempt %d, want 2: once by each worker", handed.GetAttempt())
	}
	release()
	c.compare(b, <-ended)
	c.stop(second)
}

// frozen lets a worker stand still before an activity until another one has brought everything to its end; then it does
// what it had begun. Nothing may change any more.
func (s *site) frozen(t *testing.T, b *baseline, activity string) {
	c := s.trial(t, b.scenario)
	first := c.workers.start(point{Activity: activity, When: whenFrozen, N: 1})
	ended := c.begin(b.scenario)
	c.workers.awaitFreeze(first, killTimeout)
	second := c.workers.start(point{})
	o := <-ended
	c.compare(b, o)
	c.workers.awaitThaw(first, killTimeout)
	c.compare(b, o)
	c.stop(first)
	c.stop(second)
}

// awaiting waits until the database's job is in an Await that is as wanted.
func (c *trial) awaiting(is func(*workflow.PendingActivityInfo) bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		job, err := c.lane.client.DescribeWorkflowExecution(ctx, spec.DatabaseJobID(testbed.ClusterName, c.database), "")
		if err != nil {
			return false, nil // not begun
		}
		for _, a := range job.GetPendingActivities() {
			if a.GetActivityType().GetName() == "Await" && is(a) {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		c.Fatalf("wait for Await of database %s: %v", c.database, err)
	}
}
