package restorepoint

import (
	"fmt"
	"slices"
	"strings"
)

// Pattern selects databases, tables or partitions by name: "db", "db.table" or "db.table/partition". "*" stands for
// any characters, also none; everything else is taken literally, letter case included. The first "." ends the database
// (whose name cannot hold one), the first "/" after it ends the table, which therefore cannot hold one here: use "*".
type Pattern struct {
	Database  string
	Table     string // "" for the whole database
	Partition string // "" for the whole table
}

// ParsePattern reads a pattern. Blanks belong to names. Each of its parts must have at least one character.
func ParsePattern(text string) (Pattern, error) {
	database, rest, hasTable := strings.Cut(text, ".")
	table, partition, hasPartition := strings.Cut(rest, "/")
	p := Pattern{Database: database, Table: table, Partition: partition}
	switch {
	case database == "" || hasTable && table == "" || hasPartition && partition == "":
		return Pattern{}, fmt.Errorf("pattern %q: write db, db.table or db.table/partition; * stands for anything", text)
	case strings.Contains(database, "/"):
		return Pattern{}, fmt.Errorf("pattern %q: a partition needs its table: db.table/partition", text)
	case strings.ContainsAny(text, "`\x00\n\r"):
		return Pattern{}, fmt.Errorf("pattern %q: names with a backquote, a line break or NUL cannot be addressed", text)
	}
	return p, nil
}

// String writes the pattern as ParsePattern reads it.
func (p Pattern) String() string {
	switch {
	case p.Partition != "":
		return p.Database + "." + p.Table + "/" + p.Partition
	case p.Table != "":
		return p.Database + "." + p.Table
	}
	return p.Database
}

// matches tells whether the pattern covers the name: all of a database (table and partition ""), all of a table
// (partition ""), or a partition.
func (p Pattern) matches(database, table, partition string) bool {
	return glob(p.Database, database) &&
		(everything(p.Table) && everything(p.Partition) || table != "" && glob(orStar(p.Table), table)) &&
		(everything(p.Partition) || partition != "" && glob(p.Partition, partition))
}

// everything tells whether a pattern's part leaves nothing out.
func everything(part string) bool { return strings.Trim(part, "*") == "" }

func orStar(part string) string {
	if part == "" {
		return "*"
	}
	return part
}

// touches tells whether the pattern may cover something in the table.
func (p Pattern) touches(database, table string) bool {
	return glob(p.Database, database) && (p.Table == "" || glob(p.Table, table))
}

// Match says how much of a table is selected.
type Match int

// How much of a table is selected. A new partition of a Whole table is selected too; of a Some table it may be.
const (
	None Match = iota
	Some
	Whole
)

// Selection says what to back up or restore: everything that an Include pattern covers and no Exclude pattern does.
type Selection struct {
	Include []Pattern
	Exclude []Pattern
}

// NewSelection reads the patterns. No include at all selects everything, as "*" does.
func NewSelection(include, exclude []string) (Selection, error) {
	if len(include) == 0 {
		include = []string{"*"}
	}
	var s Selection
	var err error
	if s.Include, err = parsePatterns("include", include); err != nil {
		return Selection{}, err
	}
	if s.Exclude, err = parsePatterns("exclude", exclude); err != nil {
		return Selection{}, err
	}
	return s, nil
}

func parsePatterns(field string, texts []string) ([]Pattern, error) {
	var list []Pattern
	for i, text := range texts {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// Database tells whether anything in the database may be selected.
func (s Selection) Database(database string) bool {
	included := slices.ContainsFunc(s.Include, func(p Pattern) bool { return glob(p.Database, database) })
	return included && !covers(s.Exclude, database, "", "")
}

// Table tells how much of a table is selected. Tables of a swap (IsBeside) never are.
func (s Selection) Table(database, table string) Match {
	touched := slices.ContainsFunc(s.Include, func(p Pattern) bool { return p.touches(database, table) })
	if !touched || IsBeside(table) || covers(s.Exclude, database, table, "") {
		return None
	}
	cut := slices.ContainsFunc(s.Exclude, func(p Pattern) bool { return p.touches(database, table) })
	if cut || !covers(s.Include, database, table, "") {
		return Some
	}
	return Whole
}

// Partition tells whether the partition is selected.
func (s Selection) Partition(database, table, partition string) bool {
	return !IsBeside(table) && covers(s.Include, database, table, partition) && !covers(s.Exclude, database, table, partition)
}

// Covers tells whether everything that another selection means, now or later, is meant by this one too. It may say no
// where that is so.
func (s Selection) Covers(o Selection) bool {
	for _, p := range o.Include {
		if !covers(s.Include, p.Database, p.Table, p.Partition) {
			return false
		}
	}
	for _, p := range s.Exclude {
		if !covers(o.Exclude, p.Database, p.Table, p.Partition) {
			return false
		}
	}
	return true
}

// Unmatched lists the include patterns that cover none of the partitions seen, each given as database, table and
// partition (a table without partitions: partition ""). What Exclude takes away counts as seen: the pattern is right.
func (s Selection) Unmatched(seen func(yield func(database, table, partition string) bool)) []Pattern {
	left := slices.Clone(s.Include)
	seen(func(database, table, partition string) bool {
		left = slices.DeleteFunc(left, func(p Pattern) bool { return p.matches(database, table, partition) })
		return len(left) > 0
	})
	return left
}

func covers(patterns []Pattern, database, table, partition string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.matches(database, table, partition) })
}

// glob matches name against a pattern in which only "*" is special, in time len(pattern)*len(name) at worst.
func glob(pattern, name string) bool {
	star, mark := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
