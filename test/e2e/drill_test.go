package e2e

import (
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/restorepoint"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

func drill(t *testing.T, b *testbed.Bed, in spec.Drill) (spec.DrillResult, error) {
	t.Helper()
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	var out spec.DrillResult
	err := execute(t, b, spec.DrillWorkflow, spec.DrillID(in.Cluster, unique()), in, &out)
	return out, err
}

// drillDatabases lists the databases of drills.
func drillDatabases(t *testing.T, b *testbed.Bed) []string {
	t.Helper()
	rows, err := b.Sim.Query("SHOW DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range rows {
		if restorepoint.IsDrill(row[0]) {
			names = append(names, row[0])
		}
	}
	return names
}

// nothingOfDrills fails where a drill has left a database.
func nothingOfDrills(t *testing.T, b *testbed.Bed) {
	t.Helper()
	for _, name := range drillDatabases(t, b) {
		t.Errorf("database %s is still there, with %v", name, tablesOf(t, b, name))
	}
}

// TestDrills: every table has its turn, live tables are not touched, nothing is left, and the restore point says how it went.
func TestDrills(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Patience: 6}) // tasks are held on purpose
	b.StartWorker(t)
	sales(t, b)
	backup, err := runBackup(t, b, spec.Backup{Fingerprint: spec.FingerprintFull})
	if err != nil {
		t.Fatal(err)
	}
	b.Must(t, "INSERT INTO sales.customers VALUES (77, 'later')")
	live := contents(b, salesTables...)
	ids, err := b.Sim.Query("SELECT TABLE_ID, TABLE_NAME FROM information_schema.tables_config WHERE TABLE_SCHEMA = 'sales'")
	if err != nil {
		t.Fatal(err)
	}

	t.Run("every table has its turn", func(t *testing.T) {
		seen := map[string]int{}
		for range 3 {
			out, err := drill(t, b, spec.Drill{Sample: "1"})
			if err != nil || out.Result != spec.DrillOK || len(out.Tables) != 1 || out.Of != 3 || out.Recorded == "" || out.Report == "" {
				t.Fatalf("%+v, %v", out, err)
			}
			if !strings.HasPrefix(out.Tables[0].Database, restorepoint.DrillDatabasePrefix) || !out.Tables[0].RowsProven {
				t.Errorf("%+v", out.Tables)
			}
			seen[out.Tables[0].Table]++
			nothingOfDrills(t, b)
			awaitNextSecond(t)
		}
		if len(seen) != 3 {
			t.Errorf("drilled %v; want each once", seen)
		}
		shown := showPoint(t, b, backup.Point)
		if len(shown.Drills) != 3 || shown.Drill == nil || shown.Drill.Result != spec.DrillOK || shown.Drill.Of != 3 {
			t.Errorf("shown: %+v", shown.Drills)
		}
	})
	t.Run("listed", func(t *testing.T) {
		text, code := starkeep(t, b, "backup", "list", "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName)
		if code != 0 || !strings.Contains(string(text), "DRILLED") || !strings.Contains(string(text), " ok") {
			t.Errorf("exit code %d:\n%s", code, text)
		}
	})
	t.Run("a difference is found", func(t *testing.T) {
		onceAtRestore(b, "FINISHED", func() {
			for _, name := range drillDatabases(t, b) {
				if err := b.Sim.Rot(name, "customers", "Bob", "Bab"); err != nil {
					t.Error(err)
				}
			}
		})
		text, code := starkeep(t, b, "restore", "drill", "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "--include", "sales.customers", "--sample", "1/1")
		if code != 4 || !strings.Contains(string(text), "mismatch") || !strings.Contains(string(text), "fingerprint") {
			t.Errorf("exit code %d:\n%s", code, text)
		}
		nothingOfDrills(t, b)
		if shown := showPoint(t, b, backup.Point); shown.Drill.Result != spec.DrillMismatch || !strings.Contains(shown.Drill.Reason, "fingerprint") {
			t.Errorf("shown: %+v", shown.Drill)
		}
		awaitNextSecond(t)
	})
	t.Run("cancelled", func(t *testing.T) {
		release := b.Sim.HoldTasks(starrockssim.Fault{Type: "DOWNLOAD"})
		defer release()
		in := spec.Drill{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Sample: "1/1"}
		id := spec.DrillID(in.Cluster, unique())
		run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.DrillWorkflow, in)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "a RESTORE of the drill runs", func() bool {
			for _, name := range drillDatabases(t, b) {
				rows, err := b.Sim.Query("SHOW RESTORE FROM `" + name + "`")
				if err == nil && len(rows) == 1 && rows[0][4] == "DOWNLOADING" {
					return true
				}
			}
			return false
		})
		if err := b.Client.CancelWorkflow(t.Context(), id, ""); err != nil {
			t.Fatal(err)
		}
		if err := run.Get(t.Context(), nil); !temporal.IsCanceledError(err) {
			t.Errorf("ended with %v", err)
		}
		nothingOfDrills(t, b)
		if shown := showPoint(t, b, backup.Point); shown.Drill.Result != spec.DrillCancelled {
			t.Errorf("shown: %+v", shown.Drill)
		}
	})
	if got := contents(b, salesTables...); fmt.Sprint(got) != fmt.Sprint(live) {
		t.Errorf("live tables changed: %v, were %v", got, live)
	}
	now, err := b.Sim.Query("SELECT TABLE_ID, TABLE_NAME FROM information_schema.tables_config WHERE TABLE_SCHEMA = 'sales'")
	if err != nil || fmt.Sprint(now) != fmt.Sprint(ids) {
		t.Errorf("live tables were exchanged: %v, were %v (%v)", now, ids, err)
	}
	if dropped := b.Sim.Accepted("DROP TABLE"); len(dropped) == 0 {
		t.Error("no DROP TABLE was seen: the test looks at nothing")
	} else {
		for _, s := range dropped {
			if !strings.Contains(s.SQL, restorepoint.DrillDatabasePrefix) || strings.Contains(s.SQL, "FORCE") {
				t.Errorf("%s", s.SQL)
			}
		}
	}
}
