package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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
	cluster := storagetest.StartHDFS(t)
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		return open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	})
}

func TestHDFSUserWithoutRightsIsDenied(t *testing.T) {
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	cluster.Chmod(t, dir, 0o700)
	storagetest.Denied(t, open(t, cluster.Config(dir, "alice")), open(t, cluster.Config(dir, "mallory")))
}

// hdfsOperations are all operations of a store that holds the object "there".
func hdfsOperations(ctx context.Context, s storage.Store) map[string]func() error {
	return map[string]func() error{
		"Put":           func() error { return storage.WriteAll(ctx, s, "put", []byte("x"), storage.Overwrite) },
		"Put over":      func() error { return storage.WriteAll(ctx, s, "there", []byte("x"), storage.Overwrite) },
		"Put IfAbsent":  func() error { return storage.WriteAll(ctx, s, "new", []byte("x"), storage.IfAbsent) },
		"Get":           func() error { _, err := storage.ReadAll(ctx, s, "there", 100); return err },
		"Get, absent":   func() error { _, err := s.Get(ctx, "nothing", 0, -1); return err },
		"Stat":          func() error { _, err := s.Stat(ctx, "there"); return err },
		"Stat, absent":  func() error { _, err := s.Stat(ctx, "nothing"); return err },
		"List":          func() error { _, err := listAll(ctx, s, ""); return err },
		"Copy":          func() error { return s.Copy(ctx, "there", "copy") },
		"Copy, onto it": func() error { return s.Copy(ctx, "there", "there") },
		"Delete":        func() error { return s.Delete(ctx, "there") },
	}
}

var hdfsWrites = []string{"Put", "Put over", "Put IfAbsent", "Copy", "Delete"}

func listAll(ctx context.Context, s storage.Store, prefix string) ([]string, error) {
	var keys []string
	for object, err := range s.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}

// refused checks that an error is of one kind and no other, and that its text holds words.
func refused(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	kinds := []error{storage.ErrNotFound, storage.ErrExists, storage.ErrChanged, storage.ErrDenied, storage.ErrNoBucket, storage.ErrThrottled,
		storage.ErrUnavailable, storage.ErrInvalid}
	for _, other := range kinds {
		if errors.Is(err, other) != (other == kind) {
			t.Errorf("got %v, want only %v", err, kind)
		}
	}
	for _, word := range words {
		if err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not say %q", err, word)
		}
	}
}

func TestHDFSRefusalsAreTold(t *testing.T) {
	cluster := storagetest.StartHDFS(t)
	tests := []struct {
		name       string
		arrange    func(t *testing.T, dir string)
		user       string
		operations []string // others are not looked at; none: all
		kind       error
		words      []string
	}{
		{"safe mode", func(t *testing.T, _ string) { cluster.SafeMode(t, true) }, "alice", hdfsWrites, storage.ErrUnavailable, []string{"safe mode", "-safemode leave"}},
		{"quota of names", func(t *testing.T, dir string) { cluster.SetQuota(t, dir, 2, 0) }, "alice", []string{"Put", "Put IfAbsent", "Copy"},
			storage.ErrDenied, []string{"quota", "-setQuota"}},
		{"quota of bytes", func(t *testing.T, dir string) { cluster.SetQuota(t, dir, 0, 1000) }, "alice", []string{"Put", "Put IfAbsent", "Copy"},
			storage.ErrDenied, []string{"quota", "-setSpaceQuota"}},
		{"reading is forbidden", func(t *testing.T, dir string) { cluster.Chmod(t, dir+"/there", 0o600) }, "bob", []string{"Get"},
			storage.ErrDenied, []string{`"bob"`, "access=READ", "-chmod"}},
		{"writing is forbidden", func(t *testing.T, dir string) { cluster.Chmod(t, dir, 0o555) }, "bob", hdfsWrites, storage.ErrDenied, []string{`"bob"`, "-chown"}},
		{"moving into place is forbidden", func(t *testing.T, dir string) {
			cluster.Mkdir(t, dir+"/.starkeep-tmp", 0o777)
			cluster.Chmod(t, dir+"/.starkeep-tmp", 0o777)
			cluster.Chmod(t, dir, 0o755)
		}, "bob", []string{"Put", "Put over", "Put IfAbsent", "Copy"}, storage.ErrDenied, []string{`"bob"`}},
		{"everything is forbidden", func(t *testing.T, dir string) { cluster.Chmod(t, dir, 0) }, "bob", nil, storage.ErrDenied, []string{`"bob"`}},
		{"directory is missing", func(t *testing.T, dir string) {
			if err := cluster.Client().RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, "alice", nil, storage.ErrNoBucket, []string{"hdfs dfs -mkdir -p /tests/"}},
		{"directory is a file", func(t *testing.T, dir string) {
			if err := errors.Join(cluster.Client().RemoveAll(dir), cluster.Client().CreateEmptyFile(dir)); err != nil {
				t.Fatal(err)
			}
		}, "alice", nil, storage.ErrNoBucket, []string{"is a file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := cluster.Dir(t, "alice")
			writeAs(t, cluster, "alice", dir+"/there", "there")
			test.arrange(t, dir)
			for name, operation := range hdfsOperations(t.Context(), open(t, cluster.Config(dir, test.user))) {
				if test.operations == nil || slices.Contains(test.operations, name) {
					t.Run(name, func(t *testing.T) { refused(t, operation(), test.kind, test.words...) })
				}
			}
		})
	}
}

func TestHDFSReadsInSafeMode(t *testing.T) {
	cluster := storagetest.StartHDFS(t)
	s := open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	write(t, s, "there", []byte("there"))
	cluster.SafeMode(t, true)
	for _, name := range []string{"Get", "Stat", "List"} {
		if err := hdfsOperations(t.Context(), s)[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHDFSThatIsNotThereIsTold(t *testing.T) {
	cluster := storagetest.StartHDFS(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	tests := []struct {
		name, address string
		words         []string
	}{
		{"nothing listens", "127.0.0.1:1", []string{"127.0.0.1:1", "connection refused", "RPC port"}},
		{"no such host", "namenode.invalid:8020", []string{"namenode.invalid"}},
		{"the port of a DataNode", dataNodeAddress(t, cluster), []string{"RPC port"}},
		{"a server that hangs", silent.Addr().String(), []string{"timeout", "RPC port"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, storage.Config{Location: "hdfs://" + test.address + "/dir", HDFS: storage.HDFS{User: "alice"}})
			storage.SetHDFSWait(s, time.Second)
			for name, operation := range hdfsOperations(t.Context(), s) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					refused(t, operation(), storage.ErrUnavailable, test.words...)
				})
			}
		})
	}
}

// dataNodeAddress is the data port of the cluster's DataNode.
func dataNodeAddress(t *testing.T, cluster storagetest.HDFS) string {
	t.Helper()
	addresses, err := storagetest.LiveDataNodes(cluster.Address)
	if err != nil || len(addresses) != 1 {
		t.Fatalf("DataNodes: %q, %v", addresses, err)
	}
	return addresses[0]
}

func TestHDFSThatHangsEndsWithTheContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	s := open(t, storage.Config{Location: "hdfs://" + silent.Addr().String() + "/dir", HDFS: storage.HDFS{User: "alice"}})
	for name := range hdfsOperations(t.Context(), s) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			want(t, hdfsOperations(ctx, s)[name](), context.DeadlineExceeded)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
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
	cluster := storagetest.StartHDFS(t)
	dir := cluster.Dir(t, "alice")
	for _, blocks := range []int{1, 2, 3, 5, 9} {
		for _, more := range []int{-1, 0, 1, 512} {
			content := []byte(strings.Repeat("0123456789abcdef", (blocks*4096+more)/16+1))[:blocks*4096+more]
			name := fmt.Sprintf("%s/%d-%d", dir, blocks, more)
			for writeBlocks(cluster.Client(), name, content, 4096) != nil { // no third block before the first is reported
				if err := cluster.Client().Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			reader, err := cluster.Client().Open(name)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := reader.Checksum()
			if err != nil || string(sum) != string(storage.HDFSDigest(content, 4096)) {
				t.Errorf("%d blocks and %d bytes: HDFS has %x, we %x, %v", blocks, more, sum, storage.HDFSDigest(content, 4096), err)
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
			return err
		}
	}
	for err = file.Close(); hdfs.IsErrReplicating(err); err = file.Close() {
	}
	return err
}
