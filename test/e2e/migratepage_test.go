package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/test/testbed"
)

// pageCommands are the lines of a page that begin a block of the CLI, with what a reader has put in the place of the page's names.
func pageCommands(t *testing.T, page string, here ...string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testbed.Root(t), "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string][]string{}
	for line := range strings.Lines(strings.NewReplacer(here...).Replace(string(text))) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); strings.HasPrefix(line, "    starkeep ") && len(words) > 3 {
			commands[words[1]+" "+words[2]] = words[1:]
		}
	}
	return commands
}

// TestTheMigrationPageIsFollowed does what a reader of docs/migrate.md does, and looks at what is printed.
func TestTheMigrationPageIsFollowed(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	other := b.AddCluster(t, "new", testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	b.Must(t, "CREATE USER ann")
	b.Must(t, "CREATE VIEW sales.totals AS SELECT city, SUM(amount) AS amount FROM sales.orders GROUP BY city")
	page := pageCommands(t, "migrate.md", "s3-main", testbed.RepositoryName)
	cli := commandLine(t)
	says := func(what string, text []byte, want ...string) {
		t.Helper()
		t.Logf("%s:\n%s", what, text)
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s does not say %q", what, w)
			}
		}
	}

	type ended struct {
		out, said []byte
		code      int
	}
	first := make(chan ended, 1)
	go func() {
		var e ended
		e.out, e.said, e.code = cli.run(t, b, append(page["migrate run"], "--settle", "10ms", "--interval", "1h")...)
		first <- e
	}()
	eventually(t, "ready", func() bool {
		out, _, code := cli.run(t, b, page["migrate status"]...)
		return code == 0 && strings.Contains(string(out), "Ready: stop the loads")
	})
	b.Must(t, "INSERT INTO sales.orders VALUES ('2026-01-20', 7, 'Lyon', 70)")
	status, _, _ := cli.run(t, b, page["migrate status"]...)
	says("migrate status", status, "migrate/prod/move: ready to switch", "ROUND", "The target holds restore point", "then starkeep migrate switch migrate/prod/move")
	out, said, code := cli.run(t, b, page["migrate switch"]...)
	says("migrate switch", out, "The target holds restore point", "Compared:", "0 partitions' rows were not compared", "Did not cross:", "'ann'@'%'", "totals", "Report: s3a://")
	says("migrate switch, on the way", said, "stop the loads at the source now")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	run := <-first
	says("migrate run", run.out, "The target holds restore point")
	says("migrate run, on the way", run.said, "When it is ready: stop the loads at the source, then starkeep migrate switch migrate/prod/move")
	if run.code != 0 {
		t.Errorf("migrate run: exit code %d", run.code)
	}
	if got, want := other.Content("sales", "orders"), b.Sim.Content("sales", "orders"); got != want {
		t.Errorf("sales.orders on the target:\n%s\nwant\n%s", got, want)
	}
	out, said, code = cli.run(t, b, page["migrate abort"]...)
	says("migrate abort, after the end", append(out, said...), "migrate/prod/move")
	if code == 0 {
		t.Error("an ended migration is aborted")
	}
	again, said, code := cli.run(t, b, append(page["migrate run"][:len(page["migrate run"])-1], "again")...)
	says("migrate run, again", append(again, said...), "the table exists", "nothing was made on cluster new")
	if code != 2 {
		t.Errorf("exit code %d", code)
	}
}
