package main

import (
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

func TestViewsAreListedBelowTheTables(t *testing.T) {
	var b strings.Builder
	writeRestore(&b, spec.RestoreResult{Point: "p", Views: []spec.RestoredView{
		{Database: "sales", Name: "daily", Kind: spec.KindMaterializedView, Done: spec.ViewActive, Refresh: "success"},
		{Database: "sales", Name: "plus1(INT)", Kind: spec.KindFunction, Done: spec.ViewCreated},
	}}, true)
	for _, want := range []string{"VIEW OR FUNCTION", "sales.daily", "materialized view  active", "success", "sales.plus1(INT)  function           created"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nlacks %q", b.String(), want)
		}
	}
	b.Reset()
	writePlan(&b, spec.RestoreResult{Point: "p", Plan: []spec.PlannedTable{{Database: "sales", Table: "v", Kind: spec.KindView, Action: spec.ActionCreate}}})
	if !strings.Contains(b.String(), "create (view)") {
		t.Errorf("%s\ndoes not say that a view is created", b.String())
	}
}
