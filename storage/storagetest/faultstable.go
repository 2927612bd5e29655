package storagetest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starkeep/storage"
)

// fault is something that happens on the way to a server, and what may come of it.
type fault struct {
	name     string
	http     func() func(*http.Request) Fault // a new one for each operation
	toxics   []Toxic
	refused  bool                    // nobody listens
	damages  bool                    // bytes that are read are wrong until an error says so
	patience time.Duration           // of the Store with a silent server; 0: its own
	deadline bool                    // the operation's context has a deadline
	only     func(operation) bool    // the operations that it is for; nil: all
	want     []error                 // outcomes allowed to all operations; nil is success
	wantOf   func(operation) []error // in place of want, unless it returns nil
}

func (f fault) allowed(o operation) []error {
	if f.wantOf != nil {
		if want := f.wantOf(o); want != nil {
			return want
		}
	}
	return f.want
}

// How long a Store waits for a server that says nothing in a test.
const (
	toSilence = 500 * time.Millisecond // where it says nothing at all
	toBusy    = 5 * time.Second        // where it answers most requests, on a busy machine
)

var (
	succeeds    = []error{nil}
	unavailable = []error{storage.ErrUnavailable}
	throttled   = []error{storage.ErrThrottled}
	either      = []error{nil, storage.ErrUnavailable}
	late        = []error{context.DeadlineExceeded}

	silent = make(chan struct{}) // never closed
)

// faults begins with those that take longest.
var faults = []fault{
	{name: "half-open after 400 kB of answers", patience: toBusy, http: always(Fault{Cut: 400_000, Hang: silent}.decide), only: reads, want: succeeds},
	{name: "half-open in the middle of answers", patience: toSilence, http: always(Fault{Cut: 20, Hang: silent}.decide), only: notReads, want: either},
	{name: "silence, once", patience: toBusy, only: notLarge, http: firstOfEach(Fault{Hang: silent}.decide), want: either},
	{name: "black hole for requests", patience: toSilence, toxics: []Toxic{up("timeout", "timeout", 0)}, want: unavailable},
	{name: "black hole for answers", patience: toSilence, toxics: []Toxic{down("timeout", "timeout", 0)}, want: unavailable},

	{name: "latency", toxics: []Toxic{down("latency", "latency", 60, "jitter", 30)}, want: succeeds},
	{name: "slow reads", toxics: []Toxic{down("bandwidth", "rate", 4096)}, want: succeeds},
	{name: "slow writes", toxics: []Toxic{up("bandwidth", "rate", 4096)}, want: succeeds},
	{name: "small segments", toxics: []Toxic{down("slicer", "average_size", 1000, "size_variation", 500), up("slicer", "average_size", 1000, "size_variation", 500)}, want: succeeds},
	{name: "reset before the request", toxics: []Toxic{up("reset_peer")}, want: unavailable},
	{name: "reset before the answer", toxics: []Toxic{down("reset_peer")}, want: unavailable},
	{name: "connections that end after 300 kB of answers", toxics: []Toxic{down("limit_data", "bytes", 300_000)}, want: either, wantOf: succeedsWhereSmall},
	{name: "connections that end after 300 kB of requests", toxics: []Toxic{up("limit_data", "bytes", 300_000)}, want: either, wantOf: succeedsWhereSmall},
	{name: "connections that end unused", toxics: []Toxic{down("limit_data", "bytes", 0)}, want: unavailable},
	{name: "nobody listens", refused: true, want: unavailable},
	{name: "black hole for requests, with a deadline", toxics: []Toxic{up("timeout", "timeout", 0)}, deadline: true, want: late},
	{name: "black hole for answers, with a deadline", toxics: []Toxic{down("timeout", "timeout", 0)}, deadline: true, want: late},
	{name: "half-open in the middle of answers, with a deadline", http: always(Fault{Cut: 1, Hang: silent}.decide), deadline: true, want: append(late, nil)},
	{name: "silence after the first request, with a deadline", http: afterFirst(Fault{Hang: silent}.decide), deadline: true, want: append(late, nil)},

	{name: "500 once", http: firstOfEach(Fault{Status: 500, Code: "InternalError"}.decide), want: succeeds},
	{name: "500", http: always(Fault{Status: 500, Code: "InternalError"}.decide), want: unavailable},
	{name: "502 of a front end, once", http: firstOfEach(Fault{Status: 502}.decide), want: succeeds},
	{name: "502 of a front end", http: always(Fault{Status: 502}.decide), want: unavailable},
	{name: "503 SlowDown once", http: firstOfEach(Fault{Status: 503, Code: "SlowDown"}.decide), want: succeeds},
	{name: "503 SlowDown", http: always(Fault{Status: 503, Code: "SlowDown"}.decide), want: []error{storage.ErrThrottled, storage.ErrUnavailable}},
	{name: "503 with Retry-After of an hour", http: always(Fault{Status: 503, Code: "SlowDown", RetryAfter: "3600"}.decide), want: []error{storage.ErrThrottled, storage.ErrUnavailable}},
	{name: "429 once", http: firstOfEach(Fault{Status: 429, Code: "TooManyRequests"}.decide), want: succeeds},
	{name: "429 once, with Retry-After", http: firstOfEach(Fault{Status: 429, Code: "TooManyRequests", RetryAfter: "1"}.decide), want: succeeds},
	{name: "429", http: always(Fault{Status: 429, Code: "TooManyRequests"}.decide), want: throttled},
	{name: "closed before the request arrives, once", http: firstOfEach(Fault{Drop: true}.decide), want: succeeds},
	{name: "closed before the request arrives", http: always(Fault{Drop: true}.decide), want: unavailable},
	{name: "answer lost, once", http: firstOfEach(Fault{Lose: true}.decide), want: succeeds},
	{name: "answer lost", http: always(Fault{Lose: true}.decide), want: unavailable},
	{name: "answer cut, once", http: firstOfEach(Fault{Cut: 20}.decide), want: succeeds},
	{name: "answer cut", http: always(Fault{Cut: 20}.decide), only: notReads, want: either},
	{name: "bit flipped on the way there, once", http: firstOfEach(damaged(isUpload)), want: succeeds, wantOf: eitherWherePutIsLarge},
	{name: "bit flipped on the way there", http: always(damaged(isUpload)), only: isPut, want: unavailable},
	// Ranges and listings carry no checksum; TLS is what protects them.
	{name: "bit flipped on the way back", http: always(damaged(isDownload)), only: isGet, damages: true, want: unavailable},
}

// eitherWherePutIsLarge is for what a provider may notice only when the body is gone.
func eitherWherePutIsLarge(o operation) []error {
	if isLarge(o) {
		return either
	}
	return nil
}

// succeedsWhereSmall is for connections that bear only so many bytes: a range that is read goes on over the next one.
func succeedsWhereSmall(o operation) []error {
	if o.small || reads(o) {
		return succeeds
	}
	return nil
}

func down(kind string, attributes ...any) Toxic { return toxic("downstream", kind, attributes) }

func up(kind string, attributes ...any) Toxic { return toxic("upstream", kind, attributes) }

func toxic(stream, kind string, attributes []any) Toxic {
	t := Toxic{Type: kind, Stream: stream, Attributes: map[string]int{}}
	for i := 0; i < len(attributes); i += 2 {
		t.Attributes[attributes[i].(string)] = attributes[i+1].(int)
	}
	return t
}

func isGet(o operation) bool { return o.name == "get" }

func reads(o operation) bool { return strings.HasPrefix(o.name, "get") }

func notReads(o operation) bool { return !reads(o) }

func isLarge(o operation) bool { return strings.HasPrefix(o.name, "put large") }

func notLarge(o operation) bool { return !isLarge(o) }

func isPut(o operation) bool { return strings.HasPrefix(o.name, "put") }

// decide makes one request's fault.
type decide func(*http.Request) Fault

func (f Fault) decide(*http.Request) Fault { return f }

func isUpload(r *http.Request) bool {
	return r.Method == http.MethodPut || strings.HasPrefix(r.URL.Path, "/upload/")
}

func isDownload(r *http.Request) bool { return r.Method == http.MethodGet }

// damaged flips bits of some requests' bodies, or of their answers.
func damaged(which func(*http.Request) bool) decide {
	return func(r *http.Request) Fault { return Fault{Damage: which(r)} }
}

func always(f decide) func() func(*http.Request) Fault {
	return func() func(*http.Request) Fault { return f }
}

// afterFirst spoils all requests but the first.
func afterFirst(f decide) func() func(*http.Request) Fault {
	return func() func(*http.Request) Fault {
		var met atomic.Bool
		return func(r *http.Request) Fault {
			if met.CompareAndSwap(false, true) {
				return Fault{}
			}
			return f(r)
		}
	}
}

// firstOfEach spoils every request once, and not its repetitions.
func firstOfEach(f decide) func() func(*http.Request) Fault {
	return func() func(*http.Request) Fault {
		var mu sync.Mutex
		seen := map[string]bool{}
		return func(r *http.Request) Fault {
			mu.Lock()
			defer mu.Unlock()
			request := r.Method + r.URL.String() + r.Header.Get("Content-Range")
			if seen[request] {
				return Fault{}
			}
			seen[request] = true
			return f(r)
		}
	}
}
