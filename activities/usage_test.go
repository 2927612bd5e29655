package activities_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// distant is a store each of whose answers takes a while. It counts how many manifests are read at once.
type distant struct {
	storage.Store
	mu          sync.Mutex
	reads, most int
}

func (d *distant) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasSuffix(key, "/manifest.json") {
		d.mu.Lock()
		d.reads++
		d.most = max(d.most, d.reads)
		d.mu.Unlock()
		defer func() { d.mu.Lock(); d.reads--; d.mu.Unlock() }()
	}
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return d.Store.Get(ctx, key, offset, length)
}

// A repository of many points, far away, is summed up by many reads at once; what they say counts in the points' order.
func TestUsageDoesNotWaitForOnePointAfterTheOther(t *testing.T) {
	near, err := storage.Open(t.Context(), storage.Config{Location: "file://" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	made := testbed.MadePoint{Cluster: "prod", Native: "r", Snapshots: 2, Tablets: 2, Size: 100}
	m, err := restorepoint.DecodeManifest(read(t, near, restorepoint.ManifestKey("prod", made.Write(t, near))))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		m.CreatedAt = m.CreatedAt.Add(time.Hour)
		m.ID = restorepoint.NewPointID(m.CreatedAt, fmt.Sprint(n))
		data, err := restorepoint.EncodeManifest(m)
		if err == nil {
			err = storage.WriteAll(t.Context(), near, restorepoint.ManifestKey("prod", m.ID), data, storage.IfAbsent)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	store := &distant{Store: near}
	b := &bed{T: t, acts: activities.New(nil, []*activities.Repository{{Name: "repo", Native: "r", Location: "file:///x", Store: store}})}
	var answer spec.InspectResult
	b.must(&answer, b.acts.Inspect, spec.Inspect{Read: spec.ReadUsage, Cluster: "prod", Repository: "repo"})
	u := answer.Usage
	if u.PointCount != 61 || u.Newest != m.ID || len(u.Points) != 61 || len(u.Unreadable) > 0 {
		t.Fatalf("%+v", u)
	}
	for i, p := range u.Points {
		if oldest := i == 60; !oldest && p.ID <= u.Points[i+1].ID || (p.Added > 0) != oldest {
			t.Errorf("point %d is %s, which added %d", i, p.ID, p.Added)
		}
	}
	if store.most < 8 {
		t.Errorf("at most %d manifests were read at once", store.most)
	}
}

func read(t *testing.T, store storage.Store, key string) []byte {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
