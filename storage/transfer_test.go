package storage_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// named makes a key that ends in the content's MD5.
func named(name string, data []byte) string { return fmt.Sprintf("%s.%x", name, md5.Sum(data)) }

// md5OfKey is what such a key says.
func md5OfKey(o storage.Object) string { return o.Key[strings.LastIndexByte(o.Key, '.')+1:] }

// each yields objects, as a listing does.
func each(objects ...storage.Object) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for _, o := range objects {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// contents reads all objects below a prefix.
func contents(t *testing.T, s storage.Store, prefix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := storage.ReadAll(t.Context(), s, o.Key, 100*mib)
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = fmt.Sprintf("%x", md5.Sum(data))
	}
	return all
}

// listed makes a lookup of what is below a prefix.
func listed(t *testing.T, s storage.Store, prefix string) func(string) (storage.Object, bool) {
	t.Helper()
	there := map[string]storage.Object{}
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		there[o.Key] = o
	}
	return func(key string) (storage.Object, bool) { o, ok := there[key]; return o, ok }
}

// watched counts what is asked of a store, and can spoil bodies.
type watched struct {
	storage.Store
	gets, puts, copies, open atomic.Int64
	spoil                    func(key string, body io.Reader) io.Reader
}

func (s *watched) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.gets.Add(1)
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	var reader io.Reader = body
	if s.spoil != nil {
		reader = s.spoil(key, body)
	}
	return &watchedBody{reader, body, s}, nil
}

type watchedBody struct {
	io.Reader
	body io.Closer
	s    *watched
}

func (b *watchedBody) Close() error { b.s.open.Add(-1); return b.body.Close() }

func (s *watched) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	s.puts.Add(1)
	s.open.Add(1)
	defer s.open.Add(-1)
	return s.Store.Put(ctx, key, body, size, mode)
}

func (s *watched) Copy(ctx context.Context, from, to string) error {
	s.copies.Add(1)
	return s.Store.Copy(ctx, from, to)
}

func files(t *testing.T) storage.Store {
	return open(t, storage.Config{Location: "file://" + t.TempDir()})
}

func TestTransferCopiesEveryObject(t *testing.T) {
	t.Parallel()
	server, other := storagetest.StartS3(t), storagetest.StartS3(t)
	source := map[string][]byte{}
	for name, size := range map[string]int{"empty": 0, "a/one": 1, "a/small": 16 << 10, "b/c/full": 16 * mib, "b/large": 37*mib + 5} {
		data := content(size)
		source[named(name, data)] = data
	}
	for _, test := range []struct {
		name     string
		from, to storage.Store
	}{
		{"S3 to another S3", open(t, server.Config("from")), open(t, other.Config("to"))},
		{"S3 to a directory", open(t, server.Config("from")), files(t)},
		{"a directory to S3", files(t), open(t, other.Config("from files"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, size := map[string]string{}, int64(0)
			for key, data := range source {
				write(t, test.from, key, data)
				want["new/"+key], size = fmt.Sprintf("%x", md5.Sum(data)), size+int64(len(data))
			}
			var last storage.TransferResult
			got, err := storage.Transfer(t.Context(), test.from, test.to, test.from.List(t.Context(), ""), storage.TransferOptions{
				Parallel: 3, MD5: md5OfKey, Target: func(key string) string { return "new/" + key },
				Progress: func(now storage.TransferResult) {
					if now.Read < last.Read || now.Copied < last.Copied || now.Bytes < last.Bytes {
						t.Errorf("progress goes from %+v to %+v", last, now)
					}
					last = now
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, test.to, "")); diff != "" {
				t.Error(diff)
			}
			all := storage.TransferResult{Copied: int64(len(source)), Bytes: size, Read: size}
			if got != all || last != all {
				t.Errorf("result %+v, last progress %+v, want %+v", got, last, all)
			}
		})
	}
}

func TestTransferOfNothing(t *testing.T) {
	got, err := storage.Transfer(t.Context(), files(t), files(t), each(), storage.TransferOptions{})
	if err != nil || got != (storage.TransferResult{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever is wrong with an object at the source, the target is as it was, and other objects are copied.
func TestTransferNeverStoresWrongBytes(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	targets := map[string]func(name string) storage.Store{
		"directory": func(string) storage.Store { return files(t) },
		"S3":        func(name string) storage.Store { return open(t, server.Config("to/"+name)) },
	}
	cut := errors.New("cut")
	for _, test := range []struct {
		name  string
		wrong func(data []byte) []byte // what the source holds
		spoil func(io.Reader) io.Reader
		kind  error
	}{
		{"another content", func(data []byte) []byte { return append([]byte{data[0] + 1}, data[1:]...) }, nil, storage.ErrChecksum},
		{"another last byte", func(data []byte) []byte { return append(bytes.Clone(data[1:]), 0) }, nil, storage.ErrChecksum},
		{"shorter than listed", func(data []byte) []byte { return data[:len(data)-1] }, nil, storage.ErrChanged},
		{"empty", func(data []byte) []byte { return nil }, nil, storage.ErrChanged},
		{"broken in the middle", bytes.Clone, func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 7), &failing{cut})
		}, cut},
		{"broken at the end", bytes.Clone, func(r io.Reader) io.Reader {
			data, _ := io.ReadAll(r)
			return io.MultiReader(bytes.NewReader(data), &failing{cut})
		}, cut},
	} {
		for target, make := range targets {
			for _, size := range []int{1000, 17 * mib} {
				t.Run(fmt.Sprintf("%s, %d bytes to %s", test.name, size, target), func(t *testing.T) {
					data := content(size)
					bad, fresh, good := named("bad", data), named("fresh", data), named("good", []byte("good"))
					from, to := &watched{Store: files(t)}, make(strings.ReplaceAll(t.Name(), "/", "_"))
					from.spoil = func(key string, r io.Reader) io.Reader {
						if key == good || test.spoil == nil {
							return r
						}
						return test.spoil(r)
					}
					write(t, from, bad, test.wrong(data))
					write(t, from, fresh, test.wrong(data))
					write(t, from, good, []byte("good"))
					write(t, to, bad, []byte("older"))
					got, err := storage.Transfer(t.Context(), from, to, each(
						storage.Object{Key: bad, Size: int64(size)}, storage.Object{Key: fresh, Size: int64(size)}, storage.Object{Key: good, Size: 4},
					), storage.TransferOptions{MD5: md5OfKey})
					want(t, err, test.kind)
					var failed *storage.TransferError
					if !errors.As(err, &failed) || !slices.Equal(failed.Keys(), []string{bad, fresh}) || !errors.Is(failed.Failed[bad], test.kind) {
						t.Errorf("got error %v", err)
					}
					if got.Copied != 1 || got.Failed != 2 || got.Bytes != 4 {
						t.Errorf("result %+v", got)
					}
					there := map[string]string{bad: fmt.Sprintf("%x", md5.Sum([]byte("older"))), good: fmt.Sprintf("%x", md5.Sum([]byte("good")))}
					if diff := cmp.Diff(there, contents(t, to, "")); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("uploads left behind: %q", pending)
	}
}

func TestTransferWithoutAnMD5CopiesWhatIsAsLongAsListed(t *testing.T) {
	from, to := files(t), files(t)
	for key, data := range map[string]string{"right": "12345", "longer": "123456", "shorter": "1234"} {
		write(t, from, key, []byte(data))
	}
	got, err := storage.Transfer(t.Context(), from, to, each(
		storage.Object{Key: "right", Size: 5}, storage.Object{Key: "longer", Size: 5}, storage.Object{Key: "shorter", Size: 5},
	), storage.TransferOptions{})
	var failed *storage.TransferError
	if !errors.As(err, &failed) || !slices.Equal(failed.Keys(), []string{"longer", "shorter"}) || got.Copied != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	want(t, failed.Failed["longer"], storage.ErrChanged)
	want(t, failed.Failed["shorter"], storage.ErrChanged)
	if diff := cmp.Diff([]string{"right"}, slices.Collect(maps.Keys(contents(t, to, "")))); diff != "" {
		t.Error(diff)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestTransferReadsAgainWhatWasDamagedOnTheWay(t *testing.T) {
	t.Parallel()
	data := content(3 * mib)
	key := named("object", data)
	from, to := &watched{Store: files(t)}, files(t)
	write(t, from, key, data)
	from.spoil = func(_ string, r io.Reader) io.Reader {
		if from.gets.Load() > 1 {
			return r
		}
		return io.MultiReader(strings.NewReader("x"), &skipOne{r: r})
	}
	got, err := storage.Transfer(t.Context(), from, to, from.List(t.Context(), ""), storage.TransferOptions{MD5: md5OfKey})
	if err != nil || got.Copied != 1 || got.Read != 6*mib {
		t.Errorf("%+v, %v", got, err)
	}
	if read, err := storage.ReadAll(t.Context(), to, key, mib*4); err != nil || !bytes.Equal(read, data) {
		t.Error("other bytes", err)
	}
}

// skipOne leaves out the first byte.
type skipOne struct {
	r    io.Reader
	done bool
}

func (s *skipOne) Read(p []byte) (int, error) {
	if !s.done {
		s.done = true
		if _, err := io.ReadFull(s.r, make([]byte, 1)); err != nil {
			return 0, err
		}
	}
	return s.r.Read(p)
}

func TestTransferCopiesAnObjectThatComesTwiceTwice(t *testing.T) {
	server := storagetest.StartS3(t)
	from, to := open(t, server.Config("from")), open(t, server.Config("to"))
	data := content(100_000)
	write(t, from, "object", data)
	object := storage.Object{Key: "object", Size: int64(len(data))}
	got, err := storage.Transfer(t.Context(), from, to, each(object, object, object, object), storage.TransferOptions{})
	if err != nil || got.Copied != 4 || got.Bytes != 400_000 {
		t.Errorf("%+v, %v", got, err)
	}
	if read, err := storage.ReadAll(t.Context(), to, "object", mib); err != nil || !bytes.Equal(read, data) {
		t.Error("other bytes", err)
	}
}

func TestTransferLeavesOutWhatIsThere(t *testing.T) {
	server := storagetest.StartS3(t)
	for name, to := range map[string]*watched{
		"S3 tells MD5s":       {Store: open(t, server.Config("to"))},
		"a directory is read": {Store: files(t)},
	} {
		t.Run(name, func(t *testing.T) {
			from := &watched{Store: files(t)}
			var objects []storage.Object
			wanted := map[string]string{}
			for i := range 20 {
				data := content(1000 + i)
				key := named(fmt.Sprintf("%02d", i), data)
				write(t, from, key, data)
				objects, wanted[key] = append(objects, storage.Object{Key: key, Size: int64(len(data))}), md5OfKey(storage.Object{Key: key})
			}
			broken := errors.New("listing broke off")
			options := storage.TransferOptions{MD5: md5OfKey}
			got, err := storage.Transfer(t.Context(), from, to, func(yield func(storage.Object, error) bool) {
				for o := range each(objects[:12]...) {
					yield(o, nil)
				}
				yield(storage.Object{}, broken)
			}, options)
			want(t, err, broken)
			if got.Copied != 12 {
				t.Errorf("first %+v", got)
			}
			write(t, to, objects[3].Key, content(999))                                  // another size
			write(t, to, objects[5].Key, bytes.Repeat([]byte{1}, int(objects[5].Size))) // another content
			from.gets.Store(0)
			options.Present = listed(t, to, "")
			got, err = storage.Transfer(t.Context(), from, to, each(objects...), options)
			if err != nil || got.Present != 10 || got.Copied != 10 || got.Failed != 0 {
				t.Errorf("%+v, %v", got, err)
			}
			if n := from.gets.Load(); n != 10 {
				t.Errorf("%d objects were read at the source", n)
			}
			if diff := cmp.Diff(wanted, contents(t, to, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// One request for an object up to 256 MiB: S3 tells the MD5 of what it copied.
func TestTransferWithinS3AsksOnce(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	const number = 20
	for i := range number {
		data := content(1000 + i)
		write(t, direct, named(fmt.Sprintf("from/%d", i), data), data)
	}
	var requests atomic.Int64
	proxy.Inject(func(*http.Request) storagetest.Fault { requests.Add(1); return storagetest.Fault{} })
	for name, within := range map[string]storage.Store{"plain": s, "limited": storage.LimitBandwidth(s, func() int64 { return 1 << 40 })} {
		requests.Store(0)
		got, err := storage.Transfer(t.Context(), within, within, within.List(t.Context(), "from/"), storage.TransferOptions{
			MD5: md5OfKey, Target: func(key string) string { return name + "/" + key },
		})
		if err != nil || got.Copied != number || got.Read != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if n := requests.Load(); n != number+1 {
			t.Errorf("%s: %d requests, want one for each of %d objects and one for the listing", name, n, number)
		}
	}
}

func TestTransferWithinOneStoreLetsItCopy(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	for name, s := range map[string]*watched{"S3": {Store: open(t, server.Config("within"))}, "directory": {Store: files(t)}} {
		t.Run(name, func(t *testing.T) {
			good, bad := named("good", []byte("good")), named("bad", []byte("right"))
			write(t, s, good, []byte("good"))
			write(t, s, bad, []byte("wrong"))
			s.puts.Store(0)
			got, err := storage.Transfer(t.Context(), s, s, each(
				storage.Object{Key: good, Size: 4}, storage.Object{Key: bad, Size: 5},
			), storage.TransferOptions{MD5: md5OfKey, Target: func(key string) string { return "new/" + key }})
			want(t, err, storage.ErrChecksum)
			if got.Copied != 1 || got.Failed != 1 || s.copies.Load() != 2 || s.puts.Load() != 0 {
				t.Errorf("%+v, %d copies, %d puts", got, s.copies.Load(), s.puts.Load())
			}
			if diff := cmp.Diff([]string{"new/" + good}, slices.Collect(maps.Keys(contents(t, s, "new/")))); diff != "" {
				t.Error(diff)
			}
			unknown, err := storage.Transfer(t.Context(), s, s, each(
				storage.Object{Key: good, Size: 4}, storage.Object{Key: bad, Size: 6},
			), storage.TransferOptions{Target: func(key string) string { return "sizes/" + key }})
			want(t, err, storage.ErrChanged)
			if _, err := s.Stat(t.Context(), "sizes/"+bad); unknown.Copied != 1 || !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%+v; %v", unknown, err)
			}
			_, err = storage.Transfer(t.Context(), s, s, each(storage.Object{Key: bad, Size: 5}), storage.TransferOptions{MD5: md5OfKey})
			want(t, err, storage.ErrInvalid)
			if _, err := s.Stat(t.Context(), bad); err != nil {
				t.Error("the source is gone:", err)
			}
		})
	}
}
