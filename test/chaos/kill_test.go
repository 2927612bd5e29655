package chaos

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starkeep/activities"
	"starkeep/test/testbed"
)

// killTimeout is how long a worker may take to come to its kill point, on a machine that is busy with much else.
const killTimeout = 3 * time.Minute

// baseline is a scenario's run in which nobody died.
type baseline struct {
	scenario
	seen       seen
	activities []string // that ran, in order
}

// TestWorkerDies kills the worker before and after every activity of every scenario, in the middle of Await, and while
// the FE works on a statement; or tells it to stop in the middle of Await; or freezes it until it is taken for dead. Another worker goes on. Nothing may differ
// from the run in which nobody died: not the result, the tables, the grants, the statements that the FE accepted, the
// repository's objects.
func TestWorkerDies(t *testing.T) {
	t.Parallel()
	s := openSite(t, testbed.Options{}, lanes)
	all := s.baselines(t)
	if missing := notRun(all); len(missing) > 0 {
		t.Errorf("no scenario runs the activities %v: add one, or nobody knows what a crash in them does", missing)
	}
	t.Run("disturbed", func(t *testing.T) {
		for _, b := range all {
			for _, activity := range b.frozen { // they take longest
				t.Run(b.name+"/frozen before "+activity, func(t *testing.T) {
					t.Parallel()
					s.frozen(t, b, activity)
				})
			}
		}
		for _, k := range kills(all) {
			t.Run(k.String(), func(t *testing.T) {
				t.Parallel()
				s.killed(t, k)
			})
		}
		for _, b := range all {
			for _, state := range b.states {
				t.Run(b.name+"/stopped in "+state, func(t *testing.T) {
					t.Parallel()
					s.stopped(t, b, state)
				})
			}
		}
	})
}

// baselines runs each scenario undisturbed.
func (s *site) baselines(t *testing.T) []*baseline {
	all := make([]*baseline, len(scenarios))
	t.Run("undisturbed", func(t *testing.T) {
		for i, sc := range scenarios {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				all[i] = s.baseline(t, sc)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// baseline runs a scenario undisturbed.
func (s *site) baseline(t *testing.T, sc scenario) *baseline {
	c := s.trial(t, sc)
	p := c.workers.start(point{})
	result, err := sc.run(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &baseline{scenario: sc, seen: c.observe(result), activities: c.workers.trace()}
	c.stop(p)
	c.checkPlausible(b)
	return b
}

// checkPlausible guards against a baseline that says nothing, or that is wrong itself.
func (c *trial) checkPlausible(b *baseline) {
	c.Helper()
	if len(b.seen.Result) < 3 || len(b.seen.Objects) == 0 {
		c.Errorf("the undisturbed run left nothing to compare: %+v", b.seen)
	}
	for _, o := range b.seen.Objects {
		if strings.HasPrefix(o, leftOver) {
			c.Errorf("the undisturbed run left its temporary objects behind: %s", o)
		}
	}
	if slices.ContainsFunc(b.seen.Tables, func(line string) bool {
		return strings.Contains(line, "no such table") || strings.Contains(line, "replica is missing")
	}) {
		c.Errorf("the undisturbed run left tables that cannot be read: %v", b.seen.Tables)
	}
}

// notRun lists the registered activities that no scenario runs.
func notRun(all []*baseline) []string {
	var missing []string
	registered := reflect.TypeFor[*activities.Activities]()
	for i := range registered.NumMethod() {
		name := registered.Method(i).Name
		if !slices.ContainsFunc(all, func(b *baseline) bool { return slices.Contains(b.activities, name) }) {
			missing = append(missing, name)
		}
	}
	return missing
}

// kill is one case.
type kill struct {
	*baseline
	point point
}

func (k kill) String() string {
	text := k.name + "/" + k.point.When + " " + k.point.Activity
	if k.point.N > 1 {
		text += fmt.Sprint(" ", k.point.N)
	}
	if k.point.State != "" {
		text += " in " + k.point.State
	}
	return text
}

// kills makes the cases out of what ran. Those that wait for the long heartbeat of a plan come first, so that the others
// go on beside them.
func kills(all []*baseline) []kill {
	var list []kill
	known, knownAgain := map[string]bool{}, map[string]bool{}
	for _, b := range all {
		counts := map[string]int{}
		for _, name := range b.activities {
			counts[name]++
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(b.activities))) {
			if b.fresh && known[name] {
				if slices.Contains(b.also, name) { // the last one: of a broken commit, that which mends it
					list = append(list, kill{b, point{Activity: name, When: whenBefore, N: counts[name]}}, kill{b, point{Activity: name, When: whenAfter, N: counts[name]}})
				}
				continue
			}
			known[name] = true
			for _, when := range []string{whenBefore, whenAfter} {
				list = append(list, kill{b, point{Activity: name, When: when, N: 1}})
			}
			if counts[name] > 1 && !knownAgain[name] {
				knownAgain[name] = true
				list = append(list, kill{b, point{Activity: name, When: whenAfter, N: counts[name]}})
			}
		}
		if len(b.states) > 0 {
			list = append(list, kill{b, point{Activity: "Await", When: whenHeartbeat, N: 3}}, kill{b, point{When: whenAccepted}})
		}
		if counts["Compose"] > 0 { // in the middle of the copies
			list = append(list, kill{b, point{Activity: "Compose", When: whenHeartbeat, N: 3}})
		}
		if slices.Contains(b.activities, "ReplacePartitions") {
			list = append(list, kill{b, point{When: whenReplaced}})
		}
		if slices.Contains(b.activities, "Swap") && !b.fresh {
			list = append(list, kill{b, point{When: whenSwapped}})
		}
		for _, state := range b.states {
			list = append(list, kill{b, point{Activity: "Await", When: whenState, N: 1, State: state}})
		}
	}
	slices.SortStableFunc(list, func(a, b kill) int { return a.rank() - b.rank() })
	return list
}

func (k kill) rank() int {
	switch k.point.Activity {
	case "PlanBackup", "PlanRestore", "Inspect", "PlanExport", "PlanVerify", "PlanPrune", "DropPoints", "MarkSnapshots", "DeleteSnapshots", "SweepFiles", "PinPoint", "UndoSwap", "FinishSwap", "EnsureRepository", "ProbeStore", "ProbeCluster", "DropRepository", "CheckMigration":
		return 0
	}
	return 1
}

// trial makes a lane ready for a scenario.
func (s *site) trial(t *testing.T, sc scenario) *trial {
	t.Helper()
	l := s.take(t)
	c := &trial{T: t, lane: l, database: s.databaseName(), workers: newWorkers(t, s.bed, l.namespace), sim: s.bed.Sim}
	if sc.prepare != nil {
		sc.prepare(c)
	}
	c.ids = c.tableIDs()
	return c
}

// killed runs a scenario whose first worker dies at the point.
func (s *site) killed(t *testing.T, k kill) {
	c := s.trial(t, k.scenario)
	began := time.Now()
	release := func() {}
	if k.point.State != "" {
		release = s.bed.Sim.HoldStates(c.database, k.point.State)
		defer release()
	}
	var first *process
	if k.point.fromOutside() {
		first = c.workers.start(point{})
		c.when(k.point, func() { _ = first.command.Process.Kill() })
	} else {
		first = c.workers.start(k.point)
	}
	ended := c.begin(k.scenario)
	c.workers.awaitKill(first, killTimeout)
	release()
	second := c.workers.start(point{})
	c.compare(k.baseline, <-ended)
	c.stop(second)
	t.Logf("%.1f s", time.Since(began).Seconds())
}

// outcome is how a scenario ended.
type outcome struct {
	result any
	err    error
}

// begin runs a scenario in the background.
func (c *trial) begin(s scenario) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		result, err := s.run(c)
		ended <- outcome{result, err}
	}()
	return ended
}

// compare holds a disturbed run against the undisturbed one.
func (c *trial) compare(b *baseline, o outcome) {
	c.Helper()
	if o.err != nil {
		c.Fatalf("the run did not survive: %v", o.err)
	}
	if diff := cmp.Diff(b.seen, c.observe(o.result)); diff != "" {
		c.Errorf("the run differs from the undisturbed one (-undisturbed +this):\n%s", diff)
	}
}

// when does something once, at a moment that StarRocks tells.
func (c *trial) when(p point, do func()) {
	var once sync.Once
	if state := map[string]string{whenAccepted: "PENDING", whenGivenUp: "CANCELLED"}[p.When]; state != "" {
		c.lane.bed.Sim.OnState(func(db, _, now string) {
			if db == c.database && now == state {
				once.Do(do) // the answer to the statement has not been sent
			}
		})
		return
	}
	if p.When == whenReplaced {
		before := c.partitionIDs()
		go func() {
			_ = poll(c.Context(), time.Millisecond, func() (bool, error) {
				changed := c.partitionIDs() != before
				if changed {
					do()
				}
				return changed, nil
			})
		}()
		return
	}
	go func() {
		_ = poll(c.Context(), time.Millisecond, func() (bool, error) {
			for id, name := range c.tableIDs() {
				if was := c.ids[id]; was != "" && was != name {
					do()
					return true, nil
				}
			}
			return false, nil
		})
	}()
}

// stop ends a worker as an operator does.
func (c *trial) stop(p *process) {
	c.Helper()
	if err := p.terminate(20 * time.Second); err != nil {
		c.Error(err)
	}
}
