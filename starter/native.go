package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

// snapshotList is what backup list --native prints.
type snapshotList struct {
	Snapshots []spec.SnapshotRow `json:"snapshots"`
}

// listNative lists the native snapshots of a repository, whoever made them.
func (c *cli) listNative(ctx context.Context, in spec.Inspect, limit int) error {
	if limit < 0 {
		return usagef("--limit is %d; give a positive number, or 0 for all", limit)
	}
	in.Read = spec.ReadSnapshots
	all := snapshotList{Snapshots: []spec.SnapshotRow{}}
	more := false
	err := c.inspecting(ctx, in, func(read inspector) error {
		for {
			page, err := read(in)
			if err != nil {
				return withHint(err, nextAfter(err, in.Cluster, in.Repository))
			}
			all.Snapshots = append(all.Snapshots, page.Snapshots...)
			more = page.NextPage != ""
			if !more || (limit > 0 && len(all.Snapshots) >= limit) {
				return nil
			}
			in.Page = page.NextPage
		}
	})
	if err != nil {
		return err
	}
	if limit > 0 && len(all.Snapshots) > limit {
		all.Snapshots, more = all.Snapshots[:limit], true
	}
	if more {
		c.say("There are more; --limit 0 lists all.")
	}
	if len(all.Snapshots) == 0 {
		c.say("Repository %s holds no native snapshot.", in.Repository)
	}
	return c.print(all, func(w io.Writer) { writeSnapshots(w, all.Snapshots) })
}

func writeSnapshots(w io.Writer, snapshots []spec.SnapshotRow) {
	columns := []column{{"LABEL", false}, {"TIMESTAMP", false}, {"DATABASE", false}, {"TABLES", true}, {"PARTITIONS", true}, {"TABLETS", true},
		{"STARKEEP'S", false}, {"STATE", false}}
	var rows [][]string
	for _, s := range snapshots {
		tables, partitions, tablets := "", "", ""
		if s.Timestamp != "" {
			tables, partitions, tablets = count(s.Tables), count(s.Partitions), count(s.Tablets)
		}
		rows = append(rows, []string{oneLine(s.Label), oneLine(s.Timestamp), oneLine(s.Database), tables, partitions, tablets, ours(s), oneLine(orDefault(s.Problem, "readable"))})
	}
	writeTable(w, columns, rows)
}

// ours says whether starkeep made a snapshot, or knows it.
func ours(s spec.SnapshotRow) string {
	switch {
	case s.Ours:
		return "yes"
	case s.Recorded:
		return "adopted"
	}
	return "no"
}

func (c *cli) backupAdopt() *cobra.Command {
	var in spec.Adopt
	cmd := &cobra.Command{
		Use:   "adopt --cluster NAME --repository NAME --label LABEL",
		Short: "Make a restore point of a native snapshot that starkeep did not make",
		Long: "Reads what a BACKUP statement left in a repository, checks that it is whole, and publishes a restore point that\n" +
			"refers to it. Nothing of the snapshot is changed or copied. Adopting it again gives the same point.",
		Example: "  starkeep backup adopt --cluster prod --repository s3-eu --label before_migration",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runAdopt(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`) that the snapshot is of")
	f.StringVar(&in.Repository, "repository", "", "repository profile (`NAME`) in which it lies")
	f.StringVar(&in.Label, "label", "", "`LABEL` of the snapshot, as in BACKUP SNAPSHOT db.LABEL")
	f.StringVar(&in.Timestamp, "timestamp", "", "its `backup_timestamp`, where the label has several")
	return cmd
}

func (c *cli) runAdopt(ctx context.Context, in spec.Adopt) error {
	if err := in.Validate(); err != nil {
		return usagef("%s", inFlags(err.Error()))
	}
	var result spec.AdoptResult
	_, err := c.carryOut(ctx, run{
		workflow: spec.AdoptWorkflow,
		id:       spec.AdoptID(in.Cluster, in.Repository, in.Label),
		summary:  fmt.Sprintf("adopt snapshot %s of %s", in.Label, in.Repository),
		details:  inputDetails(in),
		input:    in,
	}, 0, false, &result)
	return c.showAdopt(result, err, in)
}

func (c *cli) showAdopt(result spec.AdoptResult, err error, in spec.Adopt) error {
	if err != nil {
		return withHint(err, fmt.Sprintf("  see what there is:  starkeep backup list --native --cluster %s --repository %s", in.Cluster, in.Repository))
	}
	if err := c.print(result, func(w io.Writer) { writeAdopt(w, result) }); err != nil {
		return err
	}
	c.say("  restore it:  starkeep restore run --cluster %s --repository %s --point %s", in.Cluster, in.Repository, result.Point)
	return nil
}

func writeAdopt(w io.Writer, r spec.AdoptResult) {
	was := "adopted from"
	if r.Existing {
		was = "was adopted before, from"
	}
	fmt.Fprintf(w, "Restore point %s, %s snapshot %s of database %s (%s).\n", oneLine(r.Point), was, oneLine(r.Label), oneLine(r.Database), oneLine(r.Timestamp))
	fmt.Fprintf(w, "\n%s, %s, %s, %s in %s.\n", plural(int64(r.Tables), "table", "tables"), plural(r.Partitions, "partition", "partitions"),
		plural(r.Tablets, "tablet", "tablets"), size(r.Bytes), plural(r.Objects, "object", "objects"))
	writeNotKnown(w, r.NotKnown)
	writeNotCovered(w, r.NotCovered)
}

func writeNotKnown(w io.Writer, notKnown []string) {
	if len(notKnown) == 0 {
		return
	}
	fmt.Fprintln(w, "\nNot known of an adopted snapshot, and never compared:")
	for _, text := range notKnown {
		fmt.Fprintf(w, "  - %s\n", oneLine(text))
	}
}

// drillText is a drill as a list shows it: "2026-11-23 ok".
func drillText(d *spec.DrillRow) string {
	if d == nil {
		return ""
	}
	at, err := time.Parse(time.RFC3339, d.At)
	if err != nil {
		return oneLine(d.Result)
	}
	return at.UTC().Format(time.DateOnly) + " " + oneLine(d.Result)
}

func writeDrills(w io.Writer, drills []spec.DrillRow) {
	if len(drills) == 0 {
		return
	}
	fmt.Fprintln(w, "\nDrills:")
	var rows [][]string
	for _, d := range drills {
		rows = append(rows, []string{oneLine(d.At), oneLine(d.Result), strconv.Itoa(d.Sampled) + " of " + count(d.Of), oneLine(d.Reason)})
	}
	writeTable(w, []column{{"AT", false}, {"RESULT", false}, {"TABLES", false}, {"REASON", false}}, rows)
}

func writeReports(w io.Writer, reports []string) {
	if len(reports) == 0 {
		return
	}
	fmt.Fprintln(w, "\nProofs of restores:")
	for _, address := range reports {
		fmt.Fprintf(w, "  %s\n", oneLine(address))
	}
}
