package activities_test

import (
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// The ways in which an Await that watches a job is interrupted.
var interruptions = map[string]func(*calling){
	"cancel":      func(c *calling) { c.interrupt(temporal.NewCanceledError()) },
	"pause":       func(c *calling) { c.interrupt(activity.ErrActivityPaused) },
	"reset":       func(c *calling) { c.interrupt(activity.ErrActivityReset) },
	"terminate":   func(c *calling) { c.interrupt(serviceerror.NewNotFound("workflow execution already completed")) },
	"worker stop": func(c *calling) { close(c.stop) },
	"worker shut": func(c *calling) { c.interrupt(worker.ErrWorkerShutdown) },
}

// leftAlone are those after which nobody may touch the FE's job: another attempt, or nobody, goes on watching.
var leftAlone = []string{"pause", "reset", "terminate", "worker stop", "worker shut"}

// saying puts an end of Await into one word or two.
func saying(e ended) string {
	var end activities.JobEnd
	switch {
	case e.err == nil && e.value.Get(&end) == nil && end.CancelRefused:
		return "finished, cancel refused"
	case e.err == nil && end.Unseen:
		return "finished, unseen"
	case e.err == nil:
		return "finished"
	case e.canceled:
		return "canceled"
	case e.kind == spec.ErrorJobFailed && e.failure.Stop:
		return "failed, stop"
	case e.kind == spec.ErrorJobFailed && e.failure.Transient:
		return "failed, transient"
	case e.kind == spec.ErrorJobFailed:
		return "failed"
	case e.retry:
		return "watched again"
	}
	return e.kind
}

// TestCancelOfABackupByStateOfTheFE: the request arrives while the FE's job stands in the state.
func TestCancelOfABackupByStateOfTheFE(t *testing.T) {
	for _, c := range []struct {
		state   string
		outcome string // of Await
		sent    string // statements sent
		job     string // the FE's job afterwards
		left    string // in the repository
	}{
		{"PENDING", "canceled", "CANCEL BACKUP", "CANCELLED", "nothing"},
		{"SNAPSHOTING", "canceled", "CANCEL BACKUP", "CANCELLED", "nothing"},
		{"UPLOAD_SNAPSHOT", "canceled", "CANCEL BACKUP", "CANCELLED", "nothing"},
		{"UPLOADING", "canceled", "CANCEL BACKUP", "CANCELLED", "tablets"},
		{"SAVE_META", "canceled", "CANCEL BACKUP", "CANCELLED", "tablets"},
		{"UPLOAD_INFO", "canceled", "CANCEL BACKUP", "CANCELLED", "tablets"},
		{"FINISHED", "finished", "", "FINISHED", "whole"},
	} {
		t.Run(c.state, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			before := b.sim.Content("d", "t") + b.sim.Content("d", "pk")
			u := b.unit("d")
			b.sim.HoldStates("d", c.state)
			b.must(nil, b.acts.Submit, u)
			b.reach("BACKUP", "d", c.state)
			if c.state == "UPLOADING" {
				b.until("the uploads", func() bool { return b.job("BACKUP", "d")["Unfinished"] == "" })
			}
			mark := b.sentSoFar()
			call, done := b.start(b.acts.Await, u)
			interruptions["cancel"](call)
			e := b.wait(done)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if got := b.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
			if got := b.state("BACKUP", "d"); got != c.job {
				t.Errorf("the job is %s, want %s", got, c.job)
			}
			if got := b.left(u.Label); got != c.left {
				t.Errorf("left in the repository: %s, want %s", got, c.left)
			}
			if got := b.sim.Content("d", "t") + b.sim.Content("d", "pk"); got != before {
				t.Errorf("the data changed:\n%s", got)
			}
		})
	}
}

// restoreCase is a row about a RESTORE, of which there are two: into a new database, and beside live tables.
type restoreCase struct {
	state   string
	outcome string
	sent    string
	job     string
	left    string // what there is of the restored tables: "none", "being restored", "restored"
}

// restoring is a RESTORE of d.t and d.pk under way or about to be.
type restoring struct {
	*bed
	u        activities.UnitRef
	planned  activities.PlannedDatabase
	db       string
	t, pk    string // names under which the tables are restored
	backedUp string // content at backup
	live     string // content of the live tables now
}

// layouts of a restore.
var layouts = []string{"new tables", "beside live tables"}

func newRestore(b *bed, layout string) *restoring {
	b.Helper()
	b.tables()
	r := &restoring{bed: b, db: "d"}
	r.backedUp = b.sim.Content("d", "t") + b.sim.Content("d", "pk")
	point := b.backUp("d")
	in := spec.Restore{Point: point}
	if layout == "new tables" {
		r.db, r.t, r.pk = "d2", "t", "pk"
		in.Rename = map[string]string{"d": "d2"}
	} else {
		b.sql("INSERT INTO d.t VALUES ('2026-01-09', 99)", "INSERT INTO d.pk VALUES (1, 99)")
	}
	r.live = b.sim.Content("d", "t") + b.sim.Content("d", "pk")
	r.planned = b.planRestore(in)
	b.must(nil, b.acts.EnsureDatabase, "prod", r.db)
	r.u = b.restoreUnit(r.planned)
	if layout != "new tables" {
		r.t, r.pk = restorepoint.BesideTable("t", b.runSeed()), restorepoint.BesideTable("pk", b.runSeed())
	}
	return r
}

// restored says what there is of the restored tables.
func (r *restoring) restored() string {
	r.Helper()
	names := strings.Join(r.tableNames(r.db), " ") + " "
	switch {
	case !contains(names, r.t+" ") && !contains(names, r.pk+" "):
		return "none"
	case r.sim.Content(r.db, r.t)+r.sim.Content(r.db, r.pk) == r.backedUp && r.state("RESTORE", r.db) == "FINISHED":
		return "restored"
	}
	return "being restored"
}

func (r *restoring) checkLive() {
	r.Helper()
	if got := r.sim.Content("d", "t") + r.sim.Content("d", "pk"); got != r.live {
		r.Errorf("the live tables changed:\n%s\nwant\n%s", got, r.live)
	}
}

// TestCancelOfARestoreByStateOfTheFE: before COMMIT the job is cancelled and leaves nothing; from COMMIT on no CANCEL is
// sent, and the job is awaited.
func TestCancelOfARestoreByStateOfTheFE(t *testing.T) {
	for _, layout := range layouts {
		for _, c := range []restoreCase{
			{"PENDING", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"SNAPSHOTING", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"DOWNLOAD", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"DOWNLOADING", "canceled", "CANCEL RESTORE", "CANCELLED", "none"},
			{"COMMIT", "finished, cancel refused", "", "FINISHED", "restored"},
			{"COMMITTING", "finished, cancel refused", "", "FINISHED", "restored"},
			{"FINISHED", "finished", "", "FINISHED", "restored"},
		} {
			t.Run(layout+" in "+c.state, func(t *testing.T) { cancelRestore(t, layout, c) })
		}
	}
}

func cancelRestore(t *testing.T, layout string, c restoreCase) {
	r := newRestore(newBed(t, options{}), layout)
	release := r.sim.HoldStates(r.db, c.state)
	r.must(nil, r.acts.Submit, r.u)
	r.reach("RESTORE", r.db, c.state)
	mark := r.sentSoFar()
	call, done := r.start(r.acts.Await, r.u)
	interruptions["cancel"](call)
	if strings.HasPrefix(c.state, "COMMIT") {
		r.looks(10)
		release()
	}
	e := r.wait(done)
	if got := saying(e); got != c.outcome {
		t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
	}
	if got := r.sent(mark); got != c.sent {
		t.Errorf("sent %q, want %q", got, c.sent)
	}
	if got := r.state("RESTORE", r.db); got != c.job {
		t.Errorf("the job is %s, want %s", got, c.job)
	}
	if got := r.restored(); got != c.left {
		t.Errorf("left: %s, want %s; tables %v", got, c.left, r.tableNames(r.db))
	}
	r.checkLive()
}

// looks waits until the job has been looked at n more times.
func (b *bed) looks(n int) {
	b.Helper()
	count := func() (n int) {
		for _, s := range b.sim.Statements() {
			if strings.HasPrefix(s.SQL, "SHOW BACKUP") || strings.HasPrefix(s.SQL, "SHOW RESTORE") {
				n++
			}
		}
		return n
	}
	from := count()
	b.until(fmt.Sprintf("%d looks", n), func() bool { return count() >= from+n })
}

// TestWhatIsNoCancelLeavesTheJobAlone: pause, reset, terminate and a stopping worker end the watching, send nothing, and
// the job finishes by itself; whoever watches next sees the end.
func TestWhatIsNoCancelLeavesTheJobAlone(t *testing.T) {
	for kind, states := range map[string][]string{
		"BACKUP":  {"PENDING", "SNAPSHOTING", "UPLOAD_SNAPSHOT", "UPLOADING", "SAVE_META", "UPLOAD_INFO"},
		"RESTORE": {"PENDING", "SNAPSHOTING", "DOWNLOAD", "DOWNLOADING", "COMMIT", "COMMITTING"},
	} {
		for _, state := range states {
			t.Run(kind+" in "+state, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, options{})
				var u activities.UnitRef
				db := "d"
				if kind == "BACKUP" {
					b.tables()
					u = b.unit("d")
				} else {
					r := newRestore(b, "new tables")
					u, db = r.u, r.db
				}
				release := b.sim.HoldStates(db, state)
				b.must(nil, b.acts.Submit, u)
				b.reach(kind, db, state)
				mark := b.sentSoFar()
				for _, how := range leftAlone {
					call, done := b.start(b.acts.Await, u)
					b.looks(2)
					interruptions[how](call)
					if e := b.wait(done); saying(e) != "watched again" {
						t.Errorf("%s: %s (%v), want an error that is tried again", how, saying(e), e.err)
					}
					if got := b.state(kind, db); got != state {
						t.Errorf("%s: the job is %s", how, got)
					}
				}
				release()
				if e := b.run(b.acts.Await, u); saying(e) != "finished" {
					t.Errorf("the next to watch sees %s: %v", saying(e), e.err)
				}
				if got := b.sent(mark); got != "" {
					t.Errorf("sent %q", got)
				}
			})
		}
	}
}
