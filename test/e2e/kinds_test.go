package e2e

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// everyKind starts the servers of all kinds of repositories and gives a profile for each.
func everyKind(t *testing.T) []testbed.Repository {
	t.Helper()
	s3 := storagetest.StartS3(t)
	rights := []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
	list := []testbed.Repository{testbed.NewRepository("directory", storage.Config{Location: "file://" + t.TempDir()})}
	add := func(name string, c storage.Config) *testbed.Repository {
		list = append(list, testbed.NewRepository(name, c))
		return &list[len(list)-1]
	}

	add("s3_key", s3.User(t, "kind-key", rights...).Config("key"))

	machine := s3.User(t, "kind-machine", rights...)
	storagetest.StartIMDS(t, machine)
	profile := s3.Config("profile")
	profile.S3.AccessKey, profile.S3.SecretKey, profile.S3.InstanceProfile = "", "", true
	add("s3_profile", profile).Secrets = []string{machine.SecretKey}

	assumed := s3.User(t, "kind-assumed", rights...)
	caller := s3.User(t, "kind-caller") // may do nothing itself
	sts := storagetest.StartSTS(t, assumed, storagetest.RoleRule{ARN: roleARN, ExternalID: "backup-2026", Principals: []string{caller.AccessKey}})
	role := caller.Config("role")
	role.S3.Role = storage.Role{ARN: roleARN, ExternalID: "backup-2026", Endpoint: sts.Endpoint}
	r := add("s3_role", role)
	r.YAML += "starrocks:\n  properties: {aws.s3.sts.endpoint: \"" + sts.Endpoint + "\"}\n"
	r.Secrets = append(r.Secrets, assumed.SecretKey)

	gcs := storagetest.StartGCS(t).Config("account")
	r = add("gcs_account", gcs)
	r.StarRocksKeys("GOOGCanary", "CanaryHMACQxF")
	r.Native = func() (storage.Store, error) { return storage.Open(t.Context(), gcs) } // no server has both of Google's APIs
	r.Secrets = append(r.Secrets, privateKey(t, gcs.GCS.ServiceAccountFile))
	add("gcs_hmac", storagetest.StartGCSHMAC(t).User(t, "kind-hmac", rights...).Config("hmac"))

	hdfs := storagetest.StartHDFS(t)
	add("hdfs", hdfs.Config(hdfs.Dir(t, "starkeep"), "starkeep"))
	return list
}

// privateKey is a line of the key in a service account's file.
func privateKey(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var account struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal(data, &account); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(account.Key, "\n")
	return lines[len(lines)/2]
}

const roleARN = "arn:aws:iam::123456789012:role/starkeep"

// kindsBed is one bed for all kinds: one Temporal server, one StarRocks, one worker, a repository and a database for each.
func kindsBed(t *testing.T, repositories []testbed.Repository, patience int, mirrors ...testbed.Repository) *guarded {
	t.Helper()
	b := testbed.Start(t, testbed.Options{Repositories: repositories, Mirrors: mirrors, Patience: patience})
	g := &guarded{Bed: b, log: &output{}}
	b.Log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(g.log), zapcore.DebugLevel))
	was := canaries
	t.Cleanup(func() { canaries = was })
	canaries = slices.Clone(was)
	for _, r := range slices.Concat(repositories, mirrors) {
		canaries = append(canaries, r.Secrets...)
	}
	b.StartWorker(t)
	return g
}

// What a user does first, on every kind of repository: back up, restore over damaged tables, undo, bring a dropped table
// back. Both sides are made from the one profile. Then, on each kind of store, what is done with restore points.
func TestEveryKindOfRepositoryBacksUpAndRestores(t *testing.T) {
	repositories := everyKind(t)
	g := kindsBed(t, repositories, 20, mirrorsOf(t, repositories)...)
	t.Run("kind", func(t *testing.T) {
		for _, r := range repositories {
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				g.thereAndBack(t, r)
				if slices.Contains(oneOfEach, r.Name) {
					g.pointsInEach(t, r)
				}
			})
		}
	})
	search(t, "the worker's log", g.log.String())
}

// thereAndBack uses a database that has the repository's name.
func (g *guarded) thereAndBack(t *testing.T, r testbed.Repository) {
	db := r.Name
	tables := [][2]string{{db, "orders"}, {db, "customers"}}
	var made spec.CreateRepositoryResult
	g.works(t, spec.CreateRepositoryWorkflow, r.Name, spec.CreateRepository{Cluster: testbed.ClusterName, Repository: r.Name}, &made)
	if !made.Created || made.Adopted {
		t.Errorf("create: %+v", made)
	}
	for _, sql := range []string{
		"CREATE DATABASE " + db,
		"CREATE TABLE " + db + ".orders (dt DATE NOT NULL, id BIGINT NOT NULL, city VARCHAR(20)) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE " + db + ".customers (id BIGINT NOT NULL, name VARCHAR(50)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"INSERT INTO " + db + ".orders VALUES ('2026-01-05', 1, 'Rome'), ('2026-02-05', 2, 'Oslo'), ('2026-01-09', 3, 'Bern')",
		"INSERT INTO " + db + ".customers VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cid')",
	} {
		g.Must(t, sql)
	}
	before := contents(g.Bed, tables...)
	want := func(step string, want map[string]string) {
		t.Helper()
		for name, got := range contents(g.Bed, tables...) {
			if got != want[name] {
				t.Errorf("%s after %s:\n%s\nwant\n%s", name, step, got, want[name])
			}
		}
	}

	var backup spec.BackupResult
	g.works(t, spec.BackupWorkflow, r.Name+"-backup", spec.Backup{Cluster: testbed.ClusterName, Repository: r.Name, Include: []string{db}}, &backup)
	if !backup.Complete || backup.Tablets != 6 {
		t.Errorf("backup: %+v", backup)
	}
	verifyObjects(t, r)

	g.Must(t, "TRUNCATE TABLE "+db+".orders")
	g.Must(t, "INSERT INTO "+db+".customers VALUES (2, 'WRONG')")
	after := contents(g.Bed, tables...)
	in := spec.Restore{Cluster: testbed.ClusterName, Repository: r.Name, Point: backup.Point}
	var swapped spec.RestoreResult
	g.works(t, spec.RestoreWorkflow, r.Name+"-swap", in, &swapped)
	want("the swap", before)
	for _, table := range swapped.Tables {
		if table.Action != spec.ActionSwap || !table.RowsProven {
			t.Errorf("restored: %+v", table)
		}
	}
	decide(t, g.Bed, swapped.Undo, spec.UpdateUndo)
	want("the undo", after)

	g.Must(t, "DROP TABLE "+db+".orders FORCE")
	in.Include = []string{db + ".orders"}
	var created spec.RestoreResult
	g.works(t, spec.RestoreWorkflow, r.Name+"-new", in, &created)
	after[db+".orders"] = before[db+".orders"]
	want("the restore of a dropped table", after)
}

// works runs a workflow that must succeed, and searches all that is seen of it.
func (g *guarded) works(t *testing.T, workflow, name string, in, out any) {
	t.Helper()
	id := strings.ToLower(workflow) + "/" + testbed.ClusterName + "/" + name
	if err := execute(t, g.Bed, workflow, id, in, out); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	g.searchRun(t, id, "")
}

// verifyObjects reads every object of the repository whose name ends in an MD5 and compares.
func verifyObjects(t *testing.T, r testbed.Repository) {
	t.Helper()
	store, err := storage.Open(t.Context(), r.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	verified, data := 0, 0
	for o, err := range store.List(t.Context(), "__starrocks_repository_"+r.Name+"/") {
		if err != nil {
			t.Fatal(err)
		}
		sum := strings.TrimPrefix(path.Ext(o.Key), ".")
		if path.Base(o.Key) == "__repo_info" {
			continue
		}
		body, err := storage.ReadAll(t.Context(), store, o.Key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", md5.Sum(body)); got != sum || int64(len(body)) != o.Size {
			t.Errorf("%s: MD5 %s of %d bytes", o.Key, got, len(body))
		}
		verified++
		if strings.Contains(o.Key, ".dat.") {
			data++
		}
	}
	if verified < 15 || data < 4 {
		t.Errorf("%d objects, %d of them data", verified, data)
	}
}
