package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// docs/cli.md is what users read: it shows every command by example and names every flag.
func TestEveryCommandIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	overview, _, _ := strings.Cut(string(page), "\n## ")
	c, _, _ := testCLI("")
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, verb := range cmd.Commands() {
			visit(verb)
		}
		if cmd.HasSubCommands() {
			return
		}
		if !strings.Contains(string(page), "\n    "+cmd.CommandPath()) {
			t.Errorf("docs/cli.md has no example of %s", cmd.CommandPath())
		}
		if shown := regexp.MustCompile("`(" + cmd.Parent().Name() + " )?" + cmd.Name() + "`"); !shown.MatchString(overview) {
			t.Errorf("the table at the top of docs/cli.md lacks %s", cmd.CommandPath())
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "help" && !strings.Contains(string(page), "--"+flag.Name) {
				t.Errorf("docs/cli.md does not name --%s of %s", flag.Name, cmd.CommandPath())
			}
		})
	}
	visit(c.root())
}
