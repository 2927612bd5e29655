package main

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) backupPrune() *cobra.Command {
	var in spec.Prune
	var flags runFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "prune --cluster NAME --where NAME",
		Short: "Delete the restore points that a policy lets go",
		Long: "Shows which restore points of a repository or mirror stay, and why, and which go. Nothing is deleted before you say\n" +
			"yes, or give --yes or --plan. The native snapshots that no point needs any more are marked, and deleted by the first\n" +
			"prune after --grace. The last good point of each selection, pinned points and what starkeep did not make stay.",
		Example: "  starkeep backup prune --cluster prod --where s3-eu --keep-last 3 --daily 7 --weekly 4 --monthly 12 --dry-run\n" +
			"  starkeep backup prune --cluster prod --where dr --daily 30 --yes\n" +
			"  starkeep backup prune --cluster prod --where s3-eu --point 20261122T150405Z-a1b2c3",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.prune(cmd.Context(), in, flags, yes)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster (`NAME`) whose restore points are meant")
	f.StringVar(&in.Where, "where", "", "repository or mirror profile (`NAME`) to prune")
	f.IntVar(&in.Policy.KeepLast, "keep-last", 0, "keep the newest `n` points of each selection")
	f.IntVar(&in.Policy.Hourly, "hourly", 0, "keep the newest point of each of the last `n` hours that have one")
	f.IntVar(&in.Policy.Daily, "daily", 0, "the same for `n` days")
	f.IntVar(&in.Policy.Weekly, "weekly", 0, "the same for `n` weeks")
	f.IntVar(&in.Policy.Monthly, "monthly", 0, "the same for `n` months")
	f.IntVar(&in.Policy.Yearly, "yearly", 0, "the same for `n` years")
	f.Var((*durationFlag)(&in.Policy.MinAge), "min-age", "keep every point that is younger than this `long`")
	f.StringVar(&in.Policy.TimeZone, "time-zone", "", "`ZONE` in which days begin, like Europe/Berlin (default UTC)")
	f.StringArrayVar(&in.Points, "point", nil, "delete this restore `POINT` instead of what a policy lets go; repeatable")
	f.BoolVar(&in.Force, "force", false, "let the last good point of a selection go too")
	f.Var((*durationFlag)(&in.Grace), "grace", "how `long` native snapshots that nobody needs are kept, marked (default 24h)")
	f.Var((*durationFlag)(&in.DebrisAfter), "debris-after", "how `long` what failed runs left must have been left alone (default 168h)")
	f.BoolVar(&in.DryRun, "dry-run", false, "only show what would be done")
	f.StringVar(&in.PlanDigest, "plan", "", "delete without a question, if the plan still has this `DIGEST`")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask after showing the plan")
	f.BoolVar(&flags.detach, "detach", false, "start it, print its id and return; needs --yes or --plan")
	f.DurationVar(&flags.waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9; the run goes on (default: no limit)")
	cmd.MarkFlagsMutuallyExclusive("detach", "wait-timeout")
	flags.addSpecFile(cmd, spec.PruneWorkflow, "cluster", "where", "keep-last", "hourly", "daily", "weekly", "monthly", "yearly", "min-age", "time-zone",
		"point", "force", "grace", "debris-after", "dry-run", "plan")
	return cmd
}

func (c *cli) prune(ctx context.Context, in spec.Prune, flags runFlags, yes bool) error {
	if flags.specFile == "" {
		if err := whatStays(in); err != nil {
			return err
		}
	}
	if err := c.load(flags, &in); err != nil {
		return err
	}
	if in.DryRun || in.PlanDigest == "" {
		plan, err := c.planPrune(ctx, in, flags, in.DryRun || !yes && !c.canAsk)
		if err != nil || in.DryRun {
			return err
		}
		if stay := c.refused(plan, in); stay != nil {
			return stay
		}
		if !c.mayPrune(plan, yes) {
			return nil
		}
		in.PlanDigest = plan.PlanDigest
	}
	var result spec.PruneResult
	detached, err := c.carryOut(ctx, pruneRun(in), flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showPrune(result, err, in)
}

// whatStays refuses flags that say neither what stays nor what goes, or both.
func whatStays(in spec.Prune) error {
	rules := in.Policy
	rules.TimeZone = ""
	switch none := rules == (spec.Retention{}); {
	case none && len(in.Points) == 0:
		return usagef("say what stays, with --keep-last, --hourly, --daily, --weekly, --monthly, --yearly or --min-age, or what goes, with --point")
	case !none && len(in.Points) > 0:
		return usagef("--point names what goes: leave --keep-last and the other rules out")
	}
	return nil
}

// planPrune shows what would be done: as data, if that is all that is wanted.
func (c *cli) planPrune(ctx context.Context, in spec.Prune, flags runFlags, onlyLook bool) (spec.PruneResult, error) {
	in.DryRun = true
	var plan spec.PruneResult
	if _, err := c.carryOut(ctx, pruneRun(in), flags.waitTimeout, false, &plan); err != nil {
		return plan, withHint(err, nextAfter(err, in.Cluster, in.Where))
	}
	if onlyLook {
		return plan, c.print(plan, func(w io.Writer) { writePrune(w, plan) })
	}
	writePrune(c.err, plan)
	return plan, nil
}

// keptPinned is how the plan of a prune says that a point is pinned.
const keptPinned = "pinned"

// refused says why points that were named stay: an error, if none of them goes.
func (c *cli) refused(plan spec.PruneResult, in spec.Prune) error {
	var why []string
	code := exitNothing
	for _, id := range in.Points {
		if text := "there is no restore point " + id; slices.Contains(plan.Warnings, text) {
			why, code = append(why, text+" in "+in.Where), exitFailed
		}
	}
	for _, p := range plan.Points {
		if !p.Go && slices.Contains(in.Points, p.ID) {
			why = append(why, staysText(p, in.Force))
		}
	}
	if plan.Go == 0 && len(why) > 0 {
		return codedError{code, strings.Join(why, "\n")}
	}
	for _, text := range why {
		c.say("%s", text)
	}
	return nil
}

// staysText says why a point that was named stays, and what would let it go.
func staysText(p spec.PrunedPoint, force bool) string {
	text := fmt.Sprintf("restore point %s stays: %s", oneLine(p.ID), oneLine(strings.Join(p.Keep, "; ")))
	switch {
	case slices.Contains(p.Keep, keptPinned):
		return text + "; starkeep backup unpin takes that back"
	case !force:
		return text + "; --force lets it go"
	}
	return text
}

// mayPrune asks. Where nobody can answer it only was a look.
func (c *cli) mayPrune(plan spec.PruneResult, yes bool) bool {
	switch {
	case plan.Go+plan.Marked+plan.Unmarked+plan.Due+plan.Files == 0:
		c.say("There is nothing to delete.")
		return false
	case yes:
		return true
	case !c.canAsk:
		c.say("Nothing was deleted. Do it:  --yes, or --plan %s", plan.PlanDigest)
		return false
	}
	if !c.confirm("\nDelete this?") {
		c.say("Nothing was deleted.")
		return false
	}
	return true
}

func pruneRun(in spec.Prune) run {
	what := "prune"
	if in.DryRun {
		what = "plan of a prune"
	}
	return run{
		workflow: spec.PruneWorkflow,
		id:       spec.PruneID(in.Cluster, in.Where),
		summary:  fmt.Sprintf("%s of %s in %s", what, in.Cluster, in.Where),
		details:  inputDetails(in),
		input:    in,
	}
}

// showPrune prints the result of a Prune, also the one that a failed run carries.
func (c *cli) showPrune(result spec.PruneResult, err error, in spec.Prune) error {
	if err != nil && (!details(err, &result) || result.Where == "") {
		return withHint(err, nextAfter(err, in.Cluster, in.Where))
	}
	if failed := c.print(result, func(w io.Writer) { writePrune(w, result) }); failed != nil {
		return failed
	}
	return withHint(err, nextAfter(err, in.Cluster, in.Where))
}

func (c *cli) backupPin() *cobra.Command {
	var in spec.Pin
	cmd := &cobra.Command{
		Use:     "pin POINT --cluster NAME --where NAME",
		Short:   "Protect a restore point from being pruned",
		Example: "  starkeep backup pin latest --cluster prod --where s3-eu --reason 'before the migration'",
		Args:    oneArg("a restore point: its id, latest, or latest~N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Point = args[0]
			return c.pin(cmd.Context(), in)
		},
	}
	pinFlags(cmd, &in)
	cmd.Flags().StringVar(&in.Reason, "reason", "", "`TEXT` that listings show")
	cmd.Flags().StringVar(&in.By, "by", "", "`NAME` of who wants it (default: the user of this terminal)")
	return cmd
}

func (c *cli) backupUnpin() *cobra.Command {
	in := spec.Pin{Remove: true}
	cmd := &cobra.Command{
		Use:     "unpin POINT --cluster NAME --where NAME",
		Short:   "Take a restore point's pin away",
		Example: "  starkeep backup unpin 20261122T150405Z-a1b2c3 --cluster prod --where s3-eu",
		Args:    oneArg("a restore point: its id, latest, or latest~N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Point = args[0]
			return c.pin(cmd.Context(), in)
		},
	}
	pinFlags(cmd, &in)
	return cmd
}

func pinFlags(cmd *cobra.Command, in *spec.Pin) {
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster (`NAME`) whose restore point it is")
	cmd.Flags().StringVar(&in.Where, "where", "", "repository or mirror profile (`NAME`) that holds it")
}

func (c *cli) pin(ctx context.Context, in spec.Pin) error {
	if in.By == "" && !in.Remove {
		if me, err := user.Current(); err == nil {
			in.By = me.Username
		}
	}
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	var result spec.PinResult
	_, err := c.carryOut(ctx, run{
		workflow: spec.PinWorkflow,
		id:       spec.PinID(in.Cluster, in.Where, in.Point),
		summary:  fmt.Sprintf("pin %s of %s in %s", in.Point, in.Cluster, in.Where),
		details:  inputDetails(in),
		input:    in,
	}, 0, false, &result)
	if err != nil {
		return withHint(err, nextAfter(err, in.Cluster, in.Where))
	}
	return c.print(result, func(w io.Writer) {
		if result.Pinned == nil {
			fmt.Fprintf(w, "Restore point %s is not pinned.\n", oneLine(result.Point))
			return
		}
		fmt.Fprintf(w, "Restore point %s is pinned%s.\n", oneLine(result.Point), pinText(result.Pinned))
	})
}

func pinText(p *spec.PinRow) string {
	text := ""
	if p.By != "" {
		text += " by " + oneLine(p.By)
	}
	if p.Reason != "" {
		text += ": " + oneLine(p.Reason)
	}
	return text
}

// pinnedText is a pin as a list shows it, after the point's state.
func pinnedText(p spec.PointRow) string {
	if p.Pinned == nil {
		return ""
	}
	return ", pinned"
}

// pinnedSince is a pin in full; "" if there is none.
func pinnedSince(p *spec.PinRow) string {
	if p == nil {
		return ""
	}
	return "since " + oneLine(p.At) + pinText(p)
}
