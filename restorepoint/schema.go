package restorepoint

import (
	"encoding/json"
	"fmt"

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
