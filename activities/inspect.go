package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// pageSize bounds one answer of Inspect: results live in histories.
const pageSize = 100

// maxPointTables bounds the tables in the details of one restore point.
const maxPointTables = 1000

// Inspect reads what the CLI shows. It changes nothing.
func (a *Activities) Inspect(ctx context.Context, in spec.Inspect) (spec.InspectResult, error) {
	defer keepAlive(ctx)()
	var out spec.InspectResult
	var err error
	switch in.Read {
	case spec.ReadPoints:
		out, err = a.points(ctx, in)
	case spec.ReadPoint:
		out.Point, err = a.point(ctx, in)
	case spec.ReadJobs:
		out.Jobs, err = a.jobs(ctx, in.Cluster)
	case spec.ReadRepositories:
		out.Repositories, err = a.known(ctx, in.Cluster)
	case spec.ReadConfig:
		out.Checks = a.checks(ctx)
	case spec.ReadSnapshots:
		out, err = a.snapshots(ctx, in)
	case spec.ReadSchedules:
		out.Timetable = &a.Timetable
	case spec.ReadStatus:
		out, err = a.status(ctx, in)
	case spec.ReadUsage:
		out.Usage, err = a.usage(ctx, in)
	case spec.ReadDiff:
		out.Difference, err = a.diff(ctx, in)
	case spec.ReadPolicy:
		out.Policy, err = a.policy(in.Repository, in.For)
	}
	return out, failure(ctx, err)
}

func (a *Activities) points(ctx context.Context, in spec.Inspect) (spec.InspectResult, error) {
	r, err := a.storeOf("repository", in.Repository)
	if err != nil {
		return spec.InspectResult{}, err
	}
	files, err := pointFiles(ctx, r.Store, in.Cluster)
	if err != nil {
		return spec.InspectResult{}, fmt.Errorf("list the restore points of cluster %s: %w", in.Cluster, err)
	}
	ids := files.ids
	slices.Reverse(ids)
	if in.Page != "" {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id >= in.Page })
	}
	var out spec.InspectResult
	created := map[string]time.Time{}
	for _, id := range ids[:min(len(ids), pageSize)] {
		summary, err := readSummary(ctx, r.Store, in.Cluster, id)
		if err != nil {
			out.Points = append(out.Points, spec.PointRow{ID: id, Problem: err.Error()})
			continue
		}
		row := pointRow(summary)
		created[id] = summary.CreatedAt
		if drills := files.drills[id]; len(drills) > 0 {
			row.Drill = readDrillRow(ctx, r.Store, drills[len(drills)-1])
		}
		if list := files.verifications[id]; len(list) > 0 {
			row.Verified = readVerificationRow(ctx, r.Store, list[len(list)-1])
		}
		if key := files.pins[id]; key != "" {
			row.Pinned = readPin(ctx, r.Store, key)
		}
		out.Points = append(out.Points, row)
	}
	slices.SortStableFunc(out.Points, func(a, b spec.PointRow) int { // as "latest" means them
		return cmp.Or(secondOf(b.ID).Compare(secondOf(a.ID)), created[b.ID].Compare(created[a.ID]))
	})
	if len(ids) > pageSize {
		out.NextPage = ids[pageSize-1]
	}
	return out, nil
}

func pointRow(s restorepoint.PointSummary) spec.PointRow {
	return spec.PointRow{
		ID: s.ID, CreatedAt: s.CreatedAt.UTC().Format(time.RFC3339), Complete: s.Complete, Parent: s.Parent, Databases: s.Counts.Databases,
		Tables: s.Counts.Tables, Partitions: int64(s.Counts.Partitions), Tablets: int64(s.Counts.Tablets), Bytes: s.Counts.Bytes,
		Failed: int64(s.Counts.Failed), Tags: s.Tags, Origin: s.Origin,
	}
}

func (a *Activities) point(ctx context.Context, in spec.Inspect) (*spec.PointDetails, error) {
	r, err := a.storeOf("repository", in.Repository)
	if err != nil {
		return nil, err
	}
	id, err := choosePoint(ctx, r.Store, in.Cluster, in.Point)
	if err != nil {
		return nil, err
	}
	m, err := readManifest(ctx, r.Store, in.Cluster, id)
	if err != nil {
		return nil, err
	}
	out := &spec.PointDetails{PointRow: pointRow(m.Summary()), Cluster: m.Cluster.Name, Repository: m.Repository.Name, NotKnown: m.NotKnown}
	if err := addBeside(ctx, r, in.Cluster, out); err != nil {
		return nil, err
	}
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			if len(out.Tables) == maxPointTables {
				out.Truncated = true
				break
			}
			out.Tables = append(out.Tables, pointTable(d.Name, t))
		}
	}
	for _, f := range m.Failed[:min(len(m.Failed), spec.MaxListed)] {
		out.Failed = append(out.Failed, spec.FailedPart(f))
	}
	for _, n := range m.NotCovered[:min(len(m.NotCovered), spec.MaxListed)] {
		out.NotCovered = append(out.NotCovered, spec.NotCovered(n))
	}
	return out, nil
}

func pointTable(database string, t restorepoint.Table) spec.PointTable {
	row := spec.PointTable{Database: database, Table: t.Name, Keys: t.Keys, Partitions: len(t.Partitions)}
	for _, p := range t.Partitions {
		row.Tablets += int64(p.Tablets)
		row.Bytes += p.Bytes
		row.Rows += p.Rows
	}
	return row
}

func (a *Activities) jobs(ctx context.Context, cluster string) ([]spec.JobRow, error) {
	c, err := a.cluster(cluster)
	if err != nil {
		return nil, err
	}
	jobs, err := c.FE.Jobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the jobs of cluster %s: %w", cluster, err)
	}
	var rows []spec.JobRow
	for _, j := range jobs {
		row := spec.JobRow{
			Statement: string(j.Kind), Database: j.Database, Label: j.Label, State: string(j.State), JobID: j.ID,
			Created: j.Created.UTC().Format(time.RFC3339), Status: j.Status, Errors: j.TaskErrors, Ours: strings.HasPrefix(j.Label, "sk_"),
		}
		if j.State == starrocks.StatePending && j.ID != -1 {
			row.Note = "if the job id changes with every look, this job starts over for ever and stops every other one: CANCEL it"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (a *Activities) known(ctx context.Context, cluster string) ([]spec.RepositoryRow, error) {
	c, err := a.cluster(cluster)
	if err != nil {
		return nil, err
	}
	list, err := c.FE.Repositories(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the repositories of cluster %s: %w", cluster, err)
	}
	var rows []spec.RepositoryRow
	for _, k := range list {
		row := spec.RepositoryRow{Name: k.Name, Location: k.Location, ReadOnly: k.ReadOnly, Error: k.ErrMsg}
		for _, r := range a.repositories {
			if r.Native != k.Name {
				continue
			}
			row.Profile = r.Name
			if !sameLocation(r.Location, k.Location) {
				row.Note = "profile " + r.Name + " says " + r.Location
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// checks tries every profile: whether the FE answers, and whether the store lists.
func (a *Activities) checks(ctx context.Context) []spec.CheckRow {
	var rows []spec.CheckRow
	add := func(profile, check, message string, err error) {
		row := spec.CheckRow{Profile: profile, Check: check, OK: err == nil, Message: message}
		if err != nil {
			row.Message = err.Error()
		}
		rows = append(rows, row)
	}
	for _, name := range sortedNames(a.clusters) {
		version, err := a.clusters[name].FE.Version(ctx)
		add(name, "cluster answers", "StarRocks "+version.String(), err)
		if err == nil {
			add(name, "cluster is supported", "", a.checkCluster(ctx, a.clusters[name]))
		}
	}
	for _, name := range sortedNames(a.repositories) {
		add(name, "store lists "+a.repositories[name].Location, "", listable(ctx, a.repositories[name].Store))
	}
	for _, name := range sortedNames(a.mirrors) {
		rows = append(rows, a.mirrors[name].tryAll(ctx)...)
	}
	return rows
}

func listable(ctx context.Context, store storage.Store) error {
	for _, err := range store.List(ctx, restorepoint.Root) {
		return err
	}
	return nil
}
