package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// offer tells the copies into the mirrors that a snapshot is recorded. They go on beside the backup, and find later what
// they were not told.
func (j *databaseJob) offer(ctx workflow.Context, label string) {
	if len(j.Mirrors) == 0 {
		return
	}
	in := activities.OfferInput{Cluster: j.Cluster, From: j.Repository, To: j.Mirrors, Offer: spec.CopyOffer{Snapshot: label}}
	if err := workflow.ExecuteActivity(brief(ctx, j.heartbeat(), "offer "+label+" to mirrors"), acts.OfferCopy, in).Get(ctx, nil); err != nil {
		j.warn("the copies to mirrors were not told of snapshot %s, and get it later: %s", label, reasonOf(err))
	}
}

// mirror tells the copies into the mirrors that the point is published, and looks for a while whether they have it. The
// point stands, whatever comes of it.
func (b *backup) mirror(ctx workflow.Context, plan activities.BackupPlan, p activities.Published) {
	if len(b.in.Mirrors) == 0 || p.Point == "" {
		return
	}
	b.phase(ctx, spec.PhaseCopy)
	heartbeat := plan.Heartbeat.Or(planHeartbeat)
	free := finishing(ctx)
	offer := activities.OfferInput{Cluster: b.in.Cluster, From: b.in.Repository, To: b.in.Mirrors, Offer: spec.CopyOffer{Point: p.Point}}
	err := workflow.ExecuteActivity(brief(free, heartbeat, "offer "+p.Point+" to mirrors"), acts.OfferCopy, offer).Get(free, nil)
	if err == nil {
		look := activities.MirrorsInput{Cluster: b.in.Cluster, From: b.in.Repository, To: b.in.Mirrors, Point: p.Point, Wait: spec.Duration(b.in.MirrorWait.Or(spec.DefaultMirrorWait))}
		wait := withOptions(ctx, time.Duration(look.Wait)+time.Hour, time.Duration(look.Wait)+2*time.Hour, heartbeat, "look whether mirrors have "+p.Point)
		err = workflow.ExecuteActivity(wait, acts.AwaitMirrors, look).Get(ctx, &b.mirrors)
	}
	if err == nil {
		return
	}
	b.mirrors = nil
	for _, name := range b.in.Mirrors {
		b.mirrors = append(b.mirrors, spec.MirrorState{Mirror: name, Copy: spec.CopyID(b.in.Cluster, b.in.Repository, name), Reason: "not known: " + reasonOf(err)})
	}
}

// behind warns of the mirrors that lack the point.
func (b *backup) behind() []string {
	var warnings []string
	for _, m := range b.mirrors {
		if !m.Copied {
			warnings = append(warnings, fmt.Sprintf("mirror %s is behind (%s): %s goes on with it, and the next backup or `starkeep backup copy --cluster %s --from %s --to %s` takes up what it leaves", m.Mirror, m.Reason, m.Copy, b.in.Cluster, b.in.Repository, m.Mirror))
		}
	}
	return warnings
}
