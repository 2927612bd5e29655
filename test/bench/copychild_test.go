package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"starkeep/storage"
)

// jobVariable tells a process of this binary that it is the one that copies.
const jobVariable = "STARKEEP_BENCH_COPY"

// copyJob is what that process does: list the source, and transfer all of it.
type copyJob struct {
	From, To storage.Config
	FromDir  string // prefix of the objects, without the '/'
	ToDir    string
	Within   bool // let the store of From copy
	Parallel int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(jobVariable); text != "" {
		if err := copyAll(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if text := os.Getenv(scaleVariable); text != "" {
		if err := serveScale(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func copyAll(text string) error {
	var job copyJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	ctx := context.Background()
	from, err := storage.Open(ctx, job.From)
	if err != nil {
		return err
	}
	to := from
	if !job.Within {
		if to, err = storage.Open(ctx, job.To); err != nil {
			return err
		}
	}
	_, err = storage.Transfer(ctx, from, to, from.List(ctx, job.FromDir+"/"), storage.TransferOptions{
		Parallel: job.Parallel,
		MD5:      func(o storage.Object) string { return md5OfName(o.Key) },
		Target:   func(key string) string { return job.ToDir + strings.TrimPrefix(key, job.FromDir) },
	})
	return err
}

// md5OfName is the checksum that a name ends in, as those of StarRocks' objects do.
func md5OfName(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	servers   time.Duration // CPU of the servers meanwhile
	peak      float64       // MB of memory
}

// longest is when a copy is given up: a tool that hangs would hold the benchmark for ever.
const longest = 15 * time.Minute

// measure runs a command to its end.
func measure(b *testing.B, command *exec.Cmd) usage {
	b.Helper()
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	began, before := time.Now(), childrenCPU()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	over, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- watchPeak(command.Process.Pid, over) }()
	hangs := time.AfterFunc(longest, func() { _ = command.Process.Kill() })
	err := command.Wait()
	hangs.Stop()
	wall := time.Since(began)
	close(over)
	held := <-peak
	if err != nil {
		b.Fatalf("%s: %v\n%s", command.Path, err, output.String())
	}
	used := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return usage{wall: wall, cpu: used, servers: childrenCPU() - before, peak: held}
}

// childrenCPU is the CPU time used so far by the processes below this one that still run: the servers.
func childrenCPU() (used time.Duration) {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents, cpu := map[string]string{}, map[string]time.Duration{}
	for _, name := range names {
		if fields, _ := statOf(name); len(fields) > 12 {
			pid := filepath.Base(filepath.Dir(name))
			parents[pid], cpu[pid] = fields[1], ticks(fields)
		}
	}
	self := strconv.Itoa(os.Getpid())
	for pid, own := range cpu {
		above := parents[pid]
		for above != self && above != "" {
			above = parents[above]
		}
		if above == self {
			used += own
		}
	}
	return used
}

// watchPeak reads the memory of a process until it has ended.
func watchPeak(pid int, over <-chan struct{}) (most float64) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		most = max(most, highWater(pid))
		select {
		case <-over:
			return most
		case <-ticker.C:
		}
	}
}

// highWater is the most memory that a process ever held, in MB; 0 if it has ended.
func highWater(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return peakOf(string(raw))
}
