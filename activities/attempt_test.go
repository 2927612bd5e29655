package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// ended is what became of an activity.
type ended struct {
	err      error
	canceled bool
	kind     string // of the failure
	message  string
	failure  activities.UnitFailure
	retry    bool
	value    interface{ Get(any) error }
}

// calling is a worker in the act: how it is interrupted.
type calling struct {
	ctx       context.Context
	interrupt context.CancelCauseFunc
	stop      chan struct{}
	heard     chan spec.JobProgress // the first heartbeat
}

func newCall(t testing.TB) *calling {
	ctx, cancel := context.WithCancelCause(context.Background())
	t.Cleanup(func() { cancel(nil) })
	return &calling{ctx: ctx, interrupt: cancel, stop: make(chan struct{}), heard: make(chan spec.JobProgress, 1)}
}

// run executes one attempt at an activity to its end.
func (b *bed) run(activity any, args ...any) ended {
	b.Helper()
	return b.runIn(newCall(b.T), activity, args...)
}

func (b *bed) runIn(c *calling, activity any, args ...any) ended {
	b.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: c.ctx})
	env.SetWorkerStopChannel(c.stop)
	env.SetOnActivityHeartbeatListener(c.hear)
	env.RegisterActivity(b.acts)
	value, err := env.ExecuteActivity(activity, args...)
	return outcome(value, err)
}

// hear keeps the first heartbeat.
func (c *calling) hear(_ *activity.Info, details converter.EncodedValues) {
	var p spec.JobProgress
	if details.Get(&p) != nil {
		return
	}
	select {
	case c.heard <- p:
	default:
	}
}

// start executes an activity in the background.
func (b *bed) start(activity any, args ...any) (*calling, <-chan ended) {
	c := newCall(b.T)
	done := make(chan ended, 1)
	go func() { done <- b.runIn(c, activity, args...) }()
	return c, done
}

func outcome(value interface{ Get(any) error }, err error) ended {
	e := ended{err: err, value: value, canceled: temporal.IsCanceledError(err)}
	if err == nil {
		return e
	}
	e.kind, e.message = activities.TypeOf(err)
	e.failure, _ = activities.FailureOf(err)
	e.retry = retried(err)
	return e
}

// retried tells whether Temporal would try an activity again that ended with this error.
func retried(err error) bool {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return !app.NonRetryable()
	}
	return !temporal.IsCanceledError(err)
}

// wait gives the end of an activity started, or fails the test.
func (b *bed) wait(done <-chan ended) ended {
	b.Helper()
	select {
	case e := <-done:
		return e
	case <-time.After(30 * time.Second):
		b.Fatal("the activity does not end; the jobs are ", b.job("BACKUP", "d"), b.job("RESTORE", "d"))
		return ended{}
	}
}

// must runs an activity that has to succeed, and decodes its answer.
func (b *bed) must(out any, activity any, args ...any) {
	b.Helper()
	e := b.run(activity, args...)
	if e.err != nil {
		b.Fatal(e.err)
	}
	if out != nil {
		if err := e.value.Get(out); err != nil {
			b.Fatal(err)
		}
	}
}
