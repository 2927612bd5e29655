package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/temporalproto"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// guarded is a bed whose every output is searched for canaries.
type guarded struct {
	*testbed.Bed
	log *output
}

// output collects what workers log.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) Sync() error { return nil }

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// search fails the test when a canary is in a text.
func search(t *testing.T, where, text string, known ...string) {
	t.Helper()
	for _, canary := range canaries {
		if slices.Contains(known, canary) {
			continue
		}
		if i := strings.Index(text, canary); i >= 0 {
			t.Errorf("%s holds %s: …%s…", where, canary, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// canceled stands for a run that ends as cancelled.
const canceled = "Canceled"

// start starts a workflow and gives its id.
func (g *guarded) start(t *testing.T, workflow string, in any) string {
	t.Helper()
	id := strings.ToLower(workflow) + "/prod/" + unique()
	if _, err := g.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in); err != nil {
		t.Fatalf("start %s: %v", workflow, err)
	}
	return id
}

// ends runs a workflow that must end with the type of error ("" for none), and searches it.
func (g *guarded) ends(t *testing.T, kind, workflow string, in any) string {
	t.Helper()
	id := g.start(t, workflow, in)
	g.wait(t, id, kind)
	return id
}

func (g *guarded) wait(t *testing.T, id string, kinds ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := g.Client.GetWorkflow(ctx, id, "").Get(ctx, nil)
	got := errorType(err)
	var cancelled *temporal.CanceledError
	if errors.As(err, &cancelled) {
		got = canceled
	}
	if !slices.Contains(kinds, got) || (err == nil) != (got == "") {
		t.Errorf("%s ended as %q (%v), want %q", id, got, err, kinds)
	}
	if err != nil {
		search(t, "the error of "+id, fmt.Sprintf("%v %+v", err, err))
	}
	g.searchRun(t, id, "")
}

// searchRun searches the history of a run and of all its children, and what Temporal tells about it.
func (g *guarded) searchRun(t *testing.T, id, run string) {
	t.Helper()
	g.describe(t, id, run)
	events := g.Client.GetWorkflowHistory(t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		g.searchEvent(t, id, event)
		if child := event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution(); child != nil {
			g.searchRun(t, child.GetWorkflowId(), child.GetRunId())
		}
	}
}

// searchEvent looks at an event as JSON, and as bytes, where payloads stand decoded.
func (g *guarded) searchEvent(t *testing.T, id string, event *historypb.HistoryEvent) {
	t.Helper()
	var known []string
	if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED {
		known = []string{canaryInput} // it is in the input: that is why it is refused
	}
	for _, text := range asTexts(t, event) {
		search(t, fmt.Sprintf("event %d (%s) of %s", event.GetEventId(), event.GetEventType(), id), text, known...)
	}
}

// holdsInput makes sure that a canary is found where there is one: in the input, which Temporal keeps.
func (g *guarded) holdsInput(t *testing.T, id string) {
	t.Helper()
	event, err := g.Client.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(asTexts(t, event), "\n"), canaryInput) {
		t.Errorf("the input is not found in the first event of %s: this test cannot see anything", id)
	}
}

func asTexts(t *testing.T, message proto.Message) []string {
	t.Helper()
	asJSON, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return []string{string(asJSON), string(raw)}
}

// describe searches what `temporal workflow describe` and the web UI show of a run: pending activities with heartbeats
// and failures, memo, attributes, progress, current details.
func (g *guarded) describe(t *testing.T, id, run string) {
	t.Helper()
	described, err := g.Client.DescribeWorkflowExecution(t.Context(), id, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range asTexts(t, described) {
		search(t, "the description of "+id, text)
	}
	for _, query := range []string{spec.QueryProgress, "__temporal_workflow_metadata", "__stack_trace"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		answer, err := g.Client.WorkflowService().QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{
			Namespace: g.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, Query: &querypb.WorkflowQuery{QueryType: query},
		})
		cancel()
		if err != nil {
			search(t, "the error of "+query, err.Error())
			continue
		}
		for _, text := range asTexts(t, answer) {
			search(t, "the answer to "+query, text)
		}
	}
}

// pending waits until an activity of the workflow is under way ("": one that has failed and waits to be tried again),
// and searches what can be seen of it.
func (g *guarded) pending(t *testing.T, id, activity string) {
	t.Helper()
	eventually(t, "an activity "+activity+" of "+id, func() bool {
		described, err := g.Client.DescribeWorkflowExecution(t.Context(), id, "")
		return err == nil && slices.ContainsFunc(described.GetPendingActivities(), func(a *workflowpb.PendingActivityInfo) bool {
			return activity != "" && a.GetActivityType().GetName() == activity || activity == "" && a.GetLastFailure() != nil
		})
	})
	g.describe(t, id, "")
}

// recovers runs a workflow that cannot go on until what is broken comes back.
func (g *guarded) recovers(t *testing.T, workflow string, in any, back func(*testing.T)) {
	t.Helper()
	again := sync.OnceFunc(func() { back(t) })
	defer again()
	id := g.start(t, workflow, in)
	g.failing(t, id)
	again()
	g.wait(t, id, "")
}

// failing waits until an activity of the run or of a child of it has failed.
func (g *guarded) failing(t *testing.T, id string) {
	t.Helper()
	failed := ""
	eventually(t, "a failure in "+id, func() bool {
		described, err := g.Client.DescribeWorkflowExecution(t.Context(), id, "")
		if err != nil {
			t.Fatal(err)
		}
		runs := []string{id}
		for _, child := range described.GetPendingChildren() {
			runs = append(runs, child.GetWorkflowId())
		}
		for _, run := range runs {
			if g.failed(t.Context(), run) {
				failed = run
			}
		}
		return failed != ""
	})
	g.describe(t, failed, "")
}

// failed tells whether an activity of a run waits for its next attempt, or says in its heartbeat that it cannot go on.
func (g *guarded) failed(ctx context.Context, id string) bool {
	described, err := g.Client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return false
	}
	for _, a := range described.GetPendingActivities() {
		if a.GetLastFailure() != nil {
			return true
		}
	}
	return false
}

func (g *guarded) update(t *testing.T, id, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	handle, err := g.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		t.Fatal(err)
	}
	var out spec.UndoResult
	if err := handle.Get(ctx, &out); err != nil {
		t.Fatal(err)
	}
	g.wait(t, id, "")
}

// readAll runs every Inspect; whatever it answers is searched.
func (g *guarded) readAll(t *testing.T) {
	t.Helper()
	for _, read := range []string{spec.ReadPoints, spec.ReadPoint, spec.ReadJobs, spec.ReadRepositories, spec.ReadConfig} {
		in := spec.Inspect{Read: read, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName}
		id := g.start(t, spec.InspectWorkflow, in)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := g.Client.GetWorkflow(ctx, id, "").Get(ctx, nil)
		cancel()
		if err != nil {
			search(t, "the error of reading "+read, fmt.Sprintf("%v %+v", err, err))
		}
		g.searchRun(t, id, "")
	}
}

// stopsS3In stops the S3 server once, when a job of sales enters a state.
func (g *guarded) stopsS3In(t *testing.T, state string) {
	var once sync.Once
	g.Sim.OnState(func(db, _, now string) {
		if db == "sales" && now == state {
			once.Do(g.S3.Stop)
		}
	})
}
