package activities_test

import (
	"slices"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Ids tell the second: of two points of one second, the one that was created later is the latest.
func TestLatestOfOneSecondIsTheLaterOne(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	older := b.backUp()
	m := b.manifest(older)
	second := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	ids := []string{"20270101T000000Z-88888a", "20270101T000000Z-ffffff", "20270101T000000Z-000000"} // in the order of their making
	for i, id := range ids {
		m.ID, m.CreatedAt = id, second.Add(time.Duration(i)*100*time.Millisecond)
		data, err := restorepoint.EncodeManifest(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.WriteAll(t.Context(), b.store, restorepoint.ManifestKey("prod", id), data, storage.IfAbsent); err != nil {
			t.Fatal(err)
		}
	}
	for point, want := range map[string]string{"latest": ids[2], "latest~1": ids[1], "latest~2": ids[0], "latest~3": older} {
		if plan := b.plan(spec.Restore{Point: point}); plan.Point != want {
			t.Errorf("%s is %s, want %s", point, plan.Point, want)
		}
	}
	var out spec.InspectResult
	b.must(&out, b.acts.Inspect, spec.Inspect{Read: spec.ReadPoints, Cluster: "prod", Repository: "repo"})
	var listed []string
	for _, row := range out.Points {
		listed = append(listed, row.ID)
	}
	if want := []string{ids[2], ids[1], ids[0], older}; !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
}

// When a backup was started is told to the millisecond, for that.
func TestThePublishedTimeOrdersPointsOfOneSecond(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	from := time.Now().Add(-time.Millisecond)
	if at := b.manifest(b.backUp()).CreatedAt; at.Before(from) || at.After(time.Now()) {
		t.Errorf("created at %s, want after %s", at, from)
	}
}
