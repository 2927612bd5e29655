package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"starkeep/workflows/spec"
)

// planWidth is how wide the text below a plan's rows gets: with its margin it fits any terminal. Lines of a diff are cut
// later, so that they can be compared.
const (
	planWidth = 76
	diffWidth = 120
)

// writePlan shows what a restore will do to each table. Its totals are those of the tables that are not refused.
func writePlan(w io.Writer, r spec.RestoreResult) {
	fmt.Fprintf(w, "Restore from %s would do this:\n\n", oneLine(r.Point))
	writePlanRows(w, r.Plan)
	actions := map[string]int64{}
	var partitions, tablets, bytes int64
	for _, p := range r.Plan {
		actions[p.Action]++
		if p.Action != spec.ActionRefuse {
			partitions, tablets, bytes = partitions+int64(p.Partitions), tablets+p.Tablets, bytes+p.Bytes
		}
	}
	fmt.Fprintf(w, "\n%s: %s, %s, %s.\n", actionsText(actions), plural(partitions, "partition", "partitions"), plural(tablets, "tablet", "tablets"), size(bytes))
	if len(r.Plan) >= spec.MaxListed {
		fmt.Fprintf(w, "(There are more tables; the first %d are listed and counted.)\n", len(r.Plan))
	}
	if actions[spec.ActionSwap] > 0 {
		fmt.Fprintln(w, "swap: restored beside the live table and proven, then exchanged; the old table is kept for a while and can be put back.")
	}
	writeRoomAndTime(w, r)
	writeBlocked(w, r.Blocked)
	writeWarnings(w, r.Warnings)
	if r.PlanDigest != "" {
		fmt.Fprintf(w, "\nPlan %s\n", r.PlanDigest)
	}
}

// writePlanRows is a row for each table, with what there is to say about it below.
func writePlanRows(w io.Writer, plan []spec.PlannedTable) {
	columns := []column{{"TABLE", false}, {"ACTION", false}, {"FROM", false}, {"PARTITIONS", true}, {"TABLETS", true}, {"BYTES", true}}
	var rows [][]string
	below := make([][]string, len(plan))
	for i, p := range plan {
		target := p.Database + "." + p.Table
		from := ""
		if p.From != target {
			from = p.From
		}
		rows = append(rows, []string{oneLine(target), oneLine(plannedAction(p)), oneLine(from), count(p.Partitions), count(p.Tablets), size(p.Bytes)})
		below[i] = aboutTable(p)
	}
	writeTableWith(w, columns, rows, below)
}

// aboutTable are the lines below a table's row: why it is refused or what to know, what hangs on it, how its definition
// differs.
func aboutTable(p spec.PlannedTable) []string {
	var lines []string
	if p.Note != "" {
		lines = append(lines, wrap(oneLine(p.Note), planWidth)...)
	}
	if text := dependentsText(p.Dependents); text != "" {
		lines = append(lines, wrap("attached: "+text, planWidth)...)
	}
	for _, line := range p.Diff {
		lines = append(lines, "  "+clip(diffLine(line), diffWidth))
	}
	return lines
}

// diffLine keeps the mark in front, which may be a space.
func diffLine(line string) string {
	if line == "" {
		return ""
	}
	mark, size := utf8.DecodeRuneInString(line)
	if !strings.ContainsRune(" +-", mark) {
		return oneLine(line)
	}
	return line[:size] + oneLine(line[size:])
}

// dependentsText says what hangs on a live table: "2 views (sales.a, sales.b), 3 grants".
func dependentsText(d *spec.Dependents) string {
	if d == nil {
		return ""
	}
	var parts []string
	add := func(names []string, what string) {
		if len(names) > 0 {
			parts = append(parts, what+" "+oneLine(strings.Join(names, ", ")))
		}
	}
	add(d.MaterializedViews, "materialized views")
	add(d.Views, "views")
	add(d.RoutineLoads, "routine loads")
	if d.Grants > 0 {
		parts = append(parts, plural(int64(d.Grants), "grant", "grants"))
	}
	if d.ColocateGroup != "" {
		parts = append(parts, "colocation group "+oneLine(d.ColocateGroup))
	}
	if d.DynamicPartitions {
		parts = append(parts, "dynamic partitions")
	}
	return strings.Join(parts, "; ")
}

// writeRoomAndTime says what room the restore needs on the BEs, and how long it may take.
func writeRoomAndTime(w io.Writer, r spec.RestoreResult) {
	if s := r.Space; s != nil {
		available := "how much is free is not known"
		if s.Available > 0 {
			available = size(s.Available) + " are free"
		}
		fmt.Fprintf(w, "room: %s on %s, all replicas counted; %s.\n", size(s.Needed), plural(int64(len(s.Backends)), "BE", "BEs"), available)
	}
	if e := r.Estimate; e != nil {
		fmt.Fprintf(w, "time: about %s (%s).\n", span(time.Duration(e.Seconds)*time.Second), oneLine(e.Basis))
	}
}

func writeBlocked(w io.Writer, blocked []string) {
	if len(blocked) == 0 {
		return
	}
	fmt.Fprintln(w, "\nThis stops the restore:")
	for _, reason := range blocked {
		fmt.Fprintf(w, "  - %s\n", oneLine(reason))
	}
}

// plannedActions are counted in this order, before all others.
var plannedActions = []string{spec.ActionCreate, spec.ActionSwap, spec.ActionAdd, spec.ActionReplace, spec.ActionOverwrite, spec.ActionRefuse}

// actionsText counts actions: "3 create, 2 swap".
func actionsText(actions map[string]int64) string {
	var parts []string
	for _, action := range plannedActions {
		if n := actions[action]; n > 0 {
			parts = append(parts, count(n)+" "+action)
		}
	}
	for _, action := range slices.Sorted(maps.Keys(actions)) {
		if !slices.Contains(plannedActions, action) {
			parts = append(parts, count(actions[action])+" "+oneLine(action))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
