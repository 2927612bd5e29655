package starrocks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStates(t *testing.T) {
	for state, want := range map[State][3]bool{ // terminal, cancellable, committing
		StatePending: {false, true, false}, StateSnapshoting: {false, true, false}, StateUploadSnapshot: {false, true, false},
		StateUploading: {false, true, false}, StateSaveMeta: {false, true, false}, StateUploadInfo: {false, true, false},
		StateDownload: {false, true, false}, StateDownloading: {false, true, false},
		StateCommit: {false, false, true}, StateCommitting: {false, false, true},
		StateFinished: {true, false, false}, StateCancelled: {true, false, false},
		"SOMETHING_NEW": {false, false, false},
	} {
		if got := [3]bool{state.Terminal(), state.Cancellable(), state.Committing()}; got != want {
			t.Errorf("%s: terminal, cancellable, committing = %v", state, got)
		}
	}
}

func TestStatusMeans(t *testing.T) {
	for status, want := range map[string]Reason{
		"[OK]":                                {Class: StatusOK},
		"[COMMON_ERROR, msg: user cancelled]": {Class: StatusUserCancelled, Text: "user cancelled"},
		"[COMMON_ERROR, msg: user cancelled, current state: COMMITTING]": {StatusUserCancelled, StateCommitting, "user cancelled, current state: COMMITTING"},
		"[TIMEOUT, msg: ]": {Class: StatusTimeout, Text: "timeout"},
		"[TIMEOUT, msg: restore job with label: s27  timeout.]":                                                                  {Class: StatusTimeout, Text: "restore job with label: s27  timeout."},
		"[OLAP_VERSION_ALREADY_MERGED, msg: make snapshot failed, version already merged]":                                       {Class: StatusVersionMerged, Text: "make snapshot failed, version already merged"},
		"[COMMON_ERROR, msg: Failed to create replicas for restore. unfinished marks: 10003=14112, 10003=14106]":                 {Class: StatusCreateReplicasFailed, Text: "Failed to create replicas for restore. unfinished marks: 10003=14112, 10003=14106"},
		"[NOT_FOUND, msg: table 12443 has been dropped]":                                                                         {Class: StatusDropped, Text: "table 12443 has been dropped"},
		"[COMMON_ERROR, msg: Table base already exist but with different schema, errMsg: ]":                                      {Class: StatusSchemaMismatch, Text: "Table base already exist but with different schema, errMsg: "},
		"[COMMON_ERROR, msg: Table base already exist but with different key type]":                                              {Class: StatusSchemaMismatch, Text: "Table base already exist but with different key type"},
		"[COMMON_ERROR, msg: Table's partition type is different]":                                                               {Class: StatusSchemaMismatch, Text: "Table's partition type is different"},
		"[COMMON_ERROR, msg: Partition p1 in table base has different range with partition in repository]":                       {Class: StatusSchemaMismatch, Text: "Partition p1 in table base has different range with partition in repository"},
		"[COMMON_ERROR, msg: Partition p1 in table base has conflict range with existing ranges]":                                {Class: StatusSchemaMismatch, Text: "Partition p1 in table base has conflict range with existing ranges"},
		"[COMMON_ERROR, msg: Partition t in table t has different replication num '1' with partition in repository, which is 3]": {Class: StatusSchemaMismatch, Text: "Partition t in table t has different replication num '1' with partition in repository, which is 3"},
		"[COMMON_ERROR, msg: No partition exist in single partitioned table lst]":                                                {Class: StatusSchemaMismatch, Text: "No partition exist in single partitioned table lst"},
		"[BAD_REPLACE, msg: Table: vw has existed and it is not a View]":                                                         {Class: StatusSchemaMismatch, Text: "Table: vw has existed and it is not a View"},
		"[COMMON_ERROR, msg: Table base's state is not NORMAL: ROLLUP]":                                                          {Class: StatusTableState, Text: "Table base's state is not NORMAL: ROLLUP"},
		"[COMMON_ERROR, msg: Do not support restoring table with temp partitions]":                                               {Class: StatusTableState, Text: "Do not support restoring table with temp partitions"},
		"[COMMON_ERROR, msg: Failed to read backup meta from file]":                                                              {Class: StatusMetaUnreadable, Text: "Failed to read backup meta from file"},
		"[COMMON_ERROR, msg: file is invalid: /opt/fe/temp_dir/backup/l__a/__meta]":                                              {Class: StatusFileInvalid, Text: "file is invalid: /opt/fe/temp_dir/backup/l__a/__meta"},
		"[COMMON_ERROR, msg: failed to delete remote path: s3://b/__meta.part. msg: delete path s3://b/__meta.parterror]":        {Class: StatusRepositoryWrite, Text: "failed to delete remote path: s3://b/__meta.part. msg: delete path s3://b/__meta.parterror"},
		"[COMMON_ERROR, msg: failed to find 4 different hosts to create table: t]":                                               {Class: StatusNoHosts, Text: "failed to find 4 different hosts to create table: t"},
		"[COMMON_ERROR, msg: something new]":                                                                                     {Class: StatusOther, Text: "something new"},
		"":                                                                                                                       {Class: StatusOther},
	} {
		if diff := cmp.Diff(want, Job{Status: status}.Reason()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", status, diff)
		}
	}
	if !(Reason{Class: StatusVersionMerged}).Transient() || (Reason{Class: StatusFileInvalid}).Transient() {
		t.Error("transient classes")
	}
}

func TestTaskErrorsAreTakenApart(t *testing.T) {
	for text, want := range map[string][]TaskError{
		"":                                      nil,
		"nonsense":                              nil,
		"[12: first, text,second], [-3: other]": {{12, []string{"first, text", "second"}, TaskOther}, {-3, []string{"other"}, TaskOther}},
		"[10489: make_snapshot failed. status: Not found: get_applied_rowsets(version 2) failed tablet:10489 #version:1 [1 3]], [10490: make_snapshot failed. status: Runtime error: tablet not found]": {
			{10489, []string{"make_snapshot failed. status: Not found: get_applied_rowsets(version 2) failed tablet:10489 #version:1 [1 3]"}, TaskVersionNotFound},
			{10490, []string{"make_snapshot failed. status: Runtime error: tablet not found"}, TaskTabletNotFound}},
		"[7: /data/be1/snapshot/1.2.3/4/5/6_0.dat: No such file or directory,Fail to move dir=/x tablet id=4]": {
			{7, []string{"/data/be1/snapshot/1.2.3/4/5/6_0.dat: No such file or directory", "Fail to move dir=/x tablet id=4"}, TaskFileMissing}},
	} {
		if diff := cmp.Diff(want, ParseTaskErrors(text)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", text, diff)
		}
	}
	for text, want := range map[string]TaskErrorClass{
		"snapshot path does not exist: /d,Fail to move dir=/d tablet id=1": TaskSnapshotPathGone,
		"fail to find header or meta file,Fail to move dir=/d tablet id=1": TaskHeaderMissing,
		"get nothing from remote path: s3://b/__1":                         TaskRemoteEmpty,
		"invalid md5 of downloaded file: /d/a.dat, expected: a, get: b":    TaskWrongMD5,
		"invalid tablet file name: foreign":                                TaskForeignFile,
		"failed to get local tablet: 4":                                    TaskTabletNotFound,
		"make_snapshot failed. status: Not found: capture_consistent_versions error: version not found. tablet_id: 1, version: 4 tablet_max_version:2":                           TaskVersionNotFound,
		"make_snapshot failed. status: Version already merged: capture_consistent_versions error: version already been compacted. tablet_id: 1, version: 4 tablet_max_version:4": TaskVersionMerged,
	} {
		if got := ParseTaskErrors("[1: " + text + "]"); len(got) != 1 || got[0].Class != want || got[0].Text() != text {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestUnfinishedTasks(t *testing.T) {
	if diff := cmp.Diff([]Task{{20950, 10001}, {20951, 10002}}, parseTasks("20950=10001, 20951=10002")); diff != "" {
		t.Error(diff)
	}
	if got := parseTasks("x, 1=, =2, 3=4"); !cmp.Equal(got, []Task{{3, 4}}) {
		t.Errorf("%v", got)
	}
}

func FuzzParseTaskErrors(f *testing.F) {
	f.Add("[1: a,b], [2: c]")
	f.Add("[1: ], [2: ]], [")
	f.Fuzz(func(t *testing.T, text string) { ParseTaskErrors(text) })
}
