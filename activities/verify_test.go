package activities_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// askedStore is a store that counts what is asked of it, by operation and key.
type askedStore struct {
	storage.Store
	mu   sync.Mutex
	gets map[string]int
	list map[string]int
	stat int
	fail func(key string) error // of Get
}

func (s *askedStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	s.gets[key]++
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(key); err != nil {
			return nil, err
		}
	}
	return s.Store.Get(ctx, key, offset, length)
}

func (s *askedStore) List(ctx context.Context, prefix string) iter.Seq2[storage.Object, error] {
	s.mu.Lock()
	s.list[prefix]++
	s.mu.Unlock()
	return s.Store.List(ctx, prefix)
}

func (s *askedStore) Stat(ctx context.Context, key string) (storage.Object, error) {
	s.mu.Lock()
	s.stat++
	s.mu.Unlock()
	return s.Store.Stat(ctx, key)
}

func (s *askedStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets, s.list, s.stat, s.fail = map[string]int{}, map[string]int{}, 0, nil
}

// archive is a repository in a directory, a mirror of it in another one, and a worker that verifies.
type archive struct {
	*bed
	mirror string // directory
	asked  *askedStore
	began  time.Time // of the next verification
}

// newArchive mirrors the bed's repository as it is now.
func newArchive(b *bed) *archive {
	b.Helper()
	a := &archive{bed: b, mirror: filepath.Join(b.TempDir(), "mirror"), began: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
	a.copyDir(b.dir, a.mirror)
	mirror, err := storage.Open(b.Context(), storage.Config{Location: "file://" + filepath.ToSlash(a.mirror)})
	if err != nil {
		b.Fatal(err)
	}
	a.asked = &askedStore{Store: b.store}
	a.asked.reset()
	a.acts = activities.New(nil, []*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Store: a.asked}},
		&activities.Mirror{Name: "dr", Location: "file://mirror", Store: mirror})
	return a
}

func (a *archive) copyDir(from, to string) {
	a.Helper()
	if err := os.RemoveAll(to); err != nil {
		a.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		a.Fatal(err)
	}
}

// mend makes the repository again what the mirror is.
func (a *archive) mend() { a.copyDir(a.mirror, a.dir) }

// verify runs the workflow with the real activities. Each begins a day after the last.
func (a *archive) verify(in spec.Verify) (out spec.VerifyResult, err error) {
	a.Helper()
	if in.Where == "" {
		in.Where = "repo"
	}
	in.Cluster = "prod"
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(a.began)
	a.began = a.began.Add(24 * time.Hour)
	workflows.Register(env)
	env.RegisterActivity(a.acts)
	env.ExecuteWorkflow(spec.VerifyWorkflow, in)
	if err = env.GetWorkflowError(); err == nil {
		err = env.GetWorkflowResult(&out)
		return out, err
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.HasDetails() {
		_ = app.Details(&out)
	}
	return out, err
}

// in makes a subtest the one that fails.
func (a *archive) in(t *testing.T) {
	outer := a.T
	a.T = t
	t.Cleanup(func() { a.T = outer })
}

// kindOf is the type of a failure.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	kind, _ := activities.TypeOf(err)
	return kind
}

// find gives the first key that matches.
func (a *archive) find(pattern string) string {
	a.Helper()
	if keys := a.all(pattern); len(keys) > 0 {
		return keys[0]
	}
	a.Fatalf("no object matches %s", pattern)
	return ""
}

func (a *archive) all(pattern string) (keys []string) {
	a.Helper()
	for o, err := range a.store.List(a.Context(), "") {
		if err != nil {
			a.Fatal(err)
		}
		if regexp.MustCompile(pattern).MatchString(o.Key) {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

func (a *archive) read(key string) []byte {
	a.Helper()
	data, err := storage.ReadAll(a.Context(), a.store, key, 1<<30)
	if err != nil {
		a.Fatal(err)
	}
	return data
}

func (a *archive) write(key string, data []byte) {
	a.Helper()
	if err := storage.WriteAll(a.Context(), a.store, key, data, storage.Overwrite); err != nil {
		a.Fatal(err)
	}
}

func (a *archive) drop(keys ...string) {
	a.Helper()
	if err := a.store.Delete(a.Context(), keys...); err != nil {
		a.Fatal(err)
	}
}

// flip changes one bit in the middle.
func (a *archive) flip(key string) {
	data := a.read(key)
	data[len(data)/2] ^= 4
	a.write(key, data)
}

// state is every object but what runs write for themselves.
func (a *archive) state() map[string]string {
	all := map[string]string{}
	for _, key := range a.all("") {
		if k, err := restorepoint.ParseKey(key); err == nil && (k.Kind == restorepoint.KeyPlan || k.Kind == restorepoint.KeyVerification) {
			continue
		}
		all[key] = string(a.read(key))
	}
	return all
}

const someMD5 = "00000000000000000000000000000000"

// TestEachKindOfDamageIsFoundAndRepaired: and nothing else is touched. The last column says whether a mirror can mend it.
func TestEachKindOfDamageIsFoundAndRepaired(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	point := b.backUp("d")
	a := newArchive(b)
	const dats, partition = `\.dat\.[0-9a-f]{32}$`, `/__part_(\d+)/`
	data, header := a.find(dats), a.find(`\.hdr\.[0-9a-f]{32}$`)
	record, list, manifest := a.find(`/snapshot\.json$`), a.find(`/objects-1\.`), a.find(`/manifest\.json$`)
	info, meta, repoInfo := a.find(`/__info_`), a.find(`/__meta\.`), a.find(`/__repo_info$`)
	tampered := func(key, from, to string) func() {
		return func() {
			text := string(a.read(key))
			if !strings.Contains(text, from) {
				t.Fatalf("%s has no %s", key, from)
			}
			a.write(key, []byte(strings.Replace(text, from, to, 1)))
		}
	}
	for name, c := range map[string]struct {
		damage   func()
		content  string
		kind     restorepoint.ProblemKind
		key      string // that is named
		mendable bool
	}{
		"bit flip":                {func() { a.flip(data) }, "all", restorepoint.ProblemContent, data, true},
		"other object, same size": {func() { a.write(data, bytes.Repeat([]byte("x"), len(a.read(data)))) }, "all", restorepoint.ProblemContent, data, true},
		"truncated":               {func() { a.write(data, a.read(data)[:7]) }, "none", restorepoint.ProblemSize, data, true},
		"truncated, and read":     {func() { a.write(data, a.read(data)[:7]) }, "all", restorepoint.ProblemSize, data, true},
		"longer":                  {func() { a.write(data, append(a.read(data), 'x')) }, "none", restorepoint.ProblemSize, data, true},
		"emptied":                 {func() { a.write(data, nil) }, "all", restorepoint.ProblemSize, data, true},
		"missing":                 {func() { a.drop(data) }, "none", restorepoint.ProblemMissing, data, true},
		"missing, and read":       {func() { a.drop(data) }, "all", restorepoint.ProblemMissing, data, true},
		"header missing":          {func() { a.drop(header) }, "none", restorepoint.ProblemMissing, header, true},
		"__info missing":          {func() { a.drop(info) }, "none", restorepoint.ProblemMissing, info, true},
		"__meta flipped":          {func() { a.flip(meta) }, "all", restorepoint.ProblemContent, meta, true},
		"__repo_info missing":     {func() { a.drop(repoInfo) }, "none", restorepoint.ProblemMissing, repoInfo, true},
		"doubled":                 {func() { a.write(data[:len(data)-32]+someMD5, []byte("x")) }, "none", restorepoint.ProblemDouble, data[:len(data)-32] + someMD5, false},
		"__meta doubled":          {func() { a.write(meta[:len(meta)-32]+someMD5, []byte("x")) }, "none", restorepoint.ProblemDouble, meta[:len(meta)-32] + someMD5, false},
		"foreign":                 {func() { a.write(filepath.Dir(data)+"/notes.txt", []byte("x")) }, "none", restorepoint.ProblemForeign, filepath.Dir(data) + "/notes.txt", false},
		"record missing":          {func() { a.drop(record) }, "none", restorepoint.ProblemMissing, record, true},
		"record changed":          {tampered(record, `"label"`, ` "label"`), "none", restorepoint.ProblemContent, record, true},
		"record cut":              {func() { a.write(record, a.read(record)[:99]) }, "none", restorepoint.ProblemContent, record, true},
		"list missing":            {func() { a.drop(list) }, "none", restorepoint.ProblemMissing, list, true},
		"list changed":            {func() { a.flip(list) }, "none", restorepoint.ProblemContent, list, true},
		"manifest cut":            {func() { a.write(manifest, a.read(manifest)[:99]) }, "none", restorepoint.ProblemContent, manifest, true},
		"manifest of another":     {tampered(manifest, point, "20200101T000000Z-000000"), "none", restorepoint.ProblemContent, manifest, true},
		"manifest contradicts":    {tampered(manifest, `"partitions":4`, `"partitions":5`), "none", restorepoint.ProblemContent, manifest, true},
		"record's digest changed": {tampered(manifest, `"sha256":"`, `"sha256":"`+strings.Repeat("0", 64)+`","was":"`), "none", restorepoint.ProblemContent, record, false},
	} {
		t.Run(name, func(t *testing.T) {
			a.in(t)
			a.mend()
			c.damage()
			damaged := a.state()
			in := spec.Verify{Points: []string{spec.AllPoints}, Content: c.content}
			out, err := a.verify(in)
			if kindOf(err) != spec.ErrorChecksumMismatch || out.Result != spec.VerifyDamaged || out.Found != 1 || len(out.Problems) != 1 {
				t.Fatalf("%+v, %v; want one problem", out, err)
			}
			if p := out.Problems[0]; p.Kind != string(c.kind) || p.Key != c.key || p.Repaired {
				t.Errorf("%+v, want %s of %s", p, c.kind, c.key)
			}
			if regexp.MustCompile(partition).MatchString(c.key) {
				if p := out.Problems[0]; p.Database != "d" || p.Table == "" || p.Partition == "" || p.Tablet == 0 || p.Snapshot == "" {
					t.Errorf("the place is not named: %+v", p)
				}
			}
			if v := a.lastVerification(point); v.Result != restorepoint.VerifiedDamaged || v.Found != 1 || len(v.Problems) != 1 || v.Problems[0].Key != c.key {
				t.Errorf("written down: %+v", v)
			}
			if !maps.Equal(a.state(), damaged) {
				t.Error("a verification without repair has changed something")
			}

			in.RepairFrom = "dr"
			out, err = a.verify(in)
			if !c.mendable {
				if kindOf(err) != spec.ErrorChecksumMismatch || out.Repaired != 0 {
					t.Errorf("with a mirror: %+v, %v", out, err)
				}
				if !maps.Equal(a.state(), damaged) {
					t.Error("what cannot be repaired was touched")
				}
				return
			}
			if err != nil || out.Result != spec.VerifyOK || out.Found != 1 || out.Repaired != 1 || !out.Problems[0].Repaired {
				t.Fatalf("with a mirror: %+v, %v", out, err)
			}
			a.wantMended()
			if out, err = a.verify(spec.Verify{Content: "all"}); err != nil || out.Found != 0 || out.Read == 0 {
				t.Errorf("afterwards: %+v, %v", out, err)
			}
		})
	}
}

// wantMended compares the repository with the mirror.
func (a *archive) wantMended() {
	a.Helper()
	have := a.state()
	mirrored := 0
	err := filepath.WalkDir(a.mirror, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key, _ := filepath.Rel(a.mirror, path)
		if k, err := restorepoint.ParseKey(filepath.ToSlash(key)); err == nil && k.Kind == restorepoint.KeyPlan {
			return nil
		}
		mirrored++
		want, err := os.ReadFile(path)
		if have[filepath.ToSlash(key)] != string(want) {
			a.Errorf("%s is not what the mirror has", key)
		}
		return err
	})
	if err != nil || mirrored != len(have) {
		a.Errorf("%d objects, the mirror has %d: %v", len(have), mirrored, err)
	}
}

func (a *archive) lastVerification(point string) restorepoint.Verification {
	a.Helper()
	keys := a.all(regexp.QuoteMeta(restorepoint.VerificationPrefix("prod", point)))
	if len(keys) == 0 {
		a.Fatal("nothing was written down")
	}
	v, err := restorepoint.DecodeVerification(a.read(keys[len(keys)-1]))
	if err != nil {
		a.Fatal(err)
	}
	return v
}

// A mirror that is wrong too repairs nothing, and is not believed.
func TestADamagedCopyRepairsNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d")
	a := newArchive(b)
	data := a.all(`\.dat\.[0-9a-f]{32}$`)
	a.flip(data[0])
	a.drop(data[1])
	a.flip(data[2])
	for _, key := range data[:2] {
		path := filepath.Join(a.mirror, filepath.FromSlash(key))
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), len(a.read(data[2]))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damaged := a.state()
	out, err := a.verify(spec.Verify{Content: "all", RepairFrom: "dr"})
	if kindOf(err) != spec.ErrorChecksumMismatch || out.Found != 3 || out.Repaired != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	now := a.state()
	for _, key := range data[:2] {
		if now[key] != damaged[key] {
			t.Errorf("%s was touched", key)
		}
		if i := slices.IndexFunc(out.Problems, func(p spec.VerifyProblem) bool { return p.Key == key }); i < 0 || !strings.Contains(out.Problems[i].Detail, "dr has no right copy") {
			t.Errorf("%+v does not say why %s is not repaired", out.Problems, key)
		}
	}
	if fmt.Sprintf("%x", now[data[2]]) == fmt.Sprintf("%x", damaged[data[2]]) {
		t.Error("the third one is not repaired")
	}
}

// Presence and size come from one listing of each native snapshot: no request for any object.
func TestPresenceTakesOneListingOfEachSnapshot(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d.t/p1", "d.t/p2")
	b.backUp("d.t/p3", "d.pk")
	b.backUp("d")
	a := newArchive(b)
	out, err := a.verify(spec.Verify{Points: []string{spec.AllPoints}})
	if err != nil || out.Verified != 3 || out.Snapshots != 3 || out.Objects == 0 || out.Read != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	listed := 0
	for prefix, n := range a.asked.list {
		if strings.HasPrefix(prefix, "__starrocks") {
			listed++
			if n != 1 {
				t.Errorf("%s was listed %d times", prefix, n)
			}
		}
	}
	if listed != 3 {
		t.Errorf("%d native snapshots were listed: %v", listed, a.asked.list)
	}
	for key := range a.asked.gets {
		if strings.HasPrefix(key, "__starrocks") {
			t.Errorf("%s was read", key)
		}
	}
	if a.asked.stat > 10 { // a few of starkeep's own files, and one of the repository's
		t.Errorf("%d objects were looked at one by one", a.asked.stat)
	}
}

// TestSevenSamplesReadEverythingOnce: each object's content is read by exactly one of seven verifications in a row; those of
// another selection in between do not disturb.
func TestSevenSamplesReadEverythingOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d")
	a := newArchive(b)
	read := map[string]int{}
	var parts []int
	for range 7 {
		a.asked.reset()
		out, err := a.verify(spec.Verify{Sample: "1/7"})
		if err != nil || out.Of != 7 {
			t.Fatalf("%+v, %v", out, err)
		}
		parts = append(parts, out.Part)
		for key, n := range a.asked.gets {
			if strings.Contains(key, "/__ss_") {
				read[key] += n
			}
		}
		if int(out.Read) != sumOfSnapshotReads(a.asked.gets) {
			t.Errorf("%d objects are said to be read, %d were", out.Read, sumOfSnapshotReads(a.asked.gets))
		}
		if _, err := a.verify(spec.Verify{Points: []string{spec.AllPoints}, Sample: "1/5"}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(parts)
	if !slices.Equal(parts, []int{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("parts %v", parts)
	}
	for _, key := range a.all(`/__ss_.*\.[0-9a-f]{32}$`) {
		if read[key] != 1 {
			t.Errorf("%s was read %d times", key, read[key])
		}
	}
}

func sumOfSnapshotReads(gets map[string]int) (n int) {
	for key, times := range gets {
		if strings.Contains(key, "/__ss_") {
			n += times
		}
	}
	return n
}

// A native snapshot that starkeep did not make is verified by its __info alone, and as an adopted point like any other.
func TestANativeSnapshotThatStarkeepDidNotMake(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.sql("BACKUP SNAPSHOT d.by_hand TO r")
	b.reach("BACKUP", "d", "FINISHED")
	var adopted spec.AdoptResult
	b.must(&adopted, b.acts.AdoptSnapshot, spec.Adopt{Cluster: "prod", Repository: "repo", Label: "by_hand"})
	a := newArchive(b)
	native := spec.Verify{Native: &spec.NativeSnapshot{Label: "by_hand"}, Content: spec.ContentAll}
	out, err := a.verify(native)
	if err != nil || out.Result != spec.VerifyOK || out.Snapshots != 1 || out.Read != adopted.Objects || out.Verified != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	point := spec.Verify{Points: []string{adopted.Point}, Content: spec.ContentAll}
	if out, err := a.verify(point); err != nil || out.Verified != 1 || out.Read != adopted.Objects {
		t.Fatalf("%+v, %v", out, err)
	}
	data, meta := a.all(`\.dat\.[0-9a-f]{32}$`), a.find(`/__meta\.`)
	for name, c := range map[string]struct {
		damage  func()
		content string
		kind    string
	}{
		"bit flip":       {func() { a.flip(data[0]) }, spec.ContentAll, "content differs"},
		"__meta flipped": {func() { a.flip(meta) }, spec.ContentNone, "content differs"},
		"doubled":        {func() { a.write(data[0][:len(data[0])-32]+someMD5, []byte("x")) }, spec.ContentNone, "double"},
		"tablet missing": {func() { a.drop(a.all(regexp.QuoteMeta(filepath.Dir(data[0]) + "/"))...) }, spec.ContentNone, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			a.in(t)
			a.mend()
			c.damage()
			native.Content = c.content
			out, err := a.verify(native)
			if kindOf(err) != spec.ErrorChecksumMismatch || out.Found != 1 || out.Problems[0].Kind != c.kind {
				t.Errorf("%+v, %v", out, err)
			}
			if strings.Contains(out.Problems[0].Key, "/__part_") && (out.Problems[0].Table == "" || out.Problems[0].Partition == "") {
				t.Errorf("the place is not named: %+v", out.Problems[0])
			}
		})
	}
	for name, in := range map[string]spec.Verify{
		"no such label":        {Native: &spec.NativeSnapshot{Label: "nobody"}},
		"no such point":        {Points: []string{"20200101T000000Z-000000"}},
		"a native in a mirror": {Where: "dr", Native: &spec.NativeSnapshot{Label: "by_hand"}},
		"no such store":        {Where: "nowhere"},
		"repair from nowhere":  {RepairFrom: "nowhere"},
	} {
		if _, err := a.verify(in); kindOf(err) != spec.ErrorSnapshotMissing && kindOf(err) != spec.ErrorInvalidSpec {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A problem is that of the points that refer to the partition, not of others that refer to the same native snapshot.
func TestDamageIsThatOfThePointsThatNeedIt(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	whole := b.backUp("d")
	a := newArchive(b)
	m, err := restorepoint.DecodeManifest(a.read(restorepoint.ManifestKey("prod", whole)))
	if err != nil {
		t.Fatal(err)
	}
	m.ID = "20260101T000000Z-00000a"
	tables := m.Databases[0].Tables
	m.Databases[0].Tables = slices.DeleteFunc(tables, func(table restorepoint.Table) bool { return table.Name != "t" })
	lost := m.Databases[0].Tables[0].Partitions[0]
	m.Databases[0].Tables[0].Partitions = m.Databases[0].Tables[0].Partitions[1:]
	less, err := restorepoint.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	a.write(restorepoint.ManifestKey("prod", m.ID), less)
	a.drop(a.find(fmt.Sprintf(`/__part_%d/.*\.dat\.`, lost.Physical[0].ID)))

	out, err := a.verify(spec.Verify{Points: []string{spec.AllPoints}})
	if kindOf(err) != spec.ErrorChecksumMismatch || out.Snapshots != 1 || out.Verified != 2 || out.Damaged != 1 || out.Points[0].ID != whole {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = a.verify(spec.Verify{Points: []string{m.ID}})
	if err != nil || out.Result != spec.VerifyOK || out.Found != 1 || !strings.Contains(strings.Join(out.Warnings, ""), "none of the verified restore points needs") {
		t.Errorf("%+v, %v", out, err)
	}
}

// A batch goes on where the last attempt was: what was read is not read again, what was found is kept.
func TestABatchThatIsBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp("d")
	a := newArchive(b)
	data := a.all(`\.dat\.[0-9a-f]{32}$`)
	a.flip(data[0])
	in := activities.PlanVerifyInput{Spec: spec.Verify{Cluster: "prod", Where: "repo", Content: spec.ContentAll}, Run: "run", At: a.began}
	var plan activities.VerifyPlan
	a.must(&plan, a.acts.PlanVerify, in)
	var looked activities.CheckedObjects
	a.must(&looked, a.acts.CheckObjects, activities.CheckObjectsInput{PlanVerifyInput: in, Plan: plan, File: "g0"})
	if len(looked.Batches) != 1 || looked.Found != 0 {
		t.Fatalf("%+v", looked)
	}
	read := activities.ReadObjectsInput{PlanVerifyInput: in, Plan: plan, Batch: looked.Batches[0], Look: "g0", File: "g0b0"}
	a.asked.reset()
	last := data[len(data)-1]
	a.asked.fail = func(key string) error {
		if key == last {
			return fmt.Errorf("get: %w", storage.ErrUnavailable)
		}
		return nil
	}
	first := a.run(a.acts.ReadObjects, read)
	if first.kind != spec.ErrorStorageUnavailable || !first.retry {
		t.Fatalf("%+v", first)
	}
	a.asked.reset()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(a.acts)
	problem := map[string]any{"kind": "content differs", "key": data[0], "detail": "x", "snapshot": "s"}
	env.SetHeartbeatDetails(map[string]any{"through": 3, "objects": 5, "bytes": 10, "found": []any{
		map[string]any{"at": 1, "found": problem}, map[string]any{"at": 4, "found": problem}}})
	value, err := env.ExecuteActivity(a.acts.ReadObjects, read)
	if err != nil {
		t.Fatal(err)
	}
	var out activities.ObjectsRead
	if err := value.Get(&out); err != nil {
		t.Fatal(err)
	}
	if read := sumOfSnapshotReads(a.asked.gets); int64(read) < looked.Batches[0].Objects-3 || int64(read) > looked.Batches[0].Objects-3+1 {
		t.Errorf("%d objects were read after 3 of %d were through", read, looked.Batches[0].Objects)
	}
	if out.Objects != looked.Batches[0].Objects || out.Found < 1 || out.Found > 2 {
		t.Errorf("%+v", out)
	}
}

// A point that is pruned while it is verified is no damage.
func TestAPointThatIsPrunedMeanwhileIsLeftOut(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	gone := b.backUp("d.pk")
	kept := b.backUp("d.t")
	a := newArchive(b)
	once := false
	a.asked.fail = func(key string) error {
		if strings.Contains(key, "/snapshot.json") && !once {
			once = true
			a.drop(restorepoint.ManifestKey("prod", gone))
			a.drop(a.all(regexp.QuoteMeta(labelOf(t, a, gone)))...)
		}
		return nil
	}
	out, err := a.verify(spec.Verify{Points: []string{spec.AllPoints}})
	if err != nil || out.Verified != 1 || out.Points[0].ID != kept || !strings.Contains(strings.Join(out.Warnings, ""), gone+" was pruned meanwhile") {
		t.Errorf("%+v, %v", out, err)
	}
}

// labelOf is the prefix of a point's only native snapshot; the point is read from the mirror.
func labelOf(t *testing.T, a *archive, point string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(a.mirror, filepath.FromSlash(restorepoint.ManifestKey("prod", point))))
	if err != nil {
		t.Fatal(err)
	}
	m, err := restorepoint.DecodeManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	return starrocks.Snapshot{Repository: "r", Label: m.Snapshots[0].Label}.Prefix()
}

// Listing and showing points tell of the last verification.
func TestPointsTellTheirLastVerification(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	point := b.backUp("d")
	a := newArchive(b)
	if _, err := a.verify(spec.Verify{Content: spec.ContentAll}); err != nil {
		t.Fatal(err)
	}
	a.drop(a.find(`\.dat\.`))
	if _, err := a.verify(spec.Verify{Sample: "1/7"}); err == nil {
		t.Fatal("a missing object goes unseen")
	}
	a.acts = activities.New([]*activities.Cluster{{Name: "prod"}}, []*activities.Repository{{Name: "repo", Native: "r", Location: b.location, Store: b.store}})
	var list, details spec.InspectResult
	a.must(&list, a.acts.Inspect, spec.Inspect{Read: spec.ReadPoints, Cluster: "prod", Repository: "repo"})
	if v := list.Points[0].Verified; v == nil || v.Result != spec.VerifyDamaged || v.Content != spec.ContentSample || v.Of != 7 || v.At != "2026-11-23T00:00:00Z" {
		t.Errorf("%+v", v)
	}
	a.must(&details, a.acts.Inspect, spec.Inspect{Read: spec.ReadPoint, Cluster: "prod", Repository: "repo", Point: point})
	if v := details.Point.Verifications; len(v) != 2 || v[1].Result != spec.VerifyOK || v[1].Content != spec.ContentAll || !strings.Contains(v[0].Reason, "is missing") {
		t.Errorf("%+v", v)
	}
}
