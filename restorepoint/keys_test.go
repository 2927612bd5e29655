package restorepoint

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPointIDsSortByTime(t *testing.T) {
	base := time.Date(2026, 11, 22, 15, 4, 5, 999, time.FixedZone("", 3600))
	if got := NewPointID(base, "seed"); !strings.HasPrefix(got, "20261122T140405Z-") {
		t.Errorf("id %q", got)
	}
	var ids []string
	for i := range 100 {
		ids = append(ids, NewPointID(base.Add(time.Duration(i)*977*time.Minute), strings.Repeat("x", 100-i)))
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not sorted: %v", ids)
	}
	got, err := ParsePointID(ids[0])
	if err != nil || !got.Equal(base.Truncate(time.Second)) {
		t.Errorf("parsed %v, %v", got, err)
	}
}

func TestWrongPointIDsAreRefused(t *testing.T) {
	for _, id := range []string{"", "latest", "20261122T150405Z", "20261122T150405Z-1A2B3C", "20261122T150405Z-1a2b3c4", "20261322T150405Z-1a2b3c",
		"20261122T150405Z-1a2b3c\n", "20261122T150405+1a2b3c", "../20261122T150405Z-1a2b3c", "20261131T000000Z-000000"} {
		if _, err := ParsePointID(id); err == nil {
			t.Errorf("%q was accepted", id)
		}
	}
}

func TestClusterNames(t *testing.T) {
	for _, good := range []string{"prod", "a", "A-1_b.c", strings.Repeat("x", 64), "..."} {
		if err := CheckClusterName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", "a b", "ü", "a*", strings.Repeat("x", 65), "a\n"} {
		if CheckClusterName(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestKeysAreWhereTheFormatSays(t *testing.T) {
	for got, want := range map[string]string{
		ManifestKey("prod", "20261122T150405Z-1a2b3c"):                 "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/manifest.json",
		PinKey("prod", "20261122T150405Z-1a2b3c"):                      "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/pin.json",
		PointMarkKey("prod", "20261122T150405Z-1a2b3c"):                "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/deleting.json",
		MarkKey("prod", "sk_a_u1_a1"):                                  "__starkeep/v1/prod/snapshots/sk_a_u1_a1/deleting.json",
		SnapshotKey("prod", "sk_a_u1_a1"):                              "__starkeep/v1/prod/snapshots/sk_a_u1_a1/snapshot.json",
		ObjectsKey("prod", "sk_a_u1_a1", 12):                           "__starkeep/v1/prod/snapshots/sk_a_u1_a1/objects-12.jsonl.zst",
		PlanKey("prod", "run", "my db/ü"):                              "__starkeep/v1/prod/plans/run/my+db%2F%C3%BC.json.zst",
		ProbeKey("prod", "starkeep_check_1a2b3c4d", "x"):               "__starkeep/v1/prod/probes/starkeep_check_1a2b3c4d/x",
		ReportKey("prod", "20261122T150405Z-1a2b3c", at(6), "s"):       "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/restores/" + NewPointID(at(6), "s") + ".json",
		MigrationKey("prod", "20261122T150405Z-1a2b3c", at(6), "s"):    "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/migrations/" + NewPointID(at(6), "s") + ".json",
		DrillKey("prod", "20261122T150405Z-1a2b3c", at(6), "s"):        "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/drills/" + NewPointID(at(6), "s") + ".json",
		VerificationKey("prod", "20261122T150405Z-1a2b3c", at(6), "s"): "__starkeep/v1/prod/points/20261122T150405Z-1a2b3c/verifications/" + NewPointID(at(6), "s") + ".json",
		ProofKey("prod", "run", "my db/ü", 12):                         "__starkeep/v1/prod/proofs/run/my+db%2F%C3%BC.12.json.zst",
	} {
		if got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
}

func TestKeysComeBackWhenParsed(t *testing.T) {
	const id = "20261122T150405Z-1a2b3c"
	for key, want := range map[string]Key{
		ManifestKey("c", id):         {Kind: KeyManifest, Cluster: "c", Point: id},
		SnapshotKey("c", "label"):    {Kind: KeySnapshot, Cluster: "c", Label: "label"},
		PinKey("c", id):              {Kind: KeyPin, Cluster: "c", Point: id},
		PointMarkKey("c", id):        {Kind: KeyGoing, Cluster: "c", Point: id},
		MarkKey("c", "label"):        {Kind: KeyMark, Cluster: "c", Label: "label"},
		ObjectsKey("c", "l", 1000):   {Kind: KeyObjects, Cluster: "c", Label: "l", Number: 1000},
		ProbeKey("c", "run", "copy"): {Kind: KeyProbe, Cluster: "c", Run: "run", File: "copy"},

		ReportKey("c", id, at(6), "s"):       {Kind: KeyReport, Cluster: "c", Point: id, Run: NewPointID(at(6), "s")},
		MigrationKey("c", id, at(6), "s"):    {Kind: KeyMigration, Cluster: "c", Point: id, Run: NewPointID(at(6), "s")},
		DrillKey("c", id, at(6), "s"):        {Kind: KeyDrill, Cluster: "c", Point: id, Run: NewPointID(at(6), "s")},
		VerificationKey("c", id, at(6), "s"): {Kind: KeyVerification, Cluster: "c", Point: id, Run: NewPointID(at(6), "s")},
		ProofKey("c", "run", "a.1.b", 3):     {Kind: KeyProof, Cluster: "c", Run: "run", Database: "a.1.b", Number: 3},
	} {
		if got, err := ParseKey(key); err != nil || got != want {
			t.Errorf("%q: %+v, %v", key, got, err)
		}
	}
	for _, database := range names {
		key := PlanKey("c", "run", database)
		got, err := ParseKey(key)
		short := got.Database == "" && strings.Contains(key, "/~")
		if err != nil || got.Kind != KeyPlan || got.Run != "run" || got.Database != database && !short {
			t.Errorf("%q: %q: %+v, %v", database, key, got, err)
		}
		if name := key[strings.LastIndexByte(key, '/')+1:]; len(name) > 255 || strings.Count(key, "/") != 5 {
			t.Errorf("%q: %q is no file name", database, name)
		}
	}
}

func TestForeignKeysAreRefused(t *testing.T) {
	for _, key := range []string{"", "__starkeep/v1/", "__starkeep/v2/c/snapshots/l/snapshot.json", "__starkeep/v1/c/snapshots/l/snapshot.json.part",
		"__starkeep/v1/c/points/x/manifest.json", "__starkeep/v1/c/points/20261122T150405Z-1a2b3c/manifest.json/", "__starkeep/v1/../snapshots/l/snapshot.json",
		"__starkeep/v1/c/snapshots/../snapshot.json", "__starkeep/v1/c/snapshots/l/objects-0.jsonl.zst", "__starkeep/v1/c/snapshots/l/objects-01.jsonl.zst",
		"__starkeep/v1/c/snapshots/l/objects--1.jsonl.zst", "__starkeep/v1/c/snapshots/l/objects-+1.jsonl.zst", "__starkeep/v1/c/plans/r/.json.zst",
		"__starkeep/v1/c/plans/r/a%2.json.zst", "__starkeep/v1/c/points/20261122T150405Z-1a2b3c/restores/x.json",
		"__starkeep/v1/c/points/20261122T150405Z-1a2b3c/other/20261122T150405Z-1a2b3c.json", "__starkeep/v1/c/proofs/r/a.json.zst", "__starkeep/v1/c/proofs/r/a.01.json.zst",
		"__starkeep/v1/c/points/20261122T150405Z-1a2b3c/drills/20261122T150405Z-1a2b3c.json/x", "__starkeep/v1/c/plans/r/%61.json.zst", "__starrocks_repository_r/__repo_info", "x__starkeep/v1/c/snapshots/l/snapshot.json"} {
		if k, err := ParseKey(key); !errors.Is(err, ErrNotOurKey) {
			t.Errorf("%q: %+v, %v", key, k, err)
		}
	}
}

// Whatever parses is a key that we make, and comes out as it went in.
func FuzzParseKey(f *testing.F) {
	f.Add(ManifestKey("c", "20261122T150405Z-1a2b3c"))
	f.Add(ObjectsKey("c", "l", 3))
	f.Add(MarkKey("c", "l"))
	f.Add(PinKey("c", "20261122T150405Z-1a2b3c"))
	f.Add(PointMarkKey("c", "20261122T150405Z-1a2b3c"))
	f.Add(PlanKey("c", "r", "a b/ü"))
	f.Add(ReportKey("c", "20261122T150405Z-1a2b3c", at(6), "s"))
	f.Add(ProofKey("c", "r", "a b/ü", 7))
	f.Add(VerificationKey("c", "20261122T150405Z-1a2b3c", at(6), "s"))
	f.Add(PlanKey("c", "r", strings.Repeat("ü", 99)))
	f.Fuzz(func(t *testing.T, key string) {
		k, err := ParseKey(key)
		if err != nil {
			return
		}
		made := map[KeyKind]string{KeyManifest: ManifestKey(k.Cluster, k.Point), KeySnapshot: SnapshotKey(k.Cluster, k.Label),
			KeyPin: PinKey(k.Cluster, k.Point), KeyGoing: PointMarkKey(k.Cluster, k.Point), KeyMark: MarkKey(k.Cluster, k.Label),
			KeyObjects: ObjectsKey(k.Cluster, k.Label, k.Number), KeyPlan: PlanKey(k.Cluster, k.Run, k.Database), KeyProbe: ProbeKey(k.Cluster, k.Run, k.File),
			KeyProof: ProofKey(k.Cluster, k.Run, k.Database, k.Number), KeyReport: ReportPrefix(k.Cluster, k.Point) + k.Run + reportExt, KeyDrill: DrillPrefix(k.Cluster, k.Point) + k.Run + reportExt,
			KeyVerification: VerificationPrefix(k.Cluster, k.Point) + k.Run + reportExt}[k.Kind]
		if made != key && !strings.HasPrefix(key, PlanPrefix(k.Cluster, k.Run)+"~") && !strings.HasPrefix(key, ProofPrefix(k.Cluster, k.Run)+"~") {
			t.Errorf("%q parsed as %+v, which is %q", key, k, made)
		}
	})
}

func FuzzPlanKey(f *testing.F) {
	for _, name := range names {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, database string) {
		k, err := ParseKey(PlanKey("c", "r", database))
		if err != nil || k.Kind != KeyPlan || k.Database != database && k.Database != "" {
			t.Errorf("%q: %+v, %v", database, k, err)
		}
	})
}
