package spec_test

import (
	"reflect"
	"strings"
	"testing"

	"starkeep/workflows/spec"
)

func all(from, to int) []spec.CronRange { return []spec.CronRange{{Start: from, End: to, Step: 1}} }

func one(n int) []spec.CronRange { return []spec.CronRange{{Start: n, End: n, Step: 1}} }

func TestCronIsReadAsCrontabWritesIt(t *testing.T) {
	daily := spec.Cron{Minute: one(0), Hour: one(0), DayOfMonth: all(1, 31), Month: all(1, 12), DayOfWeek: all(0, 6)}
	with := func(change func(*spec.Cron)) spec.Cron {
		c := daily
		change(&c)
		return c
	}
	for text, want := range map[string]spec.Cron{
		"0 0 * * *":   daily,
		" 0  0 * * *": daily,
		"@daily":      daily,
		"@hourly":     with(func(c *spec.Cron) { c.Hour = all(0, 23) }),
		"@monthly":    with(func(c *spec.Cron) { c.DayOfMonth = one(1) }),
		"*/15 1,13 * * *": with(func(c *spec.Cron) {
			c.Minute = []spec.CronRange{{Start: 0, End: 59, Step: 15}}
			c.Hour = []spec.CronRange{{Start: 1, End: 1, Step: 1}, {Start: 13, End: 13, Step: 1}}
		}),
		"5/20 8-18/2 * * *": with(func(c *spec.Cron) {
			c.Minute = []spec.CronRange{{Start: 5, End: 59, Step: 20}}
			c.Hour = []spec.CronRange{{Start: 8, End: 18, Step: 2}}
		}),
		"0 0 * JAN-mar *": with(func(c *spec.Cron) { c.Month = all(1, 3) }),
		"0 0 * * sun":     with(func(c *spec.Cron) { c.DayOfWeek = one(0) }),
		"0 0 * * 7":       with(func(c *spec.Cron) { c.DayOfWeek = one(0) }),
		"0 0 * * 5-7":     with(func(c *spec.Cron) { c.DayOfWeek = append(one(0), all(5, 6)...) }),
		"0 0 * * 0-7":     with(func(c *spec.Cron) { c.DayOfWeek = all(0, 6) }),
		"0 0 * * 2/2":     with(func(c *spec.Cron) { c.DayOfWeek = []spec.CronRange{{Start: 2, End: 6, Step: 2}} }),
	} {
		if got, err := spec.ParseCron(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
}

func TestWrongCronSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":               "five",
		"0 0 * *":        "has 4 fields",
		"0 0 * * * *":    "has 6 fields",
		"@fortnightly":   "has 1 fields",
		"60 0 * * *":     `the minute is "60"`,
		"-1 0 * * *":     `the minute is "-1"`,
		"+1 0 * * *":     `the minute is "+1"`,
		"0 24 * * *":     "the hour",
		"0 0 0 * *":      "the day of the month",
		"0 0 * foo *":    "the month",
		"0 0 * * 8":      "the day of the week",
		"0 5-3 * * *":    "the hour",
		"0 */0 * * *":    "step",
		"0 1,,2 * * *":   "the hour",
		"0 0 13 * 5":     "not both",
		"0 0 * * mon-":   "the day of the week",
		"*/100 * * * *":  "step",
		"0 0 1-31 * 1-5": "not both",
	} {
		if _, err := spec.ParseCron(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
