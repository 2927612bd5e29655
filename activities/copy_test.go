package activities_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/workflows/spec"
)

// toMirror is the copy of these tests.
var toMirror = spec.Copy{Cluster: "prod", From: "repo", To: "dr"}

// mirrored gives the worker a mirror; "" is a directory.
func (b *bed) mirrored(c storage.Config) storage.Store {
	b.Helper()
	if c.Location == "" {
		c.Location = "file://" + filepath.ToSlash(b.TempDir())
	}
	store, err := storage.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	b.mirrorAt(store)
	return store
}

func (b *bed) mirrorAt(store storage.Store) {
	b.mirrors = []*activities.Mirror{{Name: "dr", Location: "file:///mirror", Store: store}}
	b.acts = b.newWorker(options{})
}

// copyAll does what the workflow does, step by step.
func (b *bed) copyAll(in spec.Copy) (out spec.CopyResult) {
	b.Helper()
	var plan activities.CopyPlan
	b.must(&plan, b.acts.PlanCopy, activities.PlanCopyInput{Spec: in})
	out.Held = plan.Held
	for _, id := range plan.Points {
		var point activities.PointCopy
		b.must(&point, b.acts.PlanPointCopy, activities.PointCopyInput{Spec: in, Point: id})
		for _, s := range point.Snapshots {
			b.copySnapshot(in, s, &out)
		}
		b.must(nil, b.acts.PublishCopy, activities.PointCopyInput{Spec: in, Point: id})
		out.Points = append(out.Points, id)
	}
	return out
}

func (b *bed) copySnapshot(in spec.Copy, s activities.SnapshotToCopy, out *spec.CopyResult) {
	b.Helper()
	plan := b.planSnapshot(in, s.Label)
	out.Present += plan.Present
	for _, batch := range plan.Batches {
		var copied activities.CopiedBatch
		b.must(&copied, b.acts.CopyBatch, activities.CopyBatchInput{Spec: in, Label: s.Label, Plan: plan.Plan, Batch: batch})
		out.Objects += copied.Copied
		out.Present += copied.Present
		out.Moved += copied.Moved
	}
	b.must(nil, b.acts.CopyRecord, activities.CopyRecordInput{Spec: in, Run: "run", Snapshot: s})
	out.Snapshots++
}

func (b *bed) planSnapshot(in spec.Copy, label string) activities.SnapshotCopy {
	b.Helper()
	var plan activities.SnapshotCopy
	b.must(&plan, b.acts.PlanSnapshotCopy, activities.SnapshotCopyInput{Spec: in, Label: label, Run: "run"})
	return plan
}

// held reads what of restore points lies in a store: all but plans.
func held(t *testing.T, store storage.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if k, err := restorepoint.ParseKey(o.Key); err == nil && k.Kind == restorepoint.KeyPlan {
			continue
		}
		data, err := storage.ReadAll(t.Context(), store, o.Key, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(data)
	}
	return all
}

// A mirror is its repository, byte by byte; on HDFS: test/e2e.
func TestAMirrorHoldsTheSameObjects(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	first := b.backUp("d.t")
	second := b.backUp("d.pk")
	want := held(t, b.store)
	for name, at := range map[string]func(t *testing.T) storage.Config{
		"directory": func(t *testing.T) storage.Config {
			return storage.Config{Location: "file://" + filepath.ToSlash(t.TempDir())}
		},
		"S3":  func(t *testing.T) storage.Config { return storagetest.StartS3(t).Config("mirror") },
		"GCS": func(t *testing.T) storage.Config { return storagetest.StartGCSInMemory(t).Config("mirror") },
	} {
		t.Run(name, func(t *testing.T) {
			mirror := b.mirrored(at(t))
			out := b.copyAll(toMirror)
			if !slices.Equal(out.Points, []string{first, second}) || out.Objects == 0 || out.Moved == 0 {
				t.Fatalf("copied %+v", out)
			}
			got := held(t, mirror)
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if got[key] != want[key] {
					t.Errorf("%s: %d bytes in the mirror, %d in the repository", key, len(got[key]), len(want[key]))
				}
				delete(got, key)
			}
			if len(got) > 0 {
				t.Errorf("the mirror has more: %q", slices.Sorted(maps.Keys(got)))
			}
			if again := b.copyAll(toMirror); again.Held != 2 || len(again.Points) > 0 {
				t.Errorf("copied again: %+v", again)
			}
			// What was lost in the mirror is found by who looks for it there; the copy of a single point trusts what it has made.
			if one := b.copyAll(spec.Copy{Cluster: "prod", From: "repo", To: "dr", Point: "latest"}); one.Held != 1 {
				t.Errorf("copied one again: %+v", one)
			}
		})
	}
}

// writing is a store that counts the bytes written under each key, and can stand still.
type writing struct {
	storage.Store
	mu    sync.Mutex
	count map[string]int
	begun int
	stop  int // from the write of tablets of this number on: wait for the context
}

func (w *writing) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	k, err := starrocks.ParseKey(key)
	tablet := err == nil && k.Kind == starrocks.KeyTabletFile
	w.mu.Lock()
	if tablet {
		w.begun++
	}
	stop := tablet && w.stop > 0 && w.begun >= w.stop
	w.mu.Unlock()
	if stop {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := w.Store.Put(ctx, key, body, size, mode); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[key]++
	return nil
}

func TestABatchThatWasBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	point := b.backUp("d")
	w := &writing{Store: b.mirrored(storage.Config{}), count: map[string]int{}, stop: 4}
	b.mirrorAt(w)
	label := b.manifest(point).Snapshots[0].Label
	plan := b.planSnapshot(toMirror, label)
	if len(plan.Batches) != 1 {
		t.Fatalf("planned %+v", plan)
	}
	call, done := b.start(b.acts.CopyBatch, activities.CopyBatchInput{Spec: toMirror, Label: label, Plan: plan.Plan, Batch: plan.Batches[0]})
	b.until("three objects are copied", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.begun >= 4 && tabletsIn(w.count) == 3 })
	call.interrupt(errors.New("the worker dies"))
	if e := b.wait(done); e.err == nil || e.canceled {
		t.Fatalf("the interrupted attempt ended with %v", e.err)
	}
	w.stop = 0
	out := b.copyAll(toMirror)
	if out.Present < 3 || !slices.Equal(out.Points, []string{point}) {
		t.Errorf("went on with %+v", out)
	}
	for key, n := range w.count {
		if k, err := starrocks.ParseKey(key); err == nil && k.Kind == starrocks.KeyTabletFile && n != 1 {
			t.Errorf("%s was moved %d times", key, n)
		}
	}
}

func tabletsIn(count map[string]int) (n int) {
	for key := range count {
		if k, err := starrocks.ParseKey(key); err == nil && k.Kind == starrocks.KeyTabletFile {
			n++
		}
	}
	return n
}

// Nothing of a point that is damaged at the source makes it look whole in the mirror.
func TestAPointThatIsDamagedIsNotCopied(t *testing.T) {
	for name, test := range map[string]struct {
		hurt func(b *bed, label string)
		kind string
	}{
		"object lost":    {func(b *bed, label string) { b.file(remove, b.glob(label, "__ss_content/*/*/*/*/*/*.dat.*")[0]) }, spec.ErrorSnapshotMissing},
		"object spoilt":  {func(b *bed, label string) { b.file(spoil, b.glob(label, "__ss_content/*/*/*/*/*/*.dat.*")[0]) }, spec.ErrorChecksumMismatch},
		"object cut off": {func(b *bed, label string) { b.file(cutOff, b.glob(label, "__ss_content/*/*/*/*/*/*.dat.*")[0]) }, spec.ErrorChecksumMismatch},
		"__info spoilt":  {func(b *bed, label string) { b.file(spoil, b.glob(label, "__info_*")[0]) }, spec.ErrorChecksumMismatch},
		"list lost": {func(b *bed, label string) {
			if err := b.store.Delete(b.Context(), restorepoint.ObjectsKey("prod", label, 1)); err != nil {
				b.Fatal(err)
			}
		}, spec.ErrorSnapshotMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			point := b.backUp("d")
			mirror := b.mirrored(storage.Config{})
			label := b.manifest(point).Snapshots[0].Label
			test.hurt(b, label)
			err := b.tryCopy(label)
			if e := b.run(b.acts.PublishCopy, activities.PointCopyInput{Spec: toMirror, Point: point}); e.err == nil {
				t.Error("the point was published")
			}
			if err.kind != test.kind || err.retry {
				t.Errorf("ended with %v, retried: %v; want %s", err.err, err.retry, test.kind)
			}
			for key := range held(t, mirror) {
				if k, err := restorepoint.ParseKey(key); err == nil && (k.Kind == restorepoint.KeyManifest || k.Kind == restorepoint.KeySnapshot) {
					t.Errorf("%s is there", key)
				}
			}
		})
	}
}

// tryCopy copies a snapshot until something fails.
func (b *bed) tryCopy(label string) ended {
	b.Helper()
	e := b.run(b.acts.PlanSnapshotCopy, activities.SnapshotCopyInput{Spec: toMirror, Label: label, Run: "run"})
	if e.err != nil {
		return e
	}
	var plan activities.SnapshotCopy
	if err := e.value.Get(&plan); err != nil {
		b.Fatal(err)
	}
	for _, batch := range plan.Batches {
		if e := b.run(b.acts.CopyBatch, activities.CopyBatchInput{Spec: toMirror, Label: label, Plan: plan.Plan, Batch: batch}); e.err != nil {
			return e
		}
	}
	return b.run(b.acts.CopyRecord, activities.CopyRecordInput{Spec: toMirror, Run: "run", Snapshot: activities.SnapshotToCopy{Label: label}})
}

// What is being deleted in the mirror is neither relied on nor written over.
func TestASnapshotThatIsBeingDeletedStandsInTheWay(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	point := b.backUp("d")
	mirror := b.mirrored(storage.Config{})
	b.copyAll(toMirror)
	label := b.manifest(point).Snapshots[0].Label
	if err := mirror.Delete(t.Context(), restorepoint.ManifestKey("prod", point)); err != nil {
		t.Fatal(err)
	}
	mark, err := restorepoint.EncodeMark(restorepoint.DeletionMark{})
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.WriteAll(t.Context(), mirror, restorepoint.MarkKey("prod", label), mark, storage.IfAbsent); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]ended{
		"plan":    b.run(b.acts.PlanPointCopy, activities.PointCopyInput{Spec: toMirror, Point: point}),
		"publish": b.run(b.acts.PublishCopy, activities.PointCopyInput{Spec: toMirror, Point: point}),
	} {
		if e.err == nil || !strings.Contains(e.err.Error(), "is being deleted from mirror dr") {
			t.Errorf("%s ended with %v", name, e.err)
		}
	}
}

// What backups copy by themselves: points that name the mirror, newer than its newest, and what was offered.
func TestOnlyWhatIsMeantForTheMirrorIsBehind(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	mirror := b.mirrored(storage.Config{})
	plain := b.backUp("d.pk")
	meant := b.backUpAs(spec.Backup{Include: []string{"d.pk"}, Mirrors: []string{"dr"}})
	later := b.backUpAs(spec.Backup{Include: []string{"d.pk"}, Mirrors: []string{"dr"}})
	plan := func(offered ...string) []string {
		t.Helper()
		var out activities.CopyPlan
		in := toMirror
		in.Behind = true
		b.must(&out, b.acts.PlanCopy, activities.PlanCopyInput{Spec: in, Offered: offered})
		return out.Points
	}
	if got := plan(); !slices.Equal(got, []string{meant, later}) {
		t.Errorf("behind: %q, want %q and %q", got, meant, later)
	}
	one := toMirror
	one.Point = later
	b.copyAll(one)
	if got := plan(); len(got) > 0 {
		t.Errorf("behind: %q, which is older than the mirror's newest", got)
	}
	if got := plan(meant); !slices.Equal(got, []string{meant}) {
		t.Errorf("behind: %q, want what was offered, %q", got, meant)
	}
	all := b.copyAll(toMirror)
	if !slices.Equal(all.Points, []string{plain, meant}) || all.Held != 1 {
		t.Errorf("copied all: %+v", all)
	}
	if held(t, mirror)[restorepoint.ManifestKey("prod", plain)] == "" {
		t.Error("the plain point is not in the mirror")
	}
}
