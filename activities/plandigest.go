package activities

import (
	"fmt"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// factsOf is what the plan of a table rests on and may change until the run: the live table's identity and definition. Its
// data does not count, and neither do partitions that loads make.
func (p *restorePlanner) factsOf(at *target, live starrocks.Table) restorepoint.PlanFact {
	if live.Name == "" {
		return restorepoint.PlanFact{}
	}
	f := restorepoint.PlanFact{Kind: string(live.Kind), LiveID: live.ID}
	if live.Kind == starrocks.KindTable {
		if ddl, err := at.ddl(live.Name); err == nil {
			f.Definition = mattering(starrocks.ParseDefinition(ddl))
		}
	}
	return f
}

// digest is over what matters of the plan: the point, what is done to which tables, the tables there, and sizes; not over
// versions of data, and not over time.
func (p *restorePlanner) digest() string {
	facts := restorepoint.PlanFacts{Point: p.manifest.ID}
	for _, s := range p.manifest.Snapshots {
		facts.Snapshots = append(facts.Snapshots, s.Label+" "+s.SHA256)
	}
	if p.out.Views != nil { // definitions, and what they replace
		facts.Snapshots = append(facts.Snapshots, "views "+p.out.Views.Plan.SHA256)
	}
	for _, row := range p.rows {
		f := p.facts[row.Database+"."+row.Table]
		f.Target, f.From, f.Action = row.Database+"."+row.Table, row.From, row.Action
		f.Partitions, f.Tablets, f.Bytes = row.Partitions, row.Tablets, row.Bytes
		facts.Tables = append(facts.Tables, f)
	}
	return facts.Digest()
}

// confirmed tells whether this is the plan that was confirmed, if one was.
func (p *restorePlanner) confirmed() bool {
	return p.in.Spec.PlanDigest == "" || p.in.Spec.PlanDigest == p.out.Digest
}

// Bounds of the differences in a plan: it lives in a history.
const (
	maxDiffLines = 40
	maxDiffBytes = 100_000
)

// withoutLongDiffs cuts what differs in definitions down to what a history can hold.
func withoutLongDiffs(rows []spec.PlannedTable) []spec.PlannedTable {
	left := maxDiffBytes
	for i := range rows {
		diff := rows[i].Diff
		if more := len(diff) - maxDiffLines; more > 0 {
			diff = append(diff[:maxDiffLines:maxDiffLines], fmt.Sprintf("… and %d lines more", more))
		}
		for _, line := range diff {
			left -= len(line)
		}
		if left < 0 {
			diff = nil
		}
		rows[i].Diff = diff
	}
	return rows
}
