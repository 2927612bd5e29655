package starrocks

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Meta is what a native snapshot's __meta says about its tables (facts §5.5). It is for looking; edits go through
// RenameTables.
type Meta struct {
	Tables    map[string]MetaTable
	Functions []string // of the database, without arguments
}

// MetaTable is a table, materialized view or view of a __meta.
type MetaTable struct {
	ID             int64
	Name           string
	Class          string // "OlapTable", "MaterializedView", "View"
	KeysType       string // "DUP_KEYS", "AGG_KEYS", "UNIQUE_KEYS", "PRIMARY_KEYS"
	PartitionType  string // "UNPARTITIONED", "RANGE", "LIST", "EXPR_RANGE", "EXPR_RANGE_V2"
	PartitionClass string // "SinglePartitionInfo", "RangePartitionInfo", "ExpressionRangePartitionInfo", "ListPartitionInfo", …
	State          string
	Comment        string
	Columns        []MetaColumn
	SortKey        []string // columns of ORDER BY; empty = as the keys say
	Distribution   []string // columns of DISTRIBUTED BY HASH; empty = random
	BloomFilter    []string
	ColocateGroup  string
	Schemas        map[string]MetaSchema    // by index name: the base index has the table's name
	Partitions     map[string]MetaPartition // by name
	Replication    map[string]int           // by partition name
	Properties     map[string]string        // of tableProperty
	Definition     string                   // views: the SELECT
}

// HasAutoIncrement says whether a column counts by itself.
func (t MetaTable) HasAutoIncrement() bool {
	for _, c := range t.Columns {
		if c.AutoIncrement {
			return true
		}
	}
	return false
}

// MetaColumn is a column. StarRocks compares all of it with a local column, the comment too, but not the letter case of
// the name (measured A, table of 08).
type MetaColumn struct {
	Name          string
	Type          string // "INT", "VARCHAR(10)", "DECIMAL64(10,2)"; complex types as their JSON
	Key           bool
	Nullable      bool
	Aggregation   string // "", "NONE", "SUM", …
	HasDefault    bool
	Default       string // literal or expression
	Generated     string // expression of a generated column
	Comment       string
	AutoIncrement bool
	UniqueID      int64
}

// MetaSchema tells whether two snapshots of an index have one schema: only then may their tablets be composed (measured
// C §2).
type MetaSchema struct {
	ID              int64 // index
	Hash, Version   int64
	ShortKeys       int
	ColumnUniqueIDs []int64 // in the schema's order
}

// MetaPartition is a partition with its physical ones.
type MetaPartition struct {
	ID       int64
	Value    string // its range or list values in the file's own form: good for comparing two snapshots, not for reading
	Physical []MetaPhysical
}

// MetaPhysical is a physical partition: its version becomes that of new tables and added partitions (measured C §2).
type MetaPhysical struct {
	ID, VisibleVersion int64
	VisibleTime        int64 // when that version became visible, in milliseconds since 1970; 0 if the file does not say
}

// ParseMeta reads a __meta file: int32 big-endian length, then JSON. ErrMetaNotJSON for the older binary form.
func ParseMeta(data []byte) (*Meta, error) {
	text, err := metaJSON(data)
	if err != nil {
		return nil, err
	}
	return parseMetaJSON(text)
}

// metaJSON is the JSON in a __meta file.
func metaJSON(data []byte) ([]byte, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("__meta has %d bytes", len(data))
	}
	length, text := binary.BigEndian.Uint32(data), data[4:]
	if start := skipSpace(text, 0); start == len(text) || text[start] != '{' {
		return nil, fmt.Errorf("__meta: %w", ErrMetaNotJSON)
	}
	if uint64(length) != uint64(len(text)) {
		return nil, fmt.Errorf("__meta says %d bytes and has %d", length, len(text))
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("__meta: damaged JSON")
	}
	return text, nil
}

// encodeMeta puts the length in front.
func encodeMeta(text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, len(text)+4), uint32(len(text))), text...)
}
