package spec

import "time"

// UsageTimeout bounds the reading of a Usage: it takes a file of each restore point and native snapshot.
const UsageTimeout = 30 * time.Minute

// Usage tells what the restore points of a cluster take in a repository. Bytes are those of stored objects.
type Usage struct {
	Points     []PointUsage    `json:"points"`    // newest first, at most MaxListed
	Databases  []DatabaseUsage `json:"databases"` // largest first, at most MaxListed
	Tables     []TableUsage    `json:"tables"`    // largest first, at most MaxListed
	Ages       []AgeUsage      `json:"ages"`      // youngest first
	PointCount int             `json:"pointCount"`
	TableCount int             `json:"tableCount"`
	Snapshots  int64           `json:"snapshots"`  // native snapshots on record
	Bytes      int64           `json:"bytes"`      // of all of them
	Unneeded   int64           `json:"unneeded"`   // of those that no restore point needs
	Newest     string          `json:"newest"`     // the point that "holds" is of
	Unreadable []string        `json:"unreadable"` // points and snapshots that are not counted, with the reason
}

// PointUsage is what one restore point takes.
type PointUsage struct {
	ID        string `json:"id"`
	CreatedAt string `json:"createdAt"` // RFC 3339, UTC
	Complete  bool   `json:"complete"`
	Snapshots int    `json:"snapshots"` // native snapshots that it needs
	Bytes     int64  `json:"bytes"`     // of them
	Added     int64  `json:"added"`     // of those that no older point needs: growth
	Unique    int64  `json:"unique"`    // of those that no other point needs: what pruning this one alone would free
	Shared    int64  `json:"shared"`    // of the others
}

// DatabaseUsage is what one database takes.
type DatabaseUsage struct {
	Database string `json:"database"`
	Tables   int    `json:"tables"`
	Holds    int64  `json:"holds"` // bytes of it in the newest complete point
	Bytes    int64  `json:"bytes"` // in all native snapshots
}

// TableUsage is what one table takes.
type TableUsage struct {
	Database string `json:"database"`
	Table    string `json:"table"`
	Holds    int64  `json:"holds"`
	Bytes    int64  `json:"bytes"`
}

// AgeUsage is what native snapshots of an age take.
type AgeUsage struct {
	Younger   string `json:"younger"` // than this: "24h0m0s"; "" for all that are older than those before
	Snapshots int64  `json:"snapshots"`
	Bytes     int64  `json:"bytes"`
}

// Difference is what changed from one restore point to another.
type Difference struct {
	From    PointRow          `json:"from"`
	To      PointRow          `json:"to"`
	Tables  []TableDifference `json:"tables"` // by name, at most MaxListed
	Changed int64             `json:"changed"`
	Same    int64             `json:"same"` // tables that did not change
	Rows    int64             `json:"rows"` // more in To; negative: fewer
	Bytes   int64             `json:"bytes"`
}

// TableDifference is what changed of one table.
type TableDifference struct {
	Database   string          `json:"database"`
	Table      string          `json:"table"`
	Change     string          `json:"change"`             // one of the Change constants
	Partitions PartitionCounts `json:"partitions"`         //
	Added      []string        `json:"added,omitempty"`    // partitions by name; these lists have at most 20
	Dropped    []string        `json:"dropped,omitempty"`  //
	Replaced   []string        `json:"replaced,omitempty"` // the same name with another id: truncated, swapped, dropped and made again
	Changed    []string        `json:"changed,omitempty"`  // the same id with another version: loaded, or restored in place
	RowsFrom   int64           `json:"rowsFrom"`           //
	RowsTo     int64           `json:"rowsTo"`             //
	BytesFrom  int64           `json:"bytesFrom"`          //
	BytesTo    int64           `json:"bytesTo"`            //
}

// PartitionCounts count the partitions of a table by what became of them.
type PartitionCounts struct {
	Same     int `json:"same"`
	Added    int `json:"added"`
	Dropped  int `json:"dropped"`
	Replaced int `json:"replaced"`
	Changed  int `json:"changed"`
}

// What changed of a table. The first that fits is told.
const (
	ChangeCreated   = "created"
	ChangeDropped   = "dropped"
	ChangeRecreated = "re-created" // the same name with another id: dropped and made again, or swapped
	ChangeSchema    = "schema"     // its columns, keys or indexes
	ChangeData      = "data"       // its partitions only
)
