package spec

import (
	"fmt"
	"slices"
	"time"
)

// Prune is the input of the workflow Prune: it deletes the restore points of one cluster that a policy lets go, and what no
// remaining point needs. docs/retention.md explains it.
type Prune struct {
	// Cluster names the cluster whose restore points are meant.
	Cluster string `json:"cluster"`
	// Where names the profile of the repository or mirror to prune; each has a policy of its own.
	Where string `json:"where"`
	// Policy says which points stay. It is for those that no entry of Selections matches.
	Policy Retention `json:"policy,omitzero"`
	// Selections are policies for some of the points; the first that matches counts.
	Selections []RetentionSelection `json:"selections,omitempty"`
	// Points names the restore points that go, instead of a policy.
	Points []string `json:"points,omitempty"`
	// DryRun only tells what would be done.
	DryRun bool `json:"dryRun,omitempty"`
	// Force lets the last good point of a selection go too, and points that cannot be read if they are named.
	Force bool `json:"force,omitempty"`
	// Grace is how long a native snapshot that no point needs any more is kept, marked, before it is deleted. Default 24h.
	Grace Duration `json:"grace,omitzero"`
	// DebrisAfter is how long what a failed or cancelled run left must have been left alone before it is touched. Default 168h.
	DebrisAfter Duration `json:"debrisAfter,omitzero"`
	// PlanDigest is that of a plan that was looked at: if other points would go by now, nothing is deleted (PlanChanged).
	PlanDigest string `json:"planDigest,omitempty"`

	problems problems
}

// Defaults of a Prune.
const (
	DefaultGrace       = 24 * time.Hour
	DefaultDebrisAfter = 7 * 24 * time.Hour
)

// Retention is a policy: which restore points of a selection stay. A point stays if any of it holds for the point. Only
// complete points count.
type Retention struct {
	// KeepLast keeps the newest points, whatever their age.
	KeepLast int `json:"keepLast,omitempty"`
	// Hourly keeps the newest point of each of the last hours that have one; and so on.
	Hourly  int `json:"hourly,omitempty"`
	Daily   int `json:"daily,omitempty"`
	Weekly  int `json:"weekly,omitempty"` // weeks begin on Monday
	Monthly int `json:"monthly,omitempty"`
	Yearly  int `json:"yearly,omitempty"`
	// MinAge keeps every point that is younger.
	MinAge Duration `json:"minAge,omitzero"`
	// TimeZone is where hours, days, weeks, months and years begin: a name like "Europe/Berlin". Default UTC.
	TimeZone string `json:"timeZone,omitempty"`
}

// RetentionSelection is a policy for the points that match all that is given.
type RetentionSelection struct {
	// Tags that a point must have, with these values.
	Tags map[string]string `json:"tags,omitempty"`
	// Databases are patterns, with * globs: every database that the point holds data of must match one.
	Databases []string `json:"databases,omitempty"`
	// Include is what the backup was told to include, in any order.
	Include []string `json:"include,omitempty"`
	// Policy is for these points.
	Policy Retention `json:"policy"`
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (p *Prune) UnmarshalJSON(data []byte) error {
	type fields Prune
	var f fields
	found := decode(data, &f)
	*p = Prune(f)
	p.problems = found
	return nil
}

// UnmarshalJSON refuses fields that do not exist.
func (r *Retention) UnmarshalJSON(data []byte) error {
	type fields Retention
	var f fields
	err := decode(data, &f).err()
	*r = Retention(f)
	return err
}

// UnmarshalJSON refuses fields that do not exist.
func (s *RetentionSelection) UnmarshalJSON(data []byte) error {
	type fields RetentionSelection
	var f fields
	err := decode(data, &f).err()
	*s = RetentionSelection(f)
	return err
}

// Validate tells what is wrong with the input, naming each field and the fix.
func (p Prune) Validate() error {
	wrong := append(problems(nil), p.problems...)
	if len(wrong) > 0 {
		return wrong.err()
	}
	wrong.checkName("cluster", p.Cluster, true)
	wrong.checkName("where", p.Where, true)
	wrong.checkNotNegative("grace", int64(p.Grace))
	wrong.checkNotNegative("debrisAfter", int64(p.DebrisAfter))
	for _, point := range p.Points {
		wrong.checkName("points", point, true)
	}
	policies := !p.Policy.empty() || len(p.Selections) > 0
	switch {
	case len(p.Points) > 0 && policies:
		wrong.add(`field "points" names what goes; leave "policy" and "selections" out`)
	case len(p.Points) == 0 && !policies:
		wrong.add(`field "policy" is missing: say what stays, such as {"daily": 7, "weekly": 4}, or name in "points" what goes`)
	}
	p.Policy.check(&wrong, "policy")
	for i, s := range p.Selections {
		at := fmt.Sprintf("selections[%d]", i)
		if len(s.Tags)+len(s.Databases)+len(s.Include) == 0 {
			wrong.add(`field %q matches every point; give "tags", "databases" or "include", or use "policy"`, at)
		}
		if s.Policy.empty() {
			wrong.add(`field %q keeps nothing; say what stays`, at+".policy")
		}
		if slices.Contains(s.Databases, "") {
			wrong.add(`field %q has an empty pattern`, at+".databases")
		}
		s.Policy.check(&wrong, at+".policy")
	}
	return wrong.err()
}

func (r Retention) empty() bool {
	return r.KeepLast == 0 && r.Hourly == 0 && r.Daily == 0 && r.Weekly == 0 && r.Monthly == 0 && r.Yearly == 0 && r.MinAge == 0
}

func (r Retention) check(p *problems, at string) {
	for _, n := range []struct {
		field string
		value int64
	}{{"keepLast", int64(r.KeepLast)}, {"hourly", int64(r.Hourly)}, {"daily", int64(r.Daily)}, {"weekly", int64(r.Weekly)},
		{"monthly", int64(r.Monthly)}, {"yearly", int64(r.Yearly)}, {"minAge", int64(r.MinAge)}} {
		p.checkNotNegative(at+"."+n.field, n.value)
	}
	if _, err := time.LoadLocation(r.TimeZone); err != nil || r.TimeZone == "Local" {
		p.add(`field %q is %q; write a name of the time zone database, like "Europe/Berlin"`, at+".timeZone", r.TimeZone)
	}
}

// PruneResult is what Prune returns, and what the details of its failure hold. Lists hold at most MaxListed entries.
type PruneResult struct {
	Where  string `json:"where"`
	DryRun bool   `json:"dryRun,omitempty"`
	// PlanDigest confirms the plan: Prune.PlanDigest.
	PlanDigest string        `json:"planDigest"`
	Points     []PrunedPoint `json:"points"`    // those that go first, then those that stay, newest first
	Go         int           `json:"go"`        // restore points that go
	Stay       int           `json:"stay"`      //
	GoBytes    int64         `json:"goBytes"`   // of native snapshots that only these need: freed after the grace
	GoObjects  int64         `json:"goObjects"` //

	Marked      int   `json:"marked"`             // native snapshots that no point needs any more: they wait for the grace
	MarkedBytes int64 `json:"markedBytes"`        //
	Debris      int   `json:"debris"`             // of Marked: what failed and cancelled runs left
	Waiting     int   `json:"waiting"`            // native snapshots that were marked before and still wait
	Unmarked    int   `json:"unmarked,omitempty"` // native snapshots that a point needs again
	Due         int   `json:"due"`                // native snapshots whose grace is over
	DueBytes    int64 `json:"dueBytes"`           //
	Files       int   `json:"files"`              // directories and files of starkeep's own that nobody needs any more

	Deleted      int   `json:"deleted"`      // restore points that were deleted
	Snapshots    int   `json:"snapshots"`    // native snapshots that were
	FreedObjects int64 `json:"freedObjects"` // of them
	FreedBytes   int64 `json:"freedBytes"`   //

	Held      []HeldBack `json:"held,omitempty"` // what the store did not let go
	HeldCount int        `json:"heldCount,omitempty"`
	Warnings  []string   `json:"warnings,omitempty"`
}

// PrunedPoint is one restore point of a plan.
type PrunedPoint struct {
	ID        string            `json:"id"`
	CreatedAt string            `json:"createdAt"` // RFC 3339, UTC
	Complete  bool              `json:"complete"`
	Tags      map[string]string `json:"tags,omitempty"`
	Selection string            `json:"selection"`        // what the backup was of: points are compared with their like
	Go        bool              `json:"go"`               // it is deleted
	Keep      []string          `json:"keep,omitempty"`   // why it stays
	Why       string            `json:"why,omitempty"`    // why it goes
	Bytes     int64             `json:"bytes"`            // of the native snapshots it refers to
	Unique    int64             `json:"unique"`           // of those that no other point refers to
	Forced    bool              `json:"forced,omitempty"` // it goes although it is the last good one
}

// HeldBack is a point or native snapshot that the store did not let go; the next run tries again.
type HeldBack struct {
	Name   string `json:"name"`   // of the restore point, or the snapshot's label
	Locked bool   `json:"locked"` // by a retention or legal hold of the store: it goes when that is over
	Reason string `json:"reason"` // in the store's words
}

// PruneID is the workflow id of a prune: one at a time for each cluster and store.
func PruneID(cluster, where string) string { return "prune/" + cluster + "/" + where }

// Pin is the input of the workflow Pin: it protects a restore point from being pruned, or takes that back.
type Pin struct {
	// Cluster names the cluster whose restore point it is.
	Cluster string `json:"cluster"`
	// Where names the profile of the repository or mirror that holds it.
	Where string `json:"where"`
	// Point is the restore point: an id, "latest", or "latest~N".
	Point string `json:"point"`
	// Reason is shown in listings.
	Reason string `json:"reason,omitempty"`
	// By is who wants it.
	By string `json:"by,omitempty"`
	// Remove takes the pin away.
	Remove bool `json:"remove,omitempty"`

	problems problems
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (p *Pin) UnmarshalJSON(data []byte) error {
	type fields Pin
	var f fields
	found := decode(data, &f)
	*p = Pin(f)
	p.problems = found
	return nil
}

// maxPinText bounds reason and name of a pin, in bytes.
const maxPinText = 1000

// Validate tells what is wrong with the input.
func (p Pin) Validate() error {
	wrong := append(problems(nil), p.problems...)
	if len(wrong) == 0 {
		wrong.checkName("cluster", p.Cluster, true)
		wrong.checkName("where", p.Where, true)
		if p.Point == "" {
			wrong.add(`field "point" is missing; name a restore point`)
		} else {
			wrong.checkPoint("point", p.Point)
		}
		if len(p.Reason) > maxPinText || len(p.By) > maxPinText {
			wrong.add(`fields "reason" and "by" have at most %d bytes`, maxPinText)
		}
	}
	return wrong.err()
}

// PinResult is what Pin returns.
type PinResult struct {
	Point  string  `json:"point"`
	Pinned *PinRow `json:"pinned,omitempty"` // the pin that holds now
}

// PinRow is a pin as listings show it.
type PinRow struct {
	At     string `json:"at"` // RFC 3339, UTC
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// PinID is the workflow id of a pin.
func PinID(cluster, where, point string) string { return "pin/" + cluster + "/" + where + "/" + point }
