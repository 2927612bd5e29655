package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"starkeep/workflows/spec"
)

const (
	// queryTimeout bounds a query; one that nobody answers means that no worker is there.
	queryTimeout = 5 * time.Second
	// queriesAtOnce bounds how many databases are asked at once.
	queriesAtOnce = 8
)

// look asks a run and the databases it works on where they are. What cannot be asked is left as it was: progress is
// for people, and never a reason to fail.
func (c *cli) look(ctx context.Context, t *temporalServer, r started, last view) view {
	v := last
	asked, err := t.progressOf(ctx, r)
	if err != nil {
		v.note = c.absence(ctx, t)
		return v
	}
	v.note = ""
	v.phase, v.paused, v.cancelled = asked.Phase, asked.Paused, asked.CancelRequested
	v.databases = make([]databaseView, len(asked.Databases))
	var group errgroup.Group
	group.SetLimit(queriesAtOnce)
	for i, d := range asked.Databases {
		v.databases[i] = databaseView{DatabaseProgress: d}
		if d.WorkflowID == "" || v.databases[i].over() {
			continue
		}
		group.Go(func() error {
			t.lookCloser(ctx, &v.databases[i])
			return nil
		})
	}
	_ = group.Wait() // lookCloser has no error to give
	return v
}

// absence tells that no worker is there; "" when one is, or when that cannot be told.
func (c *cli) absence(ctx context.Context, t *temporalServer) string {
	here, _, err := t.presence(ctx, c.now())
	if err != nil {
		return "Temporal does not answer (" + t.where + "); still trying"
	}
	if !here {
		return "no worker answers on task queue " + spec.TaskQueue + ": it goes on when one does"
	}
	return ""
}

// progressOf asks a run for its progress. A DatabaseJob is shown as a run of one database; workflows without progress
// answer nothing.
func (t *temporalServer) progressOf(ctx context.Context, r started) (spec.Progress, error) {
	var asked spec.Progress
	switch kind, _, _ := strings.Cut(r.WorkflowID, "/"); kind {
	case "backup", "restore", "repo", "export", "copy", "migrate", "verify":
		err := t.query(ctx, r.WorkflowID, r.RunID, &asked)
		return asked, err
	case "starkeep":
		var one spec.DatabaseProgress
		err := t.query(ctx, r.WorkflowID, "", &one)
		one.WorkflowID = r.WorkflowID
		return spec.Progress{Phase: one.Phase, Paused: one.Paused, Databases: []spec.DatabaseProgress{one}}, err
	}
	return asked, nil
}

func (t *temporalServer) query(ctx context.Context, id, run string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	answer, err := t.QueryWorkflow(ctx, id, run, spec.QueryProgress)
	if err != nil {
		return err
	}
	return answer.Get(into)
}

// lookCloser asks a database's own job, which knows more than its parent, and its FE job's watcher.
func (t *temporalServer) lookCloser(ctx context.Context, d *databaseView) {
	var own spec.DatabaseProgress
	var wait sync.WaitGroup
	wait.Go(func() {
		if t.query(ctx, d.WorkflowID, "", &own) != nil {
			own = spec.DatabaseProgress{}
		}
	})
	d.job = t.heartbeat(ctx, d.WorkflowID)
	wait.Wait()
	if own.Database != d.Database {
		return
	}
	own.WorkflowID = d.WorkflowID
	d.DatabaseProgress = own
}

// heartbeat is what the activity that watches the FE's job said last; empty when none is at work.
func (t *temporalServer) heartbeat(ctx context.Context, id string) spec.JobProgress {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	found, err := t.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return spec.JobProgress{}
	}
	for _, activity := range found.GetPendingActivities() {
		var job spec.JobProgress
		if t.converter.FromPayloads(activity.GetHeartbeatDetails(), &job) == nil && job.State != "" {
			return job
		}
	}
	return spec.JobProgress{}
}
