package starrockssim_test

import (
	"fmt"
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

func TestGrantsFollowTheObjectThroughSwapRenameAndDrop(t *testing.T) {
	c := start(t, sim.Options{})
	table := func(name string) string {
		return "CREATE TABLE sw." + name + " (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')"
	}
	must(t, c, "CREATE DATABASE sw", table("t"), table("t_new"), "CREATE VIEW sw.v AS SELECT k FROM sw.t",
		"CREATE MATERIALIZED VIEW sw.mv DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH MANUAL PROPERTIES('replication_num'='1') AS SELECT k, v FROM sw.t",
		"CREATE USER IF NOT EXISTS swx", "GRANT SELECT, INSERT ON TABLE sw.t TO swx", "CREATE ROLE swr", "GRANT SELECT ON TABLE sw.t TO ROLE swr")
	grants := func(want string) {
		t.Helper()
		rows, err := c.Query("SHOW GRANTS FOR swx")
		got := ""
		if len(rows) > 0 {
			got = rows[0][2]
		}
		if err != nil || got != want {
			t.Errorf("grants %q %v, want %q", got, err, want)
		}
	}
	grants("GRANT INSERT, SELECT ON TABLE sw.t TO USER 'swx'@'%'")
	must(t, c, "ALTER TABLE sw.t SWAP WITH t_new")
	grants("GRANT INSERT, SELECT ON TABLE sw.t_new TO USER 'swx'@'%'")
	rows, _ := c.Query("select TABLE_NAME,IS_ACTIVE,INACTIVE_REASON from information_schema.materialized_views where TABLE_SCHEMA='sw'")
	if fmt.Sprint(rows) != "[[mv false base-table swapped: t]]" {
		t.Error(rows)
	}
	rows, _ = c.Query("SELECT GRANTEE, OBJECT_NAME, PRIVILEGE_TYPE FROM sys.grants_to_roles WHERE OBJECT_DATABASE = 'sw'")
	if fmt.Sprint(rows) != "[[swr t_new SELECT]]" {
		t.Error(rows)
	}
	must(t, c, "ALTER MATERIALIZED VIEW sw.mv ACTIVE", "ALTER TABLE sw.t_new RENAME t_gone")
	grants("GRANT INSERT, SELECT ON TABLE sw.t_gone TO USER 'swx'@'%'")
	must(t, c, "DROP TABLE sw.t_gone")
	grants("")
	must(t, c, "RECOVER TABLE sw.t_gone")
	grants("GRANT INSERT, SELECT ON TABLE sw.t_gone TO USER 'swx'@'%'")
	must(t, c, "ALTER DATABASE sw RENAME sw2")
	grants("GRANT INSERT, SELECT ON TABLE sw2.t_gone TO USER 'swx'@'%'")
}

func TestPrivilegesAreAskedAsStarRocksAsks(t *testing.T) {
	c := start(t, sim.Options{Users: map[string]string{"root": ""}})
	sales(t, c)
	must(t, c, "CREATE USER u1")
	as := func(sql, want string) {
		t.Helper()
		_, err := at(t, c.Address(), "SELECT 1")
		if err != nil {
			t.Fatal(err)
		}
		got := asUser(t, c.Address(), "u1", sql)
		if want == "" && got != nil || want != "" && (got == nil || !strings.Contains(got.Error(), want)) {
			t.Errorf("%s: %v, want %q", sql, got, want)
		}
	}
	as("SHOW FRONTENDS", "OPERATE OR NODE privilege(s) on SYSTEM")
	as("SHOW TABLES FROM d", "")
	as("BACKUP SNAPSHOT d.s TO r ON (pk)", "REPOSITORY privilege(s) on SYSTEM")
	must(t, c, "GRANT REPOSITORY ON SYSTEM TO USER u1")
	as("BACKUP SNAPSHOT d.s TO r ON (pk)", "EXPORT privilege(s) on TABLE pk")
	must(t, c, "GRANT EXPORT ON TABLE d.pk TO USER u1")
	as("BACKUP SNAPSHOT d.s TO r ON (pk)", "")
	reach(t, c, "BACKUP", "d", "FINISHED")
	ts := timestamp(t, c, "s")
	as(restoreSQL("d", "s", "ON (pk)", ts, 1), "CREATE TABLE privilege(s) on DATABASE d")
	must(t, c, "GRANT CREATE TABLE ON DATABASE d TO USER u1")
	as(restoreSQL("d", "s", "ON (pk)", ts, 1), "INSERT privilege(s) on TABLE pk")
	as("ALTER TABLE d.pk SWAP WITH agg", "ALTER privilege(s) on TABLE pk")
	as("SELECT COUNT(*) FROM d.pk", "SELECT privilege(s) on TABLE pk")
}

func TestBackupRefusals(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	must(t, c, "CREATE DATABASE e", "CREATE VIEW d.v AS SELECT k FROM d.pk")
	for sql, want := range map[string]string{
		"BACKUP SNAPSHOT nodb.l1 TO r ON (t)":                              "Unknown database 'nodb'.",
		"BACKUP SNAPSHOT d.l1 TO norepo ON (t)":                            "Repository [norepo] does not exist.",
		"BACKUP SNAPSHOT d.l1 TO r ON (nope)":                              "Incorrect table name 'nope'.",
		"BACKUP SNAPSHOT d.l1 TO r ON (t PARTITION (nope))":                "partition[nope] does not exist  in tablet.",
		"BACKUP SNAPSHOT d.l1 TO r ON (v PARTITION (p1))":                  "Incorrect table name 'v'.",
		"BACKUP SNAPSHOT d.l1 TO r ON (t, t)":                              "Duplicated table: t.",
		"BACKUP SNAPSHOT e.l1 TO r":                                        "Database: e is empty.",
		`BACKUP SNAPSHOT d.l1 TO r ON (t) PROPERTIES("foo"="bar")`:         "Unknown backup job properties: [foo].",
		`BACKUP SNAPSHOT d.l1 TO r ON (t) PROPERTIES("type"="foo")`:        "Invalid backup job type: foo.",
		`CREATE REPOSITORY r WITH BROKER ON LOCATION "file:///tmp/x"`:      "Failed to create repository: repository with same name already exist: r",
		"CREATE TABLE d.t (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k)": "Table 't' already exists.",
		"BACKUP SNAPSHOT d.``  TO r ON (t)":                                "Incorrect label name ''.",
		"SHOW SNAPSHOT ON nosuch":                                          "Repository [nosuch] does not exist.",
		"SELECT nope FROM information_schema.tables":                       "Column 'nope' cannot be resolved.",
		"INSERT INTO d.t VALUES ('2030-01-01', 1, 'x', 1)":                 "out of partition ranges",
		"FROB THE KNOB":                       "Getting syntax error",
		"ALTER TABLE d.t DROP PARTITION nope": "Error in list of partitions",
		"SHOW PARTITIONS FROM d.nope":         "Getting analyzing error. Detail message: Table nope is not found.",
		"ALTER TABLE d.t RENAME pk":           "Table name[pk] is already used",
	} {
		refused(t, c, sql, want)
	}
	must(t, c, "BACKUP SNAPSHOT d.l1 TO r ON (t PARTITION (P1), v)")
	if got := row(t, c, "BACKUP", "d")[4]; got != "[d.tPARTITIONS (P1)], [d.v]" {
		t.Error(got)
	}
	refused(t, c, "DROP REPOSITORY r", "Backup or restore job is running on this repository. Can not drop it")
	reach(t, c, "BACKUP", "d", "FINISHED")
	refused(t, c, "BACKUP SNAPSHOT d.l1 TO r ON (t)", "Snapshot with name 'l1' already exist in repository")
	must(t, c, "DROP REPOSITORY r")
}

func TestAggregateUniqueAndPrimaryKeysMergeRows(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	rows, err := c.Query("SELECT k, s FROM d.agg ORDER BY k")
	if err != nil || fmt.Sprint(rows) != "[[1 15] [2 20]]" {
		t.Error(rows, err)
	}
	rows, err = c.Query("SELECT k, v FROM d.pk WHERE v > 15 ORDER BY k DESC LIMIT 1")
	if err != nil || fmt.Sprint(rows) != "[[3 30]]" {
		t.Error(rows, err)
	}
	must(t, c, "DELETE FROM d.pk WHERE k = 3", "TRUNCATE TABLE d.agg")
	rows, _ = c.Query("SELECT COUNT(*) FROM d.pk")
	if rows[0][0] != "2" {
		t.Error(rows)
	}
	if err := c.Load("d", "agg", []string{"5", "1"}, []string{"5", "2"}); err != nil {
		t.Fatal(err)
	}
	rows, _ = c.Query("SELECT s FROM d.agg")
	if fmt.Sprint(rows) != "[[3]]" {
		t.Error(rows)
	}
}

func TestAMillionTabletsCanBePlannedFor(t *testing.T) {
	c := start(t, sim.Options{})
	if err := c.AddBigTable("big", "b", 20000, 50); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query("SELECT COUNT(*), SUM(BUCKETS) FROM information_schema.partitions_meta WHERE DB_NAME = 'big'")
	if err != nil || fmt.Sprint(rows) != "[[20000 1000000]]" {
		t.Error(rows, err)
	}
	refused(t, c, "BACKUP SNAPSHOT big.l TO r ON (b)", "simulated metadata only")
}

// What belongs to the cluster: resource groups as recorded (09), storage volumes by source but for the empty answer.
func TestClusterObjects(t *testing.T) {
	c := start(t, sim.Options{Users: map[string]string{"root": ""}})
	must(t, c, "CREATE DATABASE g09",
		"CREATE RESOURCE GROUP rg09 TO (user='root'), (db='g09') WITH ('cpu_weight'='2', 'mem_limit'='20%', 'concurrency_limit'='10')")
	shown := func(sql string) string {
		t.Helper()
		rows, err := c.Query(sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var names []string
		for _, r := range rows {
			names = append(names, r[0]+" "+r[len(r)-1][strings.LastIndex(r[len(r)-1], "weight"):])
		}
		return strings.Join(names, "; ")
	}
	const both = "rg09 weight=1.0, user=root); rg09 weight=10.0, db='g09')"
	for sql, want := range map[string]string{
		"SHOW RESOURCE GROUPS ALL":         "default_mv_wg weight=0.0); default_wg weight=0.0); " + both,
		"SHOW VERBOSE RESOURCE GROUPS ALL": "default_mv_wg weight=0.0); default_wg weight=0.0); " + both,
		"SHOW RESOURCE GROUPS":             both,
		"SHOW RESOURCE GROUP rg09":         both,
	} {
		if got := shown(sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	rows, err := c.Query("SHOW STORAGE VOLUMES")
	if err != nil || len(rows) > 0 {
		t.Errorf("storage volumes where there is none: %v, %v", rows, err)
	}
	must(t, c, "CREATE STORAGE VOLUME cold TYPE = S3 LOCATIONS = ('s3://cold/x') COMMENT 'x' PROPERTIES ('enabled' = 'true')", "CREATE STORAGE VOLUME IF NOT EXISTS cold TYPE = S3 LOCATIONS = ('s3://cold/x')")
	if rows, err := c.Query("SHOW STORAGE VOLUMES"); err != nil || fmt.Sprint(rows) != "[[cold]]" {
		t.Errorf("storage volumes: %v, %v", rows, err)
	}
	must(t, c, "DROP RESOURCE GROUP rg09", "DROP STORAGE VOLUME cold", "DROP STORAGE VOLUME IF EXISTS cold")
	for sql, want := range map[string]string{"DROP RESOURCE GROUP rg09": "does not exist", "DROP STORAGE VOLUME cold": "does not exist"} {
		if err := c.Exec(sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
