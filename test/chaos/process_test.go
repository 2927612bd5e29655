package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/log"

	"starkeep/test/testbed"
)

// quiet is a logger for clients that meet a server which is not there.
var quiet = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// process is a worker of its own that can be killed.
type process struct {
	command *exec.Cmd
	output  *buffer
	ended   chan struct{}
	err     error // once ended
}

// buffer is what a process wrote, readable while it runs.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// tail is the end of what was written.
func (b *buffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.text.String()
	return text[max(0, len(text)-4000):]
}

// workers starts worker processes of one case, one after another: they share a marker and a trace.
type workers struct {
	t         *testing.T
	bed       *testbed.Bed
	namespace string
	dir       string
	started   []*process
}

func newWorkers(t *testing.T, b *testbed.Bed, namespace string) *workers {
	w := &workers{t: t, bed: b, namespace: namespace, dir: t.TempDir()}
	t.Cleanup(w.end)
	return w
}

func (w *workers) start(kill point) *process {
	w.t.Helper()
	p := &process{command: exec.Command(os.Args[0]), output: &buffer{}, ended: make(chan struct{})}
	p.command.Env = append(os.Environ(),
		envWorker+"="+w.bed.Config, envTemporal+"="+w.bed.Temporal, envNamespace+"="+w.namespace,
		envTrace+"="+w.tracePath(), envKill+"="+kill.String(), envMarker+"="+filepath.Join(w.dir, "marker"))
	p.command.Stdout, p.command.Stderr = p.output, p.output
	// The worker must not outlive a test binary that is killed itself.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		w.t.Fatalf("start a worker: %v", err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	w.started = append(w.started, p)
	return p
}

func (w *workers) tracePath() string { return filepath.Join(w.dir, "trace") }

// trace lists the activities that began, in order.
func (w *workers) trace() []string {
	text, err := os.ReadFile(w.tracePath())
	if err != nil {
		w.t.Fatalf("read the trace: %v", err)
	}
	return strings.Fields(string(text))
}

// awaitKill waits until the process has killed itself.
func (w *workers) awaitKill(p *process, within time.Duration) {
	w.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		w.t.Fatalf("the worker did not come to its kill point within %s; it wrote\n%s", within, p.output.tail())
	}
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		w.t.Fatalf("the worker ended with %v, want SIGKILL; it wrote\n%s", p.err, p.output.tail())
	}
}

// awaitFreeze waits until the process has stopped itself.
func (w *workers) awaitFreeze(p *process, within time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
		_, after, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(after, "T"), err
	})
	if err != nil {
		w.t.Fatalf("the worker did not freeze within %s: %v; it wrote\n%s", within, err, p.output.tail())
	}
}

// awaitThaw lets a frozen process go on, and waits until it has finished what it was frozen in.
func (w *workers) awaitThaw(p *process, within time.Duration) {
	w.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGCONT); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) { return slices.Contains(w.trace(), thawed), nil })
	if err != nil {
		w.t.Fatalf("the worker did not go on within %s: %v; it wrote\n%s", within, err, p.output.tail())
	}
}

// terminate sends SIGTERM and waits for a graceful end.
func (p *process) terminate(within time.Duration) error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(within):
		return fmt.Errorf("the worker still runs %s after SIGTERM; it wrote\n%s", within, p.output.tail())
	}
	if p.err != nil {
		return fmt.Errorf("the worker ended with %w after SIGTERM; it wrote\n%s", p.err, p.output.tail())
	}
	return nil
}

// end kills what still runs, and shows what the workers of a failed test wrote.
func (w *workers) end() {
	for i, p := range w.started {
		_ = p.command.Process.Kill()
		<-p.ended
		if w.t.Failed() {
			w.t.Logf("worker %d wrote\n%s", i+1, p.output.tail())
		}
	}
}
