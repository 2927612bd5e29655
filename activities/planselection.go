package activities

import (
	"context"
	"maps"
	"slices"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

func (p *restorePlanner) selection() (restorepoint.Selection, error) {
	s, err := restorepoint.NewSelection(p.in.Spec.Include, p.in.Spec.Exclude)
	if err != nil {
		return s, invalid("%v", err)
	}
	if len(p.in.Spec.Include) == 0 {
		return s, nil
	}
	left := s.Unmatched(func(yield func(string, string, string) bool) {
		for _, d := range p.manifest.Databases {
			for _, t := range d.Tables {
				for _, part := range t.Partitions {
					if !yield(d.Name, t.Name, part.Name) {
						return
					}
				}
			}
			for _, name := range d.Objects.Names() {
				if !yield(d.Name, name, "") {
					return
				}
			}
		}
	})
	if len(left) > 0 {
		return s, invalid(`field "include": %q matches nothing in restore point %s; "starkeep backup show %s" lists what it holds`, left[0].String(), p.manifest.ID, p.manifest.ID)
	}
	return s, nil
}

// chosen is a table of the point with the partitions that are wanted, and where it goes.
type chosen struct {
	plan  *Plan
	table restorepoint.Table
	name  string
	whole bool
}

// database plans what the point holds of one source database, table by table.
func (p *restorePlanner) database(ctx context.Context, d restorepoint.Database, selection restorepoint.Selection) error {
	list, err := p.choose(d, selection)
	if err != nil {
		return err
	}
	for _, c := range list {
		at, err := p.look(ctx, c.plan.Database)
		if err != nil {
			return err
		}
		p.table(c.plan, at, c.table, c.name, c.whole)
	}
	return nil
}

// choose applies selection and renames to what the point holds of a source database. All that goes into a target
// database comes from one source, so p.wanted is complete for each before it is looked at.
func (p *restorePlanner) choose(d restorepoint.Database, selection restorepoint.Selection) ([]chosen, error) {
	var list []chosen
	for _, t := range d.Tables {
		wanted := selection.Table(d.Name, t.Name)
		if wanted == restorepoint.None {
			continue
		}
		t.Partitions = slices.DeleteFunc(slices.Clone(t.Partitions), func(part restorepoint.Partition) bool {
			return !selection.Partition(d.Name, t.Name, part.Name) && part.Name != starrocks.ShadowPartition
		})
		if len(t.Partitions) == 0 {
			continue
		}
		database, name := p.renamed(d.Name, t.Name)
		plan, err := p.planOf(database, d.Name)
		if err != nil {
			return nil, err
		}
		if p.wanted[database] == nil {
			p.wanted[database] = map[string]bool{}
		}
		p.wanted[database][name] = true
		list = append(list, chosen{plan, t, name, wanted == restorepoint.Whole})
	}
	return list, nil
}

// checkRename refuses names that the restore point does not hold: what was meant would be restored under its old name.
func (p *restorePlanner) checkRename() error {
	held := map[string]bool{}
	for _, d := range p.manifest.Databases {
		held[d.Name] = true
		for _, t := range d.Tables {
			held[d.Name+"."+t.Name] = true
		}
		for _, name := range d.Objects.Names() {
			held[d.Name+"."+name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.in.Spec.Rename)) {
		if !held[name] {
			return invalid(`field "rename": %q is no database, table or view of restore point %s; "starkeep backup show %s" lists what it holds`, name, p.manifest.ID, p.manifest.ID)
		}
	}
	return nil
}

// renamed applies the rename map.
func (p *restorePlanner) renamed(database, table string) (string, string) {
	return renamedBy(p.in.Spec.Rename, database, table)
}
