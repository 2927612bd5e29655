package testbed

import (
	"slices"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
)

// WriteLater stores a point an hour after the made one, which refers to the last of its native snapshots only, and gives its id.
func (p MadePoint) WriteLater(t testing.TB, store storage.Store, made string) string {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), store, restorepoint.ManifestKey(p.Cluster, made), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m, err := restorepoint.DecodeManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	m.CreatedAt = m.CreatedAt.Add(time.Hour)
	m.ID, m.Parent = restorepoint.NewPointID(m.CreatedAt, "later"), made
	last := restorepoint.Label("made", "run", p.Snapshots, 1)
	m.Snapshots = slices.DeleteFunc(m.Snapshots, func(s restorepoint.SnapshotRef) bool { return s.Label != last })
	for i := range m.Databases {
		m.Databases[i].Tables = slices.DeleteFunc(m.Databases[i].Tables, func(t restorepoint.Table) bool { return t.Partitions[0].Snapshot != last })
	}
	if data, err = restorepoint.EncodeManifest(m); err != nil {
		t.Fatal(err)
	}
	p.put(t, store, restorepoint.ManifestKey(p.Cluster, m.ID), data)
	return m.ID
}
