package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// onceAt runs do the first time that a BACKUP reaches a state.
func onceAt(b *testbed.Bed, state string, do func()) {
	var once sync.Once
	b.Sim.OnState(func(_, kind, now string) {
		if kind == "BACKUP" && now == state {
			once.Do(do)
		}
	})
}

func TestPartitionsDroppedBetweenPlanAndSubmitDoNotSpoilTheOthers(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	wide(t, b, 25)
	dropped := []string{"p007", "p012", "p017"} // one in each of three units that follow each other
	onceAt(b, "SNAPSHOTING", func() {
		for _, p := range dropped {
			if err := b.Sim.Exec("ALTER TABLE iso.wide DROP PARTITION " + p); err != nil {
				t.Error(err)
			}
		}
	})
	out, err := runBackup(t, b, spec.Backup{Limits: spec.Limits{MaxPartitionsPerUnit: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if !out.Complete || out.Partitions != 22 || len(out.NotCovered) != len(dropped) {
		t.Fatalf("result %+v, want a complete point of 22 partitions that names %v", out, dropped)
	}
	for i, n := range out.NotCovered {
		if n.Name != "wide/"+dropped[i] || n.Kind != "partition" {
			t.Errorf("not covered: %+v, want %s", n, dropped[i])
		}
	}
	content := b.Sim.Content("iso", "wide")
	b.Must(t, "DROP TABLE iso.wide FORCE")
	if _, err := runRestore(t, b, spec.Restore{}); err != nil {
		t.Fatal(err)
	}
	if got := b.Sim.Content("iso", "wide"); got != content {
		t.Error("content differs after the restore")
	}
}

func TestResumeWhenWhatIsMissingWasDropped(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	wide(t, b, 4)
	b.Sim.FailTasks(starrockssim.Fault{Type: "MAKE_SNAPSHOT", Partition: "p002", Times: -1})
	_, err := runBackup(t, b, spec.Backup{})
	failed := detailsOf[spec.BackupResult](t, err)
	b.Must(t, "ALTER TABLE iso.wide DROP PARTITION p002")
	before := len(b.Sim.Accepted("BACKUP"))
	whole, err := runBackup(t, b, spec.Backup{Resume: failed.Point})
	if err != nil {
		t.Fatalf("resume: %v", err)
	}
	if !whole.Complete || whole.Partitions != 0 || whole.Carried != 3 || len(b.Sim.Accepted("BACKUP")) != before {
		t.Errorf("resumed point %+v, want complete with 3 partitions carried over and nothing backed up", whole)
	}
	if !slices.ContainsFunc(whole.Warnings, func(w string) bool { return strings.Contains(w, "iso.wide/p002") }) {
		t.Errorf("warnings %q do not name what is gone", whole.Warnings)
	}
	if _, err := runBackup(t, b, spec.Backup{Resume: whole.Point}); errorType(err) != spec.ErrorNothingToDo {
		t.Errorf("resume of a complete point ended with %v, want NothingToDo", err)
	}
}

// An automatically partitioned table has a shadow partition that goes along with every backup of it.
func TestResumeOfAnAutomaticallyPartitionedTable(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	b.Must(t, "CREATE DATABASE auto")
	b.Must(t, "CREATE TABLE auto.events (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(v) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\")")
	for i := range 6 {
		b.Must(t, fmt.Sprintf("INSERT INTO auto.events VALUES ('2026-05-0%d 10:00:00', %d)", i+1, i))
	}
	content := b.Sim.Content("auto", "events")
	heal := b.Sim.FailTasks(starrockssim.Fault{Type: "UPLOAD", Table: "events", Partition: "p20260503", Times: -1, Error: "no space left"})
	run := []string{"backup", "run", "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "-o", "json"}
	out, code := starkeep(t, b, run...)
	if code != 3 {
		t.Fatalf("exit code %d, want 3:\n%s", code, out)
	}
	var failed, whole spec.BackupResult
	if err := json.Unmarshal(out, &failed); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if failed.FailedCount != 1 || failed.Failed[0].Partition != "p20260503" {
		t.Fatalf("failed: %+v, want p20260503 alone", failed.Failed)
	}
	heal()
	if out, code = starkeep(t, b, append(run, "--resume", failed.Point)...); code != 0 {
		t.Fatalf("resume: exit code %d:\n%s", code, out)
	}
	if err := json.Unmarshal(out, &whole); err != nil || !whole.Complete {
		t.Fatalf("resume: %v %+v", err, whole)
	}
	b.Must(t, "DROP DATABASE auto FORCE")
	if _, err := runRestore(t, b, spec.Restore{}); err != nil {
		t.Fatal(err)
	}
	if got := b.Sim.Content("auto", "events"); got != content {
		t.Errorf("content differs after the restore:\n%s\nwant\n%s", got, content)
	}
	b.Must(t, "INSERT INTO auto.events VALUES ('2026-06-09 10:00:00', 99)")
}

// starkeep runs the CLI against the bed's Temporal server, and answers its stdout and exit code.
func starkeep(t *testing.T, b *testbed.Bed, args ...string) ([]byte, int) {
	t.Helper()
	out, said, code := commandLine(t).run(t, b, args...)
	if code != 0 {
		t.Logf("starkeep %s: exit code %d\n%s", strings.Join(args, " "), code, said)
	}
	return out, code
}

// command is a program that speaks to the bed's Temporal server.
type command struct{ binary string }

// commandLine is the CLI.
func commandLine(t *testing.T) command {
	t.Helper()
	return command{testbed.Command(t, "starkeep", "starter")}
}

// run answers what it writes to stdout and stderr, and its exit code.
func (c command) run(t *testing.T, b *testbed.Bed, args ...string) (out, said []byte, code int) {
	cmd := exec.CommandContext(t.Context(), c.binary, args...)
	cmd.Env = append(cmd.Environ(), "TEMPORAL_ADDRESS="+b.Temporal, "TEMPORAL_NAMESPACE="+b.Namespace)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, _ = cmd.Output()
	return out, errors.Bytes(), cmd.ProcessState.ExitCode()
}
