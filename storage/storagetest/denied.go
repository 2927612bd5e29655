package storagetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
)

// Denied checks that a Store whose credentials have no rights says ErrDenied everywhere. owner has all rights on the same
// location.
func Denied(t *testing.T, owner, denied storage.Store) {
	keys := []string{"c", "a", "b"}
	for _, key := range keys {
		put(t, owner, key, []byte(key))
	}
	ctx := t.Context()
	operations := map[string]func() error{
		"Put":           func() error { return storage.WriteAll(ctx, denied, "new", []byte("x"), storage.Overwrite) },
		"Put IfAbsent":  func() error { return storage.WriteAll(ctx, denied, "new", []byte("x"), storage.IfAbsent) },
		"Put, large":    func() error { return storage.WriteAll(ctx, denied, "new", content(aboveSingle, 20), storage.Overwrite) },
		"Get":           func() error { _, err := denied.Get(ctx, "a", 0, -1); return err },
		"Get, absent":   func() error { _, err := denied.Get(ctx, "nothing", 0, -1); return err },
		"Stat":          func() error { _, err := denied.Stat(ctx, "a"); return err },
		"List":          func() error { _, err := list(ctx, denied, ""); return err },
		"Copy":          func() error { return denied.Copy(ctx, "a", "new") },
		"Copy, onto it": func() error { return denied.Copy(ctx, "a", "a") },
	}
	for name, operation := range operations {
		t.Run(name+" is ErrDenied", func(t *testing.T) {
			err := operation()
			want(t, err, storage.ErrDenied)
			for _, other := range []error{storage.ErrNotFound, storage.ErrUnavailable, storage.ErrExists} {
				if errors.Is(err, other) {
					t.Errorf("%v is also called %v", err, other)
				}
			}
		})
	}
	t.Run("Delete names every key with its reason", func(t *testing.T) { deleteDenied(t, denied, keys) })
	expectKeys(t, owner, "", "a", "b", "c")
}

func deleteDenied(t *testing.T, denied storage.Store, keys []string) {
	err := denied.Delete(t.Context(), keys...)
	var deleteError *storage.DeleteError
	if !errors.As(err, &deleteError) {
		t.Fatalf("got %v", err)
	}
	slices.Sort(keys)
	if diff := cmp.Diff(keys, deleteError.Keys()); diff != "" {
		t.Error(diff)
	}
	for key, reason := range deleteError.Failed {
		if !errors.Is(reason, storage.ErrDenied) {
			t.Errorf("%s: %v", key, reason)
		}
	}
}
