package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	raw "google.golang.org/api/storage/v1"
)

const (
	gcsEndpoint = "https://storage.googleapis.com"
	gcsPage     = 1000 // objects of one listing, the most that GCS gives
	gcsDeletes  = 32   // side by side: GCS removes one object per request
)

// GCS is what a Google Cloud Storage location needs besides its name.
type GCS struct {
	Endpoint           string // "https://host:port"; empty: Google's
	ServiceAccountFile string // JSON key file; empty: AccessKey and SecretKey, else application default credentials
	AccessKey          string // HMAC key: the bucket is then used through its S3-compatible XML API
	SecretKey          string
	CAFile             string // PEM certificates that are trusted besides the system's
}

// String leaves secrets out, so that a Config can be logged by mistake.
func (c GCS) String() string {
	return fmt.Sprintf("{Endpoint:%s ServiceAccountFile:%s CAFile:%s}", c.Endpoint, c.ServiceAccountFile, c.CAFile)
}

// GoString leaves secrets out of %#v.
func (c GCS) GoString() string { return c.String() }

// openGCS splits "bucket/prefix" and makes the client.
func openGCS(ctx context.Context, rest string, c Config) (Store, error) {
	bucket, prefix, _ := strings.Cut(rest, "/")
	if bucket == "" || strings.ContainsAny(bucket, "@:?#%\\ ") {
		return nil, openError("location must begin with a plain bucket name, as in gs://bucket/prefix")
	}
	if prefix != "" {
		if reason := badKey(prefix); reason != "" {
			return nil, openError("location %q: %s", c.Location, reason)
		}
		prefix += "/"
	}
	if err := checkGCS(c.GCS); err != nil {
		return nil, err
	}
	if c.GCS.AccessKey != "" {
		return newHMACStore(ctx, bucket, prefix, c.GCS)
	}
	return newGCSStore(ctx, bucket, prefix, c.GCS)
}

func checkGCS(c GCS) error {
	switch {
	case (c.AccessKey == "") != (c.SecretKey == ""):
		return openError("HMAC access key and secret key must be given together, or neither of them")
	case c.AccessKey != "" && c.ServiceAccountFile != "":
		return openError("give a service account file or an HMAC key, not both")
	}
	return checkEndpoint("GCS endpoint", c.Endpoint)
}

// gcsStore speaks the JSON API of Google Cloud Storage.
//
// Content is checked on the way in by its CRC-32C, which the server verifies before the object appears, and on the way out
// where the whole object is read. Whatever makes or replaces an object names the generation that it expects there, so that a
// request that is repeated, or arrives late, cannot undo another one.
//
// Memory: a Put holds the object up to 16 MiB; else two parts of 16 MiB, one that is sent and one that is read meanwhile. A
// Get holds what the connection buffers. Uploads that were not finished are dropped by GCS after a week and cost nothing.
type gcsStore struct {
	api       *raw.Service
	transport *transport
	bucket    string
	prefix    string      // "" or ending in '/'
	bucketMet atomic.Bool // the bucket answered once: an absent object is no sign of an absent bucket

	// The package's tests use smaller ones.
	chunk       int   // bytes of one request of a large upload; a multiple of 256 KiB
	single      int64 // largest object put in one request
	rewriteStep int64 // bytes that the server copies in one request; 0: as it likes
}

func newGCSStore(ctx context.Context, bucket, prefix string, c GCS) (Store, error) {
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	tokens, err := newTokens(c.ServiceAccountFile, &http.Client{Transport: transport})
	if err != nil {
		return nil, err
	}
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = gcsEndpoint
	}
	api, err := raw.NewService(ctx,
		option.WithHTTPClient(&http.Client{Transport: &authorized{transport, tokens}}),
		option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"))
	if err != nil {
		return nil, openError("GCS client: %w", err)
	}
	return &gcsStore{
		api: api, transport: transport, bucket: bucket, prefix: prefix,
		chunk: 16 * mib, single: 16 * mib,
	}, nil
}

func (s *gcsStore) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// try repeats a request whose failure may pass.
func (s *gcsStore) try(ctx context.Context, request func() error) error {
	var again attempts
	for {
		err := request()
		if err == nil || ctx.Err() != nil || !again.after(err) {
			return err
		}
		if delay, _ := pause(again.failed, err); !sleep(ctx, delay) {
			return err
		}
	}
}

// attempts counts those of one request that failed in a row.
type attempts struct {
	failed  int
	renewed bool // the access token, which a server may refuse before it expires by our clock
}

// after tells whether another one is worth while. It may also be told of a success.
func (a *attempts) after(err error) bool {
	if err == nil {
		return false
	}
	a.failed++
	if isStatus(err, http.StatusUnauthorized) && !a.renewed {
		a.renewed = true
		return true
	}
	return a.failed < requestAttempts && passing(err)
}

func (s *gcsStore) Stat(ctx context.Context, key string) (Object, error) {
	found, err := s.stat(ctx, "stat", key)
	if err != nil {
		return Object{}, err
	}
	return gcsObject(key, found), nil
}

func (s *gcsStore) stat(ctx context.Context, op, key string) (*raw.Object, error) {
	if err := keyError(op, key, unreadableKey(key)); err != nil {
		return nil, err
	}
	var found *raw.Object
	err := s.try(ctx, func() (err error) {
		found, err = s.api.Objects.Get(s.bucket, s.prefix+key).Projection("noAcl").
			Fields("name", "size", "md5Hash", "crc32c", "generation", "timeCreated", "metadata").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, s.absent(ctx, op, key, err)
	}
	s.bucketMet.Store(true)
	return found, nil
}

// gcsObject takes the time at which this content was stored: "updated" also moves with metadata.
func gcsObject(key string, o *raw.Object) Object {
	created, _ := time.Parse(time.RFC3339, o.TimeCreated)
	return Object{Key: key, Size: int64(o.Size), Modified: created, MD5: hexMD5(o.Md5Hash)}
}

// absent makes the Error of a request for one object. A 404 may mean that the bucket does not exist: GCS says so in words,
// others do not.
func (s *gcsStore) absent(ctx context.Context, op, key string, err error) error {
	if !isStatus(err, http.StatusNotFound) || s.bucketMet.Load() || saysNoObject(err) {
		return s.fail(ctx, op, key, err)
	}
	_, listErr := s.api.Objects.List(s.bucket).Prefix(s.prefix).MaxResults(1).Fields("nextPageToken").Context(ctx).Do()
	if isStatus(listErr, http.StatusNotFound) {
		return s.noBucket(op, key)
	}
	if listErr == nil {
		s.bucketMet.Store(true)
	}
	return s.fail(ctx, op, key, err)
}

func (s *gcsStore) noBucket(op, key string) error {
	return &Error{Op: op, Key: key, Kind: ErrNoBucket, Err: errors.New("bucket " + s.bucket + " does not exist")}
}

func (s *gcsStore) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		last := ""
		for page, err := range s.pages(ctx, prefix, "", "items(name,size,md5Hash,timeCreated)") {
			if err != nil {
				yield(Object{}, err)
				return
			}
			for _, o := range page.Items {
				key := strings.TrimPrefix(o.Name, s.prefix)
				if key == "" {
					continue // a folder mark at the location itself
				}
				if key <= last {
					yield(Object{}, s.fail(ctx, "list", prefix, errors.New("server lists "+key+" after "+last)))
					return
				}
				last = key
				if !yield(gcsObject(key, o), nil) {
					return
				}
			}
		}
	}
}

// pages yields the pages of a listing, with these fields. An error comes last.
func (s *gcsStore) pages(ctx context.Context, prefix, delimiter string, fields googleapi.Field) iter.Seq2[*raw.Objects, error] {
	return func(yield func(*raw.Objects, error) bool) {
		for token := ""; ; {
			page, err := s.page(ctx, prefix, delimiter, fields, token)
			if !yield(page, err) || err != nil {
				return
			}
			if token = page.NextPageToken; token == "" {
				return
			}
		}
	}
}

func (s *gcsStore) page(ctx context.Context, prefix, delimiter string, fields googleapi.Field, token string) (*raw.Objects, error) {
	var page *raw.Objects
	err := s.try(ctx, func() (err error) {
		call := s.api.Objects.List(s.bucket).Prefix(s.prefix+prefix).MaxResults(gcsPage).Projection("noAcl").
			Fields("nextPageToken", fields)
		if delimiter != "" {
			call.Delimiter(delimiter)
		}
		if token != "" {
			call.PageToken(token)
		}
		page, err = call.Context(ctx).Do()
		return err
	})
	switch {
	case isStatus(err, http.StatusNotFound):
		return nil, s.noBucket("list", prefix)
	case err != nil:
		return nil, s.fail(ctx, "list", prefix, err)
	}
	s.bucketMet.Store(true)
	return page, nil
}

// Delete removes up to 32 objects side by side.
func (s *gcsStore) Delete(ctx context.Context, keys ...string) error {
	return deleteEach(keys, gcsDeletes, func(key string) error {
		if err := keyError("delete", key, unreadableKey(key)); err != nil {
			return err
		}
		return s.remove(ctx, key)
	})
}

func (s *gcsStore) remove(ctx context.Context, key string) error {
	err := s.try(ctx, func() error { return s.api.Objects.Delete(s.bucket, s.prefix+key).Context(ctx).Do() })
	if err == nil {
		s.bucketMet.Store(true)
		return nil
	}
	if err = s.absent(ctx, "delete", key, err); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// deleteEach removes objects one by one, some of them side by side, and names those that remain.
func deleteEach(keys []string, sideBySide int, remove func(key string) error) error {
	var mu sync.Mutex
	failed := map[string]error{}
	work := make(chan string)
	var removing sync.WaitGroup
	for range min(sideBySide, len(keys)) {
		removing.Go(func() {
			for key := range work {
				if err := remove(key); err != nil {
					mu.Lock()
					failed[key] = err
					mu.Unlock()
				}
			}
		})
	}
	for _, key := range keys {
		work <- key
	}
	close(work)
	removing.Wait()
	if len(failed) > 0 {
		return &DeleteError{Failed: failed}
	}
	return nil
}
