package starrocks

import (
	"context"
	"fmt"
)

// IndexSchema is the schema version of an index of a table, a row of SHOW PROC '/dbs/<id>/<table id>/index_schema'
// (recording 09). A fast schema change moves it, and nothing else that can be read: no partition's version, and where a
// column was dropped and added again, not even the definition.
type IndexSchema struct {
	Index         string // the base index has the table's name
	Version, Hash int64
}

// IndexSchemas lists the schema versions of a table's indexes. It needs OPERATE: ErrDenied without.
func (c *Client) IndexSchemas(ctx context.Context, databaseID, tableID int64) ([]IndexSchema, error) {
	path := fmt.Sprintf("/dbs/%d/%d/index_schema", databaseID, tableID)
	t, err := c.query(ctx, call{op: "SHOW PROC", target: path, sql: "SHOW PROC '" + path + "'"})
	if err != nil {
		return nil, err
	}
	list := make([]IndexSchema, len(t.rows))
	for i, r := range t.rows {
		list[i] = IndexSchema{Index: r.text("IndexName"), Version: r.number("SchemaVersion"), Hash: r.number("SchemaHash")}
	}
	return list, nil
}
