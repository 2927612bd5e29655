package sqlparse

import "strings"

// CreateFunction is CREATE [GLOBAL] [AGGREGATE|TABLE] FUNCTION name (types) RETURNS type, with PROPERTIES (…) or, inline,
// key = 'value' … AS $$code$$.
type CreateFunction struct {
	base
	Global     bool
	Kind       string // "Scalar", "Aggregate", "Table"
	Name       TableName
	Arguments  []string
	Returns    string
	Properties map[string]string
	Code       string
}

// DropFunction is DROP [GLOBAL] FUNCTION [IF EXISTS] name (types).
type DropFunction struct {
	base
	Global, IfExists bool
	Name             TableName
	Arguments        []string
}

// createFunction reads what follows CREATE if it makes a function; nil if not.
func (p *parser) createFunction() Statement {
	f := &CreateFunction{Kind: "Scalar", Properties: map[string]string{}}
	switch {
	case p.is("GLOBAL"), p.is("AGGREGATE"), p.is("TABLE", "FUNCTION"), p.is("FUNCTION"):
	default:
		return nil
	}
	f.Global = p.kw("GLOBAL")
	if p.kw("AGGREGATE") {
		f.Kind = "Aggregate"
	} else if p.kw("TABLE") {
		f.Kind = "Table"
	}
	p.must("FUNCTION")
	f.Name = p.tableName()
	f.Arguments = p.typeList()
	p.must("RETURNS")
	f.Returns = p.typeName()
	for _, x := range p.optProperties() {
		f.Properties[strings.ToLower(x.Key)] = x.Value
	}
	for isIdentifier(p.peek()) && !p.is("AS") {
		key := strings.ToLower(p.identifier())
		p.mustOp("=")
		f.Properties[key] = p.str()
	}
	if p.kw("AS") {
		f.Code = p.str()
	}
	return f
}

func (p *parser) typeList() []string {
	var list []string
	p.mustOp("(")
	if p.op(")") {
		return nil
	}
	p.list(func() { list = append(list, p.typeName()) })
	p.mustOp(")")
	return list
}

func (p *parser) dropFunction(global bool) Statement {
	return &DropFunction{Global: global, IfExists: p.ifExists(), Name: p.tableName(), Arguments: p.typeList()}
}
