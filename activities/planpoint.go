package activities

import (
	"context"
	"fmt"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// lookForRepository plans to create the repository where the cluster does not know it: StarRocks restores only from one
// of the point's repository's name at its location. Nothing may be backed up into it there by mistake, so on a cluster
// that is not the point's own it is created READ ONLY.
func (p *restorePlanner) lookForRepository(ctx context.Context) error {
	c, r := p.cluster, p.repository
	found, err := lookUp(ctx, c, r)
	if err != nil || found != nil {
		return err
	}
	if _, err := checkRepoInfo(ctx, r); err != nil {
		return err
	}
	p.out.Ensure = &EnsureRepositoryInput{Cluster: c.Name, Repository: r.Name, ReadOnly: p.source() != c.Name && p.in.Spec.From == ""}
	p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("cluster %s does not know repository %s: it is created there%s, at %s, and stays",
		c.Name, r.Native, readOnlyWord(p.out.Ensure.ReadOnly), r.Location))
	return nil
}

// source is the cluster whose restore points are meant.
func (p *restorePlanner) source() string {
	if p.in.Spec.SourceCluster != "" {
		return p.in.Spec.SourceCluster
	}
	return p.in.Spec.Cluster
}

// readPoint finds the restore point; "latest" is the newest complete one.
func (p *restorePlanner) readPoint(ctx context.Context) error {
	source := p.source()
	id, err := choosePoint(ctx, p.from.Store, source, p.in.Spec.Point)
	if err != nil {
		return err
	}
	p.manifest, err = readManifest(ctx, p.from.Store, source, id)
	p.from = p.from.as(p.manifest.Repository.NativeName)
	if err == nil && p.from.Name == p.repository.Name && p.manifest.Repository.NativeName != p.repository.Native {
		return invalid("restore point %s was made in repository %q; StarRocks restores from a repository of that name only, profile %s is %q",
			id, p.manifest.Repository.NativeName, p.repository.Name, p.repository.Native)
	}
	if err != nil {
		return err
	}
	if p.backedUp, p.backedUpKnown, err = pointSelection(ctx, p.from.Store, source, id); err != nil {
		return err
	}
	if p.manifest.Origin == restorepoint.OriginAdopted {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("restore point %s was adopted from a native snapshot; not known, and not compared: %s", id, first3(p.manifest.NotKnown)))
	}
	return nil
}

// warnLacking names what is selected and missing in a partial restore point.
func (p *restorePlanner) warnLacking(selection restorepoint.Selection) {
	var lacking []string
	for _, f := range p.manifest.Failed {
		selected := f.Table == "" && selection.Database(f.Database) || f.Table != "" && f.Partition == "" && selection.Table(f.Database, f.Table) != restorepoint.None ||
			f.Partition != "" && selection.Partition(f.Database, f.Table, f.Partition)
		if selected {
			lacking = append(lacking, restorepoint.Pattern{Database: f.Database, Table: f.Table, Partition: f.Partition}.String())
		}
	}
	if len(lacking) > 0 {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("restore point %s is partial, it lacks %s", p.manifest.ID, first3(lacking)))
	}
}

// others lists live partitions that a swap of the table would take out though no backup meant to: the restore point holds
// only the partitions that its backup named. unknown tells that nobody knows what the backup named.
func (p *restorePlanner) others(source string, t restorepoint.Table, live []starrocks.Partition, name string) (others []string, unknown bool) {
	if p.backedUpKnown && p.backedUp.Table(source, t.Name) == restorepoint.Whole {
		return nil, false
	}
	held := map[string]bool{}
	for _, part := range t.Partitions {
		if part.Name == t.Name { // the one partition of a table without partitions
			held[name] = true
		}
		held[part.Name] = true
	}
	for _, there := range live {
		if !held[there.Name] && !there.Temporary && there.Name != starrocks.ShadowPartition {
			others = append(others, there.Name)
		}
	}
	return others, !p.backedUpKnown
}

// keepOthers decides what becomes of a table that is to be exchanged as a whole, and of which the restore point lacks live
// partitions: those that it holds are replaced, and the others stay. Where nobody knows what the backup named, the table is
// exchanged, with a warning. It gives whole as it is from now on.
func (p *restorePlanner) keepOthers(plan *Plan, at *target, t restorepoint.Table, name string) (whole bool) {
	live, exists := at.tables[name]
	if !exists || live.Kind != starrocks.KindTable || p.in.Spec.OnExisting != "" && p.in.Spec.OnExisting != spec.OnExistingSwap {
		return true
	}
	others, unknown := p.others(plan.Source, t, at.partitions[name], name)
	switch {
	case len(others) == 0:
		return true
	case unknown:
		p.warn("it is not known which partitions of %s.%s the backup of restore point %s named; a swap takes those that it lacks out of the live table (undo brings them back): %s; "+
			"to replace single partitions, name them (db.table/partition)", plan.Database, name, p.manifest.ID, first3(others))
		return true
	}
	p.named[plan.Source+"."+t.Name] = others
	return false
}

// aboutNamed adds to a decision why single partitions are meant of a table that was asked for as a whole.
func (p *restorePlanner) aboutNamed(from string, d decision) decision {
	others, ok := p.named[from]
	switch {
	case !ok:
	case d.action == spec.ActionRefuse:
		d.note += fmt.Sprintf("; a swap is no choice here: the backup of restore point %s named only some of its partitions, and a swap would take out %s", p.manifest.ID, first3(others))
	default:
		d.note = strings.TrimPrefix(d.note+fmt.Sprintf("; its backup named only these partitions, the others stay as they are: %s", first3(others)), "; ")
	}
	return d
}

// lacking lists the partitions of a table that a partial restore point has not.
func (p *restorePlanner) lacking(database, table string) []string {
	var names []string
	for _, f := range p.manifest.Failed {
		if f.Database == database && f.Table == table && f.Partition != "" {
			names = append(names, f.Partition)
		}
	}
	return names
}
