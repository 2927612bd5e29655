package starrockssim_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"

	"starkeep/storage"
)

// limitedStore is a store as the users of the recordings saw it: rouser may not write, cnodel may not delete, cnolist may
// not list. nobody, and a wrong secret, may nothing; of buckets there were two.
type limitedStore struct {
	storage.Store
	location, access, secret string
}

func (s *limitedStore) denied(op, who string) error {
	bucket, _, _ := strings.Cut(strings.SplitN(s.location, "://", 2)[1], "/")
	switch {
	case strings.HasPrefix(s.location, "file://"):
		return nil
	case s.access == "nobody", s.access == "test" && s.secret != "testsecret":
		return &storage.Error{Op: op, Kind: storage.ErrDenied, Err: errors.New("Forbidden")}
	case s.access == who:
		return &storage.Error{Op: op, Kind: storage.ErrDenied, Err: errors.New("AccessDenied")}
	case bucket != "sr-backup" && bucket != "cpol":
		return &storage.Error{Op: op, Kind: storage.ErrNoBucket, Err: errors.New("NoSuchBucket")}
	}
	return nil
}

func (s *limitedStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	if err := s.denied("list", "cnolist"); err != nil {
		return func(yield func(storage.Object, error) bool) { yield(storage.Object{}, err) }
	}
	return s.Store.List(ctx, prefix)
}

func (s *limitedStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	if err := s.denied("put", "rouser"); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body, size, mode)
}

func (s *limitedStore) Delete(ctx context.Context, keys ...string) error {
	if err := s.denied("delete", "cnodel"); err != nil && !strings.Contains(s.location, "/ndp") { // there, of *.part alone
		return err
	}
	return s.Store.Delete(ctx, keys...)
}
