package main

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"starkeep/workflows/spec"
)

const (
	// workerGrace is how long something that needs a worker may take before we look whether there is one.
	workerGrace = 5 * time.Second
	// workerSilence is how long a worker that polls can be silent: its polls last 60 s.
	workerSilence = 75 * time.Second
)

// presence tells whether a worker polls the task queue, and when one was last seen (0: never, or not lately enough for
// Temporal to remember).
func (t *temporalServer) presence(ctx context.Context, now time.Time) (here bool, lastSeen time.Duration, err error) {
	answer, err := t.DescribeTaskQueue(ctx, spec.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return false, 0, err
	}
	for _, poller := range answer.GetPollers() {
		silent := max(now.Sub(poller.GetLastAccessTime().AsTime()), time.Millisecond)
		if lastSeen == 0 || silent < lastSeen {
			lastSeen = silent
		}
	}
	return lastSeen > 0 && lastSeen < workerSilence, lastSeen, nil
}

// attended runs a call that only a worker can answer. It gives up when no worker is there, or after timeout.
func (c *cli) attended(ctx context.Context, t *temporalServer, timeout time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	check := time.NewTicker(workerGrace)
	defer check.Stop()
	for {
		select {
		case err := <-done:
			return c.explainSilence(ctx, t, timeout, err)
		case <-check.C:
			here, seen, err := t.presence(ctx, c.now())
			if err == nil && !here {
				cancel()
				<-done // the call writes its answer no more
				return codedError{exitFailed, t.noWorker(seen)}
			}
		}
	}
}

// resultOf waits for a run that only answers its caller, and ends it when nobody takes it up.
func (c *cli) resultOf(ctx context.Context, t *temporalServer, r started, timeout time.Duration, result any) error {
	err := c.attended(ctx, t, timeout, func(ctx context.Context) error {
		return t.GetWorkflow(ctx, r.WorkflowID, r.RunID).Get(ctx, result)
	})
	var silence codedError
	if errors.As(err, &silence) {
		_ = t.TerminateWorkflow(ctx, r.WorkflowID, r.RunID, "nobody waits for its answer any more")
	}
	return err
}

// explainSilence turns the deadline of an attended call into a sentence.
func (c *cli) explainSilence(ctx context.Context, t *temporalServer, timeout time.Duration, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return codedError{exitFailed, "the worker did not answer within " + span(timeout) + "; if one was stopped just now, start it again (Temporal at " + t.where + ")"}
}
