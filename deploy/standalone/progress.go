package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8/cwriter"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"starkeep/workflows/spec"
)

// progressWatch shows how a Backup or Restore goes: a line per database, redrawn on a terminal, else printed when its
// phase changes.
type progressWatch struct {
	client   client.Client
	workflow string
	out      io.Writer
	terminal bool

	drawn int               // lines on the terminal now
	last  map[string]string // by database, elsewhere: what was printed last
	stop  context.CancelFunc
	done  chan struct{}
}

// watchProgress shows progress until Stop.
func watchProgress(ctx context.Context, c client.Client, workflow string, out io.Writer) *progressWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &progressWatch{
		client: c, workflow: workflow, out: out, terminal: isTerminal(out),
		last: map[string]string{}, stop: cancel, done: make(chan struct{}),
	}
	go w.run(ctx)
	return w
}

// Stop ends the display; what is on the terminal stays there.
func (w *progressWatch) Stop() {
	w.stop()
	<-w.done
}

func (w *progressWatch) run(ctx context.Context) {
	defer close(w.done)
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if views, ok := w.query(ctx); ok {
			w.show(views)
		}
	}
}

// databaseView is where one database is: what its workflow knows, and what was last heard of StarRocks' job.
type databaseView struct {
	spec.DatabaseProgress
	job spec.JobProgress
}

// query asks the workflow and its open database jobs. A query that fails, as one does before the first step, is no news.
func (w *progressWatch) query(ctx context.Context) ([]databaseView, bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var progress spec.Progress
	if !w.ask(ctx, w.workflow, &progress) {
		return nil, false
	}
	views := make([]databaseView, len(progress.Databases))
	for i, database := range progress.Databases {
		views[i] = databaseView{DatabaseProgress: database}
		if database.WorkflowID == "" || database.Phase == spec.PhaseDone || database.Phase == spec.PhaseFailed {
			continue
		}
		var now spec.DatabaseProgress
		if w.ask(ctx, database.WorkflowID, &now) {
			views[i] = databaseView{DatabaseProgress: now, job: w.heartbeat(ctx, database.WorkflowID)}
		}
	}
	return views, true
}

func (w *progressWatch) ask(ctx context.Context, workflow string, answer any) bool {
	value, err := w.client.QueryWorkflow(ctx, workflow, "", spec.QueryProgress)
	return err == nil && value.Get(answer) == nil
}

// heartbeat is what the activity that watches StarRocks' job told last; empty when there is none.
func (w *progressWatch) heartbeat(ctx context.Context, workflow string) spec.JobProgress {
	found, err := w.client.DescribeWorkflowExecution(ctx, workflow, "")
	if err != nil {
		return spec.JobProgress{}
	}
	for _, activity := range found.GetPendingActivities() {
		var job spec.JobProgress
		if converter.GetDefaultDataConverter().FromPayloads(activity.GetHeartbeatDetails(), &job) == nil && job.State != "" {
			return job
		}
	}
	return spec.JobProgress{}
}

func (w *progressWatch) show(views []databaseView) {
	if w.terminal {
		w.redraw(views)
		return
	}
	for _, v := range views {
		if at := string(v.Phase) + v.job.State; w.last[v.Database] != at {
			w.last[v.Database] = at
			fmt.Fprintln(w.out, v)
		}
	}
}

func (w *progressWatch) redraw(views []databaseView) {
	var b strings.Builder
	if w.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", w.drawn)
	}
	for _, v := range views {
		fmt.Fprintf(&b, "\x1b[2K%s\n", v)
	}
	w.drawn = len(views)
	fmt.Fprint(w.out, b.String())
}

func (v databaseView) String() string {
	phase := v.Phase
	if v.job.Phase != "" {
		phase = v.job.Phase
	}
	line := fmt.Sprintf("   %-8s %-9s unit %d of %d", v.Database, phase, min(v.UnitsDone+1, v.Units), v.Units)
	if v.job.State == "" {
		return fmt.Sprintf("%s  %d/%d tablets  %s", line, v.TabletsDone, v.Tablets, size(v.BytesDone))
	}
	line += fmt.Sprintf("  %s %s", v.job.Statement, v.job.State)
	if v.job.Total > 0 {
		line += fmt.Sprintf("  %d/%d tasks", v.job.Done, v.job.Total)
	}
	return line
}

// isTerminal says whether lines can be redrawn.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && cwriter.IsTerminal(int(file.Fd()))
}
