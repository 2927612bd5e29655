package starrockssim_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"starkeep/test/starrockssim"
)

// backend puts a fault into backends, or takes it away.
func (p *player) backend(s *step) error {
	switch s.Action {
	case "hold":
		if s.Type == "PUBLISH_VERSION" {
			return p.commitLoad(s)
		}
		for _, f := range p.faultsOf(s) {
			p.addFault(s, p.c.HoldTasks(f))
		}
		p.releaseAll()
		return nil
	case "fail":
		for _, f := range p.faultsOf(s) {
			f.Error, f.AfterFiles = s.message(), s.AfterFiles
			p.addFault(s, p.c.FailTasks(f))
		}
		return nil
	case "drop":
		for _, f := range p.faultsOf(s) {
			f.DropAnswer, f.StaysReported = s.Keep == 0, s.Keep != 0
			p.addFault(s, p.c.FailTasks(f))
		}
		return nil
	case "compact":
		db, table, _ := p.tabletsOf(*s.Tablet)
		return p.c.Compact(db, table)
	case "restart":
		p.c.RestartBackend(backendIndex(s.BE))
		return nil
	case "release", "clear", "remove_rules":
		for key := range p.faults {
			if s.Type == "" && (s.BE == "*" || strings.HasPrefix(key, s.BE+"/")) || key == s.BE+"/"+s.Type {
				p.endFaults(key)
			}
		}
		return nil
	case "down":
		p.c.StopBackend(backendIndex(s.BE))
		return nil
	case "hang":
		p.c.HangBackend(backendIndex(s.BE))
		return nil
	case "up again":
		p.c.StartBackend(backendIndex(s.BE))
		return nil
	}
	return errLeftOut{"a fault that has no counterpart: " + s.Action}
}

// releaseAll ends the hold on everything, once the recording has placed its own.
func (p *player) releaseAll() {
	if p.held != nil {
		p.held()
		p.held = nil
	}
}

// message is the text of a fault: a BE's error may have several.
func (s *step) message() string {
	var list []string
	if json.Unmarshal(s.Msg, &list) == nil {
		return strings.Join(list, ",")
	}
	var one string
	json.Unmarshal(s.Msg, &one)
	return one
}

func backendIndex(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "be"))
	return max(0, n-1)
}

func (p *player) addFault(s *step, end func()) {
	key := s.BE + "/" + s.Type
	p.faults[key] = append(p.faults[key], end)
}

func (p *player) endFaults(key string) {
	for _, end := range p.faults[key] {
		end()
	}
	delete(p.faults, key)
}

// faultsOf translates the selector of a recorded fault: backends by number, tablets by their place in the table.
func (p *player) faultsOf(s *step) []starrockssim.Fault {
	base := starrockssim.Fault{Type: s.Type, Times: -1}
	if s.N != nil {
		base.Times = *s.N
	}
	if s.BE != "*" && s.BE != "" {
		base.Backend = p.c.BackendIDs()[backendIndex(s.BE)]
	}
	var recorded []int64
	if s.Tablet != nil {
		recorded = []int64{*s.Tablet}
	} else if json.Unmarshal(s.Tablets, &recorded) != nil || len(recorded) == 0 {
		return []starrockssim.Fault{base}
	}
	var out []starrockssim.Fault
	for _, id := range recorded {
		f := base
		f.Tablet = p.tablet(id)
		out = append(out, f)
	}
	return out
}

// tablet finds the simulator's tablet for a recorded one: the one of the same rank among all of its table.
func (p *player) tablet(recorded int64) int64 {
	db, table, all := p.tabletsOf(recorded)
	if db == "" {
		return -1
	}
	var ids []int64
	p.until(func() bool {
		ids = p.actualTablets(db, table)
		return len(ids) == len(all)
	})
	at := slices.Index(all, recorded)
	if at < 0 || at >= len(ids) {
		return -1
	}
	return ids[at]
}

func (p *player) actualTablets(db, table string) []int64 {
	r, err := p.run("", "", fmt.Sprintf("SHOW TABLET FROM `%s`.`%s`", db, table))
	if err != nil {
		return nil
	}
	var ids []int64
	at := slices.Index(r.names(), "TabletId")
	for _, row := range r.rows {
		id, _ := strconv.ParseInt(*row[at], 10, 64)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// tabletsOf finds a recorded tablet in the recording: database, table, and all tablets of it in order. Without a
// content step it is the table that was made last, and all tablets that are named with it.
func (p *player) tabletsOf(recorded int64) (db, table string, all []int64) {
	for _, s := range p.steps {
		if s.Step != "content" {
			continue
		}
		var ids []int64
		for _, t := range recordedTablets(s) {
			ids = append(ids, t.Tablet)
		}
		slices.Sort(ids)
		if slices.Contains(ids, recorded) {
			return s.DB, s.Table, slices.Compact(ids)
		}
	}
	for _, s := range p.steps {
		var ids []int64
		if s.Step == "be" && json.Unmarshal(s.Tablets, &ids) == nil && slices.Contains(ids, recorded) && len(ids) > len(all) {
			all = ids
		}
	}
	slices.Sort(all)
	for _, s := range p.steps {
		if s.Step == "load" {
			return s.DB, s.Table, all
		}
		if g := targetRE.FindStringSubmatch(s.SQL); g != nil && strings.HasPrefix(s.SQL, "RESTORE") {
			return g[1], onTable(s.SQL), all
		}
	}
	return "", "", nil
}

var onRE = regexp.MustCompile("ON \\(`?([^`)]+)`?\\)")

func onTable(text string) string {
	if g := onRE.FindStringSubmatch(text); g != nil {
		return g[1]
	}
	return ""
}

type recordedTablet struct {
	Partition string
	Version   string `json:"visible_version"`
	Bucket    int
	Tablet    int64
	BEVersion int64 `json:"be_version"`
	MD5       string
}

func recordedTablets(s step) []recordedTablet {
	var out []recordedTablet
	json.Unmarshal(s.Tablets, &out)
	return out
}

// frontend kills FEs and starts them again.
func (p *player) frontend(s *step) error {
	switch {
	case strings.Contains(s.Action, "leader") && strings.Contains(s.Action, "killed"):
		p.c.KillLeader()
		for key := range p.faults {
			p.endFaults(key) // "holds at the BE removed", noted later
		}
		p.until(func() bool { return p.c.Leader() > 0 })
		return nil
	case strings.HasPrefix(s.Action, "kill"):
		p.c.StopFrontend(0)
		return nil
	case s.Action == "started again", s.Action == "start":
		return p.c.StartFrontend(0)
	case s.Action == "restart":
		return p.c.RestartFrontend()
	}
	return errLeftOut{"an action that has no counterpart: " + s.Action}
}

// commitLoad commits the load that the recording makes, without a step, while it holds PUBLISH_VERSION.
func (p *player) commitLoad(s *step) error {
	for i := p.at; i >= 0; i-- {
		before := &p.steps[i]
		if before.Step != "load" {
			continue
		}
		var want loadAnswer
		if err := json.Unmarshal(before.Answer, &want); err != nil {
			return err
		}
		rows, err := p.rowsFor(before, want)
		if err != nil {
			return err
		}
		publish, err := p.c.CommitLoad(before.DB, before.Table, rows...)
		if err != nil {
			return err
		}
		p.addFault(s, publish)
		return nil
	}
	return errLeftOut{"a hold on PUBLISH_VERSION without a load before it"}
}
