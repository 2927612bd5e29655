package activities

import (
	"testing"

	"starkeep/starrocks"
)

// TestSubmissionThatStaysSpoiled: others get in the way a few times; what stays is the attempt's own damaged __info.
func TestSubmissionThatStaysSpoiled(t *testing.T) {
	damaged := &starrocks.Error{Op: "RESTORE", Text: "Failed to get info of snapshot 's' because: md5sum does not equal. local: a, remote: b. Maybe specified wrong backup timestamp", Kind: starrocks.ErrSubmissionBusy}
	busy := &starrocks.Error{Op: "RESTORE", Text: "Another backup or restore job is being submitted. Please wait and try again", Kind: starrocks.ErrSubmissionBusy}
	for _, c := range []struct {
		name    string
		err     error
		attempt int32
		want    bool
	}{
		{"first attempt", damaged, 1, false},
		{"third attempt", damaged, 3, true},
		{"the lock is busy for long", busy, 50, false},
		{"another error", starrocks.ErrDatabaseBusy, 50, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spoiledForGood(c.err, c.attempt); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
