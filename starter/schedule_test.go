package main

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// configured is what the fake workers' configuration says.
var configured atomic.Pointer[spec.Timetable]

// scheduled is a schedule of a backup that runs until it is released.
func scheduled(name, cron string) spec.Schedule {
	return spec.Schedule{Name: name, Cron: cron, TimeZone: "Europe/Berlin", Jitter: spec.Duration(5 * time.Minute), Workflow: spec.BackupWorkflow,
		Input: json.RawMessage(`{"cluster":"prod","repository":"s3-eu","tags":{"play":"hold"},"limits":{"parallelDatabases":2}}`)}
}

// again runs a command until its output has the text: Temporal's lists lag behind.
func (r *rig) again(t *testing.T, line, text string) outcome {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		got := r.starkeep(t, line)
		if strings.Contains(got.out+got.errOut, text) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("starkeep %s never says %q; it says (exit code %d)\n%s%s", line, text, got.code, got.out, got.errOut)
		}
	}
}

func schedules(t *testing.T, r *rig) {
	drills := scheduled("drills", "@weekly")
	drills.Workflow, drills.Input = spec.DrillWorkflow, json.RawMessage(`{"cluster":"prod","repository":"s3-eu"}`)
	configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("hourly", "15 * * * *"), drills}})
	r.starkeep(t, "schedule describe hourly").want(t, exitFailed, "", `there is no schedule "hourly"`)
	r.starkeep(t, "schedule apply --dry-run").want(t, exitOK, "to create hourly (backup of prod, 15 * * * * Europe/Berlin)\nto create drills (drill of prod, 0 0 * * 0 Europe/Berlin)\n", "")
	r.starkeep(t, "schedule pause hourly").want(t, exitFailed, "", `there is no schedule "hourly"`)
	r.starkeep(t, "schedule apply").want(t, exitOK, "created hourly\ncreated drills\n", "create hourly (backup of prod")
	t.Run("made as the design says", func(t *testing.T) { madeAsDesigned(t, r) })
	r.starkeep(t, "schedule apply -o json").want(t, exitOK, "\"changes\": [],\n  \"same\": 2\n", "2 schedules are as the configuration has them")

	t.Run("those made by hand", func(t *testing.T) {
		_, err := r.client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: "by-hand", Spec: client.ScheduleSpec{CronExpressions: []string{"*/20 4 * * 1-5"}},
			Action: &client.ScheduleWorkflowAction{ID: "backup/prod/by-hand", Workflow: spec.BackupWorkflow, TaskQueue: spec.TaskQueue, Args: []any{spec.Backup{Cluster: "prod", Repository: "s3-eu"}}}})
		if err != nil {
			t.Fatal(err)
		}
		got := r.again(t, "schedule list", "by-hand")
		got.want(t, exitOK, "*/20 4 * * 1-5", "")
		got.want(t, exitOK, "hand\n", "")
		r.starkeep(t, "schedule apply --prune").want(t, exitOK, "", "2 schedules are as")
		configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("by-hand", "15 * * * *")}})
		r.starkeep(t, "schedule apply").want(t, exitFailed, "", "a schedule by-hand is there that starkeep did not make")
	})
	t.Run("paused stays paused", func(t *testing.T) {
		r.starkeep(t, "schedule pause hourly --reason upgrade").want(t, exitOK, "hourly is paused", "")
		configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("hourly", "30 * * * *")}})
		r.starkeep(t, "schedule apply").want(t, exitOK, "updated hourly\n", "update hourly (when: 15 * * * * → 30 * * * *)")
		r.starkeep(t, "schedule describe hourly").want(t, exitOK, "paused: upgrade", "")
	})
	t.Run("gone from the configuration", func(t *testing.T) {
		r.again(t, "schedule apply", "to remove drills (Drill, 0 0 * * 0)").want(t, exitOK, "", "--prune removes them")
		r.starkeep(t, "schedule describe drills").want(t, exitOK, "BufferOne", "")
		r.starkeep(t, "schedule apply --prune").want(t, exitOK, "removed drills\n", "")
		r.starkeep(t, "schedule describe drills").want(t, exitFailed, "", `there is no schedule "drills"`)
		r.starkeep(t, "schedule describe by-hand").want(t, exitOK, "hand", "")
	})
	t.Run("triggered", func(t *testing.T) { triggered(t, r) })
	t.Run("one run waits for the last, and no more", func(t *testing.T) { waitsForItsTurn(t, r) })
	t.Run("a prune that fails pauses its schedule", func(t *testing.T) { pausesItself(t, r) })
	t.Run("seen by status", func(t *testing.T) {
		configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("hourly", "30 * * * *"), scheduled("later", "0 1 * * *")}})
		got := r.again(t, "status", "paused: upgrade")
		got.want(t, exitPartial, "not applied: starkeep schedule apply", "1 goal is missed: prod.sales backup")
	})
}

func madeAsDesigned(t *testing.T, r *rig) {
	for name, want := range map[string]enumspb.ScheduleOverlapPolicy{"hourly": enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, "drills": enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE} {
		made, err := r.client.ScheduleClient().GetHandle(t.Context(), name).Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, s := made.Schedule.Policy, made.Schedule.Spec
		if p.Overlap != want || p.CatchupWindow != time.Hour || p.PauseOnFailure || s.TimeZoneName != "Europe/Berlin" || s.Jitter != 5*time.Minute {
			t.Errorf("%s: %+v, %+v", name, p, s)
		}
		if cluster, ok := made.TypedSearchAttributes.GetKeyword(attributeCluster); !ok || cluster != "prod" {
			t.Errorf("%s: search attributes %v", name, made.TypedSearchAttributes)
		}
		if len(made.Info.NextActionTimes) == 0 {
			t.Errorf("%s never runs", name)
		}
	}
	next := r.starkeep(t, "schedule describe hourly -o json")
	var details scheduleDetails
	if err := json.Unmarshal([]byte(next.out), &details); err != nil || len(details.NextTimes) == 0 || details.Overlap != "Skip" || details.WorkflowID != "backup/prod/hourly" {
		t.Errorf("%v: %s", err, next.out)
	}
}

// triggered: a run starts now, also while the schedule is paused; a backup is not started next to the last one.
func triggered(t *testing.T, r *rig) {
	got := r.starkeep(t, "schedule trigger hourly")
	got.want(t, exitOK, "backup/prod/hourly-2", "come back:  starkeep job watch backup/prod/hourly-")
	id := strings.TrimSpace(got.out)
	r.untilQueried(t, id)
	found, err := r.client.DescribeWorkflow(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if cluster, _ := found.TypedSearchAttributes.GetKeyword(attributeCluster); cluster != "prod" {
		t.Errorf("the run is not found by its cluster: %v", found.TypedSearchAttributes)
	}
	r.starkeep(t, "schedule trigger hourly").want(t, exitBusy, "", "the last run of hourly is still under way; nothing was started")
	r.again(t, "schedule describe hourly", "1 skipped").want(t, exitOK, id, "")
	r.release(t, id)
	r.again(t, "schedule describe hourly", "Completed")
	r.starkeep(t, "schedule resume hourly").want(t, exitOK, "hourly starts runs again", "")
	r.starkeep(t, "schedule pause hourly --reason upgrade").want(t, exitOK, "", "")
	r.starkeep(t, "schedule trigger nope").want(t, exitFailed, "", `there is no schedule "nope"`)
}

var checks = spec.Schedule{Name: "checks", Cron: "@yearly", Workflow: spec.VerifyWorkflow, Input: json.RawMessage(`{"cluster":"prod","where":"s3-eu"}`)}

// waitsForItsTurn: what is no backup begins after the last run, one at most.
func waitsForItsTurn(t *testing.T, r *rig) {
	configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("hourly", "30 * * * *"), checks}})
	r.starkeep(t, "schedule apply").want(t, exitOK, "created checks\n", "")
	got := r.starkeep(t, "schedule trigger checks")
	got.want(t, exitOK, "verify/prod/checks-2", "")
	first := r.scheduleOf(t, "checks").Recent[0]
	if err := r.client.ScheduleClient().GetHandle(t.Context(), "checks").Trigger(t.Context(), client.ScheduleTriggerOptions{}); err != nil {
		t.Fatal(err)
	}
	r.starkeep(t, "schedule trigger checks").want(t, exitBusy, "", "the last run of checks is still under way; nothing was started")
	if now := r.scheduleOf(t, "checks"); now.Started != 1 || now.Skipped != 1 || now.Overlap != "BufferOne" {
		t.Errorf("while the first run is under way: %+v", now)
	}
	r.release(t, first.WorkflowID)
	r.again(t, "schedule describe checks -o json", `"started": 2`)
	second := r.scheduleOf(t, "checks").Recent[0]
	if second.RunID == first.RunID || !r.isRunning(t, second.WorkflowID) {
		t.Errorf("the run that waited: %+v, after %+v", second, first)
	}
	r.release(t, second.WorkflowID)
}

// pausesItself: nothing more is deleted until somebody has looked at a prune that failed.
func pausesItself(t *testing.T, r *rig) {
	cleanup := spec.Schedule{Name: "cleanup", Cron: "@yearly", Workflow: spec.PruneWorkflow, Input: json.RawMessage(`{"cluster":"prod","where":"s3-eu","policy":{"daily":7}}`)}
	configured.Store(&spec.Timetable{Schedules: []spec.Schedule{scheduled("hourly", "30 * * * *"), checks, cleanup}})
	r.starkeep(t, "schedule apply").want(t, exitOK, "created cleanup\n", "")
	r.starkeep(t, "schedule trigger cleanup").want(t, exitOK, "prune/prod/cleanup-2", "")
	r.again(t, "schedule describe cleanup", "paused: paused due to workflow failure: prune/prod/cleanup-2")
	r.again(t, "schedule list", "Failed").want(t, exitOK, "paused due to workflow failure", "")
	r.starkeep(t, "schedule apply").want(t, exitOK, "", "3 schedules are as the configuration has them")
	if now := r.scheduleOf(t, "cleanup"); !now.Paused || !now.PauseOnFailure || now.Overlap != "BufferOne" {
		t.Errorf("%+v", now)
	}
	r.starkeep(t, "schedule resume cleanup --reason looked").want(t, exitOK, "cleanup starts runs again", "")
}

// scheduleOf describes a schedule.
func (r *rig) scheduleOf(t *testing.T, name string) (d scheduleDetails) {
	t.Helper()
	got := r.starkeep(t, "schedule describe "+name+" -o json")
	if err := json.Unmarshal([]byte(got.out), &d); err != nil || len(d.Recent) == 0 {
		t.Fatalf("%v: %s%s", err, got.out, got.errOut)
	}
	return d
}
