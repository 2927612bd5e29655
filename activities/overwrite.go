package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// overLive is what of a table is restored over the live one: with the replication that the live partitions have, because
// StarRocks takes no other (rule 7), and without the shadow partition if the live table has its own.
func overLive(t restorepoint.Table, live []starrocks.Partition, name string) restorepoint.Table {
	t.Partitions = slices.Clone(t.Partitions)
	for i, part := range t.Partitions {
		if there := liveOf(live, t, part, name); there != nil && there.Replication > 0 {
			t.Partitions[i].Replication = there.Replication
		}
	}
	if slices.ContainsFunc(live, func(x starrocks.Partition) bool { return x.Name == starrocks.ShadowPartition }) {
		t.Partitions = slices.DeleteFunc(t.Partitions, func(part restorepoint.Partition) bool { return part.Name == starrocks.ShadowPartition })
	}
	return t
}

// overwrite restores into the live table itself, which only a RESTORE that ends well leaves whole.
func (p *restorePlanner) overwrite(at *target, t restorepoint.Table, live starrocks.Table) decision {
	name := live.Name
	if at.states == nil {
		return refused(name, `overwriting is safe only where loads can be seen, and SHOW PROC '/transactions' needs OPERATE ON SYSTEM; grant it to the profile's user, or restore with onExisting swap`)
	}
	for _, l := range at.loads {
		if l.Table == name {
			return refused(name, "routine load %s writes into it, and a load that meets the RESTORE can block the table for good; stop it, or restore with onExisting swap", l.Name)
		}
	}
	if d := p.inPlace(at, t, live); d != nil {
		return *d
	}
	return decision{action: spec.ActionOverwrite, target: name, as: name, liveID: live.ID, note: p.overwriteNote(at, t, live)}
}

// overwriteNote says what an overwrite leaves as it is, and what is to be done around it.
func (p *restorePlanner) overwriteNote(at *target, t restorepoint.Table, live starrocks.Table) string {
	notes := []string{"in place: stop all loads into it until the restore has ended"}
	for _, l := range at.committed {
		if l.into(live.ID) {
			notes = append(notes, fmt.Sprintf("load %s is committed and not visible yet: it is waited for", l.label))
		}
	}
	var stay []string
	for _, there := range at.partitions[live.Name] {
		wanted := slices.ContainsFunc(t.Partitions, func(part restorepoint.Partition) bool {
			return liveOf([]starrocks.Partition{there}, t, part, live.Name) != nil
		})
		if !wanted && !there.Temporary && there.Name != starrocks.ShadowPartition {
			stay = append(stay, there.Name)
		}
	}
	if len(stay) > 0 {
		notes = append(notes, "its other partitions stay as they are: "+first3(stay))
	}
	for _, v := range at.views {
		if v.reads(at.database, live.Name) {
			notes = append(notes, fmt.Sprintf("materialized view %s.%s reads it: REFRESH it WITH FORCE afterwards, versions go back", v.database, v.name))
		}
	}
	return strings.Join(notes, "; ")
}

// victims are the patterns that name what a decision destroys: what a safety point has to hold.
func victims(database string, d decision, t restorepoint.Table, live []starrocks.Partition, whole bool) []string {
	switch {
	case d.action == spec.ActionOverwrite && whole:
		return []string{restorepoint.Pattern{Database: database, Table: d.target}.String()}
	case d.action != spec.ActionOverwrite && d.action != spec.ActionReplace:
		return nil
	}
	var list []string
	for _, part := range t.Partitions {
		if there := liveOf(live, t, part, d.target); there != nil {
			list = append(list, restorepoint.Pattern{Database: database, Table: d.target, Partition: there.Name}.String())
		}
	}
	return list
}

// keepVictims sees to it that what is destroyed can be backed up first, and says so in the plan.
func (p *restorePlanner) keepVictims(ctx context.Context) error {
	if len(p.victims) == 0 || p.in.Spec.NoSafetyPoint {
		if len(p.victims) > 0 {
			p.out.Warnings = append(p.out.Warnings, "what is replaced is not backed up first (noSafetyPoint): there is no way back")
		}
		return nil
	}
	const otherwise = "; restore without a way back (noSafetyPoint), or into another name (rename)"
	if len(p.victims) > spec.MaxVictims {
		return invalid("%d tables and partitions would be replaced, and %d can be backed up first; restore fewer at a time, or whole tables (swap)%s", len(p.victims), spec.MaxVictims, otherwise)
	}
	for _, v := range p.victims {
		pattern, err := restorepoint.ParsePattern(v)
		if err != nil || strings.Contains(v, "*") || pattern.String() != v {
			return invalid("%s has a name that no pattern can mean alone, so it cannot be backed up first%s", v, otherwise)
		}
	}
	found, err := lookUp(ctx, p.cluster, p.repository)
	if err != nil {
		return err
	}
	if found == nil && p.out.Ensure != nil && p.out.Ensure.ReadOnly || found != nil && found.ReadOnly {
		return invalid("repository %s is READ ONLY on cluster %s, so what is replaced cannot be backed up into it first%s", p.repository.Native, p.cluster.Name, otherwise)
	}
	p.out.Safety = p.victims
	return nil
}
