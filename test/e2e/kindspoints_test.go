package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// oneOfEach are the kinds of stores, by the repositories of everyKind.
var oneOfEach = []string{"directory", "s3_key", "gcs_account", "hdfs"}

// mirrorsOf gives one repository of each kind a mirror in the next kind: each is copied from, and to.
func mirrorsOf(t *testing.T, repositories []testbed.Repository) (mirrors []testbed.Repository) {
	t.Helper()
	at := map[string]storage.Config{}
	for _, r := range repositories {
		at[r.Name] = r.Store
	}
	for i, name := range oneOfEach {
		c := at[oneOfEach[(i+1)%len(oneOfEach)]]
		c.Location += "/mirror" // nothing of a repository begins so
		makeDirectory(t, c)
		mirrors = append(mirrors, testbed.NewRepository(mirrorOf(name), c))
	}
	return mirrors
}

// makeDirectory makes what nobody but an operator makes: the directory of a location.
func makeDirectory(t *testing.T, c storage.Config) {
	t.Helper()
	if dir, here := strings.CutPrefix(c.Location, "file://"); here {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if at, there := strings.CutPrefix(c.Location, "hdfs://"); there {
		hdfs, dir := storagetest.StartHDFS(t), at[strings.IndexByte(at, '/'):]
		hdfs.Mkdir(t, dir, 0o755)
		hdfs.Chown(t, dir, c.HDFS.User)
	}
}

func mirrorOf(repository string) string { return "mirror_of_" + repository }

// pointsInEach: an incremental backup that is mirrored, verified in both places, damaged, repaired from the mirror, composed,
// restored, and pruned.
func (g *guarded) pointsInEach(t *testing.T, r testbed.Repository) {
	db, mirror := r.Name+"_points", mirrorOf(r.Name)
	g.Must(t, "CREATE DATABASE "+db)
	g.Must(t, "CREATE TABLE "+db+".t (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome'), PARTITION no VALUES IN ('Oslo')) DISTRIBUTED BY HASH(city) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\")")
	g.Must(t, "INSERT INTO "+db+".t VALUES ('Rome', 1), ('Oslo', 2)")
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: r.Name, Include: []string{db}, Mirrors: []string{mirror}}
	var full, changed spec.BackupResult
	g.works(t, spec.BackupWorkflow, db+"-full", in, &full)
	g.Must(t, "INSERT INTO "+db+".t VALUES ('Oslo', 3)")
	want := g.Sim.Content(db, "t")
	nextSecond(t)
	in.Incremental = true
	g.works(t, spec.BackupWorkflow, db+"-incremental", in, &changed)
	if changed.Carried != 1 || changed.Partitions != 1 || len(changed.Mirrors) != 1 || !changed.Mirrors[0].Copied {
		t.Errorf("incremental: %+v", changed)
	}

	verify := spec.Verify{Cluster: testbed.ClusterName, Where: mirror, Points: []string{full.Point, changed.Point}, Content: spec.ContentAll}
	var copied, verified spec.VerifyResult
	g.works(t, spec.VerifyWorkflow, db+"-mirror", verify, &copied)
	if copied.Result != spec.VerifyOK || copied.Read != copied.Objects || copied.Objects == 0 {
		t.Errorf("the mirror: %+v", copied)
	}
	g.lose(t, r.Store, changed.Point)
	verify.Where, verify.RepairFrom = r.Name, mirror
	g.works(t, spec.VerifyWorkflow, db+"-repaired", verify, &verified)
	if verified.Found != 1 || verified.Repaired != 1 || verified.Objects != copied.Objects {
		t.Errorf("repaired: %+v", verified)
	}

	g.Must(t, "DROP TABLE "+db+".t FORCE")
	var restored spec.RestoreResult
	restore := spec.Restore{Cluster: testbed.ClusterName, Repository: r.Name, Point: changed.Point}
	g.works(t, spec.RestoreWorkflow, db, restore, &restored)
	if got := g.Sim.Content(db, "t"); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}

	var pruned spec.PruneResult
	prune := spec.Prune{Cluster: testbed.ClusterName, Where: mirror, Points: []string{full.Point}, Force: true} // backups of other kinds may be under way
	g.works(t, spec.PruneWorkflow, db, prune, &pruned)
	if pruned.Deleted != 1 || pruned.Marked != 0 || pruned.HeldCount != 0 {
		t.Errorf("pruned: %+v", pruned)
	}
}

// lose deletes a data file that a point needs.
func (g *guarded) lose(t *testing.T, at storage.Config, point string) {
	t.Helper()
	store, err := storage.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	manifest, err := storage.ReadAll(t.Context(), store, restorepoint.ManifestKey(testbed.ClusterName, point), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	m, err := restorepoint.DecodeManifest(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var labels, keys []string
	for _, s := range m.Snapshots {
		labels = append(labels, "__ss_"+s.Label+"/")
	}
	for o, err := range store.List(t.Context(), "__starrocks_repository_") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.Key, ".dat.") && slices.ContainsFunc(labels, func(label string) bool { return strings.Contains(o.Key, label) }) {
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		t.Fatal("the point needs no data")
	}
	if err := store.Delete(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
}
