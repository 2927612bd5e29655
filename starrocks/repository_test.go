package starrocks

import (
	"errors"
	"strings"
	"testing"
)

// Names go into statements in quotes or not at all: nothing is sent for the others.
func TestRepositoryStatementsRefuseNamesThatCannotBeQuoted(t *testing.T) {
	c, err := Open(Config{Addresses: []string{"127.0.0.1:1"}, User: "u"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, label := c.SnapshotStatus(ctx, "r", "a' OR '1'='1")
	_, repository := c.SnapshotStatus(ctx, "r`", "a")
	for name, err := range map[string]error{
		"DROP REPOSITORY": c.DropRepository(ctx, "r`; DROP DATABASE d"), "a label": label, "a repository": repository,
		"CREATE TABLE": c.CreateScratchTable(ctx, "d", "t`", 1), "INSERT": c.FillScratchTable(ctx, "d`", "t", 1), "DROP DATABASE": c.DropDatabase(ctx, "d` FORCE; `"),
	} {
		if !errors.Is(err, ErrInvalidName) || strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
