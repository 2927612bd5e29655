package storage_test

import (
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestHDFSKeepsTheContract(t *testing.T) {
	cluster := storagetest.StartHDFS(t)
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		return open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	})
}
