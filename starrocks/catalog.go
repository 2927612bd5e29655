package starrocks

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Tables lists what stands in a database: tables, views, materialized views, in order of their names.
func (c *Client) Tables(ctx context.Context, database string) ([]Table, error) {
	names, err := c.schemaQuery(ctx, "information_schema.tables", "TABLE_SCHEMA", database, "TABLE_NAME", "TABLE_TYPE", "ENGINE")
	if err != nil {
		return nil, err
	}
	configs, err := c.schemaQuery(ctx, "information_schema.tables_config", "TABLE_SCHEMA", database, "TABLE_NAME", "TABLE_ENGINE",
		"TABLE_MODEL", "PARTITION_KEY", "DISTRIBUTE_KEY", "SORT_KEY", "PROPERTIES", "TABLE_ID")
	if err != nil {
		return nil, err
	}
	byName := make(map[string]row, len(configs.rows))
	for _, r := range configs.rows {
		byName[r.text("TABLE_NAME")] = r
	}
	tables := make([]Table, len(names.rows))
	for i, r := range names.rows {
		tables[i] = tableOf(database, r, byName[r.text("TABLE_NAME")])
	}
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return tables, nil
}

// TableIDs gives the id of each table of a database by its name; views have none, materialized views do. It is far
// cheaper than Tables.
func (c *Client) TableIDs(ctx context.Context, database string) (map[string]int64, error) {
	t, err := c.schemaQuery(ctx, "information_schema.tables_config", "TABLE_SCHEMA", database, "TABLE_NAME", "TABLE_ID")
	if err != nil {
		return nil, err
	}
	ids := make(map[string]int64, len(t.rows))
	for _, r := range t.rows {
		ids[r.text("TABLE_NAME")] = r.number("TABLE_ID")
	}
	return ids, nil
}

func tableOf(database string, r, config row) Table {
	t := Table{
		Database:      database,
		Name:          r.text("TABLE_NAME"),
		Engine:        config.text("TABLE_ENGINE"),
		ID:            config.number("TABLE_ID"),
		Keys:          config.text("TABLE_MODEL"),
		PartitionKey:  config.text("PARTITION_KEY"),
		DistributeKey: config.text("DISTRIBUTE_KEY"),
		SortKey:       config.text("SORT_KEY"),
	}
	t.Kind = kindOf(t.Engine, r.text("TABLE_TYPE"), r.text("ENGINE"))
	if text := config.text("PROPERTIES"); text != "" {
		t.Properties = propertiesOf(text)
	}
	return t
}

// kindOf reads TABLE_ENGINE of tables_config, and where that has no row, TABLE_TYPE and ENGINE of tables: a view has no
// ENGINE, a materialized view is a VIEW of ENGINE StarRocks (measured A 8.2).
func kindOf(engine, tableType, tablesEngine string) TableKind {
	switch {
	case engine == "OLAP":
		return KindTable
	case engine == "MATERIALIZED_VIEW":
		return KindMaterializedView
	case engine == "VIEW":
		return KindView
	case engine != "":
		return KindOther
	case tableType == "BASE TABLE" && tablesEngine == "StarRocks":
		return KindTable
	case tableType == "VIEW" && tablesEngine == "StarRocks":
		return KindMaterializedView
	case tableType == "VIEW":
		return KindView
	}
	return KindOther
}

func propertiesOf(text string) map[string]string {
	var raw map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil {
		return nil
	}
	properties := make(map[string]string, len(raw))
	for key, value := range raw {
		var s string
		if json.Unmarshal(value, &s) != nil {
			s = string(value)
		}
		properties[key] = s
	}
	return properties
}

// schemaQuery selects columns of a table of information_schema or sys. Columns that this version does not have are left
// out by selecting all it has.
func (c *Client) schemaQuery(ctx context.Context, from, by, database string, columns ...string) (*table, error) {
	q, err := schemaCall(from, by, database, strings.Join(columns, ", "))
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, q)
	if err != nil && isUnknownColumn(err) {
		if q, err = schemaCall(from, by, database, "*"); err != nil {
			return nil, err
		}
		t, err = c.query(ctx, q)
	}
	return t, err
}

func schemaCall(from, by, database, columns string) (call, error) {
	literal, err := nameLiteral("database", database)
	if err != nil {
		return call{}, err
	}
	return call{op: "SELECT FROM " + from, target: database,
		sql: "SELECT " + columns + " FROM " + from + " WHERE " + by + " = " + literal}, nil
}

func isUnknownColumn(err error) bool {
	var e *Error
	return errors.As(err, &e) && (strings.Contains(e.Text, "cannot be resolved") || strings.Contains(e.Text, "Unknown column"))
}

var partitionColumns = []string{"TABLE_NAME", "PARTITION_NAME", "PARTITION_ID", "VISIBLE_VERSION", "VISIBLE_VERSION_TIME", "BUCKETS", "REPLICATION_NUM",
	"IS_TEMP", "ROW_COUNT", "STORAGE_SIZE", "DATA_SIZE", "PARTITION_VALUE"}

// Partitions streams the physical partitions of all tables and materialized views of a database: also temporary ones and
// automatic tables' $shadow_automatic_partition (facts §8.1). Before 3.3 shadow partitions cannot be seen.
func (c *Client) Partitions(ctx context.Context, database string) iter.Seq2[Partition, error] {
	return c.partitions(ctx, database, "")
}

// PartitionsOf is Partitions of one table: cheaper, where a database has many.
func (c *Client) PartitionsOf(ctx context.Context, database, table string) iter.Seq2[Partition, error] {
	return c.partitions(ctx, database, table)
}

// partitions streams the physical partitions of one table, or of all if table is "".
func (c *Client) partitions(ctx context.Context, database, table string) iter.Seq2[Partition, error] {
	return func(yield func(Partition, error) bool) {
		err := c.partitionsMeta(ctx, database, table, yield, strings.Join(partitionColumns, ", "))
		if err != nil && isUnknownColumn(err) {
			err = c.partitionsMeta(ctx, database, table, yield, "*")
		}
		if errors.Is(err, ErrUnknownTable) {
			err = c.partitionsByTable(ctx, database, table, yield)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Partition{}, err)
		}
	}
}

// errEnough: the consumer of a stream wants no more.
var errEnough = errors.New("enough")

func (c *Client) partitionsMeta(ctx context.Context, database, table string, yield func(Partition, error) bool, columns string) error {
	q, err := schemaCall("information_schema.partitions_meta", "DB_NAME", database, columns)
	if err != nil {
		return err
	}
	if table != "" {
		literal, err := nameLiteral("table", table)
		if err != nil {
			return err
		}
		q.sql += " AND TABLE_NAME = " + literal
	}
	q.sql += " ORDER BY TABLE_NAME, PARTITION_ID"
	return c.stream(ctx, q, func(r row) error {
		p := Partition{
			Table:          r.text("TABLE_NAME"),
			Name:           r.text("PARTITION_NAME"),
			ID:             r.number("PARTITION_ID"),
			VisibleVersion: r.number("VISIBLE_VERSION"),
			VisibleAt:      r.time("VISIBLE_VERSION_TIME"),
			Buckets:        int(r.number("BUCKETS")),
			Replication:    int(r.number("REPLICATION_NUM")),
			Temporary:      r.yes("IS_TEMP"),
			Rows:           r.number("ROW_COUNT"),
			Bytes:          sizeOf(r, "STORAGE_SIZE", "DATA_SIZE"),
			Value:          r.text("PARTITION_VALUE"),
		}
		if !yield(p, nil) {
			return errEnough
		}
		return nil
	})
}

// sizeOf is a number of bytes if there is one, else the rounded text.
func sizeOf(r row, exact, rounded string) int64 {
	if n := parseSize(r.text(exact)); n > 0 {
		return n
	}
	return parseSize(r.text(rounded))
}

// partitionsByTable is Partitions for versions without partitions_meta.
func (c *Client) partitionsByTable(ctx context.Context, database, only string, yield func(Partition, error) bool) error {
	tables, err := c.Tables(ctx, database)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.Kind != KindTable && t.Kind != KindMaterializedView || only != "" && t.Name != only {
			continue
		}
		partitions, err := c.TablePartitions(ctx, database, t.Name)
		if errors.Is(err, ErrUnknownTable) { // dropped meanwhile
			continue
		}
		if err != nil {
			return err
		}
		temporary, err := c.temporaryPartitions(ctx, database, t.Name)
		if err != nil && !errors.Is(err, ErrUnknownTable) {
			return err
		}
		for _, p := range append(partitions, temporary...) {
			if !yield(p, nil) {
				return errEnough
			}
		}
	}
	return nil
}

// TablePartitions lists the physical partitions of a table; not temporary ones and not $shadow_automatic_partition.
func (c *Client) TablePartitions(ctx context.Context, database, table string) ([]Partition, error) {
	return c.showPartitions(ctx, "SHOW PARTITIONS", database, table)
}

// temporaryPartitions lists the temporary partitions of a table.
func (c *Client) temporaryPartitions(ctx context.Context, database, table string) ([]Partition, error) {
	partitions, err := c.showPartitions(ctx, "SHOW TEMPORARY PARTITIONS", database, table)
	for i := range partitions {
		partitions[i].Temporary = true
	}
	return partitions, err
}

func (c *Client) showPartitions(ctx context.Context, show, database, table string) ([]Partition, error) {
	name, err := qualified(database, "table", table)
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, call{op: show, target: database + "." + table, sql: show + " FROM " + name})
	if err != nil {
		return nil, err
	}
	partitions := make([]Partition, len(t.rows))
	for i, r := range t.rows {
		partitions[i] = Partition{
			Table:          table,
			Name:           r.text("PartitionName"),
			ID:             r.number("PartitionId"),
			VisibleVersion: r.number("VisibleVersion"),
			VisibleAt:      r.time("VisibleVersionTime"),
			Buckets:        int(r.number("Buckets")),
			Replication:    int(r.number("ReplicationNum")),
			Rows:           r.number("RowCount"),
			Bytes:          sizeOf(r, "StorageSize", "DataSize"),
			Value:          r.first("Range", "List"),
		}
	}
	return partitions, nil
}

// ShowCreateTable is the DDL of a table, view or materialized view. It has no rollups (measured A 8.2).
func (c *Client) ShowCreateTable(ctx context.Context, database, table string) (string, error) {
	name, err := qualified(database, "table", table)
	if err != nil {
		return "", err
	}
	q := call{op: "SHOW CREATE TABLE", target: database + "." + table, sql: "SHOW CREATE TABLE " + name}
	t, err := c.query(ctx, q)
	if err != nil {
		return "", err
	}
	if len(t.rows) == 0 {
		return "", &Error{Op: q.op, Target: q.target, Text: "no answer", Kind: ErrUnknownTable}
	}
	return t.rows[0].first("Create Table", "Create View", "Create Materialized View"), nil
}

// Views lists the logical views of a database with their definitions.
func (c *Client) Views(ctx context.Context, database string) ([]View, error) {
	t, err := c.schemaQuery(ctx, "information_schema.views", "TABLE_SCHEMA", database, "TABLE_NAME", "VIEW_DEFINITION")
	if err != nil {
		return nil, err
	}
	views := make([]View, len(t.rows))
	for i, r := range t.rows {
		views[i] = View{Name: r.text("TABLE_NAME"), Definition: r.text("VIEW_DEFINITION")}
	}
	slices.SortFunc(views, func(a, b View) int { return strings.Compare(a.Name, b.Name) })
	return views, nil
}

// MaterializedViews lists the materialized views of a database, synchronous ones (RefreshType ROLLUP) too.
func (c *Client) MaterializedViews(ctx context.Context, database string) ([]MaterializedView, error) {
	t, err := c.schemaQuery(ctx, "information_schema.materialized_views", "TABLE_SCHEMA", database, "TABLE_NAME", "REFRESH_TYPE",
		"IS_ACTIVE", "INACTIVE_REASON", "MATERIALIZED_VIEW_DEFINITION")
	if err != nil {
		return nil, err
	}
	views := make([]MaterializedView, len(t.rows))
	for i, r := range t.rows {
		views[i] = MaterializedView{
			Name:           r.text("TABLE_NAME"),
			Active:         r.yes("IS_ACTIVE"),
			InactiveReason: r.text("INACTIVE_REASON"),
			RefreshType:    r.text("REFRESH_TYPE"),
			Definition:     r.text("MATERIALIZED_VIEW_DEFINITION"),
		}
	}
	slices.SortFunc(views, func(a, b MaterializedView) int { return strings.Compare(a.Name, b.Name) })
	return views, nil
}

// RoutineLoads lists the routine loads of a database that have not ended.
func (c *Client) RoutineLoads(ctx context.Context, database string) ([]RoutineLoad, error) {
	name, err := identifier("database", database)
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, call{op: "SHOW ROUTINE LOAD", target: database, sql: "SHOW ROUTINE LOAD FROM " + name})
	if err != nil {
		return nil, err
	}
	loads := make([]RoutineLoad, len(t.rows))
	for i, r := range t.rows {
		loads[i] = RoutineLoad{Name: r.text("Name"), Table: r.text("TableName"), State: r.text("State")}
	}
	return loads, nil
}

// Functions lists the signatures of a database's own functions: "plus1(INT)".
func (c *Client) Functions(ctx context.Context, database string) ([]string, error) {
	name, err := identifier("database", database)
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, call{op: "SHOW FULL FUNCTIONS", target: database, sql: "SHOW FULL FUNCTIONS FROM " + name})
	if err != nil {
		return nil, err
	}
	var signatures []string
	for _, r := range t.rows {
		signatures = append(signatures, r.text("Signature"))
	}
	return signatures, nil
}
