package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// packageRun collects what one package's tests said.
type packageRun struct {
	result map[string]string           // test -> pass, fail, skip
	output map[string]*strings.Builder // test ("" is the package) -> output
	parent map[string]bool             // tests that have subtests
}

// summarise reads the events of one go test run, prints a line per package and everything about failures and skips,
// and counts tests: those that have subtests are counted through them.
func summarise(events io.Reader, w io.Writer) (count, error) {
	var total count
	packages := map[string]*packageRun{}
	builds := map[string]*strings.Builder{}
	decoder := json.NewDecoder(events)
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
		if e.ImportPath != "" {
			write(builds, e.ImportPath, e.Output)
			continue
		}
		run := packages[e.Package]
		if run == nil {
			run = &packageRun{result: map[string]string{}, output: map[string]*strings.Builder{}, parent: map[string]bool{}}
			packages[e.Package] = run
		}
		run.take(e)
		if e.Test == "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") {
			total.add(run.finish(e, builds, w))
			delete(packages, e.Package)
		}
	}
}

func write(to map[string]*strings.Builder, key, text string) {
	if to[key] == nil {
		to[key] = &strings.Builder{}
	}
	to[key].WriteString(text)
}

func (r *packageRun) take(e event) {
	switch e.Action {
	case "run":
		for i, c := range e.Test {
			if c == '/' {
				r.parent[e.Test[:i]] = true
			}
		}
	case "output":
		write(r.output, e.Test, e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			r.result[e.Test] = e.Action
		}
	}
}

// finish counts a package's tests and prints what is worth reading. Output of passed tests is dropped.
func (r *packageRun) finish(e event, builds map[string]*strings.Builder, w io.Writer) count {
	var c count
	for _, test := range slices.Sorted(maps.Keys(r.result)) {
		result, leaf := r.result[test], !r.parent[test]
		switch {
		case result == "pass" && leaf:
			c.passed++
		case result == "skip" && leaf:
			c.skipped++
			fmt.Fprintf(w, "SKIP  %s %s\n%s\n", e.Package, test, indent(r.text(test)))
		case result == "fail":
			if leaf || !r.failedBelow(test) {
				c.failed++
			}
			fmt.Fprintf(w, "FAIL  %s %s\n%s\n", e.Package, test, indent(r.text(test)))
		}
	}
	if e.Action == "fail" && c.failed == 0 {
		// It did not build, or ended outside of a test.
		c.failed++
		text := r.text("")
		if b := builds[e.FailedBuild]; b != nil {
			text += b.String()
		}
		for _, test := range slices.Sorted(maps.Keys(r.output)) {
			if test != "" && r.result[test] == "" {
				text += "\n" + test + " did not end:\n" + r.text(test)
			}
		}
		fmt.Fprintf(w, "FAIL  %s\n%s\n", e.Package, indent(strings.TrimSpace(text)))
	}
	if c != (count{}) {
		fmt.Fprintf(w, "%-5s %-60s %s (%d passed, %d failed, %d skipped)\n", word(c), e.Package,
			time.Duration(e.Elapsed*float64(time.Second)).Round(100*time.Millisecond), c.passed, c.failed, c.skipped)
	}
	return c
}

func (r *packageRun) text(test string) string {
	if r.output[test] == nil {
		return ""
	}
	return strings.TrimSpace(r.output[test].String())
}

func (r *packageRun) failedBelow(test string) bool {
	for other, result := range r.result {
		if result == "fail" && strings.HasPrefix(other, test+"/") {
			return true
		}
	}
	return false
}

func word(c count) string {
	if c.failed > 0 {
		return "FAIL"
	}
	return "ok"
}
