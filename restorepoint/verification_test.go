package restorepoint

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestEachObjectIsInOnePart(t *testing.T) {
	for _, of := range []int{1, 2, 7, 1000} {
		sizes := make([]int, of)
		for i := range 20_000 {
			key := fmt.Sprintf("__starrocks_repository_r/__ss_l/__ss_content/__db_1/__tbl_2/__part_3/__idx_4/__%d/02_0.dat.%032x", i/3, i)
			in := 0
			for part := 1; part <= of; part++ {
				if InPart(key, part, of) {
					in++
					sizes[part-1]++
				}
			}
			if in != 1 {
				t.Fatalf("%s is in %d of %d parts", key, in, of)
			}
		}
		for part, n := range sizes {
			if mean := 20_000 / of; of <= 7 && (n < mean*9/10 || n > mean*11/10) {
				t.Errorf("part %d of %d has %d objects", part+1, of, n)
			}
		}
	}
}

func TestSamplesTakeTurns(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	v := func(hour int, selection string, part, of int) Verification {
		return Verification{At: now.Add(time.Duration(hour) * time.Hour), Selection: selection, Part: part, Of: of}
	}
	for name, c := range map[string]struct {
		earlier []Verification
		want    int
	}{
		"after the last one":       {[]Verification{v(-3, "latest", 2, 7), v(-1, "latest", 4, 7), v(-2, "latest", 3, 7)}, 5},
		"after the last part":      {[]Verification{v(-1, "latest", 7, 7)}, 1},
		"others do not count":      {[]Verification{v(-1, "all", 6, 7), v(-2, "latest", 1, 5), v(-3, "latest", 1, 7)}, 2},
		"one that reads all":       {[]Verification{v(-1, "latest", 0, 0), v(-2, "latest", 6, 7)}, 7},
		"without any it is by day": {nil, int(now.Unix()/86400%7) + 1},
	} {
		if got := NextPart(c.earlier, "latest", 7, now); got != c.want {
			t.Errorf("%s: part %d, want %d", name, got, c.want)
		}
	}
	if NextPart(nil, "latest", 7, now) == NextPart(nil, "latest", 7, now.Add(24*time.Hour)) {
		t.Error("the part does not change from day to day")
	}
}

func TestVerificationsComeBackAsTheyWere(t *testing.T) {
	in := Verification{Point: "20261122T150405Z-1a2b3c", Cluster: "prod", Where: "dr", At: time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC), Content: "sample", Part: 2, Of: 7,
		Result: VerifiedDamaged, Found: 1, Problems: []FoundObject{{Snapshot: "l", Database: "d", Problem: Problem{Kind: ProblemMissing, Table: "t", Partition: "p", Tablet: 3, Key: "k", Detail: "is missing"}}}}
	data, err := EncodeVerification(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := DecodeVerification(data)
	if err != nil || out.Problems[0] != in.Problems[0] || out.Part != 2 || out.FormatVersion != FormatVersion {
		t.Errorf("%s\n%+v, %v", data, out, err)
	}
	if _, err := DecodeVerification([]byte(`{"formatVersion":"2.0"}`)); !errors.Is(err, ErrFormat) {
		t.Errorf("a format that is not known: %v", err)
	}
}
