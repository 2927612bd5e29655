package starrocks

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// shownGrants reads the privileges on a database's tables from SHOW GRANTS of every user and role, for versions without
// sys.grants_to_* (before 3.2, facts §8.2). Names that hold ", " or " TO " cannot be told apart there and are left out.
// Before 3.0 grants belong to names, not to tables: nothing has to be carried over, and none are listed.
func (c *Client) shownGrants(ctx context.Context, database string) ([]Grant, error) {
	version, err := c.Version(ctx)
	if err != nil || !version.HasRolePrivileges() {
		return nil, err
	}
	ids, err := c.TableIDs(ctx, database)
	if err != nil {
		return nil, err
	}
	users, err := c.query(ctx, call{op: "SHOW USERS", sql: "SHOW USERS"})
	if err != nil {
		return nil, err
	}
	roles, err := c.query(ctx, call{op: "SHOW ROLES", sql: "SHOW ROLES"})
	if err != nil {
		return nil, err
	}
	var grants []Grant
	for _, r := range users.rows {
		who := Grant{Grantee: r.text("User"), Database: database}
		if err := c.grantsShownFor(ctx, who, ids, &grants); err != nil {
			return nil, err
		}
	}
	for _, r := range roles.rows {
		if r.yes("Builtin") {
			continue
		}
		who := Grant{Grantee: r.text("Name"), IsRole: true, Database: database}
		if err := c.grantsShownFor(ctx, who, ids, &grants); err != nil {
			return nil, err
		}
	}
	return grants, nil
}

// grantsShownFor adds one user's or role's grants on the tables of who.Database.
func (c *Client) grantsShownFor(ctx context.Context, who Grant, tables map[string]int64, to *[]Grant) error {
	grantee, err := who.grantee()
	if err != nil {
		return nil // a name that cannot be put into a statement cannot be granted to either
	}
	t, err := c.query(ctx, call{op: "SHOW GRANTS", target: who.Grantee, sql: "SHOW GRANTS FOR " + strings.TrimPrefix(grantee, "USER ")})
	if err != nil {
		return err
	}
	for _, r := range t.rows {
		privileges, names, grantable := shownGrant(r.text("Grants"), who.Database, tables)
		for _, name := range names {
			for _, p := range privileges {
				g := who
				g.Table, g.Privilege, g.Grantable = name, p, grantable
				*to = append(*to, g)
			}
		}
	}
	return nil
}

// shownGrant reads GRANT INSERT, SELECT ON TABLE db.t, db.u TO USER 'a'@'%' [WITH GRANT OPTION], and the forms for ALL
// TABLES, which mean each of the database's tables.
func shownGrant(text, database string, tables map[string]int64) (privileges, names []string, grantable bool) {
	text, grantable = strings.CutSuffix(strings.TrimSpace(text), " WITH GRANT OPTION")
	text, isGrant := strings.CutPrefix(text, "GRANT ")
	list, on, found := strings.Cut(text, " ON ")
	if i := strings.LastIndex(on, " TO "); i >= 0 {
		on = on[:i]
	}
	if !isGrant || !found {
		return nil, nil, false
	}
	for p := range strings.SplitSeq(list, ",") {
		privileges = append(privileges, strings.TrimSpace(p))
	}
	switch on {
	case "ALL TABLES IN ALL DATABASES", "ALL TABLES IN DATABASE " + database:
		for name := range tables {
			names = append(names, name)
		}
		slices.Sort(names)
		return privileges, names, grantable
	}
	on, isTable := strings.CutPrefix(on, "TABLE ")
	if !isTable {
		return nil, nil, false
	}
	for full := range strings.SplitSeq(on, ", ") {
		if name, ours := strings.CutPrefix(full, database+"."); ours && tables[name] != 0 {
			names = append(names, name)
		}
	}
	return privileges, names, grantable
}

// withoutSysTables tells the answer of a version that has no sys.grants_to_*.
func withoutSysTables(err error) bool {
	return errors.Is(err, ErrUnknownTable) || errors.Is(err, ErrUnknownDatabase)
}
