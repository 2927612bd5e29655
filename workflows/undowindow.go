package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// UndoWindow keeps the old tables of a restore for a while. The updates undo and finish decide; without them, finish is
// what happens in the end. Cancelled, it leaves both tables where they are.
func UndoWindow(ctx workflow.Context, in spec.UndoWindow) (spec.UndoResult, error) {
	if err := in.Validate(); err != nil {
		return spec.UndoResult{}, activities.Error(spec.ErrorInvalidSpec, nil, "%v", err)
	}
	w := &undoWindow{UndoWindow: in}
	if err := w.serve(ctx); err != nil {
		return spec.UndoResult{}, err
	}
	w.show(ctx, "open")
	decided, err := workflow.AwaitWithTimeout(ctx, in.Keep.Or(spec.DefaultUndoWindow), func() bool { return w.decision != "" })
	if err != nil {
		return spec.UndoResult{}, err
	}
	if !decided {
		w.decide(ctx, spec.UpdateFinish)
	}
	if err := workflow.Await(ctx, func() bool { return w.over && workflow.AllHandlersFinished(ctx) }); err != nil {
		return spec.UndoResult{}, err
	}
	w.refresh(ctx)
	w.show(ctx, w.decision)
	return w.result, nil
}

type undoWindow struct {
	spec.UndoWindow
	decision string
	over     bool
	result   spec.UndoResult
}

func (w *undoWindow) serve(ctx workflow.Context) error {
	open := workflow.UpdateHandlerOptions{Validator: func(workflow.Context) error {
		if w.decision != "" {
			return fmt.Errorf("the undo window is closed: %s is under way or done", w.decision)
		}
		return nil
	}}
	for _, name := range []string{spec.UpdateUndo, spec.UpdateFinish} {
		handler := func(ctx workflow.Context) (spec.UndoResult, error) {
			w.decide(ctx, name)
			return w.result, nil
		}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, name, handler, open); err != nil {
			return err
		}
	}
	return nil
}

// decide goes through the tables. One that cannot be undone or finished is named and does not stop the others.
func (w *undoWindow) decide(ctx workflow.Context, name string) {
	w.decision = name
	activity := acts.FinishSwap
	if name == spec.UpdateUndo {
		activity = acts.UndoSwap
	}
	for _, t := range w.Tables {
		done := spec.UndoneTable{Database: t.Database, Table: t.Table}
		err := workflow.ExecuteActivity(short(ctx, planHeartbeat, name+" "+t.Database+"."+t.Table), activity, w.Cluster, t).Get(ctx, &done)
		if err != nil {
			_, message := activities.TypeOf(err)
			done.Done = "left alone: " + message
			w.result.Warnings = append(w.result.Warnings, message)
		}
		w.result.Tables = append(w.result.Tables, done)
	}
	if w.Safety != nil && name == spec.UpdateUndo {
		w.putBack(ctx)
	}
	w.views(ctx, name)
	w.over = true
}

func (w *undoWindow) show(ctx workflow.Context, state string) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("### Undo window of `%s`: %s\n\n%d old tables, kept %s from the restore on. Updates: `undo` swaps them back, `finish` drops them.\n",
		w.Restore, state, len(w.Tables), w.Keep.Or(spec.DefaultUndoWindow)))
}
