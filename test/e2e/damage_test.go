package e2e

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// depot is a repository whose objects a test damages and mends.
type depot struct {
	*testbed.Bed
	t *testing.T
}

func (d depot) keys(pattern string) []string {
	d.t.Helper()
	want := regexp.MustCompile(pattern)
	var keys []string
	for o, err := range d.Store.List(d.t.Context(), "") {
		if err != nil {
			d.t.Fatal(err)
		}
		if want.MatchString(o.Key) {
			keys = append(keys, o.Key)
		}
	}
	if len(keys) == 0 {
		d.t.Fatalf("no object matches %s", pattern)
	}
	return keys
}

func (d depot) read(key string) []byte {
	d.t.Helper()
	data, err := storage.ReadAll(d.t.Context(), d.Store, key, 1<<30)
	if err != nil {
		d.t.Fatal(err)
	}
	return data
}

func (d depot) write(key string, data []byte) {
	d.t.Helper()
	if err := storage.WriteAll(d.t.Context(), d.Store, key, data, storage.Overwrite); err != nil {
		d.t.Fatal(err)
	}
}

func (d depot) remove(keys ...string) {
	d.t.Helper()
	if err := d.Store.Delete(d.t.Context(), keys...); err != nil {
		d.t.Fatal(err)
	}
}

func (d depot) exchange(a, b string) {
	first, second := d.read(a), d.read(b)
	d.write(a, second)
	d.write(b, first)
}

// state is everything that lies in the repository, but for the plans of runs.
func (d depot) state() map[string][]byte {
	all := map[string][]byte{}
	for _, key := range d.keys("") {
		if k, err := restorepoint.ParseKey(key); err == nil && k.Kind == restorepoint.KeyPlan {
			continue
		}
		all[key] = d.read(key)
	}
	return all
}

// mend puts the repository back into a state.
func (d depot) mend(good map[string][]byte) {
	for key, data := range d.state() {
		if want, there := good[key]; !there {
			d.remove(key)
		} else if !bytes.Equal(want, data) {
			d.write(key, want)
		}
	}
	for key, data := range good {
		d.write(key, data)
	}
}

var tabletInKey = regexp.MustCompile(`/__part_(\d+)/__idx_\d+/__(\d+)/`)

// TestADamagedRepositoryIsRefusedBeforeAnyRestore: each kind of damage, found before a RESTORE is sent, with the place
// named; and after it is mended the same restore goes through.
func TestADamagedRepositoryIsRefusedBeforeAnyRestore(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	d := depot{b, t}
	b.Must(t, "CREATE DATABASE shop")
	b.Must(t, `CREATE TABLE shop.sold (k BIGINT NOT NULL, v VARCHAR(100)) DUPLICATE KEY(k) PARTITION BY RANGE(k) (PARTITION low VALUES LESS THAN ("10"), PARTITION high VALUES LESS THAN ("20")) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES("replication_num"="1")`)
	var rows [][]string
	for k := range 20 {
		rows = append(rows, []string{fmt.Sprint(k), noise(k)})
	}
	if err := b.Sim.Load("shop", "sold", rows...); err != nil {
		t.Fatal(err)
	}
	content := b.Sim.Content("shop", "sold")
	backup, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	b.Must(t, "TRUNCATE TABLE shop.sold")
	good := d.state()
	headers, data := d.keys(`/\d+\.hdr\.[0-9a-f]{32}$`), d.keys(`\.dat\.[0-9a-f]{32}$`)
	sameSize := pairOfOneSize(good, data)
	info, meta := d.keys(`/__info_[^/]*$`)[0], d.keys(`/__meta\.[0-9a-f]{32}$`)[0]
	other := strings.Repeat("0", 32)

	for name, c := range map[string]struct {
		damage func()
		place  string // object whose tablet must be named; "" where none is concerned
		says   string
	}{
		"a data file is missing":           {func() { d.remove(data[0]) }, data[0], "is missing"},
		"a header is missing":              {func() { d.remove(headers[1]) }, headers[1], "is missing"},
		"a tablet is missing":              {func() { d.remove(d.keys(regexp.QuoteMeta(dirOf(data[0])))...) }, data[0], "is missing"},
		"a data file is truncated":         {func() { d.write(data[1], good[data[1]][:10]) }, data[1], "has 10 bytes"},
		"a data file is empty":             {func() { d.write(data[1], nil) }, data[1], "has 0 bytes"},
		"contents exchanged, sizes differ": {func() { d.exchange(data[0], headers[0]) }, data[0], "bytes, was written with"},
		"contents exchanged, sizes equal":  {func() { d.exchange(sameSize[0], sameSize[1]) }, sameSize[0], "another content"},
		"a further header":                 {func() { d.write(headers[0][:len(headers[0])-32]+other, []byte("x")) }, headers[0], "was not there"},
		"a further data file":              {func() { d.write(dirOf(data[0])+"0200_0.dat."+other, []byte("x")) }, data[0], "was not there"},
		"a file of somebody else":          {func() { d.write(dirOf(data[0])+"notes.txt", []byte("x")) }, data[0], "was not there"},
		"__meta is missing":                {func() { d.remove(meta) }, "", "is missing"},
		"__meta is there twice":            {func() { d.write(meta[:len(meta)-32]+other, good[meta]) }, "", "was not there"},
		"__meta has another content":       {func() { d.write(meta, append(slices.Clone(good[meta][:len(good[meta])-1]), 0)) }, "", "another content"},
		"__info is missing":                {func() { d.remove(info) }, "", "is missing"},
		"__info is there twice":            {func() { d.write(info[:len(info)-32]+other, good[info]) }, "", "was not there"},
		"the record is missing":            {func() { d.remove(d.keys(`/snapshot\.json$`)...) }, "", "record of snapshot"},
		"the record was changed":           {func() { k := d.keys(`/snapshot\.json$`)[0]; d.write(k, append(d.read(k), '\n')) }, "", "record of snapshot"},
		"the list of objects is missing":   {func() { d.remove(d.keys(`/objects-1\.jsonl\.zst$`)...) }, "", "object list"},
		"the list of objects was changed":  {func() { k := d.keys(`/objects-1\.jsonl\.zst$`)[0]; d.write(k, append(d.read(k), 0)) }, "", "object list"},
		"the manifest was cut":             {func() { k := d.keys(`/manifest\.json$`)[0]; d.write(k, d.read(k)[:200]) }, "", "manifest"},
		"a manifest of a version not known yet": {func() {
			k := d.keys(`/manifest\.json$`)[0]
			d.write(k, bytes.Replace(d.read(k), []byte(`"formatVersion":"1.0"`), []byte(`"formatVersion":"2.0"`), 1))
		}, "", "use a newer starkeep"},
	} {
		t.Run(name, func(t *testing.T) {
			defer d.mend(good)
			c.damage()
			_, err := runRestore(t, b, spec.Restore{Point: backup.Point})
			if kind := errorType(err); kind != spec.ErrorChecksumMismatch && kind != spec.ErrorSnapshotMissing {
				t.Fatalf("ended as %q: %v", kind, err)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\ndoes not say %q", err, c.says)
			}
			if c.place != "" {
				at := tabletInKey.FindStringSubmatch(c.place)
				for _, word := range []string{`table "sold"`, `partition "low"`, "tablet " + at[2]} {
					if word == `partition "low"` && !strings.Contains(err.Error(), word) {
						word = `partition "high"`
					}
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%v\ndoes not name %s", err, word)
					}
				}
			}
		})
	}
	if sent := b.Sim.Accepted("RESTORE"); len(sent) != 0 {
		t.Errorf("RESTORE was sent: %v", sent)
	}

	if _, err := runRestore(t, b, spec.Restore{Point: backup.Point}); err != nil {
		t.Fatalf("after all was mended: %v", err)
	}
	if got := b.Sim.Content("shop", "sold"); got != content {
		t.Error("content differs after the restore")
	}
}

func dirOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// pairOfOneSize finds two objects of different content and one size.
func pairOfOneSize(objects map[string][]byte, keys []string) [2]string {
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			if len(objects[a]) == len(objects[b]) && !bytes.Equal(objects[a], objects[b]) {
				return [2]string{a, b}
			}
		}
	}
	panic("no two data files of one size")
}

// TestARestoreThatRestoredNothingIsCalledFailed: a local active materialized view of the name makes RESTORE say
// FINISHED with nothing done. It comes into being after the plan, which would refuse it.
func TestARestoreThatRestoredNothingIsCalledFailed(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "DROP TABLE sales.customers FORCE")
	b.Must(t, `CREATE MATERIALIZED VIEW sales.customers DISTRIBUTED BY HASH(id) BUCKETS 1 REFRESH MANUAL PROPERTIES("replication_num"="1") AS SELECT id, city FROM sales.orders`)
	_, err := runRestore(t, b, spec.Restore{Include: []string{"sales.customers"}})
	if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), "materialized view of this name") {
		t.Errorf("with the view there before: %v, want InvalidSpec", err)
	}

	b.Must(t, "DROP MATERIALIZED VIEW sales.customers")
	onceAtRestore(b, "PENDING", func() {
		if err := b.Sim.Exec(`CREATE MATERIALIZED VIEW sales.customers DISTRIBUTED BY HASH(id) BUCKETS 1 REFRESH MANUAL PROPERTIES("replication_num"="1") AS SELECT id, city FROM sales.orders`); err != nil {
			t.Error(err)
		}
	})
	_, err = runRestore(t, b, spec.Restore{Include: []string{"sales.customers"}})
	if kind := errorType(err); kind != spec.ErrorProofFailed && kind != spec.ErrorPartialFailure {
		t.Fatalf("ended as %q: %v", kind, err)
	}
	out := detailsOf[spec.RestoreResult](t, err)
	if !slices.ContainsFunc(out.Failed, func(f spec.FailedPart) bool { return f.Table == "customers" && strings.Contains(f.Reason, "FINISHED") }) {
		t.Errorf("failed: %+v, want customers, of which StarRocks said FINISHED", out.Failed)
	}
}

// onceAtRestore runs do when a RESTORE first reaches a state.
func onceAtRestore(b *testbed.Bed, state string, do func()) {
	done := false
	b.Sim.OnState(func(_, kind, now string) {
		if kind == "RESTORE" && now == state && !done {
			done = true
			do()
		}
	})
}
