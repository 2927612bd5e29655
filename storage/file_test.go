package storage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"starkeep/storage"
)

func TestFileIgnoresWhatIsNoObject(t *testing.T) {
	dir := t.TempDir()
	s := open(t, storage.Config{Location: "file://" + dir})
	write(t, s, "object", []byte("data"))
	if err := os.Symlink("object", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty", "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".starkeep-tmp", "put-of-a-killed-process"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for object, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, object.Key)
	}
	if len(keys) != 1 || keys[0] != "object" {
		t.Errorf("listed %q", keys)
	}
	_, err := s.Stat(t.Context(), "link")
	want(t, err, storage.ErrNotFound)
	want(t, storage.WriteAll(t.Context(), s, ".starkeep-tmp/x", nil, storage.Overwrite), storage.ErrInvalid)
}

func TestFileRemovesTempFilesOfKilledProcesses(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, ".starkeep-tmp")
	if err := os.Mkdir(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"put-old": 25 * time.Hour, "put-new": time.Hour} {
		file := filepath.Join(temp, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, open(t, storage.Config{Location: "file://" + dir}), "object", nil)
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 1 || left[0].Name() != "put-new" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestFileNeverCreatesTheLocation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not-mounted")
	s := open(t, storage.Config{Location: "file://" + dir})
	want(t, storage.WriteAll(t.Context(), s, "object", nil, storage.Overwrite), storage.ErrNoBucket)
	_, err := s.Stat(t.Context(), "object")
	want(t, err, storage.ErrNoBucket)
	for _, err := range s.List(t.Context(), "") {
		want(t, err, storage.ErrNoBucket)
	}
	want(t, s.Delete(t.Context(), "object"), storage.ErrNoBucket)
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made")
	}
}

func TestFileDeleteLeavesNoEmptyDirectories(t *testing.T) {
	dir := t.TempDir()
	s := open(t, storage.Config{Location: "file://" + dir})
	write(t, s, "a/b/c", nil)
	write(t, s, "a/d", nil)
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "b")); err == nil {
		t.Error("a/b is left")
	}
	if _, err := os.Stat(filepath.Join(dir, "a", "d")); err != nil {
		t.Error(err)
	}
}

func TestFileErrorsAreTold(t *testing.T) {
	tests := map[error]error{
		syscall.EACCES: storage.ErrDenied, syscall.EPERM: storage.ErrDenied, syscall.EEXIST: storage.ErrExists, syscall.ENOENT: storage.ErrNotFound,
		syscall.ENAMETOOLONG: storage.ErrInvalid, syscall.ENOSPC: storage.ErrUnavailable, syscall.EIO: storage.ErrUnavailable, syscall.ESTALE: storage.ErrUnavailable,
		syscall.EROFS: storage.ErrDenied,
	}
	for err, kind := range tests {
		t.Run(err.Error(), func(t *testing.T) {
			if got := storage.FileKind(&fs.PathError{Op: "open", Path: "/x", Err: err}); got != kind {
				t.Errorf("got %v, want %v", got, kind)
			}
		})
	}
}
