package adversarial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// patience is how long one workflow may take.
const patience = 5 * time.Minute

// point is a restore point, with what the tables held.
type point struct {
	id    string
	holds state
	views []view
	named bool // its backup named single partitions: a restore leaves the others of a table alone
}

// story is what happens for one seed.
type story struct {
	*testing.T
	lane   *lane
	seed   uint64
	rng    *rand.Rand
	counts *tally

	now    state             // what is there, as the model has it
	points []point           // oldest first
	views  []view            // that were made; they may be gone
	last   time.Time         // second in which the last point was made
	ranges map[string]string // of each partition seen: what StarRocks prints
	marks  int64             // values given to rows
	made   int               // names given to tables
	lost   string            // an object of the repository, lost or damaged while a restore runs
	ends   []string          // how restores ended
	byHand int               // statements that a CommitInterrupted left to be sent by hand
	result []string          // what starkeep said of all restores, for names of what is left

	mu       sync.Mutex
	words    []string
	scenes   []*scene // that wait for a state of the RESTORE under way
	over     bool     // it has ended
	under    string   // workflow id of the restore under way
	pending  sync.WaitGroup
	heals    []func()          // undo faults
	came     map[string][]come // loads accepted while a backup or restore ran
	accepted int               // how many
	loading  sync.Mutex        // one load at a time, so that their order is known
	frontMu  sync.Mutex        // one frontend fails at a time
	work     sync.Mutex        // the lane's worker is exchanged by one at a time
}

// come is a load that the FE accepted, with its place among all.
type come struct {
	n    int
	rows []row
}

// tell makes the story of a seed up and tells it.
func tell(t *testing.T, l *lane, seed uint64, counts *tally) {
	s := &story{T: t, lane: l, seed: seed, counts: counts, now: state{}, ranges: map[string]string{}, came: map[string][]come{}}
	began := time.Now()
	counts.add("stories")
	l.wipe(t)
	l.story.Store(s)
	defer func() {
		l.story.Store(nil)
		s.heal()
		s.endWorkflows()
		if t.Failed() {
			t.Logf("the story of seed %d:\n%s", seed, strings.Join(s.words, "\n"))
			return
		}
		t.Logf("seed %d in %.1f s: %d steps; %s", seed, time.Since(began).Seconds(), len(s.words), strings.Join(s.ends, ", "))
	}()
	s.step(1)
	s.build()
	s.step(3)
	s.makeViews()
	s.step(2)
	s.backups()
	rounds := 1 + s.rng.IntN(2)
	for i := range rounds {
		s.step(10 + uint64(i))
		s.damages()
		s.step(20 + uint64(i))
		s.restore(i == 0 || s.chance(2))
		if t.Failed() {
			return
		}
	}
	s.step(30)
	s.again()
}

// step gives the next part of the story random numbers of its own, so that it stays as it is when an earlier one changes.
func (s *story) step(n uint64) { s.rng = rand.New(rand.NewPCG(s.seed, n)) }

// chance is true once in n times.
func (s *story) chance(n int) bool { return s.rng.IntN(n) == 0 }

func pick[T any](s *story, list []T) T { return list[s.rng.IntN(len(list))] }

func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, fmt.Sprintf("  %2d. ", len(s.words)+1)+fmt.Sprintf(format, args...))
}

// sql runs a statement that has to succeed.
func (s *story) sql(statement string) {
	s.Helper()
	s.say("%s", statement)
	if err := s.lane.bed.Sim.Exec(statement); err != nil {
		s.Fatalf("%s: %v", statement, err)
	}
}

func (s *story) database(letter string) string { return fmt.Sprintf("s%d_%s", s.seed, letter) }

// build makes databases, tables and rows.
func (s *story) build() {
	for i := range 1 + s.rng.IntN(2) {
		db := s.database(string(rune('a' + i)))
		s.sql("CREATE DATABASE " + db)
		for range 1 + s.rng.IntN(3) {
			s.create(fmt.Sprintf("%s.t%d", db, s.number()), pick(s, kinds))
		}
	}
	for _, name := range s.now.names() {
		for range 1 + s.rng.IntN(3) {
			s.load(name, s.rows(s.now[name], 1+s.rng.IntN(6)))
		}
	}
}

func (s *story) number() int {
	s.made++
	return s.made
}

func (s *story) create(name string, k *kind) {
	s.Helper()
	replicas := 1
	if s.chance(4) {
		replicas = 2 + s.rng.IntN(2)
	}
	s.sql(k.create(name, 1+s.rng.IntN(2), replicas))
	s.now[name] = &table{kind: k, definition: s.definition(name), parts: k.born()}
}

// rows makes rows up; their values are never used again.
func (s *story) rows(t *table, n int) (list []row) {
	places := t.places()
	if len(places) == 0 {
		return nil
	}
	for range n {
		list = append(list, row{pick(s, places), int64(s.rng.IntN(12)), s.mark()})
	}
	return list
}

// mark is a value that no other row of the story has.
func (s *story) mark() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks++
	return int64(s.seed)*1000000 + s.marks
}

// load loads rows into a table that is there and takes them.
func (s *story) load(name string, rows []row) {
	s.Helper()
	if len(rows) == 0 {
		return
	}
	s.say("load %v into %s", rows, name)
	if err := s.send(name, rows); err != nil {
		s.Fatalf("load into %s: %v", name, err)
	}
	s.now[name].load(rows)
}

// send loads rows.
func (s *story) send(name string, rows []row) error {
	return s.lane.bed.Sim.Load(databaseOf(name), tableOf(name), s.cells(name, rows)...)
}

// cells are rows as the table takes them: columns that were added later are NULL.
func (s *story) cells(name string, rows []row) (cells [][]string) {
	width := 3
	if t := s.now[name]; t != nil {
		width += strings.Count(t.definition, "`extra")
	}
	for _, r := range rows {
		line := []string{r.at, fmt.Sprint(r.k), fmt.Sprint(r.v)}
		for len(line) < width {
			line = append(line, `\N`)
		}
		cells = append(cells, line)
	}
	return cells
}

var workflows struct {
	sync.Mutex
	n int
}

// workflow is a name that no other workflow has.
func (s *story) workflow() string {
	workflows.Lock()
	defer workflows.Unlock()
	workflows.n++
	return fmt.Sprintf("seed%d-%d", s.seed, workflows.n)
}

// run runs a workflow to its end.
func (s *story) run(workflow, id string, in, out any) (client.WorkflowRun, error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	run, err := s.lane.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, workflow, in)
	if err != nil {
		s.Fatalf("start %s: %v", workflow, err)
	}
	err = run.Get(ctx, out)
	if ctx.Err() != nil {
		s.Fatalf("%s %s does not end", workflow, id)
	}
	return run, err
}

// until polls a condition.
func (s *story) until(what string, met func() bool) {
	s.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !met(); <-tick.C {
		if time.Now().After(end) {
			s.Fatalf("waited in vain for %s", what)
		}
	}
}

// endWorkflows ends what still runs in the lane's namespace: undo windows, and what a failed story left.
func (s *story) endWorkflows() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	open, err := s.lane.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.lane.namespace, Query: "ExecutionStatus = 'Running'"})
	if err != nil {
		s.Logf("list open workflows: %v", err)
		return
	}
	for _, e := range open.GetExecutions() {
		_ = s.lane.client.TerminateWorkflow(ctx, e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), "the story is over")
	}
}

// locked lists databases whose lock is held.
func (s *story) locked(databases []string) (held []string) {
	for _, db := range databases {
		d, err := s.lane.client.DescribeWorkflowExecution(context.Background(), spec.DatabaseJobID(testbed.ClusterName, db), "")
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			held = append(held, db)
		}
	}
	return held
}

// again proves that all that is there works as before: a further backup, restored beside, equals it.
func (s *story) again() {
	if len(s.now) == 0 {
		return
	}
	s.say("at the end: another backup, restored beside")
	p := s.backup(spec.Backup{Incremental: s.chance(2)})
	s.beside(p, "the last restore, beside")
	want := state{}
	for _, name := range p.holds.names() {
		want["s_"+name] = p.holds[name]
		if diff := differ(s.read("s_"+name, p.holds[name].kind), p.holds[name]); diff != "" {
			s.Errorf("the last restore, beside: s_%s: %s", name, diff)
		}
	}
	if held := s.locked(slices.Concat(want.databases(), s.now.databases())); len(held) > 0 {
		s.Errorf("databases are locked: %v", held)
	}
	s.leftovers()
}
