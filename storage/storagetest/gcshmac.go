package storagetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"starkeep/storage"
)

// GCSHMAC is an S3 server behind a door that behaves as Google's XML API does with HMAC keys, as far as that is known: a
// front end changes Accept-Encoding before the signature is checked; aws-chunked bodies, trailers, x-amz-checksum headers,
// multi-object deletes and copied parts are refused; If-None-Match of a PUT is ignored; x-goog-if-generation-match is kept,
// but refused beside x-amz headers and ignored where a multipart upload is completed.
type GCSHMAC struct {
	Endpoint  string // http://127.0.0.1:port
	AccessKey string
	SecretKey string
	Bucket    string

	door *hmacDoor
}

type hmacDoor struct {
	Proxy
	server Server
	ignore atomic.Bool // preconditions

	mu   sync.Mutex
	keys map[string]string // secrets by access key
}

// StartGCSHMAC starts one for the length of a test; see [StartS3] for what it needs.
func StartGCSHMAC(t testing.TB) GCSHMAC {
	t.Helper()
	server := StartS3(t)
	door := &hmacDoor{server: server, keys: map[string]string{server.AccessKey: server.SecretKey}}
	door.listen(t, door.handler())
	return GCSHMAC{Endpoint: door.Endpoint, AccessKey: server.AccessKey, SecretKey: server.SecretKey, Bucket: server.Bucket, door: door}
}

// Config is a location in the server's bucket; prefix may be empty.
func (g GCSHMAC) Config(prefix string) storage.Config {
	location := "gs://" + g.Bucket
	if prefix != "" {
		location += "/" + prefix
	}
	return storage.Config{Location: location, GCS: storage.GCS{Endpoint: g.Endpoint, AccessKey: g.AccessKey, SecretKey: g.SecretKey}}
}

// User makes a user with rights as in [Server.User].
func (g GCSHMAC) User(t testing.TB, name string, actions ...string) GCSHMAC {
	t.Helper()
	user := g.door.server.User(t, name, actions...)
	g.door.mu.Lock()
	g.door.keys[user.AccessKey] = user.SecretKey
	g.door.mu.Unlock()
	g.AccessKey, g.SecretKey = user.AccessKey, user.SecretKey
	return g
}

// Inject makes faults from now on; see [Proxy.Inject].
func (g GCSHMAC) Inject(fault func(*http.Request) Fault) { g.door.Inject(fault) }

// IgnorePreconditions makes a server of it that must not be trusted.
func (g GCSHMAC) IgnorePreconditions() { g.door.ignore.Store(true) }

// PendingUploads is [Server.PendingUploads].
func (g GCSHMAC) PendingUploads(t testing.TB) []string { return g.door.server.PendingUploads(t) }

func (d *hmacDoor) handler() http.Handler {
	target, _ := url.Parse(d.server.Endpoint)
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, target.Host
			d.translate(r.Out)
		},
		ModifyResponse: func(answer *http.Response) error {
			if strings.HasPrefix(answer.Request.Header.Get("X-Asked-As"), "GOOG4") {
				renameHeaders(answer.Header, "X-Amz-", "X-Goog-")
			}
			if err := tellHash(answer); err != nil {
				return err
			}
			return spoil(answer)
		},
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // faults made on purpose
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		encoding := r.Header.Get("Accept-Encoding")
		r.Header.Set("Accept-Encoding", strings.TrimPrefix(encoding+",gzip(gfe)", ","))
		if status, code, message := d.refuses(r); status != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			fmt.Fprintf(w, "<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
			return
		}
		d.serve(w, r, forward)
	})
}

// tellHash adds the checksum that Google keeps of every object.
func tellHash(answer *http.Response) error {
	if answer.Request.Method != http.MethodGet || answer.StatusCode != http.StatusOK || answer.Header.Get("Etag") == "" {
		return nil
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	answer.Header.Set("X-Goog-Hash", "crc32c="+base64.StdEncoding.EncodeToString(sum))
	return nil
}

// refuses tells what Google answers to a request that it does not carry out.
func (d *hmacDoor) refuses(r *http.Request) (status int, code, message string) {
	if d.signature(r) != claimed(r, "Signature") {
		return http.StatusForbidden, "SignatureDoesNotMatch", "Access denied."
	}
	amazon, google := false, false
	for name := range r.Header {
		amazon = amazon || strings.HasPrefix(name, "X-Amz-")
		google = google || strings.HasPrefix(name, "X-Goog-")
		if strings.HasPrefix(name, "X-Amz-Checksum-") || name == "X-Amz-Sdk-Checksum-Algorithm" || name == "X-Amz-Trailer" {
			return http.StatusBadRequest, "InvalidArgument", "Invalid argument: " + name
		}
	}
	query := r.URL.Query()
	switch {
	case amazon && google:
		return http.StatusBadRequest, "ExcessHeaderValues", "Requests cannot specify both x-amz and x-goog headers."
	case strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked"):
		return http.StatusNotImplemented, "NotImplemented", "aws-chunked"
	case r.Method == http.MethodPost && query.Has("delete"), query.Has("partNumber") && r.Header.Get("X-Amz-Copy-Source") != "":
		return http.StatusNotImplemented, "NotImplemented", "A header or query you provided requested a function that is not implemented."
	}
	return 0, "", ""
}

var credential = regexp.MustCompile(`(\w+)=([^,\s]+)`)

// claimed is a part of the Authorization header.
func claimed(r *http.Request, name string) string {
	for _, part := range credential.FindAllStringSubmatch(r.Header.Get("Authorization"), -1) {
		if part[1] == name {
			return part[2]
		}
	}
	return ""
}

// signature is what a request must be signed with, in either family.
func (d *hmacDoor) signature(r *http.Request) string {
	prefix, family := "AWS4", "X-Amz-"
	if strings.HasPrefix(r.Header.Get("Authorization"), "GOOG4-HMAC-SHA256 ") {
		prefix, family = "GOOG4", "X-Goog-"
	}
	access, scope, _ := strings.Cut(claimed(r, "Credential"), "/")
	d.mu.Lock()
	secret := d.keys[access]
	d.mu.Unlock()
	names := strings.Split(claimed(r, "SignedHeaders"), ";")
	lines := []string{r.Method, r.URL.EscapedPath(), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")}
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		lines = append(lines, name+":"+value)
	}
	for name := range r.Header { // all of the family must be signed
		if strings.HasPrefix(name, family) && !slices.Contains(names, strings.ToLower(name)) {
			return "unsigned " + name
		}
	}
	lines = append(lines, "", strings.Join(names, ";"), r.Header.Get(family+"Content-Sha256"))
	digest := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	text := strings.Join([]string{prefix + "-HMAC-SHA256", r.Header.Get(family + "Date"), scope, hex.EncodeToString(digest[:])}, "\n")
	key := []byte(prefix + secret)
	for _, part := range append(strings.Split(scope, "/"), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// translate makes a request for versitygw of one whose signature was right.
func (d *hmacDoor) translate(r *http.Request) {
	access, _, _ := strings.Cut(claimed(r, "Credential"), "/")
	r.Header.Del("If-None-Match")
	if r.Header.Get("X-Goog-If-Generation-Match") == "0" && r.Method == http.MethodPut && !d.ignore.Load() {
		r.Header.Set("If-None-Match", "*")
	}
	r.Header.Del("X-Goog-If-Generation-Match")
	renameHeaders(r.Header, "X-Goog-", "X-Amz-")
	family := r.Header.Get("Authorization")
	r.Header.Del("Authorization")
	r.Header.Del("Accept-Encoding")
	d.mu.Lock()
	keys := aws.Credentials{AccessKeyID: access, SecretAccessKey: d.keys[access]}
	d.mu.Unlock()
	sign := signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true })
	_ = sign.SignHTTP(r.Context(), keys, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", d.server.Region, time.Now())
	r.Header.Set("X-Asked-As", family) // not signed; for the answer
}

func renameHeaders(header http.Header, from, to string) {
	for name, values := range header.Clone() {
		if rest, found := strings.CutPrefix(name, from); found {
			header.Del(name)
			header[to+rest] = values
		}
	}
}
