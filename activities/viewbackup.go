package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

// Views, materialized views and functions are kept as text. BACKUP could take them too, but what RESTORE makes of them is
// wrong in too many cases (design rules 18, 19), so nobody would read it.

// objects reads the definitions of the views and functions that the selection names into the plan. all are what stands
// in the database.
func (p *backupPlanner) objects(ctx context.Context, plan *Plan, all []starrocks.Table) error {
	selected := slices.DeleteFunc(slices.Clone(all), func(t starrocks.Table) bool {
		return !isView(t) || p.selection.Table(plan.Database, t.Name) != restorepoint.Whole
	})
	grants := p.viewGrants(ctx, plan, len(selected) > 0)
	states, err := p.viewStates(ctx, plan, selected)
	if err != nil {
		return err
	}
	for _, t := range selected {
		p.matched(plan.Database, t.Name, "")
		if err := p.view(ctx, plan, t, states[t.Name], grants); err != nil {
			return err
		}
	}
	p.functions(ctx, plan)
	return nil
}

func isView(t starrocks.Table) bool {
	return t.Kind == starrocks.KindView || t.Kind == starrocks.KindMaterializedView
}

func (p *backupPlanner) viewGrants(ctx context.Context, plan *Plan, any bool) []starrocks.Grant {
	if !any {
		return nil
	}
	grants, err := p.cluster.FE.ViewGrants(ctx, plan.Database)
	if err != nil {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("grants on views of database %s cannot be read and are not in the restore point: %v", plan.Database, err))
	}
	return grants
}

func (p *backupPlanner) viewStates(ctx context.Context, plan *Plan, views []starrocks.Table) (map[string]starrocks.ViewState, error) {
	states := map[string]starrocks.ViewState{}
	if !slices.ContainsFunc(views, func(t starrocks.Table) bool { return t.Kind == starrocks.KindMaterializedView }) {
		return states, nil
	}
	list, err := p.cluster.FE.ViewStates(ctx, plan.Database)
	if err != nil {
		return nil, fmt.Errorf("list materialized views: %w", err)
	}
	for _, s := range list {
		states[s.Name] = s
	}
	return states, nil
}

// view keeps one definition. One that is gone by now is left out, like a table; one that may not be read is a failure of
// the backup, which resume mends once the privilege is there.
func (p *backupPlanner) view(ctx context.Context, plan *Plan, t starrocks.Table, state starrocks.ViewState, grants []starrocks.Grant) error {
	show := p.cluster.FE.ShowCreateView
	if t.Kind == starrocks.KindMaterializedView {
		show = p.cluster.FE.ShowCreateMaterializedView
	}
	ddl, err := show(ctx, plan.Database, t.Name)
	switch {
	case errors.Is(err, starrocks.ErrUnknownTable):
		return nil
	case errors.Is(err, starrocks.ErrDenied), errors.Is(err, starrocks.ErrInvalidName):
		plan.refuse(t.Name, "", err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("read the definition of %s %s: %w", kindWord(t.Kind), t.Name, err)
	}
	reads, _, err := starrocks.ViewReads(ddl, plan.Database)
	if err != nil {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the definition of %s %s.%s is kept, but what it reads is not understood: %v", kindWord(t.Kind), plan.Database, t.Name, err))
	}
	head := starrocks.HeadOfView(ddl)
	if t.Kind == starrocks.KindView {
		plan.Objects.Views = append(plan.Objects.Views, restorepoint.View{
			Name: t.Name, DDL: ddl, Reads: nameTexts(reads), Comment: head.Comment, Security: head.Security, Grants: grantsOn(grants, t.Name),
		})
		return nil
	}
	plan.Objects.MaterializedViews = append(plan.Objects.MaterializedViews, restorepoint.MaterializedView{
		Name: t.Name, DDL: ddl, Reads: nameTexts(reads), Active: state.Active, InactiveReason: state.Reason, Refresh: head.Refresh,
		PartitionScheme: t.PartitionKey, Properties: t.Properties, Grants: grantsOn(grants, t.Name),
	})
	return nil
}

func nameTexts(names []starrocks.ObjectName) []string {
	var list []string
	for _, n := range names {
		list = append(list, n.String())
	}
	return list
}

// functions keeps the CREATE FUNCTION of the database's own functions, made of what SHOW FULL FUNCTIONS says.
func (p *backupPlanner) functions(ctx context.Context, plan *Plan) {
	functions, err := p.cluster.FE.FullFunctions(ctx, plan.Database)
	if err != nil {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("functions of database %s cannot be listed: %v", plan.Database, err))
	}
	for _, f := range functions {
		if p.selection.Table(plan.Database, f.Name()) != restorepoint.Whole {
			continue
		}
		p.matched(plan.Database, f.Name(), "")
		statement, err := f.SQL(plan.Database)
		if err != nil {
			plan.NotCovered = append(plan.NotCovered, restorepoint.NotCovered{Database: plan.Database, Name: f.Signature, Kind: "function", Reason: err.Error() + "; keep its CREATE FUNCTION"})
			continue
		}
		plan.Objects.Functions = append(plan.Objects.Functions, restorepoint.Function{
			Signature: f.Signature, Returns: f.Returns, Type: f.Type, Properties: f.Properties, Statement: statement,
		})
	}
	p.globalFunctions(ctx, plan)
}

// globalFunctions names the cluster's global functions, once, where the whole cluster is backed up: they belong to no
// database, so a restore of databases does not bring them. The reason holds the statement that does.
func (p *backupPlanner) globalFunctions(ctx context.Context, plan *Plan) {
	whole := slices.ContainsFunc(p.selection.Include, func(x restorepoint.Pattern) bool { return x.Database == "*" && x.Table == "" })
	if p.globalsRead || !whole || p.resumed != nil {
		return
	}
	p.globalsRead = true
	functions, err := p.cluster.FE.FullFunctions(ctx, "")
	if err != nil {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("global functions cannot be listed: %v", err))
	}
	for _, f := range functions {
		reason := "it belongs to the cluster, not to a database; "
		if statement, err := f.SQL(""); err != nil {
			reason += err.Error() + "; keep its CREATE GLOBAL FUNCTION"
		} else {
			reason += "this creates it: " + statement
		}
		plan.NotCovered = append(plan.NotCovered, restorepoint.NotCovered{Name: f.Signature, Kind: "global function", Reason: reason})
	}
}
