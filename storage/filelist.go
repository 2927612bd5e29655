package storage

import (
	"cmp"
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List walks only directories that can hold the prefix. Within a directory a subdirectory sorts by its name followed by
// '/', which makes the walk's order the byte order of keys ("a-b" < "a/b" < "a0").
func (s *fileStore) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if _, err := os.Stat(s.root); err != nil {
			yield(Object{}, fileError("list", prefix, rootError(err)))
			return
		}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if dir != "" && badKey(strings.TrimSuffix(dir, "/")) != "" {
			return // no object of this store has such a key
		}
		s.walk(ctx, dir, prefix, yield)
	}
}

// walk yields what is below dir ("" or ending in '/') and begins with prefix; false means stop.
func (s *fileStore) walk(ctx context.Context, dir, prefix string, yield func(Object, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(Object{}, &Error{Op: "list", Key: prefix, Err: err})
		return false
	}
	entries, err := readSorted(filepath.Join(s.root, filepath.FromSlash(dir)))
	if isAbsent(err) {
		return true // never there, or deleted since its parent was read
	}
	if err != nil {
		yield(Object{}, fileError("list", prefix, err))
		return false
	}
	for _, entry := range entries {
		key := dir + entry.Name()
		if key == tempDir {
			continue
		}
		if entry.IsDir() && overlaps(key+"/", prefix) && !s.walk(ctx, key+"/", prefix, yield) {
			return false
		}
		if entry.Type().IsRegular() && strings.HasPrefix(key, prefix) && !yieldFile(ctx, key, prefix, entry, yield) {
			return false
		}
	}
	return true
}

// overlaps tells whether a directory can hold keys that begin with prefix.
func overlaps(dir, prefix string) bool {
	return strings.HasPrefix(dir, prefix) || strings.HasPrefix(prefix, dir)
}

func yieldFile(ctx context.Context, key, prefix string, entry fs.DirEntry, yield func(Object, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(Object{}, &Error{Op: "list", Key: prefix, Err: err})
		return false
	}
	info, err := entry.Info()
	if isAbsent(err) {
		return true // deleted meanwhile
	}
	if err != nil {
		yield(Object{}, fileError("list", prefix, err))
		return false
	}
	return yield(Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil)
}

func readSorted(dir string) ([]fs.DirEntry, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entries, err := file.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortName(a), sortName(b)) })
	return entries, nil
}

func sortName(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}
