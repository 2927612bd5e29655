package activities_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// made writes one point into two stores and gives a worker that knows both: "repo", and the mirror "dr" in a directory.
func made(t *testing.T, config storage.Config, p testbed.MadePoint) *archive {
	t.Helper()
	a := &archive{bed: &bed{T: t, location: config.Location}, mirror: t.TempDir(), began: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	var err error
	if a.store, err = storage.Open(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	mirror, err := storage.Open(t.Context(), storage.Config{Location: "file://" + filepath.ToSlash(a.mirror)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.store.Close() })
	p.Cluster, p.Native = "prod", "r"
	p.Write(t, a.store)
	p.Write(t, mirror)
	a.asked = &askedStore{Store: a.store}
	a.asked.reset()
	a.acts = activities.New(nil, []*activities.Repository{{Name: "repo", Native: "r", Location: config.Location, Store: a.asked}},
		&activities.Mirror{Name: "dr", Location: "file://mirror", Store: mirror})
	return a
}

// TestEachStoreIsVerifiedAndRepaired: an object that is missing, one that is cut, one with another content of the same size.
func TestEachStoreIsVerifiedAndRepaired(t *testing.T) {
	for name, start := range map[string]func(*testing.T) storage.Config{
		"S3":  func(t *testing.T) storage.Config { return storagetest.StartS3(t).Config("verify") },
		"GCS": func(t *testing.T) storage.Config { return storagetest.StartGCS(t).Config("verify") },
		"HDFS": func(t *testing.T) storage.Config {
			server := storagetest.StartHDFS(t)
			return server.Config(server.Dir(t, "starkeep"), "starkeep")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := made(t, start(t), testbed.MadePoint{Snapshots: 2, Tablets: 4, Size: 3000})
			if out, err := a.verify(spec.Verify{Content: spec.ContentAll}); err != nil || out.Objects != 20 || out.Read != 20 || out.Snapshots != 2 {
				t.Fatalf("%+v, %v", out, err)
			}
			data := a.all(`\.dat\.[0-9a-f]{32}$`)
			a.drop(data[0])
			a.write(data[1], a.read(data[1])[:10])
			a.flip(data[2])
			out, err := a.verify(spec.Verify{Content: spec.ContentAll})
			if kindOf(err) != spec.ErrorChecksumMismatch || out.Found != 3 {
				t.Fatalf("%+v, %v", out, err)
			}
			if out, err = a.verify(spec.Verify{Content: spec.ContentAll, RepairFrom: "dr"}); err != nil || out.Repaired != 3 {
				t.Fatalf("%+v, %v", out, err)
			}
			if out, err = a.verify(spec.Verify{Content: spec.ContentAll}); err != nil || out.Found != 0 {
				t.Errorf("%+v, %v", out, err)
			}
			a.wantMended()
		})
	}
}

// Many native snapshots are looked at in groups, and each once.
func TestManySnapshotsAreLookedAtInGroups(t *testing.T) {
	a := made(t, storage.Config{Location: "file://" + filepath.ToSlash(t.TempDir())}, testbed.MadePoint{Snapshots: 120, Tablets: 1, Size: 10})
	data := a.all(`\.dat\.[0-9a-f]{32}$`)
	a.drop(data[0])
	a.flip(data[99])
	a.flip(data[119])
	out, err := a.verify(spec.Verify{Content: spec.ContentAll, RepairFrom: "dr"})
	if err != nil || out.Snapshots != 120 || out.Objects != 480 || out.Found != 3 || out.Repaired != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	for prefix, n := range a.asked.list {
		if strings.HasPrefix(prefix, "__starrocks") && n != 1 {
			t.Errorf("%s was listed %d times", prefix, n)
		}
	}
	a.wantMended()
}

// A store that is throttled, or gone for a while, is tried again; the verification is not lost.
func TestAStoreThatIsGoneForAWhileDelaysOnly(t *testing.T) {
	a := made(t, storage.Config{Location: "file://" + filepath.ToSlash(t.TempDir())}, testbed.MadePoint{Snapshots: 1, Tablets: 20, Size: 100})
	var mu sync.Mutex
	failed := map[string]bool{}
	a.asked.fail = func(key string) error {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(key, ".dat.") && len(failed) < 3 && !failed[key] {
			failed[key] = true
			return fmt.Errorf("get %q: %w: %w", key, storage.ErrUnavailable, context.DeadlineExceeded)
		}
		return nil
	}
	out, err := a.verify(spec.Verify{Content: spec.ContentAll})
	if err != nil || out.Read != 42 || out.Found != 0 || len(failed) != 3 {
		t.Errorf("%+v, %v, %d failures", out, err, len(failed))
	}
}
