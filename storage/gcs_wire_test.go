package storage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// fake-gcs-server ignores much of what GCS decides by; what a gcsStore sends is looked at here.

// request is what came over the wire.
type request struct {
	method string
	path   string // unescaped
	query  url.Values
	header http.Header
	body   []byte
}

// object is what an upload declares, and its content.
func (r request) upload(t *testing.T) (declared map[string]any, content []byte) {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(bytes.NewReader(r.body), parameters["boundary"])
	for i := range 2 {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = json.NewDecoder(part).Decode(&declared)
		} else {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return declared, content
}

// answer is what a script says to a request.
type answer struct {
	status int
	header map[string]string
	body   string
}

func ok(body string) answer { return answer{status: 200, body: body} }

// refusal is an error of the JSON API.
func refusal(status int, reason, message string) answer {
	body, _ := json.Marshal(map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []map[string]string{{"reason": reason, "message": message}},
	}})
	return answer{status: status, body: string(body)}
}

var (
	conflict = refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
	noObject = refusal(404, "notFound", "No such object: bucket/x/key")
)

// wire is a server that answers by a script and keeps what it was asked.
type wire struct {
	store storage.Store

	mu          sync.Mutex
	requests    []request
	connections int
}

// newWire opens a store at a server that answers with the nth answer of the script to its nth request; the last one
// counts for all that follow.
func newWire(t *testing.T, script ...answer) *wire {
	t.Helper()
	return scriptedWire(t, func(_ request, n int) answer { return script[min(n, len(script)-1)] })
}

func scriptedWire(t *testing.T, script func(r request, n int) answer) *wire {
	t.Helper()
	w := &wire{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := request{method: r.Method, path: r.URL.Path, query: r.URL.Query(), header: r.Header.Clone(), body: body}
		w.mu.Lock()
		n := len(w.requests)
		w.requests = append(w.requests, got)
		w.mu.Unlock()
		a := script(got, n)
		rw.Header().Set("Content-Type", "application/json")
		for name, value := range a.header {
			rw.Header().Set(name, strings.ReplaceAll(value, "{self}", "http://"+r.Host))
		}
		rw.WriteHeader(a.status)
		_, _ = io.WriteString(rw, a.body)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.mu.Lock()
			w.connections++
			w.mu.Unlock()
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	w.store = open(t, storage.Config{Location: "gs://bucket/x", GCS: storage.GCS{
		Endpoint: server.URL, ServiceAccountFile: storagetest.StartTokenServer(t).Account(t, "owner"),
	}})
	return w
}

func (w *wire) asked() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

// expect checks method and query of each request; a value "-" means that the parameter is absent.
func (w *wire) expect(t *testing.T, wanted ...string) {
	t.Helper()
	asked := w.asked()
	for i, text := range wanted {
		if i >= len(asked) {
			t.Fatalf("%d requests, want %d", len(asked), len(wanted))
		}
		method, query, _ := strings.Cut(text, " ")
		parameters, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if asked[i].method != method {
			t.Errorf("request %d is %s %s, want %s", i, asked[i].method, asked[i].path, method)
		}
		for name := range parameters {
			got := asked[i].query.Get(name)
			if !asked[i].query.Has(name) {
				got = "-"
			}
			if got != parameters.Get(name) {
				t.Errorf("request %d: %s=%s, want %s", i, name, got, parameters.Get(name))
			}
		}
	}
	if len(asked) != len(wanted) {
		t.Errorf("%d requests, want %d", len(asked), len(wanted))
	}
}

// stored is an object as the API tells it; mark is of the request that declared it.
func stored(generation int, mark string) answer {
	return ok(fmt.Sprintf(`{"name":"x/key","size":"4","generation":"%d","timeCreated":"2026-11-22T10:00:00Z","metadata":{"starkeep-put":%q}}`, generation, mark))
}

func TestGCSPutSaysWhatItExpectsAtTheKey(t *testing.T) {
	t.Run("a free key, in both modes", func(t *testing.T) {
		for _, mode := range []storage.Mode{storage.Overwrite, storage.IfAbsent} {
			w := newWire(t, ok(`{"generation":"7"}`))
			if err := storage.WriteAll(t.Context(), w.store, "key", []byte("data"), mode); err != nil {
				t.Fatal(err)
			}
			w.expect(t, "POST ifGenerationMatch=0&name=x/key&uploadType=multipart")
			declared, content := w.asked()[0].upload(t)
			if string(content) != "data" || declared["crc32c"] != "rth90Q==" {
				t.Errorf("sent %q, declared %v", content, declared)
			}
		}
	})
	t.Run("Overwrite replaces the generation that it is told of", func(t *testing.T) {
		w := newWire(t, conflict, stored(41, "other"), conflict, noObject, conflict, stored(43, "other"), ok(`{}`))
		if err := storage.WriteAll(t.Context(), w.store, "key", []byte("data"), storage.Overwrite); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "POST ifGenerationMatch=0", "GET", "POST ifGenerationMatch=41", "GET", "POST ifGenerationMatch=0", "GET", "POST ifGenerationMatch=43")
	})
	t.Run("Overwrite gives way to writers that never end", func(t *testing.T) {
		w := scriptedWire(t, func(r request, n int) answer {
			if r.method == http.MethodPost {
				return conflict
			}
			return stored(n, "other")
		})
		want(t, storage.WriteAll(t.Context(), w.store, "key", []byte("data"), storage.Overwrite), storage.ErrUnavailable)
	})
	t.Run("IfAbsent does not replace", func(t *testing.T) {
		for _, found := range []answer{stored(41, "other"), noObject} {
			w := newWire(t, conflict, found)
			want(t, storage.WriteAll(t.Context(), w.store, "key", []byte("data"), storage.IfAbsent), storage.ErrExists)
			w.expect(t, "POST ifGenerationMatch=0", "GET")
		}
	})
	t.Run("IfAbsent that cannot look is not told that another won", func(t *testing.T) {
		w := newWire(t, conflict, refusal(403, "forbidden", "no storage.objects.get access"))
		want(t, storage.WriteAll(t.Context(), w.store, "key", []byte("data"), storage.IfAbsent), storage.ErrDenied)
	})
}

// The answer to the first request is lost; its repetition meets the object that it stored.
func TestGCSPutKnowsItsOwnObject(t *testing.T) {
	for _, mode := range []storage.Mode{storage.Overwrite, storage.IfAbsent} {
		mark := ""
		w := scriptedWire(t, func(r request, n int) answer {
			switch n {
			case 0:
				declared, _ := r.upload(t)
				mark = declared["metadata"].(map[string]any)["starkeep-put"].(string)
				return answer{status: 503}
			case 1:
				return conflict
			}
			return stored(50, mark)
		})
		if err := storage.WriteAll(t.Context(), w.store, "key", []byte("data"), mode); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "POST ifGenerationMatch=0", "POST ifGenerationMatch=0", "GET")
	}
}

// session is the part of GCS that takes a resumable upload. last answers the last chunk.
func session(t *testing.T, last func(content []byte, r request) answer) func(r request, n int) answer {
	var content []byte
	return func(r request, n int) answer {
		switch {
		case r.method == http.MethodGet:
			return noObject
		case r.method == http.MethodDelete:
			return answer{status: 204}
		case r.query.Get("uploadType") == "resumable":
			return answer{status: 200, header: map[string]string{"Location": "{self}/session"}}
		}
		content = append(content, r.body...)
		if strings.HasSuffix(r.header.Get("Content-Range"), "/*") {
			return answer{status: 200, header: map[string]string{"X-Http-Status-Code-Override": "308"}}
		}
		return last(content, r)
	}
}

func TestGCSLargeUploads(t *testing.T) {
	const size = 32 * mib // two whole chunks: no third request follows
	data := content(size)
	t.Run("come in chunks and bring their CRC-32C last", func(t *testing.T) {
		w := scriptedWire(t, session(t, func(content []byte, r request) answer {
			if !bytes.Equal(content, data) {
				t.Errorf("%d bytes came", len(content))
			}
			sum := strings.TrimPrefix(r.header.Get("X-Goog-Hash"), "crc32c=")
			if sum != storage.CRC(data) {
				t.Errorf("X-Goog-Hash is %q", r.header.Get("X-Goog-Hash"))
			}
			return ok(fmt.Sprintf(`{"generation":"7","crc32c":%q}`, sum))
		}))
		if err := storage.WriteAll(t.Context(), w.store, "key", data, storage.IfAbsent); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "GET", "POST uploadType=resumable&ifGenerationMatch=0&name=x/key", "POST", "POST")
	})
	t.Run("of an Overwrite need no precondition: a session ends once", func(t *testing.T) {
		w := scriptedWire(t, session(t, func([]byte, request) answer { return ok(fmt.Sprintf(`{"crc32c":%q}`, storage.CRC(data))) }))
		if err := storage.WriteAll(t.Context(), w.store, "key", data, storage.Overwrite); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "POST uploadType=resumable&ifGenerationMatch=-", "POST", "POST")
	})
	t.Run("whose checksum the server refuses are damaged on the way", func(t *testing.T) {
		w := scriptedWire(t, session(t, func([]byte, request) answer {
			return refusal(400, "invalid", `Provided CRC32C "AAAAAA==" doesn't match calculated CRC32C "AAAAAQ==".`)
		}))
		want(t, storage.WriteAll(t.Context(), w.store, "key", data, storage.Overwrite), storage.ErrUnavailable)
	})
	t.Run("that a server stored damaged are removed again, and nothing else", func(t *testing.T) {
		w := scriptedWire(t, session(t, func([]byte, request) answer { return ok(`{"generation":"77","crc32c":"AAAAAA=="}`) }))
		want(t, storage.WriteAll(t.Context(), w.store, "key", data, storage.Overwrite), storage.ErrUnavailable)
		w.expect(t, "POST", "POST", "POST", "DELETE ifGenerationMatch=77")
	})
	t.Run("whose session is forgotten are worth another try", func(t *testing.T) {
		for _, status := range []int{404, 410} {
			w := scriptedWire(t, session(t, func([]byte, request) answer { return answer{status: status} }))
			want(t, storage.WriteAll(t.Context(), w.store, "key", data, storage.Overwrite), storage.ErrUnavailable)
		}
	})
	t.Run("that lose against another writer are told so", func(t *testing.T) {
		w := scriptedWire(t, session(t, func([]byte, request) answer { return conflict }))
		want(t, storage.WriteAll(t.Context(), w.store, "key", data, storage.IfAbsent), storage.ErrExists)
	})
}

func TestGCSCopySaysWhatItExpectsAtBothKeys(t *testing.T) {
	done := ok(`{"done":true}`)
	t.Run("in as many requests as the server asks for", func(t *testing.T) {
		w := newWire(t, stored(5, ""), ok(`{"rewriteToken":"a"}`), ok(`{"rewriteToken":"b"}`), done)
		if err := w.store.Copy(t.Context(), "key", "to"); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "GET", "POST sourceGeneration=5&ifGenerationMatch=0&rewriteToken=-", "POST sourceGeneration=5&ifGenerationMatch=0&rewriteToken=a",
			"POST sourceGeneration=5&ifGenerationMatch=0&rewriteToken=b")
	})
	t.Run("and replaces the generation that it is told of", func(t *testing.T) {
		w := newWire(t, stored(5, ""), conflict, stored(9, ""), done)
		if err := w.store.Copy(t.Context(), "key", "to"); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "GET", "POST ifGenerationMatch=0", "GET", "POST sourceGeneration=5&ifGenerationMatch=9")
	})
	t.Run("a source replaced meanwhile is ErrChanged, a removed one ErrNotFound", func(t *testing.T) {
		want(t, newWire(t, stored(5, ""), noObject, stored(6, "")).store.Copy(t.Context(), "key", "to"), storage.ErrChanged)
		want(t, newWire(t, stored(5, ""), noObject, noObject).store.Copy(t.Context(), "key", "to"), storage.ErrNotFound)
	})
}

func TestGCSDeleteNamesWhatIsHeld(t *testing.T) {
	const words = "Object 'bucket/x/held' is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until 2027-01-01"
	w := scriptedWire(t, func(r request, _ int) answer {
		switch {
		case strings.HasSuffix(r.path, "/held"):
			return refusal(403, "retentionPolicyNotMet", words)
		case strings.HasSuffix(r.path, "/gone"):
			return noObject
		}
		return answer{status: 204}
	})
	err := w.store.Delete(t.Context(), "a", "gone", "held", "b")
	want(t, err, storage.ErrDenied)
	if failed, ok := err.(*storage.DeleteError); !ok || len(failed.Failed) != 1 || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v", err)
	}
	if n := len(w.asked()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

func TestGCSGetStaysWithOneGeneration(t *testing.T) {
	part := func(generation, header, body string) answer {
		a := answer{status: 206, header: map[string]string{"X-Goog-Generation": generation, "Content-Range": header, "Content-Length": "10"}, body: body}
		if header == "" {
			a.status = 200
			delete(a.header, "Content-Range")
		}
		return a
	}
	cut := part("8", "", "01234") // of ten
	read := func(script ...answer) (string, *wire, error) {
		w := newWire(t, script...)
		data, err := storage.ReadAll(t.Context(), w.store, "key", 100)
		return string(data), w, err
	}
	t.Run("when it goes on after a cut", func(t *testing.T) {
		rest := part("8", "bytes 5-9/10", "56789")
		rest.header["Content-Length"] = "5"
		data, w, err := read(cut, rest)
		if err != nil || data != "0123456789" {
			t.Fatalf("%q, %v", data, err)
		}
		w.expect(t, "GET alt=media&generation=-", "GET alt=media&generation=8")
		if header := w.asked()[1].header.Get("Range"); header != "bytes=5-9" {
			t.Errorf("Range: %s", header)
		}
	})
	t.Run("and says when it is gone", func(t *testing.T) {
		_, _, err := read(cut, noObject, stored(9, ""))
		want(t, err, storage.ErrChanged)
		_, _, err = read(cut, noObject, noObject)
		want(t, err, storage.ErrNotFound)
	})
	t.Run("and takes no other", func(t *testing.T) {
		rest := part("9", "bytes 5-9/10", "56789")
		rest.header["Content-Length"] = "5"
		_, _, err := read(cut, rest)
		want(t, err, storage.ErrUnavailable)
	})
	t.Run("and compares the CRC-32C of the whole, also of several answers", func(t *testing.T) {
		for sum, kind := range map[string]error{storage.CRC([]byte("0123456789")): nil, "AAAAAA==": storage.ErrUnavailable} {
			first, rest := cut, part("8", "bytes 5-9/10", "56789")
			first.header = map[string]string{"X-Goog-Generation": "8", "Content-Length": "10", "X-Goog-Hash": "md5=x,crc32c=" + sum}
			rest.header["Content-Length"] = "5"
			_, _, err := read(first, rest)
			want(t, err, kind)
		}
	})
	t.Run("and refuses what the server unpacks", func(t *testing.T) {
		packed := part("8", "", "0123456789")
		packed.header["X-Goog-Stored-Content-Encoding"] = "gzip"
		_, _, err := read(packed)
		want(t, err, storage.ErrInvalid)
	})
}

func TestGCSListRefusesAServerThatGoesBack(t *testing.T) {
	w := newWire(t, ok(`{"items":[{"name":"x/b","size":"1"}],"nextPageToken":"p"}`), ok(`{"items":[{"name":"x/a","size":"1"}]}`))
	var last error
	for _, err := range w.store.List(t.Context(), "") {
		last = err
	}
	if last == nil {
		t.Error("no error")
	}
	w.expect(t, "GET prefix=x/&pageToken=-&projection=noAcl", "GET prefix=x/&pageToken=p")
}

func TestGCSErrorsAreToldWithTheServersWords(t *testing.T) {
	tests := []struct {
		answer answer
		want   error
		words  string
	}{
		{refusal(400, "invalid", "Invalid bucket name"), storage.ErrInvalid, "Invalid bucket name"},
		{refusal(401, "authError", "Invalid Credentials"), storage.ErrDenied, "HTTP 401 authError: Invalid Credentials"},
		{refusal(403, "forbidden", "sa does not have storage.objects.get access"), storage.ErrDenied, "storage.objects.get"},
		{refusal(403, "accountDisabled", "The billing account is disabled"), storage.ErrDenied, "billing"},
		{refusal(403, "userRateLimitExceeded", "slow down"), storage.ErrThrottled, "slow down"},
		{refusal(429, "rateLimitExceeded", "The object exceeded the rate limit"), storage.ErrThrottled, "rate limit"},
		{refusal(404, "notFound", "The specified bucket does not exist."), storage.ErrNoBucket, ""},
		{noObject, storage.ErrNotFound, "No such object"},
		{refusal(408, "requestTimeout", "too slow"), storage.ErrUnavailable, "too slow"},
		{refusal(500, "backendError", "Backend Error"), storage.ErrUnavailable, "Backend Error"},
		{answer{status: 502, body: "<html>\n\nBad   Gateway</html>"}, storage.ErrUnavailable, "HTTP 502: <html> Bad Gateway</html>"},
		{answer{status: 503}, storage.ErrUnavailable, "HTTP 503"},
		{refusal(403, "forbidden", "token eyJhbGciOi.eyJpc3Mi.c2lnbmF0 and ya29.c.abc-DEF_1 -----BEGIN PRIVATE KEY----- MIIE"), storage.ErrDenied, "token *** and *** ***"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.answer.status, test.words), func(t *testing.T) {
			t.Parallel() // the pauses between attempts
			_, err := newWire(t, test.answer).store.Stat(t.Context(), "key")
			want(t, err, test.want)
			if err != nil && !strings.Contains(err.Error(), test.words) {
				t.Errorf("%q is not in %v", test.words, err)
			}
		})
	}
}
