package storage_test

import (
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestGCSWithHMACKeysKeepsTheContract(t *testing.T) {
	server := storagetest.StartGCSHMAC(t)
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		return open(t, server.Config("pre fix/"+string(rune('a'+n))))
	})
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("uploads neither completed nor aborted: %q", pending)
	}
}
