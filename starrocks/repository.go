package starrocks

import (
	"context"
	"strconv"
)

// CreateRepository creates a repository, or attaches to the one that is at the location. Neither the statement nor its
// credentials appear in the error.
func (c *Client) CreateRepository(ctx context.Context, s RepositoryStatement) error {
	text, err := s.sql()
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "CREATE REPOSITORY", target: s.Name, sql: text, secrets: s.secrets()})
}

// DropRepository makes the cluster forget a repository; its objects stay (facts §2.2). ErrRepositoryMissing if there is
// none of that name, ErrRepositoryBusy while a job of it runs.
func (c *Client) DropRepository(ctx context.Context, name string) error {
	if err := CheckRepository(name); err != nil {
		return err
	}
	return c.exec(ctx, call{op: "DROP REPOSITORY", target: name, sql: "DROP REPOSITORY `" + name + "`"})
}

// SnapshotStatus is what the FE says of one native snapshot after it has looked into the repository: "OK", "ERROR: no
// snapshot" also for a label that never was, "ERROR: Failed to get info: …" where it cannot look. It costs one listing,
// however big the repository is (facts §3.3).
func (c *Client) SnapshotStatus(ctx context.Context, repository, label string) (string, error) {
	if err := CheckRepository(repository); err != nil {
		return "", err
	}
	if err := CheckLabel(label); err != nil {
		return "", err
	}
	t, err := c.query(ctx, call{op: "SHOW SNAPSHOT", target: repository, sql: "SHOW SNAPSHOT ON `" + repository + "` WHERE SNAPSHOT = '" + label + "'"})
	if err != nil || len(t.rows) == 0 {
		return "", err
	}
	return t.rows[0].text("Status"), nil
}

// CreateScratchTable creates a table of two BIGINT columns, k and v, with one replica of each bucket: StarRocks deals
// buckets out to the BEs in turn. It does nothing where a table of that name exists.
func (c *Client) CreateScratchTable(ctx context.Context, database, table string, buckets int) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "CREATE TABLE", target: database + "." + table,
		sql: "CREATE TABLE IF NOT EXISTS " + name + " (`k` BIGINT NOT NULL, `v` BIGINT) DUPLICATE KEY(`k`) DISTRIBUTED BY HASH(`k`) BUCKETS " +
			strconv.Itoa(buckets) + ` PROPERTIES ("replication_num" = "1")`})
}

// FillScratchTable inserts rows 1 to n into a table that CreateScratchTable made.
func (c *Client) FillScratchTable(ctx context.Context, database, table string, n int) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	text := []byte("INSERT INTO " + name + " VALUES ")
	for i := range n {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(text, '(')
		text = strconv.AppendInt(text, int64(i+1), 10)
		text = append(text, ", "...)
		text = strconv.AppendInt(text, int64(i+1)*int64(i+1), 10)
		text = append(text, ')')
	}
	return c.exec(ctx, call{op: "INSERT", target: database + "." + table, sql: string(text)})
}

// DropDatabase drops a database that is there, into the recycle bin. Never drop one in which a RESTORE runs (rule 15).
func (c *Client) DropDatabase(ctx context.Context, database string) error {
	return c.onDatabase(ctx, "DROP DATABASE", "DROP DATABASE IF EXISTS ", database)
}
