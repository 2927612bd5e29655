package replay

import (
	"time"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// migrations backs up incrementally, and brings databases to another cluster: to its end, and aborted.
func (r *recorder) migrations() {
	r.wait(r.backup("all", spec.Backup{}), "")
	r.Must(r.t, "INSERT INTO sales.orders VALUES ('2026-02-07', 7, 70)")
	run := r.backup("incremental", spec.Backup{Incremental: true})
	r.wait(run, "")
	r.save("Backup/v2-incremental", run)

	in := spec.Migrate{From: testbed.ClusterName, To: "dr", Repository: testbed.RepositoryName, DropRemoved: true,
		SmallPartitions: 1, SmallBytes: 1, Interval: spec.Duration(time.Hour), Settle: spec.Duration(time.Millisecond)}
	run = r.start(spec.MigrateWorkflow, spec.MigrateID(in.From, "switched"), in)
	r.ready(run)
	r.Must(r.t, "INSERT INTO sales.orders VALUES ('2026-03-07', 8, 80)")
	r.Must(r.t, "DROP TABLE web.hits")
	r.update(run.id, spec.UpdateSwitch)
	r.wait(run, "")
	r.save("Migrate/v1-switched", run)

	in.Include, in.Rename = []string{"sales"}, map[string]string{"sales": "other"}
	run = r.start(spec.MigrateWorkflow, spec.MigrateID(in.From, "aborted"), in)
	r.ready(run)
	r.update(run.id, spec.UpdateAbort)
	r.wait(run, "")
	r.save("Migrate/v1-aborted", run)
}

// ready waits until a migration waits for its switch.
func (r *recorder) ready(run execution) {
	r.until("the migration is ready", func() bool {
		var p spec.MigrateProgress
		answer, err := r.Client.QueryWorkflow(r.t.Context(), run.id, "", spec.QueryProgress)
		return err == nil && answer.Get(&p) == nil && p.Ready
	})
}
