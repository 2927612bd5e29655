package sqlparse

// ViewColumn is one column of a view's or MV's column list.
type ViewColumn struct{ Name, Comment string }

// CreateView is CREATE [OR REPLACE] VIEW.
type CreateView struct {
	base
	Name                   TableName
	IfNotExists, OrReplace bool
	Columns                []ViewColumn
	Comment                string
	Query                  *Select
}

// AlterView is ALTER VIEW name AS query.
type AlterView struct {
	base
	Name  TableName
	Query *Select
}

// DropView is DROP VIEW [IF EXISTS] name.
type DropView struct {
	base
	Name     TableName
	IfExists bool
}

// CreateMaterializedView is CREATE MATERIALIZED VIEW. Async is true when REFRESH or DISTRIBUTED BY is written;
// without them it is a synchronous one (a rollup).
type CreateMaterializedView struct {
	base
	Name         TableName
	IfNotExists  bool
	Columns      []ViewColumn
	Comment      string
	PartitionBy  []Expr
	Distribution *Distribution
	OrderBy      []string
	Async        bool
	Refresh      string // upper-cased, as written: "DEFERRED MANUAL", "MANUAL", "ASYNC EVERY(INTERVAL 1 DAY)", "" not written
	Properties   []Property
	Query        *Select
}

// DropMaterializedView is DROP MATERIALIZED VIEW [IF EXISTS] name.
type DropMaterializedView struct {
	base
	Name     TableName
	IfExists bool
}

// AlterMaterializedView is ALTER MATERIALIZED VIEW name ACTIVE|INACTIVE|RENAME to|SET (…): Action is the keyword.
type AlterMaterializedView struct {
	base
	Name       TableName
	Action     string
	To         string
	Properties []Property
}

// RefreshMaterializedView is REFRESH MATERIALIZED VIEW name [FORCE] [WITH SYNC|ASYNC MODE].
type RefreshMaterializedView struct {
	base
	Name        TableName
	Force, Sync bool
}

// Insert is INSERT INTO|OVERWRITE name [[TEMPORARY] PARTITION (…)] [(cols)] VALUES … | SELECT ….
type Insert struct {
	base
	Overwrite  bool
	Name       TableName
	Partitions *PartitionList
	Columns    []string
	Rows       [][]Expr // literals, negated numbers, DEFAULT as *ColumnRef{"DEFAULT"}
	Query      *Select  // instead of Rows
}

// Delete is DELETE FROM name [PARTITION (…)] [WHERE …].
type Delete struct {
	base
	Name       TableName
	Partitions *PartitionList
	Where      Expr
}

// Select is a query over at most one table (plus joins that only views need: they are kept as text).
type Select struct {
	base
	Distinct   bool
	Items      []SelectItem
	From       *TableName // nil: SELECT 1
	FromAlias  string
	Joined     []TableName // further tables; only names are kept
	Partitions *PartitionList
	Where      Expr
	GroupBy    []Expr
	Having     Expr
	OrderBy    []OrderItem
	Limit      int64 // -1: none
	Offset     int64
}

// SelectItem is expr [AS alias] or *; Text is the expression as written (the FE's column name when there is no alias).
type SelectItem struct {
	Star  bool
	Expr  Expr
	Alias string
	Text  string
}

// OrderItem is expr [ASC|DESC].
type OrderItem struct {
	Expr Expr
	Desc bool
}

// Expr is one of *ColumnRef, *Literal, *Variable, *Call, *Binary, *Unary, *In, *IsNull, *Between, *Interval, *Cast, *Case.
type Expr interface{ expr() }

// The expressions.
type (
	// ColumnRef is [db.][table.]column.
	ColumnRef struct{ Parts []string }
	// LiteralKind tells the literals apart.
	LiteralKind int
	// Literal is a string, number, NULL, TRUE/FALSE; Value is unquoted.
	Literal struct {
		Kind  LiteralKind
		Value string
	}
	// Variable is @@[global.|session.]name or @name (User).
	Variable struct {
		Scope, Name string
		User        bool
	}
	// Call is name(args); Star for count(*).
	Call struct {
		Name     string // lower case
		Distinct bool
		Star     bool
		Args     []Expr
	}
	// Binary: Op is AND, OR, =, !=, <, <=, >, >=, <=>, +, -, *, /, %, LIKE, NOT LIKE, REGEXP.
	Binary struct {
		Op          string
		Left, Right Expr
	}
	// Unary: Op is NOT or -.
	Unary struct {
		Op   string
		Expr Expr
	}
	// In is e [NOT] IN (…).
	In struct {
		Not  bool
		Expr Expr
		List []Expr
	}
	// IsNull is e IS [NOT] NULL.
	IsNull struct {
		Not  bool
		Expr Expr
	}
	// Between is e [NOT] BETWEEN a AND b.
	Between struct {
		Not          bool
		Expr, Lo, Hi Expr
	}
	// Interval is INTERVAL n unit.
	Interval struct {
		N    Expr
		Unit string
	}
	// Cast is CAST(e AS type).
	Cast struct {
		Expr Expr
		Type string
	}
)

// The literal kinds.
const (
	NullLiteral LiteralKind = iota
	StringLiteral
	NumberLiteral
	BoolLiteral
)

func (*ColumnRef) expr() {}
func (*Literal) expr()   {}
func (*Variable) expr()  {}
func (*Call) expr()      {}
func (*Binary) expr()    {}
func (*Unary) expr()     {}
func (*In) expr()        {}
func (*IsNull) expr()    {}
func (*Between) expr()   {}
func (*Interval) expr()  {}
func (*Cast) expr()      {}

// ShowCreate is SHOW CREATE TABLE|VIEW|MATERIALIZED VIEW|DATABASE|CATALOG name; What is the upper-case keyword(s).
type ShowCreate struct {
	base
	What string
	Name TableName // Database "" for DATABASE and CATALOG
}

// ShowDatabases is SHOW DATABASES [FROM catalog] [LIKE '…'] [WHERE …].
type ShowDatabases struct {
	base
	Like  *string
	Where Expr
}

// ShowTables is SHOW [FULL] TABLES [FROM db] [LIKE '…'] [WHERE …].
type ShowTables struct {
	base
	Full     bool
	Database string
	Like     *string
	Where    Expr
}

// ShowTableStatus is SHOW TABLE STATUS [FROM db] [LIKE '…'] [WHERE …].
type ShowTableStatus struct {
	base
	Database string
	Like     *string
	Where    Expr
}

// ShowPartitions is SHOW [TEMPORARY] PARTITIONS FROM t [WHERE …] [ORDER BY …] [LIMIT n].
type ShowPartitions struct {
	base
	Temporary bool
	Name      TableName
	Where     Expr
	OrderBy   []OrderItem
	Limit     int64 // -1: none
	Offset    int64
}

// ShowTablet is SHOW TABLET id.
type ShowTablet struct {
	base
	ID int64
}

// ShowTablets is SHOW TABLET FROM t [PARTITION (…)] [WHERE …] [ORDER BY …] [LIMIT n].
type ShowTablets struct {
	base
	Name       TableName
	Partitions *PartitionList
	Where      Expr
	OrderBy    []OrderItem
	Limit      int64 // -1: none
	Offset     int64
}

// ShowMaterializedViews is SHOW MATERIALIZED VIEWS [FROM db] [LIKE '…'] [WHERE …].
type ShowMaterializedViews struct {
	base
	Database string
	Like     *string
	Where    Expr
}

// ShowRoutineLoad is SHOW [ALL] ROUTINE LOAD [FOR name] [FROM db].
type ShowRoutineLoad struct {
	base
	All      bool
	Database string
	Job      string
}

// ShowLoad is SHOW LOAD [FROM db].
type ShowLoad struct {
	base
	Database string
}

// ShowFunctions is SHOW [FULL] [BUILTIN|GLOBAL] FUNCTIONS [FROM db] [LIKE '…'].
type ShowFunctions struct {
	base
	Full, Global, Builtin bool
	Database              string
	Like                  *string
}

// ShowAlter is SHOW ALTER TABLE COLUMN|ROLLUP|OPTIMIZE [FROM db].
type ShowAlter struct {
	base
	What     string
	Database string
	Where    Expr
	OrderBy  []OrderItem
	Limit    int64
}

// ShowVariables is SHOW [GLOBAL|SESSION] VARIABLES [LIKE '…'] [WHERE …].
type ShowVariables struct {
	base
	Like  *string
	Where Expr
}

// ShowProc is SHOW PROC '/path'.
type ShowProc struct {
	base
	Path string
}

// ShowGrants is SHOW GRANTS [FOR user|ROLE role].
type ShowGrants struct {
	base
	User *User
	Role string
}

// ShowDynamicPartitions is SHOW DYNAMIC PARTITION TABLES [FROM db].
type ShowDynamicPartitions struct {
	base
	Database string
}

// ShowData is SHOW DATA [FROM t].
type ShowData struct {
	base
	Name *TableName
}

// AdminShowConfig is ADMIN SHOW FRONTEND CONFIG [LIKE '…'].
type AdminShowConfig struct {
	base
	Like *string
}

// AdminSetConfig is ADMIN SET FRONTEND CONFIG ("k"="v").
type AdminSetConfig struct {
	base
	Properties []Property
	Persistent bool
}

// User is 'name'[@'host']; Host is "%" when not written.
type User struct{ Name, Host string }

// CreateUser is CREATE USER [IF NOT EXISTS] u [IDENTIFIED BY '…'] [DEFAULT ROLE r, …].
type CreateUser struct {
	base
	IfNotExists  bool
	User         User
	Password     string
	DefaultRoles []string
}

// DropUser is DROP USER [IF EXISTS] u.
type DropUser struct {
	base
	IfExists bool
	User     User
}

// CreateRole is CREATE ROLE [IF NOT EXISTS] r.
type CreateRole struct {
	base
	IfNotExists bool
	Name        string
}

// DropRole is DROP ROLE [IF EXISTS] r.
type DropRole struct {
	base
	IfExists bool
	Name     string
}

// Grant is GRANT|REVOKE of privileges or roles.
type Grant struct {
	base
	Revoke      bool
	Roles       []string // GRANT r1, r2 TO …: no privileges then
	Privileges  []string // upper case: "SELECT", "CREATE TABLE", "ALL"
	On          string   // upper-case object type, singular: "TABLE", "DATABASE", "SYSTEM", "VIEW", "MATERIALIZED VIEW", "CATALOG", …
	All         bool     // ON ALL TABLES IN …: every object of the type
	InDatabase  string   // "" with All: in all databases
	Objects     []TableName
	ToUser      *User
	ToRole      string
	GrantOption bool
}

// SetDefaultRole is SET DEFAULT ROLE ALL|NONE|r, … TO user.
type SetDefaultRole struct {
	base
	All, None bool
	Roles     []string
	User      User
}

// SetRole is SET ROLE ALL|NONE|r, ….
type SetRole struct {
	base
	All, None bool
	Roles     []string
}

// SetPassword is SET PASSWORD [FOR u] = PASSWORD('…').
type SetPassword struct {
	base
	User     *User
	Password string
}

// Set is SET [GLOBAL|SESSION] a = b, … | SET NAMES x | SET CHARACTER SET x.
type Set struct {
	base
	Assignments []Assignment
}

// Assignment is one variable; SET NAMES is Name "names".
type Assignment struct {
	Global bool
	User   bool // @name
	Name   string
	Value  Expr // *ColumnRef for bare words
}

// SetProperty is SET PROPERTY [FOR 'u'] 'k' = 'v', ….
type SetProperty struct {
	base
	User       string
	Properties []Property
}

// Kill is KILL [QUERY|CONNECTION] n.
type Kill struct {
	base
	Query bool
	ID    int64
}

// Transaction is BEGIN, START TRANSACTION, COMMIT, ROLLBACK.
type Transaction struct {
	base
	What string
}
