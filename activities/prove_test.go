package activities_test

import (
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
)

// ref names a table of a planned restore by its name in the restore point: pk is the first, t the second.
func (r *restoring) ref(table string) activities.TableRef {
	ref := activities.TableRef{Cluster: "prod", Repository: "repo", Plan: r.planned.Plan}
	if table == "t" {
		ref.Table = 1
	}
	return ref
}

// brought carries the RESTORE out.
func (r *restoring) brought() {
	r.Helper()
	r.must(nil, r.acts.Submit, r.u)
	r.must(nil, r.acts.Await, r.u)
	r.must(nil, r.acts.Tidy, r.u)
}

// TestProof: FINISHED is not believed; the catalog is compared with the restore point.
func TestProof(t *testing.T) {
	const mv = "CREATE MATERIALIZED VIEW d2.pk DISTRIBUTED BY HASH(k) BUCKETS 2 REFRESH MANUAL PROPERTIES('replication_num'='1') AS SELECT k, v FROM d.pk"
	for _, c := range []struct {
		name, layout, table string
		before              func(r *restoring) // between plan and RESTORE
		after               func(r *restoring) // between RESTORE and proof
		complete            bool
		failed, note        string
	}{
		{name: "as it was", layout: "new tables", table: "t", complete: true},
		{name: "as it was", layout: "beside live tables", table: "t", complete: true},
		{name: "as it was", layout: "beside live tables", table: "pk", complete: true},
		{name: "loaded since, and live", layout: "new tables", table: "t", complete: true, note: "not compared",
			after: func(r *restoring) { r.sql("INSERT INTO d2.t VALUES ('2026-01-09', 9)") }},
		{name: "loaded since, but nobody should know the table", layout: "beside live tables", table: "pk", failed: "version",
			after: func(r *restoring) { r.sql("INSERT INTO d." + r.pk + " VALUES (9, 9)") }},
		{name: "a partition is missing", layout: "beside live tables", table: "t", failed: `partition "p2"`,
			after: func(r *restoring) { r.sql("ALTER TABLE d." + r.t + " DROP PARTITION p2 FORCE") }},
		{name: "the table is missing", layout: "beside live tables", table: "t", failed: "table id",
			after: func(r *restoring) { r.sql("DROP TABLE d." + r.t + " FORCE") }},
		{name: "an active materialized view of the name makes RESTORE skip it", layout: "new tables", table: "pk", failed: "StarRocks says FINISHED, but",
			before: func(r *restoring) { r.sql(mv) }},
		{name: "a materialized view of the name and the very shape", layout: "new tables", table: "pk", failed: "StarRocks says FINISHED, but",
			before: func(r *restoring) { r.sql(mv, "REFRESH MATERIALIZED VIEW d2.pk WITH SYNC MODE") }},
	} {
		t.Run(c.layout+" "+c.table+" "+c.name, func(t *testing.T) {
			t.Parallel()
			r := newRestore(newBed(t, options{}), c.layout)
			if c.before != nil {
				c.before(r)
			}
			r.brought()
			if c.after != nil {
				c.after(r)
			}
			var got activities.Proven
			r.must(&got, r.acts.Prove, r.ref(c.table))
			if got.Complete != c.complete || !contains(got.Failed, c.failed) || !contains(got.Table.Note, c.note) || got.Complete == (got.Failed != "") {
				t.Errorf("got %+v", got)
			}
			if c.complete && c.note == "" && (!got.Table.RowsProven || got.Table.Rows == 0) {
				t.Errorf("rows were not proven: %+v", got.Table)
			}
		})
	}
}

// TestProofOfATableWithFailedParts names how many are missing.
func TestProofOfATableWithFailedParts(t *testing.T) {
	t.Parallel()
	r := newRestore(newBed(t, options{}), "beside live tables")
	r.brought()
	r.sql("ALTER TABLE d." + r.t + " DROP PARTITION p2 FORCE")
	ref := r.ref("t")
	ref.Failures = []restorepoint.FailedSet{{Parts: []restorepoint.Range{{From: 2, To: 3}}, Reason: "disk is sick"}}
	var got activities.Proven
	r.must(&got, r.acts.Prove, ref)
	if got.Complete || got.Failed != "1 of its partitions were not restored: disk is sick" || got.Beside != r.t {
		t.Errorf("got %+v", got)
	}
}
