package chaos

import (
	"errors"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestWorkerKilledWhileGivingUp kills the worker when StarRocks has carried out the CANCEL of a unit that did not get on.
// The next worker finds a job that was cancelled, and nobody to say by whom: it must not take that for an operator's wish
// and leave the rest of the database alone.
func TestWorkerKilledWhileGivingUp(t *testing.T) {
	t.Parallel()
	s := openSite(t, testbed.Options{Patience: 2}, 1)
	c := s.trial(t, scenario{prepare: live})
	defer s.bed.Sim.FailTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT", Database: c.database, Partition: "p2", Times: -1, Error: "disk is sick"})()
	first := c.workers.start(point{})
	c.when(point{When: whenGivenUp}, func() { _ = first.command.Process.Kill() })
	ended := c.begin(scenario{run: runBackup})
	c.workers.awaitKill(first, killTimeout)
	second := c.workers.start(point{})
	o := <-ended
	var app *temporal.ApplicationError
	var out spec.BackupResult
	if !errors.As(o.err, &app) || app.Type() != spec.ErrorPartialFailure || app.Details(&out) != nil {
		t.Fatalf("the backup ended with %v, want PartialFailure", o.err)
	}
	if len(out.Failed) != 1 || out.Failed[0].Partition != "p2" || !strings.Contains(out.Failed[0].Reason, "disk is sick") {
		t.Errorf("failed: %+v, want partition p2 alone, with the BE's words", out.Failed)
	}
	if out.Partitions != 3 {
		t.Errorf("%d partitions were backed up, want the other 3", out.Partitions)
	}
	c.stop(second)
}
