package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) repoPolicy() *cobra.Command {
	in := spec.Inspect{Read: spec.ReadPolicy}
	cmd := &cobra.Command{
		Use:   "policy REPOSITORY",
		Short: "Print the least rights that a repository's users need in the store",
		Long: "Prints the least rights in the store, for the bucket and prefix of the profile: an IAM policy for S3, a role for GCS, commands\n" +
			"for HDFS and directories. --for narrows them to purposes; without it one user may do all. stdout has the policy alone, so that\n" +
			"it can go into a file or a pipe; how to put it into force is on stderr.",
		Example: "  starkeep repo policy s3-eu --for starrocks > policy.json\n  starkeep repo policy s3-eu --for backup --for restore",
		Args:    oneArg("a repository profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Repository = args[0]
			return c.showPolicy(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`); a policy is the same for all")
	f.StringSliceVar(&in.For, "for", nil, "`PURPOSE`: "+strings.Join(spec.Policies(), ", ")+"; repeatable (default all)")
	return cmd
}

func (c *cli) showPolicy(ctx context.Context, in spec.Inspect) error {
	answer, err := c.inspect(ctx, in)
	if err != nil {
		return err
	}
	p := answer.Policy
	if p == nil {
		return codedError{exitVersion, "the worker knows no policies yet; it is older than this starkeep: upgrade it"}
	}
	c.sayPolicy(*p)
	if p.Document == nil {
		return c.print(map[string][]string{"commands": p.Commands}, func(w io.Writer) {
			for _, command := range p.Commands {
				_, _ = io.WriteString(w, command+"\n")
			}
		})
	}
	return c.print(p.Document, func(w io.Writer) { _ = writeJSON(w, p.Document) })
}

// sayPolicy tells what a policy is for, and how to put it into force.
func (c *cli) sayPolicy(p spec.Policy) {
	c.say("What %s at %s needs for: %s", p.Repository, oneLine(p.Location), strings.Join(p.For, ", "))
	for _, note := range p.Notes {
		c.say("  %s", fold(oneLine(note), 78, "  "))
	}
	if p.Document != nil {
		c.say("To put it into force:")
		for _, command := range p.Commands {
			c.say("  %s", oneLine(command))
		}
	}
}
