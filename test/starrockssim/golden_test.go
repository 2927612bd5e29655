package starrockssim_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "write COVERAGE.md anew")
	only   = flag.String("recording", "*", "play only the recordings that match this glob")
)

// scope says how a recording is played.
type scope struct {
	files     string // a glob
	full      bool   // must agree; others are reported in COVERAGE.md
	frontends int
	tick      time.Duration   // 0: goldenTick; longer where a recording is a race against a timeout
	prelude   func(p *player) // what was there before the recording began
	except    []exception
	notes     func(p *player, text string) // what notes of this file did without steps
	before    map[int]func(p *player)      // what was done, without a step, before the step of a line
}

// exception leaves steps of a recording out, knowingly.
type exception struct {
	file   string // "" all files of the scope
	line   int    // 0: all lines whose text contains match
	match  string
	reason string
}

// leftOut are the kinds of steps that are not compared, with the reason.
var leftOut = map[string]string{
	"scenario":             "the title",
	"finding":              "a remark",
	"tasklog":              "agent tasks between FE and stand-in BEs: not seen by clients",
	"tasks":                "as tasklog",
	"tasksum":              "as tasklog",
	"be_snapshots":         "directories on the stand-in BEs",
	"be_tablets":           "as be_snapshots",
	"be-tablets":           "as be_snapshots",
	"be-status":            "as be_snapshots",
	"progress":             "the same row and count once a second; the steps around it say the same",
	"frontends":            "polls by time while there is no leader; texts depend on which socket breaks first",
	"fe-log":               "the FE's log file",
	"felog":                "as fe-log",
	"fe.out":               "as fe-log",
	"s3-calls":             "the FE's S3 requests",
	"states":               "durations",
	"timing":               "durations",
	"window":               "durations",
	"table_state":          "read from the FE's internals",
	"concurrent":           "many statements at one moment: the simulator has tests of its own for it",
	"objs":                 "as concurrent",
	"show_snapshot_wrong":  "as concurrent",
	"policy":               "S3 policies",
	"meta-keys":            "notes on __meta",
	"info":                 "notes on __info; its text is compared in objects steps",
	"seed":                 "copies made by hand",
	"dup":                  "as seed",
	"composite-copy":       "as seed",
	"allocAutoIncrementId": "an RPC of the BEs",
	"load_answer":          "an RPC of the BEs",
	"backend":              "SHOW BACKENDS in short, by time",
	"row_after_statement":  "as the sql step before it",
	"partitions":           "by time: the dynamic partition scheduler",
}

func (s *scope) leftOut(st *step) string {
	if s == nil {
		return ""
	}
	for _, e := range s.except {
		if e.file != "" && !strings.Contains(st.file, e.file) {
			continue
		}
		if e.line == st.line && e.line != 0 || e.line == 0 && e.match != "" && strings.Contains(st.SQL+st.Text, e.match) {
			return e.reason
		}
	}
	return ""
}

func (s *scope) note(p *player, text string) error {
	if s != nil && s.notes != nil {
		s.notes(p, text)
	}
	return nil
}

// fileReport is what came of one recording.
type fileReport struct {
	file        string
	scope       *scope
	ran, agreed int
	leftOut     map[string]int
	differ      []difference
	setup       error
	took        time.Duration
}

func (p *player) count(s *step, err error) {
	if p.silent {
		if err != nil && p.report.scope.full {
			if _, out := err.(errLeftOut); !out {
				panic(setupError{fmt.Errorf("prelude line %d: %w", s.line, err)})
			}
		}
		return
	}
	r := p.report
	if out, ok := err.(errLeftOut); ok {
		if r.leftOut == nil {
			r.leftOut = map[string]int{}
		}
		r.leftOut[out.reason]++
		return
	}
	if s.Step == "note" || s.Step == "wait" {
		if err == nil {
			return
		}
	}
	r.ran++
	if err == nil {
		r.agreed++
		return
	}
	what := cmp.Or(s.SQL, s.Step+" "+s.DB+" "+s.Table+" "+s.Label+s.Prefix+s.Note+s.Text)
	r.differ = append(r.differ, difference{fmt.Sprintf("line %d, %s: %v", s.line, what, err), reasonOf(s)})
}

// difference is a step that does not agree, and why that is acceptable; "" if nobody has said.
type difference struct{ text, reason string }

// TestGoldenRecordings plays the recordings of a real FE against the simulator. Those of the scopes marked full must
// agree in every step; what the others make of it is told in COVERAGE.md.
func TestGoldenRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/" + *only + ".jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	reports := playAll(t, files)
	for _, r := range reports {
		t.Run(strings.TrimSuffix(r.file, ".jsonl"), func(t *testing.T) {
			if r.setup != nil && r.scope.full {
				t.Errorf("set-up: %v", r.setup)
			}
			for _, d := range r.differ {
				switch {
				case r.scope.full:
					t.Error(d.text)
				case *update && d.reason == "" && explained(r.file):
					t.Errorf("%s; say in golden_reasons_test.go why that is acceptable", d.text)
				}
			}
			t.Logf("%d of %d steps agree, %v", r.agreed, r.ran, r.took.Round(10*time.Millisecond))
		})
	}
	if *update {
		if err := os.WriteFile("COVERAGE.md", coverage(reports), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// atOnce is how many recordings are played side by side: they mostly wait for ticks.
const atOnce = 8

func playAll(t *testing.T, files []string) []*fileReport {
	reports := make([]*fileReport, len(files))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, file := range files {
		dir := t.TempDir()
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			reports[i] = playFile(file, dir, 1)
		}()
	}
	wg.Wait()
	for i, file := range files {
		for slower := 4; slower <= 16 && reports[i].disagrees(); slower *= 4 {
			reports[i] = playFile(file, t.TempDir(), slower)
		}
	}
	return reports
}

// disagrees tells a recording that must agree and does not. A recording looks at fixed times: where the machine was too
// busy to keep them the job has moved on, and a slower clock shows what the simulator really does.
func (r *fileReport) disagrees() bool {
	return r.scope.full && (r.setup != nil || len(r.differ) > 0)
}

// playFile plays one recording on a cluster of its own, with ticks that many times longer than usual.
func playFile(path, dir string, slower int) (r *fileReport) {
	r = &fileReport{file: filepath.Base(path)}
	r.scope = scopeOf(r.file)
	steps, err := readRecording(path)
	if err != nil {
		r.setup = err
		return r
	}
	p, err := newPlayer(r.file, dir, max(1, r.scope.frontends), time.Duration(slower)*cmp.Or(r.scope.tick, goldenTick))
	if err != nil {
		r.setup = err
		return r
	}
	defer p.close()
	p.patience = patience
	tried, enough := tried, enough
	if *update && explained(r.file) { // on a busy machine too what differs is to be what the reasons are for
		tried, enough = 5*tried, 10*enough
	}
	if !r.scope.full {
		p.patience, p.end = tried, time.Now().Add(enough)
	}
	p.report = r
	defer func(begin time.Time) { r.took = time.Since(begin) }(time.Now())
	defer func() {
		if e := recover(); e != nil {
			failed, ok := e.(setupError)
			if !ok {
				panic(e)
			}
			r.setup = failed.error
		}
	}()
	p.file, p.steps = r.file, steps
	if r.scope.prelude != nil {
		p.silent, p.end = true, time.Time{}
		r.scope.prelude(p)
		p.silent = false
		if !r.scope.full {
			p.end = time.Now().Add(enough)
		}
	}
	p.play(steps)
	return r
}

// playFirst plays another recording up to a step, without counting.
func (p *player) playFirst(file string, last func(*step) bool) {
	steps, err := readRecording(filepath.Join("testdata/golden", file))
	if err != nil {
		panic(setupError{err})
	}
	for i := range steps {
		if last(&steps[i]) {
			p.play(steps[:i+1])
			return
		}
	}
	p.play(steps)
}

func scopeOf(file string) *scope {
	for i := range scopes {
		if ok, _ := filepath.Match(scopes[i].files, file); ok {
			return &scopes[i]
		}
	}
	return &scope{}
}

// coverage writes the report.
func coverage(reports []*fileReport) []byte {
	var b strings.Builder
	b.WriteString("# What the simulator makes of the recordings\n\nWritten by `go test ./test/starrockssim -run TestGoldenRecordings -update`; see golden_scope_test.go for the scopes.\n")
	b.WriteString("Recordings marked `full` must agree in every step that is played. Steps left out are counted with their reasons.\n")
	var ran, agreed, full int
	for _, r := range reports {
		ran += r.ran
		agreed += r.agreed
		if r.scope.full {
			full++
		}
	}
	fmt.Fprintf(&b, "\n%d recordings, %d of them full; %d of %d steps agree.\n\n| recording | scope | steps played | agree | left out |\n|---|---|---|---|---|\n", len(reports), full, agreed, ran)
	for _, r := range reports {
		left := 0
		for _, n := range r.leftOut {
			left += n
		}
		name := ""
		if r.scope.full {
			name = "full"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d |\n", strings.TrimSuffix(r.file, ".jsonl"), name, r.ran, r.agreed, left)
	}
	b.WriteString("\n## Steps left out\n\n| reason | steps |\n|---|---|\n")
	reasons := map[string]int{}
	for _, r := range reports {
		for reason, n := range r.leftOut {
			reasons[reason] += n
		}
	}
	for _, reason := range slices.Sorted(keysOf(reasons)) {
		fmt.Fprintf(&b, "| %s | %d |\n", reason, reasons[reason])
	}
	b.WriteString("\n## What differs\n")
	for _, r := range reports {
		if len(r.differ) == 0 && r.setup == nil {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", strings.TrimSuffix(r.file, ".jsonl"))
		if r.setup != nil {
			fmt.Fprintf(&b, "* stopped: %s\n", oneLine(r.setup.Error()))
		}
		listed := r.differ[:min(5, len(r.differ))]
		if explained(r.file) {
			listed = r.differ
		}
		for _, d := range listed {
			fmt.Fprintf(&b, "* %s\n", oneLine(d.text))
			if d.reason != "" {
				fmt.Fprintf(&b, "  Acceptable: %s.\n", d.reason)
			}
		}
		if n := len(r.differ) - len(listed); n > 0 {
			fmt.Fprintf(&b, "* and %d more\n", n)
		}
	}
	return []byte(b.String())
}

func keysOf(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// oneLine shortens a difference to a line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "/")), " ")
	if r := []rune(s); len(r) > 220 {
		s = string(r[:220]) + " …"
	}
	return s
}
