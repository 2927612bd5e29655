package spec

import (
	"encoding/json"
	"slices"
)

// RepositoryID is the workflow id of whatever changes or checks a repository on a cluster: one at a time.
func RepositoryID(cluster, repository string) string { return "repo/" + cluster + "/" + repository }

// CreateRepository is the input of the workflow CreateRepository.
type CreateRepository struct {
	// Cluster names the cluster profile on which the repository is created.
	Cluster string `json:"cluster"`
	// Repository names the repository profile.
	Repository string `json:"repository"`
	// ReadOnly creates it READ ONLY: for a cluster that restores from it only.
	ReadOnly bool `json:"readOnly,omitempty"`

	problems problems
}

// DropRepository is the input of the workflow DropRepository.
type DropRepository struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`

	problems problems
}

// CheckRepository is the input of the workflow CheckRepository.
type CheckRepository struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`
	// Scratch is the consent to a database of a few rows, made, backed up, restored and dropped again. Without it the
	// rights of FE and BEs to write and read are not tried.
	Scratch bool `json:"scratch,omitempty"`

	problems problems
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (c *CreateRepository) UnmarshalJSON(data []byte) error {
	type fields CreateRepository
	var f fields
	found := decode(data, &f)
	*c = CreateRepository(f)
	c.problems = found
	return nil
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (d *DropRepository) UnmarshalJSON(data []byte) error {
	type fields DropRepository
	var f fields
	found := decode(data, &f)
	*d = DropRepository(f)
	d.problems = found
	return nil
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (c *CheckRepository) UnmarshalJSON(data []byte) error {
	type fields CheckRepository
	var f fields
	found := decode(data, &f)
	*c = CheckRepository(f)
	c.problems = found
	return nil
}

// Validate tells what is wrong with the input, naming each field and the fix.
func (c CreateRepository) Validate() error { return c.problems.both(c.Cluster, c.Repository) }

// Validate tells what is wrong with the input, naming each field and the fix.
func (d DropRepository) Validate() error { return d.problems.both(d.Cluster, d.Repository) }

// Validate tells what is wrong with the input, naming each field and the fix.
func (c CheckRepository) Validate() error { return c.problems.both(c.Cluster, c.Repository) }

// both checks the two profiles that every input about a repository names.
func (p problems) both(cluster, repository string) error {
	p = slices.Clone(p)
	if len(p) == 0 {
		p.checkName("cluster", cluster, true)
		p.checkName("repository", repository, true)
	}
	return p.err()
}

// CreateRepositoryResult says what there is now.
type CreateRepositoryResult struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`
	Location   string `json:"location"` // as StarRocks has it
	Created    bool   `json:"created"`  // false: the cluster had it already
	Adopted    bool   `json:"adopted"`  // the location held this repository with its snapshots, and the cluster attached to it
	ReadOnly   bool   `json:"readOnly"`
	Message    string `json:"message"`
}

// DropRepositoryResult says what is left.
type DropRepositoryResult struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`
	Dropped    bool   `json:"dropped"` // false: the cluster did not have it
	Location   string `json:"location"`
	Message    string `json:"message"`
	Remains    string `json:"remains"` // what stays in the store
	// Remove are the commands that delete it for good.
	Remove []string `json:"remove"`
}

// Sides of a check.
const (
	SideFE     = "FE"
	SideBE     = "BE"
	SideWorker = "worker"
)

// Rights that a check tries, in the order in which it shows them.
const (
	RightRepository = "repository" // FE: the cluster knows it, at the profile's location, and may use it
	RightList       = "list"
	RightWrite      = "write"
	RightRead       = "read"
	RightCopy       = "copy"
	RightDelete     = "delete"
	RightAlive      = "alive"     // BE: it is there to be tried
	RightScratch    = "scratch"   // FE: the privileges to make, fill, back up, restore and drop the scratch table
	RightRoundTrip  = "roundtrip" // FE: the restored table equals the one backed up
	RightCleanUp    = "clean up"  // worker: nothing of the check is left
)

// CheckRepositoryResult is what CheckRepository returns, and what the details of its failure hold.
type CheckRepositoryResult struct {
	Cluster    string     `json:"cluster"`
	Repository string     `json:"repository"`
	Location   string     `json:"location"`
	Scratch    bool       `json:"scratch"` // whether FE and BEs were tried with a scratch table
	OK         bool       `json:"ok"`      // nothing that was tried is missing
	Rights     []RightRow `json:"rights"`
	Warnings   []string   `json:"warnings,omitempty"`
}

// RightRow is one right of one side.
type RightRow struct {
	Side    string `json:"side"`              // SideFE, SideBE, SideWorker
	Backend int64  `json:"backend,omitempty"` // SideBE: the BE's id
	Right   string `json:"right"`
	OK      bool   `json:"ok"`
	// NotTried says that nobody knows: OK is false then, and Message says why it was not tried.
	NotTried bool   `json:"notTried,omitempty"`
	Type     string `json:"type,omitempty"`    // of what is missing: an Error… name, as a failed run has it
	Message  string `json:"message,omitempty"` // what was tried, and what was answered, word for word
	Fix      string `json:"fix,omitempty"`     // the permission, property or step that mends it
}

// Purposes of a policy.
const (
	PolicyBackup    = "backup"
	PolicyRestore   = "restore"
	PolicyMirror    = "mirror"
	PolicyPrune     = "prune"
	PolicyStarRocks = "starrocks"
)

// Policies lists the purposes in their order.
func Policies() []string {
	return []string{PolicyBackup, PolicyRestore, PolicyMirror, PolicyPrune, PolicyStarRocks}
}

// Policy is what a repository's store must allow, for ReadPolicy.
type Policy struct {
	Repository string   `json:"repository"`
	Location   string   `json:"location"`
	For        []string `json:"for"`
	// Document is what the provider takes: an IAM policy (S3), a custom role (GCS); null where rights are given by
	// commands alone (HDFS, directories).
	Document json.RawMessage `json:"document,omitempty"`
	Commands []string        `json:"commands,omitempty"` // that put it into force
	Notes    []string        `json:"notes,omitempty"`
}
