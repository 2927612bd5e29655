package starrocks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// What must agree in a composed native snapshot (starrocks-measured C §2). StarRocks notices hardly any of it: RESTORE says
// FINISHED, and data is missing, in wrong buckets, or lost with the next loads.
const (
	RuleInnerName    = "inner name"           // __info's name selects the label whose __meta is read
	RuleTableNames   = "table names"          // the table's name in all places of both files
	RuleTableID      = "table id"             // equal in both: added partitions are read below that of __meta
	RulePartitions   = "same partitions"      // in __info and __meta
	RulePartitionIDs = "partition ids"        // logical and physical ones, equal in both
	RuleVersions     = "versions"             // of __info, its physical partitions and __meta; the next one follows
	RuleManifest     = "versions as recorded" // of the source and of the restore point
	RuleOneSource    = "one source"           // of each partition and each tablet directory
	RuleSchema       = "schema"               // of the parts of one table
	RuleDistribution = "distribution"         // of the parts of one table
	RuleBuckets      = "bucket number"        // tablets of each index in __info, __meta and the distribution
	RuleBucketOrder  = "bucket order"         // tablets_order is the order of __meta
	RuleEntries      = "partition entries"    // ranges or values, replication, medium of each partition
	RuleTabletFiles  = "tablet files"         // objects of one tablet directory; asserted by restorepoint.CheckSnapshot
)

// Disagreement says which rule of composed snapshots is broken, and where.
type Disagreement struct{ Rule, Detail string }

func (d *Disagreement) Error() string {
	return fmt.Sprintf("the parts do not make one snapshot (rule %q): %s", d.Rule, d.Detail)
}

func disagree(rule, format string, args ...any) error {
	return &Disagreement{rule, fmt.Sprintf(format, args...)}
}

// CheckAgreement asserts about the two files of a composed native snapshot all that must agree. name is what __info must
// have as its own. The error is a *Disagreement, or tells of files that cannot be read.
func CheckAgreement(name string, info, meta []byte) error {
	i, err := ParseInfo(info)
	if err != nil {
		return err
	}
	text, err := metaJSON(meta)
	if err != nil {
		return err
	}
	m, err := parseMetaJSON(text)
	if err != nil {
		return disagree(RuleTableNames, "%v", err)
	}
	var layout struct {
		Tables map[string]layoutTable `json:"tblNameMap"`
	}
	if err := json.Unmarshal(text, &layout); err != nil {
		return fmt.Errorf("__meta: %w", err)
	}
	if i.Name != name {
		return disagree(RuleInnerName, "__info is named %q, and StarRocks would read the __meta of that label; it must be %q", i.Name, name)
	}
	if len(i.Tables) != len(m.Tables) {
		return disagree(RuleTableNames, "__info has %d tables, __meta %d", len(i.Tables), len(m.Tables))
	}
	directories := map[TabletPath]bool{}
	for t := range i.Tablets() {
		if directories[t.Path] {
			return disagree(RuleOneSource, "tablet %d of table %s, partition %s, stands in __info twice", t.Path.Tablet, t.Table, t.Partition)
		}
		directories[t.Path] = true
	}
	for _, t := range i.Tables {
		in, ok := m.Tables[t.Name]
		if !ok {
			return disagree(RuleTableNames, "__info has the table %q, __meta has not", t.Name)
		}
		if err := (agreement{t, in, layout.Tables[t.Name]}).check(); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// The form of __meta as far as tablets and partitions' entries are concerned.
type (
	layoutTable struct {
		IndexNames map[string]int64           `json:"indexNameToId"`
		BaseIndex  int64                      `json:"baseIndexId"`
		Partitions map[string]layoutPartition `json:"idToPartition"`
		Info       map[string]json.RawMessage `json:"partitionInfo"`
	}
	layoutPartition struct {
		ID           int64                     `json:"id"`
		Name         string                    `json:"name"`
		Physical     map[string]layoutPhysical `json:"idToSubPartition"`
		Distribution struct {
			metaDistribution
			Buckets int `json:"bucketNum"`
		} `json:"distributionInfo"`
		layoutPhysical // before physical partitions
	}
	layoutPhysical struct {
		Visible int64                  `json:"visibleVersion"`
		Next    int64                  `json:"nextVersion"`
		Base    layoutIndex            `json:"baseIndex"`
		Rollups map[string]layoutIndex `json:"idToVisibleRollupIndex"`
	}
	layoutIndex struct {
		ID      int64 `json:"id"`
		Tablets []struct {
			ID int64 `json:"id"`
		} `json:"tablets"`
	}
)

// agreement is one table in the two files.
type agreement struct {
	info   InfoTable
	meta   MetaTable
	layout layoutTable
}

func (a agreement) check() error {
	if a.info.ID != a.meta.ID {
		return disagree(RuleTableID, "its id is %d in __info and %d in __meta", a.info.ID, a.meta.ID)
	}
	if a.layout.IndexNames[a.info.Name] != a.layout.BaseIndex || a.layout.BaseIndex == 0 {
		return disagree(RuleTableNames, "__meta has no base index of the table's name")
	}
	byName := map[string]layoutPartition{}
	for key, p := range a.layout.Partitions {
		if key != strconv.FormatInt(p.ID, 10) {
			return disagree(RulePartitionIDs, "partition %s stands in __meta under the id %s and has %d", p.Name, key, p.ID)
		}
		byName[p.Name] = p
	}
	if len(byName) != len(a.layout.Partitions) {
		return disagree(RulePartitions, "two partitions of __meta have one name")
	}
	for _, p := range a.info.Partitions {
		in, ok := byName[p.Name]
		if !ok {
			return disagree(RulePartitions, "__info has the partition %s, __meta has not: StarRocks would leave it out", p.Name)
		}
		delete(byName, p.Name)
		if err := a.partition(p, in); err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		return disagree(RulePartitions, "__meta has the partition %s, __info has not: StarRocks would leave it out", name)
	}
	return a.entries()
}

func (a agreement) partition(p InfoPartition, in layoutPartition) error {
	if p.ID != in.ID {
		return disagree(RulePartitionIDs, "its id is %d in __info and %d in __meta", p.ID, in.ID)
	}
	if in.Distribution.Kind != "" && !slices.Equal(in.Distribution.columns(), a.meta.Distribution) {
		return disagree(RuleDistribution, "it is distributed by %v, the table by %v", in.Distribution.columns(), a.meta.Distribution)
	}
	physical := in.Physical
	if len(physical) == 0 {
		physical = map[string]layoutPhysical{strconv.FormatInt(in.ID, 10): in.layoutPhysical}
	}
	if len(physical) != len(p.Physical) {
		return disagree(RulePartitionIDs, "__info has %d physical partitions, __meta %d", len(p.Physical), len(physical))
	}
	agrees := false
	for _, ph := range p.Physical {
		there, ok := physical[strconv.FormatInt(ph.ID, 10)]
		if !ok {
			return disagree(RulePartitionIDs, "__info has the physical partition %d, __meta has not", ph.ID)
		}
		agrees = agrees || ph.Version == p.Version
		if ph.Version != there.Visible || there.Next != there.Visible+1 {
			return disagree(RuleVersions, "physical partition %d has version %d in __info, visibleVersion %d and nextVersion %d in __meta", ph.ID, ph.Version, there.Visible, there.Next)
		}
		if err := a.tablets(ph, there, in); err != nil {
			return err
		}
	}
	if !agrees {
		return disagree(RuleVersions, "__info says version %d, and none of its physical partitions has that", p.Version)
	}
	return nil
}

// tablets compares the indexes of a physical partition.
func (a agreement) tablets(ph InfoPhysical, there layoutPhysical, in layoutPartition) error {
	indexes := map[int64]layoutIndex{there.Base.ID: there.Base}
	for _, x := range there.Rollups {
		indexes[x.ID] = x
	}
	if len(indexes) != len(ph.Indexes) {
		return disagree(RuleBuckets, "__info has %d indexes, __meta %d", len(ph.Indexes), len(indexes))
	}
	for _, x := range ph.Indexes {
		if a.layout.IndexNames[x.Name] != x.ID {
			return disagree(RuleTableNames, "__info has an index %q with id %d, which __meta does not know under this name", x.Name, x.ID)
		}
		index, ok := indexes[x.ID]
		if !ok {
			return disagree(RuleBuckets, "__meta has no tablets of index %q", x.Name)
		}
		want := make([]int64, len(index.Tablets))
		for i, tablet := range index.Tablets {
			want[i] = tablet.ID
		}
		hashed := in.Distribution.Kind == "HASH" && in.Distribution.Buckets > 0
		if len(want) != len(x.Tablets) || hashed && in.Distribution.Buckets != len(want) {
			return disagree(RuleBuckets, "index %q has %d tablets in __info, %d in __meta, and %d buckets", x.Name, len(x.Tablets), len(want), in.Distribution.Buckets)
		}
		if !slices.Equal(want, x.Tablets) {
			return disagree(RuleBucketOrder, "the tablets of index %q are %v in __info and %v in __meta: data would be in wrong buckets", x.Name, x.Tablets, want)
		}
	}
	return nil
}

// entries looks whether partitionInfo knows each partition, and no other.
func (a agreement) entries() error {
	values := map[string]string{}
	lists := map[string]map[string]json.RawMessage{}
	for key, raw := range a.layout.Info {
		if !byPartition(key) {
			continue
		}
		var entries map[string]json.RawMessage
		if err := json.Unmarshal(raw, &entries); err != nil {
			return fmt.Errorf("partitionInfo: %q: %w", key, err)
		}
		for id := range entries {
			if _, ok := a.layout.Partitions[id]; !ok {
				return disagree(RuleEntries, "partitionInfo has an entry of partition id %s in %s, and there is no such partition", id, key)
			}
		}
		lists[key] = entries
	}
	for id, p := range a.layout.Partitions {
		for _, key := range []string{"idToDataProperty", "idToReplicationNum", "idToInMemory"} {
			if _, ok := lists[key][id]; !ok && lists[key] != nil {
				return disagree(RuleEntries, "partition %s has no entry in %s", p.Name, key)
			}
		}
		if a.meta.PartitionType == "UNPARTITIONED" {
			continue
		}
		value := a.meta.Partitions[p.Name].Value
		if value == "" {
			return disagree(RuleEntries, "partition %s has neither a range nor values", p.Name)
		}
		if other, twice := values[value]; twice {
			return disagree(RuleEntries, "partitions %s and %s have one range or one list of values", min(other, p.Name), max(other, p.Name))
		}
		values[value] = p.Name
	}
	return nil
}
