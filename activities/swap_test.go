package activities_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/workflows/spec"
)

// swapping is a table restored beside the live one, ready to be exchanged.
type swapping struct {
	*restoring
	oldID, newID int64
	old          string // content of the live table
	before       string // name of the old table after the swap
}

func newSwap(b *bed) *swapping {
	b.Helper()
	r := newRestore(b, "beside live tables")
	r.brought()
	s := &swapping{restoring: r, old: b.sim.Content("d", "t"), before: restorepoint.BeforeTable("t", b.runSeed())}
	s.oldID, s.newID = b.id("t"), b.id(r.t)
	return s
}

// id of a table of database d; 0 if there is none of the name.
func (b *bed) id(table string) int64 {
	b.Helper()
	rows, err := b.sim.Query("SELECT TABLE_NAME, TABLE_ID FROM information_schema.tables_config WHERE TABLE_SCHEMA = 'd'")
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rows {
		if r[0] == table {
			var id int64
			if _, err := fmt.Sscan(r[1], &id); err != nil {
				b.Fatal(err)
			}
			return id
		}
	}
	return 0
}

func (s *swapping) swap() ended {
	s.Helper()
	return s.run(s.acts.Swap, s.ref("t"), s.runSeed(), s.newID, false)
}

// standing says which table stands where: "new" and "old" under the live, the beside and the before name.
func (s *swapping) standing() string {
	var list []string
	for _, name := range []string{"t", s.t, s.before} {
		switch s.id(name) {
		case s.newID:
			list = append(list, "new")
		case s.oldID:
			list = append(list, "old")
		case 0:
			list = append(list, "-")
		default:
			list = append(list, "other")
		}
	}
	return strings.Join(list, " ")
}

const swapped = "new - old"

// TestSwapGoesOnWhereItWasLeft: whatever an earlier attempt got done is recognised; a repeated Swap never undoes.
func TestSwapGoesOnWhereItWasLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		done func(s *swapping) []string // statements of the earlier attempt
		sent string
	}{
		{"nothing done", func(*swapping) []string { return nil }, "ALTER, ALTER"},
		{"exchanged", func(s *swapping) []string { return []string{"ALTER TABLE d.t SWAP WITH " + s.t} }, "ALTER"},
		{"exchanged and renamed", func(s *swapping) []string {
			return []string{"ALTER TABLE d.t SWAP WITH " + s.t, "ALTER TABLE d." + s.t + " RENAME " + s.before}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSwap(newBed(t, options{}))
			s.sql(c.done(s)...)
			mark := s.sentSoFar()
			for range 3 {
				if e := s.swap(); e.err != nil {
					t.Fatal(e.err)
				}
				if got := s.standing(); got != swapped {
					t.Errorf("standing %q, want %q", got, swapped)
				}
			}
			if got := s.sent(mark); got != c.sent {
				t.Errorf("sent %q in three attempts, want %q", got, c.sent)
			}
			if s.sim.Content("d", "t") != s.content() || s.sim.Content("d", s.before) != s.old {
				t.Error("the data is not where it should be")
			}
		})
	}
}

// content is that of t at the backup.
func (s *swapping) content() string { return strings.TrimSuffix(s.backedUp, s.sim.Content("d", s.pk)) }

// TestSwapWhenConnectionsBreak: the ids are read again after each error.
func TestSwapWhenConnectionsBreak(t *testing.T) {
	for _, c := range []struct {
		name, statement string
		way             way
		sent            string
	}{
		{"SWAP carried out", "SWAP", loseAnswer, "ALTER, ALTER"},
		{"SWAP not carried out", "SWAP", loseStatement, "ALTER, ALTER"},
		{"RENAME carried out", "RENAME", loseAnswer, "ALTER, ALTER"},
		{"RENAME not carried out", "RENAME", loseStatement, "ALTER, ALTER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var proxy *sqlProxy
			s := newSwap(newBed(t, options{through: throughProxy(&proxy)}))
			var times atomic.Int32
			proxy.on(func(sql string) way {
				if strings.HasPrefix(sql, "ALTER") && strings.Contains(sql, c.statement) && times.Add(1) == 1 {
					return c.way
				}
				return pass
			})
			mark := s.sentSoFar()
			if e := s.swap(); e.err != nil {
				t.Fatal(e.err)
			}
			if got := s.standing(); got != swapped {
				t.Errorf("standing %q, want %q", got, swapped)
			}
			if got := s.sent(mark); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

// TestSwapOfTablesThatChangedHands is refused, and nothing is exchanged.
func TestSwapOfTablesThatChangedHands(t *testing.T) {
	const like = " (dt DATE NOT NULL, id BIGINT NOT NULL) DUPLICATE KEY(dt, id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES('replication_num'='1')"
	for _, c := range []struct {
		name string
		do   func(s *swapping) []string
	}{
		{"live table renamed", func(s *swapping) []string { return []string{"ALTER TABLE d.t RENAME t_other"} }},
		{"live table dropped", func(s *swapping) []string { return []string{"DROP TABLE d.t FORCE"} }},
		{"live table dropped and created anew", func(s *swapping) []string { return []string{"DROP TABLE d.t FORCE", "CREATE TABLE d.t" + like} }},
		{"restored table dropped", func(s *swapping) []string { return []string{"DROP TABLE d." + s.t + " FORCE"} }},
		{"restored table renamed", func(s *swapping) []string { return []string{"ALTER TABLE d." + s.t + " RENAME t_other"} }},
		{"restored table put elsewhere", func(s *swapping) []string {
			return []string{"CREATE TABLE d.x" + like, "ALTER TABLE d." + s.t + " SWAP WITH x"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSwap(newBed(t, options{}))
			s.sql(c.do(s)...)
			before, mark := s.standing(), s.sentSoFar()
			e := s.swap()
			if e.kind != spec.ErrorSchemaMismatch || e.retry {
				t.Errorf("got %v, want SchemaMismatch", e.err)
			}
			if got := s.sent(mark); got != "" || s.standing() != before {
				t.Errorf("sent %q, standing %q, was %q", got, s.standing(), before)
			}
		})
	}
}

// TestLoadsDuringASwap end in the old table, and are named.
func TestLoadsDuringASwap(t *testing.T) {
	var proxy *sqlProxy
	s := newSwap(newBed(t, options{through: throughProxy(&proxy)}))
	proxy.on(func(sql string) way {
		if strings.Contains(sql, "SWAP") {
			s.sql("INSERT INTO d.t VALUES ('2026-01-10', 10)", "INSERT INTO d.t VALUES ('2026-01-11', 11)")
		}
		return pass
	})
	e := s.swap()
	var out activities.Swapped
	if e.err != nil || e.value.Get(&out) != nil {
		t.Fatal(e.err)
	}
	if text := strings.Join(out.Warnings, "\n"); !contains(text, "2 loads into d.t") || !contains(text, s.before) {
		t.Errorf("warnings %q", out.Warnings)
	}
}

func (s *swapping) swappedTable() spec.SwappedTable {
	s.Helper()
	e := s.swap()
	var out activities.Swapped
	if e.err != nil || e.value.Get(&out) != nil {
		s.Fatal(e.err)
	}
	return out.Table
}

// TestUndoOfASwap by ids: a half-done undo goes on, a repeated one changes nothing, and a table that changed hands is
// left alone.
func TestUndoOfASwap(t *testing.T) {
	for _, c := range []struct {
		name     string
		do       func(s *swapping) []string // after the swap
		standing string
		kind     string
		says     string
	}{
		{"right away", func(*swapping) []string { return nil }, "old new -", "", "swapped back"},
		{"half done", func(s *swapping) []string { return []string{"ALTER TABLE d.t SWAP WITH " + s.before} }, "old new -", "", "swapped back"},
		{"done", func(s *swapping) []string {
			return []string{"ALTER TABLE d.t SWAP WITH " + s.before, "ALTER TABLE d." + s.before + " RENAME " + s.t}
		}, "old new -", "", "swapped back"},
		{"loaded since", func(*swapping) []string { return []string{"INSERT INTO d.t VALUES ('2026-01-12', 12)"} }, "old new -", "", "1 loads since the swap are in the table kept"},
		{"old table dropped", func(s *swapping) []string { return []string{"DROP TABLE d." + s.before + " FORCE"} }, "new - -", spec.ErrorSchemaMismatch, "dropped"},
		{"restored table dropped", func(*swapping) []string { return []string{"DROP TABLE d.t FORCE"} }, "- - old", spec.ErrorSchemaMismatch, "is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSwap(newBed(t, options{}))
			table := s.swappedTable()
			s.sql(c.do(s)...)
			for range 2 {
				e := s.run(s.acts.UndoSwap, "prod", table)
				if e.kind != c.kind {
					t.Fatalf("got %v, want %q", e.err, c.kind)
				}
				var out spec.UndoneTable
				said := e.message
				if e.err == nil {
					if err := e.value.Get(&out); err != nil {
						t.Fatal(err)
					}
					said = out.Done
				}
				if !contains(said, c.says) {
					t.Errorf("said %q, want %q", said, c.says)
				}
				if got := s.standing(); got != c.standing {
					t.Errorf("standing %q, want %q", got, c.standing)
				}
			}
			if c.kind == "" && s.sim.Content("d", "t") != s.old {
				t.Error("the old data is not back")
			}
		})
	}
}

// TestFinishOfASwap drops the old table by id, and nothing that somebody may still want.
func TestFinishOfASwap(t *testing.T) {
	for _, c := range []struct {
		name     string
		do       func(s *swapping) []string // after the swap
		standing string
		says     string
	}{
		{"right away", func(*swapping) []string { return nil }, "new - -", "dropped"},
		{"dropped by hand", func(s *swapping) []string { return []string{"DROP TABLE d." + s.before + " FORCE"} }, "new - -", "dropped"},
		{"loads came late", func(s *swapping) []string {
			return []string{"INSERT INTO d." + s.before + " VALUES ('2026-01-12', 12)"}
		}, "new - old", "1 loads ended in the old table"},
		{"another table has the name", func(s *swapping) []string {
			return []string{"DROP TABLE d." + s.before + " FORCE", "CREATE TABLE d." + s.before + " (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')"}
		}, "new - other", "left alone"},
		{"undone by hand", func(s *swapping) []string { return []string{"ALTER TABLE d.t SWAP WITH " + s.before} }, "old - new", "left alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSwap(newBed(t, options{}))
			table := s.swappedTable()
			s.sql(c.do(s)...)
			for range 2 {
				var out spec.UndoneTable
				s.must(&out, s.acts.FinishSwap, "prod", table)
				if !contains(out.Done, c.says) {
					t.Errorf("said %q, want %q", out.Done, c.says)
				}
				if got := s.standing(); got != c.standing {
					t.Errorf("standing %q, want %q", got, c.standing)
				}
			}
			for _, st := range s.sim.Statements() {
				if strings.HasPrefix(st.SQL, "DROP") && strings.Contains(strings.ToUpper(st.SQL), "FORCE") {
					t.Errorf("sent %s", st.SQL)
				}
			}
		})
	}
}

// TestGrantsAreCarriedOver: those of the live table before a swap, by name, because grants stay with the id; those of
// the restore point for a table that did not exist.
func TestGrantsAreCarriedOver(t *testing.T) {
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			b.sql("CREATE USER ann", "CREATE ROLE analysts")
			b.onTables = []string{"GRANT SELECT ON TABLE d.t TO USER ann", "GRANT INSERT ON TABLE d.t TO USER ann WITH GRANT OPTION", "GRANT SELECT ON TABLE d.t TO ROLE analysts"}
			r := newRestore(b, layout)
			r.brought()
			mark := r.sentSoFar()
			for range 2 {
				var out activities.Carried
				r.must(&out, r.acts.CarryGrants, r.ref("t"))
				if out.Grants != 3 || out.Note != "" {
					t.Errorf("carried %+v, want 3", out)
				}
			}
			if got := r.sent(mark); got != "GRANT, GRANT, GRANT" {
				t.Errorf("sent %q in two attempts", got)
			}
			if layout != "new tables" {
				if e := r.run(r.acts.Swap, r.ref("t"), r.runSeed(), r.id(r.t), false); e.err != nil {
					t.Fatal(e.err)
				}
			}
			for who, want := range map[string][]string{
				"'ann'@'%'":     {"GRANT SELECT ON TABLE " + r.db + ".t TO USER 'ann'@'%'", "GRANT INSERT ON TABLE " + r.db + ".t TO USER 'ann'@'%' WITH GRANT OPTION"},
				"ROLE analysts": {"GRANT SELECT ON TABLE " + r.db + ".t TO ROLE 'analysts'"},
			} {
				rows, err := r.sim.Query("SHOW GRANTS FOR " + who)
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range want {
					if !contains(fmt.Sprint(rows), w) {
						t.Errorf("%s has %v, want %q", who, rows, w)
					}
				}
			}
		})
	}
}

// TestCopyOfACancelledRestoreIsDropped by id, and never the live table.
func TestCopyOfACancelledRestoreIsDropped(t *testing.T) {
	s := newSwap(newBed(t, options{}))
	for range 2 {
		s.must(nil, s.acts.DropBeside, s.ref("t"))
		if got := s.standing(); got != "old - -" {
			t.Errorf("standing %q", got)
		}
	}
}
