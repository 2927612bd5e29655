package starrockssim

import (
	"strconv"

	"starkeep/test/starrockssim/mysqlwire"
)

var indexSchemaColumns = words("IndexId IndexName SchemaVersion SchemaHash ShortKeyColumnCount StorageType Keys")

// tableProc answers SHOW PROC '/dbs/<id>/<table id>[/index_schema]' (recording 09).
func (s *session) tableProc(db, id string, path []string) (*mysqlwire.Result, error) {
	dbID, _ := strconv.ParseInt(db, 10, 64)
	d := s.c.databaseByID(dbID)
	if d == nil {
		return nil, plainError("Database[%s] does not exist.", db)
	}
	tableID, _ := strconv.ParseInt(id, 10, 64)
	t := d.tableByID(tableID)
	switch {
	case t == nil:
		return nil, plainError("Table[%s] does not exist", id)
	case len(path) == 0:
		return answer(words("Nodes"), [][]any{{"partitions"}, {"temp_partitions"}, {"index_schema"}}), nil
	case len(path) > 1 || path[0] != "index_schema":
		return nil, plainError("Proc path '/dbs/%s/%s/%s' doesn't exist", db, id, path[0])
	}
	rows := [][]any{{t.indexID, t.name, t.schemaVer, t.schemaHash, shortKeys(t), "COLUMN", t.keysText()}}
	for _, r := range t.rollups {
		rows = append(rows, []any{r.id, r.name, 0, r.hash, 1, "COLUMN", t.keysText()})
	}
	return answer(indexSchemaColumns, rows), nil
}

// tableByID finds a table of the database.
func (d *database) tableByID(id int64) *table {
	for _, t := range d.tables {
		if t.id == id {
			return t
		}
	}
	return nil
}

// keysText is "DUP_KEYS(dt, k)".
func (t *table) keysText() string {
	text, sep := t.keys+"(", ""
	for _, c := range t.columns {
		if c.key {
			text, sep = text+sep+c.name, ", "
		}
	}
	return text + ")"
}
