package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestVerifyOnTheCommandLine: a point that is whole, one that is damaged, and its repair from a second store, as an operator
// sees them. What was repaired can be restored.
func TestVerifyOnTheCommandLine(t *testing.T) {
	t.Parallel()
	copies := storage.Config{Location: "file://" + t.TempDir()}
	b := testbed.Start(t, testbed.Options{Repositories: []testbed.Repository{testbed.NewRepository("copies", copies)}})
	b.StartWorker(t)
	sales(t, b)
	backup, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	d := depot{b, t}
	second, err := storage.Open(t.Context(), copies)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Transfer(t.Context(), b.Store, second, b.Store.List(t.Context(), ""), storage.TransferOptions{}); err != nil {
		t.Fatal(err)
	}
	verify := func(code int, flags ...string) (out spec.VerifyResult) {
		t.Helper()
		said, got := starkeep(t, b, append([]string{"backup", "verify", "--cluster", testbed.ClusterName, "--where", testbed.RepositoryName, "-o", "json"}, flags...)...)
		if got != code {
			t.Fatalf("exit code %d, want %d: %s", got, code, said)
		}
		if err := json.Unmarshal(said, &out); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		return out
	}
	if out := verify(0, "--content", "all"); out.Result != spec.VerifyOK || out.Read != out.Objects || out.Points[0].ID != backup.Point {
		t.Errorf("%+v", out)
	}
	lost := d.keys(`/__part_\d+/.*\.dat\.`)[0]
	d.remove(lost)
	out := verify(4, "--all")
	if out.Result != spec.VerifyDamaged || out.Found != 1 || out.Problems[0].Key != lost || out.Problems[0].Table == "" {
		t.Errorf("%+v", out)
	}
	text, code := starkeep(t, b, "backup", "show", backup.Point, "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName)
	if code != 0 || !strings.Contains(string(text), "Verifications:") || !strings.Contains(string(text), "damaged") {
		t.Errorf("exit code %d: %s", code, text)
	}
	if out := verify(0, "--all", "--repair-from", "copies"); out.Repaired != 1 || out.Found != 1 {
		t.Errorf("%+v", out)
	}
	if _, err := runRestore(t, b, spec.Restore{Point: backup.Point, Include: []string{"sales"}, Rename: map[string]string{"sales": "again"}}); err != nil {
		t.Errorf("what was repaired cannot be restored: %v", err)
	}
}
