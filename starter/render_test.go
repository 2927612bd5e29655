package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starkeep/workflows/spec"
)

var updateGolden = flag.Bool("update", false, "write testdata/*.txt instead of comparing")

// golden compares text with testdata/<name>.txt; go test ./starter -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (go test ./starter -update writes it anew)\n%s", path, diff)
	}
}

var (
	point = "20261122T150405Z-a1b2c3"

	partialBackup = spec.BackupResult{
		Point: point, Bytes: 41 * gib, Objects: 12034, Tablets: 3012, Partitions: 124, Carried: 17,
		Databases: []spec.DatabaseResult{
			{Database: "sales", Units: 8, UnitsFailed: 1, Attempts: 11, Partitions: 120, Tablets: 3000, Bytes: 40 * gib, Seconds: 182},
			{Database: "web", Units: 1, Attempts: 1, Partitions: 4, Tablets: 12, Bytes: gib, Seconds: 19},
			{Database: "crm", UnitsFailed: 3, Attempts: 3, Seconds: 57, Stopped: "three units failed alike: no space left on device"},
		},
		Failed: []spec.FailedPart{
			{Database: "sales", Table: "orders", Partition: "p202601", Reason: "failed to make snapshot on backend 10003:\ntablet 10234 has not enough replicas"},
			{Database: "crm", Table: "contacts", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p1", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p2", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p3", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p4", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p5", Reason: "no space left on device"},
			{Database: "crm", Table: "calls", Partition: "p6", Reason: "timeout"},
		},
		FailedCount: 212,
		NotCovered: []spec.NotCovered{
			{Database: "sales", Name: "v_daily", Kind: "view", Reason: "views are not backed up yet"},
			{Database: "sales", Name: "mv_sum", Kind: "materialized view", Reason: "materialized views are not backed up yet"},
		},
		Warnings: []string{"sales.orders: transaction 4711 was committed, not visible, when the snapshot was made"},
	}
	plannedRestore = spec.RestoreResult{
		Point: point, DryRun: true,
		Plan: []spec.PlannedTable{
			{Database: "sales", Table: "orders", From: "sales.orders", Action: spec.ActionSwap, Partitions: 48, Tablets: 1200, Bytes: 13 * gib,
				Note:       "its definition becomes that of the restore point: `amount` bigint(20) NULL COMMENT \"\", was `amount` int(11) NULL COMMENT \"\"; AUTO_INCREMENT goes back to where it was at the backup",
				Diff:       []string{" `city` varchar(20) NULL COMMENT \"\"", "-`amount` bigint(20) NULL COMMENT \"\"", "+`amount` int(11) NULL COMMENT \"\"", " ) ENGINE=OLAP"},
				Dependents: &spec.Dependents{Views: []string{"sales.latest", "crm.orders"}, Grants: 3, ColocateGroup: "g1", DynamicPartitions: true}},
			{Database: "sales", Table: "customers", From: "sales.customers", Action: spec.ActionCreate, Partitions: 4, Tablets: 4, Bytes: 12 << 20},
			{Database: "sandbox", Table: "hits", From: "web.hits", Action: spec.ActionAdd, Partitions: 1, Tablets: 1, Bytes: 512},
			{Database: "sales", Table: "lines", From: "sales.lines", Action: spec.ActionRefuse, Note: "an asynchronous materialized view reads it: sales.mv_sum"},
		},
		PlanDigest: "01234567-89abcdef-01234567-89abcdef-01234567",
		Space: &spec.PlanSpace{Needed: 39 * gib, Available: 20 * gib, Backends: []spec.BackendSpace{{Backend: 10001, Host: "be1", Needed: 13 * gib, Available: 10 * gib},
			{Backend: 10002, Host: "be2", Needed: 13 * gib, Available: 10 * gib}}},
		Estimate: &spec.PlanEstimate{Seconds: 185, Statements: 2, BytesPerSecond: 100 << 20, Basis: "2 statements of 18 s and more, and 100.0 MiB/s by limits.bytesPerSecond of the cluster profile"},
		Warnings: []string{"BE 10003 (be3) is not alive"},
	}
	doneRestore = spec.RestoreResult{
		Point: point, Partitions: 52, Tablets: 1204, Bytes: 13 * gib, Undo: "undo/prod/r1", CancelRequested: true, Report: "s3://b/__starkeep/v1/prod/points/x/restores/y.json",
		Databases: []spec.DatabaseResult{{Database: "sales", Units: 1, Attempts: 1, Partitions: 52, Tablets: 1204, Bytes: 13 * gib, Seconds: 7500}},
		Tables: []spec.RestoredTable{
			{Database: "sales", Table: "orders", Action: spec.ActionSwap, TableID: 11, Partitions: 48, Tablets: 1200, Rows: 1200300, RowsProven: true, Before: "orders__before_1a2b3c4d", Grants: 3},
			{Database: "sales", Table: "customers", Action: spec.ActionCreate, TableID: 12, Partitions: 4, Tablets: 4},
			{Database: "sales", Table: "empty", Action: spec.ActionCreate, TableID: 13, Partitions: 1, Tablets: 1, RowsProven: true},
		},
	}
)

func TestResultsAsText(t *testing.T) {
	text := func(write func(*strings.Builder)) string {
		var b strings.Builder
		write(&b)
		return b.String()
	}
	now := began.Add(2 * time.Hour)
	for name, got := range map[string]string{
		"backup-partial": text(func(b *strings.Builder) { writeBackup(b, partialBackup) }),
		"backup-complete": text(func(b *strings.Builder) {
			writeBackup(b, spec.BackupResult{Point: point, Complete: true, Partitions: 1, Tablets: 1, Bytes: 12, Objects: 3})
		}),
		"backup-nothing":   text(func(b *strings.Builder) { writeBackup(b, spec.BackupResult{FailedCount: 1, CancelRequested: true}) }),
		"restore-plan":     text(func(b *strings.Builder) { writePlan(b, plannedRestore) }),
		"restore-done":     text(func(b *strings.Builder) { writeRestore(b, doneRestore, true) }),
		"restore-unproven": text(func(b *strings.Builder) { writeRestore(b, doneRestore, false) }),
		"undo": text(func(b *strings.Builder) {
			writeUndo(b, spec.UndoResult{Warnings: []string{"sales.orders: 2 loads came after the swap; they are in the kept table"}, Tables: []spec.UndoneTable{
				{Database: "sales", Table: "orders", Done: "swapped back", Kept: "orders__restore_1a2b3c4d"},
				{Database: "sales", Table: "lines", Done: "left alone: its id is 99, not 11: somebody exchanged it"}}})
		}),
		"undo-window": text(func(b *strings.Builder) {
			writeUndoWindow(b, spec.UndoWindow{Cluster: "prod", Restore: "restore/prod/r1", Tables: []spec.SwappedTable{{Database: "sales", Table: "orders", Before: "orders__before_1a2b3c4d"}}})
		}),
		"points": text(func(b *strings.Builder) {
			writePoints(b, []spec.PointRow{
				{ID: point, CreatedAt: "2026-11-22T15:04:05Z", Complete: true, Databases: 3, Tables: 12, Partitions: 120, Tablets: 4170, Bytes: 30 * gib, Drill: &spec.DrillRow{At: "2026-11-23T03:00:00Z", Result: spec.DrillOK, Sampled: 1, Of: 12},
					Verified: &spec.VerificationRow{At: "2026-11-22T20:00:00Z", Result: spec.VerifyOK, Content: spec.ContentSample, Part: 3, Of: 7}, Tags: map[string]string{"why": "nightly", "by": "cron"}},
				{ID: "20261121T150405Z-a1b2c3", CreatedAt: "2026-11-21T15:04:05Z", Failed: 1200, Databases: 3, Tables: 12, Partitions: 119, Tablets: 4000, Bytes: 29 * gib, Parent: "20261120T150405Z-ffffff"},
				{ID: "20261120T160405Z-4d5e6f", CreatedAt: "2026-11-20T16:04:05Z", Complete: true, Origin: "adopted", Databases: 1, Tables: 2, Partitions: 4, Tablets: 9, Bytes: 4096},
				{ID: "20261120T150405Z-ffffff", Problem: "format version 2 is newer than this starkeep"}})
		}),
		"point": text(func(b *strings.Builder) {
			writePoint(b, spec.PointDetails{PointRow: spec.PointRow{ID: point, CreatedAt: "2026-11-22T15:04:05Z", Databases: 1, Tables: 2, Partitions: 52, Tablets: 1204, Bytes: 13 * gib, Failed: 1},
				Cluster: "prod", Repository: "s3-eu", Truncated: true, NotKnown: []string{"grants: none"}, Reports: []string{"s3://b/__starkeep/v1/prod/points/x/restores/y.json"},
				Verifications: []spec.VerificationRow{{At: "2026-11-23T20:00:00Z", Result: spec.VerifyDamaged, Content: spec.ContentAll, Found: 2, Repaired: 1, Reason: "sales object is missing"}, {At: "2026-11-22T20:00:00Z", Result: spec.VerifyOK, Content: spec.ContentNone}},
				Drills:        []spec.DrillRow{{At: "2026-11-23T03:00:00Z", Result: spec.DrillMismatch, Sampled: 1, Of: 12, Reason: "sales.orders: rows is 1, want 2"}, {At: "2026-11-22T03:00:00Z", Result: spec.DrillOK, Sampled: 1, Of: 12}},
				Tables:        []spec.PointTable{{Database: "sales", Table: "orders", Keys: "DUP_KEYS", Partitions: 48, Tablets: 1200, Bytes: 13 * gib, Rows: 1200300}},
				Failed:        partialBackup.Failed[:1], NotCovered: partialBackup.NotCovered})
		}),
		"verify": text(func(b *strings.Builder) {
			writeVerify(b, spec.VerifyResult{Where: "s3-eu", Result: spec.VerifyDamaged, Verified: 2, Damaged: 1, Snapshots: 6, Objects: 24068, Bytes: 80 * gib, Content: spec.ContentSample, Part: 3, Of: 7,
				Read: 3438, ReadBytes: 11 * gib, Found: 300, Repaired: 1, Warnings: []string{"restore point x was pruned meanwhile"},
				Points: []spec.VerifiedPoint{{ID: point, Result: spec.VerifyDamaged, Found: 300, Repaired: 1, Recorded: "s3a://b/1.json"}, {ID: "20261121T150405Z-a1b2c3", Result: spec.VerifyOK, Recorded: "s3a://b/2.json"}},
				Problems: []spec.VerifyProblem{{Kind: "missing", Snapshot: "sk_1", Database: "sales", Table: "orders", Partition: "p1", Tablet: 3, Key: "__starrocks_repository_r/x.dat", Detail: "is missing (10 bytes)"},
					{Kind: "content differs", Point: point, Key: "__starkeep/v1/prod/points/x/manifest.json", Detail: "could not be read", Repaired: true}}})
		}),
		"verify-ok": text(func(b *strings.Builder) {
			writeVerify(b, spec.VerifyResult{Where: "dr", Result: spec.VerifyOK, Snapshots: 1, Objects: 14, Bytes: 4096, Content: spec.ContentNone})
		}),
		"snapshots": text(func(b *strings.Builder) {
			writeSnapshots(b, []spec.SnapshotRow{
				{Label: "by_hand", Timestamp: "2026-11-01-08-00-00-417", Database: "sales", Tables: 12, Partitions: 96, Tablets: 2400},
				{Label: "kept", Timestamp: "2026-11-02-08-00-00-000", Database: "web", Tables: 1, Partitions: 1, Tablets: 3, Recorded: true},
				{Label: "sk_sales_0123456789ab_u1_a1", Timestamp: "2026-11-22-15-04-05-123", Database: "sales", Tables: 1, Partitions: 2, Tablets: 6, Ours: true, Recorded: true},
				{Label: "half", Problem: "no __info: what a BACKUP left that did not finish, or that is still running"}})
		}),
		"adopt": text(func(b *strings.Builder) {
			writeAdopt(b, spec.AdoptResult{Point: "20261101T080000Z-4d5e6f", Label: "by_hand", Timestamp: "2026-11-01-08-00-00-417", Database: "sales", Tables: 12, Partitions: 96, Tablets: 2400,
				Objects: 14402, Bytes: 13 * gib, NotKnown: []string{"grants: none"}, NotCovered: partialBackup.NotCovered[:1]})
		}),
		"drill": text(func(b *strings.Builder) {
			writeDrill(b, spec.DrillResult{Point: point, Result: spec.DrillMismatch, Sampled: 2, Of: 31, Report: "s3://b/y.json", Warnings: []string{"a warning"},
				Tables: []spec.RestoredTable{{Database: "starkeep_drill_1a2b3c4d", Table: "customers", Action: spec.ActionCreate, Partitions: 4, Tablets: 4, Rows: 12, RowsProven: true}},
				Failed: []spec.FailedPart{{Database: "starkeep_drill_1a2b3c4d", Table: "orders", Reason: "rows is 1, want 2"}}})
		}),
		"copy": text(func(b *strings.Builder) {
			writeCopy(b, spec.CopyResult{From: "s3-eu", To: "dr", Points: []string{point}, PointCount: 1, Held: 31, Snapshots: 5, Objects: 48210, Present: 120, Moved: 5 << 38,
				Failed: []spec.FailedCopy{{Point: point, Reason: "objects are gone"}}, FailedCount: 1, Warnings: []string{"a warning"}})
			writeMirrors(b, []spec.MirrorState{{Mirror: "dr", Copied: true, Copy: "copy/prod/s3-eu/dr"}, {Mirror: "nfs", Copy: "copy/prod/s3-eu/nfs", Reason: "not copied yet"}})
		}),
		"jobs": text(func(b *strings.Builder) {
			writeJobs(b, jobs{Runs: []runRow{{ID: "backup/prod/nightly", Workflow: "Backup", Status: "Running", Phase: "upload", Started: "2026-11-22T15:04:05Z"},
				{ID: "restore/prod/r1", Workflow: "Restore", Status: "Completed", Started: "2026-11-21T15:04:05Z", Closed: "2026-11-21T15:05:07Z"}},
				Jobs: []spec.JobRow{{Statement: "BACKUP", Database: "sales", Label: "sk_sales_0123456789ab_u1_a1", State: "UPLOADING", JobID: 10234, Created: "2026-11-22 15:04:07", Status: "OK", Ours: true},
					{Statement: "RESTORE", Database: "web", Label: "by_hand", State: "COMMIT", JobID: 10111, Created: "2026-11-21 11:04:07", Errors: "x", Note: "hangs: CANCEL RESTORE FROM `web`"}}}, now)
		}),
		"repositories": text(func(b *strings.Builder) {
			writeRepositories(b, []spec.RepositoryRow{{Name: "s3_eu", Profile: "s3-eu", Location: "s3://backups/prod"}, {Name: "old", Location: "hdfs://x", ReadOnly: true, Error: "connection refused"}})
		}),
		"repository": text(func(b *strings.Builder) {
			writeRepository(b, spec.RepositoryRow{Name: "s3_eu", Profile: "s3-eu", Location: "s3://backups/prod"})
		}),
		"checks": text(func(b *strings.Builder) {
			writeChecks(b, []spec.CheckRow{{Profile: "clusters.prod", Check: "connect", OK: true, Message: "3.5.0"}, {Profile: "repositories.s3-eu", Check: "write", Message: "AccessDenied"}})
		}),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, got) })
	}
}

func TestResultsAsData(t *testing.T) {
	for _, format := range []string{formatJSON, formatYAML} {
		c, out, _ := testCLI("")
		c.format = format
		if err := c.print(partialBackup, nil); err != nil {
			t.Fatal(err)
		}
		golden(t, "backup-partial-"+format, out.String())
	}
}

func TestYAMLKeepsTypes(t *testing.T) {
	c, out, _ := testCLI("")
	c.format = formatYAML
	data := struct {
		Text   string            `json:"text"`
		Number int64             `json:"number"`
		Empty  []string          `json:"empty"`
		Tags   map[string]string `json:"tags"`
		Lines  string            `json:"lines"`
	}{"123", 9007199254740993, []string{}, map[string]string{"yes": "no", "<a>": "true"}, "a\nb: c"}
	if err := c.print(data, nil); err != nil {
		t.Fatal(err)
	}
	want := "text: \"123\"\nnumber: 9007199254740993\nempty: []\ntags:\n  \"<a>\": \"true\"\n  \"yes\": \"no\"\nlines: |-\n  a\n  b: c\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
