package starrocks

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// failedWithin is failed, for an error under a context that has our own time limit.
func (c *Client) failedWithin(ctx context.Context, q call, err error) error {
	if errors.Is(context.Cause(ctx), errNoAnswer) {
		return &Error{Op: q.op, Target: q.target, Text: "no answer within " + c.limit(q).String(), Kind: ErrConnectionLost}
	}
	return c.failed(q, err)
}

// failed turns an error of the driver into ours, without secrets.
func (c *Client) failed(q call, err error) error {
	var own *stopped
	if errors.As(err, &own) {
		return own.error
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Op: q.op, Target: q.target, Text: err.Error(), Kind: err}
	}
	hide := func(text string) string { return redact(text, append(slices.Clone(q.secrets), c.config.Password)) }
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		state := strings.TrimRight(string(answer.SQLState[:]), "\x00")
		return &Error{Op: q.op, Target: q.target, Code: answer.Number, SQLState: state, Text: hide(answer.Message),
			Kind: classify(q.op, answer.Number, answer.Message)}
	}
	e := &Error{Op: q.op, Target: q.target, Text: hide(err.Error())}
	if isConnectionError(err) {
		e.Kind = ErrConnectionLost
	}
	return e
}

// relabel says for which statement the leader was wanted.
func (c *Client) relabel(q call, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	copied := *e
	copied.Op, copied.Target = q.op, q.target
	copied.Text = strings.TrimSpace(e.Op+" "+e.Target) + ": " + e.Text
	return &copied
}

func isConnectionError(err error) bool {
	var network net.Error
	for _, known := range []error{driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &network)
}

// redact removes values from a text, longest first.
func redact(text string, secrets []string) string {
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// errorTexts maps what StarRocks says to what it means, by substring; the first that fits wins. op restricts an entry to
// statements beginning with it. Codes differ between versions and are not looked at (rule 25).
var errorTexts = []struct {
	op   string
	text []string // all of them occur
	kind error
}{
	{text: []string{"Access denied for user"}, kind: ErrAuth},
	{text: []string{"Access denied; you need"}, kind: ErrDenied},
	{text: []string{"Backend node not found"}, kind: ErrNoBackend},

	{text: []string{"Can only run one backup or restore job of"}, kind: ErrDatabaseBusy},
	{text: []string{"Another backup or restore job is being submitted"}, kind: ErrSubmissionBusy},
	// RESTOREs submitted in the same millisecond spoil each other's local files (rule 2).
	{op: "RESTORE", text: []string{"md5sum does not equal"}, kind: ErrSubmissionBusy},
	{op: "RESTORE", text: []string{"/backup/info_", " does not exist"}, kind: ErrSubmissionBusy},
	{op: "RESTORE", text: []string{"failed to create local file"}, kind: ErrSubmissionBusy},
	{op: "RESTORE", text: []string{"Failed to create job info from file"}, kind: ErrSubmissionBusy},
	{op: "RESTORE", text: []string{"A JSONObject text must"}, kind: ErrSubmissionBusy},

	{op: "CREATE REPOSITORY", text: []string{"repository with same name already exist"}, kind: ErrRepositoryExists},
	{op: "CREATE REPOSITORY", text: []string{"JSONObject"}, kind: ErrRepositoryDamaged},
	{op: "CREATE REPOSITORY", text: []string{"repo info"}, kind: ErrRepositoryDamaged},
	{op: "CREATE REPOSITORY", text: []string{"parse create time of repository"}, kind: ErrRepositoryDamaged},
	{op: "CREATE REPOSITORY", text: []string{"failed to read"}, kind: ErrRepositoryDamaged},
	{text: []string{"Repository", "does not exist"}, kind: ErrRepositoryMissing},
	{text: []string{"Repository", "is read only"}, kind: ErrRepositoryReadOnly},
	{op: "DROP REPOSITORY", text: []string{"job is running on this repository"}, kind: ErrRepositoryBusy},
	{text: []string{"Incorrect repository name"}, kind: ErrInvalidName},

	{op: "RESTORE", text: []string{"Expected one file with path", "get: 0"}, kind: ErrSnapshotMissing},
	{op: "RESTORE", text: []string{"File does not exist"}, kind: ErrSnapshotMissing},
	{op: "RESTORE", text: []string{"does not exist in snapshot"}, kind: ErrSnapshotMissing},
	{op: "RESTORE", text: []string{"is not existed in snapshot"}, kind: ErrSnapshotMissing},
	{op: "RESTORE", text: []string{"Expected one file with path", "get: "}, kind: ErrSnapshotDamaged},
	{op: "RESTORE", text: []string{"file name should contains checksum"}, kind: ErrSnapshotDamaged},
	{op: "RESTORE", text: []string{"but get dir"}, kind: ErrSnapshotDamaged},
	{op: "RESTORE", text: []string{"JSONObject["}, kind: ErrSnapshotDamaged},
	{op: "RESTORE", text: []string{"remoteTbl", "is null"}, kind: ErrSnapshotDamaged},
	{text: []string{"Snapshot with name", "already exist in repository"}, kind: ErrLabelExists},
	{text: []string{"failed to list remote path"}, kind: ErrRepositoryUnreachable},
	{op: "CREATE REPOSITORY", text: []string{"Failed to create repository: "}, kind: ErrRepositoryUnreachable},

	// Followers, while there is no leader to forward to (rule 1). After the repository's: those may quote java.net too.
	{text: []string{"java.net."}, kind: ErrNoLeader},
	{text: []string{"Socket is closed by peer"}, kind: ErrNoLeader},
	{text: []string{"org.apache.thrift."}, kind: ErrNoLeader},
	{text: []string{"is not ready, please wait"}, kind: ErrNoLeader},

	{text: []string{"No backup job is currently running"}, kind: ErrNoJob},
	{text: []string{"No restore is currently running"}, kind: ErrNoJob},
	{text: []string{"No restore job is currently running"}, kind: ErrNoJob},
	{text: []string{"can not be cancelled. state:"}, kind: ErrNotCancellable},

	{text: []string{"temp partitions"}, kind: ErrTableState},
	{text: []string{"A snapshot restore operation is in progress"}, kind: ErrTableState},
	{text: []string{"state is not NORMAL"}, kind: ErrTableState},
	{text: []string{"state is not normal"}, kind: ErrTableState},
	{text: []string{"until table state is normal"}, kind: ErrTableState},
	{text: []string{"is under RESTORE"}, kind: ErrTableState},
	{text: []string{"is under restore"}, kind: ErrTableState},
	{text: []string{"Cannot write RESTORE state table"}, kind: ErrTableState},
	{text: []string{"can not support backup restore"}, kind: ErrUnsupported},
	{text: []string{"does not support backup/restore job"}, kind: ErrUnsupported},

	{text: []string{"Unknown database"}, kind: ErrUnknownDatabase},
	{text: []string{"partition[", "does not exist  in table"}, kind: ErrUnknownPartition},
	{text: []string{"partition[", "does not exist  in tablet"}, kind: ErrUnknownPartition},
	{text: []string{"Unknown partition"}, kind: ErrUnknownPartition},
	{text: []string{"Error in list of partitions to"}, kind: ErrUnknownPartition},
	{text: []string{"No partition named"}, kind: ErrUnknownPartition},
	{text: []string{"Unknown table"}, kind: ErrUnknownTable},
	{op: "BACKUP", text: []string{"Incorrect table name"}, kind: ErrUnknownTable},
	{text: []string{"Table ", " is not found"}, kind: ErrUnknownTable},
	{text: []string{"Table[", "does not exists or is not"}, kind: ErrUnknownTable},
	{text: []string{"is not a OLAP table"}, kind: ErrUnsupported},
	{text: []string{"Table '", "already exists"}, kind: ErrTableExists},
	{text: []string{"Table name[", "is already used"}, kind: ErrTableExists},
	{text: []string{"Getting syntax error"}, kind: ErrSyntax},
}

// classify finds the sentinel for an FE's error, nil if the words are not known. op is the statement's verb and object.
func classify(op string, code uint16, text string) error {
	if code == 1045 {
		return ErrAuth
	}
	for _, t := range errorTexts {
		if !strings.HasPrefix(op, t.op) {
			continue
		}
		if !slices.ContainsFunc(t.text, func(part string) bool { return !strings.Contains(text, part) }) {
			return t.kind
		}
	}
	return nil
}
