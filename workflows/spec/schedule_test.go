package spec_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"starkeep/workflows/spec"
)

var hourly = spec.Schedule{Name: "prod-hourly", Cron: "15 * * * *", TimeZone: "Europe/Berlin", Workflow: spec.BackupWorkflow,
	Input: json.RawMessage(`{"cluster":"prod","repository":"s3","include":["sales"]}`)}

func TestASchedulesRunsAreNamedAfterIt(t *testing.T) {
	if err := hourly.Validate(); err != nil {
		t.Error(err)
	}
	if got := hourly.ScheduledID(); got != "backup/prod/prod-hourly" || hourly.String() != "backup of prod" {
		t.Errorf("id %q, %q", got, hourly.String())
	}
	for _, w := range spec.ScheduledWorkflows() {
		s := hourly
		s.Workflow, s.Input = w.Workflow, json.RawMessage(`{}`)
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), w.Key+`: field "cluster" is missing`) {
			t.Errorf("an empty %s: %v", w.Key, err)
		}
		if w.PauseOnFailure != (w.Key == "prune") {
			t.Errorf("%s: pause on failure is for prune only", w.Key)
		}
		if w.WaitsForLast == (w.Key == "backup") {
			t.Errorf("%s: only a backup is left out when the last one is under way", w.Key)
		}
	}
}

func TestAWrongScheduleSaysWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(*spec.Schedule){
		`field "cron" is "0 0"`:             func(s *spec.Schedule) { s.Cron = "0 0" },
		`field "timeZone" is "Mars"`:        func(s *spec.Schedule) { s.TimeZone = "Mars" },
		`field "timeZone" is "Local"`:       func(s *spec.Schedule) { s.TimeZone = "Local" },
		`field "jitter" is -1`:              func(s *spec.Schedule) { s.Jitter = -1 },
		`a schedule starts one of backup, `: func(s *spec.Schedule) { s.Workflow = "DatabaseJob" },
		`field "nope" does not exist`:       func(s *spec.Schedule) { s.Input = json.RawMessage(`{"nope":1}`) },
		`not JSON`:                          func(s *spec.Schedule) { s.Input = nil },
		`field "name" is "a/b"`:             func(s *spec.Schedule) { s.Name = "a/b" },
	} {
		s := hourly
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAWrongGoalSaysWhatIsWrong(t *testing.T) {
	day := spec.Duration(24 * time.Hour)
	if err := (spec.Goal{Cluster: "prod", Databases: []string{"sales", "web_*"}, Backup: day}).Validate(); err != nil {
		t.Error(err)
	}
	for want, g := range map[string]spec.Goal{
		`"cluster" is missing`: {Backup: day},
		`at least one of`:      {Cluster: "prod"},
		`has "sales.orders"`:   {Cluster: "prod", Databases: []string{"sales.orders"}, Backup: day},
		`field "verify" is -1`: {Cluster: "prod", Backup: day, Verify: -1},
	} {
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
