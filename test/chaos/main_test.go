// Package chaos kills what can die while a Backup or a Restore is under way, and compares what comes out with a run in
// which nothing died.
//
// The test binary runs itself as the worker that is killed: the environment says where Temporal is and at which point
// the process sends itself SIGKILL. Several cases run at once, each in a lane of its own: a Temporal namespace, so that
// no other case's worker takes its tasks, and databases of its own.
package chaos

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// lanes is how many cases run at once. A case mostly waits for timeouts, so more than there are cores.
const lanes = 10

func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		os.Exit(workerMain())
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(lanes)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
