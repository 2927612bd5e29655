package spec

import (
	"maps"
	"regexp"
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
	// From names the mirror, or another repository, that holds the restore point, where it is not Repository: what is restored
	// is brought from there into Repository first.
	From string `json:"from,omitempty"`
	// Point is the restore point: an id, "latest" (default), the newest complete one, or "latest~N", the N-th complete
	// one before it.
	Point string `json:"point,omitempty"`
	// Snapshot names a native snapshot instead of a point: it is adopted as a restore point (see Adopt), also by a dry
	// run, and restored.
	Snapshot *NativeSnapshot `json:"snapshot,omitempty"`
	// SourceCluster names the cluster whose restore points are meant, where it is not Cluster.
	SourceCluster string `json:"sourceCluster,omitempty"`
	// Include selects from the point: "db", "db.table", "db.table/partition", with * globs. Empty means everything.
	Include []string `json:"include,omitempty"`
	// Exclude takes away from Include; it wins.
	Exclude []string `json:"exclude,omitempty"`
	// Rename gives databases and tables other names: "db": "other", "db.table": "other.name".
	Rename map[string]string `json:"rename,omitempty"`
	// OnExisting says what happens to tables that exist: "swap" (default: restore beside and exchange, undoable),
	// "fail" (refuse), "rename" (restore as <table>__restored_<point time>, exchange nothing), "overwrite" (in place, past
	// recall; see ConfirmOverwrite). With "swap", partitions that exist are restored beside and exchanged by INSERT OVERWRITE;
	// so are those of a table of which the point's backup named only some.
	OnExisting string `json:"onExisting,omitempty"`
	// ConfirmOverwrite agrees that onExisting "overwrite" destroys what is in the tables and partitions named, and that
	// nothing loads into them meanwhile. Without it only a dry run takes "overwrite".
	ConfirmOverwrite bool `json:"confirmOverwrite,omitempty"`
	// AllowAutoIncrementReset agrees that a RESTORE into an existing table sets its AUTO_INCREMENT counter back to where it
	// was at the backup, even if it fails: later ids may repeat ones that were given since.
	AllowAutoIncrementReset bool `json:"allowAutoIncrementReset,omitempty"`
	// NoSafetyPoint leaves out the backup of what is replaced or overwritten: then there is no way back.
	NoSafetyPoint bool `json:"noSafetyPoint,omitempty"`
	// ReplicationNum sets the replication of restored partitions. Default: the source's, at most one per live host.
	ReplicationNum int `json:"replicationNum,omitempty"`
	// SkipGrants swaps tables even where their grants cannot be read or given.
	SkipGrants bool `json:"skipGrants,omitempty"`
	// UndoWindow is how long the old tables are kept after a swap. Default 72h.
	UndoWindow Duration `json:"undoWindow,omitzero"`
	// OnBusy says what to do when another job holds a database: "wait" (default) or "fail".
	OnBusy string `json:"onBusy,omitempty"`
	// PlanDigest is that of a plan that was confirmed: where the plan that the run itself makes has another, the run stops
	// before anything is touched. Empty confirms whatever is planned.
	PlanDigest string `json:"planDigest,omitempty"`
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
		p.checkName("from", r.From, false)
		p.checkPoint("point", r.Point)
		r.checkSnapshot(&p)
		p.checkName("sourceCluster", r.SourceCluster, false)
		p.checkOneOf("onExisting", r.OnExisting, OnExistingSwap, OnExistingFail, OnExistingRename, OnExistingOverwrite)
		r.checkConsent(&p)
		p.checkOneOf("onBusy", r.OnBusy, OnBusyWait, OnBusyFail)
		p.checkNotNegative("replicationNum", int64(r.ReplicationNum))
		p.checkNotNegative("undoWindow", int64(r.UndoWindow))
		r.checkPlanDigest(&p)
		r.Limits.check(&p)
		r.checkRename(&p)
	}
	return p.err()
}

func (r Restore) checkSnapshot(p *problems) {
	if r.Snapshot == nil {
		return
	}
	if r.Point != "" {
		p.add(`fields "point" and "snapshot" both say what to restore; leave one out`)
	}
	if r.From != "" {
		p.add(`field "snapshot" is one of the repository itself; leave "from" out`)
	}
	p.checkSnapshot("snapshot.label", "snapshot.timestamp", *r.Snapshot)
}

var planDigestForm = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{8}){4}$`)

func (r Restore) checkPlanDigest(p *problems) {
	if r.PlanDigest != "" && !planDigestForm.MatchString(r.PlanDigest) {
		p.add(`field "planDigest" is %q; give the digest that "starkeep restore plan" prints, five groups of 8 hex digits`, r.PlanDigest)
	}
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
	PlanDigest      string           `json:"planDigest,omitempty"`
	Blocked         []string         `json:"blocked,omitempty"` // what stops the restore as a whole: room, rights
	Space           *PlanSpace       `json:"space,omitempty"`
	Estimate        *PlanEstimate    `json:"estimate,omitempty"`
	Databases       []DatabaseResult `json:"databases,omitempty"`
	Tables          []RestoredTable  `json:"tables,omitempty"` // at most MaxListed rows
	Bytes           int64            `json:"bytes"`
	Tablets         int64            `json:"tablets"`
	Partitions      int64            `json:"partitions"`
	Failed          []FailedPart     `json:"failed,omitempty"`
	FailedCount     int64            `json:"failedCount"`
	Views           []RestoredView   `json:"views,omitempty"` // and functions; at most MaxListed rows, those that need a hand first
	Warnings        []string         `json:"warnings,omitempty"`
	Undo            string           `json:"undo,omitempty"`   // workflow id of the undo window
	Report          string           `json:"report,omitempty"` // address of the proof, table by table, stored beside the restore point
	CancelRequested bool             `json:"cancelRequested,omitempty"`
	// Safety is the restore point made of what was overwritten, before it was: the way back.
	Safety *SafetyPoint `json:"safety,omitempty"`
	// Interrupted lists what a CommitInterrupted left behind.
	Interrupted []InterruptedCommit `json:"interrupted,omitempty"`
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
	Kind       string `json:"kind,omitempty"` // "" for a table, KindView, KindMaterializedView, KindFunction
	// Diff is how the table's definition differs from that of the live table: lines that begin with "-" are live, those
	// with "+" are in the restore point.
	Diff       []string    `json:"diff,omitempty"`
	Dependents *Dependents `json:"dependents,omitempty"` // of the live table
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
