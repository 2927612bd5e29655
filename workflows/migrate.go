package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// Migrate brings databases to another cluster: check, bulk, catch-up rounds until the difference is small, then, when the
// operator says so (update switch), the last round, views and functions, and the proof. Each round is an incremental Backup
// and a Restore of exactly what it found. The source is only read, but for BACKUP itself; abort or a cancel leave it as
// it is, and say what is on the target.
func Migrate(ctx workflow.Context, in spec.Migrate) (spec.MigrateResult, error) {
	if err := in.Validate(); err != nil {
		return spec.MigrateResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	m := newMigration(ctx, in)
	if err := m.serve(ctx); err != nil {
		return spec.MigrateResult{}, err
	}
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributeCluster.ValueSet(in.From))
	again, err := m.run(m.work)
	if again {
		return spec.MigrateResult{}, m.continueAsNew(ctx)
	}
	return m.result(ctx, err)
}

type migration struct {
	in       spec.Migrate
	state    spec.MigrateState
	out      spec.MigrateResult
	progress spec.MigrateProgress

	work   workflow.Context // of all that abort stops
	stop   workflow.CancelFunc
	abort  bool
	closed bool // too late for either
}

func newMigration(ctx workflow.Context, in spec.Migrate) *migration {
	m := &migration{in: in, state: spec.MigrateState{Began: workflow.Now(ctx).UTC()}}
	if in.State != nil {
		m.state = *in.State
	}
	m.in.State = nil
	m.work, m.stop = workflow.WithCancel(ctx)
	return m
}

// run goes through the phases. again asks for a run of its own to go on in.
func (m *migration) run(ctx workflow.Context) (again bool, err error) {
	if m.state.Round == 0 {
		if err := m.check(ctx); err != nil {
			return false, err
		}
		if err := m.advance(ctx, spec.PhaseBulk); err != nil {
			return false, err
		}
	}
	for !m.state.Switch {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return true, nil
		}
		if m.ready() {
			if err := m.wait(ctx); err != nil {
				return false, err
			}
		}
		if m.state.Switch || m.small() {
			continue
		}
		if err := m.advance(ctx, spec.PhaseCatchUp); err != nil {
			return false, err
		}
	}
	return false, m.finish(ctx)
}

// advance is a round, and a look at what has changed meanwhile.
func (m *migration) advance(ctx workflow.Context, phase spec.Phase) error {
	if err := m.round(ctx, phase); err != nil {
		return err
	}
	return m.look(ctx)
}

// check looks at both clusters, and gives the target the repository.
func (m *migration) check(ctx workflow.Context) error {
	m.phase(ctx, spec.PhaseCheck)
	err := workflow.ExecuteActivity(long(ctx, planHeartbeat, "check both clusters"), acts.CheckMigration, m.in).Get(ctx, &m.state.Check)
	if err != nil {
		return err
	}
	for _, w := range m.state.Check.Warnings {
		m.warn("%s", w)
	}
	if !m.state.Check.Ensure {
		return nil
	}
	in := activities.EnsureRepositoryInput{Cluster: m.in.To, Repository: m.in.Repository, ReadOnly: true}
	return workflow.ExecuteActivity(short(ctx, m.heartbeat(), "create repository "+m.in.Repository+" on "+m.in.To), acts.EnsureRepository, in).Get(ctx, nil)
}

// look compares the source with what the target holds.
func (m *migration) look(ctx workflow.Context) error {
	in := m.backup()
	in.Base = m.state.Applied
	var look spec.MigrateLook
	err := workflow.ExecuteActivity(long(ctx, m.heartbeat(), "look at the source"), acts.LookAtSource, in).Get(ctx, &look)
	if err == nil {
		m.state.Look = look
		m.show(ctx)
	}
	return err
}

// small tells whether the difference is: by partitions, or by bytes, where the catalog knows them: it lags behind.
func (m *migration) small() bool {
	l := m.state.Look
	partitions, bytes := int64(m.in.SmallPartitions), m.in.SmallBytes
	if partitions == 0 {
		partitions = spec.DefaultSmallPartitions
	}
	if bytes == 0 {
		bytes = spec.DefaultSmallBytes
	}
	return l.Partitions <= partitions || l.Bytes > 0 && l.Bytes <= bytes
}

// ready tells whether rounds no longer follow each other at once: the difference is small, or does not get small.
func (m *migration) ready() bool {
	most := m.in.MaxRounds
	if most == 0 {
		most = spec.DefaultMaxRounds
	}
	switch {
	case m.state.Ready:
	case m.small():
		m.state.Ready = true
	case m.state.Round > most: // the bulk is not one of them
		m.state.Ready = true
		m.warn("the difference did not get small in %d rounds: %d partitions, %s; make maxRounds or the thresholds larger, load less, or switch all the same",
			most, m.state.Look.Partitions, spec.Bytes(m.state.Look.Bytes))
	}
	return m.state.Ready
}

// wait waits for the switch, and a while at most: then it looks again.
func (m *migration) wait(ctx workflow.Context) error {
	m.phase(ctx, spec.PhaseReady)
	asked, err := workflow.AwaitWithTimeout(ctx, m.in.Interval.Or(spec.DefaultMigrateInterval), func() bool { return m.state.Switch })
	if err != nil || asked {
		return err
	}
	return m.look(ctx)
}

// finish is the switch: two looks, the last round, views and functions, the proof, and a last look.
func (m *migration) finish(ctx workflow.Context) error {
	m.phase(ctx, spec.PhaseSwitch)
	if err := m.stillMoving(ctx); err != nil {
		return err
	}
	if err := m.round(ctx, spec.PhaseSwitch); err != nil {
		return err
	}
	m.out.Switched = true
	if err := m.views(ctx); err != nil {
		return err
	}
	m.phase(ctx, spec.PhaseProof)
	var proof spec.MigrateProof
	ref := activities.MigrationRef{Spec: m.in, Point: m.state.Applied, Gone: m.state.Removed, GoneMore: m.state.RemovedCount > len(m.state.Removed)}
	if ref.GoneMore {
		m.warn("%d tables and partitions were dropped at the source meanwhile, more than are listed: partitions that only the target has are not judged", m.state.RemovedCount)
	}
	if err := workflow.ExecuteActivity(long(ctx, m.heartbeat(), "compare both sides"), acts.ProveMigration, ref).Get(ctx, &proof); err != nil {
		return err
	}
	m.out.Proof = &proof
	if err := m.look(ctx); err != nil {
		return err
	}
	if !m.state.Look.Same() {
		late := m.state.Look
		m.out.Late = &late
	}
	m.closed = true
	return nil
}

// stillMoving looks twice, and names what was loaded between the looks: whoever switches should have stopped the loads.
func (m *migration) stillMoving(ctx workflow.Context) error {
	if err := m.look(ctx); err != nil {
		return err
	}
	before := m.state.Look
	if err := workflow.Sleep(ctx, m.in.Settle.Or(spec.DefaultSettle)); err != nil {
		return err
	}
	if err := m.look(ctx); err != nil {
		return err
	}
	m.out.Moving = m.state.Look.MovedSince(before)
	if len(m.out.Moving) > 0 {
		m.warn("%d tables were still being loaded when the switch began, the first is %s: what comes after the last snapshot is named, and not on the target", len(m.out.Moving), m.out.Moving[0])
	}
	return nil
}

// result says how the migration ended, and writes it down.
func (m *migration) result(ctx workflow.Context, failed error) (spec.MigrateResult, error) {
	m.closed = true
	free := finishing(ctx)
	s := m.state
	m.out.Point, m.out.Rounds, m.out.RoundCount, m.out.Removed, m.out.RemovedCount = s.Applied, s.Rounds, s.Round, s.Removed, s.RemovedCount
	m.out.Dropped = s.Dropped
	m.out.FromVersion, m.out.ToVersion = s.Check.FromVersion, s.Check.ToVersion
	m.out.NotCrossed = append(slices.Clone(s.Check.NotCrossed), m.out.NotCrossed...)
	m.out.NotCrossed = m.out.NotCrossed[:min(len(m.out.NotCrossed), spec.MaxListed)]
	m.out.Warnings, m.out.Aborted, m.out.CancelRequested = s.Warnings, m.abort, ctx.Err() != nil
	if failed != nil {
		m.out.OnTarget = m.left()
	}
	if s.Applied != "" {
		m.report(free)
	}
	kind, message := typeOf(failed)
	switch {
	case m.abort && ctx.Err() == nil && (failed == nil || temporal.IsCanceledError(failed) || m.work.Err() != nil):
		m.phase(free, spec.PhaseFailed)
		return m.out, nil
	case failed != nil && ctx.Err() != nil:
		m.phase(free, spec.PhaseFailed)
		return m.out, temporal.NewCanceledError(m.out)
	case failed != nil:
		m.phase(free, spec.PhaseFailed)
		if kind == "" {
			kind = spec.ErrorJobFailed
		}
		return m.out, activities.Error(kind, m.out, "%s; %s", message, m.out.OnTarget)
	case m.out.Proof.DifferCount > 0:
		m.phase(free, spec.PhaseFailed)
		return m.out, activities.Error(spec.ErrorProofFailed, m.out, "%d partitions or tables of the target are not the source's: %s", m.out.Proof.DifferCount, firstReason(m.out.Proof.Differs))
	case m.out.Late != nil:
		m.phase(free, spec.PhaseFailed)
		return m.out, activities.Error(spec.ErrorPartialFailure, m.out,
			"everything of restore point %s is on the target, but the source has changed since: %s; stop its loads, and bring these tables over by a backup and a restore", s.Applied, changedText(*m.out.Late))
	}
	m.phase(free, spec.PhaseDone)
	return m.out, nil
}

func changedText(l spec.MigrateLook) string {
	text := fmt.Sprintf("%d partitions changed, %d objects dropped", l.Partitions, len(l.Gone))
	for _, t := range l.Tables[:min(len(l.Tables), 3)] {
		text += fmt.Sprintf("; %s.%s: %s", t.Database, t.Table, t.Why)
	}
	return text
}

// left says what an unfinished migration leaves behind.
func (m *migration) left() string {
	switch {
	case m.state.Applied != "":
		return fmt.Sprintf("the source is as it was; cluster %s holds restore point %s, whole: keep it, or drop it by hand", m.in.To, m.state.Applied)
	case m.state.Placed:
		return fmt.Sprintf("the source is as it was; on cluster %s a part of the tables was restored, look at restore/%s and drop them by hand", m.in.To, m.in.To)
	}
	return fmt.Sprintf("the source is as it was, and nothing was made on cluster %s but the repository", m.in.To)
}

func (m *migration) report(ctx workflow.Context) {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	in := activities.MigrationReport{Spec: m.in, Migrate: id, Began: m.state.Began, Ended: workflow.Now(ctx).UTC(), Result: m.out}
	if err := workflow.ExecuteActivity(short(ctx, m.heartbeat(), "write the result down"), acts.ReportMigration, in).Get(ctx, &m.out.Report); err != nil {
		_, message := activities.TypeOf(err)
		m.out.Warnings = append(m.out.Warnings, "the result is not written down beside the restore point: "+message)
	}
}

func (m *migration) heartbeat() time.Duration { return m.state.Check.Heartbeat.Or(planHeartbeat) }

func (m *migration) warn(format string, args ...any) {
	if len(m.state.Warnings) < maxWarnings {
		m.state.Warnings = append(m.state.Warnings, fmt.Sprintf(format, args...))
	}
}

// backup is what each round backs up.
func (m *migration) backup() spec.Backup {
	return spec.Backup{
		Cluster: m.in.From, Repository: m.in.Repository, Include: m.in.Include, Exclude: m.in.Exclude, Incremental: true, Base: m.state.Base,
		Fingerprint: m.in.Fingerprint, Limits: m.in.Limits,
	}
}
