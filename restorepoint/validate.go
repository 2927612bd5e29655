package restorepoint

import (
	"errors"
	"fmt"
	"regexp"
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ErrInconsistent is returned for a manifest or record whose parts contradict each other.
var ErrInconsistent = errors.New("inconsistent")

// Validate tells what contradicts itself in the manifest; all findings are joined. Counts are compared too, so they
// must be filled in (EncodeManifest does).
func (m Manifest) Validate() error {
	c := checker{what: "manifest " + m.ID}
	_, err := ParsePointID(m.ID)
	c.note(err)
	c.note(CheckClusterName(m.Cluster.Name))
	if m.Parent != "" {
		_, err := ParsePointID(m.Parent)
		c.note(err)
	}
	c.check(!m.CreatedAt.IsZero(), "createdAt is missing")
	c.check(m.Complete == (len(m.Failed) == 0), "complete is %t, but %d objects failed", m.Complete, len(m.Failed))
	snapshots := c.snapshots(m.Snapshots)
	used := c.databases(m.Databases, snapshots)
	for _, s := range m.Snapshots {
		c.check(used[s.Label], "snapshot %q is listed, but no partition refers to it", s.Label)
	}
	if counts := m.count(); counts != m.Counts {
		c.check(false, "counts say %+v, the content is %+v", m.Counts, counts)
	}
	return c.err()
}

// Validate tells what contradicts itself in the record; all findings are joined.
func (r SnapshotRecord) Validate() error {
	c := checker{what: "snapshot record " + r.Label}
	c.note(CheckClusterName(r.Cluster.Name))
	c.check(isSegment(r.Label), "label %q cannot be part of a key", r.Label)
	c.check(r.Database != "", "database is missing")
	c.check(r.Timestamp != "" && r.InfoKey != "" && r.MetaKey != "", "timestamp, infoKey or metaKey is missing")
	c.check(!r.CreatedAt.IsZero() && !r.ConsistentAt.IsZero(), "createdAt or consistentAt is missing")
	c.check(len(r.Lists) > 0, "no object list")
	for i, l := range r.Lists {
		c.check(l.Key == ObjectsKey(r.Cluster.Name, r.Label, i+1), "list %d has the key %q", i+1, l.Key)
		c.check(sha256Hex.MatchString(l.SHA256), "list %d: sha256 %q", i+1, l.SHA256)
		c.check(l.Objects > 0 && l.Objects <= MaxListObjects && l.Bytes >= 0, "list %d: %d objects, %d bytes", i+1, l.Objects, l.Bytes)
	}
	c.check(len(r.Tables) > 0, "no table")
	c.tables(r.Database, r.Tables, func(Partition) string { return "" })
	return c.err()
}

// checker collects findings, at most 20: a file that is all wrong needs no longer text.
type checker struct {
	what  string
	found []error
}

func (c *checker) note(err error) {
	if err != nil && len(c.found) < 20 {
		c.found = append(c.found, err)
	}
}

func (c *checker) check(ok bool, format string, args ...any) {
	if !ok {
		c.note(fmt.Errorf(format, args...))
	}
}

func (c *checker) err() error {
	if len(c.found) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", c.what, ErrInconsistent, errors.Join(c.found...))
}

func (c *checker) snapshots(refs []SnapshotRef) map[string]bool {
	known := map[string]bool{}
	for _, s := range refs {
		c.check(!known[s.Label], "snapshot %q is listed twice", s.Label)
		c.check(isSegment(s.Label), "label %q cannot be part of a key", s.Label)
		c.check(s.Timestamp != "" && s.InfoKey != "" && s.MetaKey != "" && s.Record != "", "snapshot %q: timestamp, infoKey, metaKey or record is missing", s.Label)
		c.check(sha256Hex.MatchString(s.SHA256), "snapshot %q: sha256 %q", s.Label, s.SHA256)
		c.check(!s.ConsistentAt.IsZero(), "snapshot %q: consistentAt is missing", s.Label)
		known[s.Label] = true
	}
	return known
}

// databases checks all databases and gives the snapshots that their partitions refer to.
func (c *checker) databases(databases []Database, snapshots map[string]bool) map[string]bool {
	used, names := map[string]bool{}, map[string]bool{}
	for _, d := range databases {
		c.check(d.Name != "" && !names[d.Name], "database %q is listed twice or has no name", d.Name)
		names[d.Name] = true
		c.tables(d.Name, d.Tables, func(p Partition) string {
			used[p.Snapshot] = true
			if !snapshots[p.Snapshot] {
				return fmt.Sprintf("is in snapshot %q, which is not listed", p.Snapshot)
			}
			return ""
		})
	}
	return used
}

// tables checks the tables of one database; extra gives a further complaint about a partition, or "".
func (c *checker) tables(database string, tables []Table, extra func(Partition) string) {
	names, ids := map[string]bool{}, map[int64]bool{}
	for _, t := range tables {
		c.check(t.Name != "" && !names[t.Name], "table %q.%q is listed twice or has no name", database, t.Name)
		c.check(!ids[t.ID], "table %q.%q: another table has its id %d", database, t.Name, t.ID)
		names[t.Name], ids[t.ID] = true, true
		c.check(len(t.Partitions) > 0, "table %q.%q has no partition", database, t.Name)
		c.partitions(database, t, extra)
	}
}

func (c *checker) partitions(database string, t Table, extra func(Partition) string) {
	names, physical := map[string]bool{}, map[int64]bool{}
	for _, p := range t.Partitions {
		where := fmt.Sprintf("partition %q of %q.%q", p.Name, database, t.Name)
		c.check(p.Name != "" && !names[p.Name], "%s is listed twice or has no name", where)
		names[p.Name] = true
		c.check(len(p.Physical) > 0, "%s has no physical partition", where)
		c.check(p.Rows >= 0 && p.Bytes >= 0 && p.Tablets >= 0, "%s: negative rows, bytes or tablets", where)
		for _, ph := range p.Physical {
			c.check(!physical[ph.ID], "%s: the physical id %d occurs twice", where, ph.ID)
			c.check(ph.Version > 0, "%s: version %d", where, ph.Version)
			physical[ph.ID] = true
		}
		if complaint := extra(p); complaint != "" {
			c.check(false, "%s %s", where, complaint)
		}
	}
}
