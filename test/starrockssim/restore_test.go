package starrockssim_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

func glob(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("nothing matches %s", pattern)
	}
	return list[0]
}

func TestRestoreOverExistingTablesFollowsTheRulesOfTheFE(t *testing.T) {
	const flat = `CREATE TABLE d2.b (k INT, v VARCHAR(10) NULL COMMENT 'c') DUPLICATE KEY(k) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20')) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')`
	differ := "[COMMON_ERROR, msg: Table b already exist but with different schema, "
	for name, tc := range map[string]struct{ create, on, status string }{
		"same":          {flat, "ON (b)", "[OK]"},
		"table comment": {strings.Replace(flat, "PARTITION BY", "COMMENT 'x' PARTITION BY", 1), "ON (b)", "[OK]"},
		"column case":   {strings.Replace(flat, "v VARCHAR", "V VARCHAR", 1), "ON (b)", "[OK]"},
		"column comment": {strings.Replace(flat, "'c'", "'other'", 1), "ON (b)",
			differ + "column: v in existed table is different from the column in backup snapshot, column: v]"},
		"column type": {strings.Replace(flat, "VARCHAR(10)", "VARCHAR(11)", 1), "ON (b)",
			differ + "column: v in existed table is different from the column in backup snapshot, column: v]"},
		"column more": {strings.Replace(flat, ") DUPLICATE", ", w INT) DUPLICATE", 1), "ON (b)", differ + "errMsg: ]"},
		"key type":    {strings.Replace(strings.Replace(flat, "DUPLICATE", "UNIQUE", 1), "k INT", "k INT NOT NULL", 1), "ON (b)", "[COMMON_ERROR, msg: Table b already exist but with different key type]"},
		"buckets":     {strings.Replace(flat, "BUCKETS 2", "BUCKETS 3", 1), "ON (b)", differ + "errMsg: bucket num is inconsistent]"},
		"random":      {strings.Replace(flat, "HASH(k)", "RANDOM", 1), "ON (b)", differ + "errMsg: ]"},
		"range":       {strings.Replace(flat, "('10')", "('11')", 1), "ON (b PARTITION (p1))", "[COMMON_ERROR, msg: Partition p1 in table b has different range with partition in repository]"},
		"overlap":     {strings.Replace(strings.Replace(flat, "p1", "q1", 1), "('10')", "('11')", 1), "ON (b PARTITION (p1))", "[COMMON_ERROR, msg: Partition p1 in table b has conflict range with existing ranges]"},
		"other kind": {strings.Replace(flat, "PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20'))", "", 1), "ON (b)",
			"[COMMON_ERROR, msg: Table's partition type is different]"},
		"missing partition": {strings.Replace(flat, "PARTITION p1 VALUES LESS THAN ('10'), PARTITION p2 VALUES LESS THAN ('20')", "PARTITION p2 VALUES [('10'), ('20'))", 1), "ON (b)", "[OK]"},
		"alias exists":      {strings.Replace(flat, "d2.b", "d2.c", 1), "ON (b AS c)", "[COMMON_ERROR, msg: Table c already exist but with different schema, errMsg: Table name is inconsistent]"},
		"temp partition":    {flat + "; ALTER TABLE d2.b ADD TEMPORARY PARTITION tp VALUES LESS THAN ('5')", "ON (b)", "[COMMON_ERROR, msg: Do not support restoring table with temp partitions]"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, sim.Options{})
			must(t, c, "CREATE DATABASE d", "CREATE DATABASE d2", strings.Replace(flat, "d2.b", "d.b", 1), "INSERT INTO d.b VALUES (1, 'a'), (11, 'b')", tc.create)
			ts := backup(t, c, "d", "s", "ON (b)")
			before, _ := c.Query("SHOW TABLES FROM d2")
			must(t, c, restoreSQL("d2", "s", tc.on, ts, 1))
			want := "CANCELLED"
			if tc.status == "[OK]" {
				want = "FINISHED"
			}
			reach(t, c, "RESTORE", "d2", want)
			if got := status(t, c, "RESTORE", "d2"); got != tc.status {
				t.Errorf("status %s\nwant   %s", got, tc.status)
			}
			if want == "FINISHED" && c.Content("d2", "b") != c.Content("d", "b") {
				t.Error("data differ")
			}
			if after, _ := c.Query("SHOW TABLES FROM d2"); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("tables %v, were %v", after, before)
			}
		})
	}
}

func TestListPartitionsCannotBeAddedByRestore(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (l)")
	must(t, c, restoreSQL("d2", "s", "ON (l PARTITION (pa))", ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	must(t, c, restoreSQL("d2", "s", "ON (l PARTITION (pb))", ts, 1))
	reach(t, c, "RESTORE", "d2", "CANCELLED")
	if got := status(t, c, "RESTORE", "d2"); got != "[COMMON_ERROR, msg: No partition exist in single partitioned table l]" {
		t.Error(got)
	}
	must(t, c, "ALTER TABLE d2.l ADD PARTITION pb VALUES IN ('b')", restoreSQL("d2", "s", "ON (l PARTITION (pb))", ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	if c.Content("d2", "l") != c.Content("d", "l") {
		t.Error("data differ")
	}
}

func TestAnActiveMaterializedViewOfTheNameMakesRestoreFinishWithNothingRestored(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (pk)")
	must(t, c, "CREATE DATABASE d2", "CREATE MATERIALIZED VIEW d2.pk DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH MANUAL PROPERTIES('replication_num'='1') AS SELECT k FROM d.pk",
		restoreSQL("d2", "s", "ON (pk)", ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	if rows, _ := c.Query("SELECT TABLE_ENGINE FROM information_schema.tables_config WHERE TABLE_SCHEMA = 'd2'"); rows[0][0] != "MATERIALIZED_VIEW" {
		t.Error(rows)
	}
}

func TestALocalViewOfTheNamePoisonsTheDriver(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (pk)")
	must(t, c, "CREATE DATABASE d2", "CREATE DATABASE d3", "CREATE TABLE d3.x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')",
		"CREATE VIEW d2.pk AS SELECT k FROM d.pk", restoreSQL("d2", "s", "ON (pk)", ts, 1), "BACKUP SNAPSHOT d3.x TO r ON (x)")
	ids := map[string]bool{}
	eventually(t, func() bool {
		ids[row(t, c, "RESTORE", "d2")[0]] = true
		return len(ids) > 4
	}, func() string { return "JobId does not change" })
	if got := row(t, c, "BACKUP", "d3"); got[0] != "-1" || got[3] != "PENDING" {
		t.Errorf("a job behind the poisoned one moved: %v", got)
	}
	must(t, c, "CANCEL RESTORE FROM d2")
	reach(t, c, "BACKUP", "d3", "FINISHED")
	must(t, c, "SHOW CREATE VIEW d2.pk")
}

func TestAFailingRestoreWithAnAliasDropsTheLocalTableOfTheOriginalName(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (agg, pk)")
	must(t, c, "DROP TABLE d.pk", "CREATE TABLE d.pk (k INT NOT NULL, other INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2 PROPERTIES('replication_num'='1')",
		restoreSQL("d", "s", "ON (agg AS agg2, pk)", ts, 1))
	reach(t, c, "RESTORE", "d", "CANCELLED")
	refused(t, c, "SHOW CREATE TABLE d.agg", "Table agg is not found")
	refused(t, c, "RECOVER TABLE d.agg", "Unknown table 'agg'")
}

func TestDamageInTheRepositoryShowsWhereStarRocksNoticesIt(t *testing.T) {
	// the first tablet directory of pk that holds data
	dat := func(t *testing.T, root string) string {
		return glob(t, root+"/__ss_s/__ss_content/*/*/*/*/*/*_0.dat.*")
	}
	for name, tc := range map[string]struct {
		damage func(t *testing.T, root string)
		submit string // the statement is refused
		state  string // or where the job ends up
		text   string // in Status or TaskErrMsg
	}{
		"missing info":    {damage: func(t *testing.T, root string) { os.Remove(glob(t, root+"/__ss_s/__info_*")) }, submit: "Expected one file with path: "},
		"second info":     {damage: func(t *testing.T, root string) { copyFile(t, glob(t, root+"/__ss_s/__info_*"), ".part") }, submit: "get: 2. Maybe specified wrong backup timestamp"},
		"corrupt info":    {damage: func(t *testing.T, root string) { appendTo(t, glob(t, root+"/__ss_s/__info_*")) }, submit: "md5sum does not equal. local: "},
		"missing meta":    {damage: func(t *testing.T, root string) { os.Remove(glob(t, root+"/__ss_s/__meta.*")) }, state: "CANCELLED", text: "[COMMON_ERROR, msg: Failed to read backup meta from file]"},
		"corrupt meta":    {damage: func(t *testing.T, root string) { appendTo(t, glob(t, root+"/__ss_s/__meta.*")) }, state: "CANCELLED", text: "[COMMON_ERROR, msg: Failed to read backup meta from file]"},
		"corrupt dat":     {damage: func(t *testing.T, root string) { appendTo(t, dat(t, root)) }, state: "DOWNLOADING", text: "invalid md5 of downloaded file: "},
		"foreign":         {damage: func(t *testing.T, root string) { os.WriteFile(filepath.Dir(dat(t, root))+"/foreign.txt", nil, 0o644) }, state: "DOWNLOADING", text: "invalid tablet file name: foreign"},
		"without dot":     {damage: func(t *testing.T, root string) { os.WriteFile(filepath.Dir(dat(t, root))+"/foreign", nil, 0o644) }, state: "FINISHED"},
		"empty directory": {damage: func(t *testing.T, root string) { clear(t, filepath.Dir(dat(t, root))) }, state: "DOWNLOADING", text: "get nothing from remote path: file://"},
		"missing dat":     {damage: func(t *testing.T, root string) { os.Remove(dat(t, root)) }, state: "COMMITTING", text: "_0.dat: No such file or directory,Fail to move dir="},
		"missing meta of tablet": {damage: func(t *testing.T, root string) { os.Remove(glob(t, filepath.Dir(dat(t, root))+"/meta.*")) }, state: "COMMITTING",
			text: "fail to find header or meta file,Fail to move dir="},
	} {
		t.Run(name, func(t *testing.T) {
			c, root := startIn(t, sim.Options{})
			sales(t, c)
			ts := backup(t, c, "d", "s", "ON (pk)")
			tc.damage(t, root)
			sql := restoreSQL("d2", "s", "ON (pk)", ts, 1)
			if tc.submit != "" {
				refused(t, c, sql, tc.submit)
				return
			}
			must(t, c, sql)
			reach(t, c, "RESTORE", "d2", tc.state)
			eventually(t, func() bool {
				r := row(t, c, "RESTORE", "d2")
				return strings.Contains(r[15]+r[16], tc.text)
			}, func() string { return strings.Join(row(t, c, "RESTORE", "d2"), "|") })
		})
	}
}

func appendTo(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "x")
	f.Close()
}

func copyFile(t *testing.T, path, suffix string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(path, filepath.Ext(path)) + suffix
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func clear(t *testing.T, dir string) {
	t.Helper()
	list, _ := filepath.Glob(dir + "/*")
	for _, f := range list {
		os.Remove(f)
	}
}

// renameInSnapshot writes a second __info with an edited __meta, as starrocks-measured part D tells.
func renameInSnapshot(t *testing.T, root, label, inner, timestamp, suffix string) {
	t.Helper()
	infoText, _ := os.ReadFile(glob(t, root+"/__ss_"+label+"/__info_*"))
	metaBytes, _ := os.ReadFile(glob(t, root+"/__ss_"+label+"/__meta.*"))
	info, meta := decode(t, infoText), decode(t, metaBytes[4:])
	info["name"] = inner
	objects := info["backup_objects"].(map[string]any)
	tables := meta["tblNameMap"].(map[string]any)
	for name, o := range objects {
		parts := o.(map[string]any)["partitions"].(map[string]any)
		for pname, p := range parts {
			for _, sub := range p.(map[string]any)["subPartitions"].(map[string]any) {
				move(sub.(map[string]any)["indexes"].(map[string]any), name, name+suffix)
			}
			if pname == name {
				move(parts, name, name+suffix)
			}
		}
		move(objects, name, name+suffix)
	}
	for name, o := range tables {
		table := o.(map[string]any)
		table["name"] = name + suffix
		move(table["indexNameToId"].(map[string]any), name, name+suffix)
		for _, p := range table["idToPartition"].(map[string]any) {
			if part := p.(map[string]any); part["name"] == name {
				part["name"] = name + suffix
			}
		}
		move(tables, name, name+suffix)
	}
	newInfo, _ := json.Marshal(info)
	newMeta, _ := json.Marshal(meta)
	newMeta = append(binary.BigEndian.AppendUint32(nil, uint32(len(newMeta))), newMeta...)
	write(t, filepath.Join(root, "__ss_"+label), "__info_"+timestamp, newInfo)
	write(t, filepath.Join(root, "__ss_"+inner), "__meta", newMeta)
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func move(m map[string]any, from, to string) {
	if v, ok := m[from]; ok {
		delete(m, from)
		m[to] = v
	}
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	os.MkdirAll(dir, 0o755)
	sum := md5.Sum(b)
	if err := os.WriteFile(filepath.Join(dir, name+"."+hex.EncodeToString(sum[:])), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTablesRenamedInTheMetadataAreRestoredBesideTheLiveOnesAndSwapped(t *testing.T) {
	c, root := startIn(t, sim.Options{})
	sales(t, c)
	want := contents(c, "d")
	ts := backup(t, c, "d", "full1", salesOn)
	must(t, c, "INSERT INTO d.pk VALUES (9, 9)", "INSERT INTO d.t VALUES ('2025-01-20', 7, 'wien', 1)", "INSERT INTO d.auto VALUES (9, '2025-03-05')")
	later := contents(c, "d")
	renameInSnapshot(t, root, "full1", "beside", "2025-06-01-00-00-00-062", "__restore")
	must(t, c, restoreSQL("d", "full1", "ON (t__restore, pk__restore, agg__restore, l__restore, auto__restore)", "2025-06-01-00-00-00-062", 1))
	reach(t, c, "RESTORE", "d", "FINISHED")
	for _, name := range salesTables {
		if got := c.Content("d", name+"__restore"); got != want[name] {
			t.Errorf("%s__restore:\n%s\nwant\n%s", name, got, want[name])
		}
		if got := c.Content("d", name); got != later[name] {
			t.Errorf("%s was touched", name)
		}
		must(t, c, fmt.Sprintf("ALTER TABLE d.`%s` SWAP WITH `%s__restore`", name, name))
		if got := c.Content("d", name); got != want[name] {
			t.Errorf("%s after the swap:\n%s", name, got)
		}
		if got := c.Content("d", name+"__restore"); got != later[name] {
			t.Errorf("%s__restore after the swap:\n%s", name, got)
		}
	}
	if rows, _ := c.Query("SHOW PARTITIONS FROM d.pk"); rows[0][1] != "pk" {
		t.Errorf("partition of an unpartitioned table is called %s", rows[0][1])
	}
	must(t, c, "INSERT INTO d.auto VALUES (10, '2025-04-01')", restoreSQL("d2", "full1", salesOn, ts, 1))
	reach(t, c, "RESTORE", "d2", "FINISHED")
	backup(t, c, "d", "again", salesOn)
}

func TestTheNameInsideInfoSelectsTheDirectoryOfMeta(t *testing.T) {
	c, root := startIn(t, sim.Options{})
	sales(t, c)
	backup(t, c, "d", "s", "ON (pk)")
	renameInSnapshot(t, root, "s", "gone", "2025-06-01-00-00-00-001", "_x")
	os.RemoveAll(filepath.Join(root, "__ss_gone"))
	must(t, c, restoreSQL("d2", "s", "ON (pk_x)", "2025-06-01-00-00-00-001", 1))
	reach(t, c, "RESTORE", "d2", "CANCELLED")
	if got := status(t, c, "RESTORE", "d2"); got != "[COMMON_ERROR, msg: Failed to read backup meta from file]" {
		t.Error(got)
	}
}

func TestUnchangedTabletsKeepTheirDataFilesAcrossSnapshots(t *testing.T) {
	c, root := startIn(t, sim.Options{})
	sales(t, c)
	backup(t, c, "d", "s1", "ON (t)")
	backup(t, c, "d", "s2", "ON (t)")
	names := func(label string) map[string]bool {
		list, _ := filepath.Glob(root + "/__ss_" + label + "/__ss_content/*/*/*/*/*/*")
		m := map[string]bool{}
		for _, f := range list {
			m[filepath.Base(f)] = true
		}
		return m
	}
	one, two := names("s1"), names("s2")
	for name := range one {
		if same := two[name]; same == strings.Contains(name, ".hdr.") {
			t.Errorf("%s: in both snapshots: %t", name, same)
		}
	}
}

func TestRestoreRefusalsLeaveTheDatabaseTheyCreated(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (pk, t)")
	refused(t, c, restoreSQL("a1", "s", "ON (nope)", ts, 1), "Table nope does not exist in snapshot s")
	refused(t, c, restoreSQL("a2", "s", "ON (t PARTITION (P1))", ts, 1), "Partition P1 of table t does not exist in snapshot s")
	refused(t, c, restoreSQL("a3", "s", "ON (pk)", "2020-01-01-00-00-00-000", 1), "get: 0. Maybe specified wrong backup timestamp")
	refused(t, c, restoreSQL("a4", "s", "ON (pk)", ts[:19], 1), "File does not exist: ")
	refused(t, c, "RESTORE SNAPSHOT a5.s FROM r ON (pk)", "Missing backup_timestamp property")
	refused(t, c, restoreSQL("a6", "s", "ON (pk, pk)", ts, 1), "Duplicated table: pk")
	refused(t, c, restoreSQL("a7", "s", "ON (pk AS t, t)", ts, 1), "Duplicated alias name: t")
	rows, _ := c.Query("SHOW DATABASES LIKE 'a%'")
	if fmt.Sprint(rows) != "[[a1] [a2]]" {
		t.Error(rows)
	}
}
