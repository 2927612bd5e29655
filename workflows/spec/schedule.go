package spec

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Timetable is what the workers' configuration says about schedules and goals.
type Timetable struct {
	Schedules []Schedule `json:"schedules,omitempty"` // by name
	Goals     []Goal     `json:"goals,omitempty"`     // the first one that matches a database counts
}

// Schedule is a schedule of the configuration. `starkeep schedule apply` makes a Temporal Schedule of the same name of it.
type Schedule struct {
	Name string `json:"name"`
	// Cron says when, as ParseCron reads it.
	Cron string `json:"cron"`
	// TimeZone is an IANA name like "Europe/Berlin". Default UTC.
	TimeZone string `json:"timeZone,omitempty"`
	// Jitter delays each run by a random while up to this. The run's restore point keeps the time on the table.
	Jitter Duration `json:"jitter,omitzero"`
	// Workflow is a registered name: one that ScheduledBy knows.
	Workflow string `json:"workflow"`
	// Input is the workflow's input.
	Input json.RawMessage `json:"input"`
}

// Goal says how old the newest restore point may get of databases; a kind of age that is zero has no goal.
type Goal struct {
	// Cluster names the cluster profile.
	Cluster string `json:"cluster"`
	// Databases are patterns with * globs. Empty means all.
	Databases []string `json:"databases,omitempty"`
	// Backup is the greatest age of the newest good restore point: what may be lost.
	Backup Duration `json:"backup,omitzero"`
	// Verify is the greatest age of the newest restore point that was verified and found whole.
	Verify Duration `json:"verify,omitzero"`
	// Drill is the greatest time since a drill last restored and proved a table of the database.
	Drill Duration `json:"drill,omitzero"`
}

// ScheduledWorkflow is a workflow that a schedule may start.
type ScheduledWorkflow struct {
	Key      string // in the configuration, and the first part of workflow ids
	Workflow string // registered name
	// WaitsForLast lets a run that falls due while the last one is under way begin after it (one at most). Without it that run
	// is left out.
	WaitsForLast bool
	// PauseOnFailure stops the schedule when a run fails.
	PauseOnFailure bool

	input func() validator
}

type validator interface{ Validate() error }

// scheduledWorkflows is the one table of what schedules can start. A late backup is as good as the next one, so it is left
// out; anything else that is late is still wanted. Only deleting stops after a failure: one bad partition must not stop the
// hourly backup.
var scheduledWorkflows = []ScheduledWorkflow{
	{Key: "backup", Workflow: BackupWorkflow, input: func() validator { return &Backup{} }},
	{Key: "verify", Workflow: VerifyWorkflow, WaitsForLast: true, input: func() validator { return &Verify{} }},
	{Key: "prune", Workflow: PruneWorkflow, WaitsForLast: true, PauseOnFailure: true, input: func() validator { return &Prune{} }},
	{Key: "copy", Workflow: CopyWorkflow, WaitsForLast: true, input: func() validator { return &Copy{} }},
	{Key: "drill", Workflow: DrillWorkflow, WaitsForLast: true, input: func() validator { return &Drill{} }},
}

// ScheduledWorkflows lists what schedules can start.
func ScheduledWorkflows() []ScheduledWorkflow { return slices.Clone(scheduledWorkflows) }

// ScheduledBy finds a workflow that a schedule may start by its registered name.
func ScheduledBy(workflow string) (ScheduledWorkflow, bool) {
	i := slices.IndexFunc(scheduledWorkflows, func(w ScheduledWorkflow) bool { return w.Workflow == workflow })
	if i < 0 {
		return ScheduledWorkflow{}, false
	}
	return scheduledWorkflows[i], true
}

// ScheduledID is the workflow id that a schedule's runs begin with; Temporal adds "-<scheduled time>".
func (s Schedule) ScheduledID() string {
	w, _ := ScheduledBy(s.Workflow)
	return w.Key + "/" + s.Cluster() + "/" + s.Name
}

// Cluster is the cluster that the schedule's workflow works on; "" if its input names none.
func (s Schedule) Cluster() string { return s.Profiles().Cluster }

// ScheduledProfiles are the profiles that a scheduled workflow's input names.
type ScheduledProfiles struct {
	Cluster    string   `json:"cluster"`
	Repository string   `json:"repository"`
	Where      string   `json:"where"` // a repository or a mirror, as are From, To and Mirrors
	From       string   `json:"from"`
	To         string   `json:"to"`
	Mirrors    []string `json:"mirrors"`
}

// Profiles tells which profiles the input names.
func (s Schedule) Profiles() ScheduledProfiles {
	var p ScheduledProfiles
	_ = json.Unmarshal(s.Input, &p) // Validate says what is wrong with it
	return p
}

// Validate tells what is wrong with the schedule, its input included.
func (s Schedule) Validate() error {
	var p problems
	p.checkName("name", s.Name, true)
	if _, err := ParseCron(s.Cron); err != nil {
		p.add(`field "cron" is %v`, err)
	}
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		p.add(`field "timeZone" is %q; write an IANA name like "Europe/Berlin", or leave it out for UTC`, s.TimeZone)
	}
	p.checkNotNegative("jitter", int64(s.Jitter))
	w, ok := ScheduledBy(s.Workflow)
	if !ok {
		p.add(`field "workflow" is %q; a schedule starts one of %s`, s.Workflow, strings.Join(scheduledKeys(), ", "))
		return p.err()
	}
	in := w.input()
	if err := json.Unmarshal(s.Input, in); err != nil {
		p.add("its input is not JSON: %v", err)
	} else if err := in.Validate(); err != nil {
		p.add("%s: %v", w.Key, err)
	}
	return p.err()
}

func scheduledKeys() []string {
	var keys []string
	for _, w := range scheduledWorkflows {
		keys = append(keys, w.Key)
	}
	return keys
}

// Validate tells what is wrong with the goal.
func (g Goal) Validate() error {
	var p problems
	p.checkName("cluster", g.Cluster, true)
	for name, d := range map[string]Duration{"backup": g.Backup, "verify": g.Verify, "drill": g.Drill} {
		p.checkNotNegative(name, int64(d))
	}
	for _, pattern := range g.Databases {
		if pattern == "" || strings.ContainsAny(pattern, "./") {
			p.add(`field "databases" has %q; a goal is for whole databases, with * globs`, pattern)
		}
	}
	if g.Backup == 0 && g.Verify == 0 && g.Drill == 0 {
		p.add(`a goal wants at least one of "backup", "verify" and "drill"`)
	}
	slices.Sort(p)
	return p.err()
}

// ScheduleMemo is the memo of the Temporal Schedules that `starkeep schedule apply` makes: it changes and removes those that have it, and no
// others. The value is free text.
const ScheduleMemo = "starkeep"

// CatchUp is how late a scheduled run may begin: one that could not (no Temporal server) within this time is left out.
const CatchUp = time.Hour

// String sums the schedule up: "backup of prod".
func (s Schedule) String() string {
	w, _ := ScheduledBy(s.Workflow)
	return w.Key + " of " + s.Cluster()
}
