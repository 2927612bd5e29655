package replay

import (
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// mirrors backs up with a mirror, copies points to it, changes the limit meanwhile, and restores from there.
func (r *recorder) mirrors() {
	r.wait(r.backup("plain", spec.Backup{Include: []string{"web"}}), "")
	run := r.backup("mirrored", spec.Backup{Include: []string{"sales"}, Mirrors: []string{"mirror"}, Limits: spec.Limits{MaxPartitionsPerUnit: 2}})
	r.wait(run, "")
	r.save("Backup/v3-mirrored", run)
	r.save("DatabaseJob/v3-backup-mirrored", r.jobs(run)[0])
	in := spec.Copy{Cluster: testbed.ClusterName, From: testbed.RepositoryName, To: "mirror"}
	offered := execution{id: spec.CopyID(in.Cluster, in.From, in.To)}
	r.wait(offered, "")
	r.save("Copy/v1-offered", offered)

	in.Limits.BytesPerSecond = 1
	run = r.start(spec.CopyWorkflow, spec.CopyID(in.Cluster, in.From, in.To), in)
	r.update(run.id, spec.UpdateSetLimit, spec.CopyLimits{ParallelBatches: 2})
	r.wait(run, "")
	r.save("Copy/v1-all", run)

	run = r.restore("from-mirror", spec.Restore{From: "mirror", Include: []string{"sales"}, Rename: map[string]string{"sales": "again"}})
	r.wait(run, "")
	r.save("Restore/v5-from-mirror", run)
}
