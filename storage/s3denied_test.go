package storage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// storeActions is all that a Store ever asks for. docs/repositories/permissions.md says the same in a table.
var storeActions = []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"} // the last leaves uploads behind in a test

// policyFor allows actions on a location and nothing else: listing by the condition s3:prefix, all else by resource.
func policyFor(t *testing.T, bucket, prefix string, actions ...string) string {
	t.Helper()
	var statements []any
	for _, action := range actions {
		statement := map[string]any{"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::" + bucket + "/" + prefix + "/*"}
		if action == "s3:ListBucket" {
			statement["Resource"] = "arn:aws:s3:::" + bucket
			statement["Condition"] = map[string]any{"StringLike": map[string]string{"s3:prefix": prefix + "/*"}}
		}
		statements = append(statements, statement)
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return string(policy)
}

// storeOperation is one use of a Store, and the actions it needs, the first missing one of which it is refused for.
type storeOperation struct {
	name  string
	needs []string
	do    func(t *testing.T, s storage.Store) error
}

func storeOperations() []storeOperation {
	put := func(size int, mode storage.Mode) func(*testing.T, storage.Store) error {
		return func(t *testing.T, s storage.Store) error {
			return storage.WriteAll(t.Context(), s, "new", content(size), mode)
		}
	}
	cp := func(from string) func(*testing.T, storage.Store) error {
		return func(t *testing.T, s storage.Store) error { return s.Copy(t.Context(), from, "copied") }
	}
	return []storeOperation{
		{"Put", []string{"s3:PutObject"}, put(10, storage.Overwrite)},
		{"Put IfAbsent", []string{"s3:PutObject"}, put(10, storage.IfAbsent)},
		{"Put, in parts", []string{"s3:PutObject"}, put(17*mib, storage.Overwrite)},
		{"Put IfAbsent, in parts", []string{"s3:GetObject", "s3:PutObject"}, put(17*mib, storage.IfAbsent)},
		{"Get", []string{"s3:GetObject"}, func(t *testing.T, s storage.Store) error {
			_, err := storage.ReadAll(t.Context(), s, "small", 100)
			return err
		}},
		{"Stat", []string{"s3:GetObject"}, func(t *testing.T, s storage.Store) error { _, err := s.Stat(t.Context(), "small"); return err }},
		{"List", []string{"s3:ListBucket"}, func(t *testing.T, s storage.Store) error {
			for _, err := range s.List(t.Context(), "sm") {
				return err
			}
			return nil
		}},
		{"Copy", []string{"s3:GetObject", "s3:PutObject"}, cp("small")},
		{"Copy, in parts", []string{"s3:GetObject", "s3:PutObject"}, cp("large")},
		{"Delete", []string{"s3:DeleteObject"}, func(t *testing.T, s storage.Store) error { return s.Delete(t.Context(), "nothing") }},
	}
}

// Every user lacks exactly one action, on a location with a prefix.
func TestS3EachOperationNeedsExactlyTheseActions(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	owner := open(t, server.Config("team/a"))
	write(t, owner, "small", []byte("small"))
	write(t, owner, "large", content(17*mib))
	for i, missing := range append([]string{"nothing"}, storeActions...) {
		t.Run("without "+missing, func(t *testing.T) {
			held := slices.DeleteFunc(slices.Clone(storeActions), func(action string) bool { return action == missing })
			user := server.User(t, fmt.Sprint("user", i), policyFor(t, server.Bucket, "team/a", held...))
			s := open(t, user.Config("team/a"))
			storage.ShrinkParts(s, 16*mib, 16*mib, 5*mib)
			for _, operation := range storeOperations() {
				t.Run(operation.name, func(t *testing.T) {
					if err := owner.Delete(t.Context(), "new"); err != nil {
						t.Fatal(err)
					}
					err := operation.do(t, s)
					if !slices.Contains(operation.needs, missing) {
						if err != nil {
							t.Error(err)
						}
						return
					}
					want(t, err, storage.ErrDenied)
					says(t, err, "not authorized to perform: "+missing, "the credentials need "+missing+" on arn:aws:s3:::starkeep-test")
				})
			}
			err := s.Put(t.Context(), "broken", bytes.NewReader(nil), 17*mib, storage.Overwrite)
			if missing != "s3:PutObject" {
				want(t, err, storage.ErrInvalid)
			}
			if pending := server.PendingUploads(t); (len(pending) > 0) != (missing == "s3:AbortMultipartUpload") {
				t.Errorf("uploads left behind: %q", pending)
			}
		})
	}
}

// What people read is what was tested.
func TestPermissionsPageSaysWhatEachS3OperationNeeds(t *testing.T) {
	page, err := os.ReadFile("../docs/repositories/permissions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range storeOperations() {
		row := "| " + operation.name + " | `" + strings.Join(operation.needs, "` `") + "` |"
		if !strings.Contains(string(page), row) {
			t.Errorf("permissions.md has no row %s", row)
		}
	}
}

// A policy for one prefix is enough for a location with that prefix, and for no other.
func TestS3PolicyForAPrefix(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	user := server.User(t, "user", policyFor(t, server.Bucket, "team/a", storeActions...))
	brief(t, open(t, user.Config("team/a")))
	brief(t, open(t, user.Config("team/a/below")))
	for _, prefix := range []string{"team/b", "team/ab"} {
		t.Run("location "+prefix, func(t *testing.T) {
			storagetest.Denied(t, open(t, server.Config(prefix)), open(t, user.Config(prefix)))
		})
	}
	for _, err := range open(t, user.Config("")).List(t.Context(), "") {
		want(t, err, storage.ErrDenied)
	}
	_, err := open(t, user.Config("team/a")).Stat(t.Context(), "absent")
	want(t, err, storage.ErrNotFound)
}
