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
	"maps"
	"slices"
	"strings"
	"time"
)

// Object is what a listing tells of one stored object.
type Object struct {
	Key      string    // below the store's location, '/'-separated, never starting with '/'
	Size     int64     // bytes
	Modified time.Time // when it was last written, as the server tells
	// MD5 of the content, 32 lower-case hex digits, where the server tells one; else "". It costs nothing and is a hint,
	// no proof: some servers and encryptions put another value of the same shape in its place.
	MD5 string
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
// A key is 1 to 1,000 bytes of UTF-8 without NUL whose '/'-separated segments are none of "", "." and ".."; Put and the
// target of Copy refuse any other with ErrInvalid, and so do all methods of a provider that cannot hold such keys. Objects
// that somebody else stored under other keys are listed, read and deleted where the provider can. A provider MAY refuse,
// with ErrInvalid, keys that hold ':', segments of more than 255 bytes and a key below another object's ("a/b" beside an
// object "a").
//
// An implementation MUST be safe for concurrent use, MUST end promptly when the context does, with an error that
// matches the context's, and MUST return errors that match one of this package's sentinels by errors.Is whenever the
// server's answer allows it. Errors never hold a secret.
type Store interface {
	// Put stores size bytes of body under key. size MUST be the exact length; a body that is shorter or longer is an
	// error that matches ErrInvalid, and nothing is stored; so is a body whose Read fails, and that error is wrapped.
	// A reader MUST never see a part of the object. Memory is bounded by a few parts, whatever the size.
	//
	// After any other error of an Overwrite the object is either as before or the new one. With IfAbsent, a writer
	// whose request was carried out but whose answer was lost MUST still be told that it won, as long as the provider
	// can ask again within this call; ErrExists therefore means that another Put wrote the key. It may be an
	// earlier, interrupted Put of the caller's own: who writes a commit record compares what is there.
	Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error

	// Get reads length bytes from offset; length -1 reads to the end. A range that begins at or behind the end is
	// ErrInvalid, as are a negative offset and a length of 0 (an empty object is read with 0, -1); one that begins
	// inside and ends behind it is cut. All bytes are of one version of the object: where that cannot be kept up,
	// because it was replaced meanwhile, Read fails with ErrChanged. A connection that breaks in mid-read MUST be
	// resumed, or surface as an error from Read: never as a short body with io.EOF. The caller closes the reader;
	// it ends with ctx. ErrNotFound if there is no such object.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Stat tells size and time of one object. ErrNotFound if there is none.
	Stat(ctx context.Context, key string) (Object, error)

	// List yields every object whose key starts with prefix (any text, not only whole segments), in ascending byte
	// order of keys, page by page. An error is yielded once, as the last element. A prefix without objects yields
	// nothing.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Delete removes the keys. A key that is absent counts as removed. Where some could not be removed the error is a
	// *DeleteError naming each of them; all others are gone.
	Delete(ctx context.Context, keys ...string) error

	// Copy makes to a byte-identical copy of from, replacing what is there, without the bytes passing through this
	// process where the server can do that. A reader MUST never see a part of it. ErrNotFound if from is absent.
	Copy(ctx context.Context, from, to string) error

	// Close releases connections. The Store is not used afterwards.
	Close() error
}

// Errors a Store returns, wrapped with the operation, the key and the server's own words. Test them with errors.Is.
var (
	ErrNotFound    = errors.New("object not found")
	ErrHidden      = errors.New("the bucket keeps older versions of it") // comes with ErrNotFound: it was deleted, and takes its space still
	ErrExists      = errors.New("object exists already")
	ErrChanged     = errors.New("object was replaced while it was read")
	ErrDenied      = errors.New("access denied by the store") // missing right, wrong secret, unknown key, no credentials
	ErrNoBucket    = errors.New("bucket or directory of the location not found")
	ErrThrottled   = errors.New("store asks to slow down")
	ErrUnavailable = errors.New("store unavailable") // network, 5xx, time-outs, damage on the way: worth another try
	ErrInvalid     = errors.New("invalid key, range, body or location")
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
func (e *Error) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// DeleteError lists the keys that Delete could not remove, each with its reason.
type DeleteError struct {
	Failed map[string]error
}

// Keys tells the keys that remain, in ascending order.
func (e *DeleteError) Keys() []string { return slices.Sorted(maps.Keys(e.Failed)) }

func (e *DeleteError) Error() string {
	var first []string
	for _, key := range e.Keys()[:min(3, len(e.Failed))] {
		first = append(first, fmt.Sprintf("%q: %v", key, e.Failed[key]))
	}
	return fmt.Sprintf("delete: %d objects remain, e.g. %s", len(e.Failed), strings.Join(first, "; "))
}

// Unwrap lets errors.Is find the kinds of the single failures, in the order of their keys.
func (e *DeleteError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, key := range e.Keys() {
		errs = append(errs, e.Failed[key])
	}
	return errs
}
