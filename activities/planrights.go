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
	var lacking, forViews []string
	for _, n := range p.rightsNeeded() {
		list := &lacking
		if n.forView {
			list = &forViews
		}
		if !n.given(rights) && !slices.Contains(*list, n.String()) {
			*list = append(*list, n.String())
		}
	}
	if len(lacking) > 0 && rights.Certain() {
		p.block("the user of cluster profile %s lacks %s; grant it to the user (docs/privileges.md lists all)", p.cluster.Name, strings.Join(lacking, ", "))
		lacking = nil
	}
	if len(forViews) > 0 && rights.Certain() {
		p.warn("the user of cluster profile %s lacks %s: views and functions will not all be there (docs/privileges.md lists all)", p.cluster.Name, strings.Join(forViews, ", "))
		forViews = nil
	}
	if unseen := append(lacking, forViews...); len(unseen) > 0 {
		p.warn("whether the user of cluster profile %s has %s cannot be seen: %s", p.cluster.Name, strings.Join(unseen, ", "), strings.Join(rights.Hidden(), ", "))
	}
	return nil
}

// rightNeeded is a privilege on an object; table "" is one on tables that do not exist yet.
type rightNeeded struct {
	privilege, kind, database, table string
	forView                          bool // a restore goes on without it
}

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
		list = append(list, p.rightsOfRow(row)...)
	}
	return list
}

func (p *restorePlanner) rightsOfRow(row spec.PlannedTable) []rightNeeded {
	on := func(privilege, table string) rightNeeded {
		return rightNeeded{privilege: privilege, kind: "TABLE", database: row.Database, table: table}
	}
	switch {
	case row.Action == spec.ActionRefuse:
		return nil
	case row.Kind != "":
		at := p.targets[row.Database]
		if row.Action != spec.ActionCreate || at == nil || !at.exists {
			return nil
		}
		return []rightNeeded{{privilege: "CREATE " + strings.ToUpper(row.Kind), kind: "DATABASE", database: row.Database, forView: true}}
	case row.Action == spec.ActionCreate:
		return []rightNeeded{on("SELECT", "")}
	case row.Action == spec.ActionSwap:
		return []rightNeeded{on("SELECT", ""), on("ALTER", row.Table)}
	}
	return []rightNeeded{on("INSERT", row.Table)}
}
