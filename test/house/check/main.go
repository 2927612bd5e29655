// Command check is what `make test` runs once the tools are built: formatting, vet, staticcheck and all tests of all
// modules. Its last line is "N passed, N failed". It ends with status 1 when something failed, or when a test was
// skipped and CI=true.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// modules are the directories that hold a module with code of ours, relative to the root.
var modules = []string{".", "deploy/standalone"}

// summaryFile holds the last line again, for .ci/run: make adds lines of its own after a failure.
const summaryFile = "bin/.test-summary"

func main() {
	root, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	var total count
	total.add(checkFormat(root))
	for _, module := range modules {
		dir := filepath.Join(root, module)
		total.add(runCheck(dir, "go vet "+module, "go", "vet", "./..."))
		total.add(runCheck(dir, "staticcheck "+module, filepath.Join(root, "bin/staticcheck"), "./..."))
		total.add(runTests(dir, module))
	}
	strict := os.Getenv("CI") == "true"
	if strict {
		total.failed += total.skipped
	}
	if total.skipped > 0 {
		fmt.Printf("%d skipped, listed above with what they need\n", total.skipped)
	}
	line := fmt.Sprintf("%d passed, %d failed", total.passed, total.failed)
	if err := os.WriteFile(filepath.Join(root, summaryFile), []byte(line+"\n"), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
	}
	fmt.Println(line)
	if total.failed > 0 {
		os.Exit(1)
	}
}

// count sums up results. A check, such as go vet of a module, counts as one.
type count struct{ passed, failed, skipped int }

func (c *count) add(d count) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

// checkFormat fails when gofmt would change a tracked or new file.
func checkFormat(root string) count {
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.go")
	list.Dir = root
	files, err := list.Output()
	if err != nil {
		return report("gofmt", 0, "git ls-files: "+err.Error())
	}
	start := time.Now()
	gofmt := exec.Command("gofmt", append([]string{"-l"}, existing(root, strings.Fields(string(files)))...)...)
	gofmt.Dir = root
	out, err := gofmt.CombinedOutput()
	problem := strings.TrimSpace(string(out))
	if err != nil {
		problem += "\n" + err.Error()
	} else if problem != "" {
		problem = "run gofmt -w on:\n" + problem
	}
	return report("gofmt", time.Since(start), problem)
}

// existing leaves out files that are deleted but still in git's index.
func existing(root string, files []string) []string {
	kept := files[:0]
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			kept = append(kept, file)
		}
	}
	return kept
}

func runCheck(dir, name string, command ...string) count {
	start := time.Now()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return report(name, time.Since(start), strings.TrimSpace(string(out))+"\n"+err.Error())
	}
	return report(name, time.Since(start), "")
}

// report prints one line about a check, and what is wrong below it.
func report(name string, took time.Duration, problem string) count {
	took = took.Round(100 * time.Millisecond)
	if problem == "" {
		fmt.Printf("ok    %-60s %s\n", name, took)
		return count{passed: 1}
	}
	fmt.Printf("FAIL  %-60s %s\n%s\n", name, took, indent(problem))
	return count{failed: 1}
}

// longest are the packages that take longest, by module: begun last, they would run alone at the end.
var longest = map[string][]string{".": {"./test/e2e", "./test/chaos", "./storage", "./test/starrockssim", "./activities"}}

// spareCollector lets the garbage collectors of tests and of the servers that they start, all of them in Go, run less often: they
// take a fifth of the time of a small heap, and there is memory for more. Whoever sets these variables is heard.
var spareCollector = []string{"GOGC=400", "GOMEMLIMIT=1GiB"}

// runTests runs the tests of the module in dir. Vet is left out: it was a check of its own, and would analyse all
// dependencies a second time. Three packages run at a time, also on two cores: the longest ones mostly wait.
func runTests(dir, module string) count {
	cmd := exec.Command("go", "test", "-json", "-vet=off", "-timeout=60m", "-p=3")
	cmd.Args = append(append(cmd.Args, longest[module]...), "./...")
	cmd.Dir = dir
	cmd.Env = append(spareCollector, os.Environ()...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return report("go test "+module, 0, err.Error())
	}
	if err := cmd.Start(); err != nil {
		return report("go test "+module, 0, err.Error())
	}
	total, readErr := summarise(out, os.Stdout)
	if readErr != nil {
		// Drain, so that go test can end.
		_, _ = io.Copy(io.Discard, out)
	}
	err = cmd.Wait()
	if readErr != nil || (err != nil && total.failed == 0) {
		total.add(report("go test "+module, 0, fmt.Sprint("go test: ", err, "; reading its output: ", readErr)))
	}
	return total
}

func indent(text string) string { return "      " + strings.ReplaceAll(text, "\n", "\n      ") }
