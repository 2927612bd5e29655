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

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/worker/config"
	"starkeep/workflows/spec"
)

// Canaries: secrets of the configuration, none of which may be seen anywhere. The S3 server makes a user's secret out of
// the name, so what holds the secret key holds the access key.
const (
	canaryPassword = "CanaryPassw0rdQx7"
	canaryWrong    = "CanaryWr0ngPassQx8"
	canaryUser     = "CanaryAccessQx9"
	canaryDenied   = "CanaryDeniedQxA"
	canaryUnknown  = "CanaryUnknownQxB"
	canaryToken    = "CanaryTokenQxC"
	canaryInput    = "CanaryInputQxD" // what a user puts into an input, against all advice
)

var canaries = []string{canaryPassword, canaryWrong, canaryUser, canaryDenied, canaryUnknown, canaryToken, canaryInput}

// TestSecretsAreSeenNowhere runs starkeep well and through its error paths, and searches histories, answers of Temporal
// about running workflows, error texts and the worker's whole debug log for the secrets of the configuration.
func TestSecretsAreSeenNowhere(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Password: canaryPassword, S3User: canaryUser, Patience: 5})
	g := &guarded{Bed: b, log: &output{}}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	b.Log = zap.New(zapcore.NewCore(encoder, zapcore.Lock(g.log), zapcore.DebugLevel))
	sales(t, b)
	for _, path := range secretPaths {
		t.Run(path.name, func(t *testing.T) {
			if path.secrets != nil {
				g.replaceSecrets(t, path.secrets)
			}
			stop := b.StartWorker(t)
			defer stop()
			path.run(t, g)
		})
	}
	log := g.log.String()
	if !strings.Contains(log, `"level":"debug"`) || !strings.Contains(log, "ExecuteActivity") {
		t.Errorf("the log holds no debug lines: %d bytes", len(log))
	}
	search(t, "the worker's log", log)
}

// secretPaths are run one after the other; each says how it must end, so that it is sure to be the path it claims to be.
var secretPaths = []struct {
	name    string
	secrets map[string]string // files of the configuration that the worker starts with
	run     func(t *testing.T, g *guarded)
}{
	{"success", nil, func(t *testing.T, g *guarded) {
		g.ends(t, "", spec.BackupWorkflow, g.backup())
		id := g.ends(t, "", spec.RestoreWorkflow, g.restore())
		g.update(t, spec.UndoWindowID(id), spec.UpdateUndo)
		g.readAll(t)
	}},
	{"worker's own password is wrong", map[string]string{"password": canaryWrong}, func(t *testing.T, g *guarded) {
		g.ends(t, spec.ErrorAuthDenied, spec.BackupWorkflow, g.backup())
		g.ends(t, spec.ErrorAuthDenied, spec.RestoreWorkflow, g.restore())
		g.readAll(t)
	}},
	{"S3 user without rights", map[string]string{"access": canaryDenied, "secret": canaryDenied + "-secret-123"}, func(t *testing.T, g *guarded) {
		g.S3.User(t, canaryDenied)
		g.ends(t, spec.ErrorAuthDenied, spec.BackupWorkflow, g.backup())
		g.ends(t, spec.ErrorAuthDenied, spec.RestoreWorkflow, g.restore())
		g.readAll(t)
	}},
	{"S3 user unknown", map[string]string{"access": canaryUnknown, "secret": canaryUnknown + "-secret-123"}, func(t *testing.T, g *guarded) {
		g.ends(t, spec.ErrorAuthDenied, spec.BackupWorkflow, g.backup())
		g.readAll(t)
	}},
	{"S3 secret key is wrong", map[string]string{"secret": canaryToken}, func(t *testing.T, g *guarded) {
		g.ends(t, spec.ErrorAuthDenied, spec.BackupWorkflow, g.backup())
		g.readAll(t)
	}},
	{"unknown profiles", nil, func(t *testing.T, g *guarded) {
		in := g.backup()
		in.Repository = "nowhere"
		g.ends(t, spec.ErrorInvalidSpec, spec.BackupWorkflow, in)
		in = g.backup()
		in.Cluster = "nowhere"
		g.ends(t, spec.ErrorInvalidSpec, spec.BackupWorkflow, in)
	}},
	{"repository unknown to StarRocks", nil, func(t *testing.T, g *guarded) {
		g.Must(t, "DROP REPOSITORY "+testbed.RepositoryName)
		g.ends(t, spec.ErrorRepositoryMissing, spec.BackupWorkflow, g.backup())
		g.readAll(t)
		g.Must(t, g.createRepository())
	}},
	{"StarRocks down", nil, func(t *testing.T, g *guarded) {
		g.Sim.StopFrontend(0)
		back := func(t *testing.T) {
			if err := g.Sim.StartFrontend(0); err != nil {
				t.Fatal(err)
			}
		}
		g.recovers(t, spec.BackupWorkflow, g.backup(), back)
	}},
	{"S3 down", nil, func(t *testing.T, g *guarded) {
		g.S3.Stop()
		g.recovers(t, spec.BackupWorkflow, g.backup(), func(t *testing.T) { g.S3.Start(t) })
	}},
	{"S3 down while StarRocks uploads", nil, func(t *testing.T, g *guarded) {
		g.stopsS3In(t, "UPLOADING")
		g.recovers(t, spec.BackupWorkflow, g.backup(), func(t *testing.T) { g.S3.Start(t) })
	}},
	{"damaged manifest", nil, damagedManifest},
	{"cancel", nil, func(t *testing.T, g *guarded) {
		for _, state := range []string{"PENDING", "UPLOADING"} {
			release := g.Sim.HoldStates("sales", state)
			id := g.start(t, spec.BackupWorkflow, g.backup())
			g.pending(t, spec.DatabaseJobID(testbed.ClusterName, "sales"), "Await")
			if err := g.Client.CancelWorkflow(t.Context(), id, ""); err != nil {
				t.Fatal(err)
			}
			g.wait(t, id, canceled)
			release()
		}
	}},
	{"partial failure", nil, func(t *testing.T, g *guarded) {
		defer g.Sim.FailTasks(starrockssim.Fault{Type: "UPLOAD", Database: "sales", Partition: "p2", Times: -1, Error: "Input/output error"})()
		g.ends(t, spec.ErrorPartialFailure, spec.BackupWorkflow, g.backup())
	}},
	{"input with a secret", nil, func(t *testing.T, g *guarded) {
		for _, input := range []string{
			`{"cluster": "prod", "repository": "repo", "password": "` + canaryInput + `"}`,
			`{"cluster": "prod", "repository": "s3://key:` + canaryInput + `@bucket/x"}`,
			`{"cluster": "prod", "repository": {"secretKey": "` + canaryInput + `"}}`,
		} {
			g.holdsInput(t, g.ends(t, spec.ErrorInvalidSpec, spec.BackupWorkflow, json.RawMessage(input)))
			g.ends(t, spec.ErrorInvalidSpec, spec.RestoreWorkflow, json.RawMessage(input))
			g.ends(t, spec.ErrorInvalidSpec, spec.InspectWorkflow, json.RawMessage(input))
		}
	}},
	{"refused CREATE REPOSITORY", nil, refusedRepositories},
	{"configuration", nil, refusedConfigurations},
}

func (g *guarded) backup() spec.Backup {
	return spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{"sales", "web"}}
}

func (g *guarded) restore() spec.Restore {
	return spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}
}

func (g *guarded) createRepository() string {
	return fmt.Sprintf("CREATE REPOSITORY `%s` WITH BROKER ON LOCATION \"s3a://%s/backups\" PROPERTIES (\"aws.s3.endpoint\" = %q, \"aws.s3.region\" = %q, \"aws.s3.access_key\" = %q, \"aws.s3.secret_key\" = %q, \"aws.s3.enable_path_style_access\" = \"true\")",
		testbed.RepositoryName, g.S3.Bucket, g.S3.Endpoint, g.S3.Region, g.S3.AccessKey, g.S3.SecretKey)
}

// replaceSecrets puts other secrets into the files of the configuration, until the test ends.
func (g *guarded) replaceSecrets(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(filepath.Dir(g.Config), name)
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put := func(data []byte) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Error(err)
			}
		}
		put([]byte(content))
		t.Cleanup(func() { put(was) })
	}
}

// damagedManifest restores from a point whose manifest, then whose record, is not what was written.
func damagedManifest(t *testing.T, g *guarded) {
	var done spec.BackupResult
	id := g.start(t, spec.BackupWorkflow, g.backup())
	g.wait(t, id, "")
	if err := g.Client.GetWorkflow(t.Context(), id, "").Get(t.Context(), &done); err != nil {
		t.Fatal(err)
	}
	key := restorepoint.ManifestKey(testbed.ClusterName, done.Point)
	whole, err := storage.ReadAll(t.Context(), g.Store, key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	in := g.restore()
	in.Point = done.Point
	for _, data := range [][]byte{whole[:len(whole)/2], []byte("not JSON"), []byte(`{"formatVersion":"99.0"}`)} {
		if err := storage.WriteAll(t.Context(), g.Store, key, data, storage.Overwrite); err != nil {
			t.Fatal(err)
		}
		id := g.start(t, spec.RestoreWorkflow, in)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := g.Client.GetWorkflow(ctx, id, "").Get(ctx, nil)
		cancel()
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("restore from a manifest of %d bytes: %v, want a failure", len(data), err)
		}
		search(t, "the error of "+id, fmt.Sprintf("%v %+v", err, err))
		g.searchRun(t, id, "")
		g.readAll(t)
	}
	if err := g.Store.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}

// refusedRepositories sends CREATE REPOSITORY statements, which hold keys in clear, that StarRocks or the network refuse.
func refusedRepositories(t *testing.T, g *guarded) {
	statement := func(name, location string) starrocks.RepositoryStatement {
		return starrocks.RepositoryStatement{Name: name, Location: location, Properties: map[string]string{
			"aws.s3.endpoint": g.S3.Endpoint, "aws.s3.region": g.S3.Region, "aws.s3.access_key": canaryUnknown,
			"aws.s3.secret_key": canaryToken, "aws.s3.enable_path_style_access": "true",
		}}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name      string
		ctx       context.Context
		address   string
		password  string
		statement starrocks.RepositoryStatement
	}{
		{"name taken", t.Context(), g.Sim.Address(), canaryPassword, statement(testbed.RepositoryName, "s3a://"+g.S3.Bucket+"/other")},
		{"store refuses the keys", t.Context(), g.Sim.Address(), canaryPassword, statement("other", "s3a://"+g.S3.Bucket+"/other")},
		{"location is nonsense", t.Context(), g.Sim.Address(), canaryPassword, statement("other2", "nonsense://x")},
		{"name with a quote", t.Context(), g.Sim.Address(), canaryPassword, statement("a`b", "s3a://"+g.S3.Bucket+"/other")},
		{"wrong password", t.Context(), g.Sim.Address(), canaryWrong, statement("other3", "s3a://"+g.S3.Bucket+"/other")},
		{"nobody listens", t.Context(), "127.0.0.1:1", canaryPassword, statement("other4", "s3a://"+g.S3.Bucket+"/other")},
		{"cancelled", cancelled, g.Sim.Address(), canaryPassword, statement("other5", "s3a://"+g.S3.Bucket+"/other")},
	} {
		fe, err := starrocks.Open(starrocks.Config{Addresses: []string{c.address}, User: "starkeep", Password: c.password})
		if err != nil {
			t.Fatal(err)
		}
		err = fe.CreateRepository(c.ctx, c.statement)
		if err == nil {
			t.Errorf("%s: CREATE REPOSITORY was accepted", c.name)
		}
		var unwrapped []string
		for e := err; e != nil; e = errors.Unwrap(e) {
			unwrapped = append(unwrapped, fmt.Sprintf("%v %+v %#v", e, e, e))
		}
		search(t, c.name, strings.Join(unwrapped, "\n")+fmt.Sprintf("%v %+v %#v", c.statement, c.statement, c.statement))
		_ = fe.Close()
	}
}

// refusedConfigurations loads configurations that hold secrets where references belong.
func refusedConfigurations(t *testing.T, g *guarded) {
	whole, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"file:password", canaryPassword},
		{"file:password", "env:" + canaryPassword + "-"},
		{"file:secret", "[" + canaryToken + "]"},
		{"file:secret", "\"" + canaryToken},
		{"accessKey:", "acessKey" + ":"},
		{"file:access", "{a: " + canaryUser + "}"},
		{"file:access", "*" + canaryUser},
	} {
		path := filepath.Join(t.TempDir(), "starkeep.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(string(whole), change[0], change[1], 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path)
		if err == nil {
			t.Errorf("a configuration with %q was taken", change[1])
			continue
		}
		search(t, "the refusal of a configuration", err.Error())
	}
}
