package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"starkeep/workflows/spec"
)

// serve answers the query progress and the updates switch and abort.
func (m *migration) serve(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, spec.QueryProgress, func() (spec.MigrateProgress, error) { return m.seen(), nil })
	if err != nil {
		return err
	}
	open := workflow.UpdateHandlerOptions{Validator: func(workflow.Context) error {
		switch {
		case m.abort:
			return fmt.Errorf("the migration is being aborted")
		case m.closed:
			return fmt.Errorf("the migration has ended")
		}
		return nil
	}}
	change := func(workflow.Context) (spec.MigrateAnswer, error) {
		note := "the switch begins when the round under way has ended: stop the loads at the source now, if they are not stopped"
		if m.state.Switch {
			note = "the switch was asked for already"
		}
		m.state.Switch = true
		return spec.MigrateAnswer{Note: note, Look: m.state.Look}, nil
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, spec.UpdateSwitch, change, open); err != nil {
		return err
	}
	abort := func(ctx workflow.Context) (spec.MigrateAnswer, error) {
		m.abort = true
		m.phase(ctx, spec.PhaseAborting)
		m.stop()
		return spec.MigrateAnswer{Note: "what is under way is being stopped; the source stays as it is, the result says what is on the target", Look: m.state.Look}, nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, spec.UpdateAbort, abort, open)
}

func (m *migration) seen() spec.MigrateProgress {
	p := m.progress
	p.Rounds, p.Look, p.Applied, p.Switch, p.Warnings, p.Ready = m.state.Rounds, m.state.Look, m.state.Applied, m.state.Switch, m.state.Warnings, m.state.Ready
	return p
}

func (m *migration) phase(ctx workflow.Context, p spec.Phase) {
	m.progress.Phase = p
	m.show(ctx)
	_ = workflow.UpsertTypedSearchAttributes(ctx, attributePhase.ValueSet(string(p)))
}

func (m *migration) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, renderMigration(m.in, m.seen()))
}

func renderMigration(in spec.Migrate, p spec.MigrateProgress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Migration of %s to %s: %s\n\n", in.From, in.To, p.Phase)
	if len(p.Rounds) > 0 {
		b.WriteString("| round | restore point | backed up | brought over | seconds |\n|---:|---|---:|---:|---:|\n")
		for _, r := range p.Rounds {
			fmt.Fprintf(&b, "| %d | `%s` | %d, %s | %d, %s | %d |\n", r.Number, r.Point, r.BackedUp, spec.Bytes(r.BackupSize), r.Restored, spec.Bytes(r.Bytes), r.Seconds)
		}
		fmt.Fprintf(&b, "\nDifference: %d partitions, %s.\n", p.Look.Partitions, spec.Bytes(p.Look.Bytes))
	}
	if p.Ready && !p.Switch {
		b.WriteString("\nStop the loads at the source, then send the update `switch`. `abort` ends the migration.\n")
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "\n- warning: %s", w)
	}
	return b.String()
}

// continueAsNew goes on in a run of its own, between two rounds.
func (m *migration) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	next := m.in
	state := m.state
	next.State = &state
	return workflow.NewContinueAsNewError(ctx, Migrate, next)
}
