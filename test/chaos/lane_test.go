package chaos

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/storage"
	"starkeep/test/testbed"
)

// lane is where one case after the other runs: a namespace and a database that has been backed up.
type lane struct {
	bed       *testbed.Bed
	namespace string
	client    client.Client
	source    string // a database with a restore point
	point     string
	wide      string // a database whose restore point has each partition in a native snapshot of its own
	widePoint string

	repository string // a profile that no other lane uses, not created in StarRocks
	directory  string // where it is
	mirror     string // a profile that no other lane uses
	mirrored   string // its directory
	elsewhere  *elsewhere
}

// site is a bed with its lanes.
type site struct {
	bed   *testbed.Bed
	lanes chan *lane
	next  atomic.Int64 // numbers databases
}

// peopleOfBed are those who have grants.
const peopleOfBed = "CREATE USER reader; CREATE ROLE analyst"

// openSite starts a bed with lanes and backs up each lane's source.
func openSite(t *testing.T, o testbed.Options, count int) *site {
	t.Helper()
	directories, mirrors := make([]string, count), make([]string, count)
	for i := range count {
		o.Namespaces = append(o.Namespaces, fmt.Sprintf("lane%d", i))
		directories[i], mirrors[i] = t.TempDir(), t.TempDir()
		o.Mirrors = append(o.Mirrors, testbed.Repository{Name: fmt.Sprintf("mirror%d", i), YAML: "location: file://" + mirrors[i]})
		o.Repositories = append(o.Repositories, testbed.NewRepository(fmt.Sprintf("own%d", i), storage.Config{Location: "file://" + directories[i]}))
	}
	if o.Patience == 0 {
		o.Patience = 20 // nobody stalls here; a busy machine is slow
	}
	s := &site{bed: testbed.Start(t, o), lanes: make(chan *lane, count)}
	s.bed.Must(t, peopleOfBed)
	for i, namespace := range o.Namespaces {
		s.lanes <- &lane{bed: s.bed, namespace: namespace, client: s.bed.Dial(t, namespace), source: fmt.Sprintf("src%04d", i),
			elsewhere:  openElsewhere(t, s.bed, o, fmt.Sprintf("else%04d", i)),
			repository: fmt.Sprintf("own%d", i), directory: directories[i],
			mirror: fmt.Sprintf("mirror%d", i), mirrored: mirrors[i]}
	}
	t.Run("sources", func(t *testing.T) {
		for i := range count {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				l := s.take(t)
				makeTables(t, s.bed, l.source, "source")
				c := &trial{T: t, lane: l, database: l.source, workers: newWorkers(t, s.bed, l.namespace), sim: s.bed.Sim}
				p := c.workers.start(point{})
				if _, err := runBackup(c); err != nil {
					t.Fatalf("back up %s: %v", l.source, err)
				}
				l.point = c.point
				backUpWide(c)
				if err := p.terminate(20 * time.Second); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return s
}

// take gives a lane until the test ends.
func (s *site) take(t *testing.T) *lane {
	l := <-s.lanes
	t.Cleanup(func() { s.lanes <- l })
	return l
}

// databaseName makes names of one length, so that sizes of objects that hold them are equal.
func (s *site) databaseName() string { return fmt.Sprintf("db%05d", s.next.Add(1)) }

// makeTables makes a database with a partitioned and a primary key table, a view and grants; what tells one content from another.
func makeTables(t *testing.T, b *testbed.Bed, database, what string) {
	t.Helper()
	n := len(what)
	for _, sql := range []string{
		"CREATE DATABASE %[1]s",
		"CREATE TABLE %[1]s.orders (dt DATE NOT NULL, id BIGINT NOT NULL, city VARCHAR(20), amount BIGINT) DUPLICATE KEY(dt, id) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), PARTITION p3 VALUES LESS THAN ('2026-04-01')) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE %[1]s.customers (id BIGINT NOT NULL, name VARCHAR(50)) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"INSERT INTO %[1]s.orders VALUES ('2026-01-05', 1, '%[2]s', %[3]d), ('2026-02-05', 2, 'Oslo', 20), ('2026-03-05', 3, 'Bern', 30)",
		"INSERT INTO %[1]s.customers VALUES (1, 'Ada'), (2, 'Bob'), (3, '%[2]s')",
		"CREATE VIEW %[1]s.latest AS SELECT id FROM %[1]s.orders",
		"GRANT SELECT ON TABLE %[1]s.orders TO USER reader",
		"GRANT SELECT, INSERT ON TABLE %[1]s.customers TO ROLE analyst",
	} {
		b.Must(t, fmt.Sprintf(sql+"/* %[1]s %[2]s %[3]d */", database, what, n))
	}
}

// keys lists a location's objects.
func keys(t *testing.T, store storage.Store, prefix string) []storage.Object {
	t.Helper()
	var list []storage.Object
	for o, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %s: %v", prefix, err)
		}
		list = append(list, o)
	}
	return list
}
