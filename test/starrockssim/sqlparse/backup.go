package sqlparse

func (p *parser) backup() Statement {
	s := &Backup{}
	s.AllCatalogs, s.Catalogs = p.externalCatalogs()
	explicit := false
	if p.kw("DATABASE") {
		explicit = true
		s.Database = p.identifier()
	}
	if !p.kw("SNAPSHOT") {
		p.failBackup(s, explicit)
	}
	db, label := p.label()
	p.must("TO")
	s.Repository = p.identifier()
	s.On, s.Objects = p.objects()
	s.Properties = p.optProperties()
	p.checkLabel(explicit, db)
	if db != "" {
		s.Database = db
	}
	s.Label = label
	p.checkCatalogs(s.AllCatalogs || s.Catalogs != nil, s.Database, s.On)
	for _, o := range s.Objects {
		if o.HasAlias {
			p.reject(forbidden("Specifying alias for backup object is forbidden in BACKUP stmt"))
		}
	}
	return s
}

// failBackup names what could have stood instead of the next token.
func (p *parser) failBackup(s *Backup, explicit bool) {
	switch {
	case explicit:
		p.fail("'SNAPSHOT'")
	case s.AllCatalogs || s.Catalogs != nil:
		p.fail("'DATABASE'", "'SNAPSHOT'")
	}
	p.fail("'DATABASE'", "'ALL'", "'SNAPSHOT'", "'EXTERNAL'")
}

func (p *parser) restore() Statement {
	s := &Restore{}
	p.must("SNAPSHOT")
	s.Database, s.Label = p.label()
	p.must("FROM")
	s.Repository = p.identifier()
	s.AllCatalogs, s.Catalogs = p.externalCatalogs()
	explicit := p.kw("DATABASE")
	if explicit {
		s.Source = p.identifier()
		if p.kw("AS") {
			s.Target = p.identifier()
		}
	}
	s.On, s.Objects = p.objects()
	s.Properties = p.optProperties()
	p.checkLabel(explicit, s.Database)
	if s.On && s.TargetDatabase() == "" {
		p.reject(forbidden("`ON` clause is forbidden if no Database explicitly specified in Restore stmt"))
	}
	p.checkCatalogs(s.AllCatalogs || s.Catalogs != nil, s.TargetDatabase(), s.On)
	return s
}

// label reads [db.]label.
func (p *parser) label() (db, label string) {
	parts, r := p.qualified()
	switch len(parts) {
	case 1:
		return "", parts[0]
	case 2:
		return parts[0], parts[1]
	}
	p.rejectName(parts, r)
	return parts[1], parts[2]
}

func (p *parser) checkLabel(explicit bool, db string) {
	if explicit && db != "" {
		p.reject(forbidden("Specifying dbName before snapshot name is forbidden if the DbName is specified explicitly in BACKUP/RESTORE"))
	}
}

func (p *parser) checkCatalogs(catalogs bool, db string, on bool) {
	if catalogs && db != "" {
		p.reject(forbidden("Can not sepcify database name for external catalog Backup/Restore"))
	}
	if catalogs && on {
		p.reject(forbidden("Can not sepcify `ON` clause for external catalog Backup/Restore"))
	}
}

// externalCatalogs reads [ALL EXTERNAL CATALOGS | EXTERNAL CATALOG[S] (c [AS a], …)].
func (p *parser) externalCatalogs() (all bool, list []Catalog) {
	if p.kw("ALL") {
		p.must("EXTERNAL")
		p.oneOf("CATALOG", "CATALOGS")
		return true, nil
	}
	if !p.kw("EXTERNAL") {
		return false, nil
	}
	p.oneOf("CATALOG", "CATALOGS")
	p.paren(func() {
		c := Catalog{Name: p.identifier()}
		if p.kw("AS") {
			c.Alias = p.identifier()
		}
		list = append(list, c)
	})
	return false, list
}

// objects reads [ON ( obj, … )].
func (p *parser) objects() (on bool, out []Object) {
	if !p.kw("ON") {
		return false, nil
	}
	p.paren(func() { out = append(out, p.object()) })
	return true, out
}

func (p *parser) object() Object {
	if p.kw("ALL") {
		return Object{All: true, Kind: p.allKind()}
	}
	o := Object{Kind: p.objectKind()}
	first := p.peek()
	o.Name = p.tableName()
	if o.Kind == AnyObject || o.Kind == TableObject {
		o.Partitions = p.optPartitions()
	}
	if p.kw("AS") {
		o.HasAlias = true
		o.Alias = p.identifier()
	}
	o.Range = p.rangeFrom(first)
	return o
}

func (p *parser) allKind() ObjectKind {
	if p.kw("MATERIALIZED") {
		p.oneOf("VIEW", "VIEWS")
		return MaterializedViewObject
	}
	switch p.oneOf("TABLE", "TABLES", "VIEW", "VIEWS", "FUNCTION", "FUNCTIONS") {
	case "TABLE", "TABLES":
		return TableObject
	case "VIEW", "VIEWS":
		return ViewObject
	}
	return FunctionObject
}

// objectKind reads the kind keyword, if the word is one: VIEW may also be a table's name.
func (p *parser) objectKind() ObjectKind {
	if (p.is("MATERIALIZED", "VIEW") || p.is("MATERIALIZED", "VIEWS")) && isIdentifier(p.peekAt(2)) {
		p.at += 2
		return MaterializedViewObject
	}
	t := p.peek()
	after := p.peekAt(1)
	if t.kind != tokWord || !(reserved[t.upper] || isIdentifier(after) && after.upper != "PARTITIONS") {
		return AnyObject
	}
	kinds := map[string]ObjectKind{
		"TABLE": TableObject, "TABLES": TableObject, "VIEW": ViewObject, "VIEWS": ViewObject,
		"FUNCTION": FunctionObject, "FUNCTIONS": FunctionObject,
	}
	k, ok := kinds[t.upper]
	if ok {
		p.next()
	}
	return k
}

func (p *parser) cancel() Statement {
	s := &Cancel{Restore: p.oneOf("BACKUP", "RESTORE") == "RESTORE"}
	if p.kw("FOR") {
		p.must("EXTERNAL", "CATALOG")
		s.ExternalCatalog = true
		return s
	}
	if p.kw("FROM") || p.kw("IN") {
		s.Database = p.identifier()
		return s
	}
	p.reject(forbidden("No selected database for cancel BACKUP/RESTORE"))
	return s
}

func (p *parser) createRepository(readOnly bool) Statement {
	s := &CreateRepository{ReadOnly: readOnly, Name: p.identifier()}
	p.must("WITH", "BROKER")
	if !p.is("ON") {
		s.Broker = p.identifierOrString()
	}
	p.must("ON", "LOCATION")
	s.Location = p.str()
	s.Properties = p.optProperties()
	return s
}
