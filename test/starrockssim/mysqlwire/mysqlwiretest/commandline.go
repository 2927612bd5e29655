// Package mysqlwiretest is what tests of MySQL servers share.
package mysqlwiretest

import (
	"os"
	"os/exec"
	"testing"
)

// CommandLine returns the path of the mariadb command line client; without it the test is skipped, with a word on what
// to install, or fails where CI=true.
func CommandLine(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"mariadb", "mysql"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "needs the mariadb client: apt-get install --no-install-recommends mariadb-client-core"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
