package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	resumeAttempts = 5                      // connections in a row that brought no byte
	resumeBackoff  = 200 * time.Millisecond // before the second of them; doubles
)

func (s *s3Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := keyError("get", key, unreadableKey(key)); err != nil {
		return nil, err
	}
	if err := checkRange(key, offset, length); err != nil {
		return nil, err
	}
	body := &s3Body{ctx: ctx, store: s, key: key, next: offset, end: -1}
	if length > 0 {
		body.end = offset + length
	}
	if err := body.connect(); err != nil {
		return nil, err
	}
	return body, nil
}

// s3Body reads a range over as many connections as it takes. Every connection after the first asks for the first one's
// ETag.
type s3Body struct {
	ctx    context.Context
	store  *s3Store
	key    string
	etag   string // "" before the first connection
	next   int64  // offset of the next byte
	end    int64  // offset behind the last byte; -1: not known yet, read to the end
	broken int    // connections in a row that brought nothing

	conn   io.ReadCloser
	cancel context.CancelFunc // ends conn
	err    error              // what every further Read returns
}

// connect asks for the bytes from next to end.
func (b *s3Body) connect() error {
	input := &s3.GetObjectInput{Bucket: &b.store.bucket, Key: b.store.name(b.key)}
	ranged := b.next > 0 || b.end >= 0
	switch {
	case !ranged:
		input.ChecksumMode = types.ChecksumModeEnabled // a range's checksum would be the whole object's
	case b.end < 0:
		input.Range = aws.String(fmt.Sprintf("bytes=%d-", b.next))
	default:
		input.Range = aws.String(fmt.Sprintf("bytes=%d-%d", b.next, b.end-1))
	}
	if b.etag != "" {
		input.IfMatch = aws.String(b.etag)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	answer, err := b.store.client.GetObject(ctx, input)
	if err != nil {
		cancel()
		return b.refused(err)
	}
	end, err := b.rangeEnd(answer, ranged)
	if err != nil {
		cancel()
		answer.Body.Close()
		return &Error{Op: "get", Key: b.key, Kind: ErrUnavailable, Err: err}
	}
	b.store.bucketMet.Store(true)
	b.conn, b.cancel, b.end, b.etag = answer.Body, cancel, end, aws.ToString(answer.ETag)
	return nil
}

func (b *s3Body) refused(err error) error {
	if b.etag != "" && isCode(err, "PreconditionFailed") {
		return &Error{Op: "get", Key: b.key, Kind: ErrChanged, Err: &scrubbed{err, b.store.scrub}}
	}
	return b.store.fail(b.ctx, "get", b.key, err)
}

// rangeEnd is where the answer's bytes end; an answer with other bytes than asked for is an error.
func (b *s3Body) rangeEnd(answer *s3.GetObjectOutput, ranged bool) (int64, error) {
	if answer.ContentLength == nil {
		return 0, errors.New("server does not tell the length")
	}
	if !ranged {
		return *answer.ContentLength, nil
	}
	var first, last int64
	text, _, _ := strings.Cut(aws.ToString(answer.ContentRange), "/")
	if _, err := fmt.Sscanf(text, "bytes %d-%d", &first, &last); err != nil || first != b.next || last-first+1 != *answer.ContentLength {
		return 0, fmt.Errorf("server answers with range %q of %d bytes when asked for the bytes from %d on",
			aws.ToString(answer.ContentRange), *answer.ContentLength, b.next)
	}
	if b.etag != "" && last+1 != b.end {
		return 0, fmt.Errorf("object ended at %d before, and ends at %d now", b.end, last+1)
	}
	return last + 1, nil
}

func (b *s3Body) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.readConn(p)
		b.next += int64(n)
		if n > 0 {
			b.broken = 0
		}
		switch {
		case err == nil:
			return n, nil
		case b.next >= b.end && errors.Is(err, io.EOF):
			b.err = io.EOF
		case b.ctx.Err() != nil:
			b.err = &Error{Op: "get", Key: b.key, Err: b.ctx.Err()}
		case b.next >= b.end: // all bytes came, and the SDK found their checksum wrong
			b.err = b.store.fail(b.ctx, "get", b.key, err)
		default:
			b.err = b.resume(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// readConn reads from the connection and breaks it off when no byte comes for the stall time.
func (b *s3Body) readConn(p []byte) (int, error) {
	watchdog := time.AfterFunc(b.store.stall, b.cancel)
	defer watchdog.Stop()
	return b.conn.Read(p)
}

// resume replaces a connection that broke because of cause. A request that failed after all of the SDK's attempts is not
// made again here: the caller's retry is next.
func (b *s3Body) resume(cause error) error {
	b.disconnect()
	switch {
	case b.etag == "" || b.broken == resumeAttempts:
		return &Error{Op: "get", Key: b.key, Kind: ErrUnavailable, Err: fmt.Errorf("cut at byte %d of %d: %w", b.next, b.end, &scrubbed{cause, b.store.scrub})}
	case b.broken > 0 && !sleep(b.ctx, resumeBackoff<<(b.broken-1)):
		return &Error{Op: "get", Key: b.key, Err: b.ctx.Err()}
	}
	b.broken++ // taken back by the first byte
	return b.connect()
}

func (b *s3Body) disconnect() {
	if b.conn != nil {
		b.cancel()
		b.conn.Close()
		b.conn = nil
	}
}

func (b *s3Body) Close() error {
	b.disconnect()
	if b.err == nil {
		b.err = errors.New("storage: read after Close")
	}
	return nil
}

// sleep tells whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
