package starrocks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func utc(text string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, text, time.UTC)
	if err != nil {
		panic(err)
	}
	return t
}

// got compares what a method made of a recorded answer.
func got[T any](t *testing.T, what string, want T, have T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

func TestAnswersAboutTheClusterAreRead(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()

	leader, err := c.Leader(ctx)
	got(t, "leader", Frontend{Name: "127.0.0.1_9010_1795363088574", Host: "127.0.0.1", QueryPort: 9030, Role: "LEADER", ClusterID: 1170305409,
		Alive: true, Version: "main-37c7c51", StartTime: utc("2026-11-22 15:58:18")}, leader, err)
	version, err := c.Version(ctx)
	got(t, "version", Version{Main: true, Text: "main-37c7c51"}, version, err)
	backends, err := c.Backends(ctx)
	if err != nil || len(backends) != 3 {
		t.Fatalf("backends: %+v, %v", backends, err)
	}
	got(t, "backend", Backend{ID: 10002, Host: "127.0.0.2", Alive: true, LastHeartbeat: utc("2026-11-22 16:18:46"), Version: "3.5.0", Available: 72229538758}, backends[1], nil)
	mode, err := c.RunMode(ctx)
	got(t, "run mode", "shared_nothing", mode, err)
	repositories, err := c.Repositories(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(repositories, func(r Repository) bool { return r.Name == "r_ro_noput" })
	got(t, "repository", Repository{ID: 10476, Name: "r_ro_noput", Location: "s3://sr-backup/a/r01/noput",
		ErrMsg: "2026-11-22 16:18:18: remote path does not exist: s3://sr-backup/a/r01/noput/__starrocks_repository_r_ro_noput"}, repositories[i], nil)
	if !repositories[slices.IndexFunc(repositories, func(r Repository) bool { return r.Name == "r_s3" })].ReadOnly {
		t.Error("r_s3 is read only")
	}
	databases, err := c.Databases(ctx)
	if err != nil || !slices.Contains(databases, "g09") || !slices.Contains(databases, "a b") || slices.ContainsFunc(databases, IsSystemDatabase) {
		t.Errorf("databases: %v, %v", databases, err)
	}
}

func TestSnapshotsAreRead(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c := openAt(t, Config{Addresses: []string{fe.address()}})
	list, err := c.Snapshots(t.Context(), "r52_two_clusters")
	got(t, "snapshots", []ListedSnapshot{
		{Label: "c1a", Timestamps: []string{"2026-11-22-16-20-05-263"}, Status: "OK"},
		{Label: "same", Timestamps: []string{"2026-11-22-16-20-59-037", "2026-11-22-16-20-59-053"}, Status: "OK"},
	}, list, err)
	if _, err := c.Snapshots(t.Context(), "r`; DROP TABLE x"); !errors.Is(err, ErrInvalidName) {
		t.Errorf("a name that cannot be addressed: %v, want ErrInvalidName", err)
	}
}

func TestAnswersAboutADatabaseAreRead(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()

	tables, err := c.Tables(ctx, "g09")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Table{}
	kinds := map[string]TableKind{}
	for _, x := range tables {
		byName[x.Name], kinds[x.Name] = x, x.Kind
	}
	got(t, "kinds", map[string]TableKind{"autolist": KindTable, "colo2": KindTable, "dyn": KindTable, "expr": KindTable, "flat": KindTable,
		"lst": KindTable, "multi": KindTable, "rng": KindTable, "mv": KindMaterializedView, "mvp": KindMaterializedView, "vw": KindView}, kinds, nil)
	got(t, "rng", Table{Database: "g09", Name: "rng", Kind: KindTable, Engine: "OLAP", ID: 13899, Keys: "DUP_KEYS", PartitionKey: "`dt`",
		DistributeKey: "`k`", SortKey: "`dt`, `k`", Properties: map[string]string{"bloom_filter_columns": "v", "colocate_with": "cg09",
			"compression": "LZ4", "fast_schema_evolution": "true", "replicated_storage": "true", "replication_num": "3"}}, byName["rng"], nil)

	var partitions []Partition
	for p, err := range c.Partitions(ctx, "g09") {
		if err != nil {
			t.Fatal(err)
		}
		partitions = append(partitions, p)
	}
	if len(partitions) != 18 || !slices.ContainsFunc(partitions, func(p Partition) bool { return p.Name == "$shadow_automatic_partition" }) {
		t.Errorf("%d partitions", len(partitions))
	}
	got(t, "p1", Partition{Table: "rng", Name: "p1", ID: 13901, VisibleVersion: 2, VisibleAt: time.Date(2026, 11, 22, 16, 18, 36, 0, time.UTC), Buckets: 2, Replication: 3,
		Value: "[types: [DATE]; keys: [2024-01-01]; ..types: [DATE]; keys: [2025-01-01]; )"}, partitions[0], nil)
	i := slices.IndexFunc(partitions, func(p Partition) bool { return p.Temporary })
	got(t, "temporary", Partition{Table: "lst", Name: "tp", ID: 14034, VisibleVersion: 1, VisibleAt: time.Date(2026, 11, 22, 16, 18, 36, 0, time.UTC), Buckets: 2, Replication: 1, Temporary: true, Value: `[["x","9"]]`}, partitions[i], nil)

	listed, err := c.TablePartitions(ctx, "g09", "lst")
	if err != nil || len(listed) != 2 || listed[0].ID != 13935 || listed[0].Value == "" {
		t.Errorf("partitions of lst: %+v, %v", listed, err)
	}
	temporary, err := c.temporaryPartitions(ctx, "g09", "lst")
	if err != nil || len(temporary) != 1 || !temporary[0].Temporary || temporary[0].Value != `[["x","9"]]` {
		t.Errorf("temporary partitions of lst: %+v, %v", temporary, err)
	}
	for name, want := range map[string]string{"rng": "CREATE TABLE `rng`", "vw": "CREATE VIEW `vw`", "mv": "CREATE MATERIALIZED VIEW `mv`"} {
		if ddl, err := c.ShowCreateTable(ctx, "g09", name); err != nil || !strings.HasPrefix(ddl, want) {
			t.Errorf("DDL of %s: %s, %v", name, ddl, err)
		}
	}
	views, err := c.Views(ctx, "g09")
	got(t, "views", []View{{"vw", "SELECT `g09`.`rng`.`k`, count(*) AS `count(*)`\nFROM `g09`.`rng`\nGROUP BY `g09`.`rng`.`k`"}}, views, err)
	mvs, err := c.MaterializedViews(ctx, "g09")
	if err != nil || len(mvs) != 4 {
		t.Fatalf("materialized views: %+v, %v", mvs, err)
	}
	if mv := mvs[0]; mv.Name != "mv" || mv.Active || mv.InactiveReason != "user use alter materialized view set status to inactive" || mv.RefreshType != "ASYNC" ||
		!strings.HasPrefix(mv.Definition, "CREATE MATERIALIZED VIEW `mv`") {
		t.Errorf("mv: %+v", mv)
	}
	loads, err := c.RoutineLoads(ctx, "g09")
	got(t, "routine loads", []RoutineLoad{}, loads, err)
	functions, err := c.Functions(ctx, "g03f")
	got(t, "functions", []string{"plus1(INT)", "plus2(INT)"}, functions, err)
}

func TestAnswersAboutTabletsAndGrantsAreRead(t *testing.T) {
	fe := startFE(t, "", replay(t))
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()

	place, err := c.TabletPlace(ctx, 13902)
	got(t, "place", TabletPlace{"g09", "rng", "p1", "rng"}, place, err)
	place, err = c.TabletPlace(ctx, 1)
	got(t, "place of a tablet that is not there", TabletPlace{}, place, err)
	tablets, err := c.TableTablets(ctx, "g09", "rng")
	if err != nil || len(tablets) != 24 || tablets[0] != (Tablet{13902, 13903, 10001, 2, -1, "NORMAL"}) {
		t.Errorf("tablets: %+v, %v", tablets, err)
	}
	grants, err := c.TableGrants(ctx, "g09") // the recording was not filtered by database
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Grant{
		{Grantee: "'u09b'@'127.0.0.1'", Database: "g09", Table: "rng", Privilege: "EXPORT"},
		{Grantee: "role09", IsRole: true, Database: "g09", Table: "rng", Privilege: "INSERT"},
		{Grantee: "role09", IsRole: true, Database: "g09", Table: "rng", Privilege: "SELECT"},
	} {
		if !slices.Contains(grants, want) {
			t.Errorf("%+v is missing", want)
		}
	}
	if slices.ContainsFunc(grants, func(g Grant) bool { return g.Table == "" || g.Table == "v" }) {
		t.Error("grants on other things than tables")
	}
	if last := fe.sent("SELECT"); !strings.Contains(last[len(last)-1], "WHERE OBJECT_DATABASE = 'g09'") {
		t.Errorf("sent %s", last)
	}
}

func TestJobsAreRead(t *testing.T) {
	watched := recorded(t)["watch RESTORE"]
	script := replay(t)
	fe := startFE(t, "", func(sql string) (answer, error) {
		switch sql {
		case "SHOW RESTORE FROM `b22f11`":
			return watched, nil
		case "SHOW BACKUP FROM `b22f11`":
			return answer{Columns: watched.Columns}, nil
		case "SHOW BACKUP FROM `renamed`":
			columns := []string{"JobId", "SnapshotName", "DbName", "State", "Timeout", "NewColumn"}
			return answer{columns, [][]*string{texts("-1", "cat", "", "FINISHED", "1", "x"), texts("7", "l", "old_name", "PENDING", "99999999999", "x")}}, nil
		}
		return script(sql)
	})
	c, ctx := openAt(t, Config{Addresses: []string{fe.address()}}), t.Context()

	jobs, err := c.Jobs(ctx)
	if err != nil || len(jobs) != 34 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	i := slices.IndexFunc(jobs, func(j Job) bool { return j.Label == "c3" })
	got(t, "a cancelled BACKUP", Job{Kind: BackupKind, ID: -1, Label: "c3", Database: "g02", State: StateCancelled, Objects: "[g02.orders]",
		Created: utc("2026-11-22 16:05:21"), Finished: utc("2026-11-22 16:05:21"), Status: "[COMMON_ERROR, msg: user cancelled]", Timeout: 24 * time.Hour}, jobs[i], nil)

	job, err := c.RestoreJob(ctx, "b22f11")
	if err != nil || job == nil || job.Kind != RestoreKind || job.Label != "s22" || job.Timestamp != "2026-11-22-16-11-23-909" || job.ReplicationNum != 1 || job.Created.IsZero() {
		t.Fatalf("%+v, %v", job, err)
	}
	if job, err = c.BackupJob(ctx, "b22f11"); job != nil || err != nil {
		t.Errorf("a job where there is none: %+v, %v", job, err)
	}
	// The job of external catalogs comes along, and a renamed database's job has the old name.
	if job, err = c.BackupJob(ctx, "renamed"); err != nil || job == nil || job.ID != 7 || job.Timeout <= 0 || !job.Finished.IsZero() {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestRunModeWithoutThePrivilege(t *testing.T) {
	for column, want := range map[string]string{"WarehouseName": "shared_data", "Location": "shared_nothing"} {
		fe := startFE(t, "", func(sql string) (answer, error) {
			switch {
			case strings.HasPrefix(sql, "ADMIN"):
				return answer{}, &Error{Code: 5203, SQLState: "42000", Text: "Access denied; you need (at least one of) the OPERATE privilege(s) on SYSTEM"}
			case sql == "SHOW BACKENDS":
				return answer{Columns: []string{"BackendId", column}}, nil
			}
			return recorded(t)[sql], nil
		})
		mode, err := openAt(t, Config{Addresses: []string{fe.address()}}).RunMode(t.Context())
		got(t, column, want, mode, err)
	}
}

func TestPartitionsStopAndFallBack(t *testing.T) {
	script := replay(t)
	columns := ""
	fe := startFE(t, "", func(sql string) (answer, error) {
		if strings.Contains(sql, "partitions_meta") && columns != "" && !strings.HasPrefix(sql, "SELECT *") {
			return answer{}, errors.New(columns)
		}
		if plain := strings.ReplaceAll(sql, "`", ""); strings.Contains(plain, "PARTITIONS FROM g09.") && !strings.HasSuffix(plain, "rng") {
			return answer{Columns: []string{"PartitionId"}}, nil
		}
		return script(sql)
	})
	c := openAt(t, Config{Addresses: []string{fe.address()}})
	count := func(database string) (n int) {
		for _, err := range c.Partitions(t.Context(), database) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 100 {
				break
			}
		}
		return n
	}
	for range c.Partitions(t.Context(), "g09") {
		break
	}
	columns = "Getting analyzing error. Detail message: Column 'STORAGE_SIZE' cannot be resolved."
	if n := count("g09"); n != 18 || len(fe.sent("SELECT *")) != 1 {
		t.Errorf("%d partitions with an unknown column", n)
	}
	columns = "Getting analyzing error. Detail message: Unknown table 'information_schema.partitions_meta'."
	if n := count("g09"); n != 2 || len(fe.sent("SHOW TEMPORARY PARTITIONS FROM `g09`.`rng`")) != 1 {
		t.Errorf("%d partitions without partitions_meta", n)
	}
	if n := len(fe.sent("SHOW PARTITIONS FROM `g09`.`vw`")); n != 0 {
		t.Error("asked for a view's partitions")
	}
	for _, err := range c.Partitions(t.Context(), "a`b") {
		if !errors.Is(err, ErrInvalidName) {
			t.Errorf("%v", err)
		}
	}
}

func TestCountRows(t *testing.T) {
	fe := startFE(t, "", func(sql string) (answer, error) {
		switch sql {
		case "SHOW FRONTENDS":
			return recorded(t)[sql], nil
		case "SELECT COUNT(*) FROM `d`.`t`":
			return answer{[]string{"count(*)"}, [][]*string{texts("12")}}, nil
		case "SELECT COUNT(*) FROM `d`.`t` PARTITION (`p`)":
			return answer{[]string{"count(*)"}, [][]*string{texts("3")}}, nil
		}
		return answer{}, fmt.Errorf("unexpected %s", sql)
	})
	c := openAt(t, Config{Addresses: []string{fe.address()}})
	n, err := c.CountRows(t.Context(), "d", "t", "")
	got(t, "table", 12, n, err)
	n, err = c.CountRows(t.Context(), "d", "t", "p")
	got(t, "partition", 3, n, err)
	if _, err = c.CountRows(context.Background(), "d", "t", "`"); !errors.Is(err, ErrInvalidName) {
		t.Error(err)
	}
}

func TestSizesAreRead(t *testing.T) {
	for text, want := range map[string]int64{"0B": 0, "1.2GB": 1288490188, "12": 12, "3.5 KB": 3584, "1TB": 1 << 40, "": 0, "x": 0, "1.2XB": 0, "0.000 B": 0} {
		if n := parseSize(text); n != want {
			t.Errorf("%q: %d", text, n)
		}
	}
}
