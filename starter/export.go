package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) backupExport() *cobra.Command {
	var in spec.Export
	var renames []string
	var detach bool
	var waitTimeout time.Duration
	cmd := &cobra.Command{
		Use:   "export POINT --cluster NAME --repository NAME --label LABEL",
		Short: "Make a plain native snapshot of a restore point, and keep it",
		Long: "Puts what --include selects of a restore point (tables of one database) together as one native snapshot, which RESTORE\n" +
			"takes by hand, without starkeep, and prints the statement. The objects are copied within the store. The snapshot stays\n" +
			"until somebody removes it: starkeep never does.",
		Example: "  starkeep backup export latest --cluster prod --repository s3-eu --include sales --label sales_2026_q3",
		Args:    oneArg("a restore point: an id, or latest"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Point = args[0]
			if in.Rename, err = parseRenames(renames); err != nil {
				return err
			}
			return c.export(cmd.Context(), in, detach, waitTimeout)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster (`NAME`) whose restore point it is")
	f.StringVar(&in.Repository, "repository", "", "repository profile (`NAME`) that holds the restore point")
	f.StringArrayVar(&in.Include, "include", nil, "what to export (`PATTERN`): db, db.table, db.table/partition, with * globs; repeatable (default everything)")
	f.StringArrayVar(&in.Exclude, "exclude", nil, "what to leave out (`PATTERN`), in the same grammar; repeatable, wins over --include")
	f.StringArrayVar(&renames, "rename", nil, "`FROM=TO`: db=other or db.table=other.name; repeatable")
	f.StringVar(&in.Label, "label", "", "`LABEL` of the native snapshot: letters, digits and _, not beginning with sk_")
	f.StringVar(&in.To, "to", "", "repository profile (`NAME`) that gets the snapshot (default --repository)")
	f.BoolVar(&detach, "detach", false, "start it, print its id and return")
	f.DurationVar(&waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9; the run goes on (default: no limit)")
	cmd.MarkFlagsMutuallyExclusive("detach", "wait-timeout")
	return cmd
}

func (c *cli) export(ctx context.Context, in spec.Export, detach bool, waitTimeout time.Duration) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	var result spec.ExportResult
	detached, err := c.carryOut(ctx, run{
		workflow: spec.ExportWorkflow,
		id:       spec.ExportID(in.Cluster, in.Label),
		summary:  fmt.Sprintf("export %s of %s as %s: %s", in.Point, in.Cluster, in.Label, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		input:    in,
	}, waitTimeout, detach, &result)
	if detached {
		return err
	}
	return c.showExport(result, err)
}

func (c *cli) showExport(result spec.ExportResult, err error) error {
	if err != nil {
		return withHint(err, nextAfter(err, "", ""))
	}
	return c.print(result, func(w io.Writer) { writeExport(w, result) })
}

func writeExport(w io.Writer, r spec.ExportResult) {
	fmt.Fprintf(w, "Snapshot %s, backup_timestamp %s, in repository %s.\n\n", oneLine(r.Label), oneLine(r.BackupTimestamp), oneLine(r.Repository))
	fmt.Fprintf(w, "%s and %s in %s, %s, of restore point %s.\n\n", plural(r.Partitions, "partition", "partitions"), plural(r.Tablets, "tablet", "tablets"),
		plural(r.Objects, "object", "objects"), spec.Bytes(r.Bytes), oneLine(r.Point))
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, fold("Warning: "+oneLine(warning), 78, "  "))
	}
	fmt.Fprintf(w, "It is restored by:\n\n  %s;\n", oneLine(r.Statement))
}
