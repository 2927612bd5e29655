package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	startTimeout  = time.Minute
	startAttempts = 3 // another process may take the free port before the server does
)

// process is a server that a test runs. It listens on one port of 127.0.0.1 and is killed at the end of the test.
type process struct {
	binary string
	args   func(address string) []string
	env    []string
	ready  string // URL path that answers 200
	scheme string // of ready

	mu      sync.Mutex
	address string
	command *exec.Cmd
	ended   chan struct{} // closed when command has ended
}

// run starts the server at a free address for the length of the test.
func (p *process) run(t testing.TB) {
	t.Helper()
	t.Cleanup(p.stop)
	var err error
	for range startAttempts {
		if p.address, err = freeAddress(); err != nil {
			t.Fatal(err)
		}
		if err = p.start(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// start runs the server at its address and waits until it answers.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var output bytes.Buffer
	command := exec.Command(p.binary, p.args(p.address)...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, p.env...)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	p.command, p.ended = command, ended
	if p.answers() {
		return nil
	}
	_ = command.Process.Kill()
	<-ended
	p.command = nil
	return fmt.Errorf("%s did not start at %s: %s", filepath.Base(p.binary), p.address, output.String())
}

// answers polls until the server is ready, ends, or takes too long.
func (p *process) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := insecureClient()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.scheme+"://"+p.address+p.ready, nil)
		if answer, err := client.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-p.ended:
			return false
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return
	}
	_ = p.command.Process.Kill()
	<-p.ended
	p.command = nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// findTool is the path of a server that `make tools` builds: STARKEEP_<NAME>, else bin/<name> beside the go.mod of this
// module or of one above it. Without it the test is skipped, or fails when CI=true.
func findTool(t testing.TB, name string) string {
	t.Helper()
	if path := os.Getenv("STARKEEP_" + strings.ToUpper(name)); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	missing := "bin/" + name + " is missing: run `make tools`"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
