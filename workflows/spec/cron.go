package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Cron is a time table of five fields, each a list of ranges that match.
type Cron struct {
	Minute, Hour, DayOfMonth, Month, DayOfWeek []CronRange
}

// CronRange matches Start, Start+Step, … up to End.
type CronRange struct{ Start, End, Step int }

// cronFields are the five fields in their order, with what each may hold.
var cronFields = []struct {
	name     string
	from, to int
	names    []string // of from, from+1, …
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var cronWords = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// ParseCron reads "minute hour day-of-month month day-of-week", as crontab(5) writes them: *, lists, ranges, steps, English
// names of months and days, 0 and 7 for Sunday; and @hourly, @daily, @weekly, @monthly, @yearly. A day of the month together
// with a day of the week is refused: crontab means either of them, Temporal means both at once.
func ParseCron(text string) (Cron, error) {
	fields := strings.Fields(text)
	if len(fields) == 1 && cronWords[fields[0]] != "" {
		fields = strings.Fields(cronWords[fields[0]])
	}
	if len(fields) != len(cronFields) {
		return Cron{}, fmt.Errorf(`%q has %d fields; write five, like "15 3 * * *": minute, hour, day of the month, month, day of the week`, text, len(fields))
	}
	var lists [5][]CronRange
	for i, field := range fields {
		list, err := parseCronField(i, field)
		if err != nil {
			return Cron{}, fmt.Errorf("%q: %w", text, err)
		}
		lists[i] = list
	}
	if restricts(fields[2]) && restricts(fields[4]) {
		return Cron{}, fmt.Errorf("%q: give a day of the month or a day of the week, not both; make two schedules of it", text)
	}
	return Cron{lists[0], lists[1], lists[2], lists[3], lists[4]}, nil
}

func restricts(field string) bool { return !strings.HasPrefix(field, "*") }

func parseCronField(at int, field string) ([]CronRange, error) {
	var list []CronRange
	for part := range strings.SplitSeq(field, ",") {
		r, err := parseCronRange(at, part)
		if err != nil {
			return nil, err
		}
		if f := cronFields[at]; f.to == 7 { // Sunday is 0 for Temporal
			list = append(list, sundays(r)...)
			continue
		}
		list = append(list, r)
	}
	return list, nil
}

// sundays writes the 7 of a range of days as 0.
func sundays(r CronRange) []CronRange {
	if r.End < 7 {
		return []CronRange{r}
	}
	if r.Start == 7 {
		return []CronRange{{0, 0, 1}}
	}
	list := []CronRange{{r.Start, 6, r.Step}}
	if (7-r.Start)%r.Step == 0 && r.Start > 0 {
		list = slices.Insert(list, 0, CronRange{0, 0, 1})
	}
	return list
}

func parseCronRange(at int, text string) (CronRange, error) {
	f := cronFields[at]
	spread, stepText, stepped := strings.Cut(text, "/")
	r := CronRange{Step: 1}
	if stepped {
		step, err := strconv.Atoi(stepText)
		if err != nil || step < 1 || step > f.to {
			return r, fmt.Errorf("the %s is %q; a step is a number from 1 to %d", f.name, text, f.to)
		}
		r.Step = step
	}
	if spread == "*" {
		r.Start, r.End = f.from, f.to
		if f.to == 7 {
			r.End = 6
		}
		return r, nil
	}
	first, last, ranged := strings.Cut(spread, "-")
	start, ok := cronNumber(at, first)
	end, okEnd := start, true
	switch {
	case ranged:
		end, okEnd = cronNumber(at, last)
	case stepped:
		end = f.to
	}
	if !ok || !okEnd || end < start {
		return r, fmt.Errorf("the %s is %q; write *, or numbers from %d to %d as in 3 or 1,15 or 1-5 or */2", f.name, text, f.from, f.to)
	}
	r.Start, r.End = start, end
	return r, nil
}

func cronNumber(at int, text string) (int, bool) {
	f := cronFields[at]
	if i := slices.Index(f.names, strings.ToLower(text)); i >= 0 {
		return f.from + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.from && n <= f.to && !strings.HasPrefix(text, "+")
}
