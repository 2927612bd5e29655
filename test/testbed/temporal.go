package testbed

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"
)

// server is a Temporal dev server.
type server struct {
	address string
	process *exec.Cmd
	watch   *exec.Cmd // ends it with this process, however that ends
}

// shared is the server of all beds of a test binary that ask for nothing else.
var shared struct {
	once sync.Once
	*server
	err error
}

// namespaces counts those on the shared server.
var namespaces atomic.Int64

var silent = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// startTemporal connects the bed with a namespace that it has for itself.
func (b *Bed) startTemporal(t testing.TB, o Options) {
	t.Helper()
	b.Temporal, b.Namespace = o.Temporal, client.DefaultNamespace
	switch {
	case o.Temporal != "":
	case len(o.Namespaces) > 0:
		s, err := startServer(Binary(t, "STARKEEP_TEMPORAL", "temporal"), o.Namespaces)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.stop)
		b.Temporal = s.address
	default:
		binary := Binary(t, "STARKEEP_TEMPORAL", "temporal")
		shared.once.Do(func() { shared.server, shared.err = startServer(binary, nil) })
		if shared.err != nil {
			t.Fatal(shared.err)
		}
		b.Temporal, b.Namespace = shared.address, fmt.Sprintf("bed%d", namespaces.Add(1))
		b.register(t)
	}
	b.Client = b.Dial(t, b.Namespace)
}

// register makes the bed's namespace.
func (b *Bed) register(t testing.TB) {
	t.Helper()
	c, err := client.NewNamespaceClient(client.Options{HostPort: b.Temporal, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const kept = 24 * time.Hour
	err = c.Register(t.Context(), &workflowservice.RegisterNamespaceRequest{Namespace: b.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(kept)})
	if err != nil {
		t.Fatalf("register the Temporal namespace %s: %v", b.Namespace, err)
	}
}

// Dial connects to one of the server's namespaces for the length of the test.
func (b *Bed) Dial(t testing.TB, namespace string) client.Client {
	t.Helper()
	c, err := dial(b.Temporal, namespace)
	if err != nil {
		t.Fatalf("connect to Temporal at %s, namespace %s: %v", b.Temporal, namespace, err)
	}
	t.Cleanup(c.Close)
	return c
}

func dial(address, namespace string) (client.Client, error) {
	return client.Dial(client.Options{HostPort: address, Namespace: namespace, Logger: silent})
}

// startServer starts a server with namespaces beside the default one.
func startServer(binary string, namespaces []string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String()}
	_, port, _ := net.SplitHostPort(s.address)
	_ = listener.Close()
	args := []string{"server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port, "--log-level", "error",
		"--dynamic-config-value", "frontend.enableServerVersionCheck=false",
		"--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000", "--dynamic-config-value", "system.enableActivityEagerExecution=true",
		"--dynamic-config-value", "matching.numTaskqueueReadPartitions=1", "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"}
	for _, namespace := range namespaces {
		args = append(args, "--namespace", namespace)
	}
	s.process = exec.Command(binary, args...)
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the Temporal dev server: %w", err)
	}
	// A shell waits for the end of a pipe from here.
	s.watch = exec.Command("sh", "-c", `read -r _; kill -9 "$0"`, strconv.Itoa(s.process.Process.Pid))
	if _, err = s.watch.StdinPipe(); err == nil {
		err = s.watch.Start()
	}
	if err == nil {
		err = s.await()
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start the Temporal dev server: %w", err)
	}
	return s, nil
}

const startTimeout = time.Minute

// await waits until the server answers.
func (s *server) await() error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTimeout); ; <-tick.C {
		c, err := dial(s.address, client.DefaultNamespace)
		if err == nil {
			c.Close()
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("it does not answer at %s", s.address), err)
		}
	}
}

// stop kills the server: all that it knows is in its memory.
func (s *server) stop() {
	if s.watch.Process != nil {
		_ = s.watch.Process.Kill()
		_ = s.watch.Wait()
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}
