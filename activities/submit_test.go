package activities_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"starkeep/activities"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

var bothKinds = []string{"BACKUP", "RESTORE"}

// anyUnit makes a unit of either kind: BACKUP of d.t, or RESTORE of it into d2.
func (b *bed) anyUnit(kind string) activities.UnitRef {
	b.Helper()
	b.tables()
	if kind == "BACKUP" {
		return b.unit("d.t")
	}
	point := b.backUp("d.t")
	u := b.restoreUnit(b.planRestore(spec.Restore{Point: point, Rename: map[string]string{"d": "d2"}}))
	b.must(nil, b.acts.EnsureDatabase, "prod", "d2")
	return u
}

func submitted(t *testing.T, e ended) (adopted bool) {
	t.Helper()
	var s activities.Submission
	if e.err != nil {
		t.Fatal(e.err)
	}
	if err := e.value.Get(&s); err != nil {
		t.Fatal(err)
	}
	return s.Adopted
}

// TestSubmitWhenTheAnswerIsLost: a statement that got through is adopted, one that did not is sent again.
func TestSubmitWhenTheAnswerIsLost(t *testing.T) {
	for _, kind := range bothKinds {
		for _, c := range []struct {
			name    string
			way     way
			first   string // outcome of the first attempt
			adopted bool   // by the first attempt that succeeds
		}{
			{"after the FE accepted it", loseAnswer, "submitted", true},
			{"before the FE had it", loseStatement, spec.ErrorConnectionLost, false},
		} {
			t.Run(kind+" "+c.name, func(t *testing.T) {
				t.Parallel()
				var proxy *sqlProxy
				b := newBed(t, options{through: throughProxy(&proxy)})
				u := b.anyUnit(kind)
				var times atomic.Int32
				proxy.on(func(sql string) way {
					if strings.HasPrefix(sql, kind+" SNAPSHOT") && times.Add(1) == 1 {
						return c.way
					}
					return pass
				})
				mark := b.sentSoFar()
				e := b.run(b.acts.Submit, u)
				if e.err != nil && (e.kind != c.first || !e.retry) {
					t.Fatalf("first attempt: %v (%s, retried %t)", e.err, e.kind, e.retry)
				}
				if e.err != nil {
					e = b.run(b.acts.Submit, u)
				}
				if got := submitted(t, e); got != c.adopted {
					t.Errorf("adopted %t, want %t", got, c.adopted)
				}
				b.must(nil, b.acts.Await, u)
				if got := b.sent(mark); got != kind {
					t.Errorf("sent %q, want one %s", got, kind)
				}
			})
		}
	}
}

// TestSubmitAgain: whatever has become of the attempt meanwhile, it is recognised and nothing is sent.
func TestSubmitAgain(t *testing.T) {
	for _, kind := range bothKinds {
		for _, now := range []string{"PENDING", "COMMITTING", "UPLOADING", "FINISHED", "CANCELLED"} {
			if now == "COMMITTING" && kind == "BACKUP" || now == "UPLOADING" && kind == "RESTORE" {
				continue
			}
			t.Run(kind+" is "+now, func(t *testing.T) {
				t.Parallel()
				b := newBed(t, options{})
				u := b.anyUnit(kind)
				hold := now
				if now == "CANCELLED" {
					hold = "SNAPSHOTING"
				}
				b.sim.HoldStates(u.Database, hold)
				b.must(nil, b.acts.Submit, u)
				b.reach(kind, u.Database, hold)
				if now == "CANCELLED" {
					b.sql("CANCEL " + kind + " FROM " + u.Database)
				}
				mark := b.sentSoFar()
				if !submitted(t, b.run(b.acts.Submit, u)) {
					t.Error("not adopted")
				}
				if got := b.sent(mark); got != "" {
					t.Errorf("sent %q", got)
				}
			})
		}
	}
}

// TestTwoWorkersSubmitAtOnce: one statement is accepted, both say that it runs.
func TestTwoWorkersSubmitAtOnce(t *testing.T) {
	for _, kind := range bothKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var proxy *sqlProxy
			b := newBed(t, options{through: throughProxy(&proxy)})
			u := b.anyUnit(kind)
			arrived := make(chan struct{}, 2)
			both := make(chan struct{})
			hold := func(sql string) way {
				if strings.HasPrefix(sql, kind+" SNAPSHOT") {
					arrived <- struct{}{}
					<-both
				}
				return pass
			}
			proxy.on(hold)
			first := b.acts
			var second *sqlProxy
			b.acts = b.newWorker(options{through: throughProxy(&second)})
			second.on(hold)
			mark := b.sentSoFar()
			_, one := b.start(b.acts.Submit, u)
			<-arrived
			b.acts = first
			_, two := b.start(b.acts.Submit, u)
			<-arrived
			close(both)
			adopted := []bool{submitted(t, b.wait(one)), submitted(t, b.wait(two))}
			if !slices.Contains(adopted, true) || !slices.Contains(adopted, false) {
				t.Errorf("adopted %v, want one of them", adopted)
			}
			b.must(nil, b.acts.Await, u)
			if got := strings.ReplaceAll(b.sent(mark), kind+"!", ""); strings.Count(got, kind) != 1 {
				t.Errorf("sent %q, want one accepted %s", b.sent(mark), kind)
			}
		})
	}
}

// TestStatementOfAWorkerTakenForDead: a worker that hung between its look and its statement sends it long after another
// one has brought the unit to its end. StarRocks refuses it, and nothing comes of it.
func TestStatementOfAWorkerTakenForDead(t *testing.T) {
	for _, kind := range bothKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var proxy *sqlProxy
			b := newBed(t, options{through: throughProxy(&proxy)})
			u := b.anyUnit(kind)
			arrived, free := make(chan struct{}), make(chan struct{})
			proxy.on(func(sql string) way {
				if strings.HasPrefix(sql, kind+" SNAPSHOT") {
					arrived <- struct{}{}
					<-free
				}
				return pass
			})
			hung := b.acts
			_, done := b.start(hung.Submit, u)
			<-arrived
			b.acts = b.newWorker(options{})
			b.must(nil, b.acts.Submit, u)
			b.must(nil, b.acts.Await, u)
			if kind == "BACKUP" {
				b.must(nil, b.acts.Record, u)
			} else {
				b.must(nil, b.acts.Tidy, u)
				b.sql("DROP TABLE d2.t FORCE") // as if it had been swapped away
			}
			mark := b.sentSoFar()
			close(free)
			if !submitted(t, b.wait(done)) {
				t.Error("the late worker does not recognise the job")
			}
			if got := b.sent(mark); strings.ReplaceAll(got, kind+"!", "") != strings.Repeat(", ", strings.Count(got, ",")) {
				t.Errorf("sent %q: something was accepted", got)
			}
			if kind == "RESTORE" && len(b.tableNames("d2")) > 0 {
				t.Errorf("tables %v came back", b.tableNames("d2"))
			}
		})
	}
}

// TestSubmitMeetsAJobOfSomebodyElse: it waits its turn, and says for whom.
func TestSubmitMeetsAJobOfSomebodyElse(t *testing.T) {
	for _, kind := range bothKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			u := b.anyUnit(kind)
			b.sql("CREATE DATABASE IF NOT EXISTS "+u.Database, "CREATE TABLE "+u.Database+".x (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')")
			release := b.sim.HoldStates(u.Database, "UPLOADING")
			b.sql("BACKUP SNAPSHOT " + u.Database + ".by_hand TO r ON (x)")
			mark := b.sentSoFar()
			e := b.run(b.acts.Submit, u)
			if e.kind != spec.ErrorDatabaseBusy || !e.retry {
				t.Fatalf("got %v, want DatabaseBusy, retried", e.err)
			}
			for _, want := range []string{"database " + u.Database, "BACKUP with label by_hand"} {
				if !contains(e.message, want) {
					t.Errorf("%q does not say %q", e.message, want)
				}
			}
			impatient := u
			impatient.FailBusy = true
			if e := b.run(b.acts.Submit, impatient); e.kind != spec.ErrorDatabaseBusy || e.retry {
				t.Errorf("with FailBusy: got %v, want DatabaseBusy, not retried", e.err)
			}
			release()
			b.reach("BACKUP", u.Database, "FINISHED")
			b.must(nil, b.acts.Submit, u)
			b.must(nil, b.acts.Await, u)
			if got := b.sent(mark); got != kind {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// TestSubmissionThatOthersSpoil: these texts say nothing about the statement and are tried again.
func TestSubmissionThatOthersSpoil(t *testing.T) {
	for _, c := range []struct{ kind, words string }{
		{"BACKUP", "Another backup or restore job is being submitted. Please wait and try again"},
		{"RESTORE", "Another backup or restore job is being submitted. Please wait and try again"},
		{"RESTORE", "Failed to get info of snapshot 's' because: md5sum does not equal. local: d41d8cd98f00b204e9800998ecf8427e, remote: 0cc175b9c0f1b6a831c399e269772661. Maybe specified wrong backup timestamp"},
		{"RESTORE", "Failed to get info of snapshot 's' because: file /opt/fe/tmp_dir/backup/info_1795363088000 does not exist. Maybe specified wrong backup timestamp"},
		{"RESTORE", "Failed to get info of snapshot 's' because: failed to create local file: /opt/fe/tmp_dir/backup/info_1795363088000. Maybe specified wrong backup timestamp"},
		{"RESTORE", "Failed to create job info from file: info_1795363088000. msg: A JSONObject text must begin with '{' at 0 [character 1 line 1]"},
	} {
		for _, times := range []int32{1, 4, 5} {
			t.Run(fmt.Sprintf("%s %d times %.60s", c.kind, times, c.words), func(t *testing.T) {
				t.Parallel()
				var proxy *sqlProxy
				b := newBed(t, options{through: throughProxy(&proxy)})
				u := b.anyUnit(c.kind)
				var n atomic.Int32
				proxy.words = c.words
				proxy.on(func(sql string) way {
					if strings.HasPrefix(sql, c.kind+" SNAPSHOT") && n.Add(1) <= times {
						return refuse
					}
					return pass
				})
				e := b.run(b.acts.Submit, u)
				if times < 5 {
					if submitted(t, e) {
						t.Error("adopted")
					}
					return
				}
				if e.kind != spec.ErrorThrottled || !e.retry || !contains(e.message, c.words) {
					t.Errorf("got %v (%s), want Throttled, retried, with StarRocks' words", e.err, e.kind)
				}
			})
		}
	}
}

// TestRefusedStatement: what StarRocks says about the statement itself is the unit's failure, with culprits where it
// names them, or of a type that stops everything.
func TestRefusedStatement(t *testing.T) {
	for _, c := range []struct {
		name, change, kind string
		culprits           int
		retry              bool
		words              string
	}{
		{"table dropped", "DROP TABLE d.pk FORCE", spec.ErrorJobFailed, 1, false, "pk"},
		{"partition dropped", "ALTER TABLE d.t DROP PARTITION p2 FORCE", spec.ErrorJobFailed, 1, false, "p2"},
		{"temporary partition", "ALTER TABLE d.t ADD TEMPORARY PARTITION tp VALUES LESS THAN ('2027-01-01')", spec.ErrorJobFailed, 0, false, "temp"},
		{"database dropped", "DROP DATABASE d FORCE", spec.ErrorInvalidSpec, 0, false, "d"},
		{"repository dropped", "DROP REPOSITORY r", spec.ErrorRepositoryMissing, 0, false, "create the repository"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.tables()
			u := b.unit("d")
			b.sql(c.change)
			e := b.run(b.acts.Submit, u)
			if e.kind != c.kind || e.retry != c.retry || len(e.failure.Culprits) != c.culprits {
				t.Errorf("got %s, retried %t, culprits %v (%v); want %s, %t, %d", e.kind, e.retry, e.failure.Culprits, e.err, c.kind, c.retry, c.culprits)
			}
			if !contains(e.message, c.words) {
				t.Errorf("%q does not say %q", e.message, c.words)
			}
		})
	}
}

// TestRowThatIsNotShown: no row at all is a missing EXPORT right or a dropped database; another's row means that ours
// has ended.
func TestRowThatIsNotShown(t *testing.T) {
	for _, c := range []struct {
		name, kind, at string // what happens while the job stands in the state
		do             func(b *bed, u activities.UnitRef)
		outcome        string
		words          []string
	}{
		{"EXPORT is taken away", "BACKUP", "UPLOADING", func(b *bed, _ activities.UnitRef) { b.sql("DROP ROLE exporter") },
			spec.ErrorJobLost, []string{"grant EXPORT on every table"}},
		{"EXPORT is taken away, but the snapshot comes about", "BACKUP", "", func(b *bed, _ activities.UnitRef) { b.sql("DROP ROLE exporter") },
			"finished", nil},
		{"database dropped", "BACKUP", "UPLOADING", func(b *bed, _ activities.UnitRef) { b.sql("DROP DATABASE d FORCE") },
			spec.ErrorJobLost, []string{"database was dropped"}},
		{"database dropped", "RESTORE", "DOWNLOADING", func(b *bed, _ activities.UnitRef) { b.sql("DROP DATABASE d2 FORCE") },
			spec.ErrorJobLost, []string{"database was dropped"}},
		{"a later job took the row of one that was cancelled", "BACKUP", "UPLOADING", later, "failed, transient", []string{"later"}},
		{"a later job took the row of one that finished", "BACKUP", "FINISHED", later, "finished", nil},
		{"a later job took the row", "RESTORE", "FINISHED", later, "finished, unseen", nil},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			o := options{}
			if c.at == "" { // the job has to end before it is given up as lost
				o.timing = func(t *activities.Timing) { t.LostJob = 300 * tick }
			}
			b := newBed(t, o)
			u := b.anyUnit(c.kind)
			b.sql("CREATE USER sk", "CREATE ROLE exporter", "GRANT REPOSITORY, OPERATE ON SYSTEM TO USER sk", "GRANT EXPORT ON TABLE d.t TO ROLE exporter", "GRANT exporter TO USER sk")
			if contains(c.name, "EXPORT") {
				o.user = "sk"
				b.acts = b.newWorker(o)
			}
			release := b.sim.HoldStates(u.Database, c.at)
			if c.at == "" {
				release()
				release = b.sim.HoldStates(u.Database, "UPLOAD_INFO")
			}
			b.must(nil, b.acts.Submit, u)
			if c.at != "" {
				b.reach(c.kind, u.Database, c.at)
			}
			c.do(b, u)
			if c.at != "UPLOADING" {
				release()
			}
			e := b.run(b.acts.Await, u)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			for _, want := range c.words {
				if !contains(e.message, want) {
					t.Errorf("%q does not say %q", e.message, want)
				}
			}
		})
	}
}

// later puts another job of the same kind into the database's row.
func later(b *bed, u activities.UnitRef) {
	kind := string(u.Statement)
	if !starrocks.State(b.state(kind, u.Database)).Terminal() {
		b.sql("CANCEL " + kind + " FROM " + u.Database)
	}
	if kind == "BACKUP" {
		b.sql("BACKUP SNAPSHOT d.later TO r ON (t)")
		return
	}
	b.sql(fmt.Sprintf(`RESTORE SNAPSHOT d2.%s FROM r ON (t) PROPERTIES("backup_timestamp"="%s","replication_num"="1")`, u.Label, b.timestamp(u)))
}

// timestamp is the one that StarRocks gave the snapshot which a unit restores.
func (b *bed) timestamp(u activities.UnitRef) string {
	b.Helper()
	for o, err := range b.store.List(b.Context(), starrocks.Snapshot{Repository: "r", Label: u.Label}.InfoPrefix("")) {
		if err != nil {
			b.Fatal(err)
		}
		if k, err := starrocks.ParseKey(o.Key); err == nil && k.Timestamp != u.Timestamp {
			return k.Timestamp
		}
	}
	b.Fatalf("no __info of %s", u.Label)
	return ""
}
