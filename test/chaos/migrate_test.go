package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// moved makes tables at the source, and has the trial take place on the second cluster.
func moved(c *trial) {
	live(c)
	unknown(c)
}

// runMigration brings a database to the second cluster: the bulk, and when it is ready a load, a dropped table and the switch.
func runMigration(c *trial) (any, error) {
	ctx, cancel := context.WithTimeout(c.Context(), 2*patience)
	defer cancel()
	in := spec.Migrate{From: testbed.ClusterName, To: c.lane.elsewhere.name, Repository: testbed.RepositoryName, Include: []string{c.database},
		Exclude: []string{c.database + ".latest"}, DropRemoved: true, Interval: spec.Duration(time.Hour), Settle: spec.Duration(time.Millisecond)}
	id := spec.MigrateID(in.From, c.database)
	var err error
	if c.run, err = c.lane.client.ExecuteWorkflow(ctx, c.options(id), spec.MigrateWorkflow, in); err != nil {
		return nil, err
	}
	ready := func() (bool, error) {
		var p spec.MigrateProgress
		answer, err := c.lane.client.QueryWorkflow(ctx, id, "", spec.QueryProgress)
		return err == nil && answer.Get(&p) == nil && p.Ready, nil
	}
	if err := poll(ctx, 50*time.Millisecond, ready); err != nil {
		return nil, fmt.Errorf("wait until the switch is possible: %w", err)
	}
	for _, sql := range []string{"INSERT INTO " + c.database + ".orders VALUES ('2026-02-06', 9, 'Kiel', 90)", "DROP TABLE " + c.database + ".customers"} {
		if err := c.lane.bed.Sim.Exec(sql); err != nil {
			return nil, err
		}
	}
	if _, err := c.lane.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: spec.UpdateSwitch, UpdateID: "switch", WaitForStage: client.WorkflowUpdateStageCompleted,
	}); err != nil {
		return nil, fmt.Errorf("switch: %w", err)
	}
	var out spec.MigrateResult
	if err := c.run.Get(ctx, &out); err != nil {
		return nil, err
	}
	out.NotCrossed = nil // also other trials' users
	for i := range out.Rounds {
		out.Rounds[i].BackupSize = 0 // ids in tablets' headers differ in length
	}
	out.Warnings = slices.DeleteFunc(out.Warnings, func(w string) bool { return strings.Contains(w, "BE ") })
	return out, nil
}
