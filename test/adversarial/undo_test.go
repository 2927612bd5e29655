package adversarial

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// closeWindow undoes a restore that ended well, or drops its old tables, while now and then something else happens.
func (s *story) closeWindow(r request, o outcome) {
	s.Helper()
	update := pick(s, []string{spec.UpdateUndo, spec.UpdateUndo, spec.UpdateFinish})
	s.say("%s", update)
	answered := s.answering()
	switch s.rng.IntN(6) {
	case 0:
		s.say("… while the FE is restarted")
		s.aside(func() { s.restartFrontend(3) })
	case 1:
		s.say("… while another worker is started")
		s.aside(s.changeWorker)
	}
	out, err := s.update(o.out.Undo, update)
	s.heal()
	if err != nil {
		s.Errorf("%s: %v", update, err)
		return
	}
	s.counts.add(update)
	text, _ := json.Marshal(out)
	s.say("… %s", text)
	s.result = append(s.result, string(text))
	if out.Restore != "" {
		s.awaitPutBack(out.Restore)
	}
	for _, t := range r.targets {
		if !t.done(o) {
			continue
		}
		if update == spec.UpdateUndo {
			s.judgeUndo(t, out)
		} else {
			s.judgeFinish(t, o, out)
		}
	}
	for _, name := range s.now.names() {
		if diff := differ(s.read(name, s.now[name].kind), s.now[name]); diff != "" {
			s.Errorf("%s after %s: %s", name, update, diff)
			continue
		}
		s.alive(name)
	}
	s.judgeAnswers(answered, update, out)
	s.strangers()
	if held := s.locked(s.now.databases()); len(held) > 0 {
		s.Errorf("databases are locked: %v", held)
	}
}

func (s *story) update(window, name string) (out spec.UndoResult, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	handle, err := s.lane.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: window, UpdateName: name, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	if err == nil {
		err = s.lane.client.GetWorkflow(ctx, window, "").Get(ctx, &out)
	}
	return out, err
}

// awaitPutBack waits for the restore that undo starts for what was replaced or overwritten.
func (s *story) awaitPutBack(id string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out spec.RestoreResult
	if err := s.lane.client.GetWorkflow(ctx, id, "").Get(ctx, &out); err != nil {
		s.Errorf("the restore %s that undo began: %v", id, err)
	}
	text, _ := json.Marshal(out)
	s.result = append(s.result, string(text))
}

// judgeUndo: the old content is back, and what the restore had brought is kept where the answer says.
func (s *story) judgeUndo(t *target, out spec.UndoResult) {
	s.Helper()
	switch t.way {
	case "swap":
		i := slices.IndexFunc(out.Tables, func(x spec.UndoneTable) bool { return t.is(x.Database, x.Table) })
		if i < 0 || !strings.HasPrefix(out.Tables[i].Done, "swapped back") || t.replaced == nil {
			s.Errorf("%s was not swapped back: %+v", t.name, out)
			return
		}
		kept := databaseOf(t.name) + "." + out.Tables[i].Kept
		if diff := differ(s.read(kept, t.bring.kind), s.now[t.name]); diff != "" {
			s.Errorf("%s, where undo keeps what was restored: %s", kept, diff)
		}
		s.now[t.name] = t.replaced
	case "overwrite", "partitions":
		if t.whole {
			s.now[t.name] = t.old.clone()
			return
		}
		for _, p := range t.bring.partitions() {
			if rows, was := t.old.parts[p]; was {
				s.now[t.name].parts[p] = slices.Clone(rows)
			}
		}
	}
}

// judgeFinish: the old table of a swap is gone, or the answer says why not.
func (s *story) judgeFinish(t *target, o outcome, out spec.UndoResult) {
	s.Helper()
	if t.way != "swap" {
		return
	}
	done := slices.IndexFunc(out.Tables, func(x spec.UndoneTable) bool { return t.is(x.Database, x.Table) })
	row := slices.IndexFunc(o.out.Tables, func(x spec.RestoredTable) bool { return t.is(x.Database, x.Table) })
	if done < 0 || row < 0 {
		s.Errorf("finish says nothing of %s: %+v", t.name, out)
		return
	}
	old := databaseOf(t.name) + "." + o.out.Tables[row].Before
	there, dropped := s.read(old, t.old.kind) != nil, out.Tables[done].Done == "dropped"
	if there == dropped {
		s.Errorf("finish says of the old table of %s %q; it is there: %t", t.name, out.Tables[done].Done, there)
	}
}

// answering lists the views that answer now.
func (s *story) answering() (list []view) {
	for _, v := range s.views {
		if s.answers(v) == nil {
			list = append(list, v)
		}
	}
	return list
}

// judgeAnswers: views that answered before still do, or the answer says why not.
func (s *story) judgeAnswers(before []view, update string, out spec.UndoResult) {
	s.Helper()
	told := fmt.Sprint(out.Warnings, out.Views)
	for _, v := range before {
		if err := s.answers(v); err != nil && !strings.Contains(told, tableOf(v.name)) {
			s.Errorf("view %s answered before %s, now it does not, and no word of it: %v", v.name, update, err)
		}
	}
}
