package main

import (
	"strings"
	"testing"
	"time"

	"starkeep/workflows/spec"
)

var (
	hourlyRow = scheduleRow{Name: "prod-hourly", Workflow: "Backup", When: "15 * * * *", TimeZone: "Europe/Berlin", Configured: true, Next: "2026-11-22T15:15:00Z",
		Last: &scheduleRun{WorkflowID: "backup/prod/prod-hourly-2026-11-22T14:15:00Z", RunID: "r", Due: "2026-11-22T14:15:00Z", Began: "2026-11-22T14:15:01Z", Status: "Failed"}}
	pausedRow = scheduleRow{Name: "prod-prune", Workflow: "Prune", When: "0 5 * * *; not * * 24-26 12 *", TimeZone: "UTC", Configured: true, Paused: true, Note: "paused due to workflow failure: prune/prod/prod-prune: locked"}
	handRow   = scheduleRow{Name: "by-hand", Workflow: "Drill", When: "every 24h0m0s", TimeZone: "UTC"}

	lookedAt = spec.Status{
		Databases: []spec.DatabaseStatus{
			{Cluster: "prod", Database: "crm", Goal: &spec.Goal{Cluster: "prod", Backup: spec.Duration(3 * time.Hour), Verify: spec.Duration(8 * 24 * time.Hour), Drill: spec.Duration(35 * 24 * time.Hour)},
				Good:     &spec.DatabasePoint{Point: point, At: "2026-11-22T14:15:01Z", Where: "s3-eu"},
				Verified: &spec.DatabasePoint{Point: "20261114T141500Z-a1b2c3", At: "2026-11-14T14:15:01Z", Where: "dr"}},
			{Cluster: "prod", Database: "new", Goal: &spec.Goal{Cluster: "prod", Backup: spec.Duration(3 * time.Hour)}},
			{Cluster: "prod", Database: "sales", Goal: &spec.Goal{Cluster: "prod", Backup: spec.Duration(3 * time.Hour)},
				Good:    &spec.DatabasePoint{Point: point, At: "2026-11-22T14:15:01Z", Where: "s3-eu"},
				Drilled: &spec.DatabasePoint{Point: point, At: "2026-11-22T03:00:00Z", Where: "s3-eu"}},
			{Cluster: "test", Database: "web", Good: &spec.DatabasePoint{Point: "20261001T141500Z-a1b2c3", At: "2026-10-01T14:15:01Z", Where: "s3-eu"},
				Part: &spec.DatabasePoint{Point: "20261122T120000Z-a1b2c3", At: "2026-11-22T12:00:00Z", Where: "s3-eu"}},
		},
		Mirrors: []spec.MirrorStatus{{Mirror: "dr", Cluster: "prod", Repository: "s3-eu", Behind: 2, Since: "2026-11-22T13:15:01Z"}, {Mirror: "nfs", Cluster: "prod", Repository: "s3-eu"}},
		Unknown: []string{"cluster test: its databases cannot be listed: connection refused"},
	}

	changes = spec.Difference{
		From: spec.PointRow{ID: "20261122T140405Z-a1b2c3", Complete: true}, To: spec.PointRow{ID: point, Failed: 3}, Changed: 205, Same: 1200, Rows: -12030, Bytes: 3 * gib,
		Tables: []spec.TableDifference{
			{Database: "sales", Table: "lines", Change: spec.ChangeCreated, Partitions: spec.PartitionCounts{Added: 2}, Added: []string{"p1", "p2"}, RowsTo: 5, BytesTo: 2048},
			{Database: "sales", Table: "orders", Change: spec.ChangeSchema, Partitions: spec.PartitionCounts{Same: 40, Added: 1, Dropped: 30, Replaced: 1, Changed: 2},
				Added: []string{"p20261123"}, Dropped: []string{"p20250101", "p20250102"}, Replaced: []string{"p20261101"}, Changed: []string{"p20261121", "p20261122"},
				RowsFrom: 20000, RowsTo: 7965, BytesFrom: gib, BytesTo: 4*gib - 2048},
		},
	}

	taken = spec.Usage{
		Points: []spec.PointUsage{{ID: point, CreatedAt: "2026-11-22T15:04:05Z", Complete: true, Snapshots: 14, Bytes: 41 * gib, Added: gib, Unique: gib, Shared: 40 * gib},
			{ID: "20261122T140405Z-a1b2c3", CreatedAt: "2026-11-22T14:04:05Z", Snapshots: 13, Bytes: 40 * gib, Added: 40 * gib, Shared: 40 * gib}},
		Databases:  []spec.DatabaseUsage{{Database: "sales", Tables: 12, Holds: 30 * gib, Bytes: 90 * gib}, {Database: "web", Tables: 1, Holds: 512, Bytes: 4096}},
		Tables:     []spec.TableUsage{{Database: "sales", Table: "orders", Holds: 29 * gib, Bytes: 88 * gib}},
		Ages:       []spec.AgeUsage{{Younger: "24h0m0s", Snapshots: 2, Bytes: 2 * gib}, {Younger: "168h0m0s"}, {Younger: "720h0m0s", Snapshots: 12, Bytes: 40 * gib}, {Snapshots: 1, Bytes: 12}},
		PointCount: 2, TableCount: 13, Snapshots: 15, Bytes: 42 * gib, Unneeded: 12, Newest: point, Unreadable: []string{"restore point x: manifest: unreadable file"},
	}
)

func reported(now time.Time) statusReport {
	r := statusReport{At: utc(now), Mirrors: lookedAt.Mirrors, Unknown: lookedAt.Unknown, Schedules: []scheduleReport{
		{scheduleRow: handRow}, {hourlyRow, 2, problemsOf(hourlyRow, 2)}, {pausedRow, 0, problemsOf(pausedRow, 0)},
		{scheduleRow: scheduleRow{Name: "weekly", Workflow: "Drill", When: "@weekly", TimeZone: "UTC"}, Problems: []string{"not applied: starkeep schedule apply"}}}}
	for _, d := range lookedAt.Databases {
		r.Databases = append(r.Databases, databaseReport{d, missedGoals(d, now)})
	}
	return r
}

func TestLooksAsTextAndData(t *testing.T) {
	now := began.Add(2 * time.Hour)
	status := reported(now)
	details := scheduleDetails{scheduleRow: hourlyRow, Jitter: "5m0s", Overlap: "Skip", CatchUp: "1h0m0s", WorkflowID: "backup/prod/prod-hourly", Input: map[string]any{"cluster": "prod", "repository": "s3-eu"},
		Started: 1204, Missed: 2, Skipped: 1, Running: []string{"backup/prod/prod-hourly-2026-11-22T15:15:00Z"}, Recent: []scheduleRun{*hourlyRow.Last}, NextTimes: []string{"2026-11-22T15:15:00Z", "2026-11-22T16:15:00Z"}}
	applied := scheduleChanges{Same: 3, Changes: []scheduleChange{{Name: "prod-hourly", Change: updateSchedule, Differences: []string{"when: 0 * * * * → 15 * * * *"}, Done: true}, {Name: "old", Change: removeSchedule, Differences: []string{"Backup, 0 3 * * *"}}}}
	for name, show := range map[string]struct {
		data  any
		write func(*strings.Builder)
	}{
		"status":    {status, func(b *strings.Builder) { writeStatus(b, status, now) }},
		"schedules": {scheduleList{[]scheduleRow{handRow, hourlyRow, pausedRow}}, func(b *strings.Builder) { writeSchedules(b, []scheduleRow{handRow, hourlyRow, pausedRow}) }},
		"schedule":  {details, func(b *strings.Builder) { writeSchedule(b, details) }},
		"applied":   {applied, func(b *strings.Builder) { writeScheduleChanges(b, applied) }},
		"diff":      {changes, func(b *strings.Builder) { writeDifference(b, changes) }},
		"usage":     {taken, func(b *strings.Builder) { writeUsage(b, taken) }},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			show.write(&text)
			golden(t, name, text.String())
			c, out, _ := testCLI("")
			c.format = formatJSON
			if err := c.print(show.data, nil); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"-json", out.String())
		})
	}
}

func TestStatusHasItsExitCodes(t *testing.T) {
	now := began.Add(2 * time.Hour)
	missing := reported(now)
	blind := statusReport{Unknown: missing.Unknown}
	met := statusReport{Databases: missing.Databases[2:3], Schedules: missing.Schedules, Mirrors: missing.Mirrors}
	for name, test := range map[string]struct {
		report statusReport
		code   int
		says   string
	}{
		"a goal is missed":   {missing, exitPartial, "3 goals are missed: prod.crm verify, prod.crm drill, prod.new backup"},
		"not known":          {blind, exitFailed, "not everything could be looked at: cluster test"},
		"every goal is met":  {met, exitOK, ""},
		"nothing to look at": {statusReport{}, exitOK, ""},
	} {
		err := test.report.verdict()
		if exitCode(err) != test.code || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: exit code %d, want %d: %v", name, exitCode(err), test.code, err)
		}
	}
}
