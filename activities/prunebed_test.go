package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

const oneDay = 24 * time.Hour

// lastOnly is the policy that keeps the newest point.
func lastOnly() spec.Prune {
	return spec.Prune{Cluster: "prod", Where: "repo", Policy: spec.Retention{KeepLast: 1}}
}

// plansPrune plans a prune that begins some time from now.
func (b *bed) plansPrune(in spec.Prune, later time.Duration, runs ...activities.OpenRun) (activities.PrunePlan, error) {
	b.Helper()
	b.seed++
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	planner := activities.Planner{A: b.acts, Runs: runs, Open: b.open}
	env.RegisterActivity(planner.PlanPruneWith)
	var plan activities.PrunePlan
	value, err := env.ExecuteActivity(planner.PlanPruneWith, activities.PlanPruneInput{Spec: in, Run: fmt.Sprint("prune", b.seed), ID: "prune/prod/" + in.Where, At: time.Now().Add(later)})
	if err == nil {
		err = value.Get(&plan)
	}
	return plan, err
}

// carriesOut works a plan off as the workflow does.
func (b *bed) carriesOut(plan activities.PrunePlan) (out activities.Pruned, err error) {
	b.Helper()
	for _, step := range []struct {
		ends     []int
		activity any
	}{{plan.Points, b.acts.DropPoints}, {plan.Marks, b.acts.MarkSnapshots}, {plan.Snapshots, b.acts.DeleteSnapshots}, {plan.Files, b.acts.SweepFiles}} {
		from := 0
		for _, to := range step.ends {
			e := b.run(step.activity, activities.PruneBatch{PrunePlanRef: plan.Ref, From: from, To: to})
			if e.err != nil {
				return out, e.err
			}
			var done activities.Pruned
			if err := e.value.Get(&done); err != nil {
				return out, err
			}
			out.Held = append(out.Held, done.Held...)
			out.Warnings = append(out.Warnings, done.Warnings...)
			from = to
		}
	}
	return out, nil
}

// prunes plans and carries out.
func (b *bed) prunes(in spec.Prune, later time.Duration, runs ...activities.OpenRun) (spec.PruneResult, activities.Pruned) {
	b.Helper()
	plan, err := b.plansPrune(in, later, runs...)
	if err != nil {
		b.Fatal(err)
	}
	out, err := b.carriesOut(plan)
	if err != nil {
		b.Fatal(err)
	}
	return plan.Result, out
}

func keysOf(t testing.TB, store storage.Store, prefix string) (keys []string) {
	t.Helper()
	for o, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func (b *bed) write(key, content string) {
	b.Helper()
	if err := storage.WriteAll(b.Context(), b.store, key, []byte(content), storage.Overwrite); err != nil {
		b.Fatal(err)
	}
}

func (b *bed) isThere(key string) bool {
	b.Helper()
	_, err := b.store.Stat(b.Context(), key)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		b.Fatal(err)
	}
	return err == nil
}

// pointsThere lists the restore points that a listing shows.
func (b *bed) pointsThere() (ids []string) {
	b.Helper()
	for _, key := range b.keysBelow(restorepoint.PointPrefix("prod")) {
		if k, err := restorepoint.ParseKey(key); err == nil && k.Kind == restorepoint.KeyManifest {
			ids = append(ids, k.Point)
		}
	}
	return ids
}

// unrestorable says what listed points lack: nothing, at any moment.
func unrestorable(t testing.TB, store storage.Store) (lacking []string) {
	t.Helper()
	there := map[string]bool{}
	for _, key := range keysOf(t, store, "") {
		there[key] = true
	}
	for key := range there {
		k, err := restorepoint.ParseKey(key)
		if err != nil || k.Kind != restorepoint.KeyManifest {
			continue
		}
		data, err := storage.ReadAll(t.Context(), store, key, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		m, err := restorepoint.DecodeManifest(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Snapshots {
			lacking = append(lacking, snapshotLacks(t, store, there, s)...)
		}
	}
	return lacking
}

func snapshotLacks(t testing.TB, store storage.Store, there map[string]bool, s restorepoint.SnapshotRef) (lacking []string) {
	t.Helper()
	if !there[s.Record] {
		return []string{s.Record}
	}
	data, err := storage.ReadAll(t.Context(), store, s.Record, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	record, err := restorepoint.DecodeSnapshotRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range record.Lists {
		body, err := store.Get(t.Context(), list.Key, 0, -1)
		if err != nil {
			return append(lacking, list.Key)
		}
		for o, err := range restorepoint.ReadList(body, list) {
			if err != nil {
				t.Fatal(err)
			}
			if !there[o.Key] {
				lacking = append(lacking, o.Key)
			}
		}
		body.Close()
	}
	return lacking
}

// fences is a store that does something before a change, or refuses it.
type fences struct {
	storage.Store
	mu     sync.Mutex
	before func(op, key string) error
}

func (s *fences) ask(op, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return nil
	}
	if err := s.before(op, key); err != nil {
		return err
	}
	return nil
}

func (s *fences) Put(ctx context.Context, key string, body io.Reader, size int64, mode storage.Mode) error {
	if err := s.ask("put", key); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, body, size, mode)
}

func (s *fences) Delete(ctx context.Context, keys ...string) error {
	failed := map[string]error{}
	for _, key := range keys {
		err := s.ask("delete", key)
		if err == nil {
			err = s.Store.Delete(ctx, key)
		}
		if err != nil {
			failed[key] = err
		}
	}
	if len(failed) > 0 {
		return &storage.DeleteError{Failed: failed}
	}
	return nil
}

// fenced puts a fence around the bed's repository, for the activities.
func (b *bed) fenced() *fences {
	b.Helper()
	f := &fences{Store: b.store}
	b.store = f
	b.acts = b.newWorker(options{})
	return f
}

// labelsOf are the native snapshots that a point refers to.
func (b *bed) labelsOf(point string) (labels []string) {
	b.Helper()
	for _, s := range b.manifest(point).Snapshots {
		labels = append(labels, s.Label)
	}
	slices.Sort(labels)
	return labels
}

func nativePrefix(label string) string {
	return starrocks.Snapshot{Repository: "r", Label: label}.Prefix()
}

// traces says what is left of a native snapshot: n for objects, l lists, r record, m mark.
func (b *bed) traces(label string) string {
	b.Helper()
	var out strings.Builder
	if len(b.keysBelow(nativePrefix(label))) > 0 {
		out.WriteByte('n')
	}
	for _, key := range b.keysBelow(restorepoint.SnapshotPrefix("prod", label)) {
		k, err := restorepoint.ParseKey(key)
		if err != nil {
			b.Fatal(err)
		}
		out.WriteString(map[restorepoint.KeyKind]string{restorepoint.KeyObjects: "l", restorepoint.KeySnapshot: "r", restorepoint.KeyMark: "m"}[k.Kind])
	}
	text := []byte(out.String())
	slices.Sort(text)
	return string(text)
}
