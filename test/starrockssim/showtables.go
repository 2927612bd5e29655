package starrockssim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func (s *session) showDatabases(st *sqlparse.ShowDatabases) (*mysqlwire.Result, error) {
	names := []string{"information_schema", "sys"}
	if s.user.admin {
		names = append(names, "_statistics_")
	}
	for _, db := range s.c.sortedDatabases() {
		if s.seesDatabase(db) {
			names = append(names, db.name)
		}
	}
	slices.Sort(names)
	var rows [][]any
	for _, name := range slices.Compact(names) {
		if st.Like == nil || like(*st.Like, name) {
			rows = append(rows, []any{name})
		}
	}
	return s.filtered([]string{"Database"}, rows, st.Where)
}

// filtered applies a WHERE to rows by column name.
func (s *session) filtered(names []string, rows [][]any, where sqlparse.Expr) (*mysqlwire.Result, error) {
	var out [][]any
	for _, row := range rows {
		ok, err := (&scope{s: s, row: anyRow(names, row)}).matches(where)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, row)
		}
	}
	return answer(names, out), nil
}

func anyRow(names []string, row []any) func(string) (mysqlwire.Value, bool) {
	return func(name string) (mysqlwire.Value, bool) {
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		if i < 0 {
			return mysqlwire.Null, false
		}
		return value(row[i]), true
	}
}

func (s *session) showTables(st *sqlparse.ShowTables) (*mysqlwire.Result, error) {
	db, err := s.database(st.Database)
	if err != nil {
		if isSystem(st.Database) {
			return answer([]string{"Tables_in_" + st.Database}, nil), nil
		}
		return nil, err
	}
	names := []string{"Tables_in_" + db.name}
	if st.Full {
		names = append(names, "Table_type")
	}
	var rows [][]any
	for _, t := range db.sortedTables() {
		if st.Like != nil && !like(*st.Like, t.name) || !s.seesTable(db, t) || s.hidden(t) {
			continue
		}
		row := []any{t.name}
		if st.Full {
			row = append(row, t.tableType())
		}
		rows = append(rows, row)
	}
	return s.filtered(names, rows, st.Where)
}

// tableType: materialized views are views for information_schema.
func (t *table) tableType() string {
	if t.kind == kindTable {
		return "BASE TABLE"
	}
	return "VIEW"
}

func (s *session) showPartitions(st *sqlparse.ShowPartitions) (*mysqlwire.Result, error) {
	db, t, err := s.table(st.Name)
	if err != nil {
		return nil, err
	}
	if t.isView() {
		return nil, analyzed("Table[%s] is not a OLAP table", t.name)
	}
	if !s.seesTable(db, t) {
		return nil, s.denied("ANY", "TABLE "+t.name)
	}
	last := "Range"
	if t.part.kind == byList {
		last = "List"
	}
	names := words("PartitionId PartitionName VisibleVersion VisibleVersionTime VisibleVersionHash State PartitionKey " + last + " DistributionKey Buckets ReplicationNum StorageMedium CooldownTime LastConsistencyCheckTime DataSize StorageSize IsInMemory RowCount DataVersion VersionEpoch VersionTxnType")
	var rows [][]any
	shown := t.shownPartitions(st.Temporary)
	if i := slices.IndexFunc(t.partitions, (*partition).shadow); i >= 0 && s.c.config["enable_display_shadow_partitions"] == "true" {
		shown = slices.Values(append([]*partition{t.partitions[i]}, slices.Collect(shown)...))
	}
	for p := range shown {
		rows = append(rows, []any{p.physical, p.name, p.visible, s.time(p.at), "0", stateNormal, strings.Join(t.part.columns, ", "), t.partitionValue(p), t.distributionKey(),
			p.buckets, p.replicas, "HDD", "9999-12-31 15:59:59", nil, "0B", "0B", "false", s.c.rowCount(t, p), p.data, p.epoch, "TXN_NORMAL"})
	}
	r, err := s.filtered(names, rows, st.Where)
	if err != nil || st.Limit < 0 {
		return r, err
	}
	return limited(r, st.Limit, st.Offset), nil
}

func limited(r *mysqlwire.Result, limit, offset int64) *mysqlwire.Result {
	inner := r.Rows
	return &mysqlwire.Result{Columns: r.Columns, Rows: func(yield func([]mysqlwire.Value, error) bool) {
		var n int64
		for row, err := range inner {
			if n++; n <= offset {
				continue
			}
			if n > offset+limit || !yield(row, err) {
				return
			}
		}
	}}
}

// shownPartitions: without the shadow partition, ranges in order.
func (t *table) shownPartitions(temporary bool) func(func(*partition) bool) {
	list := slices.Clone(t.partitions)
	if temporary {
		list = slices.Clone(t.temp)
	}
	if t.part.kind == byRange || t.part.kind == byExprRange {
		slices.SortStableFunc(list, func(a, b *partition) int { return t.compareKeys(a.lower, b.lower) })
	}
	return func(yield func(*partition) bool) {
		for _, p := range list {
			if !p.shadow() && !yield(p) {
				return
			}
		}
		if t.big == nil || temporary {
			return
		}
		for i := range t.big.partitions {
			if !yield(t.big.partition(i)) {
				return
			}
		}
	}
}

func (t *table) partitionValue(p *partition) string {
	switch t.part.kind {
	case byRange, byExprRange:
		return t.rangeText(p)
	case byList:
		return p.listText()
	}
	return ""
}

func (t *table) distributionKey() string {
	if t.dist.random {
		return "ALL KEY"
	}
	return strings.Join(t.dist.columns, ", ")
}

// rowCount is the FE's estimate; here it is exact, and 0 where the data cannot be read.
func (c *Cluster) rowCount(t *table, p *partition) int64 {
	n, err := c.countRows(t, []*partition{p})
	if err != nil {
		return 0
	}
	return n
}

// dataBytes is the size of a partition's data in one replica.
func (c *Cluster) dataBytes(p *partition) int64 {
	var n int64
	for _, tab := range p.tablets {
		for _, r := range tab.replicas {
			if bt := c.backend(r.backend).tablets[tab.id]; bt != nil {
				for _, rs := range bt.rowsets {
					if rs.segment != nil {
						n += int64(len(rs.segment.bytes))
					}
				}
				break
			}
		}
	}
	return n
}

func (s *session) showTablet(st *sqlparse.ShowTablet) *mysqlwire.Result {
	names := words("DbName TableName PartitionName IndexName DbId TableId PartitionId IndexId IsSync DetailCmd")
	for _, db := range s.c.sortedDatabases() {
		for _, t := range db.sortedTables() {
			for _, p := range t.partitions {
				if slices.ContainsFunc(p.all(), func(tab *tablet) bool { return tab.id == st.ID }) {
					return answer(names, [][]any{{db.name, t.name, p.name, t.name, db.id, t.id, p.physical, t.indexID, "true",
						fmt.Sprintf("SHOW PROC '/dbs/%d/%d/partitions/%d/%d/%d';", db.id, t.id, p.physical, t.indexID, st.ID)}})
				}
			}
		}
	}
	return answer(names, [][]any{{nil, nil, nil, nil, "-1", "-1", "-1", "-1", "false", fmt.Sprintf("SHOW PROC '/dbs/-1/-1/partitions/-1/-1/%d';", st.ID)}})
}

func (s *session) showTablets(st *sqlparse.ShowTablets) (*mysqlwire.Result, error) {
	_, t, err := s.table(st.Name)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	eachTablet(t.partitions, func(p *partition, tab *tablet) {
		if st.Partitions != nil && !containsFold(st.Partitions.Names, p.name) {
			return
		}
		for _, r := range tab.replicas {
			be := s.c.backend(r.backend)
			rowsets := 0
			if bt := be.tablets[tab.id]; bt != nil {
				rowsets = len(bt.rowsets)
			}
			rows = append(rows, []any{tab.id, r.id, r.backend, t.schemaHash, r.version, "0", r.version, "0", "-1", "0", nil, "0B", "0", stateNormal, nil, "-1", "0", rowsets,
				"8963657962808638014", fmt.Sprintf("http://%s:8040/api/meta/header/%d", be.host, tab.id), fmt.Sprintf("http://%s:8040/api/compaction/show?tablet_id=%d", be.host, tab.id),
				fmt.Sprintf("/data/be%d", be.id-10000), "true", "-1"})
		}
	})
	r, err := s.filtered(tabletColumns, rows, st.Where)
	if err != nil || st.Limit < 0 {
		return r, err
	}
	return limited(r, st.Limit, st.Offset), nil
}

func (s *session) showRoutineLoad(st *sqlparse.ShowRoutineLoad) (*mysqlwire.Result, error) {
	db, err := s.database(st.Database)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, rl := range s.c.routineLoads {
		if rl.db == db.id && (st.All || rl.state != "STOPPED") {
			row := make([]any, len(routineColumns))
			row[0], row[1], row[2], row[5], row[6], row[7], row[8] = rl.id, rl.name, s.time(rl.created), db.name, rl.table, rl.state, "KAFKA"
			rows = append(rows, row)
		}
	}
	return answer(routineColumns, rows), nil
}

type routineLoad struct {
	id, db             int64
	name, table, state string
	created            time.Time
}

// AddRoutineLoad makes SHOW ROUTINE LOAD show a load on a table. It loads nothing.
func (c *Cluster) AddRoutineLoad(db, name, table, state string) error {
	c.mu.Lock()
	defer c.unlock()
	d := c.dbs[db]
	if d == nil {
		return unknownDatabase(db)
	}
	c.routineLoads = append(c.routineLoads, routineLoad{c.nextID(), d.id, name, table, state, time.Now().UTC()})
	return nil
}

// showProc answers the paths that starkeep and its tests read.
// procRow is a table's row in SHOW PROC '/dbs/<id>'.
func (t *table) procRow() []any {
	if t.isView() {
		return []any{t.id, t.name, nil, nil, "1", nil, "VIEW", nil, "0", "UNPARTITIONED", nil}
	}
	kind, replicas := "OLAP", 0
	if t.isMV() {
		kind = "MATERIALIZED_VIEW"
	}
	for _, p := range append(slices.Clone(t.partitions), t.temp...) {
		for _, tab := range p.all() {
			replicas += len(tab.replicas)
		}
	}
	return []any{t.id, t.name, 1 + len(t.rollups), strings.Join(t.part.columns, ", "), len(t.partitions), t.state, kind, nil, replicas, t.part.kind, nil}
}

func (s *session) showProc(st *sqlparse.ShowProc) (*mysqlwire.Result, error) {
	c := s.c
	if err := s.may("OPERATE", "SYSTEM", nil, nil); err != nil {
		return nil, err
	}
	parts := strings.Split(strings.Trim(st.Path, "/"), "/")
	switch {
	case parts[0] == "frontends":
		return answer(frontendColumns, c.frontendRows(s)), nil
	case parts[0] == "backends":
		return answer(backendColumns, c.backendRows(s)), nil
	case parts[0] == "transactions":
		return s.transactionProc(parts[1:]), nil
	case parts[0] == "colocation_group":
		return answer(colocationColumns, c.colocationRows()), nil
	case parts[0] == "dbs" && len(parts) == 1:
		var rows [][]any
		for _, db := range c.sortedDatabases() {
			rows = append(rows, []any{db.id, db.name, len(db.tables), "8388608.000 TB", nil, "9223372036854775807"})
		}
		return answer(words("DbId DbName TableNum Quota LastConsistencyCheckTime ReplicaQuota"), rows), nil
	case parts[0] == "dbs" && len(parts) == 2:
		id, _ := strconv.ParseInt(parts[1], 10, 64)
		db := c.databaseByID(id)
		if db == nil {
			return nil, plainError("Database[%s] does not exist.", parts[1])
		}
		var rows [][]any
		tables := slices.Collect(maps.Values(db.tables))
		slices.SortFunc(tables, func(a, b *table) int { return cmp.Compare(a.id, b.id) })
		for _, t := range tables {
			rows = append(rows, t.procRow())
		}
		return answer(procDBColumns, rows), nil
	case parts[0] == "dbs":
		return s.tableProc(parts[1], parts[2], parts[3:])
	}
	return nil, plainError("Proc path '%s' doesn't exist", st.Path)
}
