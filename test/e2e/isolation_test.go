package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// wide makes a table of days partitions p000, p001, … of two tablets each, with rows in every partition, and answers
// what it holds.
func wide(t *testing.T, b *testbed.Bed, days int) string {
	t.Helper()
	var parts []string
	var rows [][]string
	for i := range days {
		parts = append(parts, fmt.Sprintf("PARTITION p%03d VALUES LESS THAN ('%s')", i, day(i+1)))
		for k := range 20 {
			rows = append(rows, []string{day(i), fmt.Sprint(k), noise(i*1000 + k)})
		}
	}
	b.Must(t, "CREATE DATABASE IF NOT EXISTS iso")
	b.Must(t, "CREATE TABLE iso.wide (dt DATE NOT NULL, k BIGINT NOT NULL, v VARCHAR(100)) DUPLICATE KEY(dt, k) PARTITION BY RANGE(dt) ("+
		strings.Join(parts, ", ")+`) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES("replication_num"="1")`)
	if err := b.Sim.Load("iso", "wide", rows...); err != nil {
		t.Fatal(err)
	}
	return b.Sim.Content("iso", "wide")
}

// noise is 96 characters that do not compress well, another for each seed.
func noise(seed int) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(seed)))
	return hex.EncodeToString(sum[:]) + hex.EncodeToString(sum[:16])
}

func day(i int) string { return fmt.Sprintf("20%02d-%02d-%02d", 10+i/336, i/28%12+1, i%28+1) }

// movedBytes adds up the tablet files below all native snapshots of the repository, failed attempts included.
func movedBytes(t *testing.T, b *testbed.Bed) int64 {
	t.Helper()
	var all int64
	for o, err := range b.Store.List(t.Context(), "__starrocks_repository_repo/__ss_") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.Key, "/__ss_content/") {
			all += o.Size
		}
	}
	return all
}

func TestOneBadPartitionFailsAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state string
		fault starrockssim.Fault
	}{
		{"SNAPSHOTING", starrockssim.Fault{Type: "MAKE_SNAPSHOT", Error: "disk /data1 of this BE has a bad sector"}},
		{"UPLOADING", starrockssim.Fault{Type: "UPLOAD", Error: "failed to read segment: Input/output error"}},
	} {
		t.Run(c.state, func(t *testing.T) { badPartition(t, c.fault, c.state == "UPLOADING") })
	}
}

func badPartition(t *testing.T, fault starrockssim.Fault, restore bool) {
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	content := wide(t, b, 200)
	fault.Database, fault.Table, fault.Partition, fault.Times = "iso", "wide", "p117", -1
	heal := b.Sim.FailTasks(fault)

	_, err := runBackup(t, b, spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 10}})
	if got := errorType(err); got != spec.ErrorPartialFailure {
		t.Fatalf("the backup ended as %q (%v), want PartialFailure", got, err)
	}
	failed := detailsOf[spec.BackupResult](t, err)
	if len(failed.Failed) != 1 || failed.FailedCount != 1 || failed.Failed[0].Partition != "p117" || failed.Failed[0].Table != "wide" {
		t.Errorf("failed parts: %+v, want p117 alone", failed.Failed)
	}
	if len(failed.Failed) > 0 && !strings.Contains(failed.Failed[0].Reason, fault.Error) {
		t.Errorf("reason %q does not hold the FE's own words %q", failed.Failed[0].Reason, fault.Error)
	}
	if failed.Partitions != 199 || failed.Point == "" || failed.Complete {
		t.Errorf("result %+v, want a partial point with 199 partitions", failed)
	}
	moved := movedBytes(t, b)
	var kept int64
	for _, table := range showPoint(t, b, failed.Point).Tables {
		kept += table.Bytes
	}
	again := float64(moved-kept) / float64(kept)
	t.Logf("bytes moved again: %.1f %% of %d; BACKUP statements: %d", 100*again, kept, len(b.Sim.Accepted("BACKUP")))
	if again >= 0.10 {
		t.Errorf("%.1f %% of the bytes were moved again, want less than 10 %%", 100*again)
	}

	heal()
	before := len(b.Sim.Accepted("BACKUP"))
	whole, err := runBackup(t, b, spec.Backup{Resume: failed.Point})
	if err != nil {
		t.Fatalf("resume: %v", err)
	}
	if !whole.Complete || whole.Partitions != 1 || whole.Carried != 199 {
		t.Errorf("resumed point: %+v, want complete, 1 partition backed up, 199 carried", whole)
	}
	statements := b.Sim.Accepted("BACKUP")[before:]
	if len(statements) != 1 || !strings.Contains(statements[0].SQL, "PARTITION (`p117`)") {
		t.Errorf("resume sent %v, want one BACKUP of p117", statements)
	}
	point := showPoint(t, b, whole.Point)
	if point.Parent != failed.Point {
		t.Errorf("parent of the resumed point is %q, want %q", point.Parent, failed.Point)
	}
	if !restore {
		return
	}
	b.Must(t, "DROP TABLE iso.wide FORCE")
	restored, err := runRestore(t, b, spec.Restore{})
	if err != nil || restored.Point != whole.Point {
		t.Fatalf("restore of %s: %v", restored.Point, err)
	}
	if got := b.Sim.Content("iso", "wide"); got != content {
		t.Errorf("content differs after the restore")
	}
}
