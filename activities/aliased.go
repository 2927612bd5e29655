package activities

import (
	"slices"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

// Tables are renamed in the metadata of a native snapshot, many in one RESTORE. Before 3.1 __meta is a binary stream that
// cannot be edited (facts §5.5): there a table that gets another name is restored with AS, alone in its statement and
// undivided, because AS wants a name that is free (rule 14, facts §7.5).

// binaryMeta tells whether a version writes __meta in the binary form.
func binaryMeta(version string) bool {
	v, err := starrocks.ParseVersion(version)
	return err == nil && !v.HasJSONMeta()
}

// aliased tells whether a table of the plan is restored with AS.
func (p *Plan) aliased(table, as string) bool {
	return p.Statement == starrocks.RestoreKind && as != "" && as != table && binaryMeta(p.SourceVersion)
}

// lane is the lane of the parts of a table that is brought in by action under the name as.
func (p *Plan) lane(table, as, action string) string {
	if p.aliased(table, as) {
		return laneOf(action) + " as " + table
	}
	return laneOf(action)
}

// alone puts an aliased table's parts into one statement of their own.
func (p *Plan) alone(t restorepoint.Table, d decision, parts []restorepoint.Part) {
	lane, whole := p.lane(t.Name, d.as, d.action), p.aliased(t.Name, d.as)
	for i := range parts {
		parts[i].Lane, parts[i].Whole = lane, parts[i].Whole || whole
	}
}

// divided says why an aliased or a LIST table cannot be restored if its parts lie in several native snapshots; "" if it can.
func (p *Plan) divided(t restorepoint.Table, d decision) string {
	several := slices.ContainsFunc(t.Partitions, func(part restorepoint.Partition) bool { return part.Snapshot != t.Partitions[0].Snapshot })
	if !several || !p.aliased(t.Name, d.as) && !(isList(t) && binaryMeta(p.SourceVersion)) {
		return ""
	}
	return "its partitions lie in several native snapshots of StarRocks " + p.SourceVersion + ", whose metadata cannot be edited to rename or join them; restore it from a point that holds it in one, or, if it is no LIST table, drop the live one, so that it can have its own name"
}
