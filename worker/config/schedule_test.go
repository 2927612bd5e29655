package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starkeep/workflows/spec"
)

const scheduled = good + `
mirrors:
  dr: {location: s3://bucket-dr/prefix}
schedules:
  nightly:
    cron: "30 2 * * *"
    timeZone: Europe/Berlin
    jitter: 10m
    backup:
      cluster: prod
      repository: main
      include: [sales, 'web_*']
      tags: {why: nightly, year: "2026"}
      limits: {unitDuration: 20m, parallelDatabases: 4}
  weekly-drill:
    cron: "@weekly"
    drill: {cluster: prod, repository: main, sample: 1/20, point: latest~1}
  weekly-copy:
    cron: "@weekly"
    copy: {cluster: prod, from: main, to: dr}
goals:
  - cluster: prod
    databases: [sales]
    backup: 26h
    drill: 840h
  - {cluster: prod, backup: 50h}
`

func TestSchedulesBecomeInputsOfWorkflows(t *testing.T) {
	c, err := parse([]byte(scheduled), "/etc")
	if err != nil {
		t.Fatal(err)
	}
	want := spec.Timetable{
		Schedules: []spec.Schedule{
			{Name: "nightly", Cron: "30 2 * * *", TimeZone: "Europe/Berlin", Jitter: spec.Duration(10 * time.Minute), Workflow: spec.BackupWorkflow,
				Input: []byte(`{"cluster":"prod","include":["sales","web_*"],"limits":{"parallelDatabases":4,"unitDuration":"20m"},"repository":"main","tags":{"why":"nightly","year":"2026"}}`)},
			{Name: "weekly-copy", Cron: "@weekly", Workflow: spec.CopyWorkflow, Input: []byte(`{"cluster":"prod","from":"main","to":"dr"}`)},
			{Name: "weekly-drill", Cron: "@weekly", Workflow: spec.DrillWorkflow, Input: []byte(`{"cluster":"prod","point":"latest~1","repository":"main","sample":"1/20"}`)},
		},
		Goals: []spec.Goal{
			{Cluster: "prod", Databases: []string{"sales"}, Backup: spec.Duration(26 * time.Hour), Drill: spec.Duration(840 * time.Hour)},
			{Cluster: "prod", Backup: spec.Duration(50 * time.Hour)},
		},
	}
	if diff := cmp.Diff(want, c.Timetable()); diff != "" {
		t.Error(diff)
	}
}

func TestWrongSchedulesNameKeyLineAndFix(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(scheduled, old, new, 1) }
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"cron":                {change(`"30 2 * * *"`, `"30 25 * * *"`), []string{"schedules.nightly (line 13)", `the hour is "25"`}},
		"time zone":           {change("Europe/Berlin", "Europe/Berln"), []string{"schedules.nightly (line 13)", `"Europe/Berln"`, "IANA"}},
		"no workflow":         {change("drill: {cluster", "# drill: {cluster"), []string{"schedules.weekly-drill", "has 0 of the keys backup, ", "exactly one"}},
		"two workflows":       {change("    drill: {cluster", "    backup: {cluster: prod, repository: main}\n    drill: {cluster"), []string{"schedules.weekly-drill", "has 2 of the keys"}},
		"unknown field":       {change("include:", "includes:"), []string{"schedules.nightly", `field "includes" does not exist`}},
		"number for a text":   {change(`year: "2026"`, "year: 2026"), []string{"schedules.nightly", `"tags"`}},
		"not an input":        {change("drill: {cluster: prod, repository: main, sample: 1/20, point: latest~1}", "drill: [prod]"), []string{"schedules.weekly-drill.drill", "keys with values"}},
		"unknown cluster":     {change("drill: {cluster: prod", "drill: {cluster: prd"), []string{"schedules.weekly-drill", `"prd"`, "use one of prod"}},
		"unknown repository":  {change("repository: main, sample", "repository: mian, sample"), []string{"schedules.weekly-drill", `"mian"`, "use one of main"}},
		"name":                {change("nightly:", "night/ly:"), []string{"schedules.night/ly", "no slash"}},
		"key twice":           {change("include: [sales", "cluster: x\n      include: [sales"), []string{"twice"}},
		"alias":               {change("include: [sales", "include: &a [sales"), []string{"schedules.nightly.backup.include", "anchors"}},
		"goal without a kind": {change("{cluster: prod, backup: 50h}", "{cluster: prod}"), []string{"goals[1]", "at least one"}},
		"goal's cluster":      {change("{cluster: prod, backup: 50h}", "{cluster: prd, backup: 50h}"), []string{"goals[1].cluster", "use one of prod"}},
		"goal for a table":    {change("databases: [sales]", "databases: [sales.orders]"), []string{"goals[0]", "whole databases"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(test.text), "/etc")
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}
