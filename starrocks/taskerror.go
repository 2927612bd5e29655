package starrocks

import (
	"regexp"
	"strconv"
	"strings"
)

// TaskErrorClass says what a BE's words about one task mean (measured B, 20 and 22).
type TaskErrorClass int

// The classes of task errors.
const (
	TaskOther              TaskErrorClass = iota
	TaskSnapshotPathGone                  // COMMITTING: "snapshot path does not exist": never heals (primary key table moved twice)
	TaskFileMissing                       // COMMITTING: "No such file or directory": an object is missing; putting it back does not help
	TaskHeaderMissing                     // COMMITTING: "fail to find header": the .hdr or meta object is missing; likewise
	TaskRemoteEmpty                       // DOWNLOADING: "get nothing from remote path": heals when the objects are there
	TaskWrongMD5                          // DOWNLOADING: "invalid md5 of downloaded file": heals when the object is right
	TaskForeignFile                       // DOWNLOADING: "invalid tablet file name": heals when the foreign object is gone
	TaskTabletNotFound                    // "tablet not found", "failed to get local tablet": the replica is not there; never heals
	TaskVersionNotFound                   // SNAPSHOTING: the BE does not have the version (primary key: compacted away); never heals
	TaskVersionMerged                     // SNAPSHOTING: the version was compacted away; the FE cancels the job itself
	TaskSnapshotUnreadable                // UPLOADING: "snapshot path is not directory": the BE's snapshot was swept; never heals
	TaskDiskFull                          // "capacity limit reached"
)

// NeverHeals says that sending the task again cannot help: the job must be cancelled and submitted anew.
func (c TaskErrorClass) NeverHeals() bool {
	switch c {
	case TaskSnapshotPathGone, TaskFileMissing, TaskHeaderMissing, TaskTabletNotFound, TaskVersionNotFound, TaskSnapshotUnreadable:
		return true
	}
	return false
}

// TaskError is an entry of TaskErrMsg.
type TaskError struct {
	ID       int64 // tablet (BACKUP in SNAPSHOTING), else the task's signature (facts §3.1)
	Messages []string
	Class    TaskErrorClass
}

// Text is all messages in StarRocks' words.
func (e TaskError) Text() string { return strings.Join(e.Messages, ",") }

var taskErrorStart = regexp.MustCompile(`(?:^|\], )\[(-?\d+): `)

// ParseTaskErrors reads a TaskErrMsg column: "[20961: msg1,msg2], [20962: …]". Messages hold commas and brackets of
// their own: an entry ends where the next begins, and messages are divided at commas without a space after them.
func ParseTaskErrors(text string) []TaskError {
	starts := taskErrorStart.FindAllStringSubmatchIndex(text, -1)
	var errs []TaskError
	for i, m := range starts {
		end := len(strings.TrimSuffix(text, "]"))
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		id, err := strconv.ParseInt(text[m[2]:m[3]], 10, 64)
		if err != nil || m[1] > end {
			continue
		}
		words := text[m[1]:end]
		errs = append(errs, TaskError{ID: id, Messages: splitMessages(words), Class: classifyTask(words)})
	}
	return errs
}

func splitMessages(words string) []string {
	var messages []string
	from := 0
	for i := 0; i < len(words); i++ {
		if words[i] == ',' && i+1 < len(words) && words[i+1] != ' ' {
			messages = append(messages, words[from:i])
			from = i + 1
		}
	}
	return append(messages, words[from:])
}

var taskErrorTexts = []struct {
	text  string
	class TaskErrorClass
}{
	{"snapshot path does not exist", TaskSnapshotPathGone},
	{"No such file or directory", TaskFileMissing},
	{"fail to find header", TaskHeaderMissing},
	{"get nothing from remote path", TaskRemoteEmpty},
	{"of downloaded file", TaskWrongMD5},
	{"invalid tablet file name", TaskForeignFile},
	{"tablet not found", TaskTabletNotFound},
	{"failed to get local tablet", TaskTabletNotFound},
	{"version not found", TaskVersionNotFound},
	{"get_applied_rowsets", TaskVersionNotFound},
	{"version already been compacted", TaskVersionMerged},
	{"snapshot path is not directory", TaskSnapshotUnreadable},
	{"capacity limit reached", TaskDiskFull},
}

func classifyTask(words string) TaskErrorClass {
	for _, t := range taskErrorTexts {
		if strings.Contains(words, t.text) {
			return t.class
		}
	}
	return TaskOther
}
