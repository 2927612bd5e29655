package activities

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

// inPlace says why a RESTORE of these partitions into the live table itself must not be sent: StarRocks would refuse it,
// minutes later, or would not notice and do harm (starrocks-measured, tables of 08b and of C 46b; rules 16, 17). nil: it
// may be sent. Partitions that exist would be overwritten, those that are missing added.
func (p *restorePlanner) inPlace(at *target, t restorepoint.Table, live starrocks.Table) *decision {
	if d := p.tableInPlace(at, t, live); d != nil {
		return d
	}
	if d := p.partitionsInPlace(at, t, live); d != nil {
		return d
	}
	return p.snapshotInPlace(at, t, live)
}

func (p *restorePlanner) tableInPlace(at *target, t restorepoint.Table, live starrocks.Table) *decision {
	name := live.Name
	if t.AutoIncrement && !p.in.Spec.AllowAutoIncrementReset {
		return refusal(name, "RESTORE into it would set its AUTO_INCREMENT back, even if it fails, and ids would be given twice; "+
			"restore the whole table (swap), or under another name, or consent with allowAutoIncrementReset")
	}
	if d := busy(at, live); d != nil {
		return d
	}
	for _, part := range at.partitions[name] {
		if part.Temporary {
			return refusal(name, "it has the temporary partition %s, and StarRocks restores into no table that has one; drop or exchange it, or restore the whole table (swap), or under another name", part.Name)
		}
	}
	if t.DDL == "" {
		return refusal(name, "the restore point does not know its definition, so that nothing can be compared; restore the whole table (swap), or under another name (rename)")
	}
	ddl, err := at.ddl(name)
	if err != nil {
		return refusal(name, "its definition cannot be read: %v", err)
	}
	if d := compareDefinitions(t.DDL, ddl); d.first != "" {
		out := refusal(name, "%s; restore the whole table (swap), or under another name (rename)", d.note())
		out.diff = d.diff
		return out
	}
	return nil
}

// busy refuses a table that an ALTER TABLE, or another RESTORE, is working on: neither RESTORE nor SWAP takes it.
func busy(at *target, live starrocks.Table) *decision {
	state := at.states[live.Name].State
	if state == "" || state == "NORMAL" {
		return nil
	}
	return refusal(live.Name, "its state is %s: wait until that has ended (SHOW ALTER TABLE COLUMN, ROLLUP or OPTIMIZE FROM `%s`), then plan again, or restore under another name (rename)", state, at.database)
}

func (p *restorePlanner) partitionsInPlace(at *target, t restorepoint.Table, live starrocks.Table) *decision {
	for _, part := range t.Partitions {
		var d *decision
		switch there := liveOf(at.partitions[live.Name], t, part, live.Name); {
		case there != nil:
			d = p.overPartition(*there, t, part, live.Name)
		case part.Name != starrocks.ShadowPartition:
			d = p.newPartition(at, t, part, live)
		}
		if d != nil {
			return d
		}
	}
	return nil
}

// overPartition compares a partition with the live one of its name, which RESTORE would overwrite.
func (p *restorePlanner) overPartition(live starrocks.Partition, t restorepoint.Table, part restorepoint.Partition, name string) *decision {
	if want := p.part(t, part).Replication; want != live.Replication {
		return refusal(name, "partition %s has %d replicas there and would be restored with %d, which StarRocks refuses; leave replicationNum out, restore the whole table (swap), or under another name", part.Name, live.Replication, want)
	}
	switch {
	case part.Name == starrocks.ShadowPartition:
		return nil
	case len(part.Physical) > 1:
		return refusal(name, "partition %s has automatic buckets (%d physical partitions), which StarRocks does not restore over an existing one; restore the whole table (swap), or under another name", part.Name, len(part.Physical))
	case part.Value != live.Value && isListValue(part.Value):
		return refusal(name, "partition %s holds the values %s there and %s in the restore point; StarRocks would not notice; restore the whole table (swap), or under another name", part.Name, live.Value, part.Value)
	case part.Value != live.Value:
		return refusal(name, "partition %s has the range %s there and %s in the restore point, which StarRocks refuses; restore the whole table (swap), or under another name", part.Name, live.Value, part.Value)
	}
	return nil
}

// newPartition looks whether a partition can be added to the live table, and stays there.
func (p *restorePlanner) newPartition(at *target, t restorepoint.Table, part restorepoint.Partition, live starrocks.Table) *decision {
	name := live.Name
	if isList(t) {
		return refusal(name, "StarRocks cannot add LIST partitions to a table by RESTORE; restore the whole table (swap), or under another name")
	}
	if dropsSoon(live.Properties, part.Value, time.Now()) {
		return refusal(name, "partition %s is older than the window of the table's dynamic partitioning (%s = %s %s), which would drop it within 10 minutes, past recovery; first ALTER TABLE `%s`.`%s` SET (\"%s\" = \"false\"), or restore under another name",
			part.Name, dynamicStart, live.Properties[dynamicStart], live.Properties[dynamicUnit], at.database, name, dynamicEnable)
	}
	wanted, ok := parseRange(part.Value)
	if !ok {
		return nil
	}
	for _, there := range at.partitions[name] {
		if have, ok := parseRange(there.Value); ok && !there.Temporary && there.Name != starrocks.ShadowPartition && wanted.overlaps(have) {
			return refusal(name, "the range of partition %s overlaps that of %s there (%s), which StarRocks refuses; restore the whole table (swap), or under another name", part.Name, there.Name, there.Value)
		}
	}
	return nil
}

// native is what a native snapshot says of its tables, as far as StarRocks compares it with live ones.
type native struct {
	tables  map[string]restorepoint.Table
	indexes map[string]int // base, rollups and synchronous views by table; empty where __meta cannot be read
}

// snapshotInPlace compares what lies in the native snapshots and not in the restore point: StarRocks also looks at
// partitions that are not restored, and at rollups.
func (p *restorePlanner) snapshotInPlace(at *target, t restorepoint.Table, live starrocks.Table) *decision {
	for _, label := range snapshotsOf(t) {
		n, err := at.native(label)
		if err != nil {
			return refusal(live.Name, "the native snapshot %s cannot be read: %v", label, err)
		}
		indexes, have := n.indexes[t.Name], at.states[live.Name].Indexes
		if indexes > 0 && have > 0 && indexes != have {
			return refusal(live.Name, "it has %d rollups and synchronous materialized views, and %d in the restore point; StarRocks would refuse it; make them alike, restore the whole table (swap), or under another name", have-1, indexes-1)
		}
		for _, part := range n.tables[t.Name].Partitions {
			if d := differentBuckets(at, live, part, max(indexes, 1)); d != nil {
				return d
			}
		}
	}
	return nil
}

func differentBuckets(at *target, live starrocks.Table, part restorepoint.Partition, indexes int) *decision {
	if len(part.Physical) != 1 || part.Name == starrocks.ShadowPartition {
		return nil
	}
	for _, there := range at.partitions[live.Name] {
		if there.Name == part.Name && !there.Temporary && there.Buckets > 0 && there.Buckets*indexes != part.Tablets {
			return refusal(live.Name, "partition %s has %d buckets there and %d in the native snapshot, and StarRocks compares all that both have, also those that are not restored; restore the whole table (swap), or under another name",
				part.Name, there.Buckets, part.Tablets/indexes)
		}
	}
	return nil
}

func snapshotsOf(t restorepoint.Table) []string {
	var labels []string
	for _, part := range t.Partitions {
		if !slices.Contains(labels, part.Snapshot) {
			labels = append(labels, part.Snapshot)
		}
	}
	return labels
}

func refusal(name, format string, args ...any) *decision {
	d := refused(name, format, args...)
	return &d
}

// inTheWay refuses a target name that something other than a table has, and says what StarRocks would make of it.
func inTheWay(at *target, live starrocks.Table) decision {
	what := kindWord(live.Kind)
	would := ""
	switch live.Kind {
	case starrocks.KindView:
		would = "; StarRocks would never end the job, and stop every other BACKUP and RESTORE of the cluster with it"
	case starrocks.KindMaterializedView:
		would = "; while it is active StarRocks would say FINISHED and restore nothing"
	case starrocks.KindOther:
		what = strings.TrimSpace("table of engine " + live.Engine)
	}
	return refused(live.Name, "a %s of this name stands in the way%s; drop or rename it, or restore under another name (rename)", what, would)
}

// checkTarget refuses names that a restore must not or cannot make.
func (p *restorePlanner) checkTarget(at *target, from, name string) error {
	if !at.exists {
		if err := starrocks.CheckNewDatabase(at.database); err != nil {
			return fmt.Errorf("%w; restore into a database of another name (rename)", err)
		}
	}
	if err := starrocks.CheckName("table", name); err != nil {
		return err
	}
	if other, taken := at.newNames[name]; taken && other != from {
		return fmt.Errorf("%s and %s would both become %s.%s; give one of them another name (rename), or leave one out", other, from, at.database, name)
	}
	at.newNames[name] = from
	return nil
}
