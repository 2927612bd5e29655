package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/workflows/spec"
)

var attributeCluster = temporal.NewSearchAttributeKeyKeyword(spec.AttributeCluster)

// temporalSchedule is the Temporal Schedule that a schedule of the configuration stands for.
func temporalSchedule(s spec.Schedule) (client.Schedule, error) {
	w, known := spec.ScheduledBy(s.Workflow)
	if !known {
		return client.Schedule{}, fmt.Errorf("schedule %s starts %s, which this starkeep does not know; use that of the workers' version", s.Name, s.Workflow)
	}
	cron, err := spec.ParseCron(s.Cron)
	if err != nil {
		return client.Schedule{}, fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	input, err := plainJSON(s.Input)
	if err != nil {
		return client.Schedule{}, fmt.Errorf("schedule %s: its input: %w", s.Name, err)
	}
	overlap := enumspb.SCHEDULE_OVERLAP_POLICY_SKIP
	if w.WaitsForLast {
		overlap = enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE
	}
	return client.Schedule{
		Spec: &client.ScheduleSpec{Calendars: []client.ScheduleCalendarSpec{calendar(cron)}, Jitter: s.Jitter.Or(0), TimeZoneName: s.TimeZone},
		Action: &client.ScheduleWorkflowAction{
			ID: s.ScheduledID(), Workflow: s.Workflow, Args: []any{input}, TaskQueue: spec.TaskQueue,
			StaticSummary: s.String() + ", schedule " + s.Name, TypedSearchAttributes: clusterAttribute(s),
		},
		Policy: &client.SchedulePolicies{Overlap: overlap, CatchupWindow: spec.CatchUp, PauseOnFailure: w.PauseOnFailure},
	}, nil
}

func clusterAttribute(s spec.Schedule) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(attributeCluster.ValueSet(s.Cluster()))
}

// plainJSON reads JSON without loss, for an encoder that writes it again.
func plainJSON(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return value, d.Decode(&value)
}

func calendar(c spec.Cron) client.ScheduleCalendarSpec {
	return client.ScheduleCalendarSpec{
		Second: []client.ScheduleRange{{}}, Minute: ranges(c.Minute), Hour: ranges(c.Hour),
		DayOfMonth: ranges(c.DayOfMonth), Month: ranges(c.Month), DayOfWeek: ranges(c.DayOfWeek),
	}
}

func ranges(list []spec.CronRange) []client.ScheduleRange {
	var out []client.ScheduleRange
	for _, r := range list {
		out = append(out, client.ScheduleRange{Start: r.Start, End: r.End, Step: r.Step})
	}
	return out
}

// fact is one thing about a schedule that apply keeps as the configuration has it.
type fact struct{ name, value string }

// facts tells what a Temporal Schedule does, in texts that are equal for what is equal.
func (t *temporalServer) facts(s client.Schedule) []fact {
	list := []fact{
		{"when", whenText(s.Spec)},
		{"time zone", orDefault(s.Spec.TimeZoneName, "UTC")},
		{"jitter", s.Spec.Jitter.String()},
	}
	if p := s.Policy; p != nil {
		list = append(list, fact{"overlap", p.Overlap.String()}, fact{"catch-up window", p.CatchupWindow.String()}, fact{"pause on failure", strconv.FormatBool(p.PauseOnFailure)})
	}
	if a, ok := s.Action.(*client.ScheduleWorkflowAction); ok {
		list = append(list, fact{"workflow", fmt.Sprint(a.Workflow)}, fact{"workflow id", a.ID}, fact{"task queue", a.TaskQueue}, fact{"summary", a.StaticSummary}, fact{"input", t.inputText(a)})
	}
	return list
}

// inputText is a scheduled workflow's input as JSON, its keys in order.
func (t *temporalServer) inputText(a *client.ScheduleWorkflowAction) string {
	var texts []string
	for _, arg := range a.Args {
		if payload, encoded := arg.(*commonpb.Payload); encoded {
			var value any
			if err := t.converter.FromPayload(payload, &value); err != nil {
				return "unreadable: " + err.Error()
			}
			arg = value
		}
		text, err := json.Marshal(arg)
		if err != nil {
			return "unreadable: " + err.Error()
		}
		texts = append(texts, string(text))
	}
	return strings.Join(texts, ", ")
}

// different lists what of a schedule is not as it should be.
func different(is, want []fact) []string {
	var list []string
	for _, w := range want {
		i := slices.IndexFunc(is, func(f fact) bool { return f.name == w.name })
		switch {
		case i < 0:
			list = append(list, fmt.Sprintf("%s: %s", w.name, w.value))
		case is[i].value != w.value:
			list = append(list, fmt.Sprintf("%s: %s → %s", w.name, is[i].value, w.value))
		}
	}
	return list
}

// whenText writes a time table as crontab does, with what else Temporal can have.
func whenText(s *client.ScheduleSpec) string {
	if s == nil {
		return ""
	}
	var list []string
	for _, c := range s.Calendars {
		list = append(list, calendarText(c))
	}
	for _, i := range s.Intervals {
		text := "every " + i.Every.String()
		if i.Offset > 0 {
			text += " at " + i.Offset.String()
		}
		list = append(list, text)
	}
	list = append(list, s.CronExpressions...)
	for _, c := range s.Skip {
		list = append(list, "not "+calendarText(c))
	}
	if !s.StartAt.IsZero() {
		list = append(list, "from "+utc(s.StartAt))
	}
	if !s.EndAt.IsZero() {
		list = append(list, "until "+utc(s.EndAt))
	}
	return strings.Join(list, "; ")
}

func calendarText(c client.ScheduleCalendarSpec) string {
	text := strings.Join([]string{rangesText(c.Minute, 0, 59), rangesText(c.Hour, 0, 23), rangesText(c.DayOfMonth, 1, 31), rangesText(c.Month, 1, 12), rangesText(c.DayOfWeek, 0, 6)}, " ")
	if second := rangesText(c.Second, 0, 59); second != "0" {
		text += " second " + second
	}
	if len(c.Year) > 0 {
		text += " year " + rangesText(c.Year, 0, 0)
	}
	return text
}

// rangesText writes ranges of a field that runs from first to last. Temporal leaves an end out that is the start, and a step
// of one.
func rangesText(list []client.ScheduleRange, first, last int) string {
	var parts []string
	for _, r := range list {
		end, step := max(r.End, r.Start), max(r.Step, 1)
		text := strconv.Itoa(r.Start)
		switch {
		case r.Start == first && end == last:
			text = "*"
		case end > r.Start:
			text += "-" + strconv.Itoa(end)
		}
		if step > 1 && end > r.Start {
			text += "/" + strconv.Itoa(step)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}
