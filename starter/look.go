package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) backupDiff() *cobra.Command {
	in := spec.Inspect{Read: spec.ReadDiff}
	cmd := &cobra.Command{
		Use:   "diff POINT POINT --cluster NAME --repository NAME",
		Short: "Show what changed from one restore point to another",
		Long: "Compares two restore points by the ids and versions of tables and partitions: what was created, dropped, created anew,\n" +
			"loaded, and whose schema changed. Reads both manifests, no data.",
		Example: "  starkeep backup diff latest~1 latest --cluster prod --repository s3-eu",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return usagef("%s wants two restore points, each an id, latest, or latest~N; got %d arguments", cmd.CommandPath(), len(args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Point, in.Other = args[0], args[1]
			return c.showDiff(cmd.Context(), in)
		},
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().StringVar(&in.Repository, "repository", "", "repository profile (`NAME`)")
	return cmd
}

func (c *cli) showDiff(ctx context.Context, in spec.Inspect) error {
	answer, err := c.inspect(ctx, in)
	if err == nil && answer.Difference == nil {
		err = codedError{exitFailed, "the worker that answered does not know diff: use workers of this starkeep's version"}
	}
	if err != nil {
		return withHint(err, nextAfter(err, in.Cluster, in.Repository))
	}
	return c.print(answer.Difference, func(w io.Writer) { writeDifference(w, *answer.Difference) })
}

func (c *cli) backupUsage() *cobra.Command {
	in := spec.Inspect{Read: spec.ReadUsage}
	cmd := &cobra.Command{
		Use:   "usage --cluster NAME --repository NAME",
		Short: "Show what restore points take: by database, table and age; what is shared, and what pruning would free",
		Long: "Sums up the native snapshots that restore points need, in stored bytes. A native snapshot goes only as a whole, when no\n" +
			"restore point needs any of it: \"unique\" is what pruning that point alone would free.",
		Example: "  starkeep backup usage --cluster prod --repository s3-eu",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.showUsage(cmd.Context(), in) },
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().StringVar(&in.Repository, "repository", "", "repository profile (`NAME`)")
	return cmd
}

func (c *cli) showUsage(ctx context.Context, in spec.Inspect) error {
	answer, err := c.inspect(ctx, in)
	if err == nil && answer.Usage == nil {
		err = codedError{exitFailed, "the worker that answered does not know usage: use workers of this starkeep's version"}
	}
	if err != nil {
		return withHint(err, nextAfter(err, in.Cluster, in.Repository))
	}
	return c.print(answer.Usage, func(w io.Writer) { writeUsage(w, *answer.Usage) })
}
