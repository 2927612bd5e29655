package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// How long is waited for FEs to agree on a view, and for one refresh. A refresh that takes longer goes on in StarRocks.
const (
	agreeTicks  = 20 // of the FE
	refreshWait = time.Hour
)

// inactiveByHand is in the reason of views that somebody switched off: they stay off.
const inactiveByHand = "user use alter materialized view"

// affectedViews are the materialized views that a restore concerns, in the order of what reads what.
type affectedViews struct {
	states []starrocks.ViewState
	direct map[string]bool // read a table whose data was exchanged: their refresh must not trust versions
	asked  map[string]bool
}

// affectedViews resolves the reference and finds what is to be looked after now.
func (a *Activities) affectedViews(ctx context.Context, ref ViewsRef) (*viewWork, affectedViews, error) {
	w, err := a.resolveViews(ctx, ref)
	if err != nil {
		return nil, affectedViews{}, err
	}
	d, err := w.affected(ctx)
	return w, d, err
}

// affected finds the materialized views of the whole cluster that read a table whose data the restore exchanged, also
// through views, and those that it created.
func (w *viewWork) affected(ctx context.Context) (affectedViews, error) {
	databases, err := w.cluster.FE.Databases(ctx)
	if err != nil {
		return affectedViews{}, fmt.Errorf("list the databases of cluster %s: %w", w.cluster.Name, err)
	}
	var items []restorepoint.Depends
	states := map[string]starrocks.ViewState{}
	for _, d := range databases {
		list, err := w.cluster.FE.ViewStates(ctx, d)
		if errors.Is(err, starrocks.ErrUnknownDatabase) {
			continue // dropped meanwhile
		}
		if err != nil {
			return affectedViews{}, fmt.Errorf("list the materialized views of database %s: %w", d, err)
		}
		for _, s := range list {
			name := d + "." + s.Name
			states[name] = s
			items = append(items, restorepoint.Depends{Name: name, Reads: readsOf(s.Definition, d)})
		}
		logical, err := w.cluster.FE.Views(ctx, d)
		if err != nil {
			return affectedViews{}, fmt.Errorf("list the views of database %s: %w", d, err)
		}
		for _, v := range logical {
			items = append(items, restorepoint.Depends{Name: d + "." + v.Name, Reads: readsOf("CREATE VIEW v AS "+v.Definition, d)})
		}
	}
	return w.concerned(items, states), nil
}

// readsOf lists what a definition reads. One that is not understood reads nothing that is known.
func readsOf(ddl, home string) []string {
	reads, _, err := starrocks.ViewReads(ddl, home)
	if err != nil {
		return nil
	}
	return nameTexts(reads)
}

func (w *viewWork) concerned(items []restorepoint.Depends, states map[string]starrocks.ViewState) affectedViews {
	changed := map[string]bool{}
	for _, name := range w.plan.Changed {
		changed[name] = true
	}
	out := affectedViews{direct: map[string]bool{}, asked: map[string]bool{}}
	wanted := map[string]bool{}
	for _, x := range w.plan.Objects {
		if x.Kind == spec.KindMaterializedView && x.Action == spec.ActionCreate {
			wanted[x.id()] = true
		}
		out.asked[x.id()] = x.Asked
	}
	readers, direct := restorepoint.Readers(items, changed)
	for _, i := range readers {
		wanted[items[i].Name] = true
		out.direct[items[i].Name] = direct[i] || !viewIsBase(items[i], states)
	}
	order, cycle := restorepoint.InOrder(items)
	for _, i := range append(order, cycle...) {
		if s, materialized := states[items[i].Name]; materialized && wanted[items[i].Name] {
			out.states = append(out.states, s)
		}
	}
	return out
}

// viewIsBase tells whether all that it reads are materialized views: their refresh moves their versions on, as loads do.
func viewIsBase(item restorepoint.Depends, states map[string]starrocks.ViewState) bool {
	return !slices.ContainsFunc(item.Reads, func(name string) bool { _, ok := states[name]; return !ok })
}

// ActivateViews activates the materialized views that read what was restored: an exchange of their base makes StarRocks
// switch them off (starrocks-measured D), and so it does with all that read them. Then every FE is asked, for each plans
// its own queries. What stays inactive is a row with StarRocks' reason.
func (a *Activities) ActivateViews(ctx context.Context, ref ViewsRef) (ViewRows, error) {
	defer keepAlive(ctx)()
	w, d, err := a.affectedViews(ctx, ref)
	if err != nil {
		return ViewRows{}, failure(ctx, err)
	}
	var rows []spec.RestoredView
	for _, s := range d.states {
		row, err := w.activate(ctx, s)
		if err != nil {
			return ViewRows{}, failure(ctx, fmt.Errorf("activate materialized view %s.%s: %w", s.Database, s.Name, err))
		}
		row.Asked = d.asked[s.Database+"."+s.Name]
		rows = append(rows, row)
	}
	if err := w.agree(ctx, rows); err != nil {
		return ViewRows{}, failure(ctx, err)
	}
	return viewRows(rows), nil
}

func activateStatement(s spec.RestoredView) string {
	return fmt.Sprintf("ALTER MATERIALIZED VIEW `%s`.`%s` ACTIVE", s.Database, s.Name)
}

func (w *viewWork) activate(ctx context.Context, s starrocks.ViewState) (spec.RestoredView, error) {
	row := spec.RestoredView{Database: s.Database, Name: s.Name, Kind: spec.KindMaterializedView, Done: spec.ViewActive}
	if !s.Active && strings.Contains(s.Reason, inactiveByHand) {
		row.Done = spec.ViewLeft
		return row, nil
	}
	// Also where the leader says that it is active: other FEs may think otherwise, and what the leader did before they saw
	// the exchange may be undone by it.
	err := w.cluster.FE.ActivateMaterializedView(ctx, s.Database, s.Name)
	if err == nil {
		return row, nil
	}
	if !saidNo(err) {
		return row, err
	}
	row.Done, row.Reason, row.Statement = spec.ViewInactive, shortened(err.Error()), activateStatement(row)
	return row, nil
}

// agree asks every FE that answers until all call the views active, or for agreeTicks. What is not is noted in the rows.
func (w *viewWork) agree(ctx context.Context, rows []spec.RestoredView) error {
	deadline := time.Now().Add(agreeTicks * w.cluster.Timing.Tick)
	for {
		doubts, err := w.doubts(ctx, rows)
		if err != nil {
			return err
		}
		if len(doubts) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			for i, reason := range doubts {
				rows[i].Done, rows[i].Reason, rows[i].Statement = spec.ViewInactive, shortened(reason), activateStatement(rows[i])
			}
			return nil
		}
		if err := sleep(ctx, w.cluster.Timing.Tick); err != nil {
			return err
		}
	}
}

// doubts gives, for the rows that are said to be active, why an FE thinks otherwise.
func (w *viewWork) doubts(ctx context.Context, rows []spec.RestoredView) (map[int]string, error) {
	frontends, err := w.cluster.FE.Frontends(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the FEs of cluster %s: %w", w.cluster.Name, err)
	}
	doubts := map[int]string{}
	for _, f := range frontends {
		if !f.Alive {
			continue
		}
		seen := map[string]map[string]starrocks.ViewState{}
		for i, row := range rows {
			if row.Done != spec.ViewActive {
				continue
			}
			if seen[row.Database] == nil {
				if seen[row.Database], err = w.statesAt(ctx, f, row.Database); err != nil {
					return nil, err
				}
			}
			s, known := seen[row.Database][row.Name]
			if !known && len(seen[row.Database]) > 0 || known && !s.Active {
				doubts[i] = strings.TrimSuffix(fmt.Sprintf("FE %s calls it inactive: %s", f.Name, s.Reason), ": ")
			}
		}
	}
	return doubts, nil
}

// statesAt is empty for an FE that cannot be asked: it takes over what the leader did when it is back.
func (w *viewWork) statesAt(ctx context.Context, f starrocks.Frontend, database string) (map[string]starrocks.ViewState, error) {
	states := map[string]starrocks.ViewState{}
	list, err := w.cluster.FE.ViewStatesAt(ctx, f, database)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return states, nil
	}
	for _, s := range list {
		states[s.Name] = s
	}
	return states, nil
}

// RefreshViews refreshes the materialized views that read what was restored, and those that were created, one after
// another in the order of what reads what, and waits for each. Where a base was exchanged the refresh is forced: StarRocks
// compares versions, and those of the base may have gone back.
func (a *Activities) RefreshViews(ctx context.Context, ref ViewsRef) (ViewRows, error) {
	defer keepAlive(ctx)()
	w, d, err := a.affectedViews(ctx, ref)
	if err != nil {
		return ViewRows{}, failure(ctx, err)
	}
	var rows []spec.RestoredView
	for _, s := range d.states {
		if !s.Active {
			continue
		}
		row, err := w.refresh(ctx, s, d.direct[s.Database+"."+s.Name])
		if err != nil {
			return ViewRows{}, failure(ctx, fmt.Errorf("refresh materialized view %s.%s: %w", s.Database, s.Name, err))
		}
		row.Asked = d.asked[s.Database+"."+s.Name]
		rows = append(rows, row)
	}
	return viewRows(rows), nil
}

func (w *viewWork) refresh(ctx context.Context, before starrocks.ViewState, force bool) (spec.RestoredView, error) {
	row := spec.RestoredView{Database: before.Database, Name: before.Name, Kind: spec.KindMaterializedView, Done: spec.ViewActive}
	row.Statement = fmt.Sprintf("REFRESH MATERIALIZED VIEW `%s`.`%s`", before.Database, before.Name)
	if force {
		row.Statement += " FORCE"
	}
	query, err := w.cluster.FE.RefreshMaterializedView(ctx, before.Database, before.Name, force)
	if err != nil && !saidNo(err) {
		return row, err
	}
	if err != nil {
		row.Refresh, row.Reason = "failed", shortened(err.Error())
		return row, nil
	}
	after, err := w.refreshed(ctx, before, query)
	switch {
	case err != nil:
		return row, err
	case after == nil:
		row.Refresh, row.Reason = "running", fmt.Sprintf("its refresh takes longer than %s; it goes on in StarRocks", refreshWait)
	case after.LastState != "SUCCESS" && after.LastState != "SKIPPED":
		row.Refresh, row.Reason = "failed", shortened(after.LastState+": "+after.LastError)
	default:
		row.Refresh, row.Statement = strings.ToLower(after.LastState), ""
	}
	return row, nil
}

// refreshed waits until a refresh has ended; nil after refreshWait.
func (w *viewWork) refreshed(ctx context.Context, before starrocks.ViewState, query string) (*starrocks.ViewState, error) {
	deadline := time.Now().Add(refreshWait)
	for time.Now().Before(deadline) {
		list, err := w.cluster.FE.ViewStates(ctx, before.Database)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(list, func(s starrocks.ViewState) bool { return s.Name == before.Name })
		if i < 0 {
			return &starrocks.ViewState{LastState: "GONE", LastError: "the view was dropped"}, nil
		}
		if list[i].Refreshed(query, before) {
			return &list[i], nil
		}
		if err := sleep(ctx, w.cluster.Timing.Poll); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
