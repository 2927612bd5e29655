package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
)

func put(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	if err := storage.WriteAll(t.Context(), s, key, data, storage.Overwrite); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s storage.Store, key string, offset, length int64) []byte {
	t.Helper()
	body, err := s.Get(t.Context(), key, offset, length)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
	}
	return data
}

// expect checks an object's bytes and size.
func expect(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	if got := get(t, s, key, 0, -1); !bytes.Equal(got, data) {
		t.Errorf("%q holds %d other bytes (want %d)", key, len(got), len(data))
	}
	object, err := s.Stat(t.Context(), key)
	if err != nil || object.Size != int64(len(data)) || object.Key != key {
		t.Errorf("Stat %q: %+v, %v; want %d bytes", key, object, err, len(data))
	}
}

// expectAbsent checks that neither key nor any key it begins exists.
func expectAbsent(t *testing.T, s storage.Store, key string) {
	t.Helper()
	expectAbsentExact(t, s, key)
	expectKeys(t, s, key)
}

func expectAbsentExact(t *testing.T, s storage.Store, key string) {
	t.Helper()
	_, err := s.Stat(t.Context(), key)
	want(t, err, storage.ErrNotFound)
	body, err := s.Get(t.Context(), key, 0, -1)
	if err == nil {
		body.Close()
	}
	want(t, err, storage.ErrNotFound)
}

func expectKeys(t *testing.T, s storage.Store, prefix string, keys ...string) {
	t.Helper()
	got, err := list(t.Context(), s, prefix)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Errorf("List %q (-want +got):\n%s", prefix, diff)
	}
}

func list(ctx context.Context, s storage.Store, prefix string) ([]string, error) {
	var keys []string
	for object, err := range s.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}

// want checks that err is of a kind.
func want(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want %v", err, kind)
	}
}
