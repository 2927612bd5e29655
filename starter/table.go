package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// column is a table's column: its heading, and whether it holds numbers.
type column struct {
	head  string
	right bool
}

// writeTable writes rows under headings. A column in which no row has anything is left out, and so is an empty table.
func writeTable(w io.Writer, columns []column, rows [][]string) {
	writeTableWith(w, columns, rows, make([][]string, len(rows)))
}

// writeTableWith is writeTable with lines below each row, indented.
func writeTableWith(w io.Writer, columns []column, rows [][]string, below [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	head := make([]string, len(columns))
	for i, col := range columns {
		head[i] = col.head
		if widths[i] > 0 {
			widths[i] = max(widths[i], runewidth.StringWidth(col.head))
		}
	}
	fmt.Fprintln(w, alignRow(columns, widths, head))
	for i, row := range rows {
		fmt.Fprintln(w, alignRow(columns, widths, row))
		for _, line := range below[i] {
			fmt.Fprintln(w, "    "+line)
		}
	}
}

// wrap breaks text at spaces into lines of at most width columns; a longer word has a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && runewidth.StringWidth(line)+1+runewidth.StringWidth(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// alignRow pads cells to their widths, two spaces apart; columns of width 0 are left out.
func alignRow(columns []column, widths []int, row []string) string {
	var line strings.Builder
	for i, cell := range row {
		if widths[i] == 0 {
			continue
		}
		if line.Len() > 0 {
			line.WriteString("  ")
		}
		gap := strings.Repeat(" ", max(0, widths[i]-runewidth.StringWidth(cell)))
		if columns[i].right {
			line.WriteString(gap + cell)
		} else {
			line.WriteString(cell + gap)
		}
	}
	return strings.TrimRight(line.String(), " ")
}

// clip shortens text to width columns of a terminal, with an ellipsis.
func clip(text string, width int) string { return runewidth.Truncate(text, width, "…") }

// count writes 1204 as 1,204.
func count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// size writes bytes in binary units.
func size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1024, 0
	const units = "KMGTPE"
	for value >= 999.95 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// span writes a duration as people say it: 19s, 3m02s, 2h05m, 3d04h.
func span(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s%3600/60)
	}
	return fmt.Sprintf("%dd%02dh", s/86400, s%86400/3600)
}

// plural writes "1 table", "2 tables".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
