package storage_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

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

// together carries out all operations at the same time: each waits for a server that does not answer.
func together(operations map[string]func() error) map[string]error {
	var mu sync.Mutex
	var running sync.WaitGroup
	errs := map[string]error{}
	for name, operation := range operations {
		running.Go(func() {
			err := operation()
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	running.Wait()
	return errs
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
	t.Parallel()
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
			s := open(t, storage.Config{Location: "hdfs://" + test.address + "/dir", HDFS: storage.HDFS{User: "alice"}})
			storage.SetHDFSWait(s, time.Second)
			storage.SetHDFSBackoff(s, time.Millisecond)
			for name, err := range together(hdfsOperations(t.Context(), s)) {
				t.Run(name, func(t *testing.T) { refused(t, err, storage.ErrUnavailable, test.words...) })
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
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	s := open(t, storage.Config{Location: "hdfs://" + silent.Addr().String() + "/dir", HDFS: storage.HDFS{User: "alice"}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	for name, err := range together(hdfsOperations(ctx, s)) {
		t.Run(name, func(t *testing.T) { want(t, err, context.DeadlineExceeded) })
	}
	if took := time.Since(began); took > 15*time.Second { // a NameNode is waited for for 30
		t.Errorf("took %v", took)
	}
}
