package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestTransferGoesOnWhereReadsAreCut(t *testing.T) {
	t.Parallel()
	proxy, from, direct, server := faulty(t)
	to := open(t, server.Config("to"))
	var size int64
	for i := range 5 {
		data := content(5*mib + i)
		write(t, direct, named(fmt.Sprintf("cut/%d", i), data), data)
		size += int64(len(data))
	}
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		if r.URL.Query().Has("list-type") {
			return storagetest.Fault{}
		}
		return storagetest.Fault{Cut: 2*mib + 1}
	})
	got, err := storage.Transfer(t.Context(), from, to, from.List(t.Context(), "cut/"), storage.TransferOptions{MD5: md5OfKey})
	if err != nil || got.Copied != 5 || got.Bytes != size || got.Read != size {
		t.Errorf("%+v, %v", got, err)
	}
	for key, sum := range contents(t, to, "") {
		if sum != md5OfKey(storage.Object{Key: key}) {
			t.Errorf("%s is %s", key, sum)
		}
	}
}

func TestTransferKeepsTheKindOfEachError(t *testing.T) {
	t.Parallel()
	proxy, to, _, _ := faulty(t)
	from := files(t)
	answers := map[string]storagetest.Fault{
		"denied":    {Status: 403, Code: "AccessDenied"},
		"full":      {Status: 507, Code: "XMinioStorageFull"},
		"no bucket": {Status: 404, Code: "NoSuchBucket"},
	}
	kinds := map[string]error{"denied": storage.ErrDenied, "full": storage.ErrUnavailable, "no bucket": storage.ErrNoBucket, "absent": storage.ErrNotFound}
	objects := []storage.Object{{Key: "absent", Size: 1}}
	for _, key := range []string{"denied", "fine", "full", "no bucket"} {
		write(t, from, key, []byte("x"))
		objects = append(objects, storage.Object{Key: key, Size: 1})
	}
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		return answers[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	})
	got, err := storage.Transfer(t.Context(), from, to, each(objects...), storage.TransferOptions{})
	if got.Copied != 1 || got.Failed != 4 {
		t.Errorf("%+v", got)
	}
	var failed *storage.TransferError
	if !errors.As(err, &failed) || len(failed.Failed) != 4 || failed.More != 0 {
		t.Fatalf("got error %v", err)
	}
	for key, kind := range kinds {
		want(t, failed.Failed[key], kind)
		want(t, err, kind)
		if !strings.Contains(failed.Failed[key].Error(), key) {
			t.Errorf("%v does not name %s", failed.Failed[key], key)
		}
	}
}

// A target that takes nothing must not have millions of objects thrown at it.
func TestTransferGivesUpAfterAHundredFailuresInARow(t *testing.T) {
	const number = 10_000
	endless := &watched{Store: made{size: 1}}
	nowhere := open(t, storage.Config{Location: "file://" + t.TempDir() + "/absent"})
	got, err := storage.Transfer(t.Context(), endless, nowhere, numbered(number, 1), storage.TransferOptions{})
	var failed *storage.TransferError
	if !errors.As(err, &failed) || len(failed.Failed) != 100 || !strings.Contains(err.Error(), "given up") {
		t.Errorf("got error %v", err)
	}
	want(t, err, storage.ErrNoBucket)
	if got.Failed < 100 || got.Failed > 200 || failed.More != got.Failed-100 || endless.gets.Load() > 200 {
		t.Errorf("%+v, %d more, %d read", got, failed.More, endless.gets.Load())
	}
}

func TestTransferOfTenThousandObjectsWithSomeFailures(t *testing.T) {
	const number = 10_000
	to := &sink{refuse: func(key string) error {
		if strings.HasSuffix(key, "7") {
			return &storage.Error{Op: "put", Key: key, Kind: storage.ErrThrottled, Err: errors.New("slow down")}
		}
		return nil
	}}
	var reports, last atomic.Int64
	got, err := storage.Transfer(t.Context(), made{size: 16 << 10}, to, numbered(number, 16<<10), storage.TransferOptions{
		Progress: func(r storage.TransferResult) { reports.Add(1); last.Store(r.Copied + r.Failed) },
	})
	var failed *storage.TransferError
	if !errors.As(err, &failed) || len(failed.Failed) != 100 || failed.More != 900 {
		t.Errorf("got error %v", err)
	}
	want(t, err, storage.ErrThrottled)
	if got.Copied != 9000 || got.Failed != 1000 || got.Bytes != 9000*16<<10 || to.keys.Load() != 9000 {
		t.Errorf("%+v, %d keys at the target", got, to.keys.Load())
	}
	if last.Load() != number || reports.Load() < number {
		t.Errorf("%d reports, the last of %d objects", reports.Load(), last.Load())
	}
}

func TestTransferBrokenOffLeavesNothingPartial(t *testing.T) {
	t.Parallel()
	proxy, to, direct, server := faulty(t)
	from, watchedTo := &watched{Store: files(t)}, &watched{Store: to}
	for i := range 6 {
		data := content(17*mib + i)
		write(t, from, named(fmt.Sprint(i), data), data)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var parts atomic.Int64
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		if r.URL.Query().Has("partNumber") && parts.Add(1) > 3 {
			cancel()
			return storagetest.Fault{Hang: make(chan struct{})}
		}
		return storagetest.Fault{}
	})
	done := make(chan error, 1)
	go func() {
		_, err := storage.Transfer(ctx, from, watchedTo, from.List(t.Context(), ""), storage.TransferOptions{Parallel: 8, MD5: md5OfKey})
		done <- err
	}()
	select {
	case err := <-done:
		want(t, err, context.Canceled)
		var failed *storage.TransferError
		if errors.As(err, &failed) {
			t.Errorf("objects count as failed: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("goes on after its context ended")
	}
	if n := from.open.Load() + watchedTo.open.Load(); n != 0 {
		t.Errorf("%d bodies are still open", n)
	}
	for key, sum := range contents(t, direct, "") {
		if sum != md5OfKey(storage.Object{Key: key}) {
			t.Errorf("%s is %s", key, sum)
		}
	}
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("uploads left behind: %q", pending)
	}
}

// A target that takes no byte: what is read meanwhile, and what is held, is what the promise says, however many objects
// wait and however large they are.
func TestTransferHoldsWhatItPromises(t *testing.T) {
	proxy, to, _, _ := faulty(t)
	var stuck atomic.Int64
	free := make(chan struct{})
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		if r.Method != http.MethodPut {
			return storagetest.Fault{}
		}
		stuck.Add(1)
		return storagetest.Fault{Hang: free}
	})
	const parallel, size = 8, 200 * mib
	base := heap()
	ctx, cancel := context.WithCancel(t.Context())
	var read atomic.Int64
	done := make(chan error, 1)
	go func() {
		_, err := storage.Transfer(ctx, made{size: size}, to, numbered(1000, size), storage.TransferOptions{
			Parallel: parallel, Progress: func(r storage.TransferResult) { read.Store(r.Read) },
		})
		done <- err
	}()
	waitFor(t, func() bool { return stuck.Load() == 2*parallel })
	const promised = parallel * 16 * mib
	if n := read.Load(); n > promised {
		t.Errorf("%d MiB are read while the target takes nothing; promised are %d", n/mib, promised/mib)
	}
	if n := heap() - base; n > promised+32*mib { // the proxy and the connections hold something too
		t.Errorf("%d MiB are held; promised are %d", n/mib, promised/mib)
	}
	cancel()
	close(free)
	want(t, <-done, context.Canceled)
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func waitFor(t *testing.T, over func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !over() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("not over after a minute")
		}
	}
}

// numbered yields n objects.
func numbered(n int, size int64) func(func(storage.Object, error) bool) {
	return func(yield func(storage.Object, error) bool) {
		for i := range n {
			if !yield(storage.Object{Key: fmt.Sprint(i), Size: size}, nil) {
				return
			}
		}
	}
}

// made holds an object under every key.
type made struct {
	storage.Store
	size int64
}

func (m made) Get(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(rand.NewChaCha8([32]byte{}), m.size)), nil
}

// sink takes objects and counts them.
type sink struct {
	storage.Store
	refuse func(key string) error
	keys   atomic.Int64
}

func (s *sink) Put(_ context.Context, key string, body io.Reader, size int64, _ storage.Mode) error {
	var read bytes.Buffer
	if n, err := read.ReadFrom(body); err != nil || n != size {
		return fmt.Errorf("body of %d bytes: %w", n, err)
	}
	if err := s.refuse(key); err != nil {
		return err
	}
	s.keys.Add(1)
	return nil
}
