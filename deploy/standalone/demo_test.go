package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const demoTick = 100 * time.Millisecond

func TestDemoEndsWithEveryTableEqual(t *testing.T) {
	t.Chdir(t.TempDir()) // the S3 server changes the working directory; this brings it back
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "data")
	var out bytes.Buffer
	if err := runDemo(ctx, demoOptions{Data: dir, Tick: demoTick}, &out); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &out, tail(filepath.Join(dir, "worker.log")))
	}
	told := out.String()
	for _, text := range []string{"Web UI", "restore point 20", "Every table is what it was."} {
		if !strings.Contains(told, text) {
			t.Errorf("the demo does not tell %q:\n%s", text, told)
		}
	}
	if equal := strings.Count(told, "  equal"); equal != len(demoTables) {
		t.Errorf("%d tables are told to be equal, want %d:\n%s", equal, len(demoTables), told)
	}
	for _, a := range accidents {
		if !strings.Contains(told, a.What) {
			t.Errorf("the accident %q is not told:\n%s", a.What, told)
		}
	}
}

func TestDemoRefusesADirectoryThatHoldsSomething(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := runDemo(t.Context(), demoOptions{Data: dir, Tick: demoTick}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("demo in a directory that is not empty: %v, want a refusal", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory now holds %v, %v", entries, err)
	}
}

func TestReportTellsWhatDiffers(t *testing.T) {
	same, other := tableState{Exists: true, Rows: 1, Content: "a"}, tableState{Exists: true, Rows: 1, Content: "b"}
	tests := []struct {
		name  string
		after tableState
		equal bool
		tells string
	}{
		{"all equal", same, true, "Every table is what it was."},
		{"other content", other, false, "DIFFERS"},
		{"table gone", tableState{}, false, "gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			d := &demo{out: &out, before: map[string]tableState{}, after: map[string]tableState{}, engine: &engine{UI: &webUI{}}}
			for _, table := range demoTables {
				d.before[table.String()], d.after[table.String()] = same, same
			}
			d.after["web.sessions"] = test.after
			if equal := d.report(); equal != test.equal {
				t.Errorf("report says equal = %t, want %t", equal, test.equal)
			}
			if !strings.Contains(out.String(), test.tells) {
				t.Errorf("report lacks %q:\n%s", test.tells, &out)
			}
		})
	}
}

// tail is the end of a log, for messages.
func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}
