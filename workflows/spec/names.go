package spec

import "strings"

// Registered workflow names. They are fixed: histories and schedules refer to them.
const (
	BackupWorkflow      = "Backup"
	RestoreWorkflow     = "Restore"
	DatabaseJobWorkflow = "DatabaseJob"
	UndoWindowWorkflow  = "UndoWindow"
	InspectWorkflow     = "Inspect"
	ExportWorkflow      = "Export"
	AdoptWorkflow       = "Adopt"
	DrillWorkflow       = "Drill"
	VerifyWorkflow      = "Verify"
	CopyWorkflow        = "Copy"
	PruneWorkflow       = "Prune"
	PinWorkflow         = "Pin"

	CreateRepositoryWorkflow = "CreateRepository"
	CheckRepositoryWorkflow  = "CheckRepository"
	DropRepositoryWorkflow   = "DropRepository"
)

// TaskQueue is served by every worker: workflows, and activities that talk to the FE or handle objects.
const TaskQueue = "starkeep"

// Queries and updates.
const (
	// QueryProgress answers a Progress (Backup, Restore) or a DatabaseProgress (DatabaseJob).
	QueryProgress = "progress"
	// UpdatePause stops further units from being started; the running FE job goes on.
	UpdatePause = "pause"
	// UpdateResume lets units be started again.
	UpdateResume = "resume"
	// UpdateSetLimit changes Limits of a running Backup or Restore, and CopyLimits of a Copy.
	UpdateSetLimit = "setLimit"
	// SignalOffer tells a Copy of something more to copy, a CopyOffer.
	SignalOffer = "offer"
	// UpdateUndo swaps the old tables back (UndoWindow). It answers an UndoResult.
	UpdateUndo = "undo"
	// UpdateFinish drops the old tables (UndoWindow). It answers an UndoResult.
	UpdateFinish = "finish"
)

// Search attributes, registered when a worker starts. Few on purpose: SQL visibility stores hold ten Keywords at most.
const (
	AttributeCluster  = "StarkeepCluster"  // Keyword
	AttributeDatabase = "StarkeepDatabase" // Keyword
	AttributePhase    = "StarkeepPhase"    // Keyword
	AttributePoint    = "StarkeepPoint"    // Keyword
	AttributeBytes    = "StarkeepBytes"    // Int
)

// BackupID is the workflow id of a backup: name is a schedule's name or "manual-<UTC time>".
func BackupID(cluster, name string) string { return "backup/" + cluster + "/" + name }

// RestoreID is the workflow id of a restore.
func RestoreID(cluster, name string) string { return "restore/" + cluster + "/" + name }

// DatabaseJobID is the workflow id of the one job a database can have. Temporal allows one open run of an id, which is
// StarRocks' own rule of one BACKUP or RESTORE per database: the id is the lock.
func DatabaseJobID(cluster, database string) string {
	return "starkeep/" + cluster + "/db/" + database
}

// UndoWindowID is the workflow id of the undo window that a restore leaves behind.
func UndoWindowID(restoreID string) string {
	return "undo/" + strings.TrimPrefix(restoreID, "restore/")
}

// Error types that a failed run carries (temporal.ApplicationError.Type). docs/errors.md explains each.
const (
	ErrorInvalidSpec        = "InvalidSpec"
	ErrorAuthDenied         = "AuthDenied"
	ErrorRepositoryMissing  = "RepositoryMissing"
	ErrorSnapshotMissing    = "SnapshotMissing"
	ErrorSchemaMismatch     = "SchemaMismatch"
	ErrorVersionUnsupported = "VersionUnsupported"
	ErrorChecksumMismatch   = "ChecksumMismatch"
	ErrorJobFailed          = "JobFailed"
	ErrorJobLost            = "JobLost"
	ErrorCommitInterrupted  = "CommitInterrupted"
	ErrorPartialFailure     = "PartialFailure"
	ErrorNothingToDo        = "NothingToDo"
	ErrorProofFailed        = "ProofFailed"
	ErrorPlanChanged        = "PlanChanged"

	ErrorDatabaseBusy = "DatabaseBusy"
	ErrorHandOver     = "HandOver"
	ErrorThrottled    = "Throttled"

	ErrorNotLeader          = "NotLeader"
	ErrorConnectionLost     = "ConnectionLost"
	ErrorStorageUnavailable = "StorageUnavailable"
)
