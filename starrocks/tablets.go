package starrocks

import (
	"context"
	"fmt"
	"strconv"
)

// TabletPlace tells where a tablet belongs; the zero value if there is no such tablet. Only the leader's view is sure.
func (c *Client) TabletPlace(ctx context.Context, tablet int64) (TabletPlace, error) {
	id := strconv.FormatInt(tablet, 10)
	t, err := c.query(ctx, call{op: "SHOW TABLET", target: id, sql: "SHOW TABLET " + id})
	if err != nil || len(t.rows) == 0 {
		return TabletPlace{}, err
	}
	r := t.rows[0]
	return TabletPlace{r.text("DbName"), r.text("TableName"), r.text("PartitionName"), r.text("IndexName")}, nil
}

// TableTablets lists the replicas of a table's tablets, of all partitions or of those named.
func (c *Client) TableTablets(ctx context.Context, database, table string, partitions ...string) ([]Tablet, error) {
	name, err := qualified(database, "table", table)
	if err != nil {
		return nil, err
	}
	if len(partitions) > 0 {
		list, err := identifiers("partition", partitions)
		if err != nil {
			return nil, err
		}
		name += " PARTITION (" + list + ")"
	}
	t, err := c.query(ctx, call{op: "SHOW TABLET", target: database + "." + table, sql: "SHOW TABLET FROM " + name})
	if err != nil {
		return nil, err
	}
	tablets := make([]Tablet, len(t.rows))
	for i, r := range t.rows {
		tablets[i] = Tablet{
			ID:                r.number("TabletId"),
			Replica:           r.number("ReplicaId"),
			Backend:           r.number("BackendId"),
			Version:           r.number("Version"),
			LastFailedVersion: r.number("LstFailedVersion"),
			State:             r.text("State"),
		}
	}
	return tablets, nil
}

// CountRows counts the rows of a table, or of one partition.
func (c *Client) CountRows(ctx context.Context, database, table, partition string) (int64, error) {
	name, err := qualified(database, "table", table)
	if err != nil {
		return 0, err
	}
	target := database + "." + table
	if partition != "" {
		p, err := identifier("partition", partition)
		if err != nil {
			return 0, err
		}
		name += " PARTITION (" + p + ")"
		target += "/" + partition
	}
	t, err := c.query(ctx, call{op: "SELECT COUNT(*)", target: target, sql: "SELECT COUNT(*) FROM " + name})
	if err != nil {
		return 0, err
	}
	if len(t.rows) != 1 || len(t.rows[0].values) != 1 {
		return 0, fmt.Errorf("SELECT COUNT(*) of %s: %d rows in the answer", target, len(t.rows))
	}
	return strconv.ParseInt(t.rows[0].values[0].String, 10, 64)
}
