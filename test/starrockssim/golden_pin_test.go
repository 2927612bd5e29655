package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

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
