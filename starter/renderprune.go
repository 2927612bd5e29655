package main

import (
	"fmt"
	"io"
	"strings"

	"starkeep/workflows/spec"
)

// writePrune shows the plan of a prune, or what became of it.
func writePrune(w io.Writer, r spec.PruneResult) {
	columns := []column{{"POINT", false}, {"CREATED", false}, {"SELECTION", false}, {"BYTES", true}, {"ONLY ITS OWN", true}, {"", false}, {"WHY", false}}
	var rows [][]string
	for _, p := range r.Points {
		what, why := "stays", strings.Join(p.Keep, "; ")
		if p.Go {
			what, why = "goes", p.Why
		}
		if p.Forced {
			why += ", although it is the last good one"
		}
		if !p.Complete {
			what += " (partial)"
		}
		rows = append(rows, []string{oneLine(p.ID), oneLine(p.CreatedAt), oneLine(p.Selection), size(p.Bytes), size(p.Unique), what, oneLine(why)})
	}
	if len(rows) > 0 {
		writeTable(w, columns, rows)
	}
	if shown := len(r.Points); r.Go+r.Stay > shown {
		fmt.Fprintf(w, "… and %d more.\n", r.Go+r.Stay-shown)
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
	}
	if r.DryRun {
		writePrunePlan(w, r)
	} else {
		writePruned(w, r)
	}
	writeHeld(w, r)
	writeWarnings(w, r.Warnings)
	if r.DryRun {
		fmt.Fprintf(w, "\nPlan %s.\n", oneLine(r.PlanDigest))
	}
}

func writePrunePlan(w io.Writer, r spec.PruneResult) {
	fmt.Fprintf(w, "%s would go, %d stay. Only they need %s in %s.\n", plural(int64(r.Go), "restore point", "restore points"), r.Stay, size(r.GoBytes), plural(r.GoObjects, "object", "objects"))
	fmt.Fprintf(w, "%s would be marked (%s), %d of them debris; %d wait; the grace of %d is over (%s).\n",
		plural(int64(r.Marked), "native snapshot", "native snapshots"), size(r.MarkedBytes), r.Debris, r.Waiting, r.Due, size(r.DueBytes))
	if r.Files > 0 {
		fmt.Fprintf(w, "%s of starkeep's own would be tidied up.\n", plural(int64(r.Files), "directory or file", "directories and files"))
	}
}

func writePruned(w io.Writer, r spec.PruneResult) {
	fmt.Fprintf(w, "%s deleted, %d stay.\n", plural(int64(r.Deleted), "restore point", "restore points"), r.Stay)
	fmt.Fprintf(w, "%s marked (%s), %d of them debris; %d wait.\n", plural(int64(r.Marked), "native snapshot", "native snapshots"), size(r.MarkedBytes), r.Debris, r.Waiting)
	fmt.Fprintf(w, "%s deleted: %s in %s.\n", plural(int64(r.Snapshots), "native snapshot", "native snapshots"), size(r.FreedBytes), plural(r.FreedObjects, "object", "objects"))
}

func writeHeld(w io.Writer, r spec.PruneResult) {
	if len(r.Held) == 0 {
		return
	}
	fmt.Fprintln(w, "\nWhat the store did not let go:")
	var rows [][]string
	for _, h := range r.Held {
		state := "refused"
		if h.Locked {
			state = "locked"
		}
		rows = append(rows, []string{oneLine(h.Name), state, oneLine(h.Reason)})
	}
	writeTable(w, []column{{"WHAT", false}, {"", false}, {"REASON", false}}, rows)
	if r.HeldCount > len(r.Held) {
		fmt.Fprintf(w, "… and %d more.\n", r.HeldCount-len(r.Held))
	}
}
