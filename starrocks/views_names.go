package starrocks

import (
	"fmt"
	"strings"
)

// role is what a name in a view's text stands for.
type role int

const (
	roleOther    role = iota // a keyword, an alias, a part of the head
	roleSelf                 // the view itself
	roleRelation             // a table or view that is read
	roleFunction             //
	roleColumn               //
)

// chain is a name of one or more parts: `db`.`t`.`k`.
type chain struct {
	role  role
	parts []sqlToken
	star  bool // .* follows
}

func (c chain) start() int { return c.parts[0].start }
func (c chain) end() int   { return c.parts[len(c.parts)-1].end }

// viewText is the text of a CREATE VIEW or CREATE MATERIALIZED VIEW with the names in it.
type viewText struct {
	text    string
	tokens  []sqlToken
	chains  []chain         // in the order of the text
	locals  map[string]bool // aliases and WITH names, lower case: they hide tables
	withs   map[string]bool // WITH names, as written
	head    int             // tokens before the name of the view
	body    int             // token of AS
	strings []sqlToken      // strings of the head that are no comments: keys and values of properties
}

// readView reads the text of a CREATE VIEW or CREATE MATERIALIZED VIEW, as SHOW CREATE prints it or as people write it.
func readView(text string) (*viewText, error) {
	tokens, err := sqlTokens(text)
	if err != nil {
		return nil, err
	}
	if n := len(tokens); n > 0 && tokens[n-1].sign(";") {
		tokens = tokens[:n-1]
	}
	v := &viewText{text: text, tokens: tokens, locals: map[string]bool{}, withs: map[string]bool{}}
	if err := v.readHead(); err != nil {
		return nil, err
	}
	return v, v.readBody()
}

// readHead finds the view's name and the AS before its query.
func (v *viewText) readHead() error {
	at := 0
	for at < len(v.tokens) && !v.tokens[at].keyword("VIEW") {
		if !v.tokens[at].keyword("CREATE", "OR", "REPLACE", "MATERIALIZED") {
			break
		}
		at++
	}
	if at == 0 || at >= len(v.tokens) || !v.tokens[at].keyword("VIEW") {
		return fmt.Errorf("the text is no CREATE VIEW: %w", ErrInvalidStatement)
	}
	v.head = at + 1
	self, next := v.chainAt(v.head)
	if len(self.parts) == 0 || len(self.parts) > 2 {
		return fmt.Errorf("the text does not name the view: %w", ErrInvalidStatement)
	}
	self.role = roleSelf
	v.chains = append(v.chains, self)
	depth := 0
	for i := next; i < len(v.tokens); i++ {
		switch t := v.tokens[i]; {
		case t.sign("("):
			depth++
		case t.sign(")"):
			depth--
		case t.kind == sqlString && !v.before(i).keyword("COMMENT"):
			v.strings = append(v.strings, t)
		case depth == 0 && t.keyword("AS"):
			v.body = i
			return nil
		}
	}
	return fmt.Errorf("the text has no AS: %w", ErrInvalidStatement)
}

// chainAt reads the name that begins at a token, and gives the token behind it. `t`.* is the name t.
func (v *viewText) chainAt(i int) (chain, int) {
	var c chain
	for i < len(v.tokens) && v.tokens[i].isName() {
		c.parts = append(c.parts, v.tokens[i])
		i++
		if i+1 >= len(v.tokens) || !v.tokens[i].sign(".") {
			return c, i
		}
		if v.tokens[i+1].sign("*") {
			c.star = true
			return c, i + 2
		}
		i++
	}
	return c, i
}

// scopeFrame is what is known inside one pair of parentheses.
type scopeFrame struct {
	query  bool // a SELECT was seen: FROM is that of a query, not of EXTRACT(… FROM …)
	from   bool // in the FROM clause
	expect bool // a table or view comes next
	with   bool // in the list of WITH
	named  bool // a name of WITH comes next
	placed bool // a table was named: what follows may be its alias
}

// readBody gives each name of the query its role.
func (v *viewText) readBody() error {
	stack := []*scopeFrame{{}}
	for i := v.body + 1; i < len(v.tokens); {
		f := stack[len(stack)-1]
		t := v.tokens[i]
		switch {
		case t.sign("("):
			stack = append(stack, &scopeFrame{from: f.expect, expect: f.expect, query: f.expect})
			f.expect = false
			i++
		case t.sign(")"):
			if len(stack) == 1 {
				return fmt.Errorf("a parenthesis closes that none opened: %w", ErrInvalidStatement)
			}
			stack = stack[:len(stack)-1]
			stack[len(stack)-1].placed = true
			i++
		case t.sign("[") && f.expect: // JOIN [BROADCAST] t
			for i < len(v.tokens) && !v.tokens[i].sign("]") {
				i++
			}
			i++
		case t.sign(","):
			f.expect, f.named, f.placed = f.from, f.with, false
			i++
		case !t.isName():
			f.placed = false
			i++
		case f.clause(t, v.before(i)):
			i++
		default:
			var err error
			if i, err = v.name(f, i); err != nil {
				return err
			}
		}
	}
	if len(stack) != 1 {
		return fmt.Errorf("a parenthesis is not closed: %w", ErrInvalidStatement)
	}
	return nil
}

func (v *viewText) before(i int) sqlToken {
	if i == 0 {
		return sqlToken{}
	}
	return v.tokens[i-1]
}

// clause tells whether the token is a keyword that begins or ends a clause, and enters it.
func (f *scopeFrame) clause(t, before sqlToken) bool {
	if before.sign(".") {
		return false
	}
	switch {
	case t.keyword("SELECT"):
		*f = scopeFrame{query: true}
	case t.keyword("WITH"):
		if f.from && !f.expect || f.query && !f.expect {
			return true // WITH of something else
		}
		*f = scopeFrame{with: true, named: true}
	case t.keyword("RECURSIVE"):
		return f.named
	case t.keyword("FROM"):
		if f.query && !before.keyword("DISTINCT") {
			f.from, f.expect, f.placed = true, true, false
		}
	case t.keyword("JOIN"):
		f.expect, f.placed = f.from, false
	case t.keyword("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "MINUS", "WINDOW", "QUALIFY"):
		f.from, f.expect, f.placed = false, false, false
	case t.keyword("ON", "USING", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER", "SEMI", "ANTI", "PARTITION", "TABLET"):
		f.placed = false
	case t.keyword("LATERAL", "AS"):
	default:
		return false
	}
	return true
}

// name reads a name and says what it is.
func (v *viewText) name(f *scopeFrame, i int) (int, error) {
	c, next := v.chainAt(i)
	before := v.before(i)
	called := next < len(v.tokens) && v.tokens[next].sign("(")
	switch {
	case before.keyword("AS") && before.start > v.tokens[v.body].start:
		v.local(c)
	case f.named:
		v.local(c)
		v.withs[c.parts[0].name] = true
		f.named = false
	case called:
		c.role, f.expect = roleFunction, false
	case f.expect:
		if len(c.parts) > 3 {
			return 0, fmt.Errorf("a table with a name of %d parts: %w", len(c.parts), ErrInvalidStatement)
		}
		c.role, f.expect, f.placed = roleRelation, false, true
		v.chains = append(v.chains, c)
		return next, nil
	case f.placed && f.from && len(c.parts) == 1:
		v.local(c)
	default:
		c.role = roleColumn
	}
	f.placed = false
	v.chains = append(v.chains, c)
	return next, nil
}

func (v *viewText) local(c chain) { v.locals[strings.ToLower(c.parts[0].name)] = true }

// ObjectName is a table, view or function that a view's text names. Catalog is "" for StarRocks' own.
type ObjectName struct{ Catalog, Database, Name string }

// String is "database.name", or "catalog.database.name" for what lies outside StarRocks.
func (o ObjectName) String() string {
	if o.Catalog != "" {
		return o.Catalog + "." + o.Database + "." + o.Name
	}
	return o.Database + "." + o.Name
}

const internalCatalog = "default_catalog"

// relation gives the full name of a relation of the text; false for a name of WITH.
func (v *viewText) relation(c chain, home string) (ObjectName, bool) {
	p := c.parts
	switch len(p) {
	case 1:
		return ObjectName{Database: home, Name: p[0].name}, !v.withs[p[0].name] && !p[0].keyword("DUAL")
	case 2:
		return ObjectName{Database: p[0].name, Name: p[1].name}, true
	}
	catalog := p[0].name
	if catalog == internalCatalog {
		catalog = ""
	}
	return ObjectName{Catalog: catalog, Database: p[1].name, Name: p[2].name}, true
}

// ViewReads lists the tables and views that a view's definition reads, each once, in the order of the text, and the
// functions that it calls with their database. Names without a database are those of home, the view's own. The error is
// ErrInvalidStatement for a text that is not understood.
func ViewReads(ddl, home string) (reads, calls []ObjectName, err error) {
	v, err := readView(ddl)
	if err != nil {
		return nil, nil, err
	}
	seen := map[ObjectName]bool{}
	for _, c := range v.chains {
		switch {
		case c.role == roleRelation:
			if name, real := v.relation(c, home); real && !seen[name] {
				seen[name] = true
				reads = append(reads, name)
			}
		case c.role == roleFunction && len(c.parts) == 2:
			calls = append(calls, ObjectName{Database: c.parts[0].name, Name: c.parts[1].name})
		}
	}
	return reads, calls, nil
}
