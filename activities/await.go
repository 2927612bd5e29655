package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// JobEnd is what became of a unit's statement, when it did not fail.
type JobEnd struct {
	// CancelRefused says that a cancel was asked for in COMMIT, where it would leave data mixed: the job was awaited.
	CancelRefused bool `json:"cancelRefused,omitempty"`
	// Unseen says that the FE no longer shows the job: a later one took its row. The proof decides.
	Unseen bool `json:"unseen,omitempty"`
	// Cancelled says that the cancel of UnitRef.Cancel took effect. Temporal takes a CanceledError only from an activity
	// that it asked to cancel itself; any other is tried again for ever.
	Cancelled bool     `json:"cancelled,omitempty"`
	Seconds   int64    `json:"seconds"`
	Warnings  []string `json:"warnings,omitempty"`
	// Loads are those that a RESTORE over existing data met committed and not visible, in words: it went on over them.
	Loads []string `json:"loads,omitempty"`
	// Over is the RESTORE that went on over Loads, unless it mends another one.
	Over *spec.InterruptedCommit `json:"over,omitempty"`
}

// Await follows the unit's job to its end. It holds the COMMIT rules of design §7: on a cancel request it sends CANCEL
// only while the job is before COMMIT, and believes only the row it reads afterwards. A pause, a stopping worker, a
// workflow that is gone leave the FE's job alone.
//
// It fails with JobFailed and a UnitFailure in the details; with a CanceledError when a requested cancel took effect;
// with JobLost when the FE shows nothing of the job and the repository does not either.
func (a *Activities) Await(ctx context.Context, u UnitRef) (JobEnd, error) {
	w, err := a.resolve(ctx, u)
	if err != nil {
		return JobEnd{}, failure(ctx, err)
	}
	end, err := (&watch{work: w, cancelled: u.Cancel, stall: newStall(w.patience(), time.Now)}).run(ctx)
	if u.Cancel && temporal.IsCanceledError(err) {
		end.Cancelled = true
		return end, nil
	}
	if err != nil && !temporal.IsCanceledError(err) {
		err = fmt.Errorf("%s of database %s, label %s: %w", w.Statement, w.Database, w.Label, err)
	}
	return end, failure(ctx, err)
}

// watch is one Await under way.
type watch struct {
	*work
	stall     *stall
	end       JobEnd
	cancelled bool         // a cancel was requested of us
	giveUp    *UnitFailure // why we sent CANCEL ourselves
	dead      bool         // all that the failing job waits for is on BEs that are down
	again     bool         // another attempt at watching came before, and may have died
	missing   time.Time    // since when the FE shows no row of ours
	uploaded  int64        // bytes in the repository when a failing upload was looked into last
	leader    string       // the FE process that led when it was looked at last
	quiet     time.Time    // no CANCEL before: a leader that has not ticked since it took over only pretends to cancel
	progress  spec.JobProgress
	looked    int64 // JobId of the RESTORE over existing data whose loads are known
}

func (w *watch) run(ctx context.Context) (JobEnd, error) {
	w.remember(ctx)
	began := time.Now()
	// Heartbeats go on after a cancel request, which ends ctx: a job in COMMIT is watched to its end.
	done, polling := ctx.Done(), context.WithoutCancel(ctx)
	w.leader, _ = w.leadingProcess(polling)
	for {
		over, err := w.lookInTime(polling)
		activity.RecordHeartbeat(polling, w.told())
		if over || err != nil {
			w.end.Seconds = int64(time.Since(began).Seconds())
			return w.end, err
		}
		timer := time.NewTimer(w.cluster.Timing.Poll)
		select {
		case <-timer.C:
		case <-activity.GetWorkerStopChannel(ctx):
			timer.Stop()
			return w.end, fail(spec.ErrorHandOver, "this worker stops; another one goes on watching the job")
		case <-done:
			timer.Stop()
			if err := interrupted(ctx); err != nil {
				return w.end, err
			}
			w.cancelled, done = true, nil
		}
	}
}

// lookInTime is look, cut off before the heartbeat is due: while an FE or a store hangs, this attempt must not be taken
// for dead and go on beside the next one. What was cut off is done again with the next look.
func (w *watch) lookInTime(ctx context.Context) (over bool, err error) {
	if timeout := activity.GetInfo(ctx).HeartbeatTimeout; timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout*2/3)
		defer cancel()
	}
	return w.look(ctx)
}

// look reads the row once and acts on it. It is over when it says so, or with an error.
func (w *watch) look(ctx context.Context) (over bool, err error) {
	j, err := w.job(ctx)
	if err != nil && !errors.Is(err, starrocks.ErrUnknownDatabase) { // a database that is dropped takes its job along
		w.unreachable(err)
		return false, nil
	}
	if !w.ours(j) {
		return w.lost(ctx, j)
	}
	w.missing = time.Time{}
	w.report(j)
	switch {
	case j.State == starrocks.StateFinished:
		w.overLoads(j)
		return true, nil
	case j.State == starrocks.StateCancelled:
		return false, w.ended(ctx, j)
	case w.cancelled && j.State.Cancellable():
		return false, w.sendCancel(ctx)
	case w.cancelled && j.State.Committing():
		w.end.CancelRefused = true
	}
	if f := w.loadsInTheWay(ctx, j); f != nil {
		return false, w.giveUpWith(ctx, *f)
	}
	return false, w.examine(ctx, j)
}

// told is the heartbeat that people watch. Why their cancel is not carried out comes first, whatever else there is to say.
func (w *watch) told() spec.JobProgress {
	p := w.progress
	if !w.end.CancelRefused {
		return p
	}
	const refused = "a cancel was asked for in COMMIT, where it would damage data: finishing"
	p.Message = strings.TrimSuffix(refused+"; "+p.Message, "; ")
	return p
}

// unreachable notes that the FE did not answer. Nothing is cancelled blindly: the next answer decides.
func (w *watch) unreachable(err error) {
	w.progress.Message = "the FE does not answer, still trying: " + err.Error()
	w.quiet = time.Now().Add(2 * w.cluster.Timing.Tick)
}

// lost handles a row that is not there. A later job in the row means that ours has ended; no row at all can be a
// missing EXPORT right, so the repository is asked as well (rule 4).
func (w *watch) lost(ctx context.Context, row *starrocks.Job) (bool, error) {
	if w.missing.IsZero() {
		w.missing = time.Now()
	}
	if w.Statement == starrocks.BackupKind {
		finished, err := w.committed(ctx)
		if errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrThrottled) || errors.Is(err, context.DeadlineExceeded) {
			w.progress.Message = "StarRocks shows no such job, and the repository does not answer: " + err.Error()
			return false, nil
		}
		if err != nil || finished {
			return finished, err
		}
	}
	gone := time.Since(w.missing)
	w.progress.Message = fmt.Sprintf("StarRocks shows no such job since %s", gone.Round(time.Second))
	if gone < w.cluster.Timing.LostJob {
		return false, nil
	}
	if w.Cancel {
		return false, temporal.NewCanceledError("the statement never got through to StarRocks")
	}
	if row == nil {
		return false, fail(spec.ErrorJobLost, "StarRocks shows no %s of the database any more and the repository has no result; grant EXPORT on every table of the database to the profile's user (without it the row is hidden), or look whether the database was dropped", w.Statement)
	}
	if w.inPlace() {
		const why = "a later job took the row before this one was seen to end"
		return false, jobFailed(UnitFailure{Transient: true, Reason: why, Interrupted: w.interrupted(why)}, why)
	}
	if w.Statement == starrocks.RestoreKind {
		w.end.Unseen = true
		return true, nil
	}
	return false, jobFailed(UnitFailure{Transient: true, Reason: "a later job took the row", State: string(row.State)},
		"a later job (label %s) took the place of ours, which left no complete snapshot", row.Label)
}

// committed tells whether the snapshot's __info, written last, is there.
func (w *watch) committed(ctx context.Context) (bool, error) {
	for _, err := range w.repository.Store.List(ctx, w.snapshot().InfoPrefix("")) {
		return err == nil, err
	}
	return false, nil
}

// ended says why a job of ours is CANCELLED.
func (w *watch) ended(ctx context.Context, j *starrocks.Job) error {
	reason := j.Reason()
	byUser := reason.Class == starrocks.StatusUserCancelled
	if w.brokenOff(j, reason) {
		why := reason.Text
		if w.giveUp != nil {
			why = w.giveUp.Reason
		}
		return jobFailed(UnitFailure{Transient: true, Reason: why, State: string(starrocks.StateCommitting), Interrupted: w.interrupted(why)},
			"broken off in COMMITTING over existing data: %s", why)
	}
	if byUser && w.giveUp != nil {
		return jobFailed(*w.giveUp, "cancelled by starkeep: %s", w.giveUp.Reason)
	}
	if byUser && w.cancelled {
		return temporal.NewCanceledError(fmt.Sprintf("%s of %s cancelled: %s", w.Statement, w.Database, reason.Text))
	}
	f := UnitFailure{Transient: reason.Transient(), Reason: reason.Text, State: string(j.State)}
	switch reason.Class {
	case starrocks.StatusUserCancelled:
		f.Stop = true
		f.Reason = "cancelled in StarRocks by somebody else (" + reason.Text + ")"
		if w.again {
			// Heartbeats are sent now and then only: a worker that died right after its CANCEL could not say so. Whoever
			// wants the database left alone cancels the next attempt too.
			f.Stop, f.Transient = false, true
			f.Reason = "cancelled in StarRocks, by somebody else or by a worker that died (" + reason.Text + ")"
		}
	case starrocks.StatusFileInvalid, starrocks.StatusTimeout:
		f.Transient = true
	default:
		f.Culprits = w.mentioned(reason.Text)
	}
	return jobFailed(f, "StarRocks cancelled the job: %s", f.Reason)
}

// sendCancel cancels the job whose row was just read. Whatever the statement answers, the next row is the truth: as long
// as it does not say CANCELLED, CANCEL is sent again where it is still due.
func (w *watch) sendCancel(ctx context.Context) error {
	process, err := w.leadingProcess(ctx)
	if err != nil {
		w.unreachable(err)
		return nil
	}
	if process != w.leader {
		w.leader, w.quiet = process, time.Now().Add(2*w.cluster.Timing.Tick)
	}
	if time.Now().Before(w.quiet) {
		return nil
	}
	w.progress.Message = "cancelling"
	err = w.cancel(ctx)
	if err != nil && !errors.Is(err, starrocks.ErrNoJob) && !errors.Is(err, starrocks.ErrNotCancellable) {
		w.warn("CANCEL %s was not carried out: %v", w.Statement, err)
	}
	return nil
}

// leadingProcess tells one FE process that leads from the next.
func (w *watch) leadingProcess(ctx context.Context) (string, error) {
	leader, err := w.cluster.FE.Leader(ctx)
	return leader.Name + " " + leader.StartTime.String(), err
}

// giveUpWith cancels the job because waiting longer makes no sense. The failure is reported once the row says CANCELLED.
func (w *watch) giveUpWith(ctx context.Context, f UnitFailure) error {
	f.Reason = w.remedied(f.State, f.Reason)
	w.giveUp, w.progress.GivingUp = &f, f.Reason
	return w.sendCancel(ctx)
}

// remember takes up what the heartbeat of an attempt that died tells: that it cancelled the job itself, that it looked at
// loads.
func (w *watch) remember(ctx context.Context) {
	w.again = activity.GetInfo(ctx).Attempt > 1
	var last spec.JobProgress
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &last) != nil {
		return
	}
	w.progress.LoadsSeen = last.LoadsSeen
	if last.GivingUp != "" {
		w.giveUp = &UnitFailure{Transient: true, Reason: last.GivingUp, State: last.State}
		w.progress.GivingUp = last.GivingUp
	}
}

func (w *watch) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.progress.Message = text
	if !slices.Contains(w.end.Warnings, text) && len(w.end.Warnings) < 20 {
		w.end.Warnings = append(w.end.Warnings, text)
	}
}

// report turns the row into progress.
func (w *watch) report(j *starrocks.Job) {
	left := len(j.Unfinished)
	if w.progress.State != string(j.State) {
		w.progress = spec.JobProgress{Statement: string(w.Statement), Database: w.Database, Label: w.Label, State: string(j.State), Phase: phaseOf(w.Statement, j.State), GivingUp: w.progress.GivingUp, LoadsSeen: w.progress.LoadsSeen}
	}
	w.progress.Total = max(w.progress.Total, left)
	w.progress.Done = w.progress.Total - left
	w.progress.Message = trouble(j)
}

// trouble is what StarRocks complains of while the job runs, long before it is acted upon.
func trouble(j *starrocks.Job) string {
	if errs := starrocks.ParseTaskErrors(j.TaskErrors); len(errs) > 0 {
		return errorText(errs, j)
	}
	if r := j.Reason(); r.Class != starrocks.StatusOK {
		return r.Text
	}
	return ""
}

func phaseOf(kind starrocks.JobKind, s starrocks.State) spec.Phase {
	switch s {
	case starrocks.StateUploadSnapshot, starrocks.StateUploading:
		return spec.PhaseUpload
	case starrocks.StateSaveMeta, starrocks.StateUploadInfo:
		return spec.PhaseCommit
	case starrocks.StateDownload, starrocks.StateDownloading:
		return spec.PhaseLoad
	case starrocks.StateCommit, starrocks.StateCommitting:
		return spec.PhaseCommit
	}
	return spec.PhaseSnapshot
}
