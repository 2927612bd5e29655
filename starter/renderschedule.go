package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

func writeSchedules(w io.Writer, schedules []scheduleRow) {
	var rows [][]string
	for _, s := range schedules {
		rows = append(rows, []string{oneLine(s.Name), oneLine(s.Workflow), oneLine(s.When), oneLine(s.TimeZone), scheduleState(s), s.Next, lastRun(s.Last), madeBy(s)})
	}
	writeTable(w, []column{{"SCHEDULE", false}, {"WORKFLOW", false}, {"WHEN", false}, {"TIME ZONE", false}, {"STATE", false}, {"NEXT", false}, {"LAST", false}, {"MADE BY", false}}, rows)
}

func scheduleState(s scheduleRow) string {
	if s.Paused {
		return strings.TrimSuffix("paused: "+oneLine(s.Note), ": ")
	}
	return "active"
}

func lastRun(r *scheduleRun) string {
	if r == nil {
		return "never"
	}
	return strings.TrimSpace(r.Began + " " + r.Status)
}

func madeBy(s scheduleRow) string {
	if s.Configured {
		return "configuration"
	}
	return "hand"
}

func writeSchedule(w io.Writer, s scheduleDetails) {
	input := ""
	if s.Input != nil {
		if text, err := json.Marshal(s.Input); err == nil {
			input = string(text)
		}
	}
	writeVertical(w, [][2]string{
		{"Schedule", s.Name}, {"Workflow", s.Workflow}, {"When", s.When + ", " + s.TimeZone}, {"Jitter", s.Jitter}, {"State", scheduleState(s.scheduleRow)},
		{"Overlap", s.Overlap}, {"Catch-up", s.CatchUp}, {"Pause", pauseText(s.PauseOnFailure)}, {"Made by", madeBy(s.scheduleRow)}, {"Runs are", s.WorkflowID + "-<scheduled time>"}, {"Input", input},
		{"Count", fmt.Sprintf("%s started, %s missed, %s skipped", count(s.Started), count(s.Missed), count(s.Skipped))},
		{"Running", strings.Join(s.Running, ", ")}, {"Next", strings.Join(s.NextTimes[:min(len(s.NextTimes), 3)], ", ")},
	})
	if len(s.Recent) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, r := range s.Recent {
		rows = append(rows, []string{r.WorkflowID, r.Due, r.Began, r.Status})
	}
	writeTable(w, []column{{"RUN", false}, {"DUE", false}, {"BEGAN", false}, {"STATUS", false}}, rows)
}

func pauseText(onFailure bool) string {
	if onFailure {
		return "when a run fails"
	}
	return "never by itself"
}

func writeScheduleChanges(w io.Writer, out scheduleChanges) {
	for _, change := range out.Changes {
		if change.Done {
			fmt.Fprintf(w, "%sd %s\n", change.Change, change.Name)
			continue
		}
		fmt.Fprintf(w, "to %s\n", change.text())
	}
}

// text sums a change up in a line.
func (s scheduleChange) text() string {
	return fmt.Sprintf("%s %s (%s)", s.Change, s.Name, strings.Join(s.Differences, "; "))
}
