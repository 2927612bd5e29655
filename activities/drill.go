package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// PlanDrillInput asks for the sample of a drill. Run is the seed of its scratch databases' names.
type PlanDrillInput struct {
	Spec spec.Drill `json:"spec"`
	Run  string     `json:"run"`
}

// DrillPlan is what a drill restores, and into what.
type DrillPlan struct {
	Point         string                   `json:"point"`
	SourceCluster string                   `json:"sourceCluster"`
	Seed          string                   `json:"seed"`
	Of            int                      `json:"of"`        // tables that the selection names
	Tables        []restorepoint.TableName `json:"tables"`    // the sample
	Databases     map[string]string        `json:"databases"` // scratch database by source database
	Heartbeat     spec.Duration            `json:"heartbeat"`
	Warnings      []string                 `json:"warnings,omitempty"`
}

// maxSample bounds a drill's sample: its tables' names are in histories.
const maxSample = 1000

// PlanDrill picks the sample: the tables of the restore point whose last drill is longest ago, as the drills written down
// on the cluster's points tell.
func (a *Activities) PlanDrill(ctx context.Context, in PlanDrillInput) (DrillPlan, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Spec.Cluster, in.Spec.Repository)
	if err != nil {
		return DrillPlan{}, failure(ctx, err)
	}
	plan, err := planDrill(ctx, c, r, in)
	if err != nil {
		err = fmt.Errorf("choose the tables of the drill: %w", err)
	}
	return plan, failure(ctx, err)
}

func planDrill(ctx context.Context, c *Cluster, r *Repository, in PlanDrillInput) (DrillPlan, error) {
	plan := DrillPlan{SourceCluster: in.Spec.SourceCluster, Seed: in.Spec.Seed, Databases: map[string]string{}, Heartbeat: spec.Duration(c.Timing.Heartbeat)}
	if plan.SourceCluster == "" {
		plan.SourceCluster = in.Spec.Cluster
	}
	if plan.Seed == "" {
		plan.Seed = in.Run
	}
	point, err := choosePoint(ctx, r.Store, plan.SourceCluster, in.Spec.Point)
	if err != nil {
		return plan, err
	}
	plan.Point = point
	m, err := readManifest(ctx, r.Store, plan.SourceCluster, point)
	if err != nil {
		return plan, err
	}
	tables, err := drillable(m, in.Spec, &plan)
	if err != nil {
		return plan, err
	}
	plan.Of = len(tables)
	n, err := in.Spec.SampleOf(len(tables))
	if err != nil {
		return plan, invalid("%v", err)
	}
	if n > maxSample {
		n = maxSample
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("the sample is cut to %d tables", n))
	}
	drilled, err := lastDrills(ctx, r.Store, plan.SourceCluster)
	if err != nil {
		return plan, err
	}
	plan.Tables = restorepoint.PickSample(tables, n, drilled, plan.Seed)
	for _, t := range plan.Tables {
		plan.Databases[t.Database] = restorepoint.DrillDatabase(in.Run, t.Database)
	}
	return plan, nil
}

// drillable lists the tables that a selection names and a Restore can be asked for one by one.
func drillable(m restorepoint.Manifest, in spec.Drill, plan *DrillPlan) ([]restorepoint.TableName, error) {
	selection, err := restorepoint.NewSelection(in.Include, in.Exclude)
	if err != nil {
		return nil, invalid("%v", err)
	}
	var tables []restorepoint.TableName
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			switch {
			case selection.Table(d.Name, t.Name) != restorepoint.Whole:
			case strings.ContainsAny(t.Name, "*/"):
				plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s.%s is never drilled: its name cannot be told from a pattern", d.Name, t.Name))
			default:
				tables = append(tables, restorepoint.TableName{Database: d.Name, Table: t.Name})
			}
		}
	}
	if len(tables) == 0 {
		return nil, fail(spec.ErrorNothingToDo, "restore point %s holds no table that the selection names", m.ID)
	}
	return tables, nil
}

// lookedAt is how many drills back the choice of tables looks. A table that was drilled before that counts as never drilled.
const lookedAt = 400

// lastDrills says when each table was drilled last.
func lastDrills(ctx context.Context, store storage.Store, cluster string) (map[restorepoint.TableName]time.Time, error) {
	files, err := pointFiles(ctx, store, cluster)
	if err != nil {
		return nil, err
	}
	last := map[restorepoint.TableName]time.Time{}
	err = eachDrill(ctx, store, files, func(d restorepoint.DrillRecord) {
		for _, t := range d.Tables {
			name := restorepoint.TableName{Database: t.Database, Table: t.Table}
			if d.At.After(last[name]) {
				last[name] = d.At
			}
		}
	})
	return last, err
}

// eachDrill reads the last drills of all points, newest first.
func eachDrill(ctx context.Context, store storage.Store, files pointKeys, each func(restorepoint.DrillRecord)) error {
	var keys []string
	for _, list := range files.drills {
		keys = append(keys, list...)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(runOf(b), runOf(a)) })
	for _, key := range keys[:min(len(keys), lookedAt)] {
		d, err := readDrill(ctx, store, key)
		switch {
		case errors.Is(err, storage.ErrNotFound), errors.Is(err, restorepoint.ErrFormat):
			continue // somebody deleted it, or a newer starkeep wrote it
		case err != nil:
			return err
		}
		each(d)
		activity.RecordHeartbeat(ctx, key)
	}
	return nil
}

// DrillRef names what a drill has made.
type DrillRef struct {
	Cluster string    `json:"cluster"`
	Plan    DrillPlan `json:"plan"`
	// IDs are the restored tables' as their proofs saw them, by "source database.table".
	IDs map[string]int64 `json:"ids,omitempty"`
}

// DropDrill drops what a drill restored, and its databases: jobs in them are ended first (rule 15), and only tables of the
// sample go, each only while it has the id that its proof saw. What somebody else put there stays, and is named. Never
// FORCE: the space is free when the FE's recycle bin lets go of it. Doing it again does no harm.
func (a *Activities) DropDrill(ctx context.Context, ref DrillRef) ([]string, error) {
	defer keepAlive(ctx)()
	c, err := a.cluster(ref.Cluster)
	if err != nil {
		return nil, failure(ctx, err)
	}
	var warnings []string
	for _, source := range slices.Sorted(maps.Keys(ref.Plan.Databases)) {
		database := ref.Plan.Databases[source]
		left, err := ref.drop(ctx, c, source, database)
		if err != nil {
			return warnings, failure(ctx, fmt.Errorf("drop the drill's database %s: %w", database, err))
		}
		warnings = append(warnings, left...)
	}
	return warnings, nil
}

func (ref DrillRef) drop(ctx context.Context, c *Cluster, source, database string) (left []string, err error) {
	if !restorepoint.IsDrill(database) {
		return nil, invalid("database %q is no drill's", database)
	}
	databases, err := c.FE.Databases(ctx)
	if err != nil || !slices.Contains(databases, database) {
		return nil, err
	}
	if err := (&scratchCleaner{cluster: c, database: database}).endJobs(ctx); err != nil {
		return nil, err
	}
	tables, err := c.FE.Tables(ctx, database) // a job that was ended took its own along
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		id := ref.IDs[source+"."+t.Name]
		ours := slices.Contains(ref.Plan.Tables, restorepoint.TableName{Database: source, Table: t.Name})
		if !ours || t.Kind != starrocks.KindTable || id != 0 && id != t.ID {
			left = append(left, fmt.Sprintf("%s.%s was not made by the drill and stays; look at it, then drop it by hand", database, t.Name))
			continue
		}
		if err := c.FE.DropTable(ctx, database, t.Name); err != nil && !errors.Is(err, starrocks.ErrUnknownTable) {
			return left, err
		}
	}
	if len(left) > 0 {
		return left, nil
	}
	if err := c.FE.DropDatabase(ctx, database); err != nil {
		left = append(left, fmt.Sprintf("the empty database %s stays, drop it by hand: %v", database, err))
	}
	return left, nil
}

// DrillOutcome is what is written down of a drill.
type DrillOutcome struct {
	Repository    string                   `json:"repository"`
	SourceCluster string                   `json:"sourceCluster"`
	Run           string                   `json:"run"`
	Record        restorepoint.DrillRecord `json:"record"`
}

// RecordDrill writes a drill down on its restore point. Doing it again writes the same.
func (a *Activities) RecordDrill(ctx context.Context, in DrillOutcome) (string, error) {
	defer keepAlive(ctx)()
	r, err := a.repository(in.Repository)
	if err != nil {
		return "", failure(ctx, err)
	}
	data, err := restorepoint.EncodeDrill(in.Record)
	if err != nil {
		return "", failure(ctx, err)
	}
	key := restorepoint.DrillKey(in.SourceCluster, in.Record.Point, in.Record.At, in.Run)
	if err := storage.WriteAll(ctx, r.Store, key, data, storage.Overwrite); err != nil {
		return "", failure(ctx, fmt.Errorf("write the drill down on restore point %s: %w", in.Record.Point, err))
	}
	return address(r, key), nil
}
