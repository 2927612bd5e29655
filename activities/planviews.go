package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// viewPlanner decides what happens to the views and functions of a restore point.
type viewPlanner struct {
	*restorePlanner
	selection restorepoint.Selection
	exists    map[string]bool                 // databases of the cluster
	kinds     map[string]map[string]string    // what stands in target databases: name → kind
	functions map[string][]starrocks.Function // of target databases
	catalogs  []string
	names     map[starrocks.ObjectName]starrocks.ObjectName // tables and views of the point that end under another name than renamed says
	items     []viewItem
}

// viewItem is a view or function of the point on its way into the plan.
type viewItem struct {
	PlannedView
	home     string // its database in the point
	original string // its definition in the point
	live     string // the definition that stands under its name; "" if none does
	reads    []starrocks.ObjectName
}

// planViews adds the views and functions that the selection names to the plan, and the materialized views of the cluster
// that read a table whose data is exchanged. It comes after the tables: names follow theirs.
func (p *restorePlanner) planViews(ctx context.Context, selection restorepoint.Selection) error {
	v := &viewPlanner{restorePlanner: p, selection: selection, exists: map[string]bool{}, kinds: map[string]map[string]string{},
		functions: map[string][]starrocks.Function{}, names: map[starrocks.ObjectName]starrocks.ObjectName{}}
	if err := v.collect(); err != nil {
		return err
	}
	if len(v.items) > 0 {
		if err := v.look(ctx); err != nil {
			return err
		}
		for _, row := range p.rows { // tables that onExisting rename gives a name of its own
			database, name, _ := strings.Cut(row.From, ".")
			v.names[starrocks.ObjectName{Database: database, Name: name}] = starrocks.ObjectName{Database: row.Database, Name: row.Table}
		}
		for i := range v.items {
			v.decide(ctx, &v.items[i])
		}
		for i := range v.items {
			v.word(&v.items[i])
		}
	}
	v.finish()
	return nil
}

// collect lists what the selection names.
func (v *viewPlanner) collect() error {
	for _, d := range v.manifest.Databases {
		for _, f := range d.Functions {
			function := starrocks.Function{Signature: f.Signature, Returns: f.Returns, Type: f.Type, Properties: f.Properties}
			v.add(viewItem{home: d.Name, PlannedView: PlannedView{Kind: spec.KindFunction, Name: f.Signature, Function: &function}}, f.Name())
		}
		for _, x := range d.Views {
			v.add(viewItem{home: d.Name, original: x.DDL, PlannedView: PlannedView{Kind: spec.KindView, Name: x.Name, Grants: x.Grants}}, x.Name)
		}
		for _, x := range d.MaterializedViews {
			v.add(viewItem{home: d.Name, original: x.DDL, PlannedView: PlannedView{Kind: spec.KindMaterializedView, Name: x.Name, Grants: x.Grants}}, x.Name)
		}
	}
	return nil
}

func (v *viewPlanner) add(item viewItem, name string) {
	if v.selection.Table(item.home, name) != restorepoint.Whole {
		return
	}
	item.From = item.home + "." + item.Name
	item.Asked = slices.Contains(v.in.Spec.Include, item.home+"."+name)
	database, renamed := v.renamed(item.home, name)
	item.Database = database
	if item.Kind != spec.KindFunction {
		item.Name = renamed
	}
	v.items = append(v.items, item)
}

// look reads what stands in the databases that the items go into.
func (v *viewPlanner) look(ctx context.Context) error {
	fe := v.cluster.FE
	databases, err := fe.Databases(ctx)
	if err != nil {
		return fmt.Errorf("list the databases of cluster %s: %w", v.cluster.Name, err)
	}
	for _, d := range databases {
		v.exists[d] = true
	}
	for _, item := range v.items {
		if starrocks.IsSystemDatabase(item.Database) {
			return invalid("database %q belongs to StarRocks; restore into another one", item.Database)
		}
		if v.kinds[item.Database] != nil || !v.exists[item.Database] {
			continue
		}
		tables, err := fe.Tables(ctx, item.Database)
		if err != nil {
			return fmt.Errorf("list the tables of database %s: %w", item.Database, err)
		}
		v.kinds[item.Database] = map[string]string{}
		for _, t := range tables {
			v.kinds[item.Database][t.Name] = kindWord(t.Kind)
		}
		if v.functions[item.Database], err = fe.FullFunctions(ctx, item.Database); err != nil {
			return fmt.Errorf("list the functions of database %s: %w", item.Database, err)
		}
	}
	return nil
}

// decide chooses what happens to an item, by the names that the rename map gives.
func (v *viewPlanner) decide(ctx context.Context, item *viewItem) {
	if item.Kind == spec.KindFunction {
		v.decideFunction(item)
		return
	}
	item.Action = spec.ActionCreate
	statement, err := v.rewritten(*item, v.restorePlanner.renamed)
	if err != nil {
		item.Action, item.Statement, item.Note = spec.ActionByHand, item.original, err.Error()
		return
	}
	reads, _, _ := starrocks.ViewReads(statement, item.Database)
	item.reads = reads
	if missing := v.missingCatalog(ctx, reads); missing != "" {
		item.Action, item.Statement, item.Note = spec.ActionByHand, statement, missing
		return
	}
	kind := v.kinds[item.Database][item.Name]
	switch {
	case kind == "":
		return
	case kind != item.Kind:
		item.Action, item.Note = spec.ActionRefuse, fmt.Sprintf("a %s of this name stands in the way; drop or rename it, or restore under another name (rename)", kind)
		return
	}
	if item.live, err = v.liveDefinition(ctx, item); err != nil {
		item.Action, item.Note = spec.ActionRefuse, fmt.Sprintf("its definition cannot be read: %v", err)
		return
	}
	if starrocks.SameView(item.live, statement) {
		item.Action, item.Note = spec.ActionLeave, "it exists with this definition"
		return
	}
	v.decideDifferent(item)
}

// liveDefinition is the definition of what stands under the item's name, written as the plan writes definitions.
func (v *viewPlanner) liveDefinition(ctx context.Context, item *viewItem) (string, error) {
	show := v.cluster.FE.ShowCreateView
	if item.Kind == spec.KindMaterializedView {
		show = v.cluster.FE.ShowCreateMaterializedView
	}
	ddl, err := show(ctx, item.Database, item.Name)
	if err != nil {
		return "", err
	}
	same := func(database, name string) (string, string) { return database, name }
	full, err := starrocks.RewriteView(ddl, starrocks.ViewNames{Home: item.Database, Database: item.Database, Name: item.Name, Object: same, Schema: func(d string) string { return d }})
	if err != nil {
		return ddl, nil // it is compared as it is, and different
	}
	return full, nil
}

// decideDifferent is for a view that exists with another definition.
func (v *viewPlanner) decideDifferent(item *viewItem) {
	switch {
	case v.in.Spec.OnExisting == spec.OnExistingFail:
		item.Action, item.Note = spec.ActionRefuse, "it exists with another definition; restore with onExisting swap or rename, or drop it first"
	case v.in.Spec.OnExisting == spec.OnExistingRename:
		stamp, _, _ := strings.Cut(v.manifest.ID, "-")
		other := item.Name + "__restored_" + stamp
		if v.kinds[item.Database][other] != "" {
			item.Action, item.Note = spec.ActionRefuse, fmt.Sprintf("%s exists from an earlier restore; drop it, or give the new one a name of its own (rename)", other)
			return
		}
		item.Note = "beside " + item.Name + ", which stays"
		database, name, _ := strings.Cut(item.From, ".")
		item.Name = other
		v.names[starrocks.ObjectName{Database: database, Name: name}] = starrocks.ObjectName{Database: item.Database, Name: other}
	case item.Kind == spec.KindView:
		item.Action, item.Old = spec.ActionReplaceView, item.live
		item.Note = "its definition is another one, which undo puts back"
	default: // a materialized view cannot be exchanged without its data being lost
		item.Action = spec.ActionByHand
		item.Note = "it exists with another definition and is left alone; to have the one of the restore point, drop it and run the statement"
	}
}

func (v *viewPlanner) decideFunction(item *viewItem) {
	statement, err := item.Function.SQL(item.Database)
	item.Action, item.Statement = spec.ActionCreate, statement
	if err != nil {
		item.Action, item.Note = spec.ActionByHand, err.Error()
		return
	}
	for _, f := range v.functions[item.Database] {
		switch {
		case f.Signature != item.Name:
		case f.Same(*item.Function):
			item.Action, item.Note = spec.ActionLeave, "it exists as it was"
		case v.in.Spec.OnExisting == spec.OnExistingFail:
			item.Action, item.Note = spec.ActionRefuse, "a function of this signature exists and does something else; drop it first, or leave it out (exclude)"
		default:
			item.Action = spec.ActionByHand
			item.Note = "a function of this signature exists, does something else, and is left alone; to have the one of the restore point, drop it and run the statement"
		}
	}
}

// rewritten is the item's definition with other names.
func (v *viewPlanner) rewritten(item viewItem, object func(database, name string) (string, string)) (string, error) {
	schema := func(database string) string { to, _ := v.restorePlanner.renamed(database, ""); return to }
	ddl, err := starrocks.RewriteView(item.original, starrocks.ViewNames{Home: item.home, Database: item.Database, Name: item.Name, Object: object, Schema: schema})
	if err != nil || item.Kind != spec.KindMaterializedView {
		return ddl, err
	}
	most := v.hosts
	if n := v.in.Spec.ReplicationNum; n > 0 {
		most = n
	}
	return starrocks.SetViewReplication(ddl, most), nil
}

// missingCatalog says which external catalog is not there.
func (v *viewPlanner) missingCatalog(ctx context.Context, reads []starrocks.ObjectName) string {
	for _, r := range reads {
		if r.Catalog == "" {
			continue
		}
		if v.catalogs == nil {
			var err error
			if v.catalogs, err = v.cluster.FE.Catalogs(ctx); err != nil {
				return fmt.Sprintf("it reads %s, and whether that catalog exists cannot be seen: %v", r, err)
			}
		}
		if !slices.Contains(v.catalogs, r.Catalog) {
			return fmt.Sprintf("it reads %s, and cluster %s has no catalog %s; create the catalog, then run the statement", r, v.cluster.Name, r.Catalog)
		}
	}
	return ""
}

// word writes the statement of an item that is created, by the names that everything ends with.
func (v *viewPlanner) word(item *viewItem) {
	if item.Kind == spec.KindFunction || item.Action == spec.ActionByHand && item.Statement != "" {
		return
	}
	statement, err := v.rewritten(*item, v.finally)
	if err != nil {
		item.Action, item.Statement, item.Note = spec.ActionByHand, item.original, err.Error()
		return
	}
	item.Statement = statement
	reads, _, _ := starrocks.ViewReads(statement, item.Database)
	item.Reads = nameTexts(reads)
	if item.Action == spec.ActionReplaceView {
		item.Statement = starrocks.OrReplace(statement)
	}
}

// finally gives the name that a table or view of the point ends with.
func (v *viewPlanner) finally(database, name string) (string, string) {
	if to, ok := v.names[starrocks.ObjectName{Database: database, Name: name}]; ok {
		return to.Database, to.Name
	}
	return v.restorePlanner.renamed(database, name)
}

// finish puts the items into order and into the plan, and adds the rows.
func (v *viewPlanner) finish() {
	plan := &ViewPlan{Point: v.manifest.ID}
	changed := map[string]bool{}
	for _, row := range v.rows {
		if row.Action != spec.ActionCreate && row.Action != spec.ActionRefuse {
			changed[row.Database+"."+row.Table] = true
		}
	}
	plan.Changed = slices.Sorted(maps.Keys(changed))
	plan.Objects = v.ordered()
	rows := map[string]bool{}
	for _, x := range plan.Objects {
		if x.Kind == spec.KindMaterializedView && x.Action == spec.ActionLeave {
			x.Action, x.Note = spec.ActionLeave, "it exists with this definition; it is activated and refreshed where it reads what is restored"
		}
		rows[x.id()] = true
		v.rows = append(v.rows, spec.PlannedTable{Database: x.Database, Table: x.Name, From: x.From, Action: x.Action, Note: x.Note, Kind: x.Kind})
		if x.Action == spec.ActionRefuse {
			v.out.Refused++
		}
	}
	v.reactivated(changed, rows)
	v.viewPlan = plan
}

// ordered are the items as they are to be created: functions first, then views of both kinds after what they read.
func (v *viewPlanner) ordered() []PlannedView {
	var list, views []PlannedView
	var depends []restorepoint.Depends
	for _, item := range v.items {
		if item.Kind == spec.KindFunction {
			list = append(list, item.PlannedView)
			continue
		}
		views = append(views, item.PlannedView)
		depends = append(depends, restorepoint.Depends{Name: item.id(), Reads: item.Reads})
	}
	order, cycle := restorepoint.InOrder(depends)
	for _, i := range order {
		list = append(list, views[i])
	}
	for _, i := range cycle {
		x := views[i]
		x.Action, x.Note = spec.ActionByHand, "it reads itself through other views: "+strings.Join(x.Reads, ", ")
		list = append(list, x)
	}
	return list
}

// reactivated adds rows for the cluster's materialized views that read a table whose data is exchanged.
func (v *viewPlanner) reactivated(changed, rows map[string]bool) {
	var items []restorepoint.Depends
	for _, d := range v.views {
		reads, _, err := starrocks.ViewReads(d.definition, d.database)
		if err == nil {
			items = append(items, restorepoint.Depends{Name: d.database + "." + d.name, Reads: nameTexts(reads)})
		}
	}
	readers, _ := restorepoint.Readers(items, changed)
	for _, i := range readers {
		if rows[items[i].Name] {
			continue
		}
		database, name, _ := strings.Cut(items[i].Name, ".")
		v.rows = append(v.rows, spec.PlannedTable{Database: database, Table: name, Action: spec.ActionReactivate, Kind: spec.KindMaterializedView,
			Note: "reads " + first3(items[i].Reads) + "; activated and refreshed afterwards"})
	}
}

// packViews gives the plan of views as a file, and notes it in the answer. Nothing to do gives none.
func (p *restorePlanner) packViews(plans []packedPlan) ([]packedPlan, error) {
	if p.viewPlan == nil || len(p.viewPlan.Objects) == 0 && len(p.viewPlan.Changed) == 0 {
		return plans, nil
	}
	packed, err := p.viewPlan.pack(p.cluster.Name, "restore-"+p.in.ID)
	if err != nil {
		return nil, err
	}
	p.out.Views = &PlannedViews{Plan: packed.ref, Objects: len(p.viewPlan.Objects)}
	for _, x := range p.viewPlan.Objects {
		if x.Action == spec.ActionReplaceView {
			p.out.Views.Replaces++
		}
	}
	return append(plans, packed), nil
}

// saidNo tells whether an error is StarRocks' answer to a statement, which trying again would not change.
func saidNo(err error) bool {
	if errors.Is(err, starrocks.ErrInvalidStatement) || errors.Is(err, starrocks.ErrInvalidName) {
		return true
	}
	var e *starrocks.Error
	return errors.As(err, &e) && e.Code != 0 && !errors.Is(err, starrocks.ErrConnectionLost) && !errors.Is(err, starrocks.ErrNoLeader) && !errors.Is(err, starrocks.ErrAuth)
}
