package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// scheduleChanges is what schedule apply prints.
type scheduleChanges struct {
	Changes []scheduleChange `json:"changes"`
	Same    int              `json:"same"` // schedules that are as the configuration has them
}

// scheduleChange is one difference between Temporal and the configuration.
type scheduleChange struct {
	Name        string   `json:"name"`
	Change      string   `json:"change"` // create, update, remove
	Differences []string `json:"differences,omitempty"`
	Done        bool     `json:"done"`

	want spec.Schedule
}

// Values of scheduleChange.Change.
const (
	createSchedule = "create"
	updateSchedule = "update"
	removeSchedule = "remove"
)

func (c *cli) scheduleApply() *cobra.Command {
	var dryRun, prune bool
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make Temporal Schedules of the schedules in the workers' configuration",
		Long: "Reads the schedules of the workers' configuration, creates those that Temporal lacks, and changes those that differ.\n" +
			"Those that an earlier apply made and that are gone from the configuration are removed after a question, or with\n" +
			"--prune. Schedules that somebody else made are left alone. Whether a schedule is paused is left as it is.",
		Example: "  starkeep schedule apply --dry-run\n  starkeep schedule apply --prune",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withServer(cmd.Context(), func(t *temporalServer) error {
				return c.applySchedules(cmd.Context(), t, dryRun, prune)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print the differences")
	cmd.Flags().BoolVar(&prune, "prune", false, "remove schedules that are gone from the configuration, without asking")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "prune")
	return cmd
}

func (c *cli) applySchedules(ctx context.Context, t *temporalServer, dryRun, prune bool) error {
	answer, err := c.inspectOn(ctx, t, spec.Inspect{Read: spec.ReadSchedules})
	if err != nil {
		return err
	}
	if answer.Timetable == nil {
		answer.Timetable = &spec.Timetable{}
	}
	out, err := t.compareSchedules(ctx, answer.Timetable.Schedules)
	if err != nil {
		return err
	}
	if !dryRun {
		err = c.changeSchedules(ctx, t, &out, prune)
	}
	if len(out.Changes) == 0 {
		c.say("%s as the configuration has them.", plural(int64(out.Same), "schedule is", "schedules are"))
	}
	return errors.Join(c.print(out, func(w io.Writer) { writeScheduleChanges(w, out) }), err)
}

// compareSchedules tells what has to be done.
func (t *temporalServer) compareSchedules(ctx context.Context, want []spec.Schedule) (scheduleChanges, error) {
	out := scheduleChanges{Changes: []scheduleChange{}}
	for _, s := range want {
		change, err := t.compareSchedule(ctx, s)
		switch {
		case err != nil:
			return out, err
		case change == nil:
			out.Same++
		default:
			out.Changes = append(out.Changes, *change)
		}
	}
	there, err := t.schedules(ctx)
	if err != nil {
		return out, err
	}
	for _, row := range there {
		wanted := slices.ContainsFunc(want, func(s spec.Schedule) bool { return s.Name == row.Name })
		if row.Configured && !wanted {
			out.Changes = append(out.Changes, scheduleChange{Name: row.Name, Change: removeSchedule, Differences: []string{row.Workflow + ", " + row.When}})
		}
	}
	return out, nil
}

// compareSchedule tells what has to be done about one schedule; nil: nothing.
func (t *temporalServer) compareSchedule(ctx context.Context, s spec.Schedule) (*scheduleChange, error) {
	want, err := temporalSchedule(s)
	if err != nil {
		return nil, err
	}
	found, err := t.ScheduleClient().GetHandle(ctx, s.Name).Describe(ctx)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return &scheduleChange{Name: s.Name, Change: createSchedule, Differences: []string{s.String() + ", " + whenText(want.Spec) + " " + zoneOf(want.Spec)}, want: s}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	if found.Memo.GetFields()[spec.ScheduleMemo] == nil {
		return nil, codedError{exitFailed, fmt.Sprintf("a schedule %s is there that starkeep did not make, and that it does not touch: rename yours, or remove that one (temporal schedule delete --schedule-id %s)", s.Name, s.Name)}
	}
	if differences := different(t.facts(found.Schedule), t.facts(want)); len(differences) > 0 {
		return &scheduleChange{Name: s.Name, Change: updateSchedule, Differences: differences, want: s}, nil
	}
	return nil, nil
}

// changeSchedules prints what it does before it does it.
func (c *cli) changeSchedules(ctx context.Context, t *temporalServer, out *scheduleChanges, prune bool) error {
	removals := 0
	for _, change := range out.Changes {
		c.say("%s", change.text())
		if change.Change == removeSchedule {
			removals++
		}
	}
	if removals > 0 && !prune && c.canAsk {
		prune = c.confirm("Remove " + plural(int64(removals), "schedule", "schedules") + " that the configuration does not have any more?")
	}
	for i := range out.Changes {
		change := &out.Changes[i]
		if change.Change == removeSchedule && !prune {
			continue
		}
		if err := t.changeSchedule(ctx, *change); err != nil {
			return fmt.Errorf("%s schedule %s: %w", change.Change, change.Name, err)
		}
		change.Done = true
	}
	if removals > 0 && !prune {
		c.say("Not removed: schedules that the configuration does not have any more; --prune removes them.")
	}
	return nil
}

func (t *temporalServer) changeSchedule(ctx context.Context, change scheduleChange) error {
	handle := t.ScheduleClient().GetHandle(ctx, change.Name)
	if change.Change == removeSchedule {
		return handle.Delete(ctx)
	}
	want, err := temporalSchedule(change.want)
	if err != nil {
		return err
	}
	attributes := clusterAttribute(change.want)
	if change.Change == createSchedule {
		_, err := t.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: change.Name, Spec: *want.Spec, Action: want.Action,
			Overlap: want.Policy.Overlap, CatchupWindow: want.Policy.CatchupWindow, PauseOnFailure: want.Policy.PauseOnFailure,
			Memo: map[string]any{spec.ScheduleMemo: "made by starkeep schedule apply"}, TypedSearchAttributes: attributes,
		})
		return err
	}
	return handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		want.State = in.Description.Schedule.State // paused stays paused
		return &client.ScheduleUpdate{Schedule: &want, TypedSearchAttributes: &attributes}, nil
	}})
}
