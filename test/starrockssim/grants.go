package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/sqlparse"
)

type user struct {
	name, host, password string
	admin                bool // all privileges
	roles                []string
}

func (u *user) identity() string { return fmt.Sprintf("'%s'@'%s'", u.name, u.host) }

type role struct {
	name  string
	roles []string
}

// grant is one privilege on one object. Objects are named by id: a grant follows its object through RENAME and SWAP.
type grant struct {
	user, role string // one of them
	privilege  string
	kind       string // SYSTEM, CATALOG, DATABASE, TABLE, VIEW, MATERIALIZED VIEW
	db, table  int64  // 0: none; allIn: every one
	tableName  string // "db.table" when it was given
	grantable  bool
}

const allIn int64 = -1

// has says whether the user, or a role of theirs, has a privilege. db and t are what it is asked on.
func (s *session) has(privilege, kind string, db *database, t *table) bool {
	if s.user.admin {
		return true
	}
	roles := s.c.rolesOf(s.user.roles, nil)
	return slices.ContainsFunc(s.c.grants, func(g grant) bool {
		if g.user != s.user.name && (g.role == "" || !slices.Contains(roles, g.role)) {
			return false
		}
		return g.kind == kind && (g.privilege == privilege || g.privilege == "ALL") &&
			(db == nil || g.db == allIn || g.db == db.id) && (t == nil || g.table == allIn || g.table == t.id)
	})
}

// rolesOf adds the roles that roles have.
func (c *Cluster) rolesOf(names, have []string) []string {
	for _, name := range names {
		if !slices.Contains(have, name) {
			have = append(have, name)
			if r := c.roles[name]; r != nil {
				have = c.rolesOf(r.roles, have)
			}
		}
	}
	return have
}

func (s *session) may(privilege, kind string, db *database, t *table) error {
	if s.has(privilege, kind, db, t) {
		return nil
	}
	object := ""
	switch {
	case t != nil:
		object = " " + t.name
	case db != nil:
		object = " " + db.name
	case kind == "CATALOG":
		object = " " + defaultCatalog
	}
	return s.denied(privilege, kind+object)
}

func (s *session) denied(privilege, on string) error {
	roles := "NONE"
	if len(s.user.roles) > 0 {
		roles = "[" + strings.Join(s.user.roles, ", ") + "]"
	}
	return &sqlError{5203, "42000", fmt.Sprintf("Access denied; you need (at least one of) the %s privilege(s) on %s for this operation. Please ask the admin to grant permission(s) or try activating existing roles using <set [default] role>. Current role(s): %s. Inactivated role(s): NONE.", privilege, on, roles)}
}

func (s *session) mayRepository() error { return s.may("REPOSITORY", "SYSTEM", nil, nil) }

func (s *session) mayCreateDatabase() error {
	return s.may("CREATE DATABASE", "CATALOG", nil, nil)
}

// mayBackup: EXPORT is asked for tables only.
func (s *session) mayBackup(db *database, wanted []wantedObject) error {
	if err := s.mayRepository(); err != nil {
		return err
	}
	for _, w := range wanted {
		if t := db.tables[w.table]; t != nil && t.kind == kindTable {
			if err := s.may("EXPORT", "TABLE", db, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayRestore: INSERT is asked by original name, even with AS.
func (s *session) mayRestore(st *sqlparse.Restore) error {
	if err := s.mayRepository(); err != nil {
		return err
	}
	if !st.On {
		return s.mayCreateDatabase()
	}
	db := s.c.dbs[st.TargetDatabase()]
	if db == nil {
		return nil
	}
	if err := s.may("CREATE TABLE", "DATABASE", db, nil); err != nil {
		return err
	}
	for _, o := range st.Objects {
		if t := db.tables[o.Name.Name]; t != nil && t.kind == kindTable {
			if err := s.may("INSERT", "TABLE", db, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// seesTable: catalog listings leave out what the user has no privilege on.
func (s *session) seesTable(db *database, t *table) bool {
	if s.user.admin {
		return true
	}
	roles := s.c.rolesOf(s.user.roles, nil)
	return slices.ContainsFunc(s.c.grants, func(g grant) bool {
		mine := g.user == s.user.name || g.role != "" && slices.Contains(roles, g.role)
		return mine && (g.kind == "TABLE" || g.kind == kindView || g.kind == kindMV) && (g.db == allIn || g.db == db.id) && (g.table == allIn || g.table == t.id)
	})
}

func (s *session) seesDatabase(db *database) bool {
	if s.user.admin {
		return true
	}
	roles := s.c.rolesOf(s.user.roles, nil)
	return slices.ContainsFunc(s.c.grants, func(g grant) bool {
		return (g.user == s.user.name || g.role != "" && slices.Contains(roles, g.role)) && (g.db == allIn || g.db == db.id)
	})
}

func (c *Cluster) grantStatement(s *session, st *sqlparse.Grant) error {
	if err := c.checkGrantee(st); err != nil {
		return err
	}
	if len(st.Roles) > 0 {
		return c.grantRoles(st)
	}
	targets, err := c.grantTargets(s, st)
	if err != nil {
		return err
	}
	for _, g := range targets {
		if !s.user.admin && !s.mayPass(g) {
			return s.denied("GRANT", "SYSTEM")
		}
		c.revoke(g)
		if !st.Revoke {
			c.grants = append(c.grants, g)
		}
	}
	return nil
}

// mayPass: the user has the privilege with grant option.
func (s *session) mayPass(g grant) bool {
	if s.has("GRANT", "SYSTEM", nil, nil) {
		return true
	}
	return slices.ContainsFunc(s.c.grants, func(h grant) bool {
		return h.user == s.user.name && h.grantable && h.privilege == g.privilege && h.kind == g.kind && h.db == g.db && h.table == g.table
	})
}

func (c *Cluster) checkGrantee(st *sqlparse.Grant) error {
	if st.ToRole != "" && c.roles[st.ToRole] == nil {
		return analyzed("cannot find role %s", st.ToRole)
	}
	if st.ToUser != nil && c.users[st.ToUser.Name] == nil {
		return analyzed("cannot find user '%s'@'%s'", st.ToUser.Name, st.ToUser.Host)
	}
	return nil
}

func (c *Cluster) grantRoles(st *sqlparse.Grant) error {
	list := &[]string{}
	if st.ToUser != nil {
		list = &c.users[st.ToUser.Name].roles
	} else if r := c.roles[st.ToRole]; r != nil {
		list = &r.roles
	}
	for _, name := range st.Roles {
		if c.roles[name] == nil {
			return analyzed("cannot find role %s", name)
		}
		*list = without(*list, name)
		if !st.Revoke {
			*list = append(*list, name)
		}
	}
	return nil
}

// grantTargets makes one grant per privilege and object.
func (c *Cluster) grantTargets(s *session, st *sqlparse.Grant) ([]grant, error) {
	g := grant{role: st.ToRole, kind: st.On, grantable: st.GrantOption}
	if st.ToUser != nil {
		g.user = st.ToUser.Name
	}
	var objects []grant
	switch {
	case st.All:
		g.db, g.table = allIn, allIn
		if st.InDatabase != "" {
			db := c.dbs[st.InDatabase]
			if db == nil {
				return nil, unknownDatabase(st.InDatabase)
			}
			g.db = db.id
		}
		objects = []grant{g}
	case st.On == "SYSTEM" || st.On == "CATALOG" || len(st.Objects) == 0:
		objects = []grant{g}
	}
	for _, o := range st.Objects {
		if st.On == "SYSTEM" || st.On == "CATALOG" {
			break
		}
		one, err := c.grantObject(s, g, o)
		if err != nil {
			return nil, err
		}
		objects = append(objects, one)
	}
	var list []grant
	for _, o := range objects {
		for _, p := range st.Privileges {
			o.privilege = p
			list = append(list, o)
		}
	}
	return list, nil
}

func (c *Cluster) grantObject(s *session, g grant, o sqlparse.TableName) (grant, error) {
	if g.kind == "DATABASE" {
		db := c.dbs[o.Name]
		if db == nil {
			return g, unknownDatabase(o.Name)
		}
		g.db = db.id
		return g, nil
	}
	db, err := s.database(o.Database)
	if err != nil {
		return g, err
	}
	t := db.tables[o.Name]
	if t == nil || t.kind != g.kind {
		return g, analyzed("cannot find %s %s in db %s, msg: ", strings.ToLower(g.kind), o.Name, db.name)
	}
	g.db, g.table, g.tableName = db.id, t.id, db.name+"."+t.name
	return g, nil
}

func (c *Cluster) revoke(g grant) {
	c.grants = slices.DeleteFunc(c.grants, func(h grant) bool {
		return h.user == g.user && h.role == g.role && h.kind == g.kind && h.db == g.db && h.table == g.table &&
			(h.privilege == g.privilege || g.privilege == "ALL")
	})
}
