package spec

import "slices"

// Inspect is the input of the workflow that reads for the CLI: one activity, no side effects. The CLI holds no credentials.
type Inspect struct {
	// Read says what to read: one of the Read constants.
	Read string `json:"read"`
	// Cluster and Repository name profiles; what is read says which it needs.
	Cluster    string `json:"cluster,omitempty"`
	Repository string `json:"repository,omitempty"`
	// Point is an id, "latest" or "latest~N" (ReadPoint).
	Point string `json:"point,omitempty"`
	// Page is the token of the next page, from the last answer; "" is the first.
	Page string `json:"page,omitempty"`
	// For narrows a policy to purposes: Policy… constants; empty is all of them (ReadPolicy).
	For []string `json:"for,omitempty"`
	// Other is a second point, in the forms of Point (ReadDiff).
	Other string `json:"other,omitempty"`

	problems problems
}

// What Inspect reads.
const (
	ReadPoints       = "points"       // restore points of cluster in repository, newest first → InspectResult.Points
	ReadPoint        = "point"        // one manifest, summed up by table → InspectResult.Point
	ReadJobs         = "jobs"         // what the FE of cluster runs → InspectResult.Jobs
	ReadRepositories = "repositories" // what the FE of cluster knows, beside our profiles → InspectResult.Repositories
	ReadConfig       = "config"       // whether every profile can be reached → InspectResult.Checks
	ReadSnapshots    = "snapshots"    // native snapshots of repository, whoever made them → InspectResult.Snapshots
	ReadPolicy       = "policy"       // what the store of repository must allow → InspectResult.Policy
	ReadSchedules    = "schedules"    // schedules and goals of the configuration → InspectResult.Timetable
	ReadStatus       = "status"       // how old the restore points of each database are → InspectResult.Status, .Timetable
	ReadUsage        = "usage"        // what restore points of cluster take in repository → InspectResult.Usage
	ReadDiff         = "diff"         // what changed from point to other → InspectResult.Difference
)

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (i *Inspect) UnmarshalJSON(data []byte) error {
	type fields Inspect
	var f fields
	found := decode(data, &f)
	*i = Inspect(f)
	i.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (i Inspect) Validate() error {
	p := append(problems(nil), i.problems...)
	if len(p) == 0 {
		p.checkOneOf("read", i.Read, ReadPoints, ReadPoint, ReadJobs, ReadRepositories, ReadConfig, ReadPolicy, ReadSnapshots, ReadSchedules, ReadStatus, ReadUsage, ReadDiff)
		p.checkName("cluster", i.Cluster, !slices.Contains([]string{ReadConfig, ReadPolicy, ReadSchedules, ReadStatus}, i.Read))
		p.checkName("repository", i.Repository, slices.Contains([]string{ReadPoints, ReadPoint, ReadPolicy, ReadSnapshots, ReadUsage, ReadDiff}, i.Read))
		if i.Read == ReadDiff {
			p.checkPoint("point", i.Point)
			p.checkPoint("other", i.Other)
		}
		for _, purpose := range i.For {
			p.checkOneOf("for", purpose, Policies()...)
		}
		if i.Read == "" {
			p.add(`field "read" is missing`)
		}
	}
	return p.err()
}

// InspectResult holds what was asked for; the other fields are empty.
type InspectResult struct {
	Points       []PointRow      `json:"points,omitempty"`
	Point        *PointDetails   `json:"point,omitempty"`
	Jobs         []JobRow        `json:"jobs,omitempty"`
	Repositories []RepositoryRow `json:"repositories,omitempty"`
	Checks       []CheckRow      `json:"checks,omitempty"`
	Policy       *Policy         `json:"policy,omitempty"`
	Snapshots    []SnapshotRow   `json:"snapshots,omitempty"`
	Timetable    *Timetable      `json:"timetable,omitempty"`
	Status       *Status         `json:"status,omitempty"`
	Usage        *Usage          `json:"usage,omitempty"`
	Difference   *Difference     `json:"difference,omitempty"`
	NextPage     string          `json:"nextPage,omitempty"`
}

// SnapshotRow is one native snapshot as its own files tell it.
type SnapshotRow struct {
	Label      string `json:"label"`
	Timestamp  string `json:"timestamp,omitempty"`  // backup_timestamp for RESTORE
	BackupTime string `json:"backupTime,omitempty"` // RFC 3339, UTC
	Database   string `json:"database,omitempty"`
	Tables     int    `json:"tables"` // and materialized views and views
	Partitions int    `json:"partitions"`
	Tablets    int64  `json:"tablets"`
	Ours       bool   `json:"ours"`              // starkeep made it
	Recorded   bool   `json:"recorded"`          // starkeep knows what is in it: made or adopted by it
	Problem    string `json:"problem,omitempty"` // why it cannot be restored
}

// DrillRow is one drill of a restore point.
type DrillRow struct {
	At      string `json:"at"`     // RFC 3339, UTC
	Result  string `json:"result"` // a Drill… constant
	Sampled int    `json:"sampled"`
	Of      int    `json:"of"`
	Reason  string `json:"reason,omitempty"` // why it is not ok
}

// PointRow is one restore point in a listing.
type PointRow struct {
	ID         string            `json:"id"`
	CreatedAt  string            `json:"createdAt"` // RFC 3339, UTC
	Complete   bool              `json:"complete"`
	Parent     string            `json:"parent,omitempty"`
	Databases  int               `json:"databases"`
	Tables     int               `json:"tables"`
	Partitions int64             `json:"partitions"`
	Tablets    int64             `json:"tablets"`
	Bytes      int64             `json:"bytes"`
	Failed     int64             `json:"failed,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Origin     string            `json:"origin,omitempty"`   // "adopted": from a native snapshot that starkeep did not make
	Drill      *DrillRow         `json:"drill,omitempty"`    // the last one
	Verified   *VerificationRow  `json:"verified,omitempty"` // the last one, of the store that is listed
	Pinned     *PinRow           `json:"pinned,omitempty"`   // it is never pruned there
	Problem    string            `json:"problem,omitempty"`  // why it cannot be read
}

// PointDetails is one restore point, by table.
type PointDetails struct {
	PointRow
	Cluster    string       `json:"cluster"`
	Repository string       `json:"repository"`
	Tables     []PointTable `json:"tableList"`
	Failed     []FailedPart `json:"failedList,omitempty"`
	NotCovered []NotCovered `json:"notCovered,omitempty"`
	Truncated  bool         `json:"truncated,omitempty"` // more tables than one answer holds
	NotKnown   []string     `json:"notKnown,omitempty"`  // of an adopted point: what is never compared
	Drills     []DrillRow   `json:"drills,omitempty"`    // the last ones, newest first

	Verifications []VerificationRow `json:"verifications,omitempty"` // the last ones, newest first
	Reports       []string          `json:"reports,omitempty"`       // addresses of the last restores' proofs, newest first
}

// PointTable is one table of a restore point.
type PointTable struct {
	Database   string `json:"database"`
	Table      string `json:"table"`
	Keys       string `json:"keys"`
	Partitions int    `json:"partitions"`
	Tablets    int64  `json:"tablets"`
	Bytes      int64  `json:"bytes"`
	Rows       int64  `json:"rows"`
}

// JobRow is one BACKUP or RESTORE that the FE knows, whoever started it.
type JobRow struct {
	Statement string `json:"statement"`
	Database  string `json:"database"`
	Label     string `json:"label"`
	State     string `json:"state"`
	JobID     int64  `json:"jobId"`
	Created   string `json:"created"`
	Status    string `json:"status"`
	Errors    string `json:"errors,omitempty"`
	Ours      bool   `json:"ours"`           // started by starkeep
	Note      string `json:"note,omitempty"` // e.g. hung, and what to do
}

// RepositoryRow is a repository as the FE tells it, beside the profile that names it.
type RepositoryRow struct {
	Name     string `json:"name"`
	Profile  string `json:"profile,omitempty"`
	Location string `json:"location"`
	ReadOnly bool   `json:"readOnly"`
	Error    string `json:"error,omitempty"`
	Note     string `json:"note,omitempty"`
}

// CheckRow is one thing that was tried.
type CheckRow struct {
	Profile string `json:"profile"`
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}
