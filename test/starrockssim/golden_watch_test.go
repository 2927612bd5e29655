package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// watch follows one row as a recording did. Its samples are taken at every change of a job's state, and now and then.
type watch struct {
	p        *player
	step     *step
	db       string
	text     string
	sessions *sessions
	late     bool // the recording began to look at it a moment later than at the watch beside it

	mu      sync.Mutex
	samples [][]*string // last row seen, whenever it changed; nil: no row
	columns []string
}

func (p *player) onState(db, _, _ string) {
	p.mu.Lock()
	var due []*watch
	for w := range p.watches {
		if w.db == db {
			due = append(due, w)
		}
	}
	p.mu.Unlock()
	for _, w := range due {
		w.sample()
	}
}

// sample looks at the row; the first of a kind is kept.
func (w *watch) sample() {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, err := w.sessions.run("", w.step.FE, w.text)
	if err != nil || len(r.rows) == 0 {
		return
	}
	w.columns = r.names()
	if n := len(w.samples); n == 0 || w.key(w.samples[n-1], true) != w.key(r.rows[0], true) || w.value(w.samples[n-1], "TaskErrMsg") != w.value(r.rows[0], "TaskErrMsg") {
		w.samples = append(w.samples, r.rows[0])
		return
	}
	w.samples[len(w.samples)-1] = r.rows[0]
}

func (w *watch) value(row []*string, column string) string {
	at := slices.Index(w.columns, column)
	if at < 0 || row[at] == nil {
		return ""
	}
	return *row[at]
}

func (w *watch) key(row []*string, id bool) string {
	k := w.value(row, "State") + " " + w.value(row, "Status")
	if id {
		k += " " + w.value(row, "JobId")
	}
	return k
}

func (w *watch) state() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return ""
	}
	return w.value(w.samples[len(w.samples)-1], "State")
}

// watch runs a watch, together with the watches of the same time that follow it.
func (p *player) watch(s *step) error {
	first := p.newWatch(s)
	if first == nil {
		return errLeftOut{"watch of something else than a job"}
	}
	var others []*watch
	for p.at+1 < len(p.steps) && s.T != nil && s.Until == nil {
		next := &p.steps[p.at+1]
		if next.Step != "watch" || next.T == nil || *next.T != *s.T {
			break
		}
		w := p.newWatch(next)
		w.late = true
		others = append(others, w)
		p.at++
	}
	p.follow(first, others)
	err := first.compare()
	for _, w := range others {
		p.count(w.step, w.compare())
	}
	return err
}

func (p *player) newWatch(s *step) *watch {
	text := p.match.replace(s.SQL, false)
	if g := jobRE.FindStringSubmatch(text); g != nil {
		p.lastDB = g[2]
	}
	g := jobRE.FindStringSubmatch(text)
	if g == nil || g[2] == "" {
		return nil
	}
	return &watch{p: p, step: s, db: g[2], text: text, sessions: newSessions(p.address)}
}

// follow waits for the first recorded state, lets the job go, and samples until what was recorded last is there.
func (p *player) follow(w *watch, others []*watch) {
	wanted := w.recorded()
	if len(wanted) == 0 {
		return
	}
	p.until(func() bool {
		w.sample()
		s := w.state()
		return s == strings.Fields(wanted[0])[0] || terminal(s)
	})
	w.restart()
	all := append([]*watch{w}, others...)
	for _, one := range all {
		one.sample()
	}
	p.mu.Lock()
	for _, one := range all {
		p.watches[one] = true
	}
	p.mu.Unlock()
	last := strings.Fields(wanted[len(wanted)-1])[0]
	reached := slices.Contains(w.step.Until, last) || terminal(last)
	p.unpin(w.db)
	if reached && !terminal(last) {
		p.pin(w.db, last)
	}
	p.sampleUntil(all, last, reached)
	p.mu.Lock()
	for _, one := range all {
		delete(p.watches, one)
	}
	p.mu.Unlock()
	for _, one := range all {
		one.mu.Lock()
		one.sessions.close()
		one.mu.Unlock()
	}
}

func (p *player) sampleUntil(all []*watch, last string, reached bool) {
	begin := time.Now()
	span := p.scaled(p.span(all[0].step))
	for time.Since(begin) < p.patience {
		states := true
		for _, w := range all {
			w.sample()
			states = states && w.state() == last
		}
		stuck := terminal(all[0].state()) && all[0].state() != last
		switch {
		case reached && states && all[0].settled():
			return
		case !reached && all[0].recordedIDs() > 3 && all[0].ids() <= 3 && !stuck:
		case stuck, !reached && time.Since(begin) > span && (states && all[0].settled() || time.Since(begin) > 2*span+p.patience/4):
			return
		}
		time.Sleep(p.tick / 15)
	}
}

// settled: a watch that ended with an error message or tasks goes on until they are there.
func (w *watch) settled() bool {
	last := w.step.Changes[len(w.step.Changes)-1].Rows
	if len(last) == 0 || terminal(w.state()) {
		return true
	}
	var columns []string
	json.Unmarshal(w.step.Columns, &columns)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.samples[len(w.samples)-1]
	tasks, at := slices.Index(columns, "UnfinishedTasks"), slices.Index(columns, "TaskErrMsg")
	return (*last[0][at] == "" || w.value(now, "TaskErrMsg") != "") &&
		(*last[0][tasks] == "") == (w.value(now, "UnfinishedTasks") == "")
}

// span is how long the recording watched.
func (p *player) span(s *step) time.Duration {
	ms := s.Changes[len(s.Changes)-1].AtMS + 6000
	if s.T != nil {
		for i := p.at - 1; i >= 0; i-- {
			if t := p.steps[i].T; t != nil && *t < *s.T {
				ms = max(ms, int64((*s.T-*t)*1000))
				break
			}
		}
	}
	return min(time.Duration(ms)*time.Millisecond, 90*time.Second)
}

func (w *watch) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = nil
}

// recorded lists the recorded (State, Status) pairs, equal neighbours once.
func (w *watch) recorded() []string {
	var columns []string
	json.Unmarshal(w.step.Columns, &columns)
	state, status := slices.Index(columns, "State"), slices.Index(columns, "Status")
	var out []string
	for _, c := range w.step.Changes {
		if len(c.Rows) > 0 {
			out = append(out, *c.Rows[0][state]+" "+*c.Rows[0][status])
		}
	}
	return slices.Compact(out)
}

// compare compares the order of (State, Status), whether the JobId went on changing, and the last row.
func (w *watch) compare() error {
	want := w.recorded()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	ids := map[string]bool{}
	for _, row := range w.samples {
		got = append(got, w.key(row, false))
		ids[w.value(row, "JobId")] = true
	}
	got = slices.Compact(got)
	if w.late && len(got) > len(want) {
		got = got[len(got)-len(want):]
	}
	if !sameOrder(want, got) {
		return fmt.Errorf("states\n\tgot  %s\n\twant %s", strings.Join(got, " > "), strings.Join(want, " > "))
	}
	if len(want) == 0 {
		return nil
	}
	if hung := w.recordedIDs() > 3; hung != (len(ids) > 3) {
		return fmt.Errorf("%d JobIds, recorded were %d", len(ids), w.recordedIDs())
	}
	var columns []string
	json.Unmarshal(w.step.Columns, &columns)
	rows := w.step.Changes[len(w.step.Changes)-1].Rows
	if len(rows) == 0 || w.recordedIDs() > 3 {
		return nil
	}
	return w.p.match.rows(columns, rows[:1], [][]*string{w.samples[len(w.samples)-1]})
}

// sameOrder compares words that may hold ids by their fixed parts.
func sameOrder(want, got []string) bool {
	return slices.EqualFunc(want, got, func(a, b string) bool {
		x, _ := split(a)
		y, _ := split(b)
		return x == y
	})
}

// ids counts the different JobIds seen.
func (w *watch) ids() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := map[string]bool{}
	for _, row := range w.samples {
		ids[w.value(row, "JobId")] = true
	}
	return len(ids)
}

func (w *watch) recordedIDs() int {
	ids := map[string]bool{}
	for _, c := range w.step.Changes {
		if len(c.Rows) > 0 {
			ids[*c.Rows[0][0]] = true
		}
	}
	return len(ids)
}
