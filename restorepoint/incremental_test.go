package restorepoint

import (
	"slices"
	"strings"
	"testing"

	"starkeep/starrocks"
)

const eventsDDL = "CREATE TABLE `events` (\n  `dt` date NOT NULL COMMENT \"\",\n  `v` int NULL COMMENT \"\"\n) ENGINE=OLAP\nDUPLICATE KEY(`dt`)\nCOMMENT \"x\"\n" +
	"PARTITION BY RANGE(`dt`)\n(PARTITION p1 VALUES [(\"2026-01-01\"), (\"2026-02-01\")))\nDISTRIBUTED BY HASH(`dt`) BUCKETS 2\nPROPERTIES (\n\"replication_num\" = \"1\"\n);"

// saved is a table as a restore point knows it.
func saved() Table {
	return Table{Name: "events", ID: 7, DDL: eventsDDL, Schema: "abc", Indexes: []Index{{Version: 3, Hash: 99}}, Partitions: []Partition{
		{Name: "p1", ID: 10, Snapshot: "s1", Physical: []Physical{{ID: 11, Version: 4, VisibleAt: 1000}}},
		{Name: "p2", ID: 20, Snapshot: "s2", Physical: []Physical{{ID: 21, Version: 5, VisibleAt: 2000}, {ID: 22, Version: 1, VisibleAt: 500}}},
	}}
}

// now is the same table as the catalog shows it when nothing has happened.
func now() Live {
	t := saved()
	for i := range t.Partitions {
		t.Partitions[i].ID, t.Partitions[i].Snapshot = 0, ""
	}
	t.Schema = ""
	return Live{Table: t}
}

func TestWhatAnIncrementalBackupTakes(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(base *Table, live *Live)
		none    bool   // the base does not hold the table
		lost    string // snapshot that is gone
		full    bool
		why     string // part of it
		changed string
		carried string
		gone    string
	}{
		"nothing has changed":           {carried: "p1 p2"},
		"the table is new":              {none: true, full: true, why: "does not hold it", changed: "p1 p2"},
		"a load":                        {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0].Version = 5 }, why: "1 loaded since", changed: "p1", carried: "p2"},
		"a load into one of several":    {change: func(_ *Table, l *Live) { l.Partitions[1].Physical[1].Version = 2 }, why: "1 loaded since", changed: "p2", carried: "p1"},
		"truncated: another id":         {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0] = Physical{ID: 31, Version: 1, VisibleAt: 9} }, why: "1 created anew", changed: "p1", carried: "p2"},
		"exchanged at the same version": {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0].ID = 31 }, why: "1 created anew", changed: "p1", carried: "p2"},
		"another physical partition": {change: func(_ *Table, l *Live) {
			l.Partitions[0].Physical = append(l.Partitions[0].Physical, Physical{ID: 33, Version: 1, VisibleAt: 9})
		}, why: "1 created anew", changed: "p1", carried: "p2"},
		"a partition more": {change: func(_ *Table, l *Live) {
			l.Partitions = append(l.Partitions, Partition{Name: "p3", Physical: []Physical{{ID: 41, Version: 1, VisibleAt: 9}}})
		}, why: "1 new", changed: "p3", carried: "p1 p2"},
		"a partition less":               {change: func(_ *Table, l *Live) { l.Partitions = l.Partitions[:1] }, carried: "p1", gone: "p2"},
		"two partitions exchange names":  {change: func(_ *Table, l *Live) { l.Partitions[0].Name, l.Partitions[1].Name = "p2", "p1" }, full: true, why: "2 created anew", changed: "p2 p1"},
		"a partition is renamed":         {change: func(_ *Table, l *Live) { l.Partitions[0].Name = "q" }, why: "1 new", changed: "q", carried: "p2", gone: "p1"},
		"dropped and created, or a swap": {change: func(_ *Table, l *Live) { l.ID = 8 }, full: true, why: "its id was 7 and is 8", changed: "p1 p2"},
		"another definition":             {change: func(_ *Table, l *Live) { l.DDL = strings.Replace(l.DDL, "`v` int", "`v` bigint", 1) }, full: true, why: "definition", changed: "p1 p2"},
		"no definition in the point":     {change: func(b *Table, _ *Live) { b.DDL = "" }, full: true, why: "definition", changed: "p1 p2"},
		"a bloom filter": {change: func(_ *Table, l *Live) {
			l.DDL = strings.Replace(l.DDL, "PROPERTIES (", "PROPERTIES (\n\"bloom_filter_columns\" = \"v\",", 1)
		}, full: true, why: "definition", changed: "p1 p2"},
		"another comment is no change":       {change: func(_ *Table, l *Live) { l.DDL = strings.Replace(l.DDL, "COMMENT \"x\"", "COMMENT \"y\"", 1) }, carried: "p1 p2"},
		"another property is no change":      {change: func(_ *Table, l *Live) { l.DDL = strings.Replace(l.DDL, "\"1\"", "\"2\"", 1) }, carried: "p1 p2"},
		"a column dropped and added again":   {change: func(_ *Table, l *Live) { l.Indexes = []Index{{Version: 5, Hash: 101}} }, full: true, why: "it was version 3 and is 5", changed: "p1 p2"},
		"a rollup more":                      {change: func(_ *Table, l *Live) { l.Indexes = append(l.Indexes, Index{Name: "r"}) }, full: true, why: "rollup r is new", changed: "p1 p2"},
		"a rollup less":                      {change: func(b *Table, _ *Live) { b.Indexes = append(b.Indexes, Index{Name: "r"}) }, full: true, why: "dropped", changed: "p1 p2"},
		"schema versions cannot be read":     {change: func(_ *Table, l *Live) { l.NoIndexes = "needs OPERATE" }, full: true, why: "needs OPERATE", changed: "p1 p2"},
		"the point knows no schema version":  {change: func(b *Table, _ *Live) { b.Indexes = nil }, full: true, why: "does not know", changed: "p1 p2"},
		"adopted: the point knows no schema": {change: func(b *Table, _ *Live) { b.Schema = "" }, full: true, why: "does not know", changed: "p1 p2"},
		"a version went back":                {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0].Version = 3 }, full: true, why: "went back from version 4 to 3", changed: "p1 p2"},
		"a version is used again":            {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0].VisibleAt = 1001 }, full: true, why: "another time", changed: "p1 p2"},
		"the time was not saved":             {change: func(b *Table, _ *Live) { b.Partitions[0].Physical[0].VisibleAt = 0 }, full: true, why: "not known when", changed: "p1 p2"},
		"the time cannot be read":            {change: func(_ *Table, l *Live) { l.Partitions[0].Physical[0].VisibleAt = 0 }, full: true, why: "not known when", changed: "p1 p2"},
		"back and forth, past the saved one": {change: func(_ *Table, l *Live) {
			l.Partitions[0].Physical[0] = Physical{ID: 11, Version: 9, VisibleAt: 7000}
		}, why: "1 loaded since", changed: "p1", carried: "p2"},
		"dropped, created and smaller": {change: func(_ *Table, l *Live) { l.ID, l.Partitions = 8, l.Partitions[:1] }, full: true, why: "its id was 7 and is 8", changed: "p1", gone: "p2"},
		"a look, and nothing is known": {change: func(b *Table, l *Live) {
			l.Look, b.Indexes, b.Schema, b.Partitions[0].Physical[0].VisibleAt = true, nil, "", 0
		}, carried: "p1 p2"},
		"a look without OPERATE":      {change: func(_ *Table, l *Live) { l.Look, l.NoIndexes = true, "needs OPERATE" }, carried: "p1 p2"},
		"a look sees loads":           {change: func(_ *Table, l *Live) { l.Look, l.NoIndexes, l.Partitions[0].Physical[0].Version = true, "x", 5 }, why: "1 loaded since", changed: "p1", carried: "p2"},
		"its native snapshot is gone": {lost: "s1", why: "gone from the repository", changed: "p1", carried: "p2"},
	} {
		t.Run(name, func(t *testing.T) {
			base, live := saved(), now()
			if c.change != nil {
				c.change(&base, &live)
			}
			point := &base
			if c.none {
				point = nil
			}
			d := Compare("20261122T150405Z-1a2b3c", point, live, func(label string) bool { return label == c.lost })
			if d.Full != c.full || !strings.Contains(d.Why, c.why) || (c.why == "") != (d.Why == "") {
				t.Errorf("full %t because %q, want %t because %q", d.Full, d.Why, c.full, c.why)
			}
			for what, got := range map[string][2][]string{
				"changed": {d.Changed, strings.Fields(c.changed)}, "carried": {d.Carried, strings.Fields(c.carried)}, "gone": {d.Gone, strings.Fields(c.gone)},
			} {
				if !slices.Equal(got[0], got[1]) && len(got[0])+len(got[1]) > 0 {
					t.Errorf("%s: %q, want %q", what, got[0], got[1])
				}
			}
		})
	}
}

func TestIndexesAreComparableBetweenASnapshotAndTheFE(t *testing.T) {
	inMeta := IndexesOf(starrocks.MetaTable{Name: "events", Schemas: map[string]starrocks.MetaSchema{
		"events": {ID: 1, Hash: 99, Version: 3, ColumnUniqueIDs: []int64{1}}, "r": {ID: 2, Hash: 5}}})
	live := LiveIndexes("events", []starrocks.IndexSchema{{Index: "r", Hash: 5}, {Index: "events", Version: 3, Hash: 99}})
	if !slices.Equal(inMeta, live) || len(live) != 2 || live[0].Name != "" {
		t.Errorf("%+v and %+v differ", inMeta, live)
	}
}

func TestATableThatChangedMeanwhileIsTakenFromItsNewSnapshot(t *testing.T) {
	m := Manifest{Databases: []Database{{Name: "d", Tables: []Table{
		{Name: "a", ID: 1, Schema: "old", Partitions: []Partition{{Name: "p1", Snapshot: "s1"}, {Name: "p2", Snapshot: "s2"}}},
		{Name: "b", ID: 2, Schema: "x", Partitions: []Partition{{Name: "p1", Snapshot: "s1"}}},
	}}}, Snapshots: []SnapshotRef{{Label: "s1"}, {Label: "s2"}}}
	record := SnapshotRecord{Database: "d", Label: "s3", Tables: []Table{{Name: "a", ID: 1, Schema: "new"}, {Name: "b", ID: 2, Schema: "x"}, {Name: "c", ID: 3}}}
	lost := m.GiveUp(record)
	if len(lost) != 2 || lost[0].Table != "a" || lost[1].Partition != "p2" {
		t.Errorf("given up: %+v", lost)
	}
	if m.Find("d", "a") != nil || m.Find("d", "b") == nil || len(m.Snapshots) != 1 || m.Snapshots[0].Label != "s1" {
		t.Errorf("left: %+v", m)
	}
}
