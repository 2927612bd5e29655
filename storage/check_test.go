package storage_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"starkeep/storage"
)

// fileStoreOf opens a directory with objects whose names end in their MD5, and lists them.
func fileStoreOf(t *testing.T, n int, content func(i int) []byte) (storage.Store, []storage.Object) {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Config{Location: "file://" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var list []storage.Object
	for i := range n {
		data := content(i)
		key := named(fmt.Sprintf("o%04d", i), data)
		if err := storage.WriteAll(t.Context(), s, key, data, storage.Overwrite); err != nil {
			t.Fatal(err)
		}
		list = append(list, storage.Object{Key: key, Size: int64(len(data))})
	}
	return s, list
}

func TestCheckTellsWhatIsWrong(t *testing.T) {
	s, list := fileStoreOf(t, 40, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*3001) })
	replace := func(i int, data []byte) {
		if err := storage.WriteAll(t.Context(), s, list[i].Key, data, storage.Overwrite); err != nil {
			t.Fatal(err)
		}
	}
	replace(3, bytes.Repeat([]byte("x"), 3*3001))
	replace(5, []byte("short"))
	replace(7, bytes.Repeat([]byte{7}, 7*3001+2))
	replace(9, nil)
	if err := s.Delete(t.Context(), list[11].Key); err != nil {
		t.Fatal(err)
	}
	found := map[int64]storage.Content{}
	var last storage.CheckResult
	result, err := storage.Check(t.Context(), s, each(list...), storage.CheckOptions{
		MD5:      md5OfKey,
		Wrong:    func(n int64, o storage.Object, c storage.Content) { found[n] = c },
		Progress: func(r storage.CheckResult) { last = r },
	})
	if err != nil || result.Objects != 40 || result.Wrong != 5 || result.First != 40 || result != last {
		t.Fatalf("%+v, %+v, %v", result, last, err)
	}
	for n, want := range map[int64]int64{3: 9003, 5: 5, 7: 7*3001 + 1, 9: 0} {
		if c := found[n]; c.Missing || c.Size != want {
			t.Errorf("object %d: %+v, want %d bytes", n, c, want)
		}
	}
	if !found[11].Missing || found[3].MD5 != md5OfKey(storage.Object{Key: named("", bytes.Repeat([]byte("x"), 9003))}) {
		t.Errorf("%+v", found)
	}
}

// What the way has damaged once is no damage.
func TestCheckReadsASecondTime(t *testing.T) {
	s, list := fileStoreOf(t, 3, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000) })
	spoiled := map[string]bool{}
	w := &watched{Store: s, spoil: func(key string, body io.Reader) io.Reader {
		if spoiled[key] {
			return body
		}
		spoiled[key] = true
		return io.MultiReader(strings.NewReader("x"), body)
	}}
	result, err := storage.Check(t.Context(), w, each(list...), storage.CheckOptions{Parallel: 1, MD5: md5OfKey, Wrong: func(n int64, _ storage.Object, _ storage.Content) { t.Errorf("object %d is called wrong", n) }})
	if err != nil || result.Wrong != 0 || w.gets.Load() != 6 {
		t.Errorf("%+v, %v, %d reads", result, err, w.gets.Load())
	}
}

// A store that fails ends the check; First says where to go on.
func TestCheckEndsWithTheStoresError(t *testing.T) {
	s, list := fileStoreOf(t, 50, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000) })
	broken := errors.New("broken")
	w := &watched{Store: s, spoil: func(key string, body io.Reader) io.Reader {
		if key == list[20].Key {
			return io.MultiReader(body, &failingReader{broken})
		}
		return body
	}}
	result, err := storage.Check(t.Context(), w, each(list...), storage.CheckOptions{Parallel: 4, MD5: md5OfKey, Wrong: func(int64, storage.Object, storage.Content) {}})
	if !errors.Is(err, broken) || result.First > 20 {
		t.Errorf("%+v, %v", result, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := storage.Check(ctx, s, each(list...), storage.CheckOptions{MD5: md5OfKey}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	failing := func(yield func(storage.Object, error) bool) {
		if yield(list[0], nil) {
			yield(storage.Object{}, broken)
		}
	}
	if result, err := storage.Check(t.Context(), s, failing, storage.CheckOptions{MD5: md5OfKey}); !errors.Is(err, broken) || result.First != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestCheckTellsLargeObjectsApart(t *testing.T) {
	const large = 1 << 20
	s, list := fileStoreOf(t, 24, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, large*(i%3)+i*1001) })
	damaged := bytes.Repeat([]byte{5}, int(list[5].Size))
	damaged[large+1]++
	if err := storage.WriteAll(t.Context(), s, list[5].Key, damaged, storage.Overwrite); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), list[8].Key); err != nil {
		t.Fatal(err)
	}
	found := map[int64]storage.Content{}
	result, err := storage.Check(t.Context(), s, each(list...), storage.CheckOptions{
		MD5:   md5OfKey,
		Wrong: func(n int64, _ storage.Object, c storage.Content) { found[n] = c },
	})
	if err != nil || result.Objects != 24 || len(found) != 2 || !found[8].Missing || found[5].MD5 != fmt.Sprintf("%x", md5.Sum(damaged)) {
		t.Fatalf("%+v, %+v, %v", result, found, err)
	}
}
