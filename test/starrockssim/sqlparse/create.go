package sqlparse

import "strings"

func (p *parser) createTable() Statement {
	s := &CreateTable{IfNotExists: p.ifNotExists(), Name: p.tableName()}
	p.paren(func() { p.tableElement(s) })
	if p.kw("ENGINE") {
		p.mustOp("=")
		p.identifier()
	}
	s.Keys, s.KeyColumns = p.keys()
	s.Comment = p.optComment()
	if p.kw("PARTITION", "BY") {
		s.PartitionBy = p.partitionBy()
	}
	s.Distribution = p.optDistribution()
	s.OrderBy = p.optSortKey()
	if p.kw("ROLLUP") {
		p.paren(func() { s.Rollups = append(s.Rollups, p.rollup()) })
	}
	s.Properties = p.optProperties()
	return s
}

// tableElement reads one column or index of CREATE TABLE.
func (p *parser) tableElement(s *CreateTable) {
	if !p.kw("INDEX") {
		s.Columns = append(s.Columns, p.column())
		return
	}
	i := Index{Name: p.identifier(), Columns: p.identifiers()}
	if p.kw("USING") {
		i.Using = strings.ToUpper(p.next().text)
	}
	i.Comment = p.optComment()
	s.Indexes = append(s.Indexes, i)
}

func (p *parser) keys() (KeysModel, []string) {
	for _, m := range []KeysModel{DuplicateKeys, AggregateKeys, UniqueKeys, PrimaryKeys} {
		if p.kw(string(m)) {
			p.must("KEY")
			return m, p.identifiers()
		}
	}
	return NoKeys, nil
}

func (p *parser) optComment() string {
	if !p.kw("COMMENT") {
		return ""
	}
	p.op("=")
	return p.str()
}

func (p *parser) optSortKey() []string {
	if !p.kw("ORDER", "BY") {
		return nil
	}
	return p.identifiers()
}

func (p *parser) rollup() Rollup { return Rollup{p.identifier(), p.identifiers()} }

var aggregates = []string{"SUM", "MAX", "MIN", "REPLACE", "REPLACE_IF_NOT_NULL", "HLL_UNION", "BITMAP_UNION", "PERCENTILE_UNION"}

func (p *parser) column() Column {
	c := Column{Name: p.identifier(), Type: p.typeName(), Nullable: true}
	for p.columnOption(&c) {
	}
	return c
}

// columnOption reads one option of a column; false when there is no more.
func (p *parser) columnOption(c *Column) bool {
	for _, a := range aggregates {
		if p.kw(a) {
			c.Aggregate = a
			return true
		}
	}
	switch {
	case p.kw("NOT", "NULL"):
		c.Nullable, c.NullWritten = false, true
	case p.kw("NULL"):
		c.NullWritten = true
	case p.kw("KEY"):
		c.Key = true
	case p.kw("AUTO_INCREMENT"):
		c.AutoIncrement = true
	case p.is("COMMENT"):
		c.Comment = p.optComment()
	case p.kw("DEFAULT"):
		p.columnDefault(c)
	case p.kw("AS"):
		first := p.peek()
		p.expr()
		c.As = p.src[first.start:p.last().end]
	default:
		return false
	}
	return true
}

func (p *parser) columnDefault(c *Column) {
	c.HasDefault = true
	if p.peek().kind == tokString {
		c.Default = p.next().text
		return
	}
	first := p.peek()
	if l, ok := p.expr().(*Literal); ok && l.Kind != NullLiteral {
		c.Default = l.Value
		return
	}
	c.DefaultExpr = p.src[first.start:p.last().end]
}

func (p *parser) optDistribution() *Distribution {
	if !p.kw("DISTRIBUTED", "BY") {
		return nil
	}
	d := &Distribution{}
	if p.oneOf("HASH", "RANDOM") == "HASH" {
		d.Columns = p.identifiers()
	} else {
		d.Random = true
	}
	if p.kw("BUCKETS") {
		d.Buckets = int(p.integer())
	}
	return d
}

func (p *parser) partitionBy() PartitionBy {
	if p.is("RANGE") || p.is("LIST") && p.peekAt(1).raw == "(" {
		by := PartitionBy{Kind: PartitionKind(p.next().upper), Columns: p.identifiers()}
		p.partitionDefs(&by)
		return by
	}
	by := PartitionBy{Kind: ExpressionPartitions}
	item := func() { by.Exprs = append(by.Exprs, p.primary()) }
	if p.isOp("(") {
		p.paren(item)
	} else {
		p.list(item)
	}
	for _, e := range by.Exprs {
		by.Columns = append(by.Columns, columnOf(e))
	}
	if p.isOp("(") {
		p.partitionDefs(&by)
	}
	return by
}

// columnOf is the first column an expression names.
func columnOf(e Expr) string {
	switch e := e.(type) {
	case *ColumnRef:
		return e.Parts[len(e.Parts)-1]
	case *Call:
		for _, a := range e.Args {
			if c := columnOf(a); c != "" {
				return c
			}
		}
	}
	return ""
}

// partitionDefs reads ( PARTITION … | START … , … ), which may be empty.
func (p *parser) partitionDefs(by *PartitionBy) {
	p.mustOp("(")
	if p.op(")") {
		return
	}
	p.list(func() {
		if p.is("START") {
			by.Steps = append(by.Steps, p.partitionStep())
			return
		}
		by.Partitions = append(by.Partitions, p.partitionDef())
	})
	p.mustOp(")")
}

func (p *parser) partitionStep() PartitionStep {
	p.must("START")
	s := PartitionStep{Start: p.parenString()}
	p.must("END")
	s.End = p.parenString()
	p.must("EVERY")
	p.mustOp("(")
	if p.kw("INTERVAL") {
		s.Every = int(p.integer())
		s.Unit = strings.ToUpper(p.identifier())
	} else {
		s.Every = int(p.integer())
	}
	p.mustOp(")")
	return s
}

func (p *parser) parenString() string {
	p.mustOp("(")
	s := p.str()
	p.mustOp(")")
	return s
}

func (p *parser) partitionDef() PartitionDef {
	p.must("PARTITION")
	d := PartitionDef{IfNotExists: p.ifNotExists(), Name: p.identifierOrString()}
	p.must("VALUES")
	switch {
	case p.kw("LESS"):
		p.must("THAN")
		if p.kw("MAXVALUE") {
			d.LessThan = []Bound{{Max: true}}
			break
		}
		d.LessThan = p.bounds()
	case p.kw("IN"):
		p.paren(func() { d.In = append(d.In, p.listValue()) })
	case p.op("["):
		d.From = p.bounds()
		p.mustOp(",")
		d.To = p.bounds()
		p.mustOp(")")
	default:
		p.fail("'LESS'", "'IN'", "'['")
	}
	if p.isOp("(") {
		d.Properties = p.propertyList()
	}
	return d
}

func (p *parser) bounds() []Bound {
	var out []Bound
	p.paren(func() {
		if p.kw("MAXVALUE") {
			out = append(out, Bound{Max: true})
			return
		}
		out = append(out, Bound{Value: p.literal()})
	})
	return out
}

// listValue reads 'a' or ('a', 'b').
func (p *parser) listValue() []string {
	if !p.isOp("(") {
		return []string{p.literal()}
	}
	var out []string
	p.paren(func() { out = append(out, p.literal()) })
	return out
}

func (p *parser) literal() string {
	l, ok := p.unary().(*Literal)
	if !ok {
		p.at--
		p.fail("SINGLE_QUOTED_TEXT", "DOUBLE_QUOTED_TEXT")
	}
	if l.Kind == NullLiteral {
		return "NULL"
	}
	return l.Value
}

func (p *parser) viewColumns() []ViewColumn {
	if !p.isOp("(") {
		return nil
	}
	var out []ViewColumn
	p.paren(func() { out = append(out, ViewColumn{p.identifier(), p.optComment()}) })
	return out
}

func (p *parser) createView(replace bool) Statement {
	s := &CreateView{OrReplace: replace, IfNotExists: p.ifNotExists(), Name: p.tableName()}
	s.Columns = p.viewColumns()
	s.Comment = p.optComment()
	if p.kw("SECURITY") {
		p.oneOf("NONE", "INVOKER")
	}
	p.must("AS")
	s.Query = p.selectQuery()
	return s
}

func (p *parser) createMaterializedView() Statement {
	s := &CreateMaterializedView{IfNotExists: p.ifNotExists(), Name: p.tableName()}
	s.Columns = p.viewColumns()
	s.Comment = p.optComment()
	for p.materializedViewClause(s) {
	}
	s.Properties = p.optProperties()
	p.must("AS")
	s.Query = p.selectQuery()
	return s
}

// materializedViewClause reads one clause; false when there is no more.
func (p *parser) materializedViewClause(s *CreateMaterializedView) bool {
	switch {
	case p.kw("PARTITION", "BY"):
		item := func() { s.PartitionBy = append(s.PartitionBy, p.primary()) }
		if p.isOp("(") {
			p.paren(item)
		} else {
			p.list(item)
		}
	case p.is("DISTRIBUTED"):
		s.Async = true
		s.Distribution = p.optDistribution()
	case p.is("ORDER"):
		s.OrderBy = p.optSortKey()
	case p.kw("REFRESH"):
		s.Async = true
		s.Refresh = p.refreshScheme()
	default:
		return false
	}
	return true
}

// refreshScheme reads [IMMEDIATE|DEFERRED] {MANUAL | ASYNC [START (…)] [EVERY (INTERVAL n unit)]}.
func (p *parser) refreshScheme() string {
	first := p.peek()
	if !p.kw("IMMEDIATE") {
		p.kw("DEFERRED")
	}
	if p.oneOf("ASYNC", "MANUAL") == "ASYNC" {
		if p.kw("START") {
			p.parenString()
		}
		if p.kw("EVERY") {
			p.paren(func() { p.primary() })
		}
	}
	return strings.ToUpper(p.src[first.start:p.last().end])
}
