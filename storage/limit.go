package storage

import (
	"context"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limitChunk is how many bytes pass at most between two looks at the limit.
const limitChunk = 64 << 10

// LimitBandwidth wraps a Store so that all bodies it reads and writes together pass at no more than bytesPerSecond(),
// which is asked again for every 64 KiB or quarter of a second: the limit can change while bodies run. 0 or less is no
// limit. Copy within the store and listings do not count; what Transfer lets the server copy from elsewhere does.
func LimitBandwidth(s Store, bytesPerSecond func() int64) Store {
	return &limitedStore{Store: s, limit: &bandwidth{perSecond: bytesPerSecond, limiter: rate.NewLimiter(rate.Inf, limitChunk)}}
}

type limitedStore struct {
	Store
	limit *bandwidth
}

func (s *limitedStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	return s.Store.Put(ctx, key, &limitedReader{ctx: ctx, body: body, limit: s.limit}, size, mode)
}

func (s *limitedStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return &limitedBody{limitedReader{ctx: ctx, body: body, limit: s.limit}, body}, nil
}

func (s *limitedStore) CopyTold(ctx context.Context, from Object, to string) (sum string, err error) {
	return CopyTold(ctx, s.Store, from, to)
}

type limitedReader struct {
	ctx   context.Context
	body  io.Reader
	limit *bandwidth
}

func (r *limitedReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p[:min(len(p), r.limit.chunk())])
	if n == 0 {
		return n, err
	}
	if waitErr := r.limit.wait(r.ctx, n); waitErr != nil {
		return n, waitErr
	}
	return n, err
}

type limitedBody struct {
	limitedReader
	io.Closer
}

// bandwidth is the budget all bodies of one wrapped Store share.
type bandwidth struct {
	perSecond func() int64

	mu      sync.Mutex // the limit must not change between setting it and reserving
	limiter *rate.Limiter
}

// chunk keeps single waits around a quarter of a second, so that a changed limit is soon felt.
func (b *bandwidth) chunk() int {
	limit := b.perSecond()
	if limit <= 0 {
		return limitChunk
	}
	return int(min(max(limit/4, 1), limitChunk))
}

func (b *bandwidth) wait(ctx context.Context, n int) error {
	delay, cancel := b.reserve(n)
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		cancel()
		return ctx.Err()
	}
}

// waitAll waits for up to limitChunk bytes, in pieces that let a changed limit be felt.
func (b *bandwidth) waitAll(ctx context.Context, n int) error {
	for n > 0 {
		piece := min(n, b.chunk())
		if err := b.wait(ctx, piece); err != nil {
			return err
		}
		n -= piece
	}
	return nil
}

func (b *bandwidth) reserve(n int) (time.Duration, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := b.perSecond()
	if limit <= 0 {
		return 0, nil
	}
	now := time.Now()
	b.limiter.SetLimitAt(now, rate.Limit(limit))
	reservation := b.limiter.ReserveN(now, n) // n <= limitChunk, the burst: always granted
	return reservation.DelayFrom(now), reservation.Cancel
}
