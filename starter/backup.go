package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"starkeep/workflows/spec"
)

func (c *cli) backup() *cobra.Command {
	return noun("backup", "Back up databases, and look at restore points", c.backupRun(), c.backupList(), c.backupShow(), c.backupDiff(), c.backupUsage(), c.backupAdopt(), c.backupExport(), c.backupCopy(), c.backupVerify(), c.backupPrune(), c.backupPin(), c.backupUnpin())
}

func (c *cli) backupRun() *cobra.Command {
	var in spec.Backup
	var tags []string
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run --cluster NAME --repository NAME",
		Short: "Back up databases into a repository",
		Long:  "Backs up what --include selects (everything by default) and publishes a restore point.\nThe run goes on without this terminal: Ctrl-C only stops watching it.",
		Example: "  starkeep backup run --cluster prod --repository s3-eu --include sales --include 'web.page_*'\n" +
			"  starkeep backup run --cluster prod --repository s3-eu --incremental\n" +
			"  starkeep backup run --cluster prod --repository s3-eu --resume 20261122T150405Z-a1b2c3",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if in.Tags, err = parseTags(tags); err != nil {
				return err
			}
			return c.runBackup(cmd.Context(), in, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`) to back up")
	f.StringVar(&in.Repository, "repository", "", "repository profile (`NAME`) to back up into")
	f.StringArrayVar(&in.Include, "include", nil, "what to back up (`PATTERN`): db, db.table, db.table/partition, with * globs; repeatable (default everything)")
	f.StringArrayVar(&in.Exclude, "exclude", nil, "what to leave out (`PATTERN`), in the same grammar; repeatable, wins over --include")
	f.StringVar(&in.Resume, "resume", "", "partial restore `POINT` to complete: only what it lacks is backed up")
	f.BoolVar(&in.Incremental, "incremental", false, "back up only what has changed since the newest restore point, and carry the rest over by reference")
	f.StringVar(&in.Base, "base", "", "restore `POINT` that --incremental compares with (default the newest that holds as much)")
	f.StringVar(&in.Fingerprint, "fingerprint", "", "`HOW` to fingerprint the rows of each partition, which a restore then compares: sample (about one row in 16) or full (default: rows are only counted)")
	f.StringArrayVar(&in.Mirrors, "mirror", nil, "mirror profile (`NAME`) that gets a copy of the point, unit by unit; repeatable. One that fails does not fail the backup")
	f.Var((*durationFlag)(&in.MirrorWait), "mirror-wait", "how `long` to look, after the point is published, whether the mirrors have it (default 1m); the copies go on by themselves")
	f.StringArrayVar(&tags, "tag", nil, "`KEY=VALUE` kept with the restore point; repeatable")
	f.StringVar(&in.OnBusy, "on-busy", "", "what to `do` when another job holds a database: wait (default) or fail")
	limits := addLimits(f, &in.Limits)
	flags.add(cmd)
	flags.addSpecFile(cmd, spec.BackupWorkflow, append(limits, "cluster", "repository", "include", "exclude", "resume", "incremental", "base", "fingerprint", "mirror", "mirror-wait", "tag", "on-busy")...)
	return cmd
}

func (c *cli) runBackup(ctx context.Context, in spec.Backup, flags runFlags) error {
	if err := c.load(flags, &in); err != nil {
		return err
	}
	name, err := c.checkedName(flags.name)
	if err != nil {
		return err
	}
	var result spec.BackupResult
	detached, err := c.carryOut(ctx, run{
		workflow: spec.BackupWorkflow,
		id:       spec.BackupID(in.Cluster, name),
		summary:  fmt.Sprintf("back up %s into %s: %s", in.Cluster, in.Repository, selectionText(in.Include, in.Exclude)),
		details:  inputDetails(in),
		input:    in,
	}, flags.waitTimeout, flags.detach, &result)
	if detached {
		return err
	}
	return c.showBackup(result, err, in)
}

// showBackup prints the result of a Backup, also the one that a failed run carries, and says how to go on.
func (c *cli) showBackup(result spec.BackupResult, err error, in spec.Backup) error {
	if err != nil && (!details(err, &result) || (result.Point == "" && len(result.Databases) == 0)) {
		return withHint(err, nextAfter(err, in.Cluster, in.Repository))
	}
	if failed := c.print(result, func(w io.Writer) { writeBackup(w, result) }); failed != nil {
		return failed
	}
	if err != nil && !result.Complete && result.Point != "" && in.Cluster != "" {
		return withHint(err, fmt.Sprintf("  complete it:  starkeep backup run --cluster %s --repository %s --resume %s", in.Cluster, in.Repository, result.Point))
	}
	return withHint(err, nextAfter(err, in.Cluster, in.Repository))
}

func (c *cli) backupList() *cobra.Command {
	in := spec.Inspect{Read: spec.ReadPoints}
	var limit int
	var native bool
	cmd := &cobra.Command{
		Use:     "list --cluster NAME --repository NAME",
		Short:   "List a cluster's restore points, newest first",
		Example: "  starkeep backup list --cluster prod --repository s3-eu\n  starkeep backup list --cluster prod --repository s3-eu --native",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if native {
				return c.listNative(cmd.Context(), in, limit)
			}
			return c.listPoints(cmd.Context(), in, limit)
		},
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().StringVar(&in.Repository, "repository", "", "repository profile (`NAME`)")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many (`n`) to list; 0 lists all")
	cmd.Flags().BoolVar(&native, "native", false, "list what BACKUP statements left in the repository instead, whoever sent them")
	return cmd
}

func (c *cli) listPoints(ctx context.Context, in spec.Inspect, limit int) error {
	if limit < 0 {
		return usagef("--limit is %d; give a positive number, or 0 for all", limit)
	}
	all := spec.InspectResult{Points: []spec.PointRow{}}
	err := c.inspecting(ctx, in, func(read inspector) error {
		for {
			page, err := read(in)
			if err != nil {
				return err
			}
			all.Points = append(all.Points, page.Points...)
			all.NextPage = page.NextPage
			if page.NextPage == "" || (limit > 0 && len(all.Points) >= limit) {
				return nil
			}
			in.Page = page.NextPage
		}
	})
	if err != nil {
		return err
	}
	more := all.NextPage != ""
	if limit > 0 && len(all.Points) > limit {
		all.Points, more = all.Points[:limit], true
	}
	if more {
		c.say("There are more; --limit 0 lists all.")
	}
	if len(all.Points) == 0 {
		c.say("No restore point of %s in %s. Make one: starkeep backup run --cluster %s --repository %s", in.Cluster, in.Repository, in.Cluster, in.Repository)
	}
	return c.print(pointList{all.Points}, func(w io.Writer) { writePoints(w, all.Points) })
}

// pointList is what backup list prints.
type pointList struct {
	Points []spec.PointRow `json:"points"`
}

func (c *cli) backupShow() *cobra.Command {
	in := spec.Inspect{Read: spec.ReadPoint}
	cmd := &cobra.Command{
		Use:     "show POINT --cluster NAME --repository NAME",
		Short:   "Show what a restore point holds",
		Example: "  starkeep backup show latest --cluster prod --repository s3-eu",
		Args:    oneArg("a restore point: its id, latest, or latest~N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Point = args[0]
			return c.showPoint(cmd.Context(), in)
		},
	}
	cmd.Flags().StringVar(&in.Cluster, "cluster", "", "cluster profile (`NAME`)")
	cmd.Flags().StringVar(&in.Repository, "repository", "", "repository profile (`NAME`)")
	return cmd
}

func (c *cli) showPoint(ctx context.Context, in spec.Inspect) error {
	answer, err := c.inspect(ctx, in)
	if err != nil {
		return withHint(err, nextAfter(err, in.Cluster, in.Repository))
	}
	if answer.Point == nil {
		return codedError{exitFailed, fmt.Sprintf("%s has no restore point %s of %s; see starkeep backup list", in.Repository, in.Point, in.Cluster)}
	}
	return c.print(answer.Point, func(w io.Writer) { writePoint(w, *answer.Point) })
}

// parseTags reads key=value pairs.
func parseTags(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	tags := map[string]string{}
	for _, pair := range pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return nil, usagef("--tag is %q; write it as key=value", pair)
		}
		if _, twice := tags[key]; twice {
			return nil, usagef("--tag %s is given twice", key)
		}
		tags[key] = value
	}
	return tags, nil
}

// nextAfter says what to look at after a failure of a type that one of our commands can explain.
func nextAfter(err error, cluster, repository string) string {
	cause := applicationError(err)
	if cause == nil || cluster == "" {
		return ""
	}
	switch cause.Type() {
	case spec.ErrorDatabaseBusy, spec.ErrorJobFailed, spec.ErrorJobLost:
		return "  see its jobs:  starkeep job list --cluster " + cluster
	case spec.ErrorRepositoryMissing:
		return "  see what it has:  starkeep repo list --cluster " + cluster
	case spec.ErrorSnapshotMissing:
		return fmt.Sprintf("  see what there is:  starkeep backup list --cluster %s --repository %s", cluster, repository)
	case spec.ErrorAuthDenied:
		return "  see what is refused:  starkeep config check"
	}
	return ""
}
