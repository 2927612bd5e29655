package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// decide sends undo or finish to the undo window that a restore left.
func decide(t *testing.T, b *testbed.Bed, window, update string) spec.UndoResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handle, err := b.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: window, UpdateName: update, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		t.Fatal(err)
	}
	var out spec.UndoResult
	if err := handle.Get(ctx, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// query answers the rows of a statement as text.
func query(t *testing.T, b *testbed.Bed, sql string) string {
	t.Helper()
	rows, err := b.Sim.Query(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return fmt.Sprint(rows)
}

func tablesOf(t *testing.T, b *testbed.Bed, database string) []string {
	t.Helper()
	rows, err := b.Sim.Query("SHOW TABLES FROM " + database)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names
}

func restoredTable(out spec.RestoreResult, name string) spec.RestoredTable {
	for _, t := range out.Tables {
		if t.Table == name {
			return t
		}
	}
	return spec.RestoredTable{}
}

// damaged is the sales databases, backed up and then hit as an operator would: a TRUNCATE, a load of wrong rows.
func damaged(t *testing.T) (b *testbed.Bed, before, after map[string]string) {
	t.Helper()
	b = testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	for _, sql := range []string{
		"CREATE VIEW sales.latest AS SELECT id, city FROM sales.orders",
		"CREATE USER ann", "CREATE ROLE analysts",
		"GRANT SELECT, INSERT ON TABLE sales.orders TO USER ann",
		"GRANT SELECT ON TABLE sales.customers TO ROLE analysts",
	} {
		b.Must(t, sql)
	}
	before = contents(b, salesTables...)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "TRUNCATE TABLE sales.orders")
	b.Must(t, "INSERT INTO sales.customers VALUES (2, 'WRONG'), (9, 'WRONG')")
	b.Must(t, "INSERT INTO web.hits VALUES ('2026-01-01', 'home', 100000)")
	return b, before, contents(b, salesTables...)
}

func equal(t *testing.T, b *testbed.Bed, want map[string]string) {
	t.Helper()
	for name, got := range contents(b, salesTables...) {
		if got != want[name] {
			t.Errorf("%s: content differs:\n%s\nwant\n%s", name, got, want[name])
		}
	}
}

func TestLiveTablesAreExchangedAndTheExchangeIsUndone(t *testing.T) {
	t.Parallel()
	b, before, after := damaged(t)
	b.Must(t, "GRANT DELETE ON TABLE web.hits TO USER ann") // after the backup: the live grants count
	out, err := runRestore(t, b, spec.Restore{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, b, before)
	for _, name := range []string{"orders", "customers", "hits"} {
		r := restoredTable(out, name)
		if r.Action != spec.ActionSwap || !strings.HasPrefix(r.Before, name+"__before_") || !r.RowsProven {
			t.Errorf("%s: %+v", name, r)
		}
		if old := b.Sim.Content(r.Database, r.Before); old != after[r.Database+"."+name] {
			t.Errorf("%s.%s does not hold what was in the live table", r.Database, r.Before)
		}
	}
	grants := query(t, b, "SHOW GRANTS FOR ann") + query(t, b, "SHOW GRANTS FOR ROLE analysts")
	for _, want := range []string{"ON TABLE sales.orders TO USER 'ann'", "DELETE ON TABLE web.hits", "ON TABLE sales.customers TO ROLE 'analysts'"} {
		if !strings.Contains(grants, want) {
			t.Errorf("grants after the restore: %s\nlack %s", grants, want)
		}
	}
	if ddl := query(t, b, "SHOW CREATE VIEW sales.latest"); !strings.Contains(ddl, "orders") || strings.Contains(ddl, "orders__") {
		t.Errorf("the view reads %s", ddl)
	}

	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-09', 77, 'new', 1)") // lost from sight by the undo, and kept
	newer := b.Sim.Content("sales", "orders")
	undone := decide(t, b, out.Undo, spec.UpdateUndo)
	equal(t, b, after)
	if len(undone.Tables) != 3 || len(undone.Warnings) != 0 {
		t.Errorf("undo: %+v", undone)
	}
	for _, u := range undone.Tables {
		if u.Table == "orders" && (!strings.Contains(u.Done, "1 loads since") || b.Sim.Content("sales", u.Kept) != newer) {
			t.Errorf("orders: %+v; want the load since named, and kept", u)
		}
	}

	// Backups leave copies of both kinds out.
	again, err := runBackup(t, b, spec.Backup{})
	if err != nil || again.Partitions != 5 {
		t.Errorf("a backup after the undo: %d partitions, %v; want the 5 of the live tables", again.Partitions, err)
	}
}

func TestFinishDropsTheOldTablesByID(t *testing.T) {
	t.Parallel()
	b, before, _ := damaged(t)
	out, err := runRestore(t, b, spec.Restore{})
	if err != nil {
		t.Fatal(err)
	}
	// Somebody put another table into the place of one of the old ones.
	hits := restoredTable(out, "hits").Before
	b.Must(t, "ALTER TABLE web."+hits+" RENAME moved")
	b.Must(t, "CREATE TABLE web."+hits+" (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\")")
	finished := decide(t, b, out.Undo, spec.UpdateFinish)
	equal(t, b, before)
	if names := tablesOf(t, b, "sales"); !slices.Equal(names, []string{"customers", "latest", "orders"}) {
		t.Errorf("tables after finish: %v", names)
	}
	if names := tablesOf(t, b, "web"); !slices.Contains(names, hits) || !slices.Contains(names, "moved") {
		t.Errorf("tables of web after finish: %v; want %s, which is another table, and moved left alone", names, hits)
	}
	for _, u := range finished.Tables {
		if u.Table == "hits" && !strings.Contains(u.Done, "left alone") {
			t.Errorf("hits: %+v, want it left alone", u)
		}
	}
	for _, s := range b.Sim.Accepted("DROP TABLE") {
		if strings.Contains(strings.ToUpper(s.SQL), "FORCE") {
			t.Errorf("%s", s.SQL)
		}
	}
}

// What would silently stop working by a swap is refused by name, all of it before anything is changed.
func TestASwapThatWouldBreakSomethingIsRefused(t *testing.T) {
	t.Parallel()
	b, _, after := damaged(t)
	for table, database := range map[string]string{"orders": "sales", "hits": "web"} {
		if err := b.Sim.AddRoutineLoad(database, "kafka_"+table, table, "RUNNING"); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		in   spec.Restore
		says string
	}{
		"a routine load writes into it": {spec.Restore{Include: []string{"sales.orders"}}, "routine load kafka_orders"},
		"onExisting fail":               {spec.Restore{Include: []string{"sales.customers"}, OnExisting: spec.OnExistingFail}, "the table exists"},
		"one of several":                {spec.Restore{}, "2 tables cannot be restored as asked, nothing was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runRestore(t, b, c.in)
			if errorType(err) != spec.ErrorInvalidSpec || !strings.Contains(err.Error(), c.says) {
				t.Errorf("ended with %v; want InvalidSpec that says %q", err, c.says)
			}
		})
	}
	t.Run("a dry run shows all of it", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{DryRun: true})
		if err != nil || !out.DryRun || len(out.Plan) != 4 { // with the view
			t.Fatalf("%+v, %v", out, err)
		}
		actions := map[string]string{}
		for _, p := range out.Plan {
			actions[p.Table] = p.Action
		}
		if actions["orders"] != spec.ActionRefuse || actions["hits"] != spec.ActionRefuse || actions["customers"] != spec.ActionSwap {
			t.Errorf("actions: %v", actions)
		}
	})
	if sent := b.Sim.Accepted("RESTORE"); len(sent) != 0 {
		t.Errorf("RESTORE was sent: %v", sent)
	}
	equal(t, b, after)
}

func TestRestoreUnderOtherNames(t *testing.T) {
	t.Parallel()
	b, before, after := damaged(t)
	t.Run("onExisting rename", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{OnExisting: spec.OnExistingRename, Include: []string{"sales"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Tables {
			original, _, _ := strings.Cut(r.Table, "__restored_")
			if r.Table == original || b.Sim.Content("sales", r.Table) != before["sales."+original] {
				t.Errorf("%s: %+v does not hold what was backed up", original, r)
			}
		}
		if out.Undo != "" || len(out.Tables) != 2 {
			t.Errorf("%+v, want two tables and nothing to undo", out)
		}
	})
	t.Run("a database under another name, a table under another still", func(t *testing.T) {
		_, err := runRestore(t, b, spec.Restore{Include: []string{"sales"}, Rename: map[string]string{"sales": "copy", "sales.orders": "copy.sold"}})
		if err != nil {
			t.Fatal(err)
		}
		for table, from := range map[string]string{"sold": "sales.orders", "customers": "sales.customers"} {
			if got := b.Sim.Content("copy", table); got != before[from] {
				t.Errorf("copy.%s:\n%s\nwant\n%s", table, got, before[from])
			}
		}
	})
	equal(t, b, after)
}
