package starrocks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// composeSource is a snapshot's two files, taken apart as far as tables are asked for.
type composeSource struct {
	label      string
	info       *Info
	meta       *Meta
	infoText   []byte
	metaText   []byte // JSON
	infoTables []field
	metaTables []field
	tables     map[string]*composeTable
}

// composeTable is a table of a source.
type composeTable struct {
	name       string
	info       InfoTable
	meta       MetaTable
	infoText   []byte
	metaText   []byte
	inInfo     map[string]InfoPartition
	infoFields map[string]field // partitions by name, in infoText
	metaFields map[string]field // partitions by name, in metaText: the key is the id
	maps       map[string]map[string]field
}

func readSource(s ComposeSource) (*composeSource, error) {
	from := &composeSource{label: s.Label, infoText: s.Info, tables: map[string]*composeTable{}}
	var err error
	if from.info, err = ParseInfo(s.Info); err != nil {
		return nil, err
	}
	if from.metaText, err = metaJSON(s.Meta); err != nil {
		return nil, err
	}
	if from.meta, err = parseMetaJSON(from.metaText); err != nil {
		return nil, err
	}
	top, err := objectFields(s.Info, 0)
	if err != nil {
		return nil, err
	}
	if from.infoTables, err = child(s.Info, top, "backup_objects"); err != nil {
		return nil, err
	}
	if top, err = objectFields(from.metaText, 0); err != nil {
		return nil, err
	}
	from.metaTables, err = child(from.metaText, top, "tblNameMap")
	return from, err
}

// table takes a table apart, once.
func (s *composeSource) table(name string) (*composeTable, error) {
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	info, inInfo := s.info.Table(name)
	meta, inMeta := s.meta.Tables[name]
	if !inInfo || !inMeta {
		return nil, fmt.Errorf("the snapshot has no such table: %w", ErrSnapshotMissing)
	}
	if meta.Class != "OlapTable" {
		return nil, fmt.Errorf("composing of a %s: %w", meta.Class, ErrUnsupported)
	}
	infoAt, _ := lookup(s.infoTables, name)
	metaAt, _ := lookup(s.metaTables, name)
	t := &composeTable{name: name, info: info, meta: meta, inInfo: map[string]InfoPartition{},
		infoText: s.infoText[infoAt.value.from:infoAt.value.to], metaText: s.metaText[metaAt.value.from:metaAt.value.to]}
	for _, p := range info.Partitions {
		t.inInfo[p.Name] = p
	}
	if err := t.index(); err != nil {
		return nil, err
	}
	s.tables[name] = t
	return t, nil
}

// index finds the partitions' texts.
func (t *composeTable) index() error {
	fields, err := objectFields(t.infoText, 0)
	if err != nil {
		return err
	}
	partitions, err := child(t.infoText, fields, "partitions")
	if err != nil {
		return err
	}
	t.infoFields, t.metaFields, t.maps = map[string]field{}, map[string]field{}, map[string]map[string]field{}
	for _, p := range partitions {
		t.infoFields[p.key] = p
	}
	if fields, err = objectFields(t.metaText, 0); err != nil {
		return err
	}
	if partitions, err = child(t.metaText, fields, "idToPartition"); err != nil {
		return err
	}
	for _, p := range partitions {
		inner, err := objectFields(t.metaText, p.value.from)
		if err != nil {
			return err
		}
		name, _, err := stringField(t.metaText, inner, "name")
		if err != nil {
			return err
		}
		if _, twice := t.metaFields[name]; twice {
			return disagree(RulePartitions, "__meta has two partitions of the name %q", name)
		}
		t.metaFields[name] = p
	}
	info, err := child(t.metaText, fields, "partitionInfo")
	if err != nil {
		return err
	}
	for _, f := range info {
		if !byPartition(f.key) {
			continue
		}
		entries, err := objectFields(t.metaText, f.value.from)
		if err != nil {
			return fmt.Errorf("partitionInfo: %q: %w", f.key, err)
		}
		t.maps[f.key] = map[string]field{}
		for _, entry := range entries {
			t.maps[f.key][entry.key] = entry
		}
	}
	return nil
}

// partition copies a partition's texts out of both files.
func (t *composeTable) partition(name string) (composedPartition, error) {
	p := composedPartition{name: name, entries: map[string][]byte{}}
	inInfo, ok := t.infoFields[name]
	if !ok {
		return p, fmt.Errorf("__info has no such partition: %w", ErrSnapshotMissing)
	}
	inMeta, ok := t.metaFields[name]
	if !ok {
		return p, disagree(RulePartitions, "__info has the partition, __meta has not")
	}
	p.id = inMeta.key
	p.info = bytes.Clone(t.infoText[inInfo.value.from:inInfo.value.to])
	for key, entries := range t.maps {
		if entry, ok := entries[p.id]; ok {
			p.entries[key] = bytes.Clone(t.metaText[entry.value.from:entry.value.to])
		}
	}
	var err error
	if p.meta, err = nextVersions(t.metaText[inMeta.value.from:inMeta.value.to]); err != nil {
		return p, fmt.Errorf("__meta: %w", err)
	}
	return p, nil
}

// tabletsOf goes through a partition's tablets.
func tabletsOf(database, table int64, p InfoPartition) iter.Seq[TabletPath] {
	return func(yield func(TabletPath) bool) {
		one := Info{DatabaseID: database}
		one.tablets(InfoTable{ID: table, Partitions: []InfoPartition{p}}, func(t InfoTablet) bool { return yield(t.Path) })
	}
}

// differentTable says in what two snapshots' definitions of a table differ, as far as partitions of the two cannot make
// one table then (starrocks-measured C §2: a BE keeps the schema of each tablet's header); "" if they can.
func differentTable(a, b MetaTable) (rule, difference string) {
	for _, c := range []struct {
		rule, what string
		a, b       any
	}{
		{RuleSchema, "class", a.Class, b.Class},
		{RuleSchema, "keys", a.KeysType, b.KeysType},
		{RuleSchema, "partitioning", []string{a.PartitionType, a.PartitionClass}, []string{b.PartitionType, b.PartitionClass}},
		{RuleDistribution, "distribution columns", a.Distribution, b.Distribution},
		{RuleSchema, "sort key", a.SortKey, b.SortKey},
		{RuleSchema, "bloom filter columns", a.BloomFilter, b.BloomFilter},
		{RuleSchema, "columns with their unique ids", uncommented(a.Columns), uncommented(b.Columns)},
		{RuleSchema, "indexes with ids, schema version, schema hash, short keys and unique ids", a.Schemas, b.Schemas},
	} {
		x, errX := json.Marshal(c.a)
		y, errY := json.Marshal(c.b)
		if errors.Join(errX, errY) != nil || !bytes.Equal(x, y) {
			return c.rule, fmt.Sprintf("other %s: %s, here %s", c.what, shortJSON(x), shortJSON(y))
		}
	}
	return "", ""
}

func uncommented(columns []MetaColumn) []MetaColumn {
	columns = slices.Clone(columns)
	for i := range columns {
		columns[i].Comment = ""
	}
	return columns
}

func shortJSON(text []byte) string {
	if len(text) > 300 {
		return string(bytes.ToValidUTF8(text[:300], nil)) + "…"
	}
	return string(text)
}
