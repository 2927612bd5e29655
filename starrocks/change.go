package starrocks

import (
	"context"
	"strings"
)

// Statements that change something. Each is sent once: after ErrConnectionLost it may have been carried out, and the
// caller must look.

// Backup submits a BACKUP. When it returns nil the job is in its database's slot, in PENDING.
func (c *Client) Backup(ctx context.Context, s BackupStatement) error {
	text, err := s.SQL()
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "BACKUP", target: s.Database + "." + s.Label, sql: text})
}

// Restore submits a RESTORE. A RESTORE that StarRocks refuses may have created the target database (rule 21).
func (c *Client) Restore(ctx context.Context, s RestoreStatement) error {
	text, err := s.SQL()
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "RESTORE", target: s.Database + "." + s.Label, sql: text})
}

// CancelBackup cancels the BACKUP that is in the database's slot, whosever it is: look before. ErrNoJob if there is
// none, ErrNotCancellable if it has ended. After any error read the row (rule 11).
func (c *Client) CancelBackup(ctx context.Context, database string) error {
	return c.onDatabase(ctx, "CANCEL BACKUP", "CANCEL BACKUP FROM ", database)
}

// CancelRestore cancels the RESTORE that is in the database's slot, whosever and in whatever state it is: look before.
func (c *Client) CancelRestore(ctx context.Context, database string) error {
	return c.onDatabase(ctx, "CANCEL RESTORE", "CANCEL RESTORE FROM ", database)
}

// CreateDatabase creates a database if it is not there.
func (c *Client) CreateDatabase(ctx context.Context, database string) error {
	return c.onDatabase(ctx, "CREATE DATABASE", "CREATE DATABASE IF NOT EXISTS ", database)
}

func (c *Client) onDatabase(ctx context.Context, op, statement, database string) error {
	name, err := identifier("database", database)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: op, target: database, sql: statement + name})
}

// SwapTables exchanges the names of two tables of a database. Sent twice it undoes itself: act on table ids.
func (c *Client) SwapTables(ctx context.Context, database, table, with string) error {
	return c.alter(ctx, database, table, "SWAP WITH", with)
}

// RenameTable gives a table another name.
func (c *Client) RenameTable(ctx context.Context, database, from, to string) error {
	return c.alter(ctx, database, from, "RENAME", to)
}

func (c *Client) alter(ctx context.Context, database, table, what, other string) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	second, err := identifier("table", other)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "ALTER TABLE " + what, target: database + "." + table + " " + strings.ToLower(what) + " " + other,
		sql: "ALTER TABLE " + name + " " + what + " " + second})
}

// DropTable drops a table, into the recycle bin: never FORCE. Never drop a table that a RESTORE is creating (rule 15).
func (c *Client) DropTable(ctx context.Context, database, table string) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "DROP TABLE", target: database + "." + table, sql: "DROP TABLE " + name})
}

// SetTableProperty sets a property: ("dynamic_partition.enable", "false").
func (c *Client) SetTableProperty(ctx context.Context, database, table, key, value string) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	property, err := propertyList(map[string]string{key: value})
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "ALTER TABLE SET", target: database + "." + table + " " + key,
		sql: "ALTER TABLE " + name + " SET (" + property + ")"})
}
