package workflows_test

import (
	"context"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

func TestInspectReadsByOneActivity(t *testing.T) {
	w := newWorld(t)
	reads := 0
	w.OnActivity(activities.New(nil, nil).Inspect, anything, anything).Return(func(_ context.Context, in spec.Inspect) (spec.InspectResult, error) {
		reads++
		return spec.InspectResult{Points: []spec.PointRow{{ID: point}}, NextPage: in.Read}, nil
	})
	w.ExecuteWorkflow(spec.InspectWorkflow, spec.Inspect{Read: spec.ReadPoints, Cluster: "prod", Repository: "repo"})
	var out spec.InspectResult
	if err := w.ended(); err != nil || w.GetWorkflowResult(&out) != nil {
		t.Fatal(err)
	}
	if reads != 1 || len(out.Points) != 1 || out.NextPage != spec.ReadPoints {
		t.Errorf("%d reads, %+v", reads, out)
	}
}

func TestAnInvalidInspectReadsNothing(t *testing.T) {
	for name, in := range map[string]any{
		"nothing":       map[string]any{},
		"no cluster":    map[string]any{"read": "points", "repository": "r"},
		"unknown field": map[string]any{"read": "config", "verbose": true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.ExecuteWorkflow(spec.InspectWorkflow, in)
			wantType(t, w.ended(), spec.ErrorInvalidSpec)
		})
	}
}
