package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"starkeep/storage"
	"starkeep/workflows/spec"
)

// repositoryStore makes every error of a repository's store say which repository it is of, so that no activity has to.
type repositoryStore struct {
	storage.Store
	of *Repository
}

// storeError is an error of a repository's store.
type storeError struct {
	of  *Repository
	op  string // as storage.Error names operations
	err error
}

func (e *storeError) Error() string { return fmt.Sprintf("%s %s: %v", e.of.word(), e.of.Name, e.err) }

func (e *storeError) Unwrap() error { return e.err }

func (s *repositoryStore) named(op string, err error) error {
	if err == nil {
		return nil
	}
	return &storeError{s.of, op, err}
}

func (s *repositoryStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	return s.named("put", s.Store.Put(ctx, key, body, size, mode))
}

func (s *repositoryStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.Store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, s.named("get", err)
	}
	return &repositoryBody{body, s}, nil
}

func (s *repositoryStore) Stat(ctx context.Context, key string) (storage.Object, error) {
	o, err := s.Store.Stat(ctx, key)
	return o, s.named("stat", err)
}

func (s *repositoryStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) {
		for o, err := range s.Store.List(ctx, prefix) {
			if !yield(o, s.named("list", err)) {
				return
			}
		}
	}
}

func (s *repositoryStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range storage.Directories(ctx, s.Store, prefix) {
			if !yield(name, s.named("list", err)) {
				return
			}
		}
	}
}

func (s *repositoryStore) Delete(ctx context.Context, keys ...string) error {
	return s.named("delete", s.Store.Delete(ctx, keys...))
}

func (s *repositoryStore) Copy(ctx context.Context, from, to string) error {
	return s.named("copy", s.Store.Copy(ctx, from, to))
}

func (s *repositoryStore) CopyTold(ctx context.Context, from storage.Object, to string) (string, error) {
	sum, err := storage.CopyTold(ctx, s.Store, from, to)
	return sum, s.named("copy", err)
}

// repositoryBody is what Get reads.
type repositoryBody struct {
	io.ReadCloser
	from *repositoryStore
}

func (b *repositoryBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.from.named("get", err)
	}
	return n, err
}

// rightOf is what an operation is called among the rights of a check.
var rightOf = map[string]string{
	"list": spec.RightList, "get": spec.RightRead, "stat": spec.RightRead, "put": spec.RightWrite, "copy": spec.RightCopy, "delete": spec.RightDelete,
}

// hdfsNeeds is what HDFS asks for at an operation.
var hdfsNeeds = map[string]string{
	"list": "listing needs r and x on the directory", "get": "reading needs r on the file and x on its directories", "stat": "looking at a file needs x on its directories",
	"put": "writing needs w and x on the directory", "copy": "copying needs r on the file, w and x on the directory", "delete": "deleting needs w and x on the directory",
}

// storeAdvice says what helps against an error of a repository's store, unless the store has said so itself, and whom the
// store knows the worker as. The error of a copy between two repositories is that of the one that failed.
func storeAdvice(err error) string {
	var e *storeError
	for inner := err; errors.As(inner, &e); inner = e.err {
	}
	if e == nil {
		return ""
	}
	advice := ""
	if !storage.Advised(e.err) {
		advice = e.advice()
	}
	if !errors.Is(e.err, storage.ErrDenied) {
		return advice
	}
	if needs := hdfsNeeds[e.op]; needs != "" && e.of.place().kindOf() == KindHDFS {
		advice = joined(advice, needs)
	}
	if e.of.Credential != "" {
		advice = joined(advice, "the worker's credential there is the "+e.of.Credential)
	}
	return advice
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// advice names the permission, or the key of the profile, that mends it.
func (e *storeError) advice() string {
	said := e.err.Error()
	var inner *storage.Error
	if errors.As(e.err, &inner) && inner.Err != nil {
		said = inner.Err.Error()
	}
	t := troubleOf(said)
	switch {
	case errors.Is(e.err, storage.ErrDenied) && t != troubleCredentials && t != troubleRegion:
		t = troubleDenied
	case errors.Is(e.err, storage.ErrNoBucket):
		t = troubleBucket
	case errors.Is(e.err, storage.ErrUnavailable) && t != troubleUnreachable:
		return ""
	case errors.Is(e.err, storage.ErrNotFound):
		return ""
	}
	return e.of.place().fix(spec.SideWorker, rightOf[e.op], t)
}

// place is the repository on no cluster in particular.
func (r *Repository) place() Place {
	return Place{Repository: r.Name, Native: r.Native, Location: r.Location, Kind: r.Kind, Mirror: r.mirror}
}
