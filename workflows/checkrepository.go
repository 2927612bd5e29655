package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// checkTime bounds a check: StarRocks takes about a minute for both statements.
const checkTime = 20 * time.Minute

// CheckRepository finds out who may do what with a repository: the worker by objects of its own, StarRocks by what it
// answers and, with consent, by a scratch table that it backs up and restores. What is missing is in the rows; the run
// then ends as the error type of the worst of them, AuthDenied first. Nothing of the check is left behind.
func CheckRepository(ctx workflow.Context, in spec.CheckRepository) (spec.CheckRepositoryResult, error) {
	if err := in.Validate(); err != nil {
		return spec.CheckRepositoryResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	c, err := newCheck(ctx, in)
	if err != nil {
		return spec.CheckRepositoryResult{}, err
	}
	if err := c.probe(ctx); err != nil {
		return c.result(ctx, err)
	}
	if c.mayScratch() {
		c.scratch(ctx)
	}
	return c.result(ctx, nil)
}

type check struct {
	in       spec.CheckRepository
	ref      activities.RepositoryRef
	probed   activities.Probed
	rights   rights
	job      *databaseJob // carries out the two statements
	backends []int64      // that hold some of the scratch table
	late     bool         // checkTime has passed
	progress spec.Progress
	warnings []string
}

func newCheck(ctx workflow.Context, in spec.CheckRepository) (*check, error) {
	c := &check{in: in, ref: activities.RepositoryRef{Cluster: in.Cluster, Repository: in.Repository}}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.Cluster))
	c.phase(ctx, spec.PhaseProbe)
	return c, workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.Progress, error) { return c.progress, nil })
}

func (c *check) phase(ctx workflow.Context, p spec.Phase) {
	c.progress.Phase = p
	c.progress.CancelRequested = ctx.Err() != nil
	for i := range c.progress.Databases {
		c.progress.Databases[i].Phase = p
	}
	workflow.SetCurrentDetails(ctx, renderRun("Check of "+c.in.Repository+" on "+c.in.Cluster, c.progress)+c.rights.render())
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePhase.ValueSet(string(p)))
}

// probe is what needs no consent.
func (c *check) probe(ctx workflow.Context) error {
	var own []spec.RightRow
	if err := workflow.ExecuteActivity(brief(ctx, planHeartbeat, "probe the store"), acts.ProbeStore, c.ref).Get(ctx, &own); err != nil {
		return err
	}
	c.rights.set(own...)
	if err := workflow.ExecuteActivity(brief(ctx, planHeartbeat, "ask the FE"), acts.ProbeCluster, c.ref).Get(ctx, &c.probed); err != nil {
		return err
	}
	c.rights.untried(c.probed.Backends, c.whyNot())
	c.rights.set(c.probed.Rows...)
	return nil
}

// whyNot says why FE and BEs are not tried with a scratch table; "" if they are.
func (c *check) whyNot() string {
	switch {
	case !c.in.Scratch:
		return "needs a scratch table: --scratch"
	case c.rights.missing(spec.SideWorker):
		return "not tried before the worker has its rights: it could not remove the scratch table's snapshot"
	case !c.probed.Usable:
		return "not tried: the cluster cannot use the repository"
	case c.probed.ReadOnly:
		return "not tried: the repository is READ ONLY on this cluster"
	}
	return ""
}

func (c *check) mayScratch() bool { return c.whyNot() == "" && len(c.probed.Backends) > 0 }

// scratch has StarRocks back a table up and restore it. Leftovers of a check that died go first; its own go in any case.
func (c *check) scratch(ctx workflow.Context) {
	database := restorepoint.ScratchDatabase(c.in.Cluster, c.in.Repository)
	c.progress.Databases = []spec.DatabaseProgress{{Database: database, WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Units: 2}}
	c.phase(ctx, spec.PhaseScratch)
	if !c.clear(ctx) {
		return
	}
	defer func() {
		free := finishing(ctx)
		c.phase(free, spec.PhaseCleanUp)
		c.clear(free)
	}()
	limited, stop := workflow.WithCancel(ctx)
	defer stop()
	workflow.Go(limited, func(ctx workflow.Context) {
		if workflow.Sleep(ctx, checkTime) == nil {
			c.late = true
			stop()
		}
	})
	for _, step := range []func(workflow.Context) bool{c.make, c.backup, c.restore, c.prove} {
		if !step(limited) {
			return
		}
	}
}

// clear removes what checks have left; false if that failed.
func (c *check) clear(ctx workflow.Context) bool {
	var cleared activities.Cleared
	options := withOptions(ctx, 10*time.Minute, 30*time.Minute, c.heartbeat(), "clear the scratch database away")
	err := workflow.ExecuteActivity(options, acts.ClearScratch, c.ref).Get(ctx, &cleared)
	if err != nil && temporal.IsCanceledError(err) {
		return false
	}
	if err != nil {
		c.rights.set(c.probed.Place.WorkerRow(spec.RightCleanUp, err))
		return false
	}
	c.warnings = append(c.warnings, cleared.Warnings...)
	return true
}

// make makes the table and plans its backup.
func (c *check) make(ctx workflow.Context) bool {
	var made activities.Scratch
	err := workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "make the scratch table"), acts.MakeScratch, c.ref).Get(ctx, &made)
	var plan activities.BackupPlan
	if err == nil {
		in := activities.PlanBackupInput{Point: made.Database, Spec: spec.Backup{Cluster: c.in.Cluster, Repository: c.in.Repository, Include: []string{made.Database}}}
		err = workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "plan its backup"), acts.PlanBackup, in).Get(ctx, &plan)
	}
	if err == nil && (len(plan.Databases) != 1 || len(plan.Databases[0].Units) != 1) {
		err = activities.Error(spec.ErrorJobFailed, nil, "the scratch table %s.probe cannot be planned as one unit", made.Database)
	}
	if err != nil {
		return c.failed(err, c.probed.Place.ScratchRow)
	}
	c.backends = made.Backends
	c.job = &databaseJob{control: &control{}, DatabaseJobInput: DatabaseJobInput{
		Statement: activities.Backup, Cluster: c.in.Cluster, Repository: c.in.Repository, Run: seed(ctx),
		Planned: plan.Databases[0], Heartbeat: c.probed.Heartbeat, FailBusy: true,
	}}
	c.rights.set(spec.RightRow{Side: spec.SideFE, Right: spec.RightScratch, OK: true})
	return true
}

// backup has StarRocks back the table up, and writes down what that left.
func (c *check) backup(ctx workflow.Context) bool {
	c.phase(ctx, spec.PhaseSnapshot)
	u := c.unit(ctx)
	err := c.job.statement(ctx, u)
	if err != nil && c.interrupted(ctx, err) {
		return false
	}
	c.rights.set(c.probed.Place.BackupRows(err, c.backends)...)
	if err != nil {
		return false
	}
	err = workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "record snapshot "+u.Label), acts.Record, u).Get(ctx, nil)
	if err == nil {
		err = workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "plan the restore"), acts.PlanScratchRestore, c.ref, u.Label).Get(ctx, &c.job.Planned)
	}
	if err != nil {
		return c.worker(spec.RightRead, err)
	}
	c.progress.Databases[0].UnitsDone = 1
	return true
}

// restore has StarRocks restore the table under another name.
func (c *check) restore(ctx workflow.Context) bool {
	c.phase(ctx, spec.PhaseLoad)
	c.job.Statement = activities.Restore
	u := c.unit(ctx)
	var prepared activities.Prepared
	err := workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "prepare "+u.Beside), acts.Prepare, u).Get(ctx, &prepared)
	if err != nil {
		return c.worker(spec.RightWrite, err)
	}
	u.Label, u.Replication = prepared.Label, prepared.Replication
	err = c.job.statement(ctx, u)
	if err != nil && c.interrupted(ctx, err) {
		return false
	}
	c.rights.set(c.probed.Place.RestoreRows(err, c.backends)...)
	if err != nil {
		return false
	}
	if err = workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "tidy up "+u.Beside), acts.Tidy, u).Get(ctx, nil); err != nil {
		return c.worker(spec.RightDelete, err)
	}
	c.progress.Databases[0].UnitsDone = 2
	return true
}

// prove compares the two tables.
func (c *check) prove(ctx workflow.Context) bool {
	c.phase(ctx, spec.PhaseVerify)
	var proven activities.Proven
	ref := activities.TableRef{Cluster: c.in.Cluster, Repository: c.in.Repository, Plan: c.job.Planned.Plan}
	err := workflow.ExecuteActivity(brief(ctx, c.heartbeat(), "compare what was restored"), acts.Prove, ref).Get(ctx, &proven)
	if err == nil && !proven.Complete {
		err = activities.Error(spec.ErrorProofFailed, nil, "%s", proven.Failed)
	}
	if err != nil {
		return c.failed(err, func(err error) spec.RightRow {
			row := c.probed.Place.ScratchRow(err)
			row.Right = spec.RightRoundTrip
			return row
		})
	}
	c.rights.set(spec.RightRow{Side: spec.SideFE, Right: spec.RightRoundTrip, OK: true})
	return true
}

// unit is the first attempt at the planned unit.
func (c *check) unit(ctx workflow.Context) activities.UnitRef {
	u := c.job.attempt(ctx, c.job.Planned.Units[0])
	u.Scratch = true
	return u
}

// failed notes why a step failed, and that no further one makes sense.
func (c *check) failed(err error, row func(error) spec.RightRow) bool {
	if !temporal.IsCanceledError(err) {
		c.rights.set(row(err))
	}
	return false
}

func (c *check) worker(right string, err error) bool {
	return c.failed(err, func(err error) spec.RightRow { return c.probed.Place.WorkerRow(right, err) })
}

// interrupted tells a cancel, ours or somebody's, from a failure.
func (c *check) interrupted(ctx workflow.Context, err error) bool {
	return temporal.IsCanceledError(err) || ctx.Err() != nil
}

func (c *check) heartbeat() time.Duration { return c.probed.Heartbeat.Or(planHeartbeat) }
