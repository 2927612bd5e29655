package activities

import (
	"context"

	"starkeep/restorepoint"
)

// CarriedTable names partitions of a table that a restore point takes over from its base by reference.
type CarriedTable struct {
	Table      string   `json:"table"`
	Partitions []string `json:"partitions"`
}

// carryBase takes over what an incremental backup left where it is. A native snapshot that is gone by now is a failure of
// what lies in it, which resume mends.
func (p *publisher) carryBase(ctx context.Context, plans map[string]*Plan) error {
	wanted := map[string]map[restorepoint.Place]bool{}
	base := ""
	for _, d := range p.in.Databases {
		plan := plans[d.Database]
		if plan.Base == "" {
			continue
		}
		base, wanted[d.Database] = plan.Base, map[restorepoint.Place]bool{}
		for _, t := range plan.Carried {
			for _, name := range t.Partitions {
				wanted[d.Database][restorepoint.Place{Table: t.Table, Partition: name}] = true
			}
		}
	}
	if base == "" {
		return nil
	}
	parent, err := readManifest(ctx, p.repository.Store, p.in.Spec.Cluster, base)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, s := range parent.Snapshots {
		if there[s.Label], err = snapshotThere(ctx, p.repository.Store, s); err != nil {
			return err
		}
	}
	p.manifest.Parent = parent.ID
	err = p.manifest.Carry(parent, func(database string, t restorepoint.Table, part restorepoint.Partition) bool {
		if !wanted[database][restorepoint.Place{Table: t.Name, Partition: part.Name}] {
			return false
		}
		if !there[part.Snapshot] {
			p.manifest.Failed = append(p.manifest.Failed, restorepoint.FailedObject{Database: database, Table: t.Name, Partition: part.Name,
				Reason: "native snapshot " + part.Snapshot + ", which holds it, has gone from the repository since the backup was planned"})
			return false
		}
		return true
	})
	if err != nil {
		return err
	}
	for database := range wanted {
		for _, t := range plans[database].Tables {
			p.manifest.Redefine(database, t.Table)
		}
	}
	return nil
}

// giveUpCarried takes out what was carried over of tables that changed between the plan and their snapshot.
func (p *publisher) giveUpCarried(record restorepoint.SnapshotRecord) {
	p.manifest.Failed = append(p.manifest.Failed, p.manifest.GiveUp(record)...)
}
