package adversarial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"starkeep/workflows/spec"
)

// judge holds what is there now to the laws, table by table, and makes that the model.
func (s *story) judge(r request, o outcome) {
	s.Helper()
	taken := map[string]bool{}
	for _, t := range r.targets {
		taken[t.name] = true
		s.judgeTable(t, o)
	}
	for _, name := range s.now.names() { // what the restore was not to touch
		if taken[name] {
			continue
		}
		want := s.now[name].clone()
		for _, c := range s.came[name] {
			want.load(c.rows)
		}
		if diff := differ(s.read(name, want.kind), want); diff != "" {
			s.Errorf("%s, which the restore does not name: %s", name, diff)
		}
		s.now[name] = want
	}
	s.came = map[string][]come{}
	for _, name := range s.now.names() {
		s.alive(name)
	}
	s.judgeViews(r, o)
	s.strangers()
	s.leftovers()
	if held := s.locked(s.now.databases()); len(held) > 0 {
		s.Errorf("databases are locked: %v", held)
	}
}

// done tells whether the result says that a table was restored: it is listed, and nothing of it failed.
func (t *target) done(o outcome) bool {
	name := t.name
	listed := slices.ContainsFunc(o.out.Tables, func(x spec.RestoredTable) bool { return t.is(x.Database, x.Table) })
	failed := slices.ContainsFunc(o.out.Failed, func(f spec.FailedPart) bool {
		return f.Database == databaseOf(name) && (f.Table == "" || t.is(f.Database, f.Table))
	})
	return listed && !failed
}

// is tells the target's name; one that the restore makes up has a time at its end.
func (t *target) is(database, name string) bool {
	if t.way == "beside" {
		return database == databaseOf(t.name) && strings.HasPrefix(name, tableOf(t.name)+"__restored_")
	}
	return database+"."+name == t.name
}

func (s *story) judgeTable(t *target, o outcome) {
	s.Helper()
	done := t.done(o)
	if !done && o.ends == "completed" && !o.out.CancelRequested {
		s.Errorf("the restore ended well and says nothing of %s: %+v", t.name, o.out)
	}
	if done && t.way == "refuse" {
		s.Errorf("%s exists, and onExisting fail restored it", t.name)
	}
	if done {
		s.counts.add("table ok: " + t.way)
	} else {
		s.counts.add("table not ok")
	}
	loads := s.came[t.name]
	var now *table
	var diff string
	switch t.way {
	case "swap":
		now, diff = s.judgeSwap(t, done, loads, o)
	case "beside", "refuse":
		now, diff = t.after(loads), ""
		diff = differ(s.read(t.name, t.old.kind), now)
		if t.way == "beside" && diff == "" {
			diff = s.judgeBeside(t, done, o)
		}
	default:
		now, diff = s.judgeParts(t, done, loads)
	}
	if diff != "" {
		how := "ended well"
		if !done {
			how = "did not end well (" + o.ends + ")"
		}
		s.Errorf("%s (%s) %s, and the table is neither old nor restored: %s", t.name, t.way, how, diff)
	}
	delete(s.now, t.name)
	if now != nil {
		s.now[t.name] = now
	}
}

// after is the old table with all loads that came in.
func (t *target) after(loads []come) *table {
	out := t.old.clone()
	if out == nil {
		return nil
	}
	for _, c := range loads {
		out.load(c.rows)
	}
	return out
}

// judgeSwap: one moment exchanges the table; loads before it are in the old one, those after it in the new one.
func (s *story) judgeSwap(t *target, done bool, loads []come, o outcome) (*table, string) {
	have := s.readTarget(t)
	first := ""
	for cut := 0; cut <= len(loads); cut++ {
		want := t.bring.clone()
		for _, c := range loads[cut:] {
			want.load(c.rows)
		}
		diff := differ(have, want)
		if diff == "" {
			t.replaced = t.after(loads[:cut])
			return want, s.judgeBefore(t, loads[:cut], o)
		}
		if first == "" {
			first = diff
		}
	}
	if done {
		return t.bring, first
	}
	old := t.after(loads)
	return old, differ(have, old)
}

// judgeBefore: the old table of a swap is kept, with all that was loaded into it.
func (s *story) judgeBefore(t *target, loads []come, o outcome) string {
	i := slices.IndexFunc(o.out.Tables, func(x spec.RestoredTable) bool { return t.is(x.Database, x.Table) })
	if i < 0 || o.out.Tables[i].Before == "" || t.torn {
		return ""
	}
	name := databaseOf(t.name) + "." + o.out.Tables[i].Before
	if diff := differ(s.read(name, t.old.kind), t.after(loads)); diff != "" {
		return "the old table " + name + ": " + diff
	}
	return ""
}

// readTarget reads a table that is still of the kind that was there, or already of the kind that was restored.
func (s *story) readTarget(t *target) *table {
	s.Helper()
	if t.old != nil && s.lane.bed.Sim.Content(databaseOf(t.name), tableOf(t.name)) != "no such table" && s.definition(t.name) == t.old.definition {
		return s.read(t.name, t.old.kind)
	}
	return s.read(t.name, t.bring.kind)
}

func (s *story) judgeBeside(t *target, done bool, o outcome) string {
	i := slices.IndexFunc(o.out.Tables, func(x spec.RestoredTable) bool { return t.is(x.Database, x.Table) })
	if !done || i < 0 {
		return ""
	}
	name := databaseOf(t.name) + "." + o.out.Tables[i].Table
	if diff := differ(s.read(name, t.bring.kind), t.bring); diff != "" {
		return name + ": " + diff
	}
	s.now[name] = t.bring.clone()
	return ""
}

// judgeParts: each group of partitions is old or restored, all at once; a load that came in is there or was overwritten
// with what was there before it. What was not asked for stays.
func (s *story) judgeParts(t *target, done bool, loads []come) (*table, string) {
	have := s.readTarget(t)
	old := t.after(loads)
	if have == nil {
		if old == nil && !done {
			return nil, ""
		}
		return nil, "the table is gone"
	}
	definition := t.bring.definition
	if old != nil {
		definition = old.definition
	}
	if have.definition != definition {
		return have, fmt.Sprintf("definition\n%s\nwant\n%s", have.definition, definition)
	}
	left := have.parts.clone()
	for _, group := range t.groups {
		if diff := t.judgeGroup(group, have, old, done, loads); diff != "" {
			return have, diff
		}
		maps.DeleteFunc(left, func(p string, _ []row) bool { return slices.Contains(group, p) })
	}
	rest := &table{kind: t.bring.kind, parts: contents{}}
	if old != nil {
		rest.parts = old.parts.clone()
	} else {
		for _, c := range loads {
			rest.load(c.rows)
		}
	}
	maps.DeleteFunc(rest.parts, func(p string, _ []row) bool {
		return slices.ContainsFunc(t.groups, func(group []string) bool { return slices.Contains(group, p) })
	})
	if diff := differParts(left, rest.parts); diff != "" {
		return have, "what was not asked for: " + diff
	}
	return have, ""
}

func (t *target) judgeGroup(group []string, have, old *table, done bool, loads []come) string {
	first := ""
	for cut := 0; cut <= len(loads); cut++ {
		want := t.bring.only(group)
		for _, c := range loads[cut:] {
			for _, r := range c.rows {
				if slices.Contains(group, want.kind.partition(r.at)) {
					want.load([]row{r})
				}
			}
		}
		diff := differParts(have.only(group).parts, want.parts)
		if diff == "" {
			return ""
		}
		if first == "" {
			first = diff
		}
	}
	if done {
		return first
	}
	was := contents{}
	if old != nil {
		was = old.only(group).parts
	}
	if diff := differParts(have.only(group).parts, was); diff != "" {
		return fmt.Sprintf("%s; or as it was: %s", first, diff)
	}
	return ""
}
