package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"starkeep/workflows/spec"
)

// OpenRun is a run of starkeep that is under way.
type OpenRun struct {
	ID       string
	Workflow string
	Started  time.Time
	Base     string // restore point that it refers to by its input, if any
}

// usesSnapshots are the workflows that write native snapshots, or read restore points and then their snapshots. A Migrate
// does so in backups and restores of its own; the points that it goes on from are found by their tag. Of verifications only
// those count that repair: one that reads leaves out what goes meanwhile.
var usesSnapshots = []string{spec.BackupWorkflow, spec.RestoreWorkflow, spec.DatabaseJobWorkflow, spec.ExportWorkflow, spec.AdoptWorkflow, spec.CopyWorkflow,
	spec.DrillWorkflow, spec.CheckRepositoryWorkflow, spec.VerifyWorkflow}

// snapshotRuns lists the open runs that may need native snapshots, of all clusters.
func snapshotRuns(ctx context.Context) ([]OpenRun, error) {
	t := activity.GetClient(ctx)
	var runs []OpenRun
	for listed, err := range listedRuns(ctx, t, usesSnapshots...) {
		if err != nil {
			return nil, err
		}
		open, err := isOpen(ctx, t, listed.Execution)
		if err != nil {
			return nil, err
		}
		if !open {
			continue
		}
		base, repairs, err := inputOf(ctx, t, listed.Execution)
		if err != nil {
			return nil, err
		}
		if listed.Type.GetName() == spec.VerifyWorkflow && !repairs {
			continue
		}
		runs = append(runs, OpenRun{ID: listed.Execution.WorkflowId, Workflow: listed.Type.GetName(), Started: listed.StartTime.AsTime(), Base: base})
	}
	return runs, nil
}

// listedRuns yields what Temporal lists as open runs of these workflows, of all clusters. An error comes last.
func listedRuns(ctx context.Context, t client.Client, workflows ...string) iter.Seq2[*workflowpb.WorkflowExecutionInfo, error] {
	query := fmt.Sprintf("WorkflowType IN ('%s') AND ExecutionStatus = 'Running'", strings.Join(workflows, "', '"))
	return func(yield func(*workflowpb.WorkflowExecutionInfo, error) bool) {
		var page []byte
		for {
			answer, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
			if err != nil {
				yield(nil, fmt.Errorf("list the open runs in Temporal: %w", err))
				return
			}
			for _, run := range answer.Executions {
				if !yield(run, nil) {
					return
				}
			}
			if page = answer.NextPageToken; len(page) == 0 {
				return
			}
		}
	}
}

// openByID tells whether a workflow is under way, in whichever run.
func openByID(ctx context.Context, id string) (bool, error) {
	return isOpen(ctx, activity.GetClient(ctx), &commonpb.WorkflowExecution{WorkflowId: id})
}

// isOpen asks the run itself: Temporal's lists are late, and a script may drop what its restore has just used. An id that
// Temporal does not accept is that of no run.
func isOpen(ctx context.Context, t client.Client, run *commonpb.WorkflowExecution) (bool, error) {
	now, err := t.DescribeWorkflowExecution(ctx, run.WorkflowId, run.RunId)
	var gone *serviceerror.NotFound
	var unfit *serviceerror.InvalidArgument
	if errors.As(err, &gone) || errors.As(err, &unfit) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the run %s: %w", run.WorkflowId, err)
	}
	return now.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// inputOf reads from a run's input which restore point it takes over from, "" if it names none, and whether it repairs.
func inputOf(ctx context.Context, t client.Client, run *commonpb.WorkflowExecution) (base string, repairs bool, err error) {
	var in struct{ Base, Resume, Point, RepairFrom string }
	known, err := startedWith(ctx, t, run, &in)
	if !known {
		return "", false, err
	}
	return cmp.Or(in.Base, in.Resume, in.Point), in.RepairFrom != "", nil
}

// startedWith reads the input that a run was started with; false if it is of another form, or the run is gone.
func startedWith(ctx context.Context, t client.Client, run *commonpb.WorkflowExecution, in any) (bool, error) {
	history := t.GetWorkflowHistory(ctx, run.WorkflowId, run.RunId, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !history.HasNext() {
		return false, nil
	}
	event, err := history.Next()
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the input of %s: %w", run.WorkflowId, err)
	}
	return converter.GetDefaultDataConverter().FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), in) == nil, nil
}
