package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

func (c *cli) backupCopy() *cobra.Command {
	var in spec.Copy
	var detach bool
	var waitTimeout time.Duration
	cmd := &cobra.Command{
		Use:   "copy --cluster NAME --from NAME --to NAME",
		Short: "Copy restore points, whole, to a mirror, or back",
		Long: "Copies restore points from a repository or mirror to a mirror or repository: what the target lacks, and nothing twice.\n" +
			"A point that the target lists is whole there. Without --point all points that the target lacks are copied, oldest first.\n" +
			"A copy that was broken off goes on where it was when it is started again.",
		Example: "  starkeep backup copy --cluster prod --from s3-eu --to dr\n" +
			"  starkeep backup copy --cluster prod --from s3-eu --to dr --point latest --limit 50MiB\n" +
			"  starkeep backup copy --cluster prod --from dr --to s3-eu --point 20261122T150405Z-a1b2c3",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.copy(cmd.Context(), in, detach, waitTimeout)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster (`NAME`) whose restore points are meant")
	f.StringVar(&in.From, "from", "", "repository or mirror profile (`NAME`) that holds them")
	f.StringVar(&in.To, "to", "", "mirror or repository profile (`NAME`) that gets them")
	f.StringVar(&in.Point, "point", "", "restore `POINT`: an id, latest, or latest~N (default all that the target lacks)")
	f.BoolVar(&in.Behind, "behind", false, "only points whose backup named the target among its mirrors, and newer than the newest there: what backups themselves copy")
	addCopyLimits(cmd, &in.Limits)
	f.BoolVar(&detach, "detach", false, "start it, print its id and return")
	f.DurationVar(&waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9; the run goes on (default: no limit)")
	cmd.MarkFlagsMutuallyExclusive("detach", "wait-timeout")
	return cmd
}

func addCopyLimits(cmd *cobra.Command, l *spec.CopyLimits) {
	cmd.Flags().Var((*bytesFlag)(&l.BytesPerSecond), "limit", "what it may move per second, as `SIZE`: 512KiB, 50MiB (default no limit but the profiles')")
	cmd.Flags().IntVar(&l.ParallelBatches, "parallel-batches", 0, "batches (`n`) copied at once (default 4)")
}

// bytesFlag is a number of bytes on the command line; zero is not shown, it means no limit.
type bytesFlag int64

func (b *bytesFlag) Type() string { return "size" }

func (b *bytesFlag) String() string {
	if *b == 0 {
		return ""
	}
	return fmt.Sprint(int64(*b))
}

func (b *bytesFlag) Set(text string) error {
	n, err := spec.ParseBytes(text)
	if err != nil {
		return usagef("%q: %v", text, err)
	}
	*b = bytesFlag(n)
	return nil
}

func (c *cli) copy(ctx context.Context, in spec.Copy, detach bool, waitTimeout time.Duration) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	var result spec.CopyResult
	detached, err := c.carryOut(ctx, run{
		workflow: spec.CopyWorkflow,
		id:       spec.CopyID(in.Cluster, in.From, in.To),
		summary:  fmt.Sprintf("copy %s of %s from %s to %s", orDefault(in.Point, "what is missing"), in.Cluster, in.From, in.To),
		details:  inputDetails(in),
		input:    in,
	}, waitTimeout, detach, &result)
	if detached {
		return err
	}
	return c.showCopy(result, err, in.Cluster)
}

// showCopy prints the result of a Copy, also the one that a failed run carries.
func (c *cli) showCopy(result spec.CopyResult, err error, cluster string) error {
	if err != nil && (!details(err, &result) || result.To == "") {
		return withHint(err, nextAfter(err, cluster, ""))
	}
	if failed := c.print(result, func(w io.Writer) { writeCopy(w, result) }); failed != nil {
		return failed
	}
	return withHint(err, nextAfter(err, cluster, result.From))
}

func writeCopy(w io.Writer, r spec.CopyResult) {
	fmt.Fprintf(w, "%s copied from %s to %s", plural(r.PointCount, "restore point", "restore points"), oneLine(r.From), oneLine(r.To))
	if r.Held > 0 {
		fmt.Fprintf(w, "; %s there already", count(r.Held))
	}
	fmt.Fprintf(w, ".\n%s, %s moved (%s), %s there already.\n", plural(r.Snapshots, "native snapshot", "native snapshots"),
		plural(r.Objects, "object", "objects"), size(r.Moved), count(r.Present))
	if len(r.Points) > 0 {
		fmt.Fprintf(w, "\n  %s\n", strings.Join(r.Points[max(0, len(r.Points)-10):], "\n  "))
	}
	if len(r.Failed) > 0 {
		var rows [][]string
		for _, f := range r.Failed {
			rows = append(rows, []string{oneLine(f.Point), oneLine(f.Reason)})
		}
		fmt.Fprintf(w, "\n%s could not be copied:\n", plural(r.FailedCount, "restore point", "restore points"))
		writeTable(w, []column{{"POINT", false}, {"REASON", false}}, rows)
	}
	writeWarnings(w, r.Warnings)
}

// writeMirrors says which mirrors have the point of a backup.
func writeMirrors(w io.Writer, mirrors []spec.MirrorState) {
	if len(mirrors) == 0 {
		return
	}
	var rows [][]string
	for _, m := range mirrors {
		state := "BEHIND"
		if m.Copied {
			state = "has the point"
		}
		rows = append(rows, []string{oneLine(m.Mirror), state, oneLine(m.Reason), oneLine(m.Copy)})
	}
	fmt.Fprintln(w)
	writeTable(w, []column{{"MIRROR", false}, {"STATE", false}, {"REASON", false}, {"COPIED BY", false}}, rows)
}

func (c *cli) jobLimit() *cobra.Command {
	var limits spec.CopyLimits
	cmd := &cobra.Command{
		Use:     "limit ID",
		Short:   "Change how fast a running copy moves",
		Long:    "Changes the limits of a running copy. Batches under way follow within seconds. Without --limit it has none of its own.",
		Example: "  starkeep job limit copy/prod/s3-eu/dr --limit 20MiB",
		Args:    oneArg("the workflow id of a copy, like copy/prod/s3-eu/dr; see starkeep job list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.setCopyLimit(cmd.Context(), args[0], limits)
		},
	}
	addCopyLimits(cmd, &limits)
	return cmd
}

func (c *cli) setCopyLimit(ctx context.Context, id string, limits spec.CopyLimits) error {
	if err := limits.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	return c.onJob(ctx, id, func(t *temporalServer, found *client.WorkflowExecutionDescription) error {
		switch {
		case found.WorkflowType.Name != spec.CopyWorkflow:
			return usagef("%s is a %s; only the limits of a Copy can be changed", id, found.WorkflowType.Name)
		case found.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
			return codedError{exitNothing, id + " is not running; see how it ended: starkeep job watch " + id}
		}
		var answer spec.CopyLimits
		if err := c.update(ctx, t, pauseTimeout, id, spec.UpdateSetLimit, &answer, limits); err != nil {
			return err
		}
		return c.print(answer, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", id, answer) })
	})
}
