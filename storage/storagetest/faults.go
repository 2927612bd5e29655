package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"starkeep/storage"
)

const (
	// hangs is after how long an operation without a deadline counts as one that never ends. It is far above what the
	// providers' own limits add up to with the patience of the tests, also where the machine is busy with much else.
	hangs = 5 * time.Minute

	// shortDeadline is that of operations whose server says nothing, and grace is how long after it they may end: the
	// machine is busy.
	shortDeadline = 300 * time.Millisecond
	grace         = 20 * time.Second

	pagedKeys = 1005 // more than any provider lists at once

	closedAddress = "127.0.0.1:1" // nobody listens there
)

// trouble bounds how many operations meet faults at the same time, of all providers. Most of them wait.
var trouble = make(chan struct{}, 96)

// Faulty is a provider that is to be used over a way with faults.
type Faulty struct {
	// Open makes a Store of a location below a name, which is the same for the same name, over the server's own address or
	// that of a proxy before it. The Store waits only so long for a silent server; 0 is as long as it does by itself. Its
	// sizes are such that an object of Large bytes is put in at least two parts.
	Open func(t *testing.T, location, address string, patience time.Duration) storage.Store

	// Seed stores empty objects, where that can be done faster than by Put; nil: it cannot.
	Seed func(t *testing.T, location string, keys []string)

	Address string // host:port of the server
	Content bool   // only the objects' content goes over the faulty way
	Large   int
	HTTP    bool   // the server speaks HTTP without TLS, and faults of HTTP can be made
	NoTCP   bool   // only these are
	Secret  string // must not show in any error; "": there is none
}

// Faults checks what every operation makes of every fault of the way to its server: it succeeds, and what is stored or read
// is right and whole; or it fails with the right kind of error, and what was there is as before or whole. And it ends: with
// its context's deadline, and without one by the provider's own limits. There is no such way to a file system.
func Faults(t *testing.T, provider Faulty) {
	toxiproxy := StartToxiproxy(t)
	provider.seedPages(t)
	var cells sync.WaitGroup
	var n atomic.Int64
	for _, f := range faults {
		for _, o := range operations {
			if !provider.meets(f, o) {
				continue
			}
			cells.Go(func() {
				trouble <- struct{}{}
				defer func() { <-trouble }()
				t.Run(f.name+"/"+o.name, func(t *testing.T) {
					cell := &cell{t: t, provider: provider, fault: f, operation: o, location: fmt.Sprint("cell", n.Add(1))}
					cell.run(toxiproxy)
				})
			})
		}
	}
	cells.Wait()
}

func (f Faulty) meets(fault fault, o operation) bool {
	switch {
	case fault.http != nil && !f.HTTP, fault.http == nil && f.NoTCP, f.Content && !o.content:
		return false
	}
	return fault.only == nil || fault.only(o)
}

// seedPages stores what the operation that lists expects.
func (f Faulty) seedPages(t *testing.T) {
	t.Helper()
	keys := make([]string, pagedKeys)
	for i := range keys {
		keys[i] = pageKey(i)
	}
	if f.Seed != nil {
		f.Seed(t, "pages", keys)
		return
	}
	s := f.Open(t, "pages", f.Address, 0)
	defer s.Close()
	var writers errgroup.Group
	writers.SetLimit(16)
	for _, key := range keys {
		writers.Go(func() error { return storage.WriteAll(t.Context(), s, key, nil, storage.Overwrite) })
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
}

func pageKey(i int) string { return fmt.Sprintf("d/%04d", i) }

// cell is one operation with one fault.
type cell struct {
	t         *testing.T
	provider  Faulty
	fault     fault
	operation operation
	location  string
	direct    storage.Store // without the fault
	faulty    storage.Store
}

func (c *cell) run(toxiproxy *Toxiproxy) {
	if c.operation.location != "" {
		c.location = c.operation.location
	}
	c.direct = c.provider.Open(c.t, c.location, c.provider.Address, 0)
	defer c.direct.Close()
	c.faulty = c.provider.Open(c.t, c.location, c.way(toxiproxy), c.fault.patience)
	defer c.faulty.Close()
	if c.operation.before != nil {
		c.operation.before(c)
	}
	err := c.call()
	if c.t.Failed() {
		return
	}
	c.checkError(err)
	c.operation.after(c, err)
}

// way is the address of a proxy that makes the fault.
func (c *cell) way(toxiproxy *Toxiproxy) string {
	switch {
	case c.fault.refused:
		return closedAddress
	case c.fault.http == nil:
		return toxiproxy.Before(c.t, c.provider.Address, c.fault.toxics...)
	}
	proxy := NewProxy(c.t, "http://"+c.provider.Address)
	proxy.Inject(c.fault.http())
	return strings.TrimPrefix(proxy.Endpoint, "http://")
}

// call runs the operation and checks that it ends in time.
func (c *cell) call() error {
	ctx, limit := c.t.Context(), hangs
	if c.fault.deadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, shortDeadline)
		defer cancel()
		limit = shortDeadline + grace
	}
	done := make(chan error, 1)
	go func() { done <- c.operation.call(ctx, c) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		c.t.Errorf("goes on after %v", limit)
		return nil
	}
}

var kinds = []error{
	storage.ErrNotFound, storage.ErrExists, storage.ErrChanged, storage.ErrDenied, storage.ErrNoBucket, storage.ErrThrottled, storage.ErrUnavailable,
	storage.ErrInvalid, context.DeadlineExceeded, context.Canceled,
}

// checkError compares the outcome with what is right for the fault.
func (c *cell) checkError(err error) {
	allowed := c.fault.allowed(c.operation)
	if err == nil {
		if !slices.Contains(allowed, nil) {
			c.t.Errorf("succeeds, want one of %v", allowed)
		}
		return
	}
	if c.provider.Secret != "" && strings.Contains(err.Error(), c.provider.Secret) {
		c.t.Error("the error shows a secret")
	}
	fits := false
	for _, kind := range kinds {
		switch {
		case !errors.Is(err, kind):
		case slices.Contains(allowed, kind):
			fits = true
		default:
			c.t.Errorf("is %v, want one of %v: %v", kind, allowed, err)
		}
	}
	if !fits {
		c.t.Errorf("want one of %v: %v", allowed, err)
	}
}

// has reads an object over the way without faults; nil if there is none.
func (c *cell) has(key string) []byte {
	data, err := storage.ReadAll(c.t.Context(), c.direct, key, 64*mib)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

func (c *cell) put(key string, data []byte) {
	if err := storage.WriteAll(c.t.Context(), c.direct, key, data, storage.Overwrite); err != nil {
		c.t.Fatal(err)
	}
}
