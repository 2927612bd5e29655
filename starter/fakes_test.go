package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"starkeep/workflows/spec"
)

// The fake workflows play what the real ones can answer. A Backup is told by its tag "play".
const (
	playPartial = "partial" // ends as PartialFailure with a result
	playHold    = "hold"    // runs until the signal "release", and takes pause and resume
	playNested  = "nested"  // fails with an error that a child and Go wrapped
)

// fakeWorker registers the fakes under the names of the contract and serves the task queue until the test ends.
func fakeWorker(t *testing.T, address string) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(c, spec.TaskQueue, worker.Options{})
	for name, fake := range map[string]any{
		spec.BackupWorkflow: fakeBackup, spec.RestoreWorkflow: fakeRestore, spec.DatabaseJobWorkflow: fakeDatabaseJob,
		spec.UndoWindowWorkflow: fakeUndoWindow, spec.InspectWorkflow: fakeInspect,
		spec.CreateRepositoryWorkflow: fakeCreateRepository, spec.CheckRepositoryWorkflow: fakeCheckRepository, spec.DropRepositoryWorkflow: fakeDropRepository,
		spec.VerifyWorkflow: fakeVerify, spec.PruneWorkflow: fakePrune,
	} {
		w.RegisterWorkflowWithOptions(fake, workflow.RegisterOptions{Name: name})
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Stop()
		c.Close()
	})
}

func fakeBackup(ctx workflow.Context, in spec.Backup) (spec.BackupResult, error) {
	if err := in.Validate(); err != nil {
		return spec.BackupResult{}, temporal.NewNonRetryableApplicationError(err.Error(), spec.ErrorInvalidSpec, nil)
	}
	switch in.Tags["play"] {
	case playPartial:
		return spec.BackupResult{}, temporal.NewApplicationErrorWithOptions("212 of 336 partitions could not be backed up", spec.ErrorPartialFailure,
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{partialBackup}})
	case playHold:
		return hold(ctx, in)
	case playNested:
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: spec.DatabaseJobID(in.Cluster, "nested")})
		err := workflow.ExecuteChildWorkflow(ctx, spec.DatabaseJobWorkflow).Get(ctx, nil)
		return spec.BackupResult{}, fmt.Errorf("backing up nested: %w", err)
	}
	return spec.BackupResult{Point: point, Complete: true, Partitions: 4, Tablets: 12, Bytes: gib, Objects: 60,
		Databases: []spec.DatabaseResult{{Database: "web", Units: 1, Attempts: 1, Partitions: 4, Tablets: 12, Bytes: gib, Seconds: 19}}}, nil
}

// hold runs until it is released or cancelled.
func hold(ctx workflow.Context, in spec.Backup) (spec.BackupResult, error) {
	p := spec.Progress{Phase: spec.PhaseUpload, Databases: []spec.DatabaseProgress{
		{Database: "sales", WorkflowID: spec.DatabaseJobID(in.Cluster, "sales"), Phase: spec.PhaseUpload, Units: 8, UnitsDone: 3, Bytes: 8 * gib, BytesDone: 3 * gib}}}
	handlers := []error{
		workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return p, nil }),
		workflow.SetUpdateHandler(ctx, spec.UpdatePause, func(_ workflow.Context, in spec.Pause) (spec.PauseResult, error) {
			p.Paused = true
			return spec.PauseResult{Paused: true, Note: "1 BACKUP goes on (" + in.Reason + ")"}, nil
		}),
		workflow.SetUpdateHandlerWithOptions(ctx, spec.UpdateResume, func(workflow.Context) (spec.PauseResult, error) {
			p.Paused = false
			return spec.PauseResult{}, nil
		}, workflow.UpdateHandlerOptions{Validator: func() error {
			if !p.Paused {
				return fmt.Errorf("it is not paused")
			}
			return nil
		}}),
	}
	for _, err := range handlers {
		if err != nil {
			return spec.BackupResult{}, err
		}
	}
	workflow.NewSelector(ctx).
		AddReceive(workflow.GetSignalChannel(ctx, "release"), func(workflow.ReceiveChannel, bool) {}).
		AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).
		Select(ctx)
	if ctx.Err() != nil {
		return spec.BackupResult{}, ctx.Err()
	}
	return spec.BackupResult{Point: point, Complete: true}, nil
}

// fakeVerify runs until it is released.
func fakeVerify(ctx workflow.Context, in spec.Verify) (spec.VerifyResult, error) {
	workflow.GetSignalChannel(ctx, "release").Receive(ctx, nil)
	return spec.VerifyResult{Where: in.Where, Result: spec.VerifyOK}, ctx.Err()
}

func fakePrune(workflow.Context, spec.Prune) (spec.PruneResult, error) {
	return spec.PruneResult{}, temporal.NewNonRetryableApplicationError("the store did not let everything go", spec.ErrorPartialFailure, nil)
}

func fakeDatabaseJob(workflow.Context) error {
	return temporal.NewNonRetryableApplicationError("Access denied for user 'backup'@'%'", spec.ErrorAuthDenied, nil)
}

// fakeRestore refuses the point "refused"; its result echoes its input as a warning.
func fakeRestore(ctx workflow.Context, in spec.Restore) (spec.RestoreResult, error) {
	if in.DryRun {
		plan := plannedRestore
		if in.Point != "refused" {
			plan.Plan = plan.Plan[:2]
		}
		return plan, nil
	}
	if in.SkipGrants {
		wrong := doneRestore
		wrong.Undo, wrong.FailedCount = "", 1
		return wrong, temporal.NewApplicationErrorWithOptions("sales.orders has 2 rows less than the restore point", spec.ErrorProofFailed,
			temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{wrong}})
	}
	input, err := json.Marshal(in)
	if err != nil {
		return spec.RestoreResult{}, err
	}
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	result := doneRestore
	result.Undo, result.Warnings = spec.UndoWindowID(id), []string{string(input)}
	const abandon = 2 // enums.PARENT_CLOSE_POLICY_ABANDON
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: result.Undo, ParentClosePolicy: abandon})
	window := workflow.ExecuteChildWorkflow(ctx, spec.UndoWindowWorkflow, spec.UndoWindow{Cluster: in.Cluster, Restore: id,
		Tables: []spec.SwappedTable{{Database: "sales", Table: "orders", Before: "orders__before_1a2b3c4d"}, {Database: "sales", Table: "lines", Before: "lines__before_1a2b3c4d"}}})
	return result, window.GetChildWorkflowExecution().Get(ctx, nil)
}

func fakeUndoWindow(ctx workflow.Context, in spec.UndoWindow) error {
	ended := false
	end := func(done string) func(workflow.Context) (spec.UndoResult, error) {
		return func(workflow.Context) (spec.UndoResult, error) {
			ended = true
			return spec.UndoResult{Tables: []spec.UndoneTable{{Database: "sales", Table: in.Tables[0].Table, Done: done},
				{Database: "sales", Table: in.Tables[1].Table, Done: "left alone: somebody exchanged it"}}}, nil
		}
	}
	if err := workflow.SetUpdateHandler(ctx, spec.UpdateUndo, end("swapped back")); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandler(ctx, spec.UpdateFinish, end("dropped")); err != nil {
		return err
	}
	_, err := workflow.AwaitWithTimeout(ctx, time.Hour, func() bool { return ended })
	return err
}

// fakeInspect has five restore points on three pages, and one of everything else.
func fakeInspect(_ workflow.Context, in spec.Inspect) (spec.InspectResult, error) {
	switch in.Read {
	case spec.ReadPoints:
		pages := map[string]string{"": "2", "2": "3", "3": ""}
		row := spec.PointRow{ID: "page" + in.Page, CreatedAt: "2026-11-22T15:04:05Z", Complete: true}
		return spec.InspectResult{Points: []spec.PointRow{row, row}, NextPage: pages[in.Page]}, nil
	case spec.ReadPoint:
		if in.Point != point {
			return spec.InspectResult{}, temporal.NewNonRetryableApplicationError("there is no restore point "+in.Point, spec.ErrorSnapshotMissing, nil)
		}
		return spec.InspectResult{Point: &spec.PointDetails{PointRow: spec.PointRow{ID: point, Complete: true}, Cluster: in.Cluster, Repository: in.Repository}}, nil
	case spec.ReadJobs:
		return spec.InspectResult{Jobs: []spec.JobRow{{Statement: "BACKUP", Database: "sales", State: "UPLOADING", JobID: 10234, Label: "by_hand"}}}, nil
	case spec.ReadRepositories:
		return spec.InspectResult{Repositories: []spec.RepositoryRow{{Name: "s3_eu", Profile: "s3-eu", Location: "s3://backups/prod"}}}, nil
	case spec.ReadSchedules:
		return spec.InspectResult{Timetable: configured.Load()}, nil
	case spec.ReadStatus:
		return spec.InspectResult{Timetable: configured.Load(), Status: &spec.Status{Databases: []spec.DatabaseStatus{
			{Cluster: "prod", Database: "sales", Goal: &spec.Goal{Cluster: "prod", Backup: spec.Duration(time.Hour)}}}}}, nil
	case spec.ReadDiff:
		return spec.InspectResult{Difference: &spec.Difference{From: spec.PointRow{ID: in.Point}, To: spec.PointRow{ID: in.Other, Complete: true}}}, nil
	case spec.ReadUsage:
		return spec.InspectResult{Usage: &spec.Usage{PointCount: 3}}, nil
	case spec.ReadPolicy:
		if in.Repository == "hdfs" {
			return spec.InspectResult{Policy: &spec.Policy{Repository: in.Repository, Location: "hdfs://nn/b", For: spec.Policies(), Commands: []string{"hdfs dfs -mkdir -p hdfs://nn/b"}}}, nil
		}
		return spec.InspectResult{Policy: &spec.Policy{Repository: in.Repository, Location: "s3a://b/p", For: in.For, Document: []byte(`{"Version":"2012-10-17"}`),
			Commands: []string{"aws iam put-user-policy"}, Notes: []string{"a note"}}}, nil
	}
	return spec.InspectResult{Checks: []spec.CheckRow{{Profile: "clusters.prod", Check: "connect", OK: true}, {Profile: "repositories.s3-eu", Check: "write", Message: "AccessDenied"}}}, nil
}

func fakeCreateRepository(_ workflow.Context, in spec.CreateRepository) (spec.CreateRepositoryResult, error) {
	return spec.CreateRepositoryResult{Cluster: in.Cluster, Repository: in.Repository, Location: "s3a://b/p", Created: true, ReadOnly: in.ReadOnly,
		Message: "repository " + in.Repository + " was created on cluster " + in.Cluster + " at s3a://b/p"}, nil
}

// fakeCheckRepository finds something missing where it is allowed to look.
func fakeCheckRepository(_ workflow.Context, in spec.CheckRepository) (spec.CheckRepositoryResult, error) {
	result := checkedRepository
	result.Cluster, result.Repository = in.Cluster, in.Repository
	if !in.Scratch {
		result.OK, result.Scratch, result.Rights = true, false, result.Rights[:3]
		return result, nil
	}
	return result, temporal.NewApplicationErrorWithOptions("repository "+in.Repository+" on cluster "+in.Cluster+" lacks: FE delete", spec.ErrorAuthDenied,
		temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{result}})
}

func fakeDropRepository(_ workflow.Context, in spec.DropRepository) (spec.DropRepositoryResult, error) {
	if in.Repository == "busy" {
		return spec.DropRepositoryResult{}, temporal.NewNonRetryableApplicationError("it is used by backup/prod/nightly; wait for the end, or cancel", spec.ErrorDatabaseBusy, nil)
	}
	return spec.DropRepositoryResult{Cluster: in.Cluster, Repository: in.Repository, Dropped: true, Message: "cluster prod has forgotten it", Remains: "All snapshots stay.", Remove: []string{"rm -r /x"}}, nil
}
