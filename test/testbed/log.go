package testbed

import (
	"sync"
	"testing"
)

// testWriter writes to a test's log as long as the test runs: a worker may log while it stops.
type testWriter struct {
	t  testing.TB
	mu sync.Mutex

	once sync.Once
	over bool
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.once.Do(func() { w.t.Cleanup(w.end) })
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.t.Log(string(p))
	}
	return len(p), nil
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}
