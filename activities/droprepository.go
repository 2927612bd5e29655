package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// DropRepository makes a cluster forget a repository. It is refused, as DatabaseBusy, while a run of starkeep or a job of
// anybody uses it there; nothing in the store is touched. A repository that is not there counts as dropped.
func (a *Activities) DropRepository(ctx context.Context, ref RepositoryRef) (spec.DropRepositoryResult, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return spec.DropRepositoryResult{}, failure(ctx, err)
	}
	out, err := dropRepository(ctx, c, r, openRuns)
	if err != nil {
		err = fmt.Errorf("drop repository %s of cluster %s: %w", r.Name, c.Name, err)
	}
	return out, failure(ctx, err)
}

// dropRepository asks runs for the open runs of starkeep with a cluster and a repository.
func dropRepository(ctx context.Context, c *Cluster, r *Repository, runs func(ctx context.Context, cluster, repository string) ([]string, error)) (spec.DropRepositoryResult, error) {
	out := spec.DropRepositoryResult{Cluster: c.Name, Repository: r.Name, Location: r.Location}
	out.Remains, out.Remove = remains(r)
	known, err := c.FE.Repositories(ctx)
	if err != nil {
		return out, err
	}
	at := slices.IndexFunc(known, func(k starrocks.Repository) bool { return k.Name == r.Native })
	if at < 0 {
		out.Message = fmt.Sprintf("cluster %s has no repository %s", c.Name, r.Native)
		return out, nil
	}
	out.Location = known[at].Location
	if open, err := runs(ctx, c.Name, r.Name); err != nil || len(open) > 0 {
		return out, errors.Join(err, inUse(open))
	}
	err = c.FE.DropRepository(ctx, r.Native)
	if errors.Is(err, starrocks.ErrRepositoryBusy) {
		return out, stillUsed(ctx, c, r, err)
	}
	if err != nil && !errors.Is(err, starrocks.ErrRepositoryMissing) {
		return out, err
	}
	out.Dropped = true
	out.Message = fmt.Sprintf("cluster %s has forgotten repository %s at %s", c.Name, r.Native, out.Location)
	return out, nil
}

// inUse refuses because of our own runs: between two statements StarRocks knows nothing of them.
func inUse(runs []string) error {
	if len(runs) == 0 {
		return nil
	}
	f := fail(spec.ErrorDatabaseBusy, "it is used by %s; wait for the end, or cancel", strings.Join(runs, ", "))
	f.Final = true
	return f
}

// openRuns lists the open backups and restores of a cluster with a repository, by workflow id.
func openRuns(ctx context.Context, cluster, repository string) ([]string, error) {
	t := activity.GetClient(ctx)
	var runs []string
	for run, err := range listedRuns(ctx, t, spec.BackupWorkflow, spec.RestoreWorkflow) {
		if err != nil {
			return nil, err
		}
		uses, err := runUses(ctx, t, run.Execution, cluster, repository)
		if err == nil && uses {
			uses, err = isOpen(ctx, t, run.Execution)
		}
		if err != nil {
			return nil, err
		}
		if uses {
			runs = append(runs, run.Execution.WorkflowId)
		}
	}
	return runs, nil
}

// runUses tells whether a run was started with a cluster and a repository.
func runUses(ctx context.Context, t client.Client, run *commonpb.WorkflowExecution, cluster, repository string) (bool, error) {
	var in RepositoryRef
	known, err := startedWith(ctx, t, run, &in)
	return known && in == RepositoryRef{Cluster: cluster, Repository: repository}, err
}

// stillUsed names the jobs because of which StarRocks refused. It does not say itself which repository a job uses: those
// whose snapshot is in this one are named, else all that run.
func stillUsed(ctx context.Context, c *Cluster, r *Repository, refused error) error {
	jobs, err := c.FE.Jobs(ctx)
	if err != nil {
		return refused
	}
	var here, all []string
	for _, j := range jobs {
		if j.State.Terminal() {
			continue
		}
		name := fmt.Sprintf("%s of database %s, label %s, in %s", j.Kind, j.Database, j.Label, j.State)
		all = append(all, name)
		if there, err := (&work{UnitRef: UnitRef{Label: j.Label}, repository: r}).written(ctx); err == nil && there {
			here = append(here, name)
		}
	}
	said := fail(spec.ErrorDatabaseBusy, "%v; one of these uses it: %s; wait for the end, or cancel it", refused, strings.Join(all, "; "))
	if len(here) > 0 {
		said = fail(spec.ErrorDatabaseBusy, "%v: %s; wait for the end, or cancel it", refused, strings.Join(here, "; "))
	}
	said.Final = true
	return said
}

// remains says what a dropped repository leaves in the store, and how it is got rid of.
func remains(r *Repository) (text string, remove []string) {
	native := strings.TrimSuffix(starrocks.RepositoryPrefix(r.Native), "/")
	own := strings.TrimSuffix(restorepoint.Root, "/v1/")
	for _, directory := range []string{native, own} {
		at := locationParts(r.Location).objects(directory)
		switch r.place().kindOf() {
		case KindS3:
			remove = append(remove, "aws s3 rm --recursive s3://"+at+"/")
		case KindGCS:
			remove = append(remove, "gcloud storage rm --recursive gs://"+at+"/")
		case KindHDFS:
			remove = append(remove, "hdfs dfs -rm -r "+r.Location+"/"+directory)
		default:
			remove = append(remove, "rm -r "+strings.TrimPrefix(r.Location, "file://")+"/"+directory)
		}
	}
	return fmt.Sprintf("All snapshots and restore points stay at %s: starkeep repo create %s attaches to them again, on any cluster. What deletes them for good, when no cluster needs them any more:", r.Location, r.Name), remove
}
