package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) repoCreate() *cobra.Command {
	var in spec.CreateRepository
	cmd := &cobra.Command{
		Use:   "create REPOSITORY --cluster NAME",
		Short: "Create a repository on a cluster, as its profile describes it",
		Long: "Creates a repository on a cluster, with the location and the credentials of its profile. Where the cluster has it\n" +
			"already nothing is changed; where the location holds it already, with its snapshots, the cluster attaches to it.",
		Example: "  starkeep repo create s3-eu --cluster prod\n  starkeep repo create s3-eu --cluster standby --read-only",
		Args:    oneArg("a repository profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Repository = args[0]
			return c.createRepository(cmd.Context(), in)
		},
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().BoolVar(&in.ReadOnly, "read-only", false, "READ ONLY: this cluster restores from it and never backs up into it")
	return cmd
}

func (c *cli) createRepository(ctx context.Context, in spec.CreateRepository) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	var result spec.CreateRepositoryResult
	_, err := c.carryOut(ctx, repositoryRun(spec.CreateRepositoryWorkflow, "create", in.Cluster, in.Repository, in), 0, false, &result)
	return c.showCreated(result, err)
}

func (c *cli) showCreated(result spec.CreateRepositoryResult, err error) error {
	if err != nil {
		return withHint(err, nextAfter(err, result.Cluster, ""))
	}
	if err := c.print(result, func(w io.Writer) { writeCreated(w, result) }); err != nil {
		return err
	}
	c.say("  see whether it can be used:  starkeep repo check %s --cluster %s", result.Repository, result.Cluster)
	return nil
}

func writeCreated(w io.Writer, r spec.CreateRepositoryResult) {
	fmt.Fprintln(w, fold(upperFirst(oneLine(r.Message))+".", 78, ""))
}

func (c *cli) repoDrop() *cobra.Command {
	var in spec.DropRepository
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop REPOSITORY --cluster NAME",
		Short: "Make a cluster forget a repository; its snapshots stay",
		Long: "Makes a cluster forget a repository. Nothing in the store is touched: repo create attaches to it again. It is refused\n" +
			"while a backup, a restore or a job that somebody started in SQL uses the repository there.",
		Example: "  starkeep repo drop s3-eu --cluster prod",
		Args:    oneArg("a repository profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Repository = args[0]
			return c.dropRepository(cmd.Context(), in, yes)
		},
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func (c *cli) dropRepository(ctx context.Context, in spec.DropRepository, yes bool) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	if err := c.needsAnswer("repo drop", yes); err != nil {
		return err
	}
	if !yes && !c.confirm(fmt.Sprintf("Make %s forget %s? Its snapshots stay in the store.", in.Cluster, in.Repository)) {
		return codedError{exitFailed, "not dropped: you said no; nothing was changed"}
	}
	var result spec.DropRepositoryResult
	_, err := c.carryOut(ctx, repositoryRun(spec.DropRepositoryWorkflow, "drop", in.Cluster, in.Repository, in), 0, false, &result)
	return c.showDropped(result, err, in.Cluster)
}

func (c *cli) showDropped(result spec.DropRepositoryResult, err error, cluster string) error {
	if err != nil {
		return withHint(err, nextAfter(err, cluster, ""))
	}
	return c.print(result, func(w io.Writer) { writeDropped(w, result) })
}

func writeDropped(w io.Writer, r spec.DropRepositoryResult) {
	fmt.Fprintln(w, fold(upperFirst(oneLine(r.Message))+".", 78, ""))
	fmt.Fprintln(w, fold(oneLine(r.Remains), 78, ""))
	for _, command := range r.Remove {
		fmt.Fprintln(w, "  "+oneLine(command))
	}
}

// repositoryRun is a run about one repository on one cluster: of all those there is one at a time.
func repositoryRun(workflow, verb, cluster, repository string, in any) run {
	return run{
		workflow: workflow,
		id:       spec.RepositoryID(cluster, repository),
		summary:  fmt.Sprintf("%s repository %s on %s", verb, repository, cluster),
		details:  inputDetails(in),
		input:    in,
	}
}

// watchRepository follows a run about a repository and shows its result; false for runs about anything else.
func (c *cli) watchRepository(ctx context.Context, t *temporalServer, workflow string, begun started, timeout time.Duration) (shown bool, err error) {
	switch workflow {
	case spec.CreateRepositoryWorkflow:
		var result spec.CreateRepositoryResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showCreated(result, err)
	case spec.DropRepositoryWorkflow:
		var result spec.DropRepositoryResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showDropped(result, err, "")
	case spec.CheckRepositoryWorkflow:
		var result spec.CheckRepositoryResult
		err := c.follow(ctx, t, begun, timeout, &result)
		return true, c.showChecked(result, err)
	}
	return false, nil
}
