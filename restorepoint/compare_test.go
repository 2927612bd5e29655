package restorepoint

import (
	"strings"
	"testing"
)

func TestProof(t *testing.T) {
	want := Table{Name: "t", Partitions: []Partition{
		{Name: "p1", Physical: []Physical{{ID: 1, Version: 7}}, Rows: 100, RowsExact: true, Tablets: 2, Fingerprint: &Fingerprint{FingerprintAlgorithm, "full", 9, "1", "1"}},
		{Name: "p2", Physical: []Physical{{ID: 2, Version: 3}, {ID: 3, Version: 1}}, Rows: 5, Tablets: 4},
	}}
	good := func() Restored {
		return Restored{ID: 20, Partitions: []RestoredPartition{
			{Name: "p1", Versions: []int64{7}, Tablets: 2, Rows: 100, RowsExact: true, Fingerprint: &Fingerprint{FingerprintAlgorithm, "full", 9, "1", "1"}},
			{Name: "p2", Versions: []int64{1, 3}, Tablets: 4, Rows: 5, RowsExact: true},
		}}
	}
	for name, test := range map[string]struct {
		change      func(*Restored)
		others      bool
		differences string
		notCompared int
	}{
		"as it was":                     {change: func(*Restored) {}, notCompared: 1},
		"nothing was restored":          {change: func(r *Restored) { r.ID = 10 }, differences: "table: table id is 10, want a new one", notCompared: 1},
		"no such table":                 {change: func(r *Restored) { *r = Restored{} }, differences: `table: table id is 0, want a new one; partition "p1": partition is missing, want present; partition "p2": partition is missing, want present`},
		"a missing partition":           {change: func(r *Restored) { r.Partitions = r.Partitions[1:] }, differences: `partition "p1": partition is missing, want present`, notCompared: 1},
		"a further partition":           {change: func(r *Restored) { r.Partitions = append(r.Partitions, RestoredPartition{Name: "x"}) }, differences: `partition "x": partition is present, want absent`, notCompared: 1},
		"a further one that may be":     {change: func(r *Restored) { r.Partitions = append(r.Partitions, RestoredPartition{Name: "x"}) }, others: true, notCompared: 1},
		"an older version":              {change: func(r *Restored) { r.Partitions[0].Versions[0] = 6 }, differences: `partition "p1": version is [6], want [7]`, notCompared: 1},
		"a newer version":               {change: func(r *Restored) { r.Partitions[0].Versions[0] = 8 }, differences: `partition "p1": version is [8], want [7]`, notCompared: 1},
		"a physical partition missing":  {change: func(r *Restored) { r.Partitions[1].Versions = []int64{3} }, differences: `partition "p2": version is [3], want [1 3]`},
		"tablets":                       {change: func(r *Restored) { r.Partitions[0].Tablets = 1 }, differences: `partition "p1": tablets is 1, want 2`, notCompared: 1},
		"tablets not known":             {change: func(r *Restored) { r.Partitions[0].Tablets = -1 }, notCompared: 1},
		"rows":                          {change: func(r *Restored) { r.Partitions[0].Rows = 99 }, differences: `partition "p1": rows is 99, want 100`, notCompared: 1},
		"rows not counted":              {change: func(r *Restored) { r.Partitions[0].RowsExact = false }, notCompared: 2},
		"loaded since":                  {change: func(r *Restored) { r.Live = true; r.Partitions[0].Versions[0] = 8; r.Partitions[0].Rows = 7 }, notCompared: 2},
		"a partition added since":       {change: func(r *Restored) { r.Live = true; r.Partitions = append(r.Partitions, RestoredPartition{Name: "x"}) }, notCompared: 1},
		"older though loads may come":   {change: func(r *Restored) { r.Live = true; r.Partitions[1].Versions = []int64{1, 2} }, differences: `partition "p2": version is [1 2], want [1 3]`},
		"a physical one added by loads": {change: func(r *Restored) { r.Live = true; r.Partitions[1].Versions = []int64{3, 1, 2} }, notCompared: 1},
		"fingerprint":                   {change: func(r *Restored) { r.Partitions[0].Fingerprint.Sum = "2" }, differences: `partition "p1": fingerprint is 2/1 over 9 rows (full), want 1/1 over 9 rows (full)`, notCompared: 1},
		"no fingerprint":                {change: func(r *Restored) { r.Partitions[0].Fingerprint = nil }, notCompared: 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := good()
			test.change(&got)
			p := Prove(want, got, 10, test.others)
			var texts []string
			for _, d := range p.Differences {
				texts = append(texts, d.String())
			}
			if text := strings.Join(texts, "; "); text != test.differences || p.Proven() != (text == "") {
				t.Errorf("differences %q", text)
			}
			if len(p.NotCompared) != test.notCompared {
				t.Errorf("not compared: %q", p.NotCompared)
			}
		})
	}
	if p := Prove(want, good(), 0, false); p.Rows != 100 || p.Partitions != 2 || p.Tablets != 6 {
		t.Errorf("proof %+v", p)
	}
}
