package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"starkeep/workflows/spec"
)

// show puts the job's progress where people look: the details in the web UI.
func (j *databaseJob) show(ctx workflow.Context) {
	j.progress.Units = len(j.Queue.Completed) + len(j.Queue.Failures) + len(j.Queue.Waiting)
	j.progress.UnitsDone = len(j.Queue.Completed)
	j.progress.UnitsFailed = len(j.Queue.Failures)
	j.progress.Paused = j.control.paused
	workflow.SetCurrentDetails(ctx, renderDatabase(j.progress, string(j.Statement)))
}

func (j *databaseJob) phase(ctx workflow.Context, p spec.Phase) {
	if j.progress.Phase != p {
		j.progress.Phase = p
		j.show(ctx)
	}
}

func (j *databaseJob) answer() (any, error) { return j.progress, nil }

func renderDatabase(p spec.DatabaseProgress, statement string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s of database `%s`: %s\n\n", statement, p.Database, p.Phase)
	fmt.Fprintf(&b, "| | done | of |\n|---|---:|---:|\n| units | %d | %d |\n| tablets | %d | %d |\n| bytes | %s | %s |\n",
		p.UnitsDone, p.Units, p.TabletsDone, p.Tablets, spec.Bytes(p.BytesDone), spec.Bytes(p.Bytes))
	if p.UnitsFailed > 0 {
		fmt.Fprintf(&b, "\n**%d units failed** and were given up; what they held is reported.\n", p.UnitsFailed)
	}
	if p.Current != "" {
		fmt.Fprintf(&b, "\nNow: %s. The pending activity's heartbeat shows StarRocks' own state.\n", p.Current)
	}
	if p.Paused {
		b.WriteString("\n**Paused**: no further unit is started (update `resume`).\n")
	}
	return b.String()
}

// renderRun draws a Backup or Restore.
func renderRun(title string, p spec.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n", title, p.Phase)
	if p.Point != "" {
		fmt.Fprintf(&b, "Restore point `%s`\n\n", p.Point)
	}
	if len(p.Databases) > 0 {
		b.WriteString("| database | phase | units | tablets | bytes |\n|---|---|---:|---:|---:|\n")
		for _, d := range p.Databases[:min(len(p.Databases), 50)] {
			fmt.Fprintf(&b, "| `%s` | %s | %d/%d | %d | %s |\n", d.Database, d.Phase, d.UnitsDone, d.Units, d.Tablets, spec.Bytes(d.Bytes))
		}
		if more := len(p.Databases) - 50; more > 0 {
			fmt.Fprintf(&b, "\nand %d more databases\n", more)
		}
		b.WriteString("\nEach database has a child workflow that shows its own units.\n")
	}
	if p.Paused {
		b.WriteString("\n**Paused**: no further unit is started (update `resume`).\n")
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "\n- warning: %s", w)
	}
	return b.String()
}
