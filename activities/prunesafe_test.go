package activities_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

func TestNothingRefersToAMarkedSnapshot(t *testing.T) {
	mark := func(b *bed, label string) {
		b.Helper()
		data, err := restorepoint.EncodeMark(restorepoint.DeletionMark{MarkedAt: time.Now(), Native: "r"})
		if err != nil {
			b.Fatal(err)
		}
		b.write(restorepoint.MarkKey("prod", label), string(data))
	}
	t.Run("an incremental backup takes it again", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		first := b.backUp()
		mark(b, b.labelsOf(first)[0])
		plan, out := b.make(spec.Backup{Incremental: true}, nil)
		if !out.Complete || out.Carried != 0 || len(plan.Tables) != 2 || slices.Contains(b.labelsOf(out.Point), b.labelsOf(first)[0]) {
			t.Errorf("plan %+v, published %+v", plan, out)
		}
	})
	t.Run("marked while the backup runs", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		first := b.backUp()
		b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)")
		_, out := b.make(spec.Backup{Incremental: true}, func() { mark(b, b.labelsOf(first)[0]) })
		if out.Complete || out.FailedCount != 3 || out.Carried != 0 {
			t.Errorf("published %+v", out)
		}
	})
	for name, deleted := range map[string]bool{"marked at the last moment": false, "deleted at the last moment": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			first := b.backUp("d.t")
			label := b.labelsOf(first)[0]
			m := b.manifest(first)
			m.ID = b.nextPoint()
			f := b.fenced()
			if !deleted {
				mark(b, label)
			} else {
				f.before = func(op, key string) error {
					if op == "put" && strings.HasSuffix(key, "/manifest.json") {
						return f.Store.Delete(t.Context(), restorepoint.SnapshotKey("prod", label))
					}
					return nil
				}
			}
			err := activities.CommitManifest(t.Context(), f, "prod", m)
			if err == nil || !strings.Contains(err.Error(), "run it again") || b.isThere(restorepoint.ManifestKey("prod", m.ID)) {
				t.Errorf("ended with %v; the manifest is there: %v", err, b.isThere(restorepoint.ManifestKey("prod", m.ID)))
			}
		})
	}
	t.Run("nor is it adopted", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.tables()
		point := b.backUp("d.pk")
		b.delete(restorepoint.ManifestKey("prod", point))
		var label string
		for _, dir := range b.keysBelow(restorepoint.SnapshotsPrefix("prod")) {
			if k, err := restorepoint.ParseKey(dir); err == nil {
				label = k.Label
			}
		}
		mark(b, label)
		if e := b.run(b.acts.AdoptSnapshot, spec.Adopt{Cluster: "prod", Repository: "repo", Label: label}); e.err == nil || !strings.Contains(e.err.Error(), "marked for deletion") {
			t.Errorf("ended with %v", e.err)
		}
	})
}

func (b *bed) nextPoint() string {
	b.seed++
	return b.point()
}

func TestAMarkIsTakenBackWhenAPointNeedsTheSnapshot(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	old := b.backUp()
	m := b.manifest(old)
	b.backUp()
	b.prunes(lastOnly(), 0)
	label := m.Snapshots[0].Label
	if got := b.traces(label); got != "lmnr" {
		t.Fatalf("%q is left", got)
	}
	m.ID = b.nextPoint() // as by a writer that looked for marks just before it was set
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	late, err := b.plansPrune(lastOnly(), 25*time.Hour) // knows nothing of the point yet
	if err != nil {
		t.Fatal(err)
	}
	b.write(restorepoint.ManifestKey("prod", m.ID), string(data))
	if _, err := b.carriesOut(late); err != nil || b.traces(label) != "lmnr" {
		t.Errorf("a prune that was planned before: %v, %q is left", err, b.traces(label))
	}
	keepTwo := lastOnly()
	keepTwo.Policy.KeepLast = 5
	if r, _ := b.prunes(keepTwo, 26*time.Hour); r.Unmarked != 1 || b.traces(label) != "lnr" {
		t.Errorf("%q is left: %+v", b.traces(label), r)
	}
}

func TestWhatAStoreHoldsBack(t *testing.T) {
	locked := &storage.Error{Op: "delete", Kind: storage.ErrDenied, Err: errors.New("Object 'x' is subject to bucket's retention policy and cannot be deleted")}
	denied := &storage.Error{Op: "delete", Kind: storage.ErrDenied, Err: errors.New("AccessDenied: you shall not")}
	for name, c := range map[string]struct {
		part   string // of the keys that are held
		err    error
		later  time.Duration // of the second prune
		locked bool
		held   func(b *bed, point, label string) string
		after  string // traces of the old snapshot while they are held
	}{
		"a manifest":              {"/points/", denied, 25 * time.Hour, false, func(_ *bed, point, _ string) string { return point }, "lnr"},
		"objects, by a retention": {"__ss_content", locked, 25 * time.Hour, true, func(_ *bed, _, label string) string { return label }, "lmnr"},
		"the record":              {"/snapshot.json", denied, 25 * time.Hour, false, func(_ *bed, _, label string) string { return label }, "mr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			old, kept := b.backUp(), b.backUp()
			label := b.labelsOf(old)[0]
			f := b.fenced()
			f.before = func(op, key string) error {
				if op == "delete" && strings.Contains(key, c.part) && !strings.Contains(key, kept) {
					return c.err
				}
				return nil
			}
			_, first := b.prunes(lastOnly(), 0)
			_, second := b.prunes(lastOnly(), c.later)
			held := append(first.Held, second.Held...)
			if len(held) == 0 || held[0].Name != c.held(b, old, label) || held[0].Locked != c.locked || !strings.Contains(held[0].Reason, c.err.Error()[15:]) {
				t.Errorf("held %+v", held)
			}
			if got := b.traces(label); got != c.after {
				t.Errorf("%q is left of the old snapshot, want %q", got, c.after)
			}
			f.before = nil
			for _, later := range []time.Duration{26 * time.Hour, 52 * time.Hour, 78 * time.Hour} {
				if _, out := b.prunes(lastOnly(), later); len(out.Held) > 0 {
					t.Errorf("held %+v", out.Held)
				}
			}
			if got := b.traces(label); got != "" || !slices.Equal(b.pointsThere(), []string{kept}) {
				t.Errorf("in the end %q is left, points %q", got, b.pointsThere())
			}
		})
	}
}

func TestAPruneMayDieAnywhere(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)")
	_, inc := b.make(spec.Backup{Incremental: true}, nil)
	b.backUp()
	b.must(nil, b.acts.PinPoint, activities.PinInput{Spec: spec.Pin{Cluster: "prod", Where: "repo", Point: b.backUp("d.pk")}, At: time.Now()})
	b.debris(inc.Point)
	from := os.DirFS(b.dir)
	ends := func(t *testing.T, dieAt int) (died bool, left []string) {
		b := &bed{T: t, dir: t.TempDir()}
		if err := os.CopyFS(b.dir, from); err != nil {
			t.Fatal(err)
		}
		location := "file://" + filepath.ToSlash(b.dir)
		store, err := storage.Open(t.Context(), storage.Config{Location: location})
		if err != nil {
			t.Fatal(err)
		}
		f := &fences{Store: store}
		b.store = f
		b.acts = activities.New(nil, []*activities.Repository{{Name: "repo", Native: "r", Location: location, Store: f}})
		changes := 0
		f.before = func(string, string) error {
			if changes++; changes == dieAt {
				died = true
			}
			if died {
				return &storage.Error{Op: "any", Kind: storage.ErrUnavailable, Err: errors.New("dead")}
			}
			return nil
		}
		try := func(later time.Duration) {
			plan, err := b.plansPrune(lastOnly(), later)
			if err == nil {
				_, err = b.carriesOut(plan)
			}
			if (err != nil) != died {
				t.Errorf("ended with %v", err)
			}
			if lacking := unrestorable(t, b.store); len(lacking) > 0 {
				t.Errorf("listed points lack %q", lacking)
			}
		}
		for _, later := range []time.Duration{8 * oneDay, 10 * oneDay} {
			try(later)
			if died {
				break
			}
		}
		f.before = nil
		was := died
		died = false
		for _, later := range []time.Duration{12 * oneDay, 14 * oneDay, 16 * oneDay, 18 * oneDay, 30 * oneDay} {
			try(later)
		}
		for _, key := range b.keysBelow("") {
			if !strings.Contains(key, "/plans/prune-") {
				left = append(left, keyWord(key))
			}
		}
		return was, left
	}
	_, want := ends(t, 0)
	n := 1
	for ; ; n++ {
		died, left := ends(t, n)
		if !slices.Equal(left, want) {
			t.Errorf("dead at change %d, left in the end\n%s\nwant\n%s", n, strings.Join(left, "\n"), strings.Join(want, "\n"))
		}
		if !died || t.Failed() {
			break
		}
		n += n / 10 // every change at first, then some of them: many are alike
	}
	if n < 20 {
		t.Errorf("only %d changes were tried", n)
	}
}

func keyWord(key string) string {
	if k, err := restorepoint.ParseKey(key); err == nil {
		return string(k.Kind)
	}
	if k, err := starrocks.ParseKey(key); err == nil {
		return fmt.Sprint("native ", k.Kind)
	}
	return key
}
