package restorepoint

import (
	"encoding/binary"
	"os"
	"testing"

	"starkeep/starrocks"
)

func recordedTable(t *testing.T) starrocks.MetaTable {
	t.Helper()
	text, err := os.ReadFile("testdata/02-meta.json")
	if err != nil {
		t.Fatal(err)
	}
	meta, err := starrocks.ParseMeta(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	if err != nil {
		t.Fatal(err)
	}
	return meta.Tables["orders"]
}

func TestSchemaDigestsTellSchemasApart(t *testing.T) {
	of := func(change func(*starrocks.MetaTable)) string {
		table := recordedTable(t)
		change(&table)
		digest, err := SchemaOf(table)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	base := of(func(*starrocks.MetaTable) {})
	if len(base) != 32 {
		t.Errorf("digest %q", base)
	}
	for name, change := range map[string]func(*starrocks.MetaTable){
		"table comment":   func(m *starrocks.MetaTable) { m.Comment = "x" },
		"column comment":  func(m *starrocks.MetaTable) { m.Columns[0].Comment = "x" },
		"state":           func(m *starrocks.MetaTable) { m.State = "SCHEMA_CHANGE" },
		"more partitions": func(m *starrocks.MetaTable) { m.Partitions = nil },
		"renamed everywhere": func(m *starrocks.MetaTable) {
			m.Schemas["new"] = m.Schemas[m.Name]
			delete(m.Schemas, m.Name)
			m.Name = "new"
		},
		"another index id": func(m *starrocks.MetaTable) { s := m.Schemas[m.Name]; s.ID++; m.Schemas[m.Name] = s },
	} {
		if of(change) != base {
			t.Errorf("%s: the digest changed", name)
		}
	}
	for name, change := range map[string]func(*starrocks.MetaTable){
		"column type":     func(m *starrocks.MetaTable) { m.Columns[1].Type = "BIGINT(20)" },
		"column order":    func(m *starrocks.MetaTable) { m.Columns[0], m.Columns[1] = m.Columns[1], m.Columns[0] },
		"dropped column":  func(m *starrocks.MetaTable) { m.Columns = m.Columns[1:] },
		"letter case":     func(m *starrocks.MetaTable) { m.Columns[0].Name = "DT" },
		"sort key":        func(m *starrocks.MetaTable) { m.SortKey = append(m.SortKey, "x") },
		"keys":            func(m *starrocks.MetaTable) { m.KeysType = "OTHER" },
		"schema version":  func(m *starrocks.MetaTable) { s := m.Schemas[m.Name]; s.Version++; m.Schemas[m.Name] = s },
		"schema hash":     func(m *starrocks.MetaTable) { s := m.Schemas[m.Name]; s.Hash++; m.Schemas[m.Name] = s },
		"a rollup":        func(m *starrocks.MetaTable) { m.Schemas["rollup"] = starrocks.MetaSchema{} },
		"a bloom filter":  func(m *starrocks.MetaTable) { m.BloomFilter = []string{"k"} },
		"hash to random":  func(m *starrocks.MetaTable) { m.Distribution = []string{"other"} },
		"list partitions": func(m *starrocks.MetaTable) { m.PartitionType = "OTHER" },
	} {
		if of(change) == base {
			t.Errorf("%s: the digest is the same", name)
		}
	}
}
