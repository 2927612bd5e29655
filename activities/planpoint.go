package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starkeep/restorepoint"
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
	p.out.Ensure = &EnsureRepositoryInput{Cluster: c.Name, Repository: r.Name, ReadOnly: p.source() != c.Name}
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
	id, err := choosePoint(ctx, p.repository.Store, source, p.in.Spec.Point)
	if err != nil {
		return err
	}
	p.manifest, err = readManifest(ctx, p.repository.Store, source, id)
	if err == nil && p.manifest.Repository.NativeName != p.repository.Native {
		return invalid("restore point %s was made in repository %q; StarRocks restores from a repository of that name only, profile %s is %q",
			id, p.manifest.Repository.NativeName, p.repository.Name, p.repository.Native)
	}
	if err == nil && p.manifest.Origin == restorepoint.OriginAdopted {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("restore point %s was adopted from a native snapshot; not known, and not compared: %s", id, first3(p.manifest.NotKnown)))
	}
	return err
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

// warnNamedPartitions says which tables are to be exchanged although the backup named only some of their partitions: the
// others are then only in the old table, until the undo window ends.
func (p *restorePlanner) warnNamedPartitions() {
	var in spec.Backup
	if len(p.manifest.Spec) == 0 || json.Unmarshal(p.manifest.Spec, &in) != nil {
		return // adopted: not known
	}
	backedUp, err := restorepoint.NewSelection(in.Include, in.Exclude)
	if err != nil {
		return
	}
	var names []string
	for _, row := range p.rows {
		database, table, _ := strings.Cut(row.From, ".")
		if row.Action == spec.ActionSwap && backedUp.Table(database, table) == restorepoint.Some {
			names = append(names, row.Database+"."+row.Table)
		}
	}
	if len(names) > 0 {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("restore point %s holds only the partitions that its backup named of %s: a swap takes all others out of the live table (undo brings them back); "+
			"to bring back only these partitions, name them (db.table/partition)", p.manifest.ID, first3(names)))
	}
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
