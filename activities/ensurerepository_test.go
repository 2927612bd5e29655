package activities_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

// second is a cluster that does not know the bed's repository, and activities of a worker that knows both.
func (b *bed) second() (*starrockssim.Cluster, *activities.Activities) {
	b.Helper()
	sim, err := starrockssim.Start(starrockssim.Options{Tick: tick, ClusterID: 4711})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(sim.Close)
	var clusters []*activities.Cluster
	for name, addresses := range map[string][]string{"prod": b.sim.Addresses(), "dr": sim.Addresses()} {
		fe, err := starrocks.Open(starrocks.Config{Addresses: addresses, User: "root"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = fe.Close() })
		clusters = append(clusters, &activities.Cluster{Name: name, FE: fe, Timing: b.timing, Limits: activities.Limits{UnitDuration: 1 << 30, BytesPerSecond: 1 << 30}})
	}
	return sim, activities.New(clusters, []*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Kind: activities.KindFile, Store: b.store}})
}

var onDR = activities.EnsureRepositoryInput{Cluster: "dr", Repository: "repo", ReadOnly: true}

func (b *bed) ensure(a *activities.Activities, in activities.EnsureRepositoryInput) (activities.EnsuredRepository, error) {
	b.Helper()
	b.acts = a
	e := b.run(a.EnsureRepository, in)
	var out activities.EnsuredRepository
	if e.err == nil {
		if err := e.value.Get(&out); err != nil {
			b.Fatal(err)
		}
	}
	return out, e.err
}

// repoInfo puts a __repo_info at a key of the bed's repository.
func (b *bed) repoInfo(key, text string) {
	b.Helper()
	if err := storage.WriteAll(b.Context(), b.store, key, []byte(text), storage.Overwrite); err != nil {
		b.Fatal(err)
	}
}

const infoKey = "__starrocks_repository_r/__repo_info"

func TestARepositoryIsCreatedOnceAndAttachedToWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	sim, a := b.second()
	before, err := storage.ReadAll(t.Context(), b.store, infoKey, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.ensure(a, onDR)
	if err != nil || !out.Created || !out.Adopted || !out.ReadOnly || out.Location != b.location || !strings.Contains(out.Message, "created on cluster dr") {
		t.Errorf("%+v, %v", out, err)
	}
	again, err := b.ensure(a, onDR)
	if err != nil || again.Created || again.Adopted || !again.ReadOnly || again.Location != b.location || !strings.Contains(again.Message, "already READ ONLY") {
		t.Errorf("again: %+v, %v", again, err)
	}
	if sent := sim.Accepted("CREATE READ ONLY REPOSITORY"); len(sent) != 1 {
		t.Errorf("%d statements: %v", len(sent), sent)
	}
	if after, _ := storage.ReadAll(t.Context(), b.store, infoKey, 1000); string(after) != string(before) {
		t.Errorf("__repo_info was %s, is %s", before, after)
	}
	writable := onDR
	writable.ReadOnly = false
	if out, err := b.ensure(a, writable); err != nil || out.Created || !out.ReadOnly || !strings.Contains(out.Message, "drop it there and create it anew") {
		t.Errorf("asked for one that can write: %+v, %v", out, err)
	}
}

// TestACreateWhoseAnswerIsLostIsNotSentTwice: the next attempt finds what the first one made.
func TestACreateWhoseAnswerIsLostIsNotSentTwice(t *testing.T) {
	for name, c := range map[string]struct {
		lost       way
		statements int
	}{"the answer is lost": {loseAnswer, 1}, "the statement is lost": {loseStatement, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			sim, _ := b.second()
			proxy := newProxy(t, sim.Addresses()[0])
			once := true
			proxy.on(func(sql string) way {
				if strings.HasPrefix(sql, "CREATE") && once {
					once = false
					return c.lost
				}
				return pass
			})
			fe, err := starrocks.Open(starrocks.Config{Addresses: []string{proxy.address}, User: "root", Reach: map[string]string{sim.Addresses()[0]: proxy.address}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fe.Close() })
			a := activities.New([]*activities.Cluster{{Name: "dr", FE: fe, Timing: b.timing}}, []*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Store: b.store}})
			if _, err := b.ensure(a, onDR); !retried(err) {
				t.Fatalf("the broken connection ended with %v, want it tried again", err)
			}
			out, err := b.ensure(a, onDR)
			if err != nil || !out.ReadOnly || out.Created != (c.lost == loseStatement) {
				t.Errorf("%+v, %v", out, err)
			}
			if n := len(sim.Accepted("CREATE READ ONLY REPOSITORY")); n != c.statements {
				t.Errorf("%d statements were accepted", n)
			}
		})
	}
}

func TestARepositoryThatCanWriteIsToldWhereReadOnlyWasAskedFor(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	_, a := b.second()
	in := onDR
	in.Cluster = "prod"
	out, err := b.ensure(a, in)
	if err != nil || out.Created || out.ReadOnly || !strings.Contains(out.Message, "can write to it") {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestAnEmptyLocationBecomesARepository(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	_, a := b.second()
	if err := os.RemoveAll(filepath.Join(b.dir, "__starrocks_repository_r")); err != nil {
		t.Fatal(err)
	}
	in := onDR
	in.ReadOnly = false
	out, err := b.ensure(a, in)
	if err != nil || !out.Created || out.Adopted || out.ReadOnly {
		t.Errorf("%+v, %v", out, err)
	}
	var info map[string]string
	if data, err := storage.ReadAll(t.Context(), b.store, infoKey, 1000); err != nil || json.Unmarshal(data, &info) != nil || info["name"] != "r" {
		t.Errorf("__repo_info: %v, %v", info, err)
	}
}

// TestARepositoryThatWouldNotBeTheProfilesIsNotAttached: StarRocks takes name and time from the file that it finds.
func TestARepositoryThatWouldNotBeTheProfilesIsNotAttached(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*bed, *starrockssim.Cluster)
		kind    string
		says    []string
	}{
		"__repo_info of another repository": {func(b *bed, _ *starrockssim.Cluster) {
			b.repoInfo(infoKey, `{"name":"other","create_time":"2026-01-31 12:00:00"}`)
		}, spec.ErrorInvalidSpec, []string{`names the repository "other", not "r"`, "delete it"}},
		"__repo_info that is garbage": {func(b *bed, _ *starrockssim.Cluster) { b.repoInfo(infoKey, "hello") }, spec.ErrorChecksumMismatch, []string{"damaged", infoKey}},
		"__repo_info without a time":  {func(b *bed, _ *starrockssim.Cluster) { b.repoInfo(infoKey, `{"name":"r"}`) }, spec.ErrorChecksumMismatch, []string{"damaged"}},
		"the older layout": {func(b *bed, _ *starrockssim.Cluster) {
			b.repoInfo("__palo_repository_r/__repo_info", `{"name":"r","create_time":"2026-01-31 12:00:00"}`)
		}, spec.ErrorVersionUnsupported, []string{"__palo_repository_r", "another location"}},
		"one of this name elsewhere": {func(b *bed, sim *starrockssim.Cluster) {
			if err := sim.Exec(fmt.Sprintf(`CREATE REPOSITORY r WITH BROKER ON LOCATION "file://%s"`, b.TempDir())); err != nil {
				b.Fatal(err)
			}
		}, spec.ErrorRepositoryMissing, []string{`repository "r" of cluster dr is at file://`, "but profile repo says file://"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			sim, a := b.second()
			c.prepare(b, sim)
			out, err := b.ensure(a, onDR)
			kind, message := activities.TypeOf(err)
			if err == nil || kind != c.kind {
				t.Fatalf("%+v, %v; want %s", out, err, c.kind)
			}
			for _, w := range c.says {
				if !strings.Contains(message, w) {
					t.Errorf("message lacks %q: %s", w, message)
				}
			}
			if sent := sim.Accepted("CREATE READ ONLY REPOSITORY"); len(sent) != 0 {
				t.Errorf("it was created: %v", sent)
			}
		})
	}
}

// TestWhatStarRocksSaysOfALocationBecomesAdvice: the FE cannot use what the worker can.
func TestWhatStarRocksSaysOfALocationBecomesAdvice(t *testing.T) {
	const secret = "c4n4ry-secret-key"
	for name, c := range map[string]struct {
		said  string // by the FE's library
		kind  string
		final bool
		says  []string
	}{
		"wrong key": {"Fail to get file status: S3Exception: Forbidden (Service: S3, Status Code: 403)", spec.ErrorAuthDenied, true,
			[]string{"s3:ListBucket", "correct the credentials of StarRocks", "starrocks"}},
		"no bucket":     {"NoSuchBucketException: The specified bucket does not exist.", spec.ErrorRepositoryMissing, true, []string{"create the bucket"}},
		"no connection": {"Unable to execute HTTP request: Connect to 127.0.0.1:7099 failed: Connection refused", spec.ErrorStorageUnavailable, false, []string{"let the FE reach the store", "s3.endpoint"}},
		"other":         {"something else with " + secret, spec.ErrorRepositoryMissing, true, []string{"something else"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			sim, err := starrockssim.Start(starrockssim.Options{OpenStore: func(string, map[string]string) (storage.Store, error) { return nil, fmt.Errorf("%s", c.said) }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(sim.Close)
			fe, err := starrocks.Open(starrocks.Config{Addresses: sim.Addresses(), User: "root"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fe.Close() })
			a := activities.New([]*activities.Cluster{{Name: "dr", FE: fe, Timing: b.timing}}, []*activities.Repository{{
				Name: "repo", Native: "r", Location: "s3a://bucket/prefix", Kind: activities.KindS3, Store: b.store,
				Properties: func() (map[string]string, error) { return map[string]string{"aws.s3.secret_key": secret}, nil },
			}})
			if err := os.RemoveAll(filepath.Join(b.dir, "__starrocks_repository_r")); err != nil {
				t.Fatal(err)
			}
			_, err = b.ensure(a, onDR)
			kind, message := activities.TypeOf(err)
			if kind != c.kind || retried(err) == c.final {
				t.Errorf("type %s, retried %t: %v", kind, retried(err), err)
			}
			for _, w := range append(c.says, "create repository r on cluster dr at s3a://bucket/prefix (profile repo)") {
				if !strings.Contains(message, w) {
					t.Errorf("message lacks %q: %s", w, message)
				}
			}
			if strings.Contains(message, secret) || strings.Contains(message, "repo drop") {
				t.Errorf("message holds a secret, or drops what is not there: %s", message)
			}
		})
	}
}

func TestUnreadableCredentialsOfStarRocksAreTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	client, err := starrocks.Open(starrocks.Config{Addresses: b.sim.Addresses(), User: "root"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	a := activities.New([]*activities.Cluster{{Name: "dr", FE: client, Timing: b.timing}}, []*activities.Repository{{Name: "repo", Native: "fresh", Location: b.location, Store: b.store,
		Properties: func() (map[string]string, error) {
			return nil, fmt.Errorf("starrocks.secretKey: secret env:X: the environment variable is not set")
		}}})
	_, err = b.ensure(a, onDR)
	if kind, message := activities.TypeOf(err); kind != spec.ErrorInvalidSpec || !strings.Contains(message, "env:X") {
		t.Errorf("%v", err)
	}
}
