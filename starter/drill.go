package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) restoreDrill() *cobra.Command {
	var in spec.Drill
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "drill --cluster NAME --repository NAME",
		Short: "Try a restore: restore some tables beside, prove them, drop them",
		Long: "Restores a sample of a restore point's tables into databases of its own (starkeep_drill_…), proves them, drops them\n" +
			"and writes the result down on the restore point. Live tables are not touched. The cluster needs free space for the\n" +
			"sample. Tables whose last drill is longest ago come first: in time every table has its turn.",
		Example: "  starkeep restore drill --cluster prod --repository s3-eu --sample 1/20\n" +
			"  starkeep restore drill --cluster prod --repository s3-eu --point latest~1 --include sales --sample 3",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runDrill(cmd.Context(), in, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`) to restore into")
	f.StringVar(&in.Repository, "repository", "", "repository profile (`NAME`) that holds the restore point")
	f.StringVar(&in.Point, "point", "", "restore `POINT`: an id, latest (default), or latest~N, the N-th complete one before it")
	f.StringVar(&in.SourceCluster, "source-cluster", "", "cluster (`NAME`) whose restore points are meant (default --cluster)")
	f.StringArrayVar(&in.Include, "include", nil, "what the sample is taken from (`PATTERN`): db or db.table, with * globs; repeatable (default everything)")
	f.StringArrayVar(&in.Exclude, "exclude", nil, "what is never in it (`PATTERN`), in the same grammar; repeatable, wins over --include")
	f.StringVar(&in.Sample, "sample", "", "how many tables (`SHARE`): a share like 1/20 (default), or a number like 3")
	f.StringVar(&in.Seed, "seed", "", "`TEXT` that decides between tables whose turn it is (default the run's id)")
	f.IntVar(&in.ReplicationNum, "replication-num", 0, "replicas (`n`) of the copies (default 1)")
	limits := addLimits(f, &in.Limits)
	flags.add(cmd)
	flags.addSpecFile(cmd, spec.DrillWorkflow, append(limits, "cluster", "repository", "point", "source-cluster", "include", "exclude", "sample", "seed", "replication-num")...)
	return cmd
}

func (c *cli) runDrill(ctx context.Context, in spec.Drill, flags runFlags) error {
	if err := c.load(flags, &in); err != nil {
		return err
	}
	name, err := c.checkedName(flags.name)
	if err != nil {
		return err
	}
	var result spec.DrillResult
	detached, err := c.carryOut(ctx, run{
		workflow: spec.DrillWorkflow,
		id:       spec.DrillID(in.Cluster, name),
		summary:  fmt.Sprintf("drill %s of %s into %s: %s", orDefault(in.Point, spec.LatestPoint), in.Repository, in.Cluster, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		input:    in,
	}, flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showDrill(result, err, orDefault(in.SourceCluster, in.Cluster), in.Repository)
}

// showDrill prints the result of a Drill, also the one that a failed run carries.
func (c *cli) showDrill(result spec.DrillResult, err error, cluster, repository string) error {
	if err != nil && (!details(err, &result) || result.Point == "") {
		return withHint(err, nextAfter(err, cluster, repository))
	}
	if failed := c.print(result, func(w io.Writer) { writeDrill(w, result) }); failed != nil {
		return failed
	}
	return withHint(err, nextAfter(err, cluster, repository))
}

func writeDrill(w io.Writer, r spec.DrillResult) {
	fmt.Fprintf(w, "Drill of restore point %s: %s. %s of %s were restored beside, proven and dropped.\n",
		oneLine(r.Point), oneLine(r.Result), strconv.Itoa(len(r.Tables)), plural(int64(r.Sampled), "chosen table", "chosen tables"))
	fmt.Fprintf(w, "(%s to choose from.)\n", plural(int64(r.Of), "table", "tables"))
	if len(r.Tables) > 0 {
		fmt.Fprintln(w)
		writeTables(w, r.Tables)
	}
	writeFailed(w, r.Failed, int64(len(r.Failed)))
	writeWarnings(w, r.Warnings)
	writeReport(w, r.Report)
}
