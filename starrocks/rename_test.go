package starrocks

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pairs are the recorded snapshots whose tables are all OLAP tables or views.
func pairs(t testing.TB) map[string][2][]byte {
	infos, metas := testdata(t, "*-info.json"), testdata(t, "*-meta.json")
	out := map[string][2][]byte{}
	for name, info := range infos {
		snapshot := strings.TrimSuffix(name, "-info.json")
		out[snapshot] = [2][]byte{info, encodeMeta(metas[snapshot+"-meta.json"])}
	}
	return out
}

// number keeps 64-bit ids as they are written.
func decodeExact(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRenameWithoutRenamesChangesOnlyTheInnerName(t *testing.T) {
	for name, p := range pairs(t) {
		info, meta, err := RenameTables(p[0], p[1], "sk_beside_1", nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(meta, p[1]) {
			t.Errorf("%s: __meta changed", name)
		}
		old, err := ParseInfo(p[0])
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Replace(p[0], []byte(`"name": "`+old.Name+`"`), []byte(`"name": "sk_beside_1"`), 1)
		if !bytes.Equal(info, want) {
			t.Errorf("%s: more than the name changed in __info", name)
		}
	}
}

// paths lists every path of a JSON value with its leaf, "/" between keys.
func paths(v any, at string, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		out[at] = "{}"
		for key, inner := range v {
			paths(inner, at+"/"+key, out)
		}
	case []any:
		text, _ := json.Marshal(v)
		out[at] = string(text)
	default:
		text, _ := json.Marshal(v)
		out[at] = string(text)
	}
}

func TestRenameEditsWhatTheRecordingEdited(t *testing.T) {
	p := pairs(t)["06"]
	renames := map[string]string{"orders": "orders__restore_1234abcd", "pk": "pk__restore_1234abcd", "items": `in "quotes" <&>`}
	newInfo, newMeta, err := RenameTables(p[0], p[1], "sk_beside_x", renames)
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.BigEndian.Uint32(newMeta); int(n) != len(newMeta)-4 {
		t.Errorf("length %d of %d", n, len(newMeta)-4)
	}

	// In __info: name, table keys, base index keys, partition keys of unpartitioned tables. Nothing else.
	want, got := map[string]string{}, map[string]string{}
	paths(decodeExact(t, p[0]), "", want)
	paths(decodeExact(t, newInfo), "", got)
	want["/name"] = `"sk_beside_x"`
	for from, to := range renames {
		renamed := map[string]string{}
		for path, leaf := range want {
			if rest, ok := strings.CutPrefix(path, "/backup_objects/"+from); ok && (rest == "" || rest[0] == '/') {
				if from != "orders" {
					rest = strings.Replace(rest, "/partitions/"+from, "/partitions/"+to, 1)
				}
				rest = strings.Replace(rest, "/indexes/"+from, "/indexes/"+to, 1)
				path = "/backup_objects/" + to + rest
			}
			renamed[path] = leaf
		}
		want = renamed
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("__info (-want +got)\n%s", diff)
	}

	// In __meta: keys, names, base index, single partition; the id's stay.
	before, after := parseMeta(t, p[1]), parseMeta(t, newMeta)
	for from, to := range renames {
		b, a := before.Tables[from], after.Tables[to]
		wantNames := slices.Sorted(maps.Keys(b.Partitions))
		if from != "orders" {
			wantNames = []string{to}
		}
		if a.Name != to || a.ID != b.ID || a.Schemas[to].ID != b.Schemas[from].ID || a.Schemas[to].ID == 0 ||
			!slices.Equal(slices.Sorted(maps.Keys(a.Partitions)), wantNames) {
			t.Errorf("%s: %+v became %+v", from, b, a)
		}
	}
	if diff := cmp.Diff(before.Tables["lst"], after.Tables["lst"]); diff != "" {
		t.Errorf("lst was not to change\n%s", diff)
	}
	changedLines := 0
	oldLines, newLines := bytes.Split(p[1][4:], []byte("\n")), bytes.Split(newMeta[4:], []byte("\n"))
	if len(oldLines) != len(newLines) {
		t.Fatalf("%d lines became %d", len(oldLines), len(newLines))
	}
	for i := range oldLines {
		if !bytes.Equal(oldLines[i], newLines[i]) {
			changedLines++
		}
	}
	if changedLines != 3*3+2 { // key, name, index each; the partition of pk and items
		t.Errorf("%d lines of __meta changed", changedLines)
	}
	if info, err := ParseInfo(newInfo); err != nil || info.Name != "sk_beside_x" {
		t.Errorf("new __info: %+v, %v", info, err)
	}
}

func parseMeta(t testing.TB, data []byte) *Meta {
	t.Helper()
	m, err := ParseMeta(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRenameKeepsRollupsAndAutomaticAndListTables(t *testing.T) {
	p := pairs(t)["03"]
	renames := map[string]string{"t_agg": "a2", "t_autolist": "al2", "t_uniq": "u2", "t_pk": "p2"}
	newInfo, newMeta, err := RenameTables(p[0], p[1], "n", renames)
	if err != nil {
		t.Fatal(err)
	}
	before, after := parseMeta(t, p[1]), parseMeta(t, newMeta)
	if names := slices.Sorted(maps.Keys(after.Tables["a2"].Schemas)); !slices.Equal(names, []string{"a2", "r1"}) {
		t.Errorf("indexes of a2: %v", names)
	}
	for _, from := range []string{"t_autolist", "t_uniq", "t_pk"} {
		if diff := cmp.Diff(before.Tables[from].Partitions, after.Tables[renames[from]].Partitions); diff != "" {
			t.Errorf("partitions of %s\n%s", from, diff)
		}
	}
	info, err := ParseInfo(newInfo)
	if err != nil {
		t.Fatal(err)
	}
	a2, _ := info.Table("a2")
	var names []string
	for _, x := range a2.Partitions[0].Physical[0].Indexes {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	if a2.Partitions[0].Name != "a2" || !slices.Equal(names, []string{"a2", "r1"}) {
		t.Errorf("a2 in __info: %+v", a2)
	}
}

// A partitioned table may have a partition of its own name: that one keeps it.
func TestRenameLeavesAPartitionThatHappensToHaveTheTablesName(t *testing.T) {
	p := pairs(t)["06"]
	info := bytes.ReplaceAll(p[0], []byte(`"p1"`), []byte(`"orders"`))
	text := bytes.ReplaceAll(p[1][4:], []byte(`"name": "p1"`), []byte(`"name": "orders"`))
	newInfo, newMeta, err := RenameTables(info, encodeMeta(text), "n", map[string]string{"orders": "o2"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := parseMeta(t, newMeta).Tables["o2"].Partitions["orders"]; !ok {
		t.Error("the partition was renamed in __meta")
	}
	parsed, _ := ParseInfo(newInfo)
	o2, _ := parsed.Table("o2")
	if !slices.ContainsFunc(o2.Partitions, func(p InfoPartition) bool { return p.Name == "orders" }) {
		t.Error("the partition was renamed in __info")
	}
}

func TestRenameReadsOldInfo(t *testing.T) {
	meta := `{"tblNameMap":{"t":{"clazz":"OlapTable","id":2,"name":"t","indexNameToId":{"t":4},"partitionInfo":{"type":"RANGE"}}}}`
	info, _, err := RenameTables([]byte(oldInfo), encodeMeta([]byte(meta)), "n", map[string]string{"t": "u"})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseInfo(info)
	if err != nil || parsed.Tables[0].Name != "u" || parsed.Tables[0].Partitions[0].Physical[0].Indexes[0].Name != "u" {
		t.Errorf("%+v, %v", parsed, err)
	}
}

func TestRenameExchangesNames(t *testing.T) {
	p := pairs(t)["06"]
	_, meta, err := RenameTables(p[0], p[1], "n", map[string]string{"pk": "items", "items": "pk"})
	if err != nil {
		t.Fatal(err)
	}
	if before, after := parseMeta(t, p[1]), parseMeta(t, meta); after.Tables["pk"].ID != before.Tables["items"].ID {
		t.Error("names were not exchanged")
	}
}

func TestRenameRefuses(t *testing.T) {
	p, views := pairs(t)["06"], pairs(t)["03"]
	mvs := pairs(t)["03-mv"]
	for _, c := range []struct {
		name    string
		pair    [2][]byte
		inner   string
		renames map[string]string
		want    error
	}{
		{"a table that is not there", p, "n", map[string]string{"nope": "x"}, ErrSnapshotMissing},
		{"two of one name", p, "n", map[string]string{"pk": "lst"}, ErrTableExists},
		{"two to one name", p, "n", map[string]string{"pk": "x", "lst": "x"}, ErrTableExists},
		{"an empty name", p, "n", map[string]string{"pk": ""}, ErrInvalidName},
		{"a backquote", p, "n", map[string]string{"pk": "a`b"}, ErrInvalidName},
		{"a bad inner name", p, "a/b", nil, ErrInvalidName},
		{"a view", views, "n", map[string]string{"v1": "v2"}, ErrUnsupported},
		{"a materialized view", mvs, "n", map[string]string{"mv1": "mvx"}, ErrUnsupported},
		{"a rollup's name", views, "n", map[string]string{"t_agg": "r1"}, ErrTableExists},
		{"binary __meta", [2][]byte{p[0], {0, 0, 0, 1, 0, 0, 0, 5, 'a'}}, "n", nil, ErrMetaNotJSON},
	} {
		if _, _, err := RenameTables(c.pair[0], c.pair[1], c.inner, c.renames); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestParseMetaReadsRecordedSnapshots(t *testing.T) {
	m := parseMeta(t, pairs(t)["02"][1])
	orders := m.Tables["orders"]
	if orders.ID != 10585 || orders.KeysType != "DUP_KEYS" || orders.PartitionType != "RANGE" || orders.Comment != "the orders" ||
		orders.Class != "OlapTable" || orders.State != "NORMAL" || orders.Replication["p1"] != 3 || orders.HasAutoIncrement() {
		t.Errorf("orders: %+v", orders)
	}
	if !slices.Equal(orders.Distribution, []string{"id"}) || orders.Properties["replication_num"] != "3" {
		t.Errorf("distribution %v, properties %v", orders.Distribution, orders.Properties)
	}
	first := MetaColumn{Name: "dt", Type: "DATE", Key: true, Comment: "day"}
	if diff := cmp.Diff(first, orders.Columns[0]); diff != "" {
		t.Errorf("first column\n%s", diff)
	}
	if p1 := orders.Partitions["p1"]; p1.ID != 10582 || len(p1.Physical) != 1 || p1.Physical[0].ID != 10587 || p1.Value == "" {
		t.Errorf("p1: %+v", p1)
	}
	if s := orders.Schemas["orders"]; s.ID != 10586 || s.Hash != 1267405791 || s.ShortKeys != 2 || len(s.ColumnUniqueIDs) != len(orders.Columns) {
		t.Errorf("schema: %+v", s)
	}
	all := parseMeta(t, pairs(t)["03"][1])
	if !all.Tables["t_ai"].HasAutoIncrement() || all.Tables["t_rand"].Distribution != nil || all.Tables["v1"].Definition == "" ||
		all.Tables["t_uniq"].PartitionType != "LIST" || all.Tables["t_pk"].PartitionType != "EXPR_RANGE" {
		t.Error("tables of 03 were read wrong")
	}
}

// Versions in __info and __meta of one real snapshot are equal (measured C §2).
func TestVersionsOfInfoAndMetaAgree(t *testing.T) {
	for name, p := range pairs(t) {
		info, err := ParseInfo(p[0])
		if err != nil {
			t.Fatal(err)
		}
		meta := parseMeta(t, p[1])
		for _, table := range info.Tables {
			for _, part := range table.Partitions {
				inMeta := meta.Tables[table.Name].Partitions[part.Name]
				if inMeta.ID != part.ID || inMeta.Physical[0].ID != part.Physical[0].ID || inMeta.Physical[0].VisibleVersion != part.Physical[0].Version {
					t.Errorf("%s: %s/%s: %+v and %+v", name, table.Name, part.Name, part, inMeta)
				}
			}
		}
	}
}

func TestParseMetaRefusesDamage(t *testing.T) {
	good := encodeMeta([]byte(`{"tblNameMap":{}}`))
	if _, err := ParseMeta(good); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "no text": {0, 0, 0, 0}, "cut": good[:len(good)-1], "longer": append(slices.Clone(good), ' '),
		"no map": encodeMeta([]byte(`{}`)), "not JSON": encodeMeta([]byte(`{]`)),
		"inner name differs": encodeMeta([]byte(`{"tblNameMap":{"a":{"name":"b"}}}`)),
	} {
		if _, err := ParseMeta(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzRenameTables(f *testing.F) {
	f.Add([]byte(oldInfo), []byte(`{"tblNameMap":{"t":{"clazz":"OlapTable","id":2,"name":"t","indexNameToId":{"t":4},"partitionInfo":{"type":"UNPARTITIONED"},"idToPartition":{"3":{"name":"t"}}}}}`), "t")
	f.Fuzz(func(t *testing.T, info, meta []byte, table string) {
		there, back, err := RenameTables(info, encodeMeta(meta), "away", map[string]string{table: "x__restore_0"})
		if err != nil {
			return
		}
		old, err := ParseInfo(info)
		if err != nil || CheckLabel(old.Name) != nil || CheckName("table", table) != nil {
			return
		}
		// The way back gives the same document.
		info2, meta2, err := RenameTables(there, back, old.Name, map[string]string{"x__restore_0": table})
		if err != nil {
			t.Fatalf("the way back: %v", err)
		}
		if diff := cmp.Diff(decodeExact(t, info), decodeExact(t, info2)); diff != "" {
			t.Errorf("__info\n%s", diff)
		}
		if diff := cmp.Diff(decodeExact(t, meta), decodeExact(t, meta2[4:])); diff != "" {
			t.Errorf("__meta\n%s", diff)
		}
	})
}
