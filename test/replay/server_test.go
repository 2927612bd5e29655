package replay

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/test/testbed"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

var silent = log.NewStructuredLogger(slog.New(slog.DiscardHandler))

// server starts a Temporal dev server for the length of the test.
func server(t *testing.T) client.Client {
	t.Helper()
	s, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath:  testbed.Binary(t, "STARKEEP_TEMPORAL", "temporal"),
		ClientOptions: &client.Options{Logger: silent},
		LogLevel:      "error",
		ExtraArgs: []string{
			"--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000",
			"--dynamic-config-value", "system.enableActivityEagerExecution=true",
			"--search-attribute", spec.AttributeCluster + "=Keyword", "--search-attribute", spec.AttributeDatabase + "=Keyword",
			"--search-attribute", spec.AttributePhase + "=Keyword", "--search-attribute", spec.AttributePoint + "=Keyword",
			"--search-attribute", spec.AttributeBytes + "=Int",
		},
	})
	if err != nil {
		t.Fatalf("start the Temporal dev server: %v", err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s.Client()
}

// fakes are registered under the names of the real activities and do nothing.
type fakes struct {
	mu  sync.Mutex
	did []string
}

func (f *fakes) note(what string, u activities.UnitRef) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf("%s u%d", what, u.Unit.Number))
}

func (f *fakes) steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.did...)
}

func (f *fakes) Submit(_ context.Context, u activities.UnitRef) (activities.Submission, error) {
	f.note("submit", u)
	return activities.Submission{}, nil
}

func (f *fakes) Await(_ context.Context, u activities.UnitRef) (activities.JobEnd, error) {
	if u.Cancel {
		f.note("cancel", u)
		return activities.JobEnd{Cancelled: true}, nil
	}
	f.note("await", u)
	return activities.JobEnd{Seconds: 1}, nil
}

func (f *fakes) Record(_ context.Context, u activities.UnitRef) (activities.Recorded, error) {
	f.note("record", u)
	return activities.Recorded{Label: u.Label, Objects: 400, Bytes: 1 << 30, Tablets: 200, Partitions: 10}, nil
}

// serve runs a worker until the test ends.
func serve(t *testing.T, c client.Client, register func(worker.Worker), options worker.Options) {
	t.Helper()
	w := worker.New(c, spec.TaskQueue, options)
	register(w)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// job is a BACKUP of a database in n units of ten partitions.
func job(n int) workflows.DatabaseJobInput {
	planned := activities.PlannedDatabase{
		Database: "sales", Plan: activities.PlanRef{Key: "__starkeep/v1/prod/plans/20261122T150405Z-0a1b2c/sales.json.zst", SHA256: fmt.Sprintf("%064d", 7)},
		Partitions: int64(10 * n), Tablets: int64(200 * n), Bytes: int64(n) << 30,
	}
	for i := range n {
		planned.Units = append(planned.Units, restorepoint.Unit{Number: i + 1, Parts: []restorepoint.Range{{From: 10 * i, To: 10 * (i + 1)}}})
	}
	return workflows.DatabaseJobInput{Statement: activities.Backup, Cluster: "prod", Repository: "repo", Run: "backup/prod/nightly\n0a1b2c3d", Planned: planned, Heartbeat: spec.Duration(30 * time.Second)}
}

// maxEvents is where Temporal's server begins to warn; at five times as many it ends the run.
const maxEvents = 10240

// TestTwoThousandUnitsStayWithinTheHistoryBudget runs the last 600 units of a job of 2,000: those carry the most from run
// to run, and take half a minute. With STARKEEP_FULL set it runs them all (2,000 units in 9 runs of at most 4,109 events,
// two minutes on two cores).
func TestTwoThousandUnitsStayWithinTheHistoryBudget(t *testing.T) {
	const units = 2000
	in, done := job(units), 0
	if os.Getenv("STARKEEP_FULL") == "" {
		done = 1400
		queue := restorepoint.NewQueue(in.Planned.Units)
		for range done {
			unit, _ := queue.Next()
			queue.Done(unit)
		}
		in.Queue, in.Planned.Units = &queue, nil
	}
	c, f := server(t), &fakes{}
	serve(t, c, func(w worker.Worker) { workflows.Register(w); w.RegisterActivity(f) }, worker.Options{})
	started := client.StartWorkflowOptions{ID: spec.DatabaseJobID("prod", "sales"), TaskQueue: spec.TaskQueue}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	run, err := c.ExecuteWorkflow(ctx, started, spec.DatabaseJobWorkflow, in)
	if err != nil {
		t.Fatal(err)
	}
	first := run.GetRunID()
	var out workflows.DatabaseJobResult
	if err := run.Get(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if out.Summary.Units != units || len(out.Completed) != units || len(f.steps()) != 3*(units-done) {
		t.Errorf("%d units, %d completed, %d activities", out.Summary.Units, len(out.Completed), len(f.steps()))
	}
	runs, most := 0, 0
	for id := first; id != ""; runs++ {
		var events int
		events, id = length(t, c, run.GetID(), id)
		most = max(most, events)
	}
	t.Logf("%d of %d units in %d runs of at most %d events", units-done, units, runs, most)
	if most > maxEvents {
		t.Errorf("a run has %d events, more than %d", most, maxEvents)
	}
}

// length counts the events of a run, and names the run that continues it.
func length(t *testing.T, c client.Client, id, run string) (events int, next string) {
	t.Helper()
	for history := c.GetWorkflowHistory(t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); history.HasNext(); events++ {
		event, err := history.Next()
		if err != nil {
			t.Fatal(err)
		}
		next = event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return events, next
}

// TestACancelThatTemporalAnswersItselfStillReachesStarRocks: a BACKUP runs, no worker watches it at the moment of the
// cancel (between two attempts of Await), and Temporal's server ends the activity. A further Await must be told to
// cancel, or the job would go on in StarRocks with the database's lock given back.
func TestACancelThatTemporalAnswersItselfStillReachesStarRocks(t *testing.T) {
	c, f := server(t), &interrupted{failed: make(chan struct{})}
	serve(t, c, func(w worker.Worker) { workflows.Register(w); w.RegisterActivity(f) }, worker.Options{})
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "job", TaskQueue: spec.TaskQueue}, spec.DatabaseJobWorkflow, job(2))
	if err != nil {
		t.Fatal(err)
	}
	<-f.failed
	waitForBackoff(t, c, run.GetID())
	if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out workflows.DatabaseJobResult
	if err := run.Get(ctx, &out); err != nil {
		t.Fatalf("%v; done: %q", err, f.steps())
	}
	want := []string{"submit u1", "cancel u1"}
	if got := f.steps(); fmt.Sprint(got) != fmt.Sprint(want) || out.Cancelled == "" {
		t.Errorf("done %q, cancelled %q; want %q", got, out.Cancelled, want)
	}
}

// interrupted is a worker that hands over and is never followed by another one.
type interrupted struct {
	fakes
	once   sync.Once
	failed chan struct{}
}

func (f *interrupted) Await(ctx context.Context, u activities.UnitRef) (activities.JobEnd, error) {
	if u.Cancel {
		return f.fakes.Await(ctx, u)
	}
	f.once.Do(func() { close(f.failed) })
	return activities.JobEnd{}, temporal.NewApplicationErrorWithOptions("this worker stops", spec.ErrorHandOver, temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour})
}

// waitForBackoff waits until an activity of the run waits for its next attempt.
func waitForBackoff(t *testing.T, c client.Client, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range d.GetPendingActivities() {
			if a.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && a.GetAttempt() > 1 {
				return
			}
		}
	}
}
