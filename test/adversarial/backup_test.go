package adversarial

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// backups makes restore points, with loads and changes in between.
func (s *story) backups() {
	for i := range 1 + min(s.rng.IntN(3), s.rng.IntN(3)) {
		if i > 0 {
			s.change()
		}
		if s.chance(6) {
			s.scattered()
			continue
		}
		in := spec.Backup{Limits: s.limits(), Incremental: i > 0 && s.chance(2)}
		if s.chance(8) {
			s.busy(in)
			continue
		}
		if s.chance(3) {
			in.Include = []string{pick(s, s.now.databases())}
		}
		s.backup(in)
	}
}

// busy backs everything up while loads come in. What the point holds a restore beside tells: where a database was one
// statement, all that was loaded up to one moment; else that for each partition.
func (s *story) busy(in spec.Backup) {
	s.Helper()
	type load struct {
		name string
		rows []row
	}
	var list []load
	for range 4 + s.rng.IntN(12) {
		name := pick(s, s.now.names())
		if rows := s.rows(s.now[name], 1+s.rng.IntN(2)); len(rows) > 0 {
			list = append(list, load{name, rows})
		}
	}
	every := 1 + s.rng.IntN(5)
	s.say("the next backup while %d loads come in, every %d ticks: %v", len(list), every, list)
	s.aside(func() {
		for _, l := range list {
			wait(every)
			s.attempt(l.name, l.rows, func() error { return s.send(l.name, l.rows) })
		}
	})
	p := s.backup(in)
	s.pending.Wait()
	before := s.now.clone()
	var order []int
	for _, name := range s.now.names() {
		for _, c := range s.came[name] {
			s.now[name].load(c.rows)
			order = append(order, c.n)
		}
	}
	slices.Sort(order)
	s.beside(p, "the restore beside of what was loaded into")
	for _, db := range before.databases() {
		s.settle(p, db, before, order, in.Limits.MaxPartitionsPerUnit == 0 && !in.Incremental)
		s.sql("DROP DATABASE s_" + db + " FORCE")
	}
	s.came = map[string][]come{}
}

// beside restores all databases of a point as s_….
func (s *story) beside(p point, what string) {
	s.Helper()
	in := spec.Restore{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Point: p.id, Rename: map[string]string{}}
	for _, db := range p.holds.databases() {
		in.Rename[db] = "s_" + db
	}
	var out spec.RestoreResult
	if _, err := s.run(spec.RestoreWorkflow, spec.RestoreID(in.Cluster, s.workflow()), in, &out); err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// settle finds what a point holds of a database that was loaded into meanwhile: order has the numbers of the loads.
func (s *story) settle(p point, db string, before state, order []int, together bool) {
	s.Helper()
	have := state{}
	for _, name := range before.names() {
		if databaseOf(name) == db {
			have[name] = s.read("s_"+name, before[name].kind)
		}
	}
	at := func(name string, last int) *table {
		t := before[name].clone()
		for _, c := range s.came[name] {
			if c.n <= last {
				t.load(c.rows)
			}
		}
		return t
	}
	for _, name := range have.names() {
		for _, part := range before[name].partitions() {
			if have[name] == nil || !slices.Contains(have[name].partitions(), part) {
				s.Fatalf("point %s holds nothing of partition %s of %s", p.id, part, name)
			}
		}
	}
	moments := slices.Concat([]int{0}, order)
	// A partition that a load created since the backup was planned may be missing.
	fits := func(last int) bool {
		return !slices.ContainsFunc(have.names(), func(name string) bool {
			return differ(have[name], at(name, last).only(have[name].partitions())) != ""
		})
	}
	if together && !slices.ContainsFunc(moments, fits) {
		s.Errorf("point %s holds database %s, which was one statement, as it was at no moment", p.id, db)
	}
	for _, name := range have.names() {
		for part, rows := range have[name].parts {
			if !slices.ContainsFunc(moments, func(last int) bool { return slices.Equal(rows, at(name, last).parts[part]) }) {
				s.Errorf("point %s holds %v of partition %s of %s: so it was at no moment", p.id, rows, part, name)
			}
		}
		p.holds[name] = have[name]
	}
	s.counts.add(fmt.Sprintf("database backed up while loads came in, at one moment: %t", together))
}

func (s *story) limits() spec.Limits {
	if s.chance(2) {
		return spec.Limits{}
	}
	return spec.Limits{MaxPartitionsPerUnit: 1 + s.rng.IntN(4)}
}

// change is what users do between two backups.
func (s *story) change() {
	name := pick(s, s.now.names())
	t := s.now[name]
	s.load(name, s.rows(t, 1+s.rng.IntN(4)))
	if s.chance(3) {
		s.truncate(name)
	}
}

// backup backs up without any trouble.
func (s *story) backup(in spec.Backup) point {
	s.Helper()
	in.Cluster, in.Repository = testbed.ClusterName, testbed.RepositoryName
	// "latest" goes by the second in a point's id.
	s.until("the next second", func() bool { return time.Now().Unix() > s.last.Unix() })
	s.say("Backup %v, incremental %t, %d partitions a unit", in.Include, in.Incremental, in.Limits.MaxPartitionsPerUnit)
	var out spec.BackupResult
	if _, err := s.run(spec.BackupWorkflow, spec.BackupID(in.Cluster, s.workflow()), in, &out); err != nil {
		s.Fatalf("backup: %v", err)
	}
	s.last = time.Now()
	holds := s.now.clone()
	for _, name := range holds.names() {
		chosen, _ := selection{include: patterns(in.Include)}.of(name, holds[name])
		if len(chosen) == 0 {
			delete(holds, name)
			continue
		}
		holds[name] = holds[name].only(chosen)
	}
	p := point{id: out.Point, holds: holds}
	for _, v := range s.views {
		if holds[v.base] != nil && len(in.Include) == 0 && s.answers(v) == nil {
			p.views = append(p.views, v)
		}
	}
	s.points = append(s.points, p)
	s.say("… made point %s, %d partitions carried over", p.id, out.Carried)
	if out.Carried > 0 {
		s.counts.add("incremental backup that carried partitions over")
	}
	return p
}

// patterns reads patterns that this test has written.
func patterns(list []string) (out []pattern) {
	for _, text := range list {
		db, rest, _ := strings.Cut(text, ".")
		t, p, _ := strings.Cut(rest, "/")
		out = append(out, pattern{db, t, p})
	}
	return out
}

// scattered backs a table up some partitions at a time and makes one point of all: it lies in several native snapshots,
// made at several moments.
func (s *story) scattered() {
	s.Helper()
	name := pick(s, s.now.names())
	parts := s.now[name].partitions()
	if len(parts) < 2 {
		s.backup(spec.Backup{})
		return
	}
	some := (len(parts) + 1) / 2
	if s.chance(4) {
		some = 1
	}
	s.say("partitions of %s, %d at a time", name, some)
	var made []point
	var asked []string
	for group := range slices.Chunk(parts, some) {
		var include []string
		for _, p := range group {
			include = append(include, pattern{databaseOf(name), tableOf(name), p}.String())
		}
		made = append(made, s.backup(spec.Backup{Include: include}))
		s.points[len(s.points)-1].named = true
		asked = append(asked, include...)
		s.load(name, s.rows(s.now[name], 2))
	}
	s.until("the next second", func() bool { return time.Now().Unix() > s.last.Unix() })
	all := point{id: s.join(made, asked), named: true, holds: state{name: s.now[name].only(nil)}}
	for _, p := range made {
		for part, rows := range p.holds[name].parts {
			all.holds[name].parts[part] = slices.Clone(rows)
		}
	}
	s.points, s.last = append(s.points, all), time.Now()
	s.say("… joined to point %s", all.id)
}

// join makes one restore point of the parts of several, as one backup would that was asked for all of them.
func (s *story) join(points []point, asked []string) string {
	s.Helper()
	ctx := context.Background()
	var m restorepoint.Manifest
	for i, p := range points {
		data, err := storage.ReadAll(ctx, s.lane.bed.Store, restorepoint.ManifestKey(testbed.ClusterName, p.id), 1<<20)
		if err != nil {
			s.Fatal(err)
		}
		one, err := restorepoint.DecodeManifest(data)
		if err != nil {
			s.Fatal(err)
		}
		if i == 0 {
			m = one
			continue
		}
		visible := func(_ string, _ restorepoint.Table, p restorepoint.Partition) bool { return p.Name != shadow } // the first has it
		if err := m.Carry(one, visible); err != nil {
			s.Fatal(err)
		}
	}
	m.ID = restorepoint.NewPointID(time.Now(), "joined "+points[0].id)
	m.Sort()
	var err error
	if m.Spec, err = json.Marshal(spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: asked}); err != nil {
		s.Fatal(err)
	}
	data, err := restorepoint.EncodeManifest(m)
	if err != nil {
		s.Fatal(err)
	}
	if err := storage.WriteAll(ctx, s.lane.bed.Store, restorepoint.ManifestKey(testbed.ClusterName, m.ID), data, storage.IfAbsent); err != nil {
		s.Fatal(err)
	}
	return m.ID
}
