package sqlparse

// CreateResourceGroup is CREATE RESOURCE GROUP name [TO (k = 'v', …), …] WITH ('k' = 'v', …).
type CreateResourceGroup struct {
	base
	Name        string
	Classifiers [][]Property
	Properties  []Property
}

// DropResourceGroup is DROP RESOURCE GROUP name.
type DropResourceGroup struct {
	base
	Name string
}

// ShowResourceGroups is SHOW [VERBOSE] RESOURCE GROUPS [ALL], or of one: RESOURCE GROUP name.
type ShowResourceGroups struct {
	base
	Verbose, All bool
	Name         string
}

// CreateStorageVolume is CREATE STORAGE VOLUME [IF NOT EXISTS] name TYPE = type LOCATIONS = ('…') [COMMENT '…'] [PROPERTIES (…)].
type CreateStorageVolume struct {
	base
	Name        string
	IfNotExists bool
}

// DropStorageVolume is DROP STORAGE VOLUME [IF EXISTS] name.
type DropStorageVolume struct {
	base
	Name     string
	IfExists bool
}

func (p *parser) createResourceGroup() Statement {
	g := &CreateResourceGroup{Name: p.identifier()}
	if p.kw("TO") {
		p.list(func() {
			var one []Property
			p.paren(func() {
				key := p.identifierOrString()
				p.mustOp("=")
				one = append(one, Property{key, p.str()})
			})
			g.Classifiers = append(g.Classifiers, one)
		})
	}
	p.must("WITH")
	g.Properties = p.propertyList()
	return g
}

func (p *parser) showResourceGroups() Statement {
	g := &ShowResourceGroups{Verbose: p.kw("VERBOSE")}
	p.must("RESOURCE")
	if p.kw("GROUP") {
		g.Name = p.identifier()
		return g
	}
	p.must("GROUPS")
	g.All = p.kw("ALL")
	return g
}

func (p *parser) createStorageVolume() Statement {
	v := &CreateStorageVolume{IfNotExists: p.ifNotExists(), Name: p.identifier()}
	p.must("TYPE")
	p.mustOp("=")
	p.identifier()
	p.must("LOCATIONS")
	p.mustOp("=")
	p.paren(func() { p.str() })
	p.optComment()
	p.optProperties()
	return v
}
