package spec

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Restore is the input of the workflow Restore.
type Restore struct {
	// Cluster names the cluster profile to restore into.
	Cluster string `json:"cluster"`
	// Repository names the repository profile that holds the restore point.
	Repository string `json:"repository"`
	// Point is the restore point: an id, or "latest" (default), the newest complete one.
	Point string `json:"point,omitempty"`
	// SourceCluster names the cluster whose restore points are meant, where it is not Cluster.
	SourceCluster string `json:"sourceCluster,omitempty"`
	// Include selects from the point: "db", "db.table", "db.table/partition", with * globs. Empty means everything.
	Include []string `json:"include,omitempty"`
	// Exclude takes away from Include; it wins.
	Exclude []string `json:"exclude,omitempty"`
	// Rename gives databases and tables other names: "db": "other", "db.table": "other.name".
	Rename map[string]string `json:"rename,omitempty"`
	// OnExisting says what happens to tables that exist: "swap" (default: restore beside and exchange, undoable),
	// "fail" (refuse), "rename" (restore as <table>__restored_<point time>, exchange nothing).
	OnExisting string `json:"onExisting,omitempty"`
	// ReplicationNum sets the replication of restored partitions. Default: the source's, at most one per live host.
	ReplicationNum int `json:"replicationNum,omitempty"`
	// SkipGrants swaps tables even where their grants cannot be read or given.
	SkipGrants bool `json:"skipGrants,omitempty"`
	// UndoWindow is how long the old tables are kept after a swap. Default 72h.
	UndoWindow Duration `json:"undoWindow,omitzero"`
	// OnBusy says what to do when another job holds a database: "wait" (default) or "fail".
	OnBusy string `json:"onBusy,omitempty"`
	// DryRun plans and checks everything, changes nothing, and returns the plan.
	DryRun bool `json:"dryRun,omitempty"`
	// Limits bound units and parallelism.
	Limits Limits `json:"limits,omitzero"`

	problems problems
}

// Policies of OnExisting.
const (
	OnExistingSwap   = "swap"
	OnExistingFail   = "fail"
	OnExistingRename = "rename"
)

// DefaultUndoWindow is how long old tables are kept after a swap.
const DefaultUndoWindow = 72 * time.Hour

// LatestPoint stands for the newest complete restore point.
const LatestPoint = "latest"

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (r *Restore) UnmarshalJSON(data []byte) error {
	type fields Restore
	var f fields
	found := decode(data, &f)
	*r = Restore(f)
	r.problems = found
	return nil
}

// Validate tells what is wrong with the input, naming each field and the fix.
func (r Restore) Validate() error {
	p := append(problems(nil), r.problems...)
	if len(p) == 0 {
		p.checkName("cluster", r.Cluster, true)
		p.checkName("repository", r.Repository, true)
		p.checkName("point", r.Point, false)
		p.checkName("sourceCluster", r.SourceCluster, false)
		p.checkOneOf("onExisting", r.OnExisting, OnExistingSwap, OnExistingFail, OnExistingRename)
		p.checkOneOf("onBusy", r.OnBusy, OnBusyWait, OnBusyFail)
		p.checkNotNegative("replicationNum", int64(r.ReplicationNum))
		p.checkNotNegative("undoWindow", int64(r.UndoWindow))
		r.Limits.check(&p)
		r.checkRename(&p)
	}
	return p.err()
}

func (r Restore) checkRename(p *problems) {
	for _, from := range slices.Sorted(maps.Keys(r.Rename)) { // in order: the message is the same in each replay
		to := r.Rename[from]
		if from == "" || to == "" || strings.Contains(from, "*") || strings.Contains(to, "*") {
			p.add(`field "rename": %q → %q; write "db": "other" or "db.table": "other.name", without globs`, from, to)
			continue
		}
		if strings.Contains(from, ".") != strings.Contains(to, ".") {
			p.add(`field "rename": %q → %q; both sides name a database, or both a table as "db.table"`, from, to)
		}
	}
}

// RestoreResult is what Restore returns, and what the details of its PartialFailure hold.
type RestoreResult struct {
	Point           string           `json:"point"`
	DryRun          bool             `json:"dryRun,omitempty"`
	Plan            []PlannedTable   `json:"plan,omitempty"` // at most MaxListed rows
	Databases       []DatabaseResult `json:"databases,omitempty"`
	Tables          []RestoredTable  `json:"tables,omitempty"` // at most MaxListed rows
	Bytes           int64            `json:"bytes"`
	Tablets         int64            `json:"tablets"`
	Partitions      int64            `json:"partitions"`
	Failed          []FailedPart     `json:"failed,omitempty"`
	FailedCount     int64            `json:"failedCount"`
	Warnings        []string         `json:"warnings,omitempty"`
	Undo            string           `json:"undo,omitempty"` // workflow id of the undo window
	CancelRequested bool             `json:"cancelRequested,omitempty"`
}

// PlannedTable says what a restore will do to one table.
type PlannedTable struct {
	Database   string `json:"database"` // target
	Table      string `json:"table"`    // target
	From       string `json:"from"`     // "db.table" in the restore point
	Action     string `json:"action"`   // ActionCreate, ActionSwap, ActionAdd, ActionRefuse
	Partitions int    `json:"partitions"`
	Tablets    int64  `json:"tablets"`
	Bytes      int64  `json:"bytes"`
	Note       string `json:"note,omitempty"` // why it is refused, or what to know
}

// What a restore does to a table.
const (
	ActionCreate = "create"         // the table does not exist
	ActionSwap   = "swap"           // restored beside the live table, then exchanged
	ActionAdd    = "add partitions" // missing RANGE partitions of an existing table
	ActionRefuse = "refuse"
)

// RestoredTable is the proof of one restored table.
type RestoredTable struct {
	Database   string `json:"database"`
	Table      string `json:"table"`
	Action     string `json:"action"`
	TableID    int64  `json:"tableId"`
	Partitions int    `json:"partitions"`
	Tablets    int64  `json:"tablets"`
	Rows       int64  `json:"rows"`             // counted, where the point knows the count
	RowsProven bool   `json:"rowsProven"`       // rows were counted at backup and now, and agree
	Before     string `json:"before,omitempty"` // name of the old table after a swap
	Grants     int    `json:"grants"`           // grants carried over
	Note       string `json:"note,omitempty"`
}
