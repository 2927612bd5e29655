package starrockssim

import (
	"fmt"
	"slices"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// schemaChange is a job of ALTER TABLE that needs the backends: until it is done the table's state is not NORMAL, so
// BACKUP and RESTORE refuse it.
type schemaChange struct {
	id, index         int64
	rollup            bool
	rollupName        string
	created, finished time.Time
}

// beginChange puts a table into a state for some ticks, or as long as ALTER tasks are held; then done is called.
func (c *Cluster) beginChange(t *table, state string, done func()) {
	t.state = state
	t.change = &schemaChange{id: c.nextID(), index: c.nextID(), rollup: state == stateRollup, created: time.Now().UTC()}
	c.goDo(func() {
		c.mu.Lock()
		defer c.unlock()
		c.sleep(4*c.opt.Tick, func() bool { return false })
		for c.holdsAlter() && !c.closed() {
			c.change.Wait()
		}
		t.state, t.change.finished = stateNormal, time.Now().UTC()
		done()
	})
}

func (c *Cluster) holdsAlter() bool {
	return slices.ContainsFunc(c.backends, func(be *backend) bool {
		return c.faults.holds(&agentTask{key: taskKey{be.id, taskAlter, 0}})
	})
}

// modifyColumn rewrites the table's data: until then its columns stay as they are.
func (c *Cluster) modifyColumn(t *table, def sqlparse.Column) error {
	i := t.columnIndex(def.Name)
	if i < 0 {
		return plainError("Column[%s] does not exists", def.Name)
	}
	if t.state != stateNormal {
		return plainError("Table[%s]'s state is not NORMAL. Do not allow doing ALTER ops", t.name)
	}
	c.beginChange(t, stateSchemaChange, func() {
		old := t.columns[i]
		t.columns[i] = defineColumn(def, old.uid, old.key, t.keys)
		t.changedSchema()
	})
	return nil
}

var alterColumns = map[string][]string{
	"COLUMN": words("JobId TableName CreateTime FinishTime IndexName IndexId OriginIndexId SchemaVersion TransactionId State Msg Progress Timeout"),
	"ROLLUP": words("JobId TableName CreateTime FinishedTime BaseIndexName RollupIndexName RollupId TransactionId State Msg Progress Timeout"),
}

func (s *session) showAlter(st *sqlparse.ShowAlter) (*mysqlwire.Result, error) {
	db, err := s.database(st.Database)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, t := range db.sortedTables() {
		if st.What == "COLUMN" && t.change != nil && !t.change.rollup {
			rows = append(rows, s.alterRow(t))
		}
		if st.What == "ROLLUP" && t.change != nil && t.change.rollup {
			row := s.alterRow(t)
			rows = append(rows, []any{row[0], t.name, row[2], row[3], t.name, t.change.rollupName, t.change.index, "-1", row[9], "", nil, "86400"})
		}
	}
	return answer(alterColumns[st.What], rows), nil
}

// alterRow is a table's last job in SHOW ALTER TABLE COLUMN.
func (s *session) alterRow(t *table) []any {
	state := "PENDING"
	if !t.change.finished.IsZero() {
		state = stateFinished
	}
	return []any{t.change.id, t.name, s.time(t.change.created), s.time(t.change.finished), t.name, t.change.index, t.indexID,
		fmt.Sprintf("%d:%d", t.schemaVer+1, t.schemaHash), "-1", state, "", nil, "86400"}
}
