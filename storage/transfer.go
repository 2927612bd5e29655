package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	transferParallel = 16
	transferErrors   = 100 // failures that are kept by key, and that end a transfer if no object succeeds between them

	progressStep = mib // bytes of one object between two reports
)

// headroom is memory that is never touched, and so takes none. It counts as held, which makes the garbage collector wait for as
// much garbage: a process that copies holds little and drops much, and would collect every few MiB.
var headroom = sync.OnceValue(func() []byte { return make([]byte, 128*mib) })

// ErrChecksum says that an object's content is not what it should be, also when it was read a second time.
var ErrChecksum = errors.New("content has another MD5 than expected")

// TransferOptions says how Transfer copies. The zero value copies everything under its own key.
type TransferOptions struct {
	// Parallel is how many objects are copied at a time, 16 if 0.
	Parallel int

	// MD5 tells what an object's content must have, 32 lower-case hex digits; "" is not known. nil: of no object.
	MD5 func(Object) string

	// Target is the key that an object gets. nil: its own.
	Target func(key string) string

	// Present tells what the target is known to hold under a target key, as from a listing. Such an object is left out if
	// size and MD5 are right; it is read back where the listing does not tell its MD5. nil: nothing is there.
	Present func(target string) (Object, bool)

	// Progress is told after each object, and each MiB read of one, how far everything is. Calls follow one another and
	// hold the transfer up. nil: nobody asks.
	Progress func(TransferResult)
}

// TransferResult counts what a transfer did.
type TransferResult struct {
	Copied  int64 // objects that are at the target now and were not known to be there before
	Present int64 // objects that were left out because they were there already
	Failed  int64 // objects that are not there as they should be
	Bytes   int64 // size of the copied and the present ones
	Read    int64 // bytes of bodies read so far, also of objects that are not finished or failed
}

// TransferError lists objects that could not be copied.
type TransferError struct {
	Failed map[string]error // by their keys at the source; the first hundred
	More   int64            // how many others
}

// Keys tells the keys of Failed in ascending order.
func (e *TransferError) Keys() []string { return slices.Sorted(maps.Keys(e.Failed)) }

func (e *TransferError) Error() string {
	var first []string
	for _, key := range e.Keys()[:min(3, len(e.Failed))] {
		first = append(first, fmt.Sprintf("%q: %v", key, e.Failed[key]))
	}
	return fmt.Sprintf("transfer: %d objects not copied, e.g. %s", int64(len(e.Failed))+e.More, strings.Join(first, "; "))
}

// Unwrap lets errors.Is find the kinds of the single failures, in the order of their keys.
func (e *TransferError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, key := range e.Keys() {
		errs = append(errs, e.Failed[key])
	}
	return errs
}

// Transfer copies objects from one Store to another. The bytes stream through this process, and the MD5 of each object
// is computed on the way: an object that is wrong, shorter or longer than its Object says never appears at the target. Where
// from and to are the same value, the store copies by itself; an object whose MD5 the store does not tell afterwards is
// read back, and removed if it is wrong. So does a server that holds both, with the credentials of to, for objects of known
// MD5; what it does not copy streams, and after a refusal all the rest does.
//
// An object that fails does not stop the others: the error is then a *TransferError, joined with the listing's if that
// broke off. A hundred failures in a row end the transfer, and so does ctx, with an error that matches the context's.
// No goroutine outlives the call. What was copied stays; Present lets the next attempt leave it out.
//
// An object that comes twice is copied twice. Memory does not grow with the number or size of objects: of bodies it is at
// most Parallel × 16 MiB where the target is S3 (more for objects above 78 GiB), 32 MiB for GCS, 4 MiB for HDFS and
// 64 KiB for a directory, besides what connections buffer and 128 MiB of garbage.
func Transfer(ctx context.Context, from, to Store, objects iter.Seq2[Object, error], o TransferOptions) (TransferResult, error) {
	if o.Parallel <= 0 {
		o.Parallel = transferParallel
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &transfer{from: from, to: to, o: o, cancel: cancel, failed: map[string]error{}, hashes: newMD5Lanes(), server: neighbourOf(from, to)}
	defer t.hashes.close()
	headroom()
	places := make(chan struct{}, o.Parallel)
	var listing error
	var running sync.WaitGroup
	for object, err := range objects {
		if err != nil {
			listing = err
			break
		}
		if !take(ctx, places) {
			break
		}
		running.Go(func() {
			t.one(ctx, object)
			<-places
		})
	}
	running.Wait()
	return t.result, errors.Join(t.ended(ctx), listing, t.failure())
}

// take waits for a place.
func take(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// transfer is one call of Transfer.
type transfer struct {
	from, to Store
	o        TransferOptions
	cancel   context.CancelCauseFunc
	hashes   md5Lanes
	server   neighbour   // copies by itself; nil: it cannot
	refused  atomic.Bool // the server would not

	mu     sync.Mutex
	result TransferResult
	failed map[string]error
	inARow int // failures since an object succeeded
}

// one copies an object and counts it.
func (t *transfer) one(ctx context.Context, object Object) {
	present, err := t.move(ctx, object)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil:
		return // broken off
	case err != nil:
		t.fail(object.Key, err)
	case present:
		t.result.Present++
	default:
		t.result.Copied++
	}
	if err == nil {
		t.inARow = 0
		t.result.Bytes += object.Size
	}
	t.report()
}

func (t *transfer) fail(key string, err error) {
	t.result.Failed++
	if len(t.failed) < transferErrors {
		t.failed[key] = err
	}
	if t.inARow++; t.inARow == transferErrors {
		t.cancel(fmt.Errorf("transfer given up after %d failures in a row", transferErrors))
	}
}

// report is called with mu held.
func (t *transfer) report() {
	if t.o.Progress != nil {
		t.o.Progress(t.result)
	}
}

// count adds bytes of bodies.
func (t *transfer) count(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Read += n
	t.report()
}

// ended is nil, or why the transfer was broken off.
func (t *transfer) ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("transfer: %w", context.Cause(ctx))
}

// failure is nil, or tells which objects failed.
func (t *transfer) failure() error {
	if t.result.Failed == 0 {
		return nil
	}
	return &TransferError{Failed: t.failed, More: t.result.Failed - int64(len(t.failed))}
}
