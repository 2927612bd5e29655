package storage

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"sync"
	"time"
)

const (
	checkParallel = 16
	// checkBuffer is how much of an object is read at a time: it is hashed while it is still in the processor's cache.
	checkBuffer = 64 << 10
	// checkStep is the least time between two reports.
	checkStep = 100 * time.Millisecond
)

// CheckOptions says how Check reads.
type CheckOptions struct {
	// Parallel is how many objects are read at a time, 16 if 0.
	Parallel int

	// MD5 tells what an object's content must have, 32 lower-case hex digits.
	MD5 func(Object) string

	// Wrong is told of each object whose content is not what it should be. n is its place in the sequence, from 0. Calls
	// follow one another.
	Wrong func(n int64, o Object, found Content)

	// Progress is told now and then how far everything is, and at the end. Calls follow one another. nil: nobody asks.
	Progress func(CheckResult)
}

// Content is what an object turned out to hold.
type Content struct {
	Missing bool
	Size    int64 // bytes; of an object that is longer than expected, one more than expected
	MD5     string
}

// CheckResult counts what a Check did.
type CheckResult struct {
	Objects int64 // compared
	Wrong   int64 // of them
	Bytes   int64 // read so far, also of objects that are not finished
	// First is how many objects from the beginning of the sequence are through: the next Check can begin behind them.
	First int64
}

// Check reads objects and compares size and MD5 of their contents. An object that is wrong is read a second time before it is
// called so: the way may have damaged it. What is wrong is no error; an error ends it, what was compared till then is
// counted. Memory does not grow with the number or size of objects. No goroutine outlives the call.
func Check(ctx context.Context, s Store, objects iter.Seq2[Object, error], o CheckOptions) (CheckResult, error) {
	if o.Parallel <= 0 {
		o.Parallel = checkParallel
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	c := &check{store: s, o: o, cancel: cancel, through: map[int64]bool{}, hashes: newMD5Lanes()}
	defer c.hashes.close()
	places := make(chan struct{}, o.Parallel)
	var listing error
	var running sync.WaitGroup
	n := int64(0)
	for object, err := range objects {
		if err != nil {
			listing = err
			break
		}
		if !take(ctx, places) {
			break
		}
		number := n
		n++
		running.Go(func() {
			c.one(ctx, number, object)
			<-places
		})
	}
	running.Wait()
	c.report(true)
	switch {
	case outer.Err() != nil:
		return c.result, outer.Err()
	case ctx.Err() != nil:
		return c.result, context.Cause(ctx)
	}
	return c.result, listing
}

// check is one call of Check.
type check struct {
	store  Store
	o      CheckOptions
	cancel context.CancelCauseFunc
	hashes md5Lanes

	mu       sync.Mutex
	result   CheckResult
	through  map[int64]bool // behind First
	reported time.Time
}

func (c *check) one(ctx context.Context, n int64, object Object) {
	sum := c.o.MD5(object)
	found, err := c.read(ctx, object)
	if err == nil && (found.MD5 != sum || found.Size != object.Size) {
		found, err = c.read(ctx, object)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.cancel(err) // the first one counts
		return
	}
	c.result.Objects++
	if found.MD5 != sum || found.Size != object.Size {
		c.result.Wrong++
		c.o.Wrong(n, object, found)
	}
	c.through[n] = true
	for c.through[c.result.First] {
		delete(c.through, c.result.First)
		c.result.First++
	}
	c.report(false)
}

// report is called with mu held, or when nothing runs any more.
func (c *check) report(last bool) {
	if c.o.Progress == nil || !last && time.Since(c.reported) < checkStep {
		return
	}
	c.reported = time.Now()
	c.o.Progress(c.result)
}

func (c *check) count(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Bytes += n
	c.report(false)
}

func (c *check) read(ctx context.Context, object Object) (Content, error) {
	sum, end := c.hashes.hash(object.Size)
	defer end()
	return readContent(ctx, c.store, object, sum, c.count)
}

var checkBuffers = sync.Pool{New: func() any { return new([checkBuffer]byte) }}

// ReadContent reads an object and tells its size and MD5; one that is not there is Missing, and no error. size is what is
// expected: of an object that is longer it reads one byte more, and tells that size. count is told of bytes read, nil: nobody.
func ReadContent(ctx context.Context, s Store, key string, size int64, count func(int64)) (Content, error) {
	return readContent(ctx, s, Object{Key: key, Size: size}, md5.New(), count)
}

// readContent is ReadContent with a new hash.
func readContent(ctx context.Context, s Store, o Object, sum hash.Hash, count func(int64)) (Content, error) {
	body, err := openContent(ctx, s, o.Key, o.Size)
	if errors.Is(err, ErrNotFound) {
		return Content{Missing: true}, nil
	}
	if err != nil {
		return Content{}, err
	}
	defer body.Close()
	buffer := checkBuffers.Get().(*[checkBuffer]byte)
	defer checkBuffers.Put(buffer)
	told, found := int64(0), Content{}
	for err == nil {
		var n int
		n, err = body.Read(buffer[:])
		sum.Write(buffer[:n])
		found.Size += int64(n)
		if found.Size-told >= progressStep && count != nil {
			count(found.Size - told)
			told = found.Size
		}
	}
	if count != nil {
		count(found.Size - told)
	}
	if !errors.Is(err, io.EOF) {
		return Content{}, fmt.Errorf("read %q: %w", o.Key, err)
	}
	found.MD5 = hex.EncodeToString(sum.Sum(nil))
	return found, nil
}

// openContent asks for a range: S3 checks a whole object against the checksum it was stored with, which takes as long as the
// MD5 does and proves no more. The range is a byte longer than the object, so that a longer one is seen.
func openContent(ctx context.Context, s Store, key string, size int64) (io.ReadCloser, error) {
	if size <= 0 {
		return s.Get(ctx, key, 0, -1)
	}
	body, err := s.Get(ctx, key, 0, size+1)
	if errors.Is(err, ErrInvalid) { // an empty object has no range
		return s.Get(ctx, key, 0, -1)
	}
	return body, err
}
