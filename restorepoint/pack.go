package restorepoint

import "slices"

// Pack puts a database's parts into units, numbered from 1, that keep the limits. Parts of one table must be adjacent.
//
// A table that fits into one unit is not divided, so it is consistent at one instant; a bigger one begins a unit of
// its own. A Whole table is never divided, and a single part never, whatever the limits say. In a restore (Part.Snapshot
// is set) all parts of a unit have one replication number, because a RESTORE statement names one; they come from one
// native snapshot, but for units that are to be composed (see composed).
func Pack(parts []Part, limits Limits) []Unit { return pack(parts, limits, composed(parts, limits)) }

// PackApart is Pack for native snapshots that cannot be composed: those of StarRocks before 3.1.
func PackApart(parts []Part, limits Limits) []Unit {
	return pack(parts, limits, func(Part) bool { return false })
}

func pack(parts []Part, limits Limits, composed func(Part) bool) []Unit {
	p := packer{parts: parts, limits: limits, open: map[unitKey]int{}, composed: composed}
	for from := 0; from < len(parts); {
		to := from + 1
		for to < len(parts) && parts[to].Table == parts[from].Table && p.keyOf(parts[to]) == p.keyOf(parts[from]) {
			to++
		}
		p.table(Range{From: from, To: to, Whole: anyWhole(parts[from:to])})
		from = to
	}
	for i := range p.units {
		p.units[i].Parts = join(p.units[i].Parts)
	}
	return p.units
}

// unitKey is what all parts of a unit have in common.
type unitKey struct {
	composed    bool
	snapshot    string // "" if composed
	replication int
	lane        string
}

func (p *packer) keyOf(part Part) unitKey {
	switch {
	case part.Snapshot == "":
		return unitKey{} // a BACKUP statement asks for no replication number
	case p.composed(part):
		return unitKey{composed: true, replication: part.Replication, lane: part.Lane}
	}
	return unitKey{snapshot: part.Snapshot, replication: part.Replication, lane: part.Lane}
}

type packer struct {
	parts  []Part
	limits Limits
	units  []Unit
	loads  []Limits        // what is in each unit
	open   map[unitKey]int // the unit that still takes parts, as index

	composed func(Part) bool
}

// table places the parts of one table.
func (p *packer) table(r Range) {
	load := loadOf(p.parts[r.From:r.To])
	i, ok := p.open[p.keyOf(p.parts[r.From])]
	if !ok || !p.fits(p.loads[i], load) {
		i = p.begin(r.From)
	}
	if r.Whole || p.fits(Limits{}, load) {
		p.put(i, r, load)
		return
	}
	for from := r.From; from < r.To; from++ {
		load := loadOf(p.parts[from : from+1])
		if from > r.From && !p.fits(p.loads[i], load) {
			i = p.begin(from)
		}
		p.put(i, Range{From: from, To: from + 1}, load)
	}
}

// begin opens a unit for parts like the one given.
func (p *packer) begin(part int) int {
	p.units = append(p.units, Unit{Number: len(p.units) + 1, Attempt: 1})
	p.loads = append(p.loads, Limits{})
	p.open[p.keyOf(p.parts[part])] = len(p.units) - 1
	return len(p.units) - 1
}

func (p *packer) put(unit int, r Range, load Limits) {
	p.units[unit].Parts = append(p.units[unit].Parts, r)
	p.loads[unit] = sum(p.loads[unit], load)
}

func (p *packer) fits(have, more Limits) bool {
	all := sum(have, more)
	return (p.limits.Bytes <= 0 || all.Bytes <= p.limits.Bytes) &&
		(p.limits.Tablets <= 0 || all.Tablets <= p.limits.Tablets) &&
		(p.limits.Partitions <= 0 || all.Partitions <= p.limits.Partitions)
}

func sum(a, b Limits) Limits {
	return Limits{Bytes: a.Bytes + b.Bytes, Tablets: a.Tablets + b.Tablets, Partitions: a.Partitions + b.Partitions}
}

func loadOf(parts []Part) Limits {
	l := Limits{Partitions: len(parts)}
	for _, p := range parts {
		l.Bytes += p.Bytes
		l.Tablets += p.Tablets
	}
	return l
}

func anyWhole(parts []Part) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return p.Whole })
}
