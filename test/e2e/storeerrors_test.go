package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// broken is a repository that the worker or StarRocks cannot use, and what a user is told of it.
type broken struct {
	testbed.Repository
	workflow string             // that meets it; Backup if ""
	after    func(t *testing.T) // breaks it when a first backup is in it; nil: it is broken from the beginning
	retried  bool               // it may heal: the run goes on, and shows the failure until it is cancelled
	kind     string             // type of the failure
	says     []string           // repository, operation, cause, fix
}

// brokenStores collects them.
type brokenStores struct{ list []broken }

func (b *brokenStores) add(r testbed.Repository, kind string, says ...string) *broken {
	b.list = append(b.list, broken{Repository: r, kind: kind, says: says})
	return &b.list[len(b.list)-1]
}

// s3 are the ways in which S3 is closed, with the policies of a server that keeps them.
func (b *brokenStores) s3(t *testing.T) {
	t.Helper()
	s3 := storagetest.StartS3IAM(t)
	// worker: StarRocks can use the repository, and the worker as change says.
	worker := func(name, kind string, change func(*storage.S3), says ...string) *broken {
		c := s3.Config(name)
		change(&c.S3)
		r := testbed.NewRepository(name, c)
		r.StarRocksKeys(s3.AccessKey, s3.SecretKey)
		r.YAML += "  region: " + s3.Region + "\n"
		return b.add(r, kind, append([]string{"repository " + name + ": put ", "access denied by the store"}, says...)...)
	}
	worker("s3_secret", spec.ErrorAuthDenied, func(c *storage.S3) { c.SecretKey = "CanarySecretQxE" }, "SignatureDoesNotMatch", "the secret key is not the one of this access key: correct it")
	worker("s3_key", spec.ErrorAuthDenied, func(c *storage.S3) { c.AccessKey = "AKIAUNKNOWNUNKNOWN00" }, "InvalidAccessKeyId", "the server does not know the access key")
	worker("s3_region", spec.ErrorAuthDenied, func(c *storage.S3) { c.Region = "eu-west-1" }, `the region "eu-west-1" is wrong`, "correct the region")
	lost := worker("s3_bucket", spec.ErrorRepositoryMissing, func(*storage.S3) {})
	lost.YAML = strings.Replace(lost.YAML, "s3://"+s3.Bucket, "s3://no-such-bucket", 1) + "  location: s3://" + s3.Bucket + "/s3_bucket\n"
	lost.says = []string{"repository s3_bucket: put ", "NoSuchBucket", "create bucket no-such-bucket, or correct the location"}

	for _, c := range []struct{ action, op, kind string }{
		{"s3:ListBucket", "list", spec.ErrorPartialFailure}, {"s3:GetObject", "get", spec.ErrorAuthDenied}, {"s3:PutObject", "put", spec.ErrorAuthDenied},
	} {
		name := "s3_no_" + c.op
		user := s3.User(t, name, allowed(t, s3.Bucket, name, allBut(c.action)...))
		denied := worker(name, c.kind, func(s *storage.S3) { s.AccessKey, s.SecretKey = user.AccessKey, user.SecretKey })
		denied.says = []string{"repository " + name + ": " + c.op + " ", "access denied by the store", "the credentials need " + c.action + " on arn:aws:s3:::" + s3.Bucket}
	}
	for _, c := range []struct{ action, op, workflow string }{
		{"s3:ListBucket", "list", spec.BackupWorkflow}, {"s3:GetObject", "get", spec.RestoreWorkflow},
		{"s3:PutObject", "put", spec.BackupWorkflow}, {"s3:DeleteObject", "delete", spec.BackupWorkflow},
	} {
		name := "starrocks_no_" + c.op
		user := s3.User(t, name, allowed(t, s3.Bucket, name, everyRight...))
		r := testbed.NewRepository(name, s3.Config(name))
		r.StarRocksKeys(user.AccessKey, user.SecretKey)
		denied := b.add(r, spec.ErrorPartialFailure, "repository "+name+", as StarRocks uses it: give StarRocks' user "+c.action+" on arn:aws:s3:::"+s3.Bucket)
		denied.workflow = c.workflow
		denied.after = func(t *testing.T) { user.SetPolicy(t, allowed(t, s3.Bucket, name, allBut(c.action)...)) }
	}

	// starrocks: it is StarRocks that cannot use the repository.
	starrocks := func(name, access, secret, more, kind string, says ...string) {
		r := testbed.NewRepository(name, s3.Config(name))
		r.StarRocksKeys(access, secret)
		r.YAML += more
		b.add(r, kind, append([]string{"create repository " + name + " on cluster prod", "failed to list remote path"}, says...)...).workflow = spec.CreateRepositoryWorkflow
	}
	starrocks("starrocks_secret", s3.AccessKey, "CanarySecretQxG", "", spec.ErrorAuthDenied, "Status Code: 403", "correct the credentials of StarRocks: s3.accessKey and secretKey")
	starrocks("starrocks_bucket", s3.AccessKey, s3.SecretKey, "  location: s3://no-such-bucket/x\n", spec.ErrorRepositoryMissing, "NoSuchBucket", "create the bucket or directory, or correct the location")
	starrocks("starrocks_region", s3.AccessKey, s3.SecretKey, "  region: eu-west-1\n", spec.ErrorInvalidSpec, "Status Code: 400", "correct the region: s3.region")
}

// roles are credentials that come from elsewhere.
func (b *brokenStores) roles(t *testing.T) {
	t.Helper()
	s3 := storagetest.StartS3(t)
	rule := storagetest.RoleRule{ARN: roleARN, ExternalID: "backup-2026"}
	sts := storagetest.StartSTS(t, s3, rule)
	sts.Expire(time.Second)
	role := func(name, externalID string, says ...string) *broken {
		c := s3.Config(name)
		c.S3.Role = storage.Role{ARN: roleARN, ExternalID: externalID, Endpoint: sts.Endpoint}
		r := testbed.NewRepository(name, c)
		r.StarRocksKeys(s3.AccessKey, s3.SecretKey)
		return b.add(r, spec.ErrorAuthDenied, append([]string{"repository " + name + ": put ", "role " + roleARN, "not authorized to perform: sts:AssumeRole"}, says...)...)
	}
	role("role_external_id", "another", "check the role's ARN, that its trust policy names these credentials and the external id that is given")
	role("role_expired", rule.ExternalID, "check the role's ARN").after = func(t *testing.T) {
		sts.Trust(storagetest.RoleRule{ARN: roleARN, Principals: []string{"somebody else"}})
	}
}

// gcs are service accounts and HMAC keys that may not.
func (b *brokenStores) gcs(t *testing.T) {
	t.Helper()
	gcs := storagetest.StartGCS(t)
	account := func(name string, c storage.Config, says ...string) {
		r := testbed.NewRepository(name, c)
		r.StarRocksKeys("GOOGCanary", "CanaryHMACQxF")
		owner := gcs.Config(name)
		r.Native = func() (storage.Store, error) { return storage.Open(t.Context(), owner) }
		b.add(r, spec.ErrorAuthDenied, append([]string{"repository " + name + ": put ", "access denied by the store"}, says...)...)
	}
	reader := gcs.User(t, "reader", "storage.objects.list", "storage.objects.get")
	account("gcs_no_create", reader.Config("gcs_no_create"), "reader@", "does not have storage.objects.create access", "storage.objects.create")
	stranger := gcs.Config("gcs_stranger")
	stranger.GCS.ServiceAccountFile = storagetest.StartTokenServer(t).Account(t, "stranger") // of another project: its tokens count for nothing
	account("gcs_stranger", stranger, "Invalid Credentials", "correct the credentials of the worker: gcs.serviceAccountFile", "service account "+stranger.GCS.ServiceAccountFile)
	account("gcs_bucket", storage.Config{Location: "gs://no-such-bucket/gcs_bucket", GCS: gcs.Config("").GCS})
	lost := &b.list[len(b.list)-1]
	lost.kind, lost.says = spec.ErrorRepositoryMissing, []string{"repository gcs_bucket: put ", "bucket or directory of the location not found", "create"}
	lost.Store = gcs.Config("gcs_bucket")
	lost.YAML += "  location: gs://" + gcs.Bucket + "/gcs_bucket\n"

	hmac := storagetest.StartGCSHMAC(t)
	wrong := hmac.Config("hmac_secret")
	wrong.GCS.SecretKey = "CanaryHMACQxH"
	r := testbed.NewRepository("hmac_secret", wrong)
	r.StarRocksKeys(hmac.AccessKey, hmac.SecretKey)
	r.YAML += "  endpoint: " + hmac.Endpoint + "\n"
	b.add(r, spec.ErrorAuthDenied, "repository hmac_secret: put ", "access denied by the store", "SignatureDoesNotMatch", "secret")
}

// files are HDFS and a directory.
func (b *brokenStores) files(t *testing.T) {
	t.Helper()
	hdfs := storagetest.StartHDFS(t)
	dir := hdfs.Dir(t, "starkeep")
	for _, name := range []string{"hdfs_user", "hdfs_down", "starrocks_hdfs_user"} {
		hdfs.Mkdir(t, dir+"/"+name, 0o755)
		hdfs.Chown(t, dir+"/"+name, "starkeep")
	}
	worker := func(name, kind string, c storage.Config, says ...string) *broken {
		r := testbed.NewRepository(name, c)
		r.YAML += "starrocks:\n  user: starkeep\n  location: hdfs://" + hdfs.Address + dir + "/" + name + "\n"
		return b.add(r, kind, append([]string{"repository " + name + ": put "}, says...)...)
	}
	worker("hdfs_user", spec.ErrorAuthDenied, hdfs.Config(dir+"/hdfs_user", "stranger"), "access denied by the store", "user stranger", "writing needs w and x on the directory")
	down := storage.Config{Location: "hdfs://127.0.0.1:1" + dir + "/hdfs_down", HDFS: storage.HDFS{User: "starkeep"}}
	worker("hdfs_down", spec.ErrorStorageUnavailable, down, "store unavailable", "127.0.0.1:1", "connection refused").retried = true
	r := testbed.NewRepository("starrocks_hdfs_user", hdfs.Config(dir+"/starrocks_hdfs_user", "starkeep"))
	r.YAML += "starrocks:\n  user: stranger\n"
	b.add(r, spec.ErrorAuthDenied, "create repository starrocks_hdfs_user on cluster prod", "write exception", "let StarRocks' user read and write there").workflow = spec.CreateRepositoryWorkflow

	gone := t.TempDir() + "/gone"
	r = testbed.NewRepository("directory", storage.Config{Location: "file://" + gone})
	b.add(r, spec.ErrorRepositoryMissing, "repository directory: ", "bucket or directory of the location not found", "create").after = func(t *testing.T) {
		if err := os.RemoveAll(gone); err != nil {
			t.Error(err)
		}
	}
}

// Whatever keeps worker or StarRocks from a store: the user is told of which repository, what was tried, why it failed and
// what helps; nothing that is hopeless is tried for ever; and no secret is seen.
func TestAStoreThatCannotBeUsedIsExplained(t *testing.T) {
	var b brokenStores
	b.s3(t)
	b.roles(t)
	b.gcs(t)
	b.files(t)
	var repositories []testbed.Repository
	for _, r := range b.list {
		repositories = append(repositories, r.Repository)
	}
	g := kindsBed(t, repositories, 10)
	t.Run("config check", g.checksConfig)
	t.Run("store", func(t *testing.T) {
		for _, r := range b.list {
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				g.explains(t, r)
			})
		}
	})
	search(t, "the worker's log", g.log.String())
}

// unlisted are the repositories that the worker cannot even list, and why: what `starkeep config check` shows.
var unlisted = map[string]string{
	"s3_secret": "SignatureDoesNotMatch", "s3_key": "InvalidAccessKeyId", "s3_region": "correct the region", "s3_bucket": "NoSuchBucket",
	"s3_no_list": "s3:ListBucket", "role_external_id": "sts:AssumeRole", "gcs_stranger": "Invalid Credentials", "gcs_bucket": "bucket or directory of the location not found",
	"hmac_secret": "SignatureDoesNotMatch", "hdfs_down": "connection refused", "directory": "missing or not readable",
}

func (g *guarded) checksConfig(t *testing.T) {
	var out spec.InspectResult
	g.works(t, spec.InspectWorkflow, "config", spec.Inspect{Read: spec.ReadConfig}, &out)
	found := map[string]bool{}
	for _, row := range out.Checks {
		want := unlisted[row.Profile]
		found[row.Profile] = true
		if row.OK != (want == "") || !strings.Contains(row.Message, want) {
			t.Errorf("%s: %s: ok %t, %s; want %q", row.Profile, row.Check, row.OK, row.Message, want)
		}
	}
	for name := range unlisted {
		if !found[name] {
			t.Errorf("%s was not checked", name)
		}
	}
}

// explains meets a broken repository, in a database of its own.
func (g *guarded) explains(t *testing.T, b broken) {
	backup := spec.Backup{Cluster: testbed.ClusterName, Repository: b.Name, Include: []string{b.Name}}
	if b.workflow != spec.CreateRepositoryWorkflow {
		g.Must(t, "CREATE DATABASE "+b.Name)
		g.Must(t, "CREATE TABLE "+b.Name+".t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\")")
		g.Must(t, "INSERT INTO "+b.Name+".t VALUES (1, 1)")
		if err := g.CreateRepository(t, b.Name); err != nil {
			t.Fatal(err)
		}
	}
	if b.after != nil {
		g.works(t, spec.BackupWorkflow, b.Name+"-before", backup, &spec.BackupResult{})
		b.after(t)
	}
	workflow, in := spec.BackupWorkflow, any(backup)
	switch b.workflow {
	case spec.RestoreWorkflow:
		workflow, in = b.workflow, spec.Restore{Cluster: testbed.ClusterName, Repository: b.Name}
	case spec.CreateRepositoryWorkflow:
		workflow, in = b.workflow, spec.CreateRepository{Cluster: testbed.ClusterName, Repository: b.Name}
	}
	kind, text := g.failureOf(t, b, workflow, in)
	if kind != b.kind {
		t.Errorf("type %s, want %s", kind, b.kind)
	}
	for _, want := range b.says {
		if !strings.Contains(text, want) {
			t.Errorf("the message lacks %q:\n%s", want, text)
		}
	}
}

// failureOf runs a workflow and gives the failure that it ended with, or shows.
func (g *guarded) failureOf(t *testing.T, b broken, workflow string, in any) (kind, text string) {
	t.Helper()
	if !b.retried {
		id := strings.ToLower(workflow) + "/" + testbed.ClusterName + "/" + b.Name
		err := execute(t, g.Bed, workflow, id, in, nil)
		if err == nil {
			t.Fatalf("%s succeeded", workflow)
		}
		g.searchRun(t, id, "")
		return errorType(err), fmt.Sprint(err)
	}
	id := g.start(t, workflow, in)
	g.failing(t, id)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	described, err := g.Client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range described.GetPendingActivities() {
		if f := a.GetLastFailure(); f != nil {
			kind, text = f.GetApplicationFailureInfo().GetType(), f.GetMessage()
		}
	}
	if err := g.Client.CancelWorkflow(ctx, id, ""); err != nil {
		t.Fatal(err)
	}
	g.wait(t, id, canceled, b.kind) // an attempt that is under way has the last word
	return kind, text
}
