package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"starkeep/workflows/spec"
)

// writeBackup shows what was backed up, what failed, and what an operator should know.
func writeBackup(w io.Writer, r spec.BackupResult) {
	switch {
	case r.Point == "":
		fmt.Fprintln(w, "No restore point was published.")
	case r.Complete:
		fmt.Fprintf(w, "Restore point %s, complete.\n", oneLine(r.Point))
	default:
		fmt.Fprintf(w, "Restore point %s, PARTIAL: it lacks what failed.\n", oneLine(r.Point))
	}
	writeCancelled(w, r.CancelRequested)
	writeDatabases(w, r.Databases)
	fmt.Fprintf(w, "\n%s, %s, %s in %s written", plural(r.Partitions, "partition", "partitions"),
		plural(r.Tablets, "tablet", "tablets"), size(r.Bytes), plural(r.Objects, "object", "objects"))
	if r.Carried > 0 {
		fmt.Fprintf(w, "; %s carried over from the parent", plural(r.Carried, "partition", "partitions"))
	}
	fmt.Fprintln(w, ".")
	writeChanges(w, r)
	writeFailed(w, r.Failed, r.FailedCount)
	writeMirrors(w, r.Mirrors)
	writeWarnings(w, r.Warnings)
	writeNotCovered(w, r.NotCovered)
}

func writeCancelled(w io.Writer, requested bool) {
	if requested {
		fmt.Fprintln(w, "A cancel was requested: what was committing was finished, what had not begun was left out.")
	}
}

// writeDatabases is a row for each database.
func writeDatabases(w io.Writer, databases []spec.DatabaseResult) {
	if len(databases) == 0 {
		return
	}
	columns := []column{{"DATABASE", false}, {"UNITS", true}, {"FAILED", true}, {"STATEMENTS", true},
		{"PARTITIONS", true}, {"TABLETS", true}, {"BYTES", true}, {"TIME", true}, {"STOPPED", false}}
	var rows [][]string
	for _, d := range databases {
		failed := ""
		if d.UnitsFailed > 0 {
			failed = count(d.UnitsFailed)
		}
		rows = append(rows, []string{oneLine(d.Database), count(d.Units), failed, count(d.Attempts), count(d.Partitions),
			count(d.Tablets), size(d.Bytes), span(time.Duration(d.Seconds) * time.Second), oneLine(d.Stopped)})
	}
	fmt.Fprintln(w)
	writeTable(w, columns, rows)
}

// writeFailed names what failed, in StarRocks' words. Partitions of one table that failed alike share a row.
func writeFailed(w io.Writer, failed []spec.FailedPart, all int64) {
	if len(failed) == 0 && all == 0 {
		return
	}
	listed := int64(len(failed))
	all = max(all, listed)
	if listed == 0 {
		fmt.Fprintf(w, "\n%s failed.\n", plural(all, "part", "parts"))
		return
	}
	fmt.Fprintf(w, "\n%s failed:\n", plural(all, "part", "parts"))
	var rows [][]string
	for len(failed) > 0 {
		f := failed[0]
		var partitions []string
		for len(failed) > 0 && failed[0].Database == f.Database && failed[0].Table == f.Table && failed[0].Reason == f.Reason {
			partitions = append(partitions, oneLine(failed[0].Partition))
			failed = failed[1:]
		}
		rows = append(rows, []string{oneLine(f.Database), oneLine(f.Table), someOf(partitions), oneLine(f.Reason)})
	}
	writeTable(w, []column{{"DATABASE", false}, {"TABLE", false}, {"PARTITION", false}, {"REASON", false}}, rows)
	if more := all - listed; more > 0 {
		fmt.Fprintf(w, "… and %s more.\n", count(more))
	}
}

// someOf names the first few of many; -o json has all.
func someOf(names []string) string {
	const few = 3
	if len(names) <= few+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

func writeWarnings(w io.Writer, warnings []string) {
	if len(warnings) == 0 {
		return
	}
	fmt.Fprintln(w, "\nWarnings:")
	for _, warning := range warnings {
		fmt.Fprintf(w, "  - %s\n", oneLine(warning))
	}
}

// writeNotCovered names what a backup leaves out knowingly.
func writeNotCovered(w io.Writer, left []spec.NotCovered) {
	if len(left) == 0 {
		return
	}
	fmt.Fprintln(w, "\nNot covered by this restore point:")
	var rows [][]string
	for _, n := range left {
		rows = append(rows, []string{oneLine(n.Kind), oneLine(strings.TrimPrefix(n.Database+"."+n.Name, ".")), oneLine(n.Reason)})
	}
	writeTable(w, []column{{"KIND", false}, {"NAME", false}, {"REASON", false}}, rows)
}

// writeRestore shows what was restored and how it was proven. A run whose proof failed must not read like one that is.
func writeRestore(w io.Writer, r spec.RestoreResult, proven bool) {
	fmt.Fprintf(w, "Restored from %s.\n", oneLine(r.Point))
	writeCancelled(w, r.CancelRequested)
	writeDatabases(w, r.Databases)
	if len(r.Tables) > 0 {
		fmt.Fprintln(w, proofText(proven))
		writeTables(w, r.Tables)
	}
	writeViews(w, r.Views)
	fmt.Fprintf(w, "\n%s, %s, %s restored.\n", plural(r.Partitions, "partition", "partitions"), plural(r.Tablets, "tablet", "tablets"), size(r.Bytes))
	writeFailed(w, r.Failed, r.FailedCount)
	writeInterrupted(w, r.Interrupted)
	writeSafety(w, r.Safety)
	writeWarnings(w, r.Warnings)
	writeReport(w, r.Report)
}

func writeReport(w io.Writer, address string) {
	if address != "" {
		fmt.Fprintf(w, "\nProof: %s\n", oneLine(address))
	}
}

func proofText(proven bool) string {
	if proven {
		return "\nProven: every table below has exactly the partitions, versions and tablets that the restore point promises."
	}
	return "\nNOT PROVEN: not every table below is what the restore point promises; see what failed."
}

// writeTables is the proof of each table.
func writeTables(w io.Writer, tables []spec.RestoredTable) {
	columns := []column{{"TABLE", false}, {"ACTION", false}, {"PARTITIONS", true}, {"TABLETS", true}, {"ROWS", true},
		{"ROWS COMPARED", false}, {"GRANTS", true}, {"OLD TABLE", false}, {"NOTE", false}}
	var rows [][]string
	for _, t := range tables {
		compared, counted, grants := "no", "", ""
		if t.RowsProven {
			compared = "equal"
		}
		if t.RowsProven || t.Rows > 0 {
			counted = count(t.Rows)
		}
		if t.Grants > 0 {
			grants = count(t.Grants)
		}
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), oneLine(t.Action), count(t.Partitions), count(t.Tablets),
			counted, compared, grants, oneLine(t.Before), oneLine(t.Note)})
	}
	writeTable(w, columns, rows)
	if len(tables) >= spec.MaxListed {
		fmt.Fprintf(w, "(Only the first %d tables are listed.)\n", len(tables))
	}
}

// writeUndoWindow names the tables that finish drops.
func writeUndoWindow(w io.Writer, window spec.UndoWindow) {
	fmt.Fprintf(w, "%s keeps the old tables of this restore into %s:\n\n", oneLine(window.Restore), oneLine(window.Cluster))
	var rows [][]string
	for _, t := range window.Tables {
		rows = append(rows, []string{oneLine(t.Database + "." + t.Before), oneLine(t.Database + "." + t.Table)})
	}
	writeTable(w, []column{{"OLD TABLE", false}, {"LIVE TABLE", false}}, rows)
	writeSafety(w, window.Safety)
}

func writeUndo(w io.Writer, r spec.UndoResult) {
	var rows [][]string
	for _, t := range r.Tables {
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), oneLine(t.Done), oneLine(t.Kept)})
	}
	writeTable(w, []column{{"TABLE", false}, {"DONE", false}, {"KEPT AS", false}}, rows)
	writeViews(w, r.Views)
	if r.Restore != "" {
		fmt.Fprintf(w, "\nWhat was replaced or overwritten is being put back by %s; see how it gets on: starkeep job watch %s\n", oneLine(r.Restore), oneLine(r.Restore))
	}
	writeWarnings(w, r.Warnings)
}

func writePause(w io.Writer, id string, answer spec.PauseResult) {
	state := "goes on"
	if answer.Paused {
		state = "is paused"
	}
	fmt.Fprintf(w, "%s %s. %s\n", id, state, oneLine(answer.Note))
}

func writeVertical(w io.Writer, fields [][2]string) {
	widest := 0
	for _, field := range fields {
		widest = max(widest, len(field[0]))
	}
	for _, field := range fields {
		if field[1] != "" {
			fmt.Fprintf(w, "%-*s  %s\n", widest, field[0], oneLine(field[1]))
		}
	}
}

func tagsText(tags map[string]string) string {
	var pairs []string
	for key, value := range tags {
		pairs = append(pairs, oneLine(key+"="+value))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}
