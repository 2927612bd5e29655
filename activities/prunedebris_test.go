package activities_test

import (
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

func TestWhatStarkeepDidNotMakeIsNeverTouched(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d.pk")
	b.sql("BACKUP SNAPSHOT d.by_hand TO r ON (pk)")
	b.until("the BACKUP by hand", func() bool { return b.state("BACKUP", "d") == "FINISHED" })
	var adopted spec.AdoptResult
	b.must(&adopted, b.acts.AdoptSnapshot, spec.Adopt{Cluster: "prod", Repository: "repo", Label: "by_hand"})
	other := "sk_d_0123456789ab_u1_a1"
	foreign := []string{
		nativePrefix("nightly") + "__ss_content/x", nativePrefix("sk_strange") + "__meta.x", nativePrefix("sk_d_0123456789AB_u1_a1") + "x",
		starrocks.RepositoryPrefix("elsewhere") + "__ss_" + other + "/x", nativePrefix(other) + "x",
		restorepoint.SnapshotKey("dr", other), restorepoint.PlanKey("dr", "run", "d"), "unknown/file", "__starkeep/v1/prod/plans/run/strange", "__starkeep/v2/prod/x",
		restorepoint.PointPrefix("prod") + "20261101T000000Z-000000/notes.txt",
	}
	for _, key := range foreign {
		b.write(key, "x")
	}
	before := b.keysBelow("")
	in := spec.Prune{Cluster: "prod", Where: "repo", Points: []string{adopted.Point}, Force: true}
	for _, later := range []time.Duration{10 * oneDay, 20 * oneDay, 30 * oneDay} {
		b.prunes(in, later)
	}
	left := map[string]bool{}
	for _, key := range b.keysBelow("") {
		left[key] = true
	}
	for _, key := range before {
		k, err := restorepoint.ParseKey(key)
		ours := err == nil && k.Cluster == "prod" && (k.Kind == restorepoint.KeyPlan || k.Point == adopted.Point || k.Label == "by_hand")
		if left[key] == ours {
			t.Errorf("%s: is left %v, want %v", key, left[key], !ours)
		}
	}
}

func (b *bed) debris(kept string) (keys []string) {
	b.Helper()
	const seed = "0123456789ab"
	infoKey := b.manifest(kept).Snapshots[0].InfoKey
	raw, err := storage.ReadAll(b.Context(), b.store, infoKey, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	beside, err := starrocks.NameInfo(raw, "sk_beside_d_"+seed+"_u1_a1")
	if err != nil {
		b.Fatal(err)
	}
	at := starrocks.Snapshot{Repository: "r", Label: b.manifest(kept).Snapshots[0].Label}
	besideKey := at.InfoKey("2026-11-22-18-00-00-000", beside)
	b.write(besideKey, string(beside))
	keys = append(keys, besideKey, nativePrefix("sk_d_"+seed+"_u1_a1")+"__ss_content/x", nativePrefix("sk_composed_d_"+seed+"_u1")+"__info_x",
		nativePrefix("sk_beside_d_"+seed+"_u1_a1")+"__meta.x", nativePrefix("sk_beside_d_"+seed+"_u1_a1_m3")+"__meta.x", restorepoint.PlanKey("prod", "run", "d"), restorepoint.ProofKey("prod", "run", "d", 1),
		restorepoint.ProbeKey("prod", "run", "x"), restorepoint.PinKey("prod", "20261101T000000Z-000000"), restorepoint.SnapshotKey("prod", "sk_e_"+seed+"_u1_a1"))
	for _, key := range keys[1:] {
		b.write(key, "x")
	}
	return keys
}

func TestDebris(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	kept := b.backUp()
	lost := b.unit("d.pk") // recorded, and never published
	b.must(nil, b.acts.Submit, lost)
	b.must(nil, b.acts.Await, lost)
	b.must(nil, b.acts.Record, lost)
	keys := b.debris(kept)
	left := func() (n int) {
		for _, key := range keys {
			if b.isThere(key) {
				n++
			}
		}
		return n
	}
	running := activities.OpenRun{ID: "restore/prod/long", Workflow: spec.RestoreWorkflow, Started: time.Now().Add(-time.Hour)}
	policy := lastOnly()
	for name, c := range map[string]struct {
		later time.Duration
		runs  []activities.OpenRun
		left  int
	}{
		"that is young":                          {6 * oneDay, nil, len(keys) - 1}, // but for the half-deleted point, whose grace is over
		"that a run which is open may have made": {60 * oneDay, []activities.OpenRun{running}, len(keys) - 1},
	} {
		t.Run(name+" stays", func(t *testing.T) {
			r, _ := b.prunes(policy, c.later, c.runs...)
			if r.Marked != 0 || left() != c.left {
				t.Errorf("%d of %d are left: %+v", left(), len(keys), r)
			}
			if waits := len(c.runs) > 0 && !strings.Contains(strings.Join(r.Warnings, "\n"), "restore/prod/long runs since"); waits {
				t.Errorf("warnings %q", r.Warnings)
			}
		})
	}
	r, _ := b.prunes(policy, 8*oneDay)
	if r.Debris != 6 || r.Marked != 6 || left() != 5 || b.traces(lost.Label) != "lmnr" {
		t.Errorf("%d of %d are left, want those of snapshots; of the lost one %q: %+v", left(), len(keys), b.traces(lost.Label), r)
	}
	r, _ = b.prunes(policy, 10*oneDay)
	if r.Due != 6 || left() != 0 || b.traces(lost.Label) != "m" {
		t.Errorf("%d of %d are left; of the lost one %q: %+v", left(), len(keys), b.traces(lost.Label), r)
	}
	if got := b.traces(b.labelsOf(kept)[0]); got != "lnr" {
		t.Errorf("%q is left of the kept snapshot", got)
	}
	b.write(nativePrefix(lost.Label)+"__ss_content/late", "of a BE that was still writing")
	if b.prunes(policy, 12*oneDay); b.traces(lost.Label) != "m" {
		t.Errorf("%q is left of the lost snapshot", b.traces(lost.Label))
	}
	if b.prunes(policy, 14*oneDay); b.traces(lost.Label) != "" {
		t.Errorf("%q is left of the lost snapshot", b.traces(lost.Label))
	}
}

func TestDebrisThatComesToLifeStays(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	label := "sk_d_0123456789ab_u1_a1"
	b.write(nativePrefix(label)+"__ss_content/x", "x")
	if r, _ := b.prunes(lastOnly(), 8*oneDay); r.Debris != 1 {
		t.Fatalf("%+v", r)
	}
	marked := time.Now()
	b.until("a file that is newer than the mark", func() bool {
		b.write(nativePrefix(label)+"__info_x", "x")
		o, err := b.store.Stat(t.Context(), nativePrefix(label)+"__info_x")
		return err == nil && o.Modified.After(marked)
	})
	_, out := b.prunes(lastOnly(), 10*oneDay)
	if len(out.Warnings) != 1 || b.traces(label) != "n" {
		t.Errorf("%q is left; %+v", b.traces(label), out)
	}
}

func TestAHalfWrittenExportGoes(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	point := b.backUp()
	for _, label := range []string{"half", "whole"} {
		var plan activities.ExportPlan
		b.must(&plan, b.acts.PlanExport, activities.PlanExportInput{Spec: spec.Export{Cluster: "prod", Repository: "repo", Point: point, Label: label}, ID: label})
		b.must(nil, b.acts.Compose, plan.Unit)
	}
	for _, key := range b.keysBelow(nativePrefix("half")) {
		if strings.Contains(key, "__info_") {
			b.delete(key)
		}
	}
	for _, later := range []time.Duration{8 * oneDay, 10 * oneDay} {
		b.prunes(lastOnly(), later)
	}
	if half, whole := b.keysBelow(nativePrefix("half")), b.keysBelow(nativePrefix("whole")); len(half) > 0 || len(whole) == 0 {
		t.Errorf("half: %q, whole: %d objects", half, len(whole))
	}
}
