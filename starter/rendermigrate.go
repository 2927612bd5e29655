package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"starkeep/workflows/spec"
)

func writeMigrateProgress(w io.Writer, id string, p spec.MigrateProgress) {
	fmt.Fprintf(w, "%s: %s\n", oneLine(id), oneLine(string(p.Phase)))
	if p.Current != "" {
		fmt.Fprintf(w, "Under way: %s\n", oneLine(p.Current))
	}
	writeRounds(w, p.Rounds)
	if p.Applied != "" {
		fmt.Fprintf(w, "\nThe target holds restore point %s; since then %s changed at the source.\n", oneLine(p.Applied), lookText(p.Look))
	}
	if p.Ready && !p.Switch {
		fmt.Fprintf(w, "Ready: stop the loads at the source, then starkeep migrate switch %s\n", oneLine(id))
	}
	writeWarnings(w, p.Warnings)
}

func lookText(l spec.MigrateLook) string {
	text := fmt.Sprintf("%s (%s)", plural(l.Partitions, "partition", "partitions"), size(l.Bytes))
	if len(l.Gone) > 0 {
		text += " and dropped objects: " + someOf(l.Gone) + ","
	}
	return text
}

func writeRounds(w io.Writer, rounds []spec.MigrateRound) {
	if len(rounds) == 0 {
		return
	}
	var rows [][]string
	for _, r := range rounds {
		rows = append(rows, []string{count(r.Number), oneLine(r.Point), count(r.BackedUp), size(r.BackupSize), count(r.Tables), count(r.Restored), size(r.Bytes),
			span(time.Duration(r.Seconds) * time.Second), count(r.Attempts)})
	}
	fmt.Fprintln(w)
	writeTable(w, []column{{"ROUND", true}, {"RESTORE POINT", false}, {"BACKED UP", true}, {"BYTES", true}, {"TABLES", true}, {"BROUGHT OVER", true}, {"BYTES", true},
		{"TIME", true}, {"ATTEMPTS", true}}, rows)
}

// writeMigrate shows how a migration ended.
func writeMigrate(w io.Writer, r spec.MigrateResult) {
	switch {
	case r.Switched:
		fmt.Fprintf(w, "The target holds restore point %s.\n", oneLine(r.Point))
	case r.Aborted:
		fmt.Fprintf(w, "Aborted: %s.\n", oneLine(r.OnTarget))
	default:
		fmt.Fprintf(w, "NOT SWITCHED: %s.\n", oneLine(r.OnTarget))
	}
	writeRounds(w, r.Rounds)
	if p := r.Proof; p != nil {
		fmt.Fprintf(w, "\nCompared: %s of %s, %s rows equal; %s not compared.\n", plural(p.Partitions, "partition", "partitions"), plural(p.Tables, "table", "tables"),
			count(p.Rows), plural(p.NotCompared, "partition's rows were", "partitions' rows were"))
		writeFailed(w, p.Differs, p.DifferCount)
	}
	if l := r.Late; l != nil {
		fmt.Fprintf(w, "\nNOT ON THE TARGET: %s changed at the source after the last snapshot.\n", strings.TrimSuffix(lookText(*l), ","))
		var rows [][]string
		for _, t := range l.Tables {
			rows = append(rows, []string{oneLine(t.Database + "." + t.Table), count(t.BackedUp), oneLine(t.Why)})
		}
		writeTable(w, []column{{"TABLE", false}, {"PARTITIONS", true}, {"WHY", false}}, rows)
	}
	if len(r.Removed) > 0 {
		fmt.Fprintf(w, "\nDropped at the source meanwhile: %s; on the target: %s.\n", oneLine(someOf(r.Removed)), orDefault(oneLine(someOf(r.Dropped)), "nothing"))
	}
	writeViews(w, r.Views)
	if len(r.NotCrossed) > 0 {
		fmt.Fprintln(w, "\nDid not cross:")
		var rows [][]string
		for _, n := range r.NotCrossed {
			rows = append(rows, []string{oneLine(n.Kind), oneLine(n.Name), oneLine(n.Reason)})
		}
		writeTable(w, []column{{"KIND", false}, {"NAME", false}, {"REASON", false}}, rows)
	}
	writeWarnings(w, r.Warnings)
	if r.Report != "" {
		fmt.Fprintf(w, "\nReport: %s\n", oneLine(r.Report))
	}
}
