package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tempDir holds files that are being written, directly below the location. It is never listed and no key begins with it.
const tempDir = ".starkeep-tmp"

// staleTemp is the age at which a temp file is taken for the rest of a killed process. A Put that runs longer than
// that between two writes would lose its file and fail.
const staleTemp = 24 * time.Hour

// placeAttempts bounds the race between a Put that makes a directory and Deletes that remove it because it is empty.
const placeAttempts = 100

// fileStore keeps objects as files below a directory: for tests, and for mirrors on NFS.
//
// Objects are regular files; symbolic links and other kinds are ignored. Put writes a temp file, syncs it, and moves it
// into place by rename (Overwrite) or link (IfAbsent; the file system must know hard links). The location's directory
// itself is never created: a mirror whose NFS is not mounted must not fill the local disk. Memory per Put and Get is
// one buffer of 64 KiB; List holds the names of one directory per level. A file system that hangs is not interrupted by
// the context.
type fileStore struct {
	root  string
	sweep sync.Once
}

func (s *fileStore) Close() error { return nil }

func (s *fileStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	if err := checkFileKey("put", key); err != nil {
		return err
	}
	if size < 0 {
		return invalid("put", key, "negative size")
	}
	exact := &exactReader{ctx: ctx, body: body, left: size}
	return s.write(ctx, "put", key, exact, mode)
}

func (s *fileStore) write(ctx context.Context, op, key string, body *exactReader, mode Mode) error {
	if err := ctx.Err(); err != nil {
		return &Error{Op: op, Key: key, Err: err}
	}
	temp, err := s.createTemp()
	if err != nil {
		return fileError(op, key, err)
	}
	defer os.Remove(temp.Name())
	defer temp.Close()

	buffer := make([]byte, 64<<10)
	if _, err := io.CopyBuffer(struct{ io.Writer }{temp}, body, buffer); err != nil {
		if body.err != nil || ctx.Err() != nil {
			return bodyError(op, key, err)
		}
		return fileError(op, key, err)
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return fileError(op, key, err)
	}
	if err := ctx.Err(); err != nil {
		return &Error{Op: op, Key: key, Err: err}
	}
	return fileError(op, key, s.place(temp.Name(), s.path(key), mode))
}

// createTemp makes an empty temp file; the first call of a process also removes stale ones.
func (s *fileStore) createTemp() (*os.File, error) {
	if _, err := os.Stat(s.root); err != nil {
		return nil, rootError(err)
	}
	dir := filepath.Join(s.root, tempDir)
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	s.sweep.Do(func() { removeStale(dir) })
	temp, err := os.CreateTemp(dir, "put-*")
	if err != nil {
		return nil, err
	}
	// CreateTemp's 0600 would keep a mirror's other readers out; what the umask takes away is the administrator's word.
	if err := temp.Chmod(0o644); err != nil {
		temp.Close()
		os.Remove(temp.Name())
		return nil, err
	}
	return temp, nil
}

func removeStale(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > staleTemp {
			os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// place moves a finished temp file to its name and makes that durable.
func (s *fileStore) place(temp, target string, mode Mode) error {
	var err error
	for range placeAttempts {
		if err = os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if mode == IfAbsent {
			err = linkNew(temp, target)
		} else {
			err = os.Rename(temp, target)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrExist) && isDir(target) {
		return fmt.Errorf("other objects' keys begin with this key and '/': %w", syscall.EISDIR)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

func isDir(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.IsDir()
}

// linkNew links temp to target, which must not exist. NFS may carry a link out, lose the answer and find the name taken
// when it asks again: then target is our own file.
func linkNew(temp, target string) error {
	err := os.Link(temp, target)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	mine, errMine := os.Lstat(temp)
	there, errThere := os.Lstat(target)
	if errMine == nil && errThere == nil && os.SameFile(mine, there) {
		return nil
	}
	return err
}

// syncDir makes names durable. A directory that is gone again was emptied by a Delete, which is durable enough.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: this file system does not sync directories
		return err
	}
	return nil
}

func (s *fileStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkFileKey("get", key); err != nil {
		return nil, err
	}
	if err := checkRange(key, offset, length); err != nil {
		return nil, err
	}
	file, info, err := s.open(ctx, "get", key)
	if err != nil {
		return nil, err
	}
	whole := offset == 0 && length == -1
	if offset >= info.Size() && !whole {
		file.Close()
		return nil, invalid("get", key, "range begins at %d, the object has %d bytes", offset, info.Size())
	}
	end := info.Size()
	if length >= 0 && length < end-offset {
		end = offset + length
	}
	return &fileBody{ctx: ctx, key: key, file: file, section: io.NewSectionReader(file, offset, end-offset)}, nil
}

// open opens an existing object.
func (s *fileStore) open(ctx context.Context, op, key string) (*os.File, fs.FileInfo, error) {
	if _, err := s.stat(ctx, op, key); err != nil {
		return nil, nil, err
	}
	file, err := os.Open(s.path(key))
	if err != nil {
		return nil, nil, fileError(op, key, err)
	}
	info, err := file.Stat() // of the file opened: it may be newer than the one looked at
	if err != nil {
		file.Close()
		return nil, nil, fileError(op, key, err)
	}
	return file, info, nil
}

// fileBody reads one version of an object: a Put replaces the name, not the file that is open here.
type fileBody struct {
	ctx     context.Context
	key     string
	file    *os.File
	section *io.SectionReader
}

func (b *fileBody) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, &Error{Op: "get", Key: b.key, Err: err}
	}
	n, err := b.section.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fileError("get", b.key, err)
	}
	if position, _ := b.section.Seek(0, io.SeekCurrent); err != nil && position < b.section.Size() {
		return n, fileError("get", b.key, fmt.Errorf("file was cut to %d bytes of this range: %w", position, io.ErrUnexpectedEOF))
	}
	return n, err
}

func (b *fileBody) Close() error { return b.file.Close() }

func (s *fileStore) Stat(ctx context.Context, key string) (Object, error) {
	if err := checkFileKey("stat", key); err != nil {
		return Object{}, err
	}
	info, err := s.stat(ctx, "stat", key)
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

func (s *fileStore) stat(ctx context.Context, op, key string) (fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: op, Key: key, Err: err}
	}
	info, err := os.Lstat(s.path(key))
	if err == nil && info.Mode().IsRegular() {
		return info, nil
	}
	if err == nil || isAbsent(err) {
		err = fs.ErrNotExist
	}
	if _, rootErr := os.Stat(s.root); rootErr != nil {
		err = rootError(rootErr)
	}
	return nil, fileError(op, key, err)
}

func (s *fileStore) Delete(ctx context.Context, keys ...string) error {
	if _, err := os.Stat(s.root); err != nil && len(keys) > 0 {
		return fileError("delete", keys[0], rootError(err))
	}
	failed := map[string]error{}
	for _, key := range keys {
		if err := s.deleteOne(ctx, key); err != nil {
			failed[key] = err
		}
	}
	if len(failed) > 0 {
		return &DeleteError{Failed: failed}
	}
	return nil
}

func (s *fileStore) deleteOne(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return &Error{Op: "delete", Key: key, Err: err}
	}
	if err := checkFileKey("delete", key); err != nil {
		return err
	}
	name := s.path(key)
	info, err := os.Lstat(name)
	if isAbsent(err) || (err == nil && !info.Mode().IsRegular()) {
		return nil
	}
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil && !isAbsent(err) {
		return fileError("delete", key, err)
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		if os.Remove(s.path(dir)) != nil { // not empty
			break
		}
	}
	return nil
}

func (s *fileStore) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(checkFileKey("copy", from), checkFileKey("copy", to)); err != nil {
		return err
	}
	file, info, err := s.open(ctx, "copy", from)
	if err != nil || from == to {
		return err
	}
	defer file.Close()
	return s.write(ctx, "copy", to, &exactReader{ctx: ctx, body: file, left: info.Size()}, Overwrite)
}

func (s *fileStore) path(key string) string {
	return filepath.Join(s.root, filepath.FromSlash(key))
}

func checkFileKey(op, key string) error {
	reason := badKey(key)
	if key == tempDir || strings.HasPrefix(key, tempDir+"/") {
		reason = "key is reserved for files being written"
	}
	return keyError(op, key, reason)
}

// checkRange refuses what no provider can read.
func checkRange(key string, offset, length int64) error {
	if offset < 0 || length == 0 || length < -1 {
		return invalid("get", key, "range from %d of %d bytes; length is at least 1, or -1 for all", offset, length)
	}
	return nil
}

// errRoot marks that the location's own directory is what is missing.
var errRoot = errors.New("the location's directory is missing or not readable")

func rootError(err error) error { return fmt.Errorf("%w: %w", errRoot, err) }

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// fileError classifies an error of the file system; nil stays nil.
func fileError(op, key string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Key: key, Kind: fileKind(err), Err: err}
}

func fileKind(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrDenied
	case errors.Is(err, errRoot):
		return ErrNoBucket
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTEMPTY):
		return ErrInvalid
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case errors.Is(err, syscall.ENOTDIR):
		return ErrInvalid // Put: a key below another object's
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	}
	return ErrUnavailable // disk full, I/O error, stale NFS handle
}
