package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// tableState is what a table holds at one moment.
type tableState struct {
	Exists  bool
	Rows    int64  // SELECT COUNT(*)
	Content string // digest of all rows, by partition and bucket
}

// fill makes the databases and loads the tables.
func (d *demo) fill(context.Context) error {
	for _, database := range []string{"sales", "web"} {
		if err := d.sim.Exec("CREATE DATABASE " + database); err != nil {
			return err
		}
	}
	for _, table := range demoTables {
		if err := d.sim.Exec(table.Create); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		if err := d.sim.Load(table.Database, table.Name, table.Rows()...); err != nil {
			return fmt.Errorf("load into %s: %w", table, err)
		}
	}
	var err error
	d.before, err = d.observe()
	for _, table := range demoTables {
		d.say("   %-24s %6d rows\n", table, d.before[table.String()].Rows)
	}
	return err
}

// createRepository does what the cluster's administrator does once, by hand.
func (d *demo) createRepository(context.Context) error {
	return d.sim.Exec(fmt.Sprintf("CREATE REPOSITORY `%s` WITH BROKER ON LOCATION \"%s\" PROPERTIES ("+
		"\"aws.s3.endpoint\" = \"%s\", \"aws.s3.region\" = \"%s\", \"aws.s3.access_key\" = \"%s\", \"aws.s3.secret_key\" = \"%s\", "+
		"\"aws.s3.enable_path_style_access\" = \"true\", \"aws.s3.enable_ssl\" = \"false\")",
		demoRepository, d.location(), d.s3.Endpoint, gatewayRegion, d.s3.AccessKey, d.s3.SecretKey))
}

// location is where the repository lives.
func (d *demo) location() string { return "s3://" + demoBucket + "/" + demoRepository }

func (d *demo) runBackup(ctx context.Context) error {
	input := spec.Backup{
		Cluster: demoCluster, Repository: demoRepository,
		Include: []string{"sales", "web"}, Tags: map[string]string{"made-by": "demo"},
	}
	if err := d.execute(ctx, spec.BackupWorkflow, spec.BackupID(demoCluster, "demo"), input, &d.backup); err != nil {
		return err
	}
	if !d.backup.Complete {
		return fmt.Errorf("the backup is not complete: %+v", d.backup.Failed)
	}
	d.say("   restore point %s: %d partitions, %d tablets, %s in %d objects\n",
		d.backup.Point, d.backup.Partitions, d.backup.Tablets, size(d.backup.Bytes), d.backup.Objects)
	return d.readPoint(ctx)
}

// readPoint asks for the restore point by table, as `starkeep backup show` does.
func (d *demo) readPoint(ctx context.Context) error {
	var result spec.InspectResult
	input := spec.Inspect{Read: spec.ReadPoint, Cluster: demoCluster, Repository: demoRepository, Point: d.backup.Point}
	if err := d.ask(ctx, input, &result); err != nil {
		return err
	}
	if result.Point == nil {
		return fmt.Errorf("restore point %s cannot be read", d.backup.Point)
	}
	d.point = *result.Point
	return nil
}

func (d *demo) doDamage(context.Context) error {
	d.damage = map[string]string{}
	for _, a := range accidents {
		var err error
		if a.SQL != "" {
			err = d.sim.Exec(a.SQL)
		} else {
			database, table := splitName(a.Table)
			err = d.sim.Load(database, table, a.WrongRows()...)
		}
		if err != nil {
			return fmt.Errorf("%s on %s: %w", a.What, a.Table, err)
		}
		d.damage[a.Table] = a.What
	}
	damaged, err := d.observe()
	if err != nil {
		return err
	}
	for _, a := range accidents {
		if damaged[a.Table] == d.before[a.Table] {
			return fmt.Errorf("%s did no harm to %s", a.What, a.Table)
		}
		d.say("   %-24s %s\n", a.Table, a.What)
	}
	return nil
}

func (d *demo) runRestore(ctx context.Context) error {
	input := spec.Restore{
		Cluster: demoCluster, Repository: demoRepository, Point: d.backup.Point,
		Include: slices.Sorted(maps.Keys(d.damage)),
	}
	return d.execute(ctx, spec.RestoreWorkflow, spec.RestoreID(demoCluster, "demo"), input, &d.restore)
}

// compare looks at all tables again. What differs is told by the report.
func (d *demo) compare(context.Context) error {
	var err error
	d.after, err = d.observe()
	return err
}

// observe reads every table of the demo: the digest of its content, and its rows as the cluster counts them.
func (d *demo) observe() (map[string]tableState, error) {
	seen := map[string]tableState{}
	for _, table := range demoTables {
		exists, err := d.exists(table)
		if err != nil {
			return nil, err
		}
		state := tableState{Exists: exists}
		if exists {
			state.Content = d.sim.Content(table.Database, table.Name)
			if state.Rows, err = d.countRows(table); err != nil {
				return nil, err
			}
		}
		seen[table.String()] = state
	}
	return seen, nil
}

func (d *demo) exists(table demoTable) (bool, error) {
	answer, err := d.sim.Query(fmt.Sprintf("SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'",
		table.Database, table.Name))
	return len(answer) > 0, err
}

func (d *demo) countRows(table demoTable) (int64, error) {
	answer, err := d.sim.Query(fmt.Sprintf("SELECT COUNT(*) FROM `%s`.`%s`", table.Database, table.Name))
	if err != nil {
		return 0, err
	}
	if len(answer) != 1 || len(answer[0]) != 1 {
		return 0, fmt.Errorf("SELECT COUNT(*) FROM %s answered %v", table, answer)
	}
	return strconv.ParseInt(answer[0][0], 10, 64)
}

// execute runs a workflow to its end, telling how it goes.
func (d *demo) execute(ctx context.Context, workflow, id string, input, result any) error {
	start := time.Now()
	run, err := d.engine.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: spec.TaskQueue, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflow, input)
	if err != nil {
		return fmt.Errorf("%s: %w", workflow, err)
	}
	d.say("   %s/namespaces/%s/workflows/%s\n", d.engine.UI.Address, namespace, pathEscape(id))
	watch := watchProgress(ctx, d.engine.Client, id, d.out)
	err = run.Get(ctx, result)
	watch.Stop()
	d.took[workflow] = time.Since(start)
	if err != nil {
		return fmt.Errorf("%s: %w", workflow, err)
	}
	return nil
}

// ask runs the workflow that reads.
func (d *demo) ask(ctx context.Context, input spec.Inspect, result *spec.InspectResult) error {
	run, err := d.engine.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "inspect/" + demoCluster, TaskQueue: spec.TaskQueue}, spec.InspectWorkflow, input)
	if err != nil {
		return fmt.Errorf("%s: %w", spec.InspectWorkflow, err)
	}
	if err := run.Get(ctx, result); err != nil {
		return fmt.Errorf("%s: %w", spec.InspectWorkflow, err)
	}
	return nil
}
