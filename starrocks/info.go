package starrocks

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"
)

// Info is an __info file: what a native snapshot holds (facts §5.6).
type Info struct {
	Name       string // the label whose directory holds the __meta to use (measured C §2)
	Database   string // empty for a snapshot of external catalogs
	DatabaseID int64
	BackupTime time.Time
	Tables     []InfoTable // tables, materialized views and views, in the file's order
}

// InfoTable is a table, materialized view or view (no partitions) of a snapshot.
type InfoTable struct {
	Name            string
	ID              int64
	AutoIncrementID int64 // where AUTO_INCREMENT goes on; 0: none was drawn, or there is no such column
	Partitions      []InfoPartition
}

// InfoPartition is a partition with the version that was backed up.
type InfoPartition struct {
	Name        string
	ID, Version int64 // logical id; version of the first physical partition
	Physical    []InfoPhysical
}

// InfoPhysical is a physical partition. Where the writer was too old to tell (3.3 and before), it is the partition itself.
type InfoPhysical struct {
	ID, Version int64
	Indexes     []InfoIndex
}

// InfoIndex is the base index (named like the table) or a rollup.
type InfoIndex struct {
	Name       string
	ID         int64
	SchemaHash int64
	Tablets    []int64            // in order: the position is the bucket
	Files      map[int64][]string // "<file>.<md5>" by tablet, from old writers only; nil where the file does not tell
}

// InfoTablet is one tablet with its place.
type InfoTablet struct {
	Table, Partition string
	Path             TabletPath
}

// Table finds a table by name.
func (i *Info) Table(name string) (InfoTable, bool) {
	n := slices.IndexFunc(i.Tables, func(t InfoTable) bool { return t.Name == name })
	if n < 0 {
		return InfoTable{}, false
	}
	return i.Tables[n], true
}

// Tablets goes through all tablets, in the file's order.
func (i *Info) Tablets() iter.Seq[InfoTablet] {
	return func(yield func(InfoTablet) bool) {
		for _, t := range i.Tables {
			if !i.tablets(t, yield) {
				return
			}
		}
	}
}

func (i *Info) tablets(t InfoTable, yield func(InfoTablet) bool) bool {
	for _, p := range t.Partitions {
		for _, ph := range p.Physical {
			for _, x := range ph.Indexes {
				for _, tablet := range x.Tablets {
					path := TabletPath{i.DatabaseID, t.ID, ph.ID, x.ID, tablet}
					if !yield(InfoTablet{t.Name, p.Name, path}) {
						return false
					}
				}
			}
		}
	}
	return true
}

// The file's own form.
type (
	infoFile struct {
		Name       *string             `json:"name"`
		Database   *string             `json:"database"`
		ID         *int64              `json:"id"`
		BackupTime *int64              `json:"backup_time"`
		Result     *string             `json:"backup_result"`
		Objects    *ordered[infoTable] `json:"backup_objects"`
	}
	infoTable struct {
		ID              int64                  `json:"id"`
		AutoIncrementID int64                  `json:"autoIncrementId"`
		Partitions      ordered[infoPartition] `json:"partitions"`
	}
	infoPartition struct {
		ID            int64                 `json:"id"`
		Version       int64                 `json:"version"`
		Indexes       ordered[infoIndex]    `json:"indexes"`
		SubPartitions ordered[infoPhysical] `json:"subPartitions"`
	}
	infoPhysical struct {
		ID      int64              `json:"id"`
		Version int64              `json:"version"`
		Indexes ordered[infoIndex] `json:"indexes"`
	}
	infoIndex struct {
		ID           int64             `json:"id"`
		SchemaHash   int64             `json:"schema_hash"`
		Tablets      ordered[[]string] `json:"tablets"`
		TabletsOrder []string          `json:"tablets_order"`
	}
)

// ParseInfo reads an __info file of any writer: with subPartitions (3.4 and later), with indexes in the partition and file
// lists (3.3 and before), without tablets_order (then tablets are in numeric order).
func ParseInfo(data []byte) (*Info, error) {
	var f infoFile
	if err := unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("__info: %w", err)
	}
	for key, absent := range map[string]bool{"name": f.Name == nil, "database": f.Database == nil, "id": f.ID == nil,
		"backup_time": f.BackupTime == nil, "backup_objects": f.Objects == nil, "backup_result": f.Result == nil} {
		if absent {
			return nil, fmt.Errorf("__info has no %q", key)
		}
	}
	info := &Info{Name: *f.Name, Database: *f.Database, DatabaseID: *f.ID, BackupTime: time.UnixMilli(*f.BackupTime).UTC()}
	for _, e := range *f.Objects {
		t, err := e.value.table(e.key)
		if err != nil {
			return nil, fmt.Errorf("__info: table %q: %w", e.key, err)
		}
		info.Tables = append(info.Tables, t)
	}
	return info, nil
}

func (f infoTable) table(name string) (InfoTable, error) {
	t := InfoTable{Name: name, ID: f.ID, AutoIncrementID: f.AutoIncrementID}
	for _, e := range f.Partitions {
		p, err := e.value.partition(e.key)
		if err != nil {
			return t, fmt.Errorf("partition %q: %w", e.key, err)
		}
		t.Partitions = append(t.Partitions, p)
	}
	return t, nil
}

func (f infoPartition) partition(name string) (InfoPartition, error) {
	p := InfoPartition{Name: name, ID: f.ID, Version: f.Version}
	physical := f.SubPartitions
	if len(physical) == 0 {
		own := infoPhysical{ID: f.ID, Version: f.Version, Indexes: f.Indexes}
		physical = ordered[infoPhysical]{{strconv.FormatInt(f.ID, 10), own}}
	}
	for _, e := range physical {
		if e.key != strconv.FormatInt(e.value.ID, 10) {
			return p, fmt.Errorf("physical partition %q has id %d", e.key, e.value.ID)
		}
		ph := InfoPhysical{ID: e.value.ID, Version: e.value.Version}
		for _, x := range e.value.Indexes {
			index, err := x.value.index(x.key)
			if err != nil {
				return p, fmt.Errorf("index %q: %w", x.key, err)
			}
			ph.Indexes = append(ph.Indexes, index)
		}
		if len(ph.Indexes) == 0 {
			return p, fmt.Errorf("physical partition %d has no index", ph.ID)
		}
		p.Physical = append(p.Physical, ph)
	}
	return p, nil
}

func (f infoIndex) index(name string) (InfoIndex, error) {
	x := InfoIndex{Name: name, ID: f.ID, SchemaHash: f.SchemaHash}
	known := make(map[int64]bool, len(f.Tablets))
	for _, e := range f.Tablets {
		id, err := tabletID(e.key)
		if err != nil {
			return x, err
		}
		known[id] = true
		x.Tablets = append(x.Tablets, id)
		if len(e.value) == 0 {
			continue
		}
		if x.Files == nil {
			x.Files = map[int64][]string{}
		}
		x.Files[id] = e.value
	}
	if len(x.Tablets) == 0 {
		return x, fmt.Errorf("no tablets")
	}
	if f.TabletsOrder == nil {
		slices.Sort(x.Tablets)
		return x, nil
	}
	return x, x.order(f.TabletsOrder, known)
}

// order puts the tablets into the order given, which must name each of them once.
func (x *InfoIndex) order(order []string, known map[int64]bool) error {
	if len(order) != len(known) {
		return fmt.Errorf("tablets_order names %d of %d tablets", len(order), len(known))
	}
	x.Tablets = x.Tablets[:0]
	for _, text := range order {
		id, err := tabletID(text)
		if err != nil {
			return err
		}
		if !known[id] {
			return fmt.Errorf("tablets_order names %s, which is not there or named twice", text)
		}
		delete(known, id)
		x.Tablets = append(x.Tablets, id)
	}
	return nil
}

func tabletID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return 0, fmt.Errorf("tablet id %q", text)
	}
	return id, nil
}
