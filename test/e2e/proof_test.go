package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"starkeep/restorepoint"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestAFingerprintSeesAChangedValue: one value of one row differs, the number of rows and every version agree. Without a
// fingerprint nothing is seen; with one the restore ends with exit code 4, and the live table is not exchanged.
func TestAFingerprintSeesAChangedValue(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	b.Must(t, "ALTER TABLE sales.orders ADD COLUMN share DOUBLE")
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-03-09', 9, NULL, NULL, 0.1)")
	rot := func() {
		onceAtRestore(b, "FINISHED", func() {
			for _, name := range tablesOf(t, b, "sales") {
				if strings.HasPrefix(name, "orders__restore_") {
					if err := b.Sim.Rot("sales", name, "Oslo", "Olso"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	args := []string{"restore", "run", "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "--include", "sales.orders", "--yes", "-o", "json"}
	for _, c := range []struct {
		fingerprint string
		code        int
	}{{"", 0}, {spec.FingerprintFull, 4}} {
		t.Run("fingerprint "+c.fingerprint, func(t *testing.T) {
			backup, err := runBackup(t, b, spec.Backup{Fingerprint: c.fingerprint, Include: []string{"sales"}})
			if err != nil || len(backup.Warnings) > 0 {
				t.Fatal(err, backup.Warnings)
			}
			live := b.Sim.Content("sales", "orders")
			rot()
			text, code := starkeep(t, b, append(args, "--point", backup.Point, "--name", unique())...)
			if code != c.code {
				t.Fatalf("exit code %d, want %d: %s", code, c.code, text)
			}
			var out spec.RestoreResult
			if err := json.Unmarshal(text, &out); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			report := readReport(t, b, out)
			if c.code == 0 {
				if report.Result != restorepoint.ReportProven {
					t.Errorf("report: %+v", report.Counts)
				}
				undo(t, b, out)
				return
			}
			if b.Sim.Content("sales", "orders") != live {
				t.Error("the live table was exchanged for one that is not what was backed up")
			}
			if report.Result != restorepoint.ReportDiffers || report.Counts.Differences != 1 || report.Tables[0].Differences[0].What != "fingerprint" || report.Tables[0].Differences[0].Partition != "p2" {
				t.Errorf("report: %+v", report.Tables)
			}
			if len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Reason, "fingerprint") {
				t.Errorf("failed: %+v", out.Failed)
			}
		})
	}
	t.Run("a sample", func(t *testing.T) {
		if _, err := runBackup(t, b, spec.Backup{Fingerprint: spec.FingerprintSample, Include: []string{"sales.orders"}}); err != nil {
			t.Fatal(err)
		}
		out, err := runRestore(t, b, spec.Restore{Include: []string{"sales.orders"}})
		if err != nil {
			t.Fatal(err)
		}
		report := readReport(t, b, out)
		if report.Counts.Fingerprints != 3 || report.Result != restorepoint.ReportProven {
			t.Errorf("report: %+v", report.Counts)
		}
		m := readManifest(t, b, out.Point)
		if f := m.Databases[0].Tables[0].Fingerprint; f == nil || !slices.Equal(f.LeftOut, []string{"share"}) || !slices.Equal(f.Sample, []string{"dt", "id"}) {
			t.Errorf("hashed: %+v", f)
		}
	})
}

// undo puts the old tables back.
func undo(t *testing.T, b *testbed.Bed, out spec.RestoreResult) {
	t.Helper()
	decide(t, b, out.Undo, spec.UpdateUndo)
	for _, name := range tablesOf(t, b, "sales") {
		if strings.Contains(name, "__restore_") {
			b.Must(t, "DROP TABLE sales."+name+" FORCE")
		}
	}
}

// TestTheProofShowsTheLinesOfADefinitionThatDiffer: what RESTORE changes by itself is noted; a column that is not what it
// was fails the proof.
func TestTheProofShowsTheLinesOfADefinitionThatDiffer(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	b.Must(t, `CREATE TABLE sales.grouped (k INT NOT NULL) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES("replication_num"="2", "colocate_with"="g1")`)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatal(err)
	}
	b.Must(t, "DROP TABLE sales.grouped FORCE")
	b.Must(t, "DROP TABLE sales.customers FORCE")

	out, err := runRestore(t, b, spec.Restore{Include: []string{"sales.grouped"}, ReplicationNum: 1})
	if err != nil {
		t.Fatal(err)
	}
	report := readReport(t, b, out)
	ddl := report.Tables[0].DDL
	var noted []string
	for _, l := range ddl.Noted {
		noted = append(noted, l.Want+" → "+l.Got)
	}
	want := []string{`"colocate_with" = "g1" → `, `"replication_num" = "2" → "replication_num" = "1"`}
	if !ddl.Compared || len(ddl.Differences) > 0 || !slices.Equal(noted, want) {
		t.Errorf("definition: %+v", ddl)
	}
	if report.Restore == "" || report.Counts.Proven != 1 || report.Tables[0].Checked[0].Result != "equal" || *report.Tables[0].Checked[0].Got.Rows != 0 {
		t.Errorf("report: %+v", report)
	}
	if shown := showPoint(t, b, out.Point); len(shown.Reports) != 1 || shown.Reports[0] != out.Report {
		t.Errorf("the point shows the proofs %v, want %s", shown.Reports, out.Report)
	}

	onceAtRestore(b, "FINISHED", func() {
		if err := b.Sim.Exec("ALTER TABLE sales.customers COMMENT = 'another'"); err != nil {
			t.Error(err)
		}
	})
	_, err = runRestore(t, b, spec.Restore{Include: []string{"sales.customers"}})
	if errorType(err) != spec.ErrorProofFailed || !strings.Contains(err.Error(), `COMMENT "another"`) {
		t.Errorf("a table that is altered under our hands: %v", err)
	}
}
