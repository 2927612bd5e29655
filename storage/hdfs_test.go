package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"github.com/google/go-cmp/cmp"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestHDFSKeepsTheContract(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		return open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	})
}

func TestHDFSUserWithoutRightsIsDenied(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	cluster.Chmod(t, dir, 0o700)
	storagetest.Denied(t, open(t, cluster.Config(dir, "alice")), open(t, cluster.Config(dir, "mallory")))
}

func TestHDFSLocationsAreChecked(t *testing.T) {
	tests := []struct {
		location string
		settings storage.HDFS
		ok       bool
		words    string
	}{
		{"hdfs://namenode:9000/dir", storage.HDFS{}, true, ""},
		{"hdfs://namenode/dir", storage.HDFS{}, true, ""},
		{"hdfs://namenode", storage.HDFS{}, true, ""},
		{"hdfs://[::1]:8020/dir", storage.HDFS{}, true, ""},
		{"hdfs://service/dir", storage.HDFS{NameNodes: []string{"a:8020", "b"}}, true, ""},
		{"hdfs://", storage.HDFS{}, false, "NameNode"},
		{"hdfs:///dir", storage.HDFS{}, false, "NameNode"},
		{"hdfs://alice@namenode/dir", storage.HDFS{}, false, "NameNode"},
		{"hdfs://namenode:/dir", storage.HDFS{}, false, "host:port"},
		{"hdfs://namenode:8020/dir/", storage.HDFS{}, false, "ends in '/'"},
		{"hdfs://namenode:8020/a//b", storage.HDFS{}, false, "empty segment"},
		{"hdfs://namenode:8020/a/../b", storage.HDFS{}, false, `".."`},
		{"hdfs://namenode:8020/a:b", storage.HDFS{}, false, "':'"},
		{"hdfs://service/dir", storage.HDFS{NameNodes: []string{"a:8020", ""}}, false, "host:port"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.location, test.settings.NameNodes), func(t *testing.T) {
			s, err := storage.Open(t.Context(), storage.Config{Location: test.location, HDFS: test.settings})
			if test.ok && err == nil {
				s.Close()
				return
			}
			if test.ok {
				t.Fatal(err)
			}
			refused(t, err, storage.ErrInvalid, test.words)
		})
	}
}

func TestHDFSMakesNothingButItsOwn(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	cluster.Chmod(t, dir, 0o770)
	s := open(t, cluster.Config(dir, "alice"))
	write(t, s, "a/b/c", nil)
	write(t, s, "a/d", []byte("d"))
	for name, mode := range map[string]os.FileMode{"a": 0o770, "a/b": 0o770, ".starkeep-tmp": 0o770, "a/d": 0o640, "a/b/c": 0o640} {
		info, err := cluster.Client().Stat(dir + "/" + name)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
		}
	}
	if err := s.Delete(t.Context(), "a/b/c"); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client().Stat(dir + "/a/b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty directory is left: %v", err)
	}
	if err := s.Delete(t.Context(), "a/d"); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client().Stat(dir); err != nil {
		t.Errorf("the location: %v", err)
	}
	if left := tempFiles(t, cluster, s); len(left) > 0 {
		t.Errorf("left in .starkeep-tmp: %q", left)
	}
}

func TestHDFSRemovesWhatKilledProcessesLeft(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	temp := dir + "/.starkeep-tmp"
	for name, age := range map[string]time.Duration{"put-old": 25 * time.Hour, "put-new": time.Hour, "claim-1/put-old": 25 * time.Hour, "claim-2/put-new": time.Hour} {
		writeAs(t, cluster, "alice", temp+"/"+name, "x")
		for _, file := range []string{temp + "/" + name, temp + "/" + strings.Split(name, "/")[0]} {
			old := time.Now().Add(-age)
			if err := cluster.Client().Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A directory looks as old as its oldest use, whatever was moved into it since.
	if err := cluster.Client().Chtimes(temp+"/claim-2", time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	s := open(t, cluster.Config(dir, "alice"))
	write(t, s, "object", nil)
	if diff := cmp.Diff([]string{"claim-2", "put-new"}, tempFiles(t, cluster, s)); diff != "" {
		t.Error(diff)
	}
	if keys, err := listAll(t.Context(), s, ""); err != nil || !slices.Equal(keys, []string{"object"}) {
		t.Errorf("listed %q, %v", keys, err)
	}
}

// HDFS sorts names by signed bytes and gives a directory where its name sorts. The contract's listing is by keys.
func TestHDFSListsInTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	s := open(t, cluster.Config(dir, "alice"))
	var keys []string
	for _, name := range []string{"a", "a-", "a--", "a-/x", "a-0", "a/", "a.", "a0", "aä", "aä-", "aä/x", "b", "ä", "ä-", "ä/x", "ä/ä", "äa", "z", "~", "!", "日", "é"} {
		keys = append(keys, "1/"+strings.TrimSuffix(name, "/"))
	}
	keys = append(keys, "2/a/x", "2/a-/x", "2/a--/x", "2/a-b", "2/a0", "2/aä", "2/aä/x", "2/a/ä", "2/ä")
	stored := keys[:0]
	for _, key := range keys {
		if err := storage.WriteAll(t.Context(), s, key, nil, storage.Overwrite); err == nil {
			stored = append(stored, key) // others are below an object, or have some below
		}
	}
	slices.Sort(stored)
	stored = slices.Compact(stored)
	got, err := listAll(t.Context(), s, "")
	if err != nil || len(got) < 20 {
		t.Fatalf("listed %q, %v", got, err)
	}
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Error(diff)
	}
}

// The library asks for a file's length first and for its blocks later.
func TestHDFSReadOfAReplacedFileNeverMixes(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	s := open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	stop := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			content := strings.Repeat(string(rune('a'+i%26)), 1000*(1+i%26))
			if err := storage.WriteAll(context.WithoutCancel(t.Context()), s, "key", []byte(content), storage.Overwrite); err != nil {
				done <- err
				return
			}
		}
	}()
	for read := 0; read < 50; {
		body, err := s.Get(t.Context(), "key", 0, -1)
		if errors.Is(err, storage.ErrNotFound) && read == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		body.Close()
		read++
		if err != nil {
			want(t, err, storage.ErrChanged)
			continue
		}
		if letter := int(data[0] - 'a'); len(data) != 1000*(1+letter) || strings.Trim(string(data), string(data[:1])) != "" {
			t.Fatalf("%d bytes of %q", len(data), data[:1])
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// HDFS's digest of a file has a form of its own for each number of blocks.
func TestHDFSDigestsAreTheDataNodes(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	const blockSize = 64 << 10
	for _, blocks := range []int{1, 2, 3, 5, 9} {
		for _, more := range []int{-1, 0, 1, 512} {
			content := []byte(strings.Repeat("0123456789abcdef", (blocks*blockSize+more)/16+1))[:blocks*blockSize+more]
			name := fmt.Sprintf("%s/%d-%d", dir, blocks, more)
			err := writeBlocks(cluster.Client(), name, content, blockSize)
			for range 20 { // there is no third block before the first is reported
				if err == nil {
					break
				}
				_ = cluster.Client().Remove(name)
				err = writeBlocks(cluster.Client(), name, content, blockSize)
			}
			if err != nil {
				t.Fatal(err)
			}
			reader, err := cluster.Client().Open(name)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := reader.Checksum()
			if err != nil || string(sum) != string(storage.HDFSDigest(content, blockSize)) {
				t.Errorf("%d blocks and %d bytes: HDFS has %x, we %x, %v", blocks, more, sum, storage.HDFSDigest(content, blockSize), err)
			}
			reader.Close()
		}
	}
}

// writeBlocks writes a file with blocks of a size.
func writeBlocks(client *hdfs.Client, name string, content []byte, blockSize int64) error {
	file, err := client.CreateFile(name, 1, blockSize, 0o644) // one replica
	if err != nil {
		return err
	}
	if len(content) > 0 { // the library would begin a block that never ends
		if _, err := file.Write(content); err != nil {
			_ = file.Close() // a DataNode takes only so many connections
			return err
		}
	}
	deadline := time.Now().Add(time.Minute)
	for err = file.Close(); hdfs.IsErrReplicating(err) && time.Now().Before(deadline); err = file.Close() {
	}
	return err
}
