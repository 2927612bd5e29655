package spec

import "fmt"

// Copy is the input of the workflow Copy: it brings restore points, whole, from where they are to a further store.
type Copy struct {
	// Cluster names the cluster whose restore points are meant.
	Cluster string `json:"cluster"`
	// From names the repository or mirror profile that holds them.
	From string `json:"from"`
	// To names the mirror or repository profile that gets them.
	To string `json:"to"`
	// Point is the restore point to copy: an id, "latest", the newest complete one, or "latest~N". Empty means every point
	// that the target lacks, oldest first.
	Point string `json:"point,omitempty"`
	// Behind means, of the points that the target lacks, only those whose backup named it among its mirrors and that are
	// newer than the newest that it has, and what running backups offer meanwhile. Backups start a Copy so.
	Behind bool `json:"behind,omitempty"`
	// Limits bound the copy; the update setLimit changes them while it runs.
	Limits CopyLimits `json:"limits,omitzero"`

	problems problems
}

// CopyLimits bound a Copy. They are its input, and the input and answer of its update setLimit.
type CopyLimits struct {
	// BytesPerSecond is what all batches together may move. 0: no bound but the profiles' own.
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// ParallelBatches is how many batches are copied at once. 0: the default, 4; in setLimit: as it was.
	ParallelBatches int `json:"parallelBatches,omitempty"`
}

// DefaultParallelBatches is how many batches a Copy works on at once.
const DefaultParallelBatches = 4

// maxParallelBatches bounds what setLimit and the input can ask for.
const maxParallelBatches = 64

// CopyOffer is the signal "offer": something to be copied too. Backups send it after each unit and when their point is
// published.
type CopyOffer struct {
	Snapshot string `json:"snapshot,omitempty"` // label of a native snapshot that is recorded
	Point    string `json:"point,omitempty"`    // id of a restore point that is published
}

// CopyID is the workflow id of a copy: from one store to another there is one at a time of a cluster's points.
func CopyID(cluster, from, to string) string { return "copy/" + cluster + "/" + from + "/" + to }

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (c *Copy) UnmarshalJSON(data []byte) error {
	type fields Copy
	var f fields
	found := decode(data, &f)
	*c = Copy(f)
	c.problems = found
	return nil
}

// UnmarshalJSON refuses fields that do not exist.
func (l *CopyLimits) UnmarshalJSON(data []byte) error {
	type fields CopyLimits
	var f fields
	err := decode(data, &f).err()
	*l = CopyLimits(f)
	return err
}

// Validate tells what is wrong with the input, naming each field and the fix.
func (c Copy) Validate() error {
	p := append(problems(nil), c.problems...)
	if len(p) == 0 {
		p.checkName("cluster", c.Cluster, true)
		p.checkName("from", c.From, true)
		p.checkName("to", c.To, true)
		if c.Point != "" {
			p.checkPoint("point", c.Point)
		}
		if c.From != "" && c.From == c.To {
			p.add(`field "to" is %q, as is "from"; a copy goes from one store to another`, c.To)
		}
		if c.Behind && c.Point != "" {
			p.add(`fields "point" and "behind" both say what to copy; leave one out`)
		}
		c.Limits.check(&p)
	}
	return p.err()
}

// Validate tells what is wrong with the limits.
func (l CopyLimits) Validate() error {
	var p problems
	l.check(&p)
	return p.err()
}

func (l CopyLimits) check(p *problems) {
	p.checkNotNegative("limits.bytesPerSecond", l.BytesPerSecond)
	p.checkNotNegative("limits.parallelBatches", int64(l.ParallelBatches))
	if l.ParallelBatches > maxParallelBatches {
		p.add(`field "limits.parallelBatches" is %d; give at most %d: each batch copies several objects at once`, l.ParallelBatches, maxParallelBatches)
	}
}

// String says the limits in a sentence.
func (l CopyLimits) String() string {
	rate := "no limit of its own"
	if l.BytesPerSecond > 0 {
		rate = "at most " + Bytes(l.BytesPerSecond) + " per second"
	}
	return fmt.Sprintf("%s, %d batches at once", rate, l.ParallelBatches)
}

// CopyResult is what Copy returns, and what the details of its PartialFailure hold.
type CopyResult struct {
	From        string       `json:"from"`
	To          string       `json:"to"`
	Points      []string     `json:"points"`           // copied; at most MaxListed, the newest of them
	PointCount  int64        `json:"pointCount"`       // how many were copied
	Held        int64        `json:"held"`             // points that were meant, and that the target had already
	Snapshots   int64        `json:"snapshots"`        // native snapshots that were copied
	Objects     int64        `json:"objects"`          // that are at the target now and were not before
	Present     int64        `json:"present"`          // objects that were there already, as they should be
	Bytes       int64        `json:"bytes"`            // of both
	Moved       int64        `json:"moved"`            // bytes that went through workers
	Failed      []FailedCopy `json:"failed,omitempty"` // at most MaxListed
	FailedCount int64        `json:"failedCount"`      // points that could not be copied
	Warnings    []string     `json:"warnings,omitempty"`
}

// FailedCopy is a restore point that could not be copied.
type FailedCopy struct {
	Point  string `json:"point"`
	Reason string `json:"reason"`
}

// MirrorState says how far a mirror has come with a restore point when its backup ends.
type MirrorState struct {
	Mirror string `json:"mirror"`           // profile
	Copied bool   `json:"copied"`           // it holds the point whole
	Copy   string `json:"copy"`             // workflow id of the Copy that brings it there
	Reason string `json:"reason,omitempty"` // why it is behind, as far as that is known
}
