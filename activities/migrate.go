package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// CheckMigration looks at both clusters before anything is done, and lists what a migration cannot bring. It changes
// nothing on either.
func (a *Activities) CheckMigration(ctx context.Context, in spec.Migrate) (spec.MigrateCheck, error) {
	defer keepAlive(ctx)()
	out, err := a.checkMigration(ctx, in)
	return out, failure(ctx, err)
}

func (a *Activities) checkMigration(ctx context.Context, in spec.Migrate) (out spec.MigrateCheck, err error) {
	from, r, err := a.both(in.From, in.Repository)
	if err != nil {
		return out, err
	}
	to, err := a.cluster(in.To)
	if err != nil {
		return out, err
	}
	for _, c := range []*Cluster{from, to} {
		if err := a.checkCluster(ctx, c); err != nil {
			return out, err
		}
	}
	if err := checkRepository(ctx, from, r, true); err != nil {
		return out, err
	}
	found, err := lookUp(ctx, to, r)
	if err != nil {
		return out, err
	}
	out.Ensure = found == nil
	if found != nil && !found.ReadOnly {
		out.Warnings = append(out.Warnings, existing(to, r, *found, true).Message)
	}
	was, err := from.FE.Version(ctx)
	if err != nil {
		return out, err
	}
	is, err := to.FE.Version(ctx)
	if err != nil {
		return out, err
	}
	out.FromVersion, out.ToVersion, out.Heartbeat = was.String(), is.String(), spec.Duration(from.Timing.Heartbeat)
	if is.Compare(was) < 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("cluster %s runs StarRocks %s, older than %s of cluster %s: restores into an older version are not promised to work", to.Name, is, was, from.Name))
	}
	if !was.HasJSONMeta() {
		out.Warnings = append(out.Warnings, "StarRocks before 3.1 does not tell the schema of what it backs up: each round is a full backup")
	}
	out.NotCrossed, err = notCrossing(ctx, from, in)
	return out, err
}

// notCrossing lists what BACKUP and starkeep leave behind: what belongs to the cluster, tables of other engines, loads.
func notCrossing(ctx context.Context, c *Cluster, in spec.Migrate) ([]spec.NotCrossed, error) {
	var list []spec.NotCrossed
	add := func(kind, name, reason string) {
		list = append(list, spec.NotCrossed{Kind: kind, Name: name, Reason: reason})
	}
	catalogs, err := c.FE.Catalogs(ctx)
	if err != nil {
		add("external catalog", "", "cannot be listed: "+err.Error())
	}
	for _, name := range catalogs {
		if name != "default_catalog" {
			add("external catalog", name, "it belongs to the cluster, with its credentials; create it on the target before the switch: views may read it")
		}
	}
	for _, o := range c.FE.ClusterObjects(ctx) {
		if o.Err != nil {
			add(o.Kind, "", "cannot be listed: "+o.Err.Error())
			continue
		}
		add(o.Kind, o.Name, "it belongs to the cluster; create it on the target")
	}
	functions, err := c.FE.FullFunctions(ctx, "")
	if err != nil {
		add("global function", "", "cannot be listed: "+err.Error())
	}
	for _, f := range functions {
		reason := "it belongs to the cluster; keep its CREATE GLOBAL FUNCTION"
		if statement, err := f.SQL(""); err == nil {
			reason = "it belongs to the cluster; this creates it: " + statement
		}
		add("global function", f.Signature, reason)
	}
	return notCrossingOf(ctx, c, in, list)
}

// notCrossingOf adds what the selected databases hold.
func notCrossingOf(ctx context.Context, c *Cluster, in spec.Migrate, list []spec.NotCrossed) ([]spec.NotCrossed, error) {
	selection, err := restorepoint.NewSelection(in.Include, in.Exclude)
	if err != nil {
		return nil, invalid("%v", err)
	}
	databases, err := c.FE.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases of cluster %s: %w", c.Name, err)
	}
	for _, d := range databases {
		if !selection.Database(d) {
			continue
		}
		tables, err := c.FE.Tables(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("list the tables of database %s: %w", d, err)
		}
		for _, t := range tables {
			if selection.Table(d, t.Name) == restorepoint.Whole && t.Kind == starrocks.KindOther {
				list = append(list, spec.NotCrossed{Kind: "table", Name: d + "." + t.Name, Reason: notCovered(t)})
			}
		}
		loads, err := c.FE.RoutineLoads(ctx, d)
		if err != nil {
			list = append(list, spec.NotCrossed{Kind: "routine load", Name: d, Reason: "cannot be listed: " + err.Error()})
		}
		for _, l := range loads {
			if selection.Table(d, l.Table) != restorepoint.None {
				list = append(list, spec.NotCrossed{Kind: "routine load", Name: d + "." + l.Name,
					Reason: "it loads into " + l.Table + "; stop it before the switch, and create it on the target with its offsets"})
			}
		}
		activity.RecordHeartbeat(ctx, d)
	}
	return list[:min(len(list), spec.MaxListed)], nil
}

// CatchUpInput names the restore point that a target holds ("" for none) and the one it is to hold.
type CatchUpInput struct {
	Cluster    string `json:"cluster"` // that the points are of
	Repository string `json:"repository"`
	Applied    string `json:"applied,omitempty"`
	Point      string `json:"point"`
}

// CatchUpPlan is what a Restore has to bring. What the source has dropped is named up to MaxListed: DropRemoved finds the rest
// by the two points.
type CatchUpPlan struct {
	restorepoint.CatchUp
	GoneCount  int               `json:"goneCount,omitempty"`
	NotCovered []spec.NotCrossed `json:"notCovered,omitempty"` // of the point, at most MaxListed
}

// PlanCatchUp compares two restore points. Views and functions are named where the target holds the point already: they
// come last.
func (a *Activities) PlanCatchUp(ctx context.Context, in CatchUpInput) (CatchUpPlan, error) {
	defer keepAlive(ctx)()
	c, to, err := a.catchUp(ctx, in)
	if err != nil {
		return CatchUpPlan{}, failure(ctx, err)
	}
	out := CatchUpPlan{CatchUp: c, GoneCount: len(c.Gone)}
	for _, n := range to.NotCovered[:min(len(to.NotCovered), spec.MaxListed)] {
		out.NotCovered = append(out.NotCovered, spec.NotCrossed{Kind: n.Kind, Name: strings.TrimPrefix(n.Database+"."+n.Name, "."), Reason: n.Reason})
	}
	for _, name := range c.Unnamed[:min(len(c.Unnamed), spec.MaxListed-len(out.NotCovered))] {
		out.NotCovered = append(out.NotCovered, spec.NotCrossed{Kind: "table", Name: name, Reason: "no pattern can name it; restore its database by hand"})
	}
	out.Gone, out.Unnamed = c.Gone[:min(len(c.Gone), spec.MaxListed)], nil
	if in.Applied != in.Point {
		out.Objects = nil
	}
	return out, nil
}

// catchUp compares the point that a target holds with the one that it is to hold, which it gives too.
func (a *Activities) catchUp(ctx context.Context, in CatchUpInput) (restorepoint.CatchUp, restorepoint.Manifest, error) {
	r, err := a.repository(in.Repository)
	if err != nil {
		return restorepoint.CatchUp{}, restorepoint.Manifest{}, err
	}
	to, err := readManifest(ctx, r.Store, in.Cluster, in.Point)
	if err != nil || in.Applied == "" {
		return restorepoint.CatchUpTo(nil, to), to, err
	}
	applied, err := readManifest(ctx, r.Store, in.Cluster, in.Applied)
	return restorepoint.CatchUpTo(&applied, to), to, err
}

// LookAtSource tells how the selection differs now from a restore point of the cluster. It stores nothing.
func (a *Activities) LookAtSource(ctx context.Context, in spec.Backup) (spec.MigrateLook, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Cluster, in.Repository)
	if err != nil {
		return spec.MigrateLook{}, failure(ctx, err)
	}
	p := &backupPlanner{in: PlanBackupInput{Spec: in, Point: in.Base}, cluster: c, repository: r, look: true}
	plan, err := p.plan(ctx, a)
	if err != nil {
		return spec.MigrateLook{}, failure(ctx, err)
	}
	out := spec.MigrateLook{Tables: plan.Tables, Gone: plan.Gone, Marks: p.marks}
	for _, d := range plan.Databases {
		out.Partitions += d.Partitions
		out.Bytes += d.Bytes
	}
	return out, nil
}

// MigrationReport is what is written down of a migration.
type MigrationReport struct {
	Spec    spec.Migrate       `json:"spec"`
	Migrate string             `json:"migrate"` // workflow id
	Began   time.Time          `json:"beganAt"`
	Ended   time.Time          `json:"endedAt"`
	Result  spec.MigrateResult `json:"result"`
}

// ReportMigration stores the result of a migration beside the restore point that the target holds, and gives its address.
// Doing it again writes the same.
func (a *Activities) ReportMigration(ctx context.Context, in MigrationReport) (string, error) {
	defer keepAlive(ctx)()
	r, err := a.repository(in.Spec.Repository)
	if err != nil {
		return "", failure(ctx, err)
	}
	in.Spec.State = nil
	data, err := json.Marshal(in)
	if err != nil {
		return "", failure(ctx, err)
	}
	key := restorepoint.MigrationKey(in.Spec.From, in.Result.Point, in.Began, in.Migrate)
	if err := storage.WriteAll(ctx, r.Store, key, append(data, '\n'), storage.Overwrite); err != nil {
		return "", failure(ctx, fmt.Errorf("write the migration down on restore point %s: %w", in.Result.Point, err))
	}
	return address(r, key), nil
}
