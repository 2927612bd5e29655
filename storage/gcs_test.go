package storage_test

import (
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// The server in memory takes every key, the one with files many objects.
func TestGCSKeepsTheContract(t *testing.T) {
	t.Parallel()
	memory, files := storagetest.StartGCSInMemory(t), storagetest.StartGCS(t)
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		server := memory
		if strings.HasSuffix(t.Name(), "/many_objects") {
			server = files
		}
		return open(t, server.Config("pre fix/"+string(rune('a'+n))))
	})
}
