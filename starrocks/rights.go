package starrocks

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// Rights are what the user of a connection may do, as far as it may be known: everybody sees its own grants, and not
// everybody those of its roles.
type Rights struct {
	all    bool // the role root
	grants []right
	hidden []string // roles whose grants cannot be read, or rows nobody understands
}

// right is one line of SHOW GRANTS.
type right struct {
	privileges []string
	kind       string // "SYSTEM", "CATALOG", "DATABASE", "TABLE", …
	database   string // of a TABLE or DATABASE; "" = all
	name       string // of a TABLE; "" = all
}

// Certain says that nothing was hidden: what Has denies is not there. Otherwise a role may give it.
func (r Rights) Certain() bool { return len(r.hidden) == 0 }

// Hidden names the roles whose grants could not be read.
func (r Rights) Hidden() []string { return r.hidden }

// Has says whether a grant that was read gives the privilege on an object: kind "SYSTEM", "CATALOG", "DATABASE" or "TABLE".
// table "" asks for a table that does not exist yet: only a grant on all tables is one on it.
func (r Rights) Has(privilege, kind, database, table string) bool {
	if r.all {
		return true
	}
	return slices.ContainsFunc(r.grants, func(g right) bool {
		return g.kind == kind && (slices.Contains(g.privileges, privilege) || slices.Contains(g.privileges, "ALL")) &&
			(g.database == "" || g.database == database) && (g.name == "" || g.name == table && table != "")
	})
}

// OwnRights reads SHOW GRANTS of the connection's own user, and of its roles. It needs no privilege; what cannot be seen
// makes the answer uncertain. ErrUnsupported before StarRocks 3.0, which knows one privilege for all this.
func (c *Client) OwnRights(ctx context.Context) (Rights, error) {
	version, err := c.Version(ctx)
	if err != nil {
		return Rights{}, err
	}
	if !version.HasRolePrivileges() {
		return Rights{}, &Error{Op: "SHOW GRANTS", Text: "StarRocks " + version.String() + " has no role privileges", Kind: ErrUnsupported}
	}
	t, err := c.query(ctx, call{op: "SHOW GRANTS", sql: "SHOW GRANTS"})
	if err != nil {
		return Rights{}, err
	}
	var r Rights
	seen := map[string]bool{}
	roles := append(r.read(t), "public") // everybody has it, and no row says so
	for len(roles) > 0 && !r.all {
		role := roles[0]
		roles = roles[1:]
		if seen[role] {
			continue
		}
		seen[role] = true
		of, err := c.rightsOfRole(ctx, role)
		if errors.Is(err, ErrConnectionLost) || errors.Is(err, ErrNoLeader) {
			return Rights{}, err
		}
		switch {
		case err == nil:
			roles = append(roles, r.read(of)...)
		case strings.Contains(err.Error(), "cannot find role"):
		default:
			r.hidden = append(r.hidden, role)
		}
	}
	return r, nil
}

func (c *Client) rightsOfRole(ctx context.Context, role string) (*table, error) {
	name, err := nameLiteral("role", role)
	if err != nil {
		return nil, err
	}
	return c.query(ctx, call{op: "SHOW GRANTS FOR ROLE", target: role, sql: "SHOW GRANTS FOR ROLE " + name})
}

// The forms of a line: GRANT 'a', 'b' TO …; GRANT X, Y ON TABLE d.t TO …; GRANT X ON ALL TABLES IN DATABASE d TO …
var (
	roleLine   = regexp.MustCompile(`^GRANT ('.*') TO `)
	grantLine  = regexp.MustCompile(`(?s)^GRANT (.+?) ON (.+) TO (?:USER|ROLE) `)
	quotedRole = regexp.MustCompile(`'((?:[^']|'')*)'`)
	onAll      = regexp.MustCompile(`^ALL ([A-Z ]+?)S(?: IN (?:ALL DATABASES|DATABASE (.+)))?$`)
	onOne      = regexp.MustCompile(`^(SYSTEM|CATALOG|DATABASE|TABLE|VIEW|MATERIALIZED VIEW)(?: (.+))?$`)
)

// read adds the grants of an answer and gives the roles that it names.
func (r *Rights) read(t *table) (roles []string) {
	for _, row := range t.rows {
		line := row.text("Grants")
		if found := roleLine.FindStringSubmatch(line); found != nil {
			for _, name := range quotedRole.FindAllStringSubmatch(found[1], -1) {
				r.all = r.all || name[1] == "root"
				roles = append(roles, name[1])
			}
			continue
		}
		if catalog := row.text("Catalog"); catalog != "" && catalog != "default_catalog" {
			continue
		}
		r.add(line)
	}
	return roles
}

func (r *Rights) add(line string) {
	found := grantLine.FindStringSubmatch(line)
	if found == nil {
		r.hidden = append(r.hidden, "a grant that reads: "+line)
		return
	}
	var privileges []string
	for p := range strings.SplitSeq(found[1], ",") {
		privileges = append(privileges, strings.TrimSuffix(strings.TrimSpace(p), " PRIVILEGES"))
	}
	if all := onAll.FindStringSubmatch(found[2]); all != nil {
		r.grants = append(r.grants, right{privileges: privileges, kind: all[1], database: all[2]})
		return
	}
	one := onOne.FindStringSubmatch(found[2])
	if one == nil { // of a kind that no restore asks for: a function, a resource, a warehouse
		return
	}
	for object := range strings.SplitSeq(one[2], ", ") {
		g := right{privileges: privileges, kind: one[1]}
		switch one[1] {
		case "DATABASE":
			g.database = object
		case "TABLE", "VIEW", "MATERIALIZED VIEW":
			g.database, g.name, _ = strings.Cut(object, ".")
		}
		r.grants = append(r.grants, g)
	}
}
