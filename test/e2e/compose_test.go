package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/starrockssim/mysqlwire/mysqlwiretest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// joined makes one restore point of those of several backups.
func joined(t *testing.T, b *testbed.Bed, points ...string) string {
	t.Helper()
	var m restorepoint.Manifest
	for _, point := range points {
		data, err := storage.ReadAll(t.Context(), b.Store, restorepoint.ManifestKey(testbed.ClusterName, point), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		one, err := restorepoint.DecodeManifest(data)
		if err != nil {
			t.Fatal(err)
		}
		if m.ID == "" {
			m = one
			continue
		}
		if err := m.Carry(one, func(string, restorepoint.Table, restorepoint.Partition) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	m.ID = restorepoint.NewPointID(time.Now().Add(time.Minute), strings.Join(points, " "))
	m.Sort()
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.WriteAll(t.Context(), b.Store, restorepoint.ManifestKey(testbed.ClusterName, m.ID), data, storage.IfAbsent); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

var scatteredTables = []string{"ranges", "lists", "keyed"}

// scattered makes tables whose partitions lie in six native snapshots: RANGE, LIST, primary key. Between the backups they
// are loaded, and one partition of each is truncated, so that it has other ids.
func scattered(t *testing.T, b *testbed.Bed) (point string) {
	t.Helper()
	const one = ` PROPERTIES("replication_num"="1")`
	for _, sql := range []string{
		"CREATE DATABASE far",
		"CREATE TABLE far.ranges (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (START ('2026-01-01') END ('2026-01-07') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(v) BUCKETS 2" + one,
		"CREATE TABLE far.lists (city VARCHAR(20) NOT NULL, v BIGINT) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION it VALUES IN ('Rome', 'Turin'), PARTITION no VALUES IN ('Oslo'), PARTITION de VALUES IN ('Bonn')) DISTRIBUTED BY HASH(city) BUCKETS 2" + one,
		"CREATE TABLE far.keyed (k BIGINT NOT NULL, dt DATE NOT NULL, v VARCHAR(20)) PRIMARY KEY(k, dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(k) BUCKETS 2" + one,
		"INSERT INTO far.lists VALUES ('Rome', 1), ('Turin', 2), ('Oslo', 3), ('Bonn', 4)",
		"INSERT INTO far.keyed VALUES (1, '2026-01-01', 'a'), (2, '2026-02-01', 'b')",
	} {
		b.Must(t, sql)
	}
	var points []string
	for i := 1; i <= 6; i++ {
		b.Must(t, fmt.Sprintf("INSERT INTO far.ranges VALUES ('2026-01-0%[1]d', %[1]d), ('2026-01-0%[1]d', 1%[1]d)", i))
		include := []string{fmt.Sprintf("far.ranges/p2026010%d", i)}
		switch i {
		case 1:
			include = append(include, "far.lists/it", "far.keyed/p1")
		case 3:
			b.Must(t, "TRUNCATE TABLE far.lists PARTITION(no)")
			b.Must(t, "TRUNCATE TABLE far.ranges PARTITION(p20260103)")
			b.Must(t, "INSERT INTO far.lists VALUES ('Oslo', 33)")
			b.Must(t, "INSERT INTO far.ranges VALUES ('2026-01-03', 333)")
			include = append(include, "far.lists/no", "far.lists/de")
		case 5:
			b.Must(t, "TRUNCATE TABLE far.keyed PARTITION(p2)")
			b.Must(t, "INSERT INTO far.keyed VALUES (2, '2026-02-05', 'B'), (3, '2026-02-06', 'c')")
			include = append(include, "far.keyed/p2")
		}
		out, err := runBackup(t, b, spec.Backup{Include: include})
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, out.Point)
	}
	return joined(t, b, points...)
}

// composedLeft lists what is left of composed snapshots, and of attempts.
func composedLeft(t *testing.T, b *testbed.Bed) []string {
	t.Helper()
	return slices.DeleteFunc(depot{b, t}.keys("__starrocks_repository_"+testbed.RepositoryName+"/"), func(key string) bool {
		return !strings.Contains(key, "__ss_"+restorepoint.ComposedPrefix) && !strings.Contains(key, "__ss_sk_beside_")
	})
}

// TestTablesInSeveralNativeSnapshotsAreRestoredByOneStatement: by swap and proof, and into another database.
func TestTablesInSeveralNativeSnapshotsAreRestoredByOneStatement(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	point := scattered(t, b)
	before := contentsOf(b, "far", scatteredTables)
	for _, sql := range []string{
		"TRUNCATE TABLE far.ranges", "ALTER TABLE far.lists DROP PARTITION de", "INSERT INTO far.lists VALUES ('Rome', 666)", "INSERT INTO far.keyed VALUES (1, '2026-01-01', 'WRONG')",
	} {
		b.Must(t, sql)
	}
	for _, into := range []string{"far", "near"} {
		sent := len(b.Sim.Accepted("RESTORE"))
		in := spec.Restore{Point: point}
		if into != "far" {
			in.Rename = map[string]string{"far": into}
		}
		out, err := runRestore(t, b, in)
		if err != nil {
			t.Fatalf("into %s: %v", into, err)
		}
		if n := len(b.Sim.Accepted("RESTORE")) - sent; n != 1 {
			t.Errorf("into %s: %d RESTORE statements, want one for all of six native snapshots", into, n)
		}
		for _, name := range scatteredTables {
			if r := restoredTable(out, name); !r.RowsProven && name != "keyed" {
				t.Errorf("into %s: %s is not proven: %+v", into, name, r)
			}
		}
		same(t, contentsOf(b, into, scatteredTables), before)
		if left := composedLeft(t, b); len(left) > 0 {
			t.Errorf("into %s: left in the repository: %q", into, left)
		}
	}
	// The tables are used: a load at a wrong version would be lost, or hang.
	b.Must(t, "INSERT INTO far.lists VALUES ('Oslo', 5), ('Bonn', 6), ('Turin', 7)")
	b.Must(t, "INSERT INTO far.ranges VALUES ('2026-01-03', 5)")
	b.Must(t, "INSERT INTO far.keyed VALUES (3, '2026-02-06', 'C')")
	for table, rows := range map[string]string{"lists": "7", "ranges": "12", "keyed": "3"} {
		if got, err := b.Sim.Query("SELECT COUNT(*) FROM far." + table); err != nil || got[0][0] != rows {
			t.Errorf("%s has %v rows after a load, want %s: %v", table, got, rows, err)
		}
	}
	if _, err := runBackup(t, b, spec.Backup{Include: []string{"far"}}); err != nil {
		t.Errorf("a backup of what was restored: %v", err)
	}
}

// A bad partition costs no second download: the pieces of a unit are restored from the snapshot that was composed for the
// whole, and it goes with the last of them.
func TestPiecesOfAUnitAreRestoredFromOneComposedSnapshot(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	point := scattered(t, b)
	before := contentsOf(b, "far", scatteredTables)
	heal := b.Sim.FailTasks(starrockssim.Fault{Type: "DOWNLOAD", Database: "near", Table: "ranges", Partition: "p20260102", Times: -1, Error: "failed to write: disk is broken"})
	b.Sim.OnState(func(db, kind, state string) {
		if db == "near" && kind == "RESTORE" && state == "CANCELLED" {
			heal()
		}
	})
	out, err := runRestore(t, b, spec.Restore{Point: point, Rename: map[string]string{"far": "near"}})
	if err != nil || out.FailedCount != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	composed := regexp.MustCompile(`SNAPSHOT .near.\..(` + restorepoint.ComposedPrefix + `\w+)`)
	labels := map[string]int{}
	for _, s := range b.Sim.Accepted("RESTORE") {
		if found := composed.FindStringSubmatch(s.SQL); found != nil {
			labels[found[1]]++
		}
	}
	if len(labels) != 1 || len(b.Sim.Accepted("RESTORE")) != 3 {
		t.Errorf("RESTORE statements by snapshot: %v; want three, of one: the whole, the rest, and the bad partition", labels)
	}
	same(t, contentsOf(b, "near", scatteredTables), before)
	if left := composedLeft(t, b); len(left) > 0 {
		t.Errorf("left in the repository: %q", left)
	}
}

// The composed snapshot goes also when the restore fails or is cancelled.
func TestAFailedDownloadLeavesNothing(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	point := scattered(t, b)
	before := contentsOf(b, "far", scatteredTables)
	release := b.Sim.HoldStates("near", "DOWNLOADING")
	cancelled := make(chan error, 1)
	id := spec.RestoreID(testbed.ClusterName, unique())
	go func() {
		var out spec.RestoreResult
		in := spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: point, Rename: map[string]string{"far": "near"}}
		cancelled <- execute(t, b, spec.RestoreWorkflow, id, in, &out)
	}()
	await(t, "the RESTORE is downloading", func() bool {
		rows, err := b.Sim.Query("SHOW RESTORE FROM near")
		return err == nil && len(rows) == 1 && slices.Contains(rows[0], "DOWNLOADING")
	})
	if left := composedLeft(t, b); len(left) == 0 {
		t.Error("nothing is composed while the RESTORE runs")
	}
	if err := b.Client.CancelWorkflow(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	err := <-cancelled
	release()
	if err == nil {
		t.Error("the cancelled restore ended well")
	}
	if left := composedLeft(t, b); len(left) > 0 {
		t.Errorf("the cancelled restore left %q", left)
	}
	for _, key := range (depot{b, t}).keys("__starrocks_repository_" + testbed.RepositoryName + "/__ss_sk_far_") {
		if strings.Contains(key, "_0.dat.") {
			if err := b.Store.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if _, err := runRestore(t, b, spec.Restore{Point: point, Rename: map[string]string{"far": "near"}}); errorType(err) != spec.ErrorChecksumMismatch {
		t.Errorf("with a lost object the restore ended with %v, want ChecksumMismatch from the plan", err)
	}
	if left := composedLeft(t, b); len(left) > 0 {
		t.Errorf("the failed restore left %q", left)
	}
	same(t, contentsOf(b, "far", scatteredTables), before)
}

// await polls a condition.
func await(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !met(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestAnExportIsRestoredByHand: the CLI makes a plain native snapshot, and the mariadb client restores it with the statement
// that the CLI prints, on a cluster that has lost everything.
func TestAnExportIsRestoredByHand(t *testing.T) {
	t.Parallel()
	client := mysqlwiretest.CommandLine(t)
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	point := scattered(t, b)
	before := contentsOf(b, "far", scatteredTables)
	run := []string{"backup", "export", point, "--cluster", testbed.ClusterName, "--repository", testbed.RepositoryName, "--label", "by_hand", "-o", "json"}
	out, code := starkeep(t, b, run...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var made spec.ExportResult
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if made.Label != "by_hand" || made.Snapshots != 6 || made.Partitions != 11 || made.Tablets != 22 {
		t.Errorf("%+v", made)
	}
	b.Must(t, "DROP DATABASE far FORCE")
	host, port, err := net.SplitHostPort(b.Sim.Address())
	if err != nil {
		t.Fatal(err)
	}
	sql := func(text string) string {
		said, err := exec.Command(client, "--no-defaults", "-h", host, "-P", port, "-u", "root", "--batch", "--skip-column-names", "-e", text).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", text, err, said)
		}
		return string(said)
	}
	if said := sql("SHOW SNAPSHOT ON " + testbed.RepositoryName + " WHERE SNAPSHOT = 'by_hand'"); !strings.Contains(said, made.BackupTimestamp) || !strings.Contains(said, "OK") {
		t.Errorf("SHOW SNAPSHOT says %q", said)
	}
	sql("CREATE DATABASE far; " + made.Statement)
	await(t, "the RESTORE by hand has ended", func() bool { return strings.Contains(sql("SHOW RESTORE FROM far"), "\tFINISHED\t") })
	same(t, contentsOf(b, "far", scatteredTables), before)

	if out, code := starkeep(t, b, run...); code != 2 {
		t.Errorf("a label that is taken: exit code %d: %s", code, out)
	}
}
