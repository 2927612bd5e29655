package restorepoint

import (
	"encoding/json"
	"time"
)

// FormatVersion is the version of manifests and snapshot records. Readers refuse another major version and
// ignore fields they do not know.
const FormatVersion = "1.0"

// Manifest makes a restore point: for each partition, the native snapshot that holds it. docs/formats.md explains the
// fields; those before Spec are its head, which DecodeSummary reads alone.
type Manifest struct {
	FormatVersion string            `json:"formatVersion"`
	ID            string            `json:"id"` // of the restore point
	Cluster       Cluster           `json:"cluster"`
	Repository    Repository        `json:"repository"`
	CreatedAt     time.Time         `json:"createdAt"`
	Complete      bool              `json:"complete"` // nothing that was selected is missing: Failed is empty
	Parent        string            `json:"parent,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Origin        string            `json:"origin,omitempty"`   // OriginAdopted, or "" for a backup
	Selected      *Selected         `json:"selected,omitempty"` // what it is of, where Spec does not say that: of a point that completes another
	Counts        Counts            `json:"counts"`
	Spec          json.RawMessage   `json:"spec,omitempty"` // the workflow's input, as given
	Snapshots     []SnapshotRef     `json:"snapshots"`
	Databases     []Database        `json:"databases"`
	NotCovered    []NotCovered      `json:"notCovered,omitempty"` // selected, but of a kind that is not backed up
	Failed        []FailedObject    `json:"failed,omitempty"`     // selected, tried, and missing in this point
	NotKnown      []string          `json:"notKnown,omitempty"`   // adopted: what the repository does not tell, so that it is never compared
}

// OriginAdopted marks a restore point made of a native snapshot that starkeep did not make.
const OriginAdopted = "adopted"

// Selected is what a backup was told to take, as its input has it.
type Selected struct {
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// Cluster is where a restore point comes from.
type Cluster struct {
	Name    string `json:"name"` // of the profile
	ID      int64  `json:"id"`   // ClusterId of SHOW FRONTENDS
	Version string `json:"version"`
}

// Repository is where the native snapshots of a restore point were written.
type Repository struct {
	Name       string `json:"name"`       // of the profile
	NativeName string `json:"nativeName"` // as in CREATE REPOSITORY
	Location   string `json:"location"`
}

// Counts sums a restore point up: bytes are those of the partitions' objects, rows those counted, or else what the
// catalog said.
type Counts struct {
	Databases  int   `json:"databases"`
	Tables     int   `json:"tables"`
	Partitions int   `json:"partitions"`
	Tablets    int   `json:"tablets"`
	Rows       int64 `json:"rows"`
	Bytes      int64 `json:"bytes"`
	Failed     int   `json:"failed"`
	NotCovered int   `json:"notCovered"`

	Views             int `json:"views,omitempty"`
	MaterializedViews int `json:"materializedViews,omitempty"`
	Functions         int `json:"functions,omitempty"`
}

// SnapshotRef points to the record of a native snapshot.
type SnapshotRef struct {
	Label      string `json:"label"`
	Database   string `json:"database"`  // its name when the snapshot was taken
	Timestamp  string `json:"timestamp"` // for RESTORE's backup_timestamp
	InfoKey    string `json:"infoKey"`   // key of its __info, below the location
	MetaKey    string `json:"metaKey"`   // key of its __meta
	Record     string `json:"record"`    // key of its SnapshotRecord
	SHA256     string `json:"sha256"`    // of the record's bytes
	Objects    int64  `json:"objects"`
	Bytes      int64  `json:"bytes"` // as stored
	Partitions int    `json:"partitions"`
	// ConsistentAt is the instant whose data the snapshot holds: all its partitions belong together.
	ConsistentAt time.Time `json:"consistentAt"`
}

// Database is what a restore point holds of one database.
type Database struct {
	Name   string  `json:"name"`
	ID     int64   `json:"id"`
	Tables []Table `json:"tables"`
	Objects
}

// Table is a table as it was when backed up.
type Table struct {
	Name            string            `json:"name"`
	ID              int64             `json:"id"`
	Kind            string            `json:"kind"` // "table"
	Keys            string            `json:"keys"` // DUP_KEYS, AGG_KEYS, UNIQUE_KEYS, PRIMARY_KEYS
	DDL             string            `json:"ddl"`  // SHOW CREATE TABLE
	PartitionScheme string            `json:"partitionScheme,omitempty"`
	Replication     int               `json:"replication,omitempty"`
	AutoIncrement   bool              `json:"autoIncrement,omitempty"`
	Schema          string            `json:"schema,omitempty"`  // digest: equal for equal columns, keys and indexes
	Indexes         []Index           `json:"indexes,omitempty"` // schema versions, from __meta
	Properties      map[string]string `json:"properties,omitempty"`
	Grants          []Grant           `json:"grants,omitempty"`
	Fingerprint     *Hashed           `json:"fingerprint,omitempty"` // columns that its partitions' fingerprints take in
	Partitions      []Partition       `json:"partitions"`
}

// Grant is a privilege that a user or role had on a table.
type Grant struct {
	Grantee   string `json:"grantee"`
	IsRole    bool   `json:"isRole,omitempty"`
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable,omitempty"`
}

// Partition is one partition and where its data lies.
type Partition struct {
	Name        string     `json:"name"`
	ID          int64      `json:"id"`              // logical
	Value       string     `json:"value,omitempty"` // its range or list, as the catalog writes it
	Replication int        `json:"replication,omitempty"`
	Physical    []Physical `json:"physical"`            // from __info
	Rows        int64      `json:"rows"`                // of one replica
	RowsExact   bool       `json:"rowsExact,omitempty"` // Rows was counted, and nothing was loaded meanwhile
	Bytes       int64      `json:"bytes"`               // of its objects in the native snapshot
	Tablets     int        `json:"tablets"`
	Snapshot    string     `json:"snapshot,omitempty"` // label of the native snapshot; left out in a SnapshotRecord
	// Fingerprint of its rows, read at the very version that was saved; nil where none was asked for or could be had.
	Fingerprint *Fingerprint `json:"fingerprint,omitempty"`
}

// Physical is one physical partition of a partition, with the version whose data was saved.
type Physical struct {
	ID      int64 `json:"id"`
	Version int64 `json:"version"`
	// VisibleAt is when that version became visible, in seconds since 1970, from __meta; 0 if it is not known.
	VisibleAt int64 `json:"visibleAt,omitempty"`
}

// Index is the schema version of a table's base index (Name is "") or of one of its rollups. Fast schema changes move
// it, and no partition's version.
type Index struct {
	Name    string `json:"name,omitempty"`
	Version int64  `json:"schemaVersion"`
	Hash    int64  `json:"schemaHash"`
}

// NotCovered is an object that the selection named but starkeep does not back up.
type NotCovered struct {
	Database string `json:"database"`
	Name     string `json:"name"`
	Kind     string `json:"kind"` // "view", "materialized view", "function", …
	Reason   string `json:"reason"`
}

// FailedObject is a partition, or a whole table or database, that is missing in the point.
type FailedObject struct {
	Database  string `json:"database"`
	Table     string `json:"table,omitempty"`
	Partition string `json:"partition,omitempty"`
	Reason    string `json:"reason"`
}

// SnapshotRecord is what we write down about one native snapshot, once, after its proof: all that a manifest needs.
type SnapshotRecord struct {
	FormatVersion string       `json:"formatVersion"`
	Label         string       `json:"label"`
	Cluster       Cluster      `json:"cluster"`
	Repository    Repository   `json:"repository"`
	Database      string       `json:"database"`
	DatabaseID    int64        `json:"databaseId"`
	Timestamp     string       `json:"timestamp"`
	InfoKey       string       `json:"infoKey"`
	MetaKey       string       `json:"metaKey"`
	CreatedAt     time.Time    `json:"createdAt"`
	ConsistentAt  time.Time    `json:"consistentAt"`
	Lists         []ObjectList `json:"lists"`
	Tables        []Table      `json:"tables"`
}

// ObjectList names one stored list of objects.
type ObjectList struct {
	Key     string `json:"key"`
	SHA256  string `json:"sha256"`  // of the stored bytes
	Objects int64  `json:"objects"` // lines
	Bytes   int64  `json:"bytes"`   // sum of the objects' sizes
}

// PointSummary is what a list of restore points shows of each.
type PointSummary struct {
	ID         string            `json:"id"`
	Cluster    string            `json:"cluster"`
	Repository string            `json:"repository"`
	CreatedAt  time.Time         `json:"createdAt"`
	Complete   bool              `json:"complete"`
	Parent     string            `json:"parent,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Origin     string            `json:"origin,omitempty"`
	Counts     Counts            `json:"counts"`
}
