package e2e

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// docPage is a page of docs/repositories and what takes the place of a reader's servers.
type docPage struct {
	file string
	way  int // which of the page's configurations is taken
	// here has what the page calls a thing, and what it is called here, by turns.
	here []string
	// tools does what commands do that cannot be run here, by their names.
	tools map[string]func(t *testing.T, dir string, args []string)
	bin   string // directory of further commands
	env   []string
	// native is how the simulator reaches the repository where it cannot by the properties of CREATE REPOSITORY.
	native func() (storage.Store, error)
}

func (p docPage) name() string {
	return strings.TrimSuffix(p.file, ".md") + strings.Repeat("_again", p.way)
}

// docBed is what all pages share.
type docBed struct {
	*testbed.Bed
	bin string // directory of the commands that pages use
}

// What every page says and is something else here: StarRocks' address and clocks.
func (p docPage) replacer(sim *starrockssim.Cluster) *strings.Replacer {
	return strings.NewReplacer(append(p.here,
		"fe1.example.net:9030", sim.Addresses()[0],
		"    password: env:STARKEEP_PROD_PASSWORD\n", "    password: env:STARKEEP_PROD_PASSWORD\n"+
			"    timing: {tick: 20ms, pollInterval: 20ms, heartbeat: 10s, errorStall: 1m, stallWarn: 1m, stallCancel: 5m, hungJob: 1m, lostJob: 1m, backendSettle: 20ms, submitRetry: 20ms}\n",
		"<password of starkeep>", docPassword,
	)...)
}

const docPassword = "page-password"

// TestEveryCommandOfTheRepositoryPagesWorks does what a reader does who copies each page of docs/repositories from top to
// bottom: writes its files, runs its lines in one shell with the real commands, and compares its samples of output and the
// tables that come back.
func TestEveryCommandOfTheRepositoryPagesWorks(t *testing.T) {
	pages := docPages(t)
	var namespaces []string
	for _, p := range pages {
		namespaces = append(namespaces, p.name())
	}
	b := &docBed{Bed: testbed.Start(t, testbed.Options{Namespaces: namespaces}), bin: docCommands(t)}
	followed := map[string]int{}
	t.Run("page", func(t *testing.T) {
		for _, p := range pages {
			blocks := readBlocks(t, filepath.Join(filepath.Dir(repositoryPages), p.file))
			all := ways(blocks)
			if p.way >= len(all) {
				t.Fatalf("%s has only %d configurations", p.file, len(all))
			}
			followed[p.file]++
			t.Run(p.name(), func(t *testing.T) {
				t.Parallel()
				b.follow(t, p, all[p.way])
			})
		}
	})
	nothingIsLeftOut(t, followed)
}

// nothingIsLeftOut finds pages, and configurations of pages, that nobody followed.
func nothingIsLeftOut(t *testing.T, followed map[string]int) {
	t.Helper()
	for _, file := range repositoryFiles(t) {
		blocks := readBlocks(t, file)
		runs := slices.ContainsFunc(blocks, func(b docBlock) bool { return b.language == "sh" })
		if n := followed[filepath.Base(file)]; n != len(ways(blocks)) || runs && n == 0 {
			t.Errorf("%s: %d of %d configurations with their commands are tried", filepath.Base(file), n, len(ways(blocks)))
		}
	}
}

// docCommands puts the product's commands into a directory.
func docCommands(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "starkeep", "exec "+testbed.Command(t, "starkeep", "starter")+` "$@"`)
	// Pages run side by side here, and only one could have the port of /healthz.
	script(t, dir, "starkeep-worker", "exec "+testbed.Command(t, "starkeep-worker", "worker")+` -listen "" "$@"`)
	return dir
}

func script(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// reading is a page that is being followed.
type reading struct {
	docPage
	b       *docBed
	client  client.Client
	sim     *starrockssim.Cluster
	shell   *shell
	replace *strings.Replacer

	printed  string            // by the last block of commands
	before   map[string]string // content of the tables, once there are any
	restores int
}

func (b *docBed) follow(t *testing.T, p docPage, blocks []docBlock) {
	sim, err := starrockssim.Start(starrockssim.Options{
		Name: p.name(), Tick: 20 * time.Millisecond, Users: map[string]string{"root": "", "starkeep": docPassword},
		OpenStore: func(location string, properties map[string]string) (storage.Store, error) {
			if p.native != nil {
				return p.native()
			}
			return starrockssim.OpenStore(location, properties)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	dir := t.TempDir()
	env := append(os.Environ(), "PATH="+b.bin+":"+p.bin+":"+os.Getenv("PATH"), "TEMPORAL_ADDRESS="+b.Temporal, "TEMPORAL_NAMESPACE="+p.name(), "TEMPORAL_CONFIG_FILE="+os.DevNull)
	r := &reading{docPage: p, b: b, client: b.Dial(t, p.name()), sim: sim, replace: p.replacer(sim)}
	r.shell = startShell(t, dir, append(env, p.env...))
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "worker.log"))
			t.Logf("worker.log:\n%s", log)
		}
	})
	for _, block := range blocks {
		r.do(t, block)
	}
	if _, err := r.shell.run("kill $(jobs -p); wait || true"); err != nil { // the worker: by SIGTERM, as its user would
		t.Error(err)
	}
	if r.restores < 2 {
		t.Errorf("the page shows %d restores; wanted that of a dropped table and a swap", r.restores)
	}
}

// do does what a block asks for.
func (r *reading) do(t *testing.T, b docBlock) {
	t.Helper()
	text := r.replace.Replace(b.text)
	switch {
	case b.name != "" && b.language != "text":
		if err := os.WriteFile(filepath.Join(r.shell.dir, b.name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	case b.language == "sh":
		b.text, r.printed = text, ""
		for _, line := range b.commands() {
			r.command(t, b, line)
		}
	case b.language == "sql":
		r.sql(t, b, text)
	case b.language == "text":
		if missing := shows(r.printed, text); missing != "" {
			t.Errorf("%s:%d: the output has no line like %q:\n%s", r.file, b.line, missing, r.printed)
		}
	default:
		t.Fatalf("%s:%d: a block of %q without a name is not run", r.file, b.line, b.language)
	}
}

func (r *reading) command(t *testing.T, b docBlock, line string) {
	t.Helper()
	words := strings.Fields(line)
	if tool := r.tools[words[0]]; tool != nil {
		tool(t, r.shell.dir, words[1:])
		return
	}
	out, err := r.shell.run(line)
	if err != nil {
		t.Fatalf("%s:%d: %s: %v\n%s", r.file, b.line, line, err, out)
	}
	r.printed += out
	switch {
	case words[0] == "starkeep-worker":
		r.awaitWorker(t)
	case strings.HasPrefix(line, "starkeep restore run"):
		r.restores++
		if now := r.content(); !maps.Equal(now, r.before) {
			t.Errorf("%s:%d: %s: the tables are\n%v\nwant\n%v", r.file, b.line, line, now, r.before)
		}
	}
}

// awaitWorker waits until the worker asks for work: a reader is not as quick as the next line.
func (r *reading) awaitWorker(t *testing.T) {
	t.Helper()
	eventually(t, "the worker to ask for work", func() bool {
		queue, err := r.client.DescribeTaskQueue(t.Context(), spec.TaskQueue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		return err == nil && len(queue.GetPollers()) > 0
	})
}

// sql makes tables, and later damages them.
func (r *reading) sql(t *testing.T, b docBlock, text string) {
	t.Helper()
	if err := r.sim.Exec(text); err != nil {
		t.Fatalf("%s:%d: %v", r.file, b.line, err)
	}
	now := r.content()
	switch {
	case r.before == nil:
		if len(now) == 0 {
			t.Errorf("%s:%d: there are no tables in %s", r.file, b.line, trialDatabase)
		}
		r.before = now
	case maps.Equal(now, r.before):
		t.Errorf("%s:%d: nothing is damaged", r.file, b.line)
	}
}

// trialDatabase is what every page makes, backs up, damages and drops.
const trialDatabase = "starkeep_trial"

// content is that of all tables of the page.
func (r *reading) content() map[string]string {
	all := map[string]string{}
	rows, err := r.sim.Query("SHOW TABLES FROM " + trialDatabase)
	if err != nil { // dropped, at a page's end
		return all
	}
	for _, row := range rows {
		if !strings.Contains(row[0], "__before_") {
			all[row[0]] = r.sim.Content(trialDatabase, row[0])
		}
	}
	return all
}
