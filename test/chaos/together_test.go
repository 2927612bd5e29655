package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

const (
	crowds        = 10
	crowdKills    = 8
	crowdPatience = 4 * time.Minute // for what has to end, however busy the machine is

	// crowdGrace is the grace of prunes. It protects one installation's backups from the other one's prunes between the
	// moment when they look for marks and the one when they publish.
	crowdGrace = 8 * time.Second
)

// crowd is a repository and a mirror on which two installations of starkeep work at once. They share a cluster and the
// stores, and nothing else: each has a Temporal namespace and a worker of its own, which all crowds use.
type crowd struct {
	*testing.T
	bed        *testbed.Bed
	seed       uint64
	database   string
	repository string
	mirror     string
	stores     map[string]storage.Store // by profile
	houses     []*house

	mu       sync.Mutex
	versions map[string]int    // by "table/partition"
	content  map[string]string // by "table/partition/version"
	did      map[string]int
	story    []string
	points   map[string]bool // published in the repository
	gone     map[string]bool // that a prune let go there
	pinned   map[string]bool
}

// house is one of the installations.
type house struct {
	name    string
	client  client.Client
	workers *workers
	worker  *process
}

// openHouse starts an installation's worker.
func openHouse(t *testing.T, b *testbed.Bed, name string) *house {
	h := &house{name: name, client: b.Dial(t, name), workers: newWorkers(t, b, name)}
	h.worker = h.workers.start(point{})
	return h
}

// replace kills the worker and starts another one.
func (h *house) replace() {
	_ = h.worker.command.Process.Kill()
	<-h.worker.ended
	h.worker = h.workers.start(point{})
}

// Two installations back up, copy, verify, prune, pin and restore at the same time while their workers get SIGKILL at any
// moment, on ten repositories, each by a seed of its own. At the end every restore point that is listed is restored, from the
// repository and from the mirror, and holds exactly the rows that its versions had.
func TestManyWorkersDieTogether(t *testing.T) {
	t.Parallel()
	o := testbed.Options{Patience: 50, Namespaces: []string{"a", "b"}}
	directories := map[string]string{}
	for i := range crowds {
		for _, name := range []string{fmt.Sprint("r", i), fmt.Sprint("m", i)} {
			directories[name] = "file://" + t.TempDir()
		}
		o.Repositories = append(o.Repositories, testbed.NewRepository(fmt.Sprint("r", i), storage.Config{Location: directories[fmt.Sprint("r", i)]}))
		o.Mirrors = append(o.Mirrors, testbed.Repository{Name: fmt.Sprint("m", i), YAML: "location: " + directories[fmt.Sprint("m", i)]})
	}
	b := testbed.Start(t, o)
	houses := []*house{openHouse(t, b, "a"), openHouse(t, b, "b")}
	did := map[string]int{}
	var mu sync.Mutex
	var working, all sync.WaitGroup
	working.Add(crowds)
	for i := range crowds {
		all.Go(func() { // they mostly wait: not bound by -parallel
			worked := sync.OnceFunc(working.Done)
			defer worked()
			t.Run(fmt.Sprint("seed=", i+1), func(t *testing.T) {
				c := newCrowd(t, b, i, directories, houses)
				c.tell(worked)
				mu.Lock()
				defer mu.Unlock()
				for what, n := range c.did {
					did[what] += n
				}
			})
		})
	}
	did["killed"] = killWorkers(houses, &working)
	all.Wait()
	for _, what := range slices.Sorted(maps.Keys(did)) {
		t.Log(did[what], what)
	}
	for _, what := range []string{"full backup", "incremental backup", "copy", "prune", "verify", "pin", "restore", "killed", "points let go", "snapshots deleted", "points restored in the end"} {
		if did[what] == 0 && !t.Failed() {
			t.Errorf("no %s in %d schedules", what, crowds)
		}
	}
}

// killWorkers kills workers now and then while work goes on.
func killWorkers(houses []*house, working *sync.WaitGroup) (kills int) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		working.Wait()
	}()
	rng := rand.New(rand.NewPCG(crowds, 0))
	for {
		select {
		case <-over:
			return kills
		case <-time.After(time.Second + time.Duration(rng.Int64N(int64(2*time.Second)))):
			if h := houses[rng.IntN(len(houses))]; kills < crowdKills {
				kills++
				h.replace()
			}
		}
	}
}

func newCrowd(t *testing.T, b *testbed.Bed, i int, directories map[string]string, houses []*house) *crowd {
	c := &crowd{T: t, bed: b, houses: houses, seed: uint64(i + 1), database: fmt.Sprintf("crowd%02d", i), repository: fmt.Sprint("r", i), mirror: fmt.Sprint("m", i),
		stores: map[string]storage.Store{}, versions: map[string]int{}, content: map[string]string{}, did: map[string]int{}, points: map[string]bool{}, gone: map[string]bool{}, pinned: map[string]bool{}}
	for _, name := range []string{c.repository, c.mirror} {
		store, err := storage.Open(t.Context(), storage.Config{Location: directories[name]})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		c.stores[name] = store
	}
	if err := b.CreateRepository(t, c.repository); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"CREATE DATABASE %s",
		"CREATE TABLE %s.t (dt DATE NOT NULL, n BIGINT) DUPLICATE KEY(dt) PARTITION BY RANGE(dt) (PARTITION p1 VALUES LESS THAN ('2026-02-01'), PARTITION p2 VALUES LESS THAN ('2026-03-01'), PARTITION p3 VALUES LESS THAN ('2026-04-01')) DISTRIBUTED BY HASH(n) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
		"CREATE TABLE %s.k (id BIGINT NOT NULL, n BIGINT) PRIMARY KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2 PROPERTIES(\"replication_num\"=\"1\")",
	} {
		b.Must(t, fmt.Sprintf(sql, c.database))
	}
	for _, part := range crowdParts {
		c.versions[part.name] = 1
		c.load(part, 0)
	}
	return c
}

// crowdPart is a partition, with a statement that loads a row into it.
type crowdPart struct {
	name   string // "table/partition"
	insert string
}

var crowdParts = []crowdPart{
	{"t/p1", "INSERT INTO %s.t VALUES ('2026-01-05', %d)"}, {"t/p2", "INSERT INTO %s.t VALUES ('2026-02-05', %d)"}, {"t/p3", "INSERT INTO %s.t VALUES ('2026-03-05', %d)"},
	{"k/k", "INSERT INTO %s.k VALUES (1, %d)"},
}

// load changes a partition, and keeps in mind what is in it at its new version.
func (c *crowd) load(part crowdPart, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.bed.Sim.Exec(fmt.Sprintf(part.insert, c.database, n)); err != nil {
		c.Error(err)
	}
	c.versions[part.name]++
	c.content[fmt.Sprintf("%s/%d", part.name, c.versions[part.name])] = c.read(c.database, part.name)
}

// read is the content of a partition.
func (c *crowd) read(database, part string) string {
	table, partition, _ := strings.Cut(part, "/")
	if partition == table {
		partition = "-" // as the simulator calls that of a table without partitions
	}
	var lines []string
	for line := range strings.Lines(c.bed.Sim.Content(database, table)) {
		if strings.HasPrefix(line, partition+"/") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func (c *crowd) count(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did[what] += n
}

func (c *crowd) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.story = append(c.story, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// execute runs a workflow. Failed is why it failed, where it ended; one that does not end fails the test.
func (c *crowd) execute(h *house, what, workflow, id string, in, out any) (failed error) {
	ctx, cancel := context.WithTimeout(c.Context(), crowdPatience)
	defer cancel()
	run, err := h.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue, WorkflowExecutionErrorWhenAlreadyStarted: true}, workflow, in)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		return err
	}
	if err == nil {
		err = run.Get(ctx, out)
	}
	var ended *temporal.WorkflowExecutionError
	switch {
	case err == nil:
		c.count(what, 1)
		c.note("%s %s of %s: done", id, what, h.name)
	case errors.As(err, &ended):
		c.count(what+" failed", 1)
		c.Logf("%s of %s: %v", id, h.name, err)
		c.note("%s %s of %s: %v", id, what, h.name, err)
	default:
		c.Errorf("%s of %s did not end: %v", id, h.name, err)
	}
	return err
}

// tell has both installations do their work, says when that is over, and judges what is left.
func (c *crowd) tell(worked func()) {
	defer func() {
		if c.Failed() {
			c.Logf("seed %d:\n%s", c.seed, strings.Join(c.story, "\n"))
		}
	}()
	c.backUp(c.houses[0], rand.New(rand.NewPCG(c.seed, 0)), 0) // the others find something
	c.work()
	worked()
	c.prunedForGood()
	c.judge()
}

// work does everything at once.
func (c *crowd) work() {
	var all sync.WaitGroup
	for i, h := range c.houses {
		stream := uint64(1 + 100*i)
		begun := func(times int, every time.Duration, do func(rng *rand.Rand, n int)) {
			stream++
			rng := rand.New(rand.NewPCG(c.seed, stream))
			all.Go(func() {
				for n := range times {
					select {
					case <-c.Context().Done():
						return
					case <-time.After(time.Duration(rng.Int64N(int64(every)))):
						do(rng, n)
					}
				}
			})
		}
		begun(2, 4*time.Second, func(rng *rand.Rand, n int) { c.backUp(h, rng, n+1) })
		begun(1, 6*time.Second, func(*rand.Rand, int) { c.copy(h) })
		begun(2, 6*time.Second, func(rng *rand.Rand, _ int) { c.prune(h, c.repository, 1+rng.IntN(2)) })
		begun(1, 10*time.Second, func(rng *rand.Rand, _ int) { c.prune(h, c.mirror, 1+rng.IntN(2)) })
		begun(1, 10*time.Second, func(rng *rand.Rand, _ int) { c.verify(h, rng) })
		begun(1, 10*time.Second, func(rng *rand.Rand, _ int) { c.restore(h, rng) })
		begun(1, 10*time.Second, func(*rand.Rand, int) { c.pin(h) })
	}
	all.Wait()
}

func (c *crowd) backUp(h *house, rng *rand.Rand, n int) {
	for _, part := range crowdParts {
		if rng.IntN(2) == 0 {
			c.load(part, rng.IntN(1_000_000))
		}
	}
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: c.repository, Include: []string{c.database}, Incremental: rng.IntN(4) > 0,
		Limits: spec.Limits{MaxPartitionsPerUnit: 2 + rng.IntN(3)}}
	what := "full backup"
	if in.Incremental {
		what = "incremental backup"
	}
	if rng.IntN(3) == 0 {
		in.Mirrors, in.MirrorWait = []string{c.mirror}, spec.Duration(time.Millisecond)
	}
	var out spec.BackupResult
	if c.execute(h, what, spec.BackupWorkflow, spec.BackupID(in.Cluster, fmt.Sprint(c.database, "-", n)), in, &out) != nil || out.Point == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.points[out.Point] = true
}

func (c *crowd) copy(h *house) {
	in := spec.Copy{Cluster: testbed.ClusterName, From: c.repository, To: c.mirror}
	var out spec.CopyResult
	_ = c.execute(h, "copy", spec.CopyWorkflow, spec.CopyID(in.Cluster, in.From, in.To), in, &out)
}

func (c *crowd) prune(h *house, where string, keep int) spec.PruneResult {
	in := spec.Prune{Cluster: testbed.ClusterName, Where: where, Policy: spec.Retention{KeepLast: keep}, Grace: spec.Duration(crowdGrace)}
	var out spec.PruneResult
	if c.execute(h, "prune", spec.PruneWorkflow, spec.PruneID(in.Cluster, in.Where), in, &out) != nil {
		return out
	}
	c.count("points let go", out.Deleted)
	c.count("snapshots deleted", out.Snapshots)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range out.Points {
		if p.Go && where == c.repository {
			c.gone[p.ID] = true
		}
	}
	return out
}

// verify finds nothing wrong, whatever is pruned and copied meanwhile.
func (c *crowd) verify(h *house, rng *rand.Rand) {
	places := []string{c.repository, c.mirror}
	at := rng.IntN(2)
	in := spec.Verify{Cluster: testbed.ClusterName, Where: places[at], Points: []string{spec.AllPoints}, Content: spec.ContentAll, RepairFrom: places[1-at]}
	var out spec.VerifyResult
	err := c.execute(h, "verify", spec.VerifyWorkflow, spec.VerifyID(in.Cluster, c.database), in, &out)
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == spec.ErrorChecksumMismatch {
		c.Errorf("%s is found damaged: %v", in.Where, err)
	}
}

func (c *crowd) restore(h *house, rng *rand.Rand) {
	in := c.restoring("latest", "_"+h.name)
	if rng.IntN(3) == 0 {
		in.From = c.mirror
	}
	var out spec.RestoreResult
	_ = c.execute(h, "restore", spec.RestoreWorkflow, spec.RestoreID(in.Cluster, c.database), in, &out)
}

func (c *crowd) restoring(point, suffix string) spec.Restore {
	return spec.Restore{Cluster: testbed.ClusterName, Repository: c.repository, Point: point, Include: []string{c.database}, Rename: map[string]string{c.database: c.database + suffix}}
}

func (c *crowd) pin(h *house) {
	in := spec.Pin{Cluster: testbed.ClusterName, Where: c.repository, Point: "latest", Reason: "chaos"}
	var out spec.PinResult
	if c.execute(h, "pin", spec.PinWorkflow, spec.PinID(in.Cluster, in.Where, in.Point), in, &out) == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pinned[out.Point] = true
	}
}

// prunedForGood prunes until nothing is left that waits for its grace.
func (c *crowd) prunedForGood() {
	ctx, cancel := context.WithTimeout(c.Context(), crowdPatience)
	defer cancel()
	for _, where := range []string{c.repository, c.mirror} {
		err := poll(ctx, crowdGrace/2, func() (bool, error) {
			out := c.prune(c.houses[0], where, 2)
			return out.Where == where && out.Marked+out.Waiting+out.Due+out.Go == 0, nil
		})
		if err != nil {
			c.Errorf("%s is not pruned for good: %v", where, err)
		}
	}
}

// judge restores every listed point, and compares.
func (c *crowd) judge() {
	var all sync.WaitGroup
	for i, where := range []string{c.repository, c.mirror} {
		manifests := c.listed(where)
		if len(manifests) == 0 {
			c.Errorf("%s lists no restore point", where)
		}
		if where == c.repository {
			c.noneIsMissing(manifests)
		}
		all.Go(func() {
			for n, m := range manifests {
				c.restored(c.houses[i], where, fmt.Sprintf("_last%d%d", i, n), m)
			}
		})
	}
	all.Wait()
}

// listed reads the manifests of a store.
func (c *crowd) listed(where string) (list []restorepoint.Manifest) {
	for _, o := range keys(c.T, c.stores[where], restorepoint.PointPrefix(testbed.ClusterName)) {
		k, err := restorepoint.ParseKey(o.Key)
		if err != nil || k.Kind != restorepoint.KeyManifest {
			continue
		}
		data, err := storage.ReadAll(c.Context(), c.stores[where], o.Key, 1<<30)
		if err != nil {
			c.Fatal(err)
		}
		m, err := restorepoint.DecodeManifest(data)
		if err != nil {
			c.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// noneIsMissing compares the list with what was published and pruned. What a prune let go that failed is not known.
func (c *crowd) noneIsMissing(manifests []restorepoint.Manifest) {
	listed := func(id string) bool {
		return slices.ContainsFunc(manifests, func(m restorepoint.Manifest) bool { return m.ID == id })
	}
	for id := range c.points {
		if !listed(id) && !c.gone[id] && c.did["prune failed"] == 0 {
			c.Errorf("restore point %s was published, no prune let it go, and it is not listed", id)
		}
	}
	for id := range c.pinned {
		if !listed(id) {
			c.Errorf("restore point %s was pinned, and is not listed", id)
		}
	}
}

// restored restores a point into a database of its own, and compares each partition with what was in it at the version that
// the point has of it.
func (c *crowd) restored(h *house, where, suffix string, m restorepoint.Manifest) {
	in := c.restoring(m.ID, suffix)
	if where == c.mirror {
		in.From = where
	}
	var out spec.RestoreResult
	if err := c.execute(h, "last restore", spec.RestoreWorkflow, spec.RestoreID(in.Cluster, c.database+suffix), in, &out); err != nil {
		c.Errorf("restore point %s of %s is listed and is not restored: %v", m.ID, where, err)
		return
	}
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			for _, p := range t.Partitions {
				part := t.Name + "/" + p.Name
				want, known := c.content[fmt.Sprintf("%s/%d", part, p.Physical[0].Version)]
				if got := c.read(c.database+suffix, part); !known || got != want {
					c.Errorf("restore point %s of %s: %s at version %d (known: %v) holds\n%swant\n%s", m.ID, where, part, p.Physical[0].Version, known, got, want)
				}
			}
		}
	}
	c.count("points restored in the end", 1)
}
