package activities

import (
	"context"
	"fmt"
	"slices"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// PlanExportInput asks for the plan of an export; ID tells its plan file apart.
type PlanExportInput struct {
	Spec spec.Export `json:"spec"`
	ID   string      `json:"id"`
}

// ExportPlan is a plan as a history holds it.
type ExportPlan struct {
	Point      string        `json:"point"`
	Unit       UnitRef       `json:"unit"` // all of it
	Tables     []string      `json:"tables"`
	Partitions int64         `json:"partitions"`
	Tablets    int64         `json:"tablets"`
	Bytes      int64         `json:"bytes"`
	Heartbeat  spec.Duration `json:"heartbeat"`
	Warnings   []string      `json:"warnings,omitempty"`
}

// PlanExport reads the restore point, finds what of it becomes the native snapshot, and stores that as a plan. A label that
// the repository holds already is InvalidSpec.
func (a *Activities) PlanExport(ctx context.Context, in PlanExportInput) (ExportPlan, error) {
	defer keepAlive(ctx)()
	plan, err := a.planExport(ctx, in)
	return plan, failure(ctx, err)
}

func (a *Activities) planExport(ctx context.Context, in PlanExportInput) (ExportPlan, error) {
	c, from, err := a.both(in.Spec.Cluster, in.Spec.Repository)
	if err != nil {
		return ExportPlan{}, err
	}
	to := from
	if in.Spec.To != "" {
		if to, err = a.repository(in.Spec.To); err != nil {
			return ExportPlan{}, err
		}
	}
	p := &exportPlanner{restorePlanner: restorePlanner{cluster: c, repository: from, from: from, hosts: 1 << 30, plans: map[string]*Plan{}}, to: to, label: in.Spec.Label}
	p.in.Spec = spec.Restore{Cluster: in.Spec.Cluster, Repository: in.Spec.Repository, Point: in.Spec.Point, Include: in.Spec.Include, Exclude: in.Spec.Exclude, Rename: in.Spec.Rename}
	plan, err := p.export(ctx)
	if err != nil {
		return ExportPlan{}, err
	}
	return p.store(ctx, plan, in.ID)
}

// exportPlanner reads the point and the selection as a restore does.
type exportPlanner struct {
	restorePlanner
	to    *Repository
	label string
}

func (p *exportPlanner) export(ctx context.Context) (*Plan, error) {
	if err := p.labelFree(ctx); err != nil {
		return nil, err
	}
	if err := p.readPoint(ctx); err != nil {
		return nil, err
	}
	selection, err := p.selection()
	if err != nil {
		return nil, err
	}
	if err := p.checkRename(); err != nil {
		return nil, err
	}
	p.warnLacking(selection)
	for _, d := range p.manifest.Databases {
		for _, t := range d.Tables {
			if err := p.add(d.Name, t, selection); err != nil {
				return nil, err
			}
		}
	}
	if len(p.plans) == 0 {
		return nil, fail(spec.ErrorNothingToDo, "restore point %s holds no table that the selection names", p.manifest.ID)
	}
	if len(p.plans) > 1 {
		return nil, invalid(`a native snapshot holds tables of one database, and this would hold those of %s; export them one by one (field "include")`, names(p.plans))
	}
	for _, plan := range p.plans {
		return plan, nil
	}
	return nil, nil
}

func (p *exportPlanner) labelFree(ctx context.Context) error {
	at := starrocks.Snapshot{Repository: p.to.Native, Label: p.label}
	for o, err := range p.to.Store.List(ctx, at.Prefix()) {
		if err != nil {
			return err
		}
		return invalid(`field "label": repository %s has a snapshot %s already (%s); choose another label, or remove it`, p.to.Name, p.label, o.Key)
	}
	return nil
}

func (p *exportPlanner) add(database string, t restorepoint.Table, selection restorepoint.Selection) error {
	if selection.Table(database, t.Name) == restorepoint.None {
		return nil
	}
	t.Partitions = slices.DeleteFunc(slices.Clone(t.Partitions), func(part restorepoint.Partition) bool {
		return !selection.Partition(database, t.Name, part.Name) && part.Name != starrocks.ShadowPartition
	})
	if len(t.Partitions) == 0 {
		return nil
	}
	target, name := p.renamed(database, t.Name)
	if err := starrocks.CheckName("table", name); err != nil {
		return invalid("%v", err)
	}
	plan, err := p.planOf(target, database)
	if err != nil {
		return err
	}
	for _, part := range t.Partitions {
		plan.Parts = append(plan.Parts, p.part(t, part))
	}
	plan.Tables = append(plan.Tables, PlanTable{Table: t, Target: name, As: name, Action: spec.ActionCreate})
	return nil
}

// store writes the plan into the repository that gets the snapshot.
func (p *exportPlanner) store(ctx context.Context, plan *Plan, id string) (ExportPlan, error) {
	plan.Repository, plan.Export = p.to.Name, p.label
	if p.to != p.repository {
		plan.From = p.repository.Name
	}
	packed, err := plan.pack(restorepoint.PlanKey(p.cluster.Name, "export-"+id, plan.Database))
	if err != nil {
		return ExportPlan{}, err
	}
	if err := writePlans(ctx, p.to.Store, []packedPlan{packed}); err != nil {
		return ExportPlan{}, err
	}
	out := ExportPlan{Point: p.manifest.ID, Partitions: int64(len(plan.Parts)), Heartbeat: spec.Duration(p.cluster.Timing.Heartbeat), Warnings: p.out.Warnings}
	out.Unit = UnitRef{Statement: Restore, Cluster: p.cluster.Name, Repository: p.to.Name, Database: plan.Database, Plan: packed.ref, Composed: p.label,
		Unit: restorepoint.Unit{Number: 1, Attempt: 1, Parts: []restorepoint.Range{{To: len(plan.Parts)}}}}
	for _, part := range plan.Parts {
		out.Tablets += int64(part.Tablets)
		out.Bytes += part.Bytes
	}
	for _, t := range plan.Tables[:min(len(plan.Tables), spec.MaxListed)] {
		out.Tables = append(out.Tables, t.As)
	}
	return out, nil
}

// exportStatement is the RESTORE that brings all of an exported snapshot back.
func (w *work) exportStatement(timestamp string) (string, error) {
	s := starrocks.RestoreStatement{Database: w.Database, Label: w.Composed, Repository: w.repository.Native, Timestamp: timestamp, ReplicationNum: 1, Timeout: statementTimeout}
	for _, p := range w.parts {
		s.ReplicationNum = max(s.ReplicationNum, p.Replication)
	}
	for _, t := range w.plan.Tables {
		s.Objects = append(s.Objects, starrocks.Object{Table: t.As})
	}
	text, err := s.SQL()
	if err != nil {
		return "", fmt.Errorf("the statement that restores it: %w", err)
	}
	return text, nil
}
