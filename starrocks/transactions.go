package starrocks

import (
	"context"
	"strconv"
	"time"
)

// Transaction is a load that has not ended, a row of SHOW PROC '/transactions/<db id>/running'.
type Transaction struct {
	ID        int64
	Label     string
	State     string    // "PREPARE", "PREPARED", "COMMITTED"
	Committed time.Time // UTC, whole seconds; zero before
	Message   string    // why it is not visible yet, in StarRocks' words
}

// IsCommitted says that the load has its place among the versions of its partitions, and is not visible yet. Over a RESTORE
// into its table it either re-appears on top of the restored data or blocks the table for good (starrocks-measured B 23, 24).
func (t Transaction) IsCommitted() bool { return t.State == "COMMITTED" }

// DatabaseID reads the id of a database; ErrUnknownDatabase if there is none. It needs OPERATE (ErrDenied).
func (c *Client) DatabaseID(ctx context.Context, database string) (int64, error) {
	q := call{op: "SHOW PROC '/dbs'", target: database, sql: "SHOW PROC '/dbs'"}
	t, err := c.query(ctx, q)
	if err != nil {
		return 0, err
	}
	for _, r := range t.rows {
		if r.text("DbName") == database {
			return r.number("DbId"), nil
		}
	}
	return 0, &Error{Op: q.op, Target: q.target, Text: "no such database", Kind: ErrUnknownDatabase}
}

// RunningTransactions lists the loads of a database that have not ended. It needs OPERATE (ErrDenied).
func (c *Client) RunningTransactions(ctx context.Context, databaseID int64) ([]Transaction, error) {
	path := transactionsPath(databaseID)
	t, err := c.query(ctx, call{op: "SHOW PROC", target: path, sql: "SHOW PROC '" + path + "'"})
	if err != nil {
		return nil, err
	}
	list := make([]Transaction, len(t.rows))
	for i, r := range t.rows {
		list[i] = Transaction{
			ID: r.number("TransactionId"), Label: r.text("Label"), State: r.text("TransactionStatus"), Committed: r.time("CommitTime"), Message: r.text("ErrMsg"),
		}
	}
	return list, nil
}

// TransactionTables lists the ids of the tables that a load has committed into; an error if it has ended meanwhile. By
// source, not measured (TransTablesProcDir: columns TableId, CommittedPartitionIds).
func (c *Client) TransactionTables(ctx context.Context, databaseID, transaction int64) ([]int64, error) {
	path := transactionsPath(databaseID) + "/" + strconv.FormatInt(transaction, 10)
	t, err := c.query(ctx, call{op: "SHOW PROC", target: path, sql: "SHOW PROC '" + path + "'"})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(t.rows))
	for i, r := range t.rows {
		ids[i] = r.number("TableId")
	}
	return ids, nil
}

func transactionsPath(databaseID int64) string {
	return "/transactions/" + strconv.FormatInt(databaseID, 10) + "/running"
}
