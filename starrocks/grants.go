package starrocks

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// TableGrants lists the privileges on tables of a database, one by one. They follow the table's id, not its name
// (measured D). Grants on ALL TABLES appear as grants on each. ErrDenied if the user may not read sys.grants_to_*.
func (c *Client) TableGrants(ctx context.Context, database string) ([]Grant, error) {
	grants, err := c.objectGrants(ctx, database, "TABLE")
	if withoutSysTables(err) {
		return c.shownGrants(ctx, database)
	}
	return grants, err
}

// objectGrants lists the privileges on the objects of these kinds.
func (c *Client) objectGrants(ctx context.Context, database string, kinds ...string) ([]Grant, error) {
	var grants []Grant
	for _, from := range []string{"sys.grants_to_users", "sys.grants_to_roles"} {
		t, err := c.schemaQuery(ctx, from, "OBJECT_DATABASE", database, "GRANTEE", "OBJECT_CATALOG", "OBJECT_DATABASE", "OBJECT_NAME",
			"OBJECT_TYPE", "PRIVILEGE_TYPE", "IS_GRANTABLE")
		if err != nil {
			return nil, err
		}
		for _, r := range t.rows {
			if slices.Contains(kinds, r.text("OBJECT_TYPE")) {
				grants = append(grants, grantsOf(r, from == "sys.grants_to_roles")...)
			}
		}
	}
	slices.SortFunc(grants, func(a, b Grant) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), cmp.Compare(b2i(a.IsRole), b2i(b.IsRole)),
			strings.Compare(a.Grantee, b.Grantee), strings.Compare(a.Privilege, b.Privilege))
	})
	return slices.Compact(grants), nil
}

// grantsOf divides a row's privileges: "INSERT, SELECT".
func grantsOf(r row, isRole bool) []Grant {
	catalog := r.text("OBJECT_CATALOG")
	if r.text("OBJECT_NAME") == "" || catalog != "" && catalog != "default_catalog" {
		return nil
	}
	kind := r.text("OBJECT_TYPE")
	if kind == "TABLE" {
		kind = ""
	}
	var grants []Grant
	for privilege := range strings.SplitSeq(r.text("PRIVILEGE_TYPE"), ",") {
		grants = append(grants, Grant{
			Grantee:   r.text("GRANTEE"),
			IsRole:    isRole,
			Kind:      kind,
			Database:  r.text("OBJECT_DATABASE"),
			Table:     r.text("OBJECT_NAME"),
			Privilege: strings.TrimSpace(privilege),
			Grantable: r.yes("IS_GRANTABLE"),
		})
	}
	return grants
}

var privilegeForm = regexp.MustCompile(`^[A-Z][A-Z_ ]*$`)

// SQL is the GRANT statement.
func (g Grant) SQL() (string, error) {
	if !privilegeForm.MatchString(g.Privilege) {
		return "", fmt.Errorf("privilege %q: %w", g.Privilege, ErrInvalidName)
	}
	table, err := qualified(g.Database, "table", g.Table)
	if err != nil {
		return "", err
	}
	grantee, err := g.grantee()
	if err != nil {
		return "", err
	}
	kind := cmp.Or(g.Kind, "TABLE")
	if !privilegeForm.MatchString(kind) {
		return "", fmt.Errorf("object kind %q: %w", kind, ErrInvalidName)
	}
	text := "GRANT " + g.Privilege + " ON " + kind + " " + table + " TO " + grantee
	if g.Grantable {
		text += " WITH GRANT OPTION"
	}
	return text, nil
}

func (g Grant) grantee() (string, error) {
	if g.IsRole {
		role, err := nameLiteral("role", g.Grantee)
		return "ROLE " + role, err
	}
	user, host, found := strings.Cut(g.Grantee, "'@'")
	user, quoted := strings.CutPrefix(user, "'")
	host, closed := strings.CutSuffix(host, "'")
	if !found || !quoted || !closed {
		return "", fmt.Errorf("user %q is not like 'name'@'host': %w", g.Grantee, ErrInvalidName)
	}
	u, err := nameLiteral("user", user)
	if err != nil {
		return "", err
	}
	h, err := nameLiteral("host", host)
	return "USER " + u + "@" + h, err
}

// GrantTable gives a privilege. Giving it again changes nothing.
func (c *Client) GrantTable(ctx context.Context, g Grant) error {
	text, err := g.SQL()
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "GRANT", target: g.Privilege + " on " + g.Database + "." + g.Table + " to " + g.Grantee, sql: text})
}
