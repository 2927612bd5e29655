package e2e

import (
	"strings"
	"testing"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// versioned is a cluster of one version in a bed of several: Bed.Sim is it.
type versioned struct {
	*testbed.Bed
	cluster string
}

func (v versioned) backup(t *testing.T, name string, in spec.Backup) (out spec.BackupResult, err error) {
	t.Helper()
	in.Cluster, in.Repository = v.cluster, testbed.RepositoryName
	err = execute(t, v.Bed, spec.BackupWorkflow, spec.BackupID(v.cluster, name), in, &out)
	return out, err
}

func (v versioned) restore(t *testing.T, name string, in spec.Restore) (out spec.RestoreResult, err error) {
	t.Helper()
	in.Cluster, in.Repository = v.cluster, testbed.RepositoryName
	err = execute(t, v.Bed, spec.RestoreWorkflow, spec.RestoreID(v.cluster, name), in, &out)
	return out, err
}

// everyVersion starts a cluster for each version, all at one worker and one repository, and runs test on each at once.
func everyVersion(t *testing.T, versions []string, test func(*testing.T, versioned)) {
	b := testbed.Start(t, testbed.Options{Patience: 10})
	list := make([]versioned, len(versions))
	for i, version := range versions {
		bed := *b
		name := "v" + strings.ReplaceAll(version[:3], ".", "_")
		bed.Sim = b.AddCluster(t, name, testbed.Options{Version: version, Patience: 10})
		list[i] = versioned{&bed, name}
	}
	b.StartWorker(t)
	t.Run("version", func(t *testing.T) {
		for i, v := range list {
			t.Run(versions[i], func(t *testing.T) {
				t.Parallel()
				in := spec.CreateRepository{Cluster: v.cluster, Repository: testbed.RepositoryName}
				if err := execute(t, v.Bed, spec.CreateRepositoryWorkflow, "repository/"+v.cluster, in, nil); err != nil {
					t.Fatal(err)
				}
				test(t, v)
			})
		}
	})
}

// The profiles of the simulated StarRocks. All but 3.5 are by source, not measured.
var starrocksVersions = []string{"2.5.22-a1b2c3d", "3.1.10-a1b2c3d", "3.3.5-6d81f75", "3.5.0-37c7c51", "4.1.0-a1b2c3d"}

// TestEveryVersionBacksUpAndRestores does with each what is done most: back up, swap damaged tables, undo, bring a dropped
// one back, add a partition that is missing, restore into another database.
func TestEveryVersionBacksUpAndRestores(t *testing.T) {
	t.Parallel()
	everyVersion(t, starrocksVersions, func(t *testing.T, v versioned) {
		b, tables := v.Bed, []string{"days", "keyed", "plain", "days2"}
		for _, sql := range []string{
			"CREATE DATABASE d",
			"CREATE TABLE d.days (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-01-01'), PARTITION p2 VALUES LESS THAN ('2026-02-01'), PARTITION p3 VALUES LESS THAN ('2026-03-01')) DISTRIBUTED BY HASH(v) BUCKETS 2" + once,
			"CREATE TABLE d.days2 (dt DATE NOT NULL, v BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-01-01'), PARTITION p2 VALUES LESS THAN ('2026-02-01')) DISTRIBUTED BY HASH(v) BUCKETS 1" + once,
			"CREATE TABLE d.keyed (k BIGINT NOT NULL, v VARCHAR(20)) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2" + once,
			"CREATE TABLE d.plain (k BIGINT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1" + once,
			"INSERT INTO d.days VALUES ('2025-05-05', 1), ('2026-01-05', 2), ('2026-02-05', 3)",
			"INSERT INTO d.days2 VALUES ('2025-05-05', 1), ('2026-01-05', 2)",
			"INSERT INTO d.keyed VALUES (1, 'a'), (2, 'b')",
			"INSERT INTO d.plain VALUES (1, 1), (2, 2)",
			"CREATE USER ann", "CREATE ROLE readers",
			"GRANT SELECT, INSERT ON TABLE d.keyed TO USER ann", "GRANT SELECT ON TABLE d.plain TO ROLE readers",
		} {
			b.Must(t, sql)
		}
		before := contentsOf(b, "d", tables)
		point, err := v.backup(t, "first", spec.Backup{})
		if err != nil {
			t.Fatalf("backup: %v", err)
		}
		if !point.Complete || point.Partitions != 7 {
			t.Errorf("backup: %+v", point)
		}

		b.Must(t, "TRUNCATE TABLE d.days")
		b.Must(t, "INSERT INTO d.keyed VALUES (1, 'WRONG')")
		b.Must(t, "INSERT INTO d.plain VALUES (666, 666)")
		b.Must(t, "DROP TABLE d.days2 FORCE")
		damaged := contentsOf(b, "d", tables[:3])
		swapped, err := v.restore(t, "swap", spec.Restore{})
		if err != nil {
			t.Fatalf("swap: %v", err)
		}
		same(t, contentsOf(b, "d", tables), before)
		v.actions(t, swapped)
		grants := query(t, b, "SHOW GRANTS FOR ann") + query(t, b, "SHOW GRANTS FOR ROLE readers")
		for _, want := range []string{"ON TABLE d.keyed TO USER 'ann'", "ON TABLE d.plain TO ROLE 'readers'"} {
			if !strings.Contains(grants, want) {
				t.Errorf("grants after the restore: %s\nlack %s", grants, want)
			}
		}
		decide(t, b, swapped.Undo, spec.UpdateUndo)
		same(t, contentsOf(b, "d", tables[:3]), damaged)

		b.Must(t, "ALTER TABLE d.days2 DROP PARTITION p2")
		added, err := v.restore(t, "add", spec.Restore{Point: point.Point, Include: []string{"d.days2/p2"}})
		if err != nil {
			t.Fatalf("add a partition: %v", err)
		}
		if r := restoredTable(added, "days2"); r.Action != spec.ActionAdd {
			t.Errorf("added: %+v", r)
		}
		if got := b.Sim.Content("d", "days2"); got != before["days2"] {
			t.Errorf("days2 with the added partition:\n%s\nwant\n%s", got, before["days2"])
		}

		other, err := v.restore(t, "other", spec.Restore{Point: point.Point, Rename: map[string]string{"d": "d2"}})
		if err != nil {
			t.Fatalf("another database: %v", err)
		}
		if len(other.Tables) != len(tables) {
			t.Errorf("restored into another database: %+v", other.Tables)
		}
		same(t, contentsOf(b, "d2", tables), before)
		if _, err := v.backup(t, "second", spec.Backup{Include: []string{"d2"}}); err != nil {
			t.Errorf("a backup of what was restored: %v", err)
		}
	})
}

// actions: three tables were swapped, one created, each proven; before 3.1 with AS, one table to a statement, because
// __meta cannot be edited there.
func (v versioned) actions(t *testing.T, out spec.RestoreResult) {
	t.Helper()
	for _, r := range out.Tables {
		want := spec.ActionSwap
		if r.Table == "days2" {
			want = spec.ActionCreate
		}
		if r.Action != want || !r.RowsProven {
			t.Errorf("restored: %+v", r)
		}
	}
	aliased := 0
	statements := v.Sim.Accepted("RESTORE SNAPSHOT")
	for _, s := range statements {
		if strings.Contains(s.SQL, " AS `") {
			aliased++
		}
	}
	if old := v.cluster == "v2_5"; old && (aliased != 3 || len(statements) != 4) || !old && (aliased != 0 || len(statements) != 1) {
		t.Errorf("%d statements, %d with AS: %v", len(statements), aliased, statements)
	}
}

// What a version cannot do is refused in words that tell what to do, and takes nothing else along.
func TestWhatAVersionCannotDoIsSaid(t *testing.T) {
	t.Parallel()
	everyVersion(t, starrocksVersions[1:3], func(t *testing.T, v versioned) {
		v.Must(t, "CREATE DATABASE d")
		v.Must(t, "CREATE TABLE d.l (city VARCHAR(20) NOT NULL) DUPLICATE KEY(city) PARTITION BY LIST(city) (PARTITION p VALUES IN ('Rome')) DISTRIBUTED BY HASH(city) BUCKETS 1"+once)
		v.Must(t, "CREATE TABLE d.t (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1"+once)
		v.Must(t, "INSERT INTO d.t VALUES (1)")
		out, err := v.backup(t, "lists", spec.Backup{})
		if v.cluster == "v3_3" {
			if err != nil || out.Partitions != 2 {
				t.Errorf("3.3: %+v, %v; want both tables", out, err)
			}
			return
		}
		failed := detailsOf[spec.BackupResult](t, err)
		if failed.FailedCount != 1 || failed.Point == "" {
			t.Fatalf("%v: %+v; want the LIST table named, and a restore point with the other", err, failed)
		}
		if f := failed.Failed[0]; f.Table != "l" || !strings.Contains(f.Reason, "3.2.12") {
			t.Errorf("failed: %+v; want l, with the version that can", f)
		}
	})
}
