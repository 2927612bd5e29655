package storage_test

import (
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestFileKeepsTheContract(t *testing.T) {
	t.Parallel()
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		return open(t, storage.Config{Location: "file://" + t.TempDir()})
	})
}

// The user may do what docs/repositories/permissions.md lists, and only below the location.
func TestS3KeepsTheContract(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	user := server.User(t, "user", policyFor(t, server.Bucket, "pre fix", storeActions...))
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		return open(t, user.Config("pre fix/"+string(rune('a'+n))))
	})
	if pending := server.PendingUploads(t); len(pending) > 0 {
		t.Errorf("uploads neither completed nor aborted: %q", pending)
	}
}

func open(t testing.TB, c storage.Config) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
