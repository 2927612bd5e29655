package storage_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestLimitedStoreKeepsTheContract(t *testing.T) {
	t.Parallel()
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		return storage.LimitBandwidth(open(t, storage.Config{Location: "file://" + t.TempDir()}), func() int64 { return 1 << 40 })
	})
}

func TestLimitHoldsForReadingAndWritingTogether(t *testing.T) {
	var limit atomic.Int64
	plain := open(t, storage.Config{Location: "file://" + t.TempDir()})
	s := storage.LimitBandwidth(plain, limit.Load)
	write(t, plain, "object", content(mib))
	limit.Store(4 * mib)
	began := time.Now()
	var bodies sync.WaitGroup
	bodies.Go(func() { write(t, s, "other", content(mib)) })
	bodies.Go(func() {
		if _, err := storage.ReadAll(t.Context(), s, "object", mib); err != nil {
			t.Error(err)
		}
	})
	bodies.Wait()
	if took := time.Since(began); took < 400*time.Millisecond { // 2 MiB at 4 MiB/s, less the first burst
		t.Errorf("took %v", took)
	}
}

func TestLimitCanBeLiftedWhileABodyRuns(t *testing.T) {
	var limit atomic.Int64
	limit.Store(1000)
	plain := open(t, storage.Config{Location: "file://" + t.TempDir()})
	write(t, plain, "object", content(20*mib))
	s := storage.LimitBandwidth(plain, limit.Load)
	body, err := s.Get(t.Context(), "object", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	limit.Store(0)
	if n, err := io.Copy(io.Discard, body); err != nil || n != 20*mib-500 { // five hours at the old limit
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestLimitWaitEndsWithTheContext(t *testing.T) {
	plain := open(t, storage.Config{Location: "file://" + t.TempDir()})
	s := storage.LimitBandwidth(plain, func() int64 { return 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want(t, storage.WriteAll(ctx, s, "object", content(1000_000), storage.Overwrite), context.DeadlineExceeded)
	_, err := plain.Stat(t.Context(), "object")
	want(t, err, storage.ErrNotFound)
}
