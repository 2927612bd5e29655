package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/googleapi"
	raw "google.golang.org/api/storage/v1"
)

const (
	// gcsRounds is how often an Overwrite or a Copy begins again because somebody else wrote the key meanwhile.
	gcsRounds = 16

	chunkDeadline = 2 * time.Minute // for one chunk with its repetitions

	binary8 = "application/octet-stream"
)

// Put sends up to 16 MiB in one request, more in chunks of 16 MiB, one after the other, while the next one is read.
func (s *gcsStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	if err := keyError("put", key, badKey(key)); err != nil {
		return err
	}
	if size < 0 {
		return invalid("put", key, "negative size")
	}
	if err := ctx.Err(); err != nil {
		return &Error{Op: "put", Key: key, Err: err}
	}
	exact := &exactReader{ctx: ctx, body: body, left: size}
	if size > s.single {
		return s.putLarge(ctx, key, exact, size, mode)
	}
	data := make([]byte, size)
	if err := readPart(exact, data, true); err != nil {
		return bodyError("put", key, err)
	}
	return s.putSmall(ctx, key, data, mode)
}

// object is what an upload declares. The mark tells our own object when the answer to a request was lost and its
// repetition is told 412.
func (s *gcsStore) object(key, mark string) *raw.Object {
	return &raw.Object{Name: s.prefix + key, ContentType: binary8, Metadata: map[string]string{markName: mark}}
}

// putSmall first holds the key to be free, and replaces what it is then told of: a request without a precondition that
// arrives late could replace an object that was stored after it.
func (s *gcsStore) putSmall(ctx context.Context, key string, data []byte, mode Mode) error {
	object := s.object(key, rand.Text())
	object.Crc32c = *checksum(data)
	replaced := int64(0)
	for range gcsRounds {
		err := s.try(ctx, func() error {
			_, err := s.api.Objects.Insert(s.bucket, object).Name(object.Name).IfGenerationMatch(replaced).Fields("generation").
				Media(bytes.NewReader(data), googleapi.ChunkSize(0), googleapi.ContentType(binary8)).Context(ctx).Do()
			return err
		})
		if err == nil {
			s.bucketMet.Store(true)
			return nil
		}
		if !isStatus(err, http.StatusPreconditionFailed) {
			return s.putError(ctx, key, err)
		}
		found, statErr := s.stat(ctx, "put", key)
		switch {
		case statErr == nil && found.Metadata[markName] == object.Metadata[markName]:
			return nil
		case statErr != nil && !errors.Is(statErr, ErrNotFound):
			return statErr // not known who won
		case mode == IfAbsent:
			return &Error{Op: "put", Key: key, Kind: ErrExists, Err: &gcsError{err}}
		case statErr != nil:
			replaced = 0 // removed meanwhile
		default:
			replaced = found.Generation
		}
	}
	return contended("put", key)
}

func contended(op, key string) error {
	return &Error{Op: op, Key: key, Kind: ErrUnavailable, Err: fmt.Errorf("others wrote the key %d times meanwhile", gcsRounds)}
}

// putError knows that an upload's 404 speaks of the bucket, or of an upload that the server has forgotten.
func (s *gcsStore) putError(ctx context.Context, key string, err error) error {
	switch {
	case !isStatus(err, http.StatusNotFound) || ctx.Err() != nil:
		return s.fail(ctx, "put", key, err)
	case s.bucketMet.Load():
		return &Error{Op: "put", Key: key, Kind: ErrUnavailable, Err: &gcsError{err}}
	}
	return s.noBucket("put", key)
}

// putLarge uploads in one session. A session ends once, so its requests can be repeated and need no precondition of their
// own; the object appears with the last one.
func (s *gcsStore) putLarge(ctx context.Context, key string, body *exactReader, size int64, mode Mode) error {
	if mode == IfAbsent { // ask before the bytes are sent; the server decides at the end
		if _, err := s.stat(ctx, "put", key); !errors.Is(err, ErrNotFound) {
			return existsOr(key, err)
		}
	}
	object := s.object(key, rand.Text())
	ahead := newReadAhead(body, s.chunk)
	sum := &summed{body: ahead}
	stored, err := s.session(ctx, object, sum, s.chunkOf(size), mode)
	ahead.stop()
	if sum.err != nil {
		return bodyError("put", key, sum.err)
	}
	if err != nil {
		stored, err = s.settle(ctx, key, object, err)
	}
	if err != nil {
		return err
	}
	if stored.Crc32c != encodeCRC(sum.crc) { // not every server compares the sum that came with the last chunk
		return s.takeBack(ctx, key, stored.Generation)
	}
	return nil
}

// chunkOf is the chunk for a body of that size. One that is a whole number of chunks would need another request, without
// bytes: a chunk that is full does not know that it is the last.
func (s *gcsStore) chunkOf(size int64) int {
	if size%int64(s.chunk) == 0 {
		return s.chunk + googleapi.MinUploadChunkSize
	}
	return s.chunk
}

func (s *gcsStore) session(ctx context.Context, object *raw.Object, body io.Reader, chunk int, mode Mode) (*raw.Object, error) {
	var again attempts
	call := s.api.Objects.Insert(s.bucket, object).Name(object.Name).Fields("generation", "crc32c")
	if mode == IfAbsent {
		call.IfGenerationMatch(0)
	}
	return call.
		Media(body, googleapi.ChunkSize(chunk), googleapi.ContentType(binary8), googleapi.EnableAutoChecksum(), googleapi.ChunkRetryDeadline(chunkDeadline)).
		ProgressUpdater(func(int64, int64) { again = attempts{}; s.bucketMet.Store(true) }).
		WithRetry(&gax.Backoff{Initial: 100 * time.Millisecond, Max: requestBackoff, Multiplier: 4},
			func(err error) bool { return ctx.Err() == nil && again.after(err) }).
		Context(ctx).Do()
}

// settle finds out what an error of an upload means. It gives the object if that is this Put's own, because only the last
// answer was lost.
func (s *gcsStore) settle(ctx context.Context, key string, object *raw.Object, err error) (*raw.Object, error) {
	if ctx.Err() != nil {
		return nil, s.fail(ctx, "put", key, err)
	}
	found, statErr := s.stat(ctx, "put", key)
	if statErr == nil && found.Metadata[markName] == object.Metadata[markName] {
		return found, nil
	}
	if isStatus(err, http.StatusPreconditionFailed) {
		if statErr != nil && !errors.Is(statErr, ErrNotFound) {
			return nil, statErr // not known who won
		}
		return nil, &Error{Op: "put", Key: key, Kind: ErrExists, Err: &gcsError{err}}
	}
	return nil, s.putError(ctx, key, err)
}

// takeBack removes the object that this Put stored damaged, and no other.
func (s *gcsStore) takeBack(ctx context.Context, key string, generation int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := s.try(ctx, func() error {
		return s.api.Objects.Delete(s.bucket, s.prefix+key).IfGenerationMatch(generation).Context(ctx).Do()
	})
	if err != nil && !isStatus(err, http.StatusNotFound) && !isStatus(err, http.StatusPreconditionFailed) {
		return s.fail(ctx, "put", key, fmt.Errorf("the object was damaged on the way and cannot be removed: %w", err))
	}
	return &Error{Op: "put", Key: key, Kind: ErrUnavailable, Err: errors.New("damaged on the way; removed again")}
}
