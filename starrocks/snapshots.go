package starrocks

import (
	"context"
	"strings"
)

// ListedSnapshot is a row of SHOW SNAPSHOT: a native snapshot as StarRocks sees it (facts §3.3). Its Status says OK also
// for snapshots that cannot be restored (measured B 22): the repository's own objects are the truth.
type ListedSnapshot struct {
	Label      string
	Timestamps []string // of its __info files, for backup_timestamp; "Invalid: <file>" for leftovers
	Status     string   // "OK", "ERROR: no snapshot", "ERROR: Failed to get info: …"
}

// Snapshots lists the native snapshots of a repository. The FE lists the store once for each of them, which takes long
// in a big repository. ErrRepositoryMissing if there is no such repository.
func (c *Client) Snapshots(ctx context.Context, repository string) ([]ListedSnapshot, error) {
	if err := CheckRepository(repository); err != nil {
		return nil, err
	}
	t, err := c.query(ctx, call{op: "SHOW SNAPSHOT", target: repository, sql: "SHOW SNAPSHOT ON `" + repository + "`"})
	if err != nil {
		return nil, err
	}
	list := make([]ListedSnapshot, len(t.rows))
	for i, r := range t.rows {
		list[i] = ListedSnapshot{Label: r.text("Snapshot"), Status: r.text("Status")}
		if text := r.text("Timestamp"); text != "" {
			list[i].Timestamps = strings.Split(text, "\n")
		}
	}
	return list, nil
}
