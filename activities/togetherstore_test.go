package activities_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"starkeep/storage"
)

// memory is a store in memory, with the bubble's clock.
type memory struct {
	mu      sync.Mutex
	keys    []string // ascending
	objects map[string]stored
}

type stored struct {
	data []byte
	at   time.Time
}

func newMemory() *memory { return &memory{objects: map[string]stored{}} }

func notStored(op, key string) error {
	return &storage.Error{Op: op, Key: key, Kind: storage.ErrNotFound, Err: errors.New("no such key")}
}

func (m *memory) Put(_ context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		return &storage.Error{Op: "put", Key: key, Kind: storage.ErrInvalid, Err: errors.Join(err, fmt.Errorf("%d bytes, want %d", len(data), size))}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at, found := slices.BinarySearch(m.keys, key)
	if found && mode == storage.IfAbsent {
		return &storage.Error{Op: "put", Key: key, Kind: storage.ErrExists, Err: errors.New("there is one")}
	}
	if !found {
		m.keys = slices.Insert(m.keys, at, key)
	}
	m.objects[key] = stored{data, time.Now()}
	return nil
}

func (m *memory) find(op, key string) (stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return o, notStored(op, key)
	}
	return o, nil
}

func (m *memory) Get(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	o, err := m.find("get", key)
	if err != nil {
		return nil, err
	}
	end := int64(len(o.data))
	if length >= 0 {
		end = min(end, offset+length)
	}
	return io.NopCloser(bytes.NewReader(o.data[min(offset, end):end])), nil
}

func (m *memory) Stat(_ context.Context, key string) (storage.Object, error) {
	o, err := m.find("stat", key)
	return storage.Object{Key: key, Size: int64(len(o.data)), Modified: o.at}, err
}

// pageSize is how many keys a listing tells at a time; between pages others may change what is there.
const pageSize = 8

func (m *memory) page(prefix, after string) (page []storage.Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, found := slices.BinarySearch(m.keys, max(prefix, after))
	if found && m.keys[from] == after {
		from++
	}
	for _, key := range m.keys[from:] {
		if !strings.HasPrefix(key, prefix) || len(page) == pageSize {
			break
		}
		o := m.objects[key]
		page = append(page, storage.Object{Key: key, Size: int64(len(o.data)), Modified: o.at})
	}
	return page
}

func (m *memory) List(_ context.Context, prefix string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for page := m.page(prefix, ""); len(page) > 0; page = m.page(prefix, page[len(page)-1].Key) {
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

func (m *memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		if at, found := slices.BinarySearch(m.keys, key); found {
			m.keys = slices.Delete(m.keys, at, at+1)
			delete(m.objects, key)
		}
	}
	return nil
}

func (m *memory) Copy(_ context.Context, from, to string) error {
	o, err := m.find("copy", from)
	if err != nil {
		return err
	}
	return m.Put(context.Background(), to, bytes.NewReader(o.data), int64(len(o.data)), storage.Overwrite)
}

func (m *memory) Close() error { return nil }

// now is all that is stored at this instant.
func (m *memory) now() map[string]stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.objects)
}

// fate decides what becomes of one attempt at an activity. All of it follows from the seed and from what is asked, not from
// the order in which goroutines come.
type fate struct {
	seed uint64
	name string // of the attempt
	calm bool   // nothing fails any more

	diesAt time.Time // its worker; zero: it lives
	mu     sync.Mutex
	asked  map[string]int
}

// draw gives a number below n for a purpose.
func draw(seed uint64, purpose string, n uint64) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, "|", purpose)
	x := h.Sum64() // FNV alone mixes the last bytes badly
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x % n
}

var errDead = &storage.Error{Op: "any", Kind: storage.ErrUnavailable, Err: errors.New("the worker is dead")}

func (f *fate) dead() bool { return !f.diesAt.IsZero() && !time.Now().Before(f.diesAt) }

// meet waits for as long as a call takes, carries it out or not, and gives or loses the answer.
func (f *fate) meet(ctx context.Context, op, key string, do func() error) error {
	f.mu.Lock()
	what := op + " " + key
	f.asked[what]++
	purpose := fmt.Sprint(f.name, " ", what, " ", f.asked[what])
	f.mu.Unlock()
	late := time.Duration(draw(f.seed, purpose+" before", uint64(time.Second)))
	if draw(f.seed, purpose+" slow", 100) == 0 {
		late *= 60
	}
	if err := pause(ctx, late); err != nil {
		return err
	}
	fails := uint64(2)
	if !f.calm {
		fails = draw(f.seed, purpose+" fails", 60)
	}
	lost := &storage.Error{Op: op, Key: key, Kind: storage.ErrUnavailable, Err: errors.New("as the seed wants it")}
	switch {
	case f.dead():
		return errDead
	case fails == 0:
		return lost
	}
	err := do()
	if stop := pause(ctx, time.Duration(draw(f.seed, purpose+" after", uint64(time.Second)))); stop != nil {
		return stop
	}
	switch {
	case f.dead():
		return errDead
	case fails == 1 && err == nil:
		return lost
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shaky is a store as an attempt has it.
type shaky struct {
	storage.Store
	of   *fate
	name string
}

func (s *shaky) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return &storage.Error{Op: "put", Key: key, Kind: storage.ErrInvalid, Err: err}
	}
	written := false
	err = s.of.meet(ctx, s.name+" put", key, func() error {
		err := s.Store.Put(ctx, key, bytes.NewReader(data), size, mode)
		written = err == nil
		return err
	})
	// A provider asks again whether it was its own write that won; only a worker that dies does not learn it.
	if written && mode == storage.IfAbsent && ctx.Err() == nil && !s.of.dead() {
		return nil
	}
	return err
}

func (s *shaky) Get(ctx context.Context, key string, offset, length int64) (body io.ReadCloser, err error) {
	err = s.of.meet(ctx, s.name+" get", key, func() (err error) { body, err = s.Store.Get(ctx, key, offset, length); return err })
	if err != nil {
		return nil, err
	}
	return body, nil
}

func (s *shaky) Stat(ctx context.Context, key string) (o storage.Object, err error) {
	err = s.of.meet(ctx, s.name+" stat", key, func() (err error) { o, err = s.Store.Stat(ctx, key); return err })
	return o, err
}

func (s *shaky) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		n := 0
		for o, err := range s.Store.List(ctx, prefix) {
			if n++; n%pageSize == 1 {
				err = errors.Join(err, s.of.meet(ctx, s.name+" list", prefix, func() error { return nil }))
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
		if n == 0 {
			if err := s.of.meet(ctx, s.name+" list", prefix, func() error { return nil }); err != nil {
				yield(storage.Object{}, err)
			}
		}
	}
}

func (s *shaky) Delete(ctx context.Context, keys ...string) error {
	failed := map[string]error{}
	for _, key := range keys {
		if err := s.of.meet(ctx, s.name+" delete", key, func() error { return s.Store.Delete(ctx, key) }); err != nil {
			failed[key] = err
		}
	}
	if len(failed) > 0 {
		return &storage.DeleteError{Failed: failed}
	}
	return nil
}

func (s *shaky) Copy(ctx context.Context, from, to string) error {
	return s.of.meet(ctx, s.name+" copy", to, func() error { return s.Store.Copy(ctx, from, to) })
}
