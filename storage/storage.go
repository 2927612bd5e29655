// Package storage reads and writes the objects of a StarRocks repository, or of a mirror, wherever they live.
//
// The contract is the [Store] interface; each provider keeps it and runs the suite in storagetest. Behaviour such as
// limiting is added by wrapping a Store, never by an option of a provider. The package knows neither StarRocks nor
// Temporal.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Object is what a listing tells of one stored object.
type Object struct {
	Key      string    // below the store's location, '/'-separated, never starting with '/'
	Size     int64     // bytes
	Modified time.Time // when it was last written, as the server tells
}

// Mode says what Put does when the key exists.
type Mode int

const (
	// Overwrite replaces what is there.
	Overwrite Mode = iota
	// IfAbsent fails with ErrExists when the key exists. It is the commit primitive: of any number of concurrent
	// writers exactly one succeeds.
	IfAbsent
)

// A Store is one location (a bucket and prefix, a directory). Keys are relative to the location.
//
// An implementation MUST be safe for concurrent use, MUST end promptly when the context does, and MUST return errors
// that match one of this package's sentinels by errors.Is whenever the server's answer allows it.
type Store interface {
	// Put stores size bytes of body under key. size MUST be the exact length; a body that is shorter or longer is an
	// error, and nothing is stored. A reader MUST never see a part of the object. Memory is bounded by a few parts,
	// whatever the size.
	Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error

	// Get reads length bytes from offset; length -1 reads to the end. A range that begins at or behind the end is an
	// error; one that begins inside and ends behind it is cut. A connection that breaks in mid-read MUST be resumed,
	// or surface as an error from Read: never as a short body with io.EOF. The caller closes the reader.
	// ErrNotFound if there is no such object.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat tells size and time of one object. ErrNotFound if there is none.
	Stat(ctx context.Context, key string) (Object, error)

	// List yields every object whose key starts with prefix, in ascending byte order of keys, page by page. An error
	// is yielded once, as the last element. A prefix without objects yields nothing.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes the keys. A key that is absent counts as removed. Where some could not be removed the error is a
	// *DeleteError naming each of them; all others are gone.
	Delete(ctx context.Context, keys ...string) error

	// Copy makes to a byte-identical copy of from, replacing what is there, without the bytes passing through this
	// process where the server can do that. ErrNotFound if from is absent.
	Copy(ctx context.Context, from, to string) error

	// Close releases connections. The Store is not used afterwards.
	Close() error
}

// Errors a Store returns, wrapped with the operation, the key and the server's own words. Test them with errors.Is.
var (
	ErrNotFound    = errors.New("object not found")
	ErrExists      = errors.New("object exists already")
	ErrDenied      = errors.New("access denied by the store")
	ErrNoBucket    = errors.New("bucket or directory of the location not found")
	ErrThrottled   = errors.New("store asks to slow down")
	ErrUnavailable = errors.New("store unavailable") // network, 5xx, time-outs: worth another try
	ErrInvalid     = errors.New("invalid key or location")
)

// Error is how a Store reports a failed operation.
type Error struct {
	Op   string // "put", "get", "stat", "list", "delete", "copy"
	Key  string // key or prefix below the location
	Kind error  // one of this package's sentinels, or nil
	Err  error  // the server's or library's own error
}

func (e *Error) Error() string {
	if e.Kind == nil {
		return fmt.Sprintf("%s %q: %v", e.Op, e.Key, e.Err)
	}
	return fmt.Sprintf("%s %q: %v: %v", e.Op, e.Key, e.Kind, e.Err)
}

// Unwrap makes both the sentinel and the library's error visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// DeleteError lists the keys that Delete could not remove.
type DeleteError struct {
	Failed map[string]error
}

func (e *DeleteError) Error() string {
	var first []string
	for key, err := range e.Failed {
		if len(first) == 3 {
			break
		}
		first = append(first, fmt.Sprintf("%q: %v", key, err))
	}
	return fmt.Sprintf("delete: %d objects remain, e.g. %s", len(e.Failed), strings.Join(first, "; "))
}

// Unwrap lets errors.Is find the kinds of the single failures.
func (e *DeleteError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, err := range e.Failed {
		errs = append(errs, err)
	}
	return errs
}
