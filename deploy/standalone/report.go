package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"starkeep/workflows/spec"
)

// report prints what was backed up, restored and proven, and says whether every table is what it was.
func (d *demo) report() (equal bool) {
	saved := map[string]spec.PointTable{}
	for _, table := range d.point.Tables {
		saved[table.Database+"."+table.Table] = table
	}
	restored := map[string]spec.RestoredTable{}
	for _, table := range d.restore.Tables {
		restored[table.Database+"."+table.Table] = table
	}
	d.say("\n")
	w := tabwriter.NewWriter(d.out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tKIND\tBACKED UP\tROWS\tDAMAGE\tRESTORED\tROWS NOW\tCONTENT")
	equal = true
	for _, table := range demoTables {
		name := table.String()
		before, after := d.before[name], d.after[name]
		verdict := "equal"
		if before != after {
			equal, verdict = false, "DIFFERS"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", name, saved[name].Keys, savedText(saved[name]), before.Rows,
			orDash(d.damage[name]), restoredText(restored, name), rowsText(after), verdict)
	}
	w.Flush()
	d.say("\nBackup   %s  %s in %d objects, restore point %s\n", seconds(d.took[spec.BackupWorkflow]),
		size(d.backup.Bytes), d.backup.Objects, d.backup.Point)
	d.say("Restore  %s  %s, %d tablets\n", seconds(d.took[spec.RestoreWorkflow]), size(d.restore.Bytes), d.restore.Tablets)
	for _, warning := range append(d.backup.Warnings, d.restore.Warnings...) {
		d.say("Warning  %s\n", warning)
	}
	if d.restore.Undo != "" {
		d.say("Undo     the old tables are kept: bin/starkeep restore undo %s\n", spec.RestoreID(demoCluster, "demo"))
	}
	d.say("Web UI   %s\n", d.engine.UI.Address)
	if equal {
		d.say("\nEvery table is what it was.\n")
	}
	return equal
}

func savedText(t spec.PointTable) string {
	if t.Table == "" {
		return "NO"
	}
	partitions := "1 partition"
	if t.Partitions != 1 {
		partitions = fmt.Sprintf("%d partitions", t.Partitions)
	}
	return fmt.Sprintf("%s, %d tablets, %s", partitions, t.Tablets, size(t.Bytes))
}

// restoredText tells how a table came back and what starkeep itself proved about it.
func restoredText(restored map[string]spec.RestoredTable, name string) string {
	table, found := restored[name]
	if !found {
		return "-"
	}
	if table.RowsProven {
		return fmt.Sprintf("%s, %d rows proven", table.Action, table.Rows)
	}
	return table.Action
}

func rowsText(state tableState) string {
	if !state.Exists {
		return "gone"
	}
	return fmt.Sprint(state.Rows)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// size writes bytes for people.
func size(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB", "PB"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func splitName(name string) (database, table string) {
	database, table, _ = strings.Cut(name, ".")
	return database, table
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// pathEscape makes a workflow id fit into an address: ids contain slashes.
func pathEscape(id string) string { return url.PathEscape(id) }
