package starrockssim

import (
	"fmt"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// run answers one statement, as the cluster's version does.
func (s *session) run(st sqlparse.Statement) (*mysqlwire.Result, error) {
	if err := s.c.grammar(st); err != nil {
		return nil, err
	}
	r, err := s.answer(st)
	if missing := s.c.missingColumns(st); err == nil && len(missing) > 0 {
		r = s.c.shownColumns(r, missing)
	}
	return r, s.c.wireError(err)
}

func (s *session) answer(st sqlparse.Statement) (*mysqlwire.Result, error) {
	if err := s.reachLeader(st); err != nil {
		return nil, err
	}
	switch st := st.(type) { // these do their own locking: they speak to the store or wait
	case *sqlparse.Backup:
		return ok(s.c.backupStatement(s, st))
	case *sqlparse.Restore:
		return ok(s.c.restoreStatement(s, st))
	case *sqlparse.CreateRepository:
		return ok(s.c.createRepositoryStatement(s, st))
	case *sqlparse.ShowSnapshot:
		return s.showSnapshot(st)
	case *sqlparse.Select:
		return s.selectStatement(st)
	}
	s.c.mu.Lock()
	defer s.c.unlock()
	if r, known, err := s.show(st); known {
		return r, err
	}
	if known, err := s.change(st); known {
		return ok(err)
	}
	return nil, plainError("Getting syntax error. Detail message: The simulator has no answer to %s.", fmt.Sprintf("%.60q", st.Text()))
}

func ok(err error) (*mysqlwire.Result, error) {
	if err != nil {
		return nil, err
	}
	return &mysqlwire.Result{}, nil
}

// reachLeader fails what a follower would forward while there is no leader.
func (s *session) reachLeader(st sqlparse.Statement) error {
	local := true
	switch st := st.(type) {
	case *sqlparse.ShowBackup, *sqlparse.Backup, *sqlparse.Restore, *sqlparse.Cancel, *sqlparse.CreateRepository, *sqlparse.DropRepository,
		*sqlparse.CreateDatabase, *sqlparse.DropDatabase, *sqlparse.RenameDatabase, *sqlparse.CreateTable, *sqlparse.DropTable, *sqlparse.AlterTable,
		*sqlparse.TruncateTable, *sqlparse.Insert, *sqlparse.Delete, *sqlparse.Grant, *sqlparse.CreateView, *sqlparse.DropView,
		*sqlparse.CreateMaterializedView, *sqlparse.AlterMaterializedView, *sqlparse.DropMaterializedView, *sqlparse.RecoverTable,
		*sqlparse.CreateFunction, *sqlparse.DropFunction, *sqlparse.CreateResourceGroup, *sqlparse.DropResourceGroup,
		*sqlparse.CreateStorageVolume, *sqlparse.DropStorageVolume,
		*sqlparse.CreateUser, *sqlparse.CreateRole, *sqlparse.DropUser, *sqlparse.DropRole, *sqlparse.ShowMaterializedViews:
		local = false
	case *sqlparse.ShowSimple:
		local = st.What != sqlparse.ShowFrontends && st.What != sqlparse.ShowBackends
	case *sqlparse.ShowProc:
		local = false
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if local || s.c.leader >= 0 {
		return nil
	}
	return plainError("java.net.ConnectException: Connection refused")
}

// change runs a statement that changes something; mu is held.
func (s *session) change(st sqlparse.Statement) (known bool, err error) {
	c := s.c
	switch st := st.(type) {
	case *sqlparse.Cancel:
		return true, c.cancelStatement(s, st)
	case *sqlparse.DropRepository:
		return true, c.dropRepository(s, st)
	case *sqlparse.CreateDatabase:
		return true, c.createDatabase(s, st)
	case *sqlparse.DropDatabase:
		return true, c.dropDatabase(s, st)
	case *sqlparse.RenameDatabase:
		return true, c.renameDatabase(s, st)
	case *sqlparse.RecoverDatabase:
		return true, c.recoverDatabase(st)
	case *sqlparse.CreateTable:
		return true, c.createTable(s, st)
	case *sqlparse.DropTable:
		return true, c.dropTable(s, st.Name, st.IfExists, st.Force, kindTable)
	case *sqlparse.RecoverTable:
		return true, c.recoverTable(s, st)
	case *sqlparse.TruncateTable:
		return true, c.truncateTable(s, st)
	case *sqlparse.AlterTable:
		return true, c.alterTable(s, st)
	case *sqlparse.CreateView:
		return true, c.createView(s, st)
	case *sqlparse.AlterView:
		return true, c.alterView(s, st)
	case *sqlparse.DropView:
		return true, c.dropTable(s, st.Name, st.IfExists, true, kindView)
	case *sqlparse.CreateFunction:
		return true, c.createFunction(s, st)
	case *sqlparse.DropFunction:
		return true, c.dropFunction(s, st)
	case *sqlparse.CreateMaterializedView:
		return true, c.createMV(s, st)
	case *sqlparse.DropMaterializedView:
		return true, c.dropTable(s, st.Name, st.IfExists, true, kindMV)
	case *sqlparse.AlterMaterializedView:
		return true, c.alterMV(s, st)
	case *sqlparse.Insert:
		return true, c.insert(s, st)
	case *sqlparse.Delete:
		return true, c.deleteRows(s, st)
	}
	return s.changeAccess(st)
}

// changeAccess runs statements on what belongs to the cluster, and on the session.
func (s *session) changeAccess(st sqlparse.Statement) (known bool, err error) {
	c := s.c
	switch st := st.(type) {
	case *sqlparse.Grant:
		return true, c.grantStatement(s, st)
	case *sqlparse.CreateUser:
		return true, c.createUser(s, st)
	case *sqlparse.DropUser:
		return true, c.dropUser(s, st)
	case *sqlparse.CreateRole:
		return true, c.createRole(s, st)
	case *sqlparse.DropRole:
		return true, c.dropRole(s, st)
	case *sqlparse.CreateResourceGroup:
		return true, c.createResourceGroup(s, st)
	case *sqlparse.DropResourceGroup:
		return true, c.dropResourceGroup(s, st)
	case *sqlparse.CreateStorageVolume:
		return true, c.createStorageVolume(s, st)
	case *sqlparse.DropStorageVolume:
		return true, c.dropStorageVolume(s, st)
	case *sqlparse.SetPassword:
		return true, c.setPassword(s, st)
	case *sqlparse.Use:
		if err := c.use(st.Database); err != nil {
			return true, err
		}
		s.db = st.Database
		return true, nil
	case *sqlparse.Set:
		return true, s.set(st)
	case *sqlparse.AdminSetConfig:
		return true, c.setConfig(s, st)
	case *sqlparse.SetRole, *sqlparse.SetDefaultRole, *sqlparse.SetProperty, *sqlparse.Transaction, *sqlparse.Kill:
		return true, nil
	}
	return false, nil
}

func (c *Cluster) createRepositoryStatement(s *session, st *sqlparse.CreateRepository) error {
	c.mu.Lock()
	err := s.mayRepository()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.createRepository(s, st)
}

// table-shaped answers

func answer(names []string, rows [][]any) *mysqlwire.Result {
	return &mysqlwire.Result{Columns: columns(names), Rows: func(yield func([]mysqlwire.Value, error) bool) {
		for _, row := range rows {
			if !yield(values(row), nil) {
				return
			}
		}
	}}
}

func columns(names []string) []mysqlwire.Column {
	list := make([]mysqlwire.Column, len(names))
	for i, name := range names {
		list[i] = mysqlwire.Column{Name: name}
	}
	return list
}

func values(row []any) []mysqlwire.Value {
	out := make([]mysqlwire.Value, len(row))
	for i, v := range row {
		out[i] = value(v)
	}
	return out
}

func value(v any) mysqlwire.Value {
	switch v := v.(type) {
	case nil:
		return mysqlwire.Null
	case string:
		return mysqlwire.Text(v)
	case mysqlwire.Value:
		return v
	}
	return mysqlwire.Text(fmt.Sprint(v))
}
