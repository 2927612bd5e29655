package starrocks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ComposeSource is a native snapshot that partitions are taken from.
type ComposeSource struct {
	Label      string
	Info, Meta []byte // its __info and __meta as they are stored
	Take       []ComposePart
}

// ComposePart is a partition to take. Versions are those that are written down of its physical partitions, by id: the
// source must hold just these. nil: nothing is written down.
type ComposePart struct {
	Table, Partition string
	Versions         map[int64]int64
}

// Composition is one native snapshot made of several.
type Composition struct {
	Info, Meta []byte
	Copies     []TabletCopy // by target
}

// TabletCopy says whose tablet directory becomes which of the composed snapshot. All files of it are copied.
type TabletCopy struct {
	Label    string // of the source
	From, To TabletPath
}

// Composer joins __info and __meta of native snapshots into those of one, after the recipe that a real FE took
// (starrocks-measured C §2): a table's definition is that of the newest snapshot that any of its partitions comes from, the
// base; a partition comes whole from one snapshot, with its ids and versions in both files and its entries in
// partitionInfo. What is not taken is left out of both files. All other text of the base stays as it is; so do 64-bit ids.
// Of a source only what is taken is kept, so hundreds of them can be joined.
//
// All errors about sources that do not fit together are a *Disagreement. ErrSnapshotMissing for a table or partition that
// is not there, ErrUnsupported for anything but OLAP tables, ErrMetaNotJSON for snapshots of old versions.
type Composer struct {
	label    string
	database int64 // part of all paths: one for the whole snapshot
	info     []byte
	meta     []byte
	last     time.Time
	tables   []*composedTable
	places   map[string]*composedTable
	targets  map[TabletPath]string
	copies   []TabletCopy
}

// composedTable is a table with the partitions taken so far.
type composedTable struct {
	name       string
	base       string // label of the snapshot whose definition it has
	id         int64
	info, meta []byte // the base's text of the table
	look       MetaTable
	compared   string // label of the source whose definition was compared last
	partitions []composedPartition
}

// composedPartition is a partition's text in the two files, and its entries in the maps of partitionInfo by their names.
type composedPartition struct {
	name, label string
	id          string
	info, meta  []byte
	entries     map[string][]byte
}

// NewComposer begins the composition of the native snapshot that will have the label.
func NewComposer(label string) (*Composer, error) {
	if err := CheckLabel(label); err != nil {
		return nil, err
	}
	return &Composer{label: label, places: map[string]*composedTable{}, targets: map[TabletPath]string{}}, nil
}

// Add takes partitions from a snapshot. Snapshots come newest first: the first one that has a table defines it.
func (c *Composer) Add(s ComposeSource) error {
	from, err := readSource(s)
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", s.Label, err)
	}
	if !c.last.IsZero() && from.info.BackupTime.After(c.last) {
		return fmt.Errorf("snapshot %s is newer than the one before it: newest first", s.Label)
	}
	c.last = from.info.BackupTime
	if c.info == nil {
		c.database, c.info, c.meta = from.info.DatabaseID, bytes.Clone(s.Info), bytes.Clone(from.metaText)
	}
	for _, part := range s.Take {
		if err := c.take(from, part); err != nil {
			return fmt.Errorf("partition %s of table %s from snapshot %s: %w", part.Partition, part.Table, s.Label, err)
		}
	}
	return nil
}

func (c *Composer) take(from *composeSource, part ComposePart) error {
	texts, err := from.table(part.Table)
	if err != nil {
		return err
	}
	t, err := c.table(from, texts)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(t.partitions, func(p composedPartition) bool { return p.name == part.Partition }); i >= 0 {
		return disagree(RuleOneSource, "the partition is taken from snapshot %s already", t.partitions[i].label)
	}
	p, err := texts.partition(part.Partition)
	if err != nil {
		return err
	}
	p.label = from.label
	in := texts.inInfo[part.Partition]
	if err := sameVersions(in, part.Versions); err != nil {
		return err
	}
	for path := range tabletsOf(from.info.DatabaseID, texts.info.ID, in) {
		to := TabletPath{c.database, t.id, path.Partition, path.Index, path.Tablet}
		if other, taken := c.targets[to]; taken {
			return disagree(RuleOneSource, "the directory of tablet %d comes from snapshot %s already", to.Tablet, other)
		}
		c.targets[to] = from.label
		c.copies = append(c.copies, TabletCopy{from.label, path, to})
	}
	t.partitions = append(t.partitions, p)
	return nil
}

// table finds the table in the composition, or begins it with the source's definition.
func (c *Composer) table(from *composeSource, texts *composeTable) (*composedTable, error) {
	t := c.places[texts.name]
	if t == nil {
		t = &composedTable{name: texts.name, base: from.label, compared: from.label, id: texts.info.ID, look: texts.meta,
			info: bytes.Clone(texts.infoText), meta: bytes.Clone(texts.metaText)}
		c.tables = append(c.tables, t)
		c.places[texts.name] = t
	}
	if t.compared == from.label {
		return t, nil
	}
	if rule, difference := differentTable(t.look, texts.meta); difference != "" {
		return nil, disagree(rule, "the table is not the one of snapshot %s: %s", t.base, difference)
	}
	t.compared = from.label
	return t, nil
}

// sameVersions compares what __info says of a partition with what is written down of it.
func sameVersions(in InfoPartition, want map[int64]int64) error {
	if want == nil {
		return nil
	}
	if len(in.Physical) != len(want) {
		return disagree(RuleManifest, "__info names %d physical partitions, the restore point %d", len(in.Physical), len(want))
	}
	for _, ph := range in.Physical {
		version, ok := want[ph.ID]
		if !ok {
			return disagree(RuleManifest, "__info names the physical partition %d, the restore point does not", ph.ID)
		}
		if version != ph.Version {
			return disagree(RuleManifest, "__info holds version %d of physical partition %d, the restore point says %d", ph.Version, ph.ID, version)
		}
	}
	return nil
}

// Compose gives the joined snapshot, which agrees with CheckAgreement.
func (c *Composer) Compose() (*Composition, error) {
	if len(c.tables) == 0 {
		return nil, errors.New("nothing to compose")
	}
	info, err := c.joinInfo()
	if err != nil {
		return nil, fmt.Errorf("compose __info: %w", err)
	}
	meta, err := c.joinMeta()
	if err != nil {
		return nil, fmt.Errorf("compose __meta: %w", err)
	}
	if err := CheckAgreement(c.label, info, meta); err != nil {
		return nil, err
	}
	slices.SortFunc(c.copies, func(a, b TabletCopy) int { return strings.Compare(a.To.dir(), b.To.dir()) })
	return &Composition{Info: info, Meta: meta, Copies: c.copies}, nil
}

func (c *Composer) joinInfo() ([]byte, error) {
	top, err := objectFields(c.info, 0)
	if err != nil {
		return nil, err
	}
	e := &edits{text: c.info}
	name, _ := lookup(top, "name")
	e.name(name.value, c.label)
	var tables members
	for _, t := range c.tables {
		text, err := t.joinInfo()
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", t.name, err)
		}
		tables.add(t.name, text)
	}
	objects, _ := lookup(top, "backup_objects")
	e.put(objects.value, tables.object())
	return e.apply(), nil
}

func (t *composedTable) joinInfo() ([]byte, error) {
	fields, err := objectFields(t.info, 0)
	if err != nil {
		return nil, err
	}
	var partitions members
	for _, p := range t.partitions {
		partitions.add(p.name, p.info)
	}
	e := &edits{text: t.info}
	at, _ := lookup(fields, "partitions")
	e.put(at.value, partitions.object())
	return e.apply(), nil
}

// joinMeta leaves functions and catalogs out: a RESTORE without ON would bring all functions along (measured C 43).
func (c *Composer) joinMeta() ([]byte, error) {
	top, err := objectFields(c.meta, 0)
	if err != nil {
		return nil, err
	}
	e := &edits{text: c.meta}
	for _, key := range []string{"functions", "catalogs"} {
		if f, ok := lookup(top, key); ok {
			e.put(f.value, []byte("[]"))
		}
	}
	var tables members
	for _, t := range c.tables {
		text, err := t.joinMeta()
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", t.name, err)
		}
		tables.add(t.name, text)
	}
	at, _ := lookup(top, "tblNameMap")
	e.put(at.value, tables.object())
	return encodeMeta(e.apply()), nil
}

func (t *composedTable) joinMeta() ([]byte, error) {
	fields, err := objectFields(t.meta, 0)
	if err != nil {
		return nil, err
	}
	e := &edits{text: t.meta}
	var partitions members
	for _, p := range t.partitions {
		partitions.add(p.id, p.meta)
	}
	at, _ := lookup(fields, "idToPartition")
	e.put(at.value, partitions.object())
	info, err := child(t.meta, fields, "partitionInfo")
	if err != nil {
		return nil, err
	}
	for _, f := range info {
		if !byPartition(f.key) {
			continue
		}
		var entries members
		for _, p := range t.partitions {
			if text, ok := p.entries[f.key]; ok {
				entries.add(p.id, text)
			}
		}
		e.put(f.value, entries.object())
	}
	return e.apply(), nil
}

// byPartition tells the maps of partitionInfo whose keys are partition ids: five of every table, serializedIdToRange,
// idToValues, idToMultiValues, idToTemp, and what further versions may add.
func byPartition(key string) bool {
	return strings.HasPrefix(key, "idTo") || strings.HasPrefix(key, "serializedIdTo")
}

// put replaces a span by JSON text.
func (e *edits) put(at span, text []byte) { e.list = append(e.list, edit{at, text}) }

// members are the fields of a JSON object in the making.
type members struct{ text bytes.Buffer }

func (m *members) add(key string, value []byte) {
	if m.text.Len() > 0 {
		m.text.WriteByte(',')
	}
	m.text.Write(quoteJSON(key))
	m.text.WriteByte(':')
	m.text.Write(value)
}

func (m *members) object() []byte {
	return append(append([]byte{'{'}, m.text.Bytes()...), '}')
}

// nextVersions makes the version that follows the saved one that of each physical partition: loads under way at the backup
// have taken some, and are not in it.
func nextVersions(partition []byte) ([]byte, error) {
	fields, err := objectFields(partition, 0)
	if err != nil {
		return nil, err
	}
	e := &edits{text: partition}
	physical, err := child(partition, fields, "idToSubPartition")
	if err != nil {
		return nil, err
	}
	if len(physical) == 0 { // before physical partitions
		if err := e.nextVersion(fields); err != nil {
			return nil, err
		}
	}
	for _, ph := range physical {
		inner, err := objectFields(partition, ph.value.from)
		if err != nil {
			return nil, err
		}
		if err := e.nextVersion(inner); err != nil {
			return nil, err
		}
	}
	return e.apply(), nil
}

func (e *edits) nextVersion(fields []field) error {
	visible, ok := lookup(fields, "visibleVersion")
	next, also := lookup(fields, "nextVersion")
	if !ok || !also {
		return errors.New("no visibleVersion or no nextVersion")
	}
	var v, n int64
	if err := errors.Join(e.decode(visible, &v), e.decode(next, &n)); err != nil {
		return err
	}
	if n != v+1 {
		e.put(next.value, strconv.AppendInt(nil, v+1, 10))
	}
	return nil
}

func (e *edits) decode(f field, to any) error {
	if err := json.Unmarshal(e.text[f.value.from:f.value.to], to); err != nil {
		return fmt.Errorf("%q: %w", f.key, err)
	}
	return nil
}
