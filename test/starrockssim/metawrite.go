package starrockssim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const inBackup = "Set the materialized view %s inactive in backup because it's in backup and will be activated after restore if possible"

// snapshotInfo builds __info of some objects as they are now.
func (c *Cluster) snapshotInfo(db *database, label string, at int64, objects []backupObject) *infoFile {
	info := &infoFile{Database: db.name, Meta: 92, BackupTime: at, Name: label, SRMeta: 4, Result: "succeed", ID: db.id,
		Objects: map[string]infoTable{}}
	for _, o := range objects {
		it := infoTable{ID: o.table.id, Partitions: map[string]infoPartition{}}
		if o.table.autoColumn() >= 0 {
			it.Auto = o.table.nextAuto
		}
		for _, p := range o.parts {
			it.Partitions[p.name] = infoOf(o.table, p)
		}
		info.Objects[o.table.name] = it
	}
	return info
}

func infoOf(t *table, p *partition) infoPartition {
	indexes := map[string]infoIndex{t.name: infoIndexOf(t.indexID, t.schemaHash, p.tablets)}
	for i, r := range t.rollups {
		indexes[r.name] = infoIndexOf(r.id, r.hash, p.rolled[i])
	}
	return infoPartition{ID: p.id, Version: p.visible, Indexes: map[string]infoIndex{}, Sub: map[string]infoPhysical{
		fmt.Sprint(p.physical): {ID: p.physical, Version: p.visible, Indexes: indexes}}}
}

func infoIndexOf(id, hash int64, tablets []*tablet) infoIndex {
	idx := infoIndex{SchemaHash: hash, ID: id, Tablets: map[string][]string{}}
	for _, tab := range tablets {
		id := fmt.Sprint(tab.id)
		idx.Order = append(idx.Order, id)
		idx.Tablets[id] = []string{}
	}
	return idx
}

// snapshotMeta builds __meta of the same objects.
func (c *Cluster) snapshotMeta(db *database, objects []backupObject) *metaFile {
	m := &metaFile{Tables: map[string]*metaTable{}, Functions: []json.RawMessage{}, Catalogs: []json.RawMessage{}}
	for _, o := range objects {
		m.Tables[o.table.name] = c.metaOf(db, o.table, o.parts)
	}
	return m
}

func (c *Cluster) metaOf(db *database, t *table, parts []*partition) *metaTable {
	m := &metaTable{Clazz: "OlapTable", ID: t.id, Name: t.name, Type: "OLAP", Created: t.created.Unix(), Comment: t.comment,
		Schema: metaColumns(t), MVs: c.relatedMVs(t), Signature: -1, LastCheck: -1}
	if t.isView() {
		m.Clazz, m.Type, m.ViewQuery, m.ViewMode, m.ViewSec = "View", "VIEW", t.view.query, ptr(int64(32)), ptr(false)
		for i := range m.Schema {
			m.Schema[i].Comment = t.view.columns[i].comment
		}
		return m
	}
	if t.isMV() {
		metaMV(m, db, t)
	}
	m.State, m.Keys, m.BaseIndex = stateNormal, t.keys, t.indexID
	m.Indexes = map[string]metaIndex{fmt.Sprint(t.indexID): {ID: t.indexID, Schema: m.Schema, Version: t.schemaVer,
		SchemaHash: t.schemaHash, SchemaID: t.indexID, ShortKeys: shortKeys(t), Storage: "COLUMN", Keys: t.keys, SortKey: t.sortIndexes()}}
	m.IndexNames = map[string]int64{t.name: t.indexID}
	for _, r := range t.rollups {
		m.Indexes[fmt.Sprint(r.id)] = r.meta(t)
		m.IndexNames[r.name] = r.id
	}
	dist := metaDistribution(t)
	if t.dist.auto {
		dist.Buckets, dist.RandomB = 0, 0
	}
	m.Dist, m.Part = &dist, metaPartitioning(t, parts)
	m.Partitions = map[string]*metaPartition{}
	for _, p := range parts {
		m.Partitions[fmt.Sprint(p.id)] = metaPartitionOf(t, p)
	}
	m.Temp, m.Bitmaps = &metaTempPartitions{}, metaBitmapsOf(t)
	m.Bloom, m.BloomFpp = bloomColumns(t), ptr(0.0)
	if m.Bloom != nil {
		*m.BloomFpp = 0.05
	}
	m.Colocate = t.props["colocate_with"]
	m.Property = &metaTableProperty{Properties: metaProperties(t), Level: -1}
	m.MaxUID, m.MaxIndex = ptr(len(t.columns)-1), ptr(int64(-1))
	return m
}

func ptr[T any](v T) *T { return &v }

func metaMV(m *metaTable, db *database, t *table) {
	m.Clazz, m.Type, m.MVDB = "MaterializedView", "MATERIALIZED_VIEW", db.id
	moment, kind := "IMMEDIATE", t.view.refresh
	if rest, ok := strings.CutPrefix(t.view.refresh, "DEFERRED "); ok {
		moment, kind = "DEFERRED", rest
	}
	kind, _, _ = strings.Cut(kind, " ")
	m.Refresh = &metaRefresh{Moment: moment, Type: kind, Text: t.view.refresh}
	m.MVQuery, m.MVSimple, m.MVOriginal = t.view.query, t.view.query, t.view.original
	m.Active, m.Reason = ptr(false), fmt.Sprintf(inBackup, t.name)
	for _, b := range t.view.bases {
		m.Bases = append(m.Bases, metaMVBase{defaultCatalog, b.dbID, b.id, b.db, b.table})
	}
}

func (c *Cluster) relatedMVs(t *table) []metaMVRef {
	refs := []metaMVRef{}
	for _, db := range c.sortedDatabases() {
		for _, mv := range db.sortedTables() {
			if mv.isMV() && slices.ContainsFunc(mv.view.bases, func(b baseTable) bool { return b.id == t.id }) {
				refs = append(refs, metaMVRef{db.id, mv.id})
			}
		}
	}
	return refs
}

func metaColumns(t *table) []metaColumn {
	list := make([]metaColumn, len(t.columns))
	for i, col := range t.columns {
		list[i] = metaColumnOf(t, col)
	}
	return list
}

func metaColumnOf(t *table, col column) metaColumn {
	mc := metaColumn{Name: col.name, ColumnID: col.name, UID: col.uid, Type: metaTypeOf(col.typ), Key: col.key,
		Nullable: col.nullable, AutoInc: col.autoInc, Comment: col.comment, Stats: metaStats{-1, -1, -1, -1}}
	if col.hasDef {
		mc.Default = ptr(col.def)
	}
	if col.gen != "" {
		mc.Gen = &metaExpr{col.gen}
	}
	if !col.key && !t.isView() {
		mc.Agg, mc.Implicit = col.agg, t.keys != aggregateKeys
	}
	return mc
}

// sortIndexes are the places of the ORDER BY columns; none without ORDER BY.
func (t *table) sortIndexes() []int {
	var list []int
	for _, name := range t.sortKey {
		list = append(list, t.columnIndex(name))
	}
	return list
}

func (t *table) metaColumn(name string) metaColumn {
	return metaColumnOf(t, t.columns[t.columnIndex(name)])
}

// metaTypeOf splits "decimal(10, 2)" into the FE's scalar type.
func metaTypeOf(typ string) metaType {
	mt := metaType{Clazz: "ScalarType", Type: strings.ToUpper(baseType(typ)), Len: -1}
	_, args, _ := strings.Cut(strings.TrimSuffix(typ, ")"), "(")
	switch mt.Type {
	case "DECIMAL":
		mt.Precision, mt.Scale = 10, 0
		fmt.Sscanf(strings.ReplaceAll(args, " ", ""), "%d,%d", &mt.Precision, &mt.Scale)
		mt.Type = decimalName(mt.Precision)
	case "VARCHAR", "CHAR", "STRING", "VARBINARY":
		mt.Len = 65533
		fmt.Sscan(args, &mt.Len)
		if mt.Type == "STRING" {
			mt.Type = "VARCHAR"
		}
	case "INTEGER":
		mt.Type = "INT"
	}
	return mt
}

func decimalName(precision int) string {
	if precision <= 9 {
		return "DECIMAL32"
	}
	if precision <= 18 {
		return "DECIMAL64"
	}
	return "DECIMAL128"
}

func shortKeys(t *table) int {
	n := 0
	for _, col := range t.columns {
		if !col.key || n == 3 {
			break
		}
		n++
		if b := baseType(col.typ); b == "varchar" || b == "string" {
			break
		}
	}
	return max(1, n)
}

func metaDistribution(t *table) metaDist {
	if t.dist.random {
		return metaDist{Clazz: "RandomDistributionInfo", RandomB: t.dist.buckets, TypeName: "RANDOM", Type: "RANDOM"}
	}
	d := metaDist{Clazz: "HashDistributionInfo", ColIDs: t.dist.columns, Buckets: t.dist.buckets, TypeName: "HASH", Type: "HASH"}
	for _, name := range t.dist.columns {
		d.Columns = append(d.Columns, t.metaColumn(name))
	}
	return d
}

func metaPartitioning(t *table, parts []*partition) *metaPartitionInfo {
	pi := &metaPartitionInfo{Clazz: "SinglePartitionInfo", Type: t.part.kind, Property: map[string]metaProperty{},
		Replicas: map[string]int{}, InMemory: map[string]bool{}, Cache: map[string]metaCache{}, MultiCol: len(t.part.columns) > 1}
	for _, name := range t.part.columns {
		pi.Columns = append(pi.Columns, t.metaColumn(name))
		pi.ColIDs = append(pi.ColIDs, name)
	}
	switch t.part.kind {
	case byRange, byExprRange:
		pi.Clazz, pi.Ranges = "RangePartitionInfo", map[string][]int8{}
		if t.part.kind == byExprRange {
			pi.Clazz = "ExpressionRangePartitionInfo"
			pi.Exprs = []metaExpr{{fmt.Sprintf("date_trunc('%s', %s)", t.part.unit, t.part.columns[0])}}
		}
	case byList:
		pi.Clazz, pi.Automatic = "ListPartitionInfo", t.part.auto
		pi.Multi, pi.Values, pi.Temp = map[string][][]string{}, map[string][]string{}, map[string]bool{}
	}
	for _, p := range parts {
		metaPartitionEntry(t, pi, p)
	}
	return pi
}

// metaPartitionEntry adds a partition to the maps of partitionInfo.
func metaPartitionEntry(t *table, pi *metaPartitionInfo, p *partition) {
	id := fmt.Sprint(p.id)
	pi.Property[id] = metaProperty{"HDD", 253402271999000}
	pi.Replicas[id] = p.replicas
	pi.InMemory[id] = false
	if t.part.kind != unpartitioned {
		pi.Cache[id] = metaCache{[]int8{8, 1, 16, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}}
	}
	switch {
	case pi.Ranges != nil:
		pi.Ranges[id] = encodeRange(t, p)
	case pi.Values != nil && p.shadow():
		pi.Values[id] = []string{}
	case pi.Values != nil && (t.part.auto || len(t.part.columns) > 1):
		pi.Multi[id], pi.Temp[id] = p.values, false
	case pi.Values != nil:
		pi.Temp[id] = false
		for _, v := range p.values {
			pi.Values[id] = append(pi.Values[id], v[0])
		}
	}
}

func metaPartitionOf(t *table, p *partition) *metaPartition {
	base := metaBaseOf(t.indexID, p.tablets)
	rollups := map[string]metaBase{}
	for i, r := range t.rollups {
		rollups[fmt.Sprint(r.id)] = metaBaseOf(r.id, p.rolled[i])
	}
	return &metaPartition{ID: p.id, Name: p.name, State: stateNormal, Default: p.physical, Dist: metaDistribution(t), ShardGroup: -1,
		Epoch: p.epoch + 1, TxnType: "TXN_NORMAL", Signature: -1, LastCheck: -1,
		Sub: map[string]metaPhysical{fmt.Sprint(p.physical): {ID: p.physical, Name: fmt.Sprintf("%s_%d", p.name, p.physical), Parent: p.id,
			ShardGroup: -1, Base: base, Rollups: rollups, Visible: p.visible, VisibleTime: p.at.UnixMilli(), Next: p.visible + 1, Data: p.data, NextData: p.data + 1,
			Epoch: p.epoch, TxnType: "TXN_NORMAL", Buckets: p.buckets, Signature: -1, LastCheck: -1}}}
}

func metaBaseOf(index int64, tablets []*tablet) metaBase {
	base := metaBase{ID: index, State: stateNormal, ShardGroup: -1, Signature: -1, LastCheck: -1}
	for _, tab := range tablets {
		mt := metaTablet{Clazz: "LocalTablet", Checked: -1, Consistent: true, ID: tab.id, Signature: -1, LastCheck: -1}
		for _, r := range tab.replicas {
			mt.Replicas = append(mt.Replicas, metaReplica{ID: r.id, Backend: r.backend, Version: r.version, State: stateNormal, LastFailed: -1, LastSuccess: r.version})
		}
		base.Virtual = append(base.Virtual, tab.id)
		base.Tablets = append(base.Tablets, mt)
	}
	return base
}

func (r *rollup) meta(t *table) metaIndex {
	x := metaIndex{ID: r.id, SchemaHash: r.hash, SchemaID: r.id, ShortKeys: 1, Storage: "COLUMN", Keys: t.keys}
	for _, col := range r.columns {
		x.Schema = append(x.Schema, metaColumnOf(t, col))
	}
	return x
}

func metaBitmapsOf(t *table) *metaBitmaps {
	b := &metaBitmaps{Indexes: []json.RawMessage{}}
	for i, ix := range t.indexes {
		text, _ := json.Marshal(map[string]any{"i": i, "indexName": ix.name, "columns": ix.columns, "indexType": "BITMAP", "comment": ix.comment, "properties": map[string]string{}})
		b.Indexes = append(b.Indexes, text)
	}
	return b
}

func bloomColumns(t *table) []string {
	text := t.props["bloom_filter_columns"]
	if text == "" {
		return nil
	}
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// metaProperties is tableProperty: what the user set, in the FE's storage form.
func metaProperties(t *table) map[string]string {
	m := maps.Clone(t.props)
	m["replication_num"] = fmt.Sprint(t.replicas)
	if t.isMV() {
		return m
	}
	if m["compression"] == "LZ4" {
		m["compression"] = "LZ4_FRAME"
	}
	for key, value := range map[string]string{"storage_type": "COLUMN", "file_bundling": "false", "base_compaction_forbidden_time_ranges": "",
		"unique_constraints": "", "primary_index_cache_expire_sec": "0", "mutable_bucket_num": "0", "write_quorum": "MAJORITY",
		"in_memory": "false", "bucket_size": "4294967296", "foreign_key_constraints": ""} {
		if _, ok := m[key]; !ok {
			m[key] = value
		}
	}
	return m
}
