package replay

import (
	"strings"

	"starkeep/restorepoint"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// proofs restores with a stored proof, adopts a native snapshot, restores by its label, and drills.
func (r *recorder) proofs() {
	r.wait(r.backup("all", spec.Backup{Fingerprint: spec.FingerprintFull}), "")
	run := r.restore("proof-stored", spec.Restore{Include: []string{"sales.customers"}})
	r.wait(run, "")
	r.save("Restore/v3-proof-stored", run)

	r.Must(r.t, "BACKUP SNAPSHOT web.by_hand TO "+testbed.RepositoryName)
	r.until("the BACKUP typed by hand is finished", func() bool {
		rows, err := r.Sim.Query("SHOW BACKUP FROM web")
		return err == nil && len(rows) == 1 && strings.Contains(strings.Join(rows[0], "|"), "|by_hand|") && strings.Contains(strings.Join(rows[0], "|"), "|FINISHED|")
	})
	in := spec.Adopt{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Label: "by_hand"}
	run = r.start(spec.AdoptWorkflow, spec.AdoptID(in.Cluster, in.Repository, in.Label), in)
	r.wait(run, "")
	r.save("Adopt/v1-adopted", run)
	run = r.restore("native-snapshot", spec.Restore{Snapshot: &spec.NativeSnapshot{Label: "by_hand"}, Rename: map[string]string{"web": "copy"}})
	r.wait(run, "")
	r.save("Restore/v3-native-snapshot", run)

	drill := spec.Drill{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Sample: "1/2"}
	run = r.start(spec.DrillWorkflow, spec.DrillID(drill.Cluster, "ok"), drill)
	r.wait(run, "")
	r.save("Drill/v1-ok", run)
	r.cancelledDrill(drill)
}

func (r *recorder) cancelledDrill(in spec.Drill) {
	id := spec.DrillID(in.Cluster, "cancelled")
	var database string
	var release func()
	r.Sim.OnState(func(db, kind, state string) {
		if kind == "RESTORE" && restorepoint.IsDrill(db) && state == "PENDING" && database == "" {
			database, release = db, r.Sim.HoldStates(db, "DOWNLOADING")
		}
	})
	in.Include = []string{"sales"}
	run := r.start(spec.DrillWorkflow, id, in)
	r.until("the drill's RESTORE is DOWNLOADING", func() bool {
		rows, err := r.Sim.Query("SHOW DATABASES")
		if err != nil {
			return false
		}
		for _, row := range rows {
			if !restorepoint.IsDrill(row[0]) {
				continue
			}
			rows, err := r.Sim.Query("SHOW RESTORE FROM " + row[0])
			if err == nil && len(rows) == 1 && rows[0][4] == "DOWNLOADING" {
				return true
			}
		}
		return false
	})
	if err := r.Client.CancelWorkflow(r.t.Context(), run.id, run.run); err != nil {
		r.t.Fatal(err)
	}
	r.wait(run, "Canceled")
	release()
	r.save("Drill/v1-cancelled", run)
}
