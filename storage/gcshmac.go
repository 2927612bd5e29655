package storage

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	gcsRegion = "auto"

	// maxOneRequest is the largest object of IfAbsent: what a Put may hold in memory.
	maxOneRequest = 64 * mib
)

// hmacStore is the S3 provider in the dialect of Google's XML API, which differs so:
//
//   - a front end changes Accept-Encoding on the way in, so it must not be signed;
//   - no aws-chunked bodies, trailers or x-amz-checksum headers: Content-MD5 takes their place;
//   - If-None-Match is accepted and ignored. x-goog-if-generation-match counts, but not beside any x-amz header, so that
//     request is signed the Google way (GOOG4-HMAC-SHA256); and not when a multipart upload is completed, so IfAbsent
//     takes objects up to 64 MiB, in one request;
//   - one object per delete, no copying of parts.
//
// The first IfAbsent of a store is sent twice: a server that does not refuse the second time ignores the precondition,
// and must not be trusted with commits.
type hmacStore struct {
	*s3Store
	proven atomic.Bool // the server refused a precondition that does not hold
}

func newHMACStore(ctx context.Context, bucket, prefix string, c GCS) (Store, error) {
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = gcsEndpoint
	}
	store, err := newS3Store(ctx, bucket, prefix, S3{
		Endpoint: endpoint, Region: gcsRegion, AccessKey: c.AccessKey, SecretKey: c.SecretKey, PathStyle: true, CAFile: c.CAFile,
	}, speakGoogle)
	if err != nil {
		return nil, err
	}
	s := store.(*s3Store)
	s.copyPart, s.google = math.MaxInt64, true
	return &hmacStore{s3Store: s}, nil
}

// speakGoogle changes an S3 client.
func speakGoogle(o *s3.Options) {
	own := *o.HTTPClient.(*http.Client)
	own.Transport = &googleAnswers{own.Transport}
	o.HTTPClient = &own
	o.HTTPSignerV4 = &googleSigner{signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true })}
	o.APIOptions = append(o.APIOptions, dropChecksums, addMD5)
}

// dropChecksums takes out of each request what Google's XML API does not know.
func dropChecksums(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("GoogleDropsChecksums",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch input := in.Parameters.(type) {
			case *s3.PutObjectInput:
				input.ChecksumCRC32C = nil
			case *s3.UploadPartInput:
				input.ChecksumCRC32C = nil
			case *s3.CreateMultipartUploadInput:
				input.ChecksumAlgorithm = ""
			case *s3.CompleteMultipartUploadInput:
				for i := range input.MultipartUpload.Parts {
					input.MultipartUpload.Parts[i].ChecksumCRC32C = nil
				}
			case *s3.GetObjectInput:
				input.ChecksumMode = ""
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// addMD5 lets the server verify what is uploaded.
func addMD5(stack *middleware.Stack) error {
	if id := stack.ID(); id != "PutObject" && id != "UploadPart" {
		return nil
	}
	return smithyhttp.AddContentChecksumMiddleware(stack)
}

// googleSigner signs so that the signature still holds at Google.
type googleSigner struct{ aws *signer.Signer }

func (g *googleSigner) SignHTTP(ctx context.Context, keys aws.Credentials, r *http.Request, payload, service, region string, at time.Time, options ...func(*signer.SignerOptions)) error {
	for _, name := range []string{"Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"} {
		r.Header.Del(name)
	}
	query := r.URL.Query()
	query.Del("x-id") // names the operation, for AWS's own logs
	r.URL.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")

	if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*" {
		signGoogle(r, keys, payload, region, at)
		return nil
	}
	encoding := r.Header.Values("Accept-Encoding")
	r.Header.Del("Accept-Encoding")
	err := g.aws.SignHTTP(ctx, keys, r, payload, service, region, at, options...)
	for _, value := range encoding {
		r.Header.Add("Accept-Encoding", value)
	}
	return err
}

// signGoogle turns a conditional PUT of S3 into one of Google's and signs it.
func signGoogle(r *http.Request, keys aws.Credentials, payload, region string, at time.Time) {
	for name, values := range maps.Clone(r.Header) {
		if rest, found := strings.CutPrefix(name, "X-Amz-"); found {
			r.Header.Del(name)
			r.Header["X-Goog-"+rest] = values
		}
	}
	r.Header.Del("If-None-Match")
	r.Header.Set("X-Goog-If-Generation-Match", "0")
	r.Header.Set("X-Goog-Content-Sha256", payload)
	r.Header.Set("X-Goog-Date", at.UTC().Format("20060102T150405Z"))

	scope := []string{at.UTC().Format("20060102"), region, "storage", "goog4_request"}
	names, canonical := googleCanonical(r, payload)
	digest := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"GOOG4-HMAC-SHA256", r.Header.Get("X-Goog-Date"), strings.Join(scope, "/"), hex.EncodeToString(digest[:])}, "\n")
	key := []byte("GOOG4" + keys.SecretAccessKey)
	for _, part := range append(scope, text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("GOOG4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		keys.AccessKeyID, strings.Join(scope, "/"), names, key))
}

// googleCanonical gives the names of the signed headers and what is signed.
func googleCanonical(r *http.Request, payload string) (names, canonical string) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	signed := map[string]string{"host": host}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-goog-") || name == "content-md5" || name == "content-type" {
			signed[name] = strings.TrimSpace(strings.Join(values, ","))
		}
	}
	sorted := slices.Sorted(maps.Keys(signed))
	names = strings.Join(sorted, ";")
	lines := []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery}
	for _, name := range sorted {
		lines = append(lines, name+":"+signed[name])
	}
	return names, strings.Join(append(lines, "", names, payload), "\n")
}

// googleAnswers shows metadata under the name that the SDK looks for, whichever of the two the server gives.
type googleAnswers struct{ base http.RoundTripper }

func (g *googleAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for name, values := range maps.Clone(answer.Header) {
		if rest, found := strings.CutPrefix(name, "X-Goog-Meta-"); found {
			answer.Header["X-Amz-Meta-"+rest] = values
		}
	}
	return answer, nil
}

func (s *hmacStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	if mode == Overwrite || size < 0 || badKey(key) != "" || ctx.Err() != nil {
		return s.s3Store.Put(ctx, key, body, size, mode)
	}
	if size > maxOneRequest {
		return invalid("put", key, "%d bytes: with an HMAC key, Google keeps preconditions up to %d bytes of one request only; use a service account", size, maxOneRequest)
	}
	data := make([]byte, size)
	if err := readPart(&exactReader{ctx: ctx, body: body, left: size}, data, true); err != nil {
		return bodyError("put", key, err)
	}
	if !s.proven.Load() { // then the precondition may count for nothing
		if _, err := s.head(ctx, "put", key); !errors.Is(err, ErrNotFound) {
			return existsOr(key, err)
		}
	}
	mark := rand.Text()
	put := func(data []byte) error {
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: s.name(key), Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
			IfNoneMatch: aws.String("*"), Metadata: map[string]string{markName: mark},
		})
		return err
	}
	if err := put(data); err != nil {
		if isConflict(err) {
			s.proven.Store(true)
		}
		return s.settle(ctx, key, mark, mode, err)
	}
	s.bucketMet.Store(true)
	if s.proven.Load() {
		return nil
	}
	return s.prove(ctx, key, put(nil)) // a server may break the connection of a body that it refuses
}

// prove looks at what became of a request that had to be refused.
func (s *hmacStore) prove(ctx context.Context, key string, err error) error {
	switch {
	case isConflict(err):
		s.proven.Store(true)
		return nil
	case err != nil:
		return s.fail(ctx, "put", key, err)
	}
	_ = s.remove(ctx, key)
	return invalid("put", key, "the server ignores preconditions: of several writers more than one would win; use a service account")
}

// Delete removes up to 32 objects side by side.
func (s *hmacStore) Delete(ctx context.Context, keys ...string) error {
	return deleteEach(keys, gcsDeletes, func(key string) error {
		if err := keyError("delete", key, unreadableKey(key)); err != nil {
			return err
		}
		return s.remove(ctx, key)
	})
}

func (s *hmacStore) remove(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.name(key)})
	if err == nil {
		return nil
	}
	if err = s.fail(ctx, "delete", key, err); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
