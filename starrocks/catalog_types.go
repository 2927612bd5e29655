package starrocks

import "time"

// Frontend is a row of SHOW FRONTENDS (facts §8.2).
type Frontend struct {
	Name      string
	Host      string // IP or FQDN, as the FE knows itself
	QueryPort int    // MySQL port
	Role      string // "LEADER", "FOLLOWER", "OBSERVER"
	ClusterID int64
	Alive     bool
	Version   string
	StartTime time.Time // UTC, whole seconds; changes with each start
}

// IsLeader says whether this FE leads the cluster.
func (f Frontend) IsLeader() bool { return f.Role == "LEADER" }

// Backend is a row of SHOW BACKENDS.
type Backend struct {
	ID            int64
	Host          string
	Alive         bool
	LastHeartbeat time.Time     // UTC, whole seconds
	HeartbeatAge  time.Duration // by the FE's clock: since the newest heartbeat of any FE or BE of the cluster (rule 12)
	Version       string
	ErrMsg        string
	Available     int64 // free bytes of its disks, rounded as StarRocks prints it; 0 if it does not say
}

// Repository is a row of SHOW REPOSITORIES. Two rows may have one name (measured C 48d).
type Repository struct {
	ID       int64
	Name     string
	ReadOnly bool
	Location string
	ErrMsg   string // the leader's last failed look at it, every 10 minutes; empty if there was none
}

// TableKind says what stands under a table's name.
type TableKind string

// The kinds. KindOther is an external table, a table of a shared-data cluster, a schema table: nothing that BACKUP takes.
const (
	KindTable            TableKind = "TABLE"
	KindView             TableKind = "VIEW"
	KindMaterializedView TableKind = "MATERIALIZED_VIEW"
	KindOther            TableKind = "OTHER"
)

// Table is an object of a database, from information_schema.tables and tables_config.
type Table struct {
	Database, Name string
	Kind           TableKind
	Engine         string // "OLAP", "VIEW", "MATERIALIZED_VIEW", "CLOUD_NATIVE", …
	ID             int64  // 0 for views
	Keys           string // "DUP_KEYS", "AGG_KEYS", "UNIQUE_KEYS", "PRIMARY_KEYS"
	PartitionKey   string // as StarRocks prints it, with backquotes; empty = not partitioned
	DistributeKey  string // empty = random
	SortKey        string
	Properties     map[string]string
}

// Partition is a physical partition, from information_schema.partitions_meta or SHOW PARTITIONS (facts §8.1).
type Partition struct {
	Table, Name    string
	ID             int64 // physical
	VisibleVersion int64 // 1 = never loaded
	// VisibleAt is when that version became visible, in whole seconds, UTC. A RESTORE over the partition sets it, and so does
	// the start of an FE afterwards (measured A 7.3): another time proves nothing, the same time does. Zero if it is not told.
	VisibleAt   time.Time
	Buckets     int
	Replication int
	Temporary   bool
	Rows, Bytes int64  // as the FE believes: lags by minutes
	Value       string // range or list values as StarRocks prints them
}

// View is a logical view with its definition (SELECT …).
type View struct{ Name, Definition string }

// MaterializedView is a row of information_schema.materialized_views.
type MaterializedView struct {
	Name           string
	Active         bool
	InactiveReason string
	RefreshType    string // "ASYNC", "MANUAL", "INCREMENTAL"; "ROLLUP" or "SYNC": part of its base table
	Definition     string
}

// RoutineLoad is a row of SHOW ROUTINE LOAD: one that has not ended.
type RoutineLoad struct{ Name, Table, State string }

// TabletPlace says where a tablet belongs. The zero value: no such tablet.
type TabletPlace struct{ Database, Table, Partition, Index string }

// Tablet is a replica of a tablet, a row of SHOW TABLET FROM.
type Tablet struct {
	ID, Replica, Backend       int64
	Version, LastFailedVersion int64 // -1: none failed
	State                      string
}

// Grant is one privilege on one table or view.
type Grant struct {
	Grantee         string // 'user'@'host' with its quotes, or the role's name
	IsRole          bool
	Kind            string // "" for a table, "VIEW", "MATERIALIZED VIEW"
	Database, Table string
	Privilege       string // "SELECT", "INSERT", …
	Grantable       bool
}

// ShadowPartition is the hidden partition of every automatically partitioned table. It is backed up and restored like
// any other: a table restored without it breaks on dynamic overwrites (measured C 41).
const ShadowPartition = "$shadow_automatic_partition"
