package activities_test

import (
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

// What is put together before a RESTORE takes its time too.
func TestTheEstimateCountsWhatIsCopiedFirst(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.sql("CREATE DATABASE d",
		"CREATE TABLE d.lst (k INT, c VARCHAR(10) NOT NULL) DUPLICATE KEY(k) PARTITION BY LIST(c) (PARTITION pa VALUES IN ('a'), PARTITION pb VALUES IN ('b')) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')",
		"INSERT INTO d.lst VALUES (1, 'a'), (2, 'b')")
	b.backUp()
	if e := b.plan(spec.Restore{}).Estimate; e == nil || e.DownloadBytes != 0 || strings.Contains(e.Basis, "put together") {
		t.Errorf("of one native snapshot: %+v", e)
	}
	b.sql("INSERT INTO d.lst VALUES (3, 'a')")
	_, out := b.make(spec.Backup{Incremental: true}, nil)
	if e := b.plan(spec.Restore{Point: out.Point}).Estimate; e == nil || e.DownloadBytes != b.manifest(out.Point).Counts.Bytes || !strings.Contains(e.Basis, "put together first, by copies") {
		t.Errorf("of two: %+v", e)
	}
}
