package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
)

// steered is what pause, resume and trigger print.
type steered struct {
	Name   string       `json:"name"`
	Paused bool         `json:"paused"`
	Run    *scheduleRun `json:"run,omitempty"` // that trigger started
}

func (c *cli) schedulePause() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "pause NAME",
		Short:   "Start no further runs by a schedule; the running one goes on",
		Example: "  starkeep schedule pause prod-hourly --reason 'upgrade of StarRocks'",
		Args:    oneArg("the name of a schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.steer(cmd.Context(), args[0], true, func(ctx context.Context, h client.ScheduleHandle) error {
				return h.Pause(ctx, client.SchedulePauseOptions{Note: orDefault(reason, "paused with starkeep")})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` shown to whoever looks at it")
	return cmd
}

func (c *cli) scheduleResume() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a paused schedule start runs again",
		Example: "  starkeep schedule resume prod-hourly",
		Args:    oneArg("the name of a schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.steer(cmd.Context(), args[0], false, func(ctx context.Context, h client.ScheduleHandle) error {
				return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: orDefault(reason, "resumed with starkeep")})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` shown to whoever looks at it")
	return cmd
}

func (c *cli) steer(ctx context.Context, name string, paused bool, change func(context.Context, client.ScheduleHandle) error) error {
	return c.withServer(ctx, func(t *temporalServer) error {
		if err := change(ctx, t.ScheduleClient().GetHandle(ctx, name)); err != nil {
			return noSchedule(name, err)
		}
		return c.print(steered{Name: name, Paused: paused}, func(w io.Writer) {
			if paused {
				fmt.Fprintf(w, "%s is paused: it starts no further runs.\n", name)
				return
			}
			fmt.Fprintf(w, "%s starts runs again.\n", name)
		})
	})
}

func (c *cli) scheduleTrigger() *cobra.Command {
	return &cobra.Command{
		Use:   "trigger NAME",
		Short: "Start a schedule's workflow now, once",
		Long: "Starts a schedule's workflow now, also while the schedule is paused. If its last run is still under way, what the\n" +
			"schedule says about that holds: a backup is not started (exit code 6), anything else waits for its turn.",
		Example: "  starkeep schedule trigger prod-hourly",
		Args:    oneArg("the name of a schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withServer(cmd.Context(), func(t *temporalServer) error { return c.trigger(cmd.Context(), t, args[0]) })
		},
	}
}

const (
	// triggerWait bounds how long Temporal may take to start what was triggered.
	triggerWait = 15 * time.Second
	triggerLook = 100 * time.Millisecond
)

func (c *cli) trigger(ctx context.Context, t *temporalServer, name string) error {
	handle := t.ScheduleClient().GetHandle(ctx, name)
	before, err := handle.Describe(ctx)
	if err != nil {
		return noSchedule(name, err)
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return noSchedule(name, err)
	}
	tick := time.NewTicker(triggerLook)
	defer tick.Stop()
	late := time.NewTimer(triggerWait)
	defer late.Stop()
	for {
		now, err := handle.Describe(ctx)
		if err != nil {
			return noSchedule(name, err)
		}
		switch runs := t.scheduleRuns(ctx, now.Info.RecentActions, 1); {
		case now.Info.NumActions > before.Info.NumActions && len(runs) > 0:
			c.comeBack(runs[0].WorkflowID)
			return c.print(steered{Name: name, Paused: now.Schedule.State.Paused, Run: &runs[0]}, func(w io.Writer) { fmt.Fprintln(w, runs[0].WorkflowID) })
		case now.Info.NumActionsSkippedOverlap > before.Info.NumActionsSkippedOverlap:
			return codedError{exitBusy, fmt.Sprintf("the last run of %s is still under way; nothing was started", name)}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return codedError{exitStillRunning, fmt.Sprintf("%s was triggered; its run begins when the last one is over (starkeep schedule describe %s)", name, name)}
		case <-tick.C:
		}
	}
}
