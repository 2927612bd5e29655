package replay

import (
	"strings"

	"starkeep/workflows/spec"
)

// views restores views with their tables, and undoes it.
func (r *recorder) views() {
	r.Must(r.t, "CREATE VIEW sales.latest AS SELECT id FROM sales.orders")
	r.Must(r.t, `CREATE MATERIALIZED VIEW sales.summary DISTRIBUTED BY HASH(id) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES("replication_num"="1") AS SELECT id FROM sales.orders`)
	r.wait(r.backup("with-views", spec.Backup{Include: []string{"sales"}}), "")
	r.Must(r.t, "CREATE OR REPLACE VIEW sales.latest AS SELECT id FROM sales.orders WHERE id > 1")
	run := r.restore("views", spec.Restore{Include: []string{"sales"}})
	r.wait(run, "")
	r.save("Restore/v4-views", run)
	window := "undo/" + strings.TrimPrefix(run.id, "restore/")
	r.update(window, spec.UpdateUndo)
	undone := execution{id: window}
	r.wait(undone, "")
	r.save("UndoWindow/v4-undo-views", undone)
}
