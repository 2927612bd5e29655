package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/starrocks"
)

// examine looks whether a running job still gets on, and acts by the kind of trouble (rules 9-11). Finding out more may
// need a store that hangs: it gets half of the look's time, the rest is for CANCEL.
func (w *watch) examine(ctx context.Context, j *starrocks.Job) error {
	asking := ctx
	if until, bounded := ctx.Deadline(); bounded {
		var stop context.CancelFunc
		asking, stop = context.WithTimeout(ctx, time.Until(until)/2)
		defer stop()
	}
	if f := w.hopeless(asking, j); f != nil {
		return w.giveUpWith(ctx, *f)
	}
	return nil
}

// hopeless tells why a job is to be given up; nil for one that gets on or may still.
func (w *watch) hopeless(ctx context.Context, j *starrocks.Job) *UnitFailure {
	if j.Reason().Class == starrocks.StatusFileInvalid {
		return &UnitFailure{Transient: true, Reason: j.Reason().Text, State: string(j.State)}
	}
	switch w.stall.see(j) {
	case hung:
		return &UnitFailure{Transient: true, State: string(j.State),
			Reason: fmt.Sprintf("the job started over again and again in PENDING (JobIds %v); this also stops every other job of the cluster", w.stall.ids)}
	case notTicked:
		w.nameTheStopper(ctx)
	case stuckError:
		return w.failing(ctx, j)
	case stuckQuiet:
		w.warn("no progress in %s for %s, waiting for %s", j.State, w.cluster.Timing.StallWarn, w.waitingFor(ctx, j))
	case stuckLong:
		if j.State.Cancellable() {
			culprits := w.unfinished(ctx, j)
			return &UnitFailure{Culprits: culprits, State: string(j.State), Backends: w.blamed(j),
				Reason: fmt.Sprintf("no progress in %s for %s, waiting for %s", j.State, w.stall.timing.StallCancel, w.waitingFor(ctx, j))}
		}
		w.warn("no progress in %s for %s, waiting for %s; a job in COMMIT is not cancelled", j.State, w.cluster.Timing.StallCancel, w.waitingFor(ctx, j))
	}
	return nil
}

// failing is hopeless for a job whose tasks fail alike for too long. In COMMIT only what can never heal is cancelled.
func (w *watch) failing(ctx context.Context, j *starrocks.Job) *UnitFailure {
	errs := unfinishedErrors(j)
	reason := errorText(errs, j)
	if j.State.Committing() {
		if !w.neverHealsInCommit(ctx, errs) {
			w.warn("COMMITTING does not get on: %s; it goes on by itself when the cause is gone, and is not cancelled", reason)
			return nil
		}
		return &UnitFailure{Transient: true, Reason: reason, State: string(j.State)}
	}
	wasDead := w.dead
	if w.dead = !w.Scratch && w.deadBackendOnly(ctx, j); w.dead {
		w.warn("waiting for %s: %s", w.waitingFor(ctx, j), reason)
		return nil
	}
	if wasDead { // they are back, and their tasks have to be sent again first
		w.stall.progressed()
		return nil
	}
	if w.uploads(ctx, j) {
		w.stall.progressed()
		return nil
	}
	f := UnitFailure{Reason: reason, State: string(j.State), Backends: w.blamed(j)}
	if f.Transient = slices.ContainsFunc(errs, func(e starrocks.TaskError) bool { return freshAttemptHelps(e.Class) }); !f.Transient {
		f.Culprits = w.unfinished(ctx, j)
	}
	return &f
}

// blamed lists the BEs that a check's job waits for. A backup's or restore's may be many, and they are in its reason.
func (w *watch) blamed(j *starrocks.Job) []BackendTrouble {
	if !w.Scratch {
		return nil
	}
	return troubledBackends(j)
}

// freshAttemptHelps tells errors that stay with the job but not with the data.
func freshAttemptHelps(c starrocks.TaskErrorClass) bool {
	switch c {
	case starrocks.TaskVersionNotFound, starrocks.TaskVersionMerged, starrocks.TaskTabletNotFound, starrocks.TaskSnapshotUnreadable:
		return true
	}
	return false
}

// neverHealsInCommit knows the two hangs of COMMITTING that nothing but CANCEL and the same RESTORE mends (design §7):
// a primary key tablet moved twice, and a missing object after it was put back.
func (w *watch) neverHealsInCommit(ctx context.Context, errs []starrocks.TaskError) bool {
	for _, e := range errs {
		switch e.Class {
		case starrocks.TaskSnapshotPathGone:
			return true
		case starrocks.TaskFileMissing, starrocks.TaskHeaderMissing:
			if err := w.checkPresent(ctx); err == nil {
				return true
			}
		}
	}
	return false
}

// uploads tells whether the repository has grown since it was asked last: a task that failed once and was sent again
// keeps its error in the row for the hours that a big tablet may take.
func (w *watch) uploads(ctx context.Context, j *starrocks.Job) bool {
	if j.State != starrocks.StateUploading {
		return false
	}
	var size int64
	for o, err := range w.repository.Store.List(ctx, w.snapshot().Content()) {
		if err != nil {
			return false
		}
		size += o.Size
	}
	grown := size != w.uploaded
	w.uploaded = size
	return grown
}

// deadBackendOnly tells a job that waits for nothing but BEs that are down: it goes on when they are back.
func (w *watch) deadBackendOnly(ctx context.Context, j *starrocks.Job) bool {
	if len(j.Unfinished) == 0 || !waitsOnBackends(j) {
		return false
	}
	dead := w.deadBackends(ctx)
	return !slices.ContainsFunc(j.Unfinished, func(t starrocks.Task) bool { return !slices.Contains(dead, t.On) })
}

// waitsOnBackends tells the states in which UnfinishedTasks names BEs (facts §3.1, §3.2).
func waitsOnBackends(j *starrocks.Job) bool {
	if j.Kind == starrocks.BackupKind {
		return j.State == starrocks.StateSnapshoting || j.State == starrocks.StateUploading
	}
	return j.State == starrocks.StateDownloading
}

func (w *watch) deadBackends(ctx context.Context) []int64 {
	backends, err := w.cluster.FE.Backends(ctx)
	if err != nil {
		return nil
	}
	var dead []int64
	for _, b := range backends {
		if !b.Alive {
			dead = append(dead, b.ID)
		}
	}
	return dead
}

// waitingFor says in words what a job waits for: BEs by id, marked where they are down.
func (w *watch) waitingFor(ctx context.Context, j *starrocks.Job) string {
	if len(j.Unfinished) == 0 {
		return "the FE"
	}
	if !waitsOnBackends(j) {
		return fmt.Sprintf("%d tasks", len(j.Unfinished))
	}
	dead := w.deadBackends(ctx)
	seen := map[int64]bool{}
	var words []string
	for _, t := range j.Unfinished {
		if seen[t.On] {
			continue
		}
		seen[t.On] = true
		word := fmt.Sprintf("BE %d", t.On)
		if slices.Contains(dead, t.On) {
			word += " (not alive)"
		}
		words = append(words, word)
	}
	return fmt.Sprintf("%d tasks on %s", len(j.Unfinished), strings.Join(words, ", "))
}

// nameTheStopper looks for the job that stops all others of the cluster, and says whose it is. It is cancelled only by
// the one who started it.
func (w *watch) nameTheStopper(ctx context.Context) {
	jobs, err := w.cluster.FE.Jobs(ctx)
	if err != nil {
		return
	}
	for _, j := range jobs {
		if j.Database == w.Database || j.State != starrocks.StatePending || j.ID == -1 {
			continue
		}
		w.warn("no BACKUP or RESTORE of the cluster gets on: the %s with label %s of database %s starts over in PENDING with every tick and stops the others; whoever started it should send CANCEL %s FROM `%s`",
			j.Kind, j.Label, j.Database, j.Kind, j.Database)
		return
	}
	w.warn("StarRocks has not begun the job for %s: its FE is busy or blocked (a RESTORE that creates many tablets, a BE that is down but counts as alive)", w.cluster.Timing.HungJob)
}

func errorText(errs []starrocks.TaskError, j *starrocks.Job) string {
	if len(errs) == 0 {
		if j.TaskErrors != "" {
			return j.TaskErrors
		}
		return j.Reason().Text
	}
	text := fmt.Sprintf("[%d: %s]", errs[0].ID, errs[0].Text())
	if len(errs) > 1 {
		text += fmt.Sprintf(" and %d more", len(errs)-1)
	}
	return text
}
