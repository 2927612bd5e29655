package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// pauseTimeout bounds pause and resume: the workflow answers at once.
const pauseTimeout = time.Minute

func (c *cli) job() *cobra.Command {
	return noun("job", "See what runs; watch, pause, resume and cancel it",
		c.jobList(), c.jobWatch(), c.jobCancel(), c.jobPause(), c.jobResume(), c.jobLimit())
}

const anyID = "a workflow id, like backup/prod/manual-20261122T150405Z; see starkeep job list"

func (c *cli) jobWatch() *cobra.Command {
	var waitTimeout time.Duration
	cmd := &cobra.Command{
		Use:     "watch ID",
		Short:   "Watch a run until it ends, and show its result",
		Long:    "Watches a run until it ends and shows its result; shows the result at once when it has ended already.\nExits like the command that started it.",
		Example: "  starkeep job watch backup/prod/manual-20261122T150405Z",
		Args:    oneArg(anyID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onJob(cmd.Context(), args[0], func(t *temporalServer, found *client.WorkflowExecutionDescription) error {
				return c.watchJob(cmd.Context(), t, found, waitTimeout)
			})
		},
	}
	cmd.Flags().DurationVar(&waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9 (default: no limit)")
	return cmd
}

// onJob connects and finds the newest run of a workflow id.
func (c *cli) onJob(ctx context.Context, id string, do func(*temporalServer, *client.WorkflowExecutionDescription) error) error {
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	found, err := t.DescribeWorkflow(ctx, id, "")
	var missing *serviceerror.NotFound
	var malformed *serviceerror.InvalidArgument
	if errors.As(err, &missing) || errors.As(err, &malformed) {
		return codedError{exitFailed, fmt.Sprintf("no run has the id %q (Temporal at %s); see starkeep job list --all", oneLine(id), t.where)}
	}
	if err != nil {
		return err
	}
	return do(t, found)
}

// watchJob follows a run and shows its result as the command that started it would.
func (c *cli) watchJob(ctx context.Context, t *temporalServer, found *client.WorkflowExecutionDescription, timeout time.Duration) error {
	id := found.WorkflowExecution.ID
	begun := started{WorkflowID: id, RunID: found.WorkflowExecution.RunID}
	switch found.WorkflowType.Name {
	case spec.BackupWorkflow:
		var in spec.Backup
		t.inputOf(ctx, begun, &in)
		var result spec.BackupResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return c.showBackup(result, err, in)
	case spec.RestoreWorkflow:
		var in spec.Restore
		t.inputOf(ctx, begun, &in)
		var result spec.RestoreResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return c.showRestore(id, result, err, orDefault(in.SourceCluster, in.Cluster), in.Repository)
	}
	if shown, err := c.watchOther(ctx, t, found.WorkflowType.Name, begun, timeout); shown {
		return err
	}
	if shown, err := c.watchRepository(ctx, t, found.WorkflowType.Name, begun, timeout); shown {
		return err
	}
	if err := c.follow(ctx, t, begun, timeout, nil); err != nil {
		return err
	}
	c.say("%s has completed.", id)
	return nil
}

// watchOther follows an export, a migration, a copy, a prune, an adoption, a drill or a verification.
func (c *cli) watchOther(ctx context.Context, t *temporalServer, workflow string, begun started, timeout time.Duration) (shown bool, err error) {
	switch workflow {
	case spec.ExportWorkflow:
		var result spec.ExportResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showExport(result, err)
	case spec.MigrateWorkflow:
		var result spec.MigrateResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showMigrate(result, err)
	case spec.CopyWorkflow:
		var in spec.Copy
		t.inputOf(ctx, begun, &in)
		var result spec.CopyResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showCopy(result, err, in.Cluster)
	case spec.PruneWorkflow:
		var in spec.Prune
		t.inputOf(ctx, begun, &in)
		var result spec.PruneResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showPrune(result, err, in)
	case spec.AdoptWorkflow:
		var in spec.Adopt
		t.inputOf(ctx, begun, &in)
		var result spec.AdoptResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showAdopt(result, err, in)
	case spec.VerifyWorkflow:
		var in spec.Verify
		t.inputOf(ctx, begun, &in)
		var result spec.VerifyResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showVerify(result, err, in)
	case spec.DrillWorkflow:
		var in spec.Drill
		t.inputOf(ctx, begun, &in)
		var result spec.DrillResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showDrill(result, err, orDefault(in.SourceCluster, in.Cluster), in.Repository)
	}
	return false, nil
}

func (c *cli) jobCancel() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "Ask a run to stop",
		Long:  "Asks a run to stop.\n\n" + cancelMeans,
		Args:  oneArg(anyID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onJob(cmd.Context(), args[0], func(t *temporalServer, found *client.WorkflowExecutionDescription) error {
				return c.cancelJob(cmd.Context(), t, found)
			})
		},
	}
}

// cancelMeans is what a cancel does, in every phase.
const cancelMeans = `What StarRocks has not begun to commit is cancelled; existing data stays as it is.
What is committing is finished, with all that must follow: stopping there could
mix old and new data. What has not started is left out, and named in the result.`

func (c *cli) cancelJob(ctx context.Context, t *temporalServer, found *client.WorkflowExecutionDescription) error {
	id := found.WorkflowExecution.ID
	if found.WorkflowType.Name == spec.UndoWindowWorkflow {
		return usagef("%s only keeps old tables; end it with starkeep restore undo or starkeep restore finish", id)
	}
	if found.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return withHint(codedError{exitNothing, id + " is not running; there is nothing to cancel"},
			"  see how it ended:  starkeep job watch "+id)
	}
	if err := t.CancelWorkflow(ctx, id, found.WorkflowExecution.RunID); err != nil {
		return err
	}
	c.say("Cancel requested for %s.", id)
	c.say("%s", cancelMeans)
	c.say("  see how it ends:  starkeep job watch %s", id)
	return nil
}

func (c *cli) jobPause() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "pause ID",
		Short:   "Start no further statements; the ones that run go on",
		Example: "  starkeep job pause backup/prod/nightly --reason 'month end'",
		Args:    oneArg(anyID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.pauseOrResume(cmd.Context(), args[0], spec.UpdatePause, spec.Pause{Reason: reason})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`text` shown to whoever looks at its progress")
	return cmd
}

func (c *cli) jobResume() *cobra.Command {
	return &cobra.Command{
		Use:   "resume ID",
		Short: "Let a paused run go on",
		Args:  oneArg(anyID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.pauseOrResume(cmd.Context(), args[0], spec.UpdateResume)
		},
	}
}

func (c *cli) pauseOrResume(ctx context.Context, id, update string, args ...any) error {
	return c.onJob(ctx, id, func(t *temporalServer, found *client.WorkflowExecutionDescription) error {
		switch found.WorkflowType.Name {
		case spec.BackupWorkflow, spec.RestoreWorkflow, spec.DatabaseJobWorkflow:
		default:
			return usagef("%s is a %s; only a Backup, a Restore or one of its DatabaseJobs can be paused", id, found.WorkflowType.Name)
		}
		if found.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return codedError{exitNothing, id + " is not running; see how it ended: starkeep job watch " + id}
		}
		var answer spec.PauseResult
		if err := c.update(ctx, t, pauseTimeout, id, update, &answer, args...); err != nil {
			return err
		}
		return c.print(answer, func(w io.Writer) { writePause(w, id, answer) })
	})
}
