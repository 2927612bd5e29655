package activities_test

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// schedules is how many are tried; STARKEEP_SCHEDULES says another number.
const schedules = 100

// Two installations back up (and take up what was left out), copy (also while a backup goes on), verify, prune, pin, export
// and restore at the same time, on one repository and one mirror, with stores that fail and workers that die or are taken for
// dead: no restore point that is listed ever lacks anything. Time is that of a bubble, so that a day takes a moment and a seed
// tells the same story again.
func TestNothingBreaksAPointTogether(t *testing.T) {
	n := schedules
	if s := os.Getenv("STARKEEP_SCHEDULES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much garbage, little that stays
	var mu sync.Mutex
	did, told := map[string]int{}, 0
	t.Run("schedules", func(t *testing.T) {
		for seed := 1; seed <= n; seed++ {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newTogether(t, uint64(seed))
					w.tell()
					mu.Lock()
					defer mu.Unlock()
					told++
					for what, n := range w.did {
						did[what] += n
					}
				})
			})
		}
	})
	for _, what := range slices.Sorted(maps.Keys(did)) {
		t.Log(did[what], what)
	}
	for _, what := range []string{spec.BackupWorkflow, spec.CopyWorkflow, spec.VerifyWorkflow, spec.PruneWorkflow, spec.RestoreWorkflow, spec.PinWorkflow, spec.ExportWorkflow, "points dropped", "points copied",
		"points resumed", "snapshots copied as they came", "snapshots exported", "snapshots deleted", "problems found"} {
		if did[what] == 0 && told >= schedules {
			t.Errorf("no %s in %d schedules", what, told)
		}
	}
}

// policy is the prune of these schedules: points go soon, and what they needed some hours later.
func (w *together) policy(where string, n int) spec.Prune {
	return spec.Prune{Cluster: "prod", Where: where, Policy: spec.Retention{KeepLast: 1 + w.pick("keep "+where, n, 2)},
		Grace: spec.Duration(2 * time.Hour), DebrisAfter: spec.Duration(3 * time.Hour)}
}

// pick gives a number below n for the i-th time that somebody does something.
func (w *together) pick(what string, i int, n uint64) int {
	return int(draw(w.seed, fmt.Sprint(what, " ", i), n))
}

// tell has all of them do their work, and judges.
func (w *together) tell() {
	w.tables()
	w.sql("CREATE DATABASE e", "CREATE TABLE e.s (k INT NOT NULL, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')", "INSERT INTO e.s VALUES (1, 1), (2, 2)")
	var all sync.WaitGroup
	often := func(name string, times int, every time.Duration, do func(id string, n int)) {
		all.Go(func() {
			for n := range times {
				time.Sleep(every/4 + time.Duration(w.pick(name+" waits", n, uint64(every))))
				do(fmt.Sprint(name, "-", n), n)
			}
		})
	}
	begun := func(who string, installation, times int, every time.Duration, workflow string, do func(r *run, n int) error) {
		often(fmt.Sprint(who, "-", installation), times, every, func(id string, n int) {
			r := w.begin(installation, workflow, id, "")
			r.end(do(r, n))
		})
	}
	w.asides(begun)
	for i := range 2 {
		often(fmt.Sprint("backup-", i), 4, time.Hour, func(id string, n int) {
			w.load(id, n)
			in := spec.Backup{Incremental: w.pick(id+" full", n, 5) > 0, Include: [][]string{nil, nil, {"d"}}[w.pick(id+" of", n, 3)]}
			if w.pick(id+" mirrored", n, 2) == 0 {
				in.Mirrors = []string{"dr"}
			}
			w.backUpWhole(i, id, in)
		})
		begun("copy", i, 3, 80*time.Minute, spec.CopyWorkflow, func(r *run, n int) error { return r.copy(spec.Copy{From: "repo", To: "dr"}) })
		begun("prune-repo", i, 4, time.Hour, spec.PruneWorkflow, func(r *run, n int) error { return r.prune(w.policy("repo", n)) })
		begun("prune-dr", i, 3, 80*time.Minute, spec.PruneWorkflow, func(r *run, n int) error { return r.prune(w.policy("dr", n)) })
		begun("verify", i, 2, 3*time.Hour, spec.VerifyWorkflow, func(r *run, n int) error {
			where := []string{"repo", "dr"}
			at := w.pick(r.id+" where", n, 2)
			return r.verify(spec.Verify{Where: where[at], Points: []string{spec.AllPoints}, RepairFrom: where[1-at]})
		})
		begun("restore", i, 1, 4*time.Hour, spec.RestoreWorkflow, func(r *run, n int) error {
			return r.restore(spec.Restore{Point: []string{"latest", "latest~1"}[i], From: []string{"", "dr"}[w.pick(r.id+" from", n, 2)],
				Include: []string{"d"}, Rename: map[string]string{"d": fmt.Sprintf("d%d_%d", i, n)}})
		})
	}
	all.Go(w.damage)
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.watch(over)
	}()
	all.Wait()
	w.copies.Wait()
	w.workers.Wait()
	close(over)
	<-watched
	w.calm = true
	w.judge("when all had ended")
	w.settle()
	if w.Failed() {
		w.Logf("STARKEEP_SCHEDULES=%d go test ./activities -run 'TestNothingBreaksAPointTogether/schedules/seed=%d$'\n%s", w.seed, w.seed, strings.Join(w.story, "\n"))
	}
}

// load changes some partitions.
func (w *together) load(by string, n int) {
	for i, s := range []string{"INSERT INTO d.t VALUES ('2026-01-07', %d)", "INSERT INTO d.t VALUES ('2026-02-07', %d)", "INSERT INTO d.t VALUES ('2026-03-07', %d)", "INSERT INTO d.pk VALUES (1, %d)", "INSERT INTO e.s VALUES (3, %d)"} {
		if w.pick(fmt.Sprint(by, " loads ", i), n, 3) == 0 {
			w.sql(fmt.Sprintf(s, 100+n))
		}
	}
}

// damage spoils or removes, in some schedules, an object that the other store has too.
func (w *together) damage() {
	time.Sleep(2*time.Hour + time.Duration(w.pick("damage at", 0, uint64(4*time.Hour))))
	stores := []*memory{w.repo, w.dr}
	at := w.pick("damage where", 0, 2)
	in, other := stores[at], stores[1-at].now()
	if w.pick("damage", 0, 2) == 0 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(in.now())) {
		k, err := starrocks.ParseKey(key)
		if _, both := other[key]; err != nil || k.Kind != starrocks.KeyTabletFile || !both || w.pick("damage "+key, 0, 8) > 0 {
			continue
		}
		w.spoiled = key
		if w.pick("damage how", 0, 2) == 0 {
			_ = in.Delete(w.Context(), key)
		} else {
			_ = in.Put(w.Context(), key, strings.NewReader("spoiled"), 7, storage.Overwrite)
		}
		return
	}
}

// watch looks again and again whether what is listed is there.
func (w *together) watch(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(5 * time.Minute):
		}
		if w.Failed() {
			continue
		}
		for name, store := range map[string]*memory{"repo": w.repo, "dr": w.dr} {
			all := store.now()
			if lacking := append(w.lacking(all, false), w.unpinned(name, all)...); len(lacking) > 0 {
				w.Errorf("%s at %s: %q", name, time.Now().Format(time.DateTime), first(lacking))
			}
		}
	}
}

func first(list []string) []string { return list[:min(len(list), 5)] }

// judge looks at all of both stores.
func (w *together) judge(when string) {
	for name, store := range map[string]*memory{"repo": w.repo, "dr": w.dr} {
		all := store.now()
		if lacking := append(w.lacking(all, true), w.unpinned(name, all)...); len(lacking) > 0 {
			w.Errorf("%s %s: %q", name, when, first(lacking))
		}
	}
	if lost := w.exportsStay(); len(lost) > 0 {
		w.Errorf("%s: %q", when, lost)
	}
}

// lacking says what the listed points of a store lack, but for the one object that somebody spoiled. Deep looks at contents.
func (w *together) lacking(all map[string]stored, deep bool) (lacking []string) {
	looked := map[string]bool{}
	for key := range all {
		if !strings.HasSuffix(key, "/manifest.json") {
			continue
		}
		k, err := restorepoint.ParseKey(key)
		if err != nil {
			continue
		}
		for _, s := range w.snapshotsOf(k.Point, all[key].data) {
			if looked[s.SHA256] {
				continue
			}
			looked[s.SHA256] = true
			for _, what := range w.snapshotLacks(all, s, deep) {
				lacking = append(lacking, k.Point+": "+what)
			}
		}
	}
	return lacking
}

func (w *together) snapshotLacks(all map[string]stored, s restorepoint.SnapshotRef, deep bool) (lacking []string) {
	data, there := all[s.Record]
	if !there || restorepoint.Digest(data.data) != s.SHA256 {
		return []string{fmt.Sprintf("record %s (there: %v)", s.Record, there)}
	}
	for _, list := range w.listsOf(s.SHA256, data.data) {
		packed, there := all[list.Key]
		if !there || restorepoint.Digest(packed.data) != list.SHA256 {
			lacking = append(lacking, fmt.Sprintf("list %s (there: %v)", list.Key, there))
			continue
		}
		for _, o := range w.listed(packed.data, list) {
			got, there := all[o.Key]
			if o.Key != w.spoiled && (!there || int64(len(got.data)) != o.Size || deep && o.MD5 != "" && md5Of(got.data) != o.MD5) {
				lacking = append(lacking, fmt.Sprintf("%s (there: %v)", o.Key, there))
			}
		}
	}
	return lacking
}

func md5Of(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// snapshotsOf reads a manifest, once.
func (w *together) snapshotsOf(point string, data []byte) []restorepoint.SnapshotRef {
	sum := restorepoint.Digest(data)
	if known, ok := w.manifests[sum]; ok {
		return known
	}
	m, err := restorepoint.DecodeManifest(data)
	if err != nil || m.ID != point {
		w.Errorf("manifest of restore point %s: %v", point, err)
	}
	w.manifests[sum] = m.Snapshots
	return m.Snapshots
}

// listsOf reads a record, once.
func (w *together) listsOf(sum string, data []byte) []restorepoint.ObjectList {
	if known, ok := w.records[sum]; ok {
		return known
	}
	record, err := restorepoint.DecodeSnapshotRecord(data)
	if err != nil {
		w.Errorf("record %s: %v", sum, err)
	}
	w.records[sum] = record.Lists
	return record.Lists
}

// listed reads an object list, once.
func (w *together) listed(packed []byte, list restorepoint.ObjectList) []restorepoint.Object {
	if known, ok := w.lists[list.SHA256]; ok {
		return known
	}
	var objects []restorepoint.Object
	for o, err := range restorepoint.ReadList(io.NopCloser(bytes.NewReader(packed)), list) {
		if err != nil {
			w.Errorf("%s: %v", list.Key, err)
			break
		}
		objects = append(objects, o)
	}
	w.lists[list.SHA256] = objects
	return objects
}

// settle lets everything end that is under way: what is marked is deleted, the mirror catches up, and what is listed
// is restored.
func (w *together) settle() {
	do := func(workflow, what string, do func(r *run) error) error {
		r := w.begin(0, workflow, "last-"+what, "")
		err := do(r)
		r.end(err)
		return err
	}
	for i := range 4 { // what was offered to the mirror last is debris by the second one: marked, deleted, and then its mark goes
		for _, where := range []string{"repo", "dr"} {
			if err := do(spec.PruneWorkflow, fmt.Sprint("prune-", where, i), func(r *run) error { return r.prune(w.policy(where, 100)) }); err != nil {
				w.Errorf("the prune of %s does not end: %v", where, err)
			}
		}
		w.judge(fmt.Sprint("after prune ", i))
		time.Sleep(4 * time.Hour)
	}
	for i, where := range []string{"repo", "dr"} {
		if w.spoiled == "" {
			break
		}
		from := []string{"dr", "repo"}[i]
		_ = do(spec.VerifyWorkflow, "verify-"+where, func(r *run) error {
			return r.verify(spec.Verify{Where: where, Points: []string{spec.AllPoints}, RepairFrom: from})
		})
	}
	if !w.mended() {
		return // no copy was right any more
	}
	if err := do(spec.CopyWorkflow, "copy", func(r *run) error { return r.copy(spec.Copy{From: "repo", To: "dr"}) }); err != nil {
		w.Errorf("the mirror does not catch up: %v", err)
	}
	w.judge("in the end")
	for i, from := range []string{"", "dr"} {
		if err := do(spec.RestoreWorkflow, "restore-"+cmp.Or(from, "repo"), func(r *run) error {
			return r.restore(spec.Restore{From: from, Include: []string{"d"}, Rename: map[string]string{"d": fmt.Sprint("last", i)}})
		}); err != nil {
			w.Errorf("the latest point of %s is not restored: %v", cmp.Or(from, "repo"), err)
		}
	}
}

// mended tells whether nobody misses the spoiled object any more.
func (w *together) mended() bool {
	spoiled := w.spoiled
	w.spoiled = ""
	if len(w.lacking(w.repo.now(), true))+len(w.lacking(w.dr.now(), true)) == 0 {
		return true
	}
	w.spoiled = spoiled
	return spoiled == ""
}
