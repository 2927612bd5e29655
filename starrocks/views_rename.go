package starrocks

import (
	"fmt"
	"strconv"
	"strings"
)

// ViewNames says what the objects of a view's text are called where the view is to stand.
type ViewNames struct {
	Home     string                                       // database of the view in the text, which names without one mean
	Database string                                       // database that the view goes into
	Name     string                                       // name that it gets
	Object   func(database, name string) (string, string) // of tables and views
	Schema   func(database string) string                 // of databases: where functions are called
}

// RewriteView gives a view's definition the names of another place: its own, and those of the tables, views and functions
// that it reads. Everything else, strings and comments with it, stays byte by byte. Names without a database get one.
// Where a name could mean two things, or a string of the head (a property) speaks of a name that changes, nothing is
// rewritten: ErrInvalidStatement says which.
func RewriteView(ddl string, names ViewNames) (string, error) {
	v, err := readView(ddl)
	if err != nil {
		return "", err
	}
	r := &viewRewrite{viewText: v, names: names, tables: map[string]map[ObjectName]ObjectName{}}
	if err := r.relations(); err != nil {
		return "", err
	}
	if err := r.properties(); err != nil {
		return "", err
	}
	return r.write()
}

type viewRewrite struct {
	*viewText
	names  ViewNames
	tables map[string]map[ObjectName]ObjectName // relations by table name: old and new
	out    strings.Builder
	at     int
}

func (r *viewRewrite) renamed(o ObjectName) ObjectName {
	if o.Catalog != "" {
		return o
	}
	o.Database, o.Name = r.names.Object(o.Database, o.Name)
	return o
}

// relations collects what is read, and refuses what would change its meaning.
func (r *viewRewrite) relations() error {
	taken := map[string]string{} // new table names and the old ones they come from
	for _, c := range r.chains {
		if c.role != roleRelation {
			continue
		}
		from, real := r.relation(c, r.names.Home)
		if !real {
			continue
		}
		to := r.renamed(from)
		if r.tables[from.Name] == nil {
			r.tables[from.Name] = map[ObjectName]ObjectName{}
		}
		r.tables[from.Name][from] = to
		if old, ok := taken[to.Name]; ok && old != from.Name {
			return unsure("%s and %s would both be read as %s", old, from.Name, to.Name)
		}
		taken[to.Name] = from.Name
		if to.Name != from.Name && r.locals[strings.ToLower(to.Name)] {
			return unsure("%s, the new name of %s, is an alias in it", to.Name, from.Name)
		}
	}
	return nil
}

func unsure(format string, args ...any) error {
	return fmt.Errorf("the definition cannot be given other names safely: "+format+": %w", append(args, ErrInvalidStatement)...)
}

// properties refuses strings of the head that speak of a name that changes, as foreign_key_constraints does.
func (r *viewRewrite) properties() error {
	for _, t := range r.strings {
		value := literalText(r.text, t)
		for _, relations := range r.tables {
			for from, to := range relations {
				if from.Database != to.Database && holdsWord(value, from.Database) || from.Name != to.Name && holdsWord(value, from.Name) {
					return unsure("its head holds %s", strconv.Quote(value))
				}
			}
		}
	}
	return nil
}

func holdsWord(text, name string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		before, after := text[:at+i], text[at+i+len(name):]
		if !endsInName(before) && !beginsWithName(after) {
			return true
		}
		at += i + 1
	}
}

func endsInName(text string) bool {
	last := []rune(text)
	return len(last) > 0 && isNameRune(last[len(last)-1])
}

func beginsWithName(text string) bool {
	for _, r := range text {
		return isNameRune(r)
	}
	return false
}

func (r *viewRewrite) write() (string, error) {
	for _, c := range r.chains {
		var err error
		switch c.role {
		case roleSelf:
			err = r.replace(c.start(), c.end(), r.names.Database, r.names.Name)
		case roleRelation:
			err = r.writeRelation(c)
		case roleFunction:
			if len(c.parts) == 2 && r.names.Schema(c.parts[0].name) != c.parts[0].name {
				err = r.replace(c.parts[0].start, c.parts[0].end, r.names.Schema(c.parts[0].name))
			}
		case roleColumn:
			err = r.writeColumn(c)
		}
		if err != nil {
			return "", err
		}
	}
	r.out.WriteString(r.text[r.at:])
	return r.out.String(), nil
}

// replace writes the text up to start, the names in place of what stands from there to end, and goes on behind it.
func (r *viewRewrite) replace(start, end int, names ...string) error {
	var quoted []string
	for _, name := range names {
		q, err := identifier("object", name)
		if err != nil {
			return err
		}
		quoted = append(quoted, q)
	}
	r.out.WriteString(r.text[r.at:start])
	r.out.WriteString(strings.Join(quoted, "."))
	r.at = end
	return nil
}

func (r *viewRewrite) writeRelation(c chain) error {
	from, real := r.relation(c, r.names.Home)
	if !real {
		return nil
	}
	to := r.renamed(from)
	if to == from && len(c.parts) > 1 {
		return nil
	}
	return r.replace(c.parts[max(0, len(c.parts)-2)].start, c.end(), to.Database, to.Name)
}

// writeColumn follows the table in front of a column: t.k, db.t.k, catalog.db.t.k, t.*.
func (r *viewRewrite) writeColumn(c chain) error {
	p, n := c.parts, len(c.parts)
	if c.star {
		n++
	}
	if n < 2 {
		return nil
	}
	if len(p) > 2 && n > 3 && p[0].name == internalCatalog {
		if to, ok := r.tables[p[2].name][ObjectName{Database: p[1].name, Name: p[2].name}]; ok {
			return r.replace(p[1].start, p[2].end, to.Database, to.Name)
		}
	}
	relations, local := r.tables[p[0].name], r.locals[strings.ToLower(p[0].name)]
	if n > 2 {
		from := ObjectName{Database: p[0].name, Name: p[1].name}
		to, full := r.tables[p[1].name][from]
		switch {
		case full && to == from:
			return nil
		case full && (len(relations) > 0 || local):
			return unsure("%s.%s may be a table, or a column of %s", p[0].name, p[1].name, p[0].name)
		case full:
			return r.replace(p[0].start, p[1].end, to.Database, to.Name)
		case len(relations) == 0 && !local && r.names.Schema(p[0].name) != p[0].name:
			return unsure("%s.%s is not among the tables that it reads", p[0].name, p[1].name)
		}
	}
	return r.writeShort(p[0], relations)
}

// writeShort follows a table named without its database.
func (r *viewRewrite) writeShort(t sqlToken, relations map[ObjectName]ObjectName) error {
	name := t.name
	for from, to := range relations {
		if to.Name == from.Name {
			continue
		}
		if len(relations) > 1 || r.locals[strings.ToLower(name)] {
			return unsure("%s stands for more than one thing", name)
		}
		return r.replace(t.start, t.end, to.Name)
	}
	return nil
}

// SameView tells whether two definitions are the same but for blanks, comments, and how the view's own name is written.
func SameView(a, b string) bool {
	x, errX := readView(a)
	y, errY := readView(b)
	if errX != nil || errY != nil {
		return a == b
	}
	return x.plain() == y.plain()
}

// plain is the text with one blank between tokens, without the view's name.
func (v *viewText) plain() string {
	var b strings.Builder
	_, next := v.chainAt(v.head)
	for _, t := range v.tokens[next:] {
		if t.isName() {
			b.WriteString("`" + t.name + "`")
		} else {
			b.WriteString(v.text[t.start:t.end])
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// SetViewReplication gives a materialized view's definition another replication_num, where it names one that is larger.
func SetViewReplication(ddl string, most int) string {
	v, err := readView(ddl)
	if err != nil {
		return ddl
	}
	for i, t := range v.strings {
		if literalText(ddl, t) != "replication_num" || i+1 == len(v.strings) {
			continue
		}
		value := v.strings[i+1]
		if n, err := strconv.Atoi(literalText(ddl, value)); err == nil && n > most {
			return ddl[:value.start] + `"` + strconv.Itoa(most) + `"` + ddl[value.end:]
		}
	}
	return ddl
}

// OrReplace makes CREATE OR REPLACE VIEW of a CREATE VIEW.
func OrReplace(ddl string) string {
	tokens, err := sqlTokens(ddl)
	if err != nil || len(tokens) < 2 || !tokens[0].keyword("CREATE") || !tokens[1].keyword("VIEW") {
		return ddl
	}
	return ddl[:tokens[0].end] + " OR REPLACE" + ddl[tokens[0].end:]
}

// ViewHead is what a definition says before its query.
type ViewHead struct {
	Comment  string
	Security string // "NONE", "INVOKER"; "" where the version does not print it
	Refresh  string // of a materialized view: "ASYNC EVERY(INTERVAL 1 DAY)"
}

// HeadOfView reads the head of a definition; what it does not understand stays empty.
func HeadOfView(ddl string) ViewHead {
	var h ViewHead
	v, err := readView(ddl)
	if err != nil {
		return h
	}
	depth := 0
	for i := v.head; i < v.body; i++ {
		t := v.tokens[i]
		switch {
		case t.sign("("):
			depth++
		case t.sign(")"):
			depth--
		case depth > 0:
		case t.keyword("COMMENT") && v.tokens[i+1].kind == sqlString:
			h.Comment = literalText(ddl, v.tokens[i+1])
		case t.keyword("SECURITY"):
			h.Security = v.tokens[i+1].name
		case t.keyword("REFRESH"):
			h.Refresh = v.refresh(i + 1)
		}
	}
	return h
}

// refresh is the text of the REFRESH clause from a token on.
func (v *viewText) refresh(i int) string {
	start := v.tokens[i].start
	for i < v.body && !v.tokens[i].keyword("PROPERTIES", "PARTITION", "DISTRIBUTED", "ORDER", "COMMENT") {
		i++
	}
	return v.text[start:v.tokens[i-1].end]
}
