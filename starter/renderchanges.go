package main

import (
	"fmt"
	"io"

	"starkeep/workflows/spec"
)

// writeChanges shows what an incremental backup took, and why.
func writeChanges(w io.Writer, r spec.BackupResult) {
	if r.Base == "" && len(r.Tables) == 0 {
		return
	}
	if r.Base != "" {
		fmt.Fprintf(w, "\nCompared with restore point %s; %s unchanged.\n", oneLine(r.Base), plural(int64(r.Unchanged), "table is", "tables are"))
	}
	var rows [][]string
	for _, t := range r.Tables {
		taken := count(int64(t.BackedUp))
		if t.Full {
			taken += " (all)"
		}
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), taken, count(int64(t.Carried)), oneLine(t.Why)})
	}
	if len(rows) > 0 {
		writeTable(w, []column{{"TABLE", false}, {"BACKED UP", true}, {"CARRIED OVER", true}, {"WHY", false}}, rows)
	}
	if len(r.Gone) > 0 {
		fmt.Fprintf(w, "Dropped since: %s.\n", oneLine(someOf(r.Gone)))
	}
}
