package activities_test

import (
	"flag"
	"os"
	"testing"
)

// atOnce is how many tests run at once. They mostly wait for ticks of their simulated clusters, so more than there are cores.
const atOnce = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
