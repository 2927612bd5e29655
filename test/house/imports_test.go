// Package house tests the repository as a whole: who may import whom, what is published where, how big things get.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "starkeep"

// root is the repository's directory.
var root = filepath.Join("..", "..")

// mayImport says which packages of ours each directory may import; a directory speaks for those below it. Design §4.
var mayImport = map[string][]string{
	"workflows/spec":    {},
	"starrocks":         {},
	"storage":           {},
	"restorepoint":      {"starrocks"},
	"activities":        {"workflows/spec", "restorepoint", "starrocks", "storage"},
	"workflows":         {"workflows/spec", "restorepoint", "activities"}, // activities for names and payload types only
	"starter":           {"workflows/spec"},
	"worker":            {"workflows", "workflows/spec", "activities", "restorepoint", "starrocks", "storage"},
	"test/starrockssim": {"storage"}, // not starrocks: it must not share the product's idea of StarRocks
	"test":              {"workflows", "workflows/spec", "activities", "restorepoint", "starrocks", "storage", "worker", "test"},
}

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// dir is where a package of ours is, from the root; "" for all others.
func (p goPackage) dir() string { return dirOf(p.ImportPath) }

func dirOf(importPath string) string {
	dir, _ := strings.CutPrefix(importPath, module+"/")
	if dir == importPath {
		return ""
	}
	return dir
}

func TestPackagesImportOnlyWhatTheDesignAllows(t *testing.T) {
	for _, p := range goList(t) {
		if p.dir() == "" {
			continue
		}
		rule := ruleFor(p.dir())
		if rule == "" {
			t.Errorf("%s: no import rule for this directory; design §4 and mayImport in this test must name it", p.dir())
			continue
		}
		for _, imported := range p.Imports {
			to := dirOf(imported)
			if to == "" || within(to, rule) || slices.Contains(mayImport[rule], ruleFor(to)) {
				continue
			}
			t.Errorf("%s imports %s; it may import %v", p.dir(), to, mayImport[rule])
		}
	}
}

func TestPackagesStayFreeOf(t *testing.T) {
	packages := goList(t)
	tests := []struct {
		dir, free string
		why       string
	}{
		{"", "go.temporal.io/server", "ten minutes of compiling"},
		{"", "github.com/temporalio/ui-server", "it belongs to deploy/standalone"},
		{"", "github.com/versity/versitygw", "it belongs to deploy/standalone and deploy/tools.mod"},
		{"starrocks", "go.temporal.io", "the FE client knows nothing of Temporal"},
		{"starrocks", "starkeep/storage", "neither imports the other"},
		{"storage", "go.temporal.io", "the stores know nothing of Temporal"},
		{"storage", "starkeep/starrocks", "neither imports the other"},
		{"restorepoint", "go.temporal.io", "the domain is pure"},
		{"restorepoint", "starkeep/storage", "the domain is pure"},
		{"workflows/spec", "go.temporal.io", "the contract is plain JSON"},
		{"starter", "starkeep/starrocks", "the CLI speaks to Temporal only: credentials live on workers"},
		{"starter", "starkeep/storage", "the CLI speaks to Temporal only: credentials live on workers"},
		{"worker", "starkeep/test", "the product never knows of the simulator"},
		{"starter", "starkeep/test", "the product never knows of the simulator"},
	}
	for _, test := range tests {
		for _, p := range packages {
			if p.dir() == "" || (test.dir != "" && !within(p.dir(), test.dir)) {
				continue
			}
			for _, dep := range p.Deps {
				if dep == test.free || strings.HasPrefix(dep, test.free+"/") {
					t.Errorf("%s depends on %s: %s", p.dir(), dep, test.why)
				}
			}
		}
	}
}

// ruleFor is the longest directory in mayImport that dir is in.
func ruleFor(dir string) string {
	best := ""
	for rule := range mayImport {
		if within(dir, rule) && len(rule) > len(best) {
			best = rule
		}
	}
	return best
}

func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// goList lists all packages of the root module with their dependencies.
func goList(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,Module", "./...")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatal("go list found no packages")
	}
	return packages
}
