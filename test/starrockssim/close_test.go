package starrockssim_test

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	sim "starkeep/test/starrockssim"
)

func TestCloseLeavesNoGoroutineEvenWithHeldTasksAndAMissingLeader(t *testing.T) {
	c, _ := startIn(t, sim.Options{Frontends: 2})
	sales(t, c)
	c.HoldTasks(sim.Fault{})
	c.HangBackend(2)
	must(t, c, "BACKUP SNAPSHOT d.s TO r "+salesOn)
	reach(t, c, "BACKUP", "d", "SNAPSHOTING")
	c.KillLeader()
	c.Close()
	c.Close()
	if err := c.RestartFrontend(); err != nil {
		t.Error(err)
	}
	eventually(t, func() bool { return stacks(c) == "" }, func() string { return stacks(c) })
}

// stacks lists what still runs in a cluster's methods. Other tests run beside, each with a receiver of its own.
func stacks(c *sim.Cluster) string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	receiver := strings.ToLower(pointer(c))
	var left []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(g, "starrockssim.(*Cluster)") && strings.Contains(g, receiver) && !strings.Contains(g, "_test.stacks") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

func TestTheCommandTellsItsFlags(t *testing.T) {
	start := time.Now()
	out := run(t, "go", "run", "./cmd/starrockssim", "--help")
	if !strings.Contains(out, "-listen") || !strings.Contains(out, "mariadb") {
		t.Errorf("after %s: %s", time.Since(start), out)
	}
}

func pointer(c *sim.Cluster) string { return fmt.Sprintf("%p", c) }

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
