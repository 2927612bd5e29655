package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

// statusReport is what status prints.
type statusReport struct {
	At        string              `json:"at"` // RFC 3339, UTC
	Databases []databaseReport    `json:"databases"`
	Schedules []scheduleReport    `json:"schedules"`
	Mirrors   []spec.MirrorStatus `json:"mirrors,omitempty"`
	Unknown   []string            `json:"unknown,omitempty"` // what could not be looked at
}

// databaseReport is a database with the goals that it misses: "backup", "verify", "drill".
type databaseReport struct {
	spec.DatabaseStatus
	Missed []string `json:"missed,omitempty"`
}

// scheduleReport is a schedule with what is wrong about it.
type scheduleReport struct {
	scheduleRow
	MissedRuns int      `json:"missedRuns,omitempty"` // since it was made: nobody could start them in time
	Problems   []string `json:"problems,omitempty"`
}

func (c *cli) status() *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how old the newest backups are, against their goals",
		Long: "Shows for each database the age of its newest good restore point, of its newest verified one, and of its last drill,\n" +
			"against the goals of the configuration; schedules that are paused, failing or not applied; mirrors that are behind.\n" +
			"Exit code 3 when a goal is missed, 1 when something could not be looked at.",
		Example: "  starkeep status\n  starkeep status --cluster prod -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withServer(cmd.Context(), func(t *temporalServer) error { return c.showStatus(cmd.Context(), t, cluster) })
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "only this cluster profile's (`NAME`) databases and mirrors")
	return cmd
}

func (c *cli) showStatus(ctx context.Context, t *temporalServer, cluster string) error {
	in := spec.Inspect{Read: spec.ReadStatus, Cluster: cluster}
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	report := statusReport{At: utc(c.now()), Databases: []databaseReport{}}
	var wanted spec.Timetable
	for {
		page, err := c.inspectOn(ctx, t, in)
		if err != nil {
			return err
		}
		if page.Timetable != nil {
			wanted = *page.Timetable
		}
		if page.Status == nil {
			return codedError{exitFailed, "the worker that answered does not know status: use workers of this starkeep's version"}
		}
		for _, d := range page.Status.Databases {
			report.Databases = append(report.Databases, databaseReport{d, missedGoals(d, c.now())})
		}
		report.Mirrors, report.Unknown = page.Status.Mirrors, page.Status.Unknown // the same on each page
		if in.Page = page.NextPage; in.Page == "" {
			break
		}
	}
	var err error
	if report.Schedules, err = t.reportSchedules(ctx, wanted.Schedules); err != nil {
		return err
	}
	if err := c.print(report, func(w io.Writer) { writeStatus(w, report, c.now()) }); err != nil {
		return err
	}
	return report.verdict()
}

// missedGoals lists the kinds of goals that a database misses.
func missedGoals(d spec.DatabaseStatus, now time.Time) []string {
	if d.Goal == nil {
		return nil
	}
	var missed []string
	for _, kind := range []struct {
		name string
		goal spec.Duration
		last *spec.DatabasePoint
	}{{"backup", d.Goal.Backup, d.Good}, {"verify", d.Goal.Verify, d.Verified}, {"drill", d.Goal.Drill, d.Drilled}} {
		if age, known := ageOf(kind.last, now); kind.goal > 0 && (!known || age > time.Duration(kind.goal)) {
			missed = append(missed, kind.name)
		}
	}
	return missed
}

// ageOf is how old a restore point or drill is; false if there is none.
func ageOf(p *spec.DatabasePoint, now time.Time) (time.Duration, bool) {
	if p == nil {
		return 0, false
	}
	at, err := time.Parse(time.RFC3339, p.At)
	return max(now.Sub(at), 0), err == nil
}

// reportSchedules tells what is wrong about the schedules there are, and which of the configuration are not there.
func (t *temporalServer) reportSchedules(ctx context.Context, wanted []spec.Schedule) ([]scheduleReport, error) {
	rows, err := t.schedules(ctx)
	if err != nil {
		return nil, err
	}
	reports := []scheduleReport{}
	for _, row := range rows {
		report := scheduleReport{scheduleRow: row}
		if found, err := t.ScheduleClient().GetHandle(ctx, row.Name).Describe(ctx); err == nil {
			report.MissedRuns = found.Info.NumActionsMissedCatchupWindow
		}
		i := slices.IndexFunc(wanted, func(s spec.Schedule) bool { return s.Name == row.Name })
		report.Problems = problemsOf(row, report.MissedRuns)
		if row.Configured && i < 0 {
			report.Problems = append(report.Problems, "gone from the configuration")
		}
		reports = append(reports, report)
	}
	for _, s := range wanted {
		if slices.ContainsFunc(rows, func(row scheduleRow) bool { return row.Name == s.Name }) {
			continue
		}
		reports = append(reports, scheduleReport{
			scheduleRow: scheduleRow{Name: s.Name, Workflow: s.Workflow, When: s.Cron, TimeZone: orDefault(s.TimeZone, "UTC")},
			Problems:    []string{"not applied: starkeep schedule apply"},
		})
	}
	return reports, nil
}

func problemsOf(row scheduleRow, missed int) []string {
	var list []string
	if row.Paused {
		list = append(list, scheduleState(row))
	}
	if missed > 0 {
		list = append(list, plural(int64(missed), "run was missed", "runs were missed"))
	}
	if row.Last != nil && slices.Contains([]string{"Failed", "TimedOut", "Terminated", "Canceled"}, row.Last.Status) {
		list = append(list, "the last run ended as "+row.Last.Status)
	}
	return list
}

// verdict is the exit code with its reason: 3 where a goal is missed, 1 where something could not be looked at.
func (r statusReport) verdict() error {
	var missed []string
	for _, d := range r.Databases {
		for _, kind := range d.Missed {
			missed = append(missed, fmt.Sprintf("%s.%s %s", d.Cluster, d.Database, kind))
		}
	}
	switch {
	case len(missed) > 0:
		more := ""
		if len(missed) > 5 {
			more = fmt.Sprintf(" and %d more", len(missed)-5)
		}
		return codedError{exitPartial, plural(int64(len(missed)), "goal is missed: ", "goals are missed: ") + strings.Join(missed[:min(len(missed), 5)], ", ") + more}
	case len(r.Unknown) > 0:
		return codedError{exitFailed, "not everything could be looked at: " + oneLine(r.Unknown[0])}
	}
	return nil
}
