package activities_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// In each store, and in a mirror of it: two points share one of two native snapshots; the other one goes with its point, and
// so does what an attempt has left.
func TestEachStoreIsPruned(t *testing.T) {
	for name, start := range map[string]func(*testing.T) storage.Config{
		"S3":  func(t *testing.T) storage.Config { return storagetest.StartS3(t).Config("prune") },
		"GCS": func(t *testing.T) storage.Config { return storagetest.StartGCS(t).Config("prune") },
		"HDFS": func(t *testing.T) storage.Config {
			server := storagetest.StartHDFS(t)
			return server.Config(server.Dir(t, "starkeep"), "starkeep")
		},
		"file": func(t *testing.T) storage.Config {
			return storage.Config{Location: "file://" + filepath.ToSlash(t.TempDir())}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := made(t, start(t), testbed.MadePoint{Snapshots: 2, Tablets: 3, Size: 100})
			shape := testbed.MadePoint{Cluster: "prod", Native: "r", Snapshots: 2}
			first := restorepoint.NewPointID(time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC), "made")
			later := shape.WriteLater(t, a.store, first)
			mirror, err := storage.Open(t.Context(), storage.Config{Location: "file://" + filepath.ToSlash(a.mirror)})
			if err != nil {
				t.Fatal(err)
			}
			shape.WriteLater(t, mirror, first)
			lost := restorepoint.Label("made", "lost", 1, 1)
			gone, shared := restorepoint.Label("made", "run", 1, 1), restorepoint.Label("made", "run", 2, 1)
			for where, store := range map[string]storage.Store{"repo": a.store, "dr": mirror} {
				if err := storage.WriteAll(t.Context(), store, nativePrefix(lost)+"__ss_content/x", []byte("x"), storage.Overwrite); err != nil {
					t.Fatal(err)
				}
				stays := keysOf(t, store, nativePrefix(shared))
				in := spec.Prune{Cluster: "prod", Where: where, Policy: spec.Retention{KeepLast: 1}}
				for _, step := range []struct {
					later time.Duration
					check func(spec.PruneResult) bool
				}{
					{8 * oneDay, func(r spec.PruneResult) bool { return r.Go == 1 && r.Marked == 2 && r.Debris == 1 }},
					{10 * oneDay, func(r spec.PruneResult) bool { return r.Due == 2 && r.Go == 0 }},
					{12 * oneDay, func(r spec.PruneResult) bool { return r.Files >= 2 }},
					{14 * oneDay, func(r spec.PruneResult) bool { return r.Go+r.Marked+r.Due+r.Waiting == 0 }},
				} {
					if r, _ := a.prunes(in, step.later); !step.check(r) {
						t.Errorf("%s, after %s: %+v", where, step.later, r)
					}
				}
				left := append(keysOf(t, store, nativePrefix(gone)), keysOf(t, store, nativePrefix(lost))...)
				if left = append(left, keysOf(t, store, restorepoint.SnapshotPrefix("prod", gone))...); len(left) > 0 {
					t.Errorf("%s: left %q", where, left)
				}
				if got := keysOf(t, store, nativePrefix(shared)); !slices.Equal(got, stays) || len(got) == 0 {
					t.Errorf("%s: of what is shared %q is left", where, got)
				}
				if lacking := unrestorable(t, store); len(lacking) > 0 || len(keysOf(t, store, restorepoint.ManifestKey("prod", later))) != 1 {
					t.Errorf("%s: points lack %q", where, lacking)
				}
			}
		})
	}
}
