package storagetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"starkeep/storage"
)

// testDirectories compares what the provider tells with what a listing of everything does.
func testDirectories(t *testing.T, s storage.Store) {
	for _, key := range []string{"a/b/1", "a/b/2", "a/bc/deep/down/3", "a/b-", "a/d", "b/x/y", "top", "z/1"} {
		put(t, s, key, []byte(key))
	}
	if _, ok := s.(storage.DirectoryLister); !ok {
		t.Errorf("%T lists everything to tell directories", s)
	}
	for prefix, want := range map[string][]string{
		"": {"a", "b", "z"}, "a/": {"a/b", "a/bc"}, "a/b": {"a/b", "a/bc"}, "a/bc": {"a/bc"}, "a/b/": nil, "a": {"a"}, "top": nil, "none/": nil,
		"a/bc/deep/d": {"a/bc/deep/down"}, "b/x": {"b/x"},
	} {
		for name, from := range map[string]storage.Store{"provider": s, "listing": plain{s}} {
			got := directories(t, from, prefix)
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: directories that begin with %q: %q, want %q", name, prefix, got, want)
			}
		}
	}
	for range storage.Directories(t.Context(), s, "") {
		break // a consumer that wants no more
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range storage.Directories(ended, s, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after its context has ended: %v", err)
		}
	}
}

func directories(t *testing.T, s storage.Store, prefix string) (names []string) {
	t.Helper()
	for name, err := range storage.Directories(t.Context(), s, prefix) {
		if err != nil {
			t.Fatalf("directories that begin with %q: %v", prefix, err)
		}
		names = append(names, name)
	}
	return names
}

// plain is a Store with no more than a Store's methods.
type plain struct{ storage.Store }
