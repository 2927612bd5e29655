package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// scattered makes database d with a LIST, a RANGE and a primary key table, and a restore point whose partitions lie in
// several native snapshots: one of p1, a and pk; one of p2 and b as they are after further loads and a TRUNCATE; one of p3.
func scattered(b *bed) (point string) {
	b.Helper()
	b.onTables = []string{
		"CREATE TABLE d.l (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION a VALUES IN ('Rome', 'Turin'), PARTITION b VALUES IN ('Oslo')) DISTRIBUTED BY HASH(city) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"INSERT INTO d.l VALUES ('Rome', 1), ('Oslo', 2)",
	}
	b.tables()
	first := b.backUp("d.t/p1", "d.l/a", "d.pk")
	b.sql("INSERT INTO d.t VALUES ('2026-02-07', 7)", "TRUNCATE TABLE d.l PARTITION(b)", "INSERT INTO d.l VALUES ('Oslo', 22)")
	second := b.backUp("d.t/p2", "d.l/b")
	b.sql("INSERT INTO d.t VALUES ('2026-03-07', 8)")
	third := b.backUp("d.t/p3")
	return b.join(first, second, third)
}

// join makes one restore point of what several have.
func (b *bed) join(points ...string) string {
	b.Helper()
	b.seed++
	var joined restorepoint.Manifest
	for _, point := range points {
		data, err := storage.ReadAll(b.Context(), b.store, restorepoint.ManifestKey("prod", point), 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		m, err := restorepoint.DecodeManifest(data)
		if err != nil {
			b.Fatal(err)
		}
		if joined.ID == "" {
			joined = m
			joined.ID, joined.Spec = b.point(), nil
			continue
		}
		if err := joined.Carry(m, func(string, restorepoint.Table, restorepoint.Partition) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
	joined.Sort()
	data, err := restorepoint.EncodeManifest(joined)
	if err != nil {
		b.Fatal(err)
	}
	if err := storage.WriteAll(b.Context(), b.store, restorepoint.ManifestKey("prod", joined.ID), data, storage.IfAbsent); err != nil {
		b.Fatal(err)
	}
	return joined.ID
}

// composedUnit is the first attempt at the one unit of a restore that is composed.
func (b *bed) composedUnit(in spec.Restore, table string) activities.UnitRef {
	b.Helper()
	in.Include = []string{"d." + table}
	p := b.planRestore(in)
	if !p.Composes || len(p.Units) != 1 {
		b.Fatalf("plan %+v, want one unit that is composed", p)
	}
	return activities.UnitRef{Statement: activities.Restore, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan, Unit: p.Units[0],
		Composed: restorepoint.ComposedLabel(p.Database, b.runSeed(), p.Units[0].Number)}
}

// keysBelow lists the repository's keys below a prefix.
func (b *bed) keysBelow(prefix string) []string {
	b.Helper()
	var keys []string
	for o, err := range b.store.List(b.Context(), prefix) {
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func composedPrefix(u activities.UnitRef) string {
	return starrocks.Snapshot{Repository: "r", Label: u.Composed}.Prefix()
}

// counted is a store that counts copies, and can stand still before one.
type counted struct {
	storage.Store
	mu     sync.Mutex
	begun  int
	copies []string // targets of those that are through
	stop   int      // from the copy of this number on, counted from 1: wait for the context
}

func (c *counted) Copy(ctx context.Context, from, to string) error {
	c.mu.Lock()
	c.begun++
	stop := c.stop > 0 && c.begun >= c.stop
	c.mu.Unlock()
	if stop {
		<-ctx.Done()
		return ctx.Err()
	}
	err := c.Store.Copy(ctx, from, to)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copies = append(c.copies, to)
	return err
}

// counting puts a counting store before the repository.
func (b *bed) counting() *counted {
	c := &counted{Store: b.store}
	b.store = c
	b.acts = b.newWorker(options{})
	return c
}

func TestAComposedUnitIsRestored(t *testing.T) {
	for _, in := range []spec.Restore{{Rename: map[string]string{"d": "d2"}}, {}} {
		into := "d2"
		if in.Rename == nil {
			into = "d"
		}
		t.Run("into "+into, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			in.Point = scattered(b)
			want := b.sim.Content("d", "l")
			b.sql("INSERT INTO d.l VALUES ('Turin', 666)")
			u := b.composedUnit(in, "l")
			b.sql("CREATE DATABASE IF NOT EXISTS d2")
			var made activities.Composed
			b.must(&made, b.acts.Compose, u)
			if made.Label != u.Composed || made.Snapshots != 2 || made.Tablets != 4 || made.Objects == 0 || made.Bytes == 0 {
				t.Errorf("composed: %+v", made)
			}
			u = b.prepare(u)
			if u.Label != u.Composed {
				t.Errorf("restored from %s, want %s", u.Label, u.Composed)
			}
			b.must(nil, b.acts.Submit, u)
			b.must(nil, b.acts.Await, u)
			b.must(nil, b.acts.Tidy, u)
			names := slices.DeleteFunc(b.tableNames(into), func(name string) bool { return !strings.HasPrefix(name, "l") })
			restored := names[len(names)-1] // beside the live one, where there is one
			if got := b.sim.Content(into, restored); got != want {
				t.Errorf("%s.%s has\n%s\nwant\n%s", into, restored, got, want)
			}
			var proven activities.Proven
			b.must(&proven, b.acts.Prove, activities.TableRef{Cluster: "prod", Repository: "repo", Plan: u.Plan})
			if !proven.Complete {
				t.Errorf("proof: %+v", proven)
			}
			b.must(nil, b.acts.DropComposed, u)
			b.must(nil, b.acts.DropComposed, u)
			if left := b.keysBelow(composedPrefix(u)); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestAnInterruptedCompositionGoesOn(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	point := scattered(b)
	store := b.counting()
	u := b.composedUnit(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}}, "l")
	store.stop = 4
	call, done := b.start(b.acts.Compose, u)
	b.until("three objects are copied", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return len(store.copies) == 3
	})
	call.interrupt(errors.New("the worker dies"))
	if e := b.wait(done); e.err == nil || e.canceled {
		t.Fatalf("the interrupted attempt ended with %v", e.err)
	}
	if slices.ContainsFunc(b.keysBelow(composedPrefix(u)), func(key string) bool { return strings.Contains(key, "__info_") }) {
		t.Fatal("there is an __info before all is copied")
	}
	store.stop = 0
	var made activities.Composed
	b.must(&made, b.acts.Compose, u)
	if made.Objects != int64(len(store.copies)) || made.Present != 3 {
		t.Errorf("%d objects, %d of them there already, %d copies in all: %+v", made.Objects, made.Present, len(store.copies), made)
	}
	slices.Sort(store.copies)
	if distinct := slices.Compact(slices.Clone(store.copies)); len(distinct) != len(store.copies) {
		t.Errorf("copied twice: %q", store.copies)
	}
	before := len(store.copies)
	b.must(&made, b.acts.Compose, u)
	if len(store.copies) != before || made.Present != made.Objects {
		t.Errorf("done again it copied %d objects: %+v", len(store.copies)-before, made)
	}
}

// Whatever is done to a composed snapshot is noticed before RESTORE is submitted.
func TestADamagedCompositionIsNotRestored(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	point := scattered(b)
	for name, c := range map[string]struct {
		damage func(keys []string) error
		mended bool // by Compose
	}{
		"an object is gone":   {func(keys []string) error { return b.store.Delete(b.Context(), keys[0]) }, true},
		"a directory is gone": {func(keys []string) error { return b.store.Delete(b.Context(), sameDirectory(keys)...) }, true},
		"__meta is gone":      {func([]string) error { return b.store.Delete(b.Context(), b.nth("__meta.")) }, true},
		"__info is gone":      {func([]string) error { return b.store.Delete(b.Context(), b.nth("__info_")) }, true},
		"a second header": {func([]string) error {
			return b.put(strings.TrimRight(b.nth(".hdr."), "0123456789abcdef") + strings.Repeat("0", 32))
		}, false},
		"a header of another":     {func(keys []string) error { return b.put(directory(keys[0]) + "7.hdr." + strings.Repeat("0", 32)) }, false},
		"meta beside a header":    {func(keys []string) error { return b.put(directory(keys[0]) + "meta." + strings.Repeat("0", 32)) }, false},
		"a leftover of an upload": {func(keys []string) error { return b.put(directory(keys[0]) + "1.dat.part") }, false},
		"a foreign data file":     {func(keys []string) error { return b.put(directory(keys[0]) + "99_0.dat." + strings.Repeat("0", 32)) }, false},
		"a second __meta":         {func([]string) error { return b.put(b.current + "__meta." + strings.Repeat("0", 32)) }, false},
		"a second __info": {func([]string) error {
			return b.put(b.current + "__info_2026-01-01-00-00-00-000." + strings.Repeat("0", 32))
		}, false},
		"a further tablet": {func([]string) error {
			return b.put(b.current + "__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__5/5.hdr." + strings.Repeat("0", 32))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := b.composedUnit(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}}, "l")
			b.must(nil, b.acts.Compose, u)
			b.current = composedPrefix(u)
			if err := c.damage(b.keysBelow(b.current + "__ss_content/")); err != nil {
				t.Fatal(err)
			}
			again := u
			again.Timestamp, again.Beside = activities.Timestamp(time.Now()), activities.BesidePrefix+"x"
			e := b.run(b.acts.Prepare, again)
			if e.kind != spec.ErrorJobFailed || !e.failure.Transient || !strings.Contains(e.message, u.Composed) {
				t.Fatalf("prepared: %v", e.err)
			}
			if e := b.run(b.acts.Compose, u); (e.err == nil) != c.mended {
				t.Errorf("composed again: %v", e.err)
			}
			b.must(nil, b.acts.DropComposed, u)
		})
	}
}

// nth is the first key of the composed snapshot at hand that holds a text.
func (b *bed) nth(part string) string {
	b.Helper()
	for _, key := range b.keysBelow(b.current) {
		if strings.Contains(key, part) {
			return key
		}
	}
	b.Fatalf("no key with %s", part)
	return ""
}

func (b *bed) put(key string) error {
	return storage.WriteAll(b.Context(), b.store, key, []byte("x"), storage.Overwrite)
}

func directory(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

func sameDirectory(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return directory(key) != directory(keys[0]) })
}

func TestLostObjectsAreTheFailureOfTheirPartitions(t *testing.T) {
	t.Parallel()
	t.Run("lost", func(t *testing.T) {
		hurtsItsPartitions(t, func(b *bed, key string) error { return b.store.Delete(b.Context(), key) })
	})
	t.Run("cut off", func(t *testing.T) { hurtsItsPartitions(t, (*bed).put) })
}

// hurtsItsPartitions damages an object of each partition of a scattered point, and composes it.
func hurtsItsPartitions(t *testing.T, hurt func(b *bed, key string) error) {
	b := newBed(t, options{})
	point := scattered(b)
	u := b.composedUnit(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}}, "l")
	for _, key := range b.keysBelow("__starrocks_repository_r/__ss_sk_d_") {
		if strings.Contains(key, "_0.dat.") {
			_ = hurt(b, key)
		}
	}
	e := b.run(b.acts.Compose, u)
	if e.kind != spec.ErrorJobFailed || e.failure.Transient || len(e.failure.Culprits) != 2 {
		t.Errorf("%+v: %v, want JobFailed that names both partitions", e.failure, e.err)
	}
	if !strings.Contains(e.message, "gone or damaged") {
		t.Errorf("message %q", e.message)
	}
}

// The schema changed between the backups and nobody noticed: such a point does not exist, but adopted snapshots are joined.
func TestPartsOfOtherSchemasAreNotComposed(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	first := b.backUp("d.t/p1")
	b.sql("ALTER TABLE d.t ADD COLUMN more INT")
	b.until("the column is there", func() bool {
		rows, err := b.sim.Query("SHOW ALTER TABLE COLUMN FROM d")
		return err == nil && (len(rows) == 0 || slices.Contains(rows[0], "FINISHED"))
	})
	second := b.backUp("d.t/p2")
	m := b.manifest(second)
	schema := m.Databases[0].Tables[0].Schema
	of := b.manifest(first)
	of.Databases[0].Tables[0].Schema = schema
	b.rewrite(of)
	u := b.scatteredRange(b.join(first, second))
	e := b.run(b.acts.Compose, u)
	if e.kind != spec.ErrorJobFailed || !strings.Contains(e.message, `rule "`+starrocks.RuleSchema+`"`) {
		t.Errorf("%v, want a refusal that names the rule", e.err)
	}
	if left := b.keysBelow(composedPrefix(u)); len(left) > 0 {
		t.Errorf("something was copied: %q", left)
	}
}

func (b *bed) manifest(point string) restorepoint.Manifest {
	b.Helper()
	data, err := storage.ReadAll(b.Context(), b.store, restorepoint.ManifestKey("prod", point), 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	m, err := restorepoint.DecodeManifest(data)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

func (b *bed) rewrite(m restorepoint.Manifest) {
	b.Helper()
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		b.Fatal(err)
	}
	if err := storage.WriteAll(b.Context(), b.store, restorepoint.ManifestKey("prod", m.ID), data, storage.Overwrite); err != nil {
		b.Fatal(err)
	}
}

// scatteredRange is a unit of all parts of a point, whatever Pack would make of them.
func (b *bed) scatteredRange(point string) activities.UnitRef {
	b.Helper()
	p := b.planRestore(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}})
	return activities.UnitRef{Statement: activities.Restore, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan,
		Unit: restorepoint.Unit{Number: 1, Attempt: 1, Parts: []restorepoint.Range{{To: int(p.Partitions)}}}, Composed: restorepoint.ComposedLabel(p.Database, b.runSeed(), 1)}
}

// All three tables in one RESTORE, of three native snapshots.
func TestARangeAndAPrimaryKeyTableAreComposed(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	point := scattered(b)
	want := map[string]string{}
	for _, table := range []string{"t", "l", "pk"} {
		want[table] = b.sim.Content("d", table)
	}
	b.sql("DROP TABLE d.t FORCE", "TRUNCATE TABLE d.pk", "CREATE DATABASE d2")
	u := b.scatteredRange(point)
	b.must(nil, b.acts.Compose, u)
	u = b.prepare(u)
	b.must(nil, b.acts.Submit, u)
	b.must(nil, b.acts.Await, u)
	for table, content := range want {
		if got := b.sim.Content("d2", table); got != content {
			t.Errorf("%s has\n%s\nwant\n%s", table, got, content)
		}
	}
	b.sql("INSERT INTO d2.t VALUES ('2026-01-20', 20), ('2026-02-20', 21), ('2026-03-20', 22)", "INSERT INTO d2.pk VALUES (1, 11)", "INSERT INTO d2.l VALUES ('Turin', 3), ('Oslo', 4)")
	for table, n := range map[string]string{"t": "11", "pk": "4", "l": "4"} { // a load at a wrong version would be lost
		rows, err := b.sim.Query(fmt.Sprintf("SELECT COUNT(*) FROM d2.%s", table))
		if err != nil || rows[0][0] != n {
			t.Errorf("%s has %v rows after a load, want %s: %v", table, rows, n, err)
		}
	}
}
