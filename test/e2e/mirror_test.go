package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

const mirrorName = "dr-mirror"

// mirrorAt is a mirror in a directory, and its store.
func mirrorAt(t *testing.T, dir string) (testbed.Repository, storage.Store) {
	t.Helper()
	at := storage.Config{Location: "file://" + filepath.ToSlash(dir)}
	store, err := storage.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return testbed.Repository{Name: mirrorName, YAML: "location: " + at.Location, Store: at}, store
}

// holdsPoint tells whether a store has a point's manifest.
func holdsPoint(t *testing.T, store storage.Store, point string) bool {
	t.Helper()
	_, err := store.Stat(t.Context(), restorepoint.ManifestKey(testbed.ClusterName, point))
	return err == nil
}

// copyEnded waits until no copy runs.
func copyEnded(t *testing.T, b *testbed.Bed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_ = b.Client.GetWorkflow(ctx, spec.CopyID(testbed.ClusterName, testbed.RepositoryName, mirrorName), "").Get(ctx, nil)
	if ctx.Err() != nil {
		t.Fatal("the copy does not end")
	}
}

// A backup's mirror has the whole point, and another cluster with another repository is restored from it alone, when the
// repository has nothing any more.
func TestRestoreFromAMirror(t *testing.T) {
	t.Parallel()
	mirror, store := mirrorAt(t, t.TempDir())
	own := testbed.NewRepository("own", storage.Config{Location: "file://" + filepath.ToSlash(t.TempDir())})
	direct := testbed.NewRepository("from-dr", mirror.Store) // the mirror, as a cluster that reaches it sees it
	direct.YAML += "nativeName: " + testbed.RepositoryName + "\n"
	o := testbed.Options{Mirrors: []testbed.Repository{mirror}, Repositories: []testbed.Repository{own, direct}}
	b := testbed.Start(t, o)
	other := b.AddCluster(t, otherCluster, o)
	b.StartWorker(t)
	sales(t, b)
	out, err := runBackup(t, b, spec.Backup{Mirrors: []string{mirrorName}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Mirrors) != 1 || !out.Mirrors[0].Copied || len(out.Warnings) > 0 {
		t.Fatalf("mirrors: %+v, warnings %q", out.Mirrors, out.Warnings)
	}
	want := contents(b, salesTables...)
	copyEnded(t, b)
	sameObjects(t, b, store)
	for o, err := range b.Store.List(t.Context(), "") { // the disaster
		if err == nil {
			err = b.Store.Delete(t.Context(), o.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("on another cluster, by way of its own repository", func(t *testing.T) {
		in := spec.Restore{Cluster: otherCluster, Repository: "own", From: mirrorName, SourceCluster: testbed.ClusterName}
		var restored spec.RestoreResult
		if err := execute(t, b, spec.RestoreWorkflow, spec.RestoreID(in.Cluster, unique()), in, &restored); err != nil {
			t.Fatal(err)
		}
		for _, table := range salesTables {
			if got := other.Content(table[0], table[1]); got != want[table[0]+"."+table[1]] {
				t.Errorf("%v on the other cluster:\n%s\nwant\n%s", table, got, want[table[0]+"."+table[1]])
			}
		}
		if n := composedIn(t, own.Store); n != 0 {
			t.Errorf("%d objects of composed snapshots are left", n)
		}
	})
	t.Run("on another cluster, which reads the mirror itself", func(t *testing.T) {
		before := countIn(t, own.Store, "")
		in := spec.Restore{Cluster: otherCluster, Repository: "from-dr", SourceCluster: testbed.ClusterName, Rename: map[string]string{"sales": "sales2", "web": "web2"}}
		var restored spec.RestoreResult
		if err := execute(t, b, spec.RestoreWorkflow, spec.RestoreID(in.Cluster, unique()), in, &restored); err != nil {
			t.Fatal(err)
		}
		for _, table := range salesTables {
			if got := other.Content(table[0]+"2", table[1]); got != want[table[0]+"."+table[1]] {
				t.Errorf("%v on the other cluster:\n%s\nwant\n%s", table, got, want[table[0]+"."+table[1]])
			}
		}
		if got := repositoriesOf(t, other); !strings.Contains(got, testbed.RepositoryName+" readOnly=true "+mirror.Store.Location) {
			t.Errorf("repositories: %s", got)
		}
		if now := countIn(t, own.Store, ""); now != before {
			t.Errorf("%d objects went somewhere else", now-before)
		}
		if n := countIn(t, mirror.Store, restorepoint.ComposedPrefix) + countIn(t, mirror.Store, "beside"); n != 0 {
			t.Errorf("%d objects are left in the mirror", n)
		}
	})
	t.Run("on the cluster itself, by way of the emptied repository", func(t *testing.T) {
		b.Must(t, "DROP DATABASE sales FORCE")
		b.Must(t, "DROP DATABASE web FORCE")
		if _, err := runRestore(t, b, spec.Restore{From: mirrorName, Point: out.Point}); err != nil {
			t.Fatal(err)
		}
		if got := contents(b, salesTables...); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("restored %v, want %v", got, want)
		}
	})
	t.Run("copied back", func(t *testing.T) {
		text, code := starkeep(t, b, "backup", "copy", "--cluster", testbed.ClusterName, "--from", mirrorName, "--to", testbed.RepositoryName, "--point", "latest")
		if code != 0 || !strings.Contains(string(text), "1 restore point copied from "+mirrorName+" to "+testbed.RepositoryName) {
			t.Fatalf("exit code %d:\n%s", code, text)
		}
		in := spec.Restore{Rename: map[string]string{"sales": "again"}, Include: []string{"sales"}, Point: out.Point}
		if _, err := runRestore(t, b, in); err != nil {
			t.Fatal(err)
		}
		if got := b.Sim.Content("again", "customers"); got != want["sales.customers"] {
			t.Errorf("restored %s, want %s", got, want["sales.customers"])
		}
	})
}

// sameObjects compares what StarRocks' own directories hold.
func sameObjects(t *testing.T, b *testbed.Bed, mirror storage.Store) {
	t.Helper()
	n := 0
	for o, err := range b.Store.List(t.Context(), "__starrocks_repository_") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		want, err := storage.ReadAll(t.Context(), b.Store, o.Key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		got, err := storage.ReadAll(t.Context(), mirror, o.Key, 1<<30)
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs in the mirror (%v)", o.Key, err)
		}
	}
	if n == 0 {
		t.Error("the repository is empty")
	}
}

// composedIn counts objects of temporary native snapshots.
func composedIn(t *testing.T, at storage.Config) int {
	t.Helper()
	return countIn(t, at, "__ss_"+restorepoint.ComposedPrefix)
}

// countIn counts StarRocks' own objects whose keys have a part in them.
func countIn(t *testing.T, at storage.Config, part string) (n int) {
	t.Helper()
	store, err := storage.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for o, err := range store.List(t.Context(), "__starrocks_repository_") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.Key, part) {
			n++
		}
	}
	return n
}

// A mirror that cannot be written is behind: no backup fails for it, and it gets everything when it is back.
func TestAMirrorThatFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mount")
	mirror, store := mirrorAt(t, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // not mounted: a file is in the way
		t.Fatal(err)
	}
	b := testbed.Start(t, testbed.Options{Mirrors: []testbed.Repository{mirror}})
	b.StartWorker(t)
	sales(t, b)
	in := spec.Backup{Mirrors: []string{mirrorName}, MirrorWait: spec.Duration(time.Millisecond), Limits: spec.Limits{MaxPartitionsPerUnit: 1}}
	first, err := runBackup(t, b, in)
	if err != nil || !first.Complete || len(first.Mirrors) != 1 || first.Mirrors[0].Copied {
		t.Fatalf("%+v, %v", first, err)
	}
	if !strings.Contains(fmt.Sprint(first.Warnings), "mirror "+mirrorName+" is behind") {
		t.Errorf("warnings: %q", first.Warnings)
	}
	text, code := starkeep(t, b, "config", "check")
	if code != 1 || !strings.Contains(string(text), "mirror "+mirror.Store.Location+": write") {
		t.Errorf("config check: exit code %d\n%s", code, text)
	}
	if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "INSERT INTO sales.customers VALUES (77, 'later')")
	in.MirrorWait = spec.Duration(time.Minute)
	second, err := runBackup(t, b, in)
	if err != nil || !second.Mirrors[0].Copied {
		t.Fatalf("%+v, %v", second, err)
	}
	await(t, "the first point is in the mirror too", func() bool { return holdsPoint(t, store, first.Point) })
	copyEnded(t, b)
	sameObjects(t, b, store)
	if text, code := starkeep(t, b, "config", "check"); code != 0 {
		t.Errorf("config check: exit code %d\n%s", code, text)
	}
	if text, code := starkeep(t, b, "backup", "copy", "--cluster", testbed.ClusterName, "--from", testbed.RepositoryName, "--to", mirrorName); code != 0 || !strings.Contains(string(text), "0 restore points copied") {
		t.Errorf("copy of nothing: exit code %d\n%s", code, text)
	}
}

// The limit of a copy that runs, here to HDFS, can be changed.
func TestTheLimitOfACopyChangesWhileItRuns(t *testing.T) {
	t.Parallel()
	hdfs := storagetest.StartHDFS(t)
	at := hdfs.Config(hdfs.Dir(t, "starkeep"), "starkeep")
	store, err := storage.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	mirror := testbed.Repository{Name: mirrorName, YAML: "location: " + at.Location + "\nhdfs: {user: starkeep}", Store: at}
	b := testbed.Start(t, testbed.Options{Mirrors: []testbed.Repository{mirror}})
	b.StartWorker(t)
	b.Must(t, "CREATE DATABASE sales")
	b.Must(t, `CREATE TABLE sales.notes (id BIGINT NOT NULL, note VARCHAR(60000)) DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num"="1")`)
	for i := range 8 {
		b.Must(t, fmt.Sprintf("INSERT INTO sales.notes VALUES (%d, '%s')", i, strings.Repeat(fmt.Sprint(i), 50_000)))
	}
	out, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	in := spec.Copy{Cluster: testbed.ClusterName, From: testbed.RepositoryName, To: mirrorName, Limits: spec.CopyLimits{BytesPerSecond: 1}} // hours
	id := spec.CopyID(in.Cluster, in.From, in.To)
	run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.CopyWorkflow, in)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "batches are under way", func() bool {
		found, err := b.Client.DescribeWorkflowExecution(t.Context(), id, "")
		if err != nil {
			return false
		}
		for _, a := range found.GetPendingActivities() {
			if a.GetActivityType().GetName() == "CopyBatch" && a.GetAttempt() == 1 {
				return true
			}
		}
		return false
	})
	if text, code := starkeep(t, b, "job", "list"); code != 0 || !strings.Contains(string(text), id) {
		t.Errorf("job list: exit code %d\n%s", code, text)
	}
	if text, code := starkeep(t, b, "backup", "copy", "--cluster", in.Cluster, "--from", in.From, "--to", in.To); code != 6 {
		t.Errorf("a second copy: exit code %d\n%s", code, text)
	}
	text, code := starkeep(t, b, "job", "limit", id, "-o", "json")
	var limits spec.CopyLimits
	if code != 0 || json.Unmarshal(text, &limits) != nil || limits != (spec.CopyLimits{ParallelBatches: spec.DefaultParallelBatches}) {
		t.Errorf("job limit: exit code %d\n%s", code, text)
	}
	var copied spec.CopyResult
	if err := run.Get(t.Context(), &copied); err != nil || copied.PointCount != 1 || !holdsPoint(t, store, out.Point) {
		t.Errorf("%+v, %v", copied, err)
	}
	sameObjects(t, b, store)
	if text, code := starkeep(t, b, "job", "watch", id); code != 0 || !strings.Contains(string(text), "1 restore point copied") {
		t.Errorf("job watch: exit code %d\n%s", code, text)
	}
}
