package starrockssim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	sim "starkeep/test/starrockssim"
)

func TestABackendCutOffFromTheStoreReportsItUntilItIsBack(t *testing.T) {
	c := start(t, sim.Options{})
	sales(t, c)
	c.BreakStore(1, errors.New("Connect to s3.example.com:443 failed: connect timed out"))
	must(t, c, "BACKUP SNAPSHOT d.s1 TO r "+salesOn)
	cut := fmt.Sprintf("=%d", c.BackendIDs()[1])
	onlyIts := func() bool {
		r := row(t, c, "BACKUP", "d")
		tasks := strings.Split(r[9], ", ")
		return r[3] == "UPLOADING" && contains(r[11], "connect timed out") && strings.Count(r[9], cut) == len(tasks)
	}
	eventually(t, onlyIts, func() string { return fmt.Sprint(row(t, c, "BACKUP", "d")) })
	c.BreakStore(1, nil)
	reach(t, c, "BACKUP", "d", "FINISHED")
}
