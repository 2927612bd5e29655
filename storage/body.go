package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// ReadAll reads one small object. One that is larger than max bytes is an error that matches ErrInvalid.
func ReadAll(ctx context.Context, s Store, key string, max int64) ([]byte, error) {
	body, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > max {
		return nil, invalid("get", key, "object is larger than the %d bytes expected at most", max)
	}
	return data, nil
}

// WriteAll stores one small object.
func WriteAll(ctx context.Context, s Store, key string, data []byte, mode Mode) error {
	return s.Put(ctx, key, bytes.NewReader(data), int64(len(data)), mode)
}

// invalid is an error of ours, before a server was asked.
func invalid(op, key, format string, args ...any) error {
	return &Error{Op: op, Key: key, Kind: ErrInvalid, Err: fmt.Errorf(format, args...)}
}

// exactReader yields exactly left bytes of body and then io.EOF; a body that ends before, or goes on, is ErrInvalid. It
// ends with ctx.
type exactReader struct {
	ctx  context.Context
	body io.Reader
	left int64
	err  error // what every further Read returns
}

func (r *exactReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		r.err = r.atEnd()
		return 0, r.err
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == nil || (errors.Is(err, io.EOF) && r.left == 0) {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: body ends %d bytes early", ErrInvalid, r.left)
	}
	r.err = err
	return n, err
}

// atEnd looks for a byte too many.
func (r *exactReader) atEnd() error {
	var one [1]byte
	for {
		n, err := r.body.Read(one[:])
		switch {
		case n > 0:
			return fmt.Errorf("%w: body is longer than the size given", ErrInvalid)
		case errors.Is(err, io.EOF):
			return io.EOF
		case err != nil:
			return err
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		}
	}
}

// bodyError reports a body that could not be read. Its own error keeps its kind: a Get of another store may be behind it.
func bodyError(op, key string, err error) error {
	return &Error{Op: op, Key: key, Err: fmt.Errorf("read body: %w", err)}
}
