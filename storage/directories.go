package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// DirectoryLister is a Store that can tell directories without listing what is in them. All providers can; what wraps one
// should pass it on.
type DirectoryLister interface {
	// Directories yields the directories whose path begins with prefix, the outermost of them, without '/' at the end: for the
	// keys "a/b/1" and "a/bc/d/2" and the prefix "a/b" these are "a/b" and "a/bc". They come in no order, and one may hold no
	// object. An error is yielded once, as the last element.
	Directories(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// Directories yields directories as DirectoryLister does. A Store that is none has everything below prefix listed for it.
func Directories(ctx context.Context, s Store, prefix string) iter.Seq2[string, error] {
	if d, ok := s.(DirectoryLister); ok {
		return d.Directories(ctx, prefix)
	}
	return func(yield func(string, error) bool) {
		last := ""
		for o, err := range s.List(ctx, prefix) {
			if err != nil {
				yield("", err)
				return
			}
			name, deep := directoryOf(o.Key, prefix)
			if !deep || name == last {
				continue
			}
			if last = name; !yield(name, nil) {
				return
			}
		}
	}
}

// directoryOf is the first directory of a key that begins with prefix.
func directoryOf(key, prefix string) (string, bool) {
	i := strings.IndexByte(key[len(prefix):], '/')
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i], true
}

func (s *limitedStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return Directories(ctx, s.Store, prefix)
}

func (s *s3Store) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: s.name(prefix), Delimiter: aws.String("/")}
		for pages := s3.NewListObjectsV2Paginator(s.client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if isCode(err, "XMinioInvalidObjectName", "XMinioInvalidResourceName") {
				return // MinIO holds no such names, so there are none
			}
			if err != nil {
				yield("", s.fail(ctx, "list", prefix, err))
				return
			}
			s.bucketMet.Store(true)
			for _, found := range page.CommonPrefixes {
				if name := directoryName(aws.ToString(found.Prefix), s.prefix); name != "" && !yield(name, nil) {
					return
				}
			}
		}
	}
}

func (s *gcsStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for page, err := range s.pages(ctx, prefix, "/", "prefixes") {
			if err != nil {
				yield("", err)
				return
			}
			for _, found := range page.Prefixes {
				if name := directoryName(found, s.prefix); name != "" && !yield(name, nil) {
					return
				}
			}
		}
	}
}

// directoryName is a common prefix of a server below the location.
func directoryName(found, location string) string {
	return strings.TrimSuffix(strings.TrimPrefix(found, location), "/")
}

func (s *hdfsStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := s.directories(ctx, prefix)
		if err != nil {
			yield("", s.fail(ctx, "list", prefix, err))
			return
		}
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (s *hdfsStore) directories(ctx context.Context, prefix string) (names []string, err error) {
	if _, err := s.location(ctx); err != nil {
		return nil, err
	}
	dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if dir != "" && badHDFSKey(strings.TrimSuffix(dir, "/")) != "" {
		return nil, nil // no object of this store has such a key
	}
	conn, release, err := s.pool.take(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { release(err) }()
	reader, err := conn.client.Open(s.path(strings.TrimSuffix(dir, "/")))
	if err != nil || !reader.Stat().IsDir() {
		return nil, ignoreGone(err)
	}
	defer reader.Close()
	for more := true; more; {
		page, err := reader.Readdir(hdfsPage)
		more = len(page) == hdfsPage
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, ignoreGone(err)
		}
		for _, info := range page {
			names = appendDirectory(names, dir+info.Name(), prefix, info.IsDir())
		}
	}
	return names, nil
}

func (s *fileStore) Directories(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := s.directories(ctx, prefix)
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (s *fileStore) directories(ctx context.Context, prefix string) (names []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: "list", Key: prefix, Err: err}
	}
	if _, err := os.Stat(s.root); err != nil {
		return nil, fileError("list", prefix, rootError(err))
	}
	dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if dir != "" && badKey(strings.TrimSuffix(dir, "/")) != "" {
		return nil, nil // no object of this store has such a key
	}
	var entries []fs.DirEntry
	if entries, err = readSorted(filepath.Join(s.root, filepath.FromSlash(dir))); err != nil && !isAbsent(err) {
		return nil, fileError("list", prefix, err)
	}
	for _, entry := range entries {
		names = appendDirectory(names, dir+entry.Name(), prefix, entry.IsDir())
	}
	return names, nil
}

// appendDirectory adds what is a directory, begins with prefix and holds keys.
func appendDirectory(names []string, name, prefix string, isDir bool) []string {
	if !isDir || name == tempDir || !strings.HasPrefix(name, prefix) {
		return names
	}
	return append(names, name)
}
