package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) migrate() *cobra.Command {
	return noun("migrate", "Bring databases to another cluster, with little downtime",
		c.migrateRun(), c.migrateStatus(), c.migrateSwitch(), c.migrateAbort())
}

func (c *cli) migrateRun() *cobra.Command {
	var in spec.Migrate
	var renames []string
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run --from NAME --to NAME --repository NAME",
		Short: "Begin a migration: bulk, then catch-up rounds until you switch",
		Long: "Brings what --include selects (everything by default) to another cluster: all of it at first, then, round by round, what\n" +
			"has changed meanwhile. When the difference is small it waits: stop the loads, then starkeep migrate switch.\n" +
			"The source is only read, but for BACKUP itself.",
		Example: "  starkeep migrate run --from prod --to dr --repository s3-eu --include sales --name move\n" +
			"  starkeep migrate switch migrate/prod/move",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if in.Rename, err = parseRenames(renames); err != nil {
				return err
			}
			return c.runMigrate(cmd.Context(), in, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.From, "from", "", "cluster profile (`NAME`) to bring databases from")
	f.StringVar(&in.To, "to", "", "cluster profile (`NAME`) to bring them to")
	f.StringVar(&in.Repository, "repository", "", "repository profile (`NAME`) that both reach")
	f.StringArrayVar(&in.Include, "include", nil, "what to bring (`PATTERN`): db or db.table, with * globs; repeatable (default everything)")
	f.StringArrayVar(&in.Exclude, "exclude", nil, "what to leave out (`PATTERN`), in the same grammar; repeatable, wins over --include")
	f.StringArrayVar(&renames, "rename", nil, "`FROM=TO`: db=other or db.table=other.name; repeatable")
	f.StringVar(&in.OnExisting, "on-existing", "", "what to `do` with tables that the target has before: fail (default), or swap")
	f.IntVar(&in.ReplicationNum, "replication-num", 0, "replicas (`n`) on the target (default the source's, at most one per host)")
	f.IntVar(&in.SmallPartitions, "small-partitions", 0, "the difference is small at so many (`n`) changed partitions (default 10), or")
	f.Int64Var(&in.SmallBytes, "small-bytes", 0, "at so many `bytes` in them (default 1 GiB)")
	f.IntVar(&in.MaxRounds, "max-rounds", 0, "catch-up rounds (`n`) that follow each other at once (default 10)")
	f.Var((*durationFlag)(&in.Interval), "interval", "how `often` it catches up while it waits for the switch (default 15m)")
	f.Var((*durationFlag)(&in.Settle), "settle", "`time` between the two looks at the source when the switch begins (default 30s)")
	f.Var((*durationFlag)(&in.UndoWindow), "undo-window", "how `long` exchanged tables are kept on the target (default 1m)")
	f.BoolVar(&in.DropRemoved, "drop-removed", false, "drop on the target what is dropped at the source meanwhile")
	f.BoolVar(&in.SkipGrants, "skip-grants", false, "go on where grants cannot be read or given")
	f.StringVar(&in.Fingerprint, "fingerprint", "", "`HOW` to fingerprint rows, which each round's restore compares: sample or full")
	limits := addLimits(f, &in.Limits)
	flags.add(cmd)
	flags.addSpecFile(cmd, spec.MigrateWorkflow, append(limits, "from", "to", "repository", "include", "exclude", "rename", "on-existing", "replication-num",
		"small-partitions", "small-bytes", "max-rounds", "interval", "settle", "undo-window", "drop-removed", "skip-grants", "fingerprint")...)
	return cmd
}

func (c *cli) runMigrate(ctx context.Context, in spec.Migrate, flags runFlags) error {
	if err := c.load(flags, &in); err != nil {
		return err
	}
	name, err := c.checkedName(flags.name)
	if err != nil {
		return err
	}
	var result spec.MigrateResult
	id := spec.MigrateID(in.From, name)
	if !flags.detach {
		c.say("When it is ready: stop the loads at the source, then starkeep migrate switch %s", id)
	}
	detached, err := c.carryOut(ctx, run{
		workflow: spec.MigrateWorkflow,
		id:       id,
		summary:  fmt.Sprintf("migrate %s to %s: %s", in.From, in.To, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		input:    in,
	}, flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showMigrate(result, err)
}

// showMigrate prints the result of a Migrate, also the one that a failed run carries.
func (c *cli) showMigrate(result spec.MigrateResult, err error) error {
	if err != nil && !details(err, &result) {
		return err
	}
	if failed := c.print(result, func(w io.Writer) { writeMigrate(w, result) }); failed != nil {
		return failed
	}
	return err
}

const migrationID = "the id of a migration, like migrate/prod/move"

func (c *cli) migrateStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status MIGRATION",
		Short:   "Show a migration's rounds, and how far the target is behind",
		Example: "  starkeep migrate status migrate/prod/move",
		Args:    oneArg(migrationID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onMigration(cmd.Context(), args[0], func(t *temporalServer) error {
				var p spec.MigrateProgress
				if err := t.query(cmd.Context(), args[0], "", &p); err != nil {
					return err
				}
				return c.print(p, func(w io.Writer) { writeMigrateProgress(w, args[0], p) })
			})
		},
	}
}

func (c *cli) migrateSwitch() *cobra.Command {
	return c.migrateUpdate("switch", spec.UpdateSwitch, "Bring the last round over, prove both sides, and end the migration",
		"Stop the loads at the source first. Brings over what has changed, then views and functions, compares both clusters\nand lists what did not cross. What is loaded into the source after that is named in the result.")
}

func (c *cli) migrateAbort() *cobra.Command {
	return c.migrateUpdate("abort", spec.UpdateAbort, "End a migration",
		"Stops what is under way. The source stays as it is; the result says what is on the target.")
}

func (c *cli) migrateUpdate(verb, update, short, long string) *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:     verb + " MIGRATION",
		Short:   short,
		Long:    long,
		Example: "  starkeep migrate " + verb + " migrate/prod/move",
		Args:    oneArg(migrationID),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onMigration(cmd.Context(), args[0], func(t *temporalServer) error {
				var answer spec.MigrateAnswer
				if err := c.update(cmd.Context(), t, undoTimeout, args[0], update, &answer); err != nil {
					return err
				}
				c.say("%s", answer.Note)
				if detach {
					return c.print(answer, func(w io.Writer) { fmt.Fprintln(w, oneLine(answer.Note)) })
				}
				var result spec.MigrateResult
				err := c.follow(cmd.Context(), t, started{WorkflowID: args[0]}, 0, &result)
				return c.showMigrate(result, err)
			})
		},
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait for the end")
	return cmd
}

func (c *cli) onMigration(ctx context.Context, id string, do func(*temporalServer) error) error {
	if !strings.HasPrefix(id, "migrate/") {
		return usagef("%q is not the id of a migration; it looks like migrate/<cluster>/<name>, see starkeep job list", id)
	}
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	return do(t)
}
