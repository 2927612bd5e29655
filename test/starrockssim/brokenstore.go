package starrockssim

import (
	"context"
	"io"
	"iter"

	"starkeep/storage"
)

// BreakStore cuts backend i (from 0) off from all stores: each of its UPLOAD and DOWNLOAD tasks fails with err's text,
// as an IO error, until BreakStore(i, nil). The FEs and the other backends go on.
func (c *Cluster) BreakStore(i int, err error) {
	c.change1(func() { c.backends[i].storeErr = err })
}

// storeOf is a repository's store as the backend reaches it now.
func (be *backend) storeOf(r *repository) storage.Store {
	be.c.mu.Lock()
	defer be.c.mu.Unlock()
	if be.storeErr != nil {
		return brokenStore{be.storeErr}
	}
	return r.store
}

// brokenStore fails in everything.
type brokenStore struct{ err error }

func (b brokenStore) Put(context.Context, string, io.Reader, int64, storage.Mode) error { return b.err }

func (b brokenStore) Get(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, b.err
}

func (b brokenStore) Stat(context.Context, string) (storage.Object, error) {
	return storage.Object{}, b.err
}

func (b brokenStore) List(context.Context, string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) { yield(storage.Object{}, b.err) }
}

func (b brokenStore) Delete(context.Context, ...string) error { return b.err }

func (b brokenStore) Copy(context.Context, string, string) error { return b.err }

func (b brokenStore) Close() error { return nil }
