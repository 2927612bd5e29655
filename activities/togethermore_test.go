package activities_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// offers are what the backups of an installation have told its copy of.
type offers struct {
	snapshots, points []string
	running           bool
	runs              int
}

// offer does what OfferCopy does: it tells the copy that runs, or starts one.
func (r *run) offer(offer spec.CopyOffer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.offers[r.installation]
	if offer.Snapshot != "" {
		o.snapshots = append(o.snapshots, offer.Snapshot)
	}
	if offer.Point != "" {
		o.points = append(o.points, offer.Point)
	}
	if o.running {
		return
	}
	o.running = true
	o.runs++
	id := fmt.Sprint("offered-", r.installation, "-", o.runs)
	r.copies.Go(func() {
		c := r.together.begin(r.installation, spec.CopyWorkflow, id, "")
		c.end(c.copyOffered())
	})
}

// hear takes what there is to do: native snapshots first, one at a time.
func (r *run) hear() (snapshot string, points []string, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.offers[r.installation]
	if len(o.snapshots) > 0 {
		snapshot, o.snapshots = o.snapshots[0], o.snapshots[1:]
		return snapshot, nil, true
	}
	points, o.points = o.points, nil
	o.running = len(points) > 0
	return "", points, o.running
}

// copyOffered does what a Copy does that backups have started.
func (r *run) copyOffered() (failed error) {
	in := spec.Copy{Cluster: "prod", From: "repo", To: "dr", Behind: true}
	for {
		snapshot, points, more := r.hear()
		if !more {
			return failed
		}
		if snapshot != "" {
			err := r.copySnapshot(in, activities.SnapshotToCopy{Label: snapshot})
			if err == nil {
				r.count("snapshots copied as they came", 1)
			}
			failed = errors.Join(failed, err)
			continue
		}
		var plan activities.CopyPlan
		if err := r.call(&plan, r.acts.PlanCopy, activities.PlanCopyInput{Spec: in, Offered: points}); err != nil {
			return errors.Join(failed, err)
		}
		for _, id := range plan.Points {
			failed = errors.Join(failed, r.copyPoint(in, id))
		}
	}
}

// backUpWhole backs up, and takes what was left out in a run of its own.
func (w *together) backUpWhole(installation int, id string, in spec.Backup) {
	r := w.begin(installation, spec.BackupWorkflow, id, "")
	r.end(r.backUp(in))
	if r.published.Point == "" || r.published.Complete {
		return
	}
	w.count("points in part", 1)
	again := w.begin(installation, spec.BackupWorkflow, id+"-again", r.published.Point)
	err := again.backUp(spec.Backup{Resume: r.published.Point, Mirrors: in.Mirrors})
	again.end(err)
	if err == nil {
		w.count("points resumed", 1)
	}
}

// pins are the points that must stay in a store.
type pins struct{ set, removed map[string]bool }

// pin pins a point, or takes a pin away: after that nobody knows any more, for a worker that was taken for dead may come
// late and take another pin of it away.
func (r *run) pin(where string, remove bool) error {
	p := r.pins[where]
	in := activities.PinInput{Spec: spec.Pin{Cluster: "prod", Where: where, Point: []string{"latest", "latest~1"}[r.pick(r.id+" pins", 0, 2)]}, At: r.started}
	if remove {
		r.mu.Lock()
		set := slices.Sorted(maps.Keys(p.set))
		r.mu.Unlock()
		if len(set) == 0 {
			return nil
		}
		in.Spec.Point, in.Spec.Remove = set[r.pick(r.id+" takes away", 0, uint64(len(set)))], true
		r.mu.Lock()
		p.removed[in.Spec.Point] = true
		r.mu.Unlock()
	}
	var out spec.PinResult
	if err := r.call(&out, r.acts.PinPoint, in); err != nil || remove {
		return err
	}
	r.mu.Lock()
	p.set[out.Point] = true
	r.mu.Unlock()
	return nil
}

// unpinned lists the pinned points that a store does not have.
func (w *together) unpinned(where string, all map[string]stored) (lost []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.pins[where].set {
		if _, there := all[restorepoint.ManifestKey("prod", id)]; !there && !w.pins[where].removed[id] {
			lost = append(lost, id+" is pinned and gone")
		}
	}
	return lost
}

// export does what Export does.
func (r *run) export(in spec.Export) error {
	in.Cluster, in.Repository = "prod", "repo"
	var plan activities.ExportPlan
	if err := r.call(&plan, r.acts.PlanExport, activities.PlanExportInput{Spec: in, ID: r.id}); err != nil {
		return err
	}
	if err := r.call(nil, r.acts.Compose, plan.Unit); err != nil {
		return errors.Join(err, r.call(nil, r.acts.DropComposed, plan.Unit))
	}
	r.count("snapshots exported", 1)
	made := exported(r.repo.now(), in.Label)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exports[in.Label] = made
	return nil
}

// exported are the objects of a native snapshot.
func exported(all map[string]stored, label string) map[string]stored {
	prefix := starrocks.Snapshot{Repository: "r", Label: label}.Prefix()
	maps.DeleteFunc(all, func(key string, _ stored) bool { return !strings.HasPrefix(key, prefix) })
	return all
}

// exportsStay tells which exports are not what they were when they were made.
func (w *together) exportsStay() (lost []string) {
	for label, made := range w.exports {
		now := exported(w.repo.now(), label)
		if !maps.EqualFunc(made, now, func(a, b stored) bool { return bytes.Equal(a.data, b.data) }) {
			lost = append(lost, fmt.Sprintf("the exported snapshot %s had %d objects, and now others, %d", label, len(made), len(now)))
		}
	}
	return lost
}

// asides has both installations pin and export beside everything else.
func (w *together) asides(begun func(who string, installation, times int, every time.Duration, workflow string, do func(r *run, n int) error)) {
	for i := range 2 {
		begun("pin", i, 3, 90*time.Minute, spec.PinWorkflow, func(r *run, n int) error {
			return r.pin([]string{"repo", "dr"}[r.pick(r.id+" where", n, 2)], n == 2)
		})
		begun("export", i, 1, 4*time.Hour, spec.ExportWorkflow, func(r *run, n int) error {
			return r.export(spec.Export{Point: []string{"latest", "latest~1"}[r.pick(r.id+" of", n, 2)], Include: []string{"d"}, Label: fmt.Sprintf("by_hand_%d_%d", i, n)})
		})
	}
}
