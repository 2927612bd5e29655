package spec

import (
	"regexp"
	"strconv"
)

// Verify is the input of the workflow Verify: look at restore points in a store, and tell whether all that they need is
// there and right.
type Verify struct {
	// Cluster names the cluster whose restore points are meant.
	Cluster string `json:"cluster"`
	// Where names the repository profile, or the mirror profile, whose store is looked at.
	Where string `json:"where"`
	// Points are the restore points: ids, "latest" (default), "latest~N"; or "all" alone.
	Points []string `json:"points,omitempty"`
	// Native verifies one native snapshot instead, also one that starkeep did not make. Where is a repository then.
	Native *NativeSnapshot `json:"native,omitempty"`
	// Content says how many of the objects are read and compared with their MD5: "none" (default), "sample" or "all".
	// Whether all of them are there, and their sizes, is looked at in any case.
	Content string `json:"content,omitempty"`
	// Sample is the share that is read, "1/7" for a seventh: seven verifications of the same Points read everything.
	// Given, Content is "sample".
	Sample string `json:"sample,omitempty"`
	// RepairFrom names a repository or mirror profile from which what is missing or damaged is copied back, if it is right
	// there. Nothing that is right is touched, nothing is deleted.
	RepairFrom string `json:"repairFrom,omitempty"`
	// Parallel is how many batches of objects are worked on at a time. Default 4.
	Parallel int `json:"parallel,omitempty"`

	problems problems
}

// How much of the content Verify reads.
const (
	ContentNone   = "none"
	ContentSample = "sample"
	ContentAll    = "all"
)

const (
	// AllPoints stands for every restore point of the cluster in the store.
	AllPoints = "all"
	// DefaultVerifyParallel is how many batches of objects are worked on at a time.
	DefaultVerifyParallel = 4

	maxVerifyParallel = 64
	maxSampleParts    = 1000
)

// VerifyID is the workflow id of a verification.
func VerifyID(cluster, name string) string { return "verify/" + cluster + "/" + name }

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (v *Verify) UnmarshalJSON(data []byte) error {
	type fields Verify
	var f fields
	found := decode(data, &f)
	*v = Verify(f)
	v.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (v Verify) Validate() error {
	p := append(problems(nil), v.problems...)
	if len(p) == 0 {
		p.checkName("cluster", v.Cluster, true)
		p.checkName("where", v.Where, true)
		p.checkName("repairFrom", v.RepairFrom, false)
		v.checkPoints(&p)
		v.checkContent(&p)
		p.checkNotNegative("parallel", int64(v.Parallel))
		if v.Parallel > maxVerifyParallel {
			p.add(`field "parallel" is %d; it is at most %d`, v.Parallel, maxVerifyParallel)
		}
		if v.RepairFrom != "" && v.RepairFrom == v.Where {
			p.add(`field "repairFrom" is the store that is verified; name another one that holds copies`)
		}
	}
	return p.err()
}

func (v Verify) checkPoints(p *problems) {
	for _, point := range v.Points {
		if point == AllPoints && len(v.Points) > 1 {
			p.add(`field "points": "all" stands alone`)
		}
		if point != AllPoints {
			p.checkPoint("points", point)
		}
	}
	if v.Native == nil {
		return
	}
	p.checkSnapshot("native.label", "native.timestamp", *v.Native)
	if len(v.Points) > 0 {
		p.add(`field "points" and field "native" exclude each other`)
	}
	if v.RepairFrom != "" {
		p.add(`field "repairFrom" needs restore points: what a native snapshot held is written down only there (adopt it first)`)
	}
}

func (v Verify) checkContent(p *problems) {
	if v.Content != "" {
		p.checkOneOf("content", v.Content, ContentNone, ContentSample, ContentAll)
	}
	switch content := v.ContentOf(); {
	case v.Sample != "" && content != ContentSample:
		p.add(`field "sample" is %q, but field "content" is %q; leave one of them out`, v.Sample, v.Content)
	case content == ContentSample && v.SampleParts() == 0:
		p.add(`field "sample" is %q; write a share like "1/7", of at most %d parts`, v.Sample, maxSampleParts)
	}
}

// ContentOf is Content with its default.
func (v Verify) ContentOf() string {
	switch {
	case v.Content != "":
		return v.Content
	case v.Sample != "":
		return ContentSample
	}
	return ContentNone
}

var sharePart = regexp.MustCompile(`^1/([1-9]\d{0,3})$`)

// SampleParts is how many parts the objects are divided into, of which one is read: 7 for "1/7". 0 if Sample is none.
func (v Verify) SampleParts() int {
	m := sharePart.FindStringSubmatch(v.Sample)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	if n > maxSampleParts {
		return 0
	}
	return n
}

// VerifyResult is what Verify returns, and what the details of its failure hold.
type VerifyResult struct {
	Where     string          `json:"where"`
	Result    string          `json:"result"`             // one of the Verify… constants
	Points    []VerifiedPoint `json:"points,omitempty"`   // damaged ones first, then newest first; at most MaxListed
	Verified  int             `json:"verified"`           // points that were verified
	Damaged   int             `json:"damaged"`            // of them
	Snapshots int64           `json:"snapshots"`          // native snapshots, each looked at once
	Objects   int64           `json:"objects"`            // whose presence and size were looked at
	Bytes     int64           `json:"bytes"`              // of them
	Content   string          `json:"content"`            // a Content… constant
	Part      int             `json:"part,omitempty"`     // of a sample: which part was read, 1 to Of
	Of        int             `json:"of,omitempty"`       //
	Read      int64           `json:"read"`               // objects whose content was compared
	ReadBytes int64           `json:"readBytes"`          //
	Found     int64           `json:"found"`              // problems, also those that were repaired
	Repaired  int64           `json:"repaired"`           // of Found
	Problems  []VerifyProblem `json:"problems,omitempty"` // at most MaxListed; the file of each point has more
	Warnings  []string        `json:"warnings,omitempty"`
}

// How a verification ended.
const (
	VerifyOK      = "ok"      // nothing is wrong, as far as was looked, or all that was is repaired
	VerifyDamaged = "damaged" //
)

// VerifiedPoint is one restore point of a verification.
type VerifiedPoint struct {
	ID       string `json:"id"`
	Result   string `json:"result"`
	Found    int64  `json:"found"`              // problems that concern it
	Repaired int64  `json:"repaired,omitempty"` // of Found
	Recorded string `json:"recorded,omitempty"` // address of what was written down on it
}

// VerifyProblem is one thing that is wrong.
type VerifyProblem struct {
	// Kind is "missing", "size differs", "content differs", "double" or "foreign".
	Kind      string `json:"kind"`
	Point     string `json:"point,omitempty"`     // where a manifest is concerned
	Snapshot  string `json:"snapshot,omitempty"`  // label of the native snapshot
	Database  string `json:"database,omitempty"`  //
	Table     string `json:"table,omitempty"`     // "": no single table's
	Partition string `json:"partition,omitempty"` //
	Tablet    int64  `json:"tablet,omitempty"`    //
	Key       string `json:"key,omitempty"`       // below the location; of a directory, if all of it is meant
	Detail    string `json:"detail"`
	Repaired  bool   `json:"repaired,omitempty"`
}

// VerificationRow is one verification of a restore point in a listing.
type VerificationRow struct {
	At       string `json:"at"`     // RFC 3339, UTC
	Result   string `json:"result"` // a Verify… constant
	Content  string `json:"content"`
	Part     int    `json:"part,omitempty"`
	Of       int    `json:"of,omitempty"`
	Found    int64  `json:"found,omitempty"`
	Repaired int64  `json:"repaired,omitempty"`
	Reason   string `json:"reason,omitempty"` // the first problem that is left
}
