package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) backupVerify() *cobra.Command {
	var in spec.Verify
	var native spec.NativeSnapshot
	var all bool
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "verify --cluster NAME --where NAME",
		Short: "Check that all that restore points need is there and right",
		Long: "Checks restore points in a repository or mirror: manifests and records by digest, presence and size of every object by\n" +
			"one listing of each native snapshot, and with --content or --sample the contents: each object is read and its MD5 compared.\n" +
			"What is wrong is named by database, table and partition, and the result is written down on each point.",
		Example: "  starkeep backup verify --cluster prod --where s3-eu\n" +
			"  starkeep backup verify --cluster prod --where s3-eu --all --sample 1/7\n" +
			"  starkeep backup verify --cluster prod --where dr --point latest --content all --repair-from s3-eu",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				in.Points = []string{spec.AllPoints}
			}
			if native != (spec.NativeSnapshot{}) {
				in.Native = &native
			}
			return c.runVerify(cmd.Context(), in, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`) whose restore points are meant")
	f.StringVar(&in.Where, "where", "", "repository or mirror profile (`NAME`) to look into")
	f.StringArrayVar(&in.Points, "point", nil, "restore `POINT`: an id, latest (default), or latest~N; repeatable")
	f.BoolVar(&all, "all", false, "every restore point of the cluster that is there; each native snapshot is looked at once")
	f.StringVar(&in.Content, "content", "", "how many objects to read (`HOW`): none (default), sample or all")
	f.StringVar(&in.Sample, "sample", "", "read a `SHARE` like 1/7: seven verifications of the same points read everything")
	f.StringVar(&in.RepairFrom, "repair-from", "", "copy back what is missing or damaged from this repository or mirror (`NAME`), if it is right there")
	f.StringVar(&native.Label, "native", "", "verify a native snapshot by its `LABEL` instead, also one that starkeep did not make")
	f.StringVar(&native.Timestamp, "native-timestamp", "", "its `backup_timestamp`, where the label has several")
	f.IntVar(&in.Parallel, "parallel", 0, "batches (`n`) of objects at a time (default 4)")
	cmd.MarkFlagsMutuallyExclusive("point", "all", "native")
	flags.add(cmd)
	flags.addSpecFile(cmd, spec.VerifyWorkflow, "cluster", "where", "point", "all", "content", "sample", "repair-from", "native", "native-timestamp", "parallel")
	return cmd
}

func (c *cli) runVerify(ctx context.Context, in spec.Verify, flags runFlags) error {
	if err := c.load(flags, &in); err != nil {
		return err
	}
	name, err := c.checkedName(flags.name)
	if err != nil {
		return err
	}
	var result spec.VerifyResult
	detached, err := c.carryOut(ctx, run{
		workflow: spec.VerifyWorkflow,
		id:       spec.VerifyID(in.Cluster, name),
		summary:  fmt.Sprintf("verify %s of %s in %s, content: %s", verified(in), in.Cluster, in.Where, contentText(in.ContentOf(), 0, in.SampleParts())),
		details:  inputDetails(in),
		input:    in,
	}, flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showVerify(result, err, in)
}

// verified names what is verified.
func verified(in spec.Verify) string {
	if in.Native != nil {
		return "snapshot " + in.Native.Label
	}
	return orDefault(strings.Join(in.Points, ", "), spec.LatestPoint)
}

// showVerify prints the result of a Verify, also the one that a failed run carries.
func (c *cli) showVerify(result spec.VerifyResult, err error, in spec.Verify) error {
	if err != nil && (!details(err, &result) || result.Result == "") {
		return withHint(err, nextAfter(err, in.Cluster, in.Where))
	}
	if failed := c.print(result, func(w io.Writer) { writeVerify(w, result) }); failed != nil {
		return failed
	}
	if in.RepairFrom == "" && in.Native == nil && result.Result == spec.VerifyDamaged {
		return withHint(err, fmt.Sprintf("  repair it:  starkeep backup verify --cluster %s --where %s%s%s --repair-from NAME", in.Cluster, in.Where, pointFlags(in), repairContent(in)))
	}
	return err
}

// repairContent is how much a repair has to read to find what a verification found: after a sample it would be another part.
func repairContent(in spec.Verify) string {
	if in.ContentOf() == spec.ContentNone {
		return ""
	}
	return " --content " + spec.ContentAll
}

// pointFlags names the points of a verification as flags.
func pointFlags(in spec.Verify) string {
	if len(in.Points) == 1 && in.Points[0] == spec.AllPoints {
		return " --all"
	}
	text := ""
	for _, point := range in.Points {
		text += " --point " + point
	}
	return text
}

func writeVerify(w io.Writer, r spec.VerifyResult) {
	fmt.Fprintf(w, "%s: %s.\n", oneLine(r.Where), oneLine(r.Result))
	if r.Verified > 0 {
		fmt.Fprintf(w, "%s verified, %s damaged.\n", plural(int64(r.Verified), "restore point", "restore points"), count(r.Damaged))
	}
	fmt.Fprintf(w, "Looked at %s in %s, %s.\n", plural(r.Objects, "object", "objects"), plural(r.Snapshots, "native snapshot", "native snapshots"), size(r.Bytes))
	if r.Content != spec.ContentNone {
		fmt.Fprintf(w, "Read %s of them, %s: %s.\n", count(r.Read), size(r.ReadBytes), contentText(r.Content, r.Part, r.Of))
	}
	writeVerifiedPoints(w, r.Points)
	writeProblems(w, r)
	writeWarnings(w, r.Warnings)
}

// contentText says how much of the content is read.
func contentText(content string, part, of int) string {
	switch {
	case content != spec.ContentSample:
		return content
	case part > 0:
		return fmt.Sprintf("part %d of %d", part, of)
	}
	return fmt.Sprintf("1/%d", of)
}

func writeVerifiedPoints(w io.Writer, points []spec.VerifiedPoint) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, p := range points {
		found, repaired := "", ""
		if p.Found > 0 {
			found, repaired = count(p.Found), count(p.Repaired)
		}
		rows = append(rows, []string{oneLine(p.ID), oneLine(p.Result), found, repaired, oneLine(p.Recorded)})
	}
	writeTable(w, []column{{"POINT", false}, {"RESULT", false}, {"PROBLEMS", true}, {"REPAIRED", true}, {"WRITTEN DOWN IN", false}}, rows)
}

func writeProblems(w io.Writer, r spec.VerifyResult) {
	if r.Found == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s, %s repaired:\n", plural(r.Found, "problem", "problems"), count(r.Repaired))
	var rows [][]string
	for _, p := range r.Problems {
		kind := p.Kind
		if p.Repaired {
			kind += ", repaired"
		}
		rows = append(rows, []string{oneLine(kind), oneLine(p.Database), oneLine(p.Table), oneLine(p.Partition), oneLine(p.Key), oneLine(p.Detail)})
	}
	writeTable(w, []column{{"KIND", false}, {"DATABASE", false}, {"TABLE", false}, {"PARTITION", false}, {"OBJECT", false}, {"DETAIL", false}}, rows)
	if more := r.Found - int64(len(r.Problems)); more > 0 {
		fmt.Fprintf(w, "… and %s more.\n", count(more))
	}
}

// verificationText is a verification as a list shows it: "2026-11-23 ok, all".
func verificationText(v *spec.VerificationRow) string {
	if v == nil {
		return ""
	}
	at, err := time.Parse(time.RFC3339, v.At)
	if err != nil {
		return oneLine(v.Result)
	}
	text := at.UTC().Format(time.DateOnly) + " " + oneLine(v.Result)
	if v.Content != spec.ContentNone {
		text += ", " + contentText(oneLine(v.Content), 0, v.Of)
	}
	return text
}

func writeVerifications(w io.Writer, list []spec.VerificationRow) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "\nVerifications:")
	var rows [][]string
	for _, v := range list {
		found, repaired := "", ""
		if v.Found > 0 {
			found, repaired = count(v.Found), count(v.Repaired)
		}
		rows = append(rows, []string{oneLine(v.At), oneLine(v.Result), contentText(oneLine(v.Content), v.Part, v.Of), found, repaired, oneLine(v.Reason)})
	}
	writeTable(w, []column{{"AT", false}, {"RESULT", false}, {"CONTENT", false}, {"PROBLEMS", true}, {"REPAIRED", true}, {"REASON", false}}, rows)
}
