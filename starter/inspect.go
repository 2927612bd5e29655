package main

import (
	"context"
	"crypto/rand"
	"time"

	"starkeep/workflows/spec"
)

// inspectTimeout bounds one read: a list of a big repository takes a while, a person does not.
const inspectTimeout = 90 * time.Second

// patienceFor is how long an answer is waited for: sums read a file of each restore point and native snapshot.
func patienceFor(in spec.Inspect) time.Duration {
	if in.Read == spec.ReadUsage {
		return spec.UsageTimeout
	}
	return inspectTimeout
}

// inspector reads through a worker.
type inspector func(spec.Inspect) (spec.InspectResult, error)

// inspect reads once.
func (c *cli) inspect(ctx context.Context, in spec.Inspect) (spec.InspectResult, error) {
	var answer spec.InspectResult
	err := c.inspecting(ctx, in, func(read inspector) (err error) {
		answer, err = read(in)
		return err
	})
	return answer, err
}

// inspecting checks the first question, connects, and lets ask put its questions.
func (c *cli) inspecting(ctx context.Context, first spec.Inspect, ask func(inspector) error) error {
	if err := first.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	t, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	return ask(func(in spec.Inspect) (spec.InspectResult, error) { return c.inspectOn(ctx, t, in) })
}

// inspectOn runs one Inspect workflow. It closes by itself when nobody takes it up.
func (c *cli) inspectOn(ctx context.Context, t *temporalServer, in spec.Inspect) (spec.InspectResult, error) {
	var answer spec.InspectResult
	begun, err := t.start(ctx, run{
		workflow: spec.InspectWorkflow,
		id:       "inspect/" + rand.Text(),
		summary:  "read " + in.Read + " for the CLI",
		timeout:  patienceFor(in) + workerGrace,
		input:    in,
	})
	if err != nil {
		return answer, err
	}
	err = c.resultOf(ctx, t, begun, patienceFor(in), &answer)
	return answer, err
}
