package replay

import (
	"strings"

	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

// overwrites restores over existing tables and partitions, with a safety point and its undo, and with a COMMIT that is
// broken off and mended.
func (r *recorder) overwrites() {
	r.wait(r.backup("all", spec.Backup{}), "")
	run := r.restore("partitions", spec.Restore{Include: []string{"sales.orders/p1", "sales.orders/p2"}})
	r.wait(run, "")
	r.save("Restore/v3-partitions", run)
	r.save("DatabaseJob/v3-restore-partitions", r.jobs(run)[0])
	window := "undo/" + strings.TrimPrefix(run.id, "restore/")
	r.update(window, spec.UpdateUndo)
	undone := execution{id: window}
	r.wait(undone, "")
	r.save("UndoWindow/v3-undo-safety", undone)
	r.wait(execution{id: "restore/prod/undo-partitions"}, "")

	release := r.Sim.HoldTasks(starrockssim.Fault{Type: "MOVE", Database: "sales", Partition: "p2"})
	run = r.restore("overwrite", spec.Restore{Include: []string{"sales"}, OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true})
	r.until("half of the tablets are moved", func() bool {
		rows, err := r.Sim.Query("SHOW RESTORE FROM sales")
		return err == nil && len(rows) == 1 && rows[0][4] == "COMMITTING" && strings.Count(rows[0][13], "=") == 2
	})
	r.Must(r.t, "CANCEL RESTORE FROM `sales`")
	release()
	r.wait(run, "")
	r.save("Restore/v3-overwrite", run)
	r.save("DatabaseJob/v3-restore-mended", r.jobs(run)[0])
}
