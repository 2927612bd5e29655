package storage_test

import (
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestSmoke(t *testing.T) {
	server := storagetest.StartS3(t)
	for _, c := range []storage.Config{server.Config("a/b"), {Location: "file://" + t.TempDir()}} {
		s, err := storage.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.WriteAll(t.Context(), s, "x/y", []byte("hello"), storage.IfAbsent); err != nil {
			t.Fatal(err)
		}
		t.Log(storage.WriteAll(t.Context(), s, "x/y", []byte("hello"), storage.IfAbsent))
		got, err := storage.ReadAll(t.Context(), s, "x/y", 100)
		t.Log(string(got), err)
		t.Log(s.Copy(t.Context(), "x/y", "x/ü+ %z"))
		for o, err := range s.List(t.Context(), "x") {
			t.Log(o, err)
		}
		t.Log(s.Delete(t.Context(), "x/y", "nope"))
		t.Log(s.Stat(t.Context(), "x/y"))
	}
}
