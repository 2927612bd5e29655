package starrockssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hiddenProperties are in tableProperty of every table and not in SHOW CREATE TABLE.
var hiddenProperties = []string{"replication_num", "storage_type", "file_bundling", "base_compaction_forbidden_time_ranges", "unique_constraints",
	"primary_index_cache_expire_sec", "mutable_bucket_num", "write_quorum", "in_memory", "foreign_key_constraints"}

// tableOf makes a table of the catalog out of __meta. Its ids are those of the snapshot.
func (m *metaTable) tableOf() (*table, error) {
	t := &table{id: m.ID, name: m.Name, kind: kindTable, created: time.Unix(m.Created, 0).UTC(), comment: m.Comment, keys: m.Keys,
		state: stateNormal, indexID: m.BaseIndex, props: map[string]string{}, columns: columnsOf(m.Schema)}
	if m.Clazz == "View" {
		t.kind, t.view = kindView, &viewBody{query: m.ViewQuery}
		for _, col := range m.Schema {
			t.view.columns = append(t.view.columns, viewColumn{col.Name, col.Comment})
		}
		return t, nil
	}
	if m.Part == nil || m.Dist == nil {
		return nil, errMeta
	}
	if m.Clazz == "MaterializedView" {
		readMV(t, m)
	}
	idx := m.Indexes[fmt.Sprint(m.BaseIndex)]
	t.schemaHash, t.schemaVer = idx.SchemaHash, idx.Version
	for _, i := range idx.SortKey {
		t.sortKey = append(t.sortKey, t.columns[i].name)
	}
	t.dist = distribution{random: m.Dist.Type == "RANDOM", columns: m.Dist.ColIDs, buckets: max(m.Dist.Buckets, m.Dist.RandomB)}
	t.dist.auto = t.dist.buckets == 0
	readPartitioning(t, m.Part)
	readProperties(t, m)
	readRollups(t, m)
	for _, key := range sortedKeys(m.Partitions) {
		p, err := readPartition(t, m, m.Partitions[key])
		if err != nil {
			return nil, err
		}
		t.partitions = append(t.partitions, p)
		t.dist.buckets = max(t.dist.buckets, p.buckets)
	}
	slices.SortStableFunc(t.partitions, func(a, b *partition) int { return cmp.Compare(a.id, b.id) })
	return t, nil
}

func readMV(t *table, m *metaTable) {
	t.kind = kindMV
	t.view = &viewBody{query: m.MVSimple, original: m.MVOriginal, active: m.Active != nil && *m.Active, reason: m.Reason}
	if m.Refresh != nil {
		t.view.refresh = m.Refresh.Text
		if t.view.refresh == "" {
			t.view.refresh = strings.TrimPrefix(m.Refresh.Moment+" "+m.Refresh.Type, "IMMEDIATE ")
		}
	}
	for _, b := range m.Bases {
		t.view.bases = append(t.view.bases, baseTable{b.DB, b.Table, b.DBID, b.TableID})
	}
	for _, col := range m.Schema {
		t.view.columns = append(t.view.columns, viewColumn{name: col.Name})
	}
}

func columnsOf(list []metaColumn) []column {
	out := make([]column, len(list))
	for i, mc := range list {
		out[i] = column{name: mc.Name, typ: mc.Type.text(), key: mc.Key, nullable: mc.Nullable, autoInc: mc.AutoInc, comment: mc.Comment, uid: mc.UID, agg: mc.Agg}
		if mc.Default != nil {
			out[i].hasDef, out[i].def = true, *mc.Default
		}
		if mc.Gen != nil {
			out[i].gen = mc.Gen.Expr
		}
	}
	return out
}

// text is the type as CREATE TABLE writes it.
func (mt metaType) text() string {
	name := strings.ToLower(mt.Type)
	switch {
	case strings.HasPrefix(name, "decimal"):
		return fmt.Sprintf("decimal(%d, %d)", mt.Precision, mt.Scale)
	case mt.Len > 0:
		return fmt.Sprintf("%s(%d)", name, mt.Len)
	}
	return name
}

// readRollups takes over the indexes beside the base index, in the order of their ids.
func readRollups(t *table, m *metaTable) {
	for name, id := range m.IndexNames {
		if id != m.BaseIndex {
			x := m.Indexes[fmt.Sprint(id)]
			t.rollups = append(t.rollups, &rollup{id: id, name: name, hash: x.SchemaHash, columns: columnsOf(x.Schema)})
		}
	}
	slices.SortFunc(t.rollups, func(a, b *rollup) int { return cmp.Compare(a.id, b.id) })
	for _, r := range t.rollups {
		r.query = "create materialized view " + r.name + " as select " + r.selected() + " from " + t.name + " group by " + r.grouped()
	}
}

func readPartitioning(t *table, pi *metaPartitionInfo) {
	t.part = partitioning{kind: pi.Type, columns: pi.ColIDs, auto: pi.Automatic}
	if len(t.part.columns) == 0 {
		for _, col := range pi.Columns {
			t.part.columns = append(t.part.columns, col.Name)
		}
	}
	if pi.Type == byExprRange && len(pi.Exprs) > 0 {
		t.part.auto = true
		_, rest, _ := strings.Cut(pi.Exprs[0].Expr, "'")
		t.part.unit, _, _ = strings.Cut(rest, "'")
	}
}

func readProperties(t *table, m *metaTable) {
	if m.Property != nil {
		for key, value := range m.Property.Properties {
			t.props[key] = value
		}
	}
	t.replicas, _ = strconv.Atoi(t.props["replication_num"])
	for _, key := range hiddenProperties {
		delete(t.props, key)
	}
	if t.props["compression"] == "LZ4_FRAME" {
		t.props["compression"] = "LZ4"
	}
	if !t.dist.random {
		delete(t.props, "bucket_size")
	}
	if m.Bitmaps == nil {
		return
	}
	for _, raw := range m.Bitmaps.Indexes {
		var ix struct {
			Name    string   `json:"indexName"`
			Columns []string `json:"columns"`
			Comment string   `json:"comment"`
		}
		if json.Unmarshal(raw, &ix) == nil {
			t.indexes = append(t.indexes, tableIndex{ix.Name, ix.Comment, ix.Columns})
		}
	}
}

func readPartition(t *table, m *metaTable, mp *metaPartition) (*partition, error) {
	sub, ok := mp.Sub[fmt.Sprint(mp.Default)]
	if !ok {
		return nil, fmt.Errorf("%w: partition %s has no physical partition", errMeta, mp.Name)
	}
	id := fmt.Sprint(mp.ID)
	p := &partition{id: mp.ID, physical: sub.ID, name: mp.Name, replicas: m.Part.Replicas[id], buckets: len(sub.Base.Tablets),
		visible: sub.Visible, next: sub.Visible + 1, at: time.UnixMilli(sub.VisibleTime).UTC(), data: sub.Data, epoch: sub.Epoch}
	p.tablets = tabletsOf(sub.Base)
	for _, r := range t.rollups {
		p.rolled = append(p.rolled, tabletsOf(sub.Rollups[fmt.Sprint(r.id)]))
	}
	if raw, ok := m.Part.Ranges[id]; ok {
		if err := decodeRange(raw, p); err != nil {
			return nil, err
		}
	}
	p.values = m.Part.Multi[id]
	for _, v := range m.Part.Values[id] {
		p.values = append(p.values, []string{v})
	}
	return p, nil
}

func tabletsOf(b metaBase) []*tablet {
	var list []*tablet
	for _, mt := range b.Tablets {
		list = append(list, &tablet{id: mt.ID})
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
