package main

import (
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

func TestPrunesAndExportsAsText(t *testing.T) {
	const gone = "20261101T020000Z-0a1b2c"
	planned := spec.PruneResult{
		Where: "s3-eu", DryRun: true, PlanDigest: "0123456789abcdef", Go: 1, Stay: 2, GoBytes: 5 * gib, GoObjects: 3120,
		Marked: 3, MarkedBytes: 6 * gib, Debris: 1, Waiting: 2, Due: 1, DueBytes: gib, Files: 4,
		Points: []spec.PrunedPoint{
			{ID: gone, CreatedAt: "2026-11-01T02:00:00Z", Complete: true, Selection: "sales", Go: true, Why: "named", Forced: true, Bytes: 40 * gib, Unique: 5 * gib},
			{ID: point, CreatedAt: "2026-11-22T15:04:05Z", Complete: true, Selection: "sales", Keep: []string{"the last good point of its selection", "daily 2026-11-22"}, Bytes: 41 * gib, Unique: gib},
			{ID: "20261122T160405Z-4d5e6f", CreatedAt: "2026-11-22T16:04:05Z", Selection: "everything but tmp_*", Keep: []string{"newer than the last good point"}, Bytes: gib, Unique: gib},
		},
	}
	done := planned
	done.DryRun, done.Deleted, done.Snapshots, done.FreedBytes, done.FreedObjects = false, 1, 1, gib, 1204
	done.Held = []spec.HeldBack{{Name: "sk_sales_0123456789ab_u1_a1", Locked: true, Reason: "subject to a retention period"}, {Name: gone, Reason: "access denied"}}
	done.HeldCount, done.Warnings = 3, []string{"a grace of 1m0s does not protect runs of other installations"}
	for name, write := range map[string]func(*strings.Builder){
		"prune-plan": func(b *strings.Builder) { writePrune(b, planned) },
		"prune":      func(b *strings.Builder) { writePrune(b, done) },
		"export": func(b *strings.Builder) {
			writeExport(b, spec.ExportResult{Point: point, Repository: "s3-eu", Label: "sales_2026_q3", BackupTimestamp: "2026-11-22-15-04-12-381", Partitions: 122, Tablets: 1, Objects: 12020, Bytes: 40 * gib,
				Statement: "RESTORE SNAPSHOT `sales`.`sales_2026_q3` FROM `s3_eu` ON (`customers`)", Warnings: []string{"a warning"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			write(&b)
			golden(t, name, b.String())
		})
	}
}
