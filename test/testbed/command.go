package testbed

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built tells of each command, by its name, how building it ended.
var built sync.Map

// Command is the path of one of the product's commands, built from the source package as `make build` does: it is there
// already unless the source has changed since.
func Command(t testing.TB, name, source string) string {
	t.Helper()
	root := Root(t)
	path := filepath.Join(root, "bin", name)
	build, _ := built.LoadOrStore(name, sync.OnceValue(func() error {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "./"+source)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return nil
	}))
	if err := build.(func() error)(); err != nil {
		t.Fatal(err)
	}
	return path
}
