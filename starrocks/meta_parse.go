package starrocks

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// The file's own form, as far as it is of use (facts §5.5).
type (
	metaFile struct {
		Tables    map[string]metaTable `json:"tblNameMap"`
		Functions []metaFunction       `json:"functions"`
	}
	metaFunction struct {
		Name struct {
			Function string `json:"fn"`
		} `json:"name"`
	}
	metaTable struct {
		Class         string                   `json:"clazz"`
		ID            int64                    `json:"id"`
		Name          string                   `json:"name"`
		State         string                   `json:"state"`
		KeysType      string                   `json:"keysType"`
		Comment       string                   `json:"comment"`
		Columns       []metaColumn             `json:"fullSchema"`
		BaseIndex     int64                    `json:"baseIndexId"`
		IndexNames    map[string]int64         `json:"indexNameToId"`
		Indexes       map[string]metaIndex     `json:"indexIdToMeta"`
		PartitionInfo metaPartitionInfo        `json:"partitionInfo"`
		Partitions    map[string]metaPartition `json:"idToPartition"`
		Distribution  metaDistribution         `json:"defaultDistributionInfo"`
		BloomFilter   []string                 `json:"bfColumns"`
		ColocateGroup string                   `json:"colocateGroup"`
		Property      metaProperty             `json:"tableProperty"`
		ViewSQL       string                   `json:"i"`
	}
	metaProperty struct {
		Properties map[string]string `json:"properties"`
	}
	metaColumn struct {
		Name          string          `json:"name"`
		UniqueID      int64           `json:"uniqueId"`
		Type          json.RawMessage `json:"type"`
		Aggregation   string          `json:"aggregationType"`
		Key           bool            `json:"isKey"`
		Nullable      bool            `json:"isAllowNull"`
		AutoIncrement bool            `json:"isAutoIncrement"`
		Default       *string         `json:"defaultValue"`
		DefaultExpr   metaExpr        `json:"defaultExpr"`
		Generated     metaExpr        `json:"generatedColumnExpr"`
		Comment       string          `json:"comment"`
	}
	metaExpr struct {
		Expr string `json:"expr"`
	}
	metaIndex struct {
		ID         int64        `json:"indexId"`
		Columns    []metaColumn `json:"schema"`
		Version    int64        `json:"schemaVersion"`
		Hash       int64        `json:"schemaHash"`
		ShortKeys  int          `json:"shortKeyColumnCount"`
		SortKeyIdx []int        `json:"sortKeyIdxes"`
	}
	metaPartitionInfo struct {
		Class       string                     `json:"clazz"`
		Type        string                     `json:"type"`
		Replication map[string]int             `json:"idToReplicationNum"`
		Ranges      map[string]json.RawMessage `json:"serializedIdToRange"`
		Values      map[string]json.RawMessage `json:"idToValues"`
		MultiValues map[string]json.RawMessage `json:"idToMultiValues"`
	}
	metaPartition struct {
		ID             int64                   `json:"id"`
		Name           string                  `json:"name"`
		VisibleVersion int64                   `json:"visibleVersion"` // before physical partitions
		VisibleTime    int64                   `json:"visibleVersionTime"`
		Physical       map[string]metaPhysical `json:"idToSubPartition"`
	}
	metaPhysical struct {
		ID             int64 `json:"id"`
		VisibleVersion int64 `json:"visibleVersion"`
		VisibleTime    int64 `json:"visibleVersionTime"`
	}
	metaDistribution struct {
		Kind    string       `json:"typeStr"`
		ColIDs  []string     `json:"colIds"`
		Columns []metaColumn `json:"distributionColumns"`
	}
)

func parseMetaJSON(text []byte) (*Meta, error) {
	var f metaFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("__meta: %w", err)
	}
	if f.Tables == nil {
		return nil, errors.New(`__meta has no "tblNameMap"`)
	}
	m := &Meta{Tables: make(map[string]MetaTable, len(f.Tables))}
	for name, t := range f.Tables {
		if t.Name != name {
			return nil, fmt.Errorf("__meta: table %q is named %q inside", name, t.Name)
		}
		m.Tables[name] = t.table()
	}
	for _, function := range f.Functions {
		m.Functions = append(m.Functions, function.Name.Function)
	}
	return m, nil
}

func (f metaTable) table() MetaTable {
	t := MetaTable{
		ID: f.ID, Name: f.Name, Class: f.Class, KeysType: f.KeysType, State: f.State, Comment: f.Comment,
		PartitionType: f.PartitionInfo.Type, PartitionClass: f.PartitionInfo.Class,
		BloomFilter: f.BloomFilter, ColocateGroup: f.ColocateGroup, Properties: f.Property.Properties,
		Definition: f.ViewSQL, Distribution: f.Distribution.columns(),
		Schemas:     make(map[string]MetaSchema, len(f.IndexNames)),
		Partitions:  make(map[string]MetaPartition, len(f.Partitions)),
		Replication: make(map[string]int, len(f.Partitions)),
	}
	for _, c := range f.Columns {
		t.Columns = append(t.Columns, c.column())
	}
	base := f.Indexes[strconv.FormatInt(f.BaseIndex, 10)]
	for _, i := range base.SortKeyIdx {
		if i >= 0 && i < len(base.Columns) {
			t.SortKey = append(t.SortKey, base.Columns[i].Name)
		}
	}
	for name, id := range f.IndexNames {
		t.Schemas[name] = f.Indexes[strconv.FormatInt(id, 10)].schema()
	}
	for id, p := range f.Partitions {
		t.Partitions[p.Name] = p.partition(f.PartitionInfo.value(id))
		t.Replication[p.Name] = f.PartitionInfo.Replication[id]
	}
	return t
}

// columns: newer versions write ids, which are the names at creation; the columns themselves know the names of today.
func (d metaDistribution) columns() []string {
	var names []string
	for _, c := range d.Columns {
		names = append(names, c.Name)
	}
	if names == nil && d.Kind != "RANDOM" {
		return d.ColIDs
	}
	return names
}

func (c metaColumn) column() MetaColumn {
	out := MetaColumn{Name: c.Name, Type: typeName(c.Type), Key: c.Key, Nullable: c.Nullable, Aggregation: c.Aggregation,
		Default: c.DefaultExpr.Expr, Generated: c.Generated.Expr, Comment: c.Comment, AutoIncrement: c.AutoIncrement, UniqueID: c.UniqueID}
	if c.Default != nil {
		out.Default, out.HasDefault = *c.Default, true
	}
	out.HasDefault = out.HasDefault || c.DefaultExpr.Expr != ""
	return out
}

// typeName is INT, VARCHAR(10), DECIMAL64(10,2); the JSON of types that are made of others.
func typeName(raw json.RawMessage) string {
	var t struct {
		Class     string `json:"clazz"`
		Type      string `json:"type"`
		Length    int    `json:"len"`
		Precision int    `json:"precision"`
		Scale     int    `json:"scale"`
	}
	if json.Unmarshal(raw, &t) != nil || t.Class != "ScalarType" {
		return string(raw)
	}
	switch {
	case t.Precision > 0:
		return fmt.Sprintf("%s(%d,%d)", t.Type, t.Precision, t.Scale)
	case t.Length > 0:
		return fmt.Sprintf("%s(%d)", t.Type, t.Length)
	}
	return t.Type
}

func (x metaIndex) schema() MetaSchema {
	s := MetaSchema{ID: x.ID, Hash: x.Hash, Version: x.Version, ShortKeys: x.ShortKeys}
	for _, c := range x.Columns {
		s.ColumnUniqueIDs = append(s.ColumnUniqueIDs, c.UniqueID)
	}
	return s
}

// value is a partition's range or list of values, in the file's form.
func (i metaPartitionInfo) value(id string) string {
	for _, values := range []map[string]json.RawMessage{i.Ranges, i.MultiValues, i.Values} {
		if v := values[id]; v != nil {
			return string(v)
		}
	}
	return ""
}

func (p metaPartition) partition(value string) MetaPartition {
	out := MetaPartition{ID: p.ID, Value: value}
	for _, ph := range p.Physical {
		out.Physical = append(out.Physical, MetaPhysical(ph))
	}
	slices.SortFunc(out.Physical, func(a, b MetaPhysical) int { return cmp.Compare(a.ID, b.ID) })
	if out.Physical == nil {
		out.Physical = []MetaPhysical{{p.ID, p.VisibleVersion, p.VisibleTime}}
	}
	return out
}
