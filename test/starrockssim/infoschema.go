package starrockssim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// The columns of the system tables, as recorded; :i is BIGINT, :l INT, :d DATETIME, :f DOUBLE, :c BOOLEAN.
var (
	schemataColumns   = typed("CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME SQL_PATH")
	tablesColumns     = typed("TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION:i ROW_FORMAT TABLE_ROWS:i AVG_ROW_LENGTH:i DATA_LENGTH:i MAX_DATA_LENGTH:i INDEX_LENGTH:i DATA_FREE:i AUTO_INCREMENT:i CREATE_TIME:d UPDATE_TIME:d CHECK_TIME:d TABLE_COLLATION CHECKSUM:i CREATE_OPTIONS TABLE_COMMENT")
	configColumns     = typed("TABLE_SCHEMA TABLE_NAME TABLE_ENGINE TABLE_MODEL PRIMARY_KEY PARTITION_KEY DISTRIBUTE_KEY DISTRIBUTE_TYPE DISTRIBUTE_BUCKET:l SORT_KEY PROPERTIES TABLE_ID:i")
	partitionsColumns = typed("DB_NAME TABLE_NAME PARTITION_NAME PARTITION_ID:i COMPACT_VERSION:i VISIBLE_VERSION:i VISIBLE_VERSION_TIME:d NEXT_VERSION:i DATA_VERSION:i VERSION_EPOCH:i VERSION_TXN_TYPE PARTITION_KEY PARTITION_VALUE DISTRIBUTION_KEY BUCKETS:l REPLICATION_NUM:l STORAGE_MEDIUM COOLDOWN_TIME:d LAST_CONSISTENCY_CHECK_TIME:d IS_IN_MEMORY:c IS_TEMP:c DATA_SIZE ROW_COUNT:i ENABLE_DATACACHE:c AVG_CS:f P50_CS:f MAX_CS:f STORAGE_PATH STORAGE_SIZE:i METADATA_SWITCH_VERSION:i")
	mvColumns         = typed("MATERIALIZED_VIEW_ID:i TABLE_SCHEMA TABLE_NAME REFRESH_TYPE IS_ACTIVE INACTIVE_REASON PARTITION_TYPE TASK_ID:i TASK_NAME LAST_REFRESH_START_TIME:d LAST_REFRESH_FINISHED_TIME:d LAST_REFRESH_DURATION:f LAST_REFRESH_STATE LAST_REFRESH_FORCE_REFRESH LAST_REFRESH_START_PARTITION LAST_REFRESH_END_PARTITION LAST_REFRESH_BASE_REFRESH_PARTITIONS LAST_REFRESH_MV_REFRESH_PARTITIONS LAST_REFRESH_ERROR_CODE LAST_REFRESH_ERROR_MESSAGE TABLE_ROWS:i MATERIALIZED_VIEW_DEFINITION EXTRA_MESSAGE QUERY_REWRITE_STATUS CREATOR LAST_REFRESH_PROCESS_TIME:d LAST_REFRESH_JOB_ID")
	viewsColumns      = typed("TABLE_CATALOG TABLE_SCHEMA TABLE_NAME VIEW_DEFINITION CHECK_OPTION IS_UPDATABLE DEFINER SECURITY_TYPE CHARACTER_SET_CLIENT COLLATION_CONNECTION")
	columnsColumns    = typed("TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION:i COLUMN_DEFAULT IS_NULLABLE DATA_TYPE CHARACTER_MAXIMUM_LENGTH:i CHARACTER_OCTET_LENGTH:i NUMERIC_PRECISION:i NUMERIC_SCALE:i DATETIME_PRECISION:i CHARACTER_SET_NAME COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT COLUMN_SIZE:i DECIMAL_DIGITS:i GENERATION_EXPRESSION SRS_ID:i")
	grantColumns      = typed("GRANTEE OBJECT_CATALOG OBJECT_DATABASE OBJECT_NAME OBJECT_TYPE PRIVILEGE_TYPE IS_GRANTABLE")
	roleEdgeColumns   = typed("FROM_ROLE TO_ROLE TO_USER")
)

func typed(names string) []mysqlwire.Column {
	var list []mysqlwire.Column
	for _, word := range strings.Fields(names) {
		name, kind, _ := strings.Cut(word, ":")
		c := mysqlwire.Column{Name: name, Type: mysqlwire.VarString, Length: 6144}
		switch kind {
		case "i":
			c.Type, c.Length = mysqlwire.LongLong, 20
		case "l":
			c.Type, c.Length = mysqlwire.Long, 11
		case "d":
			c.Type, c.Length = mysqlwire.DateTime, 19
		case "f":
			c.Type, c.Length = mysqlwire.Double, 22
		case "c":
			c.Type, c.Length = mysqlwire.Char, 1
		}
		list = append(list, c)
	}
	return list
}

// informationSchema opens one of its tables. where narrows what is looked at, no more: it is evaluated again on rows.
func (s *session) informationSchema(name string, where sqlparse.Expr) (*source, error) {
	src := &source{}
	var rows [][]any
	switch name {
	case "schemata":
		src.columns = schemataColumns
		for _, db := range s.c.sortedDatabases() {
			if s.seesDatabase(db) {
				rows = append(rows, []any{"def", db.name, "utf8", "utf8_general_ci", nil})
			}
		}
	case "tables":
		src.columns, rows = tablesColumns, s.eachTable(where, s.tablesRow)
	case "tables_config":
		src.columns, rows = configColumns, s.eachTable(where, s.configRow)
	case "materialized_views":
		src.columns, rows = mvColumns, s.eachTable(where, s.mvRow)
		s.eachTable(nil, func(db *database, t *table) []any {
			if mayEqual(where, db.name, "TABLE_SCHEMA") {
				rows = append(rows, rollupRows(db, t)...)
			}
			return nil
		})
	case "views":
		src.columns, rows = viewsColumns, s.eachTable(where, s.viewsRow)
	case "columns":
		src.columns = columnsColumns
		s.eachTable(where, func(db *database, t *table) []any {
			rows = append(rows, columnRows(db, t)...)
			return nil
		})
	case "partitions_meta":
		return s.partitionsMeta(where), nil
	default:
		return nil, &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table 'information_schema.%s'.", name)}
	}
	src.rows = mapped(rows, values)
	return src, nil
}

// eachTable makes a row of every table the user sees; nil leaves one out.
func (s *session) eachTable(where sqlparse.Expr, f func(*database, *table) []any) [][]any {
	var rows [][]any
	for _, db := range s.c.sortedDatabases() {
		if !mayEqual(where, db.name, "TABLE_SCHEMA", "DB_NAME") {
			continue
		}
		for _, t := range db.sortedTables() {
			if !s.seesTable(db, t) || s.hidden(t) || !mayEqual(where, t.name, "TABLE_NAME") {
				continue
			}
			if row := f(db, t); row != nil {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// mayEqual is false only if where demands one of the columns to be something else.
func mayEqual(where sqlparse.Expr, value string, columns ...string) bool {
	b, ok := where.(*sqlparse.Binary)
	if !ok {
		return true
	}
	if b.Op == "AND" {
		return mayEqual(b.Left, value, columns...) && mayEqual(b.Right, value, columns...)
	}
	name, text, ok := nameAndText(b)
	if !ok || b.Op != "=" || !slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) }) {
		return true
	}
	return text == value
}

func (s *session) tablesRow(db *database, t *table) []any {
	var engine any = "StarRocks"
	var rowCount, bytes any = 0, 0
	if t.isView() {
		engine, rowCount, bytes = nil, nil, nil
	} else if t.big == nil {
		var n, size int64
		for _, p := range t.partitions {
			n += s.c.rowCount(t, p)
			size += s.c.dataBytes(p)
		}
		rowCount, bytes = n, size
	}
	updated := t.created
	for _, p := range t.partitions {
		if p.at.After(updated) {
			updated = p.at
		}
	}
	return []any{"def", db.name, t.name, t.tableType(), engine, nil, nil, rowCount, 0, bytes, nil, nil, nil, nil, s.time(t.created), s.time(updated), nil, "utf8_general_ci", nil, nil, t.comment}
}

func (s *session) configRow(db *database, t *table) []any {
	if t.isView() {
		return []any{db.name, t.name, "VIEW", nil, nil, nil, nil, nil, nil, nil, nil, nil}
	}
	engine, primary, buckets, kind, dist := "OLAP", "", t.dist.buckets, "HASH", quoteNames(t.dist.columns)
	if t.isMV() {
		engine = "MATERIALIZED_VIEW"
	}
	if t.dist.random {
		kind, buckets, dist = "RANDOM", 0, ""
	}
	if t.primary() || t.keys == uniqueKeys {
		primary = quoteNames(t.keyColumns())
	}
	sort := t.sortKey
	if len(sort) == 0 {
		sort = t.keyColumns()
	}
	props := map[string]string{"replication_num": strconv.Itoa(t.replicas)}
	for k, v := range t.props {
		props[k] = v
	}
	text, _ := json.Marshal(props)
	return []any{db.name, t.name, engine, t.keys, primary, quoteNames(t.part.columns), dist, kind, buckets, quoteNames(sort), string(text), t.id}
}

func (s *session) mvRow(db *database, t *table) []any {
	if !t.isMV() {
		return nil
	}
	refresh, _, _ := strings.Cut(strings.TrimPrefix(t.view.refresh, "DEFERRED "), " ")
	row := []any{t.id, db.name, t.name, refresh, strconv.FormatBool(t.view.active), t.view.reason, t.part.kind, t.id + 1, fmt.Sprintf("mv-%d", t.id)}
	row = append(row, s.lastRefresh(t, "null")...)
	row = append(row, 0, t.createMV(), t.view.last.extra(), "VALID", "", nil, "")
	if r := t.view.last; r != nil {
		row[len(row)-3], row[len(row)-2], row[len(row)-1] = "'root'@'%'", s.time(r.start), r.job
	}
	if reason, doubted := t.view.doubts[s.fe.index]; doubted {
		row[4], row[5] = "false", reason
	}
	if !t.view.active {
		row[len(row)-4] = "INVALID: MV is not active"
	}
	return row
}

func (s *session) viewsRow(db *database, t *table) []any {
	if !t.isView() {
		return nil
	}
	return []any{"def", db.name, t.name, t.view.query, "NONE", "NO", "", "", "utf8", "utf8_general_ci"}
}

func columnRows(db *database, t *table) [][]any {
	var rows [][]any
	for i, col := range t.columns {
		nullable, key := "NO", ""
		if col.nullable {
			nullable = "YES"
		}
		if col.key {
			key = map[string]string{duplicateKeys: "DUP", aggregateKeys: "AGG", uniqueKeys: "UNI", primaryKeys: "PRI"}[t.keys]
		}
		var def any
		if col.hasDef {
			def = col.def
		}
		rows = append(rows, []any{"def", db.name, t.name, col.name, i + 1, def, nullable, baseType(col.typ), nil, nil, nil, nil, nil, nil, nil, displayType(col.typ), key, "", "", col.comment, nil, nil, "", nil})
	}
	return rows
}

// partitionsMeta lists physical partitions, also shadow and temporary ones. Rows of big tables are made one by one.
func (s *session) partitionsMeta(where sqlparse.Expr) *source {
	var rows [][]mysqlwire.Value
	var bigs []*bigTable
	s.eachTable(where, func(db *database, t *table) []any {
		if t.isView() {
			return nil
		}
		key := t.partitionKeyText()
		for _, p := range t.partitions {
			rows = append(rows, values(s.partitionRow(db.name, t, p, key, "0")))
		}
		for _, p := range t.temp {
			rows = append(rows, values(s.partitionRow(db.name, t, p, key, "1")))
		}
		if t.big != nil {
			bigs = append(bigs, t.big)
		}
		return nil
	})
	return &source{columns: partitionsColumns, rows: func(yield func([]mysqlwire.Value) bool) {
		for _, row := range rows {
			if !yield(row) {
				return
			}
		}
		for _, b := range bigs {
			if !b.rows(yield) {
				return
			}
		}
	}}
}

func (t *table) partitionKeyText() string {
	var defs []string
	for _, name := range t.part.columns {
		defs = append(defs, columnText(t, t.columns[t.columnIndex(name)]))
	}
	return strings.Join(defs, ", ")
}

func (s *session) partitionRow(db string, t *table, p *partition, key, temp string) []any {
	bytes := s.c.dataBytes(p)
	return []any{db, t.name, p.name, p.physical, nil, p.visible, s.time(p.at), p.next, p.data, p.epoch, "TXN_NORMAL", key, t.partitionValue(p), t.distributionKey(),
		p.buckets, p.replicas, "HDD", "9999-12-31 15:59:59", nil, "0", temp, sizeText(bytes), s.c.rowCount(t, p), nil, nil, nil, nil, nil, bytes, nil}
}

func sizeText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%dB", n)
	}
	return strings.Replace(fmt.Sprintf("%.1f%s", f, unit), ".0", "", 1)
}

// sysSchema opens a table of the database sys.
func (s *session) sysSchema(name string) (*source, error) {
	src := &source{columns: grantColumns}
	if !s.user.admin && !s.has("GRANT", "SYSTEM", nil, nil) {
		return nil, s.denied("SELECT", "TABLE "+name)
	}
	var rows [][]any
	switch name {
	case "grants_to_users", "grants_to_roles":
		rows = s.c.grantRows(name == "grants_to_users")
	case "role_edges":
		src.columns = roleEdgeColumns
		for _, u := range sortedKeys(s.c.users) {
			if s.c.users[u].admin {
				rows = append(rows, []any{"root", nil, s.c.users[u].identity()})
			}
			for _, r := range s.c.users[u].roles {
				rows = append(rows, []any{r, nil, s.c.users[u].identity()})
			}
		}
		for _, r := range sortedKeys(s.c.roles) {
			for _, from := range s.c.roles[r].roles {
				rows = append(rows, []any{from, r, nil})
			}
		}
	default:
		return nil, &sqlError{5502, "42602", fmt.Sprintf("Getting analyzing error. Detail message: Unknown table 'sys.%s'.", name)}
	}
	src.rows = mapped(rows, values)
	return src, nil
}

// grantRows: privileges ON ALL TABLES are expanded to the tables there are, one row per privilege.
func (c *Cluster) grantRows(users bool) [][]any {
	var rows [][]any
	for _, g := range c.grants {
		who := g.role
		if users {
			if g.user == "" {
				continue
			}
			who = c.users[g.user].identity()
		} else if g.role == "" {
			continue
		}
		grantable := "0"
		if g.grantable {
			grantable = "1"
		}
		for _, o := range c.grantedObjects(g) {
			rows = append(rows, []any{who, o[0], o[1], o[2], g.kind, g.privilege, grantable})
		}
	}
	return rows
}

// grantedObjects lists catalog, database and name of what a grant covers; gone objects are left out.
func (c *Cluster) grantedObjects(g grant) [][3]any {
	if g.kind == "SYSTEM" {
		return [][3]any{{nil, nil, nil}}
	}
	if g.kind == "CATALOG" {
		return [][3]any{{defaultCatalog, nil, nil}}
	}
	var list [][3]any
	for _, db := range c.sortedDatabases() {
		if g.db != allIn && g.db != db.id {
			continue
		}
		if g.kind == "DATABASE" {
			list = append(list, [3]any{defaultCatalog, db.name, nil})
			continue
		}
		for _, t := range db.sortedTables() {
			if t.kind == g.kind && (g.table == allIn || g.table == t.id) {
				list = append(list, [3]any{defaultCatalog, db.name, t.name})
			}
		}
	}
	return list
}

func (s *session) showMaterializedViews(st *sqlparse.ShowMaterializedViews) (*mysqlwire.Result, error) {
	db, err := s.database(st.Database)
	if err != nil {
		return nil, err
	}
	var names []string
	types := slices.Clone(mvColumns)
	for i, c := range mvColumns {
		names = append(names, strings.ToLower(c.Name))
		if short, ok := map[int]string{0: "id", 1: "database_name", 2: "name", 20: "rows", 21: "text"}[i]; ok {
			names[i] = short
		}
		types[i].Name = names[i]
	}
	var rows [][]any
	for _, t := range db.sortedTables() {
		if row := s.mvRow(db, t); row != nil && (st.Like == nil || like(*st.Like, t.name)) {
			if t.view.last == nil {
				row[11], row[12] = "0.0", "" // the duration and state of no refresh, here and in information_schema
			}
			rows = append(rows, row)
		}
	}
	for _, t := range db.sortedTables() {
		for _, row := range rollupRows(db, t) {
			row[11], row[12] = "0.0", ""
			rows = append(rows, row)
		}
	}
	r, err := s.filtered(names, rows, st.Where)
	if err == nil {
		r.Columns = types
	}
	return r, err
}
