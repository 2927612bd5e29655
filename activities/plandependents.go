package activities

import (
	"fmt"

	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// maxDependents bounds each list of dependents in a row: it lives in a history.
const maxDependents = 5

// dependents lists what hangs on a live table and notices its restore. nil: nothing does, or there is no such table.
func (p *restorePlanner) dependents(at *target, live starrocks.Table, d decision) *spec.Dependents {
	if live.Name == "" || live.Kind != starrocks.KindTable {
		return nil
	}
	var out spec.Dependents
	for _, l := range at.loads {
		if l.Table == live.Name {
			out.RoutineLoads = append(out.RoutineLoads, l.Name)
		}
	}
	out.MaterializedViews = readers(at, at.views, live.Name)
	out.Views = readers(at, at.logical, live.Name)
	out.RoutineLoads = few(out.RoutineLoads)
	for _, g := range at.grants {
		if g.Table == live.Name {
			out.Grants++
		}
	}
	out.ColocateGroup = live.Properties[colocateWith]
	out.DynamicPartitions = live.Properties[dynamicEnable] == "true"
	if out.Empty() {
		return nil
	}
	return &out
}

func readers(at *target, views []dependent, table string) []string {
	var names []string
	for _, v := range views {
		if v.reads(at.database, table) {
			names = append(names, v.database+"."+v.name)
		}
	}
	return few(names)
}

func few(names []string) []string {
	if len(names) <= maxDependents {
		return names
	}
	return append(names[:maxDependents:maxDependents], fmt.Sprintf("… and %d more", len(names)-maxDependents))
}
