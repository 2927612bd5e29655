package starrocks

import (
	"regexp"
	"strings"
)

// StatusClass says what a job's Status text means for the one who drives the job.
type StatusClass int

// The classes of Status texts.
const (
	StatusOK                   StatusClass = iota // "[OK]"
	StatusUserCancelled                           // somebody sent CANCEL; Reason.State says in which state, for a RESTORE
	StatusTimeout                                 // the job's own timeout ran out
	StatusVersionMerged                           // BACKUP: a BE compacted the version away. Transient; the same label is free
	StatusCreateReplicasFailed                    // RESTORE: no answers to CREATE, after an FE start or with a BE lost. Transient (rule 11)
	StatusDropped                                 // a table, partition or database of the job was dropped meanwhile
	StatusSchemaMismatch                          // RESTORE: the local object differs: schema, keys, partitions, replication, kind
	StatusTableState                              // a table is not NORMAL, or has temporary partitions
	StatusMetaUnreadable                          // RESTORE: __meta is missing, doubled, damaged or of a newer version
	StatusFileInvalid                             // BACKUP UPLOAD_INFO at a new leader: never heals, the label is burnt (rule 11)
	StatusRepositoryWrite                         // BACKUP UPLOAD_INFO: the FE cannot write; tried again every tick
	StatusNoHosts                                 // RESTORE: fewer hosts alive than replicas wanted, or disks are full
	StatusOther
)

// Reason is what a Status text says.
type Reason struct {
	Class StatusClass
	State State  // StatusUserCancelled of a RESTORE: the state in which the CANCEL met the job
	Text  string // what StarRocks said, without code and brackets
}

// Transient says that the same job, submitted again, has a good chance.
func (r Reason) Transient() bool {
	return r.Class == StatusVersionMerged || r.Class == StatusCreateReplicasFailed
}

var statusText = regexp.MustCompile(`(?s)^\[([A-Z_]+)(?:, msg: (.*))?\]$`)

// statusClasses maps substrings of Status texts to classes; the first that occurs wins.
var statusClasses = []struct {
	text  string
	class StatusClass
}{
	{"version already merged", StatusVersionMerged},
	{"Failed to create replicas for restore", StatusCreateReplicasFailed},
	{"has been dropped", StatusDropped},
	{"already exist but with different", StatusSchemaMismatch},
	{"partition type is different", StatusSchemaMismatch},
	{"different range with partition in repository", StatusSchemaMismatch},
	{"conflict range with existing ranges", StatusSchemaMismatch},
	{"different replication num", StatusSchemaMismatch},
	{"No partition exist in single partitioned table", StatusSchemaMismatch},
	{"has existed and it is not a View", StatusSchemaMismatch},
	{"is automatic bucket partition, can not be restored", StatusSchemaMismatch},
	{"check colocate restore failed", StatusSchemaMismatch},
	{"state is not NORMAL", StatusTableState},
	{"with temp partitions", StatusTableState},
	{"Failed to read backup meta from file", StatusMetaUnreadable},
	{"file is invalid: ", StatusFileInvalid},
	{"failed to delete remote path", StatusRepositoryWrite},
	{"failed to rename", StatusRepositoryWrite},
	{"failed to list remote path", StatusRepositoryWrite},
	{"write exception", StatusRepositoryWrite},
	{"different hosts to create table", StatusNoHosts},
	{"exceed limit usage", StatusNoHosts},
}

// Reason reads the job's Status (facts §3.1, §4.2, §9).
func (j Job) Reason() Reason {
	m := statusText.FindStringSubmatch(j.Status)
	if m == nil {
		return Reason{Class: StatusOther, Text: j.Status}
	}
	code, text := m[1], m[2]
	if code == "OK" {
		return Reason{Class: StatusOK}
	}
	if text == "user cancelled" {
		return Reason{Class: StatusUserCancelled, Text: text}
	}
	if state, found := strings.CutPrefix(text, "user cancelled, current state: "); found {
		return Reason{Class: StatusUserCancelled, State: State(state), Text: text}
	}
	if code == "TIMEOUT" {
		if text == "" {
			text = "timeout"
		}
		return Reason{Class: StatusTimeout, Text: text}
	}
	for _, c := range statusClasses {
		if strings.Contains(text, c.text) {
			return Reason{Class: c.class, Text: text}
		}
	}
	return Reason{Class: StatusOther, Text: text}
}
