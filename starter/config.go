package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) config() *cobra.Command {
	return noun("config", "Check the workers' configuration", c.configCheck())
}

// checkList is what config check prints.
type checkList struct {
	Checks []spec.CheckRow `json:"checks"`
}

func (c *cli) configCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Try every profile: clusters, repositories, privileges",
		Long:  "Lets a worker try every profile of its configuration. Exit code 1 when something does not work.",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.checkConfig(cmd.Context()) },
	}
}

func (c *cli) checkConfig(ctx context.Context) error {
	answer, err := c.inspect(ctx, spec.Inspect{Read: spec.ReadConfig})
	if err != nil {
		return err
	}
	if answer.Checks == nil {
		answer.Checks = []spec.CheckRow{}
	}
	if err := c.print(checkList{answer.Checks}, func(w io.Writer) { writeChecks(w, answer.Checks) }); err != nil {
		return err
	}
	failed := 0
	for _, check := range answer.Checks {
		if !check.OK {
			failed++
		}
	}
	if failed > 0 {
		return codedError{exitFailed, fmt.Sprintf("%d of %d checks failed", failed, len(answer.Checks))}
	}
	return nil
}
