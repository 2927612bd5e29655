package starrocks

import (
	"strconv"
	"strings"
	"time"
)

// JobKind says which statement started a job.
type JobKind string

// The two kinds of jobs. A database has one slot for both (facts §0).
const (
	BackupKind  JobKind = "BACKUP"
	RestoreKind JobKind = "RESTORE"
)

// State is the state of a BACKUP or RESTORE job in the FE's own words (facts §3.1, §3.2).
type State string

// The states in the order in which a job goes through them. A BACKUP goes PENDING, SNAPSHOTING, UPLOAD_SNAPSHOT,
// UPLOADING, SAVE_META, UPLOAD_INFO, FINISHED; a RESTORE goes PENDING, SNAPSHOTING, DOWNLOAD, DOWNLOADING, COMMIT,
// COMMITTING, FINISHED. There is no FAILED: everything that fails is CANCELLED (rule 8).
const (
	StatePending        State = "PENDING"
	StateSnapshoting    State = "SNAPSHOTING"
	StateUploadSnapshot State = "UPLOAD_SNAPSHOT"
	StateUploading      State = "UPLOADING"
	StateSaveMeta       State = "SAVE_META"
	StateUploadInfo     State = "UPLOAD_INFO"
	StateDownload       State = "DOWNLOAD"
	StateDownloading    State = "DOWNLOADING"
	StateCommit         State = "COMMIT"
	StateCommitting     State = "COMMITTING"
	StateFinished       State = "FINISHED"
	StateCancelled      State = "CANCELLED"
)

// Terminal says that the job will not change any more.
func (s State) Terminal() bool { return s == StateFinished || s == StateCancelled }

// Committing says that a RESTORE is in COMMIT or COMMITTING, where a CANCEL may leave overwritten partitions mixed:
// COMMIT itself is harmless, but the FE may leave it before the CANCEL arrives (facts §4.2).
func (s State) Committing() bool { return s == StateCommit || s == StateCommitting }

// Cancellable says that a CANCEL in this state leaves existing data untouched: the job runs and is before COMMIT.
// An unknown state is not cancellable.
func (s State) Cancellable() bool {
	switch s {
	case StatePending, StateSnapshoting, StateUploadSnapshot, StateUploading, StateSaveMeta, StateUploadInfo,
		StateDownload, StateDownloading:
		return true
	}
	return false
}

// Job is a row of SHOW BACKUP or SHOW RESTORE: the last job of its database.
type Job struct {
	Kind           JobKind
	ID             int64  // -1 until the FE's next tick, and new after an FE restart: only good for detecting hangs (rule 4)
	Label          string // the snapshot
	Timestamp      string // RESTORE: the backup_timestamp given; BACKUP: empty
	Database       string // RESTORE: the target; empty for jobs of external catalogs
	State          State
	Objects        string    // BackupObjs or RestoreObjs; for people, not for parsing (names are not quoted)
	Created        time.Time // UTC, whole seconds
	Downloaded     time.Time // RESTORE: zero until all is downloaded; then it is in COMMIT, or past it
	Finished       time.Time // zero while it runs
	Unfinished     []Task
	TaskErrors     string // TaskErrMsg; see ParseTaskErrors. Kept by CANCELLED rows, sometimes by FINISHED ones (rule 8)
	Status         string // "[OK]" or "[CODE, msg: text]"; see Reason
	Timeout        time.Duration
	ReplicationNum int // RESTORE only
}

// Task is an entry of UnfinishedTasks. What the two numbers mean depends on kind and state (facts §3.1, §3.2): BACKUP
// SNAPSHOTING tablet=BE, UPLOADING signature=BE; RESTORE SNAPSHOTING signature=tablet, DOWNLOADING signature=BE,
// COMMITTING signature=tablet.
type Task struct{ ID, On int64 }

// parseTasks reads "20950=10001, 20951=10001". What is not of this form is left out.
func parseTasks(text string) []Task {
	if text == "" {
		return nil
	}
	var tasks []Task
	for entry := range strings.SplitSeq(text, ", ") {
		id, on, found := strings.Cut(entry, "=")
		a, err1 := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
		b, err2 := strconv.ParseInt(strings.TrimSpace(on), 10, 64)
		if found && err1 == nil && err2 == nil {
			tasks = append(tasks, Task{a, b})
		}
	}
	return tasks
}
