package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.temporal.io/api/serviceerror"
)

// againWithin is how long a second Ctrl-C counts as one.
const againWithin = 3 * time.Second

// following is a terminal that watches a run.
type following struct {
	c       *cli
	t       *temporalServer
	run     started
	began   time.Time
	done    chan error
	signals <-chan os.Signal
	screen  *screen
	pause   context.CancelFunc // stops looking
}

// carryOut starts a run and, unless it is detached, follows it to its end.
func (c *cli) carryOut(ctx context.Context, r run, waitTimeout time.Duration, detach bool, result any) (detached bool, err error) {
	t, err := c.connect(ctx)
	if err != nil {
		return false, err
	}
	defer t.Close()
	begun, err := t.start(ctx, r)
	if err != nil {
		return false, err
	}
	if detach {
		return true, c.printStarted(begun)
	}
	return false, c.follow(ctx, t, begun, waitTimeout, result)
}

// follow shows a run's progress until it ends, decodes its result and returns its error. It returns earlier, with exit
// code 9, after timeout (0: never) or when a person turns away with Ctrl-C; the run goes on either way.
func (c *cli) follow(ctx context.Context, t *temporalServer, r started, timeout time.Duration, result any) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals, stop := c.signals()
	defer stop()
	f := &following{c: c, t: t, run: r, began: c.now(), done: make(chan error, 1), signals: signals}
	if found, err := t.DescribeWorkflow(ctx, r.WorkflowID, r.RunID); err == nil {
		f.began = found.WorkflowStartTime
	}
	go func() { f.done <- t.GetWorkflow(ctx, r.WorkflowID, r.RunID).Get(ctx, result) }()
	f.watch(ctx)
	defer f.unwatch()
	return f.wait(ctx, timeout)
}

func (f *following) wait(ctx context.Context, timeout time.Duration) error {
	var late <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case err := <-f.done:
			return f.outOfSight(err)
		case <-late:
			f.unwatch()
			f.c.say("starkeep: %s is still running after %s; it goes on by itself.", f.run.WorkflowID, timeout)
			f.c.comeBack(f.run.WorkflowID)
			return codedError{code: exitStillRunning}
		case signal := <-f.signals:
			f.unwatch()
			if leave, err := f.turnAway(ctx, signal); leave {
				return err
			}
			f.watch(ctx)
		}
	}
}

// outOfSight tells the end of a run from the loss of Temporal, which says nothing about the run.
func (f *following) outOfSight(err error) error {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	if !errors.As(err, &unavailable) && !errors.As(err, &late) {
		return err
	}
	return withHint(
		codedError{exitFailed, fmt.Sprintf("Temporal (%s) does not answer any more: %s; %s goes on by itself when it does", f.t.where, dialProblem(err), f.run.WorkflowID)},
		"  come back:  starkeep job watch "+f.run.WorkflowID)
}

// turnAway answers a Ctrl-C: it says how to come back, and a second one soon after asks whether to cancel. It tells
// whether to leave; a run that was asked to cancel is watched to its end.
func (f *following) turnAway(ctx context.Context, signal os.Signal) (leave bool, err error) {
	id := f.run.WorkflowID
	f.c.say("Detached: %s goes on by itself.", id)
	f.c.comeBack(id)
	detached := codedError{code: exitStillRunning}
	if signal == syscall.SIGTERM || !f.c.canAsk {
		return true, detached
	}
	f.c.say("Ctrl-C again cancels it (asks first).")
	select {
	case err := <-f.done:
		return true, err
	case <-time.After(againWithin):
		return true, detached
	case <-f.signals:
	}
	f.c.say("\n%s", cancelMeans)
	if !f.agreed("Cancel " + id + "?") {
		f.c.say("Not cancelled; it goes on by itself.")
		return true, detached
	}
	if err := f.t.CancelWorkflow(ctx, id, f.run.RunID); err != nil {
		return true, err
	}
	f.c.say("Cancel requested; waiting for the end. Ctrl-C only stops waiting.")
	return false, nil
}

// agreed asks; a further Ctrl-C means no.
func (f *following) agreed(question string) bool {
	f.c.ask(question)
	answer := make(chan string, 1)
	go func() { answer <- f.c.answer() }()
	select {
	case line := <-answer:
		return saysYes(line)
	case <-f.signals:
		f.c.say("")
		return false
	}
}

// watch looks at the run again and again and shows what it sees, until unwatch.
func (f *following) watch(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	f.screen = f.c.newScreen(view{id: f.run.WorkflowID, started: f.began})
	f.pause = func() {
		stop()
		<-gone
	}
	go func() {
		defer close(gone)
		f.lookOn(ctx, f.screen)
	}()
}

func (f *following) lookOn(ctx context.Context, s *screen) {
	seen := view{id: f.run.WorkflowID, started: f.began}
	next := time.NewTimer(0)
	defer next.Stop()
	if s.live == nil {
		next.Reset(s.wait(0))
	}
	for looks := 1; ; looks++ {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		seen = f.c.look(ctx, f.t, f.run, seen)
		if ctx.Err() != nil {
			return
		}
		s.show(seen)
		next.Reset(s.wait(looks))
	}
}

// unwatch ends watching and takes the live lines away. It can be called again.
func (f *following) unwatch() {
	if f.pause == nil {
		return
	}
	f.pause()
	f.pause = nil
	f.screen.close()
}
