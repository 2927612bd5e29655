package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

func (c *cli) schedule() *cobra.Command {
	return noun("schedule", "Run backups, drills and the like by the clock",
		c.scheduleApply(), c.scheduleList(), c.scheduleDescribe(), c.schedulePause(), c.scheduleResume(), c.scheduleTrigger())
}

// scheduleList is what schedule list prints.
type scheduleList struct {
	Schedules []scheduleRow `json:"schedules"`
}

// scheduleRow is one Temporal Schedule that starts a workflow of ours, whoever made it.
type scheduleRow struct {
	Name       string       `json:"name"`
	Workflow   string       `json:"workflow"`
	When       string       `json:"when"` // as crontab writes it
	TimeZone   string       `json:"timeZone"`
	Configured bool         `json:"configured"` // made by schedule apply
	Paused     bool         `json:"paused"`
	Note       string       `json:"note,omitempty"` // of who paused it, or Temporal after a failure
	Next       string       `json:"next,omitempty"` // RFC 3339, UTC
	Last       *scheduleRun `json:"last,omitempty"`
}

// scheduleRun is one run that a schedule started.
type scheduleRun struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
	Due        string `json:"due"`              // RFC 3339, UTC: when it was to begin, with its jitter
	Began      string `json:"began"`            // RFC 3339, UTC
	Status     string `json:"status,omitempty"` // Running, Completed, Failed, …; "" when Temporal has forgotten it
}

func (c *cli) scheduleList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the schedules that start starkeep's workflows, whoever made them",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withServer(cmd.Context(), func(t *temporalServer) error { return c.listSchedules(cmd.Context(), t) })
		},
	}
}

// withServer connects for one command.
func (c *cli) withServer(ctx context.Context, do func(*temporalServer) error) error {
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	return do(t)
}

func (c *cli) listSchedules(ctx context.Context, t *temporalServer) error {
	rows, err := t.schedules(ctx)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		c.say("No schedule starts a workflow of starkeep. Make those of the configuration: starkeep schedule apply")
	}
	return c.print(scheduleList{rows}, func(w io.Writer) { writeSchedules(w, rows) })
}

// schedules lists the schedules that start workflows of ours, by name.
func (t *temporalServer) schedules(ctx context.Context) ([]scheduleRow, error) {
	found, err := t.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 100})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	rows := []scheduleRow{}
	for found.HasNext() {
		entry, err := found.Next()
		if err != nil {
			return nil, fmt.Errorf("list the schedules: %w", err)
		}
		if _, ours := spec.ScheduledBy(entry.WorkflowType.Name); !ours {
			continue
		}
		row := scheduleRow{
			Name: entry.ID, Workflow: entry.WorkflowType.Name, When: whenText(entry.Spec), TimeZone: zoneOf(entry.Spec),
			Configured: entry.Memo.GetFields()[spec.ScheduleMemo] != nil, Paused: entry.Paused, Note: entry.Note,
		}
		if len(entry.NextActionTimes) > 0 && !entry.Paused {
			row.Next = utc(entry.NextActionTimes[0])
		}
		if runs := t.scheduleRuns(ctx, entry.RecentActions, 1); len(runs) > 0 {
			row.Last = &runs[0]
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b scheduleRow) int { return strings.Compare(a.Name, b.Name) })
	return rows, nil
}

func zoneOf(s *client.ScheduleSpec) string {
	if s == nil {
		return "UTC"
	}
	return orDefault(s.TimeZoneName, "UTC")
}

// scheduleRuns are the last runs that a schedule started, newest first.
func (t *temporalServer) scheduleRuns(ctx context.Context, actions []client.ScheduleActionResult, n int) []scheduleRun {
	var runs []scheduleRun
	for _, action := range slices.Backward(actions) {
		if action.StartWorkflowResult == nil || len(runs) == n {
			continue
		}
		run := scheduleRun{WorkflowID: action.StartWorkflowResult.WorkflowID, RunID: action.StartWorkflowResult.FirstExecutionRunID, Due: utc(action.ScheduleTime), Began: utc(action.ActualTime)}
		if found, err := t.DescribeWorkflow(ctx, run.WorkflowID, ""); err == nil { // not of the first run: a workflow may go on as another one
			run.Status = statusName(found.Status)
		}
		runs = append(runs, run)
	}
	return runs
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// scheduleDetails is what schedule describe prints.
type scheduleDetails struct {
	scheduleRow
	Jitter         string        `json:"jitter"`
	Overlap        string        `json:"overlap"`       // Skip, BufferOne, …
	CatchUp        string        `json:"catchUpWindow"` // how late a run may begin
	PauseOnFailure bool          `json:"pauseOnFailure"`
	WorkflowID     string        `json:"workflowId"` // runs add "-<scheduled time>"
	Input          any           `json:"input"`
	Started        int           `json:"started"`             // runs since the schedule was made
	Missed         int           `json:"missed"`              // times nobody could start one within the catch-up window
	Skipped        int           `json:"skipped"`             // times the last one was still under way
	Running        []string      `json:"running,omitempty"`   // workflow ids
	Recent         []scheduleRun `json:"recent,omitempty"`    // newest first
	NextTimes      []string      `json:"nextTimes,omitempty"` // RFC 3339, UTC
}

// recentRuns is how many runs schedule describe shows.
const recentRuns = 10

func (c *cli) scheduleDescribe() *cobra.Command {
	return &cobra.Command{
		Use:     "describe NAME",
		Short:   "Show a schedule: when, what, and how its last runs went",
		Example: "  starkeep schedule describe prod-hourly",
		Args:    oneArg("the name of a schedule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withServer(cmd.Context(), func(t *temporalServer) error { return c.describeSchedule(cmd.Context(), t, args[0]) })
		},
	}
}

func (c *cli) describeSchedule(ctx context.Context, t *temporalServer, name string) error {
	found, err := t.ScheduleClient().GetHandle(ctx, name).Describe(ctx)
	if err != nil {
		return noSchedule(name, err)
	}
	details := t.scheduleDetails(ctx, name, found)
	return c.print(details, func(w io.Writer) { writeSchedule(w, details) })
}

func (t *temporalServer) scheduleDetails(ctx context.Context, name string, found *client.ScheduleDescription) scheduleDetails {
	s := found.Schedule
	d := scheduleDetails{
		scheduleRow: scheduleRow{Name: name, When: whenText(s.Spec), TimeZone: zoneOf(s.Spec), Configured: found.Memo.GetFields()[spec.ScheduleMemo] != nil},
		Jitter:      s.Spec.Jitter.String(),
		Started:     found.Info.NumActions, Missed: found.Info.NumActionsMissedCatchupWindow, Skipped: found.Info.NumActionsSkippedOverlap,
		Recent: t.scheduleRuns(ctx, found.Info.RecentActions, recentRuns),
	}
	if s.State != nil {
		d.Paused, d.Note = s.State.Paused, s.State.Note
	}
	if s.Policy != nil {
		d.Overlap, d.CatchUp, d.PauseOnFailure = s.Policy.Overlap.String(), s.Policy.CatchupWindow.String(), s.Policy.PauseOnFailure
	}
	if a, ok := s.Action.(*client.ScheduleWorkflowAction); ok {
		d.Workflow, d.WorkflowID = fmt.Sprint(a.Workflow), a.ID
		d.Input, _ = plainJSON([]byte(t.inputText(a))) // nil: not one JSON value
	}
	for _, run := range found.Info.RunningWorkflows {
		d.Running = append(d.Running, run.WorkflowID)
	}
	if len(d.Recent) > 0 {
		d.Last = &d.Recent[0]
	}
	if !d.Paused {
		for _, next := range found.Info.NextActionTimes {
			d.NextTimes = append(d.NextTimes, utc(next))
		}
	}
	if len(d.NextTimes) > 0 {
		d.Next = d.NextTimes[0]
	}
	return d
}

// noSchedule says that there is no such schedule, where that is what is wrong.
func noSchedule(name string, err error) error {
	var missing *serviceerror.NotFound
	if !errors.As(err, &missing) {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return withHint(codedError{exitFailed, fmt.Sprintf("there is no schedule %q", name)}, "  see those there are:  starkeep schedule list")
}
