package starrocks

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sum = "0123456789abcdef0123456789abcdef"

var keyCases = []struct {
	key  string
	want NativeKey
}{
	{"__starrocks_repository_r/__repo_info", NativeKey{Repository: "r", Kind: KeyRepoInfo}},
	{"__starrocks_repository_r/__ss_l/__meta." + sum, NativeKey{Repository: "r", Label: "l", Kind: KeyMeta, MD5: sum}},
	{"__starrocks_repository_r/__ss_l/__info_2026-11-22-16-48-56-487." + sum,
		NativeKey{Repository: "r", Label: "l", Kind: KeyInfo, Timestamp: "2026-11-22-16-48-56-487", MD5: sum}},
	{"__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__5/5.hdr." + sum,
		NativeKey{Repository: "r", Label: "l", Kind: KeyTabletFile, MD5: sum, Tablet: TabletPath{1, 2, 3, 4, 5}, File: "5.hdr"}},
	{"__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__5/meta." + sum,
		NativeKey{Repository: "r", Label: "l", Kind: KeyTabletFile, MD5: sum, Tablet: TabletPath{1, 2, 3, 4, 5}, File: "meta"}},
	// Leftovers and foreign objects keep their whole name.
	{"__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__5/a.dat.part",
		NativeKey{Repository: "r", Label: "l", Kind: KeyTabletFile, Tablet: TabletPath{1, 2, 3, 4, 5}, File: "a.dat.part"}},
	{"__starrocks_repository_r/__ss_l/__info_2026-11-22-16-48-56-487.part",
		NativeKey{Repository: "r", Label: "l", File: "__info_2026-11-22-16-48-56-487.part"}},
	{"__starrocks_repository_r/__ss_l/__info_yesterday." + sum,
		NativeKey{Repository: "r", Label: "l", File: "__info_yesterday." + sum}},
	{"__starrocks_repository_r/__ss_l/__ss_content/__db_01/__tbl_2/__part_3/__idx_4/__5/meta." + sum,
		NativeKey{Repository: "r", Label: "l", File: "__ss_content/__db_01/__tbl_2/__part_3/__idx_4/__5/meta." + sum}},
	{"__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__99999999999999999999/meta." + sum,
		NativeKey{Repository: "r", Label: "l", File: "__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__99999999999999999999/meta." + sum}},
	{"__starrocks_repository_r/__ss_sl/ash/__meta." + sum, NativeKey{Repository: "r", Label: "sl", File: "ash/__meta." + sum}},
	{"__starrocks_repository_r/else", NativeKey{Repository: "r", File: "else"}},
	{"__starrocks_repository_r/__ss_l", NativeKey{Repository: "r", File: "__ss_l"}},
}

func TestParseKeyKnowsTheLayout(t *testing.T) {
	for _, c := range keyCases {
		got, err := ParseKey(c.key)
		if err != nil {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.key, diff)
		}
		if got.Key() != c.key {
			t.Errorf("%s becomes %s", c.key, got.Key())
		}
	}
	for _, key := range []string{"", "x", "__starrocks_repository_r", "__starrocks_repository_/x", "/__starrocks_repository_r/x", "__starkeep/v1/c/points/p/manifest.json"} {
		if k, err := ParseKey(key); err == nil {
			t.Errorf("%q was taken for %+v", key, k)
		}
	}
}

func FuzzParseKeyRoundTrips(f *testing.F) {
	for _, c := range keyCases {
		f.Add(c.key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		k, err := ParseKey(key)
		if err == nil && k.Key() != key {
			t.Errorf("%q becomes %q (%+v)", key, k.Key(), k)
		}
	})
}

func TestSnapshotKeysParseBack(t *testing.T) {
	s := Snapshot{Repository: "repo", Label: "sk_sales_0a_u1_a1"}
	content := []byte("content")
	ts := Timestamp(time.Date(2026, 11, 22, 18, 48, 56, 487_900_000, time.FixedZone("", 7200)))
	if ts != "2026-11-22-16-48-56-487" || CheckTimestamp(ts) != nil {
		t.Errorf("timestamp %s", ts)
	}
	path := TabletPath{1, 2, 3, 4, 5}
	for key, kind := range map[string]KeyKind{
		s.InfoKey(ts, content):             KeyInfo,
		s.MetaKey(content):                 KeyMeta,
		s.TabletDir(path) + "5.hdr." + sum: KeyTabletFile,
	} {
		k, err := ParseKey(key)
		if err != nil || k.Kind != kind || k.Repository != s.Repository || k.Label != s.Label {
			t.Errorf("%s: %+v, %v", key, k, err)
		}
	}
	if k, _ := ParseKey(s.MetaKey(content)); k.MD5 != "9a0364b9e99bb480dd25e1f0284c8555" {
		t.Errorf("MD5 of %q: %s", content, k.MD5)
	}
}
