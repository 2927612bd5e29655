package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// checkRights names what the profile's user lacks for this plan: StarRocks asks for some of it only when the data has been
// brought. What cannot be seen, because a role's grants are hidden, is a warning.
func (p *restorePlanner) checkRights(ctx context.Context) error {
	rights, err := p.cluster.FE.OwnRights(ctx)
	switch {
	case errors.Is(err, starrocks.ErrUnsupported), errors.Is(err, starrocks.ErrDenied):
		return nil
	case err != nil:
		return fmt.Errorf("read the rights of the user of cluster %s: %w", p.cluster.Name, err)
	}
	var lacking []string
	for _, n := range p.rightsNeeded() {
		if !n.given(rights) && !slices.Contains(lacking, n.String()) {
			lacking = append(lacking, n.String())
		}
	}
	switch {
	case len(lacking) == 0:
	case rights.Certain():
		p.block("the user of cluster profile %s lacks %s; grant it to the user (docs/privileges.md lists all)", p.cluster.Name, strings.Join(lacking, ", "))
	default:
		p.warn("whether the user of cluster profile %s has %s cannot be seen: %s", p.cluster.Name, strings.Join(lacking, ", "), strings.Join(rights.Hidden(), ", "))
	}
	return nil
}

// rightNeeded is a privilege on an object; table "" is one on tables that do not exist yet.
type rightNeeded struct{ privilege, kind, database, table string }

// String writes it as in GRANT.
func (n rightNeeded) String() string {
	switch {
	case n.kind == "SYSTEM":
		return n.privilege + " ON SYSTEM"
	case n.kind == "CATALOG":
		return n.privilege + " ON CATALOG default_catalog"
	case n.kind == "DATABASE":
		return n.privilege + " ON DATABASE " + n.database
	case n.table == "":
		return n.privilege + " ON ALL TABLES IN DATABASE " + n.database
	}
	return n.privilege + " ON TABLE " + n.database + "." + n.table
}

// anyOnTables are the privileges each of which makes a table visible: what cannot be seen cannot be proven.
var anyOnTables = []string{"SELECT", "EXPORT", "INSERT", "ALTER", "DROP"}

func (n rightNeeded) given(rights starrocks.Rights) bool {
	if n.kind != "TABLE" || n.table != "" {
		return rights.Has(n.privilege, n.kind, n.database, n.table)
	}
	return slices.ContainsFunc(anyOnTables, func(privilege string) bool { return rights.Has(privilege, n.kind, n.database, "") })
}

// rightsNeeded lists what the plan's statements ask for (facts §1.5).
func (p *restorePlanner) rightsNeeded() []rightNeeded {
	list := []rightNeeded{{privilege: "REPOSITORY", kind: "SYSTEM"}}
	for _, database := range sortedNames(p.targets) {
		if !p.targets[database].exists {
			list = append(list, rightNeeded{privilege: "CREATE DATABASE", kind: "CATALOG"})
			continue
		}
		list = append(list, rightNeeded{privilege: "CREATE TABLE", kind: "DATABASE", database: database})
	}
	for _, row := range p.rows {
		switch row.Action {
		case spec.ActionRefuse:
		case spec.ActionCreate:
			list = append(list, rightNeeded{"SELECT", "TABLE", row.Database, ""})
		case spec.ActionSwap:
			list = append(list, rightNeeded{"SELECT", "TABLE", row.Database, ""}, rightNeeded{"ALTER", "TABLE", row.Database, row.Table})
		default:
			list = append(list, rightNeeded{"INSERT", "TABLE", row.Database, row.Table})
		}
	}
	return list
}
