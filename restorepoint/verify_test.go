package restorepoint

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starkeep/starrocks"
)

var snapshot = starrocks.Snapshot{Repository: "r", Label: "l"}

// small is a table with two partitions of two tablets, and a primary key table with one tablet.
func small() *starrocks.Info {
	physical := func(id int64, tablets ...int64) []starrocks.InfoPhysical {
		return []starrocks.InfoPhysical{{ID: id, Version: 2, Indexes: []starrocks.InfoIndex{{Name: "x", ID: 20, Tablets: tablets}}}}
	}
	return &starrocks.Info{Name: "l", Database: "d", DatabaseID: 1, Tables: []starrocks.InfoTable{
		{Name: "t", ID: 10, Partitions: []starrocks.InfoPartition{{Name: "p1", ID: 11, Physical: physical(111, 1001, 1002)}, {Name: "p2", ID: 12, Physical: physical(112, 1003, 10030)}}},
		{Name: "pk", ID: 30, Partitions: []starrocks.InfoPartition{{Name: "pk", ID: 31, Physical: physical(131, 2001)}}},
		{Name: "view", ID: 40},
	}}
}

const sum1, sum2 = "00000000000000000000000000000001", "00000000000000000000000000000002"

// keysOfSmall are the objects of a sound snapshot of small.
func keysOfSmall() []string {
	keys := []string{snapshot.Prefix() + "__info_2026-11-22-15-04-05-123." + sum1, snapshot.Prefix() + "__meta." + sum1}
	for tablet := range small().Tablets() {
		dir := snapshot.TabletDir(tablet.Path)
		if tablet.Table == "pk" {
			keys = append(keys, dir+"meta."+sum1, dir+"02ab_0.dat."+sum1, dir+"02ab_1.del."+sum2)
			continue
		}
		keys = append(keys, fmt.Sprintf("%s%d.hdr.%s", dir, tablet.Path.Tablet, sum1), fmt.Sprintf("%s%d.dcgs_snapshot.%s", dir, tablet.Path.Tablet, sum2), dir+"02cd_0.dat."+sum1)
	}
	return keys
}

func objectsOf(keys []string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, key := range slices.Sorted(slices.Values(keys)) {
			if !yield(Object{Key: key, Size: int64(len(key))}, nil) {
				return
			}
		}
	}
}

func dirOf(tablet int64) string {
	for x := range small().Tablets() {
		if x.Path.Tablet == tablet {
			return snapshot.TabletDir(x.Path)
		}
	}
	panic("no such tablet")
}

func without(part string) func([]string) []string {
	return func(keys []string) []string {
		return slices.DeleteFunc(keys, func(k string) bool { return strings.Contains(k, part) })
	}
}

func with(key string) func([]string) []string {
	return func(keys []string) []string { return append(keys, key) }
}

func TestSnapshotsAreChecked(t *testing.T) {
	beside := snapshot.Prefix() + "__info_2026-12-01-00-00-00-000." + sum2
	for name, test := range map[string]struct {
		change func([]string) []string
		kind   ProblemKind // of the one problem; "" if sound
		text   string
		place  Place
	}{
		"sound":                         {change: func(k []string) []string { return k }},
		"an __info of ours":             {change: with(beside)},
		"a file without a dot":          {change: with(dirOf(1001) + "__starrocks_snapshot_manifest")},
		"a marker of a directory":       {change: with(snapshot.Prefix() + "__ss_content/")},
		"a tablet that nobody needs":    {change: with(snapshot.TabletDir(starrocks.TabletPath{Database: 1, Table: 9, Partition: 9, Index: 9, Tablet: 9}) + "8.hdr." + sum1)},
		"no __info":                     {without("__info"), ProblemMissing, "has no __info", Place{}},
		"no __meta":                     {without("__meta."), ProblemMissing, "has no __meta", Place{}},
		"two __info":                    {with(snapshot.Prefix() + "__info_2026-11-23-00-00-00-000." + sum1), ProblemDouble, "more than one __info", Place{}},
		"two __info of one time":        {with(snapshot.Prefix() + "__info_2026-11-22-15-04-05-123." + sum2), ProblemDouble, "more than one __info", Place{}},
		"two __meta":                    {with(snapshot.Prefix() + "__meta." + sum2), ProblemDouble, "more than one __meta", Place{}},
		"a leftover of __info":          {with(snapshot.Prefix() + "__info_2026-11-22-15-04-05-123.part"), ProblemForeign, "stands beside", Place{}},
		"a leftover of __meta":          {with(snapshot.Prefix() + "__meta.part"), ProblemForeign, "stands beside", Place{}},
		"a missing tablet":              {without("/__1002/"), ProblemMissing, "tablet 1002", Place{"t", "p1"}},
		"the last tablet missing":       {without("/__2001/"), ProblemMissing, "tablet 2001", Place{"pk", "pk"}},
		"a missing header":              {without("1003.hdr"), ProblemMissing, "neither", Place{"t", "p2"}},
		"a missing meta":                {without("/meta."), ProblemMissing, "neither", Place{"pk", "pk"}},
		"another tablet's header":       {with(dirOf(1001) + "1002.hdr." + sum1), ProblemForeign, "header of another tablet", Place{"t", "p1"}},
		"a header and a meta":           {with(dirOf(1001) + "meta." + sum1), ProblemDouble, "both", Place{"t", "p1"}},
		"two headers":                   {with(dirOf(10030) + "10030.hdr." + sum2), ProblemDouble, "two MD5 sums", Place{"t", "p2"}},
		"two versions of a data file":   {with(dirOf(2001) + "02ab_0.dat." + sum2), ProblemDouble, "two MD5 sums", Place{"pk", "pk"}},
		"a foreign file":                {with(dirOf(1001) + "readme.txt"), ProblemForeign, "no MD5", Place{"t", "p1"}},
		"a leftover of an upload":       {with(dirOf(1001) + "02cd_0.dat.part"), ProblemForeign, "no MD5", Place{"t", "p1"}},
		"an upper-case MD5":             {with(dirOf(1001) + "x.dat." + strings.Repeat("AB", 16)), ProblemForeign, "no MD5", Place{"t", "p1"}},
		"an object of another snapshot": {with("__starrocks_repository_r/__ss_other/__meta." + sum1), ProblemForeign, "not part of the snapshot", Place{}},
		"an object of nobody":           {with("readme"), ProblemForeign, "not part of the snapshot", Place{}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := CheckSnapshot(snapshot, small(), objectsOf(test.change(keysOfSmall())), func(key string) bool { return key == beside })
			if err != nil {
				t.Fatal(err)
			}
			if test.kind == "" {
				if !found.OK() {
					t.Errorf("found %s", found)
				}
				return
			}
			if found.Total != 1 || found.First[0].Kind != test.kind || !strings.Contains(found.String(), test.text) {
				t.Errorf("found %d: %s (%+v)", found.Total, found, found.First)
			}
			if p := found.First[0]; (Place{p.Table, p.Partition}) != test.place || (len(found.Places) == 1) != (test.place != Place{}) {
				t.Errorf("place %+v, %v", p, found.Places)
			}
		})
	}
}

func TestAHeaderOfAnotherTabletIsNoHeader(t *testing.T) {
	keys := append(without("1003.hdr")(keysOfSmall()), dirOf(1003)+"1004.hdr."+sum1)
	found, err := CheckSnapshot(snapshot, small(), objectsOf(keys), nil)
	if err != nil || found.Total != 2 {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestAnEmptyDirectoryOfASnapshotIsAllMissing(t *testing.T) {
	found, err := CheckSnapshot(snapshot, small(), objectsOf(nil), nil)
	if err != nil || found.Total != 7 {
		t.Fatalf("found %+v, %v", found, err)
	}
	if want := []Place{{"pk", "pk"}, {"t", "p1"}, {"t", "p2"}}; !slices.Equal(found.Places, want) {
		t.Errorf("places %v", found.Places)
	}
	if !strings.HasSuffix(found.String(), "and 4 more") {
		t.Errorf("text %s", found)
	}
}

func TestFileListsOfOldWritersAreChecked(t *testing.T) {
	info := small()
	info.Tables[0].Partitions[0].Physical[0].Indexes[0].Files = map[int64][]string{1001: {"1001.hdr." + sum1, "02cd_0.dat." + sum2}, 1002: {"gone.dat." + sum1}}
	found, err := CheckSnapshot(snapshot, info, objectsOf(keysOfSmall()), nil)
	if err != nil || found.Total != 2 || !strings.Contains(found.String(), "lacks 02cd_0.dat") || !strings.Contains(found.String(), "lacks gone.dat") {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestListingErrorsEndTheCheck(t *testing.T) {
	broken := errors.New("broken")
	failing := func(yield func(Object, error) bool) { yield(Object{}, broken) }
	if _, err := CheckSnapshot(snapshot, small(), failing, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	unsorted := func(yield func(Object, error) bool) {
		_ = yield(Object{Key: "b"}, nil) && yield(Object{Key: "a"}, nil)
	}
	if _, err := CheckSnapshot(snapshot, small(), unsorted, nil); err == nil {
		t.Error("an unsorted listing was accepted")
	}
	sound := objectsOf(keysOfSmall())
	if _, err := CheckPresent(failing, sound, nil, nil); !errors.Is(err, broken) {
		t.Errorf("expected: %v", err)
	}
	if _, err := CheckPresent(sound, failing, nil, nil); !errors.Is(err, broken) {
		t.Errorf("listed: %v", err)
	}
	late := func(yield func(Object, error) bool) {
		for o := range sound {
			if !yield(o, nil) {
				return
			}
		}
		yield(Object{}, broken)
	}
	if _, err := CheckPresent(sound, late, nil, nil); !errors.Is(err, broken) {
		t.Errorf("listed, late: %v", err)
	}
}

func TestPresenceIsChecked(t *testing.T) {
	places := Places{111: {"t", "p1"}, 112: {"t", "p2"}, 131: {"pk", "pk"}}
	ours := snapshot.Prefix() + "__info_2026-12-01-00-00-00-000." + sum2
	for name, test := range map[string]struct {
		change func([]string) []string
		want   string // "" if sound
	}{
		"all there":              {func(k []string) []string { return k }, ""},
		"an __info of ours":      {with(ours), ""},
		"a file without a dot":   {with(dirOf(1001) + "__starrocks_snapshot_manifest"), ""},
		"the first missing":      {without("__info"), "is missing"},
		"the last missing":       {without("1.del"), `table "pk" partition "pk" tablet 2001 object "__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_30/__part_131/__idx_20/__2001/02ab_1.del.` + sum2 + `": is missing`},
		"a foreign __info":       {with(snapshot.Prefix() + "__info_2026-12-02-00-00-00-000." + sum2), "was not there"},
		"a second __meta":        {with(snapshot.Prefix() + "__meta." + sum2), "was not there"},
		"a second header":        {with(dirOf(1001) + "1001.hdr." + sum2), `table "t" partition "p1" tablet 1001`},
		"a new data file":        {with(dirOf(1001) + "02ff_0.dat." + sum2), "was not there"},
		"a foreign file":         {with(dirOf(1001) + "zzz.txt"), "was not there"},
		"one behind the last":    {with("zzz"), "was not there"},
		"a marker, not a tablet": {with(snapshot.Prefix() + "__ss_content/"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := CheckPresent(objectsOf(keysOfSmall()), objectsOf(test.change(keysOfSmall())), places, func(key string) bool { return key == ours })
			if err != nil {
				t.Fatal(err)
			}
			if found.OK() != (test.want == "") || found.Total > 1 || !strings.Contains(found.String(), test.want) {
				t.Errorf("found %d: %s", found.Total, found)
			}
		})
	}
}

func TestSizesAreCompared(t *testing.T) {
	cut := func(yield func(Object, error) bool) {
		for o := range objectsOf(keysOfSmall()) {
			if strings.Contains(o.Key, "1002.hdr") {
				o.Size--
			}
			if !yield(o, nil) {
				return
			}
		}
	}
	found, err := CheckPresent(objectsOf(keysOfSmall()), cut, Places{111: {"t", "p1"}}, nil)
	if err != nil || found.Total != 1 || found.First[0].Kind != ProblemSize || found.First[0].Tablet != 1002 || !slices.Equal(found.Places, []Place{{"t", "p1"}}) {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestContentsAreComparedWhereTheStoreTellsThem(t *testing.T) {
	withMD5 := func(md5 string) iter.Seq2[Object, error] {
		return func(yield func(Object, error) bool) {
			for o := range objectsOf(keysOfSmall()) {
				if o.MD5 = ""; strings.Contains(o.Key, "1002.hdr") {
					o.MD5 = md5
				}
				if !yield(o, nil) {
					return
				}
			}
		}
	}
	expected := withMD5(sum1)
	for md5, problems := range map[string]int{"": 0, sum1: 0, sum2: 1} {
		found, err := CheckPresent(expected, withMD5(md5), Places{111: {"t", "p1"}}, nil)
		if err != nil || found.Total != problems {
			t.Errorf("MD5 %q: found %v, %v", md5, found, err)
		}
		if problems > 0 && (found.First[0].Kind != ProblemContent || found.First[0].Tablet != 1002) {
			t.Errorf("found %+v", found.First[0])
		}
	}
}

func TestOnlyTheChosenPartitionsAreCompared(t *testing.T) {
	only := map[int64]bool{112: true}
	found, err := CheckPresent(OfPartitions(objectsOf(keysOfSmall()), only), OfPartitions(objectsOf(without("/__1001/")(keysOfSmall())), only), nil, nil)
	if err != nil || !found.OK() {
		t.Errorf("found %v, %v", found, err)
	}
	n := 0
	for range OfPartitions(objectsOf(keysOfSmall()), only) {
		n++
	}
	if n != 2+6 {
		t.Errorf("%d objects", n)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	expected := func(yield func(Object, error) bool) {
		for i := range 50000 {
			if !yield(Object{Key: fmt.Sprintf("__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_%d/__idx_4/__%d/5.hdr.%s", 100+i%5, 10000+i, sum1)}, nil) {
				return
			}
		}
	}
	places := Places{100: {"t", "a"}, 101: {"t", "b"}, 102: {"t", "c"}, 103: {"s", "d"}, 104: {"t", "c"}}
	found, err := CheckPresent(expected, objectsOf(nil), places, nil)
	if err != nil || found.Total != 50000 || len(found.First) != maxFirst || len(found.Places) != 4 || found.Places[0].Table != "s" {
		t.Errorf("%d, %d kept, places %v, %v", found.Total, len(found.First), found.Places, err)
	}
}

// The recorded __info of a real FE, with the objects that must belong to it.
func TestRecordedSnapshotsAreSound(t *testing.T) {
	files, err := filepath.Glob("testdata/*-info.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings in testdata", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := starrocks.ParseInfo(bytes.TrimSpace(data))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		at := starrocks.Snapshot{Repository: "r", Label: info.Name}
		keys := []string{at.InfoKey("2026-11-22-15-04-05-123", data), at.MetaKey(data)}
		for tablet := range info.Tablets() {
			keys = append(keys, fmt.Sprintf("%s%d.hdr.%s", at.TabletDir(tablet.Path), tablet.Path.Tablet, sum1))
		}
		found, err := CheckSnapshot(at, info, objectsOf(keys), nil)
		if err != nil || !found.OK() {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
}

func FuzzCheckSnapshot(f *testing.F) {
	f.Add(strings.Join(keysOfSmall(), "\n"))
	f.Add(dirOf(1001) + ".hdr\n" + dirOf(1001) + ".\n" + dirOf(1001) + "a.b.")
	f.Fuzz(func(t *testing.T, text string) {
		keys := slices.Compact(slices.Sorted(strings.SplitSeq(text, "\n")))
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == "" })
		found, err := CheckSnapshot(snapshot, small(), objectsOf(keys), func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		same, err := CheckPresent(objectsOf(keys), objectsOf(keys), nil, func(string) bool { return false })
		if err != nil || !same.OK() {
			t.Errorf("a snapshot differs from itself: %v, %v", same, err)
		}
		_ = found.String()
	})
}
