package spec

// Phase tells people where a workflow is.
type Phase string

// Phases of Backup: plan, snapshot, upload, commit. Of Restore: plan, download, snapshot, load, commit, verify, swap, reactivate.
const (
	PhasePlan     Phase = "plan"
	PhaseWaiting  Phase = "waiting" // for a database that another job holds
	PhaseSnapshot Phase = "snapshot"
	PhaseUpload   Phase = "upload"
	PhaseDownload Phase = "download"
	PhaseCopy     Phase = "copy" // of a Copy, and of a Backup that looks whether its mirrors have the point
	PhaseLoad     Phase = "load"
	PhaseCommit   Phase = "commit"
	PhaseVerify   Phase = "verify"
	PhaseSwap     Phase = "swap"
	PhaseViews    Phase = "reactivate" // views and functions are created, materialized views activated and refreshed
	PhaseProbe    Phase = "probe"      // check: the worker's and the FE's own looks
	PhaseScratch  Phase = "scratch"    // check: the scratch table is made
	PhaseCleanUp  Phase = "clean up"   // check: and goes
	PhasePrune    Phase = "prune"
	PhaseDone     Phase = "done"
	PhaseFailed   Phase = "failed"
)

// Progress answers the query "progress" of Backup, Restore and CheckRepository.
type Progress struct {
	Phase           Phase              `json:"phase"`
	Point           string             `json:"point,omitempty"`
	Databases       []DatabaseProgress `json:"databases,omitempty"`
	Paused          bool               `json:"paused,omitempty"`
	CancelRequested bool               `json:"cancelRequested,omitempty"`
	Warnings        []string           `json:"warnings,omitempty"`
}

// DatabaseProgress answers the query "progress" of DatabaseJob; a Backup or Restore knows its databases' last ones.
type DatabaseProgress struct {
	Database    string `json:"database"`
	WorkflowID  string `json:"workflowId"` // of its DatabaseJob: ask it for what is going on right now
	Phase       Phase  `json:"phase"`
	Units       int    `json:"units"`
	UnitsDone   int    `json:"unitsDone"`
	UnitsFailed int    `json:"unitsFailed,omitempty"`
	Tablets     int64  `json:"tablets"`
	TabletsDone int64  `json:"tabletsDone"`
	Bytes       int64  `json:"bytes"`
	BytesDone   int64  `json:"bytesDone"`
	Current     string `json:"current,omitempty"` // the unit under way
	Paused      bool   `json:"paused,omitempty"`
}

// JobProgress is the heartbeat of Await: where the FE's job is. It is shown by `temporal workflow describe`.
type JobProgress struct {
	Statement string `json:"statement"` // BACKUP or RESTORE
	Database  string `json:"database"`
	Label     string `json:"label"`
	State     string `json:"state"` // the FE's word
	Phase     Phase  `json:"phase"`
	Done      int    `json:"done"`  // tasks of this state that are done
	Total     int    `json:"total"` // tasks of this state seen
	Message   string `json:"message,omitempty"`
	GivingUp  string `json:"givingUp,omitempty"` // why starkeep itself cancels the job
	// LoadsSeen says that loads were looked at after the FE began to refuse further ones: a RESTORE over existing tables.
	LoadsSeen bool `json:"loadsSeen,omitempty"`
}

// Pause is the input of the update "pause"; Reason is kept in the history.
type Pause struct {
	Reason string `json:"reason,omitempty"`
}

// PauseResult answers "pause" and "resume".
type PauseResult struct {
	Paused bool   `json:"paused"`
	Note   string `json:"note"` // what goes on nevertheless
}
