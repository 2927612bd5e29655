package storage_test

import (
	"flag"
	"os"
	"testing"

	"starkeep/storage"
)

// atOnce is how many tests run at once. They mostly wait, for pauses, servers that start and answers that do not come, so more
// than there are cores.
const atOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		panic(err)
	}
	storage.ShortenPauses()
	os.Exit(m.Run())
}
