package starrockssim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

// What an __info that was edited by hand makes of a RESTORE (starrocks-measured C §2): StarRocks notices hardly anything.
func TestEditedInfo(t *testing.T) {
	const at = "2026-01-01-00-00-00-000"
	partition := func(info map[string]any, name string) map[string]any {
		parts := info["backup_objects"].(map[string]any)["t"].(map[string]any)["partitions"].(map[string]any)
		return parts[name].(map[string]any)
	}
	const reset = "ALTER TABLE d.t DROP PARTITION p2 FORCE"
	for name, c := range map[string]struct {
		edit   func(info map[string]any)
		before string // the RESTORE
		into   string
		status string
		same   bool // what is restored equals what was backed up
	}{
		"nothing":                       {func(map[string]any) {}, "", "d2", "[OK]", true},
		"another logical id, new table": {func(info map[string]any) { partition(info, "p2")["id"] = 9 }, "", "d2", "[OK]", true},
		"another logical id, existing table": {func(info map[string]any) { partition(info, "p2")["id"] = 9 }, "", "d",
			"[COMMON_ERROR, msg: Partition p2 in table t has different range with partition in repository]", true},
		"another logical id, partition added": {func(info map[string]any) { partition(info, "p2")["id"] = 9 }, reset, "d",
			"[COMMON_ERROR, msg: Table t's state is not NORMAL: RESTORE]", false},
		"reversed tablets_order (compL)": {func(info map[string]any) {
			for _, sub := range partition(info, "p2")["subPartitions"].(map[string]any) {
				slices.Reverse(sub.(map[string]any)["indexes"].(map[string]any)["t"].(map[string]any)["tablets_order"].([]any))
			}
		}, "", "d2", "[OK]", false},
		"a partition less (compN)": {func(info map[string]any) {
			delete(info["backup_objects"].(map[string]any)["t"].(map[string]any)["partitions"].(map[string]any), "p2")
		}, "", "d2", "[OK]", false},
		"a name without __meta (compH)": {func(info map[string]any) { info["name"] = "nope" }, "", "d2", "[COMMON_ERROR, msg: Failed to read backup meta from file]", false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, root := startIn(t, sim.Options{})
			must(t, cluster, "CREATE DATABASE d", "CREATE DATABASE d2",
				"CREATE TABLE d.t (k INT, v INT) DUPLICATE KEY(k) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20')) DISTRIBUTED BY HASH(v) BUCKETS 2 PROPERTIES('replication_num'='1')",
				"INSERT INTO d.t VALUES (1, 1), (11, 11), (12, 12), (13, 13), (14, 14)")
			backup(t, cluster, "d", "s", "ON (t)")
			want := cluster.Content("d", "t")
			text, err := os.ReadFile(glob(t, root+"/__ss_s/__info_*"))
			if err != nil {
				t.Fatal(err)
			}
			info := decode(t, text)
			c.edit(info)
			edited, _ := json.Marshal(info)
			write(t, filepath.Join(root, "__ss_s"), "__info_"+at, edited)
			if c.before != "" {
				must(t, cluster, c.before)
			}
			must(t, cluster, restoreSQL(c.into, "s", "ON (t)", at, 1))
			end := "CANCELLED"
			if c.status == "[OK]" {
				end = "FINISHED"
			}
			reach(t, cluster, "RESTORE", c.into, end)
			if got := status(t, cluster, "RESTORE", c.into); !strings.HasPrefix(got, c.status) {
				t.Errorf("status %s, want %s", got, c.status)
			}
			if got := cluster.Content(c.into, "t"); (got == want) != c.same {
				t.Errorf("content\n%s\nbacked up\n%s", got, want)
			}
		})
	}
}
