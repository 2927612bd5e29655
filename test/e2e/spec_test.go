package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"

	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestAWrongSpecIsRefusedBeforeAnythingIsTouched starts workflows as `temporal workflow start` does, with JSON that no
// type of ours has checked.
func TestAWrongSpecIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	backup, err := runBackup(t, b, spec.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	repository, statements := depot{b, t}.keys(""), len(b.Sim.Statements())

	const good = `"cluster": "prod", "repository": "repo"`
	secret := "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for _, c := range []struct {
		workflow, input string
		says            []string
	}{
		{spec.BackupWorkflow, `{"repository": "repo"}`, []string{`"cluster"`, "missing"}},
		{spec.BackupWorkflow, `{"cluster": "nowhere", "repository": "repo"}`, []string{`"cluster"`, `"nowhere"`, "it has prod"}},
		{spec.BackupWorkflow, `{"cluster": "prod", "repository": "nowhere"}`, []string{`"repository"`, `"nowhere"`, "it has repo"}},
		{spec.BackupWorkflow, `{` + good + `, "include": ["nope"]}`, []string{`"include"`, `"nope"`, "matches nothing"}},
		{spec.BackupWorkflow, `{` + good + `, "include": ["sales", "sales.zz*"]}`, []string{`"include"`, `"sales.zz*"`, "matches nothing"}},
		{spec.BackupWorkflow, `{` + good + `, "include": ["sales.orders/p9*"]}`, []string{`"include"`, "matches nothing"}},
		{spec.BackupWorkflow, `{` + good + `, "include": ["sales/orders"]}`, []string{"include[0]", "db.table/partition"}},
		{spec.BackupWorkflow, `{` + good + `, "limits": {"maxTabletsPerUnit": -5}}`, []string{`"limits.maxTabletsPerUnit"`, "-5", "positive"}},
		{spec.BackupWorkflow, `{` + good + `, "limits": {"unitDuration": 600}}`, []string{`"limits"`, `"10m"`}},
		{spec.BackupWorkflow, `{"cluster": "prod/eu", "repository": "repo"}`, []string{`"cluster"`, "no slash"}},
		{spec.BackupWorkflow, `{` + good + `, "databases": ["sales"]}`, []string{`"databases"`, "does not exist", "include"}},
		{spec.BackupWorkflow, `{` + good + `, "limits": {"tablets": 5}}`, []string{`"tablets"`, "does not exist", "maxTabletsPerUnit"}},
		{spec.BackupWorkflow, `{` + good + `, "password": "hunter2-canary"}`, []string{`"password"`, "rotate"}},
		{spec.BackupWorkflow, `{` + good + `, "tags": {"note": "` + secret + `"}}`, []string{"looks like a secret", "rotate"}},
		{spec.BackupWorkflow, `{` + good + `, "onBusy": "later"}`, []string{`"onBusy"`, "wait, fail"}},
		{spec.BackupWorkflow, `{` + good + `, "resume": "20261122T150405Z-000000"}`, []string{"20261122T150405Z-000000", "no restore point"}},
		{spec.BackupWorkflow, `{` + good + `, "resume": "` + backup.Point + `"}`, []string{"complete", "nothing to resume"}},
		{spec.BackupWorkflow, `["prod"]`, []string{"JSON object"}},
		{spec.RestoreWorkflow, `{"cluster": "nowhere", "repository": "repo"}`, []string{`"cluster"`, "it has prod"}},
		{spec.RestoreWorkflow, `{"cluster": "prod", "repository": "nowhere"}`, []string{`"repository"`, "it has repo"}},
		{spec.RestoreWorkflow, `{` + good + `, "point": "20261122T150405Z-000000"}`, []string{"no restore point", "backup list"}},
		{spec.RestoreWorkflow, `{` + good + `, "point": "yesterday"}`, []string{"yesterday"}},
		{spec.RestoreWorkflow, `{` + good + `, "include": ["sales.none"]}`, []string{`"include"`, `"sales.none"`, "matches nothing"}},
		{spec.RestoreWorkflow, `{` + good + `, "include": ["nodb.*"]}`, []string{`"include"`, "matches nothing"}},
		{spec.RestoreWorkflow, `{` + good + `, "replicationNum": -1}`, []string{`"replicationNum"`, "-1"}},
		{spec.RestoreWorkflow, `{` + good + `, "onExisting": "replace"}`, []string{`"onExisting"`, "swap, fail, rename, overwrite"}},
		{spec.RestoreWorkflow, `{` + good + `, "onExisting": "overwrite"}`, []string{`"onExisting"`, `"confirmOverwrite"`}},
		{spec.RestoreWorkflow, `{` + good + `, "rename": {"sales.orders": "other"}}`, []string{`"rename"`, `"db.table"`}},
		{spec.RestoreWorkflow, `{` + good + `, "rename": {"sales.nope": "sales.other"}}`, []string{`"rename"`, `"sales.nope"`}},
		{spec.RestoreWorkflow, `{` + good + `, "rename": {"sales": "information_schema"}}`, []string{"information_schema", "another"}},
		{spec.RestoreWorkflow, `{` + good + `, "force": true}`, []string{`"force"`, "does not exist"}},
	} {
		t.Run(c.workflow+" "+c.input, func(t *testing.T) {
			options := client.StartWorkflowOptions{ID: "wrong/" + unique(), TaskQueue: spec.TaskQueue}
			run, err := b.Client.ExecuteWorkflow(t.Context(), options, c.workflow, json.RawMessage(c.input))
			if err != nil {
				t.Fatal(err)
			}
			err = run.Get(t.Context(), nil)
			if kind := errorType(err); kind != spec.ErrorInvalidSpec && kind != spec.ErrorSnapshotMissing && kind != spec.ErrorNothingToDo {
				t.Fatalf("ended as %q: %v", kind, err)
			}
			for _, words := range c.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v\ndoes not say %s", err, words)
				}
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is repeated: %v", err)
			}
		})
	}
	changed := map[string]bool{}
	for _, s := range b.Sim.Statements()[statements:] {
		verb, _, _ := strings.Cut(strings.ToUpper(s.SQL), " ")
		if verb != "SHOW" && verb != "SELECT" && verb != "SET" && verb != "ADMIN" {
			changed[s.SQL] = true
		}
	}
	if len(changed) > 0 {
		t.Errorf("statements that are no reads: %v", slices.Collect(maps.Keys(changed)))
	}
	if now := (depot{b, t}).keys(""); !slices.Equal(now, repository) {
		t.Errorf("objects were written: %s", added(repository, now))
	}
}

func added(before, now []string) string {
	return fmt.Sprint(slices.DeleteFunc(slices.Clone(now), func(key string) bool { return slices.Contains(before, key) }))
}
