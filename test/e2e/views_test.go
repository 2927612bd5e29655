package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// shop makes two databases: a table, views on it and on each other, materialized views (partitioned, one on the other,
// across the databases), functions.
func shop(t *testing.T) *testbed.Bed {
	t.Helper()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	for _, sql := range []string{
		"CREATE DATABASE shop", "CREATE DATABASE stats",
		`CREATE TABLE shop.orders (dt DATE NOT NULL, id BIGINT NOT NULL, city VARCHAR(20), amount BIGINT) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES("replication_num"="1")`,
		"INSERT INTO shop.orders VALUES ('2026-01-05', 1, 'Rome', 10), ('2026-02-05', 2, 'Oslo', 20), ('2026-02-06', 3, 'Rome', 30)",
		`CREATE FUNCTION shop.plus1(INT) RETURNS INT PROPERTIES ("symbol"="g.Plus", "type"="StarrocksJar", "file"="http://files/plus.jar")`,
		"CREATE FUNCTION shop.echo(STRING) RETURNS STRING type='Python' symbol='echo' file='inline' AS $$\ndef echo(x):\n    return x\n$$",
		"CREATE VIEW shop.zlatest (id COMMENT 'key', city, amount) COMMENT 'from shop.orders' AS SELECT id, city, amount FROM shop.orders",
		"CREATE VIEW shop.rich AS SELECT id, amount FROM shop.zlatest WHERE amount > 15",
		`CREATE MATERIALIZED VIEW shop.daily PARTITION BY dt DISTRIBUTED BY HASH(id) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES("replication_num"="1") AS SELECT id, dt, amount FROM shop.orders`,
		`CREATE MATERIALIZED VIEW stats.zcity DISTRIBUTED BY HASH(city) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES("replication_num"="1") AS SELECT city, sum(amount) AS total FROM shop.orders GROUP BY city`,
		`CREATE MATERIALIZED VIEW stats.best DISTRIBUTED BY HASH(city) BUCKETS 1 REFRESH DEFERRED ASYNC PROPERTIES("replication_num"="1") AS SELECT city, total FROM stats.zcity WHERE total > 15`,
		`CREATE MATERIALIZED VIEW stats.viewed DISTRIBUTED BY HASH(id) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES("replication_num"="1") AS SELECT id, amount FROM shop.rich`,
		"CREATE USER ann", "GRANT SELECT ON VIEW shop.rich TO USER ann", "GRANT SELECT ON MATERIALIZED VIEW stats.best TO USER ann",
	} {
		b.Must(t, sql)
	}
	refreshShop(t, b)
	return b
}

func refreshShop(t *testing.T, b *testbed.Bed) {
	t.Helper()
	for _, name := range []string{"shop.daily", "stats.zcity", "stats.best", "stats.viewed"} {
		b.Must(t, "REFRESH MATERIALIZED VIEW "+name+" WITH SYNC MODE")
	}
}

// shopState is all that is to be equal: definitions, states, contents.
func shopState(t *testing.T, b *testbed.Bed, shop, stats string) map[string]string {
	t.Helper()
	state := map[string]string{}
	for _, v := range []string{"zlatest", "rich"} {
		state[v] = query(t, b, "SHOW CREATE VIEW "+shop+"."+v) + query(t, b, "SELECT * FROM "+shop+"."+v+" ORDER BY id")
	}
	for name, database := range map[string]string{"daily": shop, "zcity": stats, "best": stats, "viewed": stats} {
		active := query(t, b, fmt.Sprintf("SELECT IS_ACTIVE, INACTIVE_REASON FROM information_schema.materialized_views WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'", database, name))
		state[name] = query(t, b, "SHOW CREATE MATERIALIZED VIEW "+database+"."+name) + active + b.Sim.Content(database, name)
	}
	state["functions"] = fmt.Sprint(strings.Contains(query(t, b, "SHOW FULL FUNCTIONS FROM "+shop), "plus1(INT)"))
	state["orders"] = b.Sim.Content(shop, "orders")
	return state
}

func sameState(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s, %s:\n%s\nwant\n%s", when, name, got[name], want[name])
		}
	}
}

func viewRow(rows []spec.RestoredView, name string) spec.RestoredView {
	i := slices.IndexFunc(rows, func(r spec.RestoredView) bool { return r.Database+"."+r.Name == name })
	if i < 0 {
		return spec.RestoredView{Done: "not listed"}
	}
	return rows[i]
}

// damageShop is what an operator may do in one bad hour.
func damageShop(t *testing.T, b *testbed.Bed) {
	t.Helper()
	for _, sql := range []string{
		"TRUNCATE TABLE shop.orders", "INSERT INTO shop.orders VALUES ('2026-01-01', 9, 'WRONG', 90)",
		"CREATE OR REPLACE VIEW shop.zlatest AS SELECT id, city, amount FROM shop.orders WHERE amount > 50",
		"DROP VIEW shop.rich", "DROP MATERIALIZED VIEW stats.best", "DROP FUNCTION shop.plus1(INT)",
	} {
		b.Must(t, sql)
	}
	for _, name := range []string{"shop.daily", "stats.zcity"} {
		b.Must(t, "REFRESH MATERIALIZED VIEW "+name+" WITH SYNC MODE")
	}
}

func TestViewsComeBackWithTheirTables(t *testing.T) {
	t.Parallel()
	b := shop(t)
	before := shopState(t, b, "shop", "stats")
	backup, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	if len(backup.NotCovered) != 1 || backup.NotCovered[0].Name != "echo(VARCHAR)" || !strings.Contains(backup.NotCovered[0].Reason, "inline") {
		t.Errorf("not covered: %+v, want the inline function alone", backup.NotCovered)
	}
	damageShop(t, b)
	damaged := map[string]string{"zlatest": query(t, b, "SHOW CREATE VIEW shop.zlatest"), "daily": b.Sim.Content("shop", "daily"), "zcity": b.Sim.Content("stats", "zcity")}

	plan, err := runRestore(t, b, spec.Restore{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]string{}
	for _, row := range plan.Plan {
		actions[row.Kind+" "+row.Table] = row.Action
	}
	for name, want := range map[string]string{"view zlatest": spec.ActionReplaceView, "view rich": spec.ActionCreate, "materialized view daily": spec.ActionLeave, "function plus1(INT)": spec.ActionCreate, " orders": spec.ActionSwap} {
		if actions[name] != want {
			t.Errorf("plan of %s: %q, want %q (%v)", name, actions[name], want, actions)
		}
	}

	out, err := runRestore(t, b, spec.Restore{})
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, "after the restore", shopState(t, b, "shop", "stats"), before)
	for name, want := range map[string]string{"shop.zlatest": spec.ViewReplaced, "shop.rich": spec.ViewCreated, "shop.daily": spec.ViewActive, "stats.best": spec.ViewCreated, "stats.viewed": spec.ViewActive, "shop.plus1(INT)": spec.ViewCreated} {
		if row := viewRow(out.Views, name); row.Done != want || !row.OK() {
			t.Errorf("%s: %+v, want %s", name, row, want)
		}
	}
	if len(out.Warnings) != 0 {
		t.Errorf("warnings: %q", out.Warnings)
	}
	grants := query(t, b, "SHOW GRANTS FOR ann")
	for _, want := range []string{"ON VIEW shop.rich", "ON MATERIALIZED VIEW stats.best"} {
		if !strings.Contains(grants, want) {
			t.Errorf("grants %s lack %s", grants, want)
		}
	}
	if err := b.Sim.RestartFrontend(); err != nil {
		t.Fatal(err)
	}
	sameState(t, "after the FE was restarted", shopState(t, b, "shop", "stats"), before)

	undone := decide(t, b, out.Undo, spec.UpdateUndo)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Client.GetWorkflow(ctx, out.Undo, "").Get(ctx, &undone); err != nil { // it refreshes after its answer
		t.Fatal(err)
	}
	if row := viewRow(undone.Views, "shop.zlatest"); row.Done != spec.ViewUndone {
		t.Errorf("undo of zlatest: %+v", undone.Views)
	}
	now := shopState(t, b, "shop", "stats")
	if !strings.HasPrefix(now["zlatest"], damaged["zlatest"]) {
		t.Errorf("zlatest after the undo: %s, want %s", now["zlatest"], damaged["zlatest"])
	}
	for _, name := range []string{"daily", "zcity"} {
		if !strings.HasSuffix(now[name], damaged[name]) || !strings.Contains(now[name], "true") {
			t.Errorf("%s after the undo: %s\nwant it active with %s", name, now[name], damaged[name])
		}
	}
}

func TestDroppedDatabasesComeBackWithTheirViews(t *testing.T) {
	t.Parallel()
	b := shop(t)
	before := shopState(t, b, "shop", "stats")
	if _, err := runBackup(t, b, spec.Backup{Include: []string{"shop", "stats"}}); err != nil {
		t.Fatal(err)
	}

	t.Run("under other names, beside the old ones", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{Rename: map[string]string{"shop": "shop2", "stats": "stats2", "shop.orders": "shop2.sold"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Warnings) != 0 {
			t.Errorf("warnings: %q", out.Warnings)
		}
		b.Must(t, "INSERT INTO shop.orders VALUES ('2026-01-09', 8, 'OTHER', 1000)") // into the old table: nothing of it may show
		if err := b.Sim.RestartFrontend(); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"shop2.daily", "stats2.zcity", "stats2.best", "stats2.viewed"} {
			b.Must(t, "REFRESH MATERIALIZED VIEW "+v+" FORCE WITH SYNC MODE")
		}
		for name, database := range map[string]string{"daily": "shop2", "zcity": "stats2", "best": "stats2", "viewed": "stats2"} {
			if got := b.Sim.Content(database, name); got == "" || !strings.HasSuffix(before[name], got) {
				t.Errorf("%s.%s holds\n%s\nwant the end of\n%s", database, name, got, before[name])
			}
		}
		if got := query(t, b, "SHOW CREATE VIEW shop2.zlatest"); !strings.Contains(got, "`shop2`.`sold`.`id`") || !strings.Contains(got, "from shop.orders") {
			t.Errorf("zlatest: %s; want it to read shop2.sold, its comment as it was", got)
		}
	})
	t.Run("a view by name, whose base is missing", func(t *testing.T) {
		b.Must(t, "DROP DATABASE shop FORCE")
		b.Must(t, "DROP DATABASE stats FORCE")
		_, err := runRestore(t, b, spec.Restore{Include: []string{"stats.zcity"}})
		var app *temporal.ApplicationError
		var out spec.RestoreResult
		if !errors.As(err, &app) || app.Details(&out) != nil {
			t.Fatalf("ended with %v, want a PartialFailure with details", err)
		}
		row := viewRow(out.Views, "stats.zcity")
		if errorType(err) != spec.ErrorPartialFailure || row.Done != spec.ViewNotCreated || !strings.Contains(row.Statement, "CREATE MATERIALIZED VIEW `stats`.`zcity`") {
			t.Errorf("ended with %v, %+v; want PartialFailure and the statement", err, row)
		}
	})
	t.Run("and with all others: told, no failure", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{Include: []string{"stats*"}})
		if err != nil || !strings.Contains(strings.Join(out.Warnings, "\n"), "stats.zcity: not created") {
			t.Errorf("ended with %v, warnings %q", err, out.Warnings)
		}
	})
	t.Run("everything into nothing", func(t *testing.T) {
		out, err := runRestore(t, b, spec.Restore{})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Warnings) != 0 || out.Undo != "" {
			t.Errorf("warnings %q, undo %q", out.Warnings, out.Undo)
		}
		sameState(t, "after the restore", shopState(t, b, "shop", "stats"), before)
	})
}
