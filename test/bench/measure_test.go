package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// sample is repeated measurements of one thing.
type sample []time.Duration

func (s sample) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

func (s sample) String() string {
	return fmt.Sprintf("%.2f s (%.2f to %.2f, n=%d)", s.median().Seconds(), slices.Min(s).Seconds(), slices.Max(s).Seconds(), len(s))
}

// timed measures one call.
func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

// run executes a workflow to its end.
func run(b *testing.B, bed *testbed.Bed, workflow string, in, out any) string {
	b.Helper()
	id := fmt.Sprintf("bench/%d", time.Now().UnixNano())
	handle, err := bed.Client.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in)
	if err == nil {
		err = handle.Get(b.Context(), out)
	}
	if err != nil {
		b.Fatalf("%s: %v", workflow, err)
	}
	return id
}

func backup(b *testing.B, bed *testbed.Bed, in spec.Backup) spec.BackupResult {
	b.Helper()
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	var out spec.BackupResult
	run(b, bed, spec.BackupWorkflow, in, &out)
	return out
}

// bare runs one BACKUP by hand and waits until its row says FINISHED.
func bare(b *testing.B, bed *testbed.Bed, database, table, label string) {
	b.Helper()
	bed.Must(b, fmt.Sprintf("BACKUP SNAPSHOT %s.%s TO %s ON (%s)", database, label, testbed.RepositoryName, table))
	until(b, 10*time.Minute, func() bool {
		rows, err := bed.Sim.Query("SHOW BACKUP FROM " + database)
		if err != nil {
			b.Fatal(err)
		}
		return len(rows) == 1 && slices.Contains(rows[0], "FINISHED")
	})
}

// until polls ten times a second.
func until(b *testing.B, limit time.Duration, over func() bool) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !over() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			b.Fatalf("not over after %s", limit)
		}
	}
}

// small makes a database with one table of one row.
func small(b *testing.B, bed *testbed.Bed, database string) {
	b.Helper()
	bed.Must(b, "CREATE DATABASE "+database)
	bed.Must(b, "CREATE TABLE "+database+`.t (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES("replication_num"="1")`)
	bed.Must(b, "INSERT INTO "+database+".t VALUES (1)")
}

// process is another process whose use of memory and CPU is read from /proc.
type process int

// startWorker runs the worker as a process of its own.
func startWorker(b *testing.B, bed *testbed.Bed) process {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "starkeep-worker")
	build := exec.CommandContext(b.Context(), "go", "build", "-ldflags", "-s -w", "-o", binary, "starkeep/worker")
	build.Dir = testbed.Root(b)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the worker: %v\n%s", err, out)
	}
	worker := exec.Command(binary, "--config", bed.Config, "--listen", "")
	worker.Env = append(worker.Environ(), "TEMPORAL_ADDRESS="+bed.Temporal, "TEMPORAL_NAMESPACE="+bed.Namespace)
	log, err := os.Create(filepath.Join(b.TempDir(), "worker.log"))
	if err != nil {
		b.Fatal(err)
	}
	worker.Stdout, worker.Stderr = log, log
	if err := worker.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = worker.Process.Signal(os.Interrupt)
		_ = worker.Wait()
		_ = log.Close()
	})
	return process(worker.Process.Pid)
}

// server finds the Temporal server among this process's children.
func server(b *testing.B) process {
	b.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		fields, comm := statOf(name)
		if comm == "temporal" && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return process(pid)
		}
	}
	b.Fatal("no Temporal server among the children")
	return 0
}

// statOf reads /proc/<pid>/stat: what follows the name, and the name.
func statOf(path string) (fields []string, comm string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, ""
	}
	text := string(raw)
	from, to := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	return strings.Fields(text[to+1:]), text[from+1 : to]
}

// peak is the most memory that the process ever held, in MB.
func (p process) peak(b *testing.B) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		b.Fatal(err)
	}
	most := peakOf(string(raw))
	if most == 0 {
		b.Fatal("no VmHWM")
	}
	return most
}

// peakOf finds the peak in a /proc/<pid>/status, in MB; 0 if it is not there.
func peakOf(status string) float64 {
	for line := range strings.Lines(status) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kb); err == nil {
			return kb / 1024
		}
	}
	return 0
}

// cpu is the CPU time that the process has used.
func (p process) cpu(b *testing.B) time.Duration {
	b.Helper()
	fields, _ := statOf(fmt.Sprintf("/proc/%d/stat", p))
	if len(fields) < 13 {
		b.Fatal("no CPU time")
	}
	return ticks(fields)
}

// ticks is the CPU time in the fields of a /proc/<pid>/stat.
func ticks(fields []string) time.Duration {
	const perSecond = 100 // USER_HZ, of every Linux that Go runs on
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / perSecond
}

// say prints a line at once: what a benchmark logs is shown at its end, and no more than ten lines of it.
func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// judge prints a measurement beside its limit.
func judge(what string, got, limit float64, unit string) {
	verdict := "ok"
	if got > limit {
		verdict = "TOO MUCH"
	}
	say("%-60s %10.1f %s, limit %g: %s", what, got, unit, limit, verdict)
}
