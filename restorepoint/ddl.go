package restorepoint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"starkeep/starrocks"
)

// DDL is how the definition of a restored table compares with the one that was backed up.
type DDL struct {
	Compared    bool      `json:"compared"`
	Why         string    `json:"why,omitempty"`         // it was not compared
	Differences []DDLLine `json:"differences,omitempty"` // fail the proof
	Noted       []DDLLine `json:"noted,omitempty"`       // do not: asked for, or StarRocks' own doing
}

// DDLLine is one line that differs: one side is "" where only the other has it.
type DDLLine struct {
	Want   string `json:"want,omitempty"` // as backed up
	Got    string `json:"got,omitempty"`  // as restored
	Reason string `json:"reason,omitempty"`
}

// String shows it as one line.
func (l DDLLine) String() string {
	switch {
	case l.Want == "":
		return fmt.Sprintf("has %s, which was not backed up", l.Got)
	case l.Got == "":
		return fmt.Sprintf("lacks %s", l.Want)
	}
	return fmt.Sprintf("has %s, backed up was %s", l.Got, l.Want)
}

// Properties that a restore changes, or StarRocks by itself, with the reason (starrocks-measured C 45, 46).
var changedProperties = map[string]string{
	"replication_num":          "set by the restore",
	"colocate_with":            "RESTORE takes tables out of their colocation group; starkeep puts them back",
	"dynamic_partition.enable": "off until old partitions are safe from its scheduler",
	"foreign_key_constraints":  "RESTORE keeps the name of the database that was backed up",
}

// CompareDDL compares two SHOW CREATE TABLE line by line, but for the table's name, the order of properties, and
// partitions other than those named. Columns, keys, indexes, partitioning with the values of the partitions, distribution,
// sort key and comment must be equal. Properties never fail a proof: versions of StarRocks print them differently, and
// what of them matters is in the other lines; they are noted. otherVersion says that the restored table stands in another
// minor version of StarRocks than the one that printed want: all differences are noted then.
func CompareDDL(want, got string, partitions []string, otherVersion bool) DDL {
	switch {
	case want == "":
		return DDL{Why: "the restore point does not know the definition"}
	case got == "":
		return DDL{Why: "the restored table's definition could not be read"}
	}
	w, g := starrocks.ParseDefinition(want), starrocks.ParseDefinition(got)
	out := DDL{Compared: true}
	lines := differingLines(w.Lines, g.Lines)
	for _, name := range slices.Sorted(slices.Values(partitions)) {
		if a, b := w.Partitions[name], g.Partitions[name]; a != b {
			lines = append(lines, DDLLine{Want: partitionText(name, a), Got: partitionText(name, b)})
		}
	}
	if otherVersion {
		for i := range lines {
			lines[i].Reason = "another version of StarRocks printed it"
		}
		out.Noted = lines
	} else {
		out.Differences = lines
	}
	out.Noted = append(out.Noted, differingProperties(w.Properties, g.Properties)...)
	return out
}

var bucketNumber = regexp.MustCompile(` BUCKETS \d+`)

// noteBuckets makes a note of another number of buckets in the definition of a table that RESTORE left in place: it is
// what further partitions get. Those that were restored have their tablets compared.
func (d *DDL) noteBuckets() {
	d.Differences = slices.DeleteFunc(d.Differences, func(l DDLLine) bool {
		same := bucketNumber.ReplaceAllString(l.Want, "") == bucketNumber.ReplaceAllString(l.Got, "")
		if same {
			l.Reason = "the table keeps its number of buckets for further partitions"
			d.Noted = append(d.Noted, l)
		}
		return same
	})
}

func partitionText(name, values string) string {
	if values == "" {
		return ""
	}
	return "PARTITION " + name + " " + values
}

func differingProperties(want, got map[string]string) []DDLLine {
	names := maps.Clone(want)
	maps.Copy(names, got)
	var lines []DDLLine
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, inWant := want[name]
		b, inGot := got[name]
		if inWant == inGot && a == b {
			continue
		}
		line := DDLLine{Reason: changedProperties[name]}
		if line.Reason == "" {
			line.Reason = "a property"
		}
		if inWant {
			line.Want = fmt.Sprintf("%q = %q", name, a)
		}
		if inGot {
			line.Got = fmt.Sprintf("%q = %q", name, b)
		}
		lines = append(lines, line)
	}
	return lines
}

// maxDiffLines bounds what is compared of two definitions once they differ: tables may have 10,000 columns.
const maxDiffLines = 1000

// differingLines pairs the lines that are not common to both: the longest common part is left out, what stands at the
// same place on both sides makes one difference.
func differingLines(want, got []string) []DDLLine {
	for len(want) > 0 && len(got) > 0 && want[0] == got[0] {
		want, got = want[1:], got[1:]
	}
	for len(want) > 0 && len(got) > 0 && want[len(want)-1] == got[len(got)-1] {
		want, got = want[:len(want)-1], got[:len(got)-1]
	}
	want, got = want[:min(len(want), maxDiffLines)], got[:min(len(got), maxDiffLines)]
	common := commonLength(want, got)
	var lines []DDLLine
	var onlyWant, onlyGot []string
	flush := func() {
		for i := range max(len(onlyWant), len(onlyGot)) {
			var line DDLLine
			if i < len(onlyWant) {
				line.Want = onlyWant[i]
			}
			if i < len(onlyGot) {
				line.Got = onlyGot[i]
			}
			lines = append(lines, line)
		}
		onlyWant, onlyGot = nil, nil
	}
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			flush()
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && common[i+1][j] >= common[i][j+1]:
			onlyWant = append(onlyWant, want[i])
			i++
		default:
			onlyGot = append(onlyGot, got[j])
			j++
		}
	}
	flush()
	return lines
}

// commonLength is the length of the longest common subsequence of want[i:] and got[j:], for all i and j.
func commonLength(want, got []string) [][]int {
	n := make([][]int, len(want)+1)
	for i := range n {
		n[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				n[i][j] = n[i+1][j+1] + 1
				continue
			}
			n[i][j] = max(n[i+1][j], n[i][j+1])
		}
	}
	return n
}
