package restorepoint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/starrocks"
)

// AdoptedPoint is the id of the restore point that a native snapshot is adopted as: adopting it again gives the same one.
func AdoptedPoint(cluster, repository, label, timestamp string, taken time.Time) string {
	return NewPointID(taken, strings.Join([]string{"adopted", cluster, repository, label, timestamp}, "\n"))
}

// NotKnownOfAdopted names what the files of a native snapshot do not tell.
var NotKnownOfAdopted = []string{
	"cluster id and version: the snapshot's files do not name the cluster",
	"row counts: they are not compared after a restore",
	"SHOW CREATE TABLE: definitions are not compared after a restore; columns and keys come from __meta",
	"grants: a restored table that did not exist gets none",
	"ranges of partitions as the catalog writes them",
}

// AdoptedTables describes the tables of a native snapshot from its __info and __meta, with the bytes of each physical
// partition's objects. What is no table is left out, and named. It checks that the two files agree: what __info names and
// __meta lacks would be missing without a word after a RESTORE, and versions that differ lose later loads (starrocks-measured C §2).
func AdoptedTables(info *starrocks.Info, meta *starrocks.Meta, bytes map[int64]int64) (tables []Table, left []NotCovered, err error) {
	for _, in := range info.Tables {
		m, known := meta.Tables[in.Name]
		switch {
		case !known:
			return nil, nil, fmt.Errorf("__info names %q, which __meta lacks: %w", in.Name, ErrInconsistent)
		case m.Class == "View":
			left = append(left, NotCovered{info.Database, in.Name, "view", "starkeep does not restore views by RESTORE; its definition is in __meta: " + m.Definition})
			continue
		case m.Class == "MaterializedView":
			left = append(left, NotCovered{info.Database, in.Name, "materialized view", "materialized views of adopted snapshots are not restored; RESTORE it by hand, after its base tables"})
			continue
		case m.Class != "OlapTable":
			left = append(left, NotCovered{info.Database, in.Name, "table", "starkeep does not know tables of the class " + m.Class})
			continue
		}
		t, err := adoptedTable(in, m, bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("table %q: %w", in.Name, err)
		}
		if len(t.Partitions) > 0 {
			tables = append(tables, t)
		}
	}
	for _, name := range meta.Functions {
		left = append(left, NotCovered{info.Database, name, "function", "functions of adopted snapshots are not restored; keep its CREATE FUNCTION"})
	}
	SortTables(tables)
	return tables, left, nil
}

func adoptedTable(in starrocks.InfoTable, m starrocks.MetaTable, bytes map[int64]int64) (Table, error) {
	t := Table{Name: in.Name, ID: in.ID, Kind: "table", Keys: m.KeysType, AutoIncrement: m.HasAutoIncrement(), Properties: m.Properties}
	if m.PartitionType != "UNPARTITIONED" {
		t.PartitionScheme = m.PartitionType
	}
	if in.ID != m.ID {
		return t, fmt.Errorf("its id is %d in __info and %d in __meta: %w", in.ID, m.ID, ErrInconsistent)
	}
	schema, err := SchemaOf(m)
	if err != nil {
		return t, err
	}
	t.Schema = schema
	for _, p := range in.Partitions {
		saved, known := m.Partitions[p.Name]
		if !known {
			return t, fmt.Errorf("__info names partition %q, which __meta lacks: %w", p.Name, ErrInconsistent)
		}
		partition := Partition{Name: p.Name, ID: p.ID, Replication: m.Replication[p.Name]}
		if m.PartitionType == "LIST" {
			partition.Value = listValue(saved.Value)
		}
		var versions []int64
		for _, ph := range p.Physical {
			partition.Physical = append(partition.Physical, Physical{ID: ph.ID, Version: ph.Version})
			partition.Bytes += bytes[ph.ID]
			versions = append(versions, ph.Version)
			for _, x := range ph.Indexes {
				partition.Tablets += len(x.Tablets)
			}
		}
		if err := sameVersions(versions, saved.Physical); err != nil {
			return t, fmt.Errorf("partition %q: %w", p.Name, err)
		}
		t.Replication = max(t.Replication, partition.Replication)
		t.Partitions = append(t.Partitions, partition)
	}
	return t, nil
}

func sameVersions(info []int64, saved []starrocks.MetaPhysical) error {
	var meta []int64
	for _, ph := range saved {
		meta = append(meta, ph.VisibleVersion)
	}
	slices.Sort(info)
	slices.Sort(meta)
	if !slices.Equal(info, meta) {
		return fmt.Errorf("its versions are %v in __info and %v in __meta: %w", info, meta, ErrInconsistent)
	}
	return nil
}

// listValue writes the values of a LIST partition as the catalog does: [["a"],["b"]]. __meta has ["a","b"] where there is
// one column.
func listValue(raw string) string {
	var one []string
	if json.Unmarshal([]byte(raw), &one) != nil {
		return raw
	}
	if len(one) == 0 {
		return ""
	}
	values := make([][]string, len(one))
	for i, v := range one {
		values[i] = []string{v}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return raw
	}
	return string(text)
}
