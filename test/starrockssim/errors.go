package starrockssim

import "fmt"

// sqlError is an answer of the FE: code, SQLSTATE and text as on the wire.
type sqlError struct {
	code  uint16
	state string
	text  string
}

func (e *sqlError) Error() string    { return e.text }
func (e *sqlError) Code() uint16     { return e.code }
func (e *sqlError) SQLState() string { return e.state }

// ddlError is ERR_COMMON_ERROR of a handler: bare text.
func ddlError(format string, args ...any) error {
	return &sqlError{5064, "42000", fmt.Sprintf(format, args...)}
}

// plainError is an error thrown without a code.
func plainError(format string, args ...any) error {
	return &sqlError{1064, "HY000", fmt.Sprintf(format, args...)}
}

func analyzing(code uint16, state, where, format string, args ...any) error {
	if where != "" {
		where = " " + where
	}
	return &sqlError{code, state, "Getting analyzing error" + where + ". Detail message: " + fmt.Sprintf(format, args...) + "."}
}

// analyzed is an analyzer's error without a code.
func analyzed(format string, args ...any) error {
	return analyzing(1064, "HY000", "", format, args...)
}

// analyzedDDL is an analyzer's error that went through ERR_COMMON_ERROR.
func analyzedDDL(format string, args ...any) error {
	return analyzing(5064, "42000", "", format, args...)
}

func unknownDatabase(name string) error {
	return analyzing(5501, "3F000", "", "Unknown database '%s'", name)
}

func tableNotFound(name string) error { return analyzed("Table %s is not found", name) }

func failedHosts(n int, table string) error {
	return fmt.Errorf("failed to find %d different hosts to create table: %s", n, table)
}

func underRestore(table string) error {
	return plainError("A snapshot restore operation is in progress on the table %s. Please wait until the current operation completes. To check the status of the operation, see https://docs.starrocks.io/docs/sql-reference/sql-statements/backup_restore/SHOW_RESTORE", table)
}
