package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
)

const resumeAttempts = 5 // connections in a row that brought no byte

// resumeBackoff is the pause before the second of them; it doubles. It is no constant for the tests' sake.
var resumeBackoff = 200 * time.Millisecond

// connector opens the connections of one Get. After the first it opens only ones to the same version of the object, and
// fails with ErrChanged where that is gone.
type connector interface {
	// connect asks for the bytes from one offset to another, which is -1 for the end of the object. Its error is finished.
	connect(ctx context.Context, from, end int64) (*connection, error)

	// explain finishes the error of a connection that broke.
	explain(ctx context.Context, err error) error
}

// connection is an answer with a body.
type connection struct {
	body io.ReadCloser
	end  int64   // offset behind the last byte that it brings
	crc  *uint32 // CRC-32C of the whole object, if all of it is asked for and the server tells; else nil
}

// resumed reads a range over as many connections as it takes.
type resumed struct {
	ctx    context.Context
	key    string
	from   connector
	next   int64  // offset of the next byte
	end    int64  // offset behind the last byte; -1: not known yet, read to the end
	broken int    // connections in a row that brought nothing
	sum    uint32 // CRC-32C of what was read, if want is set
	want   *uint32

	conn   io.ReadCloser
	cancel context.CancelFunc // ends conn
	err    error              // what every further Read returns
}

// newResumed opens the first connection.
func newResumed(ctx context.Context, key string, from connector, offset, length int64) (io.ReadCloser, error) {
	r := &resumed{ctx: ctx, key: key, from: from, next: offset, end: -1}
	if length > 0 {
		r.end = offset + length
	}
	first, err := r.connect()
	if err != nil {
		return nil, err
	}
	r.end, r.want = first.end, first.crc
	return r, nil
}

func (r *resumed) connect() (*connection, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	opened, err := r.from.connect(ctx, r.next, r.end)
	if err != nil {
		cancel()
		return nil, err
	}
	r.conn, r.cancel = opened.body, cancel
	return opened, nil
}

func (r *resumed) Read(p []byte) (int, error) {
	for r.err == nil {
		n, err := r.conn.Read(p)
		r.next += int64(n)
		if n > 0 {
			r.broken = 0
		}
		if r.want != nil {
			r.sum = crc32.Update(r.sum, castagnoli, p[:n])
		}
		switch {
		case err == nil:
			return n, nil
		case r.next >= r.end && errors.Is(err, io.EOF):
			r.err = r.atEnd()
		case r.ctx.Err() != nil:
			r.err = &Error{Op: "get", Key: r.key, Err: r.ctx.Err()}
		case r.next >= r.end: // all bytes came, and the library found their checksum wrong
			r.err = r.from.explain(r.ctx, err)
		default:
			r.err = r.resume(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

func (r *resumed) atEnd() error {
	if r.want != nil && r.sum != *r.want {
		return &Error{Op: "get", Key: r.key, Kind: ErrUnavailable, Err: fmt.Errorf("damaged on the way: CRC-32C %08x, want %08x", r.sum, *r.want)}
	}
	return io.EOF
}

// resume replaces a connection that broke because of cause. A request that failed after all of the client's attempts is
// not made again here: the caller's retry is next.
func (r *resumed) resume(cause error) error {
	r.disconnect()
	switch {
	case r.broken == resumeAttempts:
		return &Error{Op: "get", Key: r.key, Kind: ErrUnavailable, Err: fmt.Errorf("cut at byte %d of %d: %w", r.next, r.end, unkeyed(r.from.explain(r.ctx, cause)))}
	case r.broken > 0 && !sleep(r.ctx, resumeBackoff<<(r.broken-1)):
		return &Error{Op: "get", Key: r.key, Err: r.ctx.Err()}
	}
	r.broken++ // taken back by the first byte
	opened, err := r.connect()
	if err == nil && opened.end != r.end {
		err = &Error{Op: "get", Key: r.key, Kind: ErrUnavailable, Err: fmt.Errorf("object ended at %d before, and ends at %d now", r.end, opened.end)}
	}
	return err
}

// unkeyed is what an Error wraps: operation and key are told once.
func unkeyed(err error) error {
	var told *Error
	if errors.As(err, &told) {
		return told.Err
	}
	return err
}

func (r *resumed) disconnect() {
	if r.conn != nil {
		r.cancel()
		r.conn.Close()
		r.conn = nil
	}
}

func (r *resumed) Close() error {
	r.disconnect()
	if r.err == nil {
		r.err = errors.New("storage: read after Close")
	}
	return nil
}

// rangeHeader is "" for the whole object.
func rangeHeader(from, end int64) string {
	switch {
	case from == 0 && end < 0:
		return ""
	case end < 0:
		return fmt.Sprintf("bytes=%d-", from)
	}
	return fmt.Sprintf("bytes=%d-%d", from, end-1)
}

// answeredRange is where an answer's bytes end; an answer with other bytes than asked for is an error. length is -1 where
// the server does not tell it.
func answeredRange(length int64, contentRange string, ranged bool, from int64) (end int64, err error) {
	if length < 0 {
		return 0, errors.New("server does not tell the length")
	}
	if !ranged {
		return length, nil
	}
	var first, last int64
	text, _, _ := strings.Cut(contentRange, "/")
	if _, err := fmt.Sscanf(text, "bytes %d-%d", &first, &last); err != nil || first != from || last-first+1 != length {
		return 0, fmt.Errorf("server answers with range %q of %d bytes when asked for the bytes from %d on", contentRange, length, from)
	}
	return last + 1, nil
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
