package starrockssim

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// read returns a tablet's rows at the partition's visible version, merged by the table's model.
func (c *Cluster) read(t *table, p *partition, tab *tablet) ([][]string, error) {
	for _, r := range tab.replicas {
		be := c.backend(r.backend)
		bt := be.tablets[tab.id]
		if bt == nil || !be.working() {
			continue
		}
		if bt.version() < p.visible {
			return nil, plainError("Build Exec OlapScanNode fail, scan info is invalid")
		}
		return t.merge(t.fit(bt.at(p.visible))), nil
	}
	return nil, plainError("Failed to get scan range, no queryable replica found in tablet: %d", tab.id)
}

// at lists the rows of the versions up to v, in load order.
func (t *beTablet) at(v int64) [][]string {
	var rows [][]string
	for _, rs := range t.rowsets {
		if rs.segment != nil && rs.to <= v {
			rows = append(rows, rs.segment.rows...)
		}
	}
	return rows
}

// fit brings rows written under an earlier schema to the present columns.
func (t *table) fit(rows [][]string) [][]string {
	if !slices.ContainsFunc(rows, func(row []string) bool { return len(row) != len(t.columns) }) {
		return rows
	}
	out := make([][]string, len(rows))
	for i, row := range rows {
		row = row[:min(len(row), len(t.columns)):min(len(row), len(t.columns))]
		for _, col := range t.columns[len(row):] {
			if col.hasDef {
				row = append(row, col.def)
			} else {
				row = append(row, null)
			}
		}
		out[i] = row
	}
	return out
}

// merge brings rows of one key together: the last one wins, aggregated columns are aggregated.
func (t *table) merge(rows [][]string) [][]string {
	if t.keys == duplicateKeys || t.keys == "" {
		return rows
	}
	seen := map[string]int{}
	var out [][]string
	for _, row := range rows {
		key := t.keyOf(row)
		i, ok := seen[key]
		if !ok {
			seen[key] = len(out)
			out = append(out, slices.Clone(row))
			continue
		}
		for n, col := range t.columns {
			out[i][n] = aggregate(col, out[i][n], row[n])
		}
	}
	return out
}

func (t *table) keyOf(row []string) string {
	var key strings.Builder
	for i, col := range t.columns {
		if col.key {
			fmt.Fprintf(&key, "%d:%s", len(row[i]), row[i])
		}
	}
	return key.String()
}

func aggregate(col column, old, new string) string {
	switch col.agg {
	case "SUM":
		return sum(old, new)
	case "MAX":
		if compareValues(col.typ, old, new) > 0 {
			return old
		}
	case "MIN":
		if new == null || old != null && compareValues(col.typ, old, new) < 0 {
			return old
		}
	case "REPLACE_IF_NOT_NULL":
		if new == null {
			return old
		}
	}
	return new
}

func sum(a, b string) string {
	if a == null {
		return b
	}
	if b == null {
		return a
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	if !okX || !okY {
		return b
	}
	x.Add(x, y)
	if x.IsInt() {
		return x.Num().String()
	}
	digits, _ := x.FloatPrec()
	return x.FloatString(min(digits, 20))
}

// countRows is COUNT(*) over some partitions, or all.
func (c *Cluster) countRows(t *table, parts []*partition) (int64, error) {
	var n int64
	for _, p := range parts {
		if p.visible == 1 {
			continue // never loaded
		}
		for _, tab := range p.tablets {
			rows, err := c.read(t, p, tab)
			if err != nil {
				return 0, err
			}
			n += int64(len(rows))
		}
	}
	return n, nil
}

// Content is a digest of all rows of a table, one line per partition and bucket: two are equal if and only if the data
// are. Ids and versions have no part in it. What cannot be read, and replicas that differ, are said in their line.
func (c *Cluster) Content(db, table string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.findTable(db, table)
	if err != nil {
		return "no such table"
	}
	parts := slices.Clone(t.partitions)
	slices.SortFunc(parts, func(a, b *partition) int { return strings.Compare(a.name, b.name) })
	var out strings.Builder
	for _, p := range parts {
		if p.shadow() {
			continue
		}
		name := p.name
		if t.part.kind == unpartitioned {
			name = "-"
		}
		for i, tab := range p.tablets {
			fmt.Fprintf(&out, "%s/%d %s\n", name, i, c.tabletContent(t, p, tab))
		}
	}
	return out.String()
}

func (c *Cluster) tabletContent(t *table, p *partition, tab *tablet) string {
	first := ""
	for _, r := range tab.replicas {
		bt := c.backend(r.backend).tablets[tab.id]
		if bt == nil {
			return "a replica is missing"
		}
		if bt.version() < p.visible {
			return fmt.Sprintf("unreadable: version %d of %d", bt.version(), p.visible)
		}
		rows := t.merge(t.fit(bt.at(p.visible)))
		lines := make([]string, len(rows))
		for i, row := range rows {
			lines[i] = string(encodeRows([][]string{row}))
		}
		slices.Sort(lines)
		digest := fmt.Sprintf("%d rows %s", len(rows), md5hex([]byte(strings.Join(lines, "\n"))))
		if first == "" {
			first = digest
		}
		if digest != first {
			return "replicas differ"
		}
	}
	return first
}
