package activities

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/starrocks"
)

// stall notices from a job's rows that it does not get on. A BE's error never fails a job: the FE sends the task again
// every 10 s until the timeout (rule 9), and some jobs start over for ever (rule 10).
type stall struct {
	timing Timing
	now    func() time.Time

	mark   string    // what makes two rows equal as far as progress goes
	since  time.Time // since when they are
	ids    []int64   // JobIds seen in PENDING
	ticked time.Time // when JobId -1 was first seen without a tick
}

func newStall(t Timing, now func() time.Time) *stall {
	return &stall{timing: t, now: now}
}

// patience is how long the unit's job may stand still. A check's holds nothing that would be lost, and somebody waits.
func (w *work) patience() Timing {
	t := w.cluster.Timing
	if w.Scratch {
		t.ErrorStall, t.StallCancel = t.ErrorStall/4, t.StallWarn
	}
	return t
}

// verdict is what a stall makes of a row.
type verdict int

const (
	goingOn    verdict = iota
	stuckError         // the same task errors for longer than ErrorStall
	stuckQuiet         // no progress and no error for longer than StallWarn
	stuckLong          // the same for longer than StallCancel
	hung               // PENDING under a third JobId: it starts over for ever
	notTicked          // JobId -1 for longer than HungJob: another job stops the whole cluster
)

func (s *stall) see(j *starrocks.Job) verdict {
	now := s.now()
	if mark := markOf(j); mark != s.mark {
		s.mark, s.since = mark, now
	}
	if s.startsOver(j) {
		return hung
	}
	if s.neverTicked(j, now) {
		return notTicked
	}
	stuck := now.Sub(s.since)
	switch {
	case failing(j) && stuck >= s.timing.ErrorStall, j.Reason().Class != starrocks.StatusOK && stuck >= s.timing.ErrorStall:
		return stuckError
	case stuck >= s.timing.StallCancel:
		return stuckLong
	case stuck >= s.timing.StallWarn:
		return stuckQuiet
	}
	return goingOn
}

// progressed says that the job gets on although its row does not show it.
func (s *stall) progressed() { s.since = s.now() }

// failing tells whether a task that is not done has an error. Done tasks may keep theirs (rule 8).
func failing(j *starrocks.Job) bool {
	if len(j.Unfinished) == 0 || j.TaskErrors == "" {
		return false
	}
	all := starrocks.ParseTaskErrors(j.TaskErrors)
	return len(all) == 0 || len(unfinishedErrors(j)) > 0
}

// unfinishedErrors are the errors of tasks that are not done.
func unfinishedErrors(j *starrocks.Job) []starrocks.TaskError {
	return slices.DeleteFunc(starrocks.ParseTaskErrors(j.TaskErrors), func(e starrocks.TaskError) bool {
		return !slices.ContainsFunc(j.Unfinished, func(t starrocks.Task) bool { return t.ID == e.ID })
	})
}

// startsOver tells a job whose PENDING step throws in the FE: it gets a new JobId with each tick. One new id is a
// restarted FE.
func (s *stall) startsOver(j *starrocks.Job) bool {
	if j.State != starrocks.StatePending {
		s.ids = nil
		return false
	}
	if j.ID != -1 && (len(s.ids) == 0 || s.ids[len(s.ids)-1] != j.ID) {
		s.ids = append(s.ids, j.ID)
	}
	return len(s.ids) >= 3
}

func (s *stall) neverTicked(j *starrocks.Job, now time.Time) bool {
	if j.ID != -1 {
		s.ticked = time.Time{}
		return false
	}
	if s.ticked.IsZero() {
		s.ticked = now
	}
	return now.Sub(s.ticked) >= s.timing.HungJob
}

// markOf leaves the JobId out, which changes by itself, and the words of errors: a store's have another request id with
// every try (starrocks-measured A 01).
func markOf(j *starrocks.Job) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %t\n", j.State, j.Reason().Class, j.TaskErrors != "")
	for _, e := range starrocks.ParseTaskErrors(j.TaskErrors) {
		fmt.Fprintf(&b, "%d!%d ", e.ID, e.Class)
	}
	for _, t := range j.Unfinished {
		fmt.Fprintf(&b, "%d=%d ", t.ID, t.On)
	}
	return b.String()
}
