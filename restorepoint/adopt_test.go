package restorepoint

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/starrocks"
)

// recordedSnapshot reads the files of a real snapshot.
func recordedSnapshot(t *testing.T) (*starrocks.Info, *starrocks.Meta) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	info, err := starrocks.ParseInfo(read("02-info.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := read("02-meta.json")
	meta, err := starrocks.ParseMeta(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	if err != nil {
		t.Fatal(err)
	}
	return info, meta
}

func TestAdoptedTablesOfARecordedSnapshot(t *testing.T) {
	info, meta := recordedSnapshot(t)
	physical := info.Tables[0].Partitions[0].Physical[0].ID
	tables, left, err := AdoptedTables(info, meta, map[int64]int64{physical: 4711})
	if err != nil || len(tables) != 1 || len(left) != 0 {
		t.Fatalf("%+v, %+v, %v", tables, left, err)
	}
	got := tables[0]
	if got.Name != "orders" || got.Keys != "DUP_KEYS" || got.Schema == "" || got.DDL != "" || got.Replication < 1 || len(got.Partitions) != len(info.Tables[0].Partitions) {
		t.Errorf("%+v", got)
	}
	bytes := int64(0)
	for _, p := range got.Partitions {
		bytes += p.Bytes
		if p.RowsExact || p.Tablets == 0 || p.Physical[0].Version == 0 || p.Replication == 0 {
			t.Errorf("partition %+v", p)
		}
	}
	if bytes != 4711 {
		t.Errorf("%d bytes", bytes)
	}
}

// What is no table is named, with what to do about it.
func TestWhatIsNotAdoptedIsNamed(t *testing.T) {
	info, meta := recordedSnapshot(t)
	meta.Tables["v"] = starrocks.MetaTable{Name: "v", Class: "View", Definition: "SELECT 1"}
	meta.Tables["m"] = starrocks.MetaTable{Name: "m", Class: "MaterializedView"}
	meta.Functions = []string{"plus"}
	info.Tables = append(info.Tables, starrocks.InfoTable{Name: "v"}, starrocks.InfoTable{Name: "m"})
	tables, left, err := AdoptedTables(info, meta, nil)
	if err != nil || len(tables) != 1 || len(left) != 3 {
		t.Fatalf("%+v, %+v, %v", tables, left, err)
	}
	for i, want := range []NotCovered{{info.Database, "v", "view", "SELECT 1"}, {info.Database, "m", "materialized view", "after its base tables"}, {info.Database, "plus", "function", "CREATE FUNCTION"}} {
		if got := left[i]; got.Name != want.Name || got.Kind != want.Kind || got.Database != want.Database || !strings.Contains(got.Reason, want.Reason) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestFilesThatDoNotBelongTogetherAreNotAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*starrocks.Info, *starrocks.Meta)
		says   string
	}{
		"a table that __meta lacks":     {func(i *starrocks.Info, _ *starrocks.Meta) { i.Tables[0].Name = "other" }, `__info names "other"`},
		"another table id":              {func(i *starrocks.Info, _ *starrocks.Meta) { i.Tables[0].ID++ }, "its id is"},
		"a partition that __meta lacks": {func(i *starrocks.Info, _ *starrocks.Meta) { i.Tables[0].Partitions[0].Name = "p99" }, `partition "p99"`},
		"another version":               {func(i *starrocks.Info, _ *starrocks.Meta) { i.Tables[0].Partitions[0].Physical[0].Version++ }, "its versions are"},
	} {
		t.Run(name, func(t *testing.T) {
			info, meta := recordedSnapshot(t)
			c.change(info, meta)
			_, _, err := AdoptedTables(info, meta, nil)
			if !errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestListValuesAreWrittenAsTheCatalogDoes(t *testing.T) {
	for raw, want := range map[string]string{`["a","b"]`: `[["a"],["b"]]`, `[["a","1"],["b","2"]]`: `[["a","1"],["b","2"]]`, `[]`: "", "": ""} {
		if got := listValue(raw); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestAdoptingAgainGivesTheSamePoint(t *testing.T) {
	a := AdoptedPoint("prod", "r", "by_hand", "2026-11-22-15-04-05-123", at(4))
	if b := AdoptedPoint("prod", "r", "by_hand", "2026-11-22-15-04-05-123", at(4)); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if b := AdoptedPoint("prod", "r", "by_hand2", "2026-11-22-15-04-05-123", at(4)); a == b {
		t.Errorf("two snapshots are one point %s", a)
	}
}
