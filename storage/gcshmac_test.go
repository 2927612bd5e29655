package storage_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestGCSWithHMACKeysKeepsTheContract(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		return open(t, server.Config("pre fix/"+string(rune('a'+n))))
	})
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("uploads neither completed nor aborted: %q", pending)
	}
}

func TestGCSWithHMACKeysDenied(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	storagetest.Denied(t, open(t, server.Config("x")), open(t, server.User(t, "nobody").Config("x")))
	const canary = "canary-secret-7f3a9b"
	for _, change := range []func(*storage.GCS){
		func(c *storage.GCS) { c.SecretKey = canary }, func(c *storage.GCS) { c.AccessKey, c.SecretKey = "stranger", canary },
	} {
		c := server.Config("x")
		change(&c.GCS)
		for _, mode := range []storage.Mode{storage.Overwrite, storage.IfAbsent} {
			err := storage.WriteAll(t.Context(), open(t, c), "object", []byte("x"), mode)
			want(t, err, storage.ErrDenied)
			if text := fmt.Sprintf("%v %+v %#v", err, c.GCS, c); strings.Contains(text, canary) {
				t.Errorf("secret in %s", text)
			}
		}
	}
}

// A server that ignores the precondition would let several writers win.
func TestGCSWithHMACKeysTrustsNoServerThatIgnoresPreconditions(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	s := open(t, server.Config("x"))
	write(t, s, "there", []byte("first"))
	server.IgnorePreconditions()
	want(t, storage.WriteAll(t.Context(), s, "there", []byte("second"), storage.IfAbsent), storage.ErrExists)
	if got, err := storage.ReadAll(t.Context(), s, "there", 10); err != nil || string(got) != "first" {
		t.Errorf("%q, %v", got, err)
	}
	want(t, storage.WriteAll(t.Context(), s, "new", []byte("x"), storage.IfAbsent), storage.ErrInvalid)
	_, err := s.Stat(t.Context(), "new")
	want(t, err, storage.ErrNotFound)
}

func TestGCSWithHMACKeysProvesThePreconditionOnce(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	s := open(t, server.Config("x"))
	var puts atomic.Int64
	server.Inject(func(r *http.Request) storagetest.Fault {
		if r.Method == http.MethodPut {
			puts.Add(1)
		}
		return storagetest.Fault{}
	})
	for i := range 5 {
		if err := storage.WriteAll(t.Context(), s, fmt.Sprint(i), []byte("x"), storage.IfAbsent); err != nil {
			t.Fatal(err)
		}
	}
	if n := puts.Load(); n != 6 {
		t.Errorf("%d requests for 5 objects, want 6", n)
	}
}

// The answer to the deciding request is lost and its repetition told 412: the writer won all the same. The first object
// is the one that proves the precondition.
func TestGCSWithHMACKeysPutWhoseAnswerWasLostIsToldThatItWon(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	s := open(t, server.Config("x"))
	for _, key := range []string{"first", "second"} {
		var lost atomic.Int64
		server.Inject(func(r *http.Request) storagetest.Fault {
			return storagetest.Fault{Lose: r.Method == http.MethodPut && lost.Add(1) == 1}
		})
		if err := storage.WriteAll(t.Context(), s, key, []byte(key), storage.IfAbsent); err != nil {
			t.Error(err)
		}
		if lost.Load() < 2 {
			t.Error("the request was not repeated: this test shows nothing")
		}
		server.Inject(nil)
		if got, err := storage.ReadAll(t.Context(), s, key, 10); err != nil || string(got) != key {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestGCSWithHMACKeysIfAbsentTakesWhatFitsIntoOneRequest(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.StartGCSHMAC(t).Config("x"))
	const most = 64 * mib
	body := &counter{body: rand.NewChaCha8([32]byte{})}
	err := s.Put(t.Context(), "larger", body, most+1, storage.IfAbsent)
	want(t, err, storage.ErrInvalid)
	if err != nil && !strings.Contains(err.Error(), "use a service account") {
		t.Errorf("%v gives no advice", err)
	}
	if n := body.n.Load(); n != 0 {
		t.Errorf("%d bytes were read", n)
	}
	if err := s.Put(t.Context(), "largest", io.LimitReader(rand.NewChaCha8([32]byte{}), most), most, storage.IfAbsent); err != nil {
		t.Error(err)
	}
}

func TestGCSWithHMACKeysSignsEachRequestInOneFamily(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCSHMAC(t)
	seen := make(chan http.Header, 10)
	server.Inject(func(r *http.Request) storagetest.Fault {
		if r.Method == http.MethodPut {
			seen <- r.Header.Clone()
		}
		return storagetest.Fault{}
	})
	s := open(t, server.Config("x"))
	write(t, s, "object", []byte("data"))
	plain := <-seen
	if err := storage.WriteAll(t.Context(), s, "other", []byte("data"), storage.IfAbsent); err != nil {
		t.Fatal(err)
	}
	conditional := <-seen
	for name, header := range map[string]http.Header{"AWS4-HMAC-SHA256": plain, "GOOG4-HMAC-SHA256": conditional} {
		authorization := header.Get("Authorization")
		if !strings.HasPrefix(authorization, name+" ") || strings.Contains(authorization, "accept-encoding") {
			t.Errorf("want %s without Accept-Encoding: %s", name, authorization)
		}
		if header.Get("Content-Md5") != "jXd/OF09/siBXSD3SWAm3A==" {
			t.Errorf("Content-MD5: %v", header)
		}
	}
	if conditional.Get("X-Goog-If-Generation-Match") != "0" || conditional.Get("X-Goog-Meta-Starkeep-Put") == "" || conditional.Get("If-None-Match") != "" {
		t.Errorf("conditional request: %v", conditional)
	}
	for name := range conditional {
		if strings.HasPrefix(name, "X-Amz-") {
			t.Errorf("%s beside x-goog headers", name)
		}
	}
}
