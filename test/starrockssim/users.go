package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func (c *Cluster) password(name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.users[name]
	if u == nil {
		return "", false
	}
	return u.password, true
}

// named is a grant with the names its objects have now; false if they are gone.
func (c *Cluster) named(g grant) (db, table string, ok bool) {
	if g.db == allIn {
		return "*", "*", true
	}
	if g.db == 0 {
		return "", "", true
	}
	d := c.databaseByID(g.db)
	if d == nil {
		return "", "", false
	}
	if g.table == 0 {
		return d.name, "", true
	}
	if g.table == allIn {
		return d.name, "*", true
	}
	for _, t := range d.tables {
		if t.id == g.table {
			return d.name, t.name, true
		}
	}
	return "", "", false
}

// showGrants is SHOW GRANTS [FOR …]: one row per object and grant option.
func (s *session) showGrants(st *sqlparse.ShowGrants) (*mysqlwire.Result, error) {
	c := s.c
	who, byUser, tail := s.user.identity(), s.user.name, " TO USER "+s.user.identity()
	var roles []string
	switch {
	case st.Role != "":
		r := c.roles[st.Role]
		if r == nil {
			return nil, analyzed("cannot find role %s", st.Role)
		}
		who, byUser, tail, roles = st.Role, "", fmt.Sprintf(" TO ROLE '%s'", st.Role), r.roles
	case st.User != nil:
		u := c.users[st.User.Name]
		if u == nil {
			return nil, analyzed("cannot find user '%s'@'%s'", st.User.Name, st.User.Host)
		}
		if u != s.user {
			if err := s.may("GRANT", "SYSTEM", nil, nil); err != nil {
				return nil, err
			}
		}
		who, byUser, tail, roles = u.identity(), u.name, " TO USER "+u.identity(), u.roles
		if u.admin {
			roles = append([]string{"root"}, roles...)
		}
	default:
		roles = s.user.roles
		if s.user.admin {
			roles = append([]string{"root"}, roles...)
		}
	}
	var rows [][]any
	if len(roles) > 0 {
		rows = append(rows, []any{who, nil, fmt.Sprintf("GRANT '%s' TO %s", strings.Join(roles, "', '"), strings.TrimPrefix(strings.TrimPrefix(tail, " TO USER "), " TO "))})
	}
	for _, line := range c.grantLines(byUser, st.Role) {
		rows = append(rows, []any{who, defaultCatalog, strings.Replace(line, " TO ?", tail, 1)})
	}
	return answer([]string{"UserIdentity", "Catalog", "Grants"}, rows), nil
}

// grantLines groups a grantee's privileges by object.
func (c *Cluster) grantLines(user, role string) []string {
	groups := map[string][]string{}
	for _, g := range c.grants {
		if g.user != user || g.role != role {
			continue
		}
		db, table, ok := c.named(g)
		if !ok {
			continue
		}
		on := g.kind
		switch {
		case g.db == allIn:
			on = "ALL " + g.kind + "S IN ALL DATABASES"
		case g.table == allIn:
			on = "ALL " + g.kind + "S IN DATABASE " + db
		case g.kind == "CATALOG":
			on = "CATALOG " + defaultCatalog
		case table != "":
			on += " " + db + "." + table
		case db != "":
			on += " " + db
		}
		key := on + " TO ?"
		if g.grantable {
			key += " WITH GRANT OPTION"
		}
		groups[key] = append(groups[key], g.privilege)
	}
	var lines []string
	for _, key := range sortedKeys(groups) {
		slices.Sort(groups[key])
		lines = append(lines, "GRANT "+strings.Join(groups[key], ", ")+" ON "+key)
	}
	return lines
}

func (c *Cluster) createUser(s *session, st *sqlparse.CreateUser) error {
	if err := s.may("GRANT", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if c.users[st.User.Name] != nil {
		if st.IfNotExists {
			return nil
		}
		return analyzed("Operation CREATE USER failed for '%s'@'%s' : user already exists", st.User.Name, st.User.Host)
	}
	c.users[st.User.Name] = &user{name: st.User.Name, host: st.User.Host, password: st.Password, roles: st.DefaultRoles}
	return nil
}

func (c *Cluster) dropUser(s *session, st *sqlparse.DropUser) error {
	if err := s.may("GRANT", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if c.users[st.User.Name] == nil && !st.IfExists {
		return analyzed("Operation DROP USER failed for '%s'@'%s' : user not exists", st.User.Name, st.User.Host)
	}
	delete(c.users, st.User.Name)
	c.grants = slices.DeleteFunc(c.grants, func(g grant) bool { return g.user == st.User.Name })
	return nil
}

func (c *Cluster) createRole(s *session, st *sqlparse.CreateRole) error {
	if err := s.may("GRANT", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if c.roles[st.Name] != nil && !st.IfNotExists {
		return analyzed("Role %s already exists!", st.Name)
	}
	if c.roles[st.Name] == nil {
		c.roles[st.Name] = &role{name: st.Name}
	}
	return nil
}

func (c *Cluster) dropRole(s *session, st *sqlparse.DropRole) error {
	if err := s.may("GRANT", "SYSTEM", nil, nil); err != nil {
		return err
	}
	if c.roles[st.Name] == nil && !st.IfExists {
		return analyzed("Role %s doesn't exist!", st.Name)
	}
	delete(c.roles, st.Name)
	c.grants = slices.DeleteFunc(c.grants, func(g grant) bool { return g.role == st.Name })
	return nil
}

func (c *Cluster) setPassword(s *session, st *sqlparse.SetPassword) error {
	u := s.user
	if st.User != nil {
		u = c.users[st.User.Name]
	}
	if u == nil {
		return analyzed("cannot find user")
	}
	u.password = st.Password
	return nil
}
