package sqlparse

import "strings"

func (p *parser) expr() Expr { return p.or() }

func (p *parser) or() Expr {
	e := p.and()
	for p.kw("OR") || p.op("||") {
		e = &Binary{"OR", e, p.and()}
	}
	return e
}

func (p *parser) and() Expr {
	e := p.not()
	for p.kw("AND") || p.op("&&") {
		e = &Binary{"AND", e, p.not()}
	}
	return e
}

func (p *parser) not() Expr {
	if p.kw("NOT") || p.op("!") {
		return &Unary{"NOT", p.not()}
	}
	return p.predicate()
}

func (p *parser) predicate() Expr {
	e := p.sum()
	for {
		switch {
		case p.kw("IS"):
			n := &IsNull{Expr: e, Not: p.kw("NOT")}
			p.must("NULL")
			e = n
		case p.is("NOT", "IN"), p.is("IN"):
			n := &In{Expr: e, Not: p.kw("NOT")}
			p.must("IN")
			p.paren(func() { n.List = append(n.List, p.expr()) })
			e = n
		case p.is("NOT", "BETWEEN"), p.is("BETWEEN"):
			n := &Between{Expr: e, Not: p.kw("NOT")}
			p.must("BETWEEN")
			n.Lo = p.sum()
			p.must("AND")
			n.Hi = p.sum()
			e = n
		default:
			op := p.comparison()
			if op == "" {
				return e
			}
			e = &Binary{op, e, p.sum()}
		}
	}
}

// comparison takes a comparison operator, or returns "".
func (p *parser) comparison() string {
	for _, op := range []string{"=", "!=", "<>", "<", "<=", ">", ">=", "<=>"} {
		if p.op(op) {
			return strings.Replace(op, "<>", "!=", 1)
		}
	}
	switch {
	case p.kw("LIKE"):
		return "LIKE"
	case p.kw("NOT", "LIKE"):
		return "NOT LIKE"
	case p.kw("REGEXP"), p.kw("RLIKE"):
		return "REGEXP"
	}
	return ""
}

func (p *parser) sum() Expr {
	e := p.product()
	for p.isOp("+") || p.isOp("-") {
		e = &Binary{p.next().raw, e, p.product()}
	}
	return e
}

func (p *parser) product() Expr {
	e := p.unary()
	for p.isOp("*") || p.isOp("/") || p.isOp("%") {
		e = &Binary{p.next().raw, e, p.unary()}
	}
	return e
}

func (p *parser) unary() Expr {
	if p.op("-") {
		e := p.unary()
		if l, ok := e.(*Literal); ok && l.Kind == NumberLiteral {
			l.Value = "-" + l.Value
			return l
		}
		return &Unary{"-", e}
	}
	return p.primary()
}

func (p *parser) primary() Expr {
	t := p.peek()
	switch t.kind {
	case tokString:
		p.next()
		return &Literal{StringLiteral, t.text}
	case tokNumber, tokDecimal:
		p.next()
		return &Literal{NumberLiteral, t.text}
	case tokBackquoted:
		return p.columnOrCall()
	case tokWord:
		return p.word(t)
	}
	switch {
	case p.op("("):
		e := p.expr()
		p.mustOp(")")
		return e
	case p.op("@@"):
		return p.variable()
	case p.op("@"):
		return &Variable{Name: p.identifierOrString(), User: true}
	}
	p.fail(legalIdentifier)
	return nil
}

func (p *parser) variable() Expr {
	name := p.identifier()
	lower := strings.ToLower(name)
	if (lower == "global" || lower == "session") && p.op(".") {
		return &Variable{Scope: strings.ToUpper(name), Name: strings.ToLower(p.next().text)}
	}
	return &Variable{Name: lower}
}

// word reads an expression that begins with a word.
func (p *parser) word(t token) Expr {
	switch t.upper {
	case "NULL":
		p.next()
		return &Literal{NullLiteral, ""}
	case "TRUE", "FALSE":
		p.next()
		return &Literal{BoolLiteral, strings.ToLower(t.text)}
	case "INTERVAL":
		p.next()
		return &Interval{p.unary(), strings.ToUpper(p.identifier())}
	case "CAST":
		p.next()
		p.mustOp("(")
		e := p.expr()
		p.must("AS")
		c := &Cast{e, p.typeName()}
		p.mustOp(")")
		return c
	case "CURRENT_USER", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_ROLE":
		p.next()
		if p.op("(") {
			p.mustOp(")")
		}
		return &Call{Name: strings.ToLower(t.text)}
	}
	if after := p.peekAt(1); after.kind == tokOp && after.raw == "(" && (!reserved[t.upper] || callable[t.upper]) {
		return p.columnOrCall()
	}
	if t.upper == "DATE" && p.peekAt(1).kind == tokString {
		p.next()
		return &Literal{StringLiteral, p.next().text}
	}
	if !isIdentifier(t) {
		p.fail(legalIdentifier)
	}
	return p.columnOrCall()
}

// callable are the reserved words that are functions too.
var callable = map[string]bool{"DATABASE": true, "SCHEMA": true, "IF": true, "LEFT": true, "RIGHT": true, "REPLACE": true, "MOD": true, "CHAR": true}

func (p *parser) columnOrCall() Expr {
	first := p.next()
	if p.op("(") {
		return p.call(strings.ToLower(first.text))
	}
	parts := []string{first.text}
	for p.isOp(".") && (isIdentifier(p.peekAt(1)) || p.peekAt(1).kind == tokWord) {
		p.next()
		parts = append(parts, p.next().text)
	}
	if len(parts) > 1 && p.op("(") {
		return p.call(strings.ToLower(strings.Join(parts, ".")))
	}
	return &ColumnRef{parts}
}

// call reads the rest of name(…).
func (p *parser) call(name string) Expr {
	c := &Call{Name: name}
	if p.op(")") {
		return c
	}
	if p.op("*") {
		c.Star = true
		p.mustOp(")")
		return c
	}
	c.Distinct = p.kw("DISTINCT")
	p.list(func() { c.Args = append(c.Args, p.expr()) })
	p.mustOp(")")
	return c
}

// typeName reads a column type and writes it the FE's way: varchar(20), decimal(10, 2), array<int>.
func (p *parser) typeName() string {
	if p.peek().kind != tokWord {
		p.fail(legalIdentifier)
	}
	name := strings.ToLower(p.next().text)
	if p.op("<") {
		var args []string
		p.list(func() { args = append(args, p.typeArgument()) })
		p.mustOp(">")
		return name + "<" + strings.Join(args, ", ") + ">"
	}
	if !p.op("(") {
		return name
	}
	var args []string
	p.list(func() {
		if p.op("*") {
			args = append(args, "65533") // varchar(*)
			return
		}
		if p.peek().kind != tokNumber {
			p.fail("INTEGER_VALUE")
		}
		args = append(args, p.next().text)
	})
	p.mustOp(")")
	return name + "(" + strings.Join(args, ", ") + ")"
}

// typeArgument reads T of array<T>, K of map<K, V>, "name T" of struct<name T>.
func (p *parser) typeArgument() string {
	if isIdentifier(p.peek()) && p.peekAt(1).kind == tokWord {
		name := p.identifier()
		return name + " " + p.typeName()
	}
	return p.typeName()
}
