package adversarial

import (
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/test/testbed"
)

// wire carries what the worker and the store say to each other. StarRocks has a way of its own.
type wire struct {
	to string

	mu    sync.Mutex
	delay time.Duration // before each piece of an answer
	dead  bool
	ends  map[net.Conn]bool
}

// newWire puts one between the store and the workers that read the bed's configuration from now on.
func newWire(t *testing.T, b *testbed.Bed) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	text, err := os.ReadFile(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	server := strings.TrimPrefix(b.S3.Endpoint, "http://")
	changed := strings.ReplaceAll(string(text), server, listener.Addr().String())
	if changed == string(text) {
		t.Fatalf("%s does not name the store %s", b.Config, server)
	}
	if err := os.WriteFile(b.Config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &wire{to: server, ends: map[net.Conn]bool{}}
	go w.accept(listener)
	return w
}

// slow makes each piece of an answer late.
func (w *wire) slow(delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = delay
}

// cut breaks all connections and refuses new ones, or ends that.
func (w *wire) cut(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
	for end := range w.ends {
		if dead {
			_ = end.Close()
		}
	}
}

func (w *wire) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go w.serve(client)
	}
}

func (w *wire) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.to)
	if err != nil || !w.take(client, server) {
		return
	}
	defer w.drop(client, server)
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	piece := make([]byte, 32<<10)
	for {
		n, err := server.Read(piece)
		if err != nil {
			return
		}
		w.late()
		if _, err := client.Write(piece[:n]); err != nil {
			return
		}
	}
}

func (w *wire) late() {
	w.mu.Lock()
	delay := w.delay
	w.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		<-timer.C
	}
}

func (w *wire) take(client, server net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		_ = server.Close()
		return false
	}
	w.ends[client], w.ends[server] = true, true
	return true
}

func (w *wire) drop(client, server net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = server.Close()
	delete(w.ends, client)
	delete(w.ends, server)
}
