package starrocks

// RenameTables makes copies of a native snapshot's __info and __meta in which tables have other names: the zero-copy
// renaming of measured D (file 62). The new __info goes beside the old one under a timestamp of its own; name is its inner
// name, the label whose directory holds nothing but the new __meta. Tables that renames does not mention keep theirs, and
// renames may be empty. Everything else stays byte for byte.
//
// Edited in __info: name, the key in backup_objects, the base index's key, the partition's key where it has the table's
// name. In __meta: the key in tblNameMap, name, the base index's key in indexNameToId, and the name of an unpartitioned
// table's partition.
func RenameTables(info, meta []byte, name string, renames map[string]string) (newInfo, newMeta []byte, err error) {
	return nil, nil, ErrUnsupported
}
