package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

const mib = 1 << 20

// faulty is a store behind a proxy, and the same location without it.
func faulty(t *testing.T) (*storagetest.Proxy, storage.Store, storage.Store, storagetest.Server) {
	t.Helper()
	server := storagetest.StartS3(t)
	proxy := storagetest.NewProxy(t, server.Endpoint)
	direct := server.Config("faults")
	through := direct
	through.S3.Endpoint = proxy.Endpoint
	return proxy, open(t, through), open(t, direct), server
}

func content(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func TestS3ReadGoesOnWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	data := content(8 * mib)
	write(t, direct, "object", data)
	tests := []struct {
		name           string
		offset, length int64
		want           []byte
	}{
		{"the whole object", 0, -1, data},
		{"from an offset", 1000, -1, data[1000:]},
		{"a range", 1000, 7 * mib, data[1000 : 1000+7*mib]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int64
			proxy.Inject(func(*http.Request) storagetest.Fault { requests.Add(1); return storagetest.Fault{Cut: 2*mib + 17} })
			body, err := s.Get(t.Context(), "object", test.offset, test.length)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("read %d bytes: %v", len(got), err)
			}
			if n := requests.Load(); n != 4 {
				t.Errorf("%d requests, want 4: each brings 2 MiB and 17 bytes", n)
			}
		})
	}
}

func TestS3ReadGoesOnWhereTheConnectionStalled(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	data := content(4 * mib)
	write(t, direct, "object", data)
	storage.SetPatience(s, time.Second)
	never := make(chan struct{})
	var requests atomic.Int64
	proxy.Inject(func(*http.Request) storagetest.Fault {
		if requests.Add(1) == 1 {
			return storagetest.Fault{Cut: mib, Hang: never}
		}
		return storagetest.Fault{}
	})
	if got, err := storage.ReadAll(t.Context(), s, "object", 4*mib); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
}

// The table of faults allows a busy server not to answer the repetition in time either.
func TestRequestThatIsNotAnsweredIsMadeAgain(t *testing.T) {
	t.Parallel()
	s3, gcs := storagetest.StartS3(t), storagetest.StartGCS(t)
	tests := []struct {
		name string
		open func(endpoint string) storage.Config
		at   string
	}{
		{"S3", func(endpoint string) storage.Config { c := s3.Config("x"); c.S3.Endpoint = endpoint; return c }, s3.Endpoint},
		{"GCS", func(endpoint string) storage.Config { c := gcs.Config("x"); c.GCS.Endpoint = endpoint; return c }, gcs.Endpoint},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proxy := storagetest.NewProxy(t, test.at)
			s := open(t, test.open(proxy.Endpoint))
			storage.SetPatience(s, 2*time.Second)
			never, requests := make(chan struct{}), atomic.Int64{}
			proxy.Inject(func(*http.Request) storagetest.Fault {
				if requests.Add(1) == 1 {
					return storagetest.Fault{Hang: never}
				}
				return storagetest.Fault{}
			})
			write(t, s, "object", []byte("data"))
			if requests.Load() < 2 {
				t.Error("the request was not made again: this test shows nothing")
			}
		})
	}
}

func TestS3ReadOfAnObjectReplacedBeforeItResumesIsErrChanged(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	data := content(8 * mib)
	write(t, direct, "object", data)
	proxy.Inject(func(*http.Request) storagetest.Fault { return storagetest.Fault{Cut: mib} })
	body, err := s.Get(t.Context(), "object", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	write(t, direct, "object", content(8*mib-1))
	got, err := io.ReadAll(body)
	want(t, err, storage.ErrChanged)
	if !bytes.HasPrefix(data, got) {
		t.Error("bytes of another version were read")
	}
}

func TestS3ReadThatCannotBeResumedFails(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	write(t, direct, "object", content(4*mib))
	for _, fault := range []storagetest.Fault{
		{Lose: true}, {Status: 503, Code: "ServiceUnavailable"}, {Status: 403, Code: "AccessDenied"}, {Status: 404, Code: "NoSuchKey"},
	} {
		t.Run(fmt.Sprintf("%d %s", fault.Status, fault.Code), func(t *testing.T) {
			var first atomic.Bool
			proxy.Inject(func(*http.Request) storagetest.Fault {
				if first.CompareAndSwap(false, true) {
					return storagetest.Fault{Cut: mib}
				}
				return fault
			})
			body, err := s.Get(t.Context(), "object", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			n, err := io.Copy(io.Discard, body)
			if err == nil || n != mib {
				t.Errorf("read %d bytes, error %v", n, err)
			}
			kinds := map[int]error{0: storage.ErrUnavailable, 503: storage.ErrUnavailable, 403: storage.ErrDenied, 404: storage.ErrNotFound}
			want(t, err, kinds[fault.Status])
		})
	}
}

// Two writers at a time: which of them is refused is decided by the next answer.
func TestS3RepeatsWhatAnotherWriterDisturbed(t *testing.T) {
	t.Parallel()
	proxy, s, direct, _ := faulty(t)
	var n atomic.Int64
	proxy.Inject(func(*http.Request) storagetest.Fault {
		if n.Add(1)%2 == 1 {
			return storagetest.Fault{Status: 409, Code: "ConditionalRequestConflict"}
		}
		return storagetest.Fault{}
	})
	data := content(17 * mib)
	write(t, s, "object", data)
	if got, err := storage.ReadAll(t.Context(), direct, "object", 20*mib); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestS3RefusalsAreTold(t *testing.T) {
	t.Parallel()
	proxy, s, _, _ := faulty(t)
	tests := []struct {
		fault storagetest.Fault
		want  error
	}{
		{storagetest.Fault{Status: 403, Code: "AccessDenied"}, storage.ErrDenied},
		{storagetest.Fault{Status: 400, Code: "ExpiredToken"}, storage.ErrDenied},
		{storagetest.Fault{Status: 404, Code: "NoSuchBucket"}, storage.ErrNoBucket},
		{storagetest.Fault{Status: 404, Code: "NoSuchKey"}, storage.ErrNotFound},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.fault.Status, test.fault.Code), func(t *testing.T) {
			proxy.Inject(func(*http.Request) storagetest.Fault { return test.fault })
			_, err := s.Get(t.Context(), "object", 0, -1)
			want(t, err, test.want)
		})
	}
}

func TestS3ServerThatIsDownIsErrUnavailable(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	s := open(t, server.Config("x"))
	write(t, s, "object", []byte("data"))
	server.Stop()
	_, err := s.Stat(t.Context(), "object")
	want(t, err, storage.ErrUnavailable)
	server.Start(t)
	if _, err := s.Stat(t.Context(), "object"); err != nil {
		t.Error(err)
	}
}

func TestS3ServerThatHangsEndsWithTheContext(t *testing.T) {
	t.Parallel()
	proxy, s, direct, server := faulty(t)
	write(t, direct, "object", content(4*mib))
	never := make(chan struct{})
	t.Run("before it answers", func(t *testing.T) {
		reached := make(chan struct{}, 10)
		proxy.Inject(func(*http.Request) storagetest.Fault { reached <- struct{}{}; return storagetest.Fault{Hang: never} })
		endsWithContext(t, reached, func(ctx context.Context) error {
			return storage.WriteAll(ctx, s, "new", content(17*mib), storage.Overwrite)
		})
	})
	t.Run("while it takes parts, and the upload is aborted", func(t *testing.T) {
		reached := make(chan struct{}, 10)
		proxy.Inject(func(r *http.Request) storagetest.Fault {
			if !r.URL.Query().Has("partNumber") {
				return storagetest.Fault{}
			}
			reached <- struct{}{}
			return storagetest.Fault{Hang: never}
		})
		endsWithContext(t, reached, func(ctx context.Context) error {
			return storage.WriteAll(ctx, s, "new", content(17*mib), storage.Overwrite)
		})
		if pending := server.PendingUploads(t); len(pending) > 0 {
			t.Errorf("left behind: %q", pending)
		}
	})
	t.Run("in the middle of a body", func(t *testing.T) {
		proxy.Inject(func(*http.Request) storagetest.Fault { return storagetest.Fault{Cut: mib, Hang: never} })
		reached := make(chan struct{}, 1)
		endsWithContext(t, reached, func(ctx context.Context) error {
			body, err := s.Get(ctx, "object", 0, -1)
			if err != nil {
				return err
			}
			defer body.Close()
			if _, err := io.ReadFull(body, make([]byte, mib)); err != nil {
				return err
			}
			reached <- struct{}{}
			_, err = io.ReadAll(body)
			return err
		})
	})
}

// endsWithContext cancels the operation once it has reached the place, and expects it to end soon.
func endsWithContext(t *testing.T, reached <-chan struct{}, operation func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- operation(ctx) }()
	<-reached
	cancel()
	select {
	case err := <-done:
		want(t, err, context.Canceled)
	case <-time.After(20 * time.Second):
		t.Fatal("goes on after its context ended")
	}
}

func TestS3DamageOnTheWayIsNoticed(t *testing.T) {
	t.Parallel()
	proxy, s, direct, server := faulty(t)
	always := func(*http.Request) storagetest.Fault { return storagetest.Fault{Damage: true} }
	for _, size := range []int{1000, 17 * mib} {
		key, data := fmt.Sprint(size), content(size)
		t.Run(fmt.Sprintf("once, %d bytes: sent again", size), func(t *testing.T) {
			var n atomic.Int64
			proxy.Inject(func(r *http.Request) storagetest.Fault {
				return storagetest.Fault{Damage: r.Method == http.MethodPut && n.Add(1) == 1}
			})
			write(t, s, key, data)
			if got, err := storage.ReadAll(t.Context(), direct, key, 20*mib); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
		t.Run(fmt.Sprintf("always, %d bytes: nothing is stored", size), func(t *testing.T) {
			proxy.Inject(func(r *http.Request) storagetest.Fault { return storagetest.Fault{Damage: r.Method == http.MethodPut} })
			want(t, storage.WriteAll(t.Context(), s, "new"+key, data, storage.Overwrite), storage.ErrUnavailable)
			_, err := direct.Stat(t.Context(), "new"+key)
			want(t, err, storage.ErrNotFound)
			if pending := server.PendingUploads(t); len(pending) > 0 {
				t.Errorf("left behind: %q", pending)
			}
		})
	}
	t.Run("of a whole object that is read", func(t *testing.T) {
		proxy.Inject(always)
		_, err := storage.ReadAll(t.Context(), s, "1000", mib)
		want(t, err, storage.ErrUnavailable)
	})
}

func write(t testing.TB, s storage.Store, key string, data []byte) {
	t.Helper()
	if err := storage.WriteAll(t.Context(), s, key, data, storage.Overwrite); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want %v", err, kind)
	}
}
