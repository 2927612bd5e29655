package starrockssim_test

import (
	"fmt"
	"testing"

	sim "starkeep/test/starrockssim"
)

func TestBackupCancelledInEachStateLeavesWhatStarRocksLeaves(t *testing.T) {
	for _, tc := range []struct {
		state  string
		burnt  bool // the label cannot be used again
		noJob  bool // JobId stays -1
		holdBE bool // no task of the state has run
	}{
		{state: "PENDING", noJob: true},
		{state: "SNAPSHOTING"},
		{state: "SNAPSHOTING", holdBE: true},
		{state: "UPLOAD_SNAPSHOT"},
		{state: "UPLOADING", holdBE: true},
		{state: "UPLOADING", burnt: true},
		{state: "SAVE_META", burnt: true},
		{state: "UPLOAD_INFO", burnt: true},
	} {
		t.Run(fmt.Sprintf("%s held=%t", tc.state, tc.holdBE), func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			before := contents(c, "d")
			release := c.HoldStates("d", tc.state)
			held := func() {}
			if tc.holdBE {
				held = c.HoldTasks(sim.Fault{Database: "d"})
				if tc.state == "UPLOADING" {
					held()
					held = c.HoldTasks(sim.Fault{Type: "UPLOAD"})
				}
			}
			must(t, c, "BACKUP SNAPSHOT d.s1 TO r "+salesOn)
			reach(t, c, "BACKUP", "d", tc.state)
			if tc.state == "UPLOADING" && !tc.holdBE {
				eventually(t, func() bool { return row(t, c, "BACKUP", "d")[9] == "" }, func() string { return "uploads" })
			}
			refused(t, c, "BACKUP SNAPSHOT d.s2 TO r ON (t)", "Can only run one backup or restore job of a database at same time")
			must(t, c, "CANCEL BACKUP FROM d")
			if got, want := status(t, c, "BACKUP", "d"), "[COMMON_ERROR, msg: user cancelled]"; got != want {
				t.Errorf("status %s, want %s", got, want)
			}
			if id := row(t, c, "BACKUP", "d")[0]; (id == "-1") != tc.noJob {
				t.Errorf("job id %s", id)
			}
			refused(t, c, "CANCEL BACKUP FROM d", "Failed to cancel job: Job with label s1 can not be cancelled. state: CANCELLED")
			release()
			held()
			if tc.burnt {
				refused(t, c, "BACKUP SNAPSHOT d.s1 TO r "+salesOn, "Snapshot with name 's1' already exist in repository")
				must(t, c, "BACKUP SNAPSHOT d.s2 TO r "+salesOn)
			} else {
				must(t, c, "BACKUP SNAPSHOT d.s1 TO r "+salesOn)
			}
			reach(t, c, "BACKUP", "d", "FINISHED")
			refused(t, c, "CANCEL BACKUP FROM d", "state: FINISHED")
			for name, want := range before {
				if got := c.Content("d", name); got != want {
					t.Errorf("%s changed", name)
				}
			}
		})
	}
}

func TestRestoreOfNewTablesCancelledInEachStateLeavesNothing(t *testing.T) {
	for _, state := range []string{"PENDING", "SNAPSHOTING", "DOWNLOAD", "DOWNLOADING", "COMMIT", "COMMITTING"} {
		t.Run(state, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			want := contents(c, "d")
			ts := backup(t, c, "d", "s1", salesOn)
			must(t, c, "CREATE DATABASE d2")
			release := c.HoldStates("d2", state)
			must(t, c, restoreSQL("d2", "s1", salesOn, ts, 1))
			reach(t, c, "RESTORE", "d2", state)
			must(t, c, "CANCEL RESTORE FROM d2")
			if got, want := status(t, c, "RESTORE", "d2"), "[COMMON_ERROR, msg: user cancelled, current state: "+state+"]"; got != want {
				t.Errorf("status %s, want %s", got, want)
			}
			if rows, err := c.Query("SHOW TABLES FROM d2"); err != nil || len(rows) > 0 {
				t.Errorf("left behind: %v %v", rows, err)
			}
			release()
			must(t, c, restoreSQL("d2", "s1", salesOn, ts, 1))
			reach(t, c, "RESTORE", "d2", "FINISHED")
			for _, name := range salesTables {
				if got := c.Content("d2", name); got != want[name] {
					t.Errorf("%s:\n%s\nwant\n%s", name, got, want[name])
				}
			}
		})
	}
}

func TestOverwritingRestoreCancelledBeforeCommittingHarmsNothing(t *testing.T) {
	for _, state := range []string{"PENDING", "SNAPSHOTING", "DOWNLOAD", "DOWNLOADING", "COMMIT"} {
		t.Run(state, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			ts := backup(t, c, "d", "s1", "ON (pk, agg)")
			must(t, c, "INSERT INTO d.pk VALUES (9, 9)", "INSERT INTO d.agg VALUES (9, 9)")
			later := contents(c, "d")
			release := c.HoldStates("d", state)
			must(t, c, restoreSQL("d", "s1", "ON (pk, agg)", ts, 1))
			reach(t, c, "RESTORE", "d", state)
			if state != "PENDING" {
				refused(t, c, "INSERT INTO d.pk VALUES (10, 10)", `Cannot write RESTORE state table "pk"`)
				refused(t, c, "ALTER TABLE d.pk RENAME pk9", "A snapshot restore operation is in progress on the table pk")
				refused(t, c, "SELECT COUNT(*) FROM d.pk", "Table state is not NORMAL: 'RESTORING'")
			}
			must(t, c, "CANCEL RESTORE FROM d")
			release()
			for name, want := range later {
				if got := c.Content("d", name); got != want {
					t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
				}
			}
			must(t, c, "INSERT INTO d.pk VALUES (10, 10)")
		})
	}
}

func TestOverwritingRestoreCancelledAmongItsMovesLeavesAMixtureThatTheSameRestoreMends(t *testing.T) {
	for _, table := range []string{"pk", "agg"} {
		t.Run(table, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			want := c.Content("d", table)
			ts := backup(t, c, "d", "s1", "ON ("+table+")")
			must(t, c, "INSERT INTO d."+table+" VALUES (1, 7), (2, 7), (3, 7), (4, 7), (5, 7)")
			later := c.Content("d", table)
			rows, _ := c.Query("SHOW TABLET FROM d." + table)
			var tablet int64
			fmt.Sscan(rows[0][0], &tablet)
			held := c.HoldTasks(sim.Fault{Type: "MOVE", Tablet: tablet})
			must(t, c, restoreSQL("d", "s1", "ON ("+table+")", ts, 1))
			reach(t, c, "RESTORE", "d", "COMMITTING")
			eventually(t, func() bool {
				return row(t, c, "RESTORE", "d")[13] != "" && !contains(row(t, c, "RESTORE", "d")[13], ",")
			}, func() string { return "one MOVE" })
			must(t, c, "CANCEL RESTORE FROM d")
			held()
			if got := c.Content("d", table); got == want || got == later {
				t.Errorf("not mixed:\n%s", got)
			}
			refused(t, c, "SELECT COUNT(*) FROM d."+table, "scan info is invalid")
			refused(t, c, "INSERT INTO d."+table+" VALUES (6, 6), (7, 7), (8, 8), (9, 9)", "Publish timeout")
			must(t, c, restoreSQL("d", "s1", "ON ("+table+")", ts, 1))
			reach(t, c, "RESTORE", "d", "FINISHED")
			if got := c.Content("d", table); got != want {
				t.Errorf("not mended:\n%s\nwant\n%s", got, want)
			}
			must(t, c, "INSERT INTO d."+table+" VALUES (6, 6)")
		})
	}
}

func TestCancelWithoutAJobIsRefused(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	refused(t, c, "CANCEL BACKUP FROM d", "No backup job is currently running")
	refused(t, c, "CANCEL RESTORE FROM d", "No restore is currently running")
	refused(t, c, "CANCEL BACKUP FROM nodb", "Unknown database 'nodb'")
	backup(t, c, "d", "s1", "ON (t)")
	refused(t, c, "CANCEL RESTORE FROM d", "No restore is currently running")
}
