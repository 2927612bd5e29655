package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
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

// setPins holds every job in the state that the next step about it will look at, so that nothing is missed however
// fast the ticks are.
func (p *player) setPins() {
	want := map[string]string{}
	settled := map[string]bool{}
	for i := p.at; i < len(p.steps); i++ {
		s := &p.steps[i]
		db, state := p.looksAt(s)
		p.keepPins(s, want, settled)
		if i > p.at && s.Step == "sql" && changesJob(s.SQL) {
			if g := targetRE.FindStringSubmatch(s.SQL); g != nil {
				settled[g[1]] = true
			}
		}
		if db == "" || settled[db] {
			continue
		}
		settled[db] = true
		if state != "" && !terminal(state) {
			want[db] = state
		}
	}
	for db, one := range p.pins {
		if want[db] != one.state {
			p.unpin(db)
		}
	}
	for db, state := range want {
		p.pin(db, state)
	}
}

// endsRE finds the database whose job a statement ends.
var endsRE = regexp.MustCompile("(?i)^(?:CANCEL (?:BACKUP|RESTORE) (?:FROM|IN)|DROP DATABASE|DROP TABLE) `?([^`. ]+)")

// keepPins leaves jobs where they are that a step ends, or whose FE it kills.
func (p *player) keepPins(s *step, want map[string]string, settled map[string]bool) {
	if s.Error != nil {
		return
	}
	g := endsRE.FindStringSubmatch(s.SQL)
	kill := s.Step == "fe" && strings.Contains(s.Action, "kill")
	for db, one := range p.pins {
		if !settled[db] && (kill || g != nil && g[1] == db) {
			want[db], settled[db] = one.state, true
		}
	}
}

func changesJob(text string) bool { return submitRE.MatchString(text) }

func terminal(state string) bool { return state == "FINISHED" || state == "CANCELLED" }

// looksAt says which database's job a step looks at, and the state it saw first; "" for no row.
func (p *player) looksAt(s *step) (db, state string) {
	switch s.Step {
	case "watch":
		if g := jobRE.FindStringSubmatch(s.SQL); g != nil && len(s.Changes) > 0 {
			var columns []string
			json.Unmarshal(s.Columns, &columns)
			return g[2], pinnable(columns, s.Changes[0].Rows)
		}
	case "sql":
		g := jobRE.FindStringSubmatch(s.SQL)
		if g == nil || g[2] == "" || s.Columns == nil {
			return "", ""
		}
		var columns []recordedColumn
		var rows [][]*string
		json.Unmarshal(s.Columns, &columns)
		json.Unmarshal(s.Rows, &rows)
		if len(rows) == 0 {
			return "", "" // the other kind of job
		}
		return g[2], pinnable((&result{columns: columns}).names(), rows)
	case "content":
		if state, ok := strings.CutPrefix(s.Label, "at "); ok {
			return s.DB, state
		}
	case "row_before_cancel", "row_before_kill":
		var row map[string]*string
		json.Unmarshal(s.Row, &row)
		if row["DbName"] != nil && row["State"] != nil {
			return *row["DbName"], *row["State"]
		}
	}
	return "", ""
}

func stateOf(columns []string, rows [][]*string) string {
	at := slices.Index(columns, "State")
	if at < 0 || len(rows) == 0 || rows[0][at] == nil {
		return ""
	}
	return *rows[0][at]
}

// pinnable is the state to hold a job in; "" for one that starts over in PENDING for ever: held, it would do no harm to
// the jobs beside it.
func pinnable(columns []string, rows [][]*string) string {
	state := stateOf(columns, rows)
	if id := slices.Index(columns, "JobId"); state == "PENDING" && *rows[0][id] != "-1" {
		return ""
	}
	return state
}

func (p *player) pin(db, state string) {
	if p.pins[db].state == state {
		return
	}
	p.unpin(db)
	p.pins[db] = pin{state, p.c.HoldStates(db, state)}
}

func (p *player) unpin(db string) {
	if one, ok := p.pins[db]; ok {
		one.release()
		delete(p.pins, db)
	}
}

// reach waits until the job's row is in the state that was recorded, as the recording did without saying so.
func (p *player) reach(s *step, text string) {
	state := recordedState(s)
	if state == "" {
		return
	}
	tasks := recordedTasks(s)
	p.until(func() bool {
		r, err := p.run(s.User, s.FE, text)
		if err != nil {
			return false
		}
		if stateOf(r.names(), r.rows) != state {
			return terminal(stateOf(r.names(), r.rows))
		}
		at := slices.Index(r.names(), "UnfinishedTasks")
		return at < 0 || terminal(state) || (*r.rows[0][at] != "") == tasks
	})
}

// beforeCancel waits until the job is as far as the cancelled row that the recording looked at next.
func (p *player) beforeCancel(s *step) {
	g := cancelRE.FindStringSubmatch(s.SQL)
	text := fmt.Sprintf("SHOW %s FROM `%s`", strings.ToUpper(g[1]), g[2])
	p.uploadsBefore(g[2])
	row, columns := p.nextRow(g[2])
	if row == nil {
		return
	}
	p.until(func() bool {
		r, err := p.run("", "", text)
		if err != nil || len(r.rows) == 0 || !slices.Equal(r.names(), columns) || terminal(stateOf(r.names(), r.rows)) {
			return true
		}
		for i, name := range columns {
			got := r.rows[0][i]
			switch {
			case name == "JobId" && (*got == "-1") != (*row[i] == "-1"),
				strings.HasSuffix(name, "Time") && name != "FinishedTime" && (got == nil) != (row[i] == nil),
				name == "UnfinishedTasks" && len(p.faults) > 0 && *row[i] != "" && *got == "":
				return false
			}
		}
		return true
	})
}

// nextRow is the row of a database's job that the recording looks at next, before it submits another.
func (p *player) nextRow(db string) (row []*string, columns []string) {
	for _, s := range p.steps[p.at+1:] {
		if of, _ := p.looksAt(&s); of == db {
			switch s.Step {
			case "watch":
				json.Unmarshal(s.Columns, &columns)
				return s.Changes[0].Rows[0], columns
			case "sql":
				var typed []recordedColumn
				var rows [][]*string
				json.Unmarshal(s.Columns, &typed)
				json.Unmarshal(s.Rows, &rows)
				return rows[0], (&result{columns: typed}).names()
			}
			return rowOf(s.Row)
		}
		if g := targetRE.FindStringSubmatch(s.SQL); g != nil && g[1] == db {
			return nil, nil
		}
	}
	return nil, nil
}

// rowOf is a row that was recorded by column names.
func rowOf(recorded json.RawMessage) (row []*string, columns []string) {
	var values map[string]*string
	json.Unmarshal(recorded, &values)
	names := backupColumns
	if values["Label"] != nil {
		names = restoreColumns
	}
	for _, name := range names {
		columns = append(columns, name)
		row = append(row, values[name])
	}
	return row, columns
}

var (
	backupColumns = strings.Fields("JobId SnapshotName DbName State BackupObjs CreateTime SnapshotFinishedTime UploadFinishedTime " +
		"FinishedTime UnfinishedTasks Progress TaskErrMsg Status Timeout")
	restoreColumns = strings.Fields("JobId Label Timestamp DbName State AllowLoad ReplicationNum RestoreObjs CreateTime MetaPreparedTime " +
		"SnapshotFinishedTime DownloadFinishedTime FinishedTime UnfinishedTasks Progress TaskErrMsg Status Timeout")
)

// uploadsBefore: where the recording counted objects after a cancel in the middle of slow uploads, the cancel waits
// for as many.
func (p *player) uploadsBefore(db string) {
	want := 0
	for _, s := range p.steps[p.at+1:] {
		if s.Step == "progress" {
			json.Unmarshal(s.Objects, &want)
			break
		}
	}
	if want == 0 {
		return
	}
	p.delay.Store(int64(p.scaled(time.Second)))
	p.until(func() bool { return len(p.listed("b/rb/__starrocks_repository_rb/__ss_"+p.lastBkp[db])) >= want })
}

// progress: before a cancel objects come one by one; after it no more than the one that was on its way.
func (p *player) progress(s *step) error {
	var want int
	json.Unmarshal(s.Objects, &want)
	count := func() int { return len(p.listed("b/rb/__starrocks_repository_rb/__ss_")) }
	if string(s.Row) == `""` {
		if !p.until(func() bool { return count() >= want }) {
			return fmt.Errorf("%d objects, want %d", count(), want)
		}
		return nil
	}
	if n := count(); n < want || n > want+1 {
		return fmt.Errorf("%d objects, want %d", n, want)
	}
	time.Sleep(p.scaled(time.Second))
	return nil
}

// recordedState is the state in the row of a sql step.
func recordedState(s *step) string {
	var columns []recordedColumn
	var rows [][]*string
	json.Unmarshal(s.Columns, &columns)
	json.Unmarshal(s.Rows, &rows)
	return stateOf((&result{columns: columns}).names(), rows)
}

// recordedTasks tells whether the recorded row had unfinished tasks.
func recordedTasks(s *step) bool {
	var columns []recordedColumn
	var rows [][]*string
	json.Unmarshal(s.Columns, &columns)
	json.Unmarshal(s.Rows, &rows)
	at := slices.Index((&result{columns: columns}).names(), "UnfinishedTasks")
	return at >= 0 && len(rows) > 0 && rows[0][at] != nil && *rows[0][at] != ""
}

// until polls; it gives up after some seconds: the comparison that follows says what is wrong.
func (p *player) until(done func() bool) bool {
	end := time.Now().Add(p.patience / 4)
	for time.Now().Before(end) {
		if done() {
			return true
		}
		time.Sleep(p.tick / 20)
	}
	return false
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
