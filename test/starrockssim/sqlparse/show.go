package sqlparse

import "strings"

// simpleShows are the SHOW forms whose arguments do not matter.
var simpleShows = []ShowKind{
	ShowRepositories, ShowFrontends, ShowBackends, ShowComputeNodes, ShowBroker, ShowCatalogs, ShowWarnings,
	ShowProcessList, ShowStatus, ShowEngines, ShowCharset, ShowCollation, ShowUsers, ShowRoles, ShowStorageVolumes,
}

// show reads the rest of SHOW …; start is the word SHOW.
func (p *parser) show(start token) Statement {
	for _, k := range simpleShows {
		if p.kw(strings.Fields(string(k))...) {
			return &ShowSimple{What: k}
		}
	}
	switch {
	case p.kw("BACKUP"):
		return &ShowBackup{Database: p.optDatabase()}
	case p.kw("RESTORE"):
		s := &ShowRestore{Database: p.optDatabase()}
		p.optWhere()
		return s
	case p.kw("SNAPSHOT"):
		p.must("ON")
		s := &ShowSnapshot{Repository: p.identifier()}
		s.Where = p.optWhere()
		return s
	case p.kw("CREATE"):
		return p.showCreate(start)
	case p.kw("DATABASES"), p.kw("SCHEMAS"):
		p.optDatabase()
		return &ShowDatabases{Like: p.optLike(), Where: p.optWhere()}
	case p.is("PARTITIONS"), p.is("TEMPORARY", "PARTITIONS"):
		return p.showPartitions()
	case p.kw("TABLE", "STATUS"):
		return &ShowTableStatus{Database: p.optDatabase(), Like: p.optLike(), Where: p.optWhere()}
	case p.kw("TABLET"), p.kw("TABLETS"):
		return p.showTablet()
	case p.kw("MATERIALIZED", "VIEWS"), p.kw("MATERIALIZED", "VIEW"):
		return &ShowMaterializedViews{Database: p.optDatabase(), Like: p.optLike(), Where: p.optWhere()}
	case p.kw("ALTER", "TABLE"):
		return p.showAlter()
	case p.kw("PROC"):
		return &ShowProc{Path: p.str()}
	case p.is("RESOURCE"), p.is("VERBOSE", "RESOURCE"):
		return p.showResourceGroups()
	case p.kw("GRANTS"):
		return p.showGrants()
	case p.kw("DYNAMIC", "PARTITION", "TABLES"):
		return &ShowDynamicPartitions{Database: p.optDatabase()}
	case p.kw("DATA"):
		return p.showData()
	case p.kw("LOAD"):
		return &ShowLoad{Database: p.optDatabase()}
	}
	return p.showMore(start)
}

// showMore reads the forms with words in between.
func (p *parser) showMore(start token) Statement {
	at := p.at
	all := p.kw("ALL")
	if p.kw("ROUTINE", "LOAD") {
		s := &ShowRoutineLoad{All: all}
		if p.kw("FOR") {
			n := p.tableName()
			s.Job, s.Database = n.Name, n.Database
		}
		if db := p.optDatabase(); db != "" {
			s.Database = db
		}
		return s
	}
	p.at = at
	if p.kw("GLOBAL", "VARIABLES") || p.kw("SESSION", "VARIABLES") || p.kw("VARIABLES") {
		return &ShowVariables{Like: p.optLike(), Where: p.optWhere()}
	}
	full := p.kw("FULL")
	if p.kw("TABLES") {
		return &ShowTables{Full: full, Database: p.optDatabase(), Like: p.optLike(), Where: p.optWhere()}
	}
	if p.kw("PROCESSLIST") {
		return &ShowSimple{What: ShowProcessList}
	}
	f := &ShowFunctions{Full: full, Global: p.kw("GLOBAL"), Builtin: p.kw("BUILTIN")}
	if p.kw("FUNCTIONS") {
		f.Database = p.optDatabase()
		f.Like = p.optLike()
		return f
	}
	p.failFrom(start)
	return nil
}

func (p *parser) showCreate(start token) Statement {
	switch {
	case p.kw("TABLE"):
		return &ShowCreate{What: "TABLE", Name: p.tableName()}
	case p.kw("VIEW"):
		return &ShowCreate{What: "VIEW", Name: p.tableName()}
	case p.kw("MATERIALIZED"):
		p.must("VIEW")
		return &ShowCreate{What: "MATERIALIZED VIEW", Name: p.tableName()}
	case p.kw("DATABASE"), p.kw("SCHEMA"):
		return &ShowCreate{What: "DATABASE", Name: p.tableName()}
	case p.kw("CATALOG"):
		return &ShowCreate{What: "CATALOG", Name: p.tableName()}
	}
	p.failFrom(start)
	return nil
}

func (p *parser) showPartitions() Statement {
	s := &ShowPartitions{Temporary: p.kw("TEMPORARY")}
	p.must("PARTITIONS", "FROM")
	s.Name = p.tableName()
	s.Where = p.optWhere()
	s.OrderBy = p.optOrderBy()
	s.Limit, s.Offset = p.optLimit()
	return s
}

func (p *parser) showTablet() Statement {
	if p.peek().kind == tokNumber {
		return &ShowTablet{ID: p.integer()}
	}
	if !p.kw("FROM") {
		p.fail("'FROM'", "INTEGER_VALUE")
	}
	s := &ShowTablets{Name: p.tableName(), Partitions: p.optPartitions(), Where: p.optWhere(), OrderBy: p.optOrderBy()}
	s.Limit, s.Offset = p.optLimit()
	return s
}

func (p *parser) showAlter() Statement {
	s := &ShowAlter{What: p.oneOf("COLUMN", "ROLLUP", "OPTIMIZE")}
	s.Database = p.optDatabase()
	s.Where = p.optWhere()
	s.OrderBy = p.optOrderBy()
	s.Limit, _ = p.optLimit()
	return s
}

func (p *parser) showGrants() Statement {
	s := &ShowGrants{}
	if !p.kw("FOR") {
		return s
	}
	if p.kw("ROLE") {
		s.Role = p.identifierOrString()
		return s
	}
	u := p.user()
	s.User = &u
	return s
}

func (p *parser) showData() Statement {
	if !p.kw("FROM") {
		return &ShowData{}
	}
	n := p.tableName()
	return &ShowData{Name: &n}
}
