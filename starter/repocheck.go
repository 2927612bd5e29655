package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) repoCheck() *cobra.Command {
	var in spec.CheckRepository
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "check REPOSITORY --cluster NAME",
		Short: "Find out who may do what with a repository: FE, BEs and worker",
		Long: "Tries every right that backups and restores need, and says what is missing and what mends it. The worker tries its own with\n" +
			"objects that it removes again. What FE and BEs may do is seen in one way only: by a BACKUP and a RESTORE. With --scratch, or a\n" +
			"yes to the question, they are made with a scratch database of a few rows, starkeep_check_<hex>, which is dropped afterwards.",
		Example: "  starkeep repo check s3-eu --cluster prod --scratch",
		Args:    oneArg("a repository profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Repository = args[0]
			return c.checkRepository(cmd.Context(), in, flags, cmd.Flags().Changed("scratch"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	f.BoolVar(&in.Scratch, "scratch", false, "consent to a scratch table that is backed up, restored and dropped; --scratch=false does not ask")
	f.BoolVar(&flags.detach, "detach", false, "start it, print its id and return")
	f.DurationVar(&flags.waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9; the run goes on (default: no limit)")
	cmd.MarkFlagsMutuallyExclusive("detach", "wait-timeout")
	return cmd
}

// scratchQuestion asks for consent.
const scratchQuestion = `What FE and BEs may do is seen only by a BACKUP and a RESTORE: of a scratch
database with a few rows, which is dropped after that. It takes about a minute.
Do it?`

func (c *cli) checkRepository(ctx context.Context, in spec.CheckRepository, flags runFlags, decided bool) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	if !decided && c.canAsk {
		in.Scratch = c.confirm(scratchQuestion)
	}
	var result spec.CheckRepositoryResult
	detached, err := c.carryOut(ctx, repositoryRun(spec.CheckRepositoryWorkflow, "check", in.Cluster, in.Repository, in), flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showChecked(result, err)
}

// showChecked prints the rows, also those that a failed check carries.
func (c *cli) showChecked(result spec.CheckRepositoryResult, err error) error {
	if err != nil && (!details(err, &result) || len(result.Rights) == 0) {
		return err
	}
	if failed := c.print(result, func(w io.Writer) { writeChecked(w, result) }); failed != nil {
		return failed
	}
	switch {
	case err != nil || !result.OK:
	case result.Scratch:
		c.say("Nothing is missing: backups into it and restores from it can work.")
	default:
		c.say("Nothing that was tried is missing. To try the rest:  starkeep repo check %s --cluster %s --scratch", result.Repository, result.Cluster)
	}
	return err
}

func writeChecked(w io.Writer, r spec.CheckRepositoryResult) {
	fmt.Fprintln(w, fold(oneLine(fmt.Sprintf("Repository %s on %s, at %s", r.Repository, r.Cluster, orDefault(r.Location, "an unknown location"))), 78, "  "))
	fmt.Fprintln(w)
	groups := groupRights(r.Rights)
	var rows [][]string
	for _, g := range groups {
		rows = append(rows, []string{g.who(3), g.Right, rightText(g.RightRow)})
	}
	writeTable(w, []column{{"SIDE", false}, {"RIGHT", false}, {"RESULT", false}}, rows)
	for _, g := range groups {
		if !g.OK && !g.NotTried {
			writeMissing(w, g)
		}
	}
	writeUntried(w, groups)
	writeWarnings(w, r.Warnings)
}

// writeMissing says what was answered, and what mends it.
func writeMissing(w io.Writer, g rightGroup) {
	fmt.Fprintf(w, "\n%s, %s is missing:\n", g.who(10), g.Right)
	if g.Message != "" {
		fmt.Fprintln(w, "  "+fold(oneLine(g.Message), 78, "  "))
	}
	if g.Fix != "" {
		fmt.Fprintln(w, "  to mend it: "+fold(oneLine(g.Fix), 64, "    "))
	}
}

// writeUntried gives each reason once.
func writeUntried(w io.Writer, groups []rightGroup) {
	var reasons []string
	for _, g := range groups {
		if g.NotTried && !slices.Contains(reasons, g.Message) {
			reasons = append(reasons, g.Message)
		}
	}
	for i, reason := range reasons {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, fold("not tried: "+strings.TrimPrefix(oneLine(reason), "not tried: "), 78, "  "))
	}
}

func rightText(row spec.RightRow) string {
	switch {
	case row.OK:
		return "ok"
	case row.NotTried:
		return "not tried"
	}
	return "MISSING"
}

// rightGroup is a row, or the same row of several BEs.
type rightGroup struct {
	spec.RightRow
	backends []int64
}

// groupRights puts BEs of which the same is said together, and orders by side.
func groupRights(rows []spec.RightRow) []rightGroup {
	var groups []rightGroup
	for _, side := range []string{spec.SideWorker, spec.SideFE, spec.SideBE} {
		for _, row := range rows {
			if row.Side != side {
				continue
			}
			at := slices.IndexFunc(groups, func(g rightGroup) bool { return row.Backend != 0 && g.same(row) })
			if at < 0 {
				groups, at = append(groups, rightGroup{RightRow: row}), len(groups)
			}
			if row.Backend != 0 {
				groups[at].backends = append(groups[at].backends, row.Backend)
			}
		}
	}
	return groups
}

func (g rightGroup) same(row spec.RightRow) bool {
	row.Backend = g.Backend
	return g.RightRow == row
}

// who names the side: a few BEs by their ids, more by their number.
func (g rightGroup) who(most int) string {
	switch n := len(g.backends); {
	case n == 0:
		return g.Side
	case n > most:
		return fmt.Sprintf("%d BEs", n)
	}
	var ids []string
	for _, id := range g.backends {
		ids = append(ids, fmt.Sprint(id))
	}
	return g.Side + " " + strings.Join(ids, ", ")
}

// fold breaks text into lines of at most width columns at blanks; further lines begin with indent.
func fold(text string, width int, indent string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width-len(indent) {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n"+indent)
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
