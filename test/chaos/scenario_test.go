package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/restorepoint"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// patience is how long a workflow may take although its worker was killed.
const patience = 3 * time.Minute

// scenario is work that must come out the same whoever dies in the middle of it.
type scenario struct {
	name    string
	prepare func(c *trial)
	run     func(c *trial) (any, error) // gives the result; it waits, and may be under way when the worker dies
	states  []string                    // of the FE's job, in which Await's worker is killed, or stopped, too
	frozen  []string                    // activities that a worker finds itself in that was taken for dead
	// fresh limits the kills to activities that no earlier scenario has run.
	fresh bool
	also  []string // activities to be killed in all the same: what they do differs here
}

var scenarios = []scenario{
	{name: "backup", prepare: live, run: runBackup, states: []string{"SNAPSHOTING", "UPLOADING", "UPLOAD_INFO"}, frozen: []string{"PublishManifest"}},
	{name: "restore of new tables", run: runRestore, states: []string{"SNAPSHOTING", "DOWNLOADING", "COMMITTING"}},
	{name: "swap", prepare: live, run: runRestore, states: []string{"DOWNLOADING", "COMMITTING"}, frozen: []string{"Submit", "Swap"}},
	{name: "undo", prepare: live, run: runUndo, fresh: true},
	{name: "finish", prepare: live, run: runFinish, fresh: true},
	{name: "cancelled swap", prepare: live, run: runCancelled, fresh: true},
	{name: "overwrite", prepare: live, run: runOverwrite, states: []string{"SNAPSHOTING", "COMMITTING"}, fresh: true, also: []string{"Prepare", "Submit", "Prove"}},
	{name: "partition replacement", prepare: live, run: runReplacement, fresh: true, also: []string{"Submit", "Prove", "DropBeside"}},
	{name: "rename", prepare: live, run: runRename, states: []string{"COMMITTING"}, fresh: true, also: []string{"Submit", "Prove"}},
	{name: "broken commit", prepare: live, run: runBrokenCommit, states: []string{"COMMITTING"}, fresh: true, also: []string{"Prepare", "Submit", "Tidy"}},
	{name: "inspect", run: runInspect, fresh: true},
	{name: "adoption", prepare: handMade, run: runAdopt, fresh: true},
	{name: "drill", run: runDrill, fresh: true},
	{name: "restore elsewhere", prepare: unknown, run: runElsewhere, fresh: true},
	{name: "migration", prepare: moved, run: runMigration, fresh: true},
	{name: "repository", run: runRepository, fresh: true},
	{name: "composed", run: runComposed, fresh: true},
	{name: "export", run: runExport, fresh: true},
	{name: "verification", prepare: damagedCopy, run: runVerify, fresh: true},
	{name: "prune", prepare: twoPoints, run: runPrune, fresh: true},
	{name: "copy", prepare: emptyMirror, run: runCopy, fresh: true},
	{name: "mirrored backup", prepare: live, run: runMirrored, fresh: true},
}

// trial is one run of a scenario.
type trial struct {
	*testing.T
	lane     *lane
	database string
	workers  *workers
	ids      map[string]string // table ids before the run: name by id
	run      client.WorkflowRun
	point    string                // of a backup
	sim      *starrockssim.Cluster // where the database is
	created  int                   // repositories, before
}

func live(c *trial) { makeTables(c.T, c.lane.bed, c.database, "live") }

func runBackup(c *trial) (any, error) {
	var out spec.BackupResult
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{c.database}, Limits: spec.Limits{MaxPartitionsPerUnit: 2}}
	err := c.execute(spec.BackupWorkflow, spec.BackupID(in.Cluster, c.database), in, &out)
	c.point = out.Point
	return out, err
}

func (c *trial) restoreSpec() spec.Restore {
	return spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: c.lane.point,
		Include: []string{c.lane.source}, Rename: map[string]string{c.lane.source: c.database}}
}

func runRestore(c *trial) (any, error) {
	var out spec.RestoreResult
	err := c.execute(spec.RestoreWorkflow, spec.RestoreID(testbed.ClusterName, c.database), c.restoreSpec(), &out)
	return out, err
}

func runUndo(c *trial) (any, error)   { return c.decide(spec.UpdateUndo) }
func runFinish(c *trial) (any, error) { return c.decide(spec.UpdateFinish) }

// decide swaps, then closes the undo window by an update.
func (c *trial) decide(update string) (any, error) {
	if _, err := runRestore(c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	window := spec.UndoWindowID(spec.RestoreID(testbed.ClusterName, c.database))
	handle, err := c.lane.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: window, UpdateName: update, UpdateID: "decision", WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return nil, fmt.Errorf("update %s: %w", update, err)
	}
	var answer, out spec.UndoResult
	if err := handle.Get(ctx, &answer); err != nil {
		return nil, fmt.Errorf("update %s: %w", update, err)
	}
	if err := c.lane.client.GetWorkflow(ctx, window, "").Get(ctx, &out); err != nil {
		return nil, fmt.Errorf("undo window: %w", err)
	}
	return []any{answer, out}, nil
}

// runCancelled cancels a swap restore whose first units are through and whose last is loading: the copies made beside
// the live tables go.
func runCancelled(c *trial) (any, error) {
	defer c.lane.bed.Sim.HoldTasks(starrockssim.Fault{Type: "DOWNLOAD", Database: c.database, Partition: "p3"})()
	in := c.restoreSpec()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	var err error
	c.run, err = c.lane.client.ExecuteWorkflow(ctx, c.options(spec.RestoreID(in.Cluster, c.database)), spec.RestoreWorkflow, in)
	if err != nil {
		return nil, err
	}
	last := func() (bool, error) {
		rows, err := c.lane.bed.Sim.Query("SHOW RESTORE FROM " + c.database)
		return err == nil && len(rows) == 1 && len(c.accepted("RESTORE")) == 3 && rows[0][4] == "DOWNLOADING", nil
	}
	if err := poll(ctx, 10*time.Millisecond, last); err != nil {
		return nil, fmt.Errorf("wait for the last unit: %w", err)
	}
	if err := c.lane.client.CancelWorkflow(ctx, c.run.GetID(), ""); err != nil {
		return nil, err
	}
	var out spec.RestoreResult
	err = c.run.Get(ctx, &out)
	var canceled *temporal.CanceledError
	if !errors.As(err, &canceled) {
		return nil, fmt.Errorf("the cancelled restore ended with %v and %+v", err, out)
	}
	return out, canceled.Details(&out)
}

func runInspect(c *trial) (any, error) {
	var out spec.InspectResult
	in := spec.Inspect{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Read: spec.ReadPoint, Point: c.lane.point}
	err := c.execute(spec.InspectWorkflow, "inspect/"+c.database, in, &out)
	if out.Point != nil { // other scenarios restore the point meanwhile
		out.Point.Drill, out.Point.Drills, out.Point.Reports = nil, nil, nil
	}
	return out, err
}

// runRepository creates a repository, checks and drops it. What a second attempt says differs: it finds the repository
// created, or dropped.
func runRepository(c *trial) (any, error) {
	at := spec.CheckRepository{Cluster: testbed.ClusterName, Repository: c.lane.repository, Scratch: true}
	id := spec.RepositoryID(at.Cluster, at.Repository)
	var created spec.CreateRepositoryResult
	if err := c.execute(spec.CreateRepositoryWorkflow, id, spec.CreateRepository{Cluster: at.Cluster, Repository: at.Repository}, &created); err != nil {
		return nil, err
	}
	var checked spec.CheckRepositoryResult
	if err := c.execute(spec.CheckRepositoryWorkflow, id, at, &checked); err != nil {
		return nil, err
	}
	checked.Repository, checked.Location = "", ""
	for i := range checked.Rights {
		checked.Rights[i].Message = ""
	}
	var dropped spec.DropRepositoryResult
	if err := c.execute(spec.DropRepositoryWorkflow, id, spec.DropRepository{Cluster: at.Cluster, Repository: at.Repository}, &dropped); err != nil {
		return nil, err
	}
	left, err := c.left()
	return []any{created.Location == dropped.Location, checked, left}, err
}

// left lists what is there of the lane's own repository: in StarRocks, and in its directory.
func (c *trial) left() (names []string, err error) {
	for _, sql := range []string{"SHOW REPOSITORIES", "SHOW DATABASES"} {
		rows, err := c.lane.bed.Sim.Query(sql)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if slices.Contains(row, c.lane.repository) || slices.Contains(row, restorepoint.ScratchDatabase(testbed.ClusterName, c.lane.repository)) {
				names = append(names, sql+": "+strings.Join(row, " "))
			}
		}
	}
	err = filepath.WalkDir(c.lane.directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, entry.Name())
		}
		return err
	})
	return names, err
}

func (c *trial) options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}
}

func (c *trial) execute(workflow, id string, in, out any) (err error) {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	c.run, err = c.lane.client.ExecuteWorkflow(ctx, c.options(id), workflow, in)
	if err != nil {
		return err
	}
	return c.run.Get(ctx, out)
}

// poll asks until the answer is yes, an error, or ctx ends.
func poll(ctx context.Context, every time.Duration, ask func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
