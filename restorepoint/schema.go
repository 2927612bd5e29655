package restorepoint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"starkeep/starrocks"
)

// SchemaOf gives a digest of a table's schema in a native snapshot: Table.Schema. Partitions of two snapshots can make
// one table only if it is equal (starrocks-measured C §2): columns, keys, sort key, distribution, and of each index the
// schema's version, hash and unique ids. Names of the table, comments and ids of its objects do not count.
func SchemaOf(t starrocks.MetaTable) (string, error) {
	indexes := make(map[string]starrocks.MetaSchema, len(t.Schemas))
	for name, s := range t.Schemas {
		if name == t.Name {
			name = "" // the base index is named like the table
		}
		s.ID = 0
		indexes[name] = s
	}
	columns := make([]starrocks.MetaColumn, len(t.Columns))
	for i, c := range t.Columns {
		c.Comment = ""
		columns[i] = c
	}
	text, err := json.Marshal([]any{t.Class, t.KeysType, t.PartitionType, columns, t.SortKey, t.Distribution, t.BloomFilter, indexes})
	if err != nil {
		return "", fmt.Errorf("schema of table %q: %w", t.Name, err)
	}
	return digest(32, string(text)), nil
}

// IndexesOf lists the schema versions of a table's indexes in a native snapshot, the base index first.
func IndexesOf(t starrocks.MetaTable) []Index {
	var list []Index
	for name, s := range t.Schemas {
		if name == t.Name {
			name = ""
		}
		list = append(list, Index{Name: name, Version: s.Version, Hash: s.Hash})
	}
	sortIndexes(list)
	return list
}

// LiveIndexes is IndexesOf for what the FE says of a table.
func LiveIndexes(table string, live []starrocks.IndexSchema) []Index {
	var list []Index
	for _, s := range live {
		if s.Index == table {
			s.Index = ""
		}
		list = append(list, Index{Name: s.Index, Version: s.Version, Hash: s.Hash})
	}
	sortIndexes(list)
	return list
}

func sortIndexes(list []Index) {
	slices.SortFunc(list, func(a, b Index) int { return strings.Compare(a.Name, b.Name) })
}
