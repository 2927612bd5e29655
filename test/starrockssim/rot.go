package starrockssim

import (
	"fmt"
	"slices"
)

// Rot changes one value of one row on the BEs' disks, in all replicas, and nothing else: no version, no number of rows.
// It is what nothing but a look at the rows themselves can see.
func (c *Cluster) Rot(db, table, from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.findTable(db, table)
	if err != nil {
		return err
	}
	for _, p := range t.partitions {
		for _, tab := range p.tablets {
			changed := false
			for _, r := range tab.replicas {
				if bt := c.backend(r.backend).tablets[tab.id]; bt != nil && bt.rot(from, to) {
					changed = true
				}
			}
			if changed {
				return nil
			}
		}
	}
	return fmt.Errorf("no row of %s.%s holds %q", db, table, from)
}

func (t *beTablet) rot(from, to string) bool {
	for i := range t.rowsets {
		rs := t.rowsets[i]
		if rs.segment == nil {
			continue
		}
		for n, row := range rs.segment.rows {
			at := slices.Index(row, from)
			if at < 0 {
				continue
			}
			rows := slices.Clone(rs.segment.rows)
			rows[n] = slices.Clone(row)
			rows[n][at] = to
			rs.segment = newSegment(rows)
			t.rowsets[i] = rs
			return true
		}
	}
	return false
}
