package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// undoTimeout bounds undo and finish: a few statements for each table.
const undoTimeout = 30 * time.Minute

func (c *cli) restoreUndo() *cobra.Command {
	return &cobra.Command{
		Use:     "undo RESTORE",
		Short:   "Put the old tables of a restore back",
		Long:    "Exchanges the tables of a restore with the old ones again. What was loaded since then is kept beside, and named.",
		Example: "  starkeep restore undo restore/prod/manual-20261122T150405Z",
		Args:    oneArg("the id of a restore, like restore/prod/manual-20261122T150405Z"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.endUndoWindow(cmd.Context(), args[0], spec.UpdateUndo, nil)
		},
	}
}

func (c *cli) restoreFinish() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "finish RESTORE",
		Short:   "Drop the old tables of a restore: it cannot be undone after that",
		Example: "  starkeep restore finish restore/prod/manual-20261122T150405Z",
		Args:    oneArg("the id of a restore, like restore/prod/manual-20261122T150405Z"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := undoWindowID(args[0]); err != nil {
				return err
			}
			if err := c.needsAnswer("restore finish", yes); err != nil {
				return err
			}
			return c.endUndoWindow(cmd.Context(), args[0], spec.UpdateFinish, func(window spec.UndoWindow) bool {
				writeUndoWindow(c.err, window)
				return yes || c.confirm("\nDrop these old tables? The restore cannot be undone after that.")
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// undoWindowID accepts the id of a restore or of its undo window.
func undoWindowID(id string) (string, error) {
	if strings.HasPrefix(id, "undo/") {
		return id, nil
	}
	if !strings.HasPrefix(id, "restore/") {
		return "", usagef("%q is not the id of a restore; it looks like restore/<cluster>/<name>, see starkeep job list", id)
	}
	return spec.UndoWindowID(id), nil
}

// endUndoWindow sends undo or finish to a restore's undo window and shows what became of each table.
func (c *cli) endUndoWindow(ctx context.Context, id, update string, agree func(spec.UndoWindow) bool) error {
	windowID, err := undoWindowID(id)
	if err != nil {
		return err
	}
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	window, err := t.openUndoWindow(ctx, windowID)
	if err != nil {
		return err
	}
	if agree != nil && !agree(window) {
		return codedError{exitFailed, "not finished: you said no; nothing was changed"}
	}
	var result spec.UndoResult
	err = c.update(ctx, t, undoTimeout, windowID, update, &result)
	if err != nil && !details(err, &result) {
		return err
	}
	if failed := c.print(result, func(w io.Writer) { writeUndo(w, result) }); failed != nil {
		return failed
	}
	if err == nil && leftAlone(result) > 0 {
		return codedError{exitPartial, fmt.Sprintf("%s left alone; the reasons are above", plural(leftAlone(result), "table was", "tables were"))}
	}
	return err
}

func leftAlone(result spec.UndoResult) (n int64) {
	for _, table := range result.Tables {
		if strings.HasPrefix(table.Done, "left alone") {
			n++
		}
	}
	return n
}

// openUndoWindow reads the tables of an open undo window from the input it was started with.
func (t *temporalServer) openUndoWindow(ctx context.Context, id string) (spec.UndoWindow, error) {
	var window spec.UndoWindow
	closed := withHint(
		codedError{exitFailed, id + " is not open: the restore swapped no table, or its undo window has run out, or it was undone or finished already"},
		"  see what it did:  starkeep job watch restore/"+strings.TrimPrefix(id, "undo/"))
	found, err := t.DescribeWorkflow(ctx, id, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return window, closed
	}
	if err != nil {
		return window, err
	}
	if found.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return window, closed
	}
	err = t.inputOf(ctx, started{WorkflowID: id, RunID: found.WorkflowExecution.RunID}, &window)
	return window, err
}

// inputOf reads what a run was started with, from the first event of its history.
func (t *temporalServer) inputOf(ctx context.Context, r started, into any) error {
	history := t.GetWorkflowHistory(ctx, r.WorkflowID, r.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !history.HasNext() {
		return nil
	}
	event, err := history.Next()
	if err != nil {
		return err
	}
	return t.converter.FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), into)
}

// update sends an update to an open workflow and waits for its answer.
func (c *cli) update(ctx context.Context, t *temporalServer, timeout time.Duration, id, name string, answer any, args ...any) error {
	err := c.attended(ctx, t, timeout, func(ctx context.Context) error {
		handle, err := t.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageAccepted,
		})
		if err != nil {
			return err
		}
		return handle.Get(ctx, answer)
	})
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return codedError{exitFailed, id + " is not running any more; see how it ended: starkeep job watch " + id}
	}
	return err
}
