package starrocks

import (
	"context"
	"fmt"
)

// TableState is what the FE does with a table at the moment, a row of SHOW PROC '/dbs/<id>' (facts §4.5).
type TableState struct {
	ID      int64
	State   string // "NORMAL", "SCHEMA_CHANGE", "ROLLUP", "RESTORE", "OPTIMIZE", …; empty for views
	Indexes int    // 1 and one for each rollup or synchronous materialized view
}

// TableStates gives the state of each table of a database by its name. It needs OPERATE: ErrDenied without.
func (c *Client) TableStates(ctx context.Context, database string) (map[string]TableState, error) {
	id, err := c.DatabaseID(ctx, database)
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, call{op: "SHOW PROC '/dbs'", target: database, sql: fmt.Sprintf("SHOW PROC '/dbs/%d'", id)})
	if err != nil {
		return nil, err
	}
	states := make(map[string]TableState, len(t.rows))
	for _, r := range t.rows {
		states[r.text("TableName")] = TableState{ID: r.number("TableId"), State: r.text("State"), Indexes: int(r.number("IndexNum"))}
	}
	return states, nil
}
