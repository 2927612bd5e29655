package restorepoint

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func unitsOf(sizes ...int) []Unit {
	var units []Unit
	from := 0
	for i, n := range sizes {
		units = append(units, Unit{Number: i + 1, Parts: []Range{{From: from, To: from + n}}, Attempt: 1})
		from += n
	}
	return units
}

// run works a queue off: fails says what happens to an attempt, nil for success. It gives one line per attempt.
func run(t *testing.T, q *Queue, fails func(Unit) *Failure) []string {
	t.Helper()
	var log []string
	for {
		u, ok := q.Next()
		if !ok {
			return log
		}
		line := fmt.Sprintf("u%d_a%d%v", u.Number, u.Attempt, u.Indexes())
		if f := fails(u); f != nil {
			q.Failed(u, *f)
			line += " failed"
		} else {
			q.Done(u)
		}
		log = append(log, line)
		if len(log) > 10000 {
			t.Fatal("the queue does not end")
		}
	}
}

func failedIndexes(q *Queue) []int {
	var list []int
	for _, f := range q.FailedParts() {
		list = append(list, f.Part)
	}
	return list
}

func TestEverythingSucceeds(t *testing.T) {
	q := NewQueue(unitsOf(2, 1))
	log := run(t, &q, func(Unit) *Failure { return nil })
	if want := []string{"u1_a1[0 1]", "u2_a1[2]"}; !slices.Equal(log, want) || len(q.Completed) != 2 || q.Stopped != "" {
		t.Errorf("log %v, queue %+v", log, q)
	}
}

func TestATransientCauseIsTriedThreeTimes(t *testing.T) {
	q := NewQueue(unitsOf(2, 1))
	n := 0
	log := run(t, &q, func(u Unit) *Failure {
		if n++; n <= 2 {
			return &Failure{Transient: true, Reason: "no BE"}
		}
		return nil
	})
	if want := []string{"u1_a1[0 1] failed", "u1_a2[0 1] failed", "u1_a3[0 1]", "u2_a1[2]"}; !slices.Equal(log, want) {
		t.Errorf("log %v", log)
	}
}

func TestCulpritsAreIsolatedAndTheRestRunsAgain(t *testing.T) {
	q := NewQueue(unitsOf(6, 1))
	log := run(t, &q, func(u Unit) *Failure {
		if slices.Contains(u.Indexes(), 3) {
			return &Failure{Culprits: []int{3}, Reason: "tablet 10107 is broken"}
		}
		return nil
	})
	want := []string{"u1_a1[0 1 2 3 4 5] failed", "u3_a1[0 1 2 4 5]", "u2_a1[6]", "u4_a1[3] failed", "u4_a2[3] failed"}
	if !slices.Equal(log, want) {
		t.Errorf("log %v", log)
	}
	if got := q.FailedParts(); len(got) != 1 || got[0] != (FailedPart{Part: 3, Reason: "tablet 10107 is broken"}) {
		t.Errorf("failed: %v", got)
	}
	if got := q.Completed[0].Parts; !reflect.DeepEqual(got, []Range{{From: 0, To: 3}, {From: 4, To: 6}}) {
		t.Errorf("completed: %v", got)
	}
}

func TestUnitsWithOneBadPartEachAreNotABrokenWorld(t *testing.T) {
	q := NewQueue(unitsOf(3, 3, 3, 3, 3))
	run(t, &q, func(u Unit) *Failure {
		for _, i := range u.Indexes() {
			if i%3 == 1 {
				return &Failure{Culprits: []int{i}, Reason: "partition p" + string(rune('0'+i%10)) + " does not exist"}
			}
		}
		return nil
	})
	if q.Stopped != "" || len(q.FailedParts()) != 5 {
		t.Errorf("stopped: %q, failed %v; want the five bad parts", q.Stopped, q.FailedParts())
	}
}

func TestAnUnnamedCulpritIsFoundByHalving(t *testing.T) {
	q := NewQueue(unitsOf(8))
	log := run(t, &q, func(u Unit) *Failure {
		if slices.Contains(u.Indexes(), 5) {
			return &Failure{Reason: "job 123 failed"}
		}
		return nil
	})
	want := []string{"u1_a1[0 1 2 3 4 5 6 7] failed", "u2_a1[0 1 2 3]", "u3_a1[4 5 6 7] failed", "u4_a1[4 5] failed", "u5_a1[6 7]", "u6_a1[4]", "u7_a1[5] failed", "u7_a2[5] failed"}
	if !slices.Equal(log, want) {
		t.Errorf("log %v", log)
	}
	if got := failedIndexes(&q); !slices.Equal(got, []int{5}) || q.Stopped != "" {
		t.Errorf("failed %v, stopped %q", got, q.Stopped)
	}
}

func TestALISTTableIsNotDivided(t *testing.T) {
	q := NewQueue([]Unit{{Number: 1, Parts: []Range{{From: 0, To: 1}, {From: 1, To: 4, Whole: true}, {From: 4, To: 7, Whole: true}}}})
	log := run(t, &q, func(u Unit) *Failure {
		if slices.Contains(u.Indexes(), 2) {
			return &Failure{Culprits: []int{2}, Reason: "broken"}
		}
		return nil
	})
	want := []string{"u1_a1[0 1 2 3 4 5 6] failed", "u2_a1[0 4 5 6]", "u3_a1[1 2 3] failed", "u3_a2[1 2 3] failed"}
	if !slices.Equal(log, want) {
		t.Errorf("log %v", log)
	}
}

func TestABrokenWorldStopsTheDatabase(t *testing.T) {
	q := NewQueue(unitsOf(10, 10, 10, 10, 10))
	n := 0
	log := run(t, &q, func(Unit) *Failure {
		n++
		return &Failure{Reason: fmt.Sprintf("be%d: request 019ab%d-77c%d: disk full", n, n, n)}
	})
	if len(log) != 3 || q.Stopped == "" || !strings.Contains(q.Stopped, "disk full") {
		t.Errorf("log %v, stopped %q", log, q.Stopped)
	}
	left := 0
	for _, f := range q.FailedParts() {
		if f.Left {
			left++
		}
	}
	if got := len(q.FailedParts()); got != 50 || left != 40 {
		t.Errorf("%d failed, %d of them left", got, left)
	}
}

func TestABrokenWorldStopsADatabaseOfOneUnit(t *testing.T) {
	q := NewQueue(unitsOf(1000))
	log := run(t, &q, func(Unit) *Failure { return &Failure{Reason: "disk full"} })
	if len(log) > 5 || q.Stopped == "" {
		t.Errorf("%d attempts, stopped %q", len(log), q.Stopped)
	}
}

func TestASuccessBetweenForgetsFailuresAlike(t *testing.T) {
	q := NewQueue(unitsOf(1, 1, 1, 1, 1, 1, 1, 1))
	run(t, &q, func(u Unit) *Failure {
		if u.Parts[0].From%3 != 2 {
			return &Failure{Reason: "broken"}
		}
		return nil
	})
	if q.Stopped != "" || len(q.Completed) != 2 {
		t.Errorf("stopped %q, completed %v", q.Stopped, q.Completed)
	}
}

func TestDifferentReasonsDoNotStop(t *testing.T) {
	q := NewQueue(unitsOf(1, 1, 1, 1, 1, 1))
	run(t, &q, func(u Unit) *Failure { return &Failure{Reason: "table " + string(rune('g'+u.Parts[0].From))} })
	if q.Stopped != "" || len(failedIndexes(&q)) != 6 {
		t.Errorf("stopped %q, failed %v", q.Stopped, failedIndexes(&q))
	}
}

// One bad partition of 200, whatever it does: the others are done, with few bytes moved again.
func TestOneBadPartitionCostsLittle(t *testing.T) {
	for bad := range 200 {
		for _, named := range []bool{true, false} {
			q := NewQueue(Pack(table("t", 200, nil), Limits{Partitions: 10}))
			parts := 0
			run(t, &q, func(u Unit) *Failure {
				parts += u.Size()
				if !slices.Contains(u.Indexes(), bad) {
					return nil
				}
				if named {
					return &Failure{Culprits: []int{bad}, Reason: "x"}
				}
				return &Failure{Reason: "x"}
			})
			again := parts - 200
			if got := failedIndexes(&q); !slices.Equal(got, []int{bad}) || q.Stopped != "" || named && again > 20 || again > 25 {
				t.Fatalf("bad %d, named %t: failed %v, stopped %q, %d parts again", bad, named, got, q.Stopped, again)
			}
		}
	}
}

func TestStopLeavesTheRest(t *testing.T) {
	q := NewQueue(unitsOf(1, 2))
	u, _ := q.Next()
	q.Done(u)
	q.Stop("cancelled")
	q.Stop("again")
	if _, ok := q.Next(); ok || q.Stopped != "cancelled" {
		t.Errorf("goes on, or stopped for %q", q.Stopped)
	}
	if got := q.FailedParts(); len(got) != 2 || !got[0].Left || !got[1].Left {
		t.Errorf("left: %v", got)
	}
	q.Done(u)
	q.Failed(u, Failure{})
	if len(q.Completed) != 1 || len(q.FailedParts()) != 2 {
		t.Errorf("a late report changed it: %+v", q)
	}
}

func TestAReportOfAnotherAttemptIsIgnored(t *testing.T) {
	q := NewQueue(unitsOf(1))
	first, _ := q.Next()
	q.Failed(first, Failure{Transient: true})
	q.Failed(first, Failure{Transient: true})
	q.Done(first)
	if u, ok := q.Next(); !ok || u.Attempt != 2 || len(q.Completed) != 0 {
		t.Errorf("next %+v, queue %+v", u, q)
	}
}

// Random scripts of failures: every part ends exactly once, attempts are bounded, no label is used twice, and the queue
// survives the way through JSON at any point.
func TestQueueInvariants(t *testing.T) {
	for seed := range uint64(3000) {
		if problem := queueProblem(seed); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
}

func FuzzQueue(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if problem := queueProblem(seed); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	})
}

func queueProblem(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 3))
	parts := randomParts(r)
	q := NewQueue(Pack(parts, Limits{Partitions: 1 + r.IntN(20)}))
	bad := map[int]bool{}
	for range r.IntN(4) {
		if len(parts) > 0 {
			bad[r.IntN(len(parts))] = true
		}
	}
	chaos, stop := r.IntN(3) == 0, r.IntN(10) == 0
	labels := map[[2]int]bool{}
	for attempts := 0; ; attempts++ {
		u, ok := q.Next()
		if !ok {
			break
		}
		if attempts > 7*len(parts)+10 {
			return fmt.Sprintf("%d attempts for %d parts", attempts, len(parts))
		}
		if key := [2]int{u.Number, u.Attempt}; labels[key] || u.Size() == 0 || u.Attempt < 1 {
			return fmt.Sprintf("unit %+v is used twice, or empty", u)
		} else {
			labels[key] = true
		}
		step(r, &q, u, bad, chaos)
		if stop && r.IntN(10) == 0 {
			q.Stop("cancelled")
		}
		text, err := json.Marshal(q)
		if err != nil {
			return err.Error()
		}
		var again Queue
		if err := json.Unmarshal(text, &again); err != nil {
			return err.Error()
		}
		q = again
	}
	return endProblem(&q, parts, bad, chaos)
}

// step reports how an attempt went: in chaos anything, else failures of the bad parts only.
func step(r *rand.Rand, q *Queue, u Unit, bad map[int]bool, chaos bool) {
	var guilty []int
	for _, i := range u.Indexes() {
		if bad[i] {
			guilty = append(guilty, i)
		}
	}
	f := Failure{Reason: fmt.Sprintf("reason %c", 'p'+rune(r.IntN(3)))}
	switch {
	case chaos && r.IntN(2) == 0:
		f.Transient = r.IntN(2) == 0
		for range r.IntN(5) {
			f.Culprits = append(f.Culprits, r.IntN(200)-50)
		}
		q.Failed(u, f)
	case !chaos && len(guilty) > 0:
		f.Reason = fmt.Sprintf("reason %c", 'p'+rune(guilty[0]%20))
		f.Transient = r.IntN(4) == 0
		if r.IntN(2) == 0 {
			f.Culprits = guilty
		}
		q.Failed(u, f)
	default:
		q.Done(u)
	}
}

func endProblem(q *Queue, parts []Part, bad map[int]bool, chaos bool) string {
	ends := make([]string, len(parts))
	for _, u := range q.Completed {
		for _, i := range u.Indexes() {
			ends[i] += "completed "
		}
	}
	for _, f := range q.FailedParts() {
		if f.Left != strings.HasPrefix(f.Reason, "not tried") {
			return fmt.Sprintf("left and reason disagree: %+v", f)
		}
		ends[f.Part] += "failed "
	}
	for i, end := range ends {
		if end != "completed " && end != "failed " {
			return fmt.Sprintf("part %d ended as %q", i, end)
		}
		if chaos || q.Stopped != "" || parts[i].Whole {
			continue
		}
		if (end == "failed ") != bad[i] {
			return fmt.Sprintf("part %d (bad: %t) ended as %q", i, bad[i], end)
		}
	}
	return ""
}

func TestAQueueOfManyUnitsStaysSmall(t *testing.T) {
	q := NewQueue(Pack(table("t", 200_000, nil), Limits{Partitions: 100}))
	run(t, &q, func(u Unit) *Failure {
		if u.Number%3 == 0 {
			return &Failure{Reason: strings.Repeat("z", 100) + string(rune('g'+u.Number%17))}
		}
		return nil
	})
	text, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 1<<20 {
		t.Errorf("%d bytes of JSON for %d completed units and %d failures", len(text), len(q.Completed), len(q.Failures))
	}
}

// Pieces are restored from what was composed for the whole, also pieces of pieces; where that could not be composed, from
// what is composed for each.
func TestPiecesRememberWhatWasComposed(t *testing.T) {
	q := NewQueue([]Unit{{Number: 1, Parts: []Range{{From: 0, To: 4}}}})
	next := func() Unit {
		u, _ := q.Next()
		return u
	}
	whole := next()
	q.Failed(whole, Failure{Reason: "a", Composed: true})
	half := next()
	if half.Composed == nil || half.Composed.Number != 1 || size(half.Composed.Parts) != 4 || half.ComposedFor() != 1 {
		t.Fatalf("%+v", half)
	}
	q.Failed(half, Failure{Reason: "b", Composed: true})
	other := next()
	q.Failed(other, Failure{Reason: "c"})
	for _, c := range []struct{ composedFor, size int }{{1, 1}, {1, 1}, {6, 1}, {7, 1}} {
		u := next()
		if u.ComposedFor() != c.composedFor || u.Size() != c.size {
			t.Errorf("%+v, want it composed for %d", u, c.composedFor)
		}
		q.Done(u)
	}
}
