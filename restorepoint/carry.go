package restorepoint

import "slices"

// Find gives a table of the manifest; nil if it has none of that name.
func (m *Manifest) Find(database, table string) *Table {
	for i := range m.Databases {
		if m.Databases[i].Name != database {
			continue
		}
		for j := range m.Databases[i].Tables {
			if m.Databases[i].Tables[j].Name == table {
				return &m.Databases[i].Tables[j]
			}
		}
	}
	return nil
}

// Redefine gives a table the definition that was read last: what Carry took over is the older point's.
func (m *Manifest) Redefine(database string, now Table) {
	t := m.Find(database, now.Name)
	if t == nil {
		return
	}
	t.DDL, t.PartitionScheme, t.Replication, t.AutoIncrement = now.DDL, now.PartitionScheme, now.Replication, now.AutoIncrement
	t.Properties, t.Grants = now.Properties, now.Grants
}

// GiveUp takes a table out of the manifest that a record shows to be another one by now, and gives its partitions: they
// do not make one table with the record's.
func (m *Manifest) GiveUp(r SnapshotRecord) (lost []FailedObject) {
	for _, t := range r.Tables {
		have := m.Find(r.Database, t.Name)
		if have == nil || have.ID == t.ID && have.Schema == t.Schema {
			continue
		}
		for _, p := range have.Partitions {
			lost = append(lost, FailedObject{Database: r.Database, Table: t.Name, Partition: p.Name, Reason: ErrTableChanged.Error()})
		}
		for i := range m.Databases {
			if m.Databases[i].Name == r.Database {
				m.Databases[i].Tables = slices.DeleteFunc(m.Databases[i].Tables, func(x Table) bool { return x.Name == t.Name })
			}
		}
	}
	m.forgetUnused()
	return lost
}

// forgetUnused drops references to native snapshots that no partition lies in.
func (m *Manifest) forgetUnused() {
	used := map[string]bool{}
	for _, d := range m.Databases {
		for _, t := range d.Tables {
			for _, p := range t.Partitions {
				used[p.Snapshot] = true
			}
		}
	}
	m.Snapshots = slices.DeleteFunc(m.Snapshots, func(s SnapshotRef) bool { return !used[s.Label] })
}
