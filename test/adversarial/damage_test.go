package adversarial

import (
	"fmt"
	"slices"
	"strings"
)

// damages does what a restore is for, once to three times.
func (s *story) damages() {
	for range 1 + s.rng.IntN(3) {
		if len(s.now) == 0 {
			return
		}
		name := pick(s, s.now.names())
		if s.chance(8) {
			s.dropView()
		}
		pick(s, []func(string){s.wrongLoad, s.wrongLoad, s.dropTable, s.dropTable, s.dropPartition, s.dropPartition, s.truncate, s.truncateAll, s.addColumn, s.dropDatabase, s.swap, s.moveAway, s.anotherTable})(name)
	}
}

func (s *story) wrongLoad(name string) { s.load(name, s.rows(s.now[name], 1+s.rng.IntN(5))) }

func (s *story) dropTable(name string) {
	force := ""
	if s.chance(2) {
		force = " FORCE"
	}
	s.sql("DROP TABLE " + quoted(name) + force)
	delete(s.now, name)
}

func (s *story) dropPartition(name string) {
	t := s.now[name]
	if t.kind.scheme == "none" || len(t.parts) < 2 {
		s.wrongLoad(name)
		return
	}
	p := pick(s, t.partitions())
	s.sql("ALTER TABLE " + quoted(name) + " DROP PARTITION " + p + " FORCE")
	delete(t.parts, p)
	// A load into a place that is missing would be refused as a whole; it comes back as users do it, empty.
	if t.kind.scheme != "automatic" && p != "p1" && s.chance(3) {
		s.sql("ALTER TABLE " + quoted(name) + " ADD " + t.kind.partitionClause(p))
		t.parts[p] = nil
	}
}

// partitionClause adds a partition that was dropped.
func (k *kind) partitionClause(p string) string {
	if k.scheme == "list" {
		return map[string]string{"it": "PARTITION it VALUES IN ('Rome', 'Turin')", "no": "PARTITION no VALUES IN ('Oslo')", "de": "PARTITION de VALUES IN ('Bonn')"}[p]
	}
	i := int(p[1] - '0')
	return fmt.Sprintf("PARTITION %s VALUES [('2026-0%d-01'), ('2026-0%d-01'))", p, i, i+1)
}

func (s *story) truncate(name string) {
	t := s.now[name]
	if t.kind.scheme == "none" || len(t.parts) == 0 {
		s.truncateAll(name)
		return
	}
	p := pick(s, t.partitions())
	s.sql("TRUNCATE TABLE " + quoted(name) + " PARTITION (" + p + ")")
	t.parts[p] = nil
}

func (s *story) truncateAll(name string) {
	s.sql("TRUNCATE TABLE " + quoted(name))
	for p := range s.now[name].parts {
		s.now[name].parts[p] = nil
	}
}

func (s *story) addColumn(name string) {
	s.sql(fmt.Sprintf("ALTER TABLE %s ADD COLUMN extra%d INT", quoted(name), s.number()))
	s.now[name].definition = s.definition(name)
}

func (s *story) dropDatabase(name string) {
	db := databaseOf(name)
	s.sql("DROP DATABASE " + db + " FORCE")
	for _, other := range s.now.names() {
		if databaseOf(other) == db {
			delete(s.now, other)
		}
	}
}

// swap exchanges a table for another one of its kind.
func (s *story) swap(name string) {
	other := fmt.Sprintf("%s.t%d", databaseOf(name), s.number())
	s.create(other, s.now[name].kind)
	s.load(other, s.rows(s.now[name], 2))
	s.sql("ALTER TABLE " + quoted(name) + " SWAP WITH `" + tableOf(other) + "`")
	s.now[name], s.now[other] = s.now[other], s.now[name]
}

func (s *story) moveAway(name string) {
	other := fmt.Sprintf("%s.t%d", databaseOf(name), s.number())
	s.sql("ALTER TABLE " + quoted(name) + " RENAME `" + tableOf(other) + "`")
	s.now[other] = s.now[name]
	delete(s.now, name)
}

// anotherTable puts a table of any kind in the place of one.
func (s *story) anotherTable(name string) {
	s.dropTable(name)
	s.create(name, pick(s, kinds))
	s.load(name, s.rows(s.now[name], 3))
}

// places are values of at that a load into the table as it is now may have.
func (t *table) places() (list []string) {
	for _, at := range t.kind.places() {
		if _, there := t.parts[t.kind.partition(at)]; there || t.kind.scheme == "automatic" {
			list = append(list, at)
		}
	}
	return list
}

// definition is what SHOW CREATE TABLE says without the table's name, partitions and properties: those are compared apart.
func (s *story) definition(name string) string {
	s.Helper()
	rows, err := s.lane.bed.Sim.Query("SHOW CREATE TABLE " + quoted(name))
	if err != nil {
		s.Fatalf("SHOW CREATE TABLE %s: %v", name, err)
	}
	text, _, _ := strings.Cut(rows[0][1], "PROPERTIES (")
	lines := strings.Split(text, "\n")[1:]
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(strings.TrimLeft(line, "( "), "PARTITION ") && !strings.HasPrefix(line, "PARTITION BY")
	})
	return strings.ReplaceAll(strings.Join(lines, "\n"), ",\n", "\n")
}
