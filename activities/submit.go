package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// statementTimeout is the longest that StarRocks takes: it cancels a job whose timeout expires even in COMMITTING, so
// limits of ours act instead, and only before COMMIT (rule 7).
const statementTimeout = 30 * 24 * time.Hour

// submitTries bounds the retries of a submission that others spoiled (rule 2).
const submitTries = 5

// Submission says how a unit's statement came to run.
type Submission struct {
	Adopted bool `json:"adopted"` // it ran already: an earlier attempt at submitting got through
}

// Submit sees to it that the FE has accepted the unit's statement, exactly once. It looks before and after: an attempt
// is recognised by label (BACKUP) or label and timestamp (RESTORE) and adopted. A job of anybody else in the database's
// slot is DatabaseBusy.
func (a *Activities) Submit(ctx context.Context, u UnitRef) (Submission, error) {
	defer keepAlive(ctx)()
	w, err := a.resolve(ctx, u)
	if err != nil {
		return Submission{}, failure(ctx, err)
	}
	var s Submission
	if err = w.awaitLoads(ctx); err == nil {
		s, err = w.submit(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s of database %s, label %s: %w", w.Statement, w.Database, w.Label, err)
	}
	return s, failure(ctx, err)
}

func (w *work) submit(ctx context.Context) (Submission, error) {
	w.cluster.gate.Lock()
	defer w.cluster.gate.Unlock()
	var last error
	for try := range submitTries {
		if try > 0 {
			if err := sleep(ctx, w.cluster.Timing.SubmitRetry); err != nil {
				return Submission{}, last
			}
		}
		if found, err := w.accepted(ctx); found || err != nil {
			return Submission{Adopted: true}, err
		}
		if err := w.slotFree(ctx); err != nil {
			return Submission{}, err
		}
		if w.Statement == starrocks.RestoreKind {
			if err := w.backendsSettled(ctx); err != nil {
				return Submission{}, err
			}
		}
		if last = w.send(ctx); last == nil {
			return Submission{}, nil
		}
		// Whatever the answer was, the statement may have got through: a lost connection tells nothing, and
		// "one job of a database" may be about ourselves.
		if found, err := w.accepted(ctx); err == nil && found {
			return Submission{Adopted: true}, nil
		}
		if !errors.Is(last, starrocks.ErrSubmissionBusy) {
			break
		}
	}
	if spoiledForGood(last, activity.GetInfo(ctx).Attempt) {
		return Submission{}, jobFailed(UnitFailure{Transient: true, Reason: text(last), State: "refused"}, "refused again and again: %v", last)
	}
	return Submission{}, w.refused(last)
}

// spoiledAttempts is how often Submit starts over because another submission got in the way.
const spoiledAttempts = 3

// spoiledForGood tells when a submission that was spoiled again and again is not another one's doing: then the attempt's
// own __info is damaged, and a new attempt writes it anew. A busy submission lock is waited for as long as it takes.
func spoiledForGood(err error, attempt int32) bool {
	return errors.Is(err, starrocks.ErrSubmissionBusy) && attempt >= spoiledAttempts && !strings.Contains(text(err), "job is being submitted")
}

// accepted tells whether the FE, or for a BACKUP whose row a later job hides the repository, knows this attempt.
func (w *work) accepted(ctx context.Context) (bool, error) {
	j, err := w.job(ctx)
	if err != nil {
		return false, err
	}
	if w.ours(j) {
		return true, nil
	}
	if w.Statement == starrocks.RestoreKind {
		return false, nil
	}
	return w.written(ctx)
}

// written tells whether the repository holds anything under the attempt's label: labels are unique per attempt, so
// what is there came from this very statement.
func (w *work) written(ctx context.Context) (bool, error) {
	for _, err := range w.repository.Store.List(ctx, w.snapshot().Prefix()) {
		return err == nil, err
	}
	return false, nil
}

// slotFree refuses while a job of anybody holds the database.
func (w *work) slotFree(ctx context.Context) error {
	for _, read := range []func(context.Context) (*starrocks.Job, error){w.job, w.other} {
		j, err := read(ctx)
		if err != nil {
			return err
		}
		if j != nil && !j.State.Terminal() {
			busy := fail(spec.ErrorDatabaseBusy, "database %s has a running %s with label %s in state %s; wait for its end", w.Database, j.Kind, j.Label, j.State)
			busy.Final = w.FailBusy
			return busy
		}
	}
	return nil
}

func (w *work) send(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.Statement == starrocks.BackupKind {
		return w.cluster.FE.Backup(ctx, starrocks.BackupStatement{
			Database: w.Database, Label: w.Label, Repository: w.repository.Native, Objects: w.objects(), Timeout: statementTimeout,
		})
	}
	return w.cluster.FE.Restore(ctx, w.restoreStatement())
}

func (w *work) restoreStatement() starrocks.RestoreStatement {
	return starrocks.RestoreStatement{
		Database: w.Database, Label: w.Label, Repository: w.repository.Native, Timestamp: w.Timestamp,
		Objects: w.objects(), ReplicationNum: w.Replication, Timeout: statementTimeout,
	}
}

// refused types an error of the statement itself: what StarRocks refuses is a matter of this unit, unless the table of
// kinds knows better.
func (w *work) refused(err error) error {
	if errors.Is(err, starrocks.ErrSubmissionBusy) || errors.Is(err, starrocks.ErrDatabaseBusy) || errors.Is(err, starrocks.ErrNoLeader) ||
		errors.Is(err, starrocks.ErrConnectionLost) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	for _, kind := range []error{starrocks.ErrDenied, starrocks.ErrAuth, starrocks.ErrRepositoryMissing, starrocks.ErrRepositoryReadOnly, starrocks.ErrUnknownDatabase} {
		if errors.Is(err, kind) {
			return err
		}
	}
	reason := w.remedied("refused", text(err))
	f := jobFailed(UnitFailure{Reason: reason, State: "refused", Culprits: w.named(err)}, "refused by StarRocks: %s", reason)
	f.Cause = err
	return f
}

// named finds the parts that a refusal speaks of: a table that is gone since the plan was made.
func (w *work) named(err error) []int {
	if !errors.Is(err, starrocks.ErrUnknownTable) && !errors.Is(err, starrocks.ErrUnknownPartition) {
		return nil
	}
	var culprits []int
	for n, i := range w.Unit.Indexes() {
		part := w.parts[n]
		if errors.Is(err, starrocks.ErrUnknownTable) && mentions(err, part.Table) || errors.Is(err, starrocks.ErrUnknownPartition) && mentions(err, part.Partition) {
			culprits = append(culprits, i)
		}
	}
	return culprits
}

// keepAlive heartbeats for an activity that cannot do it itself while it waits: for the gate, for one long statement, for
// a store. Every activity but Await has one, or a worker that dies would be noticed only when the activity's time is
// up. The work it covers is bounded by the timeouts of statements and stores.
func keepAlive(ctx context.Context) (stop func()) {
	return beating(ctx, func() []any { return nil })
}

// beating is keepAlive with details that people see.
func beating(ctx context.Context, details func() []any) (stop func()) {
	interval := activity.GetInfo(ctx).HeartbeatTimeout / 3
	if interval <= 0 {
		return func() {}
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, details()...)
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}

// sleep waits, or returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
