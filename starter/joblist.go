package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"starkeep/workflows/spec"
)

// jobs is what job list prints: our workflows, and the FE's jobs whoever started them.
type jobs struct {
	Runs []runRow      `json:"runs"`
	Jobs []spec.JobRow `json:"jobs,omitempty"`
}

// runRow is one workflow in a listing.
type runRow struct {
	ID       string `json:"id"`
	Workflow string `json:"workflow"`
	Status   string `json:"status"` // Running, Completed, Failed, Canceled, Terminated, TimedOut, ContinuedAsNew
	Phase    string `json:"phase,omitempty"`
	Started  string `json:"started"`          // RFC 3339, UTC
	Closed   string `json:"closed,omitempty"` // RFC 3339, UTC
}

// listedClosed bounds how many closed runs --all shows.
const listedClosed = 50

func (c *cli) jobList() *cobra.Command {
	var cluster string
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List open runs and, with --cluster, the cluster's own BACKUP and RESTORE jobs",
		Example: "  starkeep job list\n" +
			"  starkeep job list --cluster prod",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.listJobs(cmd.Context(), cluster, all)
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "only this cluster's (`NAME`), and also what its FE says, whoever started it")
	cmd.Flags().BoolVar(&all, "all", false, fmt.Sprintf("also runs that have ended, newest first, %d at most", listedClosed))
	return cmd
}

// listJobs shows what Temporal knows even where the FE cannot be asked; that is an error after the list.
func (c *cli) listJobs(ctx context.Context, cluster string, all bool) error {
	in := spec.Inspect{Read: spec.ReadJobs, Cluster: cluster}
	if cluster != "" {
		if err := in.Validate(); err != nil {
			return usagef("%s", inFlags(err.Error()))
		}
	}
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	listed := jobs{}
	if listed.Runs, err = t.listRuns(ctx, cluster, all); err != nil {
		return err
	}
	var answer spec.InspectResult
	var unasked error
	if cluster != "" {
		answer, unasked = c.inspectOn(ctx, t, in)
		listed.Jobs = answer.Jobs
	}
	if err := c.print(listed, func(w io.Writer) { writeJobs(w, listed, c.now()) }); err != nil {
		return err
	}
	if len(listed.Runs)+len(listed.Jobs) == 0 && unasked == nil {
		c.say("Nothing runs.")
	}
	if cluster == "" {
		c.say("(--cluster NAME also asks the FE, which knows the jobs that others started.)")
	}
	return unasked
}

// listRuns finds our workflows by type. Their ids name their cluster.
func (t *temporalServer) listRuns(ctx context.Context, cluster string, all bool) ([]runRow, error) {
	query := fmt.Sprintf("WorkflowType IN ('%s')", strings.Join([]string{
		spec.BackupWorkflow, spec.RestoreWorkflow, spec.DatabaseJobWorkflow, spec.UndoWindowWorkflow, spec.ExportWorkflow, spec.CopyWorkflow, spec.VerifyWorkflow, spec.PruneWorkflow,
		spec.CreateRepositoryWorkflow, spec.CheckRepositoryWorkflow, spec.DropRepositoryWorkflow}, "', '"))
	rows, err := t.listQuery(ctx, query+" AND ExecutionStatus = 'Running'", cluster, 0)
	if err != nil || !all {
		return rows, err
	}
	closed, err := t.listQuery(ctx, query+" AND ExecutionStatus != 'Running'", cluster, listedClosed)
	return append(rows, closed...), err
}

func (t *temporalServer) listQuery(ctx context.Context, query, cluster string, limit int) ([]runRow, error) {
	rows := []runRow{}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200}
	for {
		page, err := t.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, info := range page.GetExecutions() {
			if cluster == "" || ofCluster(info.GetExecution().GetWorkflowId(), cluster) {
				rows = append(rows, t.runRow(info))
			}
			if limit > 0 && len(rows) == limit {
				return rows, nil
			}
		}
		if len(page.GetNextPageToken()) == 0 {
			return rows, nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}

// ofCluster tells whether a workflow id is one of a cluster's: <kind>/<cluster>/….
func ofCluster(id, cluster string) bool {
	_, rest, _ := strings.Cut(id, "/")
	of, _, _ := strings.Cut(rest, "/")
	return of == cluster
}

func (t *temporalServer) runRow(info *workflowpb.WorkflowExecutionInfo) runRow {
	row := runRow{
		ID:       info.GetExecution().GetWorkflowId(),
		Workflow: info.GetType().GetName(),
		Status:   statusName(info.GetStatus()),
		Phase:    t.text(info.GetSearchAttributes().GetIndexedFields()[spec.AttributePhase]),
		Started:  info.GetStartTime().AsTime().UTC().Format(time.RFC3339),
	}
	if info.GetCloseTime() != nil {
		row.Closed = info.GetCloseTime().AsTime().UTC().Format(time.RFC3339)
	}
	return row
}

func statusName(status enumspb.WorkflowExecutionStatus) string { return status.String() }

// text decodes a search attribute; "" when there is none.
func (t *temporalServer) text(payload *commonpb.Payload) string {
	var value string
	if payload == nil || t.converter.FromPayload(payload, &value) != nil {
		return ""
	}
	return value
}
