package storagetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
)

// oddKeys must survive every method.
var oddKeys = []string{
	"plain", "with blank", " leading blank", "plus+plus", "percent%", "percent%41", "percent%2Fslash", "question?mark=1&x", "hash#tag",
	"dollar$shadow", "umlaut-äöü", "日本語/表", "emoji-😀", "e\u0301-decomposed", "quote'\"`", "paren(theses)[x]{y}", "tilde~", "semi;colon:comma,", "at@", "back\\slash", "star*",
	"less<more>", "equal=", "excl!", "pipe|", "caret^", "...", "..hidden", ".dot", "dot.", "__starkeep/v1/prod/points/20261122T150405Z-abcdef/manifest.json",
	"__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__5/0200_0.dat.0123456789abcdef0123456789abcdef",
	strings.Repeat("x", 255) + "/" + strings.Repeat("y", 255),
}

func testKeys(t *testing.T, s storage.Store) {
	oddKeys := slices.DeleteFunc(slices.Clone(oddKeys), func(key string) bool { return refusesColon(t, s, key) })
	for _, key := range oddKeys {
		t.Run(fmt.Sprintf("%q works with all methods", key), func(t *testing.T) {
			data, to := []byte("at "+key), "copies/"+key
			put(t, s, key, data)
			expect(t, s, key, data)
			if err := s.Copy(t.Context(), key, to); err != nil {
				t.Fatal(err)
			}
			expect(t, s, to, data)
			expectKeys(t, s, to, to)
			if err := s.Delete(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			expectAbsent(t, s, to)
		})
	}
	t.Run("are listed as they were put", func(t *testing.T) {
		keys := slices.Clone(oddKeys)
		slices.Sort(keys)
		expectKeys(t, s, "", keys...)
	})
	for _, key := range []string{"", "/", "/lead", "double//slash", "trail/", ".", "..", "a/./b", "a/../b", "../outside", "nul\x00", "not utf-8 \xff", strings.Repeat("k", 1001)} {
		t.Run(fmt.Sprintf("%.20q is refused", key), func(t *testing.T) {
			want(t, storage.WriteAll(t.Context(), s, key, nil, storage.Overwrite), storage.ErrInvalid)
			want(t, s.Copy(t.Context(), "plain", key), storage.ErrInvalid)
		})
	}
	t.Run("beside a longer one below it are kept or refused", func(t *testing.T) {
		put(t, s, "file", []byte("upper"))
		err := storage.WriteAll(t.Context(), s, "file/below", []byte("lower"), storage.Overwrite)
		if err != nil {
			want(t, err, storage.ErrInvalid)
			expect(t, s, "file", []byte("upper"))
			_, err = s.Stat(t.Context(), "file/below")
			want(t, err, storage.ErrNotFound)
			return
		}
		expect(t, s, "file", []byte("upper"))
		expect(t, s, "file/below", []byte("lower"))
	})
	t.Run("that are the beginning of others are absent", func(t *testing.T) {
		expectAbsentExact(t, s, "__starkeep")
		expectAbsentExact(t, s, "__starkeep/v1")
	})
}

// refusesColon tells whether the provider makes use of its right to have no keys with ':'; all methods say so then.
func refusesColon(t *testing.T, s storage.Store, key string) bool {
	if !strings.Contains(key, ":") {
		return false
	}
	err := storage.WriteAll(t.Context(), s, key, nil, storage.Overwrite)
	if err == nil {
		return false
	}
	_, statErr := s.Stat(t.Context(), key)
	_, getErr := s.Get(t.Context(), key, 0, -1)
	for _, err := range []error{err, statErr, getErr, s.Copy(t.Context(), key, "copy"), s.Delete(t.Context(), key)} {
		want(t, err, storage.ErrInvalid)
	}
	return true
}

func testGet(t *testing.T, s storage.Store) {
	data := content(100_000, 8)
	put(t, s, "object", data)
	put(t, s, "empty", nil)
	ranges := []struct{ offset, length, from, to int }{
		{0, -1, 0, 100_000}, {0, 1, 0, 1}, {0, 100_000, 0, 100_000}, {0, 200_000, 0, 100_000}, {99_999, 1, 99_999, 100_000},
		{99_999, 5, 99_999, 100_000}, {50_000, -1, 50_000, 100_000}, {123, 4567, 123, 4690},
	}
	for _, r := range ranges {
		t.Run(fmt.Sprintf("from %d length %d", r.offset, r.length), func(t *testing.T) {
			if got := get(t, s, "object", int64(r.offset), int64(r.length)); !bytes.Equal(got, data[r.from:r.to]) {
				t.Errorf("got %d bytes, not the %d from %d", len(got), r.to-r.from, r.from)
			}
		})
	}
	invalid := []struct {
		key            string
		offset, length int64
	}{{"object", 100_000, -1}, {"object", 100_000, 1}, {"object", 1 << 40, 5}, {"object", -1, 5}, {"object", 0, 0}, {"object", 0, -2}, {"empty", 0, 1}, {"empty", 1, -1}}
	for _, r := range invalid {
		t.Run(fmt.Sprintf("%s from %d length %d is refused", r.key, r.offset, r.length), func(t *testing.T) {
			body, err := s.Get(t.Context(), r.key, r.offset, r.length)
			if err == nil {
				body.Close()
			}
			want(t, err, storage.ErrInvalid)
		})
	}
	t.Run("of an absent object is ErrNotFound", func(t *testing.T) { expectAbsentExact(t, s, "nothing") })
	t.Run("can be closed early", func(t *testing.T) {
		body, err := s.Get(t.Context(), "object", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(body); err == nil {
			t.Error("reads after Close")
		}
	})
	t.Run("by many readers at the same time", func(t *testing.T) {
		var readers sync.WaitGroup
		for i := range 16 {
			readers.Go(func() {
				if got := get(t, s, "object", int64(i*100), 50_000); !bytes.Equal(got, data[i*100:i*100+50_000]) {
					t.Error("wrong bytes")
				}
			})
		}
		readers.Wait()
	})
	t.Run("ReadAll refuses what is larger than expected", func(t *testing.T) {
		_, err := storage.ReadAll(t.Context(), s, "object", 99_999)
		want(t, err, storage.ErrInvalid)
		if _, err := storage.ReadAll(t.Context(), s, "object", 100_000); err != nil {
			t.Error(err)
		}
	})
	t.Run("of an object that is replaced meanwhile is one version or ErrChanged", func(t *testing.T) { testReplaced(t, s) })
}

func testReplaced(t *testing.T, s storage.Store) {
	first, second := content(aboveSingle, 9), content(aboveSingle, 10)
	put(t, s, "replaced", first)
	body, err := s.Get(t.Context(), "replaced", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(body, head); err != nil {
		t.Fatal(err)
	}
	replaced := make(chan error, 1)
	go func() { replaced <- storage.WriteAll(t.Context(), s, "replaced", second, storage.Overwrite) }()
	select { // MinIO lets the writer wait for readers, up to half a minute
	case err = <-replaced:
		replaced <- err
	case <-time.After(5 * time.Second):
	}
	rest, err := io.ReadAll(body)
	body.Close()
	if err := <-replaced; err != nil {
		t.Error(err)
	}
	expect(t, s, "replaced", second)
	if err != nil {
		want(t, err, storage.ErrChanged)
		return
	}
	if !bytes.Equal(append(head, rest...), first) {
		t.Error("bytes of two versions were mixed")
	}
}

func testStat(t *testing.T, s storage.Store) {
	before := time.Now().Add(-2 * time.Second) // servers tell whole seconds
	put(t, s, "dir/object", content(12345, 11))
	object, err := s.Stat(t.Context(), "dir/object")
	if err != nil {
		t.Fatal(err)
	}
	if object.Key != "dir/object" || object.Size != 12345 {
		t.Errorf("got %+v", object)
	}
	if object.Modified.Before(before) || object.Modified.After(time.Now().Add(2*time.Second)) {
		t.Errorf("modified at %v", object.Modified)
	}
	t.Run("an MD5 is that of the content, in Stat and in List", func(t *testing.T) {
		for i, size := range []int{0, 1, 12345, aboveSingle} {
			put(t, s, "sums/object", content(size, uint64(i)))
			expectMD5(t, s, "sums/object", content(size, uint64(i)))
		}
		if err := s.Copy(t.Context(), "dir/object", "sums/object"); err != nil {
			t.Fatal(err)
		}
		expectMD5(t, s, "sums/object", content(12345, 11))
	})
	for _, key := range []string{"dir", "dir/other", "nothing", "dir/object/below"} {
		t.Run(key+" is ErrNotFound", func(t *testing.T) {
			_, err := s.Stat(t.Context(), key)
			want(t, err, storage.ErrNotFound)
		})
	}
}

func expectMD5(t *testing.T, s storage.Store, key string, data []byte) {
	t.Helper()
	sum := fmt.Sprintf("%x", md5.Sum(data))
	object, err := s.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if object.MD5 != "" && object.MD5 != sum {
		t.Errorf("Stat of %d bytes: MD5 %s, want %s or none", len(data), object.MD5, sum)
	}
	for o, err := range s.List(t.Context(), key) {
		if err != nil {
			t.Fatal(err)
		}
		if o.MD5 != "" && o.MD5 != sum {
			t.Errorf("List of %d bytes: MD5 %s, want %s or none", len(data), o.MD5, sum)
		}
	}
}

func testList(t *testing.T, s storage.Store) {
	expectKeys(t, s, "")
	keys := []string{
		"a", "b/-", "b/0", "b/a-a", "b/a-b/c", "b/a.b", "b/aa", "b/a0", "b/a!/z", "b/A", "b/Z/z", "b/ä", "b/é/x", "b/z", "b/~", "b-c", "b.c/d", "b0", "ba/x", "bb", "c/d/e/f/g",
	}
	for i, key := range keys {
		put(t, s, key, content(i, 12))
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "b", "b/", "b/a", "b/a-b", "b/a-b/", "b-", "c/d/e", "c/d/e/f/g", "c/d/e/f/g/", "x", "b/é", "b/a!", "/", "b//", "../"} {
		t.Run(fmt.Sprintf("prefix %q gives its keys in byte order", prefix), func(t *testing.T) {
			var matching []string
			for _, key := range keys {
				if strings.HasPrefix(key, prefix) {
					matching = append(matching, key)
				}
			}
			expectKeys(t, s, prefix, matching...)
		})
	}
	t.Run("tells what Stat tells", func(t *testing.T) {
		for object, err := range s.List(t.Context(), "b/") {
			if err != nil {
				t.Fatal(err)
			}
			stat, err := s.Stat(t.Context(), object.Key)
			if err != nil {
				t.Fatal(err)
			}
			if stat.Size != object.Size || stat.Modified.Sub(object.Modified).Abs() > time.Second {
				t.Errorf("List: %+v, Stat: %+v", object, stat)
			}
		}
	})
	t.Run("can be left early and begun again", func(t *testing.T) {
		listing := s.List(t.Context(), "")
		for range 2 {
			n := 0
			for _, err := range listing {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == 3 {
					break
				}
			}
		}
	})
}

func testDelete(t *testing.T, s storage.Store) {
	t.Run("of nothing", func(t *testing.T) {
		if err := s.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("takes absent keys, repeated keys and nothing besides", func(t *testing.T) {
		for _, key := range []string{"d/a", "d/b", "d/bb", "d/b2/c"} {
			put(t, s, key, nil)
		}
		if err := s.Delete(t.Context(), "d/a", "d/b", "d/b", "nothing", "d", "d/b2", "d/a/below"); err != nil {
			t.Error(err)
		}
		expectKeys(t, s, "", "d/b2/c", "d/bb")
	})
	t.Run("names the keys that could not be removed, all others are gone", func(t *testing.T) {
		put(t, s, "e/a", nil)
		put(t, s, "e/z", nil)
		bad := []string{"", "nul\x00"}
		err := s.Delete(t.Context(), "e/a", bad[1], bad[0], "e/z")
		var deleteError *storage.DeleteError
		if !errors.As(err, &deleteError) {
			t.Fatalf("got %v", err)
		}
		if diff := cmp.Diff(bad, deleteError.Keys()); diff != "" {
			t.Error(diff)
		}
		want(t, err, storage.ErrInvalid)
		expectKeys(t, s, "e")
	})
}

func testCopy(t *testing.T, s storage.Store) {
	for _, size := range []int{0, 1000, aboveSingle} {
		t.Run(fmt.Sprintf("gives the same %d bytes and keeps the source", size), func(t *testing.T) {
			data := content(size, 13)
			put(t, s, "from", data)
			put(t, s, "deep/er/to", []byte("replaced"))
			if err := s.Copy(t.Context(), "from", "deep/er/to"); err != nil {
				t.Fatal(err)
			}
			expect(t, s, "from", data)
			expect(t, s, "deep/er/to", data)
		})
	}
	t.Run("onto itself changes nothing", func(t *testing.T) {
		put(t, s, "self", []byte("self"))
		if err := s.Copy(t.Context(), "self", "self"); err != nil {
			t.Error(err)
		}
		expect(t, s, "self", []byte("self"))
	})
	t.Run("of an absent object is ErrNotFound, and the target stays", func(t *testing.T) {
		put(t, s, "target", []byte("target"))
		want(t, s.Copy(t.Context(), "nothing", "target"), storage.ErrNotFound)
		want(t, s.Copy(t.Context(), "nothing", "nothing"), storage.ErrNotFound)
		expect(t, s, "target", []byte("target"))
	})
	t.Run("is a copy, not a link", func(t *testing.T) {
		put(t, s, "one", []byte("one"))
		if err := s.Copy(t.Context(), "one", "two"); err != nil {
			t.Fatal(err)
		}
		put(t, s, "one", []byte("changed"))
		expect(t, s, "two", []byte("one"))
	})
}

// testMany goes over the page size of listings and the batch size of deletes.
func testMany(t *testing.T, s storage.Store) {
	const n = 2500
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("many/%02d/object-%04d", i%50, i)
	}
	work := make(chan string)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for key := range work {
				if err := storage.WriteAll(t.Context(), s, key, []byte(key), storage.Overwrite); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, key := range keys {
		work <- key
	}
	close(work)
	writers.Wait()
	slices.Sort(keys)
	expectKeys(t, s, "many/", keys...)

	t.Run("a listing ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		seen := 0
		for _, err := range s.List(ctx, "") {
			if last != nil {
				t.Error("goes on after an error")
			}
			cancel()
			seen++
			last = err
		}
		want(t, last, context.Canceled)
		if seen > 1001 {
			t.Errorf("%d objects after the context ended", seen)
		}
	})
	if err := s.Delete(t.Context(), keys[:n-1]...); err != nil {
		t.Error(err)
	}
	expectKeys(t, s, "", keys[n-1])
}
