package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"starkeep/starrocks"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// tableKind is one kind of table: how it is made and filled, what befalls it, and what must go on working after it was
// restored. @ stands for its name.
type tableKind struct {
	name   string
	create string
	loads  []string
	damage []string
	after  []string
}

const (
	once      = ` PROPERTIES("replication_num"="1")`
	overwrite = "INSERT OVERWRITE @ SELECT * FROM @"
	dynamic   = "SET dynamic_overwrite = true; INSERT OVERWRITE @ SELECT * FROM @"
)

var tableKinds = []tableKind{
	{"list", "CREATE TABLE @ (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome', 'Turin'), PARTITION no VALUES IN ('Oslo'), PARTITION de VALUES IN ('Bonn')) DISTRIBUTED BY HASH(v) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES ('Rome', 1), ('Oslo', 2), ('Bonn', 3)", "INSERT INTO @ VALUES ('Turin', 4)"},
		[]string{"ALTER TABLE @ DROP PARTITION no", "INSERT INTO @ VALUES ('Rome', 666)"},
		[]string{"INSERT INTO @ VALUES ('Oslo', 5)", "ALTER TABLE @ ADD PARTITION fr VALUES IN ('Nice')", "INSERT INTO @ VALUES ('Nice', 6)", "INSERT OVERWRITE @ PARTITION (it) SELECT * FROM @ PARTITION (it)"}},
	{"list_two_columns", "CREATE TABLE @ (city VARCHAR(20) NOT NULL, n INT NOT NULL, v BIGINT) DUPLICATE KEY(city, n) PARTITION BY LIST(city, n) (PARTITION a VALUES IN (('Rome', '1'), ('Oslo', '2')), PARTITION b VALUES IN (('Bonn', '3'))) DISTRIBUTED BY HASH(city) BUCKETS 1" + once,
		[]string{"INSERT INTO @ VALUES ('Rome', 1, 1), ('Oslo', 2, 2), ('Bonn', 3, 3)"},
		[]string{"TRUNCATE TABLE @ PARTITION (b)"},
		[]string{"INSERT INTO @ VALUES ('Bonn', 3, 4)", overwrite}},
	{"list_automatic", "CREATE TABLE @ (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY (city) DISTRIBUTED BY HASH(city) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES ('Rome', 1), ('Oslo', 2)"},
		[]string{"INSERT INTO @ VALUES ('Wrong', 666)", "TRUNCATE TABLE @ PARTITION (pOslo)"},
		[]string{"INSERT INTO @ VALUES ('New', 3), ('Rome', 4)", overwrite, dynamic}},
	{"automatic", "CREATE TABLE @ (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(v) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES ('2026-01-01 12:00:00', 1), ('2026-01-02 12:00:00', 2)", "INSERT INTO @ VALUES ('2026-01-01 13:00:00', 3)"},
		[]string{"INSERT INTO @ VALUES ('2026-02-01 00:00:00', 666)", "ALTER TABLE @ DROP PARTITION p20260102"},
		[]string{"INSERT INTO @ VALUES ('2026-03-01 00:00:00', 4)", overwrite, dynamic}},
	{"automatic_empty", "CREATE TABLE @ (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('hour', dt) DISTRIBUTED BY HASH(v) BUCKETS 1" + once,
		nil, []string{"INSERT INTO @ VALUES ('2026-02-01 00:00:00', 666)"}, []string{"INSERT INTO @ VALUES ('2026-03-01 00:00:00', 4)", dynamic}},
	{"automatic_several", "CREATE TABLE @ (k INT NOT NULL, dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(k) PARTITION BY date_trunc('day', dt), k DISTRIBUTED BY HASH(v) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, '2026-01-01 12:00:00', 1), (2, '2026-01-02 12:00:00', 2)"},
		[]string{"TRUNCATE TABLE @"},
		[]string{"INSERT INTO @ VALUES (3, '2026-03-01 00:00:00', 4), (1, '2026-01-01 15:00:00', 5)", overwrite}},
	{"expression_range", "CREATE TABLE @ (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('month', dt) (START ('2026-01-01') END ('2026-04-01') EVERY (INTERVAL 1 MONTH)) DISTRIBUTED BY HASH(v) BUCKETS 1" + once,
		[]string{"INSERT INTO @ VALUES ('2026-01-05', 1), ('2026-03-05', 2)"},
		[]string{"DROP TABLE @ FORCE"},
		[]string{"INSERT INTO @ VALUES ('2026-05-05', 3), ('2026-02-05', 4)", dynamic}},
	{"plain", "CREATE TABLE @ (k BIGINT, v VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3" + once,
		[]string{"INSERT INTO @ VALUES (1, 'a'), (2, 'b')", "INSERT INTO @ VALUES (3, NULL)"},
		[]string{"DELETE FROM @ WHERE k = 1"},
		[]string{"INSERT INTO @ VALUES (4, 'd')", overwrite}},
	{"random", "CREATE TABLE @ (k BIGINT, v VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY RANDOM BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 'a'), (2, 'b'), (3, 'c')"}, []string{"TRUNCATE TABLE @"}, []string{"INSERT INTO @ VALUES (4, 'd')", overwrite}},
	{"random_partitioned", "CREATE TABLE @ (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN (MAXVALUE)) DISTRIBUTED BY RANDOM" + once,
		[]string{"INSERT INTO @ VALUES ('2026-01-05', 1), ('2026-03-05', 2)"}, []string{"TRUNCATE TABLE @ PARTITION (p2)"}, []string{"INSERT INTO @ VALUES ('2026-03-06', 3)", overwrite}},
	{"rolled_up", "CREATE TABLE @ (k INT, s VARCHAR(10), v BIGINT SUM) AGGREGATE KEY(k, s) DISTRIBUTED BY HASH(k) BUCKETS 2 ROLLUP (r1 (k, v), r2 (s, v))" + once,
		[]string{"INSERT INTO @ VALUES (1, 'a', 1), (2, 'b', 2), (1, 'a', 3)"}, []string{"INSERT INTO @ VALUES (1, 'a', 666)"}, []string{"INSERT INTO @ VALUES (1, 'a', 1)", overwrite}},
	{"synchronous_view", "CREATE TABLE @ (k INT, d DATE, v INT) DUPLICATE KEY(k) PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2026-01-01'), PARTITION p2 VALUES LESS THAN ('2026-02-01')) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, '2025-05-05', 10), (2, '2026-01-05', 20)", "CREATE MATERIALIZED VIEW kinds.by_v AS SELECT v, k FROM @", "INSERT INTO @ VALUES (3, '2026-01-06', 30)"},
		[]string{"TRUNCATE TABLE @ PARTITION (p1)"}, []string{"INSERT INTO @ VALUES (4, '2026-01-07', 40)", overwrite}},
	{"together_1", "CREATE TABLE @ (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3 PROPERTIES(\"replication_num\"=\"1\", \"colocate_with\"=\"group1\")",
		[]string{"INSERT INTO @ VALUES (1, 1), (2, 2)"}, []string{"TRUNCATE TABLE @"}, []string{"INSERT INTO @ VALUES (3, 3)", overwrite}},
	{"together_2", "CREATE TABLE @ (k INT, w INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3 PROPERTIES(\"replication_num\"=\"1\", \"colocate_with\"=\"group1\")",
		[]string{"INSERT INTO @ VALUES (1, 1), (2, 2)"}, []string{"DROP TABLE @"}, []string{"INSERT INTO @ VALUES (3, 3)"}},
	{"dynamic", "CREATE TABLE @ (dt DATE NOT NULL, v INT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p2020 VALUES [('2020-01-01'), ('2021-01-01')), PARTITION p2021 VALUES [('2021-01-01'), ('2022-01-01'))) DISTRIBUTED BY HASH(dt) BUCKETS 1 PROPERTIES(\"replication_num\"=\"1\", \"dynamic_partition.enable\"=\"true\", \"dynamic_partition.time_unit\"=\"DAY\", \"dynamic_partition.start\"=\"-3\", \"dynamic_partition.end\"=\"2\", \"dynamic_partition.prefix\"=\"p\", \"dynamic_partition.buckets\"=\"1\")",
		[]string{"INSERT INTO @ VALUES ('2020-05-05', 1), ('2021-05-05', 2)"}, []string{"TRUNCATE TABLE @ PARTITION (p2020)"}, []string{"INSERT INTO @ VALUES ('2020-06-06', 3)", overwrite}},
	{"keyed", "CREATE TABLE @ (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 'a'), (2, 'b')", "INSERT INTO @ VALUES (2, 'B'), (3, 'c')"}, []string{"INSERT INTO @ VALUES (1, 'WRONG')", "DELETE FROM @ WHERE k = 3"}, []string{"INSERT INTO @ VALUES (1, 'again')", overwrite}},
	{"keyed_partitioned", "CREATE TABLE @ (k BIGINT NOT NULL, dt DATE NOT NULL, v INT) PRIMARY KEY(k, dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, '2026-01-01', 1), (2, '2026-01-02', 2)", "INSERT INTO @ VALUES (2, '2026-01-02', 3)"}, []string{"TRUNCATE TABLE @ PARTITION (p20260101)"}, []string{"INSERT INTO @ VALUES (1, '2026-01-03', 4), (2, '2026-01-02', 5)", dynamic}},
	{"unique", "CREATE TABLE @ (k BIGINT, v VARCHAR(20)) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 'a'), (2, 'b')", "INSERT INTO @ VALUES (2, 'B')"}, []string{"INSERT INTO @ VALUES (1, 'WRONG')"}, []string{"INSERT INTO @ VALUES (3, 'c')"}},
	{"aggregate", "CREATE TABLE @ (k BIGINT, n BIGINT SUM, top INT MAX, last VARCHAR(9) REPLACE_IF_NOT_NULL) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 1, 5, 'a')", "INSERT INTO @ VALUES (1, 2, 4, NULL), (2, 1, 1, 'b')"}, []string{"INSERT INTO @ VALUES (1, 666, 666, 'WRONG')"}, []string{"INSERT INTO @ VALUES (2, 1, 9, 'c')"}},
	{"numbered", "CREATE TABLE @ (id BIGINT NOT NULL AUTO_INCREMENT, v VARCHAR(20)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 1" + once,
		[]string{"INSERT INTO @ (v) VALUES ('x'), ('y')"}, []string{"INSERT INTO @ (v) VALUES ('WRONG')"}, []string{"INSERT INTO @ (v) VALUES ('z')"}},
	{"generated", "CREATE TABLE @ (k INT NOT NULL, v INT, twice BIGINT AS v + v COMMENT 'computed', day DATE AS date_trunc('day', dt), dt DATE) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 10, '2026-01-05'), (2, 20, NULL)", "INSERT INTO @ (k) VALUES (3)"}, []string{"TRUNCATE TABLE @"}, []string{"INSERT INTO @ (v, k) VALUES (40, 4)", overwrite}},
	{"indexed", "CREATE TABLE @ (k INT NOT NULL COMMENT 'the key', b INT DEFAULT '7', s VARCHAR(20) DEFAULT 'x' COMMENT 'text', d DECIMAL(12, 3), INDEX by_s (s) USING BITMAP COMMENT 'an index') DUPLICATE KEY(k) COMMENT 'a table' DISTRIBUTED BY HASH(k) BUCKETS 2 ORDER BY(k, b) PROPERTIES(\"replication_num\"=\"1\", \"bloom_filter_columns\"=\"s\", \"compression\"=\"ZSTD\")",
		[]string{"INSERT INTO @ (k, d) VALUES (1, 1.5), (2, 2.25)"}, []string{"INSERT INTO @ (k) VALUES (666)"}, []string{"INSERT INTO @ (k) VALUES (3)", overwrite}},
	{"automatic_buckets", "CREATE TABLE @ (k INT, dt DATE NOT NULL) DUPLICATE KEY(k) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01')) DISTRIBUTED BY HASH(k)" + once,
		[]string{"INSERT INTO @ VALUES (1, '2026-01-05'), (2, '2026-01-06')"}, []string{"TRUNCATE TABLE @"}, []string{"ALTER TABLE @ ADD PARTITION p2 VALUES LESS THAN ('2026-03-01')", "INSERT INTO @ VALUES (3, '2026-02-05')", overwrite}},
	{"replicas_3", "CREATE TABLE @ (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES(\"replication_num\"=\"3\")",
		[]string{"INSERT INTO @ VALUES (1), (2)"}, []string{"TRUNCATE TABLE @"}, []string{"INSERT INTO @ VALUES (3)", overwrite}},
	{"replicas_2", "CREATE TABLE @ (k INT NOT NULL) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES(\"replication_num\"=\"2\")",
		[]string{"INSERT INTO @ VALUES (1), (2)"}, []string{"DROP TABLE @ FORCE"}, []string{"INSERT INTO @ VALUES (3)"}},
	{"odd name, ünï", "CREATE TABLE @ (`a column, ü` BIGINT, `select` INT) DUPLICATE KEY(`a column, ü`) DISTRIBUTED BY HASH(`a column, ü`) BUCKETS 1" + once,
		[]string{"INSERT INTO @ VALUES (7, 1)"}, []string{"TRUNCATE TABLE @"}, []string{"INSERT INTO @ VALUES (8, 2)", overwrite}},
	{"select", "CREATE TABLE @ (`from` BIGINT, `Where` INT) DUPLICATE KEY(`from`) PARTITION BY RANGE(`from`) (PARTITION `table` VALUES LESS THAN ('10'), PARTITION P_2 VALUES LESS THAN ('20')) DISTRIBUTED BY HASH(`Where`) BUCKETS 1" + once,
		[]string{"INSERT INTO @ VALUES (7, 1), (12, 2)"}, []string{"TRUNCATE TABLE @ PARTITION (`table`)"}, []string{"INSERT INTO @ VALUES (8, 2)", overwrite}},
	{"Upper", "CREATE TABLE @ (K BIGINT) DUPLICATE KEY(K) DISTRIBUTED BY HASH(K) BUCKETS 1" + once,
		[]string{"INSERT INTO @ VALUES (1)"}, []string{"INSERT INTO @ VALUES (666)"}, []string{"INSERT INTO @ VALUES (2)"}},
	{"upper", "CREATE TABLE @ (k BIGINT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
		[]string{"INSERT INTO @ VALUES (1, 1)"}, []string{"INSERT INTO @ VALUES (666, 666)"}, []string{"INSERT INTO @ VALUES (2, 2)"}},
	{"never_loaded", "CREATE TABLE @ (k BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + once,
		nil, []string{"INSERT INTO @ VALUES (666)"}, []string{"INSERT INTO @ VALUES (1)"}},
}

// in puts the table's name into a statement.
func (k tableKind) in(database, sql string) string {
	return strings.ReplaceAll(sql, "@", "`"+database+"`.`"+k.name+"`")
}

func (k tableKind) run(t *testing.T, b *testbed.Bed, database string, statements []string) {
	t.Helper()
	for _, sql := range statements {
		waitForAlter(t, b, database, k.name)
		if err := b.Sim.Exec(k.in(database, sql)); err != nil {
			t.Errorf("%s: %v", k.in(database, sql), err)
		}
	}
}

// waitForAlter waits until a table's ALTER job has ended: it takes some ticks.
func waitForAlter(t *testing.T, b *testbed.Bed, database, table string) {
	t.Helper()
	eventually(t, "the end of the ALTER of "+database+"."+table, func() bool {
		jobs := query(t, b, "SHOW ALTER TABLE ROLLUP FROM `"+database+"`")
		return !strings.Contains(jobs, " "+table+" ") || strings.Contains(jobs, "FINISHED")
	})
}

// tableState is all that is compared of a table: rows, definition, partitions, and tablets, which rollups have too.
type tableState struct{ content, ddl, partitions, tablets string }

func kindState(t *testing.T, b *testbed.Bed, database, name string) tableState {
	t.Helper()
	rows, err := b.Sim.Query("SHOW CREATE TABLE `" + database + "`.`" + name + "`")
	if err != nil {
		return tableState{content: err.Error()}
	}
	ddl := strings.Split(strings.ReplaceAll(rows[0][1], ",\n", "\n"), "\n")
	slices.Sort(ddl) // LIST partitions come in the order of their ids, which a restore changes
	partitions := query(t, b, "SELECT PARTITION_NAME, PARTITION_VALUE, BUCKETS, REPLICATION_NUM FROM information_schema.partitions_meta WHERE DB_NAME = '"+database+"' AND TABLE_NAME = '"+name+"' ORDER BY PARTITION_NAME")
	tablets, err := b.Sim.Query("SHOW TABLET FROM `" + database + "`.`" + name + "`")
	if err != nil {
		t.Fatal(err)
	}
	return tableState{b.Sim.Content(database, name), strings.Join(ddl, "\n"), partitions, fmt.Sprint(len(tablets), " replicas of tablets")}
}

func kindStates(t *testing.T, b *testbed.Bed, database string) map[string]tableState {
	t.Helper()
	all := map[string]tableState{}
	for _, k := range tableKinds {
		all[k.name] = kindState(t, b, database, k.name)
	}
	return all
}

// tablesAre compares one by one, so that a failure names the kind.
func tablesAre(t *testing.T, b *testbed.Bed, step, database string, want map[string]tableState) {
	t.Helper()
	for _, k := range tableKinds {
		t.Run(step+"/"+k.name, func(t *testing.T) {
			got := kindState(t, b, database, k.name)
			for _, c := range []struct{ what, got, want string }{
				{"content", got.content, want[k.name].content}, {"definition", got.ddl, want[k.name].ddl},
				{"partitions", got.partitions, want[k.name].partitions}, {"tablets", got.tablets, want[k.name].tablets},
			} {
				if c.got != c.want {
					t.Errorf("%s differs:\n%s\nwant\n%s", c.what, c.got, c.want)
				}
			}
		})
	}
}

// TestEveryKindOfTableIsRestoredAsItWas: backed up, damaged, restored by swap, then loaded, overwritten, backed up and
// restored again; and restored into another database.
func TestEveryKindOfTableIsRestoredAsItWas(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	b.Must(t, "CREATE DATABASE kinds")
	for _, k := range tableKinds {
		b.Must(t, k.in("kinds", k.create))
		k.run(t, b, "kinds", k.loads)
	}
	before := kindStates(t, b, "kinds")
	first, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}

	for _, k := range tableKinds {
		k.run(t, b, "kinds", k.damage)
		if got := kindState(t, b, "kinds", k.name); got.content == before[k.name].content {
			t.Fatalf("%s was not damaged", k.name)
		}
	}
	restored, err := runRestore(t, b, spec.Restore{})
	if err != nil {
		t.Fatalf("swap: %v", err)
	}
	tablesAreButDynamic(t, b, "restored", "kinds", before)
	if err := b.Sim.RunDynamicPartitions(); err != nil {
		t.Fatal(err)
	}
	if got := b.Sim.Content("kinds", "dynamic"); got != before["dynamic"].content {
		t.Errorf("the scheduler of dynamic partitions took restored ones away:\n%s", got)
	}
	decide(t, b, restored.Undo, spec.UpdateFinish)
	tablesAre(t, b, "finished", "kinds", before)

	for _, k := range tableKinds {
		k.run(t, b, "kinds", k.after)
	}
	after := kindStates(t, b, "kinds")
	for _, k := range tableKinds {
		if len(k.after) > 0 && after[k.name].content == before[k.name].content {
			t.Errorf("loads into %s after the restore changed nothing", k.name)
		}
	}
	second, err := runBackup(t, b, spec.Backup{Include: []string{"kinds"}})
	if err != nil {
		t.Fatalf("a backup of the restored tables: %v", err)
	}
	for _, k := range tableKinds {
		k.run(t, b, "kinds", []string{"DROP TABLE @ FORCE"})
	}
	if _, err := runRestore(t, b, spec.Restore{Point: second.Point}); err != nil {
		t.Fatalf("create: %v", err)
	}
	tablesAreButDynamic(t, b, "created", "kinds", after)
	if _, err := runRestore(t, b, spec.Restore{Point: first.Point, Rename: map[string]string{"kinds": "copy"}}); err != nil {
		t.Fatalf("another database: %v", err)
	}
	tablesAreButDynamic(t, b, "copied", "copy", before)
}

// tablesAreButDynamic: dynamic partitioning is off on what a restore brought, until the swap is finished.
func tablesAreButDynamic(t *testing.T, b *testbed.Bed, step, database string, want map[string]tableState) {
	t.Helper()
	off := map[string]tableState{}
	for name, s := range want {
		s.ddl = strings.Replace(s.ddl, `"dynamic_partition.enable" = "true"`, `"dynamic_partition.enable" = "false"`, 1)
		off[name] = s
	}
	tablesAre(t, b, step, database, off)
}

// The hidden partition of automatic tables is in every restored one: without it dynamic overwrites fail.
func TestAutomaticTablesKeepTheirShadowPartition(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	b.Must(t, "CREATE DATABASE auto")
	b.Must(t, "CREATE TABLE auto.t (dt DATETIME NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY date_trunc('day', dt) DISTRIBUTED BY HASH(v) BUCKETS 1"+once)
	for i := range 4 {
		b.Must(t, fmt.Sprintf("INSERT INTO auto.t VALUES ('2026-01-0%d 00:00:00', %d)", i+1, i))
	}
	point, err := runBackup(t, b, spec.Backup{Include: []string{"auto.t/p20260101", "auto.t/p20260102"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Must(t, "DROP TABLE auto.t FORCE")
	for _, include := range []string{"auto.t/p20260101", "auto.t/p20260102"} {
		if _, err := runRestore(t, b, spec.Restore{Point: point.Point, Include: []string{include}}); err != nil {
			t.Fatalf("%s: %v", include, err)
		}
	}
	if got := query(t, b, "SELECT PARTITION_NAME FROM information_schema.partitions_meta WHERE DB_NAME = 'auto' ORDER BY PARTITION_NAME"); got != "[["+starrocks.ShadowPartition+"] [p20260101] [p20260102]]" {
		t.Errorf("partitions %s", got)
	}
	b.Must(t, "SET dynamic_overwrite = true; INSERT OVERWRITE auto.t SELECT * FROM auto.t")
	b.Must(t, "INSERT INTO auto.t VALUES ('2026-05-01 00:00:00', 9)")
}
