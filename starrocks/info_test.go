package starrocks

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testdata(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("testdata/%s: %v", pattern, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = data
	}
	return files
}

func TestParseInfoReadsRecordedSnapshots(t *testing.T) {
	for name, data := range testdata(t, "*-info.json") {
		if _, err := ParseInfo(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	info, err := ParseInfo(testdata(t, "06-info.json")["06-info.json"])
	if err != nil {
		t.Fatal(err)
	}
	if info.Name != "full" || info.Database != "g06" || info.DatabaseID != 11436 || info.BackupTime.UnixMilli() != 1795363744318 {
		t.Errorf("head: %+v", info)
	}
	pk, _ := info.Table("pk")
	want := InfoTable{Name: "pk", ID: 11492, Partitions: []InfoPartition{{Name: "pk", ID: 11491, Version: 3, Physical: []InfoPhysical{
		{ID: 11494, Version: 3, Indexes: []InfoIndex{{Name: "pk", ID: 11493, SchemaHash: 1487341375, Tablets: []int64{11495, 11498}}}}}}}}
	if diff := cmp.Diff(want, pk); diff != "" {
		t.Errorf("pk (-want +got)\n%s", diff)
	}
	var first InfoTablet
	count := 0
	for x := range info.Tablets() {
		if count == 0 {
			first = x
		}
		count++
	}
	if first != (InfoTablet{"orders", "p1", TabletPath{11436, 11442, 11444, 11443, 11445}}) || count < 12 {
		t.Errorf("%d tablets, the first is %+v", count, first)
	}
}

func TestParseInfoReadsRollupsViewsAndAutoIncrement(t *testing.T) {
	info, err := ParseInfo(testdata(t, "03-info.json")["03-info.json"])
	if err != nil {
		t.Fatal(err)
	}
	agg, _ := info.Table("t_agg")
	var names []string
	for _, x := range agg.Partitions[0].Physical[0].Indexes {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"r1", "t_agg"}) {
		t.Errorf("indexes of t_agg: %v", names)
	}
	if v, ok := info.Table("v1"); !ok || len(v.Partitions) != 0 {
		t.Errorf("view: %+v", v)
	}
	if _, ok := info.Table("nope"); ok {
		t.Error("a table that is not there was found")
	}
}

// Old writers: no subPartitions, indexes with file lists, no tablets_order (facts §5.6).
const oldInfo = `{"name":"l","database":"d","id":1,"backup_time":5,"backup_result":"succeed","backup_objects":{"t":{"id":2,"autoIncrementId":100001,
	"partitions":{"p":{"id":3,"version":7,"version_hash":0,"indexes":{"t":{"id":4,"schema_hash":-5,"tablets":{"90":["90.hdr.x"],"9":["9.hdr.x","a.dat.y"],"100":[]}}}}}}}}`

func TestParseInfoReadsOldWriters(t *testing.T) {
	info, err := ParseInfo([]byte(oldInfo))
	if err != nil {
		t.Fatal(err)
	}
	want := InfoTable{Name: "t", ID: 2, AutoIncrementID: 100001, Partitions: []InfoPartition{{Name: "p", ID: 3, Version: 7, Physical: []InfoPhysical{
		{ID: 3, Version: 7, Indexes: []InfoIndex{{Name: "t", ID: 4, SchemaHash: -5, Tablets: []int64{9, 90, 100},
			Files: map[int64][]string{90: {"90.hdr.x"}, 9: {"9.hdr.x", "a.dat.y"}}}}}}}}}
	if diff := cmp.Diff(want, info.Tables[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseInfoRefusesWhatItCannotTrust(t *testing.T) {
	for name, change := range map[string][2]string{
		"no name":                {`"name":"l",`, ``},
		"no backup_objects":      {`"backup_objects"`, `"objects"`},
		"float id":               {`"id":3,`, `"id":3.5,`},
		"too large id":           {`"id":3,`, `"id":99999999999999999999,`},
		"no tablets":             {`"tablets":{"90":["90.hdr.x"],"9":["9.hdr.x","a.dat.y"],"100":[]}`, `"tablets":{}`},
		"no index":               {`"indexes"`, `"indices"`},
		"tablet id":              {`"100":[]`, `"x":[]`},
		"tablet twice":           {`"100":[]`, `"9":[]`},
		"order too short":        {`"tablets":`, `"tablets_order":["9"],"tablets":`},
		"order with a stranger":  {`"tablets":`, `"tablets_order":["9","90","101"],"tablets":`},
		"order with one twice":   {`"tablets":`, `"tablets_order":["9","90","90"],"tablets":`},
		"physical under another": {`"version_hash":0,`, `"subPartitions":{"8":{"id":9,"version":7,"indexes":{}}},`},
		"table twice":            {`"backup_objects":{`, `"backup_objects":{"t":{"id":2},`},
		"two values":             {`{"name"`, `{} {"name"`},
		"garbage":                {`{"name"`, `["name"`},
	} {
		text := strings.Replace(oldInfo, change[0], change[1], 1)
		if text == oldInfo {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := ParseInfo([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	for _, data := range testdata(f, "*-info.json") {
		f.Add(data)
	}
	f.Add([]byte(oldInfo))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ParseInfo(data)
		if err != nil {
			return
		}
		for x := range info.Tablets() { // never panics, and all paths parse back if ids are natural
			if x.Path.Database < 0 || x.Path.Table < 0 || x.Path.Partition < 0 || x.Path.Index < 0 || x.Path.Tablet < 0 {
				return
			}
			key := Snapshot{"r", "l"}.TabletDir(x.Path) + "meta"
			if k, err := ParseKey(key); err != nil || k.Tablet != x.Path {
				t.Errorf("%s: %+v, %v", key, k, err)
			}
		}
	})
}
