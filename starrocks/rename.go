package starrocks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// RenameTables makes copies of a native snapshot's __info and __meta in which tables have other names: the zero-copy
// renaming of measured D (file 62). The new __info goes beside the old one under a timestamp of its own; name is its inner
// name, the label whose directory holds nothing but the new __meta. Tables that renames does not mention keep theirs, and
// renames may be empty. Everything else stays byte for byte.
//
// Edited in __info: name, the key in backup_objects, the base index's key, the key of an unpartitioned table's partition.
// In __meta: the key in tblNameMap, name, the base index's key in indexNameToId, and the name of an unpartitioned table's
// partition. Rollups and physical partitions keep their names.
//
// ErrInvalidName for a bad name, ErrSnapshotMissing for a table that is not there, ErrTableExists if two tables would have
// one name, ErrUnsupported for views and materialized views, ErrMetaNotJSON for snapshots of old versions.
func RenameTables(info, meta []byte, name string, renames map[string]string) (newInfo, newMeta []byte, err error) {
	if err := CheckLabel(name); err != nil {
		return nil, nil, err
	}
	for _, to := range renames {
		if err := CheckName("table", to); err != nil {
			return nil, nil, err
		}
	}
	text, err := metaJSON(meta)
	if err != nil {
		return nil, nil, err
	}
	single, text, err := renameInMeta(text, renames)
	if err != nil {
		return nil, nil, fmt.Errorf("__meta: %w", err)
	}
	newInfo, err = renameInInfo(info, name, renames, single)
	if err != nil {
		return nil, nil, fmt.Errorf("__info: %w", err)
	}
	return newInfo, encodeMeta(text), nil
}

// NameInfo makes a copy of an __info with another inner name: the label whose directory holds the __meta to use. For
// snapshots whose __meta cannot be edited.
func NameInfo(info []byte, name string) ([]byte, error) {
	if err := CheckLabel(name); err != nil {
		return nil, err
	}
	return renameInInfo(info, name, nil, nil)
}

// renameInMeta also tells which of the renamed tables are not partitioned.
func renameInMeta(text []byte, renames map[string]string) (single map[string]bool, newText []byte, err error) {
	top, err := objectFields(text, 0)
	if err != nil {
		return nil, nil, err
	}
	tables, err := child(text, top, "tblNameMap")
	if err != nil {
		return nil, nil, err
	}
	if err := checkRenames(tables, renames); err != nil {
		return nil, nil, err
	}
	e := &edits{text: text}
	single = map[string]bool{}
	for _, t := range tables {
		to, renamed := renames[t.key]
		if !renamed {
			continue
		}
		e.name(t.name, to)
		if single[t.key], err = e.renameMetaTable(t, to); err != nil {
			return nil, nil, fmt.Errorf("table %q: %w", t.key, err)
		}
	}
	return single, e.apply(), nil
}

// checkRenames says whether all tables to rename are there and all names differ afterwards.
func checkRenames(tables []field, renames map[string]string) error {
	after := map[string]bool{}
	for _, t := range tables {
		to, renamed := renames[t.key]
		if !renamed {
			to = t.key
		}
		if after[to] {
			return fmt.Errorf("two tables would have the name %q: %w", to, ErrTableExists)
		}
		after[to] = true
	}
	for _, from := range slices.Sorted(maps.Keys(renames)) {
		if _, ok := lookup(tables, from); !ok {
			return fmt.Errorf("table %q: %w", from, ErrSnapshotMissing)
		}
	}
	return nil
}

func (e *edits) renameMetaTable(t field, to string) (single bool, err error) {
	fields, err := objectFields(e.text, t.value.from)
	if err != nil {
		return false, err
	}
	class, _, err := stringField(e.text, fields, "clazz")
	if err != nil {
		return false, err
	}
	if class != "OlapTable" {
		return false, fmt.Errorf("renaming of a %s: %w", class, ErrUnsupported)
	}
	name, at, err := stringField(e.text, fields, "name")
	if err != nil {
		return false, err
	}
	if name != t.key {
		return false, fmt.Errorf("its own name is %q", name)
	}
	e.name(at.value, to)
	indexes, err := child(e.text, fields, "indexNameToId")
	if err != nil {
		return false, err
	}
	base, ok := lookup(indexes, t.key)
	if !ok {
		return false, errors.New("no base index of the table's name")
	}
	if _, taken := lookup(indexes, to); taken && to != t.key {
		return false, fmt.Errorf("it has a rollup of the name %q: %w", to, ErrTableExists)
	}
	e.name(base.name, to)
	info, err := child(e.text, fields, "partitionInfo")
	if err != nil {
		return false, err
	}
	if kind, _, err := stringField(e.text, info, "type"); err != nil || kind != "UNPARTITIONED" {
		return false, err
	}
	return true, e.renameSinglePartition(fields, t.key, to)
}

// renameSinglePartition: the partition of an unpartitioned table carries the table's name.
func (e *edits) renameSinglePartition(table []field, from, to string) error {
	partitions, err := child(e.text, table, "idToPartition")
	if err != nil {
		return err
	}
	for _, p := range partitions {
		fields, err := objectFields(e.text, p.value.from)
		if err != nil {
			return err
		}
		name, at, err := stringField(e.text, fields, "name")
		if err != nil {
			return err
		}
		if name == from {
			e.name(at.value, to)
		}
	}
	return nil
}

func renameInInfo(text []byte, name string, renames map[string]string, single map[string]bool) ([]byte, error) {
	if !json.Valid(text) {
		return nil, errors.New("damaged JSON")
	}
	top, err := objectFields(text, 0)
	if err != nil {
		return nil, err
	}
	e := &edits{text: text}
	_, at, err := stringField(text, top, "name")
	if err != nil {
		return nil, err
	}
	e.name(at.value, name)
	tables, err := child(text, top, "backup_objects")
	if err != nil {
		return nil, err
	}
	if err := checkRenames(tables, renames); err != nil {
		return nil, err
	}
	for _, t := range tables {
		to, renamed := renames[t.key]
		if !renamed {
			continue
		}
		e.name(t.name, to)
		if err := e.renameInfoTable(t, to, single[t.key]); err != nil {
			return nil, fmt.Errorf("table %q: %w", t.key, err)
		}
	}
	return e.apply(), nil
}

func (e *edits) renameInfoTable(t field, to string, single bool) error {
	fields, err := objectFields(e.text, t.value.from)
	if err != nil {
		return err
	}
	partitions, err := child(e.text, fields, "partitions")
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if single && p.key == t.key {
			e.name(p.name, to)
		}
		inner, err := objectFields(e.text, p.value.from)
		if err != nil {
			return err
		}
		if err := e.renameBaseIndex(inner, t.key, to); err != nil { // old writers: indexes in the partition
			return err
		}
		physical, err := child(e.text, inner, "subPartitions")
		if err != nil {
			return err
		}
		for _, ph := range physical {
			inner, err := objectFields(e.text, ph.value.from)
			if err != nil {
				return err
			}
			if err := e.renameBaseIndex(inner, t.key, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// renameBaseIndex renames the index that has the table's name.
func (e *edits) renameBaseIndex(partition []field, from, to string) error {
	indexes, err := child(e.text, partition, "indexes")
	if err != nil {
		return err
	}
	if base, ok := lookup(indexes, from); ok {
		e.name(base.name, to)
	}
	return nil
}
