package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

// planTimeout bounds a dry run: it reads manifests and the FE, and changes nothing.
const planTimeout = time.Hour

func (c *cli) restore() *cobra.Command {
	return noun("restore", "Plan and run restores, and undo or finish them",
		c.restorePlan(), c.restoreRun(), c.restoreUndo(), c.restoreFinish(), c.restoreDrill())
}

// restoreInput is a Restore being put together from flags.
type restoreInput struct {
	spec.Restore
	renames  []string
	snapshot spec.NativeSnapshot
}

func (r *restoreInput) add(cmd *cobra.Command, flags *runFlags) {
	f := cmd.Flags()
	f.StringVar(&r.Cluster, "cluster", "", "cluster profile (`NAME`) to restore into")
	f.StringVar(&r.Repository, "repository", "", "repository profile (`NAME`) that holds the restore point")
	f.StringVar(&r.From, "from", "", "mirror or other repository profile (`NAME`) that holds the restore point, if --repository does not; what is restored is brought over first")
	f.StringVar(&r.Point, "point", "", "restore `POINT`: an id, latest (default), the newest complete one, or latest~N, the N-th complete one before it")
	f.StringVar(&r.snapshot.Label, "snapshot", "", "`LABEL` of a native snapshot to restore instead of a point: it is adopted as one")
	f.StringVar(&r.snapshot.Timestamp, "snapshot-timestamp", "", "its `backup_timestamp`, where the label has several")
	f.StringVar(&r.SourceCluster, "source-cluster", "", "cluster (`NAME`) whose restore points are meant (default --cluster)")
	f.StringArrayVar(&r.Include, "include", nil, "what to restore (`PATTERN`): db, db.table, db.table/partition, with * globs; repeatable (default everything)")
	f.StringArrayVar(&r.Exclude, "exclude", nil, "what to leave out (`PATTERN`), in the same grammar; repeatable, wins over --include")
	f.StringArrayVar(&r.renames, "rename", nil, "`FROM=TO`: db=other or db.table=other.name; repeatable")
	f.StringVar(&r.OnExisting, "on-existing", "", "what to `do` with tables that exist: swap (default: restore beside and exchange, undoable), fail, rename (restore under another name), or overwrite (in place, needs --yes-overwrite)")
	f.IntVar(&r.ReplicationNum, "replication-num", 0, "replicas (`n`) of restored partitions (default the source's, at most one per live host)")
	f.BoolVar(&r.SkipGrants, "skip-grants", false, "swap tables even where their grants cannot be carried over")
	f.Var((*durationFlag)(&r.UndoWindow), "undo-window", "how `long` the old tables are kept after a swap (default 72h)")
	f.StringVar(&r.OnBusy, "on-busy", "", "what to `do` when another job holds a database: wait (default) or fail")
	limits := append(addLimits(f, &r.Limits), r.addConsent(f)...)
	flags.addSpecFile(cmd, spec.RestoreWorkflow, append(limits, "cluster", "repository", "from", "point", "snapshot", "snapshot-timestamp", "source-cluster", "include", "exclude",
		"rename", "on-existing", "replication-num", "skip-grants", "undo-window", "on-busy")...)
}

// loadRestore is the Restore that flags or --spec describe, checked.
func (c *cli) loadRestore(r restoreInput, flags runFlags) (spec.Restore, error) {
	renames, err := parseRenames(r.renames)
	if err != nil {
		return spec.Restore{}, err
	}
	r.Rename = renames
	if r.snapshot != (spec.NativeSnapshot{}) {
		r.Snapshot = &r.snapshot
	}
	if err := r.checkConsent(); err != nil && flags.specFile == "" {
		return spec.Restore{}, err
	}
	err = c.load(flags, &r.Restore)
	return r.Restore, err
}

func (c *cli) restorePlan() *cobra.Command {
	var r restoreInput
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "plan --cluster NAME --repository NAME",
		Short: "Show what a restore would do, and check that it can",
		Long: "Checks everything a restore needs and shows what it would do to each table, what depends on it, the room and the\n" +
			"time it takes. Changes nothing. starkeep restore run --plan DIGEST runs this very plan, or stops.\n" +
			"Exit code 1 when a table is refused, or the restore as a whole.",
		Example: "  starkeep restore plan --cluster prod --repository s3-eu --include sales.orders",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.DryRun = true
			in, err := c.loadRestore(r, flags)
			if err != nil {
				return err
			}
			t, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer t.Close()
			plan, err := c.plan(cmd.Context(), t, in, "")
			if err != nil {
				return err
			}
			if err := c.print(plan, func(w io.Writer) { writePlan(w, plan) }); err != nil {
				return err
			}
			return refusal(plan)
		},
	}
	r.add(cmd, &flags)
	return cmd
}

// plan runs the Restore as a dry run: it checks everything and changes nothing.
func (c *cli) plan(ctx context.Context, t *temporalServer, in spec.Restore, name string) (spec.RestoreResult, error) {
	var result spec.RestoreResult
	name, err := c.checkedName(name)
	if err != nil {
		return result, err
	}
	in.DryRun = true
	c.say("Planning the restore of %s from %s into %s …", orDefault(in.Point, spec.LatestPoint), in.Repository, in.Cluster)
	begun, err := t.start(ctx, run{
		workflow: spec.RestoreWorkflow,
		id:       spec.RestoreID(in.Cluster, "plan-"+strings.TrimPrefix(name, "manual-")),
		summary:  fmt.Sprintf("plan a restore into %s from %s: %s", in.Cluster, in.Repository, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		timeout:  planTimeout + workerGrace,
		input:    in,
	})
	if err != nil {
		return result, err
	}
	err = c.resultOf(ctx, t, begun, planTimeout, &result)
	return result, withHint(err, nextAfter(err, orDefault(in.SourceCluster, in.Cluster), in.Repository))
}

// refusal is an error when the plan refuses a table: such a restore is not started.
func refusal(plan spec.RestoreResult) error {
	var refused int64
	for _, table := range plan.Plan {
		if table.Action == spec.ActionRefuse {
			refused++
		}
	}
	if refused == 0 && len(plan.Blocked) > 0 {
		return codedError{exitFailed, "this restore cannot be run: " + oneLine(plan.Blocked[0]) + "; nothing was changed"}
	}
	if refused == 0 {
		return nil
	}
	return withHint(
		codedError{exitFailed, fmt.Sprintf("%s refused, see the notes; nothing was changed", plural(refused, "table is", "tables are"))},
		"  leave them out with --exclude, give them other names with --rename, or choose another --on-existing")
}

func (c *cli) restoreRun() *cobra.Command {
	var r restoreInput
	var flags runFlags
	var yes bool
	var digest string
	cmd := &cobra.Command{
		Use:   "run --cluster NAME --repository NAME",
		Short: "Restore from a restore point, after showing the plan",
		Long: "Shows the plan, asks, and restores. Tables that exist are restored beside the live ones and exchanged;\n" +
			"the old ones are kept (--undo-window) for starkeep restore undo.\nThe run goes on without this terminal: Ctrl-C only stops watching it.",
		Example: "  starkeep restore run --cluster prod --repository s3-eu --point latest --include sales.orders",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := c.loadRestore(r, flags)
			if err != nil {
				return err
			}
			in.PlanDigest = orDefault(digest, in.PlanDigest)
			if err := in.Validate(); err != nil {
				return usagef("%s", inFlags(err.Error()))
			}
			return c.runRestore(cmd.Context(), in, flags, yes)
		},
	}
	r.add(cmd, &flags)
	flags.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask after showing the plan")
	cmd.Flags().StringVar(&digest, "plan", "", "run the plan of this `DIGEST`, which restore plan printed, without asking; stop if the plan would be another by now")
	return cmd
}

func (c *cli) runRestore(ctx context.Context, in spec.Restore, flags runFlags, yes bool) error {
	name, err := c.checkedName(flags.name)
	if err != nil {
		return err
	}
	confirmed := in.PlanDigest != ""
	if err := c.needsAnswer("restore run", yes || in.DryRun || confirmed); err != nil {
		return err
	}
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	plan, err := c.plan(ctx, t, in, name)
	if err != nil {
		return err
	}
	if in.DryRun {
		return c.print(plan, func(w io.Writer) { writePlan(w, plan) })
	}
	writePlan(c.err, plan)
	if err := refusal(plan); err != nil {
		return err
	}
	if !yes && !confirmed && !c.confirm("\nRestore this into "+in.Cluster+"?") {
		return codedError{exitFailed, "not restored: you said no; nothing was changed"}
	}
	if !confirmed {
		in.PlanDigest = plan.PlanDigest
	}
	return c.startRestore(ctx, t, in, plan, name, flags)
}

// startRestore runs what was planned: the very point that the plan found, also where it was asked for as "latest".
func (c *cli) startRestore(ctx context.Context, t *temporalServer, in spec.Restore, plan spec.RestoreResult, name string, flags runFlags) error {
	in.Point = orDefault(plan.Point, in.Point)
	in.Snapshot = nil // the plan has adopted it
	begun, err := t.start(ctx, run{
		workflow: spec.RestoreWorkflow,
		id:       spec.RestoreID(in.Cluster, name),
		summary:  fmt.Sprintf("restore %s into %s: %s", in.Point, in.Cluster, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		input:    in,
	})
	if err != nil {
		return err
	}
	if flags.detach {
		return c.printStarted(begun)
	}
	var result spec.RestoreResult
	err = c.follow(ctx, t, begun, flags.waitTimeout, &result)
	return c.showRestore(begun.WorkflowID, result, err, orDefault(in.SourceCluster, in.Cluster), in.Repository)
}

// showRestore prints the result of a Restore, also the one that a failed run carries, and says how to go on.
func (c *cli) showRestore(id string, result spec.RestoreResult, err error, cluster, repository string) error {
	if err != nil && (!details(err, &result) || (len(result.Tables)+len(result.Databases)+len(result.Plan) == 0)) {
		return withHint(err, nextAfter(err, cluster, repository))
	}
	if failed := c.print(result, func(w io.Writer) {
		if len(result.Plan) > 0 { // a dry run, or one that was refused
			writePlan(w, result)
			return
		}
		writeRestore(w, result, exitCode(err) != exitMismatch)
	}); failed != nil {
		return failed
	}
	if result.Undo != "" {
		c.say("The old tables are kept for now:")
		c.say("  put them back:  starkeep restore undo %s", id)
		c.say("  drop them:      starkeep restore finish %s", id)
	}
	return withHint(err, nextAfter(err, cluster, repository))
}

// parseRenames reads from=to pairs.
func parseRenames(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	renames := map[string]string{}
	for _, pair := range pairs {
		from, to, found := strings.Cut(pair, "=")
		if !found || from == "" || to == "" {
			return nil, usagef("--rename is %q; write it as db=other or db.table=other.name", pair)
		}
		if _, twice := renames[from]; twice {
			return nil, usagef("--rename %s is given twice", from)
		}
		renames[from] = to
	}
	return renames, nil
}
