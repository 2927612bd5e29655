package activities

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"starkeep/starrocks"
)

// difference is how the definition of a table in a restore point differs from the live table's.
type difference struct {
	first   string   // the first one that matters to a RESTORE into the live table, in words; "" if none does
	noticed bool     // StarRocks itself would refuse such a RESTORE; else it would not notice (rule 17)
	diff    []string // all of them, as a small unified diff: "-" is live, "+" is the restore point
}

// compareDefinitions compares two SHOW CREATE TABLE but for name and partitions. What matters is what StarRocks compares
// before it restores into a table, and what it should (starrocks-measured, table of 08b): not the table's comment, and of
// its properties the bloom filter alone.
// A point whose definitions are not known (saved is "") differs in nothing.
func compareDefinitions(saved, live string) difference {
	if saved == "" {
		return difference{}
	}
	a, b := starrocks.ParseDefinition(live), starrocks.ParseDefinition(saved)
	d := difference{diff: unified(allLines(a), allLines(b))}
	var left, right []string
	for _, line := range changed(mattering(a), mattering(b)) {
		if line[0] == '-' {
			left = append(left, line[1:])
		} else {
			right = append(right, line[1:])
		}
	}
	switch {
	case len(left) > 0 && len(right) > 0:
		d.first = fmt.Sprintf("%s, was %s", left[0], right[0])
	case len(left) > 0:
		d.first = fmt.Sprintf("it has %s, which the restore point has not", left[0])
	case len(right) > 0:
		d.first = "it lacks " + right[0]
	}
	d.noticed = d.first != "" && !sameToStarRocks(left, right)
	return d
}

// note says what the difference means for a RESTORE into the live table.
func (d difference) note() string {
	if d.noticed {
		return "the table's definition is not the one that was backed up: " + d.first + "; StarRocks would refuse it"
	}
	return "the table's definition is not the one that was backed up: " + d.first + "; StarRocks would not notice, and put the data under a definition that it does not fit"
}

var (
	bucketNumber = regexp.MustCompile(` BUCKETS \d+$`)
	unnoticed    = regexp.MustCompile(`^(?:INDEX |ORDER BY)`)
	columnName   = regexp.MustCompile("^`[^`]+`")
)

// mattering are the lines that a RESTORE into an existing table depends on. The default number of buckets is not: what
// counts is that of each partition.
func mattering(d starrocks.Definition) []string {
	var lines []string
	for _, line := range d.Lines {
		if !strings.HasPrefix(line, `COMMENT "`) {
			lines = append(lines, bucketNumber.ReplaceAllString(line, ""))
		}
	}
	if bloom := d.Properties["bloom_filter_columns"]; bloom != "" {
		lines = append(lines, fmt.Sprintf("%q = %q", "bloom_filter_columns", bloom))
	}
	return lines
}

func allLines(d starrocks.Definition) []string {
	lines := slices.Clone(d.Lines)
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		lines = append(lines, fmt.Sprintf("%q = %q", name, d.Properties[name]))
	}
	return lines
}

// sameToStarRocks tells differences that its own comparison does not see: sort key, bitmap indexes, letter case of names.
func sameToStarRocks(left, right []string) bool {
	seen := func(lines []string) []string {
		var out []string
		for _, line := range lines {
			if !unnoticed.MatchString(line) {
				out = append(out, columnName.ReplaceAllStringFunc(line, strings.ToLower))
			}
		}
		return out
	}
	a, b := seen(left), seen(right)
	if slices.Equal(a, b) {
		return true
	}
	// Letter case of a column also shows in keys and distribution.
	return slices.EqualFunc(a, b, func(x, y string) bool { return strings.Contains(x, "(`") && strings.EqualFold(x, y) || x == y })
}

// changed lists what differs between two lists of lines: "-" only in the first, "+" only in the second.
func changed(a, b []string) []string {
	return slices.DeleteFunc(edits(a, b), func(line string) bool { return line[0] == ' ' })
}

// diffContext is how many equal lines a diff shows around each difference.
const diffContext = 1

// unified is changed with some equal lines around each difference, and "…" where others are left out.
func unified(a, b []string) []string {
	all := edits(a, b)
	shown := make([]bool, len(all))
	for i, line := range all {
		for k := max(0, i-diffContext); line[0] != ' ' && k <= min(len(all)-1, i+diffContext); k++ {
			shown[k] = true
		}
	}
	if !slices.Contains(shown, true) {
		return nil
	}
	var lines []string
	for i, line := range all {
		switch {
		case shown[i]:
			lines = append(lines, line)
		case len(lines) > 0 && lines[len(lines)-1] != "…" && slices.Contains(shown[i:], true):
			lines = append(lines, "…")
		}
	}
	return lines
}

// maxEdited bounds the lines that are compared each with each; tables with more columns are told apart line by line.
const maxEdited = 1000

// edits turns one list into the other: " " stays, "-" goes, "+" comes.
func edits(a, b []string) []string {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	lines := marked(' ', a[:head])
	lines = append(lines, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(lines, marked(' ', a[len(a)-tail:])...)
}

// middle is edits of lists that begin and end differently: by their longest common subsequence.
func middle(a, b []string) []string {
	if len(a)*len(b) > maxEdited*maxEdited || len(a) == 0 || len(b) == 0 {
		return append(marked('-', a), marked('+', b)...)
	}
	common := make([][]int32, len(a)+1) // length of the longest one of a[i:] and b[k:]
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if a[i] == b[k] {
				common[i][k] = common[i+1][k+1] + 1
			} else {
				common[i][k] = max(common[i+1][k], common[i][k+1])
			}
		}
	}
	var lines []string
	i, k := 0, 0
	for i < len(a) && k < len(b) {
		switch {
		case a[i] == b[k]:
			lines = append(lines, " "+a[i])
			i, k = i+1, k+1
		case common[i+1][k] >= common[i][k+1]:
			lines = append(lines, "-"+a[i])
			i++
		default:
			lines = append(lines, "+"+b[k])
			k++
		}
	}
	return append(append(lines, marked('-', a[i:])...), marked('+', b[k:])...)
}

func marked(mark byte, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = string(mark) + line
	}
	return out
}
