package starrockssim_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	sim "starkeep/test/starrockssim"
)

// at asks one FE and returns the first row.
func at(t *testing.T, address, query string) ([]string, error) {
	t.Helper()
	db, err := sql.Open("mysql", "root@tcp("+address+")/?interpolateParams=true")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, _ := rows.Columns()
	if !rows.Next() {
		return nil, rows.Err()
	}
	values := make([]any, len(names))
	text := make([]sql.NullString, len(names))
	for i := range values {
		values[i] = &text[i]
	}
	if err := rows.Scan(values...); err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(names))
	for i := range text {
		out[i] = text[i].String
	}
	return out, nil
}

func TestAfterARestartOrTakeOverJobsGoOnFromTheJournal(t *testing.T) {
	for _, frontends := range []int{1, 3} {
		for _, tc := range []struct {
			kind, state, table string
			outcome            string // hangs, finishes, PK hang, cancelled
		}{
			{"BACKUP", "PENDING", "t", "hangs"},
			{"BACKUP", "SNAPSHOTING", "t", "hangs"},
			{"BACKUP", "UPLOAD_SNAPSHOT", "t", "finishes"},
			{"BACKUP", "UPLOADING", "t", "finishes"},
			{"BACKUP", "SAVE_META", "t", "finishes"},
			{"BACKUP", "UPLOAD_INFO", "t", "files"},
			{"RESTORE", "PENDING", "t", "creation"},
			{"RESTORE", "SNAPSHOTING", "t", "creation"},
			{"RESTORE", "DOWNLOAD", "t", "finishes"},
			{"RESTORE", "DOWNLOADING", "t", "finishes"},
			{"RESTORE", "COMMIT", "t", "finishes"},
			{"RESTORE", "COMMITTING", "t", "finishes"},
			{"RESTORE", "COMMITTING", "pk", "PK hang"},
		} {
			t.Run(fmt.Sprintf("%d FEs %s %s %s", frontends, tc.kind, tc.state, tc.table), func(t *testing.T) {
				c := start(t, sim.Options{Frontends: frontends})
				sales(t, c)
				want := c.Content("d", tc.table)
				on, db := "ON ("+tc.table+")", "d"
				ts := ""
				if tc.kind == "RESTORE" {
					ts = backup(t, c, "d", "s", on)
					db = "d2"
					must(t, c, "CREATE DATABASE d2")
				}
				release := c.HoldStates(db, tc.state)
				if tc.kind == "BACKUP" {
					must(t, c, "BACKUP SNAPSHOT d.s TO r "+on)
				} else {
					must(t, c, restoreSQL(db, "s", on, ts, 1))
				}
				reach(t, c, tc.kind, db, tc.state)
				if tc.outcome == "PK hang" {
					eventually(t, func() bool { return row(t, c, "RESTORE", db)[13] == "" }, func() string { return "MOVEs" })
				}
				if frontends == 1 {
					if err := c.RestartFrontend(); err != nil {
						t.Fatal(err)
					}
				} else {
					c.KillLeader()
					eventually(t, func() bool { return c.Leader() > 0 }, func() string { return "no leader" })
				}
				release()
				switch {
				case tc.outcome == "hangs":
					ids := map[string]bool{}
					eventually(t, func() bool {
						r := row(t, c, tc.kind, db)
						ids[r[0]] = true
						return len(ids) > 3 && r[3] == "PENDING" && r[12] == "[OK]"
					}, func() string { return strings.Join(row(t, c, tc.kind, db), "|") })
					must(t, c, "CANCEL BACKUP FROM d", "BACKUP SNAPSHOT d.s TO r "+on)
				case tc.outcome == "files" && frontends > 1:
					eventually(t, func() bool { return contains(status(t, c, tc.kind, db), "msg: file is invalid: ") }, func() string { return "Status" })
					must(t, c, "CANCEL BACKUP FROM d")
					refused(t, c, "BACKUP SNAPSHOT d.s TO r "+on, "already exist in repository")
					must(t, c, "BACKUP SNAPSHOT d.s9 TO r "+on)
				case tc.outcome == "creation" && frontends == 1:
					reach(t, c, tc.kind, db, "CANCELLED")
					if got := status(t, c, tc.kind, db); !contains(got, "Failed to create replicas for restore. unfinished marks: ") {
						t.Error(got)
					}
					must(t, c, restoreSQL(db, "s", on, ts, 1))
				case tc.outcome == "PK hang":
					eventually(t, func() bool { return contains(row(t, c, tc.kind, db)[15], "snapshot path does not exist") }, func() string { return "no hang" })
					must(t, c, "CANCEL RESTORE FROM d2", restoreSQL(db, "s", on, ts, 1))
				}
				reach(t, c, tc.kind, db, "FINISHED")
				if got := c.Content(db, tc.table); got != want {
					t.Errorf("%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

func TestARestoreWithAMaterializedViewPoisonsTheDriverAfterATakeOver(t *testing.T) {
	c := start(t, sim.Options{Frontends: 2})
	sales(t, c)
	must(t, c, "CREATE MATERIALIZED VIEW d.m DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH MANUAL PROPERTIES('replication_num'='1') AS SELECT k FROM d.pk",
		"CREATE DATABASE z", "CREATE TABLE z.x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
	ts := backup(t, c, "d", "s", "ON (pk, m)")
	release := c.HoldStates("d2", "SNAPSHOTING")
	must(t, c, "CREATE DATABASE d2", restoreSQL("d2", "s", "ON (pk, m)", ts, 1))
	reach(t, c, "RESTORE", "d2", "SNAPSHOTING")
	c.KillLeader()
	eventually(t, func() bool { return c.Leader() == 1 }, func() string { return "no leader" })
	release()
	must(t, c, "DROP DATABASE z", "CREATE DATABASE z9", "CREATE TABLE z9.x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')", "BACKUP SNAPSHOT z9.x TO r ON (x)")
	ids := map[string]bool{}
	eventually(t, func() bool { ids[row(t, c, "RESTORE", "d2")[0]] = true; return len(ids) > 4 }, func() string { return "JobId stands still" })
	if got := row(t, c, "BACKUP", "z9")[0]; got != "-1" {
		t.Error("another job moved")
	}
	must(t, c, "CANCEL RESTORE FROM d2")
	reach(t, c, "BACKUP", "z9", "FINISHED")
}

func TestAFollowerForwardsEverythingButShowRestore(t *testing.T) {
	c := start(t, sim.Options{Frontends: 2})
	sales(t, c)
	ts := backup(t, c, "d", "s", "ON (pk)")
	follower := c.Addresses()[1]
	got, err := at(t, follower, "SHOW BACKUP FROM d")
	if err != nil || got[3] != "FINISHED" {
		t.Fatal(got, err)
	}
	must(t, c, "CREATE DATABASE d2")
	for _, st := range []struct{ hold, seen string }{{"SNAPSHOTING", "PENDING"}, {"DOWNLOADING", "DOWNLOAD"}, {"COMMITTING", "COMMIT"}} {
		release := c.HoldStates("d2", st.hold)
		if st.hold == "SNAPSHOTING" {
			must(t, c, restoreSQL("d2", "s", "ON (pk)", ts, 1))
		}
		reach(t, c, "RESTORE", "d2", st.hold)
		got, err := at(t, follower, "SHOW RESTORE FROM d2")
		if err != nil || got[4] != st.seen || got[13] != "" {
			t.Errorf("%s is seen as %v %v", st.hold, got, err)
		}
		tables, err := at(t, follower, "SHOW TABLES FROM d2")
		if err != nil || (len(tables) == 0) != (st.hold == "SNAPSHOTING") {
			t.Errorf("%s: tables at the follower: %v %v", st.hold, tables, err)
		}
		release()
	}
	reach(t, c, "RESTORE", "d2", "FINISHED")
	got, err = at(t, follower, "SHOW SNAPSHOT ON r WHERE SNAPSHOT = 's' AND TIMESTAMP = '"+ts+"'")
	if err != nil || !contains(got[4], "Failed to get info: failed to create local file: ") {
		t.Error(got, err)
	}
	c.KillLeader()
	if _, err := at(t, follower, "SHOW BACKUP"); c.Leader() < 0 && (err == nil || !contains(err.Error(), "java.net.ConnectException")) {
		t.Error("without a leader: ", err)
	}
	eventually(t, func() bool { return c.Leader() == 1 }, func() string { return "no leader" })
	if got, err := at(t, follower, "SHOW FRONTENDS"); err != nil || got[10] != "false" {
		t.Error(got, err)
	}
	if err := c.StartFrontend(0); err != nil {
		t.Fatal(err)
	}
	if got, err := at(t, c.Addresses()[0], "SHOW FRONTENDS"); err != nil || got[7] != "FOLLOWER" || got[10] != "true" {
		t.Error(got, err)
	}
}

func TestCancelBeforeTheFirstTickAfterATakeOverIsNotJournaled(t *testing.T) {
	c := start(t, sim.Options{Frontends: 2})
	sales(t, c)
	release := c.HoldStates("d", "SAVE_META")
	defer release()
	must(t, c, "BACKUP SNAPSHOT d.s TO r ON (pk)")
	reach(t, c, "BACKUP", "d", "SAVE_META")
	c.KillLeader()
	eventually(t, func() bool { return c.Leader() >= 0 }, func() string { return "no leader" })
	err := c.Exec("CANCEL BACKUP FROM d") // in time, or just after the first tick
	if err != nil && !contains(err.Error(), `because "this.globalStateMgr" is null`) {
		t.Error(err)
	}
	if got := state(t, c, "BACKUP", "d"); got != "CANCELLED" {
		t.Error(got)
	}
}

func TestTimeoutEndsAJobInAnyState(t *testing.T) {
	for _, st := range []string{"SNAPSHOTING", "COMMITTING"} {
		t.Run(st, func(t *testing.T) {
			c := start(t, sim.Options{})
			sales(t, c)
			ts := backup(t, c, "d", "s", "ON (pk)")
			held := c.HoldStates("d2", st)
			defer held()
			must(t, c, fmt.Sprintf(`RESTORE SNAPSHOT d2.s FROM r ON (pk) PROPERTIES("backup_timestamp"="%s","replication_num"="1","timeout"="600")`, ts))
			reach(t, c, "RESTORE", "d2", "CANCELLED")
			if got := status(t, c, "RESTORE", "d2"); got != "[TIMEOUT, msg: restore job with label: s  timeout.]" {
				t.Error(got)
			}
		})
	}
}

func TestTimeoutsBelowTenMinutesAreRefused(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	refused(t, c, `BACKUP SNAPSHOT d.s TO r ON (pk) PROPERTIES("timeout"="599")`, "Getting analyzing error. Detail message: timeout must be at least 10 min.")
	refused(t, c, `BACKUP SNAPSHOT d.s TO r ON (pk) PROPERTIES("timeout"="abc")`, "Invalid timeout format: abc.")
}

func TestGoSQLDriverTalksToIt(t *testing.T) {
	c := start(t, sim.Options{Users: map[string]string{"root": "", "ann": "secret"}})
	sales(t, c)
	db, err := sql.Open("mysql", "ann:secret@tcp("+c.Address()+")/d?interpolateParams=true&timeout=5s")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM `d`.`pk`").Scan(&n); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	if _, err := db.Exec("INSERT INTO pk VALUES (?, ?)", 7, 8); err != nil {
		t.Fatal(err)
	}
	bad, _ := sql.Open("mysql", "ann:wrong@tcp("+c.Address()+")/")
	defer bad.Close()
	if err := bad.Ping(); err == nil || !contains(err.Error(), "1045") {
		t.Error(err)
	}
	if len(c.Accepted("INSERT INTO pk")) != 1 {
		t.Error(c.Statements())
	}
}

// asUser runs a statement as a user without a password.
func asUser(t *testing.T, address, user, query string) error {
	t.Helper()
	db, err := sql.Open("mysql", user+"@tcp("+address+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
