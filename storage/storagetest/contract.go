// Package storagetest holds the suite that every storage provider runs, and the servers and faults to run it against.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
)

const (
	mib = 1 << 20

	// aboveSingle is larger than any provider stores in one request.
	aboveSingle = 17 * mib
)

// Contract checks every MUST of storage.Store against a provider. open returns a Store of an empty location of its own
// at each call.
func Contract(t *testing.T, open func(t *testing.T) storage.Store) {
	suites := []struct {
		name string
		run  func(t *testing.T, s storage.Store)
	}{
		{"Put", testPut},
		{"Put that fails stores nothing", testPutFails},
		{"Put shows nothing before it is finished", testPutUnfinished},
		{"Put IfAbsent", testIfAbsent},
		{"keys", testKeys},
		{"Get", testGet},
		{"Stat", testStat},
		{"List", testList},
		{"Delete", testDelete},
		{"Copy", testCopy},
		{"context", testContext},
		{"directories", testDirectories},
		{"many objects", testMany},
	}
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			s := open(t)
			suite.run(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func testPut(t *testing.T, s storage.Store) {
	for _, size := range []int{0, 1, 70_000, 16 * mib, aboveSingle, 40 * mib} {
		t.Run(fmt.Sprintf("stores %d bytes and gives the same back", size), func(t *testing.T) {
			data := content(size, 1)
			put(t, s, "object", data)
			expect(t, s, "object", data)
		})
	}
	t.Run("replaces what is there", func(t *testing.T) {
		put(t, s, "twice", []byte("first, and longer"))
		put(t, s, "twice", []byte("second"))
		expect(t, s, "twice", []byte("second"))
	})
	t.Run("takes a body that comes in small pieces and ends together with its last bytes", func(t *testing.T) {
		data := content(1000, 2)
		if err := s.Put(t.Context(), "pieces", &pieces{data: data}, 1000, storage.Overwrite); err != nil {
			t.Fatal(err)
		}
		expect(t, s, "pieces", data)
	})
	t.Run("of one key at the same time leaves one of them whole", func(t *testing.T) {
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				if err := storage.WriteAll(t.Context(), s, "race", content(50_000, uint64(i)), storage.Overwrite); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		got := get(t, s, "race", 0, -1)
		for i := range 8 {
			if bytes.Equal(got, content(50_000, uint64(i))) {
				return
			}
		}
		t.Error("the object is a mixture")
	})
}

func testPutFails(t *testing.T, s storage.Store) {
	errBody := errors.New("the disk under the body broke")
	for _, size := range []int{1000, aboveSingle} {
		data := content(size, 3)
		tests := []struct {
			name string
			body io.Reader
			want error
		}{
			{"body ends early", bytes.NewReader(data[:size-1]), storage.ErrInvalid},
			{"body is empty", bytes.NewReader(nil), storage.ErrInvalid},
			{"body goes on", bytes.NewReader(append(slices.Clone(data), 'x')), storage.ErrInvalid},
			{"body breaks", io.MultiReader(bytes.NewReader(data[:size/2]), &broken{errBody}), errBody},
			{"body breaks behind its last byte", io.MultiReader(bytes.NewReader(data), &broken{errBody}), errBody},
		}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s, %d bytes", test.name, size), func(t *testing.T) {
				key := fmt.Sprintf("fails/%d/%s", size, test.name)
				err := s.Put(t.Context(), key, test.body, int64(size), storage.IfAbsent)
				want(t, err, test.want)
				expectAbsent(t, s, key)
			})
		}
	}
	t.Run("what was there stays", func(t *testing.T) {
		put(t, s, "old", []byte("old"))
		want(t, s.Put(t.Context(), "old", bytes.NewReader(nil), aboveSingle, storage.Overwrite), storage.ErrInvalid)
		expect(t, s, "old", []byte("old"))
	})
	t.Run("size is negative", func(t *testing.T) {
		want(t, s.Put(t.Context(), "negative", bytes.NewReader(nil), -1, storage.Overwrite), storage.ErrInvalid)
	})
}

func testPutUnfinished(t *testing.T, s storage.Store) {
	put(t, s, "b/old", []byte("old"))
	for _, key := range []string{"b/new", "b/old"} {
		data := content(aboveSingle, 4)
		body := newGate(data, 16*mib+1)
		done := make(chan error, 1)
		go func() { done <- s.Put(t.Context(), key, body, int64(len(data)), storage.Overwrite) }()
		<-body.reached

		if key == "b/new" {
			expectAbsent(t, s, key)
		}
		expect(t, s, "b/old", []byte("old"))
		close(body.open)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		expect(t, s, key, data)
		if key == "b/new" {
			expectKeys(t, s, "", "b/new", "b/old")
		}
	}
}

func testIfAbsent(t *testing.T, s storage.Store) {
	for _, size := range []int{10, aboveSingle} {
		t.Run(fmt.Sprintf("refuses a key that exists, %d bytes", size), func(t *testing.T) {
			key := fmt.Sprintf("there-%d", size)
			put(t, s, key, []byte("first"))
			err := storage.WriteAll(t.Context(), s, key, content(size, 5), storage.IfAbsent)
			want(t, err, storage.ErrExists)
			expect(t, s, key, []byte("first"))
		})
	}
	t.Run("stores again what was deleted", func(t *testing.T) {
		for range 2 {
			if err := storage.WriteAll(t.Context(), s, "again", nil, storage.IfAbsent); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), "again"); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("has one winner of 16 small writers", func(t *testing.T) { raceIfAbsent(t, s, "small", 16, 5000) })
	t.Run("has one winner of 3 large writers", func(t *testing.T) { raceIfAbsent(t, s, "large", 3, aboveSingle) })
	t.Run("has one winner even if all write the same", func(t *testing.T) {
		winners := make(chan int, 16)
		var writers sync.WaitGroup
		for i := range 16 {
			writers.Go(func() {
				if storage.WriteAll(t.Context(), s, "same", []byte("same"), storage.IfAbsent) == nil {
					winners <- i
				}
			})
		}
		writers.Wait()
		if len(winners) != 1 {
			t.Errorf("%d writers were told that they won", len(winners))
		}
	})
}

// raceIfAbsent lets writers put different content under one key; one wins, and its content is there.
func raceIfAbsent(t *testing.T, s storage.Store, key string, writers, size int) {
	errs := make([]error, writers)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() {
			errs[i] = storage.WriteAll(t.Context(), s, key, content(size, uint64(i)), storage.IfAbsent)
		})
	}
	running.Wait()
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			expect(t, s, key, content(size, uint64(i)))
			continue
		}
		want(t, err, storage.ErrExists)
	}
	if winners != 1 {
		t.Errorf("%d writers were told that they won", winners)
	}
}

func testContext(t *testing.T, s storage.Store) {
	put(t, s, "there", content(aboveSingle, 6))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	operations := map[string]func() error{
		"Put": func() error { return storage.WriteAll(ended, s, "new", []byte("x"), storage.Overwrite) },
		"Get": func() error {
			_, err := storage.ReadAll(ended, s, "there", 100*mib)
			return err
		},
		"Stat":   func() error { _, err := s.Stat(ended, "there"); return err },
		"List":   func() error { _, err := list(ended, s, ""); return err },
		"Delete": func() error { return s.Delete(ended, "there") },
		"Copy":   func() error { return s.Copy(ended, "there", "copy") },
	}
	for name, operation := range operations {
		t.Run("that has ended ends "+name, func(t *testing.T) { want(t, operation(), context.Canceled) })
	}
	t.Run("that has ended changes nothing", func(t *testing.T) { expectKeys(t, s, "", "there") })

	t.Run("ends a body in mid-read", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body, err := s.Get(ctx, "there", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		cancel()
		_, err = io.Copy(io.Discard, body)
		want(t, err, context.Canceled)
	})
	t.Run("ends a Put in the middle, and nothing is stored", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body := newGate(content(aboveSingle, 7), 16*mib+1)
		done := make(chan error, 1)
		go func() { done <- s.Put(ctx, "cut", body, aboveSingle, storage.Overwrite) }()
		<-body.reached
		cancel()
		close(body.open)
		select {
		case err := <-done:
			want(t, err, context.Canceled)
		case <-time.After(20 * time.Second):
			t.Fatal("Put goes on after its context ended")
		}
		expectAbsent(t, s, "cut")
	})
	t.Run("whose deadline passes is told apart from a slow server", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := s.Stat(ctx, "there")
		want(t, err, context.DeadlineExceeded)
		if errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v is called the store's fault", err)
		}
	})
}

// content is size bytes that differ from seed to seed.
func content(size int, seed uint64) []byte {
	data := make([]byte, size)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(data)
	return data
}

// pieces yields its data in pieces of up to 7 bytes, with some empty reads, and io.EOF together with the last piece.
type pieces struct {
	data  []byte
	empty bool
}

func (p *pieces) Read(buffer []byte) (int, error) {
	if p.empty = !p.empty; p.empty {
		return 0, nil
	}
	n := copy(buffer, p.data[:min(7, len(p.data))])
	p.data = p.data[n:]
	if len(p.data) == 0 {
		return n, io.EOF
	}
	return n, nil
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

// gate is a body that stops after some bytes until it is opened.
type gate struct {
	data    *bytes.Reader
	stop    int64 // bytes left at which it stops
	once    sync.Once
	reached chan struct{} // closed when it has stopped
	open    chan struct{} // to be closed by the test
}

func newGate(data []byte, after int) *gate {
	return &gate{data: bytes.NewReader(data), stop: int64(len(data) - after), reached: make(chan struct{}), open: make(chan struct{})}
}

func (g *gate) Read(p []byte) (int, error) {
	left := int64(g.data.Len())
	if left <= g.stop {
		g.once.Do(func() { close(g.reached) })
		<-g.open
		return g.data.Read(p)
	}
	return g.data.Read(p[:min(int64(len(p)), left-g.stop)])
}
