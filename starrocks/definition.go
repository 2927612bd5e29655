package starrocks

import (
	"regexp"
	"strings"
)

// Definition is a SHOW CREATE TABLE taken apart, for comparing (recordings 06, 09, 41, 45, 46). It is for looking: what it
// does not know stays in Lines.
type Definition struct {
	Columns    []DefinitionColumn
	Keys       []string          // of DUPLICATE, AGGREGATE, UNIQUE, PRIMARY KEY
	Partitions map[string]string // the line of each partition that the text lists: "VALUES [(…), (…))"
	Properties map[string]string
	// Lines are all others, in order, trimmed: columns, indexes, keys, comment, how it is partitioned, distributed, sorted.
	Lines []string
}

// DefinitionColumn is a column by name and type, as SHOW CREATE TABLE writes them.
type DefinitionColumn struct{ Name, Type string }

var (
	columnLine    = regexp.MustCompile("^`([^`]+)` (.*)$")
	keysLine      = regexp.MustCompile(`^(?:DUPLICATE|AGGREGATE|UNIQUE|PRIMARY) KEY\((.*)\)$`)
	partitionLine = regexp.MustCompile(`^\(?PARTITION (\S+) (VALUES .*?)$`)
	propertyLine  = regexp.MustCompile(`^"((?:[^"\\]|\\.)*)" = "((?:[^"\\]|\\.)*)",?$`)
	quotedName    = regexp.MustCompile("`([^`]+)`")
)

// ParseDefinition takes a SHOW CREATE TABLE apart. The table's own name is left out.
func ParseDefinition(ddl string) Definition {
	d := Definition{Partitions: map[string]string{}, Properties: map[string]string{}}
	_, body, _ := strings.Cut(ddl, "\n")
	body, properties, _ := strings.Cut(body, "\nPROPERTIES (")
	for _, line := range strings.Split(properties, "\n") {
		if m := propertyLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			d.Properties[m[1]] = m[2]
		}
	}
	for _, line := range strings.Split(body, "\n") {
		d.line(strings.TrimSpace(line))
	}
	return d
}

func (d *Definition) line(line string) {
	if m := partitionLine.FindStringSubmatch(line); m != nil {
		d.Partitions[m[1]] = values(m[2])
		return
	}
	line = strings.TrimSuffix(line, ",") // the last of a list has none
	if line == "" || line == ")" {
		return
	}
	d.Lines = append(d.Lines, line)
	if m := columnLine.FindStringSubmatch(line); m != nil {
		d.Columns = append(d.Columns, DefinitionColumn{m[1], typeOf(m[2])})
	} else if m := keysLine.FindStringSubmatch(line); m != nil && d.Keys == nil {
		for _, name := range quotedName.FindAllStringSubmatch(m[1], -1) {
			d.Keys = append(d.Keys, name[1])
		}
	}
}

// values is a partition's line without what belongs to the list around it: a comma, or the list's closing parenthesis.
func values(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(text), ",")
	open, quoted := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case quoted != 0 && ch == '\\':
			i++
		case quoted != 0:
			if ch == quoted {
				quoted = 0
			}
		case ch == '"' || ch == '\'':
			quoted = ch
		case ch == '(' || ch == '[':
			open++
		case ch == ')' || ch == ']':
			if open == 0 {
				return strings.TrimSpace(text[:i])
			}
			open--
		}
	}
	return text
}

// typeOf is the type at the beginning of a column's text: up to the first blank that is in no parentheses.
func typeOf(text string) string {
	open := 0
	for i, r := range text {
		switch r {
		case '(', '<':
			open++
		case ')', '>':
			open--
		case ' ':
			if open == 0 {
				return text[:i]
			}
		}
	}
	return text
}
