package restorepoint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrTableChanged is returned when a table was dropped and created again, or altered, between two native snapshots of
// one restore point: their partitions do not make one table.
var ErrTableChanged = errors.New("the table changed during the backup")

// Add puts what a native snapshot holds into the manifest. recordSHA256 is the digest of the record's stored bytes.
// A table that is there already takes the partitions in, and the record's definition, which is the later one. After an
// error the manifest is as it was before. That no partition comes twice is left to Validate.
func (m *Manifest) Add(r SnapshotRecord, recordSHA256 string) error {
	if slices.ContainsFunc(m.Snapshots, func(s SnapshotRef) bool { return s.Label == r.Label }) {
		return fmt.Errorf("snapshot %q is in the manifest already", r.Label)
	}
	tables := slices.Clone(r.Tables)
	for i := range tables {
		tables[i].Partitions = slices.Clone(tables[i].Partitions)
		for j := range tables[i].Partitions {
			tables[i].Partitions[j].Snapshot = r.Label
		}
	}
	if err := m.merge(Database{Name: r.Database, ID: r.DatabaseID, Tables: tables}); err != nil {
		return err
	}
	m.Snapshots = append(m.Snapshots, r.ref(recordSHA256))
	return nil
}

// Carry takes over from another restore point, by reference, each partition that keep approves of, and the snapshots
// they lie in. It comes before Add, so that the tables' newer definitions stand.
func (m *Manifest) Carry(from Manifest, keep func(database string, t Table, p Partition) bool) error {
	used := map[string]bool{}
	for _, d := range from.Databases {
		kept := Database{Name: d.Name, ID: d.ID}
		for _, t := range d.Tables {
			all := t.Partitions
			t.Partitions = nil
			for _, p := range all {
				if keep(d.Name, t, p) {
					t.Partitions = append(t.Partitions, p)
					used[p.Snapshot] = true
				}
			}
			if len(t.Partitions) > 0 {
				kept.Tables = append(kept.Tables, t)
			}
		}
		if len(kept.Tables) == 0 {
			continue
		}
		if err := m.merge(kept); err != nil {
			return err
		}
	}
	for _, s := range from.Snapshots {
		known := slices.ContainsFunc(m.Snapshots, func(x SnapshotRef) bool { return x.Label == s.Label })
		if used[s.Label] && !known {
			m.Snapshots = append(m.Snapshots, s)
		}
	}
	return nil
}

// merge adds a database's tables; it changes nothing if one of them does not fit.
func (m *Manifest) merge(d Database) error {
	at := slices.IndexFunc(m.Databases, func(x Database) bool { return x.Name == d.Name })
	if at < 0 {
		m.Databases = append(m.Databases, d)
		return nil
	}
	have := &m.Databases[at]
	have.ID = cmp.Or(have.ID, d.ID)
	places := make(map[string]int, len(have.Tables))
	for i, t := range have.Tables {
		places[t.Name] = i
	}
	for _, t := range d.Tables {
		i, ok := places[t.Name]
		if ok && (have.Tables[i].ID != t.ID || have.Tables[i].Schema != t.Schema) {
			return fmt.Errorf("%q.%q: %w (its id was %d and is %d)", d.Name, t.Name, ErrTableChanged, have.Tables[i].ID, t.ID)
		}
	}
	for _, t := range d.Tables {
		i, ok := places[t.Name]
		if !ok {
			have.Tables = append(have.Tables, t)
			continue
		}
		t.Partitions = append(have.Tables[i].Partitions, t.Partitions...)
		if t.Fingerprint == nil { // of partitions that are carried over; their columns are the same
			t.Fingerprint = have.Tables[i].Fingerprint
		}
		have.Tables[i] = t
	}
	return nil
}

func (r SnapshotRecord) ref(recordSHA256 string) SnapshotRef {
	ref := SnapshotRef{Label: r.Label, Database: r.Database, Timestamp: r.Timestamp, InfoKey: r.InfoKey, MetaKey: r.MetaKey,
		Record: SnapshotKey(r.Cluster.Name, r.Label), SHA256: recordSHA256, ConsistentAt: r.ConsistentAt}
	for _, l := range r.Lists {
		ref.Objects += l.Objects
		ref.Bytes += l.Bytes
	}
	for _, t := range r.Tables {
		ref.Partitions += len(t.Partitions)
	}
	return ref
}

// Sort puts everything into the order in which manifests are written: by name, partitions by name, snapshots by label.
// Two manifests of the same content are then equal byte by byte.
func (m *Manifest) Sort() {
	slices.SortFunc(m.Snapshots, func(a, b SnapshotRef) int { return cmp.Compare(a.Label, b.Label) })
	slices.SortFunc(m.Databases, func(a, b Database) int { return cmp.Compare(a.Name, b.Name) })
	for _, d := range m.Databases {
		SortTables(d.Tables)
		d.Objects.sort()
	}
	slices.SortFunc(m.NotCovered, func(a, b NotCovered) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(m.Failed, func(a, b FailedObject) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Partition, b.Partition))
	})
}

// SortTables sorts tables, and the partitions in each, by name.
func SortTables(tables []Table) {
	slices.SortFunc(tables, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range tables {
		slices.SortFunc(t.Partitions, func(a, b Partition) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// count sums the manifest's content up.
func (m Manifest) count() Counts {
	c := Counts{Databases: len(m.Databases), Failed: len(m.Failed), NotCovered: len(m.NotCovered)}
	for _, d := range m.Databases {
		c.Tables += len(d.Tables)
		c.Views += len(d.Views)
		c.MaterializedViews += len(d.MaterializedViews)
		c.Functions += len(d.Functions)
		for _, t := range d.Tables {
			c.Partitions += len(t.Partitions)
			for _, p := range t.Partitions {
				c.Tablets += p.Tablets
				c.Rows += p.Rows
				c.Bytes += p.Bytes
			}
		}
	}
	return c
}

// Summary is what a list of restore points shows.
func (m Manifest) Summary() PointSummary {
	return PointSummary{ID: m.ID, Cluster: m.Cluster.Name, Repository: m.Repository.Name, CreatedAt: m.CreatedAt,
		Complete: m.Complete, Parent: m.Parent, Tags: m.Tags, Origin: m.Origin, Counts: m.Counts}
}
