package storagetest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Fault is what a Proxy does to one request.
type Fault struct {
	// Status answers without asking the server, in the words of S3 or of Google's JSON API as the request's path tells. Code
	// is the error code in the body; without it the body is a web page.
	Status     int
	Code       string
	RetryAfter string // that header's value

	// Drop breaks the connection before the server has seen the request.
	Drop bool

	// Lose lets the server carry the request out and breaks the connection instead of answering.
	Lose bool

	// Cut breaks the connection after that many bytes of the answer's body; 0 is no cut.
	Cut int64

	// Damage flips a bit of the request's body, or of the answer's if the request is a GET.
	Damage bool

	// Hang stops the answer until the channel is closed or the client is gone: after Cut bytes of the body if Cut is set, else
	// before the request reaches the server.
	Hang <-chan struct{}
}

// Proxy stands between a Store and an HTTP server and makes faults. The Host header passes unchanged: it is signed.
type Proxy struct {
	Endpoint string // http://127.0.0.1:port

	ends  context.Context // ends with the proxy
	mu    sync.Mutex
	fault func(*http.Request) Fault
}

// NewProxy starts a proxy before an endpoint for the length of a test.
func NewProxy(t testing.TB, endpoint string) *Proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
		ModifyResponse: spoil,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0), // faults made on purpose
	}
	p.listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	return p
}

// listen serves the handler for the length of a test. What still hangs in it then ends first: the server waits for it.
func (p *Proxy) listen(t testing.TB, handler http.Handler) {
	ends, end := context.WithCancel(context.Background())
	p.ends = ends
	server := httptest.NewServer(handler)
	p.Endpoint = server.URL
	t.Cleanup(func() {
		end()
		server.Close()
	})
}

// Inject decides from now on about every request; nil stops that. The function runs concurrently.
func (p *Proxy) Inject(fault func(*http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// faultKey is where a request's Fault travels to ModifyResponse.
type faultKey struct{}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	p.mu.Lock()
	decide := p.fault
	p.mu.Unlock()
	if decide == nil {
		forward.ServeHTTP(w, r)
		return
	}
	// A client that has gone is not always noticed: what hangs ends with the proxy at the latest.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ends, cancel)()
	r = r.WithContext(ctx)
	fault := decide(r)
	if fault.Hang != nil && fault.Cut == 0 {
		_, _ = io.Copy(io.Discard, r.Body) // as a server does that stops behind its socket; also notices a client that leaves
		wait(r, fault.Hang)
		panic(http.ErrAbortHandler)
	}
	if fault.Drop {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	if fault.Status != 0 {
		_, _ = io.Copy(io.Discard, r.Body)
		refuse(w, r, fault)
		return
	}
	if fault.Damage && r.Method != http.MethodGet {
		r.Body = &damagedBody{ReadCloser: r.Body}
	}
	forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), faultKey{}, fault)))
}

// refuse answers as the server would.
func refuse(w http.ResponseWriter, r *http.Request, fault Fault) {
	kind, body := "application/xml", fmt.Sprintf("<Error><Code>%s</Code><Message>made by the test</Message></Error>", fault.Code)
	switch {
	case fault.Code == "":
		kind, body = "text/html", "<html><body>made by the test</body></html>"
	case strings.Contains(r.URL.Path, "/storage/v1/"):
		kind = "application/json"
		body = fmt.Sprintf(`{"error":{"code":%d,"message":"made by the test","errors":[{"reason":%q}]}}`, fault.Status, fault.Code)
	}
	w.Header().Set("Content-Type", kind)
	if fault.RetryAfter != "" {
		w.Header().Set("Retry-After", fault.RetryAfter)
	}
	w.WriteHeader(fault.Status)
	_, _ = io.WriteString(w, body)
}

func wait(r *http.Request, until <-chan struct{}) {
	select {
	case <-until:
	case <-r.Context().Done():
	}
}

// spoil applies the part of a Fault that concerns the answer. An upload goes on where its first request went.
func spoil(answer *http.Response) error {
	if next, err := answer.Location(); err == nil && answer.StatusCode < 300 {
		next.Host = answer.Request.Host
		answer.Header.Set("Location", next.String())
	}
	fault, _ := answer.Request.Context().Value(faultKey{}).(Fault)
	if fault.Lose {
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		panic(http.ErrAbortHandler)
	}
	if fault.Damage && answer.Request.Method == http.MethodGet {
		answer.Body = &damagedBody{ReadCloser: answer.Body}
	}
	if fault.Cut > 0 {
		answer.Body = &cutBody{ReadCloser: answer.Body, request: answer.Request, left: fault.Cut, hang: fault.Hang}
	}
	return nil
}

// cutBody breaks off after left bytes; ReverseProxy then aborts the client's connection.
type cutBody struct {
	io.ReadCloser
	request *http.Request
	left    int64
	hang    <-chan struct{}
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		if b.hang != nil {
			wait(b.request, b.hang)
		}
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// damagedBody flips a bit in the middle of each read.
type damagedBody struct{ io.ReadCloser }

func (b *damagedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		p[n/2] ^= 1
	}
	return n, err
}
