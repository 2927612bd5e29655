package starrocks

import (
	"encoding/json"
	"errors"
	"testing"
)

var sentinels = map[string]error{
	"": nil, "ErrDatabaseBusy": ErrDatabaseBusy, "ErrSubmissionBusy": ErrSubmissionBusy, "ErrRepositoryMissing": ErrRepositoryMissing,
	"ErrRepositoryExists": ErrRepositoryExists, "ErrRepositoryReadOnly": ErrRepositoryReadOnly, "ErrRepositoryUnreachable": ErrRepositoryUnreachable,
	"ErrRepositoryDamaged": ErrRepositoryDamaged, "ErrSnapshotMissing": ErrSnapshotMissing, "ErrSnapshotDamaged": ErrSnapshotDamaged,
	"ErrLabelExists": ErrLabelExists, "ErrUnknownDatabase": ErrUnknownDatabase, "ErrUnknownTable": ErrUnknownTable,
	"ErrUnknownPartition": ErrUnknownPartition, "ErrTableExists": ErrTableExists, "ErrDenied": ErrDenied, "ErrNoLeader": ErrNoLeader,
	"ErrNoBackend": ErrNoBackend, "ErrNoJob": ErrNoJob, "ErrNotCancellable": ErrNotCancellable, "ErrUnsupported": ErrUnsupported,
	"ErrTableState": ErrTableState, "ErrSyntax": ErrSyntax, "ErrInvalidName": ErrInvalidName, "ErrRepositoryBusy": ErrRepositoryBusy,
}

// testdata/errors.json holds every error of the recordings, one of each shape, with what it was judged to mean; kind ""
// are those that mean nothing special here.
func TestEveryRecordedErrorHasItsMeaning(t *testing.T) {
	var recorded []struct {
		Op, SQLState, Kind, Message string
		Code                        uint16
	}
	if err := json.Unmarshal(testdata(t, "errors.json")["errors.json"], &recorded); err != nil {
		t.Fatal(err)
	}
	if len(recorded) < 240 {
		t.Fatalf("only %d errors", len(recorded))
	}
	for _, e := range recorded {
		want, known := sentinels[e.Kind]
		if !known {
			t.Fatalf("testdata names %q", e.Kind)
		}
		if got := classify(e.Op, e.Code, e.Message); got != want {
			t.Errorf("%s: %s (%d)\n\tis taken for: %v\n\tinstead of: %v", e.Op, e.Message, e.Code, got, want)
		}
	}
}

func TestErrorsOfOtherVersionsAndRareOnes(t *testing.T) {
	for _, c := range []struct {
		op, text string
		code     uint16
		want     error
	}{
		{"SHOW BACKUP", "Access denied for user 'root' (using password: YES)", 1045, ErrAuth},
		{"SHOW BACKUP", "whatever", 1045, ErrAuth},
		{"BACKUP", "Unknown database 'd'", 1049, ErrUnknownDatabase},
		{"BACKUP", "Unknown table 't'", 1051, ErrUnknownTable},
		{"BACKUP", "Getting analyzing error. Detail message: partition[p] does not exist  in tablet.", 1064, ErrUnknownPartition},
		{"BACKUP", "List partition table does not support backup/restore job", 1064, ErrUnsupported},
		{"BACKUP", "Table: t can not support backup restore, type: CLOUD_NATIVE", 5064, ErrUnsupported},
		{"SHOW FRONTENDS", "java.net.ConnectException: Connection refused (Connection refused)", 1064, ErrNoLeader},
		{"SHOW DATABASES", "Node catalog is not ready, please wait for a while.", 1064, ErrNoLeader},
		{"BACKUP", "failed to list remote path: s3://b/x. msg: java.net.UnknownHostException: minio", 5064, ErrRepositoryUnreachable},
		{"CANCEL RESTORE", "No restore job is currently running", 5064, ErrNoJob},
		{"ALTER TABLE RENAME", "Table[t] is under RESTORE", 5064, ErrTableState},
		{"ALTER TABLE RENAME", "Table name[t] is already used", 1064, ErrTableExists},
		{"SELECT FROM information_schema.partitions_meta", "Unknown table 'information_schema.partitions_meta'", 1064, ErrUnknownTable},
		// The spoiled RESTORE texts of rule 2.
		{"RESTORE", "Failed to get info of snapshot 'z' because: md5sum does not equal. local: d41d8cd98f00b204e9800998ecf8427e, remote: 90cbd4856ec7b77dbf8586eed8f63466. Maybe specified wrong backup timestamp", 5064, ErrSubmissionBusy},
		{"RESTORE", "Failed to get info of snapshot 'z' because: file /fe/temp_dir/backup/info_1795365037434 does not exist. Maybe specified wrong backup timestamp", 5064, ErrSubmissionBusy},
		{"RESTORE", "A JSONObject text must begin with '{' at 0 [character 1 line 1]", 1064, ErrSubmissionBusy},
		{"RESTORE", "Failed to get info of snapshot 'z' because: Expected one file with path: s3://b/__info_2. get: 2. Maybe specified wrong backup timestamp", 5064, ErrSnapshotDamaged},
	} {
		if got := classify(c.op, c.code, c.text); got != c.want {
			t.Errorf("%s: %s\n\tis taken for: %v\n\tinstead of: %v", c.op, c.text, got, c.want)
		}
	}
}

func TestErrorTellsWhatWhereAndStarRocksWords(t *testing.T) {
	var err error = &Error{Op: "BACKUP", Target: "d.l", Code: 5064, Text: "words", Kind: ErrDatabaseBusy}
	if err.Error() != "BACKUP d.l: StarRocks said: words (5064)" || !errors.Is(err, ErrDatabaseBusy) {
		t.Error(err)
	}
}
