package restorepoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files anew: only after deciding that the format may change")

func at(minute int) time.Time { return time.Date(2026, 11, 22, 15, minute, 5, 0, time.UTC) }

// fullRecord has a value in every field.
func fullRecord() SnapshotRecord {
	const label = "sk_sales_0123456789ab_u1_a1"
	return SnapshotRecord{
		Label: label, Cluster: Cluster{Name: "prod", ID: 1234567890, Version: "3.5.0"},
		Repository: Repository{Name: "s3-main", NativeName: "s3_main", Location: "s3://backups/starrocks"},
		Database:   "sales", DatabaseID: 10005, Timestamp: "2026-11-22-15-04-05-123",
		InfoKey:   "__starrocks_repository_s3_main/__ss_" + label + "/__info_2026-11-22-15-04-05-123.0123456789abcdef0123456789abcdef",
		MetaKey:   "__starrocks_repository_s3_main/__ss_" + label + "/__meta.fedcba9876543210fedcba9876543210",
		CreatedAt: at(5), ConsistentAt: at(4),
		Lists: []ObjectList{{Key: ObjectsKey("prod", label, 1), SHA256: strings.Repeat("ab", 32), Objects: 4, Bytes: 4096}},
		Tables: []Table{{Name: "orders", ID: 10120, Kind: "table", Keys: "PRIMARY_KEYS", DDL: "CREATE TABLE `orders` (`k` int) -- a < b & c > d\n", PartitionScheme: "RANGE(`d`)",
			Replication: 3, AutoIncrement: true, Schema: "00112233445566778899aabbccddeeff", Indexes: []Index{{Version: 1, Hash: 692581524}, {Name: "by_city", Version: 2, Hash: 1851192884}}, Properties: map[string]string{"compression": "LZ4"},
			Fingerprint: &Hashed{Columns: []string{"k", "d"}, Sample: []string{"k"}, LeftOut: []string{"share"}},
			Grants:      []Grant{{Grantee: "'ana'@'%'", Privilege: "SELECT"}, {Grantee: "analyst", IsRole: true, Privilege: "INSERT", Grantable: true}},
			Partitions: []Partition{
				{Name: "p1", ID: 10118, Value: "[types: [DATE]; keys: [2026-01-01]; )", Replication: 3, Physical: []Physical{{ID: 10119, Version: 7, VisibleAt: 1763820000}}, Rows: 100, RowsExact: true, Bytes: 2048, Tablets: 2,
					Fingerprint: &Fingerprint{Algorithm: FingerprintAlgorithm, Kind: "sample", Rows: 7, Sum: "-8589934592", Second: "12345678901"}},
				{Name: "p 2,ü", ID: 10128, Value: "x", Replication: 1, Physical: []Physical{{ID: 10129, Version: 1, VisibleAt: 1763820001}, {ID: 10139, Version: 9007199254740993, VisibleAt: 1763820002}}, Rows: 5, Bytes: 10, Tablets: 4},
			}}},
	}
}

// fullManifest has a value in every field, and two native snapshots of one table.
func fullManifest(t testing.TB) Manifest {
	t.Helper()
	first, second := fullRecord(), fullRecord()
	second.Label = "sk_sales_0123456789ab_u2_a1"
	second.Lists = []ObjectList{{Key: ObjectsKey("prod", second.Label, 1), SHA256: strings.Repeat("cd", 32), Objects: 4, Bytes: 1}}
	second.Tables[0].Partitions = []Partition{{Name: "p3", ID: 10150, Value: "y", Replication: 3, Physical: []Physical{{ID: 10151, Version: 2, VisibleAt: 1763820003}}, Rows: 1, RowsExact: true, Bytes: 1, Tablets: 1}}
	m := Manifest{ID: "20261122T150405Z-1a2b3c", Cluster: first.Cluster, Repository: first.Repository, CreatedAt: at(6), Parent: "20261121T150405Z-0a0b0c",
		Tags: map[string]string{"team": "data"}, Origin: OriginAdopted, NotKnown: []string{"grants"}, Spec: json.RawMessage(`{"cluster":"prod","repository":"s3-main","include":["sales"]}`), Selected: &Selected{Include: []string{"sales"}, Exclude: []string{"sales.tmp_*"}},
		NotCovered: []NotCovered{{Database: "sales", Name: "echo(VARCHAR)", Kind: "function", Reason: "its code is inline"}},
		Failed:     []FailedObject{{Database: "sales", Table: "orders", Partition: "p9", Reason: "be 10004: disk full"}}}
	for i, r := range []SnapshotRecord{second, first} {
		if err := m.Add(r, strings.Repeat(fmt.Sprint(i), 64)); err != nil {
			t.Fatal(err)
		}
	}
	grants := []Grant{{Grantee: "analyst", IsRole: true, Privilege: "SELECT", Grantable: true}}
	m.AddObjects("sales", 10005, Objects{
		Views: []View{{Name: "latest", DDL: "CREATE VIEW `latest` (`k`)\nCOMMENT \"newest\" SECURITY NONE AS SELECT `sales`.`orders`.`k`\nFROM `sales`.`orders`;",
			Reads: []string{"sales.orders"}, Comment: "newest", Security: "NONE", Grants: grants}},
		MaterializedViews: []MaterializedView{{Name: "daily", DDL: "CREATE MATERIALIZED VIEW `daily` (`d`)\nPARTITION BY (`d`)\nDISTRIBUTED BY RANDOM\nREFRESH ASYNC\nAS SELECT `orders`.`d`\nFROM `sales`.`orders`;",
			Reads: []string{"sales.orders", "hive.lake.clicks"}, Active: true, InactiveReason: "base-table swapped: orders", Refresh: "ASYNC", PartitionScheme: "`d`", Properties: map[string]string{"replication_num": "3"}, Grants: grants}},
		Functions: []Function{{Signature: "plus1(INT)", Returns: "INT", Type: "Scalar", Properties: map[string]string{"symbol": "g.Plus", "type": "SRJAR", "file": "http://files/plus.jar"},
			Statement: "CREATE FUNCTION `sales`.`plus1`(INT) RETURNS INT PROPERTIES (…)"}},
	})
	m.Sort()
	return m
}

// golden compares with a file of testdata, which is also what docs/formats.md shows.
func golden(t *testing.T, name string, data []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
		t.Errorf("the format of %s changed (a field that readers know must keep name and meaning; see docs/formats.md):\n%s", name, diff)
	}
}

func TestGoldenManifest(t *testing.T) {
	m := fullManifest(t)
	data, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest.json", data)
	again, err := DecodeManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	second, err := EncodeManifest(again)
	if err != nil || !bytes.Equal(data, second) {
		t.Errorf("decoded and encoded again it is %s, %v", second, err)
	}
	everyField(t, reflect.ValueOf(again), "Manifest")
}

func TestGoldenSnapshotRecord(t *testing.T) {
	data, err := EncodeSnapshotRecord(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot.json", data)
	again, err := DecodeSnapshotRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	want := fullRecord()
	want.FormatVersion = FormatVersion
	if diff := cmp.Diff(want, again); diff != "" {
		t.Error(diff)
	}
}

func TestGoldenPartAndQueue(t *testing.T) {
	part := Part{Table: "orders", Partition: "p1", PartitionID: 10118, Version: 7, Tablets: 2, Replication: 3, Bytes: 2048, Rows: 100, Value: "v", Whole: true, Lane: "overwrite", Snapshot: "sk_a_u1_a1"}
	everyField(t, reflect.ValueOf(part), "Part")
	q := NewQueue(unitsOf(2, 2, 1))
	for range 3 {
		u, _ := q.Next()
		q.Failed(u, Failure{Reason: fmt.Sprint("reason ", u.Number)})
	}
	u, _ := q.Next()
	q.Done(u)
	q.Stop("cancelled")
	data, err := encode(map[string]any{"part": part, "queue": q})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "part-and-queue.json", data)
}

// everyField says which field the golden files do not show. Of a list one element that has it is enough.
func everyField(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name := path + "." + v.Type().Field(i).Name
			if v.Field(i).IsZero() && name != "Manifest.Complete" {
				t.Errorf("%s is empty in the golden file", name)
			}
			everyField(t, v.Field(i), name)
		}
	case reflect.Slice:
		if v.Len() == 0 || v.Type().Elem().Kind() != reflect.Struct {
			return
		}
		union := reflect.New(v.Type().Elem()).Elem()
		for i := range v.Len() {
			for f := range union.NumField() {
				if union.Field(f).IsZero() {
					union.Field(f).Set(v.Index(i).Field(f))
				}
			}
		}
		everyField(t, union, path+"[]")
	}
}

func TestNewerFormatsAreRefusedAndUnknownFieldsIgnored(t *testing.T) {
	data, err := EncodeManifest(fullManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	with := func(version, extra string) []byte {
		return []byte(strings.Replace(string(data), `"formatVersion":"1.0",`, `"formatVersion":`+version+`,`+extra, 1))
	}
	if _, err := DecodeManifest(with(`"1.9"`, `"views":[{"name":"v"}],`)); err != nil {
		t.Errorf("a newer minor version: %v", err)
	}
	for version, text := range map[string]string{`"2.0"`: "use a newer starkeep", `""`: "none of starkeep's", `"x"`: "none of starkeep's", `1`: "unreadable"} {
		for name, f := range map[string]func([]byte) error{
			"manifest": func(b []byte) error { _, err := DecodeManifest(b); return err },
			"record":   func(b []byte) error { _, err := DecodeSnapshotRecord(b); return err },
			"summary":  func(b []byte) error { _, err := DecodeSummary(bytes.NewReader(b)); return err },
		} {
			if err := f(with(version, `"databases":17,`)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s of version %s: %v", name, version, err)
			}
		}
	}
}

func TestInconsistentManifestsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Manifest)
		want   string
	}{
		"id":                      {func(m *Manifest) { m.ID = "latest" }, "restore point id"},
		"parent":                  {func(m *Manifest) { m.Parent = "x" }, "restore point id"},
		"cluster":                 {func(m *Manifest) { m.Cluster.Name = "a/b" }, "cluster name"},
		"created":                 {func(m *Manifest) { m.CreatedAt = time.Time{} }, "createdAt"},
		"complete with failures":  {func(m *Manifest) { m.Complete = true }, "complete is true, but 1 objects failed"},
		"partial without failure": {func(m *Manifest) { m.Failed = nil }, "complete is false, but 0 objects failed"},
		"unlisted snapshot":       {func(m *Manifest) { m.Databases[0].Tables[0].Partitions[0].Snapshot = "other" }, `"other", which is not listed`},
		"no snapshot":             {func(m *Manifest) { m.Databases[0].Tables[0].Partitions[0].Snapshot = "" }, `"", which is not listed`},
		"unused snapshot":         {func(m *Manifest) { m.Snapshots = append(m.Snapshots, m.Snapshots[0]); m.Snapshots[2].Label = "x" }, `"x" is listed, but no partition refers to it`},
		"snapshot twice":          {func(m *Manifest) { m.Snapshots[1] = m.Snapshots[0] }, "listed twice"},
		"digest":                  {func(m *Manifest) { m.Snapshots[0].SHA256 = "00" }, "sha256"},
		"key":                     {func(m *Manifest) { m.Snapshots[0].InfoKey = "" }, "infoKey"},
		"consistentAt":            {func(m *Manifest) { m.Snapshots[0].ConsistentAt = time.Time{} }, "consistentAt"},
		"database twice":          {func(m *Manifest) { m.Databases = append(m.Databases, m.Databases[0]) }, `database "sales" is listed twice`},
		"table twice":             {func(m *Manifest) { d := &m.Databases[0]; d.Tables = append(d.Tables, d.Tables[0]) }, `"orders" is listed twice`},
		"table id twice": {func(m *Manifest) {
			d := &m.Databases[0]
			d.Tables = append(d.Tables, d.Tables[0])
			d.Tables[1].Name = "x"
		}, "another table has its id"},
		"partition twice":  {func(m *Manifest) { p := m.Databases[0].Tables[0].Partitions; p[1].Name = p[0].Name }, "listed twice"},
		"physical twice":   {func(m *Manifest) { p := m.Databases[0].Tables[0].Partitions; p[1].Physical = p[0].Physical }, "occurs twice"},
		"version":          {func(m *Manifest) { m.Databases[0].Tables[0].Partitions[0].Physical[0].Version = 0 }, "version 0"},
		"no physical":      {func(m *Manifest) { m.Databases[0].Tables[0].Partitions[0].Physical = nil }, "no physical"},
		"no partition":     {func(m *Manifest) { m.Databases[0].Tables[0].Partitions = nil }, "no partition"},
		"negative numbers": {func(m *Manifest) { m.Databases[0].Tables[0].Partitions[0].Bytes = -1 }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			m := fullManifest(t)
			test.change(&m)
			_, err := EncodeManifest(m)
			if !errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestTamperedCountsAreNoticed(t *testing.T) {
	data, err := EncodeManifest(fullManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeManifest(bytes.Replace(data, []byte(`"tablets":7`), []byte(`"tablets":8`), 1)); !errors.Is(err, ErrInconsistent) || !errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
}

func TestInconsistentRecordsAreRefused(t *testing.T) {
	for want, change := range map[string]func(*SnapshotRecord){
		"cluster name":           func(r *SnapshotRecord) { r.Cluster.Name = "" },
		"cannot be part":         func(r *SnapshotRecord) { r.Label = "a/b" },
		"database is missing":    func(r *SnapshotRecord) { r.Database = "" },
		"timestamp":              func(r *SnapshotRecord) { r.Timestamp = "" },
		"createdAt":              func(r *SnapshotRecord) { r.ConsistentAt = time.Time{} },
		"no object list":         func(r *SnapshotRecord) { r.Lists = nil },
		"list 1 has the key":     func(r *SnapshotRecord) { r.Lists[0].Key = ObjectsKey("prod", r.Label, 2) },
		"list 1: sha256":         func(r *SnapshotRecord) { r.Lists[0].SHA256 = strings.Repeat("AB", 32) },
		"list 1: 100001 objects": func(r *SnapshotRecord) { r.Lists[0].Objects = MaxListObjects + 1 },
		"no table":               func(r *SnapshotRecord) { r.Tables = nil },
		"has no partition":       func(r *SnapshotRecord) { r.Tables[0].Partitions = nil },
	} {
		r := fullRecord()
		change(&r)
		if _, err := EncodeSnapshotRecord(r); !errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestARecordOfAChangedTableDoesNotFit(t *testing.T) {
	for name, change := range map[string]func(*SnapshotRecord){
		"created again": func(r *SnapshotRecord) { r.Tables[0].ID++ },
		"altered":       func(r *SnapshotRecord) { r.Tables[0].Schema = "other" },
	} {
		m := fullManifest(t)
		before := fullManifest(t)
		r := fullRecord()
		r.Label = "third"
		r.Tables = append([]Table{{Name: "new", ID: 1, Partitions: r.Tables[0].Partitions}}, r.Tables...)
		r.Tables[0], r.Tables[1] = r.Tables[1], r.Tables[0]
		change(&r)
		if err := m.Add(r, strings.Repeat("0", 64)); !errors.Is(err, ErrTableChanged) || !strings.Contains(err.Error(), `"sales"."orders"`) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, m); diff != "" {
			t.Errorf("%s: the manifest changed: %s", name, diff)
		}
	}
	m := fullManifest(t)
	if err := m.Add(fullRecord(), strings.Repeat("0", 64)); err == nil {
		t.Error("a snapshot was added twice")
	}
}

// Adding does not change what the caller holds.
func TestAddLeavesTheRecordAlone(t *testing.T) {
	r := fullRecord()
	var m Manifest
	if err := m.Add(r, ""); err != nil {
		t.Fatal(err)
	}
	m.Databases[0].Tables[0].Partitions[0].Name = "changed"
	m.Sort()
	if diff := cmp.Diff(fullRecord(), r); diff != "" {
		t.Error(diff)
	}
}

// resume: what the parent has is carried over, what it lacks is added.
func TestCarryAndAddCompleteAPoint(t *testing.T) {
	parent := fullManifest(t)
	m := Manifest{ID: "20261123T150405Z-1a2b3c", Cluster: parent.Cluster, Repository: parent.Repository, CreatedAt: at(9), Complete: true, Parent: parent.ID}
	if err := m.Carry(parent, func(database string, table Table, p Partition) bool { return p.Name != "p3" }); err != nil {
		t.Fatal(err)
	}
	if len(m.Snapshots) != 1 || m.count().Partitions != 2 {
		t.Errorf("carried %+v, %+v", m.Snapshots, m.count())
	}
	r := fullRecord()
	r.Label = "new"
	r.Tables[0].DDL = "newer"
	r.Tables[0].Partitions = []Partition{{Name: "p3", ID: 1, Physical: []Physical{{ID: 2, Version: 3}}}}
	if err := m.Add(r, strings.Repeat("0", 64)); err != nil {
		t.Fatal(err)
	}
	m.Sort()
	if _, err := EncodeManifest(m); err != nil {
		t.Error(err)
	}
	table := m.Databases[0].Tables[0]
	if table.DDL != "newer" || len(table.Partitions) != 3 || table.Partitions[2].Snapshot != "new" || table.Partitions[1].Snapshot != fullRecord().Label {
		t.Errorf("table %+v", table)
	}
	if len(parent.Databases[0].Tables[0].Partitions) != 3 {
		t.Error("the parent changed")
	}
	none := Manifest{}
	if err := none.Carry(parent, func(string, Table, Partition) bool { return false }); err != nil || len(none.Databases)+len(none.Snapshots) != 0 {
		t.Errorf("carried nothing, has %+v, %v", none, err)
	}
}

// countingReader says how much was read, a kilobyte at a time.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), 1024)])
	c.n += n
	return n, err
}

func TestASummaryReadsTheHeadOnly(t *testing.T) {
	m := fullManifest(t)
	for i := range 20000 {
		p := m.Databases[0].Tables[0].Partitions[0]
		p.Name, p.Physical = fmt.Sprint("more", i), []Physical{{ID: int64(i) + 1e6, Version: 2}}
		m.Databases[0].Tables[0].Partitions = append(m.Databases[0].Tables[0].Partitions, p)
	}
	data, err := EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	r := &countingReader{r: bytes.NewReader(data)}
	got, err := DecodeSummary(r)
	if err != nil {
		t.Fatal(err)
	}
	m.Counts = m.count()
	if diff := cmp.Diff(m.Summary(), got); diff != "" || got.Counts.Partitions != 20003 {
		t.Error(diff)
	}
	if r.n > 4096 {
		t.Errorf("read %d of %d bytes", r.n, len(data))
	}
}

func TestASummaryIsFoundBehindTheContentToo(t *testing.T) {
	data, err := EncodeManifest(fullManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := DecodeSummary(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	counts := `"counts":` + string(must(json.Marshal(want.Counts))) + `,`
	moved := strings.Replace(string(data), counts, "", 1)
	moved = strings.TrimSuffix(strings.TrimSpace(moved), "}") + "," + strings.TrimSuffix(counts, ",") + "}"
	got, err := DecodeSummary(strings.NewReader(moved))
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"manifest.json", "snapshot.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"formatVersion":"1.0"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := DecodeManifest(data); err == nil {
			if _, err := EncodeManifest(m); err != nil {
				t.Errorf("read, but not written: %v", err)
			}
		}
		if r, err := DecodeSnapshotRecord(data); err == nil {
			if _, err := EncodeSnapshotRecord(r); err != nil {
				t.Errorf("read, but not written: %v", err)
			}
		}
		_, _ = DecodeSummary(bytes.NewReader(data))
	})
}
