package main

import (
	"fmt"
	"io"

	"starkeep/workflows/spec"
)

// writeViews says what became of views and functions. What needs a hand is among the warnings, with the statement.
func writeViews(w io.Writer, views []spec.RestoredView) {
	if len(views) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, v := range views {
		rows = append(rows, []string{oneLine(v.Database + "." + v.Name), oneLine(v.Kind), oneLine(v.Done), oneLine(v.Refresh)})
	}
	writeTable(w, []column{{"VIEW OR FUNCTION", false}, {"KIND", false}, {"DONE", false}, {"REFRESH", false}}, rows)
	if len(views) >= spec.MaxListed {
		fmt.Fprintf(w, "(Only the first %d are listed.)\n", len(views))
	}
}

// plannedAction is what a plan's row says is done: of views and functions with their kind.
func plannedAction(p spec.PlannedTable) string {
	if p.Kind == "" {
		return p.Action
	}
	return p.Action + " (" + p.Kind + ")"
}
