package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// ViewRows is what an activity tells of views and functions: at most spec.MaxListed rows, those that need a hand first.
type ViewRows struct {
	Rows     []spec.RestoredView `json:"rows,omitempty"`
	Total    int                 `json:"total"`
	Troubled int                 `json:"troubled,omitempty"` // not as they should be
}

func viewRows(all []spec.RestoredView) ViewRows {
	out := ViewRows{Total: len(all)}
	for _, row := range all {
		if !row.OK() {
			out.Troubled++
		}
	}
	slices.SortStableFunc(all, func(a, b spec.RestoredView) int { return cmp.Compare(troubleRank(a), troubleRank(b)) })
	out.Rows = all[:min(len(all), spec.MaxListed)]
	return out
}

func troubleRank(v spec.RestoredView) int {
	switch {
	case !v.OK() && v.Asked:
		return 0
	case !v.OK():
		return 1
	}
	return 2
}

// CreateViews creates the planned functions and views, one after another in the order of what reads what. What StarRocks
// refuses is a row with its words and the statement, and does not stop the others. A second attempt finds what the first
// one made, and says the same.
func (a *Activities) CreateViews(ctx context.Context, ref ViewsRef) (ViewRows, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveViews(ctx, ref)
	if err != nil {
		return ViewRows{}, failure(ctx, err)
	}
	var rows []spec.RestoredView
	databases := map[string]error{}
	for _, x := range w.plan.Objects {
		row, err := w.create(ctx, x, databases)
		if err != nil {
			return ViewRows{}, failure(ctx, fmt.Errorf("create %s %s: %w", x.Kind, x.id(), err))
		}
		rows = append(rows, row)
	}
	return viewRows(rows), nil
}

// create makes one object as planned. The error is one that may pass.
func (w *viewWork) create(ctx context.Context, x PlannedView, databases map[string]error) (spec.RestoredView, error) {
	switch x.Action {
	case spec.ActionLeave:
		return x.row(spec.ViewLeft), nil
	case spec.ActionCreate, spec.ActionReplaceView:
	default:
		return x.byHand(spec.ViewByHand, x.Note), nil
	}
	if _, tried := databases[x.Database]; !tried {
		databases[x.Database] = w.cluster.FE.CreateDatabase(ctx, x.Database)
	}
	err := databases[x.Database]
	if err == nil && x.Kind == spec.KindFunction {
		err = w.createFunction(ctx, x)
	} else if err == nil {
		err = w.createView(ctx, x)
	}
	if err != nil {
		delete(databases, x.Database)
		if saidNo(err) {
			return x.byHand(spec.ViewNotCreated, err.Error()), nil
		}
		return spec.RestoredView{}, err
	}
	row := x.row(spec.ViewCreated)
	if x.Action == spec.ActionReplaceView {
		row.Done = spec.ViewReplaced
		return row, nil // its grants are still there
	}
	row.Reason = w.grant(ctx, x)
	return row, nil
}

func (w *viewWork) createFunction(ctx context.Context, x PlannedView) error {
	there, err := w.cluster.FE.FullFunctions(ctx, x.Database)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(there, x.Function.Same) {
		return nil
	}
	return w.cluster.FE.CreateFunction(ctx, x.Database, *x.Function)
}

// createView sends the statement, unless what it makes is there, or something that the plan has not seen.
func (w *viewWork) createView(ctx context.Context, x PlannedView) error {
	live, err := w.definition(ctx, x)
	switch {
	case err != nil:
		return err
	case live == "" && x.Action == spec.ActionReplaceView, live == "", sameDefinition(live, x.Old, x.Database, x.Name):
		return w.cluster.FE.CreateView(ctx, x.Statement)
	case sameDefinition(live, x.Statement, x.Database, x.Name):
		return nil
	}
	return fmt.Errorf("%s got another definition since the restore was planned, and was left alone: %w", x.id(), starrocks.ErrInvalidStatement)
}

// sameDefinition compares a live definition with one as plans write it.
func sameDefinition(live, planned, database, name string) bool {
	if planned == "" {
		return false
	}
	same := func(database, name string) (string, string) { return database, name }
	full, err := starrocks.RewriteView(live, starrocks.ViewNames{Home: database, Database: database, Name: name, Object: same, Schema: func(d string) string { return d }})
	return err == nil && starrocks.SameView(full, planned)
}

// definition is the definition of the view that stands under the planned name, "" if none does.
func (w *viewWork) definition(ctx context.Context, x PlannedView) (string, error) {
	show := w.cluster.FE.ShowCreateView
	if x.Kind == spec.KindMaterializedView {
		show = w.cluster.FE.ShowCreateMaterializedView
	}
	ddl, err := show(ctx, x.Database, x.Name)
	if errors.Is(err, starrocks.ErrUnknownTable) || errors.Is(err, starrocks.ErrUnknownDatabase) {
		return "", nil
	}
	return ddl, err
}

// grant gives a new view the privileges of the restore point. What could not be given is told.
func (w *viewWork) grant(ctx context.Context, x PlannedView) string {
	kind := "VIEW"
	if x.Kind == spec.KindMaterializedView {
		kind = "MATERIALIZED VIEW"
	}
	var lost []string
	for _, g := range x.Grants {
		err := w.cluster.FE.GrantTable(ctx, starrocks.Grant{
			Grantee: g.Grantee, IsRole: g.IsRole, Kind: kind, Database: x.Database, Table: x.Name, Privilege: g.Privilege, Grantable: g.Grantable,
		})
		if err != nil {
			lost = append(lost, fmt.Sprintf("%s for %s was not granted: %v", g.Privilege, g.Grantee, err))
		}
	}
	return shortened(first3(lost))
}

// UndoViews gives the views that the restore replaced their old definitions, unless somebody changed them since.
func (a *Activities) UndoViews(ctx context.Context, ref ViewsRef) (ViewRows, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveViews(ctx, ref)
	if err != nil {
		return ViewRows{}, failure(ctx, err)
	}
	var rows []spec.RestoredView
	for _, x := range w.plan.Objects {
		if x.Action != spec.ActionReplaceView {
			continue
		}
		row, err := w.putBack(ctx, x)
		if err != nil {
			return ViewRows{}, failure(ctx, fmt.Errorf("put the old definition of view %s back: %w", x.id(), err))
		}
		rows = append(rows, row)
	}
	return viewRows(rows), nil
}

func (w *viewWork) putBack(ctx context.Context, x PlannedView) (spec.RestoredView, error) {
	live, err := w.definition(ctx, x)
	switch {
	case err != nil:
	case sameDefinition(live, x.Old, x.Database, x.Name):
		return x.row(spec.ViewUndone), nil
	case sameDefinition(live, x.Statement, x.Database, x.Name):
		err = w.cluster.FE.CreateView(ctx, starrocks.OrReplace(x.Old))
	default:
		err = fmt.Errorf("%s was changed or dropped since the restore, and was left alone: %w", x.id(), starrocks.ErrInvalidStatement)
	}
	if err == nil {
		return x.row(spec.ViewUndone), nil
	}
	if !saidNo(err) {
		return spec.RestoredView{}, err
	}
	x.Statement = starrocks.OrReplace(x.Old)
	return x.byHand(spec.ViewByHand, err.Error()), nil
}
