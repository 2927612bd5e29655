package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// A writer that dies leaves one of these behind. Whatever it is, readers see a whole object or none, and the key can be
// written by the next one, or is.
func TestHDFSCommitSurvivesItsWriter(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	tests := []struct {
		name string
		left func(t *testing.T, s storage.Store) // what the dead writer did
		err  error                               // of the next one
		want string                              // what is there then
	}{
		{"nothing is left", func(*testing.T, storage.Store) {}, nil, "second"},
		{"died before its claim", func(t *testing.T, s storage.Store) { leave(t, cluster, s, "new-put-1") }, nil, "second"},
		{"died with its claim", func(t *testing.T, s storage.Store) { leave(t, cluster, s, "") }, storage.ErrExists, "first"},
		{"died with its claim, when the key was taken", func(t *testing.T, s storage.Store) {
			write(t, s, "a/key", []byte("older"))
			leave(t, cluster, s, "")
		}, storage.ErrExists, "older"},
		{"died with its claim, and the key was taken since", func(t *testing.T, s storage.Store) {
			leave(t, cluster, s, "")
			write(t, s, "a/key", []byte("newer"))
		}, storage.ErrExists, "newer"},
		{"died when it had published", func(t *testing.T, s storage.Store) {
			leave(t, cluster, s, "")
			if err := cluster.Client().MkdirAll(path.Dir(objectPath(s, "a/key")), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := cluster.Client().Rename(storage.HDFSClaim(s, "a/key")+"/put-1", objectPath(s, "a/key")); err != nil {
				t.Fatal(err)
			}
		}, storage.ErrExists, "first"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
			test.left(t, s)
			before, err := storage.ReadAll(t.Context(), s, "a/key", 100)
			if err != nil {
				want(t, err, storage.ErrNotFound)
			} else if string(before) != test.want {
				t.Errorf("readers saw %q", before)
			}
			err = storage.WriteAll(t.Context(), s, "a/key", []byte("second"), storage.IfAbsent)
			if test.err == nil && err != nil {
				t.Error(err)
			} else if test.err != nil {
				want(t, err, test.err)
			}
			if got, err := storage.ReadAll(t.Context(), s, "a/key", 100); err != nil || string(got) != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// leave makes what a writer of "first" leaves in a directory below .starkeep-tmp; "" is the claim of a/key.
func leave(t *testing.T, cluster storagetest.HDFS, s storage.Store, dir string) {
	t.Helper()
	claim := storage.HDFSClaim(s, "a/key")
	if dir = path.Dir(claim) + "/" + dir; strings.HasSuffix(dir, "/") {
		dir = claim
	}
	writeAs(t, cluster, "alice", dir+"/put-1", "first")
}

func writeAs(t *testing.T, cluster storagetest.HDFS, user, name, content string) {
	t.Helper()
	client := cluster.Client()
	for _, err := range []error{client.MkdirAll(path.Dir(name), 0o777), client.Chown(path.Dir(path.Dir(name)), user, ""), client.Chown(path.Dir(name), user, "")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := writeBlocks(client, name, []byte(content), 1<<20); err != nil {
		t.Fatal(err)
	}
	cluster.Chown(t, name, user)
}

// objectPath is where an object of a store lies.
func objectPath(s storage.Store, key string) string {
	return path.Dir(path.Dir(storage.HDFSClaim(s, key))) + "/" + key
}

// Each call of a Put loses its answer once: the n-th of all, for every n. The Put is carried out nevertheless, exactly
// once, and says so.
func TestHDFSPutSurvivesLostAnswers(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	proxy := storagetest.StartHDFSProxy(t, cluster)
	for _, mode := range []storage.Mode{storage.Overwrite, storage.IfAbsent} {
		s := lossy(t, proxy, cluster, cluster.Dir(t, "alice"))
		for n := 1; ; n++ {
			key, method := fmt.Sprintf("dir-%d/key", n), ""
			calls := 0
			proxy.Lose(func(m string) bool {
				calls++
				if calls == n {
					method = m
				}
				return calls == n
			})
			err := storage.WriteAll(t.Context(), s, key, []byte(key), mode)
			proxy.Lose(nil)
			if err != nil {
				t.Errorf("mode %d: answer %d, of %s, is lost: %v", mode, n, method, err)
			}
			if got, err := storage.ReadAll(t.Context(), s, key, 100); err != nil || string(got) != key {
				t.Errorf("mode %d: answer %d, of %s, is lost: got %q, %v", mode, n, method, got, err)
			}
			if method == "" {
				break // it makes fewer calls
			}
		}
		if left := tempFiles(t, cluster, s); len(left) > 3 { // what a create whose answer was lost made is not known
			t.Errorf("left behind: %q", left)
		}
	}
}

// lossy opens a store behind a proxy that loses answers; it asks again at once.
func lossy(t *testing.T, proxy *storagetest.HDFSProxy, cluster storagetest.HDFS, dir string) storage.Store {
	t.Helper()
	config := cluster.Config(dir, "alice")
	config.HDFS.NameNodes = []string{proxy.Address}
	s := open(t, config)
	storage.SetHDFSBackoff(s, time.Millisecond)
	return s
}

func tempFiles(t *testing.T, cluster storagetest.HDFS, s storage.Store) []string {
	t.Helper()
	entries, err := cluster.Client().ReadDir(path.Dir(storage.HDFSClaim(s, "")))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Between a writer's claim and his next step another writer comes and finishes what he began: he has won all the same.
func TestHDFSCommitFinishedByAnotherIsTheWriters(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	proxy := storagetest.StartHDFSProxy(t, cluster)
	dir := cluster.Dir(t, "alice")
	first, second := lossy(t, proxy, cluster, dir), open(t, cluster.Config(dir, "alice"))
	renames := 0
	proxy.Lose(func(method string) bool {
		if method == "rename2" {
			renames++
		}
		if method != "rename2" || renames > 1 {
			return false
		}
		for {
			if entries, _ := cluster.Client().ReadDir(storage.HDFSClaim(first, "key")); len(entries) > 0 {
				break
			}
		}
		refused(t, storage.WriteAll(t.Context(), second, "key", []byte("second"), storage.IfAbsent), storage.ErrExists)
		return false
	})
	defer proxy.Lose(nil)
	if err := storage.WriteAll(t.Context(), first, "key", []byte("first"), storage.IfAbsent); err != nil {
		t.Error(err)
	}
	if got, err := storage.ReadAll(t.Context(), second, "key", 100); err != nil || string(got) != "first" {
		t.Errorf("got %q, %v", got, err)
	}
}

// HDFS may end a file without an error and not have its bytes. The file is exchanged behind Put's back, before it has moved
// it into place.
func TestHDFSPutBelievesOnlyWhatItHasReadBack(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	proxy := storagetest.StartHDFSProxy(t, cluster)
	content := "written"
	for name, other := range map[string]string{"other bytes": "damaged", "fewer bytes": "writ", "no bytes": ""} {
		t.Run(name, func(t *testing.T) {
			dir := cluster.Dir(t, "alice")
			s := lossy(t, proxy, cluster, dir)
			for _, times := range []int{1, 1000} {
				closed, left := false, times
				proxy.Lose(func(method string) bool {
					if closed && left > 0 {
						left--
						for _, file := range tempFiles(t, cluster, s) {
							exchange(t, cluster, dir+"/.starkeep-tmp/"+file, other)
						}
					}
					closed = method == "complete"
					return false
				})
				key := fmt.Sprintf("exchanged %d times", times)
				err := storage.WriteAll(t.Context(), s, key, []byte(content), storage.Overwrite)
				proxy.Lose(nil)
				if times == 1 {
					if got, readErr := storage.ReadAll(t.Context(), s, key, 100); err != nil || readErr != nil || string(got) != content {
						t.Errorf("got %q, %v, %v", got, err, readErr)
					}
					continue
				}
				refused(t, err, storage.ErrUnavailable)
				_, err = s.Stat(t.Context(), key)
				want(t, err, storage.ErrNotFound)
			}
		})
	}
}

// Somebody removes each unfinished file while it is written: that the NameNode finds no such file says nothing about the key.
func TestHDFSPutWhoseFileIsRemovedMeanwhileIsUnavailable(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	proxy := storagetest.StartHDFSProxy(t, cluster)
	dir := cluster.Dir(t, "alice")
	s := lossy(t, proxy, cluster, dir)
	proxy.Lose(func(method string) bool {
		if method == "complete" {
			for _, file := range tempFiles(t, cluster, s) {
				_ = cluster.Client().Remove(dir + "/.starkeep-tmp/" + file)
			}
		}
		return false
	})
	err := storage.WriteAll(t.Context(), s, "key", []byte("content"), storage.Overwrite)
	proxy.Lose(nil)
	refused(t, err, storage.ErrUnavailable)
	_, err = s.Stat(t.Context(), "key")
	want(t, err, storage.ErrNotFound)
}

func exchange(t *testing.T, cluster storagetest.HDFS, name, content string) {
	t.Helper()
	if err := cluster.Client().Remove(name); err != nil {
		t.Error(err)
	}
	if err := writeBlocks(cluster.Client(), name, []byte(content), 1<<20); err != nil {
		t.Error(err)
	}
	cluster.Chown(t, name, "alice")
}

// Writers race for one key again and again while a tenth of the answers is lost. At most one is told that it won, its
// content is there, and a key that nobody won can still be written.
func TestHDFSCommitHasOneWinnerWhateverIsLost(t *testing.T) {
	t.Parallel()
	cluster := storagetest.StartHDFS(t)
	proxy := storagetest.StartHDFSProxy(t, cluster)
	dir := cluster.Dir(t, "alice")
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 30 {
		key := fmt.Sprintf("round/%d", round)
		proxy.Lose(func(string) bool { return random.IntN(10) == 0 })
		errs := make([]error, 6)
		var writers sync.WaitGroup
		for i := range errs {
			writers.Go(func() {
				s := lossy(t, proxy, cluster, dir)
				defer s.Close()
				errs[i] = storage.WriteAll(t.Context(), s, key, fmt.Appendf(nil, "writer %d", i), storage.IfAbsent)
			})
		}
		writers.Wait()
		proxy.Lose(nil)
		s := open(t, cluster.Config(dir, "alice"))
		content, readErr := storage.ReadAll(t.Context(), s, key, 100)
		winners := 0
		for i, err := range errs {
			switch {
			case err == nil:
				winners++
				if string(content) != fmt.Sprintf("writer %d", i) {
					t.Errorf("seed %d: writer %d won, and %q is there (%v)", seed, i, content, readErr)
				}
			case !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrUnavailable):
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		if winners > 1 {
			t.Errorf("seed %d, round %d: %d winners", seed, round, winners)
		}
		err := storage.WriteAll(t.Context(), s, key, []byte("late"), storage.IfAbsent)
		if readErr == nil || winners > 0 {
			want(t, err, storage.ErrExists)
		} else if err != nil {
			want(t, err, storage.ErrExists) // it finished what one of them had begun
		}
		if _, err := storage.ReadAll(t.Context(), s, key, 100); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		s.Close()
	}
}
