package e2e

import (
	"flag"
	"os"
	"strconv"
	"testing"
)

// inParallel is how many tests run at a time, also on two cores: they mostly wait. Each has its own servers, but for Temporal's.
const inParallel = 5

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(inParallel)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
