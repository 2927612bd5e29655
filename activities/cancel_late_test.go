package activities_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestCancelThatArrivesTooLate: the row that was read is before COMMIT, but the FE has gone on when CANCEL reaches it.
func TestCancelThatArrivesTooLate(t *testing.T) {
	for _, layout := range layouts {
		for _, c := range []restoreCase{
			{"DOWNLOADING", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"COMMIT", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"COMMITTING", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"FINISHED", "finished", "CANCEL RESTORE!", "FINISHED", "restored"},
		} {
			t.Run(layout+" into "+c.state, func(t *testing.T) {
				t.Parallel()
				var proxy *sqlProxy
				r := newRestore(newBed(t, options{through: throughProxy(&proxy)}), layout)
				release := r.sim.HoldStates(r.db, "DOWNLOADING")
				r.must(nil, r.acts.Submit, r.u)
				r.reach("RESTORE", r.db, "DOWNLOADING")
				mark := r.sentSoFar()
				proxy.on(func(sql string) way {
					if strings.HasPrefix(sql, "CANCEL") && c.state != "DOWNLOADING" {
						r.sim.HoldStates(r.db, c.state)
						release()
						r.reach("RESTORE", r.db, c.state)
					}
					return pass
				})
				call, done := r.start(r.acts.Await, r.u)
				interruptions["cancel"](call)
				e := r.wait(done)
				if got := saying(e); got != c.outcome {
					t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
				}
				if got := r.sent(mark); got != c.sent {
					t.Errorf("sent %q, want %q", got, c.sent)
				}
				if got := r.restored(); got != c.left {
					t.Errorf("left: %s, want %s", got, c.left)
				}
				r.checkLive()
			})
		}
	}
}

// TestCancelWhoseAnswerIsLost: the next row is the truth.
func TestCancelWhoseAnswerIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		way  way
		sent string
	}{
		"carried out":   {loseAnswer, "CANCEL BACKUP"},
		"never arrived": {loseStatement, "CANCEL BACKUP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var proxy *sqlProxy
			b := newBed(t, options{through: throughProxy(&proxy)})
			b.tables()
			u := b.unit("d")
			b.sim.HoldStates("d", "UPLOADING")
			b.must(nil, b.acts.Submit, u)
			b.reach("BACKUP", "d", "UPLOADING")
			mark := b.sentSoFar()
			var once sync.Once
			proxy.on(func(sql string) (w way) {
				if strings.HasPrefix(sql, "CANCEL") {
					once.Do(func() { w = c.way })
				}
				return w
			})
			call, done := b.start(b.acts.Await, u)
			interruptions["cancel"](call)
			if e := b.wait(done); saying(e) != "canceled" {
				t.Errorf("outcome %s: %v", saying(e), e.err)
			}
			if got := b.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

// TestCancelAskedForBeforeAnybodyWatched: Temporal answers a cancel itself while no worker runs the activity; then an
// Await is told to cancel, without being cancelled itself.
func TestCancelAskedForBeforeAnybodyWatched(t *testing.T) {
	for _, c := range []struct {
		state, outcome, sent string
		cancelled            bool // in the answer
	}{
		{"not submitted", "finished", "", true},
		{"PENDING", "finished", "CANCEL BACKUP", true},
		{"UPLOADING", "finished", "CANCEL BACKUP", true},
		{"CANCELLED", "finished", "", true}, // by an attempt that died before it could tell
		{"FINISHED", "finished", "", false},
	} {
		t.Run(c.state, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			u := b.unit("d")
			if c.state != "not submitted" {
				hold := c.state
				if c.state == "CANCELLED" {
					hold = "UPLOADING"
				}
				b.sim.HoldStates("d", hold)
				b.must(nil, b.acts.Submit, u)
				b.reach("BACKUP", "d", hold)
				if c.state == "CANCELLED" {
					b.sql("CANCEL BACKUP FROM d")
				}
			}
			mark := b.sentSoFar()
			u.Cancel = true
			e := b.run(b.acts.Await, u)
			if saying(e) != c.outcome || e.err != nil {
				t.Fatalf("outcome %s: %v", saying(e), e.err)
			}
			var end activities.JobEnd
			if err := e.value.Get(&end); err != nil || end.Cancelled != c.cancelled {
				t.Errorf("answer %+v (%v), want cancelled %t", end, err, c.cancelled)
			}
			if got := b.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

// TestARefusedCancelIsTold: an Await that begins while a RESTORE over existing tables is in COMMIT has a warning to give about
// loads with every look. That hides neither it nor the cancel.
func TestARefusedCancelIsTold(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	u := b.restoreUnit(b.planRestore(spec.Restore{Point: b.backUp("d"), OnExisting: spec.OnExistingOverwrite, ConfirmOverwrite: true, NoSafetyPoint: true}))
	release := b.sim.HoldStates("d", "COMMITTING")
	b.must(nil, b.acts.Submit, u)
	b.reach("RESTORE", "d", "COMMITTING")
	u.Cancel = true
	call, done := b.start(b.acts.Await, u)
	var said spec.JobProgress
	b.until("a heartbeat", func() bool {
		select {
		case said = <-call.heard:
			return true
		default:
			return false
		}
	})
	release()
	for _, words := range []string{"a cancel was asked for in COMMIT", "before loads could be looked at"} {
		if !contains(said.Message, words) {
			t.Errorf("said %q, not %q", said.Message, words)
		}
	}
	if e := b.wait(done); saying(e) != "finished, cancel refused" {
		t.Errorf("outcome %s: %v", saying(e), e.err)
	}
}

// TestJobCancelledByHand: somebody wants the database left alone; nothing further is tried.
func TestJobCancelledByHand(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	u := b.unit("d")
	release := b.sim.HoldStates("d", "UPLOADING")
	defer release()
	b.must(nil, b.acts.Submit, u)
	b.reach("BACKUP", "d", "UPLOADING")
	_, done := b.start(b.acts.Await, u)
	b.looks(2)
	b.sql("CANCEL BACKUP FROM d")
	if e := b.wait(done); saying(e) != "failed, stop" || !contains(e.message, "by somebody else") {
		t.Errorf("outcome %s: %v", saying(e), e.err)
	}
}

// TestCancelWhileTheFEIsAway: nothing is cancelled blindly. When the FE is back its row decides, after a few ticks: a
// leader that has not ticked since it took over only pretends to cancel (starrocks-measured part B 26).
func TestCancelWhileTheFEIsAway(t *testing.T) {
	b := newBed(t, options{timing: func(t *activities.Timing) { t.Tick = 10 * tick }})
	b.tables()
	u := b.unit("d")
	b.sim.HoldStates("d", "UPLOADING")
	b.must(nil, b.acts.Submit, u)
	b.reach("BACKUP", "d", "UPLOADING")
	mark := b.sentSoFar()
	call, done := b.start(b.acts.Await, u)
	b.looks(2)
	b.sim.StopFrontend(0)
	interruptions["cancel"](call)
	away := time.Now()
	b.until("an FE that was away for a while", func() bool { return time.Since(away) > 20*tick })
	if err := b.sim.StartFrontend(0); err != nil {
		t.Fatal(err)
	}
	if e := b.wait(done); saying(e) != "canceled" {
		t.Errorf("outcome %s: %v", saying(e), e.err)
	}
	if got := b.sent(mark); got != "CANCEL BACKUP" {
		t.Errorf("sent %q", got)
	}
}
