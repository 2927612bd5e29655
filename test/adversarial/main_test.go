// Package adversarial makes up stories: random tables, backups, damage, restores with random options, and while they run
// random faults, cancels and loads. Whatever happens, two laws hold:
//
//  1. What a restore says it restored is what the model says it must be: rows of each partition, partitions, definition.
//  2. What it does not say so of has its old content or the restored one, whole, and takes loads; a COMMIT that was
//     broken off over existing data is said to be, and the same restore mends it.
//
// A story is made from its seed alone. One is told again by -run TestAdversarialRestore/seed=17; it is printed in words when it fails.
// What threads of two processes do at one moment is no part of a seed.
package adversarial

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"starkeep/test/testbed"
	"starkeep/worker/config"
	"starkeep/worker/run"
)

const (
	defaultSeeds = 30
	// lanes of each kind run at once: stories mostly wait for the clock.
	lanesAlone, lanesOfThree = 5, 3
	envSeeds                 = "STARKEEP_SEEDS" // how many, from 1 on
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(lanesAlone+lanesOfThree)); err != nil {
		panic(err)
	}
	// The stories' heaps are small and short-lived: by default the collector would run all the time.
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// lane is where one story after the other is told: a simulated cluster, a store, a Temporal namespace and a worker.
type lane struct {
	bed       *testbed.Bed
	namespace string
	client    client.Client
	frontends int
	story     atomic.Pointer[story] // that is being told
	worker    func() error          // stops it
	clean     []string              // objects of an empty repository
	wire      *wire                 // between the worker and the store
}

func openLane(t *testing.T, temporal, namespace string, frontends int, more []string) *lane {
	t.Helper()
	b := testbed.Start(t, testbed.Options{Temporal: temporal, Namespaces: more, Frontends: frontends, Heartbeat: time.Second, Patience: 4})
	l := &lane{bed: b, namespace: namespace, client: b.Dial(t, namespace), frontends: frontends, wire: newWire(t, b)}
	b.Sim.OnState(func(db, kind, state string) {
		if s := l.story.Load(); s != nil && kind == "RESTORE" {
			s.reached(db, state)
		}
	})
	l.clean = l.objects(t)
	l.startWorker()
	t.Cleanup(func() {
		if err := l.worker(); err != nil {
			t.Errorf("worker of %s: %v", namespace, err)
		}
	})
	return l
}

func (l *lane) startWorker() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		c, err := config.Load(l.bed.Config)
		if err == nil {
			near := client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}} // packing costs more than it saves here
			err = run.Run(ctx, run.Options{Config: c, Logger: zap.NewNop(), Temporal: client.Options{HostPort: l.bed.Temporal, Namespace: l.namespace, ConnectionOptions: near}, StickyTimeout: time.Second})
		}
		ended <- err
	}()
	l.worker = func() error {
		cancel()
		return <-ended
	}
}

// objects lists what lies in the lane's repository.
func (l *lane) objects(t *testing.T) (keys []string) {
	t.Helper()
	for o, err := range l.bed.Store.List(context.Background(), "") {
		if err != nil {
			t.Fatalf("list the repository: %v", err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// wipe makes the lane as new.
func (l *lane) wipe(t *testing.T) {
	t.Helper()
	rows, err := l.bed.Sim.Query("SHOW DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if ours.MatchString(r[0]) {
			if err := l.bed.Sim.Exec("DROP DATABASE `" + r[0] + "` FORCE"); err != nil {
				t.Errorf("drop %s: %v", r[0], err)
			}
		}
	}
	drop := slices.DeleteFunc(l.objects(t), func(key string) bool { return slices.Contains(l.clean, key) })
	for chunk := range slices.Chunk(drop, 500) {
		if err := l.bed.Store.Delete(context.Background(), chunk...); err != nil {
			t.Errorf("wipe the repository: %v", err)
		}
	}
}

// tally counts what happened in all stories.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

func seeds(t *testing.T) int {
	n := defaultSeeds
	if text := os.Getenv(envSeeds); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("%s=%q: want a number of seeds", envSeeds, text)
		}
	}
	return n
}

func TestAdversarialRestore(t *testing.T) {
	n := seeds(t)
	namespaces := make([]string, lanesAlone+lanesOfThree)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("lane%d", i)
	}
	alone, three := make(chan *lane, lanesAlone), make(chan *lane, lanesOfThree)
	temporal := ""
	for i, namespace := range namespaces {
		frontends, to := 1, alone
		if i >= lanesAlone {
			frontends, to = 3, three
		}
		l := openLane(t, temporal, namespace, frontends, namespaces)
		temporal = l.bed.Temporal
		to <- l
	}
	counts := &tally{counts: map[string]int{}}
	t.Cleanup(func() { summary(t, counts, n) })
	for seed := 1; seed <= n; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			pool := alone
			if seed%3 == 0 {
				pool = three
			}
			l := <-pool
			defer func() { pool <- l }()
			tell(t, l, uint64(seed), counts)
		})
	}
}

// summary says what the stories were made of, and fails where they proved little.
func summary(t *testing.T, c *tally, seeds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		lines = append(lines, fmt.Sprintf("%6d %s", c.counts[what], what))
	}
	t.Logf("%d stories\n%s", c.counts["stories"], strings.Join(lines, "\n"))
	if c.counts["stories"] < min(seeds, 100) {
		return // some were chosen by -run
	}
	for _, what := range []string{"table ok: swap", "table ok: create", "table ok: overwrite", "table ok: partitions", "table not ok"} {
		if c.counts[what] < seeds/30 {
			t.Errorf("only %d × %q in %d stories: the test proves too little", c.counts[what], what, seeds)
		}
	}
}
