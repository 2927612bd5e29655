package starrocks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// object is a decoded JSON object; numbers are as they are written.
type object = map[string]any

// in goes down the keys of an object.
func in(o object, keys ...string) object {
	for _, key := range keys {
		o = o[key].(object)
	}
	return o
}

func number(n int64) json.Number { return json.Number(fmt.Sprint(n)) }

func copyOf(t testing.TB, o any) object {
	t.Helper()
	return decodeExact(t, encoded(t, o)).(object)
}

func encoded(t testing.TB, o any) []byte {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// native is a snapshot's two files, decoded so that tests can change them.
type native struct {
	label      string
	info, meta object
}

func recordedSnapshot(t testing.TB, name string) native {
	t.Helper()
	p := pairs(t)[name]
	return native{name, decodeExact(t, p[0]).(object), decodeExact(t, p[1][4:]).(object)}
}

func (n native) copy(t testing.TB, label string) native {
	c := native{label, copyOf(t, n.info), copyOf(t, n.meta)}
	c.info["name"] = label
	return c
}

func (n native) source(t testing.TB, take ...ComposePart) ComposeSource {
	return ComposeSource{Label: n.label, Info: encoded(t, n.info), Meta: encodeMeta(encoded(t, n.meta)), Take: take}
}

// later makes the snapshot one that was taken a minute after the recorded one for each step.
func (n native) later(steps int64) native {
	at, _ := n.info["backup_time"].(json.Number).Int64()
	n.info["backup_time"] = number(at + steps*60_000)
	return n
}

// keep leaves only some partitions of one table, as BACKUP of partitions does.
func (n native) keep(table string, partitions ...string) native {
	for _, tables := range []object{in(n.info, "backup_objects"), in(n.meta, "tblNameMap")} {
		maps.DeleteFunc(tables, func(name string, _ any) bool { return name != table })
	}
	maps.DeleteFunc(in(n.info, "backup_objects", table, "partitions"), func(name string, _ any) bool { return !slices.Contains(partitions, name) })
	gone := map[string]bool{}
	all := in(n.meta, "tblNameMap", table, "idToPartition")
	for id, p := range all {
		if !slices.Contains(partitions, p.(object)["name"].(string)) {
			delete(all, id)
			gone[id] = true
		}
	}
	for key, entries := range in(n.meta, "tblNameMap", table, "partitionInfo") {
		if byPartition(key) {
			maps.DeleteFunc(entries.(object), func(id string, _ any) bool { return gone[id] })
		}
	}
	return n
}

// partition finds a partition in __meta.
func (n native) partition(table, name string) object {
	for _, p := range in(n.meta, "tblNameMap", table, "idToPartition") {
		if p.(object)["name"] == name {
			return p.(object)
		}
	}
	return nil
}

// version makes it the snapshot of another version of a partition.
func (n native) version(table, partition string, version int64) native {
	p := in(n.info, "backup_objects", table, "partitions", partition)
	p["version"] = number(version)
	for _, sub := range in(p, "subPartitions") {
		sub.(object)["version"] = number(version)
	}
	for _, sub := range in(n.partition(table, partition), "idToSubPartition") {
		sub.(object)["visibleVersion"], sub.(object)["nextVersion"] = number(version), number(version+1)
	}
	return n
}

// metaOf makes the __meta that belongs to a recorded __info of file 48, after the one of a table of the same kind.
func metaOf(t testing.TB, label string, info object) native {
	t.Helper()
	pattern := recordedSnapshot(t, "06")
	tables := object{}
	for name, table := range in(info, "backup_objects") {
		made := copyOf(t, in(pattern.meta, "tblNameMap", "orders"))
		made["name"], made["id"] = name, table.(object)["id"]
		parts, all := in(made, "idToPartition"), object{}
		one := slices.Sorted(maps.Keys(parts))[0]
		for pname, p := range in(table.(object), "partitions") {
			id := string(p.(object)["id"].(json.Number))
			part := copyOf(t, parts[one])
			part["id"], part["name"] = p.(object)["id"], pname
			subs := object{}
			for pid, sub := range in(p.(object), "subPartitions") {
				index := in(sub.(object), "indexes", name)
				made["baseIndexId"], made["indexNameToId"] = index["id"], object{name: index["id"]}
				_, schema := anyOf(in(made, "indexIdToMeta"))
				schema["indexId"], schema["schemaHash"] = index["id"], index["schema_hash"]
				made["indexIdToMeta"] = object{string(index["id"].(json.Number)): schema}
				_, physical := anyOf(in(copyOf(t, parts[one]), "idToSubPartition"))
				version, _ := sub.(object)["version"].(json.Number).Int64()
				physical["id"], physical["visibleVersion"], physical["nextVersion"] = sub.(object)["id"], number(version), number(version+1)
				var tablets []any
				for _, tablet := range index["tablets_order"].([]any) {
					tablets = append(tablets, object{"id": json.Number(tablet.(string))})
				}
				physical["baseIndex"] = object{"id": index["id"], "tablets": tablets}
				subs[pid] = physical
			}
			part["idToSubPartition"] = subs
			all[id] = part
			for key, entries := range in(made, "partitionInfo") {
				if byPartition(key) && entries.(object)[one] != nil {
					entries.(object)[id] = entries.(object)[one]
				}
			}
			in(made, "partitionInfo", "serializedIdToRange")[id] = []any{pname}
		}
		for key, entries := range in(made, "partitionInfo") {
			if byPartition(key) {
				maps.DeleteFunc(entries.(object), func(id string, _ any) bool { return all[id] == nil })
			}
		}
		made["idToPartition"] = all
		tables[name] = made
	}
	return native{label, info, object{"tblNameMap": tables, "functions": []any{}, "catalogs": []any{}}}
}

func anyOf(o object) (string, object) {
	for key, value := range o {
		return key, value.(object)
	}
	return "", nil
}

// recorded48 are the snapshots of file 48 and 48f whose __info was recorded.
func recorded48(t testing.TB, name string) native {
	t.Helper()
	text, err := os.ReadFile("testdata/48-infos.json")
	if err != nil {
		t.Fatal(err)
	}
	return metaOf(t, name, in(decodeExact(t, text).(object), name))
}

func take(table string, partitions ...string) []ComposePart {
	var list []ComposePart
	for _, p := range partitions {
		list = append(list, ComposePart{Table: table, Partition: p})
	}
	return list
}

func compose(t testing.TB, sources ...ComposeSource) (*Composition, error) {
	t.Helper()
	c, err := NewComposer("sk_composed_x")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources {
		if err := c.Add(s); err != nil {
			return nil, err
		}
	}
	return c.Compose()
}

func mustCompose(t testing.TB, sources ...ComposeSource) (*Composition, *Info, *Meta) {
	t.Helper()
	made, err := compose(t, sources...)
	if err != nil {
		t.Fatal(err)
	}
	info, err := ParseInfo(made.Info)
	if err != nil {
		t.Fatal(err)
	}
	return made, info, parseMeta(t, made.Meta)
}

// held says what a composed table has: by partition the version in both files, and the label that its tablets come from.
func held(t testing.TB, made *Composition, info *Info, meta *Meta, table string) map[string]string {
	t.Helper()
	from := map[TabletPath]string{}
	for _, c := range made.Copies {
		from[c.To] = c.Label
	}
	list := map[string]string{}
	of, _ := info.Table(table)
	for _, p := range of.Partitions {
		labels := map[string]bool{}
		for path := range tabletsOf(info.DatabaseID, of.ID, p) {
			labels[from[path]] = true
		}
		list[p.Name] = fmt.Sprint(p.Version, meta.Tables[table].Partitions[p.Name].Physical[0].VisibleVersion, slices.Sorted(maps.Keys(labels)))
	}
	return list
}

func TestComposePartitionsOfSeveralBackups(t *testing.T) {
	full, inc := recorded48(t, "full1"), recorded48(t, "inc2")
	made, info, meta := mustCompose(t,
		inc.source(t, slices.Concat(take("t", "p2"), take("pk", "p2"))...),
		full.source(t, slices.Concat(take("t", "p1", "p3"), take("pk", "p1"))...))
	if info.Name != "sk_composed_x" || info.DatabaseID != 10444 || len(info.Tables) != 2 {
		t.Errorf("__info is %+v", info)
	}
	want := map[string]string{"p1": "3 3 [full1]", "p2": "4 4 [inc2]", "p3": "2 2 [full1]"} // what the FE showed after compB, compE2
	if diff := cmp.Diff(want, held(t, made, info, meta, "t")); diff != "" {
		t.Errorf("t (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"p1": "2 2 [full1]", "p2": "3 3 [inc2]"}, held(t, made, info, meta, "pk")); diff != "" {
		t.Errorf("pk (-want +got)\n%s", diff)
	}
	if len(made.Copies) != 10 {
		t.Errorf("%d tablet directories, want 10", len(made.Copies))
	}
	for _, c := range made.Copies {
		if c.From != c.To {
			t.Errorf("%+v: the path changes although the database is the same", c)
		}
	}
}

func TestComposeAPartitionThatWasTruncatedAndANewOne(t *testing.T) {
	before, after := recorded48(t, "u1"), recorded48(t, "u2")
	made, info, meta := mustCompose(t, after.source(t, take("t", "p2", "p4")...), before.source(t, take("t", "p1")...))
	want := map[string]string{"p1": "2 2 [u1]", "p2": "2 2 [u2]", "p4": "3 3 [u2]"} // compV
	if diff := cmp.Diff(want, held(t, made, info, meta, "t")); diff != "" {
		t.Errorf("t (-want +got)\n%s", diff)
	}
	of, _ := info.Table("t")
	for _, p := range of.Partitions {
		if id := meta.Tables["t"].Partitions[p.Name].ID; id != p.ID {
			t.Errorf("%s has the id %d in __info and %d in __meta", p.Name, p.ID, id)
		}
		if p.Name == "p2" && p.ID != 15462 {
			t.Errorf("p2 has the id %d of before TRUNCATE", p.ID)
		}
	}
	// compU: the other way round, the definition of before with the partition of after.
	before.later(1_000_000)
	made, info, meta = mustCompose(t, before.source(t, take("t", "p1")...), after.source(t, take("t", "p2")...))
	if diff := cmp.Diff(map[string]string{"p1": "2 2 [u1]", "p2": "2 2 [u2]"}, held(t, made, info, meta, "t")); diff != "" {
		t.Errorf("t (-want +got)\n%s", diff)
	}
}

// compF, and a database that was dropped and created between the two: its id is part of all paths.
func TestComposeTablesOfSeveralBackups(t *testing.T) {
	full, other := recorded48(t, "full1"), recorded48(t, "u1")
	tables := in(other.info, "backup_objects")
	tables["t2"], in(other.meta, "tblNameMap")["t2"] = tables["t"], in(other.meta, "tblNameMap", "t")
	delete(tables, "t")
	delete(in(other.meta, "tblNameMap"), "t")
	rename := func(o object) {
		o["name"], o["indexNameToId"] = "t2", object{"t2": o["baseIndexId"]}
	}
	rename(in(other.meta, "tblNameMap", "t2"))
	for _, p := range in(tables, "t2", "partitions") {
		for _, sub := range in(p.(object), "subPartitions") {
			indexes := in(sub.(object), "indexes")
			indexes["t2"] = indexes["t"]
			delete(indexes, "t")
		}
	}
	made, info, meta := mustCompose(t, other.source(t, take("t2", "p1", "p2")...), full.source(t, take("t", "p1")...))
	if info.DatabaseID != 15404 {
		t.Errorf("database id %d, want the newest snapshot's", info.DatabaseID)
	}
	for _, c := range made.Copies {
		if c.To.Database != 15404 || c.Label == "full1" && c.From.Database != 10444 {
			t.Errorf("%+v", c)
		}
	}
	if got := held(t, made, info, meta, "t2"); len(got) != 2 {
		t.Errorf("t2: %v", got)
	}
}

func TestComposeListPartitions(t *testing.T) {
	full := recordedSnapshot(t, "06")
	older, newer := full.copy(t, "older").keep("lst", "pa"), full.copy(t, "newer").later(1).keep("lst", "pb").version("lst", "pb", 7)
	made, info, meta := mustCompose(t, newer.source(t, take("lst", "pb")...), older.source(t, take("lst", "pa")...))
	if diff := cmp.Diff(map[string]string{"pa": "2 2 [older]", "pb": "7 7 [newer]"}, held(t, made, info, meta, "lst")); diff != "" {
		t.Errorf("lst (-want +got)\n%s", diff)
	}
	before := parseMeta(t, pairs(t)["06"][1])
	for _, name := range []string{"pa", "pb"} {
		want := strings.Join(strings.Fields(before.Tables["lst"].Partitions[name].Value), "")
		if got := strings.Join(strings.Fields(meta.Tables["lst"].Partitions[name].Value), ""); got != want {
			t.Errorf("%s has the values %s, want %s", name, got, want)
		}
	}
	if meta.Tables["lst"].Replication["pa"] != 1 || meta.Tables["lst"].Replication["pb"] != 1 {
		t.Errorf("replication %v", meta.Tables["lst"].Replication)
	}
}

// An automatically partitioned table: its shadow partition has no values, and others have lists of lists.
func TestComposeAutomaticPartitions(t *testing.T) {
	full := recordedSnapshot(t, "03")
	names := slices.Sorted(maps.Keys(in(full.info, "backup_objects", "t_autolist", "partitions")))
	if len(names) != 2 || names[0] != ShadowPartition {
		t.Fatalf("recorded partitions: %v", names)
	}
	older, newer := full.copy(t, "older").keep("t_autolist", names[1]), full.copy(t, "newer").later(1).keep("t_autolist", names[0])
	made, info, meta := mustCompose(t, newer.source(t, take("t_autolist", names[0])...), older.source(t, take("t_autolist", names[1])...))
	if got := held(t, made, info, meta, "t_autolist"); len(got) != 2 || !strings.Contains(got[names[1]], "older") {
		t.Errorf("%v", got)
	}
}

// Rollups, a primary key and an unpartitioned table; then all of them beside the live tables.
func TestComposedSnapshotsAreRenamed(t *testing.T) {
	full := recordedSnapshot(t, "03")
	var all []ComposePart
	renames := map[string]string{}
	for table := range in(full.info, "backup_objects") {
		if in(full.meta, "tblNameMap", table)["clazz"] != "OlapTable" {
			continue
		}
		renames[table] = table + "__restore_1234abcd"
		for _, p := range slices.Sorted(maps.Keys(in(full.info, "backup_objects", table, "partitions"))) {
			all = append(all, ComposePart{Table: table, Partition: p})
		}
	}
	made, _, _ := mustCompose(t, full.source(t, all...))
	info, meta, err := RenameTables(made.Info, made.Meta, "sk_beside_x", renames)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckAgreement("sk_beside_x", info, meta); err != nil {
		t.Error(err)
	}
	parsed, err := ParseInfo(info)
	if err != nil || len(parsed.Tables) != len(renames) {
		t.Errorf("%d tables of %d, %v", len(parsed.Tables), len(renames), err)
	}
}

// What is composed of all of one snapshot is that snapshot, to the last 64-bit number: nothing is changed that need not be.
func TestComposingAWholeSnapshotChangesOnlyItsName(t *testing.T) {
	for name, p := range pairs(t) {
		n := recordedSnapshot(t, name)
		var all []ComposePart
		for table := range in(n.info, "backup_objects") {
			if in(n.meta, "tblNameMap", table)["clazz"] != "OlapTable" {
				delete(in(n.info, "backup_objects"), table)
				delete(in(n.meta, "tblNameMap"), table)
				continue
			}
			for partition := range in(n.info, "backup_objects", table, "partitions") {
				all = append(all, ComposePart{Table: table, Partition: partition})
			}
		}
		if len(all) == 0 {
			continue
		}
		made, err := compose(t, ComposeSource{Label: name, Info: p[0], Meta: p[1], Take: all})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n.info["name"], n.meta["functions"], n.meta["catalogs"] = "sk_composed_x", []any{}, []any{}
		if diff := cmp.Diff(any(n.info), decodeExact(t, made.Info)); diff != "" {
			t.Errorf("%s: __info (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff(any(n.meta), decodeExact(t, made.Meta[4:])); diff != "" {
			t.Errorf("%s: __meta (-want +got)\n%s", name, diff)
		}
	}
}

// A load that was under way at the backup has taken the next version, and is not in the snapshot.
func TestComposeForgetsLoadsUnderWay(t *testing.T) {
	full := recordedSnapshot(t, "06").copy(t, "full").keep("orders", "p1")
	for _, sub := range in(full.partition("orders", "p1"), "idToSubPartition") {
		sub.(object)["nextVersion"] = number(9)
	}
	made, _, _ := mustCompose(t, full.source(t, take("orders", "p1")...))
	_, sub := anyOf(in(native{meta: decodeExact(t, made.Meta[4:]).(object)}.partition("orders", "p1"), "idToSubPartition"))
	if sub["nextVersion"] != number(3) {
		t.Errorf("nextVersion %v after visibleVersion %v", sub["nextVersion"], sub["visibleVersion"])
	}
}

func TestComposeRefusals(t *testing.T) {
	full := recordedSnapshot(t, "06")
	older, newer := full.copy(t, "older"), full.copy(t, "newer").later(1)
	if _, err := compose(t, older.source(t), newer.source(t)); err == nil || !strings.Contains(err.Error(), "newest first") {
		t.Errorf("oldest first: %v", err)
	}
	if _, err := compose(t, older.source(t, take("nope", "p1")...)); !errors.Is(err, ErrSnapshotMissing) {
		t.Errorf("missing table: %v", err)
	}
	if _, err := compose(t, older.source(t, take("orders", "p9")...)); !errors.Is(err, ErrSnapshotMissing) {
		t.Errorf("missing partition: %v", err)
	}
	views := recordedSnapshot(t, "03-mv")
	for table := range in(views.meta, "tblNameMap") {
		if class := in(views.meta, "tblNameMap", table)["clazz"]; class != "OlapTable" {
			if _, err := compose(t, views.source(t, take(table, table)...)); !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v", class, err)
			}
		}
	}
	if _, err := NewComposer("a:b"); !errors.Is(err, ErrInvalidName) {
		t.Errorf("label a:b: %v", err)
	}
}
