package e2e

import (
	"errors"
	"testing"

	"go.temporal.io/sdk/temporal"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// detailsOf reads the result that a failed run carries.
func detailsOf[T any](t *testing.T, err error) T {
	t.Helper()
	var out T
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || !app.HasDetails() {
		t.Fatalf("no details in %v", err)
	}
	if err := app.Details(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// showPoint reads a restore point as the CLI does.
func showPoint(t *testing.T, b *testbed.Bed, point string) spec.PointDetails {
	t.Helper()
	var out spec.InspectResult
	in := spec.Inspect{Read: spec.ReadPoint, Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: point}
	if err := execute(t, b, spec.InspectWorkflow, "inspect/"+unique(), in, &out); err != nil {
		t.Fatal(err)
	}
	return *out.Point
}
