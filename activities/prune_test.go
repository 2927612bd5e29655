package activities_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

func TestPruneTakesItsTime(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	old, kept := b.backUp(), b.backUp()
	gone, stays := b.labelsOf(old)[0], b.labelsOf(kept)[0]
	var all restorepoint.SnapshotRef
	for _, s := range b.manifest(old).Snapshots {
		all = s
	}
	for _, step := range []struct {
		later  time.Duration
		traces string // of the old snapshot
		check  func(r spec.PruneResult) bool
	}{
		{0, "lmnr", func(r spec.PruneResult) bool {
			return r.Go == 1 && r.Stay == 1 && r.GoBytes == all.Bytes && r.GoObjects == all.Objects && r.Marked == 1 && r.MarkedBytes == all.Bytes && r.Due == 0
		}},
		{23 * time.Hour, "lmnr", func(r spec.PruneResult) bool { return r.Go == 0 && r.Waiting == 1 && r.Marked == 0 && r.Due == 0 }},
		{25 * time.Hour, "m", func(r spec.PruneResult) bool { return r.Due == 1 && r.DueBytes == all.Bytes }},
		{23 * time.Hour, "m", func(r spec.PruneResult) bool { return r.Due == 0 && r.Files == 0 }},
		{50 * time.Hour, "", func(r spec.PruneResult) bool { return r.Files == 1 }},
		{50 * time.Hour, "", func(r spec.PruneResult) bool { return r.Go+r.Marked+r.Due+r.Files+r.Waiting == 0 && r.Stay == 1 }},
	} {
		if r, _ := b.prunes(lastOnly(), step.later); !step.check(r) {
			t.Errorf("after %s: %+v", step.later, r)
		}
		if got := b.traces(gone); got != step.traces {
			t.Errorf("after %s %q is left of the old snapshot, want %q", step.later, got, step.traces)
		}
		if lacking := unrestorable(t, b.store); len(lacking) > 0 {
			t.Errorf("after %s listed points lack %q", step.later, lacking)
		}
	}
	if got := b.pointsThere(); !slices.Equal(got, []string{kept}) {
		t.Errorf("points %q, want %q", got, kept)
	}
	if got := b.traces(stays); got != "lnr" {
		t.Errorf("%q is left of the kept snapshot", got)
	}
	b.sql("DROP DATABASE d FORCE")
	b.must(nil, b.acts.EnsureDatabase, "prod", "d")
	u := b.restoreUnit(b.planRestore(spec.Restore{Point: kept}))
	b.must(nil, b.acts.Submit, u)
	b.must(nil, b.acts.Await, u)
}

// StarRocks of 4.2 and later deletes native snapshots whose TTL is over, and somebody may delete them by hand.
func TestWhatIsGoneAlreadyHoldsNoPruneUp(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	lost := []struct {
		what string        // of the keys
		at   time.Duration // before the prune of this time
	}{{"", 0}, {"__ss_content", 0}, {"__info", 0}, {"", 25 * time.Hour}, {"__ss_content", 25 * time.Hour}}
	var gone []string
	for range lost {
		gone = append(gone, b.labelsOf(b.backUp("d.pk"))[0])
	}
	kept := b.backUp("d.pk")
	for _, later := range []time.Duration{0, 25 * time.Hour, 50 * time.Hour} {
		for i, l := range lost {
			for _, key := range b.keysBelow(nativePrefix(gone[i])) {
				if l.at == later && strings.Contains(key, l.what) {
					b.delete(key)
				}
			}
		}
		if _, out := b.prunes(lastOnly(), later); len(out.Held)+len(out.Warnings) > 0 {
			t.Errorf("after %s: %+v", later, out)
		}
	}
	for i, label := range gone {
		if got := b.traces(label); got != "" {
			t.Errorf("%q is left of a snapshot that had lost %+v", got, lost[i])
		}
	}
	if got := b.pointsThere(); !slices.Equal(got, []string{kept}) {
		t.Errorf("points %q, want %q", got, kept)
	}
}

func TestASnapshotStaysWhileAPointNeedsAnyOfIt(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	first := b.backUp()
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)")
	_, second := b.make(spec.Backup{Incremental: true}, nil)
	label := b.labelsOf(first)[0]
	plan, err := b.plansPrune(lastOnly(), 0)
	if err != nil {
		t.Fatal(err)
	}
	rows := plan.Result.Points
	if len(rows) != 2 || rows[0].ID != first || !rows[0].Go || rows[0].Unique != 0 || rows[0].Bytes == 0 || rows[0].Why != restorepoint.GoneByPolicy {
		t.Errorf("row of what goes: %+v", rows)
	}
	if rows[1].ID != second.Point || rows[1].Unique == 0 || rows[1].Unique >= rows[1].Bytes || rows[1].Selection != "everything" {
		t.Errorf("row of what stays: %+v", rows)
	}
	for _, later := range []time.Duration{0, 25 * time.Hour, 60 * time.Hour} {
		if r, _ := b.prunes(lastOnly(), later); r.Marked+r.Due != 0 {
			t.Errorf("after %s: %+v", later, r)
		}
	}
	if got := b.traces(label); got != "lnr" {
		t.Errorf("%q is left of the snapshot that an incremental point refers to", got)
	}
	if lacking := unrestorable(t, b.store); len(lacking) > 0 {
		t.Errorf("listed points lack %q", lacking)
	}
}

func TestPointsAreComparedWithTheirLike(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.sql("CREATE DATABASE e", "CREATE TABLE e.t (k INT NOT NULL) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	one := b.backUp("d.t")
	tagged := b.backUpAs(spec.Backup{Include: []string{"d.t"}, Tags: map[string]string{"class": "gold"}})
	two := b.backUp("d.t")
	whole := b.backUp("d", "e")
	saved := b.backUpAs(spec.Backup{Include: []string{"d.pk"}, Tags: map[string]string{spec.TagBeforeOverwrite: "restore/prod/x"}})
	keep := func(in spec.Prune, later time.Duration) (ids []string) {
		t.Helper()
		in.Cluster, in.Where = "prod", "repo"
		plan, err := b.plansPrune(in, later)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plan.Result.Points {
			if !p.Go {
				ids = append(ids, p.ID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	last := spec.Retention{KeepLast: 1}
	for name, c := range map[string]struct {
		in    spec.Prune
		later time.Duration
		want  []string
	}{
		"each selection has its last":      {spec.Prune{Policy: last}, 0, []string{two, whole, saved}},
		"the undo of a restore is no last": {spec.Prune{Policy: spec.Retention{MinAge: spec.Duration(time.Hour)}}, 8 * oneDay, []string{two, whole}},
		"a policy for a tag":               {spec.Prune{Selections: []spec.RetentionSelection{{Tags: map[string]string{"class": "gold"}, Policy: last}}, Policy: last}, 0, []string{tagged, two, whole, saved}},
		"only a policy for a tag":          {spec.Prune{Selections: []spec.RetentionSelection{{Tags: map[string]string{"class": "gold"}, Policy: last}}}, 0, []string{one, tagged, two, whole, saved}},
		"a policy for a database":          {spec.Prune{Selections: []spec.RetentionSelection{{Databases: []string{"d*"}, Policy: last}}}, 0, []string{two, whole, saved}},
		"all databases must match":         {spec.Prune{Selections: []spec.RetentionSelection{{Databases: []string{"e"}, Policy: last}}}, 0, []string{one, tagged, two, whole, saved}},
		"a policy for what was included":   {spec.Prune{Selections: []spec.RetentionSelection{{Include: []string{"e", "d"}, Policy: last}, {Include: []string{"d.t"}, Policy: spec.Retention{KeepLast: 2}}}}, 0, []string{tagged, two, whole, saved}},
		"by name":                          {spec.Prune{Points: []string{one, whole}}, 0, []string{tagged, two, whole, saved}},
		"by name and force":                {spec.Prune{Points: []string{one, whole}, Force: true}, 0, []string{tagged, two, saved}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keep(c.in, c.later); !slices.Equal(got, sortedCopy(c.want)) {
				t.Errorf("kept %q, want %q", got, c.want)
			}
		})
	}
}

func sortedCopy(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// debris makes what failed and cancelled runs leave, and says under which keys.
// Whatever the store does not let go is reported, once, and the rest goes on.
// A prune that dies before any of its changes leaves only points that can be restored, and the next one ends where one
// ends that nothing happened to.
// keyWord is a key without what differs from bed to bed.
func TestRefusedPlans(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	one, two := b.backUp(), b.backUp()
	t.Run("of another digest", func(t *testing.T) {
		in := lastOnly()
		in.PlanDigest = "0123456789abcdef"
		_, err := b.plansPrune(in, 0)
		if kind, _ := activities.TypeOf(err); kind != spec.ErrorPlanChanged {
			t.Errorf("ended with %v", err)
		}
		in.PlanDigest = ""
		plan, err := b.plansPrune(in, 0)
		if err != nil {
			t.Fatal(err)
		}
		in.PlanDigest = plan.Result.PlanDigest
		if _, err := b.plansPrune(in, time.Hour); err != nil {
			t.Error(err)
		}
	})
	t.Run("a dry run writes nothing", func(t *testing.T) {
		before := b.keysBelow("")
		in := lastOnly()
		in.DryRun = true
		if plan, err := b.plansPrune(in, 0); err != nil || plan.Result.Go != 1 || !slices.Equal(b.keysBelow(""), before) {
			t.Errorf("%+v, %v", plan.Result, err)
		}
	})
	t.Run("a point that cannot be read", func(t *testing.T) {
		b.write(restorepoint.ManifestKey("prod", one), `{"formatVersion": "2.0"}`)
		_, err := b.plansPrune(lastOnly(), 0)
		if kind, _ := activities.TypeOf(err); kind != spec.ErrorChecksumMismatch || !strings.Contains(err.Error(), "--point "+one+" --force") {
			t.Errorf("ended with %v", err)
		}
		b.prunes(spec.Prune{Cluster: "prod", Where: "repo", Points: []string{one}, Force: true}, 0)
		if got := b.pointsThere(); !slices.Equal(got, []string{two}) {
			t.Errorf("points %q", got)
		}
	})
	t.Run("an unknown store", func(t *testing.T) {
		in := lastOnly()
		in.Where = "nowhere"
		if _, err := b.plansPrune(in, 0); err == nil || !strings.Contains(err.Error(), "no repository or mirror profile") {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestRunsThatAreOpenKeepWhatTheyNeed(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	one, two, three := b.backUp(), b.backUp(), b.backUp()
	at, err := restorepoint.ParsePointID(two)
	if err != nil {
		t.Fatal(err)
	}
	runs := []activities.OpenRun{{ID: "backup/prod/x", Workflow: spec.BackupWorkflow, Started: at.Add(time.Millisecond)}, {ID: "restore/prod/y", Workflow: spec.RestoreWorkflow, Started: at, Base: one}}
	for n, want := range map[int]int{0: 1, 1: 2, 2: 3} {
		plan, err := b.plansPrune(lastOnly(), 0, runs[:n]...)
		if err != nil || plan.Result.Stay != want {
			t.Errorf("with %d runs %d points stay, want %d (%v)", n, plan.Result.Stay, want, err)
		}
	}
	b.prunes(lastOnly(), 0)
	mark := time.Now().Add(-time.Minute)
	if r, _ := b.prunes(lastOnly(), 30*time.Hour, activities.OpenRun{ID: "copy/prod/z", Workflow: spec.CopyWorkflow, Started: mark}); r.Waiting != 2 || r.Due != 0 {
		t.Errorf("what a run that is open may read is deleted: %+v", r)
	}
	if got := b.pointsThere(); !slices.Equal(got, []string{three}) {
		t.Errorf("points %q", got)
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	old, _ := b.backUp(), b.backUp()
	pin := activities.PinInput{Spec: spec.Pin{Cluster: "prod", Where: "repo", Point: old, Reason: "audit", By: "ada"}, At: time.Now()}
	plan, err := b.plansPrune(lastOnly(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var out spec.PinResult
	b.must(&out, b.acts.PinPoint, pin)
	if out.Pinned == nil || out.Pinned.Reason != "audit" || out.Pinned.By != "ada" {
		t.Errorf("%+v", out)
	}
	done, err := b.carriesOut(plan)
	if err != nil || len(done.Warnings) != 1 || len(b.pointsThere()) != 2 || b.traces(b.labelsOf(old)[0]) != "lnr" {
		t.Errorf("a point that was pinned after the plan: %+v, %v", done, err)
	}
	if r, _ := b.prunes(lastOnly(), 0); r.Stay != 2 {
		t.Errorf("%+v", r)
	}
	var listed spec.InspectResult
	b.must(&listed, b.acts.Inspect, spec.Inspect{Read: spec.ReadPoints, Cluster: "prod", Repository: "repo"})
	if len(listed.Points) != 2 || listed.Points[0].Pinned != nil || listed.Points[1].Pinned == nil || listed.Points[1].Pinned.Reason != "audit" {
		t.Errorf("listed %+v", listed.Points)
	}
	pin.Spec.Remove = true
	b.must(&out, b.acts.PinPoint, pin)
	b.must(&out, b.acts.PinPoint, pin)
	if r, _ := b.prunes(lastOnly(), 0); r.Go != 1 {
		t.Errorf("%+v", r)
	}
	if e := b.run(b.acts.PinPoint, pin); e.err == nil || !strings.Contains(e.err.Error(), "no restore point") {
		t.Errorf("a point that is gone: %v", e.err)
	}
}

// A pin that is answered holds, and a prune that goes on has not been told of one: however the two come together.
func TestAPinAndAPruneMeet(t *testing.T) {
	t.Parallel()
	pinned := func(b *bed, point string, at time.Time) error {
		return b.run(b.acts.PinPoint, activities.PinInput{Spec: spec.Pin{Cluster: "prod", Where: "repo", Point: point}, At: at}).err
	}
	for _, c := range []struct {
		name  string
		op    string
		key   func(cluster, point string) string
		stays bool
	}{
		{"the pin comes first", "put", restorepoint.PointMarkKey, true},
		{"the prune comes first", "delete", restorepoint.ManifestKey, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			old, newest := b.backUp(), b.backUp()
			plan, err := b.plansPrune(lastOnly(), 0)
			if err != nil {
				t.Fatal(err)
			}
			f := b.fenced()
			var answer error
			f.before = func(op, key string) error {
				if op == c.op && key == c.key("prod", old) {
					f.before = nil
					f.mu.Unlock()
					defer f.mu.Lock()
					answer = pinned(b, old, time.Now())
				}
				return nil
			}
			if _, err := b.carriesOut(plan); err != nil {
				t.Fatal(err)
			}
			want := []string{newest}
			if c.stays {
				want = []string{old, newest}
			}
			if got := b.pointsThere(); !slices.Equal(got, want) || c.stays != (answer == nil) {
				t.Errorf("points %q, want %q; the pin was answered %v", got, want, answer)
			}
			if !c.stays && !strings.Contains(answer.Error(), "is being deleted by prune/prod/repo") {
				t.Errorf("the pin was answered %v", answer)
			}
			if _, err := b.store.Stat(t.Context(), restorepoint.PointMarkKey("prod", old)); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("a mark is left: %v", err)
			}
		})
	}
	t.Run("the prune was killed", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		point, now := b.backUp(), time.Now()
		data, err := restorepoint.EncodeMark(restorepoint.DeletionMark{MarkedAt: now, Run: "prune/prod/repo"})
		if err == nil {
			err = storage.WriteAll(t.Context(), b.store, restorepoint.PointMarkKey("prod", point), data, storage.IfAbsent)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := pinned(b, point, now.Add(59*time.Minute)); err == nil || !strings.Contains(err.Error(), "pin it again") {
			t.Errorf("within the hour: %v", err)
		}
		if err := pinned(b, point, now.Add(time.Hour)); err != nil {
			t.Errorf("after the hour: %v", err)
		}
		if err := pinned(b, point, now); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// Between two rounds nothing but the tags of its points tells what a migration goes on from: the point that the target
// holds, and those that later attempts at a round have made.
func TestAMigrationKeepsWhatItGoesOnFrom(t *testing.T) {
	const id = "migrate/prod/move"
	b := newBed(t, options{})
	b.tables()
	round := spec.Backup{Tags: map[string]string{spec.TagMigrate: id}}
	var rounds []string
	for range spec.MigrateAttempts + 2 {
		rounds = append(rounds, b.backUpAs(round))
	}
	other := b.backUpAs(spec.Backup{Tags: map[string]string{spec.TagMigrate: "migrate/prod/over"}})
	newest := b.backUp()
	b.open = map[string]bool{id: true}
	b.prunes(lastOnly(), 0)
	if got, want := b.pointsThere(), append(slices.Clone(rounds[1:]), newest); !slices.Equal(got, want) {
		t.Errorf("while it runs %q stay, want %q", got, want)
	}
	if slices.Contains(b.pointsThere(), other) {
		t.Error("the point of a migration that is over stays")
	}
	in := lastOnly()
	in.Policy, in.Points = spec.Retention{}, rounds[1:2]
	if r, _ := b.prunes(in, 0); r.Go != 0 || !slices.ContainsFunc(r.Points, func(p spec.PrunedPoint) bool { return says(p.Keep, id+" goes on from it") }) {
		t.Errorf("one that is named: %+v", r)
	}
	b.must(nil, b.acts.PinPoint, activities.PinInput{Spec: spec.Pin{Cluster: "prod", Where: "repo", Point: rounds[2]}, At: time.Now()})
	b.open = nil
	b.prunes(lastOnly(), 0)
	if got, want := b.pointsThere(), []string{rounds[2], newest}; !slices.Equal(got, want) {
		t.Errorf("when it is over %q stay, want the newest and the one that an operator has pinned, %q", got, want)
	}
}
