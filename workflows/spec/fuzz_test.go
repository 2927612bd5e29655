package spec_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

// FuzzDecode: whatever valid JSON comes, decoding does not fail, and an accepted input says the same after a round trip.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"cluster":"prod","repository":"r","include":["a.b/c*"],"limits":{"unitDuration":"10m","parallelDatabases":2}}`,
		`{"cluster":"c","repository":"r","rename":{"a":"b","a.t":"b.u"},"undoWindow":"1h","dryRun":true,"tags":{"x":"y"}}`,
		`{"read":"points","cluster":"c","repository":"r","page":"2"}`,
		`{"cluster":"c","repository":"r","readOnly":true,"scratch":true,"for":["backup"]}`,
		`null`, `[]`, `"x"`, `1e999`, `{"":{}}`, `{"limits":{"limits":1}}`, `{"tags":{"a":null}}`, `{"tables":[{"oldId":1}],"keep":"1h"}`,
		`{"password":"canary-1234"}`, `{"cluster":"s3://a:canary-1234@h"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		checkDecoded[spec.Backup](t, data)
		checkDecoded[spec.Restore](t, data)
		checkDecoded[spec.Inspect](t, data)
		checkDecoded[spec.UndoWindow](t, data)
		checkDecoded[spec.CreateRepository](t, data)
		checkDecoded[spec.DropRepository](t, data)
		checkDecoded[spec.CheckRepository](t, data)
	})
}

func checkDecoded[T interface{ Validate() error }](t *testing.T, data []byte) {
	t.Helper()
	var in T
	if err := json.Unmarshal(data, &in); err != nil {
		t.Fatalf("%T: decoding %s failed: %v", in, data, err)
	}
	err := in.Validate()
	if err != nil {
		if strings.Contains(err.Error(), "canary-1234") && strings.Contains(err.Error(), "looks like a secret") {
			t.Fatalf("%T: the refusal repeats the secret: %v", in, err)
		}
		return
	}
	written, err := json.Marshal(in)
	if err != nil {
		t.Fatalf("%T: an accepted input cannot be written: %v", in, err)
	}
	var again T
	if err := json.Unmarshal(written, &again); err != nil {
		t.Fatal(err)
	}
	if err := again.Validate(); err != nil {
		t.Fatalf("%T: accepted %s, but not itself as it writes it, %s: %v", in, data, written, err)
	}
	rewritten, err := json.Marshal(again)
	if err != nil || !reflect.DeepEqual(written, rewritten) {
		t.Fatalf("%T: a round trip changes %s into %s (%v)", in, written, rewritten, err)
	}
}
