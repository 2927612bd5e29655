package storage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// The answer to the deciding request is lost, the SDK asks again and is told 412 or NoSuchUpload: the writer won all the
// same.
func TestS3PutWhoseAnswerWasLostIsToldThatItWon(t *testing.T) {
	t.Parallel()
	for _, mode := range []storage.Mode{storage.IfAbsent, storage.Overwrite} {
		for _, size := range []int{100, 17 * mib} {
			t.Run(fmt.Sprintf("mode %d, %d bytes", mode, size), func(t *testing.T) {
				proxy, s, direct, _ := faulty(t)
				var lost atomic.Int64
				proxy.Inject(func(r *http.Request) storagetest.Fault {
					return storagetest.Fault{Lose: decides(r, size) && lost.Add(1) == 1}
				})
				data := content(size)
				if err := storage.WriteAll(t.Context(), s, "object", data, mode); err != nil {
					t.Error(err)
				}
				if lost.Load() < 2 {
					t.Error("the request was not repeated: this test shows nothing")
				}
				if got, err := storage.ReadAll(t.Context(), direct, "object", 20*mib); err != nil || !bytes.Equal(got, data) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// Between the lost answer and the repetition nobody may be told that two writers won.
func TestS3PutWhoseAnswerWasLostIsToldThatAnotherWon(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	var once sync.Once
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		fault := storagetest.Fault{}
		if r.Method == http.MethodPut {
			once.Do(func() {
				if err := storage.WriteAll(context.Background(), direct, "object", []byte("same"), storage.IfAbsent); err != nil {
					t.Error(err)
				}
				fault.Lose = true
			})
		}
		return fault
	})
	want(t, storage.WriteAll(t.Context(), s, "object", []byte("same"), storage.IfAbsent), storage.ErrExists)
}

// decides tells whether a request makes an object appear.
func decides(r *http.Request, size int) bool {
	if size < mib {
		return r.Method == http.MethodPut
	}
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// A server may refuse a body that it has not read, and break the connection under it: the writer is told who won.
func TestS3PutIfAbsentThatIsRefusedInItsMiddleIsErrExists(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	s := open(t, server.Config("x"))
	write(t, s, "object", []byte("old"))
	for range 5 {
		want(t, storage.WriteAll(t.Context(), s, "object", content(12*mib), storage.IfAbsent), storage.ErrExists)
	}
}

// Every answer is lost, also those of the repetitions: the object there says who won.
func TestS3PutIfAbsentWhoseAnswersAreAllLostAsksWhoWon(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 17 * mib} {
		proxy, s, direct, _ := faulty(t)
		lose := func(r *http.Request) storagetest.Fault { return storagetest.Fault{Lose: decides(r, size)} }
		proxy.Inject(lose)
		if err := storage.WriteAll(t.Context(), s, "mine", content(size), storage.IfAbsent); err != nil {
			t.Error(err)
		}
		other := sync.OnceFunc(func() { write(t, direct, "other", []byte("first")) })
		proxy.Inject(func(r *http.Request) storagetest.Fault {
			if decides(r, size) {
				other()
			}
			return lose(r)
		})
		want(t, storage.WriteAll(t.Context(), s, "other", content(size), storage.IfAbsent), storage.ErrExists)
	}
}

// Put must not read a large body further ahead than the memory it promises.
func TestS3PutHoldsTwoParts(t *testing.T) {
	t.Parallel()
	proxy, s, _, _ := faulty(t)
	free, parts := make(chan struct{}), make(chan struct{}, 100)
	proxy.Inject(func(r *http.Request) storagetest.Fault {
		if !r.URL.Query().Has("partNumber") {
			return storagetest.Fault{}
		}
		parts <- struct{}{}
		<-free
		return storagetest.Fault{}
	})
	const size = 10 * 16 * mib
	body := &counter{body: io.LimitReader(rand.NewChaCha8([32]byte{}), size)}
	done := make(chan error, 1)
	go func() { done <- s.Put(t.Context(), "object", body, size, storage.Overwrite) }()
	for range 2 {
		<-parts
	}
	if read := body.n.Load(); read != 16*mib {
		t.Errorf("%d MiB are read with two parts on their way", read/mib)
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if read := body.n.Load(); read != size {
		t.Errorf("read %d", read)
	}
}

type counter struct {
	body io.Reader
	n    atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	c.n.Add(int64(n))
	return n, err
}
