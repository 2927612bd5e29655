package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
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

// usesSnapshots are the workflows that write native snapshots, or read restore points and then their snapshots.
var usesSnapshots = []string{spec.BackupWorkflow, spec.RestoreWorkflow, spec.DatabaseJobWorkflow, spec.ExportWorkflow, spec.AdoptWorkflow, spec.CopyWorkflow,
	spec.DrillWorkflow, spec.CheckRepositoryWorkflow}

// snapshotRuns lists the open runs that may need native snapshots, of all clusters.
func snapshotRuns(ctx context.Context) ([]OpenRun, error) {
	t := activity.GetClient(ctx)
	query := fmt.Sprintf("WorkflowType IN ('%s') AND ExecutionStatus = 'Running'", strings.Join(usesSnapshots, "', '"))
	var runs []OpenRun
	var page []byte
	for {
		answer, err := t.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
		if err != nil {
			return nil, fmt.Errorf("list the open runs in Temporal: %w", err)
		}
		for _, listed := range answer.Executions {
			id, run := listed.Execution.WorkflowId, listed.Execution.RunId
			open, err := isOpen(ctx, t, id, run)
			if err != nil {
				return nil, err
			}
			if !open {
				continue
			}
			base, err := baseOf(ctx, t, id, run)
			if err != nil {
				return nil, err
			}
			runs = append(runs, OpenRun{ID: id, Workflow: listed.Type.GetName(), Started: listed.StartTime.AsTime(), Base: base})
		}
		if page = answer.NextPageToken; len(page) == 0 {
			return runs, nil
		}
	}
}

// baseOf reads from a run's input which restore point it takes over from; "" if it names none.
func baseOf(ctx context.Context, t client.Client, id, run string) (string, error) {
	history := t.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !history.HasNext() {
		return "", nil
	}
	event, err := history.Next()
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the input of %s: %w", id, err)
	}
	var in struct{ Base, Resume, Point string }
	if converter.GetDefaultDataConverter().FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) != nil {
		return "", nil
	}
	for _, point := range []string{in.Base, in.Resume, in.Point} {
		if point != "" {
			return point, nil
		}
	}
	return "", nil
}
