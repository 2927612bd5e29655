package storage_test

import (
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestHDFSFaults(t *testing.T) {
	cluster := storagetest.StartHDFSCluster(t, 2, 3)
	s := open(t, cluster.Config(cluster.Dir(t, "alice"), "alice"))
	if err := storage.WriteAll(t.Context(), s, "x", []byte("x"), storage.IfAbsent); err != nil {
		t.Fatal(err)
	}
}
