package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

// insiders are the listeners of clusters that live in a bubble: a network outside would stop its clock.
var insiders sync.Map

func init() {
	mysql.RegisterDialContext("tcp", func(ctx context.Context, address string) (net.Conn, error) {
		if l, ok := insiders.Load(address); ok {
			return l.(*insider).dial(ctx)
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	})
}

type insider struct {
	address string
	calls   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func listenInside(address string) (net.Listener, error) {
	l := &insider{address: address, calls: make(chan net.Conn), closed: make(chan struct{})}
	insiders.Store(address, l)
	return l, nil
}

func (l *insider) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.calls <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *insider) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *insider) Close() error {
	l.once.Do(func() { close(l.closed) })
	insiders.Delete(l.address)
	return nil
}

func (l *insider) Addr() net.Addr { return insideAddress(l.address) }

type insideAddress string

func (insideAddress) Network() string  { return "tcp" }
func (a insideAddress) String() string { return string(a) }

// together is a repository and a mirror that two installations of starkeep work on: they share a cluster and the stores, and
// know nothing of each other's runs.
type together struct {
	*bed
	seed    uint64
	repo    *memory
	dr      *memory
	fes     [2]*starrocks.Client // of the installations
	mu      sync.Mutex
	open    [2][]activities.OpenRun
	workers sync.WaitGroup // attempts, also those that were taken for dead
	copies  sync.WaitGroup // that backups have started
	offers  [2]offers      // of the installations' backups to their copies
	pins    map[string]pins
	exports map[string]map[string]stored // by label, as they were made
	calm    bool
	did     map[string]int
	story   []string
	spoiled string // key of an object that somebody spoiled on purpose

	manifests map[string][]restorepoint.SnapshotRef // read so far, by digest
	records   map[string][]restorepoint.ObjectList
	lists     map[string][]restorepoint.Object
}

// shared clock of the simulated FE: coarse, so that a day is soon over.
const coarse = 10 * time.Second

func newTogether(t *testing.T, seed uint64) *together {
	t.Helper()
	w := &together{seed: seed, repo: newMemory(), dr: newMemory(), did: map[string]int{}, exports: map[string]map[string]stored{},
		pins:      map[string]pins{"repo": {map[string]bool{}, map[string]bool{}}, "dr": {map[string]bool{}, map[string]bool{}}},
		manifests: map[string][]restorepoint.SnapshotRef{}, records: map[string][]restorepoint.ObjectList{}, lists: map[string][]restorepoint.Object{}}
	sim, err := starrockssim.Start(starrockssim.Options{Tick: coarse, Listen: fmt.Sprintf("together%d:9030", seed), Listener: listenInside,
		OpenStore: func(string, map[string]string) (storage.Store, error) { return w.repo, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	w.bed = &bed{T: t, sim: sim, store: w.repo, location: "s3://bucket/together"}
	w.timing = activities.Timing{Poll: coarse, Heartbeat: time.Minute, Tick: coarse, ErrorStall: 15 * coarse, StallWarn: time.Hour, StallCancel: time.Hour,
		HungJob: 15 * coarse, Settle: coarse, HeartbeatAge: time.Hour, LostJob: 20 * coarse, SubmitRetry: coarse}
	w.sql(`CREATE REPOSITORY r WITH BROKER ON LOCATION "s3://bucket/together"`)
	for i := range w.fes {
		address := sim.Addresses()[0]
		fe, err := starrocks.Open(starrocks.Config{User: "root", Addresses: []string{address}, Reach: map[string]string{address: address}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fe.Close() })
		w.fes[i] = fe
	}
	w.acts = w.worker(0, nil)
	return w
}

// worker makes the activities of a worker of an installation, whose stores are subject to a fate.
func (w *together) worker(installation int, f *fate) *activities.Activities {
	repo, dr := storage.Store(w.repo), storage.Store(w.dr)
	if f != nil {
		repo, dr = &shaky{repo, f, "repo"}, &shaky{dr, f, "dr"}
	}
	return activities.New(
		[]*activities.Cluster{{Name: "prod", FE: w.fes[installation], Timing: w.timing, Limits: activities.Limits{UnitDuration: time.Minute, BytesPerSecond: 1 << 30}}},
		[]*activities.Repository{{Name: "repo", Native: "r", Location: w.location, Store: repo}},
		&activities.Mirror{Name: "dr", Location: "s3://bucket/dr", Store: dr})
}

// run is one run of a workflow.
type run struct {
	*together
	installation int
	workflow, id string
	base         string
	started      time.Time
	calls        int
	published    activities.Published // by a backup
}

// begin tells the installation's Temporal of a run; base is the restore point that its input names.
func (w *together) begin(installation int, workflow, id, base string) *run {
	r := &run{together: w, installation: installation, workflow: workflow, id: id, base: base, started: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[installation] = append(w.open[installation], activities.OpenRun{ID: id, Workflow: workflow, Started: r.started, Base: base})
	return r
}

func (r *run) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[r.installation] = slices.DeleteFunc(r.open[r.installation], func(o activities.OpenRun) bool { return o.ID == r.id })
	what, came := r.workflow, "done"
	if err != nil {
		what, came = what+" failed", err.Error()
	}
	r.did[what]++
	r.story = append(r.story, fmt.Sprintf("%s to %s: %s of installation %d: %s", r.started.Format(time.DateTime), time.Now().Format(time.DateTime), r.id, r.installation, came))
}

func (w *together) runs(installation int) []activities.OpenRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.open[installation])
}

const (
	calmAfter = 6   // attempts of one activity
	giveUp    = 300 // attempts: a database may be busy for long
)

// call executes an activity until it succeeds or fails for good: by one worker, and by another one if the first died, or was taken
// for dead and goes on all the same.
func (r *run) call(out any, activity any, args ...any) error {
	r.calls++
	for attempt := 1; ; attempt++ {
		f := &fate{seed: r.seed, name: fmt.Sprint(r.id, " ", r.calls, " ", attempt), calm: r.calm || attempt > calmAfter, asked: map[string]int{}}
		e, lost := r.attempt(f, activity, args...)
		switch {
		case lost:
			continue
		case e.err == nil && out != nil:
			return e.value.Get(out)
		case e.err == nil:
			return nil
		case !e.retry && !e.canceled:
			return e.err
		case attempt == giveUp:
			r.Errorf("%s: attempt %d at an activity ended with %v", r.id, attempt, e.err)
			return e.err
		}
		time.Sleep(10*time.Second + time.Duration(draw(r.seed, f.name, uint64(30*time.Second))))
	}
}

// attempt gives up on a worker that dies, or that is only slow, when its heartbeat would be missed.
func (r *run) attempt(f *fate, activity any, args ...any) (e ended, lost bool) {
	ctx, cancel := context.WithCancelCause(context.Background())
	soon := time.Duration(draw(f.seed, f.name+" when", uint64(30*time.Second)))
	how := draw(f.seed, f.name+" how", 10)
	done := make(chan ended, 1)
	if !f.calm && how == 0 {
		f.diesAt = time.Now().Add(soon)
	}
	r.workers.Add(1)
	go func() {
		defer r.workers.Done()
		defer cancel(nil)
		done <- r.execute(ctx, r.worker(r.installation, f), activity, args...)
	}()
	if f.calm || how > 1 {
		return <-done, false
	}
	timer := time.NewTimer(soon)
	defer timer.Stop()
	select {
	case e = <-done:
		return e, false
	case <-timer.C:
		if how == 0 {
			cancel(errors.New("the worker dies"))
		}
		return e, true
	}
}

func (r *run) execute(ctx context.Context, acts *activities.Activities, activity any, args ...any) ended {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(1000 * time.Hour)
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	switch activity := activity.(type) {
	case planning:
		planner := activities.Planner{A: acts, Runs: r.runs(r.installation)}
		env.RegisterActivity(planner.PlanPruneWith)
		return outcome(env.ExecuteActivity(planner.PlanPruneWith, activities.PlanPruneInput(activity)))
	case copying:
		copier := activities.Copier{A: acts}
		env.RegisterActivity(copier.CopyBatchWith)
		return outcome(env.ExecuteActivity(copier.CopyBatchWith, activities.CopyBatchInput(activity)))
	}
	env.RegisterActivity(acts)
	return outcome(env.ExecuteActivity(activity, args...))
}

// planning and copying stand for the activities that ask Temporal something.
type (
	planning activities.PlanPruneInput
	copying  activities.CopyBatchInput
)

// backUp does what Backup does.
func (r *run) backUp(in spec.Backup) error {
	in.Cluster, in.Repository = "prod", "repo"
	point := restorepoint.NewPointID(time.Now(), r.id)
	var plan activities.BackupPlan
	if err := r.call(&plan, r.acts.PlanBackup, activities.PlanBackupInput{Spec: in, Point: point}); err != nil {
		return err
	}
	publish := activities.PublishInput{Spec: in, Point: point, Run: r.id, Created: r.started}
	for _, p := range plan.Databases {
		outcome := activities.DatabaseOutcome{Database: p.Database, Plan: p.Plan}
		for _, unit := range p.Units {
			u := activities.UnitRef{Statement: activities.Backup, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan, Unit: unit,
				Label: restorepoint.Label(p.Database, r.id, unit.Number, unit.Attempt)}
			if !r.calm && r.pick(r.id+" "+u.Label+" fails", 0, 10) == 0 {
				outcome.Failures = append(outcome.Failures, restorepoint.FailedSet{Parts: unit.Parts, Reason: "as the seed wants it"})
				continue
			}
			for _, step := range []any{r.acts.Submit, r.acts.Await, r.acts.Record} {
				if err := r.call(nil, step, u); err != nil {
					return err
				}
			}
			if len(in.Mirrors) > 0 {
				r.offer(spec.CopyOffer{Snapshot: u.Label})
			}
			outcome.Completed = append(outcome.Completed, activities.Attempt{Unit: unit.Number, Attempt: unit.Attempt})
		}
		publish.Databases = append(publish.Databases, outcome)
	}
	if err := r.call(&r.published, r.acts.PublishManifest, publish); err != nil {
		return err
	}
	if len(in.Mirrors) > 0 && r.published.Point != "" {
		r.offer(spec.CopyOffer{Point: r.published.Point})
	}
	return nil
}

// prune does what Prune does.
func (r *run) prune(in spec.Prune) error {
	var plan activities.PrunePlan
	if err := r.call(&plan, planning{Spec: in, Run: r.id, ID: r.id, At: r.started}); err != nil {
		return err
	}
	for _, step := range []struct {
		ends     []int
		activity any
	}{{plan.Points, r.acts.DropPoints}, {plan.Marks, r.acts.MarkSnapshots}, {plan.Snapshots, r.acts.DeleteSnapshots}, {plan.Files, r.acts.SweepFiles}} {
		from := 0
		for _, to := range step.ends {
			var done activities.Pruned
			if err := r.call(&done, step.activity, activities.PruneBatch{PrunePlanRef: plan.Ref, From: from, To: to}); err != nil {
				return err
			}
			from = to
		}
	}
	r.count("points dropped", plan.Result.Go)
	r.count("snapshots deleted", plan.Result.Due)
	return nil
}

func (w *together) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did[what] += n
}

// copy does what Copy does.
func (r *run) copy(in spec.Copy) error {
	in.Cluster = "prod"
	var plan activities.CopyPlan
	if err := r.call(&plan, r.acts.PlanCopy, activities.PlanCopyInput{Spec: in}); err != nil {
		return err
	}
	var failed error
	for _, id := range plan.Points {
		failed = errors.Join(failed, r.copyPoint(in, id))
	}
	return failed
}

func (r *run) copyPoint(in spec.Copy, id string) error {
	var point activities.PointCopy
	if err := r.call(&point, r.acts.PlanPointCopy, activities.PointCopyInput{Spec: in, Point: id}); err != nil {
		return err
	}
	for _, s := range point.Snapshots {
		if err := r.copySnapshot(in, s); err != nil {
			return err
		}
	}
	r.count("points copied", 1)
	return r.call(nil, r.acts.PublishCopy, activities.PointCopyInput{Spec: in, Point: id})
}

func (r *run) copySnapshot(in spec.Copy, s activities.SnapshotToCopy) error {
	var plan activities.SnapshotCopy
	if err := r.call(&plan, r.acts.PlanSnapshotCopy, activities.SnapshotCopyInput{Spec: in, Label: s.Label, Run: r.id}); err != nil {
		return err
	}
	for _, batch := range plan.Batches {
		if err := r.call(nil, copying{Spec: in, Label: s.Label, Plan: plan.Plan, Batch: batch}); err != nil {
			return err
		}
	}
	return r.call(nil, r.acts.CopyRecord, activities.CopyRecordInput{Spec: in, Run: r.id, Snapshot: s})
}

// verify does what Verify does.
func (r *run) verify(in spec.Verify) error {
	in.Cluster, in.Content = "prod", spec.ContentAll
	input := activities.PlanVerifyInput{Spec: in, Run: r.id, At: r.started}
	var plan activities.VerifyPlan
	if err := r.call(&plan, r.acts.PlanVerify, input); err != nil {
		return err
	}
	record := activities.RecordVerificationInput{PlanVerifyInput: input, Verify: r.id, Ended: time.Now()}
	if len(plan.Unreadable) > 0 {
		if err := r.call(&record.Mended, r.acts.RepairManifests, activities.RepairInput{PlanVerifyInput: input}, plan.Unreadable); err != nil {
			return err
		}
		if err := r.call(&plan, r.acts.PlanVerify, input); err != nil {
			return err
		}
	}
	found := func(file string, n int64) error {
		if n == 0 {
			return nil
		}
		record.Files = append(record.Files, file)
		r.count("problems found", int(n))
		return r.call(nil, r.acts.RepairObjects, activities.RepairInput{PlanVerifyInput: input, File: file})
	}
	if err := found(activities.PlanFindings, plan.Found); err != nil {
		return err
	}
	for n := range plan.Groups {
		file, again := fmt.Sprint("g", n), ""
		for file != "" {
			var checked activities.CheckedObjects
			if err := r.call(&checked, r.acts.CheckObjects, activities.CheckObjectsInput{PlanVerifyInput: input, Plan: plan, Group: n, File: file, Again: again}); err != nil {
				return err
			}
			if checked.Found == 0 {
				record.Files = append(record.Files, file)
			}
			if err := found(file, checked.Found); err != nil {
				return err
			}
			for i, b := range checked.Batches {
				var read activities.ObjectsRead
				look := fmt.Sprint(file, "b", i)
				if err := r.call(&read, r.acts.ReadObjects, activities.ReadObjectsInput{PlanVerifyInput: input, Plan: plan, Batch: b, Look: file, File: look}); err != nil {
					return err
				}
				if err := found(look, read.Found); err != nil {
					return err
				}
			}
			if checked.Blocked == 0 || again != "" {
				break
			}
			file, again = file+"again", file
		}
	}
	record.Plan = plan
	return r.call(nil, r.acts.RecordVerification, record)
}

// restore does what Restore does with databases that do not exist yet, and proves the tables.
func (r *run) restore(in spec.Restore) error {
	in.Cluster, in.Repository = "prod", "repo"
	var plan activities.RestorePlan
	if err := r.call(&plan, r.acts.PlanRestore, activities.PlanRestoreInput{Spec: in, Run: r.id, ID: r.id}); err != nil {
		return err
	}
	if plan.Refused > 0 {
		return fmt.Errorf("refused: %+v", plan.Tables)
	}
	for _, p := range plan.Databases {
		if err := r.call(nil, r.acts.EnsureDatabase, "prod", p.Database); err != nil {
			return err
		}
		for _, unit := range p.Units {
			if err := r.restoreUnit(p, unit); err != nil {
				return err
			}
		}
		for i := range p.Tables {
			var proven activities.Proven
			if err := r.call(&proven, r.acts.Prove, activities.TableRef{Cluster: "prod", Repository: "repo", Plan: p.Plan, Table: i}); err != nil {
				return err
			}
			if !proven.Complete {
				return fmt.Errorf("%s: %s", p.Database, proven.Failed)
			}
		}
	}
	return nil
}

func (r *run) restoreUnit(p activities.PlannedDatabase, unit restorepoint.Unit) error {
	u := activities.UnitRef{Statement: activities.Restore, Cluster: "prod", Repository: "repo", Database: p.Database, Plan: p.Plan, Unit: unit,
		Timestamp: activities.Timestamp(time.Now()), Beside: activities.BesidePrefix + restorepoint.Label(p.Database, r.id, unit.Number, unit.Attempt)[3:]}
	if p.Composes {
		u.Composed = restorepoint.ComposedLabel(p.Database, r.id, unit.Number)
		if err := r.call(nil, r.acts.Compose, u); err != nil {
			return err
		}
	}
	var prepared activities.Prepared
	if err := r.call(&prepared, r.acts.Prepare, u); err != nil {
		return err
	}
	u.Label, u.Replication = prepared.Label, prepared.Replication
	steps := []any{r.acts.Submit, r.acts.Await, r.acts.Tidy}
	if p.Composes {
		steps = append(steps, r.acts.DropComposed)
	}
	for _, step := range steps {
		if err := r.call(nil, step, u); err != nil {
			return err
		}
	}
	return nil
}
