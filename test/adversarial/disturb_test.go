package adversarial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

// tick is the simulated FE's.
const tick = 20 * time.Millisecond

// scene is what happens when a RESTORE of the story, into a database if that is given, comes to a state for the first
// times.
type scene struct {
	state    string
	database string
	told     string
	times    int
	do       func()
}

// states of a RESTORE at which something may happen; FINISHED is where starkeep proves and exchanges tables.
var states = []string{"PENDING", "SNAPSHOTING", "DOWNLOAD", "DOWNLOADING", "COMMIT", "COMMITTING", "FINISHED"}

// disturb prepares what will happen while the restore runs.
func (s *story) disturb(r request) {
	s.over = false
	for range 1 + s.rng.IntN(3) {
		pick(s, []func(request){s.cancel, s.frontend, s.backend, s.backend, s.brokenStore, s.slowStore, s.failTasks, s.failTasks, s.lostAnswer, s.damageStore, s.damageStore,
			s.oneLoad, s.oneLoad, s.lateLoad, s.steadyLoads, s.foreignCancel, s.otherWorker})(r)
	}
	if r.in.OnExisting == spec.OnExistingOverwrite && s.chance(3) {
		s.tornCommit(r)
	}
}

// at lets something happen in a state. Whatever it starts is in s.pending until it is over.
func (s *story) at(state, told string, do func()) {
	s.say("when the RESTORE is first in %s: %s", state, told)
	s.stage(&scene{state: state, told: told, times: 1, do: do})
}

func (s *story) stage(x *scene) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scenes = append(s.scenes, x)
}

// reached is called by the simulator, which waits for it. What takes locks of the story runs aside.
func (s *story) reached(database, state string) {
	if !strings.HasPrefix(database, fmt.Sprintf("s%d_", s.seed)) {
		return
	}
	s.mu.Lock()
	var now []*scene
	s.scenes = slices.DeleteFunc(s.scenes, func(x *scene) bool {
		if x.state != state || x.database != "" && x.database != database {
			return false
		}
		now = append(now, x)
		x.times--
		return x.times == 0
	})
	s.mu.Unlock()
	for _, x := range now {
		s.say("(%s of %s) %s", state, database, x.told)
		x.do()
	}
}

// aside runs what takes its time while the simulator goes on.
func (s *story) aside(do func()) {
	s.pending.Add(1)
	go func() {
		defer s.pending.Done()
		do()
	}()
}

// wait lets so many of the simulator's ticks pass.
func wait(ticks int) {
	timer := time.NewTimer(time.Duration(ticks) * tick)
	defer timer.Stop()
	<-timer.C
}

// unlessOver lets so many ticks pass, or until the restore has ended.
func (s *story) unlessOver(ticks int) {
	for range ticks {
		wait(1)
		s.mu.Lock()
		over := s.over
		s.mu.Unlock()
		if over {
			return
		}
	}
}

// healed tells heal what undoes a fault.
func (s *story) healed(undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heals = append(s.heals, undo)
}

// calm ends the disturbance of a restore that is over, and makes all well again.
func (s *story) calm() {
	s.mu.Lock()
	s.scenes, s.over = nil, true
	s.mu.Unlock()
	s.heal()
	// Loads that waited for a backend or for their turn are visible some ticks later; those into tables that are gone never.
	for range 50 {
		wait(2)
		if !s.unpublished() {
			return
		}
	}
}

// unpublished tells whether loads into the story's databases are committed and not visible.
func (s *story) unpublished() bool {
	rows, err := s.lane.bed.Sim.Query("SHOW PROC '/dbs'")
	if err != nil {
		return true
	}
	for _, r := range rows {
		if !ours.MatchString(r[1]) {
			continue
		}
		if running, err := s.lane.bed.Sim.Query("SHOW PROC '/transactions/" + r[0] + "/running'"); err != nil || len(running) > 0 {
			return true
		}
	}
	return false
}

func (s *story) heal() {
	s.pending.Wait()
	s.mu.Lock()
	list := s.heals
	s.heals = nil
	s.mu.Unlock()
	for _, undo := range list {
		undo()
	}
}

func (s *story) cancel(request) {
	s.at(pick(s, states), "a cancel is asked for", func() {
		s.mu.Lock()
		id := s.under
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.lane.client.CancelWorkflow(ctx, id, "")
	})
}

func (s *story) frontend(request) {
	down := 1 + s.rng.IntN(6)
	s.at(pick(s, states), fmt.Sprintf("the leading FE dies, and is started %d ticks later", down), func() {
		s.aside(func() { s.restartFrontend(down) })
	})
}

func (s *story) restartFrontend(down int) {
	s.frontMu.Lock()
	defer s.frontMu.Unlock()
	sim := s.lane.bed.Sim
	i := max(0, sim.Leader())
	sim.StopFrontend(i)
	wait(down)
	if err := sim.StartFrontend(i); err != nil {
		s.Errorf("start FE %d: %v", i, err)
	}
	for range 500 {
		if sim.Leader() >= 0 {
			return
		}
		wait(1)
	}
	s.Error("no FE leads")
}

func (s *story) backend(request) {
	i, down, sim := s.rng.IntN(3), s.rng.IntN(40), s.lane.bed.Sim
	stop, how := sim.StopBackend, "dies"
	if s.chance(3) {
		stop, how = sim.HangBackend, "hangs"
	}
	s.at(pick(s, states), fmt.Sprintf("BE %d %s, for %d ticks", i, how, down), func() {
		stop(i)
		s.aside(func() {
			wait(down)
			sim.StartBackend(i)
		})
	})
}

func (s *story) brokenStore(request) {
	i, down, sim := s.rng.IntN(3), 1+s.rng.IntN(40), s.lane.bed.Sim
	s.at(pick(s, states[:5]), fmt.Sprintf("BE %d does not reach the store, for %d ticks", i, down), func() {
		sim.BreakStore(i, errors.New("connection refused"))
		s.aside(func() {
			wait(down)
			sim.BreakStore(i, nil)
		})
	})
}

// slowStore is slow, or does not answer at all, for the worker only.
func (s *story) slowStore(request) {
	wire, down := s.lane.wire, 5+s.rng.IntN(60)
	if s.chance(2) {
		s.at(pick(s, states), fmt.Sprintf("the worker does not reach the store, for %d ticks", down), func() {
			wire.cut(true)
			s.aside(func() {
				wait(down)
				wire.cut(false)
			})
		})
		return
	}
	delay := time.Duration(1+s.rng.IntN(60)) * time.Millisecond
	s.say("the store answers the worker %s late", delay)
	wire.slow(delay)
	s.healed(func() { wire.slow(0) })
}

func (s *story) failTasks(r request) {
	f := starrockssim.Fault{Type: pick(s, []string{"MAKE_SNAPSHOT", "DOWNLOAD", "MOVE", "CREATE"}), Times: 1 + s.rng.IntN(4)}
	if s.chance(4) {
		f.Times = -1
	}
	if len(r.targets) > 0 && s.chance(2) {
		t := pick(s, r.targets)
		f.Database = databaseOf(t.name)
	}
	s.say("tasks fail: %+v", f)
	clear := s.lane.bed.Sim.FailTasks(f)
	s.healed(clear)
	if f.Type == "MOVE" { // in COMMITTING a job is left alone until it can go on
		s.say("… for 200 ticks")
		s.aside(func() {
			s.unlessOver(200)
			clear()
		})
	}
}

func (s *story) lostAnswer(request) {
	f := starrockssim.Fault{Type: pick(s, []string{"MOVE", "MOVE", "DOWNLOAD", "MAKE_SNAPSHOT"}), DropAnswer: true}
	s.say("an answer is lost: %+v", f)
	s.healed(s.lane.bed.Sim.FailTasks(f))
}

// damageStore takes a data file of the point away, or puts other bytes in its place, before the restore.
func (s *story) damageStore(r request) {
	ctx, store := context.Background(), s.lane.bed.Store
	wanted := func(key string) bool {
		return slices.ContainsFunc(r.targets, func(t *target) bool { return strings.Contains(key, "__ss_sk_"+databaseOf(t.from)+"_") })
	}
	files := slices.DeleteFunc(s.lane.objects(s.T), func(key string) bool {
		return !strings.Contains(key, ".dat.") && !strings.Contains(key, ".hdr.") || !wanted(key)
	})
	if len(files) == 0 {
		return
	}
	slices.Sort(files)
	key := pick(s, files)
	data, err := storage.ReadAll(ctx, store, key, 1<<30)
	if err != nil {
		s.Fatal(err)
	}
	s.healed(func() {
		if err := storage.WriteAll(ctx, store, key, data, storage.Overwrite); err != nil {
			s.Errorf("mend %s: %v", key, err)
		}
	})
	s.lost = key
	if s.chance(2) {
		s.say("object %s is lost", key)
		if err := store.Delete(ctx, key); err != nil {
			s.Fatal(err)
		}
		return
	}
	s.say("object %s is damaged", key)
	other := slices.Clone(data)
	other[len(other)/2] ^= 0xff // of the same size: only who reads it sees it
	if err := storage.WriteAll(ctx, store, key, other, storage.Overwrite); err != nil {
		s.Fatal(err)
	}
}

func (s *story) foreignCancel(r request) {
	if len(r.targets) == 0 {
		return
	}
	db := databaseOf(pick(s, r.targets).name)
	s.at(pick(s, states[:6]), "somebody types CANCEL RESTORE FROM "+db, func() {
		_ = s.lane.bed.Sim.Exec("CANCEL RESTORE FROM `" + db + "`")
	})
}

// tornCommit breaks RESTOREs off that have moved some of their tablets: once, or until starkeep gives up.
func (s *story) tornCommit(r request) {
	if len(r.targets) == 0 {
		return
	}
	t := pick(s, r.targets)
	db, times, later := databaseOf(t.name), 1+s.rng.IntN(5), 1+s.rng.IntN(3)
	held := starrockssim.Fault{Type: "MOVE", Database: db, Table: tableOf(t.name)}
	if parts := t.bring.partitions(); parts[0] != "-" {
		held.Partition = pick(s, parts)
	}
	s.say("the first %d times that a RESTORE into %s is in COMMITTING: %s %s is not moved, and %d ticks later somebody types CANCEL RESTORE", times, db, held.Table, held.Partition, later)
	release := s.lane.bed.Sim.HoldTasks(held)
	s.healed(release)
	left := times
	s.stage(&scene{state: "COMMITTING", database: db, times: times, told: "CANCEL RESTORE FROM " + db, do: func() {
		left--
		last := left == 0
		s.aside(func() {
			wait(later)
			_ = s.lane.bed.Sim.Exec("CANCEL RESTORE FROM `" + db + "`")
			if last {
				release()
			}
		})
	}})
}

func (s *story) otherWorker(request) {
	s.at(pick(s, states), "the worker is stopped, and another one started", func() { s.aside(s.changeWorker) })
}

func (s *story) changeWorker() {
	s.work.Lock()
	defer s.work.Unlock()
	if err := s.lane.worker(); err != nil {
		s.Errorf("the worker ended with %v", err)
	}
	s.lane.startWorker()
}
