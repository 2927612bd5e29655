package sqlparse

func (p *parser) selectQuery() *Select {
	first := p.peek()
	p.must("SELECT")
	s := &Select{Limit: -1, Distinct: p.kw("DISTINCT")}
	p.kw("ALL")
	p.list(func() { s.Items = append(s.Items, p.selectItem()) })
	if p.kw("FROM") {
		p.from(s)
	}
	s.Where = p.optWhere()
	if p.kw("GROUP", "BY") {
		p.list(func() { s.GroupBy = append(s.GroupBy, p.expr()) })
	}
	if p.kw("HAVING") {
		s.Having = p.expr()
	}
	s.OrderBy = p.optOrderBy()
	s.Limit, s.Offset = p.optLimit()
	s.setText(p.src[first.start:p.last().end])
	return s
}

func (p *parser) selectItem() SelectItem {
	first := p.peek()
	if p.op("*") {
		return SelectItem{Star: true, Text: "*"}
	}
	i := SelectItem{Expr: p.expr()}
	i.Text = p.src[first.start:p.last().end]
	if p.kw("AS") {
		i.Alias = p.identifierOrString()
	} else if isIdentifier(p.peek()) || p.peek().kind == tokString {
		i.Alias = p.next().text
	}
	return i
}

func (p *parser) from(s *Select) {
	if p.kw("DUAL") {
		return
	}
	n := p.tableName()
	s.From = &n
	s.Partitions = p.optPartitions()
	s.FromAlias = p.optAlias()
	for {
		switch {
		case p.op(","), p.kw("CROSS", "JOIN"):
			s.Joined = append(s.Joined, p.tableName())
			p.optAlias()
		case p.kw("JOIN"), p.kw("INNER", "JOIN"), p.kw("LEFT", "JOIN"), p.kw("LEFT", "OUTER", "JOIN"),
			p.kw("RIGHT", "JOIN"), p.kw("FULL", "JOIN"):
			s.Joined = append(s.Joined, p.tableName())
			p.optAlias()
			p.must("ON")
			p.expr()
		default:
			return
		}
	}
}

func (p *parser) optAlias() string {
	if p.kw("AS") || isIdentifier(p.peek()) {
		return p.identifier()
	}
	return ""
}

func (p *parser) optWhere() Expr {
	if !p.kw("WHERE") {
		return nil
	}
	return p.expr()
}

func (p *parser) optOrderBy() []OrderItem {
	if !p.kw("ORDER", "BY") {
		return nil
	}
	var out []OrderItem
	p.list(func() {
		o := OrderItem{Expr: p.expr()}
		o.Desc = p.kw("DESC")
		if !o.Desc {
			p.kw("ASC")
		}
		out = append(out, o)
	})
	return out
}

// optLimit reads [LIMIT n [OFFSET m] | LIMIT m, n]; -1 when there is none.
func (p *parser) optLimit() (limit, offset int64) {
	if !p.kw("LIMIT") {
		return -1, 0
	}
	limit = p.integer()
	if p.kw("OFFSET") {
		return limit, p.integer()
	}
	if p.op(",") {
		return p.integer(), limit
	}
	return limit, 0
}

func (p *parser) optLike() *string {
	if !p.kw("LIKE") {
		return nil
	}
	s := p.str()
	return &s
}

func (p *parser) insert() Statement {
	s := &Insert{Overwrite: p.oneOf("INTO", "OVERWRITE") == "OVERWRITE"}
	p.kw("TABLE")
	s.Name = p.tableName()
	s.Partitions = p.optPartitions()
	if p.kw("WITH") {
		p.must("LABEL")
		p.identifier()
	}
	if p.isOp("(") {
		s.Columns = p.identifiers()
	}
	if p.is("SELECT") {
		s.Query = p.selectQuery()
		return s
	}
	if !p.kw("VALUES") {
		p.fail("'SELECT'", "'VALUES'")
	}
	p.list(func() {
		var row []Expr
		p.paren(func() { row = append(row, p.value()) })
		s.Rows = append(s.Rows, row)
	})
	return s
}

func (p *parser) value() Expr {
	if p.kw("DEFAULT") {
		return &ColumnRef{[]string{"DEFAULT"}}
	}
	return p.expr()
}

func (p *parser) delete() Statement {
	p.must("FROM")
	return &Delete{Name: p.tableName(), Partitions: p.optPartitions(), Where: p.optWhere()}
}
