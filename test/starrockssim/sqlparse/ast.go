// Package sqlparse reads the closed list of SQL forms that the StarRocks simulator answers.
//
// Names in the tree are unquoted, letter case kept. Everything outside the list is a *SyntaxError
// with the words of the FE's parser (starrocks-facts §1.1, §1.6).
package sqlparse

import "fmt"

// Pos is a place in the text: line from 1, column from 0, as the FE counts.
type Pos struct {
	Line, Column int
}

// Range spans from the first to the last token of something; To is the start of the last token,
// as in the FE's messages.
type Range struct {
	From, To Pos
}

// String is the FE's wording: "at line 1, column 37" or "from line 1, column 36 to line 1, column 51".
// The zero Range is "".
func (r Range) String() string {
	if r.From.Line == 0 {
		return ""
	}
	if r.From == r.To {
		return fmt.Sprintf("at line %d, column %d", r.From.Line, r.From.Column)
	}
	return fmt.Sprintf("from line %d, column %d to line %d, column %d", r.From.Line, r.From.Column, r.To.Line, r.To.Column)
}

// Statement is one parsed statement: one of the pointer types of this package.
type Statement interface {
	// Text is the statement's own text, without the separating semicolon and outer blanks.
	Text() string
	setText(string)
}

// base carries what every statement has.
type base struct{ text string }

func (b *base) Text() string     { return b.text }
func (b *base) setText(s string) { b.text = s }

// TableName is [db.]name; Database is "" when the text names none.
// A leading catalog (default_catalog.db.t) is accepted and dropped.
type TableName struct {
	Database, Name string
	Range          Range
}

// Property is one "key"="value" pair; order and duplicates are kept.
type Property struct{ Key, Value string }

// PartitionList is [TEMPORARY] PARTITION[S] (a, b), or without parentheses.
type PartitionList struct {
	Temporary bool
	Names     []string
	Range     Range
}

// ObjectKind is the kind keyword of an object in BACKUP/RESTORE ON (…).
type ObjectKind string

// The kinds; AnyObject is the old, untyped form.
const (
	AnyObject              ObjectKind = ""
	TableObject            ObjectKind = "TABLE"
	MaterializedViewObject ObjectKind = "MATERIALIZED VIEW"
	ViewObject             ObjectKind = "VIEW"
	FunctionObject         ObjectKind = "FUNCTION"
)

// Object is one item of ON (…). All objects of a kind (ALL TABLES …) have All set and no name.
type Object struct {
	Kind       ObjectKind
	All        bool
	Name       TableName // a database in front of the table is kept here; the FE ignores it
	Partitions *PartitionList
	Alias      string
	HasAlias   bool  // AS `` is an empty alias, not none
	Range      Range // name … alias, without the kind keyword
}

// Catalog is one item of EXTERNAL CATALOG (…).
type Catalog struct{ Name, Alias string }

// Backup is BACKUP SNAPSHOT [db.]label … or BACKUP DATABASE db SNAPSHOT label ….
type Backup struct {
	base
	Database    string // "" when the text names none: the session's database counts for checks
	Label       string
	Repository  string
	AllCatalogs bool
	Catalogs    []Catalog
	On          bool // an ON clause is there
	Objects     []Object
	Properties  []Property
}

// Restore is RESTORE SNAPSHOT [db.]label FROM repo [DATABASE d [AS e]] [ON (…)].
type Restore struct {
	base
	Database    string // from db.label; the target
	Label       string
	Repository  string
	Source      string // DATABASE d: its name in the snapshot
	Target      string // AS e
	AllCatalogs bool
	Catalogs    []Catalog
	On          bool
	Objects     []Object
	Properties  []Property
}

// TargetDatabase is the database to restore into, or "" (the snapshot's own).
func (r *Restore) TargetDatabase() string {
	if r.Database != "" {
		return r.Database
	}
	if r.Target != "" {
		return r.Target
	}
	return r.Source
}

// Cancel is CANCEL BACKUP|RESTORE {FROM|IN} db, or FOR EXTERNAL CATALOG.
type Cancel struct {
	base
	Restore         bool
	Database        string
	ExternalCatalog bool
}

// ShowBackup is SHOW BACKUP [{FROM|IN} db].
type ShowBackup struct {
	base
	Database string
}

// ShowRestore is SHOW RESTORE [{FROM|IN} db] [WHERE …]; the FE ignores WHERE.
type ShowRestore struct {
	base
	Database string
}

// ShowSnapshot is SHOW SNAPSHOT ON repo [WHERE …].
type ShowSnapshot struct {
	base
	Repository string
	Where      Expr
}

// CreateRepository is CREATE [READ ONLY] REPOSITORY.
type CreateRepository struct {
	base
	ReadOnly   bool
	Name       string
	Broker     string
	Location   string
	Properties []Property
}

// DropRepository is DROP REPOSITORY name.
type DropRepository struct {
	base
	Name string
}

// ShowSimple is a SHOW without arguments the tree cares for.
type ShowSimple struct {
	base
	What ShowKind
}

// ShowKind names a SHOW without arguments.
type ShowKind string

// The SHOW forms without arguments.
const (
	ShowRepositories ShowKind = "REPOSITORIES"
	ShowFrontends    ShowKind = "FRONTENDS"
	ShowBackends     ShowKind = "BACKENDS"
	ShowComputeNodes ShowKind = "COMPUTE NODES"
	ShowBroker       ShowKind = "BROKER"
	ShowCatalogs     ShowKind = "CATALOGS"
	ShowWarnings     ShowKind = "WARNINGS"
	ShowProcessList  ShowKind = "PROCESSLIST"
	ShowStatus       ShowKind = "STATUS"
	ShowEngines      ShowKind = "ENGINES"
	ShowCharset      ShowKind = "CHARSET"
	ShowCollation    ShowKind = "COLLATION"
	ShowUsers        ShowKind = "USERS"
	ShowRoles        ShowKind = "ROLES"

	ShowStorageVolumes ShowKind = "STORAGE VOLUMES"
)

// CreateDatabase is CREATE DATABASE [IF NOT EXISTS] name.
type CreateDatabase struct {
	base
	Name        string
	IfNotExists bool
}

// DropDatabase is DROP DATABASE [IF EXISTS] name [FORCE].
type DropDatabase struct {
	base
	Name            string
	IfExists, Force bool
}

// RenameDatabase is ALTER DATABASE name RENAME to.
type RenameDatabase struct {
	base
	Name, To string
}

// RecoverDatabase is RECOVER DATABASE name.
type RecoverDatabase struct {
	base
	Name string
}

// Use is USE [catalog.]name.
type Use struct {
	base
	Database string
}

// Column is one column of CREATE TABLE, ADD COLUMN, MODIFY COLUMN.
type Column struct {
	Name          string
	Type          string // lower case, normalised as in SHOW CREATE: "varchar(20)", "decimal(10, 2)", "bigint(20)" is not added
	Key           bool
	Aggregate     string // SUM, MAX, REPLACE, … upper case, "" none
	Nullable      bool   // default true; primary key columns must say NOT NULL
	NullWritten   bool   // NULL or NOT NULL stood in the text
	AutoIncrement bool
	HasDefault    bool
	Default       string // the literal's value; "" with DefaultExpr for CURRENT_TIMESTAMP, NULL, (uuid())
	DefaultExpr   string
	Comment       string
	As            string // generated column: text of the expression
}

// Index is INDEX name (cols) [USING BITMAP] [COMMENT '…'].
type Index struct {
	Name    string
	Columns []string
	Using   string
	Comment string
}

// KeysModel is the table's model.
type KeysModel string

// The models; NoKeys means the text names none (DUPLICATE by default).
const (
	NoKeys        KeysModel = ""
	DuplicateKeys KeysModel = "DUPLICATE"
	AggregateKeys KeysModel = "AGGREGATE"
	UniqueKeys    KeysModel = "UNIQUE"
	PrimaryKeys   KeysModel = "PRIMARY"
)

// PartitionKind says how a table is partitioned.
type PartitionKind string

// The partition kinds. Expression covers date_trunc('day', c), time_slice and column lists without RANGE/LIST.
const (
	Unpartitioned        PartitionKind = ""
	RangePartitioned     PartitionKind = "RANGE"
	ListPartitioned      PartitionKind = "LIST"
	ExpressionPartitions PartitionKind = "EXPRESSION"
)

// PartitionBy is the PARTITION BY clause.
type PartitionBy struct {
	Kind       PartitionKind
	Columns    []string       // RANGE/LIST columns, or the columns of Exprs in order
	Exprs      []Expr         // Expression only: column refs and function calls
	Partitions []PartitionDef // as written; START/END/EVERY is in Steps
	Steps      []PartitionStep
}

// Bound is one bound value of a partition: a literal or MAXVALUE.
type Bound struct {
	Value string
	Max   bool
}

// PartitionDef is PARTITION [IF NOT EXISTS] name VALUES …: exactly one of LessThan, (From, To), In is set.
type PartitionDef struct {
	Name        string
	IfNotExists bool
	LessThan    []Bound
	From, To    []Bound // VALUES [("a"), ("b"))
	In          [][]string
	Properties  []Property
}

// PartitionStep is START ("a") END ("b") EVERY (INTERVAL n unit) or EVERY (n).
type PartitionStep struct {
	Start, End string
	Every      int
	Unit       string // DAY, MONTH …; "" for numbers
}

// Distribution is DISTRIBUTED BY HASH(cols)|RANDOM [BUCKETS n].
type Distribution struct {
	Random  bool
	Columns []string
	Buckets int // 0: not written
}

// CreateTable is CREATE TABLE.
type CreateTable struct {
	base
	Name         TableName
	IfNotExists  bool
	Columns      []Column
	Indexes      []Index
	Keys         KeysModel
	KeyColumns   []string
	Comment      string
	PartitionBy  PartitionBy
	Distribution *Distribution // nil: not written
	OrderBy      []string
	Rollups      []Rollup
	Properties   []Property
}

// Rollup is name (cols) in CREATE TABLE … ROLLUP or ALTER TABLE … ADD ROLLUP.
type Rollup struct {
	Name    string
	Columns []string
}

// DropTable is DROP TABLE [IF EXISTS] name [FORCE].
type DropTable struct {
	base
	Name            TableName
	IfExists, Force bool
}

// RecoverTable is RECOVER TABLE name.
type RecoverTable struct {
	base
	Name TableName
}

// TruncateTable is TRUNCATE TABLE name [PARTITION (…)].
type TruncateTable struct {
	base
	Name       TableName
	Partitions *PartitionList
}

// AlterTable is ALTER TABLE name clause; the FE's list of clauses is one long here.
type AlterTable struct {
	base
	Name   TableName
	Clause AlterClause
}

// AlterClause is one of the clause types below.
type AlterClause interface{ alterClause() }

// The clauses of ALTER TABLE.
type (
	// SwapWith is SWAP WITH other.
	SwapWith struct{ Name string }
	// RenameTo is RENAME other.
	RenameTo struct{ Name string }
	// SetProperties is SET (…).
	SetProperties struct{ Properties []Property }
	// AddPartition is ADD [TEMPORARY] PARTITION …; Step is set for ADD PARTITIONS START … END … EVERY.
	AddPartition struct {
		Temporary    bool
		Partition    PartitionDef
		Step         *PartitionStep
		Distribution *Distribution
		Properties   []Property
	}
	// DropPartition is DROP [TEMPORARY] PARTITION [IF EXISTS] name [FORCE].
	DropPartition struct {
		Temporary, IfExists, Force bool
		Name                       string
	}
	// RenamePartition is RENAME PARTITION a b.
	RenamePartition struct{ Name, To string }
	// ReplacePartition is REPLACE PARTITION (…) WITH TEMPORARY PARTITION (…).
	ReplacePartition struct {
		Names, With []string
		Properties  []Property
	}
	// ModifyPartition is MODIFY PARTITION (…)|name SET (…).
	ModifyPartition struct {
		Names      []string
		All        bool
		Properties []Property
	}
	// AddColumn is ADD COLUMN.
	AddColumn struct {
		Column Column
		First  bool
		After  string
	}
	// ModifyColumn is MODIFY COLUMN.
	ModifyColumn struct{ Column Column }
	// DropColumn is DROP COLUMN.
	DropColumn struct{ Name string }
	// AddRollup is ADD ROLLUP name (cols).
	AddRollup struct{ Rollup Rollup }
	// DropRollup is DROP ROLLUP name.
	DropRollup struct{ Name string }
	// SetComment is COMMENT = '…'.
	SetComment struct{ Comment string }
)

func (*SwapWith) alterClause()         {}
func (*RenameTo) alterClause()         {}
func (*SetProperties) alterClause()    {}
func (*AddPartition) alterClause()     {}
func (*DropPartition) alterClause()    {}
func (*RenamePartition) alterClause()  {}
func (*ReplacePartition) alterClause() {}
func (*ModifyPartition) alterClause()  {}
func (*AddColumn) alterClause()        {}
func (*ModifyColumn) alterClause()     {}
func (*DropColumn) alterClause()       {}
func (*AddRollup) alterClause()        {}
func (*DropRollup) alterClause()       {}
func (*SetComment) alterClause()       {}
