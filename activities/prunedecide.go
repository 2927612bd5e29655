package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// undoStays is how long a point stays that a restore saved before it overwrote something: as the undo of that restore.
const undoStays = 7 * 24 * time.Hour

// decide says of each point whether it stays. The verdicts are in the order of the points.
func (p *pruner) decide() ([]restorepoint.Verdict, error) {
	in := p.in.Spec
	policies, err := policiesOf(in)
	if err != nil {
		return nil, err
	}
	needed := p.needed()
	list := make([]restorepoint.RetainedPoint, len(p.points))
	for i, point := range p.points {
		list[i] = p.retained(point, policies)
		if list[i].Kept == "" {
			list[i].Kept = needed[point.head.ID]
		}
		p.groups = append(p.groups, list[i].Group)
		list[i].Group += "\n" + fmt.Sprint(list[i].Undo, policies.at(point))
	}
	if len(in.Points) == 0 {
		return restorepoint.Retain(list, p.in.At, in.Force), nil
	}
	named := map[string]bool{}
	for _, id := range in.Points {
		if !slices.ContainsFunc(p.points, func(x *prunedPoint) bool { return x.head.ID == id }) {
			p.out.Warnings = append(p.out.Warnings, "there is no restore point "+id)
		}
		named[id] = true
	}
	return restorepoint.RetainBut(list, named, in.Force), nil
}

func (p *pruner) retained(point *prunedPoint, policies policies) restorepoint.RetainedPoint {
	at, _ := restorepoint.ParsePointID(point.head.ID) // keys hold no other
	r := restorepoint.RetainedPoint{
		ID: point.head.ID, At: at, Complete: point.head.Complete, Damaged: point.damaged, Group: p.selectionOf(point.head, 0), Policy: policies.of(point),
		Pinned: p.files.points[point.head.ID].pinned, Undo: point.head.Tags[spec.TagBeforeOverwrite] != "",
	}
	byName := len(p.in.Spec.Points) > 0
	switch {
	case point.unread != nil:
		r.Kept = "its manifest cannot be read" // the plan is refused before, unless it is named and forced
	case r.Undo && p.in.At.Sub(at) < undoStays:
		r.Kept = "the undo of " + point.head.Tags[spec.TagBeforeOverwrite]
	case point.head.Origin == restorepoint.OriginAdopted && !byName:
		r.Kept = "adopted: it goes only by its name"
	}
	return r
}

// policies are those of a spec, ready to be used.
type policies struct {
	selections []spec.RetentionSelection
	list       []*restorepoint.Policy // of the selections, then the general one; nil: none
}

func policiesOf(in spec.Prune) (policies, error) {
	p := policies{selections: in.Selections}
	all := make([]spec.Retention, 0, len(in.Selections)+1)
	for _, s := range in.Selections {
		all = append(all, s.Policy)
	}
	for _, r := range append(all, in.Policy) {
		zone, err := time.LoadLocation(r.TimeZone)
		if err != nil {
			return p, invalid("time zone %q: %v", r.TimeZone, err)
		}
		made := &restorepoint.Policy{KeepLast: r.KeepLast, Hourly: r.Hourly, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly,
			MinAge: time.Duration(r.MinAge), Zone: zone}
		if r == (spec.Retention{TimeZone: r.TimeZone}) {
			made = nil
		}
		p.list = append(p.list, made)
	}
	return p, nil
}

// at is the index of the policy for a point.
func (p policies) at(point *prunedPoint) int {
	i := slices.IndexFunc(p.selections, func(s spec.RetentionSelection) bool { return matchesSelection(s, point) })
	if i < 0 {
		return len(p.selections)
	}
	return i
}

func (p policies) of(point *prunedPoint) *restorepoint.Policy { return p.list[p.at(point)] }

func matchesSelection(s spec.RetentionSelection, point *prunedPoint) bool {
	for key, value := range s.Tags {
		if got, ok := point.head.Tags[key]; !ok || got != value {
			return false
		}
	}
	if len(s.Databases) > 0 && !restorepoint.AllMatch(s.Databases, point.databases) {
		return false
	}
	if len(s.Include) == 0 {
		return true
	}
	return canonical(s.Include) == canonical(asked(point.head).Include)
}

// selectionOf says what the backup of a point was of. Points of one selection are compared with each other.
func (p *pruner) selectionOf(head restorepoint.PointHead, depth int) string {
	switch {
	case head.Tags[spec.TagBeforeOverwrite] != "":
		return "saved before an overwrite"
	case head.Origin == restorepoint.OriginAdopted:
		return "adopted " + head.ID
	}
	in := asked(head)
	if in.Resume == "" {
		return selectionText(in.Include, in.Exclude)
	}
	i := slices.IndexFunc(p.points, func(x *prunedPoint) bool { return x.head.ID == in.Resume })
	if i < 0 || depth > 100 {
		return "resumed from " + in.Resume
	}
	return p.selectionOf(p.points[i].head, depth+1)
}

func selectionText(include, exclude []string) string {
	text := canonical(include)
	if text == "" {
		text = "everything"
	}
	if out := canonical(exclude); out != "" {
		text += " but " + out
	}
	return text
}

func canonical(patterns []string) string {
	sorted := slices.Clone(patterns)
	slices.Sort(sorted)
	return strings.Join(slices.Compact(sorted), ", ")
}

// asked is what a backup was told to take. A spec that cannot be read tells nothing.
func asked(head restorepoint.PointHead) restorepoint.Asked {
	if head.Selected != nil {
		return restorepoint.Asked{Include: head.Selected.Include, Exclude: head.Selected.Exclude}
	}
	in, _ := head.Asked()
	return in
}

// findMigrations finds the points of migrations that are under way. What such a run holds between two rounds no input
// tells: the point that its target has, and the one that the next round is compared with. Both are among the newest that
// it made, since a round makes one at each attempt and the migration ends with the last of them.
func (p *pruner) findMigrations(ctx context.Context, open func(ctx context.Context, id string) (bool, error)) error {
	p.migrating = map[string]string{}
	left := map[string]int{}
	for _, point := range p.points { // newest first
		id := point.head.Tags[spec.TagMigrate]
		if id == "" {
			continue
		}
		if _, asked := left[id]; !asked {
			running, err := open(ctx, id)
			if err != nil {
				return err
			}
			if left[id] = 0; running {
				left[id] = spec.MigrateAttempts + 1
			}
		}
		if left[id] > 0 {
			left[id]--
			p.migrating[point.head.ID] = id
		}
	}
	return nil
}

// needed says which points open runs need: those that they name, those that a migration goes on from, and for a backup the
// one that was the newest when it began, with which it may compare.
func (p *pruner) needed() map[string]string {
	needed := map[string]string{}
	for point, id := range p.migrating {
		needed[point] = id + " goes on from it"
	}
	for _, run := range p.runs {
		needed[run.Base] = run.ID + " uses it"
		if run.Workflow != spec.BackupWorkflow {
			continue
		}
		for _, point := range p.points { // newest first
			at, _ := restorepoint.ParsePointID(point.head.ID)
			if !at.After(run.Started) && point.head.Tags[spec.TagBeforeOverwrite] == "" && point.head.Origin != restorepoint.OriginAdopted {
				needed[point.head.ID] = run.ID + " may compare with it"
				break
			}
		}
	}
	delete(needed, "")
	return needed
}

// count notes the verdicts on the native snapshots.
func (p *pruner) count(verdicts []restorepoint.Verdict) {
	for i, v := range verdicts {
		for _, l := range p.points[i].labels {
			if len(v.Keep) > 0 {
				p.labels[l].kept++
			} else {
				p.labels[l].gone++
			}
		}
	}
	for _, l := range p.labels {
		if l.kept == 0 && l.gone > 0 && p.ours(l) {
			p.out.GoBytes += l.bytes
			p.out.GoObjects += l.objects
		}
	}
}

// rows are the points of the plan: those that go, then those that stay, newest first.
func (p *pruner) rows(verdicts []restorepoint.Verdict) []spec.PrunedPoint {
	rows := make([]spec.PrunedPoint, len(p.points))
	for i, point := range p.points {
		v := verdicts[i]
		rows[i] = spec.PrunedPoint{ID: v.Point, Complete: point.head.Complete, Tags: point.head.Tags, Selection: p.groups[i], Go: len(v.Keep) == 0, Keep: v.Keep, Why: v.Why, Forced: v.Forced}
		if point.unread == nil {
			rows[i].CreatedAt = point.head.CreatedAt.UTC().Format(time.RFC3339)
		}
		for _, l := range point.labels {
			label := p.labels[l]
			rows[i].Bytes += label.bytes
			if label.kept+label.gone == 1 && p.ours(label) {
				rows[i].Unique += label.bytes
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b spec.PrunedPoint) int { return cmp.Compare(order(a), order(b)) })
	return rows
}

func order(p spec.PrunedPoint) int {
	if p.Go {
		return 0
	}
	return 1
}

// ours tells whether starkeep made a native snapshot: others are never deleted.
func (p *pruner) ours(l labelled) bool { return restorepoint.IsOwnLabel(l.label) && l.native != "" }
