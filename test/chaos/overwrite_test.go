package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// runOverwrite restores in place. What it overwrites is in the lane's restore point already.
func runOverwrite(c *trial) (any, error) {
	var out spec.RestoreResult
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, c.database), c.overwriteSpec(), &out)
	// The simulated FE's ticks are so short that a job may come to COMMIT while no worker runs.
	out.Warnings = slices.DeleteFunc(out.Warnings, func(w string) bool { return strings.Contains(w, "before loads could be looked at") })
	return out, err
}

func (c *trial) overwriteSpec() spec.Restore {
	in := c.restoreSpec()
	in.OnExisting, in.ConfirmOverwrite, in.NoSafetyPoint = spec.OnExistingOverwrite, true, true
	return in
}

// runRename restores beside the live tables, and leaves both.
func runRename(c *trial) (any, error) {
	in := c.restoreSpec()
	in.OnExisting = spec.OnExistingRename
	var out spec.RestoreResult
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, c.database), in, &out)
	return out, err
}

// runReplacement replaces two partitions of a live table.
func runReplacement(c *trial) (any, error) {
	in := c.restoreSpec()
	in.Include, in.NoSafetyPoint = []string{c.lane.source + ".orders/p1", c.lane.source + ".orders/p3"}, true
	var out spec.RestoreResult
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, c.database), in, &out)
	return out, err
}

// runBrokenCommit overwrites, and somebody cancels its last RESTORE with half of the tablets moved.
func runBrokenCommit(c *trial) (any, error) {
	release := c.lane.bed.Sim.HoldTasks(starrockssim.Fault{Type: "MOVE", Database: c.database, Partition: "p3"})
	defer release()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	broken := make(chan error, 1)
	go func() {
		err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
			rows, err := c.lane.bed.Sim.Query("SHOW RESTORE FROM " + c.database)
			last := err == nil && len(rows) == 1 && len(c.accepted("RESTORE")) == 3 // of orders/p3, which is held
			return last && rows[0][4] == "COMMITTING" && strings.Count(rows[0][13], "=") == 2, nil
		})
		if err == nil {
			err = c.lane.bed.Sim.Exec("CANCEL RESTORE FROM `" + c.database + "`")
		}
		release()
		broken <- err
	}()
	out, err := runOverwrite(c)
	if broke := <-broken; broke != nil {
		return nil, fmt.Errorf("break the COMMIT off: %w", broke)
	}
	return out, err
}

// partitionIDs are those of the live table that partitions are replaced in.
func (c *trial) partitionIDs() string {
	rows, _ := c.sim.Query("SELECT PARTITION_NAME, PARTITION_ID FROM information_schema.partitions_meta WHERE DB_NAME = '" + c.database + "' AND TABLE_NAME = 'orders'")
	return fmt.Sprint(rows)
}
