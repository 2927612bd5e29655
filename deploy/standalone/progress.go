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
		if progress, ok := w.query(ctx); ok {
			w.show(progress)
		}
	}
}

// query asks the workflow and its open database jobs. A query that fails, as one does before the first step, is no news.
func (w *progressWatch) query(ctx context.Context) (spec.Progress, bool) {
	var progress spec.Progress
	if !w.ask(ctx, w.workflow, &progress) {
		return progress, false
	}
	for i, database := range progress.Databases {
		if database.WorkflowID == "" || database.Phase == spec.PhaseDone || database.Phase == spec.PhaseFailed {
			continue
		}
		now := spec.DatabaseProgress{}
		if w.ask(ctx, database.WorkflowID, &now) {
			progress.Databases[i] = now
		}
	}
	return progress, true
}

func (w *progressWatch) ask(ctx context.Context, workflow string, answer any) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	value, err := w.client.QueryWorkflow(ctx, workflow, "", spec.QueryProgress)
	return err == nil && value.Get(answer) == nil
}

func (w *progressWatch) show(progress spec.Progress) {
	if w.terminal {
		w.redraw(progress)
		return
	}
	for _, database := range progress.Databases {
		if phase := string(database.Phase); w.last[database.Database] != phase {
			w.last[database.Database] = phase
			fmt.Fprintln(w.out, progressLine(database))
		}
	}
}

func (w *progressWatch) redraw(progress spec.Progress) {
	var b strings.Builder
	if w.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", w.drawn)
	}
	for _, database := range progress.Databases {
		b.WriteString("\x1b[2K" + progressLine(database) + "\n")
	}
	w.drawn = len(progress.Databases)
	fmt.Fprint(w.out, b.String())
}

func progressLine(p spec.DatabaseProgress) string {
	return fmt.Sprintf("   %-12s %-10s unit %d of %d   %d/%d tablets   %s", p.Database, p.Phase,
		min(p.UnitsDone+1, p.Units), p.Units, p.TabletsDone, p.Tablets, size(p.BytesDone))
}

// isTerminal says whether lines can be redrawn.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && cwriter.IsTerminal(int(file.Fd()))
}
