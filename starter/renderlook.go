package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"starkeep/workflows/spec"
)

func writeDifference(w io.Writer, d spec.Difference) {
	writeVertical(w, [][2]string{
		{"From", d.From.ID + ", " + pointState(d.From)}, {"To", d.To.ID + ", " + pointState(d.To)},
		{"Tables", fmt.Sprintf("%s changed, %s the same", count(d.Changed), count(d.Same))},
		{"Rows", signed(d.Rows, count[int64])}, {"Bytes", signed(d.Bytes, size)},
	})
	if len(d.Tables) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows, below [][]string
	for _, t := range d.Tables {
		p := t.Partitions
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), t.Change, some(p.Added), some(p.Dropped), some(p.Replaced), some(p.Changed), some(p.Same),
			signed(t.RowsTo-t.RowsFrom, count[int64]), signed(t.BytesTo-t.BytesFrom, size)})
		below = append(below, partitionLines(t))
	}
	writeTableWith(w, []column{{"TABLE", false}, {"CHANGE", false}, {"ADDED", true}, {"DROPPED", true}, {"REPLACED", true}, {"CHANGED", true}, {"SAME", true}, {"ROWS", true}, {"BYTES", true}}, rows, below)
	if d.Changed > int64(len(d.Tables)) {
		fmt.Fprintf(w, "… and %s more tables.\n", count(d.Changed-int64(len(d.Tables))))
	}
}

// partitionLines names the partitions of a table that stays.
func partitionLines(t spec.TableDifference) []string {
	if t.Change == spec.ChangeCreated || t.Change == spec.ChangeDropped {
		return nil
	}
	var lines []string
	for _, part := range []struct {
		what  string
		names []string
		of    int
	}{{"added", t.Added, t.Partitions.Added}, {"dropped", t.Dropped, t.Partitions.Dropped}, {"replaced", t.Replaced, t.Partitions.Replaced}, {"changed", t.Changed, t.Partitions.Changed}} {
		if part.of == 0 {
			continue
		}
		line := part.what + ": " + oneLine(strings.Join(part.names, ", "))
		if part.of > len(part.names) {
			line += fmt.Sprintf(", … (%s in all)", count(part.of))
		}
		lines = append(lines, line)
	}
	return lines
}

func some(n int) string {
	if n == 0 {
		return ""
	}
	return count(n)
}

// signed writes a change with its sign; none is "0".
func signed(n int64, write func(int64) string) string {
	switch {
	case n > 0:
		return "+" + write(n)
	case n < 0:
		return "-" + write(-n)
	}
	return "0"
}

func writeUsage(w io.Writer, u spec.Usage) {
	writeVertical(w, [][2]string{
		{"Stored", fmt.Sprintf("%s in %s", size(u.Bytes), plural(u.Snapshots, "native snapshot", "native snapshots"))},
		{"Unneeded", neededText(u.Unneeded)}, {"Points", count(u.PointCount)}, {"Tables", count(u.TableCount)},
	})
	var rows [][]string
	for _, p := range u.Points {
		rows = append(rows, []string{p.ID, count(p.Snapshots), size(p.Bytes), size(p.Added), size(p.Unique), size(p.Shared)})
	}
	usageTable(w, []column{{"POINT", false}, {"SNAPSHOTS", true}, {"BYTES", true}, {"ADDED", true}, {"UNIQUE", true}, {"SHARED", true}}, rows, u.PointCount)
	rows = nil
	for _, d := range u.Databases {
		rows = append(rows, []string{oneLine(d.Database), count(d.Tables), size(d.Holds), size(d.Bytes)})
	}
	usageTable(w, []column{{"DATABASE", false}, {"TABLES", true}, {"NEWEST POINT", true}, {"ALL SNAPSHOTS", true}}, rows, len(rows))
	rows = nil
	for _, t := range u.Tables {
		rows = append(rows, []string{oneLine(t.Database + "." + t.Table), size(t.Holds), size(t.Bytes)})
	}
	usageTable(w, []column{{"TABLE", false}, {"NEWEST POINT", true}, {"ALL SNAPSHOTS", true}}, rows, u.TableCount)
	rows = nil
	for i, a := range u.Ages {
		if a.Snapshots > 0 {
			rows = append(rows, []string{ageBand(u.Ages, i), count(a.Snapshots), size(a.Bytes)})
		}
	}
	usageTable(w, []column{{"AGE", false}, {"SNAPSHOTS", true}, {"BYTES", true}}, rows, len(rows))
	gap(w, len(u.Unreadable) > 0)
	for _, text := range u.Unreadable {
		fmt.Fprintln(w, "Not counted: "+oneLine(text))
	}
}

// usageTable writes a table after a gap, and says how many of its rows are left out.
func usageTable(w io.Writer, columns []column, rows [][]string, of int) {
	gap(w, len(rows) > 0)
	writeTable(w, columns, rows)
	if of > len(rows) {
		fmt.Fprintf(w, "… and %s more.\n", count(of-len(rows)))
	}
}

func neededText(unneeded int64) string {
	if unneeded == 0 {
		return ""
	}
	return size(unneeded) + " of it is of no restore point: what failed runs left, or what prune has not deleted yet"
}

// ageBand names the ages between the bound before and this one.
func ageBand(ages []spec.AgeUsage, at int) string {
	days := func(i int) string {
		younger, _ := time.ParseDuration(ages[i].Younger)
		return count(int64(younger.Hours() / 24))
	}
	switch {
	case at == 0:
		return "under " + days(at) + " day"
	case ages[at].Younger == "":
		return "over " + days(at-1) + " days"
	}
	return days(at-1) + " to " + days(at) + " days"
}
