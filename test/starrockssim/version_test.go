package starrockssim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	sim "starkeep/test/starrockssim"
)

// The versions that there are profiles of; 3.5 is what was measured.
const v25, v31, v33, v35, v41 = "2.5.22-a1b2c3d", "3.1.10-a1b2c3d", "3.3.5-6d81f75", "3.5.0-37c7c51", "4.1.0-a1b2c3d"

// Differences by version, each beside 3.5. All but 3.5 are by source, not measured.
func TestBehaviourByVersion(t *testing.T) {
	const one = " PROPERTIES('replication_num'='1')"
	table := "CREATE TABLE d.t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + one
	list := "CREATE TABLE d.l (k INT NOT NULL) DUPLICATE KEY(k) PARTITION BY LIST(k) (PARTITION p1 VALUES IN ('1')) DISTRIBUTED BY HASH(k) BUCKETS 1" + one
	for _, c := range []struct {
		name  string
		setup []string
		does  func(t *testing.T, c *sim.Cluster, root string) string
		says  map[string]string // by version: part of the answer
	}{
		{"kinds in ON", nil, answered("BACKUP SNAPSHOT d.s TO r ON (TABLE t)"),
			map[string]string{v33: "syntax error", v35: "ok", v41: "ok"}},
		{"BACKUP DATABASE", nil, answered("BACKUP DATABASE d SNAPSHOT s TO r"),
			map[string]string{v31: "syntax error", v35: "ok"}},
		{"a view in BACKUP", []string{"CREATE VIEW d.v AS SELECT k FROM d.t"}, answered("BACKUP SNAPSHOT d.s TO r ON (v)"),
			map[string]string{v33: "can not support backup restore, type: VIEW", v35: "ok"}},
		{"a LIST table in BACKUP", []string{list}, answered("BACKUP SNAPSHOT d.s TO r ON (l)"),
			map[string]string{v31: "List partition table does not support backup/restore job", v33: "ok", v35: "ok"}},
		{"partitions_meta", nil, answered("SELECT * FROM information_schema.partitions_meta WHERE DB_NAME = 'd'"),
			map[string]string{v31: "Unknown table", v33: "ok", v35: "ok"}},
		{"sys.grants_to_users", nil, answered("SELECT * FROM sys.grants_to_users WHERE OBJECT_DATABASE = 'd'"),
			map[string]string{v25: "Unknown database 'sys'", v31: "Unknown table", v33: "ok", v35: "ok"}},
		{"the code of an unknown database", nil, wireCode("SHOW BACKUP FROM nope"),
			map[string]string{v33: "1049", v35: "5501"}},
		{"columns of SHOW PARTITIONS", nil, columnsOf("SHOW PARTITIONS FROM d.t"),
			map[string]string{v33: "DataSize IsInMemory RowCount", v35: "StorageSize IsInMemory RowCount DataVersion"}},
		{"columns of SHOW RESOURCE GROUPS", nil, columnsOf("SHOW RESOURCE GROUPS ALL"),
			map[string]string{v31: "name id cpu_core_limit mem_limit", v35: "name id cpu_weight exclusive_cpu_cores mem_limit"}},
		{"storage volumes", nil, answered("SHOW STORAGE VOLUMES"), map[string]string{v25: "syntax error", v31: "ok", v35: "ok"}},
		{"columns of SHOW FRONTENDS", nil, columnsOf("SHOW FRONTENDS"),
			map[string]string{v31: "Name IP", v35: "Id Name IP"}},
		{"RESTORE into a missing database", nil, restored("d2"),
			map[string]string{v33: "Unknown database 'd2'", v35: "FINISHED"}},
		{"the form of __info", nil, metadata("__info_"),
			map[string]string{v25: `"indexes":{"t":{"schema_hash"`, v31: ".hdr", v33: `"subPartitions":{}`, v35: `"indexes":{},`}},
		{"the form of __meta", nil, metadata("__meta."),
			map[string]string{v25: "no JSON", v31: "tblNameMap", v35: "tblNameMap"}},
		{"grants after a swap", []string{
			"CREATE TABLE d.u (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + one,
			"CREATE USER ann", "GRANT SELECT ON TABLE d.t TO USER ann", "ALTER TABLE d.t SWAP WITH u"}, answered("SHOW GRANTS FOR ann"),
			map[string]string{v25: "ON TABLE d.t ", v31: "ON TABLE d.u ", v35: "ON TABLE d.u "}},
		{"BACKUP with a dead BE", nil, deadBackend, map[string]string{v35: "SNAPSHOTING", v41: "FINISHED"}},
	} {
		for version, says := range c.says {
			t.Run(c.name+"/"+version[:3], func(t *testing.T) {
				cluster, root := startIn(t, sim.Options{Version: version})
				must(t, cluster, "CREATE DATABASE d", table, "INSERT INTO d.t VALUES (1, 1), (2, 2), (3, 3)")
				must(t, cluster, c.setup...)
				if got := c.does(t, cluster, root); !strings.Contains(got, says) {
					t.Errorf("%s: got %s, want %s in it", version, got, says)
				}
			})
		}
	}
}

func answered(sql string) func(*testing.T, *sim.Cluster, string) string {
	return func(t *testing.T, c *sim.Cluster, _ string) string {
		rows, err := c.Query(sql)
		if err != nil {
			return err.Error()
		}
		return "ok " + fmt.Sprint(rows)
	}
}

func wireCode(sql string) func(*testing.T, *sim.Cluster, string) string {
	return func(t *testing.T, c *sim.Cluster, root string) string {
		_, err := at(t, c.Address(), sql)
		return fmt.Sprint(err)
	}
}

func columnsOf(sql string) func(*testing.T, *sim.Cluster, string) string {
	return func(t *testing.T, c *sim.Cluster, _ string) string {
		s := newSessions(func(string) string { return c.Address() })
		defer s.close()
		r, err := s.run("root", "", sql)
		if err != nil {
			return err.Error()
		}
		return strings.Join(r.names(), " ")
	}
}

// restored backs d up, restores t into another database and says how that went.
func restored(target string) func(*testing.T, *sim.Cluster, string) string {
	return func(t *testing.T, c *sim.Cluster, root string) string {
		must(t, c, "BACKUP SNAPSHOT d.s TO r ON (t)")
		reach(t, c, "BACKUP", "d", "FINISHED")
		if err := c.Exec(restoreSQL(target, "s", "ON (t)", timestamp(t, c, "s"), 1)); err != nil {
			return err.Error()
		}
		reach(t, c, "RESTORE", target, "FINISHED")
		return "FINISHED"
	}
}

// metadata backs d up, restores it, so that the simulator reads what it wrote, and answers the text of a file.
func metadata(name string) func(*testing.T, *sim.Cluster, string) string {
	return func(t *testing.T, c *sim.Cluster, root string) string {
		want := c.Content("d", "t")
		must(t, c, "BACKUP SNAPSHOT d.s TO r ON (t)")
		reach(t, c, "BACKUP", "d", "FINISHED")
		must(t, c, "CREATE DATABASE d3", restoreSQL("d3", "s", "ON (t)", timestamp(t, c, "s"), 1))
		reach(t, c, "RESTORE", "d3", "FINISHED")
		if got := c.Content("d3", "t"); got != want {
			t.Errorf("restored\n%s\nwant\n%s", got, want)
		}
		body, err := os.ReadFile(glob(t, root+"/__ss_s/"+name+"*"))
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexByte(body, '{'); i < 0 || !json.Valid(body[i:]) {
			return "no JSON"
		}
		return string(body)
	}
}

// deadBackend backs d up while a BE with its tablets is dead, and says where the job stands after many ticks.
func deadBackend(t *testing.T, c *sim.Cluster, _ string) string {
	must(t, c, "CREATE TABLE d.two (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 6 PROPERTIES('replication_num'='2')", "INSERT INTO d.two VALUES (1), (2), (3)")
	c.StopBackend(0)
	eventually(t, func() bool {
		rows, _ := c.Query("SHOW BACKENDS")
		return rows[0][8] == "false"
	}, func() string { return "the BE still counts as alive" })
	must(t, c, "BACKUP SNAPSHOT d.s TO r ON (two)")
	state := ""
	for end := time.Now().Add(40 * tick); state != "FINISHED" && time.Now().Before(end); time.Sleep(tick) {
		rows, _ := c.Query("SHOW BACKUP FROM d")
		state = rows[0][3]
	}
	return state
}
