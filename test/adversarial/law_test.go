package adversarial

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shadow is the hidden partition of automatic tables.
const shadow = "$shadow_automatic_partition"

// read says what a table is and holds; nil if there is none. A table that cannot be read breaks the second law.
func (s *story) read(name string, k *kind) *table {
	s.Helper()
	sim := s.lane.bed.Sim
	db, t := databaseOf(name), tableOf(name)
	digest := sim.Content(db, t)
	if digest == "no such table" {
		return nil
	}
	for _, bad := range []string{"a replica is missing", "unreadable", "replicas differ"} {
		if strings.Contains(digest, bad) {
			s.Errorf("%s: %s", name, digest)
		}
	}
	out := &table{kind: k, definition: s.definition(name), parts: contents{}}
	rows, err := sim.Query("SELECT PARTITION_NAME, PARTITION_VALUE FROM information_schema.partitions_meta WHERE DB_NAME = '" + db + "' AND TABLE_NAME = '" + t + "'")
	if err != nil {
		s.Fatalf("partitions of %s: %v", name, err)
	}
	for _, r := range rows {
		if r[0] == shadow {
			continue
		}
		p, of := r[0], " PARTITION (`"+r[0]+"`)"
		if k.scheme == "none" {
			p, of = "-", ""
		}
		s.rangeOf(name, k, p, r[1])
		list, err := sim.Query("SELECT at, k, v FROM " + quoted(name) + of)
		if err != nil {
			s.Errorf("read %s%s: %v", name, of, err)
			continue
		}
		out.parts[p] = nil
		for _, c := range list {
			key, _ := strconv.ParseInt(c[1], 10, 64)
			value, _ := strconv.ParseInt(c[2], 10, 64)
			out.parts[p] = append(out.parts[p], row{c[0], key, value})
		}
		slices.SortFunc(out.parts[p], compareRows)
	}
	return out
}

// rangeOf wants partitions of one name in tables of one scheme to have one range, or the same values.
func (s *story) rangeOf(name string, k *kind, partition, value string) {
	s.Helper()
	key := k.scheme + "/" + partition
	if was, known := s.ranges[key]; known && was != value {
		s.Errorf("%s: partition %s holds %s, it was %s", name, partition, value, was)
	}
	s.ranges[key] = value
}

// alive loads a row into each table and looks whether it is there: no table may be left locked.
func (s *story) alive(name string) {
	s.Helper()
	rows := s.rows(s.now[name], 1)
	if len(rows) == 0 {
		return
	}
	if err := s.send(name, rows); err != nil {
		s.Errorf("a load into %s after the restore: %v", name, err)
		return
	}
	s.now[name].load(rows)
	if diff := differ(s.read(name, s.now[name].kind), s.now[name]); diff != "" {
		s.Errorf("%s after a load into it: %s", name, diff)
	}
}

// ours are the databases of stories, and those that they restore into.
var ours = regexp.MustCompile(`^(s_)?s[0-9]+_`)

// strangers wants no table that nobody made: what restores leave has to be named in their results.
func (s *story) strangers() {
	s.Helper()
	rows, err := s.lane.bed.Sim.Query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.tables WHERE TABLE_TYPE = 'BASE TABLE'")
	if err != nil {
		s.Fatalf("list tables: %v", err)
	}
	for _, r := range rows {
		name := r[0] + "." + r[1]
		if !ours.MatchString(r[0]) || s.now[name] != nil {
			continue
		}
		if !slices.ContainsFunc(s.result, func(text string) bool { return strings.Contains(text, r[1]) }) {
			s.Errorf("table %s is left, and no result names it", name)
		}
	}
}

// leftovers wants nothing temporary in the repository, but what the statement needs that a CommitInterrupted names.
func (s *story) leftovers() {
	s.Helper()
	left := map[string]bool{}
	for _, key := range s.lane.objects(s.T) {
		if strings.Contains(key, "__ss_sk_composed_") {
			s.Errorf("left in the repository: %s", key)
		}
		if _, name, found := strings.Cut(key, "__ss_sk_beside_"); found {
			name, _, _ = strings.Cut(name, "/")
			left[name] = true
		}
	}
	if len(left) > s.byHand {
		s.Errorf("left in the repository: %v; %d statements were left to be sent by hand", slices.Sorted(maps.Keys(left)), s.byHand)
	}
}
