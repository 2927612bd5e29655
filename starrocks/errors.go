package starrocks

import (
	"errors"
	"fmt"
)

// What an FE's error means. Match with errors.Is; the words are in the *Error around it.
var (
	ErrDatabaseBusy          = errors.New("a backup or restore job of this database is running")
	ErrSubmissionBusy        = errors.New("another submission got in the way")                   // rule 2: retry a few times; if it stays, the snapshot's __info is damaged
	ErrRepositoryMissing     = errors.New("repository does not exist")                           //
	ErrRepositoryExists      = errors.New("repository of this name exists")                      //
	ErrRepositoryReadOnly    = errors.New("repository is read only")                             //
	ErrRepositoryBusy        = errors.New("a job of this repository is running")                 //
	ErrRepositoryUnreachable = errors.New("the FE cannot read the repository's location")        // credentials, endpoint, bucket, or a label with ':' (measured C 51)
	ErrRepositoryDamaged     = errors.New("the repository's __repo_info is damaged")             //
	ErrSnapshotMissing       = errors.New("not in the snapshot, or no such snapshot")            //
	ErrSnapshotDamaged       = errors.New("the snapshot's __info or __meta is damaged")          //
	ErrLabelExists           = errors.New("a snapshot with this label exists")                   //
	ErrUnknownDatabase       = errors.New("unknown database")                                    //
	ErrUnknownTable          = errors.New("unknown table")                                       //
	ErrUnknownPartition      = errors.New("unknown partition")                                   //
	ErrTableExists           = errors.New("table exists")                                        //
	ErrDenied                = errors.New("a privilege is missing")                              // the text names it
	ErrAuth                  = errors.New("user or password is wrong")                           //
	ErrNoLeader              = errors.New("the cluster has no leader at the moment")             // transient
	ErrConnectionLost        = errors.New("no connection to the FE")                             // a statement that was under way may have been carried out
	ErrNoBackend             = errors.New("no BE is there to answer")                            //
	ErrNoJob                 = errors.New("no job to cancel")                                    //
	ErrNotCancellable        = errors.New("the job has ended already")                           //
	ErrUnsupported           = errors.New("StarRocks cannot back up or restore this")            //
	ErrTableState            = errors.New("the table's state does not allow it")                 // a RESTORE or ALTER is under way, or there are temporary partitions
	ErrSyntax                = errors.New("StarRocks does not understand the statement")         //
	ErrInvalidName           = errors.New("name cannot be addressed safely")                     // refused here, nothing was sent
	ErrInvalidStatement      = errors.New("statement cannot be sent")                            // refused here, nothing was sent
	ErrMetaNotJSON           = errors.New("__meta is of the old binary form and cannot be read") // StarRocks before 3.1 (facts §5.5)
)

// Error is what an FE, or the way to it, answered to a statement. It never holds the statement or a password.
type Error struct {
	Op       string // what was done: "BACKUP", "SHOW RESTORE"
	Target   string // on what: database, repository, address
	Code     uint16 // MySQL error code; 0 if the error did not come from the FE
	SQLState string
	Text     string // what StarRocks said, word for word
	Kind     error  // one of the sentinels above, or nil when the text is not known
}

// Error says what failed, where, and StarRocks' words.
func (e *Error) Error() string {
	where := e.Op
	if e.Target != "" {
		where += " " + e.Target
	}
	if e.Code == 0 {
		return fmt.Sprintf("%s: %s", where, e.Text)
	}
	return fmt.Sprintf("%s: StarRocks said: %s (%d)", where, e.Text, e.Code)
}

// Unwrap gives the sentinel.
func (e *Error) Unwrap() error { return e.Kind }
