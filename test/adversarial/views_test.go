package adversarial

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// view is a logical or a materialized view of one table, or a function in the table's database.
type view struct {
	name, base string
	kind       string // VIEW, MATERIALIZED VIEW, FUNCTION
}

var viewKinds = []string{"VIEW", "VIEW", "MATERIALIZED VIEW", "MATERIALIZED VIEW", "FUNCTION"}

// makeViews gives some tables a view.
func (s *story) makeViews() {
	for _, base := range s.now.names() {
		if !s.chance(3) {
			continue
		}
		v := view{fmt.Sprintf("%s.v%d", databaseOf(base), s.number()), base, pick(s, viewKinds)}
		create := "CREATE VIEW " + quoted(v.name) + " AS SELECT k, v FROM " + quoted(base)
		switch v.kind {
		case "MATERIALIZED VIEW":
			create = "CREATE MATERIALIZED VIEW " + quoted(v.name) + ` DISTRIBUTED BY HASH(k) BUCKETS 1 REFRESH DEFERRED MANUAL PROPERTIES("replication_num"="1") AS SELECT k, v FROM ` + quoted(base)
		case "FUNCTION":
			create = "CREATE FUNCTION " + quoted(v.name) + `(INT) RETURNS INT PROPERTIES ("symbol"="g.Plus", "type"="StarrocksJar", "file"="http://files/plus.jar")`
		}
		s.sql(create)
		s.views = append(s.views, v)
	}
}

// dropView is one more damage.
func (s *story) dropView() {
	if len(s.views) == 0 {
		return
	}
	v := pick(s, s.views)
	said := "DROP " + v.kind + " IF EXISTS " + quoted(v.name)
	if v.kind == "FUNCTION" {
		said += "(INT)"
	}
	if s.now.has(databaseOf(v.name)) {
		s.sql(said)
	}
}

func (s state) has(database string) bool { return slices.Contains(s.databases(), database) }

// judgeViews: where all of a point was restored well under its own names, its views answer, or the result says why not.
func (s *story) judgeViews(r request, o outcome) {
	s.Helper()
	if o.ends != "completed" || o.out.CancelRequested || len(r.in.Include)+len(r.in.Exclude)+len(r.in.Rename) > 0 || r.in.OnExisting == "rename" {
		return
	}
	for _, v := range r.point.views {
		err := s.answers(v)
		if err == nil {
			s.counts.add("view ok")
			continue
		}
		told := slices.ContainsFunc(o.out.Warnings, func(w string) bool { return strings.Contains(w, v.name) })
		for _, row := range o.out.Views {
			told = told || row.Database+"."+row.Name == v.name && !row.OK()
		}
		if !told {
			s.Errorf("view %s does not answer, and no word of it: %v", v.name, err)
		}
		s.counts.add("view not ok, and told")
	}
}

func (s *story) active(name string) error {
	rows, err := s.lane.bed.Sim.Query(fmt.Sprintf("SELECT IS_ACTIVE, INACTIVE_REASON FROM information_schema.materialized_views WHERE TABLE_SCHEMA = '%s' AND TABLE_NAME = '%s'", databaseOf(name), tableOf(name)))
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0][0] != "true" {
		return fmt.Errorf("not active: %v", rows)
	}
	return nil
}

// answers tells what is wrong with a view now.
func (s *story) answers(v view) error {
	sim := s.lane.bed.Sim
	if v.kind == "FUNCTION" {
		rows, err := sim.Query("SHOW FULL FUNCTIONS FROM `" + databaseOf(v.name) + "`")
		if err == nil && !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == tableOf(v.name)+"(INT)" }) {
			return errors.New("no such function")
		}
		return err
	}
	if _, err := sim.Query("SELECT k, v FROM " + quoted(v.name)); err != nil || v.kind == "VIEW" {
		return err
	}
	return s.active(v.name)
}
