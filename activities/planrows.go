package activities

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

func (p *restorePlanner) planOf(database, source string) (*Plan, error) {
	plan := p.plans[database]
	if plan == nil {
		plan = &Plan{Statement: starrocks.RestoreKind, Cluster: p.cluster.Name, Repository: p.repository.Name, Database: database, Source: source, SourceCluster: p.manifest.Cluster.Name, SourceVersion: p.manifest.Cluster.Version, Point: p.manifest.ID}
		if p.from.Name != p.repository.Name {
			plan.From = p.from.Name
		}
		p.plans[database] = plan
	}
	if plan.Source != source {
		return nil, invalid(`field "rename": tables of %q and of %q would both go into database %q; restore them one after the other`, plan.Source, source, database)
	}
	return plan, nil
}

// share adds one share of a table (see shares) with its parts to the plan, or a row that says why not.
func (p *restorePlanner) share(plan *Plan, at *target, t restorepoint.Table, name string, whole bool) {
	d := p.aboutNamed(plan.Source+"."+t.Name, p.decision(plan, at, t, name, whole))
	parts := make([]restorepoint.Part, 0, len(t.Partitions))
	for _, part := range t.Partitions {
		parts = append(parts, p.part(t, part))
	}
	plan.alone(t, d, parts)
	p.row(plan, at, t, d, parts)
	if d.action == spec.ActionRefuse {
		return
	}
	slices.SortFunc(parts, func(a, b restorepoint.Part) int {
		if c := strings.Compare(a.Snapshot, b.Snapshot); c != 0 {
			return c
		}
		if a.Replication != b.Replication {
			return a.Replication - b.Replication
		}
		return strings.Compare(a.Partition, b.Partition)
	})
	plan.Parts = append(plan.Parts, parts...)
	plan.Tables = append(plan.Tables, PlanTable{Table: t, Target: d.target, As: d.as, Action: d.action, LiveID: d.liveID, Dynamic: d.dynamic, Columns: d.columns})
	p.victims = append(p.victims, victims(plan.Database, d, t, at.partitions[d.target], whole)...)
}

// decision is decide with what holds for every action.
func (p *restorePlanner) decision(plan *Plan, at *target, t restorepoint.Table, name string, whole bool) decision {
	from := plan.Source + "." + t.Name
	if err := p.checkTarget(at, from, name); err != nil {
		return refused(name, "%v", err)
	}
	d := p.decide(at, t, name, whole)
	if why := plan.divided(t, d); why != "" {
		return refused(name, "%s", why)
	}
	if lost := p.lacking(plan.Source, t.Name); d.action == spec.ActionSwap && len(lost) > 0 {
		return refused(name, "the restore point is partial and lacks its partition %s: a swap would take it out of the live table; restore another point, or under another name (rename)", first3(lost))
	}
	if d.target != name && d.action != spec.ActionRefuse {
		if err := p.checkTarget(at, from, d.target); err != nil {
			return refused(d.target, "%v", err)
		}
	}
	return d
}

// row tells what happens to a table, with what depends on it.
func (p *restorePlanner) row(plan *Plan, at *target, t restorepoint.Table, d decision, parts []restorepoint.Part) {
	row := spec.PlannedTable{Database: plan.Database, Table: d.target, From: plan.Source + "." + t.Name, Action: d.action, Partitions: len(parts), Note: d.note, Diff: d.diff}
	for _, part := range parts {
		row.Tablets += int64(part.Tablets)
		row.Bytes += part.Bytes
	}
	if note := p.fewerReplicas(t, parts); note != "" && d.action != spec.ActionRefuse {
		row.Note = strings.TrimPrefix(row.Note+"; "+note, "; ")
	}
	row.Dependents = p.dependents(at, at.tables[d.target], d)
	p.rows = append(p.rows, row)
	p.facts[row.Database+"."+row.Table] = p.factsOf(at, at.tables[d.target])
	if d.action == spec.ActionRefuse {
		p.out.Refused++
		return
	}
	p.need(d.action, parts)
}

// fewerReplicas says that a table comes back with fewer replicas than it had, which nobody asked for.
func (p *restorePlanner) fewerReplicas(t restorepoint.Table, parts []restorepoint.Part) string {
	for i, part := range parts {
		if had := t.Partitions[i].Replication; p.in.Spec.ReplicationNum == 0 && part.Replication < had {
			return fmt.Sprintf("with %d replicas, it had %d: BEs are alive on %d hosts", part.Replication, had, p.hosts)
		}
	}
	return ""
}

func (p *restorePlanner) part(t restorepoint.Table, part restorepoint.Partition) restorepoint.Part {
	replication := p.in.Spec.ReplicationNum
	if replication == 0 {
		replication = max(1, min(part.Replication, p.hosts))
	}
	if isList(t) { // its partitions stay in one statement, which names one number
		for _, other := range t.Partitions {
			if p.in.Spec.ReplicationNum == 0 {
				replication = max(replication, min(other.Replication, p.hosts))
			}
		}
	}
	out := restorepoint.Part{
		Table: t.Name, Partition: part.Name, Tablets: part.Tablets, Replication: replication,
		Bytes: part.Bytes, Rows: part.Rows, Whole: isList(t), Snapshot: part.Snapshot,
	}
	if len(part.Physical) > 0 {
		out.PartitionID, out.Version = part.Physical[0].ID, part.Physical[0].Version
	}
	return out
}

// isList tells LIST tables by their partitions' values; their partitions cannot be added one by one (rule 16).
func isList(t restorepoint.Table) bool {
	return slices.ContainsFunc(t.Partitions, func(p restorepoint.Partition) bool { return isListValue(p.Value) })
}
