package activities_test

import (
	"fmt"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// plan is a dry run of a restore.
func (b *bed) plan(in spec.Restore) activities.RestorePlan {
	b.Helper()
	b.seed++
	in.Cluster, in.Repository, in.DryRun = "prod", "repo", true
	var plan activities.RestorePlan
	b.must(&plan, b.acts.PlanRestore, activities.PlanRestoreInput{Spec: in, Run: b.runSeed(), ID: b.runSeed()})
	return plan
}

// rowOf finds a table's row.
func rowOf(plan activities.RestorePlan, table string) spec.PlannedTable {
	for _, row := range plan.Tables {
		if row.Table == table {
			return row
		}
	}
	return spec.PlannedTable{}
}

// Parts of the table of recording 08b.
const (
	baseColumns    = "dt DATE NOT NULL, k INT NOT NULL DEFAULT '5' COMMENT 'c', v VARCHAR(10) NULL, w INT"
	baseKeys       = "DUPLICATE KEY(dt, k)"
	basePartitions = "PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES LESS THAN ('2025-02-01'))"
	baseHash       = "DISTRIBUTED BY HASH(k) BUCKETS 2"
	one            = "'replication_num'='1'"
)

func createBase(columns, keys, partitions, hash, properties string) string {
	return fmt.Sprintf("CREATE TABLE d.base (%s) %s COMMENT 'tc' %s %s PROPERTIES(%s)", columns, keys, partitions, hash, properties)
}

// liveBase is the live table with some of its text replaced.
func liveBase(replace ...string) []string {
	return []string{strings.NewReplacer(replace...).Replace(createBase(baseColumns, baseKeys, basePartitions, baseHash, one))}
}

// inPlaceCase is a live table that differs in one thing, for a RESTORE of a partition into it.
type inPlaceCase struct {
	name   string
	live   []string // makes d.base, which had p1, p2 and p3 at the backup
	says   string   // the plan's words; "" if it adds the partition
	native string   // StarRocks' own: words of Status, or FINISHED
}

var inPlaceCases = []inPlaceCase{
	{"no difference", liveBase(), "", "FINISHED"},
	{"table comment", liveBase("'tc'", "'other'"), "", "FINISHED"},
	{"compression", liveBase(one, one+", 'compression'='ZSTD'"), "", "FINISHED"},
	{"type of a value column", liveBase("VARCHAR(10)", "VARCHAR(20)"), "`v` varchar(20)", "different schema, column: v"},
	{"nullability", liveBase("VARCHAR(10) NULL", "VARCHAR(10) NOT NULL"), "`v` varchar(10) NOT NULL", "different schema, column: v"},
	{"default", liveBase("DEFAULT '5'", "DEFAULT '6'"), `DEFAULT "6"`, "different schema, column: k"},
	{"order of columns", liveBase("v VARCHAR(10) NULL, w INT", "w INT, v VARCHAR(10) NULL"), "`w` int(11)", "different schema, column"},
	{"name of a column", liveBase("w INT", "x INT"), "`x` int(11)", "different schema, column: x"},
	{"comment of a column", liveBase("'c'", "'other'"), `COMMENT "other"`, "different schema, column: k"},
	{"type of the distribution column", liveBase("k INT", "k BIGINT"), "`k` bigint(20)", "distribution col hash is inconsistent"},
	{"other distribution column", liveBase("HASH(k)", "HASH(dt)"), "DISTRIBUTED BY HASH(`dt`)", "distribution col hash is inconsistent"},
	{"a column more", liveBase("w INT", "w INT, x INT"), "it has `x` int(11)", "different schema"},
	{"a column less", liveBase(", w INT", ""), "it lacks `w` int(11)", "different schema"},
	{"random distribution", liveBase("DISTRIBUTED BY HASH(k) BUCKETS 2", "DISTRIBUTED BY RANDOM BUCKETS 2"), "DISTRIBUTED BY RANDOM", "different schema"},
	{"bloom filter", liveBase(one, one+", 'bloom_filter_columns'='w'"), "bloom_filter_columns", "different schema"},
	{"fewer key columns", liveBase("KEY(dt, k)", "KEY(dt)"), "DUPLICATE KEY(`dt`)", "short key column count is inconsistent"},
	{"another key type", liveBase("DUPLICATE KEY", "UNIQUE KEY"), "UNIQUE KEY", "different key type"},
	{"buckets of a partition that is not restored", liveBase("BUCKETS 2", "BUCKETS 3"), "partition p1 has 3 buckets there and 2", "bucket num is inconsistent"},
	{"not partitioned", liveBase(basePartitions, ""), "PARTITION BY RANGE", "partition type is different"},
	{"partitioned by LIST", liveBase(basePartitions, "PARTITION BY LIST(dt) (PARTITION p1 VALUES IN ('2024-12-01'))"), "PARTITION BY LIST", "partition type is different"},
	{"range of a partition that is not restored", liveBase("p1 VALUES LESS THAN ('2025-01-01'), PARTITION p2 VALUES LESS THAN ('2025-02-01')", "p1 VALUES [('2024-01-01'), ('2025-01-01')), PARTITION p2 VALUES [('2025-01-01'), ('2025-02-01'))"), "", "FINISHED"},
	{"range that overlaps", liveBase("PARTITION p2 VALUES LESS THAN ('2025-02-01')", "PARTITION px VALUES LESS THAN ('2025-02-15')"), "overlaps that of px", "conflict range with existing ranges"},
	{"sort key", liveBase("BUCKETS 2", "BUCKETS 2 ORDER BY (w, dt)"), "StarRocks would not notice", "FINISHED"},
	{"bitmap index", liveBase("w INT", "w INT, INDEX i1 (w) USING BITMAP"), "StarRocks would not notice", "FINISHED"},
	{"letter case of a column", liveBase("w INT", "W INT"), "StarRocks would not notice", "FINISHED"},
	{"temporary partition", append(liveBase(), "ALTER TABLE d.base ADD TEMPORARY PARTITION tp VALUES [('2026-01-01'), ('2026-02-01'))"), "temporary partition tp", "temp partitions"},
	{"dynamic partitions that would drop it", append(liveBase(), `ALTER TABLE d.base SET ("dynamic_partition.enable"="true", "dynamic_partition.time_unit"="DAY", "dynamic_partition.start"="-3", "dynamic_partition.end"="1", "dynamic_partition.prefix"="p")`), "within 10 minutes", "FINISHED"},
}

// TestPlansFindWhatStarRocksTellsLateOrNever: the table of recordings 08b and 46b. Each difference is refused by the plan
// with its reason and its diff; what StarRocks itself makes of the statement is looked at too.
func TestPlansFindWhatStarRocksTellsLateOrNever(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.sql("CREATE DATABASE d", createBase(baseColumns, baseKeys, strings.Replace(basePartitions, "'2025-02-01'))", "'2025-02-01'), PARTITION p3 VALUES LESS THAN ('2025-03-01'))", 1), baseHash, one),
		"INSERT INTO d.base VALUES ('2024-12-31', 1, 'a', 1), ('2025-01-31', 2, 'b', 2), ('2025-02-28', 3, 'c', 3)")
	b.backUp()
	snapshot := b.onlySnapshot()
	for _, c := range inPlaceCases {
		t.Run(c.name, func(t *testing.T) {
			b.T = t
			b.sql("DROP TABLE IF EXISTS d.base FORCE")
			b.sql(c.live...)
			row := rowOf(b.plan(spec.Restore{Include: []string{"d.base/p3"}}), "base")
			if c.says == "" && row.Action != spec.ActionAdd {
				t.Errorf("planned %q: %s", row.Action, row.Note)
			}
			if c.says != "" && (row.Action != spec.ActionRefuse || !strings.Contains(row.Note, c.says)) {
				t.Errorf("planned %q: %s; want refused with %q", row.Action, row.Note, c.says)
			}
			if c.says != "" && !strings.Contains(row.Note, "under another name") {
				t.Errorf("the refusal does not say the choice: %s", row.Note)
			}
			if strings.Contains(row.Note, "definition") && len(row.Diff) < 1 {
				t.Errorf("no diff: %+v", row)
			}
			if got := b.restoreNatively(snapshot, "base PARTITION (p3)"); !strings.Contains(got, c.native) {
				t.Errorf("StarRocks says %s, want %s", got, c.native)
			}
		})
	}
}

// onlySnapshot is label and timestamp of the snapshot that backUp made.
func (b *bed) onlySnapshot() [2]string {
	b.Helper()
	rows, err := b.sim.Query("SHOW SNAPSHOT ON r")
	if err != nil || len(rows) != 1 {
		b.Fatalf("snapshots: %v, %v", rows, err)
	}
	return [2]string{rows[0][0], rows[0][1]}
}

// restoreNatively runs RESTORE by hand into database d, and answers FINISHED or what Status says.
func (b *bed) restoreNatively(snapshot [2]string, on string) string {
	b.Helper()
	b.sql(fmt.Sprintf(`RESTORE SNAPSHOT d.%s FROM r ON (%s) PROPERTIES("backup_timestamp"="%s", "replication_num"="1")`, snapshot[0], on, snapshot[1]))
	var row map[string]string
	b.until("the RESTORE by hand", func() bool {
		row = b.job("RESTORE", "d")
		return row["State"] == "FINISHED" || row["State"] == "CANCELLED"
	})
	if row["State"] == "FINISHED" {
		return "FINISHED"
	}
	return row["Status"]
}

// TestPlansOfOddTargets: what stands under the name, and names themselves.
func TestPlansOfOddTargets(t *testing.T) {
	for _, c := range []struct {
		name string
		live []string // statements after the backup
		in   spec.Restore
		says string // "" = it is restored
	}{
		{"a view in the way", []string{"DROP TABLE d.t FORCE", "CREATE VIEW d.t AS SELECT k FROM d.pk"}, spec.Restore{}, "stop every other BACKUP and RESTORE"},
		{"a view under the new name", []string{"CREATE VIEW d.x AS SELECT k FROM d.pk"}, spec.Restore{Rename: map[string]string{"d.t": "d.x"}}, "a view of this name"},
		{"an active materialized view in the way", []string{"DROP TABLE d.t FORCE", "CREATE MATERIALIZED VIEW d.t DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH MANUAL PROPERTIES('replication_num'='1') AS SELECT k, v FROM d.pk"},
			spec.Restore{}, "say FINISHED and restore nothing"},
		{"two tables, one name", nil, spec.Restore{Rename: map[string]string{"d.pk": "d.t"}}, "would both become d.t"},
		{"two tables, one new name", nil, spec.Restore{Rename: map[string]string{"d.pk": "e.t", "d.t": "e.t"}}, "would both become e.t"},
		{"a database that CREATE DATABASE refuses", nil, spec.Restore{Rename: map[string]string{"d": "1 x"}}, "CREATE DATABASE takes a letter"},
		{"a table name that cannot be addressed", nil, spec.Restore{Rename: map[string]string{"d.t": "d.a`b"}}, "holds '`'"},
		{"a name that exists", nil, spec.Restore{Rename: map[string]string{"d.pk": "d.other"}}, ""},
		{"the table exists, and that is refused", nil, spec.Restore{OnExisting: spec.OnExistingFail}, "the table exists"},
		{"a routine load", []string{"routine load"}, spec.Restore{}, "routine load rl writes into it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			b.backUp()
			for _, sql := range c.live {
				if sql == "routine load" {
					if err := b.sim.AddRoutineLoad("d", "rl", "t", "RUNNING"); err != nil {
						t.Fatal(err)
					}
					continue
				}
				b.sql(sql)
			}
			plan := b.plan(c.in)
			refused := plan.Tables[0]
			if c.says == "" && plan.Refused > 0 || c.says != "" && (refused.Action != spec.ActionRefuse || !strings.Contains(refused.Note, c.says)) {
				t.Errorf("%s.%s %s: %s; want %q", refused.Database, refused.Table, refused.Action, refused.Note, c.says)
			}
		})
	}
}

// TestPlansKnowWhatIsUnderWay: ALTER TABLE, loads that are not visible yet.
func TestPlansKnowWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.backUp()
	t.Run("ALTER TABLE", func(t *testing.T) {
		release := b.sim.HoldTasks(holdAlter)
		b.sql("ALTER TABLE d.pk MODIFY COLUMN v BIGINT")
		plan := b.plan(spec.Restore{})
		if row := rowOf(plan, "pk"); row.Action != spec.ActionRefuse || !strings.Contains(row.Note, "SCHEMA_CHANGE") {
			t.Errorf("%+v", row)
		}
		if err := b.sim.Exec("ALTER TABLE d.pk SWAP WITH t"); err == nil {
			t.Error("StarRocks swaps it: then there is nothing to refuse")
		}
		release()
		b.until("the ALTER", func() bool { return rowOf(b.plan(spec.Restore{}), "pk").Action == spec.ActionSwap })
		row := rowOf(b.plan(spec.Restore{}), "pk")
		if !strings.Contains(row.Note, "definition becomes that of the restore point") || !strings.Contains(strings.Join(row.Diff, "\n"), "-`v` bigint(20)") {
			t.Errorf("%+v", row)
		}
	})
	t.Run("a load that is committed and not visible", func(t *testing.T) {
		publish, err := b.sim.CommitLoad("d", "t", []string{"2026-01-07", "7"})
		if err != nil {
			t.Fatal(err)
		}
		plan := b.plan(spec.Restore{})
		if row := rowOf(plan, "t"); row.Action != spec.ActionSwap || !strings.Contains(row.Note, "committed and not visible yet") {
			t.Errorf("t: %+v", row)
		}
		if row := rowOf(plan, "pk"); strings.Contains(row.Note, "committed") {
			t.Errorf("pk: %+v", row)
		}
		publish()
	})
}
