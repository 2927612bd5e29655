package sqlparse

import "strings"

// statement reads one statement by its first word.
func (p *parser) statement() Statement {
	first := p.peek()
	if first.kind != tokWord {
		p.failFrom(first)
	}
	if first.upper == "SELECT" {
		return p.selectQuery()
	}
	p.next()
	switch first.upper {
	case "SHOW":
		return p.show(first)
	case "BACKUP":
		return p.backup()
	case "RESTORE":
		return p.restore()
	case "CANCEL":
		return p.cancel()
	case "CREATE":
		return p.create()
	case "DROP":
		return p.drop()
	case "ALTER":
		return p.alter()
	case "RECOVER":
		return p.recover()
	case "TRUNCATE":
		return p.truncate()
	case "REFRESH":
		return p.refresh()
	case "INSERT":
		return p.insert()
	case "DELETE":
		return p.delete()
	case "GRANT":
		return p.grant(false)
	case "REVOKE":
		return p.grant(true)
	case "ADMIN":
		return p.admin()
	case "SET":
		return p.set()
	case "USE":
		parts, _ := p.qualified()
		return &Use{Database: parts[len(parts)-1]}
	case "DESC", "DESCRIBE":
		p.at--
		p.failFrom(first)
	case "KILL":
		k := &Kill{Query: p.kw("QUERY")}
		p.kw("CONNECTION")
		k.ID = p.integer()
		return k
	case "BEGIN", "COMMIT", "ROLLBACK":
		p.kw("WORK")
		return &Transaction{What: first.upper}
	case "START":
		p.must("TRANSACTION")
		return &Transaction{What: "BEGIN"}
	}
	p.at--
	p.failFrom(first)
	return nil
}

func (p *parser) admin() Statement {
	if p.oneOf("SET", "SHOW") == "SHOW" {
		p.must("FRONTEND", "CONFIG")
		return &AdminShowConfig{Like: p.optLike()}
	}
	p.must("FRONTEND", "CONFIG")
	s := &AdminSetConfig{Properties: p.propertyList()}
	s.Persistent = p.kw("WITH", "PERSISTENT")
	return s
}

func (p *parser) set() Statement {
	switch {
	case p.kw("DEFAULT", "ROLE"):
		s := &SetDefaultRole{All: p.kw("ALL")}
		s.None = !s.All && p.kw("NONE")
		if !s.All && !s.None {
			s.Roles = p.names()
		}
		p.must("TO")
		s.User = p.user()
		return s
	case p.kw("ROLE"):
		s := &SetRole{All: p.kw("ALL")}
		s.None = !s.All && p.kw("NONE")
		if !s.All && !s.None {
			s.Roles = p.names()
		}
		return s
	case p.kw("PROPERTY"):
		return p.setProperty()
	case p.kw("PASSWORD"):
		return p.setPassword()
	}
	s := &Set{}
	p.list(func() { s.Assignments = append(s.Assignments, p.assignment()) })
	return s
}

func (p *parser) setProperty() Statement {
	s := &SetProperty{}
	if p.kw("FOR") {
		s.User = p.identifierOrString()
	}
	p.list(func() {
		k := p.str()
		p.mustOp("=")
		s.Properties = append(s.Properties, Property{k, p.str()})
	})
	return s
}

func (p *parser) setPassword() Statement {
	s := &SetPassword{}
	if p.kw("FOR") {
		u := p.user()
		s.User = &u
	}
	p.mustOp("=")
	if p.kw("PASSWORD") {
		s.Password = p.parenString()
		return s
	}
	s.Password = p.str()
	return s
}

func (p *parser) assignment() Assignment {
	switch {
	case p.kw("NAMES"):
		a := Assignment{Name: "names", Value: p.setValue()}
		if p.kw("COLLATE") {
			p.identifierOrString()
		}
		return a
	case p.kw("CHARACTER", "SET"), p.kw("CHARSET"):
		return Assignment{Name: "character_set", Value: p.setValue()}
	}
	a := Assignment{}
	switch {
	case p.op("@@"):
		v := p.variable().(*Variable)
		a.Name, a.Global = v.Name, v.Scope == "GLOBAL"
	case p.op("@"):
		a.User = true
		a.Name = p.identifierOrString()
	default:
		a.Global = p.kw("GLOBAL")
		if !a.Global {
			p.kw("SESSION")
		}
		a.Name = strings.ToLower(p.identifier())
	}
	if !p.op("=") {
		p.mustOp(":=")
	}
	a.Value = p.setValue()
	return a
}

// setValue reads a value of SET: an expression, or ON, DEFAULT and other bare words.
func (p *parser) setValue() Expr {
	if t := p.peek(); t.kind == tokWord && (t.upper == "ON" || t.upper == "DEFAULT" || t.upper == "ALL") {
		p.next()
		return &ColumnRef{[]string{t.text}}
	}
	return p.expr()
}
