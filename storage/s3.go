package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
)

const (
	mib = 1 << 20

	requestAttempts = 5    // of each request, for the errors that the SDK holds to be passing
	deleteBatch     = 1000 // keys of one DeleteObjects, S3's limit
)

// requestBackoff is the longest pause between two attempts; the first is 50 to 100 ms, and they grow by four. It is no
// constant for the tests' sake.
var requestBackoff = 5 * time.Second

// s3Store speaks S3 to AWS and to servers like it.
//
// Content is checked on the way in by a CRC-32C header that the server verifies, per request, and on the way out by the
// SDK where the server keeps a checksum of the whole object and the whole object is read in one piece. Requests are
// signed with UNSIGNED-PAYLOAD: SHA-256 over each body would halve the throughput (storage-facts §1.4, §6).
//
// Memory: a Put holds the object up to 16 MiB, else two parts of 8 MiB; only objects over 78 GiB need larger parts. A
// Get holds what the connection buffers. Uploads that a killed process left unfinished stay on the server
// until the bucket's lifecycle rule (AbortIncompleteMultipartUpload) removes them.
type s3Store struct {
	client    *s3.Client
	transport *transport
	bucket    string
	prefix    string // "" or ending in '/'
	server    string // as s3Server names it
	scrub     *scrubber
	keys      *s3Keys
	google    bool        // a bucket of GCS: rights have other names there
	bucketMet atomic.Bool // the bucket answered once: an absent object is no sign of an absent bucket

	// Sizes in bytes; the package's tests use smaller ones.
	partSize int64 // parts of an upload
	single   int64 // largest object put or copied in one request
	copyPart int64 // parts of a server-side copy
}

// newS3Store makes the client; dialect changes its options.
func newS3Store(ctx context.Context, bucket, prefix string, c S3, dialect ...func(*s3.Options)) (Store, error) {
	if err := checkS3(c); err != nil {
		return nil, err
	}
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	httpClient := &http.Client{Transport: transport, CheckRedirect: stayHere}
	scrub := newScrubber(c)
	shared, keys, err := s3Config(ctx, c, httpClient, scrub)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(shared, func(o *s3.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
		o.UsePathStyle = c.PathStyle
		o.Logger = logging.Nop{}
		o.DisableLogOutputChecksumValidationSkipped = true
		o.HTTPClient = httpClient
		o.Retryer = newRetryer()
		// Uploads carry our own CRC-32C; a checksum is asked for where it covers what is read.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.APIOptions = append(o.APIOptions, signer.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware, keys.renewing)
		for _, change := range dialect {
			change(o)
		}
	})
	return &s3Store{
		client: client, transport: transport, bucket: bucket, prefix: prefix, server: s3Server(c.Endpoint, shared.Region), scrub: scrub, keys: keys,
		partSize: partUnit, single: 16 * mib, copyPart: 256 * mib,
	}, nil
}

func checkS3(c S3) error {
	if err := checkS3Keys(c); err != nil {
		return err
	}
	return checkEndpoint("S3 endpoint", c.Endpoint)
}

// newRetryer is the SDK's, without its client-wide retry quota: one broken server must not use up the next one's
// attempts, and Temporal bounds the whole.
func newRetryer() aws.Retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = requestAttempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(neverHeals), retry.IsErrorRetryableFunc(isBrokenOff)}, o.Retryables...)
	})
	return retry.AddWithErrorCodes(standard,
		"ConditionalRequestConflict", "OperationAborted", // another writer of the same key is in flight: the next answer is the true one
		"BadDigest", "XAmzContentChecksumMismatch", // damaged on the way
		"TooManyRequests")
}

// pause is how long to wait before attempt number attempt+1.
func pause(attempt int, _ error) (time.Duration, error) {
	longest := min(100*time.Millisecond<<(2*max(attempt-1, 0)), requestBackoff)
	return longest/2 + rand.N(longest/2), nil
}

// neverHeals takes a certificate that is not trusted, and keys whose source has had its own attempts, out of the connection
// errors.
func neverHeals(err error) aws.Ternary {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) || isKeysError(err) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

func (s *s3Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// name is an object's key in the bucket.
func (s *s3Store) name(key string) *string { return aws.String(s.prefix + key) }

func (s *s3Store) Stat(ctx context.Context, key string) (Object, error) {
	head, err := s.head(ctx, "stat", key)
	if err != nil {
		return Object{}, err
	}
	object := Object{Key: key, Size: aws.ToInt64(head.ContentLength), Modified: aws.ToTime(head.LastModified)}
	if head.SSECustomerAlgorithm == nil && (head.ServerSideEncryption == "" || head.ServerSideEncryption == types.ServerSideEncryptionAes256) {
		object.MD5 = contentMD5(head.ETag)
	}
	return object, nil
}

var plainMD5 = regexp.MustCompile(`^[0-9a-f]{32}$`)

// contentMD5 reads an ETag that is a plain MD5: those of multipart uploads end in the number of parts. Those of objects
// encrypted with KMS or customer keys look like an MD5 and are none, which a listing does not tell.
func contentMD5(etag *string) string {
	if tag := strings.ToLower(strings.Trim(aws.ToString(etag), `"`)); plainMD5.MatchString(tag) {
		return tag
	}
	return ""
}

func (s *s3Store) head(ctx context.Context, op, key string) (*s3.HeadObjectOutput, error) {
	if err := keyError(op, key, unreadableKey(key)); err != nil {
		return nil, err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.name(key)})
	if err == nil {
		s.bucketMet.Store(true)
		return head, nil
	}
	if refusedUnsaid(err) {
		return s.headAgain(ctx, op, key)
	}
	err = s.fail(ctx, op, key, err)
	if errors.Is(err, ErrNotFound) && !s.bucketMet.Load() {
		return nil, s.whichIsAbsent(ctx, op, key, err)
	}
	return nil, err
}

// headAgain finds out why a HEAD was refused, since its answer has no body that would say so: the same right is asked for by
// a GET of the first byte. What that heals (keys renewed, clocks put right), a second HEAD does not meet again.
func (s *s3Store) headAgain(ctx context.Context, op, key string) (*s3.HeadObjectOutput, error) {
	answer, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: s.name(key), Range: aws.String("bytes=0-0")})
	if err == nil {
		answer.Body.Close()
	} else if !isCode(err, "InvalidRange") { // an empty object has no first byte
		return nil, s.fail(ctx, op, key, err)
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.name(key)})
	if err != nil {
		return nil, s.fail(ctx, op, key, err)
	}
	s.bucketMet.Store(true)
	return head, nil
}

// whichIsAbsent tells an absent bucket from an absent object: an answer to HEAD has no body that would.
func (s *s3Store) whichIsAbsent(ctx context.Context, op, key string, absent error) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err == nil {
		s.bucketMet.Store(true)
		return absent
	}
	if kind := s3Kind(err); kind == ErrNotFound || kind == ErrNoBucket {
		return &Error{Op: op, Key: key, Kind: ErrNoBucket, Err: errors.New("bucket " + s.bucket + " does not exist; " + s.advice("NoSuchBucket", "", ""))}
	}
	return absent
}

func (s *s3Store) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: s.name(prefix)})
		last := ""
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if isCode(err, "XMinioInvalidObjectName", "XMinioInvalidResourceName") {
				return // MinIO holds no such names, so there are none
			}
			if err != nil {
				yield(Object{}, s.fail(ctx, "list", prefix, err))
				return
			}
			s.bucketMet.Store(true)
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if key == "" {
					continue // a folder mark at the location itself
				}
				if key <= last {
					yield(Object{}, s.fail(ctx, "list", prefix, errors.New("server lists "+key+" after "+last)))
					return
				}
				last = key
				if !yield(Object{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified), MD5: contentMD5(o.ETag)}, nil) {
					return
				}
			}
		}
	}
}

// Delete goes on after a batch that failed, and names the keys of that batch.
func (s *s3Store) Delete(ctx context.Context, keys ...string) error {
	failed := map[string]error{}
	batch := make([]types.ObjectIdentifier, 0, min(len(keys), deleteBatch))
	for i, key := range keys {
		if err := keyError("delete", key, unreadableKey(key)); err != nil {
			failed[key] = err
		} else {
			batch = append(batch, types.ObjectIdentifier{Key: s.name(key)})
		}
		if len(batch) == deleteBatch || (i == len(keys)-1 && len(batch) > 0) {
			s.deleteBatch(ctx, batch, failed)
			batch = batch[:0]
		}
	}
	if len(failed) > 0 {
		return &DeleteError{Failed: failed}
	}
	return nil
}

func (s *s3Store) deleteBatch(ctx context.Context, batch []types.ObjectIdentifier, failed map[string]error) {
	used, _ := s.keys.Retrieve(ctx) // its error is the request's too
	answer, err := s.deleteObjects(ctx, batch)
	if err == nil && keysRefused(answer.Errors) {
		renewed := false
		if renewed, err = s.keys.renew(ctx, used); renewed {
			answer, err = s.deleteObjects(ctx, batch)
		}
	}
	if err != nil {
		for _, o := range batch {
			key := strings.TrimPrefix(*o.Key, s.prefix)
			failed[key] = s.fail(ctx, "delete", key, err)
		}
		return
	}
	s.bucketMet.Store(true)
	for _, e := range answer.Errors {
		key := strings.TrimPrefix(aws.ToString(e.Key), s.prefix)
		if kind := kindOfCode(aws.ToString(e.Code)); kind != ErrNotFound {
			failed[key] = &Error{Op: "delete", Key: key, Kind: kind, Err: s.deleteRefused(aws.ToString(e.Code), aws.ToString(e.Message))}
		}
	}
}

func (s *s3Store) deleteObjects(ctx context.Context, batch []types.ObjectIdentifier) (*s3.DeleteObjectsOutput, error) {
	return s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
	})
}

// keysRefused tells whether the request's keys are why objects were not deleted: MinIO answers 200 and says so for each.
func keysRefused(errs []types.Error) bool {
	return slices.ContainsFunc(errs, func(e types.Error) bool { return slices.Contains(refusedKeys, aws.ToString(e.Code)) })
}
