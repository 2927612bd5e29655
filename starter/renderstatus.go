package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"starkeep/workflows/spec"
)

func writeStatus(w io.Writer, r statusReport, now time.Time) {
	var rows [][]string
	for _, d := range r.Databases {
		goal := spec.Goal{}
		if d.Goal != nil {
			goal = *d.Goal
		}
		rows = append(rows, []string{oneLine(d.Cluster), oneLine(d.Database), agedText(d.Good, goal.Backup, now), agedText(d.Verified, goal.Verify, now),
			agedText(d.Drilled, goal.Drill, now), databaseState(d, now)})
	}
	writeTable(w, []column{{"CLUSTER", false}, {"DATABASE", false}, {"BACKED UP", false}, {"VERIFIED", false}, {"DRILLED", false}, {"STATE", false}}, rows)
	rows = nil
	for _, s := range r.Schedules {
		rows = append(rows, []string{oneLine(s.Name), oneLine(s.Workflow), s.Next, lastRun(s.Last), oneLine(strings.Join(s.Problems, "; "))})
	}
	gap(w, len(r.Databases) > 0 && len(rows) > 0)
	writeTable(w, []column{{"SCHEDULE", false}, {"WORKFLOW", false}, {"NEXT", false}, {"LAST", false}, {"PROBLEM", false}}, rows)
	rows = nil
	for _, m := range r.Mirrors {
		rows = append(rows, []string{oneLine(m.Mirror), oneLine(m.Cluster), oneLine(m.Repository), behindText(m, now)})
	}
	gap(w, len(rows) > 0)
	writeTable(w, []column{{"MIRROR", false}, {"CLUSTER", false}, {"OF", false}, {"STATE", false}}, rows)
	gap(w, len(r.Unknown) > 0)
	for _, text := range r.Unknown {
		fmt.Fprintln(w, "Not known: "+oneLine(text))
	}
}

func gap(w io.Writer, wanted bool) {
	if wanted {
		fmt.Fprintln(w)
	}
}

// agedText is how old something is, of how old it may get.
func agedText(p *spec.DatabasePoint, goal spec.Duration, now time.Time) string {
	text := "never"
	if age, known := ageOf(p, now); known {
		text = span(age) + " ago"
	}
	if goal > 0 {
		text += " (goal " + span(time.Duration(goal)) + ")"
	}
	return text
}

func databaseState(d databaseReport, now time.Time) string {
	state := "ok"
	switch {
	case len(d.Missed) > 0:
		state = "MISSED: " + strings.Join(d.Missed, ", ")
	case d.Goal == nil:
		state = "no goal"
	}
	if age, known := ageOf(d.Part, now); known {
		state += fmt.Sprintf("; %s, %s ago, is not whole", d.Part.Point, span(age))
	}
	return state
}

func behindText(m spec.MirrorStatus, now time.Time) string {
	if m.Behind == 0 {
		return "ok"
	}
	text := plural(int64(m.Behind), "restore point", "restore points") + " behind"
	if since, err := time.Parse(time.RFC3339, m.Since); err == nil {
		text += ", the oldest is of " + span(now.Sub(since)) + " ago"
	}
	return text
}
