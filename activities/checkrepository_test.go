package activities_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

var here = activities.RepositoryRef{Cluster: "prod", Repository: "repo"}

var scratchName = restorepoint.ScratchDatabase(here.Cluster, here.Repository)

// objects lists the keys in the repository.
func (b *bed) objects() []string {
	b.Helper()
	var keys []string
	for o, err := range b.store.List(b.Context(), "") {
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// scratchBackup begins a BACKUP of the scratch table.
func (b *bed) scratchBackup() activities.UnitRef {
	b.Helper()
	var made activities.Scratch
	b.must(&made, b.acts.MakeScratch, here)
	if len(made.Backends) != 3 || made.Database != scratchName {
		b.Fatalf("scratch table: %+v", made)
	}
	u := b.unit(scratchName)
	u.Scratch = true
	b.must(nil, b.acts.Submit, u)
	return u
}

func TestAScratchTableIsOnEveryBE(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{backends: 5})
	var made, again activities.Scratch
	b.must(&made, b.acts.MakeScratch, here)
	if len(made.Backends) != 5 {
		t.Errorf("it is on the BEs %v, want all 5", made.Backends)
	}
	b.must(&again, b.acts.MakeScratch, here)
	if !slices.Equal(made.Backends, again.Backends) {
		t.Errorf("made again it is on %v", again.Backends)
	}
}

// Whoever lacks a privilege for the scratch table is told which, and what to grant.
func TestMissingPrivilegesAreNamed(t *testing.T) {
	grants := []string{
		"GRANT REPOSITORY, OPERATE ON SYSTEM TO USER checker",
		"GRANT CREATE DATABASE ON CATALOG default_catalog TO USER checker",
		"GRANT CREATE TABLE ON ALL DATABASES TO USER checker",
		"GRANT INSERT ON ALL TABLES IN ALL DATABASES TO USER checker",
		"GRANT SELECT ON ALL TABLES IN ALL DATABASES TO USER checker",
		"GRANT EXPORT ON ALL TABLES IN ALL DATABASES TO USER checker",
		"GRANT DROP ON ALL TABLES IN ALL DATABASES TO USER checker",
	}
	for _, tt := range []struct{ lacks, says, fix string }{
		{"CREATE DATABASE", "CREATE DATABASE privilege(s) on CATALOG default_catalog", "GRANT CREATE DATABASE ON CATALOG default_catalog"},
		{"CREATE TABLE", "CREATE TABLE privilege(s) on DATABASE", "GRANT CREATE TABLE ON ALL DATABASES"},
		{"INSERT", "INSERT privilege(s) on TABLE", "GRANT INSERT ON ALL TABLES IN ALL DATABASES"},
		{"EXPORT", "EXPORT privilege(s) on TABLE", "GRANT EXPORT ON ALL TABLES IN ALL DATABASES"},
	} {
		t.Run(tt.lacks, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.sql("CREATE USER checker")
			for _, g := range grants {
				if !strings.HasPrefix(g, "GRANT "+tt.lacks+" ") {
					b.sql(g)
				}
			}
			checker := b.newWorker(options{user: "checker"})
			b.acts = checker
			place := activities.Place{Cluster: "prod", Repository: "repo", Location: b.location}
			err := b.run(checker.MakeScratch, here).err
			var row spec.RightRow
			if err != nil {
				row = place.ScratchRow(err)
			}
			if tt.lacks == "EXPORT" {
				if err != nil {
					t.Fatal(err)
				}
				err = b.run(checker.Submit, b.unit(scratchName)).err
				row = place.BackupRows(err, nil)[0]
			}
			if err == nil || row.Type != spec.ErrorAuthDenied || row.Right != spec.RightScratch || !strings.Contains(row.Message, tt.says) || !strings.Contains(row.Fix, tt.fix) {
				t.Errorf("%v gives %+v, want %q and %q", err, row, tt.says, tt.fix)
			}
		})
	}
}

// A check's leftovers go, whatever state its job is in; nothing else does.
func TestClearScratchLeavesOthersAlone(t *testing.T) {
	for _, state := range []string{"", "SNAPSHOTING", "UPLOADING", "UPLOAD_INFO", "FINISHED"} {
		t.Run("BACKUP "+state, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			b.backUp("d")
			before := b.objects()
			if state != "" && state != "FINISHED" {
				defer b.sim.HoldStates(scratchName, state)()
			}
			u := b.scratchBackup()
			if state != "" {
				b.reach("BACKUP", scratchName, state)
			}
			if state == "FINISHED" {
				b.must(nil, b.acts.Record, u)
			}
			b.must(nil, b.acts.ClearScratch, here)
			b.must(nil, b.acts.ClearScratch, here)
			after := slices.DeleteFunc(b.objects(), func(key string) bool { return strings.Contains(key, "/plans/20") }) // of this test
			before = slices.DeleteFunc(before, func(key string) bool { return strings.Contains(key, "/plans/20") })
			if !slices.Equal(before, after) {
				t.Errorf("objects before: %q\nafter: %q", before, after)
			}
			if names := b.tableNames(scratchName); names != nil || len(b.tableNames("d")) != 2 {
				t.Errorf("tables: scratch %q, ours %q", names, b.tableNames("d"))
			}
		})
	}
	t.Run("somebody's table", func(t *testing.T) {
		b := newBed(t, options{})
		b.sql("CREATE DATABASE "+scratchName, "CREATE TABLE "+scratchName+".sales (k INT NOT NULL) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
		err := b.run(b.acts.ClearScratch, here).err
		if kind, message := activities.TypeOf(err); kind != spec.ErrorInvalidSpec || !strings.Contains(message, "holds sales, which no check has made") {
			t.Errorf("got %v", err)
		}
		if names := b.tableNames(scratchName); !slices.Equal(names, []string{"sales"}) {
			t.Errorf("tables: %q", names)
		}
	})
}

// Backups of everything leave a check's database out: it is gone in a minute.
func TestBackupsLeaveScratchDatabasesOut(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	b.must(nil, b.acts.MakeScratch, here)
	for _, include := range [][]string{nil, {"*"}, {"*.*"}} {
		plan := b.planBackup(include...)
		if len(plan.Databases) != 1 || plan.Databases[0].Database != "d" {
			t.Errorf("%q selects %+v", include, plan.Databases)
		}
	}
}

func TestWhatTheFETells(t *testing.T) {
	rowOf := func(p activities.Probed, right string) spec.RightRow {
		at := slices.IndexFunc(p.Rows, func(row spec.RightRow) bool { return row.Side == spec.SideFE && row.Right == right })
		if at < 0 {
			return spec.RightRow{}
		}
		return p.Rows[at]
	}
	t.Run("all is there", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		var p activities.Probed
		b.must(&p, b.acts.ProbeCluster, here)
		if !p.Usable || !rowOf(p, spec.RightRepository).OK || !rowOf(p, spec.RightList).OK || len(p.Backends) != 3 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("no such repository", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.sql("DROP REPOSITORY r")
		var p activities.Probed
		b.must(&p, b.acts.ProbeCluster, here)
		if row := rowOf(p, spec.RightRepository); p.Usable || row.Type != spec.ErrorRepositoryMissing || row.Fix != "starkeep repo create repo --cluster prod" {
			t.Errorf("%+v", row)
		}
	})
	t.Run("no privilege", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.sql("CREATE USER guest", "GRANT OPERATE ON SYSTEM TO USER guest")
		b.acts = b.newWorker(options{user: "guest"})
		var p activities.Probed
		b.must(&p, b.acts.ProbeCluster, here)
		if row := rowOf(p, spec.RightRepository); p.Usable || row.Type != spec.ErrorAuthDenied || !strings.Contains(row.Fix, "GRANT REPOSITORY ON SYSTEM") {
			t.Errorf("%+v", row)
		}
	})
	t.Run("a dead BE", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, options{})
		b.sim.StopBackend(1)
		var p activities.Probed
		b.until("the FE notices", func() bool {
			b.must(&p, b.acts.ProbeCluster, here)
			return len(p.Backends) == 2
		})
		dead := p.Rows[len(p.Rows)-1]
		if !p.Usable || dead.Side != spec.SideBE || dead.Right != spec.RightAlive || !dead.NotTried || dead.Backend == 0 {
			t.Errorf("%+v", dead)
		}
	})
}

// carelessStore does not know conditional writes.
type carelessStore struct{ storage.Store }

func (s carelessStore) Put(ctx context.Context, key string, body io.Reader, size int64, _ storage.Mode) error {
	return s.Store.Put(ctx, key, body, size, storage.Overwrite)
}

func TestAStoreWithoutConditionalWritesIsFound(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.store = carelessStore{b.store}
	b.acts = b.newWorker(options{})
	var rows []spec.RightRow
	b.must(&rows, b.acts.ProbeStore, here)
	at := slices.IndexFunc(rows, func(row spec.RightRow) bool { return !row.OK })
	if at < 0 || rows[at].Right != spec.RightWrite || !strings.Contains(rows[at].Message, "If-None-Match") {
		t.Errorf("%+v", rows)
	}
	if keys := b.objects(); !slices.Equal(keys, []string{starrocks.RepoInfoKey("r")}) {
		t.Errorf("left behind: %q", keys)
	}
}

func TestDropRepository(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	b.tables()
	u := b.unit()
	release := b.sim.HoldStates("d", "UPLOADING")
	b.must(nil, b.acts.Submit, u)
	b.reach("BACKUP", "d", "UPLOADING")
	_, err := activities.DropRepository(t.Context(), b.acts, here)
	if kind, message := activities.TypeOf(err); kind != spec.ErrorDatabaseBusy || !strings.Contains(message, "BACKUP of database d, label "+u.Label+", in UPLOADING") {
		t.Errorf("while a BACKUP runs: %v", err)
	}
	release()
	b.must(nil, b.acts.Await, u)
	before := b.objects()
	_, err = activities.DropRepository(t.Context(), b.acts, here, "backup/prod/nightly")
	if kind, message := activities.TypeOf(err); kind != spec.ErrorDatabaseBusy || !strings.Contains(message, "it is used by backup/prod/nightly") {
		t.Errorf("while a run is open: %v", err)
	}
	out, err := activities.DropRepository(t.Context(), b.acts, here)
	if err != nil || !out.Dropped || !strings.Contains(out.Remains, "starkeep repo create repo attaches") {
		t.Errorf("%+v", out)
	}
	if after := b.objects(); !slices.Equal(before, after) {
		t.Errorf("objects before: %q\nafter: %q", before, after)
	}
	out, err = activities.DropRepository(t.Context(), b.acts, here)
	if err != nil || out.Dropped || !strings.Contains(out.Message, "has no repository r") {
		t.Errorf("dropped again: %+v", out)
	}
}
