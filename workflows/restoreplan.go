package workflows

import (
	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// planned is the result of a dry run, as far as the plan makes it.
func planned(in spec.Restore, plan activities.RestorePlan) spec.RestoreResult {
	return spec.RestoreResult{Point: plan.Point, DryRun: in.DryRun, Plan: plan.Tables, PlanDigest: plan.Digest, Blocked: plan.Blocked,
		Space: plan.Space, Estimate: plan.Estimate, Warnings: plan.Warnings}
}

// stops says why a plan is not carried out: it refuses a table, something stops the restore as a whole, or it is not the
// plan that was confirmed.
func (s *restore) stops(plan activities.RestorePlan, out spec.RestoreResult) error {
	if confirmed := s.in.PlanDigest; confirmed != "" && confirmed != plan.Digest {
		return activities.Error(spec.ErrorPlanChanged, out, "the world changed since the plan %s: %s; nothing was touched. Look at the new plan, and confirm %s",
			confirmed, restorepoint.PlanChanges(confirmed, plan.Digest), plan.Digest)
	}
	if plan.Refused > 0 {
		return refused(plan)
	}
	if len(plan.Blocked) > 0 {
		return activities.Error(spec.ErrorInvalidSpec, out, "nothing can be restored as asked, nothing was changed: %s", plan.Blocked[0])
	}
	return nil
}
