package sqlparse

import "strings"

func (p *parser) alterTable() Statement {
	s := &AlterTable{Name: p.tableName()}
	s.Clause = p.alterClause()
	return s
}

// alterClause reads the clause; nil when nothing known follows (the FE then wants the end).
func (p *parser) alterClause() AlterClause {
	switch {
	case p.kw("SWAP"):
		p.must("WITH")
		return &SwapWith{p.identifier()}
	case p.kw("RENAME"):
		return p.alterRename()
	case p.kw("SET"):
		return &SetProperties{p.propertyList()}
	case p.kw("COMMENT"):
		p.op("=")
		return &SetComment{p.str()}
	case p.kw("ADD"):
		return p.alterAdd()
	case p.kw("DROP"):
		return p.alterDrop()
	case p.kw("MODIFY"):
		return p.alterModify()
	case p.kw("REPLACE"):
		return p.replacePartition()
	}
	return nil
}

func (p *parser) alterRename() AlterClause {
	if p.kw("PARTITION") {
		return &RenamePartition{p.identifier(), p.identifier()}
	}
	return &RenameTo{p.identifier()}
}

func (p *parser) alterAdd() AlterClause {
	switch {
	case p.kw("COLUMN"):
		a := &AddColumn{Column: p.column()}
		a.First = p.kw("FIRST")
		if p.kw("AFTER") {
			a.After = p.identifier()
		}
		return a
	case p.kw("ROLLUP"):
		return &AddRollup{p.rollup()}
	}
	a := &AddPartition{Temporary: p.kw("TEMPORARY")}
	if p.kw("PARTITIONS") {
		s := p.partitionStep()
		a.Step = &s
	} else {
		if !p.is("PARTITION") {
			p.fail("'COLUMN'", "'PARTITION'", "'PARTITIONS'", "'ROLLUP'", "'TEMPORARY'")
		}
		a.Partition = p.partitionDef()
	}
	a.Distribution = p.optDistribution()
	if p.isOp("(") {
		a.Properties = p.propertyList()
	}
	return a
}

func (p *parser) alterDrop() AlterClause {
	switch {
	case p.kw("COLUMN"):
		return &DropColumn{p.identifier()}
	case p.kw("ROLLUP"):
		return &DropRollup{p.identifier()}
	}
	d := &DropPartition{Temporary: p.kw("TEMPORARY")}
	p.must("PARTITION")
	d.IfExists = p.ifExists()
	d.Name = p.identifier()
	d.Force = p.kw("FORCE")
	return d
}

func (p *parser) alterModify() AlterClause {
	if p.kw("COLUMN") {
		return &ModifyColumn{p.column()}
	}
	p.must("PARTITION")
	m := &ModifyPartition{}
	switch {
	case p.isOp("(") && p.peekAt(1).raw == "*":
		p.at += 2
		p.mustOp(")")
		m.All = true
	case p.isOp("("):
		m.Names = p.identifiers()
	default:
		m.Names = []string{p.identifier()}
	}
	p.must("SET")
	m.Properties = p.propertyList()
	return m
}

func (p *parser) replacePartition() AlterClause {
	if !p.is("PARTITION") && !p.is("PARTITIONS") {
		p.fail("'PARTITION'", "'PARTITIONS'")
	}
	r := &ReplacePartition{Names: p.optPartitions().Names}
	p.must("WITH")
	with := p.optPartitions()
	if with == nil {
		p.fail("'TEMPORARY'", "'PARTITION'", "'PARTITIONS'")
	}
	r.With = with.Names
	r.Properties = p.optProperties()
	return r
}

func (p *parser) alterDatabase() Statement {
	s := &RenameDatabase{Name: p.identifier()}
	p.must("RENAME")
	s.To = p.identifier()
	return s
}

func (p *parser) alterMaterializedView() Statement {
	s := &AlterMaterializedView{Name: p.tableName(), Action: p.oneOf("ACTIVE", "INACTIVE", "RENAME", "SET")}
	switch s.Action {
	case "RENAME":
		s.To = p.identifier()
	case "SET":
		s.Properties = p.propertyList()
	}
	return s
}

func (p *parser) refresh() Statement {
	p.must("MATERIALIZED", "VIEW")
	s := &RefreshMaterializedView{Name: p.tableName()}
	s.Force = p.kw("FORCE")
	if p.kw("WITH") {
		s.Sync = p.oneOf("SYNC", "ASYNC") == "SYNC"
		p.must("MODE")
	}
	return s
}

func (p *parser) drop() Statement {
	start := p.last()
	switch {
	case p.kw("TABLE"):
		s := &DropTable{IfExists: p.ifExists(), Name: p.tableName()}
		s.Force = p.kw("FORCE")
		return s
	case p.kw("DATABASE"), p.kw("SCHEMA"):
		s := &DropDatabase{IfExists: p.ifExists(), Name: p.identifier()}
		s.Force = p.kw("FORCE")
		return s
	case p.kw("FUNCTION"):
		return p.dropFunction(false)
	case p.kw("GLOBAL", "FUNCTION"):
		return p.dropFunction(true)
	case p.kw("VIEW"):
		return &DropView{IfExists: p.ifExists(), Name: p.tableName()}
	case p.kw("MATERIALIZED"):
		p.must("VIEW")
		return &DropMaterializedView{IfExists: p.ifExists(), Name: p.tableName()}
	case p.kw("REPOSITORY"):
		return &DropRepository{Name: p.identifier()}
	case p.kw("USER"):
		return &DropUser{IfExists: p.ifExists(), User: p.user()}
	case p.kw("ROLE"):
		return &DropRole{IfExists: p.ifExists(), Name: p.identifierOrString()}
	case p.kw("RESOURCE", "GROUP"):
		return &DropResourceGroup{Name: p.identifier()}
	case p.kw("STORAGE", "VOLUME"):
		return &DropStorageVolume{IfExists: p.ifExists(), Name: p.identifier()}
	}
	p.failFrom(start)
	return nil
}

func (p *parser) create() Statement {
	start := p.last()
	if f := p.createFunction(); f != nil {
		return f
	}
	switch {
	case p.kw("TABLE"):
		return p.createTable()
	case p.kw("DATABASE"), p.kw("SCHEMA"):
		return &CreateDatabase{IfNotExists: p.ifNotExists(), Name: p.identifier()}
	case p.kw("REPOSITORY"):
		return p.createRepository(false)
	case p.kw("READ", "ONLY", "REPOSITORY"):
		return p.createRepository(true)
	case p.kw("VIEW"):
		return p.createView(false)
	case p.kw("OR", "REPLACE", "VIEW"):
		return p.createView(true)
	case p.kw("MATERIALIZED", "VIEW"):
		return p.createMaterializedView()
	case p.kw("USER"):
		return p.createUser()
	case p.kw("ROLE"):
		return &CreateRole{IfNotExists: p.ifNotExists(), Name: p.identifierOrString()}
	case p.kw("RESOURCE", "GROUP"):
		return p.createResourceGroup()
	case p.kw("STORAGE", "VOLUME"):
		return p.createStorageVolume()
	}
	p.failFrom(start)
	return nil
}

func (p *parser) alter() Statement {
	start := p.last()
	switch {
	case p.kw("TABLE"):
		return p.alterTable()
	case p.kw("DATABASE"):
		return p.alterDatabase()
	case p.kw("MATERIALIZED"):
		p.must("VIEW")
		return p.alterMaterializedView()
	case p.kw("VIEW"):
		s := &AlterView{Name: p.tableName()}
		p.must("AS")
		s.Query = p.selectQuery()
		return s
	}
	p.failFrom(start)
	return nil
}

func (p *parser) recover() Statement {
	switch p.oneOf("DATABASE", "TABLE") {
	case "DATABASE":
		return &RecoverDatabase{Name: p.identifier()}
	}
	return &RecoverTable{Name: p.tableName()}
}

func (p *parser) truncate() Statement {
	p.must("TABLE")
	return &TruncateTable{Name: p.tableName(), Partitions: p.optPartitions()}
}

// user reads 'name'[@'host'].
func (p *parser) user() User {
	u := User{Name: p.identifierOrString(), Host: "%"}
	if p.op("@") {
		u.Host = p.identifierOrString()
	}
	return u
}

func (p *parser) createUser() Statement {
	s := &CreateUser{IfNotExists: p.ifNotExists(), User: p.user()}
	if p.kw("IDENTIFIED") {
		if p.kw("WITH") {
			p.identifierOrString()
		}
		if p.kw("BY") || p.kw("AS") {
			s.Password = p.str()
		}
	}
	if p.kw("DEFAULT") {
		p.must("ROLE")
		s.DefaultRoles = p.names()
	}
	return s
}

// names reads a, 'b', ….
func (p *parser) names() []string {
	var out []string
	p.list(func() { out = append(out, p.identifierOrString()) })
	return out
}

// privilege reads the words of one privilege: CREATE MATERIALIZED VIEW, SELECT.
func (p *parser) privilege() string {
	var words []string
	for p.peek().kind == tokWord && !p.is("ON") && !p.is("TO") && !p.is("FROM") {
		words = append(words, p.next().upper)
	}
	if words == nil {
		p.fail(legalIdentifier)
	}
	return strings.Join(words, " ")
}

// grant reads the rest of GRANT … TO … or REVOKE … FROM ….
func (p *parser) grant(revoke bool) Statement {
	s := &Grant{Revoke: revoke}
	start := p.at
	p.list(func() {
		if p.peek().kind == tokWord {
			s.Privileges = append(s.Privileges, p.privilege())
			return
		}
		s.Privileges = append(s.Privileges, p.identifierOrString())
	})
	if p.kw("ON") {
		p.grantObjects(s)
	} else {
		p.at = start
		s.Privileges = nil
		s.Roles = p.names()
	}
	if revoke {
		p.must("FROM")
	} else {
		p.must("TO")
	}
	if p.kw("ROLE") {
		s.ToRole = p.identifierOrString()
	} else {
		p.kw("USER")
		u := p.user()
		s.ToUser = &u
	}
	s.GrantOption = !revoke && p.kw("WITH", "GRANT", "OPTION")
	return s
}

// grantObjects reads what privileges are granted on.
func (p *parser) grantObjects(s *Grant) {
	if s.All = p.kw("ALL"); s.All {
		s.On = p.grantType()
		for p.kw("IN") {
			if p.kw("ALL") {
				p.grantType()
				continue
			}
			p.must("DATABASE")
			s.InDatabase = p.identifier()
		}
		return
	}
	if s.On = p.grantType(); s.On == "" {
		s.On = "TABLE"
	}
	if s.On == "SYSTEM" {
		return
	}
	p.list(func() {
		n := p.tableName()
		s.Objects = append(s.Objects, n)
	})
}

// grantType reads the object type, singular; "" when a name stands there.
func (p *parser) grantType() string {
	for _, t := range []string{"TABLE", "DATABASE", "VIEW", "CATALOG", "FUNCTION", "RESOURCE", "USER"} {
		if p.kw(t) || p.kw(t+"S") {
			return t
		}
	}
	switch {
	case p.kw("SYSTEM"):
		return "SYSTEM"
	case p.kw("MATERIALIZED"):
		p.oneOf("VIEW", "VIEWS")
		return "MATERIALIZED VIEW"
	}
	return ""
}
