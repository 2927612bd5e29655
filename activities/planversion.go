package activities

import (
	"context"
	"fmt"
	"slices"

	"starkeep/restorepoint"
)

// refuseLists puts the LIST partitioned tables aside where the version's BACKUP refuses them (facts §10.1): one of them
// in a statement would fail all that is named with it.
func (p *backupPlanner) refuseLists(ctx context.Context, plan *Plan) error {
	if !slices.ContainsFunc(plan.Parts, func(part restorepoint.Part) bool { return part.Whole }) {
		return nil
	}
	version, err := p.cluster.FE.Version(ctx)
	if err != nil {
		return fmt.Errorf("read the version of cluster %s: %w", p.cluster.Name, err)
	}
	if version.BacksUpListPartitions() {
		return nil
	}
	lists := map[string]bool{}
	for _, part := range plan.Parts {
		if part.Whole && !lists[part.Table] {
			lists[part.Table] = true
			plan.refuse(part.Table, "", fmt.Sprintf("StarRocks %s does not back up LIST partitioned tables; 3.2.12 and later do", version))
		}
	}
	plan.Parts = slices.DeleteFunc(plan.Parts, func(part restorepoint.Part) bool { return lists[part.Table] })
	return nil
}
