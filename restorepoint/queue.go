package restorepoint

import (
	"regexp"
	"slices"
	"strings"
)

const (
	// TransientAttempts is how often a unit is tried when its failures are transient.
	TransientAttempts = 3
	// SingleAttempts is how often a unit that cannot be divided is tried when its failures are not transient.
	SingleAttempts = 2
	// AlikeFailures is how many disjoint units may fail alike, with no success between, before the queue stops.
	AlikeFailures = 3
)

// Queue decides in which units a database's parts are tried, and what happens after a failure (design §5, "When a
// unit fails"). It is plain data and makes the trip through continue-as-new as JSON.
//
// Every part of the units it was made of ends exactly once: in Completed, or in FailedParts.
type Queue struct {
	Waiting    []Waiting   `json:"waiting,omitempty"`
	Completed  []Unit      `json:"completed,omitempty"`
	Failures   []FailedSet `json:"failures,omitempty"`
	Stopped    string      `json:"stopped,omitempty"` // why nothing more is tried; "" while going on, or done
	NextNumber int         `json:"nextNumber"`        // number of the next new unit
	Alike      Streak      `json:"alike"`
}

// Waiting is a unit that is still to be tried, with what it has met so far.
type Waiting struct {
	Unit
	Transient int `json:"transient,omitempty"` // transient failures so far
	Other     int `json:"other,omitempty"`     // other failures so far
	// Suspect says that an earlier failure named all its parts: failing again tells nothing about the others.
	Suspect bool `json:"suspect,omitempty"`
}

// FailedSet is a unit that was given up.
type FailedSet struct {
	Parts  []Range `json:"parts"`
	Reason string  `json:"reason"`
	Left   bool    `json:"left,omitempty"` // not given up for its own sake: left over when the queue stopped
}

// FailedPart is one part that was not done.
type FailedPart struct {
	Part   int    `json:"part"`
	Reason string `json:"reason"`
	Left   bool   `json:"left,omitempty"` // not given up for its own sake: left over when the queue stopped
}

// Streak holds the units that failed alike since the last success: none has a part in common with another.
type Streak struct {
	Reason string    `json:"reason,omitempty"` // normalised
	Units  [][]Range `json:"units,omitempty"`
}

// Failure is why an attempt of a unit failed.
type Failure struct {
	Transient bool   `json:"transient,omitempty"` // the cause may pass by itself
	Culprits  []int  `json:"culprits,omitempty"`  // indexes of the parts that caused it, where known
	Reason    string `json:"reason"`
	Composed  bool   `json:"composed,omitempty"` // the unit's native snapshot was composed, whole: pieces are restored from it
}

// NewQueue makes the queue of a database's units as Pack gave them. They must be disjoint; Attempt is set to 1 where
// it is 0.
func NewQueue(units []Unit) Queue {
	q := Queue{NextNumber: 1}
	for _, u := range units {
		u.Attempt = max(u.Attempt, 1)
		q.Waiting = append(q.Waiting, Waiting{Unit: u})
		q.NextNumber = max(q.NextNumber, u.Number+1)
	}
	return q
}

// Next gives the unit to try now; false when nothing is left. It stays the next one until Done or Failed is told of
// it, so a run that was interrupted gets the same unit again.
func (q *Queue) Next() (Unit, bool) {
	if len(q.Waiting) == 0 {
		return Unit{}, false
	}
	return q.Waiting[0].Unit, true
}

// Done says that this attempt of the unit succeeded. An attempt that the queue does not wait for is ignored, so saying
// it twice does no harm.
func (q *Queue) Done(u Unit) {
	w, ok := q.take(u)
	if !ok {
		return
	}
	q.Alike = Streak{}
	q.Completed = append(q.Completed, w.Unit)
}

// Failed says that this attempt of the unit failed, and queues what follows from it: the same unit again, culprits
// apart from the rest, two halves, or nothing any more. The rest of a unit whose culprits are known comes next: its
// success shows that the trouble was theirs, so units with one bad part each are not taken for a broken world. Other
// pieces wait behind everything else, so that the other units show whether the trouble is this unit's or everybody's.
// An attempt that the queue does not wait for is ignored.
func (q *Queue) Failed(u Unit, f Failure) {
	w, ok := q.take(u)
	if !ok {
		return
	}
	if f.Transient && w.Transient+1 < TransientAttempts {
		w.Transient++
		q.again(w)
		return
	}
	if !w.Suspect {
		q.Alike.add(f.Reason, w.Parts)
	}
	if len(q.Alike.Units) >= AlikeFailures {
		q.giveUp(w, f.Reason)
		q.Stop("units without a part in common failed alike, with no success between: " + f.Reason)
		return
	}
	if culprits, rest := divide(w.Parts, f.Culprits); len(culprits) > 0 && len(rest) > 0 {
		q.Waiting = slices.Insert(q.Waiting, 0, q.piece(w, f, rest, false))
		q.Waiting = append(q.Waiting, q.piece(w, f, culprits, true))
		return
	}
	if first, second := halve(w.Parts); len(second) > 0 {
		q.Waiting = append(q.Waiting, q.piece(w, f, first, w.Suspect), q.piece(w, f, second, w.Suspect))
		return
	}
	w.Other++
	if !f.Transient && w.Other < SingleAttempts {
		q.again(w)
		return
	}
	q.giveUp(w, f.Reason)
}

// Stop ends the queue: what is still waiting is reported as left, the unit that Next gave too: tell how that one went
// before. The first reason stays.
func (q *Queue) Stop(reason string) {
	if q.Stopped == "" {
		q.Stopped = reason
	}
	for _, w := range q.Waiting {
		q.Failures = append(q.Failures, FailedSet{Parts: w.Parts, Reason: "not tried to the end: " + reason, Left: true})
	}
	q.Waiting = nil
}

// FailedParts lists the parts that were not done, ascending.
func (q *Queue) FailedParts() []FailedPart {
	var list []FailedPart
	for _, f := range q.Failures {
		for _, i := range (Unit{Parts: f.Parts}).Indexes() {
			list = append(list, FailedPart{Part: i, Reason: f.Reason, Left: f.Left})
		}
	}
	slices.SortFunc(list, func(a, b FailedPart) int { return a.Part - b.Part })
	return list
}

// take removes the attempt from the waiting ones.
func (q *Queue) take(u Unit) (Waiting, bool) {
	i := slices.IndexFunc(q.Waiting, func(w Waiting) bool { return w.Number == u.Number && w.Attempt == u.Attempt })
	if i < 0 {
		return Waiting{}, false
	}
	w := q.Waiting[i]
	q.Waiting = slices.Delete(q.Waiting, i, i+1)
	return w, true
}

// again puts the unit in front, as its next attempt.
func (q *Queue) again(w Waiting) {
	w.Attempt++
	q.Waiting = slices.Insert(q.Waiting, 0, w)
}

// piece makes a part of a failed unit a unit of its own.
func (q *Queue) piece(of Waiting, f Failure, parts []Range, suspect bool) Waiting {
	w := Waiting{Unit: Unit{Number: q.NextNumber, Parts: parts, Attempt: 1}, Suspect: suspect}
	if f.Composed {
		w.Composed = of.Composed
	}
	if f.Composed && w.Composed == nil {
		w.Composed = &ComposedUnit{Number: of.Number, Parts: of.Parts}
	}
	q.NextNumber++
	return w
}

func (q *Queue) giveUp(w Waiting, reason string) {
	q.Failures = append(q.Failures, FailedSet{Parts: w.Parts, Reason: reason})
}

// add counts a failed unit. Units that overlap count once, the smaller one: a piece that fails as its whole did is
// the same trouble found closer, while two disjoint units failing alike speak for a common cause.
func (s *Streak) add(reason string, parts []Range) {
	if n := normalise(reason); n != s.Reason || len(s.Units) == 0 {
		*s = Streak{Reason: n}
	}
	s.Units = slices.DeleteFunc(s.Units, func(u []Range) bool { return overlap(u, parts) })
	s.Units = append(s.Units, parts)
}

var (
	identifiers = regexp.MustCompile(`[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*`)
	blanks      = regexp.MustCompile(`\s+`)
)

// normalise leaves out of a reason what differs between two failures alike: numbers, digests, request ids, blanks.
func normalise(reason string) string {
	reason = identifiers.ReplaceAllString(reason, "")
	return strings.TrimSpace(blanks.ReplaceAllString(reason, " "))
}

func overlap(a, b []Range) bool {
	for _, x := range a {
		for _, y := range b {
			if x.From < y.To && y.From < x.To {
				return true
			}
		}
	}
	return false
}

// atoms cuts ranges into what cannot be divided further.
func atoms(ranges []Range) []Range {
	var list []Range
	for _, r := range ranges {
		if r.Whole {
			list = append(list, r)
			continue
		}
		for i := r.From; i < r.To; i++ {
			list = append(list, Range{From: i, To: i + 1})
		}
	}
	return list
}

// join merges adjacent ranges that may be divided; the opposite of atoms.
func join(ranges []Range) []Range {
	var list []Range
	for _, r := range ranges {
		last := len(list) - 1
		if last >= 0 && !r.Whole && !list[last].Whole && list[last].To == r.From {
			list[last].To = r.To
			continue
		}
		list = append(list, r)
	}
	return list
}

// halve splits ranges into two of about as many parts each; second is empty if they cannot be divided.
func halve(ranges []Range) (first, second []Range) {
	all := atoms(ranges)
	if len(all) < 2 {
		return ranges, nil
	}
	half, cut, seen := size(ranges)/2, 0, 0
	for cut < len(all)-1 && (cut == 0 || seen+all[cut].To-all[cut].From <= half) {
		seen += all[cut].To - all[cut].From
		cut++
	}
	return join(all[:cut]), join(all[cut:])
}

// divide takes the culprits out of ranges, each with the range it cannot be parted from.
func divide(ranges []Range, culprits []int) (with, without []Range) {
	guilty := make(map[int]bool, len(culprits))
	for _, c := range culprits {
		guilty[c] = true
	}
	for _, r := range atoms(ranges) {
		if anyIn(r, guilty) {
			with = append(with, r)
			continue
		}
		without = append(without, r)
	}
	return join(with), join(without)
}

func anyIn(r Range, set map[int]bool) bool {
	for i := r.From; i < r.To; i++ {
		if set[i] {
			return true
		}
	}
	return false
}
