package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxWorker bounds the stripped worker: it goes into images and onto jump hosts. The Temporal server would not fit.
const maxWorker = 45 << 20

func TestTheWorkerIsSmall(t *testing.T) {
	binary := filepath.Join(root, "bin", "starkeep-worker")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", "bin/starkeep-worker", "./worker") // as `make build` does
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build ./worker: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxWorker {
		t.Errorf("the stripped worker has %d MB, more than %d MB", info.Size()>>20, maxWorker>>20)
	}
}
