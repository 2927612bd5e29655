package restorepoint

import (
	"hash/fnv"
	"slices"
	"time"
)

// Verification is what is written down of one verification of a restore point, in the store that was verified
// (VerificationKey).
type Verification struct {
	FormatVersion string        `json:"formatVersion"`
	Point         string        `json:"point"`
	Cluster       string        `json:"cluster"` // that made the point
	Where         string        `json:"where"`   // profile of the repository or mirror
	Verify        string        `json:"verify"`  // workflow id
	At            time.Time     `json:"at"`      // when it began
	EndedAt       time.Time     `json:"endedAt"`
	Selection     string        `json:"selection"` // the points that were asked for: samples take turns among those of one selection
	Content       string        `json:"content"`   // "none", "sample", "all"
	Part          int           `json:"part,omitempty"`
	Of            int           `json:"of,omitempty"`
	Result        string        `json:"result"`    // "ok", "damaged"
	Snapshots     int           `json:"snapshots"` // native snapshots of the point
	Objects       int64         `json:"objects"`   // of them, whose presence and size were looked at
	Bytes         int64         `json:"bytes"`
	Read          int64         `json:"read"` // objects whose content was compared
	ReadBytes     int64         `json:"readBytes"`
	Found         int64         `json:"found"`              // problems, also those that were repaired
	Repaired      int64         `json:"repaired,omitempty"` // of them
	RepairFrom    string        `json:"repairFrom,omitempty"`
	Problems      []FoundObject `json:"problems,omitempty"` // the first 1,000
}

// Results of a verification.
const (
	VerifiedOK      = "ok"      // nothing is wrong, as far as was looked, or all that was is repaired
	VerifiedDamaged = "damaged" //
)

// MaxProblems is how many problems a Verification lists.
const MaxProblems = 1000

// FoundObject is a problem of a restore point, with where it is.
type FoundObject struct {
	Snapshot string `json:"snapshot,omitempty"` // label of the native snapshot
	Database string `json:"database,omitempty"`
	Problem
	Repaired bool `json:"repaired,omitempty"`
}

// EncodeVerification writes a verification as JSON.
func EncodeVerification(v Verification) ([]byte, error) {
	v.FormatVersion = FormatVersion
	return encode(v)
}

// DecodeVerification reads a verification. ErrFormat if it cannot be used.
func DecodeVerification(data []byte) (Verification, error) {
	var v Verification
	err := decode("verification", data, &v, &v.FormatVersion)
	return v, err
}

// InPart tells whether an object belongs to part, 1 to of, of all objects. Each belongs to exactly one part, always the same.
func InPart(key string, part, of int) bool {
	if of <= 1 {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum64()%uint64(of))+1 == part
}

// NextPart chooses the part that a sample reads: the one after the last verification's of the same selection and number of
// parts, so that as many verifications as there are parts read everything. Without any it is the day's, which also
// changes from day to day.
func NextPart(earlier []Verification, selection string, of int, now time.Time) int {
	if of <= 1 {
		return 1
	}
	same := slices.DeleteFunc(slices.Clone(earlier), func(v Verification) bool { return v.Selection != selection || v.Of != of || v.Part < 1 })
	if len(same) == 0 {
		return int(now.Unix()/86400%int64(of)) + 1
	}
	last := slices.MaxFunc(same, func(a, b Verification) int { return a.At.Compare(b.At) })
	return last.Part%of + 1
}
