package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) repo() *cobra.Command {
	return noun("repo", "Create, check and drop repositories, and see what a cluster has",
		c.repoCreate(), c.repoList(), c.repoShow(), c.repoCheck(), c.repoDrop(), c.repoPolicy())
}

// repositoryList is what repo list prints.
type repositoryList struct {
	Repositories []spec.RepositoryRow `json:"repositories"`
}

func (c *cli) repoList() *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use:     "list --cluster NAME",
		Short:   "List the repositories that a cluster knows, beside the profiles that name them",
		Example: "  starkeep repo list --cluster prod",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := c.repositories(cmd.Context(), cluster)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				c.say("%s has no repository.", cluster)
			}
			return c.print(repositoryList{rows}, func(w io.Writer) { writeRepositories(w, rows) })
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "cluster profile (`NAME`)")
	return cmd
}

func (c *cli) repoShow() *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use:     "show REPOSITORY --cluster NAME",
		Short:   "Show one repository, by its name in StarRocks or its profile's",
		Example: "  starkeep repo show s3-eu --cluster prod",
		Args:    oneArg("a repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.showRepository(cmd.Context(), cluster, args[0])
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "cluster profile (`NAME`)")
	return cmd
}

func (c *cli) showRepository(ctx context.Context, cluster, name string) error {
	rows, err := c.repositories(ctx, cluster)
	if err != nil {
		return err
	}
	var known []string
	for _, row := range rows {
		if row.Profile == name || row.Name == name {
			return c.print(row, func(w io.Writer) { writeRepository(w, row) })
		}
		known = append(known, orDefault(row.Profile, row.Name))
	}
	return codedError{exitFailed, fmt.Sprintf("%s has no repository %q; it has: %s", cluster, oneLine(name), orDefault(strings.Join(known, ", "), "none"))}
}

func (c *cli) repositories(ctx context.Context, cluster string) ([]spec.RepositoryRow, error) {
	answer, err := c.inspect(ctx, spec.Inspect{Read: spec.ReadRepositories, Cluster: cluster})
	if answer.Repositories == nil {
		answer.Repositories = []spec.RepositoryRow{}
	}
	return answer.Repositories, withHint(err, nextAfter(err, cluster, ""))
}
