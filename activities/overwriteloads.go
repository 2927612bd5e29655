package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// A load that is committed and not visible when a RESTORE overwrites its table, or that commits between a RESTORE that was
// broken off in COMMITTING and the next, comes back on top of the restored data or blocks the table for good
// (starrocks-measured B 23, 24). From its first tick until it ends a RESTORE keeps further loads from committing.

// awaitLoads waits until no load into the unit's tables is committed and not visible. One that stays makes the unit fail,
// with the tables concerned as culprits.
func (w *work) awaitLoads(ctx context.Context) error {
	if !w.inPlace() || w.Mend {
		return nil
	}
	for until := time.Now().Add(w.cluster.Timing.ErrorStall); ; {
		if found, err := w.accepted(ctx); found || err != nil {
			return err
		}
		loads, err := w.loads(ctx)
		if err != nil || len(loads) == 0 {
			return err
		}
		if time.Now().After(until) {
			return loadsStay(loads)
		}
		if err := sleep(ctx, w.cluster.Timing.Poll); err != nil {
			return err
		}
	}
}

func loadsStay(loads []load) *Failure {
	reason := fmt.Sprintf("%s; wait for StarRocks to publish it, or find out why it does not (SHOW PROC '/transactions'), then restore again", words(loads))
	return jobFailed(UnitFailure{Transient: true, Culprits: culpritsOf(loads), Reason: reason, State: "loads"}, "not begun: %s", reason)
}

// load is a committed load that is not visible, with the tables of the unit that it is, or may be, into.
type load struct {
	label  string
	tables []string
	parts  []int
}

func (l load) String() string {
	return fmt.Sprintf("load %s into %s is committed and not visible yet", l.label, strings.Join(l.tables, ", "))
}

func words(loads []load) string {
	var texts []string
	for _, l := range loads {
		texts = append(texts, l.String())
	}
	return first3(texts)
}

func culpritsOf(loads []load) []int {
	var list []int
	for _, l := range loads {
		list = append(list, l.parts...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// loads lists the committed loads into the unit's tables that are not visible.
func (w *work) loads(ctx context.Context) ([]load, error) {
	committed, err := committedLoads(ctx, w.cluster.FE, w.Database)
	if errors.Is(err, starrocks.ErrDenied) {
		return nil, fmt.Errorf("overwriting needs to see loads (OPERATE ON SYSTEM): %w", err)
	}
	if err != nil || len(committed) == 0 {
		return nil, err
	}
	ids, err := tableIDs(ctx, w.cluster.FE, w.Database)
	if err != nil {
		return nil, err
	}
	var list []load
	for _, c := range committed {
		l := load{label: c.label}
		for n, i := range w.Unit.Indexes() {
			t, _ := w.plan.table(w.parts[n])
			if !c.into(ids[t.As]) {
				continue
			}
			l.parts = append(l.parts, i)
			if !slices.Contains(l.tables, t.As) {
				l.tables = append(l.tables, t.As)
			}
		}
		if len(l.parts) > 0 {
			list = append(list, l)
		}
	}
	return list, nil
}

// loadsInTheWay looks for loads while the FE refuses further ones, and says why the job is to be given up while nothing is
// overwritten yet. From COMMIT on, and where a RESTORE mends another one, giving up would leave worse: then the loads are
// noted. One look is enough then, and one that finds none, unless the job starts over.
func (w *watch) loadsInTheWay(ctx context.Context, j *starrocks.Job) *UnitFailure {
	if !w.inPlace() || w.looked == j.ID {
		return nil
	}
	switch j.State {
	case starrocks.StateSnapshoting, starrocks.StateDownload, starrocks.StateDownloading:
	case starrocks.StateCommit, starrocks.StateCommitting:
		w.unseenLoads(j)
	default:
		w.progress.LoadsSeen = false
		return nil
	}
	loads, err := w.loads(ctx)
	if errors.Is(err, starrocks.ErrDenied) && !j.State.Committing() {
		return &UnitFailure{Reason: err.Error(), State: string(j.State)}
	}
	if err != nil {
		w.unreachable(err)
		return nil
	}
	if len(loads) > 0 && !w.Mend && !j.State.Committing() {
		return &UnitFailure{Transient: true, Culprits: culpritsOf(loads), State: string(j.State),
			Reason: words(loads) + ": RESTORE would go on over it, and it would come back later or block the table; it was cancelled before anything was overwritten"}
	}
	w.note(loads)
	w.looked, w.progress.LoadsSeen = j.ID, len(loads) == 0
	return nil
}

// maxNamed bounds the tables that a warning names.
const maxNamed = 20

// unseenLoads warns of a job that nobody had looked at loads for before it began to overwrite.
func (w *watch) unseenLoads(j *starrocks.Job) {
	if w.progress.LoadsSeen || w.looked == j.ID {
		return
	}
	w.warn("the job came to %s before loads could be looked at: one into %s that was committed before may come back on top of what is restored, or block the table; if there was one, restore these tables once more with onExisting swap",
		j.State, firstOf(maxNamed, w.tables(), ", "))
}

// overLoads tells of a RESTORE that ended well what loads it went on over, or that they are not known.
func (w *watch) overLoads(j *starrocks.Job) {
	if !w.inPlace() {
		return
	}
	w.unseenLoads(j)
	if len(w.end.Loads) > 0 && !w.Mend {
		w.end.Over = w.interrupted("")
		w.end.Over.Loads = w.end.Loads
	}
}

// note keeps the loads that the RESTORE goes on over, each once.
func (w *watch) note(loads []load) {
	for _, l := range loads {
		if text := l.String(); !slices.Contains(w.end.Loads, text) && len(w.end.Loads) < spec.MaxListed {
			w.end.Loads = append(w.end.Loads, text)
		}
	}
}

// brokenOff tells whether a cancelled RESTORE over existing data may have overwritten some of it: once all is downloaded
// it was in COMMIT, where a CANCEL says so, or in COMMITTING, whatever ended it there.
func (w *work) brokenOff(j *starrocks.Job, r starrocks.Reason) bool {
	if !w.inPlace() || j.Downloaded.IsZero() {
		return false
	}
	return r.Class != starrocks.StatusUserCancelled || r.State != starrocks.StateCommit
}

// interrupted is what has to be known to run the RESTORE again, by starkeep or by hand.
func (w *work) interrupted(why string) *spec.InterruptedCommit {
	statement, err := w.restoreStatement().SQL()
	if err != nil { // it was sent: it can be written
		statement = err.Error()
	}
	i := &spec.InterruptedCommit{Database: w.Database, Label: w.Label, Timestamp: w.Timestamp, Statement: statement, State: why}
	for _, o := range w.objects() {
		if len(o.Partitions) == 0 {
			i.Tables = append(i.Tables, o.Table)
		}
		for _, p := range o.Partitions {
			i.Tables = append(i.Tables, o.Table+"/"+p)
		}
	}
	i.Tables = i.Tables[:min(len(i.Tables), spec.MaxListed)]
	return i
}
