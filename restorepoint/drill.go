package restorepoint

import (
	"cmp"
	"regexp"
	"slices"
	"time"
)

// DrillDatabasePrefix begins the name of every database that a drill makes.
const DrillDatabasePrefix = "starkeep_drill_"

var drillDatabase = regexp.MustCompile(`^` + DrillDatabasePrefix + `[0-9a-f]{8}$`)

// DrillDatabase is the database into which a drill restores its tables of one source database. The seed is the drill's
// own: no two drills share one.
func DrillDatabase(seed, source string) string { return DrillDatabasePrefix + digest(8, seed, source) }

// IsDrill tells whether a database was made by a drill. Backups leave such databases out unless they are named in full.
func IsDrill(database string) bool { return drillDatabase.MatchString(database) }

// TableName is a table of a restore point by name.
type TableName struct{ Database, Table string }

// PickSample chooses n tables for a drill: those whose last drill is longest ago, never drilled ones first; seed decides
// among equals. Over enough drills every table has its turn, also when tables come and go.
func PickSample(tables []TableName, n int, drilled map[TableName]time.Time, seed string) []TableName {
	order := slices.Clone(tables)
	rank := make(map[TableName]string, len(order))
	for _, t := range order {
		rank[t] = digest(16, seed, t.Database, t.Table)
	}
	slices.SortFunc(order, func(a, b TableName) int {
		return cmp.Or(drilled[a].Compare(drilled[b]), cmp.Compare(rank[a], rank[b]))
	})
	picked := order[:min(n, len(order))]
	slices.SortFunc(picked, func(a, b TableName) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table))
	})
	return picked
}
