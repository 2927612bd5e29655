package restorepoint

import (
	"fmt"
	"testing"
	"time"
)

// Every table has its turn before any has its second, also when tables come and go.
func TestSamplesRotate(t *testing.T) {
	var tables []TableName
	for i := range 23 {
		tables = append(tables, TableName{"d", fmt.Sprintf("t%02d", i)})
	}
	drilled := map[TableName]time.Time{}
	turns := map[TableName]int{}
	drill := func(run int) {
		for _, table := range PickSample(tables, 5, drilled, fmt.Sprint("seed", run)) {
			drilled[table] = at(run)
			turns[table]++
		}
	}
	for run := range 5 { // 25 turns for 23 tables
		drill(run)
	}
	for _, table := range tables {
		if n := turns[table]; n < 1 || n > 2 {
			t.Errorf("%s was drilled %d times", table, n)
		}
	}
	late := TableName{"d", "late"}
	tables = append(tables[3:], late)
	drill(5)
	if turns[late] != 1 {
		t.Error("a new table waits")
	}
	if a, b := fmt.Sprint(PickSample(tables, 5, drilled, "x")), fmt.Sprint(PickSample(tables, 5, drilled, "x")); a != b {
		t.Errorf("the same seed gives %s and %s", a, b)
	}
	if n := len(PickSample(tables, 100, nil, "x")); n != len(tables) {
		t.Errorf("%d of %d tables", n, len(tables))
	}
}

func TestDrillDatabases(t *testing.T) {
	a, b := DrillDatabase("run", "sales"), DrillDatabase("run", "web")
	if a == b || !IsDrill(a) || IsDrill(a+"x") || IsDrill("starkeep_drill_") || IsDrill("sales") || IsScratch(a) {
		t.Errorf("%q, %q", a, b)
	}
}
