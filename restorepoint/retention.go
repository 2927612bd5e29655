package restorepoint

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Policy says which restore points of a group stay. Only complete ones count, the newest first; a point may stay for
// several reasons.
type Policy struct {
	KeepLast int
	// Each keeps the newest point of the last n hours, days, … that have one at all.
	Hourly, Daily, Weekly, Monthly, Yearly int
	MinAge                                 time.Duration  // younger ones stay
	Zone                                   *time.Location // where days begin; nil: UTC
}

// RetainedPoint is a restore point as Retain sees it.
type RetainedPoint struct {
	ID       string
	At       time.Time // in its id
	Complete bool
	Damaged  bool // a verification found it so: it is not the last good one while there is another
	// Group is what the point is compared with: points of one policy and one selection.
	Group  string
	Policy *Policy // nil: none is for it, and it stays
	Pinned bool
	// Kept says why it stays although the policy would not keep it; "" if nothing does. Such a point still counts.
	Kept string
	// Undo marks a point that a restore saved before it overwrote something. It is nobody's last good point.
	Undo bool
}

// Verdict says what becomes of a restore point, and why.
type Verdict struct {
	Point  string
	Keep   []string // why it stays; nil: it goes
	Why    string   // why it goes
	Forced bool     // it goes although it is the last good one of its group
}

// Reasons why a point stays, beside those of the policy's rules.
const (
	KeptPinned   = "pinned"
	KeptLastGood = "the last good point of its selection"
	KeptNoPolicy = "no policy is for it"
	KeptNewer    = "newer than the last good point"
)

// Why a point goes.
const (
	GoneByPolicy = "the policy keeps newer ones"
	GonePartial  = "partial, and there is a newer good one"
	GoneNamed    = "named"
)

// Retain decides which restore points stay. Of every group the newest complete point stays, unless force; a partial point
// never counts as a good one, and stays only while it is newer than the last good one, by the same rules. The verdicts are
// in the order of the points.
func Retain(points []RetainedPoint, now time.Time, force bool) []Verdict {
	verdicts := make([]Verdict, len(points))
	groups := map[string][]int{}
	for _, i := range newestFirst(points) {
		verdicts[i].Point = points[i].ID
		groups[points[i].Group] = append(groups[points[i].Group], i)
	}
	for _, members := range groups {
		g := group{points: points, verdicts: verdicts, now: now, force: force}
		g.decide(members)
	}
	return verdicts
}

// RetainBut decides where some points are named that go: all others stay.
func RetainBut(points []RetainedPoint, named map[string]bool, force bool) []Verdict {
	verdicts := make([]Verdict, len(points))
	good := map[string][]int{} // by group, newest first
	for _, i := range newestFirst(points) {
		if points[i].Complete {
			good[points[i].Group] = append(good[points[i].Group], i)
		}
	}
	for i, p := range points {
		v := &verdicts[i]
		v.Point = p.ID
		switch isLast := lastGood(points, good[p.Group]) == i; {
		case !named[p.ID]:
			v.Keep = []string{"not named"}
		case p.Pinned:
			v.Keep = []string{KeptPinned}
		case p.Kept != "" && !force:
			v.Keep = []string{p.Kept}
		case isLast && !force:
			v.Keep = []string{KeptLastGood}
		default:
			v.Why, v.Forced = GoneNamed, isLast
		}
	}
	return verdicts
}

// group is the points of one selection under one policy.
type group struct {
	points   []RetainedPoint
	verdicts []Verdict
	now      time.Time
	force    bool
}

func (g *group) keep(i int, format string, args ...any) {
	g.verdicts[i].Keep = append(g.verdicts[i].Keep, fmt.Sprintf(format, args...))
}

// decide takes the group's points newest first.
func (g *group) decide(members []int) {
	var good, ahead []int
	for _, i := range members {
		switch {
		case g.points[i].Complete:
			good = append(good, i)
		case len(good) == 0:
			ahead = append(ahead, i)
		}
	}
	policy := g.points[members[0]].Policy
	last := lastGood(g.points, good)
	if last >= 0 && !g.force {
		g.keep(last, KeptLastGood)
	}
	g.apply(policy, good, "")
	g.apply(policy, ahead, KeptNewer+", ")
	if len(ahead) > 0 && len(g.verdicts[ahead[0]].Keep) == 0 && !g.force {
		g.keep(ahead[0], KeptNewer)
	}
	for _, i := range members {
		g.settle(i, policy, i == last)
	}
}

// apply counts the policy's rules down over points, newest first.
func (g *group) apply(p *Policy, points []int, prefix string) {
	if p == nil {
		return
	}
	for n, i := range points[:min(p.KeepLast, len(points))] {
		g.keep(i, "%slast %d of %d", prefix, n+1, p.KeepLast)
	}
	for _, rule := range p.rules() {
		period, kept := "", 0
		for _, i := range points {
			name := rule.period(g.points[i].At.In(p.zone()))
			if name == period {
				continue
			}
			if kept++; kept > rule.n {
				break
			}
			period = name
			g.keep(i, "%s%s %s", prefix, rule.word, name)
		}
	}
}

// settle adds the reasons that are the point's own, and says why it goes if there is none at all.
func (g *group) settle(i int, policy *Policy, lastGood bool) {
	p, v := g.points[i], &g.verdicts[i]
	if policy == nil {
		g.keep(i, KeptNoPolicy)
	} else if g.now.Sub(p.At) < policy.MinAge {
		g.keep(i, "younger than %s", policy.MinAge)
	}
	if p.Pinned {
		g.keep(i, KeptPinned)
	}
	if p.Kept != "" {
		g.keep(i, "%s", p.Kept)
	}
	if len(v.Keep) > 0 {
		return
	}
	v.Why, v.Forced = GoneByPolicy, lastGood
	if !p.Complete {
		v.Why = GonePartial
	}
}

func (p *Policy) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

type rule struct {
	n      int
	word   string
	period func(time.Time) string
}

func (p *Policy) rules() []rule {
	layout := func(l string) func(time.Time) string { return func(t time.Time) string { return t.Format(l) } }
	return []rule{
		{p.Hourly, "hourly", layout("2006-01-02 15h -0700")}, // the hour that is there twice when clocks go back
		{p.Daily, "daily", layout(time.DateOnly)},
		{p.Weekly, "weekly", func(t time.Time) string {
			year, week := t.ISOWeek()
			return fmt.Sprintf("%d-W%02d", year, week)
		}},
		{p.Monthly, "monthly", layout("2006-01")},
		{p.Yearly, "yearly", layout("2006")},
	}
}

func newestFirst(points []RetainedPoint) []int {
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(points[b].At.Compare(points[a].At), cmp.Compare(points[b].ID, points[a].ID))
	})
	return order
}

// lastGood finds the last good one among the complete points of a group, newest first; -1 if none is worth protecting.
func lastGood(points []RetainedPoint, complete []int) int {
	for _, i := range complete {
		if !points[i].Damaged && !points[i].Undo {
			return i
		}
	}
	if len(complete) == 0 || points[complete[0]].Undo {
		return -1
	}
	return complete[0]
}

// AllMatch tells whether each of the names, of which there is at least one, matches one of the patterns, in which * stands
// for any characters.
func AllMatch(patterns, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(patterns, func(p string) bool { return glob(p, name) }) {
			return false
		}
	}
	return len(names) > 0
}
