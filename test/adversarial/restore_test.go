package adversarial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// request is a restore as it is asked for, and what that means.
type request struct {
	in      spec.Restore
	point   point
	choice  selection
	targets []*target
}

// target is a table that a restore is to bring, and what may come of it.
type target struct {
	name   string     // in the cluster; for a name that the restore makes up: its beginning
	from   string     // in the point
	way    string     // create, swap, overwrite, partitions, beside, refuse
	old    *table     // before; nil: not there
	bring  *table     // what the point has of it, as far as it is selected
	whole  bool       // the table is selected as a whole
	groups [][]string // of partitions that come all at once
	torn   bool       // a COMMIT was broken off: what it was before is not known

	replaced *table // by a swap, with what was loaded before it
}

// request makes a restore up.
func (s *story) request() request {
	i := len(s.points) - 1 - min(s.rng.IntN(3), s.rng.IntN(3), len(s.points)-1)
	i = max(i, 0)
	r := request{point: s.points[i], in: spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Limits: s.limits(), NoSafetyPoint: s.chance(2)}}
	switch back := len(s.points) - 1 - i; {
	case s.chance(2):
		r.in.Point = r.point.id
	case back > 0:
		r.in.Point = fmt.Sprintf("latest~%d", back)
	case s.chance(2):
		r.in.Point = "latest"
	}
	r.in.OnExisting = pick(s, []string{"", "", spec.OnExistingSwap, spec.OnExistingOverwrite, spec.OnExistingOverwrite, spec.OnExistingOverwrite, spec.OnExistingRename, spec.OnExistingFail})
	r.in.ConfirmOverwrite = r.in.OnExisting == spec.OnExistingOverwrite
	if s.chance(5) {
		r.in.ReplicationNum = 1 + s.rng.IntN(2)
	}
	s.choose(&r)
	s.rename(&r)
	r.in.Include, r.in.Exclude = texts(r.choice.include), texts(r.choice.exclude)
	r.targets = s.expect(r)
	return r
}

// choose makes include and exclude up, of names that the point has.
func (s *story) choose(r *request) {
	names := r.point.holds.names()
	if len(names) == 0 {
		return
	}
	part := func() pattern {
		name := pick(s, names)
		db, t := databaseOf(name), tableOf(name)
		parts := r.point.holds[name].partitions()
		if len(parts) == 0 {
			return pattern{db, t, "*"}
		}
		p := pick(s, parts)
		switch {
		case p == "-":
			p = t
		case s.chance(4):
			p = p[:1] + "*"
		}
		return pattern{db, t, p}
	}
	whole := func() pattern {
		name := pick(s, names)
		db, t := databaseOf(name), tableOf(name)
		return pick(s, []pattern{{db, "", ""}, {db, "*", ""}, {db, t, ""}, {db, t, ""}, {db[:2] + "*", "", ""}, {db, t, "*"}})
	}
	switch s.rng.IntN(5) {
	case 0: // everything
	case 1, 2:
		r.choice.include = []pattern{whole()}
	case 3:
		r.choice.include = []pattern{part(), part()}
	case 4:
		r.choice.include = []pattern{whole(), part()}
	}
	if s.chance(5) {
		x := part()
		if s.chance(2) {
			x.partition = ""
		}
		r.choice.exclude = []pattern{x}
	}
}

func (s *story) rename(r *request) {
	names := r.point.holds.names()
	if len(names) == 0 || !s.chance(4) {
		return
	}
	name := pick(s, names)
	if s.chance(2) {
		r.in.Rename = map[string]string{databaseOf(name): databaseOf(name) + "_new"}
		return
	}
	r.in.Rename = map[string]string{name: databaseOf(name) + ".moved" + tableOf(name)}
}

// expect says what the restore has to do to which table.
func (s *story) expect(r request) (list []*target) {
	for _, from := range r.point.holds.names() {
		held := r.point.holds[from]
		parts, whole := r.choice.of(from, held)
		if len(parts) == 0 {
			continue
		}
		name := from
		if to, ok := r.in.Rename[from]; ok {
			name = to
		} else if to, ok := r.in.Rename[databaseOf(from)]; ok {
			name = to + "." + tableOf(from)
		}
		t := &target{name: name, from: from, old: s.now[name].clone(), bring: held.only(parts), whole: whole && !r.point.named}
		t.decide(r.in.OnExisting)
		list = append(list, t)
	}
	return list
}

func (t *target) decide(onExisting string) {
	parts := t.bring.partitions()
	each := func(list []string) (groups [][]string) {
		for _, p := range list {
			groups = append(groups, []string{p})
		}
		return groups
	}
	switch {
	case t.old == nil:
		t.way, t.groups = "create", each(parts)
	case onExisting == spec.OnExistingFail:
		t.way = "refuse"
	case onExisting == spec.OnExistingRename:
		t.way = "beside"
	case onExisting == spec.OnExistingOverwrite:
		t.way, t.groups = "overwrite", each(parts)
	case t.whole:
		t.way = "swap"
	default: // what is there is exchanged in one step; what is missing is added
		t.way = "partitions"
		var there, missing []string
		for _, p := range parts {
			if _, ok := t.old.parts[p]; ok {
				there = append(there, p)
			} else {
				missing = append(missing, p)
			}
		}
		if len(there) > 0 {
			t.groups = [][]string{there}
		}
		t.groups = append(t.groups, each(missing)...)
	}
}

// outcome is how a restore ended.
type outcome struct {
	ends string // completed, canceled, or the error's type
	out  spec.RestoreResult
	err  error
}

// restore makes a restore up, runs it, and holds it to the laws.
func (s *story) restore(disturbed bool) {
	r := s.request()
	text, _ := json.Marshal(r.in)
	s.say("Restore %s", text)
	for _, t := range r.targets {
		s.say("… %s from %s: %s", t.name, t.from, t.way)
	}
	if disturbed {
		s.disturb(r)
	}
	s.counts.add("restores")
	o := s.runRestore(r.in)
	s.calm()
	s.say("it ended %s: %v", o.ends, o.err)
	s.counts.add("restore " + o.ends)
	s.ends = append(s.ends, o.ends)
	if o.ends == spec.ErrorProofFailed {
		s.Errorf("nothing here makes StarRocks restore anything but what was backed up, and the proof failed: %v", o.err)
	}
	s.judgeLost(o)
	s.lost = ""
	mended := o.ends == spec.ErrorCommitInterrupted
	if mended {
		s.counts.add("restore CommitInterrupted, mended")
		o = s.mend(r, o)
	}
	if late := s.seenTooLate(r, o); len(late) > 0 {
		s.counts.add("loads seen too late, restored once more by swap")
		mended, o = true, s.onceMore(r, o, late)
	}
	loaded := len(s.came) > 0
	s.judge(r, o)
	if !s.Failed() && !mended && o.ends == "completed" && o.out.Undo != "" && (o.out.Safety == nil || !loaded) && s.chance(2) {
		s.closeWindow(r, o)
	}
}

// judgeLost: an object that was lost before the restore is noticed by its plan, or not needed.
func (s *story) judgeLost(o outcome) {
	s.Helper()
	if s.lost == "" || o.ends == spec.ErrorChecksumMismatch {
		return
	}
	text, _ := json.Marshal(o.out)
	for _, words := range []string{"No such file", "find header", "get nothing from remote path", "invalid md5", "is damaged"} {
		if strings.Contains(string(text), words) || o.err != nil && strings.Contains(o.err.Error(), words) {
			s.Errorf("object %s was lost or damaged before, and the plan did not notice (%q): %v", s.lost, words, o.err)
			return
		}
	}
}

func (s *story) runRestore(in spec.Restore) outcome {
	s.Helper()
	id := spec.RestoreID(in.Cluster, s.workflow())
	s.mu.Lock()
	s.under = id
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	run, err := s.lane.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.RestoreWorkflow, in)
	if err != nil {
		s.Fatalf("start the restore: %v", err)
	}
	o := outcome{ends: "completed"}
	o.err = run.Get(ctx, &o.out)
	if ctx.Err() != nil {
		s.Fatalf("the restore %s does not end", id)
	}
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(o.err, &canceled):
		o.ends = "canceled"
		_ = canceled.Details(&o.out)
	case errors.As(o.err, &app):
		o.ends = app.Type()
		_ = app.Details(&o.out)
	case o.err != nil:
		s.Errorf("the restore ended with %v, which has no type", o.err)
	}
	text, _ := json.Marshal(o.out)
	s.result = append(s.result, string(text), fmt.Sprint(o.err))
	return o
}

// mend follows what a CommitInterrupted says: the same restore again, or by swap where loads came in between.
func (s *story) mend(r request, o outcome) outcome {
	s.Helper()
	if len(o.out.Interrupted) == 0 {
		s.Errorf("CommitInterrupted names nothing: %v", o.err)
	}
	for _, i := range o.out.Interrupted {
		if !strings.HasPrefix(i.State, "restored") {
			s.byHand++
		}
	}
	in := r.in
	if slices.ContainsFunc(o.out.Interrupted, func(i spec.InterruptedCommit) bool { return len(i.Loads) > 0 }) {
		in.OnExisting, in.ConfirmOverwrite = spec.OnExistingSwap, false
		for _, t := range r.targets {
			t.torn = true
			if t.old == nil { // by now it may be there
				t.old = t.bring
			}
			t.decide(in.OnExisting)
		}
	}
	in.Point = r.point.id
	s.say("the same again, undisturbed, onExisting %q", in.OnExisting)
	again := s.runRestore(in)
	s.say("it ended %s: %v", again.ends, again.err)
	if again.ends != "completed" {
		s.Errorf("what was interrupted in COMMIT is not mended by the same restore: %v", again.err)
	}
	return again
}

// tooLate is the warning of a RESTORE in place that nobody had looked at loads for in time. It names the tables.
var tooLate = regexp.MustCompile(`^(\S+): the job came to \w+ before loads could be looked at: one into (.+) that was committed before may come back`)

// seenTooLate lists the overwritten tables into which a load came and for which the result has that warning.
func (s *story) seenTooLate(r request, o outcome) (list []*target) {
	for _, t := range r.targets {
		warned := slices.ContainsFunc(o.out.Warnings, func(w string) bool {
			says := tooLate.FindStringSubmatch(w)
			return says != nil && says[1] == databaseOf(t.name) && slices.Contains(strings.Split(says[2], ", "), tableOf(t.name))
		})
		if warned && t.way == "overwrite" && len(s.came[t.name]) > 0 {
			list = append(list, t)
		}
	}
	return list
}

// onceMore does for some tables what the warning says, and puts what came of it in the place of what the result said of them.
func (s *story) onceMore(r request, o outcome, late []*target) outcome {
	s.Helper()
	in := r.in
	in.Point, in.OnExisting, in.ConfirmOverwrite = r.point.id, spec.OnExistingSwap, false
	for _, t := range r.targets {
		if !slices.Contains(late, t) {
			in.Exclude = append(slices.Clip(in.Exclude), t.from)
			continue
		}
		t.torn = true
		t.decide(in.OnExisting)
		o.out.Tables = slices.DeleteFunc(o.out.Tables, func(x spec.RestoredTable) bool { return t.is(x.Database, x.Table) })
		o.out.Failed = slices.DeleteFunc(o.out.Failed, func(f spec.FailedPart) bool { return t.is(f.Database, f.Table) })
		s.say("loads into %s were seen too late: once more, onExisting swap", t.name)
	}
	again := s.runRestore(in)
	if again.ends != "completed" {
		s.Errorf("what was overwritten while loads could not be seen is not restored by swap: %v", again.err)
	}
	o.out.Tables = append(o.out.Tables, again.out.Tables...)
	return o
}
