package restorepoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is what a table looks like in a diff test: partitions as name:id:version.
func told(database, name string, id int64, schema string, partitions ...string) PlacedTable {
	t := PlacedTable{Database: database, Table: Table{Name: name, ID: id, Schema: schema}}
	for _, text := range partitions {
		p := Partition{Rows: 10, Bytes: 100, Physical: []Physical{{}}}
		if _, err := fmt.Sscanf(strings.ReplaceAll(text, ":", " "), "%s %d %d", &p.Name, &p.ID, &p.Physical[0].Version); err != nil {
			panic(err)
		}
		p.Physical[0].ID = p.ID + 1
		t.Partitions = append(t.Partitions, p)
	}
	return t
}

func sequence(tables ...PlacedTable) func(func(PlacedTable, error) bool) {
	return func(yield func(PlacedTable, error) bool) {
		for _, t := range tables {
			if !yield(t, nil) {
				return
			}
		}
	}
}

func TestDiffTellsWhatBecameOfEachTable(t *testing.T) {
	from := sequence(
		told("crm", "calls", 1, "a", "p1:10:1"),
		told("sales", "customers", 2, "a", "p1:20:1", "p2:30:5"),
		told("sales", "dropped", 3, "a", "p1:40:1"),
		told("sales", "orders", 4, "a", "p1:50:1", "p2:60:1", "p3:70:1", "p4:80:1"),
		told("sales", "swapped", 5, "a", "p1:90:1"),
		told("web", "hits", 6, "a", "p1:100:1"),
	)
	to := sequence(
		told("crm", "calls", 1, "a", "p1:10:1"),
		told("sales", "alike", 7, "a", "p1:200:1"),
		told("sales", "customers", 2, "a", "p1:20:1", "p2:30:5"),
		told("sales", "orders", 4, "a", "p0:210:1", "p1:50:1", "p3:71:1", "p4:80:2"),
		told("sales", "swapped", 8, "b", "p1:220:1"),
		told("web", "hits", 6, "b", "p1:100:1"),
	)
	var got []string
	for d, err := range Diff(from, to) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Change != Unchanged {
			got = append(got, fmt.Sprintf("%s.%s %s +%v -%v ~%v !%v =%d rows %d→%d bytes %d→%d", d.Database, d.Table, d.Change, d.Added, d.Dropped, d.Replaced, d.Changed, d.Same, d.RowsFrom, d.RowsTo, d.BytesFrom, d.BytesTo))
		}
	}
	want := []string{
		"sales.alike created +[p1] -[] ~[] ![] =0 rows 0→10 bytes 0→100",
		"sales.dropped dropped +[] -[p1] ~[] ![] =0 rows 10→0 bytes 100→0",
		"sales.orders data +[p0] -[p2] ~[p3] ![p4] =1 rows 40→40 bytes 400→400",
		"sales.swapped re-created +[] -[] ~[p1] ![] =0 rows 10→10 bytes 100→100",
		"web.hits schema +[] -[] ~[] ![] =1 rows 10→10 bytes 100→100",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A RESTORE in place sets a version back to the snapshot's: the number is the same, the time is not.
func TestDiffSeesAVersionThatCameBack(t *testing.T) {
	a, b := told("d", "t", 1, "a", "p:10:3"), told("d", "t", 1, "a", "p:10:3")
	for _, test := range []struct {
		from, to int64
		want     Change
	}{{5, 5, Unchanged}, {5, 6, Rewritten}, {0, 6, Unchanged}, {5, 0, Unchanged}} {
		a.Partitions[0].Physical[0].VisibleAt, b.Partitions[0].Physical[0].VisibleAt = test.from, test.to
		for d, err := range Diff(sequence(a), sequence(b)) {
			if err != nil || d.Change != test.want {
				t.Errorf("visible at %d, then %d: %q, want %q (%v)", test.from, test.to, d.Change, test.want, err)
			}
		}
	}
}

func TestDiffEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("gone")
	failing := func(yield func(PlacedTable, error) bool) {
		_ = yield(told("d", "a", 1, ""), nil) && yield(PlacedTable{}, broken)
	}
	for _, sides := range [][2]func(func(PlacedTable, error) bool){{failing, sequence(told("d", "a", 1, ""))}, {sequence(), failing}} {
		var last error
		for _, err := range Diff(sides[0], sides[1]) {
			if last != nil {
				t.Error("something came after the error")
			}
			last = err
		}
		if !errors.Is(last, broken) {
			t.Errorf("it ended with %v", last)
		}
	}
}

func TestAManifestIsReadTableByTable(t *testing.T) {
	m := fullManifest(t)
	data, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	var got []PlacedTable
	for table, err := range ReadTables(bytes.NewReader(data)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, table)
	}
	var want []PlacedTable
	for _, d := range m.Databases {
		for _, table := range d.Tables {
			want = append(want, PlacedTable{d.Name, table})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Error(diff)
	}
	for range ReadTables(bytes.NewReader(data)) {
		break // the rest is not read
	}
	head, err := ReadHead(io.LimitReader(bytes.NewReader(data), int64(bytes.Index(data, []byte(`"databases":[`))+len(`"databases":[`))))
	if err != nil || head.ID != m.ID || len(head.Snapshots) != 2 || head.Counts.Tablets != 7 {
		t.Errorf("its head: %+v, %v", head, err)
	}
	asked, err := head.Asked()
	if err != nil || !cmp.Equal(asked.Include, []string{"sales"}) {
		t.Errorf("asked for %+v, %v", asked, err)
	}
}

func TestADamagedManifestIsNoManifest(t *testing.T) {
	m := fullManifest(t)
	data, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	other := m.Databases[0]
	other.Name, other.Tables = "a", []Table{{Name: "z", ID: 1}}
	m.Databases = append(m.Databases, other)
	unsorted, err := encode(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut":         string(data[:len(data)-20]),
		"cut earlier": string(data[:len(data)/2]),
		"no object":   "[]",
		"empty":       "",
		"newer":       strings.Replace(string(data), `"formatVersion":"1.0"`, `"formatVersion":"2.0"`, 1),
		"unsorted":    strings.Replace(string(unsorted), `"formatVersion":""`, `"formatVersion":"1.0"`, 1),
	} {
		var last error
		for _, err := range ReadTables(strings.NewReader(text)) {
			last = err
		}
		if !errors.Is(last, ErrFormat) {
			t.Errorf("%s: tables: %v", name, last)
		}
		if _, err := ReadCoverage(strings.NewReader(text)); !errors.Is(err, ErrFormat) && name != "unsorted" {
			t.Errorf("%s: coverage: %v", name, err)
		}
	}
	lost := errors.New("connection lost")
	var last error
	for _, err := range ReadTables(io.MultiReader(bytes.NewReader(data[:200]), iotestErr{lost})) {
		last = err
	}
	if !errors.Is(last, lost) || errors.Is(last, ErrFormat) {
		t.Errorf("a store's error: %v", last)
	}
}

type iotestErr struct{ err error }

func (e iotestErr) Read([]byte) (int, error) { return 0, e.err }

func TestCoverageTellsWhichDatabasesAreWhole(t *testing.T) {
	m := fullManifest(t)
	m.AddObjects("views", 3, Objects{Views: []View{{Name: "v", DDL: "CREATE VIEW v AS SELECT 1"}}})
	m.Failed = append(m.Failed, FailedObject{Database: "lost", Reason: "busy"})
	m.Sort()
	data, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadCoverage(bytes.NewReader(data))
	if want := map[string]bool{"sales": false, "views": true, "lost": false}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, want %v (%v)", got, want, err)
	}
}

func TestASelectionAsksForAllOfADatabase(t *testing.T) {
	for _, test := range []struct {
		include, exclude []string
		want             bool
	}{
		{nil, nil, true}, {[]string{"sales"}, nil, true}, {[]string{"s*"}, nil, true}, {[]string{"sales.*"}, nil, true}, {[]string{"sales"}, []string{"sales.tmp_*"}, true},
		{[]string{"sales.orders"}, nil, false}, {[]string{"web"}, nil, false}, {[]string{"sales.*/p1"}, nil, false},
	} {
		s, err := NewSelection(test.include, test.exclude)
		if got := s.AsksForAll("sales"); err != nil || got != test.want {
			t.Errorf("%v without %v: %v, want %v (%v)", test.include, test.exclude, got, test.want, err)
		}
	}
}
