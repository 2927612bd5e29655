package restorepoint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func timed(t *testing.T, text string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

// A point is written as its time, with marks after it: "~" partial, "!" pinned, "u" undo, "=a" group a, "+" kept for a
// reason of its own.
func retained(t *testing.T, p *Policy, list ...string) []RetainedPoint {
	t.Helper()
	var points []RetainedPoint
	for _, text := range list {
		text, group, _ := strings.Cut(text, "=")
		at := timed(t, strings.TrimRight(text, "~!u+"))
		marks := strings.TrimLeft(text, "0123456789-: ")
		point := RetainedPoint{ID: NewPointID(at, text+group), At: at, Complete: !strings.Contains(marks, "~"), Group: group, Policy: p,
			Pinned: strings.Contains(marks, "!"), Undo: strings.Contains(marks, "u")}
		if strings.Contains(marks, "+") {
			point.Kept = "a backup needs it"
		}
		points = append(points, point)
	}
	return points
}

func days(from string, n int) []string {
	at, err := time.Parse(time.DateOnly, from)
	if err != nil {
		panic(err)
	}
	var list []string
	for i := range n {
		list = append(list, at.AddDate(0, 0, i).Format("2006-01-02")+" 02:00")
	}
	return list
}

func TestRetention(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	const last = "|" + KeptLastGood
	for name, c := range map[string]struct {
		policy Policy
		points []string
		now    string
		force  bool
		want   []string // kept points, with reasons after "|"
	}{
		"the last ones": {policy: Policy{KeepLast: 2}, points: days("2026-11-01", 4),
			want: []string{"2026-11-03 02:00|last 2 of 2", "2026-11-04 02:00" + last + "|last 1 of 2"}},
		"days, weeks, months and years at once": {policy: Policy{Daily: 2, Weekly: 2, Monthly: 2, Yearly: 2}, points: append(days("2025-12-30", 2), days("2026-10-30", 17)...),
			want: []string{"2025-12-31 02:00|yearly 2025", "2026-10-31 02:00|monthly 2026-10", "2026-11-08 02:00|weekly 2026-W45",
				"2026-11-14 02:00|daily 2026-11-14", "2026-11-15 02:00" + last + "|daily 2026-11-15|weekly 2026-W46|monthly 2026-11|yearly 2026"}},
		"the newest of a day counts": {policy: Policy{Daily: 2}, points: []string{"2026-11-01 02:00", "2026-11-01 12:00", "2026-11-01 22:00", "2026-11-03 02:00", "2026-11-03 04:00"},
			want: []string{"2026-11-01 22:00|daily 2026-11-01", "2026-11-03 04:00" + last + "|daily 2026-11-03"}},
		"days without points do not count": {policy: Policy{Daily: 3}, points: []string{"2026-01-01", "2026-05-01", "2026-11-01"}, now: "2026-11-20",
			want: []string{"2026-01-01|daily 2026-01-01", "2026-05-01|daily 2026-05-01", "2026-11-01" + last + "|daily 2026-11-01"}},
		"hours": {policy: Policy{Hourly: 2}, points: []string{"2026-11-01 01:10", "2026-11-01 02:10", "2026-11-01 02:50", "2026-11-01 03:00"},
			want: []string{"2026-11-01 02:50|hourly 2026-11-01 02h +0000", "2026-11-01 03:00" + last + "|hourly 2026-11-01 03h +0000"}},
		"an hour that the clock shows twice is two": {policy: Policy{Hourly: 9, Zone: berlin}, points: []string{"2026-10-25 00:30", "2026-10-25 01:30"},
			want: []string{"2026-10-25 00:30|hourly 2026-10-25 02h +0200", "2026-10-25 01:30" + last + "|hourly 2026-10-25 02h +0100"}},
		"a day begins where its zone says": {policy: Policy{Daily: 9, Zone: berlin}, points: []string{"2026-11-01 22:30", "2026-11-01 23:30", "2026-11-02 22:30"},
			want: []string{"2026-11-01 22:30|daily 2026-11-01", "2026-11-02 22:30" + last + "|daily 2026-11-02"}},
		"a week begins on Monday": {policy: Policy{Weekly: 9}, points: []string{"2026-11-14", "2026-11-15", "2026-11-16"},
			want: []string{"2026-11-15|weekly 2026-W46", "2026-11-16" + last + "|weekly 2026-W47"}},
		"a week is of the year of its Thursday": {policy: Policy{Weekly: 9}, points: []string{"2026-12-31", "2027-01-01"},
			want: []string{"2027-01-01" + last + "|weekly 2026-W53"}},
		"young ones stay": {policy: Policy{KeepLast: 1, MinAge: 48 * time.Hour}, points: days("2026-11-01", 4), now: "2026-11-05 00:00",
			want: []string{"2026-11-03 02:00|younger than 48h0m0s", "2026-11-04 02:00" + last + "|last 1 of 1|younger than 48h0m0s"}},
		"of the future too": {policy: Policy{KeepLast: 1, MinAge: time.Hour}, points: []string{"2026-11-02", "2026-11-01"}, now: "2026-10-01",
			want: []string{"2026-11-02" + last + "|last 1 of 1|younger than 1h0m0s", "2026-11-01|younger than 1h0m0s"}},
		"pinned ones stay": {policy: Policy{KeepLast: 1}, points: []string{"2026-11-01!", "2026-11-02", "2026-11-03"},
			want: []string{"2026-11-01!|pinned", "2026-11-03" + last + "|last 1 of 1"}},
		"pinned ones count": {policy: Policy{KeepLast: 1}, points: []string{"2026-11-01", "2026-11-02!"},
			want: []string{"2026-11-02!" + last + "|last 1 of 1|pinned"}},
		"a partial point is no good one": {policy: Policy{KeepLast: 1, Daily: 1}, points: []string{"2026-11-01", "2026-11-02", "2026-11-03~"},
			want: []string{"2026-11-02" + last + "|last 1 of 1|daily 2026-11-02", "2026-11-03~|" + KeptNewer + ", last 1 of 1|" + KeptNewer + ", daily 2026-11-03"}},
		"partial points older than a good one go": {policy: Policy{KeepLast: 9, Daily: 9}, points: []string{"2026-11-01~", "2026-11-02"},
			want: []string{"2026-11-02" + last + "|last 1 of 9|daily 2026-11-02"}},
		"partial points newer than the good one are thinned, the newest stays": {policy: Policy{Yearly: 1}, points: []string{"2026-11-01", "2026-11-02~", "2026-11-03~"},
			want: []string{"2026-11-01" + last + "|yearly 2026", "2026-11-03~|" + KeptNewer + ", yearly 2026"}},
		"nothing but partial points": {policy: Policy{MinAge: time.Minute}, points: []string{"2026-11-01~", "2026-11-02~"},
			want: []string{"2026-11-02~|" + KeptNewer}},
		"groups do not know each other": {policy: Policy{KeepLast: 1}, points: []string{"2026-11-01=a", "2026-11-02=a", "2026-11-03=b", "2026-11-04=b"},
			want: []string{"2026-11-02=a" + last + "|last 1 of 1", "2026-11-04=b" + last + "|last 1 of 1"}},
		"the last good one stays whatever the policy": {policy: Policy{MinAge: time.Hour}, points: days("2026-11-01", 3),
			want: []string{"2026-11-03 02:00" + last}},
		"unless it is forced": {policy: Policy{MinAge: time.Hour}, points: days("2026-11-01", 3), force: true},
		"a pin holds against force": {policy: Policy{MinAge: time.Hour}, points: []string{"2026-11-01!", "2026-11-02"}, force: true,
			want: []string{"2026-11-01!|pinned"}},
		"what something needs stays": {policy: Policy{KeepLast: 1}, points: []string{"2026-11-01+", "2026-11-02"},
			want: []string{"2026-11-01+|a backup needs it", "2026-11-02" + last + "|last 1 of 1"}},
		"what a restore saved is nobody's last": {policy: Policy{MinAge: time.Hour}, points: []string{"2026-11-01u"}},
	} {
		t.Run(name, func(t *testing.T) {
			points := retained(t, &c.policy, c.points...)
			now := timed(t, "2027-06-01")
			if c.now != "" {
				now = timed(t, c.now)
			}
			var got []string
			for i, v := range Retain(points, now, c.force) {
				if (len(v.Keep) == 0) != (v.Why != "") || v.Point != points[i].ID {
					t.Errorf("%s: %+v", c.points[i], v)
				}
				if len(v.Keep) > 0 {
					got = append(got, strings.Join(append([]string{c.points[i]}, v.Keep...), "|"))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("kept\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestPointsWithoutAPolicyStay(t *testing.T) {
	for _, v := range Retain(retained(t, nil, "2026-11-01", "2026-11-02~", "2026-11-03"), timed(t, "2027-01-01"), true) {
		if len(v.Keep) == 0 {
			t.Errorf("%+v", v)
		}
	}
}

func TestNamedPointsGo(t *testing.T) {
	texts := []string{"2026-11-01", "2026-11-02", "2026-11-03~", "2026-11-04!", "2026-11-05+", "2026-11-06=other"}
	points := retained(t, nil, texts...)
	for name, c := range map[string]struct {
		named []int
		force bool
		gone  []int
	}{
		"one":                          {[]int{0}, false, []int{0}},
		"a partial one":                {[]int{2}, false, []int{2}},
		"a pinned one does not":        {[]int{3}, true, nil},
		"what something needs":         {[]int{5}, false, nil}, // the last good one of its group
		"a needed one goes by force":   {[]int{4}, true, []int{4}},
		"the last good one, forced":    {[]int{5}, true, []int{5}},
		"all, but not the last ones":   {[]int{0, 1, 2, 3, 4, 5}, false, []int{0, 1, 2}},
		"all by force, but the pinned": {[]int{0, 1, 2, 3, 4, 5}, true, []int{0, 1, 2, 4, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			named := map[string]bool{}
			for _, i := range c.named {
				named[points[i].ID] = true
			}
			var gone []int
			for i, v := range RetainBut(points, named, c.force) {
				if len(v.Keep) == 0 {
					gone = append(gone, i)
				}
			}
			if !slices.Equal(gone, c.gone) {
				t.Errorf("gone %v, want %v", gone, c.gone)
			}
		})
	}
}

// What must hold for any points and any policy.
func TestRetentionProperties(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		points, now := randomPoints(r), timed(t, "2026-11-20")
		force := r.IntN(4) == 0
		verdicts := Retain(points, now, force)
		check := func(ok bool, i int, what string) {
			if !ok {
				t.Fatalf("seed %d: %s: point %d %+v of policy %+v: %+v", seed, what, i, points[i], points[i].Policy, verdicts[i])
			}
		}
		lastGood, good := map[string]int{}, map[string][]int{}
		for i, p := range points {
			if at, seen := lastGood[p.Group]; p.Complete && (!seen || newerPoint(p, points[at])) {
				lastGood[p.Group] = i
			}
			if p.Complete {
				good[p.Group] = append(good[p.Group], i)
			}
		}
		for i, p := range points {
			kept := len(verdicts[i].Keep) > 0
			check(kept || verdicts[i].Why != "", i, "a verdict without a reason")
			check(kept || !p.Pinned && p.Kept == "" && p.Policy != nil, i, "a protected point goes")
			check(kept || p.Policy == nil || now.Sub(p.At) >= p.Policy.MinAge, i, "a young point goes")
			at, has := lastGood[p.Group]
			check(kept || force || !has || at != i || p.Undo, i, "the last good point goes")
			check(kept || force || i != newestOf(points, p.Group), i, "the newest point of a group goes")
		}
		for group, list := range good { // a policy never keeps fewer good points than it can
			p := points[list[0]].Policy
			if p == nil {
				continue
			}
			n := 0
			for _, i := range list {
				if len(verdicts[i].Keep) > 0 {
					n++
				}
			}
			if want := min(len(list), p.KeepLast); n < want {
				t.Fatalf("seed %d: group %s keeps %d of %d good points, the policy wants the last %d", seed, group, n, len(list), p.KeepLast)
			}
		}
		sameInAnyOrder(t, seed, r, points, now, force, verdicts)
		again(t, seed, points, now, force, verdicts)
	}
}

func newestOf(points []RetainedPoint, group string) int {
	at := -1
	for i, p := range points {
		if p.Group == group && (at < 0 || newerPoint(p, points[at])) {
			at = i
		}
	}
	return at
}

func sameInAnyOrder(t *testing.T, seed uint64, r *rand.Rand, points []RetainedPoint, now time.Time, force bool, verdicts []Verdict) {
	t.Helper()
	want := map[string]Verdict{}
	for _, v := range verdicts {
		want[v.Point] = v
	}
	mixed := slices.Clone(points)
	r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for _, v := range Retain(mixed, now, force) {
		if fmt.Sprint(v) != fmt.Sprint(want[v.Point]) {
			t.Fatalf("seed %d: in another order %+v, was %+v", seed, v, want[v.Point])
		}
	}
}

// again prunes what is left: nothing more goes, for what stays is what the policy wants.
func again(t *testing.T, seed uint64, points []RetainedPoint, now time.Time, force bool, verdicts []Verdict) {
	t.Helper()
	if force {
		return
	}
	var left []RetainedPoint
	for i, v := range verdicts {
		if len(v.Keep) > 0 {
			left = append(left, points[i])
		}
	}
	for i, v := range Retain(left, now, force) {
		if len(v.Keep) == 0 {
			t.Fatalf("seed %d: a second run lets %+v go: %+v", seed, left[i], v)
		}
	}
}

func randomPoints(r *rand.Rand) []RetainedPoint {
	policies := map[string]*Policy{}
	var points []RetainedPoint
	for i := range r.IntN(60) {
		group := string(rune('a' + r.IntN(3)))
		if policies[group] == nil {
			policies[group] = &Policy{KeepLast: r.IntN(4), Hourly: r.IntN(4), Daily: r.IntN(8), Weekly: r.IntN(4), Monthly: r.IntN(4), Yearly: r.IntN(3),
				MinAge: time.Duration(r.IntN(100)) * time.Hour, Zone: time.FixedZone("", r.IntN(24)*3600-12*3600)}
		}
		at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Add(-time.Duration(r.IntN(90*24*60)) * time.Minute)
		p := RetainedPoint{ID: NewPointID(at, fmt.Sprint(i)), At: at, Complete: r.IntN(5) > 0, Group: group, Policy: policies[group], Pinned: r.IntN(15) == 0, Undo: false}
		if r.IntN(20) == 0 {
			p.Kept = "needed"
		}
		points = append(points, p)
	}
	return points
}

func newerPoint(a, b RetainedPoint) bool { return a.At.After(b.At) || a.At.Equal(b.At) && a.ID > b.ID }
