package starrocks

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rule is the rule that an error says is broken; "" for any other.
func rule(err error) string {
	var d *Disagreement
	if !errors.As(err, &d) {
		return ""
	}
	return d.Rule
}

// composed06 is a composed snapshot of real files: RANGE partitions and LIST partitions of two backups each, a primary key
// table.
func composed06(t testing.TB) native {
	t.Helper()
	full := recordedSnapshot(t, "06")
	newer := full.copy(t, "newer").later(1).version("orders", "p2", 4).version("lst", "pb", 5)
	made, err := compose(t,
		newer.source(t, slices.Concat(take("orders", "p2"), take("lst", "pb"))...),
		full.source(t, slices.Concat(take("orders", "p1", "p3"), take("lst", "pa"), take("pk", "pk"))...))
	if err != nil {
		t.Fatal(err)
	}
	return native{"sk_composed_x", decodeExact(t, made.Info).(object), decodeExact(t, made.Meta[4:]).(object)}
}

func (n native) check(t testing.TB) error {
	return CheckAgreement("sk_composed_x", encoded(t, n.info), encodeMeta(encoded(t, n.meta)))
}

// physical are the first physical partition's objects in both files.
func (n native) physical(table, partition string) (info, meta object) {
	_, info = anyOf(in(n.info, "backup_objects", table, "partitions", partition, "subPartitions"))
	_, meta = anyOf(in(n.partition(table, partition), "idToSubPartition"))
	return info, meta
}

// index is the base index in both files.
func (n native) index(table, partition string) (info, meta object) {
	info, meta = n.physical(table, partition)
	return in(info, "indexes", table), in(meta, "baseIndex")
}

// rekey moves what stands under one key to another.
func rekey(o object, from, to string) {
	o[to] = o[from]
	delete(o, from)
}

// Each thing that must agree in a composed snapshot is broken, and refused by the name of the rule. StarRocks itself would
// say FINISHED to nearly all of them (starrocks-measured C §2).
func TestBrokenAgreementsAreRefused(t *testing.T) {
	if err := composed06(t).check(t); err != nil {
		t.Fatal(err)
	}
	orders := []string{"tblNameMap", "orders"}
	for name, c := range map[string]struct {
		rule  string
		spoil func(n native)
	}{
		"another inner name (compG, compH)":                {RuleInnerName, func(n native) { n.info["name"] = "full1" }},
		"a table that __meta has not":                      {RuleTableNames, func(n native) { rekey(in(n.info, "backup_objects"), "orders", "other") }},
		"another key in tblNameMap":                        {RuleTableNames, func(n native) { rekey(in(n.meta, "tblNameMap"), "orders", "other") }},
		"another name inside the table":                    {RuleTableNames, func(n native) { in(n.meta, orders...)["name"] = "other" }},
		"another name of the base index in __meta (compQ)": {RuleTableNames, func(n native) { rekey(in(n.meta, "tblNameMap", "orders", "indexNameToId"), "orders", "other") }},
		"another name of the index in __info": {RuleTableNames, func(n native) {
			info, _ := n.physical("orders", "p2")
			rekey(in(info, "indexes"), "orders", "other")
		}},
		"a table that __info has not":        {RuleTableNames, func(n native) { delete(in(n.info, "backup_objects"), "pk") }},
		"another table id in __info (compW)": {RuleTableID, func(n native) { in(n.info, "backup_objects", "orders")["id"] = number(888) }},
		"another table id in __meta":         {RuleTableID, func(n native) { in(n.meta, orders...)["id"] = number(888) }},
		"a partition that __meta has not (compO)": {RulePartitions, func(n native) {
			delete(in(n.meta, "tblNameMap", "orders", "idToPartition"), string(n.partition("orders", "p3")["id"].(interface{ String() string }).String()))
		}},
		"a partition that __info has not (compN)": {RulePartitions, func(n native) { delete(in(n.info, "backup_objects", "orders", "partitions"), "p3") }},
		"another partition name in __meta":        {RulePartitions, func(n native) { n.partition("orders", "p3")["name"] = "p9" }},
		"another logical id in __info":            {RulePartitionIDs, func(n native) { in(n.info, "backup_objects", "orders", "partitions", "p2")["id"] = number(99) }},
		"another logical id in __meta":            {RulePartitionIDs, func(n native) { n.partition("orders", "p2")["id"] = number(99) }},
		"another physical partition in __meta": {RulePartitionIDs, func(n native) {
			subs := in(n.partition("orders", "p2"), "idToSubPartition")
			id, _ := anyOf(subs)
			rekey(subs, id, "99")
		}},
		"a further physical partition in __meta": {RulePartitionIDs, func(n native) {
			subs := in(n.partition("orders", "p2"), "idToSubPartition")
			_, sub := anyOf(subs)
			subs["99"] = sub
		}},
		"another version of the partition in __info": {RuleVersions, func(n native) { in(n.info, "backup_objects", "orders", "partitions", "p2")["version"] = number(3) }},
		"another version of the physical partition in __info": {RuleVersions, func(n native) {
			info, _ := n.physical("orders", "p2")
			info["version"] = number(3)
		}},
		"an older visible version in __meta (A2: the next loads are lost)": {RuleVersions, func(n native) {
			_, meta := n.physical("orders", "p2")
			meta["visibleVersion"], meta["nextVersion"] = number(3), number(4)
		}},
		"a newer visible version in __meta (T: loads hang)": {RuleVersions, func(n native) {
			_, meta := n.physical("orders", "p2")
			meta["visibleVersion"], meta["nextVersion"] = number(9), number(10)
		}},
		"a next version that does not follow": {RuleVersions, func(n native) {
			_, meta := n.physical("orders", "p2")
			meta["nextVersion"] = number(9)
		}},
		"a tablet more in __info": {RuleBuckets, func(n native) {
			info, _ := n.index("orders", "p2")
			in(info, "tablets")["99"] = []any{}
			info["tablets_order"] = append(info["tablets_order"].([]any), "99")
		}},
		"a tablet less in __meta": {RuleBuckets, func(n native) {
			_, meta := n.index("orders", "p2")
			meta["tablets"] = meta["tablets"].([]any)[1:]
		}},
		"another bucket number in the distribution": {RuleBuckets, func(n native) { in(n.partition("orders", "p2"), "distributionInfo")["bucketNum"] = number(3) }},
		"an index that __meta has not": {RuleBuckets, func(n native) {
			_, meta := n.index("orders", "p2")
			meta["id"] = number(99)
		}},
		"reversed tablets_order (compL)": {RuleBucketOrder, func(n native) {
			info, _ := n.index("orders", "p2")
			slices.Reverse(info["tablets_order"].([]any))
		}},
		"reversed tablets in __meta": {RuleBucketOrder, func(n native) {
			_, meta := n.index("orders", "p2")
			slices.Reverse(meta["tablets"].([]any))
		}},
		"other distribution columns of a partition": {RuleDistribution, func(n native) {
			in(n.partition("orders", "p2"), "distributionInfo")["distributionColumns"].([]any)[0].(object)["name"] = "dt"
		}},
		"two partitions in one tablet directory": {RuleOneSource, func(n native) {
			parts := in(n.info, "backup_objects", "orders", "partitions")
			parts["p1"] = parts["p2"]
		}},
		"a partition without range":       {RuleEntries, func(n native) { n.forget("orders", "p2", "serializedIdToRange") }},
		"a partition without replication": {RuleEntries, func(n native) { n.forget("orders", "p2", "idToReplicationNum") }},
		"a partition without medium":      {RuleEntries, func(n native) { n.forget("orders", "p2", "idToDataProperty") }},
		"a LIST partition without values": {RuleEntries, func(n native) { n.forget("lst", "pb", "idToValues") }},
		"an entry of no partition":        {RuleEntries, func(n native) { in(n.meta, "tblNameMap", "orders", "partitionInfo", "idToInMemory")["99"] = false }},
		"two LIST partitions with one value": {RuleEntries, func(n native) {
			values := in(n.meta, "tblNameMap", "lst", "partitionInfo", "idToValues")
			for id := range values {
				values[id] = []any{"a"}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := composed06(t)
			c.spoil(n)
			err := n.check(t)
			if got := rule(err); got != c.rule {
				t.Fatalf("broken rule %q, want %q: %v", got, c.rule, err)
			}
			if !strings.Contains(err.Error(), `rule "`+c.rule+`"`) {
				t.Errorf("the message does not name the rule: %v", err)
			}
		})
	}
}

// forget takes a partition's entry out of a map of partitionInfo.
func (n native) forget(table, partition, key string) {
	id := n.partition(table, partition)["id"].(interface{ String() string }).String()
	delete(in(n.meta, "tblNameMap", table, "partitionInfo", key), id)
}

// Partitions of two snapshots make one table only if all of this is equal: a BE keeps the schema that stands in each
// tablet's header.
func TestPartsOfOtherDefinitionsAreRefused(t *testing.T) {
	column := func(table object, change func(object)) {
		_, index := anyOf(in(table, "indexIdToMeta"))
		for _, columns := range []any{table["fullSchema"], index["schema"]} {
			change(columns.([]any)[0].(object))
		}
	}
	index := func(key string, value any) func(object) {
		return func(table object) {
			_, x := anyOf(in(table, "indexIdToMeta"))
			x[key] = value
		}
	}
	for name, c := range map[string]struct {
		rule   string
		change func(table object)
	}{
		"schema version": {RuleSchema, index("schemaVersion", number(1))},
		"schema hash":    {RuleSchema, index("schemaHash", number(1))},
		"short keys":     {RuleSchema, index("shortKeyColumnCount", number(1))},
		"sort key":       {RuleSchema, index("sortKeyIdxes", []any{number(1), number(0)})},
		"index id": {RuleSchema, func(o object) {
			index := in(o, "indexIdToMeta", "11443")
			index["indexId"] = number(7)
			o["indexNameToId"], o["indexIdToMeta"] = object{"orders": number(7)}, object{"7": index}
		}},
		"a further index":    {RuleSchema, func(o object) { in(o, "indexNameToId")["rollup"] = number(7) }},
		"unique id":          {RuleSchema, func(o object) { column(o, func(c object) { c["uniqueId"] = number(7) }) }},
		"column type":        {RuleSchema, func(o object) { column(o, func(c object) { in(c, "type")["type"] = "DATETIME" }) }},
		"column name":        {RuleSchema, func(o object) { column(o, func(c object) { c["name"] = "DT" }) }},
		"nullability":        {RuleSchema, func(o object) { column(o, func(c object) { c["isAllowNull"] = false }) }},
		"a column more":      {RuleSchema, func(o object) { o["fullSchema"] = append(o["fullSchema"].([]any), o["fullSchema"].([]any)[0]) }},
		"keys":               {RuleSchema, func(o object) { o["keysType"] = "PRIMARY_KEYS" }},
		"bloom filter":       {RuleSchema, func(o object) { o["bfColumns"] = []any{"k"} }},
		"kind of partitions": {RuleSchema, func(o object) { in(o, "partitionInfo")["type"] = "LIST" }},
		"distribution": {RuleDistribution, func(o object) {
			in(o, "defaultDistributionInfo")["distributionColumns"].([]any)[0].(object)["name"] = "dt"
		}},
		"random": {RuleDistribution, func(o object) { o["defaultDistributionInfo"] = object{"typeStr": "RANDOM"} }},
	} {
		t.Run(name, func(t *testing.T) {
			full := recordedSnapshot(t, "06")
			older, newer := full.copy(t, "older"), full.copy(t, "newer").later(1)
			c.change(in(older.meta, "tblNameMap", "orders"))
			_, err := compose(t, newer.source(t, take("orders", "p2")...), older.source(t, take("orders", "p1")...))
			if got := rule(err); got != c.rule {
				t.Fatalf("broken rule %q, want %q: %v", got, c.rule, err)
			}
			for _, words := range []string{`rule "` + c.rule + `"`, "newer", "older", "orders"} {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("the message lacks %s: %v", words, err)
				}
			}
		})
	}
	full := recordedSnapshot(t, "06")
	older, newer := full.copy(t, "older"), full.copy(t, "newer").later(1)
	column(in(older.meta, "tblNameMap", "orders"), func(c object) { c["comment"] = "other words" })
	if _, err := compose(t, newer.source(t, take("orders", "p2")...), older.source(t, take("orders", "p1")...)); err != nil {
		t.Errorf("another comment: %v", err)
	}
}

func TestSourcesThatContradictTheRestorePointAreRefused(t *testing.T) {
	full := recordedSnapshot(t, "06")
	id := int64(11453) // of orders.p2
	part := func(versions map[int64]int64) ComposePart { return ComposePart{"orders", "p2", versions} }
	for name, c := range map[string]struct {
		rule string
		take []ComposePart
	}{
		"as recorded":                  {"", []ComposePart{part(map[int64]int64{id: 3})}},
		"an older version":             {RuleManifest, []ComposePart{part(map[int64]int64{id: 2})}},
		"another physical partition":   {RuleManifest, []ComposePart{part(map[int64]int64{99: 3})}},
		"a further physical partition": {RuleManifest, []ComposePart{part(map[int64]int64{id: 3, 99: 3})}},
		"the partition twice":          {RuleOneSource, []ComposePart{part(nil), part(nil)}},
	} {
		if _, err := compose(t, full.source(t, c.take...)); rule(err) != c.rule || c.rule == "" && err != nil {
			t.Errorf("%s: %v, want rule %q", name, err, c.rule)
		}
	}
	older, newer := full.copy(t, "older"), full.copy(t, "newer").later(1)
	if _, err := compose(t, newer.source(t, take("orders", "p2")...), older.source(t, take("orders", "p2")...)); rule(err) != RuleOneSource {
		t.Errorf("one partition from two snapshots: %v", err)
	}
	// Two partitions whose tablets have the same path: such as those of two clusters.
	parts := in(older.info, "backup_objects", "orders", "partitions")
	parts["p1"] = copyOf(t, parts["p2"])
	in(older.info, "backup_objects", "orders", "partitions", "p1")["id"] = number(11439)
	if _, err := compose(t, newer.source(t, take("orders", "p2")...), older.source(t, take("orders", "p1")...)); rule(err) != RuleOneSource {
		t.Errorf("one directory from two snapshots: %v", err)
	}
}

// What StarRocks itself wrote agrees: rollups, LIST, expression and automatic partitions, random distribution, all keys.
func TestRecordedSnapshotsAgree(t *testing.T) {
	for name := range pairs(t) {
		n := recordedSnapshot(t, name)
		tables := in(n.meta, "tblNameMap")
		for _, table := range slices.Collect(maps.Keys(tables)) {
			if in(tables, table)["clazz"] == "View" {
				delete(tables, table)
				delete(in(n.info, "backup_objects"), table)
			}
		}
		if err := CheckAgreement(n.info["name"].(string), encoded(t, n.info), encodeMeta(encoded(t, n.meta))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
