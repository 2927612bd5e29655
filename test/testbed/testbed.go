// Package testbed sets up what end-to-end tests need: a real Temporal dev server, a real S3 server, a simulated
// StarRocks cluster with a fast clock, and workers, in this process or in one of their own that can be killed.
package testbed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/starrockssim"
	"starkeep/worker/config"
	"starkeep/worker/run"
)

// Names of the profiles in every bed.
const (
	ClusterName    = "prod"
	RepositoryName = "repo"
)

// Options of a bed. Zero values are defaults.
type Options struct {
	Tick      time.Duration // of the simulated FE; default 20 ms
	Frontends int           // default 1
	Backends  int           // default 3
	Version   string        // of the simulated StarRocks; default: the one that was measured
	Timing    string        // further lines of the cluster profile's timing, in YAML, four spaces deep
	Heartbeat time.Duration // default 2 s
	Password  string        // of the StarRocks user; "" for none
	Patience  int           // multiplies the times after which a job that does not get on is acted upon; default 1
	// S3User is the name of an IAM user with all rights on the bucket, which StarRocks and the worker use; "" is root.
	S3User string
	// Namespaces are further Temporal namespaces, on a server of the bed's own: each has a task queue, workers and workflow ids of
	// its own.
	Namespaces []string
	// Temporal is the address of a server that the test runs itself. By default all beds of a test binary share one, each with a
	// namespace of its own.
	Temporal string
	// Mirrors are mirror profiles.
	Mirrors []Repository
	// Repositories are profiles beside the first, which is on S3. They are not created in StarRocks.
	Repositories []Repository
}

// Bed is a running set-up. Everything stops with the test.
type Bed struct {
	Client    client.Client // of Namespace
	Temporal  string        // address
	Namespace string
	Sim       *starrockssim.Cluster
	S3        storagetest.Server
	Store     storage.Store // the repository's location
	Config    string        // path of the configuration file
	Log       *zap.Logger
}

// Start sets a bed up. Missing servers skip the test with what to install, or fail it when CI is set.
func Start(t testing.TB, o Options) *Bed {
	t.Helper()
	o = o.withDefaults()
	b := &Bed{Log: testLogger(t)}
	b.S3 = storagetest.StartS3(t)
	if o.S3User != "" {
		b.S3 = b.S3.User(t, o.S3User, "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
	}
	b.startTemporal(t, o)
	b.startSim(t, o)
	b.Config = b.writeConfig(t, o)
	store, err := storage.Open(t.Context(), b.S3.Config("backups"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	b.Store = store
	return b
}

func (o Options) withDefaults() Options {
	if o.Tick == 0 {
		o.Tick = 20 * time.Millisecond
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 2 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 1
	}
	return o
}

func (b *Bed) startSim(t testing.TB, o Options) {
	t.Helper()
	sim, err := starrockssim.Start(starrockssim.Options{
		Name: "bed", Tick: o.Tick, Frontends: o.Frontends, Backends: o.Backends, Version: o.Version, Users: map[string]string{"root": "", "starkeep": o.Password},
		OpenStore: openNative(o.Repositories),
	})
	if err != nil {
		t.Fatalf("start the simulated StarRocks: %v", err)
	}
	t.Cleanup(sim.Close)
	b.Sim = sim
	b.Must(t, fmt.Sprintf("CREATE REPOSITORY `%s` WITH BROKER ON LOCATION \"%s\" PROPERTIES (%s)", RepositoryName, b.location(), b.properties()))
}

func (b *Bed) location() string { return "s3a://" + b.S3.Bucket + "/backups" }

func (b *Bed) properties() string {
	return fmt.Sprintf(`"aws.s3.endpoint" = %q, "aws.s3.region" = %q, "aws.s3.access_key" = %q, "aws.s3.secret_key" = %q, "aws.s3.enable_path_style_access" = "true"`,
		b.S3.Endpoint, b.S3.Region, b.S3.AccessKey, b.S3.SecretKey)
}

// writeConfig writes the worker's configuration with all clocks scaled to the simulator's tick.
func (b *Bed) writeConfig(t testing.TB, o Options) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	password := ""
	if o.Password != "" {
		password = "    password: file:password\n"
		write("password", o.Password)
	}
	long := o.Tick * time.Duration(o.Patience)
	write("access", b.S3.AccessKey)
	write("secret", b.S3.SecretKey)
	further := ""
	for _, r := range o.Repositories {
		further += r.profile()
		for name, content := range r.Files {
			write(name, content)
		}
	}
	if len(o.Mirrors) > 0 {
		further += "mirrors:\n"
	}
	for _, m := range o.Mirrors {
		further += m.profile()
		for name, content := range m.Files {
			write(name, content)
		}
	}
	write("starkeep.yaml", fmt.Sprintf(`
clusters:
  %s:
    addresses: %s
    user: starkeep
%s    timing:
      tick: %s
      pollInterval: %s
      heartbeat: %s
      errorStall: %s
      stallWarn: %s
      stallCancel: %s
      hungJob: %s
      lostJob: %s
      backendSettle: %s
      submitRetry: %s
%s
repositories:
  %s:
    location: %s
    s3:
      endpoint: %s
      region: %s
      pathStyle: true
      accessKey: file:access
      secretKey: file:secret
`, ClusterName, yamlList(b.Sim.Addresses()), password, o.Tick, min(o.Tick, time.Second), o.Heartbeat, 15*long, 40*long, 100*long, 15*long, 20*long, o.Tick, o.Tick,
		o.Timing, RepositoryName, b.location(), b.S3.Endpoint, b.S3.Region)+further)
	return filepath.Join(dir, "starkeep.yaml")
}

func yamlList(items []string) string {
	text := "["
	for i, item := range items {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%q", item)
	}
	return text + "]"
}

// Must runs SQL as root.
func (b *Bed) Must(t testing.TB, sql string) {
	t.Helper()
	if err := b.Sim.Exec(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// StartWorker runs a worker in this process until stop is called or the test ends.
func (b *Bed) StartWorker(t testing.TB, interceptors ...interceptor.WorkerInterceptor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.RunWorker(ctx, interceptors...) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Errorf("worker: %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// RunWorker runs a worker in this process until ctx ends.
func (b *Bed) RunWorker(ctx context.Context, interceptors ...interceptor.WorkerInterceptor) error {
	c, err := config.Load(b.Config)
	if err != nil {
		return err
	}
	return run.Run(ctx, run.Options{
		Config: c, Logger: b.Log, Temporal: client.Options{HostPort: b.Temporal, Namespace: b.Namespace}, Interceptors: interceptors, StickyTimeout: time.Second,
	})
}

// Binary finds a server that `make tools` builds, or one that the environment names.
func Binary(t testing.TB, env, name string) string {
	t.Helper()
	if path := os.Getenv(env); path != "" {
		return path
	}
	path := filepath.Join(Root(t), "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: run `make tools`", path)
	}
	t.Skipf("%s is missing: run `make tools`, or set %s", path, env)
	return ""
}

// Root is the repository's root directory.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, ".ci", "run")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no repository around the working directory")
		}
		dir = parent
	}
}

// testLogger writes warnings and errors to the test's log.
func testLogger(t testing.TB) *zap.Logger {
	level := zapcore.ErrorLevel
	if os.Getenv("STARKEEP_TEST_LOG") != "" {
		level = zapcore.DebugLevel
	}
	encoder := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&testWriter{t: t}), level))
}
