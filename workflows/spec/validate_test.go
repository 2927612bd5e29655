package spec_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"starkeep/workflows/spec"
)

// validated decodes an input as a workflow does and gives what Validate says, "" for nothing.
func validated(t *testing.T, kind, input string) string {
	t.Helper()
	var err error
	switch kind {
	case "backup":
		var in spec.Backup
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "restore":
		var in spec.Restore
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "inspect":
		var in spec.Inspect
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "undo":
		var in spec.UndoWindow
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "create":
		var in spec.CreateRepository
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "drop":
		var in spec.DropRepository
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	case "check":
		var in spec.CheckRepository
		must(t, json.Unmarshal([]byte(input), &in))
		err = in.Validate()
	default:
		t.Fatalf("no input is called %q", kind)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("decoding an input must not fail, Temporal would retry it for ever: %v", err)
	}
}

func TestGoodInputsAreAccepted(t *testing.T) {
	for kind, inputs := range map[string][]string{
		"backup": {
			`{"cluster": "prod", "repository": "s3-main"}`,
			`{"cluster": "prod", "repository": "s3-main", "include": ["sales", "web.hits", "a*.b*/p1"], "exclude": ["sales.tmp*"], "onBusy": "fail"}`,
			`{"cluster": "prod", "repository": "r", "resume": "20261122T150405Z-abcdef", "tags": {"why": "before the upgrade"}}`,
			`{"cluster": "prod", "repository": "r", "limits": {"unitDuration": "90s", "maxTabletsPerUnit": 10, "maxPartitionsPerUnit": 2, "parallelDatabases": 1}}`,
			`{"cluster": "prod", "repository": "r", "limits": null, "include": null, "onBusy": ""}`,
		},
		"restore": {
			`{"cluster": "prod", "repository": "r"}`,
			`{"cluster": "prod", "repository": "r", "point": "latest", "onExisting": "rename", "undoWindow": "24h", "dryRun": true}`,
			`{"cluster": "prod", "repository": "r", "onExisting": "overwrite", "dryRun": true}`,
			`{"cluster": "prod", "repository": "r", "onExisting": "overwrite", "confirmOverwrite": true, "noSafetyPoint": true, "allowAutoIncrementReset": true}`,
			`{"cluster": "prod", "repository": "r", "rename": {"sales": "sales_old", "web.hits": "web.hits2"}}`,
			`{"cluster": "prod", "repository": "r", "undoWindow": null}`,
		},
		"inspect": {
			`{"read": "points", "cluster": "prod", "repository": "r"}`,
			`{"read": "config"}`,
			`{"read": "jobs", "cluster": "prod"}`,
			`{"read": "policy", "repository": "r", "for": ["backup", "starrocks"]}`,
		},
		"create": {`{"cluster": "prod", "repository": "s3-main"}`, `{"cluster": "prod", "repository": "r", "readOnly": true}`},
		"drop":   {`{"cluster": "prod", "repository": "s3-main"}`},
		"check":  {`{"cluster": "prod", "repository": "s3-main"}`, `{"cluster": "prod", "repository": "r", "scratch": true}`},
		"undo":   {`{"cluster": "prod", "restore": "restore/prod/a", "keep": "72h", "tables": [{"database": "d", "table": "t"}]}`},
	} {
		for _, input := range inputs {
			if got := validated(t, kind, input); got != "" {
				t.Errorf("%s %s is refused: %s", kind, input, got)
			}
		}
	}
}

func TestWrongInputsAreRefusedNamingTheFieldAndTheFix(t *testing.T) {
	const ok = `"cluster": "prod", "repository": "r"`
	tests := []struct {
		name, kind, input string
		want              []string
	}{
		{"nothing at all", "backup", `{}`, []string{`field "cluster" is missing`, `field "repository" is missing`, "name a profile of the worker's configuration"}},
		{"null", "backup", `null`, []string{`field "cluster" is missing`}},
		{"not an object", "backup", `"prod"`, []string{"not a JSON object"}},
		{"a list", "restore", `[]`, []string{"not a JSON object"}},
		{"unknown field", "backup", `{` + ok + `, "includes": ["sales"]}`,
			[]string{`field "includes" does not exist`, "cluster, repository, include, exclude, resume, incremental, base, onBusy, fingerprint, mirrors, mirrorWait, tags, limits"}},
		{"field in the wrong case", "backup", `{"Cluster": "prod", "repository": "r"}`, []string{`field "Cluster" does not exist`}},
		{"unknown field of a restore", "restore", `{` + ok + `, "overwrite": true}`, []string{`field "overwrite" does not exist`, "onExisting"}},
		{"unknown limit", "backup", `{` + ok + `, "limits": {"parallel": 2}}`, []string{`field "limits"`, `field "parallel" does not exist`, "parallelDatabases"}},
		{"two mistakes", "backup", `{"a": 1, "b": 2}`, []string{`field "a"`, `field "b"`}},
		{"text for a list", "backup", `{` + ok + `, "include": "sales"}`, []string{`field "include": got string, want a list, like ["a", "b"]`}},
		{"number in a list", "backup", `{` + ok + `, "include": [1]}`, []string{`field "include": got number, want text`}},
		{"text for a number", "restore", `{` + ok + `, "replicationNum": "3"}`, []string{`field "replicationNum": got string, want a whole number`}},
		{"fraction", "restore", `{` + ok + `, "replicationNum": 1.5}`, []string{`field "replicationNum": got number, want a whole number`}},
		{"text for a switch", "restore", `{` + ok + `, "dryRun": "yes"}`, []string{`field "dryRun": got string, want true or false`}},
		{"number in a map", "backup", `{` + ok + `, "tags": {"a": 1}}`, []string{`field "tags": got number, want text`}},
		{"list for a map", "restore", `{` + ok + `, "rename": []}`, []string{`field "rename": got array, want an object`}},
		{"duration as a number", "restore", `{` + ok + `, "undoWindow": 72}`, []string{`field "undoWindow"`, `a duration is text with a unit, like "10m"`}},
		{"duration without a unit", "restore", `{` + ok + `, "undoWindow": "72"}`, []string{`"72" is not a duration`, `"72h"`}},
		{"duration in days", "backup", `{` + ok + `, "limits": {"unitDuration": "1d"}}`, []string{`"1d" is not a duration`}},
		{"negative duration", "restore", `{` + ok + `, "undoWindow": "-1h"}`, []string{`field "undoWindow" is -`, "give a positive"}},
		{"negative limit", "backup", `{` + ok + `, "limits": {"parallelDatabases": -1}}`, []string{`field "limits.parallelDatabases" is -1`, "leave it out for the default"}},
		{"negative tablets", "restore", `{` + ok + `, "limits": {"maxTabletsPerUnit": -5}}`, []string{`field "limits.maxTabletsPerUnit" is -5`}},
		{"negative partitions", "backup", `{` + ok + `, "limits": {"maxPartitionsPerUnit": -5}}`, []string{`field "limits.maxPartitionsPerUnit" is -5`}},
		{"negative replication", "restore", `{` + ok + `, "replicationNum": -1}`, []string{`field "replicationNum" is -1`}},
		{"slash in a cluster", "backup", `{"cluster": "prod/eu", "repository": "r"}`, []string{`field "cluster" is "prod/eu"`, "no slash"}},
		{"slash in a repository", "restore", `{"cluster": "prod", "repository": "../r"}`, []string{`field "repository" is "../r"`, "no slash"}},
		{"slash in a point", "restore", `{` + ok + `, "point": "a/b"}`, []string{`field "point" is "a/b"`}},
		{"the directory above", "restore", `{` + ok + `, "sourceCluster": ".."}`, []string{`field "sourceCluster" is ".."`}},
		{"name too long", "backup", `{"cluster": "` + strings.Repeat("a", 65) + `", "repository": "r"}`, []string{"1 to 64 letters"}},
		{"blank in a name", "backup", `{"cluster": "my prod", "repository": "r"}`, []string{`field "cluster" is "my prod"`}},
		{"onBusy", "backup", `{` + ok + `, "onBusy": "skip"}`, []string{`field "onBusy" is "skip"; it is one of wait, fail`}},
		{"onBusy of a restore", "restore", `{` + ok + `, "onBusy": "kill"}`, []string{`it is one of wait, fail`}},
		{"onExisting", "restore", `{` + ok + `, "onExisting": "replace"}`, []string{`field "onExisting" is "replace"; it is one of swap, fail, rename, overwrite`}},
		{"overwrite without consent", "restore", `{` + ok + `, "onExisting": "overwrite"}`, []string{`"confirmOverwrite": true`}},
		{"consent to what is not asked for", "restore", `{` + ok + `, "confirmOverwrite": true}`, []string{`field "confirmOverwrite" belongs to onExisting "overwrite"`}},
		{"resume with a selection", "backup", `{` + ok + `, "resume": "p", "include": ["a"]}`, []string{`field "resume" takes its selection from the point`, `leave "include" and "exclude" out`}},
		{"glob in a rename", "restore", `{` + ok + `, "rename": {"a*": "b"}}`, []string{`field "rename": "a*" → "b"`, "without globs"}},
		{"rename to nothing", "restore", `{` + ok + `, "rename": {"a": ""}}`, []string{`field "rename": "a" → ""`}},
		{"rename of a table to a database", "restore", `{` + ok + `, "rename": {"a.t": "b"}}`, []string{`both sides name a database, or both a table`}},
		{"read is missing", "inspect", `{"cluster": "c"}`, []string{`field "read" is missing`}},
		{"unknown read", "inspect", `{"read": "tables", "cluster": "c"}`, []string{`field "read" is "tables"; it is one of points, point, jobs, repositories, config, policy`}},
		{"points of no repository", "inspect", `{"read": "points", "cluster": "c"}`, []string{`field "repository" is missing`}},
		{"jobs of no cluster", "inspect", `{"read": "jobs"}`, []string{`field "cluster" is missing`}},
		{"policy of no repository", "inspect", `{"read": "policy", "cluster": "c"}`, []string{`field "repository" is missing`}},
		{"policy for nothing known", "inspect", `{"read": "policy", "repository": "r", "for": ["write"]}`, []string{`field "for" is "write"; it is one of backup, restore, mirror, prune, starrocks`}},
		{"create nothing", "create", `{}`, []string{`field "cluster" is missing`, `field "repository" is missing`}},
		{"create with a location", "create", `{` + ok + `, "location": "s3://b/p"}`, []string{`field "location" does not exist; the fields are cluster, repository, readOnly`}},
		{"create with a key", "create", `{` + ok + `, "secretKey": "x"}`, []string{`looks like a secret`}},
		{"drop with force", "drop", `{` + ok + `, "force": true}`, []string{`field "force" does not exist; the fields are cluster, repository`}},
		{"check elsewhere", "check", `{"cluster": "prod", "repository": "a/b"}`, []string{`field "repository" is "a/b"`}},
		{"check with half a consent", "check", `{` + ok + `, "scratch": "yes"}`, []string{`field "scratch": got string, want true or false`}},
		{"undo window by hand", "undo", `{"cluster": "c", "keep": "soon"}`, []string{`"soon" is not a duration`}},
		{"undo window of nothing", "undo", `{"cluster": "c"}`, []string{`field "tables" is missing`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := validated(t, test.kind, test.input)
			if got == "" {
				t.Fatalf("%s is accepted", test.input)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s\n is refused with %q, want it to say %q", test.input, got, want)
				}
			}
		})
	}
}

func TestTheSameMistakesAreToldInTheSameWordsEachTime(t *testing.T) {
	input := `{"cluster": "c", "repository": "r", "rename": {"a*": "1", "b*": "2", "c*": "3", "d*": "4", "e*": "5"}}`
	first := validated(t, "restore", input)
	for range 50 {
		if again := validated(t, "restore", input); again != first {
			t.Fatalf("%q, and then %q: a replay must give the same failure", first, again)
		}
	}
}

func TestWhatLooksLikeASecretIsRefusedWithoutEcho(t *testing.T) {
	const key = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY12"
	tests := []struct{ name, input, canary string }{
		{"a password field", `{"cluster": "c", "password": "hunter2hunter2"}`, "hunter2"},
		{"deep in limits", `{"limits": {"secretKey": "hunter2hunter2"}}`, "hunter2"},
		{"a tag", `{"tags": {"aws_access_key": "hunter2hunter2"}}`, "hunter2"},
		{"a token", `{"tags": {"sessionToken": "hunter2hunter2"}}`, "hunter2"},
		{"a field's name in escapes", `{"\u0070assword": "hunter2hunter2"}`, "hunter2"},
		{"an AWS access key id", `{"cluster": "AKIAIOSFODNN7EXAMPLE"}`, "AKIAIOSFODNN7EXAMPLE"},
		{"an AWS secret key as a repository", `{"repository": "` + key + `"}`, key},
		{"an AWS secret key with an escaped slash", `{"repository": "wJalrXUtnFEMI\/K7MDENG\/bPxRfiCYEXAMPLEKEY"}`, "wJalrXUtnFEMI"},
		{"a password in an address", `{"repository": "s3://user:hunter2@host/bucket"}`, "hunter2"},
		{"a DSN", `{"cluster": "root:hunter2@tcp(fe:9030)/"}`, "hunter2"},
		{"a signed address", `{"repository": "https://h/b?X-Amz-Signature=hunter2"}`, "hunter2"},
		{"a private key", `{"tags": {"note": "-----BEGIN RSA hunter2"}}`, "hunter2"},
		{"in a list", `{"include": ["s3://user:hunter2@host"]}`, "hunter2"},
		{"a secret as a field's name", `{"AKIAIOSFODNN7EXAMPLE": 1}`, "AKIAIOSFODNN7EXAMPLE"},
		{"not even JSON object", `"s3://user:hunter2@host"`, "hunter2"},
	}
	for _, test := range tests {
		for _, kind := range []string{"backup", "restore", "inspect"} {
			t.Run(test.name+" in "+kind, func(t *testing.T) {
				got := validated(t, kind, test.input)
				if !strings.Contains(got, "looks like a secret") || !strings.Contains(got, "rotate") {
					t.Errorf("%s: got %q, want it refused as a secret, with the advice to rotate it", test.name, got)
				}
				if strings.Contains(got, test.canary) {
					t.Errorf("%s: the message repeats the secret: %s", test.name, got)
				}
			})
		}
	}
}

func TestNamesAndDigestsAreNoSecrets(t *testing.T) {
	for _, input := range []string{
		`{"cluster": "c", "repository": "r", "rename": {"app.access_tokens": "app.access_tokens_old"}}`,
		`{"cluster": "c", "repository": "r", "include": ["app.passwords", "secrets"]}`,
		`{"cluster": "c", "repository": "r", "include": ["abcdefghijabcdefghijabcdefghijabcdefghij"]}`,
	} {
		if got := validated(t, "restore", input); got != "" {
			t.Errorf("%s is refused: %s", input, got)
		}
	}
	commit := `{"cluster": "c", "repository": "r", "tags": {"commit": "3f786850e387550fdab836ed7e6dc881de23001b"}}`
	if got := validated(t, "backup", commit); got != "" {
		t.Errorf("a git commit in a tag is refused: %s", got)
	}
}

func TestDurationsAreText(t *testing.T) {
	for text, want := range map[string]time.Duration{`"90s"`: 90 * time.Second, `"10m"`: 10 * time.Minute, `"72h"`: 72 * time.Hour, `"1h30m"`: 90 * time.Minute} {
		var d spec.Duration
		if err := json.Unmarshal([]byte(text), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s is read as %v, %v", text, time.Duration(d), err)
		}
		back, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var again spec.Duration
		if err := json.Unmarshal(back, &again); err != nil || again != d {
			t.Errorf("%s is written as %s and read back as %v, %v", text, back, time.Duration(again), err)
		}
	}
}

func TestIdsAreWhatSchedulesAndTheCLIRelyOn(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{spec.BackupID("prod", "nightly"), "backup/prod/nightly"},
		{spec.RestoreID("prod", "manual-20261122T150405Z"), "restore/prod/manual-20261122T150405Z"},
		{spec.DatabaseJobID("prod", "sales"), "starkeep/prod/db/sales"},
		{spec.UndoWindowID("restore/prod/a"), "undo/prod/a"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestBytesAreWrittenForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 60: "1.0 EiB"} {
		if got := spec.Bytes(n); got != want {
			t.Errorf("%d bytes are written as %q, want %q", n, got, want)
		}
	}
}
