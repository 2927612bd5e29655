package sqlparse

import "strings"

// Parse reads a text of one or several statements separated by semicolons; comments are skipped.
// An empty text gives no statement. The error is a *SyntaxError; statements before the wrong one are
// not returned, as the FE parses the whole text first.
func Parse(sql string) (statements []Statement, err error) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, err
	}
	p := &parser{src: sql, tokens: tokens}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SyntaxError:
			statements, err = nil, e
		default:
			panic(e)
		}
	}()
	statements = p.statements()
	if p.rejected != nil {
		return nil, p.rejected
	}
	return statements, nil
}

// parser is a recursive descent parser; it leaves by panic with a *SyntaxError.
type parser struct {
	src      string
	tokens   []token
	at       int
	rejected *SyntaxError // first rejection of the tree builder: told after the whole text has parsed
}

func (p *parser) statements() []Statement {
	var out []Statement
	for p.peek().kind != tokEOF {
		if p.op(";") {
			continue
		}
		first := p.peek()
		s := p.statement()
		s.setText(p.src[first.start:p.last().end])
		out = append(out, s)
		if p.peek().kind != tokEOF && !p.op(";") {
			p.fail("<EOF>", "';'")
		}
	}
	return out
}

func (p *parser) peek() token { return p.tokens[p.at] }

// peekAt looks n tokens ahead.
func (p *parser) peekAt(n int) token {
	return p.tokens[min(p.at+n, len(p.tokens)-1)]
}

// last is the token read last.
func (p *parser) last() token { return p.tokens[max(p.at-1, 0)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

// fail says that the next token is not one of want.
func (p *parser) fail(want ...string) { panic(unexpected(p.peek(), want...)) }

// failFrom says that no alternative fits the text from start up to the next token.
func (p *parser) failFrom(start token) {
	t := p.peek()
	text := p.src[start.start:t.end]
	if t.kind == tokEOF {
		text = strings.TrimRight(text, " \t\r\n") + " <EOF>"
	}
	panic(noViable(t, text))
}

// reject notes a rejection of the tree builder.
func (p *parser) reject(e *SyntaxError) {
	if p.rejected == nil {
		p.rejected = e
	}
}

// is tells whether the next tokens are these keywords.
func (p *parser) is(words ...string) bool {
	for i, w := range words {
		if t := p.peekAt(i); t.kind != tokWord || t.upper != w {
			return false
		}
	}
	return true
}

// kw takes the keywords if they are next.
func (p *parser) kw(words ...string) bool {
	if !p.is(words...) {
		return false
	}
	p.at += len(words)
	return true
}

// must takes the keywords or fails at the first that is missing.
func (p *parser) must(words ...string) {
	for _, w := range words {
		if !p.kw(w) {
			p.fail("'" + w + "'")
		}
	}
}

// oneOf takes one of the keywords, or fails naming all.
func (p *parser) oneOf(words ...string) string {
	for _, w := range words {
		if p.kw(w) {
			return w
		}
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + w + "'"
	}
	p.fail(quoted...)
	return ""
}

func (p *parser) isOp(s string) bool {
	t := p.peek()
	return t.kind == tokOp && t.raw == s
}

func (p *parser) op(s string) bool {
	if !p.isOp(s) {
		return false
	}
	p.at++
	return true
}

func (p *parser) mustOp(s string) {
	if !p.op(s) {
		p.fail("'" + s + "'")
	}
}

func isIdentifier(t token) bool {
	return t.kind == tokBackquoted || t.kind == tokWord && !reserved[t.upper]
}

func (p *parser) identifier() string {
	if !isIdentifier(p.peek()) {
		p.fail(legalIdentifier)
	}
	return p.next().text
}

func (p *parser) identifierOrString() string {
	if p.peek().kind == tokString {
		return p.next().text
	}
	return p.identifier()
}

func (p *parser) str() string {
	if p.peek().kind != tokString {
		p.fail("SINGLE_QUOTED_TEXT", "DOUBLE_QUOTED_TEXT")
	}
	return p.next().text
}

func (p *parser) integer() int64 {
	t := p.peek()
	if t.kind != tokNumber {
		p.fail("INTEGER_VALUE")
	}
	p.at++
	var n int64
	for _, c := range t.text {
		n = n*10 + int64(c-'0')
	}
	return n
}

// rangeFrom spans from first to the token read last.
func (p *parser) rangeFrom(first token) Range { return Range{first.pos, p.last().pos} }

// qualified reads a.b.c; a dot without an identifier behind is left alone.
func (p *parser) qualified() ([]string, Range) {
	first := p.peek()
	parts := []string{p.identifier()}
	for p.isOp(".") && isIdentifier(p.peekAt(1)) {
		p.next()
		parts = append(parts, p.identifier())
	}
	return parts, p.rangeFrom(first)
}

// tableName reads [catalog.][db.]name.
func (p *parser) tableName() TableName {
	parts, r := p.qualified()
	n := TableName{Name: parts[len(parts)-1], Range: r}
	if len(parts) > 1 {
		n.Database = parts[len(parts)-2]
	}
	if len(parts) > 3 {
		p.rejectName(parts, r)
	}
	return n
}

func (p *parser) rejectName(parts []string, r Range) {
	p.reject(&SyntaxError{Range: r, Detail: "Invalid table name format '" + strings.Join(parts, ".") + "'"})
}

// list reads item {, item}.
func (p *parser) list(item func()) {
	item()
	for p.op(",") {
		item()
	}
}

// paren reads ( item {, item} ).
func (p *parser) paren(item func()) {
	p.mustOp("(")
	p.list(item)
	p.mustOp(")")
}

func (p *parser) identifiers() []string {
	var out []string
	p.paren(func() { out = append(out, p.identifier()) })
	return out
}

// properties reads ("k" = "v", …).
func (p *parser) propertyList() []Property {
	var out []Property
	p.paren(func() {
		k := p.str()
		p.mustOp("=")
		out = append(out, Property{k, p.str()})
	})
	return out
}

// optProperties reads [PROPERTIES (…)].
func (p *parser) optProperties() []Property {
	if !p.kw("PROPERTIES") {
		return nil
	}
	return p.propertyList()
}

// optPartitions reads [[TEMPORARY] PARTITION[S] (a, …)|a, …].
func (p *parser) optPartitions() *PartitionList {
	start := p.peek()
	l := &PartitionList{}
	if p.is("TEMPORARY", "PARTITION") || p.is("TEMPORARY", "PARTITIONS") {
		p.next()
		l.Temporary = true
	}
	if !p.kw("PARTITION") && !p.kw("PARTITIONS") {
		return nil
	}
	name := func() { l.Names = append(l.Names, p.identifierOrString()) }
	if p.op("(") {
		if p.isOp(")") {
			p.failFrom(start)
		}
		p.list(name)
		p.mustOp(")")
	} else {
		p.list(name)
	}
	l.Range = p.rangeFrom(start)
	return l
}

// optDatabase reads [{FROM|IN} db].
func (p *parser) optDatabase() string {
	if !p.kw("FROM") && !p.kw("IN") {
		return ""
	}
	parts, _ := p.qualified()
	return parts[len(parts)-1]
}

// ifExists reads [IF EXISTS].
func (p *parser) ifExists() bool { return p.kw("IF", "EXISTS") }

// ifNotExists reads [IF NOT EXISTS].
func (p *parser) ifNotExists() bool { return p.kw("IF", "NOT", "EXISTS") }
