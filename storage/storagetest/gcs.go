package storagetest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"starkeep/storage"
)

// GCS is a running fake-gcs-server with one bucket, behind a door that asks for an access token of the token server
// beside it and knows what each service account may do. All ends with the test that started it.
//
// The server keeps the preconditions of uploads. It ignores those of rewrites, deletes and reads, and retention. The door
// adds to resumable uploads what the server has not: chunks may be repeated, and the checksum counts.
type GCS struct {
	Endpoint string // http://127.0.0.1:port
	Bucket   string
	KeyFile  string // the service account's JSON key

	Tokens *TokenServer

	door *gcsDoor
}

// gcsDoor is what all copies of a GCS share.
type gcsDoor struct {
	Proxy
	server *process

	mu     sync.Mutex
	rights map[string][]string // by service account; nil: all
}

// StartGCS starts a server for the length of a test. Without the binary (STARKEEP_FAKEGCS, else bin/fakegcs of the module
// or of one above it) the test is skipped, or fails when CI=true. Its objects are files: it cannot hold a key below another
// object's, nor segments of more than some 240 bytes.
func StartGCS(t testing.TB) GCS {
	t.Helper()
	return startGCS(t, "filesystem")
}

// StartGCSInMemory starts a server that holds keys of any shape, and slows down with every object.
func StartGCSInMemory(t testing.TB) GCS {
	t.Helper()
	return startGCS(t, "memory")
}

func startGCS(t testing.TB, backend string) GCS {
	t.Helper()
	binary := findTool(t, "fakegcs")
	door := &gcsDoor{rights: map[string][]string{}}
	tokens := StartTokenServer(t)
	door.listen(t, door.handler(tokens))
	dir := t.TempDir()
	door.server = &process{
		binary: binary, env: []string{"HOME=" + dir}, ready: "/_internal/healthcheck", scheme: "http",
		args: func(address string) []string {
			host, port, _ := strings.Cut(address, ":")
			return []string{"-host", host, "-port", port, "-scheme", "http", "-backend", backend, "-filesystem-root", filepath.Join(dir, "data"),
				"-public-host", strings.TrimPrefix(door.Endpoint, "http://"), "-external-url", door.Endpoint, "-log-level", "error"}
		},
	}
	door.server.run(t)
	g := GCS{Endpoint: door.Endpoint, Bucket: bucketName, Tokens: tokens, door: door}
	g.KeyFile = tokens.Account(t, "owner")
	g.makeBucket(t)
	return g
}

func (g GCS) makeBucket(t testing.TB) {
	t.Helper()
	created, err := http.Post(g.Direct()+"/storage/v1/b?project=test", "application/json", strings.NewReader(`{"name":"`+g.Bucket+`"}`))
	if err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	created.Body.Close()
	if created.StatusCode != http.StatusOK {
		t.Fatalf("create bucket: %s", created.Status)
	}
}

// Other is the server with a further bucket.
func (g GCS) Other(t testing.TB) GCS {
	t.Helper()
	g.Bucket += "-other"
	g.makeBucket(t)
	return g
}

// Config is a location in the server's bucket; prefix may be empty.
func (g GCS) Config(prefix string) storage.Config {
	location := "gs://" + g.Bucket
	if prefix != "" {
		location += "/" + prefix
	}
	return storage.Config{Location: location, GCS: storage.GCS{Endpoint: g.Endpoint, ServiceAccountFile: g.KeyFile}}
}

// User makes a service account that has only the given permissions ("storage.objects.get"), on the whole bucket, and
// returns the server as that account sees it. The door does not know that replacing an object also needs
// storage.objects.delete.
func (g GCS) User(t testing.TB, name string, permissions ...string) GCS {
	t.Helper()
	g.KeyFile = g.Tokens.Account(t, name)
	g.door.mu.Lock()
	defer g.door.mu.Unlock()
	g.door.rights[accountName(name)] = append([]string{}, permissions...)
	return g
}

// Inject makes faults from now on; see [Proxy.Inject].
func (g GCS) Inject(fault func(*http.Request) Fault) { g.door.Inject(fault) }

// Direct is the server's own address, without the door: for measuring.
func (g GCS) Direct() string { return "http://" + g.door.server.address }

// Stop kills the server; its objects stay. Start brings it back at the same address.
func (g GCS) Stop() { g.door.server.stop() }

// Start starts the server again after Stop.
func (g GCS) Start(t testing.TB) {
	t.Helper()
	if err := g.door.server.start(); err != nil {
		t.Fatal(err)
	}
}

func (d *gcsDoor) handler(tokens *TokenServer) http.Handler {
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: d.server.address})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: spoil,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0), // faults made on purpose
	}
	uploads := &gcsUploads{server: forward, uploads: map[string]*gcsUpload{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account := tokens.owner(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if account == "" {
			_, _ = io.Copy(io.Discard, r.Body)
			gcsRefusal(w, http.StatusUnauthorized, "authError", "Invalid Credentials")
			return
		}
		if missing := d.missing(account, r); missing != "" {
			_, _ = io.Copy(io.Discard, r.Body)
			gcsRefusal(w, http.StatusForbidden, "forbidden", fmt.Sprintf(
				"%s does not have %s access to the Google Cloud Storage object. Permission '%s' denied on resource (or it may not exist).", account, missing, missing))
			return
		}
		d.serve(w, r, uploads)
	})
}

// missing is the permission that an account lacks for a request, or "".
func (d *gcsDoor) missing(account string, r *http.Request) string {
	d.mu.Lock()
	rights, limited := d.rights[account]
	d.mu.Unlock()
	if !limited {
		return ""
	}
	for _, needed := range gcsPermissions(r) {
		if !slices.Contains(rights, needed) {
			return needed
		}
	}
	return ""
}

// gcsPermissions are what GCS asks for before it does a request.
func gcsPermissions(r *http.Request) []string {
	_, object, _ := strings.Cut(r.URL.EscapedPath(), "/o/")
	switch {
	case strings.Contains(object, "/rewriteTo/"):
		return []string{"storage.objects.get", "storage.objects.create"}
	case r.Method == http.MethodPost || r.Method == http.MethodPut:
		return []string{"storage.objects.create"}
	case r.Method == http.MethodDelete:
		return []string{"storage.objects.delete"}
	case object != "":
		return []string{"storage.objects.get"}
	}
	return []string{"storage.objects.list"}
}

// gcsRefusal answers as the JSON API does.
func gcsRefusal(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []map[string]string{{"domain": "global", "reason": reason, "message": message}},
	}})
}
